"""``forecast goal``: the contract of its document, its sentences, its exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import FEW, LEAN, SAAS, document, invoke

UNCERTAIN = LEAN.replace(".yaml", "-uncertain.yaml")
FIXED = "channels.list.leads.fixed"
REACH = {
    "metric", "quarter", "target", "confidence", "assumption", "now", "value", "low", "high",
    "exact", "best_possible", "latest_period",
}  # fmt: skip


def test_the_json_document_keeps_its_contract() -> None:
    said = document("goal", LEAN, "--reach", "80%,90%", "--by", FIXED, *FEW)
    (goal,) = said["goals"]
    assert {"probability", "standard_error", "exact", "reached"} <= goal.keys()
    assert goal["luck"] == pytest.approx(1.0)
    assert goal["not_knowing"] == pytest.approx(0.0)
    assert 2.0 < goal["shortfall_mean"] < 3.0
    one, two = said["reach"]
    assert one.keys() >= REACH
    assert {key: one[key] for key in REACH} == {
        "metric": "deals", "quarter": "2027Q2", "target": 10, "confidence": 0.8,
        "assumption": FIXED, "now": 34, "value": 40, "low": 40, "high": 40, "exact": True,
        "best_possible": None, "latest_period": "2027-03",
    }  # fmt: skip
    assert type(one["value"]) is int
    assert two["value"] == 45
    assert [row["period"] for row in one["schedule"]] == ["2027-01", "2027-02", "2027-03"]
    assert sum(row["items"] for row in one["schedule"]) == pytest.approx(40)
    assert one["schedule"][-1]["share"] == pytest.approx(1.0)


def test_all_leads_and_each_goals_own_confidence_when_left_out() -> None:
    assert "reach" not in document("goal", LEAN, *FEW)
    (by_path,) = document("goal", LEAN, "--by", FIXED, *FEW)["reach"]
    (by_reach,) = document("goal", LEAN, "--reach", "80%", *FEW)["reach"]
    assert (by_path["confidence"], by_path["value"]) == (0.8, 40)
    assert (by_reach["assumption"], by_reach["value"]) == ("channels.*.leads", 40)


def test_out_of_reach_gives_the_best_possible() -> None:
    path = "journey.opportunity.won.conversion"
    few = ("--set", f"{FIXED}=[9]")
    (entry,) = document("goal", LEAN, "--reach", "80%", "--by", path, *few, *FEW)["reach"]
    assert (entry["value"], entry["low"], entry["high"]) == (None, None, None)
    assert entry["best_possible"] == pytest.approx(0.0, abs=1e-9)
    assert "out of reach" in invoke("goal", LEAN, "--by", path, *few, *FEW).stdout


def test_coverage_stands_beside_the_spreadsheets() -> None:
    said = document("goal", LEAN, "--reach", "80%,95%", "--coverage", *FEW)["coverage"]
    assert [entry["coverage"] for entry in said] == pytest.approx([4.0, 4.9])
    assert [entry["usual"] for entry in said] == pytest.approx([1 / 0.3] * 2)
    assert "4.90×" in invoke("goal", LEAN, "--reach", "95%", "--coverage", *FEW).stdout


def test_sentences_come_first() -> None:
    lines = invoke("goal", UNCERTAIN, "--by", FIXED).stdout.splitlines()
    text = " ".join(" ".join(lines).split())
    assert lines[3].startswith("10 deals in 2027Q2: 53.6% (exact), wanted 80%: no.")
    assert "luck 56%, not knowing 44%" in text
    assert "short by 3.48 on average" in text
    assert "49 leads" in text
    assert "2027-03" in text


def test_answers_by_simulation_have_an_interval() -> None:
    goals = ("--metric", "bookings", "--quarter", "2027Q4")
    said = document("goal", SAAS, "--reach", "50%,80%", *goals, "--runs", "1k")
    assert len(said["goals"]) == 1
    for entry in said["reach"]:
        assert not entry["exact"]
        assert entry["low"] < entry["value"] < entry["high"]
    assert said["goals"][0]["exact"] is None
    assert 0.5 < said["goals"][0]["luck"] < 1.1


@pytest.mark.parametrize("columns", [40, 60, 100])
def test_tables_fit_the_screen(columns: int) -> None:
    options = ("--reach", "80%,95%", "--coverage", *FEW)
    for file in (LEAN, UNCERTAIN):
        result = invoke("goal", file, *options, env={"COLUMNS": str(columns)})
        assert result.exit_code == 0
        assert max(map(len, result.stdout.splitlines())) <= columns


def test_quiet_and_exit_codes() -> None:
    result = invoke("goal", LEAN, "--quiet", *FEW)
    assert (result.output, result.exit_code) == ("", 0)
    assert invoke("goal", LEAN, "--quiet", "--fail-below-confidence", *FEW).exit_code == 5
    enough = ("--set", f"{FIXED}=[40]")
    done = invoke("goal", LEAN, "--quiet", "--fail-below-confidence", *enough, *FEW)
    assert done.exit_code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--by", "channels.wbe.leads"), "--by:1: channels.wbe.leads: got wbe; must be a key of"),
        (("--reach", "80%,140%"), "must be confidences between 0% and 100%"),
        (("--reach", "often"), "got often; must be confidences"),
        (("--metric", "sales"), "--metric: got sales; must be one of"),
        (("--quarter", "2029Q1"), "--quarter: got 2029Q1; must be a quarter from 2027Q1 to 2027Q4"),
        (("--quarter", "2027Q1"), "must be those of a goal. There are deals 2027Q2"),
        (("--set", "goals=[]"), "goals"),
    ],
)
def test_bad_input_is_one_line(options: tuple[str, ...], message: str) -> None:
    result = invoke("goal", LEAN, *options, *FEW)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert message in result.stderr


def test_a_scenario_without_goals_is_told_so(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    text = Path(LEAN).read_text(encoding="utf-8")
    file.write_text(text[: text.index("goals:")], encoding="utf-8")
    result = invoke("goal", str(file))
    assert result.exit_code == 2
    assert "goals: got none; must be one or more. Add goals to the scenario." in result.stderr
