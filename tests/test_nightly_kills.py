"""Nightly forecasts that are killed: what is kept stays, and the next run mends the rest."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import night_zygote
import pytest
from nights import make_firm

from forecast.operate.archive import Archive
from forecast.operate.naming import part_name
from forecast.operate.places import UNFINISHED
from forecast.operate.verify import fault_of

KILLED = -9
STEPS = 7  # lines of its log
TELLING = (3, 4, 6)  # before the forecast is kept, behind it, and with its reports
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


@pytest.mark.parametrize("nth", TELLING)
def test_killed_at_a_step_the_next_run_goes_on(zygote: Zygote, tmp_path: Path, nth: int) -> None:
    killed_at(zygote, tmp_path, nth)


@pytest.mark.long
@pytest.mark.parametrize("nth", sorted({*range(1, STEPS + 1)} - {*TELLING}))
def test_killed_at_any_step(zygote: Zygote, tmp_path: Path, nth: int) -> None:
    killed_at(zygote, tmp_path, nth)


def killed_at(zygote: Zygote, tmp_path: Path, nth: int) -> None:
    config = make_firm(tmp_path, fitted=False)
    assert zygote(config, FIRST) == 0
    assert zygote(config, SECOND, nth=nth) == KILLED
    check(config, {FIRST, SECOND})
    assert zygote(config, SECOND) == 0
    check(config, {FIRST, SECOND})
    summary = json.loads((tmp_path / "reports" / "summary.json").read_text())
    assert summary["as_of"] == SECOND
    assert summary["previous"]
    assert len(Archive(tmp_path / "kept").list().forecasts) == 2


def killed_at_random(zygote: Zygote, folder: Path, times: int) -> int:
    """Kill a new night each time, so that none has only to look; gives how many were killed."""
    config = make_firm(folder, fitted=False)
    text = config.read_text()
    archive = Archive(folder / "kept")
    assert zygote(config, FIRST) == 0
    nights, before, killed = {FIRST}, whole(archive, set()), 0
    for i in range(times):
        night = str(dt.date.fromisoformat(FIRST) + dt.timedelta(days=1 + i % 35))
        nights.add(night)
        config.write_text(f"{text}seed: {i // 35}\n")
        code = zygote(config, night, kill_after=1.5, seed=i)
        assert code in (KILLED, 0)
        killed += code == KILLED
        before = whole(archive, before)
        assert summary_of(folder)["as_of"] in nights
        if i % 10 == 9:
            assert zygote(config, night) == 0
            before = whole(archive, before)
            assert summary_of(folder)["as_of"] == night
    assert zygote(config, SECOND) == 0
    assert summary_of(folder)["as_of"] == SECOND
    assert all(fault_of(archive, kept) is None for kept in archive.list().forecasts)
    assert unfinished(folder) == []
    return killed


def whole(archive: Archive, before: set[str]) -> set[str]:
    """Nothing that was kept is lost, what is new is whole and there once; gives all keys."""
    listing = archive.list()
    assert listing.faults == ()
    keys = {kept.key for kept in listing.forecasts}
    assert len({(kept.as_of, kept.seed) for kept in listing.forecasts}) == len(listing.forecasts)
    assert before <= keys
    assert all(
        fault_of(archive, kept) is None for kept in listing.forecasts if kept.key not in before
    )
    return keys


def summary_of(folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / "reports" / "summary.json").read_text())
    return told


def unfinished(folder: Path) -> list[Path]:
    """What writers left behind, in the archive and among the reports."""
    reports = folder / "reports"
    return [
        *(folder / "kept" / UNFINISHED).iterdir(),
        *reports.rglob("*.part"),
        *reports.rglob("*.tmp"),
    ]


def test_killed_at_random(zygote: Zygote, tmp_path: Path) -> None:
    killed_at_random(zygote, tmp_path, 3)


@pytest.mark.long
def test_killed_at_random_three_hundred_times(zygote: Zygote, tmp_path: Path) -> None:
    assert killed_at_random(zygote, tmp_path, 300) > 100


def test_the_next_run_cleans_away_reports_that_were_half_written(
    zygote: Zygote, tmp_path: Path
) -> None:
    config = make_firm(tmp_path, fitted=False)
    assert zygote(config, FIRST) == 0
    left = tmp_path / "reports" / UNFINISHED / part_name("quarters")
    gone = left.with_name(left.name.replace(f".{os.getpid()}-", ".4194304-"))
    for path in (left, gone):
        path.write_bytes(b"half")
    assert zygote(config, SECOND) == 0
    assert unfinished(tmp_path) == [left]
