"""Scoring what is really kept: nights against records, plain forecasts, the command."""

import datetime as dt
import json

import numpy as np
import pytest
import scoringrules
from commands import invoke
from histories import Truth as HistoryTruth
from histories import simulate_history
from kept_truth import TEXT, half_spread, label_of, make_truth, month
from nights import make_firm

from forecast.analysis.actuals import QuarterActuals
from forecast.history.exports.read import read_records
from forecast.operate.archive import Archive, Work
from forecast.operate.config import read_config
from forecast.operate.nightly import run_nightly
from forecast.operate.outcomes import (
    NOT_KNOWN,
    NOT_OVER,
    FileOutcomes,
    RecordOutcomes,
    read_outcomes,
)
from forecast.operate.said import Asked, collect
from forecast.operate.score_verdict import summarize_scores
from forecast.scenario.errors import ScenarioError
from forecast.scenario.nodes import nodes_of
from forecast.scenario.reader import build_scenario

NIGHTS = (dt.date(2026, 1, 20), dt.date(2026, 3, 10))
FILE = "quarters:\n" + "".join(
    f"  {label_of(i)}: {{deals: {n}, bookings: {n}k}}\n" for i, n in enumerate((14, 18, 12))
)


@pytest.fixture(scope="module")
def firm(tmp_path_factory):
    """A firm with two nights in a quarter that is over in its records."""
    path = make_firm(tmp_path_factory.mktemp("firm"))
    for night in NIGHTS:
        run_nightly(read_config(path), as_of=night)
    return path


def test_records_say_what_came_of_quarters_that_they_hold_whole():
    records = simulate_history(HistoryTruth(days=400), 3)  # from 2024-01-01 to 2025-02-03
    outcomes = RecordOutcomes(records)
    won = records.stays[records.stays["to"] == "won"]
    days = won["left"].map(dt.date.fromordinal)
    spring = np.sum([(day.year, (day.month - 1) // 3) == (2024, 1) for day in days])
    assert outcomes.came("deals", "2024Q2", 1) == spring > 0
    assert outcomes.came("deals", "2024Q3", 10) == spring  # the third of a year from October on
    assert outcomes.came("opportunity", "2024Q2", 1) == outcomes.came("leads", "2024Q2", 1) > 0
    assert outcomes.came("deals", "2024Q4", 1) > 0
    assert outcomes.came("deals", "2025Q1", 1) == NOT_OVER
    assert outcomes.came("deals", "2023Q4", 1) == NOT_KNOWN
    assert outcomes.came("meetings", "2024Q2", 1) == NOT_KNOWN


def test_nights_are_scored_with_what_was_done_by_then(firm):
    archive = Archive(read_config(firm).archive)
    records, _ = read_records(firm.parent / "crm.yaml")
    said = collect(archive, RecordOutcomes(records), Asked(("deals", "bookings")))
    rows = [row.split(",") for row in (firm.parent / "deals.csv").read_text().splitlines()[1:]]
    won = [row for row in rows if row[3] == "Won" and "2026-01-01" <= row[2] <= "2026-03-31"]
    assert [case.quarter for case in said.cases] == ["2026Q1"] * 4
    for kept in archive.list().forecasts:
        done = [row for row in won if row[2] <= kept.as_of]
        deals, money = (case for case in said.cases if case.as_of == kept.as_of)
        runs = (
            archive.read(kept)["deals"].sel(quarter="2026Q1").sum(["channel", "segment", "product"])
        )
        assert deals.outcome == len(won)
        assert money.outcome == pytest.approx(sum(float(row[4]) for row in won))
        assert deals.mean == pytest.approx(len(done) + float(runs.mean()))
        exact = scoringrules.crps_ensemble(
            float(len(won)), runs.values + len(done), estimator="fair"
        )
        assert deals.crps == pytest.approx(float(exact))
        assert deals.days == (dt.date(2026, 3, 31) - kept.day).days
    goals = {goal.quarter for goal in said.goals}
    assert goals == {"2026Q1"}  # the year is not over


def test_the_command_scores_nights_by_the_mapping(firm):
    folder, mapping = str(read_config(firm).archive), str(firm.parent / "crm.yaml")
    told = invoke("history", "score", folder, mapping, "--metric", "deals", "--json")
    assert told.exit_code == 0, told.output
    document = json.loads(told.stdout)
    assert document["quarters"] == ["2026Q1"]
    assert [row["lead"] for row in document["scores"]] == ["2 to 3 months", "last month", "all"]
    assert document["goals"]["chances"] == 2
    shown = invoke("history", "score", folder, mapping)
    assert shown.exit_code == 0, shown.output
    assert "too few to judge, which takes 155" in shown.stdout
    assert "the quarter is not over in the actuals" in shown.stdout
    assert all(len(line) <= 100 for line in shown.stdout.splitlines())
    assert invoke("history", "score", folder, mapping, "--quiet").stdout == ""


def keep(archive, first, months, **more):
    scenario = build_scenario(nodes_of(TEXT.format(start=month(first), months=months), "t.yaml"))
    return archive.keep(Work(scenario, more.pop("runs", 200)), more)


def test_plain_forecasts_are_scored_by_a_file_of_actuals(tmp_path):
    archive = Archive(tmp_path / "kept")
    for first in (0, 3):
        keep(archive, first, 6)
    file = tmp_path / "actuals.yaml"
    file.write_text(FILE)
    told = invoke("history", "score", str(tmp_path / "kept"), str(file), "--json")
    assert told.exit_code == 0, told.output
    document = json.loads(told.stdout)
    assert {row["metric"] for row in document["scores"]} == {"deals", "bookings"}
    deals, money = (
        next(r for r in document["scores"] if (r["metric"], r["lead"]) == (metric, "all"))
        for metric in ("deals", "bookings")
    )
    assert (deals["quarters"], deals["forecasts"]) == (3, 4)
    assert money["crps"] == pytest.approx(1000 * deals["crps"])
    assert money["coverage_80"] == pytest.approx(deals["coverage_80"])
    assert document["goals"] is None
    left = {row["why"]: row["quarters"] for row in document["left_out"]}
    assert left == {
        f"{NOT_KNOWN} of leads": [label_of(0), label_of(1), label_of(2)],
    }


def test_what_cannot_be_used_is_one_line(tmp_path):
    file = tmp_path / "actuals.yaml"
    file.write_text("quarters: {2027-1: {deals: 3}, 2027Q2: {deal: 3}}\n")
    with pytest.raises(ScenarioError) as caught:
        read_outcomes(file)
    assert "deal" in str(caught.value)
    file.write_text("quarters: {2027-1: {deals: 3}}\n")
    with pytest.raises(ScenarioError, match=r"must be a fiscal quarter\. Write it as 2027Q1"):
        read_outcomes(file)
    file.write_text(FILE)
    told = invoke("history", "score", str(tmp_path / "nowhere"), str(file))
    assert (told.exit_code, "got no such folder" in told.stderr) == (2, True)
    keep(Archive(tmp_path / "kept"), 40, 3)
    told = invoke("history", "score", str(tmp_path / "kept"), str(file), "--metric", "deal")
    assert told.exit_code == 2
    assert told.stderr.startswith("metric: got deal; must be deals")
    told = invoke("history", "score", str(tmp_path / "kept"), str(file))
    assert told.exit_code == 0
    assert "Truth: no quarter that was forecast can be scored yet." in told.stdout


@pytest.mark.long
@pytest.mark.parametrize("mean", [10, 13])
def test_200_quarters_that_are_really_kept(tmp_path, mean):
    """The truth is Poisson(15); forecasts are by the engine, right or sure of 30% too much."""
    rng = np.random.default_rng(4)
    came = rng.poisson(5, (200, 3))
    archive = Archive(tmp_path)
    text = TEXT.replace("mean: 10", f"mean: {mean}")
    for quarter in range(200):
        for first, months in ((3 * quarter, 6), (3 * quarter + 2, 1)):
            document = nodes_of(text.format(start=month(first), months=months), "t.yaml")
            done = {"deals": {label_of(quarter): float(came[quarter, :2].sum())}}
            extra = {"done": done} if months == 1 else {}
            archive.keep(Work(build_scenario(document), 1_000, seed=quarter), extra)
    quarters = {label_of(i): came[i].sum() for i in range(200)}
    file = tmp_path / "actuals.yaml"
    lines = [f"  {label}: {{deals: {n}}}" for label, n in quarters.items()]
    file.write_text("\n".join(["quarters:", *lines]))
    said = collect(archive, read_outcomes(file), Asked(("deals",)))
    document = summarize_scores(said)
    by_lead = {row["lead"]: row for row in document["scores"]}
    sentences = document["verdict"][0]["sentences"]
    assert by_lead["all"]["forecasts"] == 199 + 200 + 200
    assert sentences[0].startswith("overconfident") == (mean == 13)
    if mean == 10:
        exact = scoringrules.crps_poisson(came.sum(axis=1), 15.0).mean()
        assert by_lead["2 to 3 months"]["crps"] == pytest.approx(exact, rel=0.02)
        exact = scoringrules.crps_poisson(came[:, 2], 5.0).mean()
        assert by_lead["last month"]["crps"] == pytest.approx(exact, rel=0.02)
        for row in by_lead.values():
            assert abs(row["coverage_80"] - 0.8) < 5.5 * np.sqrt(0.16 / 199)


def test_forecasts_that_are_too_sure_are_said_to_be_so_by_the_table(capsys):
    from forecast.cli.score_table import print_scores

    made = make_truth(quarters=160, said=half_spread, seed=5)
    came = enumerate(made.came[:160])
    outcomes = FileOutcomes({label_of(i): QuarterActuals(deals=float(n)) for i, n in came})
    print_scores(summarize_scores(collect(made.archive, outcomes, Asked(("deals",)))))
    assert "overconfident: 80% intervals held" in " ".join(capsys.readouterr().out.split())
