"""Writers that are killed, that meet a full disk, that write at the same time: nothing is lost."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import archive_zygote
import pytest
from archive_zygote import STEPS, work

from forecast.engine.store import OutputError
from forecast.operate.archive import Archive
from forecast.operate.naming import part_name
from forecast.operate.places import UNFINISHED
from forecast.operate.verify import fault_of

KILLED = -9
WRITER = Path(archive_zygote.__file__)


class Zygote:
    """Writers by the line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __call__(self, *tasks: dict[str, Any]) -> list[int]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(tasks) + "\n")
        self._process.stdin.flush()
        codes: list[int] = json.loads(self._process.stdout.readline())
        return codes


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, str(WRITER)], **pipes) as process:
        yield Zygote(process)
        assert process.stdin
        process.stdin.close()


def task(folder: Path, seeds: list[int], **more: Any) -> dict[str, Any]:
    notes = folder.with_name("notes.txt")
    return {"folder": str(folder), "seeds": seeds, "notes": str(notes), **more}


def noted(folder: Path) -> list[str]:
    notes = folder.with_name("notes.txt")
    return notes.read_text().split() if notes.exists() else []


def check_listed(folder: Path) -> list[str]:
    """All that was noted is there, once, with its summary; nothing else is. Gives the keys."""
    archive = Archive(folder)
    listing = archive.list()
    assert listing.faults == ()
    keys = [kept.key for kept in listing.forecasts]
    assert len(set(keys)) == len(keys)
    assert set(noted(folder)) <= set(keys)
    return keys


def check_whole(folder: Path) -> list[str]:
    """Every file is what was kept, too. Gives the keys."""
    archive = Archive(folder)
    for kept in archive.list().forecasts:
        assert fault_of(archive, kept) is None
        assert archive.summary(kept)["seed"] == kept.seed
    return check_listed(folder)


def unfinished(folder: Path) -> list[Path]:
    return list((folder / UNFINISHED).iterdir())


OFTEN = {"sync": 3, "unlink": 2}  # times that a step comes
OFTEN_AT_FIRST = {"make a folder": 4, "sync": 7}  # in a new folder


def points(often: dict[str, int]) -> list[tuple[str, int]]:
    """Every step, each time that it comes."""
    every = often if often is OFTEN_AT_FIRST else STEPS.keys() - {"make a folder"}
    return [(step, nth) for step in every for nth in range(1, often.get(step, 1) + 1)]


def kill_at(zygote: Zygote, folder: Path, seed: int, point: tuple[str, int], behind: bool) -> None:
    where = f"{point}, {'behind' if behind else 'before'}"
    step, nth = point
    killed = task(folder, [seed], step=step, nth=nth, behind=behind)
    assert zygote(killed) == [KILLED], where
    before = check_listed(folder) if folder.exists() else []
    assert zygote(task(folder, [seed, 1_000 + seed])) == [0], where
    keys = check_listed(folder)
    assert {*before, work(seed).key} <= set(keys), where
    assert unfinished(folder) == [], where


@pytest.mark.parametrize("behind", [False, pytest.param(True, marks=pytest.mark.long)])
def test_a_writer_that_is_killed_at_any_step_loses_nothing(
    tmp_path: Path, zygote: Zygote, behind: bool
) -> None:
    folder = tmp_path / "kept"
    Archive(folder).keep(work(0))
    for seed, point in enumerate(points(OFTEN), start=1):
        kill_at(zygote, folder, seed, point, behind)
    check_whole(folder)


@pytest.mark.parametrize("behind", [False, pytest.param(True, marks=pytest.mark.long)])
def test_the_first_writer_may_be_killed_at_any_step_too(
    tmp_path: Path, zygote: Zygote, behind: bool
) -> None:
    every = points(OFTEN_AT_FIRST)
    for seed, point in enumerate(every if behind else every[::3]):
        (tmp_path / str(seed)).mkdir()
        kill_at(zygote, tmp_path / str(seed) / "kept", seed, point, behind)


def random_kills(folder: Path, zygote: Zygote, count: int) -> int:
    """Kill writers of ten forecasts at random moments; gives how many were killed."""
    killed = 0
    for i in range(count):
        seeds = list(range(10 * i, 10 * i + 10))
        codes = zygote(task(folder, seeds, kill_after=0.15, kill_seed=i))
        killed += codes == [KILLED]
        if folder.exists():
            check_listed(folder)
    assert zygote(task(folder, [10 * count])) == [0]
    check_whole(folder)
    assert unfinished(folder) == []
    return killed


def test_writers_that_are_killed_at_random_lose_nothing(tmp_path: Path, zygote: Zygote) -> None:
    assert random_kills(tmp_path / "kept", zygote, 20) > 5


@pytest.mark.long
def test_three_hundred_kills(tmp_path: Path, zygote: Zygote) -> None:
    assert random_kills(tmp_path / "kept", zygote, 300) > 100


def batch_killed(folder: Path, zygote: Zygote, count: int) -> None:
    """Kill a batch again and again, until it is whole; what it kept stays."""
    folder.with_name("plan.yaml").write_text(archive_zygote.PLAN)
    values = ", ".join(f"{10 + i / 10}%" for i in range(2 * count))
    text = f"base: plan.yaml\nruns: 20\ngrid: {{journey.o.won.conversion: [{values}]}}\n"
    grid = folder.with_name("grid.yaml")
    grid.write_text(text)
    before: set[str] = set()
    for i in range(count):
        more = {"batch": str(grid), "kill_after": 0.6, "kill_seed": i}
        assert zygote(task(folder, [], **more)) in ([KILLED], [0])
        after = set(check_listed(folder)) if folder.exists() else set()
        assert before <= after
        before = after
    assert zygote(task(folder, [10_000], batch=str(grid))) == [0]
    assert len(check_whole(folder)) == 2 * count + 1
    assert unfinished(folder) == []


def test_a_batch_that_is_killed_again_and_again_goes_on(tmp_path: Path, zygote: Zygote) -> None:
    batch_killed(tmp_path / "kept", zygote, 5)


@pytest.mark.long
def test_a_batch_that_is_killed_three_hundred_times(tmp_path: Path, zygote: Zygote) -> None:
    batch_killed(tmp_path / "kept", zygote, 300)


def at_once(folder: Path, zygote: Zygote, writers: int, each: int) -> None:
    tasks = [task(folder, list(range(w * each, w * each + each))) for w in range(writers)]
    assert zygote(*tasks) == [0] * writers
    assert len(check_whole(folder)) == writers * each
    assert unfinished(folder) == []


def test_writers_at_the_same_time_keep_all(tmp_path: Path, zygote: Zygote) -> None:
    at_once(tmp_path / "kept", zygote, 4, 6)


def test_writers_of_the_same_work_at_the_same_time_keep_it_once(
    tmp_path: Path, zygote: Zygote
) -> None:
    folder = tmp_path / "kept"
    assert zygote(*[task(folder, [1, 2, 3, 4]) for _ in range(4)]) == [0] * 4
    assert len(check_whole(folder)) == 4
    assert len(noted(folder)) == 16
    assert unfinished(folder) == []


@pytest.mark.long
@pytest.mark.parametrize("time", range(3))
def test_eight_writers_of_twenty_five(tmp_path: Path, zygote: Zygote, time: int) -> None:  # noqa: ARG001
    at_once(tmp_path / "kept", zygote, 8, 25)


def test_what_a_living_writer_writes_is_not_cleaned_away(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "kept")
    archive.keep(work(1))
    folder = tmp_path / "kept" / UNFINISHED
    mine = folder / part_name(work(2).key)
    gone = folder / mine.name.replace(f".{os.getpid()}-", ".4194304-")
    reused = folder / f"{work(2).key}{mine.name[24:37]}.{os.getpid()}-1.0.part"
    elsewhere = folder / f"{work(2).key}.{'0' * 12}.1-1.0.part"
    old = folder / "something.tmp"
    for path in (mine, gone, reused, elsewhere, old):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    archive.keep(work(3))
    assert sorted(unfinished(tmp_path / "kept")) == sorted([mine, elsewhere])


CODES = [
    errno.ENOSPC,
    *(pytest.param(c, marks=pytest.mark.long) for c in (errno.EACCES, errno.EIO)),
]


@pytest.mark.parametrize("code", CODES)
def test_errors_of_the_disk_at_every_step_leave_the_last_good_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    folder = tmp_path / "kept"
    archive = Archive(folder)
    good = archive.keep(work(0))

    def fail() -> None:
        raise OSError(code, os.strerror(code))

    for seed, (step, nth) in enumerate(points(OFTEN), start=1):
        with monkeypatch.context() as patched:
            owner, name = STEPS[step]
            patched.setattr(owner, name, getattr(owner, name))  # puts the real one back
            archive_zygote.arm(step, nth, behind=False, do=fail)
            told = ""
            try:
                archive.keep(work(seed))
            except OutputError as error:
                told = str(error)
        harmless = not HARMLESS.isdisjoint({step, (step, nth), (step, nth, code)})
        assert bool(told) != harmless, (step, nth)
        if told:
            assert "\n" not in told
            assert told.endswith(f"({os.strerror(code)}).")
            assert str(folder) in told
        assert good.key in check_listed(folder)
        assert archive.keep(work(seed)).key in check_listed(folder)
        for path in unfinished(folder):
            assert step == "unlink"
            path.unlink()
    check_whole(folder)


# What can fail without harm: a file is cleaned away later, a small one is made again, and not every
# system lets a folder be synced.
HARMLESS = {"unlink", "rename", ("sync", 3), ("sync", 2, errno.EACCES)}


def test_a_disk_that_is_really_full(tmp_path: Path, zygote: Zygote) -> None:
    folder = tmp_path / "kept"
    archive = Archive(folder)
    size = archive.keep(work(1)).bytes
    told = folder.with_name("notes.error")
    for most in (1, 512, 4_096, size // 3, 2 * size // 3, 9 * size // 10):
        assert zygote(task(folder, [2], most_bytes=most)) == [1], most
        assert told.read_text().endswith(f"cannot be written ({os.strerror(errno.EFBIG)})."), most
        assert unfinished(folder) == []
        assert check_whole(folder) == [work(1).key]
    assert zygote(task(folder, [2], most_bytes=2 * size)) == [0]
