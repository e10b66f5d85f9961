"""The command in this process and in one of its own, for the files that test it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from forecast.cli.group import cli

ROOT = Path(__file__).parent.parent
LEAN = str(ROOT / "scenarios" / "lean-consulting.yaml")
SAAS = str(ROOT / "scenarios" / "saas-funnel.yaml")
FORECAST = [sys.executable, "-c", "from forecast.cli import main; main()"]
FEW = ("--runs", "500")


def invoke(*args: str, env: Mapping[str, str] | None = None) -> Result:
    """Run the command in this process."""
    return CliRunner(env={"COLUMNS": "100", **(env or {})}).invoke(cli, list(args))


def document(*args: str) -> Any:
    """Run the command for its JSON document."""
    result = invoke(*args, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def start(*args: str, cwd: Path, **more: Any) -> subprocess.Popen[bytes]:
    """Start the command in a process of its own."""
    return subprocess.Popen(
        [*FORECAST, *args], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more
    )
