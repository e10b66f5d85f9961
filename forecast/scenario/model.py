"""What a scenario says, read and checked: frozen, and trusted by everything behind the door."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from forecast.scenario.calendar import Calendar
from forecast.scenario.families.base import Family
from forecast.scenario.families.periods import Periods
from forecast.scenario.pipeline_model import Pipeline

WON, LOST = "won", "lost"
REFERRED = "referral"  # the channel of the leads that customers bring, if none is named
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
class Planned:
    """A plan: one figure for each unit ``per``, continued as ``then`` says."""

    figures: tuple[Number, ...]
    per: str
    then: str | None = None

    def first(self, count: int) -> tuple[Number, ...]:
        """Give the figures of so many units from the start on."""
        return first_figures(self.figures, self.then, count)


def first_figures(figures: tuple[Number, ...], then: str | None, count: int) -> tuple[Number, ...]:
    """Give so many figures of a list that goes on as ``then`` says."""
    if then == "repeat":
        figures *= -(-count // len(figures))
    missing = count - len(figures)
    rest = 0.0 if then == "zero" else figures[-1]
    return (*figures[:count], *(rest for _ in range(missing)))


@dataclass(frozen=True)
class Response:
    """Leads that answer to money: see ``engine.response``."""

    max: Number  # leads per unit that no spend exceeds
    half: Number  # the steady spend per unit that brings half of them
    shape: Number
    carry_over: Rate | None  # the share of the effect that is left after a unit of time
    before: Rate | None  # what was spent before the start


@dataclass(frozen=True)
class Arrivals(Planned):
    """Leads of a channel: a plan of means, or of exact counts, or a response without figures."""

    fixed: bool = False
    response: Response | None = None


@dataclass(frozen=True)
class Cost:
    """Spend of a channel: so much per time, a lead, and an item that is worked at a stage."""

    fixed: Planned = Planned((0.0,), "month")
    per_lead: Number = 0.0
    worked: Mapping[str, Number] = field(default_factory=dict)  # by stage


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
class Qualification:
    """A threshold on the quality of those who enter a stage: see ``scenario.quality``."""

    threshold: Number
    best_tenth: Number  # win rate of the tenth of the best quality
    win_rate: Number | None = None  # of all, beside it
    to: str = WON  # the way that counts as winning


@dataclass(frozen=True)
class Transition:
    """A way out of a stage: the share that takes it, and the time that takes."""

    conversion: Number | None
    share_of_rest: Number | None
    within: float | None  # days
    lag: Lag
    threshold: Number = 0.0  # of the stage that it leads to
    selection: Qualification | None = None  # of the stage that it leads out of

    @property
    def share(self) -> Number:
        """The conversion, or the share of the rest; 0 where neither is written."""
        written = self.share_of_rest if self.conversion is None else self.conversion
        return 0.0 if written is None else written


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


@dataclass(frozen=True)
class Closing:
    """How fast deals close in the months of a fiscal quarter; only the ratios count."""

    month_of_quarter: tuple[Number, Number, Number]


@dataclass(frozen=True)
class Plan:
    """One figure for each period, continued as ``then`` says."""

    figures: tuple[Number, ...]
    then: str | None

    def first(self, count: int) -> tuple[Number, ...]:
        """Give the figures of so many periods from the start on."""
        return first_figures(self.figures, self.then, count)


@dataclass(frozen=True)
class Hire:
    """So many who start, or leave where they are fewer than 0, on a day."""

    since: dt.date
    count: Number


@dataclass(frozen=True)
class Reps:
    """Those who work items: what each takes up, how many there are, who comes and who goes."""

    each: Rate
    now: Number
    hires: tuple[Hire, ...] = ()
    ramp: tuple[Number, ...] = (1.0,)  # by month since they started; the last one goes on


@dataclass(frozen=True)
class Capacity:
    """How many items of a stage are worked, and what becomes of the others.

    With neither ``per_period`` nor ``reps`` nothing limits a stage but ``follow_up``.
    """

    per_period: Plan | None = None
    reps: Reps | None = None
    give_up: Rate = Rate(0.0, "month")  # the share of those waiting
    follow_up: Number = 1.0
    priority: tuple[str, ...] = ()  # channels served before the others

    @property
    def is_limited(self) -> bool:
        """Tell whether items may have to wait."""
        return self.per_period is not None or self.reps is not None


@dataclass(frozen=True)
class Referral:
    """Customers that bring leads: so many each per time, for so long after they were won."""

    leads: Rate
    during: float  # days; the horizon's where the file does not say
    lag: Lag  # between a customer's idea and the lead
    channel: str | None  # whose leads they are; the only one when left out
    existing: Number  # customers at as_of who bring leads too


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
    closing: Closing | None = None  # the same in all versions
    qualification: Mapping[str, Qualification] = field(default_factory=dict)  # by stage
    capacity: Mapping[str, Capacity] = field(default_factory=dict)  # by stage
    referral: Referral | None = None


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
    pipeline: Pipeline | None = field(default=None, compare=False)  # equal texts have equal ones

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels' names."""
        return tuple(self.versions[0].channels)

    @property
    def groups(self) -> tuple[Group, ...]:
        """Every channel with every segment, channels first."""
        return tuple((c, s) for c in self.channels for s in self.segments)

    @property
    def referred(self) -> str | None:
        """The channel of the leads that customers bring; None if they bring none."""
        referral = self.versions[0].referral
        if referral is None:
            return None
        if referral.channel is not None:
            return referral.channel
        return REFERRED if REFERRED in self.channels else self.channels[0]

    def first_stage(self, channel: str) -> str:
        """Where the leads of a channel enter the journey."""
        return self.versions[0].channels[channel].enters or self.entry
