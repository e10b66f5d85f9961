"""Referrals that are refused: loops without end, unknown channels, changes that cannot be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers import scenario
from scipy import stats
from test_referral import HEAD, PLAIN, REFERRAL, RICH

from forecast.engine.assumptions import Draws
from forecast.scenario.errors import ScenarioError
from forecast.scenario.referral import highest


def fault(text: str, **sets: str) -> str:
    """The one fault of a scenario, from its path on."""
    with pytest.raises(ScenarioError) as caught:
        scenario(text, **sets)
    (line,) = str(caught.value).splitlines()
    return line.split(": ", 1)[1]


ENDLESS = HEAD.format("1 year") + PLAIN.format(
    leads="mean: 9, per: month", won="25%", rate=0.5, during="8 months"
)


def test_a_loop_without_end_is_refused() -> None:
    assert fault(ENDLESS) == (
        "referral.leads: got a customer who brings 1 new ones (4 leads, 25% won); must be less "
        "than 1, or they grow without end. Write less than 0.5 per month, or a shorter during."
    )
    assert scenario(ENDLESS, referral__leads="0.499 per month")
    assert fault(ENDLESS, referral__during="2 years").startswith(
        "referral.leads: got a customer who brings 3 new ones (12 leads, 25% won); must be less"
    )


def test_a_loop_that_a_change_makes_endless_is_refused() -> None:
    change = "changes: [{from: 2027-03-01, set: {journey.lead.won.conversion: 60%}}]\n"
    assert fault(ENDLESS.replace("0.5 per", "0.4 per") + change) == (
        "changes: got a customer who brings 1.92 new ones (3.2 leads, 60% won); must be less than "
        "1, or they grow without end. Write less than 0.208 per month, or a shorter during."
    )


def test_a_loop_that_may_be_endless_is_refused() -> None:
    spread = "{amount: {lognormal: {mean: 0.2, cv: 0.5}}, per: month}"
    assert fault(ENDLESS, referral__leads=spread) == (
        "referral.leads: got a customer who may bring 3.38 new ones (0.4 on average); must be less "
        "than 1 but for one case in a million, or they grow without end. Make leads less uncertain "
        "or lower, or a shorter during."
    )
    sure = scenario(ENDLESS, referral__leads=spread.replace("0.5", "0.1"))
    sigma = math.sqrt(math.log1p(0.1**2))
    top = 0.4 * math.exp(sigma * stats.norm.isf(1e-6) - sigma**2 / 2)
    assert highest(sure, sure.versions[0]) == pytest.approx(top, rel=1e-6)


def test_the_highest_loop_takes_correlations_into_account() -> None:
    """Between the rate and the win rate: as many runs show, within what few runs can show."""
    rate = "{amount: {lognormal: {mean: 0.1, cv: 0.2}}, per: month}"
    won = "{beta: {won: 200, lost: 800}}"
    tied = (
        "correlation: [{between: [referral.leads.amount, journey.lead.won.conversion], rank: R}]\n"
    )
    tops = []
    for rank in (-0.9, 0.0, 0.9):
        given = scenario(
            ENDLESS + tied.replace("R", str(rank)),
            referral__leads=rate,
            journey__lead__won__conversion=won,
        )
        tops.append(highest(given, given.versions[0]))
        draws = Draws(given, 0).draw(0, 2**17)
        values = {u.path: draws(u) for u in draws.of}
        seen = 8 * values["referral.leads.amount"] * values["journey.lead.won.conversion"]
        assert np.quantile(seen, 1 - 1e-4) < tops[-1]
        assert np.quantile(seen, 1 - 1e-4) > 0.7 * tops[-1]
    assert tops[0] < tops[1] < tops[2]


TWO = RICH + REFERRAL


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        (
            {"referral__channel": "mout"},
            "referral.channel: got the unknown channel mout; must be a ",
        ),
        ({"referral__leads": "0.5"}, "referral.leads: got 0.5; must be an amount per day, week"),
        ({"referral__during": "0 days"}, "referral.during: got '0 days'; must be a time longer"),
        ({"referral__existing": "-1"}, "referral.existing: got -1; must be a number of customers"),
    ],
)
def test_faults_say_where_and_what(sets: dict[str, str], message: str) -> None:
    assert fault(TWO, **sets).startswith(message)


def test_the_channel_must_be_named_where_there_are_several() -> None:
    message = fault(TWO.replace("  channel: mouth\n", ""))
    assert message == (
        "referral: got no channel; must be a referral that names the channel whose leads they "
        "are. Add channel: mouth, or another one of web, events and mouth."
    )


@pytest.mark.parametrize(("key", "value"), [("existing", "5"), ("channel", "web")])
def test_what_holds_from_the_start_cannot_change(key: str, value: str) -> None:
    change = f"changes: [{{from: 2027-08-10, set: {{referral.{key}: {value}}}}}]\n"
    assert fault(TWO + change).endswith(
        f"got another referral.{key}; must be a change that leaves referral.{key} as it is in the "
        "file. Set only what may change, such as referral.leads: 0.1 per month."
    )


def test_a_change_cannot_begin_a_referral() -> None:
    change = "changes: [{from: 2027-08-10, set: {referral.leads: 0.1 per month}}]\n"
    assert "got referral that the file does not have" in fault(RICH + change)
