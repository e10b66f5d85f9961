"""Batches: each scenario as by itself, whatever it runs on; one that fails stops no other."""

from __future__ import annotations

import csv
import errno
import json
import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray
from archive_zygote import PLAN
from commands import FEW, LEAN, SAAS, document, invoke, start
from helpers import SCENARIOS
from hypothesis import given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from forecast.engine.store import OutputError
from forecast.operate import batch
from forecast.operate.archive import Archive
from forecast.operate.batch import Result, run_batch
from forecast.operate.comparison import rows_of
from forecast.operate.jobs import Asked, Job, read_jobs
from forecast.operate.tables import WRITERS, harmless, write_table
from forecast.operate.verify import fault_of
from forecast.operate.worker import Done, Plan

WIN = "journey.opportunity.won.conversion"
WHOLE = Plan(whole=True)
GRID = f"""
base: {LEAN}
runs: 300
grid:
  {WIN}: [25%, 30%, 35%]
  channels.list.leads.fixed: [[34], [45]]
cases:
  - {{name: hire, set: {{{WIN}: 40%}}}}
  - {{name: as it is}}
"""


def written(folder: Path, text: str = GRID, name: str = "grid.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def many(folder: Path, count: int) -> list[Job]:
    """Small jobs."""
    written(folder, PLAN, "plan.yaml")
    values = ", ".join(f"{10 + i / 10}%" for i in range(count))
    text = f"base: plan.yaml\nruns: 40\ngrid: {{journey.o.won.conversion: [{values}]}}\n"
    return read_jobs([written(folder, text)])


# --- what is read ---------------------------------------------------------------------------------


def test_a_grid_is_every_combination_and_cases_come_behind(tmp_path: Path) -> None:
    jobs = read_jobs([written(tmp_path)])
    names = [job.name for job in jobs]
    rates = ("25%", "30%", "35%")
    grid = [f"won.conversion={r}, leads.fixed=[{n}]" for r in rates for n in (34, 45)]
    assert names == [*grid, "hire", "as it is"]
    assert {job.runs for job in jobs} == {300}
    assert jobs[1].sets == {WIN: "25%", "channels.list.leads.fixed": "[45]"}


def test_each_scenario_is_as_by_itself(tmp_path: Path) -> None:
    found = document("batch", str(written(tmp_path)))["scenarios"]
    for each in found:
        sets = each.pop("set", {})
        flags = [flag for path, value in sets.items() for flag in ("--set", f"{path}={value}")]
        alone = document("run", LEAN, "--runs", "300", *flags)
        assert each | {"scenario": alone["scenario"]} == alone


def test_files_are_scenarios_too_and_the_command_has_the_last_word(tmp_path: Path) -> None:
    names = [str(SCENARIOS / f"{name}.yaml") for name in ("lean-consulting", "tight-or-loose")]
    found = document("batch", *names, names[0], *FEW, "--seed", "3")
    titles = [each["scenario"] for each in found["scenarios"]]
    assert titles[0] == "Lean consulting"
    assert titles[2] == "Lean consulting (2)"
    assert {(each["runs"], each["seed"]) for each in found["scenarios"]} == {(500, 3)}
    changed = document("batch", str(written(tmp_path)), "--set", "products.engagement.size=1k",
                       "--runs", "60")  # fmt: skip
    assert changed["scenarios"][0]["runs"] == 60
    assert changed["scenarios"][0]["quarters"][1]["bookings"]["mean"] < 34_000


def test_files_of_a_base_and_of_a_case_go_with_them(tmp_path: Path) -> None:
    written(tmp_path, "amount\n5\n7\n", "sizes.csv")
    written(tmp_path, PLAN, "plan.yaml")
    size = "{empirical: {file: sizes.csv, column: amount}}"
    text = f"base: plan.yaml\ncases: [{{name: a, set: {{products: {{p: {{size: {size}}}}}}}}}]"
    (job,) = read_jobs([written(tmp_path, text)])
    (tmp_path / "sizes.csv").unlink()
    assert run_batch([job]).failed == ()


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("base: lean.yaml\n", 1, "neither grid nor cases"),
        ("base: none.yaml\ngrid: {a.b: [1]}\n", 1, "none.yaml"),
        ("base: {0}\ngrid:\n  journey.opportunity.wonn.lag: [1]\n", 3, "Did you mean won?"),
        ("base: {0}\ngrid:\n  horizon: 9\n", 3, "a list of values"),
        ("base: {0}\n\ngrid: [1]\n", 3, "a mapping of paths"),
        ("base: {0}\ncases:\n  - {{name: a, sets: {{}}}}\n", 3, "Did you mean set?"),
        ("base: {0}\ncases:\n  - set: {{horizon: 3 quarters}}\n", 3, "no name"),
        ("base: {0}\nruns: many\ngrid: {{horizon: [2 quarters]}}\n", 2, "many"),
        ("base: {0}\ndetail: all\ngrid: {{horizon: [2 quarters]}}\n", 2, "journey or outcome"),
        ("base: {0}\ncases:\n  - {{name: a, set: {{name: b}}}}\n", 3, "path of an assumption"),
        ("grid: {{horizon: [2 quarters]}}\n", 1, "no base"),
    ],
)
def test_faults_of_a_batch_file_have_their_line(
    tmp_path: Path, text: str, line: int, words: str
) -> None:
    text = text.replace("{0}", LEAN).replace("{{", "{").replace("}}", "}")
    path = written(tmp_path, text)
    result = invoke("batch", str(path))
    assert result.exit_code == 2, result.output
    assert words in result.output
    if words != "none.yaml":
        assert result.output.startswith(f"{path}:{line}: "), result.output


# --- what fails, and what does not ----------------------------------------------------------------


def test_a_scenario_that_fails_stops_no_other(tmp_path: Path) -> None:
    text = GRID.replace("35%", "135%")
    result = invoke("batch", str(written(tmp_path, text)), str(tmp_path / "none.yaml"), "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert len(found["scenarios"]) == 6
    assert len(found["failed"]) == 3
    assert found["failed"][0]["error"].startswith(f"{tmp_path}/grid.yaml:5: {WIN}: got 135%")
    assert "no such file" in found["failed"][2]["error"]
    assert "none.yaml" in result.stderr
    shown = invoke("batch", str(written(tmp_path, text)))
    assert shown.exit_code == 1
    assert "Failed: 2 of 8." in shown.stdout


def test_whatever_happens_to_one_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = many(tmp_path, 4)
    real = batch.do_job.__globals__["forecast_run"]

    def broken(scenario: Any, **more: Any) -> Any:
        if "10.1" in scenario.name:
            raise ZeroDivisionError("of\nours")
        return real(scenario, **more)

    monkeypatch.setitem(batch.do_job.__globals__, "forecast_run", broken)
    result = run_batch(jobs)
    (failed,) = result.failed
    assert failed.error == "failed unexpectedly: ZeroDivisionError: of ours"


def test_outcome_does_where_no_leads_are_asked_for(tmp_path: Path) -> None:
    jobs = read_jobs([written(tmp_path)])
    short, whole = run_batch(jobs), run_batch(jobs, WHOLE)
    for one, other in zip(short.done, whole.done, strict=True):
        assert one.document is not None
        assert other.document is not None
        assert "leads" not in one.document["quarters"][0]
        assert "leads" in other.document["quarters"][0]
        assert one.document["goals"][0]["exact"] == other.document["goals"][0]["exact"]
    goal = "{metric: leads, quarter: 2027Q1, target: 3, confidence: 80%}"
    text = f"{GRID}  - {{name: leads, set: {{goals: [{goal}]}}}}\n"
    leads = read_jobs([written(tmp_path, text)])
    assert run_batch(leads[-1:]).failed == ()
    (failed,) = run_batch(read_jobs([written(tmp_path, text)], Asked(detail="outcome"))).failed
    assert "must be journey for goals on leads" in failed.error


# --- where it runs --------------------------------------------------------------------------------


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "WORTH_PROCESSES_SECONDS", 0.0)


@pytest.mark.usefixtures("processes")
def test_processes_make_no_difference_nor_does_one_that_is_killed(tmp_path: Path) -> None:
    jobs = many(tmp_path, 24)
    right = run_batch(jobs, WHOLE, processes=1)
    assert right.failed == ()
    assert run_batch(jobs, WHOLE, processes=2).done == right.done


@pytest.mark.usefixtures("processes")
def test_a_process_that_dies_changes_nothing_but_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = many(tmp_path, 24)
    right = run_batch(jobs, WHOLE, processes=1)
    pools: list[Any] = []

    class Watched(ProcessPoolExecutor):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            pools.append(self)

    def killed(done: int, _: int) -> None:
        for process in list((pools[0]._processes or {}).values()) if pools else []:
            if done > 2 and process.pid:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)

    monkeypatch.setattr(batch, "ProcessPoolExecutor", Watched)
    assert run_batch(jobs, WHOLE, processes=2, progress=killed).done == right.done
    assert pools


def test_no_more_are_done_at_once_than_the_memory_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = many(tmp_path, 3)
    assert batch._fitting(jobs) > 100
    monkeypatch.setattr(batch, "memory_room", lambda: 40 * 8 * 2 * 5 * batch.WORK_SPACE * 3.5)
    assert batch._fitting(jobs) == 3


def test_the_same_random_numbers_are_in_all(tmp_path: Path) -> None:
    rates = ", ".join(f"{rate}%" for rate in range(20, 40))
    text = f"base: {SAAS}\nruns: 200\ngrid: {{journey.lead.opportunity.conversion: [{rates}]}}\n"
    jobs = read_jobs([written(tmp_path, text)])
    found = run_batch(jobs).document()["scenarios"]
    means = [each["quarters"][-1]["deals"]["mean"] for each in found]
    assert means == sorted(means)  # far nearer than their errors, and yet in order


def test_what_is_kept_is_not_done_again(tmp_path: Path) -> None:
    jobs = read_jobs([written(tmp_path)])
    plan = Plan(str(tmp_path / "kept"))
    first = run_batch(jobs[:5], plan)
    assert all(each.new for each in first.done)
    again = run_batch(jobs, plan)
    assert [each.new for each in again.done] == [False] * 5 + [True] * 3
    assert [each.document for each in again.done[:5]] == [each.document for each in first.done]
    kept = Archive(tmp_path / "kept").list().forecasts
    assert len(kept) == 8
    assert len({each.scenario for each in kept}) == 8
    told = invoke("batch", str(tmp_path / "grid.yaml"), "--keep", str(tmp_path / "kept")).output
    assert "Kept: 0 new, 8 there already and not done again." in told


def test_a_batch_that_is_killed_is_taken_up_where_it_was(tmp_path: Path) -> None:
    many(tmp_path, 12)
    folder = tmp_path / "kept"
    first = start("batch", "grid.yaml", "--keep", "kept", cwd=tmp_path)
    while not folder.exists() or len(list(folder.rglob("*.nc"))) < 3:
        assert first.poll() is None
        time.sleep(0.01)
    first.kill()
    first.communicate()
    archive = Archive(folder)
    before = archive.list()
    assert before.faults == ()
    assert all(fault_of(archive, kept) is None for kept in before.forecasts)
    result = document("batch", str(tmp_path / "grid.yaml"), "--keep", str(folder),
                      "--detail", "outcome")  # fmt: skip
    assert len(result["scenarios"]) == 12
    kept = archive.list().forecasts
    assert len(kept) == 12
    assert set(before.forecasts) <= set(kept)


# --- tables ---------------------------------------------------------------------------------------

NASTY = ["=1+1", "+2", "-3", "@x", "<b>&", 'a"b,c', "\tz", "plain"]


def nasty_result() -> Result:
    """A result with names that spreadsheets and pages could take for something else."""
    figures = {"mean": 1.5, "p10": 1, "p50": None, "p90": 2, "standard_error": None}
    done = []
    for name in NASTY:
        span = {"deals": figures, "bookings": figures, "revenue": figures, "spend": figures}
        doc = {"scenario": name, "set": {"=p": name}, "years": [], "goals": [],
               "quarters": [{"quarter": "2027Q1", **span, "entered": {}}]}  # fmt: skip
        done.append(Done(name, doc))
    return Result((), (*done, Done("bad", error="=boom")))


@pytest.mark.parametrize("suffix", WRITERS)
def test_tables_hold_the_figures_and_nothing_else(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"table{suffix}"
    result = nasty_result().document()
    write_table(path, result)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    if suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["scenario"] for row in rows] == [harmless(name) for name in NASTY]
        assert all(cell[:1] not in "=+-@\t" for row in rows for cell in row.values() if cell)
        assert rows[0]["deals p50"] == ""
    elif suffix == ".xlsx":
        book = CalamineWorkbook.from_path(str(path))
        head, *rows = book.get_sheet_by_name("Scenarios").to_python()
        assert [row[0] for row in rows] == NASTY
        assert rows[0][head.index("deals mean")] == 1.5
        assert rows[0][head.index("deals p50")] == ""
        assert book.get_sheet_by_name("Failed").to_python()[1] == ["bad", "=boom"]
    elif suffix == ".html":
        text = path.read_text(encoding="utf-8")
        assert "&lt;b&gt;&amp;" in text
        assert "<b>" not in text
    elif suffix == ".json":
        assert json.loads(path.read_text()) == result
    else:
        with xarray.open_dataset(path) as data:
            assert data.scenario.values.tolist() == NASTY
            assert float(data["mean"].sel(scenario="+2", metric="deals", quarter="2027Q1")) == 1.5
            assert np.isnan(data.p50).all()


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_table_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    path = tmp_path / f"table{suffix}"
    path.write_text("old")

    def fail(_: Path) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("forecast.engine.store.sync", fail)
    with pytest.raises(OutputError, match=r"cannot be written \(No space left on device\)\.$"):
        write_table(path, nasty_result().document())
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_excel_files_of_the_same_table_are_the_same(tmp_path: Path) -> None:
    for name in ("a.xlsx", "b.xlsx"):
        write_table(tmp_path / name, nasty_result().document())
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


def test_a_table_of_a_real_batch_has_its_goals_and_sets(tmp_path: Path) -> None:
    path = tmp_path / "table.nc"
    result = invoke("batch", str(written(tmp_path)), "--output", str(path), "--quiet")
    assert result.output == ""
    with xarray.open_dataset(path) as data:
        sizes = {"scenario": 8, "metric": 5, "quarter": 5, "goal": 1, "assumption": 2}
        assert dict(data.sizes) == sizes
        assert data.goal.values.tolist() == ["deals 2027Q2"]
        assert data.goal_exact.values[-1, 0] == pytest.approx(0.5938816)
        assert data.set.sel(scenario="hire").values.tolist() == ["40%", ""]
    rows = rows_of(document("batch", str(written(tmp_path)))["scenarios"])
    assert len(rows) == 8 * 5
    chances = [row["goal deals exact"] for row in rows if row["quarter"] == "2027Q2"]
    assert chances[0] < chances[2] < chances[4] < chances[6]


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_no_text_of_a_table_is_a_formula(text: str) -> None:
    assert harmless(text)[:1] not in tuple("=+-@\t\r") or not text


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--output", "x.txt"), ".csv, .xlsx, .html, .json, .nc"),
        (("--output", "nowhere/x.csv"), "is not there"),
        (("--workers", "2", "--dask", "tcp://x"), "--workers or --dask"),
        (("--quarter", "2031Q1"), "2027Q1"),
    ],
)
def test_wrong_usage_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke("batch", LEAN, *FEW, *args)
    assert result.exit_code == 2
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
