"""The command: exit codes, the JSON contract, one line a fault, nothing half-written."""

from __future__ import annotations

import json
import os
import subprocess
from math import sqrt
from pathlib import Path
from typing import Any

import pytest
from commands import FEW, FORECAST, LEAN, ROOT, SAAS, document, invoke

import forecast
import forecast.engine.request
import forecast.engine.run
from forecast.cli.group import COMMANDS
from forecast.engine.outcome import Outcome, SelfCheck
from forecast.scenario.errors import Fault, ScenarioError
from forecast.scenario.uncertain import uncertain_numbers

MEASURES = ("deals", "bookings", "revenue", "leads", "spend")


# --- run


def test_the_json_document_keeps_its_contract() -> None:
    said = document("run", LEAN, "--runs", "20k")
    assert (said["scenario"], said["runs"], said["seed"]) == ("Lean consulting", 20_000, 0)
    keys = {"mean", "sd", "p10", "p50", "p90", "standard_error", "expected"}
    for quarter in said["quarters"]:
        assert all(keys <= quarter[measure].keys() for measure in MEASURES)
        assert {"mean", "expected"} <= quarter["entered"]["opportunity"].keys()
    (goal,) = said["goals"]
    assert (goal["metric"], goal["quarter"], goal["target"]) == ("deals", "2027Q2", 10)
    assert goal["confidence"] == 0.8
    assert goal["exact"] == pytest.approx(0.5938816325161258, rel=1e-9)
    assert abs(goal["probability"] - goal["exact"]) < 5 * goal["standard_error"]
    assert goal["reached"] is False
    deals = said["quarters"][1]["deals"]
    assert deals["expected"] == pytest.approx(10.2, rel=1e-12)
    assert deals["sd"] == pytest.approx(sqrt(7.14), rel=0.05)


def test_an_uncertain_rate_costs_confidence() -> None:
    (goal,) = document("run", LEAN.replace(".yaml", "-uncertain.yaml"))["goals"]
    assert goal["exact"] == pytest.approx(0.5362928361204558, abs=0.002)
    assert abs(goal["probability"] - 0.5362928) < 5 * goal["standard_error"]
    assert "conditional" in goal["exact_from"]


def test_the_table_shows_quarters_goals_and_the_check() -> None:
    result = invoke("run", SAAS)
    assert result.exit_code == 0
    assert result.stderr == ""
    for text in ("SaaS funnel", "10,000 runs", "2028Q4", "P10", "spend", "✗ no", "Self-check"):
        assert text in result.stdout
    assert "\x1b[" not in result.stdout


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 200])
def test_tables_fit_the_screen(columns: int) -> None:
    for command in ("run", "check", "journey"):
        options = FEW if command == "run" else ()
        result = invoke(command, SAAS, *options, env={"COLUMNS": str(columns)})
        assert result.exit_code == 0
        assert max(map(len, result.stdout.splitlines())) <= columns, command


def test_a_pipe_that_knows_ascii_only_is_enough(tmp_path: Path) -> None:
    for command in (
        ["run", LEAN, *FEW],
        ["check", SAAS],
        ["journey", SAAS],
        ["run", LEAN, "--json"],
    ):
        env = {**os.environ, "PYTHONIOENCODING": "ascii"}
        done = subprocess.run([*FORECAST, *command], cwd=tmp_path, env=env, capture_output=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.isascii()


def test_quiet_says_nothing() -> None:
    assert invoke("run", LEAN, *FEW, "--quiet").output == ""
    assert invoke("check", LEAN, "--quiet").output == ""


@pytest.mark.parametrize(
    ("text", "runs"), [("1", 1), ("1_500", 1_500), ("2k", 2_000), ("1e3", 1_000)]
)
def test_runs_are_read_as_people_write_them(text: str, runs: int) -> None:
    assert document("run", LEAN, "--runs", text)["runs"] == runs


@pytest.mark.parametrize("text", ["0", "-5", "1.5", "many", "1e9", "100_000_001", "nan", "inf", ""])
def test_runs_that_cannot_be_are_refused(text: str) -> None:
    result = invoke("run", LEAN, "--runs", text)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "must be a whole number from 1 to 100,000,000" in result.stderr


def test_the_most_runs_are_the_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast.engine.request, "MOST_RUNS", 50)
    assert "from 1 to 50." in invoke("run", LEAN, "--runs", "51").stderr


@pytest.mark.parametrize("seed", ["-1", "0", "2027", "123456789012345678901234567890"])
def test_any_whole_number_is_a_seed(seed: str) -> None:
    first = document("run", LEAN, *FEW, "--seed", seed)
    assert first["seed"] == int(seed)
    assert first == document("run", LEAN, *FEW, "--seed", seed)


def test_another_seed_gives_other_runs() -> None:
    first, second = (document("run", LEAN, *FEW, "--seed", seed) for seed in ("1", "2"))
    assert first["quarters"] != second["quarters"]
    assert first["goals"][0]["exact"] == second["goals"][0]["exact"]


def test_set_changes_an_assumption() -> None:
    said = document("run", LEAN, *FEW, "--set", "journey.opportunity.won.conversion=50%")
    assert said["quarters"][1]["deals"]["expected"] == pytest.approx(17.0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("journey.opportunity.won.conversion=135%", "must be a conversion between 0% and 100%"),
        ("journey.opportunity.wno.conversion=35%", "Did you mean won"),
        ("nothing", "must be PATH=VALUE"),
        ("=3", "must be PATH=VALUE"),
    ],
)
def test_a_set_that_cannot_be_is_refused(given: str, message: str) -> None:
    result = invoke("run", LEAN, "--set", given)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_a_path_set_twice_is_refused() -> None:
    result = invoke("check", LEAN, "--set", "name=a", "--set", "name=b")
    assert result.exit_code == 2
    assert "must be given once" in result.stderr


def test_precision_fixes_the_runs_that_reach_it() -> None:
    said = document("run", SAAS, "--precision", "1%")
    assert said["runs"] >= 1_000
    assert max(goal["standard_error"] for goal in said["goals"]) <= 0.0101
    assert said == document("run", SAAS, "--precision", "1%")


def test_precision_and_runs_exclude_each_other() -> None:
    result = invoke("run", LEAN, "--precision", "1%", "--runs", "10")
    assert result.exit_code == 2
    assert "--runs or --precision, not both" in result.stderr


def test_precision_needs_goals(tmp_path: Path) -> None:
    path = without_goals(tmp_path)
    assert invoke("run", path, "--precision", "1%").exit_code == 2
    assert invoke("run", path, "--fail-below-confidence").exit_code == 2
    result = invoke("run", path, *FEW)
    assert result.exit_code == 0
    assert "wanted" not in result.output


def without_goals(folder: Path) -> str:
    """A scenario without goals, as a file."""
    path = folder / "no-goals.yaml"
    path.write_text(Path(LEAN).read_text(encoding="utf-8").split("goals:")[0], encoding="utf-8")
    return str(path)


def test_fail_below_confidence_exits_with_5_and_still_speaks() -> None:
    result = invoke("run", LEAN, *FEW, "--fail-below-confidence", "--json")
    assert result.exit_code == 5
    assert json.loads(result.stdout)["goals"][0]["reached"] is False
    enough = ("--set", "channels.list.leads.fixed=[40]")
    assert invoke("run", LEAN, *FEW, *enough, "--fail-below-confidence").exit_code == 0


def test_a_failed_self_check_fails_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    real = forecast.engine.run.forecast_run

    def broken(*args: Any, **kwargs: Any) -> Outcome:
        sound = real(*args, **kwargs)
        fields = {name: getattr(sound, name) for name in sound.__dataclass_fields__}
        return Outcome(**{**fields, "check": SelfCheck(-9.7, "deals 2027Q2", 5.5, 20)})

    monkeypatch.setattr(forecast.engine.run, "forecast_run", broken)
    result = invoke("run", LEAN, *FEW)
    assert result.exit_code == 1
    assert "Self-check failed" in result.stderr
    assert "DO NOT AGREE" in result.stdout


# --- what goes wrong


def test_a_bad_file_gives_one_line_a_fault_and_writes_nothing(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    text = Path(LEAN).read_text(encoding="utf-8")
    bad.write_text(text.replace("30%", "130%").replace("8 quarters", "0 days"), encoding="utf-8")
    before = sorted(tmp_path.iterdir())
    result = invoke("run", str(bad), "--output", str(tmp_path / "out.nc"))
    assert result.exit_code == 2
    assert result.stdout == ""
    for line in result.stderr.splitlines():
        assert line.startswith(f"{bad}:")
        assert "; must be " in line
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("command", ["run", "check", "journey"])
def test_a_missing_file_is_bad_input(command: str) -> None:
    result = invoke(command, "nowhere.yaml")
    assert result.exit_code == 2
    assert result.stderr.startswith("nowhere.yaml:1:")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "args", [("run",), ("bogus",), ("run", LEAN, "--bogus"), ("check", LEAN, "more")]
)
def test_wrong_usage_is_told_in_one_line(args: tuple[str, ...]) -> None:
    result = invoke(*args)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "--help" in result.stderr


def test_no_command_shows_the_help() -> None:
    result = invoke()
    assert result.exit_code == 2
    assert all(name in result.output for name in COMMANDS)


def test_what_nobody_expected_is_one_line_and_exit_1(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a\nb")

    monkeypatch.setattr(forecast.engine.run, "forecast_run", broken)
    result = invoke("run", LEAN)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "RuntimeError: a b" in result.stderr
    assert "FORECAST_DEBUG=1" in result.stderr
    debugged = invoke("run", LEAN, env={"FORECAST_DEBUG": "1"})
    assert isinstance(debugged.exception, RuntimeError)


def test_errors_of_the_library_say_how_the_command_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    class Narrow(ScenarioError):
        pass

    def narrow(*_: Any, **__: Any) -> None:
        raise Narrow([Fault("a.yaml", 1, "x", "1", "2", "Write 2.")])

    monkeypatch.setattr(forecast.engine.run, "forecast_run", narrow)
    result = invoke("run", LEAN)
    assert result.exit_code == 2
    assert result.stderr == "a.yaml:1: x: got 1; must be 2. Write 2.\n"


def test_requests_that_cannot_be_met_are_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast.engine.request, "_memory_bytes", lambda: 1e6)
    result = invoke("run", LEAN, "--runs", "1M")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert result.stderr.startswith("runs: ")


def test_too_little_memory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(forecast.engine.run, "forecast_run", greedy)
    result = invoke("run", LEAN)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "--runs" in result.stderr


# --- output files


@pytest.mark.parametrize("name", ["out.csv", "out", "folder/out.nc", "taken.nc"])
def test_an_output_that_cannot_be_written_is_told_before_the_work(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken.nc").mkdir()
    monkeypatch.setattr(forecast.engine.run, "forecast_run", None)
    result = invoke("run", LEAN, "--output", str(tmp_path / name))
    assert result.exit_code == 2
    assert result.stderr.startswith("--output ")
    assert result.stderr.count("\n") == 1


def test_an_output_replaces_an_older_one_and_is_read_by_xarray(tmp_path: Path) -> None:
    import xarray

    path = tmp_path / "out.nc"
    for seed in ("1", "2"):
        assert invoke("run", LEAN, *FEW, "--seed", seed, "--output", str(path)).exit_code == 0
        with xarray.open_dataset(path) as opened:
            assert opened.sizes["run"] == 500
            assert opened.attrs["seed"] == seed
    assert sorted(tmp_path.iterdir()) == [path]


# --- the other commands


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_scenario_is_checked_and_drawn(path: Path) -> None:
    result = invoke("check", str(path))
    assert result.exit_code == 0
    assert result.output.rstrip().endswith("OK")
    assert "won" in invoke("journey", str(path)).output
    assert document("check", str(path))["channels"]
    assert document("journey", str(path))["stages"]


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").glob("*.yaml")), ids=lambda p: p.stem)
@pytest.mark.parametrize("more", [(), ("--set", "market=2")])
def test_check_and_run_expect_the_same_leads(path: Path, more: tuple[str, ...]) -> None:
    more = (*more, *at_means(path))
    checked = document("check", str(path), *more)["channels"]
    expected = [q["leads"]["expected"] for q in document("run", str(path), *FEW, *more)["quarters"]]
    by_quarter = zip(*(channel["leads"] for channel in checked), strict=True)
    assert [sum(leads) for leads in by_quarter] == pytest.approx(expected, rel=1e-9)


def at_means(path: Path) -> list[str]:
    """Options that make assumptions certain where leads are curved in them: customers bring some.

    ``check`` takes what is uncertain at its mean, ``run`` averages over its draws.
    """
    given = forecast.read_scenario(path)
    if given.referred is None:
        return []
    numbers = uncertain_numbers(given).values()
    return [f"--set={number.path}={number.family.mean!r}" for number in numbers]


def test_init_writes_a_scenario_that_runs_and_never_overwrites(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke("init").exit_code == 0
    assert invoke("check", "scenario.yaml").exit_code == 0
    assert invoke("run", "scenario.yaml", *FEW).exit_code == 0
    Path("scenario.yaml").write_text("mine", encoding="utf-8")
    again = invoke("init")
    assert again.exit_code == 2
    assert "--force" in again.stderr
    assert Path("scenario.yaml").read_text(encoding="utf-8") == "mine"
    assert invoke("init", "--force").exit_code == 0
    assert Path("scenario.yaml").read_text(encoding="utf-8") != "mine"
    assert invoke("init", "nowhere/plan.yaml").exit_code == 2
    assert [p.name for p in tmp_path.iterdir()] == ["scenario.yaml"]


def test_the_schema_is_one_json_document() -> None:
    assert json.loads(invoke("schema").stdout)["title"] == "Forecast scenario"


def test_a_journey_marks_its_loops_and_names_who_differs() -> None:
    drawn = invoke("journey", SAAS).output
    assert "nurture ↺" in drawn
    assert "partners" in drawn.split("Where channels and segments differ")[1]
    assert "new qualification team" in drawn


def test_the_version_is_the_packages() -> None:
    result = invoke("--version")
    assert result.output == f"forecast {forecast.__version__}\n"
