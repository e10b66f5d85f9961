"""Changes: kept as they are written, and refused where they would have no effect."""

from __future__ import annotations

import datetime as dt

import pytest
from helpers import scenario

from forecast.scenario.errors import ScenarioError
from forecast.scenario.facts import reachable
from forecast.scenario.model import Change

BASE = """\
name: Base
start: 2027-01-01
horizon: 4 quarters
channels:
  web: {leads: {mean: 120, per: month}}
journey:
  lead:
    opportunity: {conversion: 25%, lag: 1 month}
    won: {conversion: 1%}
  opportunity:
    lead: {conversion: 5%}
    won: {conversion: 30%, lag: 3 months}
"""


def test_changes_are_kept_as_they_are_written() -> None:
    beta, path = "{beta: {won: 6, lost: 14}}", "journey.opportunity.won.conversion"
    changes = f"[{{from: 2027-10-01, why: new team, set: {{{path}: {beta}, market: 110%}}}}, "
    changes += "{from: 2027-07-01, set: {channels.web.leads.mean: [90, 80]}}]"
    text = BASE.replace("per: month}", "per: month, then: last}") + f"changes: {changes}\n"
    assert scenario(text).changes == (
        Change(dt.date(2027, 10, 1), "new team", ((path, beta), ("market", "110%"))),
        Change(dt.date(2027, 7, 1), None, (("channels.web.leads.mean", "[90, 80]"),)),
    )
    assert scenario(BASE).changes == ()


def test_the_journey_is_kept_without_overrides() -> None:
    over = "journey: {opportunity: {won: {conversion: 20%}}}"
    text = BASE.replace("per: month}}", "per: month}, " + over + "}")
    found = scenario(text)
    assert found.journey == scenario(BASE).versions[0].journeys["web", "all"]
    assert found.journey != found.versions[0].journeys["web", "all"]


def test_a_change_may_say_again_where_leads_enter() -> None:
    channel = "{enters: lead, leads: {mean: 90, per: month}}"
    text = BASE + f"changes: [{{from: 2027-07-01, set: {{channels.web: {channel}}}}}]\n"
    assert scenario(text).versions[1].channels["web"].leads.figures == (90,)


def test_a_journey_set_as_a_whole_begins_where_it_did() -> None:
    stages = [
        "lead: {opportunity: {conversion: 20%}}",
        "opportunity: {won: {conversion: 30%}}",
    ]
    whole = "changes: [{from: 2027-07-01, set: {journey: {%s}}}]\n"
    assert scenario(BASE + whole % ", ".join(stages)).entry == "lead"
    with pytest.raises(ScenarioError, match="got another stage where the leads of web enter"):
        scenario(BASE + whole % ", ".join(reversed(stages)))


def test_what_can_be_reached() -> None:
    ways = {"a": ("b", "won"), "b": ("c",), "c": ("b", "lost"), "d": ("a",)}
    assert reachable(ways, ["a"]) == {"a", "b", "c", "won", "lost"}
    assert reachable(ways, ways["b"]) == {"b", "c", "lost"}  # a loop comes back to its start
    assert reachable(ways, ways["a"]) == {"b", "c", "won", "lost"}
    assert reachable(ways, []) == set()
