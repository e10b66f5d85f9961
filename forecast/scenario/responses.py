"""Checks of leads that answer to money."""

from __future__ import annotations

from forecast.scenario.facts import find
from forecast.scenario.forms import Door, is_whole
from forecast.scenario.model import Channel, Number, Response, Scenario, Uncertain
from forecast.scenario.nodes import Table

EXAMPLES = {"half": "10k", "shape": "1.5"}


def check_responses(document: Table, scenario: Scenario, door: Door) -> None:
    """Refuse curves without width or shape, and answers to money that is never spent."""
    for name in scenario.versions[0].channels:
        of = [version.channels[name] for version in scenario.versions if name in version.channels]
        if not is_whole(of):
            continue
        answers = [each.leads.response for each in of if each.leads.response is not None]
        for answer in dict.fromkeys(answers):
            _check_curve(document, name, answer, door)
        if answers and not any(_spends(each) for each in of):
            got = "a response to money, and no fixed costs"
            must = "beside cost.fixed, the spend that leads answer to"
            mend = f"Add cost: {{fixed: 4_000 per month}} to {name}, or give leads a mean."
            door.fault(find(document, f"channels.{name}.leads.response").place, got, must, mend)


def _check_curve(document: Table, name: str, response: Response, door: Door) -> None:
    for key, example in EXAMPLES.items():
        if _is_nothing(getattr(response, key)):
            place = find(document, f"channels.{name}.leads.response.hill.{key}").place
            door.fault(place, f"a {key} of 0", f"a {key} above 0", f"Write {key}: {example}.")


def _spends(channel: Channel) -> bool:
    response = channel.leads.response
    before = response.before if response is not None else None
    amounts = [*channel.cost.fixed.figures, *([before.amount] if before else [])]
    return not all(_is_nothing(amount) for amount in amounts)


def _is_nothing(number: Number) -> bool:
    return not isinstance(number, Uncertain) and number == 0.0
