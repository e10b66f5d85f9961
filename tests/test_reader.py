"""Reading scenarios: what is read again is equal, what is broken is refused, days fall right."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecast.scenario.errors import ScenarioError
from forecast.scenario.families import Empirical
from forecast.scenario.model import Scenario, Transition, Uncertain, Variable
from forecast.scenario.nodes import Items, Node, Table, Text, read_nodes
from forecast.scenario.paths import read_document
from forecast.scenario.reader import read_scenario
from forecast.scenario.uncertain import uncertain_numbers

SCENARIOS = Path(__file__).parent.parent / "scenarios"
FILES = sorted(SCENARIOS.glob("*.yaml"))
STARTER = Path(__file__).parent.parent / "forecast" / "scenario" / "starter.yaml"
FUZZ = settings(
    deadline=None,
    max_examples=120,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
BASE = """\
name: Base
start: 2027-01-01
horizon: 4 quarters
channels:
  web: {leads: {mean: 120, per: month}}
journey:
  lead:
    opportunity: {conversion: 25%, lag: 1 month}
    nurture: {share_of_rest: 40%}
  nurture:
    opportunity: {conversion: 10%, lag: 3 months}
  opportunity:
    won: {conversion: 30%, within: 6 months, lag: {gamma: {mean: 3 months, cv: 0.5}}}
"""


def read(tmp_path: Path, text: str, **sets: str) -> Scenario:
    path = tmp_path / "plan.yaml"
    path.write_text(text, encoding="utf-8")
    return read_scenario(path, sets)


def scalars(node: Node, path: str = "") -> Iterator[tuple[str, Text]]:
    """Every text with its path; a key with a dot in it cannot be named in one."""
    if isinstance(node, Text):
        yield path, node
        return
    children: list[tuple[str, Node]] = []
    if isinstance(node, Table):
        children = [(key, child) for key, child in node.items() if "." not in key]
    elif isinstance(node, Items):
        children = [(str(i), child) for i, child in enumerate(node)]
    for key, child in children:
        yield from scalars(child, f"{path}.{key}" if path else key)


# --- what is read again is equal --------------------------------------------------------------


@pytest.mark.parametrize("path", [*FILES, STARTER], ids=lambda path: path.stem)
def test_an_example_is_read_again_from_its_text(path: Path, tmp_path: Path) -> None:
    scenario = read_scenario(path)
    assert read(tmp_path, scenario.text) == scenario
    assert "extends" not in scenario.text


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_setting_every_figure_to_itself_changes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)  # from where files that are set are found
    sets = {target: str(text) for target, text in scalars(read_document(path))}
    assert len(sets) > 10
    assert read_scenario(path, sets) == read_scenario(path)


def test_setting_one_figure_to_itself_changes_nothing() -> None:
    path = SCENARIOS / "lean-consulting-uncertain.yaml"
    scenario = read_scenario(path)
    for target, text in scalars(read_document(path)):
        assert read_scenario(path, {target: str(text)}) == scenario, target


def test_setting_a_figure_changes_it() -> None:
    path = SCENARIOS / "lean-consulting.yaml"
    scenario = read_scenario(path, {"journey.opportunity.won.conversion": "35%"})
    assert way(scenario, "opportunity", "won").conversion == 0.35
    assert scenario != read_scenario(path)


def way(
    scenario: Scenario, stage: str, target: str, channel: str = "", version: int = 0
) -> Transition:
    group = (channel or scenario.channels[0], scenario.segments[0])
    return scenario.versions[version].journeys[group][stage].transitions[target]


# --- what is broken is refused ----------------------------------------------------------------

JUNK = st.sampled_from(
    [
        *("", "-1", "0", "1e308", "NO", "~", "[]", "{}", "[1, 2]", "{a: 1}", "{gamma: 3}", "won"),
        *("{gamma: {mean: 1, cv: 1}}", "{values: {1: 1}}", "{normal: {mean: 1, sd: 1}}", "100%"),
        *("é", "'", "{beta: {won: 1, lost: 1}}", "{won: {conversion: 100%}}", "3 months", "2027Q1"),
    ]
)


def mutated(lines: list[str], how: str, where: int, junk: str) -> list[str]:
    line = lines[where]
    if how == "delete":
        return lines[:where] + lines[where + 1 :]
    if how == "twice":
        return [*lines[: where + 1], line, *lines[where + 1 :]]
    if how == "indent":
        return [*lines[:where], f"  {line}", *lines[where + 1 :]]
    head, colon, _ = line.rpartition(": ") if how == "last" else line.partition(": ")
    return [*lines[:where], f"{head}{colon}{junk}" + "}" * (how == "last"), *lines[where + 1 :]]


@FUZZ
@given(data=st.data())
def test_a_changed_file_is_read_or_refused(data: st.DataObject, tmp_path: Path) -> None:
    text = read_scenario(data.draw(st.sampled_from([*FILES, STARTER]))).text
    if data.draw(st.booleans()):
        text = data.draw(st.sampled_from([BASE, STARTER.read_text(encoding="utf-8")]))
    lines = text.split("\n")
    for _ in range(data.draw(st.integers(1, 3))):
        where = data.draw(st.integers(0, len(lines) - 1))
        how = data.draw(st.sampled_from(["delete", "twice", "indent", "first", "last"]))
        lines = mutated(lines, how, where, data.draw(JUNK))
    with contextlib.suppress(ScenarioError):
        read(tmp_path, "\n".join(lines))


@FUZZ
@given(data=st.data())
def test_a_changed_figure_is_read_or_refused(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(FILES))
    targets = [target for target, _ in scalars(read_document(path))]
    # Any table above a figure may be replaced as well.
    parts = data.draw(st.sampled_from(targets)).split(".")
    target = ".".join(parts[: data.draw(st.integers(1, len(parts)))])
    with contextlib.suppress(ScenarioError):
        read_scenario(path, {target: data.draw(JUNK)})


# --- what planners write ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["NO", "no", "on", "1", "null_", "01", "1e3"])
def test_norway_is_a_name(tmp_path: Path, name: str) -> None:
    text = BASE.replace("web", name) + f"segments: {{{name}: {{share: 60%}}, SE: {{share: 40%}}}}\n"
    scenario = read(tmp_path, text)
    assert scenario.channels == (name,)
    assert scenario.segments == (name, "SE")
    assert read(tmp_path, scenario.text) == scenario


def test_an_override_of_the_other_share_takes_its_place(tmp_path: Path) -> None:
    journey = "{lead: {nurture: {conversion: 5%}}, opportunity: {won: {share_of_rest: 20%}}}"
    text = BASE + f"segments: {{small: {{share: 100%, journey: {journey}}}}}\n"
    scenario = read(tmp_path, text)
    nurture, won = way(scenario, "lead", "nurture"), way(scenario, "opportunity", "won")
    assert (nurture.conversion, nurture.share_of_rest) == (0.05, None)
    assert (won.conversion, won.share_of_rest, won.within) == (None, 0.2, None)
    assert isinstance(won.lag, Variable)
    assert won.lag.family.name == "gamma"


def test_a_segment_goes_before_its_channel(tmp_path: Path) -> None:
    over = "journey: {opportunity: {won: {conversion: %s}}}"
    text = BASE.replace("per: month}}", "per: month}, " + over % "20%" + "}")
    text += "segments: {a: {share: 50%}, b: {share: 50%, " + over % "10%" + "}}\n"
    journeys = read(tmp_path, text).versions[0].journeys
    shares = {g: journeys[g]["opportunity"].transitions["won"].conversion for g in journeys}
    assert shares == {("web", "a"): 0.2, ("web", "b"): 0.1}


def test_changes_make_versions_in_order_of_their_days(tmp_path: Path) -> None:
    path = "journey.opportunity.won.conversion"
    text = (
        BASE
        + "changes:\n"
        + "".join(
            f"  - {{from: {day}, set: {{{target}: {value}}}}}\n"
            for day, target, value in [
                ("2027-10-01", path, "{beta: {won: 6, lost: 14}}"),
                ("2027-07-01", path, "25%"),
                ("2027-07-01", "channels.web.leads.mean", "90"),
            ]
        )
    )
    scenario = read(tmp_path, text)
    days = [version.since for version in scenario.versions]
    assert days == [dt.date(2027, 1, 1), dt.date(2027, 7, 1), dt.date(2027, 10, 1)]
    assert [way(scenario, "opportunity", "won", version=v).conversion for v in (0, 1)] == [
        0.3,
        0.25,
    ]
    assert isinstance(way(scenario, "opportunity", "won", version=2).conversion, Uncertain)
    assert [v.channels["web"].leads.figures for v in scenario.versions] == [(120,), (90,), (90,)]
    assert list(uncertain_numbers(scenario)) == [path]


def test_leads_of_a_year_are_counted_over_its_days(tmp_path: Path) -> None:
    text = BASE.replace("{mean: 120, per: month}", "{mean: 1e12, per: year}") + "market: 8\n"
    assert read(tmp_path, text).versions[0].market == 8.0
    with pytest.raises(ScenarioError, match="leads a period"):
        read(tmp_path, text.replace("per: year", "per: quarter"))


def test_a_distribution_of_one_value_is_certain(tmp_path: Path) -> None:
    scenario = read(
        tmp_path, BASE.replace("30%", "{fixed: 30%}").replace("120", "{values: {9: 1}}")
    )
    assert way(scenario, "opportunity", "won").conversion == 0.3
    assert scenario.versions[0].channels["web"].leads.figures == (9.0,)
    assert uncertain_numbers(scenario) == {}


# --- data beside a scenario -------------------------------------------------------------------


def test_a_column_stands_in_the_text(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "days.csv").write_text("﻿id, days \n1,3\n\n2,4.5\n", encoding="utf-8")
    (tmp_path / "data" / "sizes.csv").write_text('id,value\n1,25k\n2,"1_000"\n', encoding="utf-8")
    lag = "{empirical: {file: data/days.csv, column: days, unit: weeks}}"
    text = BASE.replace("lag: 1 month", f"lag: {lag}")
    text += "products:\n  a: {size: {empirical: {file: data/sizes.csv, column: value}}}\n"
    scenario = read(tmp_path, text)
    found = way(scenario, "lead", "opportunity").lag
    assert isinstance(found, Variable)
    assert isinstance(found.family, Empirical)
    assert found.family.mean == pytest.approx(3.75 * 7, rel=1e-12)
    size = scenario.versions[0].products[scenario.groups[0]]["a"].size
    assert size.family.mean == pytest.approx(13_000, rel=1e-12)
    (tmp_path / "data" / "days.csv").unlink()
    (tmp_path / "data" / "sizes.csv").unlink()
    assert read(tmp_path, scenario.text) == scenario


def test_ninety_thousand_figures_are_read_again(tmp_path: Path) -> None:
    figures = "\n".join(f"{n / 7:.13f}" for n in range(90_000))
    (tmp_path / "days.csv").write_text(f"days\n{figures}\n", encoding="utf-8")
    lag = "{empirical: {file: days.csv, column: days, unit: months}}"
    scenario = read(tmp_path, BASE.replace("lag: 1 month", f"lag: {lag}"))
    assert len(scenario.text) > 2_000_000
    assert read(tmp_path, scenario.text) == scenario


def test_a_column_is_looked_for_beside_the_file_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "base").mkdir()
    size = "{empirical: {file: sizes.csv, column: value}}"
    (tmp_path / "base" / "sizes.csv").write_text("value\n10\n", encoding="utf-8")
    (tmp_path / "sizes.csv").write_text("value\n20\n", encoding="utf-8")
    (tmp_path / "base" / "base.yaml").write_text(
        BASE + f"products: {{a: {{size: {size}}}}}\n", encoding="utf-8"
    )
    scenario = read(tmp_path, "extends: base/base.yaml\n")
    assert scenario.versions[0].products[scenario.groups[0]]["a"].size.family.mean == 10
    monkeypatch.chdir(tmp_path)
    other = read(tmp_path, "extends: base/base.yaml\n", **{"products.a.size": size})
    assert other.versions[0].products[other.groups[0]]["a"].size.family.mean == 20


def test_a_stage_may_be_called_empirical(tmp_path: Path) -> None:
    text = BASE[: BASE.index("journey:")] + "journey: {empirical: {won: {conversion: 30%}}}\n"
    assert read(tmp_path, text).stages == ("empirical",)


def test_every_example_has_its_own_name() -> None:
    names = [read_scenario(path).name for path in FILES]
    assert len(set(names)) == len(names)
    assert all(isinstance(read_nodes(path), Table) for path in FILES)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (500, "500"),
        (0.5, "0.5"),
        ([1, 2.5], "[1, 2.5]"),
        ({"gamma": {"mean": 20, "cv": 0.2}}, "{gamma: {mean: 20, cv: 0.2}}"),
    ],
)
def test_a_set_value_may_be_a_number_a_list_or_a_mapping(value, text) -> None:
    path = SCENARIOS / "reference-r1.yaml"
    where = "channels.web.leads"
    given = {"mean": value, "per": "month", "then": "last"}
    written = f"{{mean: {text}, per: month, then: last}}"
    assert read_scenario(path, {where: given}).versions == (
        read_scenario(path, {where: written}).versions
    )


def test_a_set_value_that_is_nothing_is_a_fault() -> None:
    with pytest.raises(ScenarioError, match=r"--set:1: channels\.web\.leads\.mean: got "):
        read_scenario(SCENARIOS / "reference-r1.yaml", {"channels.web.leads.mean": None})
