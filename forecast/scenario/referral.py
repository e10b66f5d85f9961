"""Customers bring leads: the form of ``referral``, and the check that the loop dies out.

A customer brings rate x during leads, and of each a customer is made with the win rate of the
channel: R = rate x during x win rate new customers in the end. Their number grows without end
unless R < 1 (the branching process of Galton and Watson).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from forecast.scenario.calendar import DAYS_IN
from forecast.scenario.errors import listed, shown
from forecast.scenario.facts import RARE, high, table_at, win_rate
from forecast.scenario.families import build
from forecast.scenario.figures import Figure, RateForm, Spread
from forecast.scenario.forms import BROKEN, Door, Key, Record, offer, positive_duration, text
from forecast.scenario.model import (
    REFERRED,
    Assumptions,
    Number,
    Referral,
    Scenario,
    Uncertain,
    Variable,
    centre,
)
from forecast.scenario.nodes import Place, Table
from forecast.scenario.uncertain import correlation_matrix, walk_uncertain

MOST_BROUGHT = 1e12  # leads of a period
STEP = 0.5  # of a normal score: wide enough to feel the jumps of a list of values
ROUNDS = 20

REFERRAL = Record(
    "a referral",
    {
        "leads": Key(
            RateForm("leads of a customer", 0.0, 1e6, "0.05 per month"),
            "how many leads a customer brings per time",
            required=True,
            example="0.05 per month",
        ),
        "during": Key(
            positive_duration("during"),
            "for how long after the win; to the horizon's end when left out",
        ),
        "lag": Key(
            Spread("a lag", duration=True),
            "the time from a customer's idea to the lead; none when left out",
            Variable(build("fixed", {"value": 0.0})),
        ),
        "channel": Key(
            text("a channel", "Write the name of the channel whose leads they are."),
            "the channel whose leads they are; the only one, or referral, when left out",
        ),
        "existing": Key(
            Figure("a number of customers"), "customers at as_of who bring leads too", 0.0
        ),
    },
    Referral,
)


@dataclass(frozen=True)
class Loop:
    """What a customer brings, at given values of what is uncertain."""

    leads: float  # in his life
    won: float  # of them, in the end

    @property
    def customers(self) -> float:
        """New customers that one customer brings, those that these bring not counted."""
        return self.leads * self.won


def loop_of(
    scenario: Scenario, version: Assumptions, at: Callable[[Number], float] = centre
) -> Loop:
    """Find what a customer of a version brings, each number taken by ``at``."""
    referral, channel = version.referral, scenario.referred
    assert referral is not None
    assert channel is not None
    rate = at(referral.leads.amount) / DAYS_IN[referral.leads.per]
    shares = {name: at(share) for name, share in version.shares.items()}
    start, total = scenario.first_stage(channel), sum(shares.values())
    rates: dict[int, float] = {}  # by journey; most segments share one
    won = 0.0
    for segment, share in shares.items():
        journey = version.journeys[channel, segment]
        if id(journey) not in rates:
            rates[id(journey)] = win_rate(journey, start, at)
        won += share / total * rates[id(journey)]
    return Loop(rate * referral.during, won)


def check_referral(document: Table, version: Assumptions, door: Door) -> None:
    """Check that the channel of the leads is one that is there."""
    referral = version.referral
    if referral is None or not isinstance(referral, Referral) or referral.channel is BROKEN:
        return
    known, node = tuple(version.channels), table_at(document, "referral")
    if referral.channel is None and len(known) > 1 and REFERRED not in known:
        must = "a referral that names the channel whose leads they are"
        mend = f"Add channel: {known[-1]}, or another one of {listed(known)}."
        door.fault(node.place, "no channel", must, mend)
    elif referral.channel is not None and known and referral.channel not in known:
        got = f"the unknown channel {shown(referral.channel)}"
        must = "a channel of the scenario"
        door.fault(node["channel"].place, got, must, offer(referral.channel, known))


def check_loop(document: Table, scenario: Scenario, door: Door) -> None:
    """Refuse customers who bring a customer or more each, or more leads than can be counted."""
    done: list[tuple[object, ...]] = []
    for version in scenario.versions:
        seen = version.referral, version.shares, version.journeys
        if version.referral is not None and seen not in done and not door.faults:
            place = table_at(document, "referral")["leads"].place
            place = document["changes"].place if done else place
            _check_version(scenario, version, place, door)
        done.append(seen)


def _check_version(scenario: Scenario, version: Assumptions, place: Place, door: Door) -> None:
    referral = version.referral
    assert referral is not None
    mean = loop_of(scenario, version)
    if mean.customers >= 1.0:
        rate, per = centre(referral.leads.amount), referral.leads.per
        got = f"a customer who brings {mean.customers:.3g} new ones"
        got += f" ({mean.leads:.3g} leads, {100 * mean.won:.3g}% won)"
        mend = f"Write less than {rate / mean.customers:.3g} per {per}, or a shorter during."
        door.fault(place, got, "less than 1, or they grow without end", mend)
        return
    most = highest(scenario, version)
    if most >= 1.0:
        got = f"a customer who may bring {most:.3g} new ones ({mean.customers:.3g} on average)"
        must = "less than 1 but for one case in a million, or they grow without end"
        mend = "Make leads less uncertain or lower, or a shorter during."
        door.fault(place, got, must, mend)
    days = scenario.calendar.period_days / DAYS_IN[referral.leads.per]
    brought = high(referral.existing, 1e-9) * high(referral.leads.amount, 1e-9) * days
    if brought > MOST_BROUGHT:
        must = f"at most {MOST_BROUGHT:,.0f} leads a period"
        got = f"existing customers who bring up to {brought:.3g} leads a period"
        door.fault(place, got, must, "Lower existing or leads.")


def highest(scenario: Scenario, version: Assumptions) -> float:
    """The customers that a customer brings, at their highest but for a chance of about ``RARE``.

    With the uncertain numbers as functions of independent normal scores y, it is the maximum over
    the sphere |y| = r whose r a normal score exceeds with that chance: exact where the logarithm is
    linear in the scores (products of lognormals), a first-order approximation elsewhere (Hasofer
    and Lind 1974, "Exact and invariant second-moment code format").
    """
    numbers = list(dict.fromkeys(_numbers(scenario, version)))
    if not numbers:
        return loop_of(scenario, version).customers
    root = _root(scenario, numbers)
    radius = NormalDist().inv_cdf(1.0 - RARE)

    def customers(y: NDArray[np.float64]) -> float:
        normals = root @ y
        drawn = {
            n: float(n.family.from_normal(normals[i : i + 1])[0]) for i, n in enumerate(numbers)
        }
        return loop_of(scenario, version, lambda n: drawn.get(n, centre(n))).customers  # type: ignore[arg-type]

    axes = np.eye(len(numbers))
    found = 0.0
    for y in (np.zeros(len(numbers)), *(sign * radius * axis for axis in axes for sign in (1, -1))):
        found = max(found, customers(y))
    point = np.zeros(len(numbers))
    for _ in range(ROUNDS):
        slope = [customers(point + STEP * a) - customers(point - STEP * a) for a in axes]
        length = float(np.linalg.norm(slope))
        ahead = radius * np.array(slope) / max(length, 1e-300)
        here = customers(ahead)
        if length == 0.0 or here <= found * (1.0 + 1e-6):
            return max(found, here)
        point, found = ahead, here
    return found


def _numbers(scenario: Scenario, version: Assumptions) -> Iterator[Uncertain]:
    """What is uncertain in what a customer brings."""
    assert version.referral is not None
    yield from walk_uncertain(version.referral.leads)
    yield from walk_uncertain(version.shares)
    journeys: Mapping[int, object] = {
        id(journey): journey
        for (channel, _), journey in version.journeys.items()
        if channel == scenario.referred
    }
    for journey in journeys.values():
        yield from walk_uncertain(journey)


def _root(scenario: Scenario, numbers: list[Uncertain]) -> NDArray[np.float64]:
    """Turn independent normal scores into those of the numbers, that may be correlated."""
    matrix, together = correlation_matrix(scenario.correlations)
    whole = np.eye(len(numbers))
    at = [together.index(n.path) if n.path in together else -1 for n in numbers]
    for i, a in enumerate(at):
        for j, b in enumerate(at):
            if i != j and a >= 0 and b >= 0 and a != b:
                whole[i, j] = matrix[a, b]
    return np.asarray(np.linalg.cholesky(whole), dtype=np.float64)
