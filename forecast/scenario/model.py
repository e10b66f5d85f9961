"""What a scenario says, read and checked: frozen, and trusted by everything behind the door."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from forecast.scenario.calendar import Calendar
from forecast.scenario.families.base import Family
from forecast.scenario.families.periods import Periods

WON, LOST = "won", "lost"
EVERYTHING = "all"  # the one channel's segment or product of a scenario that names none
METRICS = ("deals", "bookings", "revenue", "leads")
MONEY_METRICS = ("bookings", "revenue")


@dataclass(frozen=True)
class Uncertain:
    """A number that is not known: drawn once per run from ``family``, named by its path."""

    path: str
    family: Family


Number = float | Uncertain


def centre(number: Number) -> float:
    """Give a number, or the mean of an uncertain one."""
    return number.family.mean if isinstance(number, Uncertain) else number


@dataclass(frozen=True)
class Variable:
    """What is drawn for every item: a family, times ``about`` ÷ its mean when that is uncertain."""

    family: Family
    about: Uncertain | None = None


Lag = Variable | Periods


@dataclass(frozen=True)
class Rate:
    """An amount per calendar unit."""

    amount: Number
    per: str


@dataclass(frozen=True)
class Arrivals:
    """Leads of a channel: one figure for each unit ``per``, continued as ``then`` says."""

    figures: tuple[Number, ...]
    per: str
    then: str | None
    fixed: bool

    def figure(self, unit: int) -> Number:
        """Give the figure of the unit counted from the start."""
        if unit < len(self.figures):
            return self.figures[unit]
        if self.then == "repeat":
            return self.figures[unit % len(self.figures)]
        return 0.0 if self.then == "zero" else self.figures[-1]


@dataclass(frozen=True)
class Cost:
    """Spend of a channel: so much per time, and so much a lead."""

    fixed: Rate = Rate(0.0, "month")
    per_lead: Number = 0.0


@dataclass(frozen=True)
class Channel:
    """Where leads come from."""

    leads: Arrivals
    dispersion: Number = 0.0
    seasonality: Mapping[int, Number] = field(default_factory=dict)  # calendar month 1..12
    growth: Rate = Rate(0.0, "month")
    cost: Cost = Cost()
    enters: str | None = None


@dataclass(frozen=True)
class Transition:
    """A way out of a stage: the share that takes it, and the time that takes."""

    conversion: Number | None
    share_of_rest: Number | None
    within: float | None  # days
    lag: Lag


@dataclass(frozen=True)
class Stage:
    """The ways out of a stage; ``dirichlet`` counts draw the conversions together."""

    transitions: Mapping[str, Transition]
    dirichlet: Mapping[str, Uncertain]  # what a target takes of what those before it left


@dataclass(frozen=True)
class BetaGeometric:
    """Churn that differs from customer to customer: Beta(alpha, beta) of each ``per``."""

    alpha: Number
    beta: Number
    per: str


@dataclass(frozen=True)
class Recurring:
    """A size that is paid at the start of each ``every``, as long as the customer stays."""

    every: str
    churn: Rate | BetaGeometric
    term: float  # days; a customer leaves at the end of a term only
    expansion: Rate = Rate(0.0, "month")
    discount: Rate = Rate(0.0, "month")  # of later payments, in a lifetime value only


@dataclass(frozen=True)
class Product:
    """What a won deal bought."""

    mix: Number
    size: Variable
    margin: Number = 1.0  # of its revenue, what is left after serving it
    recurring: Recurring | None = None


Journey = Mapping[str, Stage]
Group = tuple[str, str]  # channel, segment


@dataclass(frozen=True)
class Assumptions:
    """One version of all that a scenario assumes, from one day to the next version's."""

    since: dt.date
    channels: Mapping[str, Channel]
    shares: Mapping[str, Number]  # by segment
    journeys: Mapping[Group, Journey]
    products: Mapping[Group, Mapping[str, Product]]
    market: Number


@dataclass(frozen=True)
class Goal:
    """A metric's target in one quarter, in every quarter, or in a year."""

    metric: str
    target: float
    confidence: float
    quarters: tuple[tuple[str, tuple[int, ...]], ...]  # label, indices of the quarters it adds up


@dataclass(frozen=True)
class Change:
    """A dated change as it is written: paths, each with its value on one line."""

    since: dt.date
    why: str | None
    set: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Correlation:
    """A rank correlation between two uncertain assumptions."""

    between: tuple[str, str]
    rank: float


@dataclass(frozen=True)
class Scenario:
    """The complete set of assumptions, and the text they were read from."""

    name: str
    currency: str
    calendar: Calendar
    entry: str
    stages: tuple[str, ...]
    segments: tuple[str, ...]
    products: tuple[str, ...]
    journey: Journey  # as it stands in the file, before a channel or segment changes it
    versions: tuple[Assumptions, ...]
    changes: tuple[Change, ...]  # in the order of the file
    goals: tuple[Goal, ...]
    correlations: tuple[Correlation, ...]
    text: str

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels' names."""
        return tuple(self.versions[0].channels)

    @property
    def groups(self) -> tuple[Group, ...]:
        """Every channel with every segment, channels first."""
        return tuple((c, s) for c in self.channels for s in self.segments)

    def first_stage(self, channel: str) -> str:
        """Where the leads of a channel enter the journey."""
        return self.versions[0].channels[channel].enters or self.entry
