"""The archive: what is kept is all there, can be found, and can be made again."""

from __future__ import annotations

import dataclasses
import datetime as dt
import errno
import json
import os
import re
import shutil
import stat
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray
from archive_zygote import PLAN, work
from commands import LEAN, document, invoke
from helpers import SCENARIOS, scenario
from hypothesis import given, settings
from hypothesis import strategies as st

import forecast
from forecast.analysis.summary import summarize
from forecast.engine.run import forecast_run
from forecast.engine.store import OutputError
from forecast.operate.archive import Archive, UnsoundError, Work
from forecast.operate.kept import Kept, beside_text
from forecast.operate.naming import KEY, slug_of
from forecast.operate.prune import to_prune
from forecast.operate.verify import difference_from_made_again, fault_of

PLACES = pytest.mark.parametrize("kind", ["folder", "file://", "local://", "memory://"])
EXAMPLES = (
    ("open-pipeline", "journey"),
    ("capacity-limited", "journey"),
    ("lean-consulting-uncertain", "outcome"),
)


def archive_at(kind: str, folder: Path) -> Archive:
    """An empty archive of a kind."""
    if kind == "memory://":
        return Archive(f"memory://{folder.name}/kept")
    return Archive(folder / "kept" if kind == "folder" else f"{kind}{folder}/kept")


# --- what is kept ---------------------------------------------------------------------------------


@PLACES
def test_the_same_work_again_does_nothing(tmp_path: Path, kind: str) -> None:
    archive = archive_at(kind, tmp_path)
    assert archive.list().forecasts == ()
    first = archive.keep(work(3), {"report": {"rows": 7}, "who": "me"})
    assert first.new
    assert first.path.endswith(f"kept/plan/2026-12-31/{work(3).key}.nc")
    again = archive.keep(work(3))
    assert not again.new
    assert again == first
    assert archive.list().forecasts == (first,)
    assert archive.list().faults == ()
    attributes = archive.attributes(first)
    assert json.loads(attributes["report"]) == {"rows": 7}
    assert attributes["who"] == "me"


@PLACES
def test_what_is_read_is_what_was_simulated(tmp_path: Path, kind: str) -> None:
    archive = archive_at(kind, tmp_path)
    kept = archive.keep(work(3))
    right = forecast.simulate(work(3).scenario, runs=40, seed=3)
    xarray.testing.assert_equal(archive.read(kept), right)
    assert archive.read(kept).attrs["scenario"] == right.attrs["scenario"]
    outcome = forecast_run(work(3).scenario, runs=40, seed=3)
    assert archive.summary(kept) == json.loads(json.dumps(summarize(outcome)))
    archive.place.delete(f"{kept.stem}.json")
    assert archive.summary(kept) == summarize(outcome)
    assert archive.list().forecasts == (kept,)
    assert archive.place.size(f"{kept.stem}.json")  # made again


@pytest.mark.parametrize(("name", "detail"), EXAMPLES)
def test_what_is_kept_can_be_made_again(tmp_path: Path, name: str, detail: str) -> None:
    plan = forecast.read_scenario(SCENARIOS / f"{name}.yaml")
    archive = Archive(tmp_path)
    kept = archive.keep(Work(plan, 200, 2**70, detail))
    assert kept.seed == 2**70
    assert archive.scenario(kept).text == plan.text
    assert fault_of(archive, kept) is None
    assert difference_from_made_again(archive, kept) is None
    alone = forecast.simulate(plan, runs=200, seed=2**70, detail=detail)
    xarray.testing.assert_equal(archive.read(kept), alone)
    if detail == "outcome":
        assert "leads" not in archive.summary(kept)["quarters"][0]


def test_all_that_the_bits_depend_on_is_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = work(0).scenario
    works = [
        Work(plan, 40), Work(plan, 41), Work(plan, 40, 1), Work(plan, 40, 0, "outcome"),
        Work(scenario(PLAN, horizon="3 quarters"), 40),
        Work(scenario(PLAN, start="2027-01-02"), 40),
    ]  # fmt: skip
    keys = [each.key for each in works]
    monkeypatch.setattr(forecast, "__version__", "99")
    keys.append(Work(plan, 40).key)
    assert len(set(keys)) == len(keys)
    assert all(KEY.fullmatch(key) for key in keys)


def test_a_forecast_that_fails_its_check_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forecast.engine.outcome.SelfCheck.passed", False)
    with pytest.raises(UnsoundError, match="Self-check failed"):
        Archive(tmp_path).keep(work(0))
    assert Archive(tmp_path).list() == ((), ()) or not Archive(tmp_path).list().forecasts


# --- what is torn, foreign or changed -------------------------------------------------------------


def foreign_files(folder: Path, kept: Kept) -> list[Path]:
    """Files that are no forecasts."""
    day = folder / "plan" / "2026-12-31"
    files = [
        folder / "README.md", day / "notes.txt", day / f"{'0' * 24}.nc", day / f"{'1' * 24}.nc",
        day / f"{'2' * 24}.nc", day / f"{'3' * 24}.json", day / f"{'4' * 24}.nc",
    ]  # fmt: skip
    whole = Path(kept.path).read_bytes()
    for file, data in zip(files, [b"", b"x", b"", whole[:-9], b"text", b"{}", whole], strict=True):
        file.write_bytes(data)
    return files


def test_what_is_torn_or_foreign_is_told_and_left_alone(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    kept = archive.keep(work(0))
    files = foreign_files(tmp_path, kept)
    (tmp_path / ".DS_Store").write_bytes(b"")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    listing = archive.list()
    assert listing.forecasts == (kept,)
    assert [fault.partition(": ")[0] for fault in listing.faults] == sorted(map(str, files))
    result = invoke("history", str(tmp_path))
    assert result.exit_code == 0
    assert all("\n" not in fault for fault in listing.faults)
    assert invoke("history", str(tmp_path), "--verify").exit_code == 1


def test_a_torn_file_in_the_place_of_a_forecast_is_moved_aside(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    path = Path(archive.keep(work(0)).path)
    path.write_bytes(path.read_bytes()[:1_000])
    assert archive.list().forecasts == ()
    again = archive.keep(work(0))
    assert again.new
    assert fault_of(archive, again) is None
    assert [fault.partition(": ")[0] for fault in archive.list().faults] == [f"{path}.torn"]


def test_every_byte_that_matters_is_verified(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    kept = archive.keep(work(0))
    path = Path(kept.path)
    whole = path.read_bytes()
    before = archive.read(kept)
    rng = np.random.default_rng(1)
    found = 0
    for at in rng.integers(0, len(whole), 60):
        changed = bytearray(whole)
        changed[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        fault = fault_of(archive, kept)
        found += fault is not None
        if fault is None:  # room between what is stored, or what HDF5 does not need to read it
            xarray.testing.assert_identical(archive.read(kept), before)
    assert found > 20


def test_a_changed_bit_and_other_bits_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(tmp_path)
    kept = archive.keep(work(0))
    assert invoke("history", str(tmp_path), "--verify", "--resimulate", kept.key[:6]).exit_code == 0
    real = archive.scenario
    monkeypatch.setattr(
        Archive, "scenario", lambda _, kept: scenario(real(kept).text.replace("50%", "51%"))
    )
    result = invoke("history", str(tmp_path), "--verify", "--resimulate", kept.key[:6])
    assert result.exit_code == 1
    assert re.search(r"made again, other bits\s+in .*deals", result.output)


def test_a_name_that_is_taken_is_never_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(tmp_path)
    first = archive.keep(work(0), {"who": "first"})
    before = Path(first.path).read_bytes()
    monkeypatch.setattr(Archive, "find_work", lambda *_: None)  # as if it came a moment later
    for _ in range(2):
        again = archive.keep(work(0), {"who": "second"})
        assert not again.new
        assert again == first
        assert Path(first.path).read_bytes() == before
        monkeypatch.setattr(os, "link", no_links)  # nor where there are no links


def no_links(*_: object) -> None:
    raise OSError(errno.EOPNOTSUPP, "no links")


def test_without_links_a_rename_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", no_links)
    kept = Archive(tmp_path).keep(work(0))
    assert kept.new
    assert fault_of(Archive(tmp_path), kept) is None


def test_the_disk_has_it_before_its_name_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Archive(tmp_path).keep(work(0))
    order: list[str] = []
    fsync, link = os.fsync, os.link

    def synced(handle: int) -> None:
        order.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        fsync(handle)

    def linked(one: Any, other: Any) -> None:
        order.append("link")
        link(one, other)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "link", linked)
    Archive(tmp_path).keep(work(1))
    assert order == ["file", "link", "folder", "file"]


# --- lists, dates, pruning ------------------------------------------------------------------------


def fake(day: dt.date, name: str = "Plan", seed: int = 0) -> Kept:
    key = f"{abs(hash((day, name, seed))):024x}"[:24]
    return Kept(key, name, day.isoformat(), "now", 9, seed, "journey", "1", "", 1)


def test_pruning_keeps_the_last_days_and_month_ends() -> None:
    today = dt.date(2027, 6, 15)
    days = [today - dt.timedelta(days=back) for back in range(200)]
    every = [fake(day, name) for day in days for name in ("Plan", "Other")]
    every += [fake(dt.date(2027, 1, 31), seed=5), fake(dt.date(2026, 3, 3)), fake(days[90], seed=7)]
    gone = {(kept.scenario, kept.day, kept.seed) for kept in to_prune(every, today)}
    left = {kept.day for kept in every if (kept.scenario, kept.day, kept.seed) not in gone}
    recent = {day for day in days if (today - day).days <= 60}
    ends = {dt.date(2026, 11, 30), dt.date(2026, 12, 31), dt.date(2027, 1, 31)}
    ends |= {dt.date(2027, 2, 28), dt.date(2027, 3, 31), dt.date(2026, 3, 3)}
    assert left == recent | ends
    assert ("Plan", dt.date(2027, 1, 31), 5) not in gone
    assert to_prune([kept for kept in every if kept.day in left], today) == []


@PLACES
def test_lists_are_newest_first_and_found_by_date_and_scenario(tmp_path: Path, kind: str) -> None:
    archive = archive_at(kind, tmp_path)
    for start in ("2027-01-01", "2027-03-01", "2027-02-01"):
        archive.keep(Work(scenario(PLAN, start=start), 20))
    archive.keep(Work(scenario(PLAN, name="Other plan"), 20))
    days = [kept.as_of for kept in archive.list().forecasts]
    assert days == ["2027-02-28", "2027-01-31", "2026-12-31", "2026-12-31"]
    assert [k.scenario for k in archive.list("Other plan").forecasts] == ["Other plan"]
    assert [k.scenario for k in archive.list("other-plan").forecasts] == ["Other plan"]
    since, until = dt.date(2026, 12, 31), dt.date(2027, 1, 31)
    assert len(archive.list("Plan", since, until).forecasts) == 2
    newest = archive.newest("Plan", until)
    assert newest is not None
    assert newest.as_of == "2027-01-31"
    assert archive.newest("None") is None
    assert archive.find(newest.key[:9]) == newest
    archive.delete(newest)
    assert newest not in archive.list().forecasts
    assert archive.list().faults == ()


def test_the_summaries_of_a_thousand_are_read_from_small_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(tmp_path)
    kept = archive.keep(work(0))
    summary = json.dumps(archive.summary(kept))
    for i in range(1_000):
        other = Kept(**{**kept.__dict__, "key": f"{i:024x}", "stem": "", "path": ""})
        path = tmp_path / "plan" / "2026-12-31" / f"{i:024x}"
        path.with_suffix(".nc").write_bytes(b"x" * kept.bytes)
        path.with_suffix(".json").write_bytes(beside_text(other, summary))
    monkeypatch.setattr("forecast.operate.archive.read_attributes", lambda _: pytest.fail("slow"))
    before = time.perf_counter()
    listing = archive.list()
    summaries = [archive.summary(each) for each in listing.forecasts]
    print(f"{time.perf_counter() - before:.2f} s")
    assert len(summaries) == 1_001
    assert listing.faults == ()


# --- names ----------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(codec=None), max_size=400))
def test_every_name_makes_a_plain_folder(name: str) -> None:
    slug = slug_of(name)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug)
    assert len(slug) <= 67
    assert slug == slug_of(name)


NAMES = [
    "../../x", "x", "..", "/etc/passwd", "a/b", "a\\b", "🚀", "🚀🚀", "CON", "nul", "Größe",
    "Grosse", "日本", "日本語", "n" * 300, "n" * 301, "a\tb", ".hidden", "-rf", "com1",
]  # fmt: skip


def test_names_that_differ_have_folders_of_their_own() -> None:
    assert len({slug_of(name) for name in NAMES}) == len(NAMES)
    assert slug_of("Lean consulting") == "lean-consulting" == slug_of("lean Consulting")


@pytest.mark.parametrize("name", ["../../x", "🚀 Größe", "n" * 300])
def test_scenarios_of_any_name_are_kept_inside(tmp_path: Path, name: str) -> None:
    archive = Archive(tmp_path / "kept")
    named = dataclasses.replace(work(0).scenario, name=name)  # whatever a reader would let in
    kept = archive.keep(Work(named, 20))
    assert archive.list(name).forecasts == (kept,)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


# --- the command ----------------------------------------------------------------------------------


def test_run_keeps_and_says_what_was_kept_already(tmp_path: Path) -> None:
    folder = str(tmp_path / "kept")
    first = document("run", LEAN, "--runs", "300", "--keep", folder)
    again = document("run", LEAN, "--runs", "300", "--keep", folder)
    assert (first["kept"].pop("new"), again["kept"].pop("new")) == (True, False)
    assert again == first
    first.pop("kept")
    assert first == document("run", LEAN, "--runs", "300")
    told = invoke("run", LEAN, "--runs", "300", "--keep", folder).output
    assert "Kept already, not done again: " in told
    (entry,) = document("history", folder)["forecasts"]
    keys = {"key", "scenario", "as_of", "created", "runs", "seed", "path"}
    assert keys <= set(entry)
    assert (entry["runs"], entry["seed"], entry["as_of"]) == (300, 0, "2026-12-31")


def test_history_prunes_only_when_it_really_should(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    for start in ("2020-01-08", "2020-01-09"):
        archive.keep(Work(scenario(PLAN, start=start), 20))
    shown = document("history", str(tmp_path), "--prune")
    assert [entry["as_of"] for entry in shown["pruned"]] == ["2020-01-07"]
    assert len(archive.list().forecasts) == 2
    document("history", str(tmp_path), "--prune", "--really")
    assert [kept.as_of for kept in archive.list().forecasts] == ["2020-01-08"]
    assert not (tmp_path / "plan" / "2020-01-07").exists()
    assert "Nothing to prune" in invoke("history", str(tmp_path), "--prune").output


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("history", "{}/nowhere"), 2, "no such folder"),
        (("history", "{}", "--really"), 2, "--really together with --prune"),
        (("history", "{}", "--resimulate", "1"), 2, "--resimulate together with --verify"),
        (("history", "{}", "--verify", "--resimulate", "1"), 2, "of one kept forecast's key"),
        (("history", "{}", "--since", "soon"), 2, "soon"),
        (("history", "nosuch://x"), 1, "nosuch"),
        (("run", LEAN, "--keep", "{}", "--output", "x.nc"), 2, "--output or --keep"),
        (("run", LEAN, "--keep", "{}/file"), 1, "file: cannot be written"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(
    tmp_path: Path, args: tuple[str, ...], code: int, words: str
) -> None:
    (tmp_path / "file").write_text("")
    result = invoke(*(arg.format(tmp_path) for arg in args))
    assert result.exit_code == code
    assert words in result.output
    assert len(result.output.splitlines()) == 1


def test_without_fsspec_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(OutputError, match=r"pip install 'pipecast\[remote\]'"):
        Archive("memory://x")


def test_a_store_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = archive_at("memory://", tmp_path)
    good = archive.keep(work(0))
    real: Any = archive.place

    def fail(*_: Any, **__: Any) -> None:
        raise ConnectionError("reset by\npeer")

    for name in ("put_file", "pipe_file"):
        with monkeypatch.context() as patched:
            patched.setattr(real._files, name, fail)
            with pytest.raises(OutputError, match=r"cannot be written \(reset by peer\)\.$"):
                archive.keep(work(1))
    assert good in archive.list().forecasts
    kept = archive.keep(work(1))  # whether its object was there or not
    assert kept in archive.list().forecasts
    assert not [*Path("/tmp").glob(f"forecast-{kept.key}-*")]
    shutil.rmtree(tmp_path, ignore_errors=True)
