"""The documents on archives and batches are true: their examples are run, one after the other."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from test_docs import CONSOLE_COLUMNS, ROOT, UPDATE, blocks

from forecast.cli.group import COMMANDS, cli
from forecast.operate.jobs import read_jobs

DOCUMENTS = [ROOT / "docs" / name for name in ("archive.md", "batch.md")]
EACH = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)


@EACH
def test_what_a_document_shows_is_what_is_said(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / "scenarios", tmp_path / "scenarios")
    monkeypatch.chdir(tmp_path)
    for block in blocks(path, "yaml"):
        Path("sweep.yaml").write_text(block, encoding="utf-8")
        assert len(read_jobs([Path("sweep.yaml")])) == 7
    for block in blocks(path, "console"):
        first, _, shown = block.partition("\n")
        runner = CliRunner(env={"COLUMNS": CONSOLE_COLUMNS})
        said = runner.invoke(cli, shlex.split(first)[2:]).output
        said = "".join(f"{line.rstrip()}\n" for line in said.splitlines())
        if UPDATE and said != shown:
            text = path.read_text(encoding="utf-8")
            new = f"```console\n{first}\n{said}```"
            path.write_text(text.replace(f"```console\n{block}```", new, 1), "utf-8")
        else:
            assert said == shown
    for block in blocks(path, "python"):
        exec(compile(block, path.name, "exec"), {})
        assert capsys.readouterr().out == "False True\n2000\n"


@EACH
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8")):
        assert "://" in target or (path.parent / target).exists(), target


def test_both_commands_are_named_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert {"batch", "history"} <= set(COMMANDS)
    for document in DOCUMENTS:
        assert f"docs/{document.name}" in text
