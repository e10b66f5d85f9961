"""Nightly forecasts that are killed: what is kept stays, and the next run mends the rest."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import night_zygote
import pytest
from nights import make_firm

from forecast.operate.archive import Archive
from forecast.operate.verify import fault_of

KILLED = -9
STEPS = 8  # lines of its log
FIRST, SECOND = "2026-04-10", "2026-05-15"


class Zygote:
    """Nights by the line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __call__(self, config: Path, as_of: str, **more: Any) -> int:
        assert self._process.stdin
        assert self._process.stdout
        task = {"config": str(config), "as_of": as_of, **more}
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, night_zygote.__file__], **pipes) as process:
        yield Zygote(process)
        assert process.stdin
        process.stdin.close()


def check(config: Path, nights: set[str]) -> None:
    """All kept forecasts are whole, one a night; the newest summary is whole too."""
    archive = Archive(config.parent / "kept")
    listing = archive.list()
    assert listing.faults == ()
    assert {kept.as_of for kept in listing.forecasts} <= nights
    assert len({kept.as_of for kept in listing.forecasts}) == len(listing.forecasts)
    assert all(fault_of(archive, kept) is None for kept in listing.forecasts)
    summary = config.parent / "reports" / "summary.json"
    if summary.exists():
        assert json.loads(summary.read_text())["as_of"] in nights


@pytest.mark.parametrize("nth", range(1, STEPS + 1))
def test_killed_at_a_step_the_next_run_goes_on(zygote: Zygote, tmp_path: Path, nth: int) -> None:
    config = make_firm(tmp_path)
    assert zygote(config, FIRST) == 0
    assert zygote(config, SECOND, nth=nth) == KILLED
    check(config, {FIRST, SECOND})
    assert zygote(config, SECOND) == 0
    check(config, {FIRST, SECOND})
    summary = json.loads((tmp_path / "reports" / "summary.json").read_text())
    assert summary["as_of"] == SECOND
    assert summary["previous"]
    assert len(Archive(tmp_path / "kept").list().forecasts) == 2


def killed_at_random(zygote: Zygote, folder: Path, times: int) -> None:
    config = make_firm(folder)
    assert zygote(config, FIRST) == 0
    for seed in range(times):
        assert zygote(config, SECOND, kill_after=1.5, seed=seed) in (KILLED, 0)
        check(config, {FIRST, SECOND})
    assert zygote(config, SECOND) == 0
    check(config, {FIRST, SECOND})


def test_killed_at_random(zygote: Zygote, tmp_path: Path) -> None:
    killed_at_random(zygote, tmp_path, 5)


@pytest.mark.long
def test_killed_at_random_three_hundred_times(zygote: Zygote, tmp_path: Path) -> None:
    killed_at_random(zygote, tmp_path, 300)
