"""What records say about assumptions: numbers with how well they are known, and where from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Estimate:
    """Hold a number read off records, its 90% interval, the cases behind it, and the method."""

    value: float
    low: float
    high: float
    n: int
    method: str


@dataclass(frozen=True)
class LagFit:
    """Hold how long a way takes, in days.

    `family` is one of the scenario language's with `mean_days` and `cv`, or "values": then `values`
    holds days with their shares, as they were seen. `aic` compares the families that were tried.
    """

    family: str
    mean_days: Estimate
    cv: float
    values: tuple[tuple[float, float], ...] = ()
    aic: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class WayFit:
    """Hold one way out of a stage: the share of all who enter that goes it in the end, and its lag.

    `group` is () for all items, or a label and its value: ("channel", "web"). `won` and `lost` are
    the cases of the beta distribution that says as much about the conversion as the records do.
    `correlation` is that of the conversion with the lag's mean, both as they are known. `between`
    is the part of the conversion's variance that comes of months of entry that differ.
    """

    stage: str
    to: str
    conversion: Estimate
    won: float
    lost: float
    lag: LagFit | None = None
    correlation: float = 0.0
    group: tuple[str, ...] = ()
    between: float = 0.0


@dataclass(frozen=True)
class ArrivalFit:
    """Hold a channel's arrivals: what to expect in each unit `per` from the day after as_of on.

    `growth` is per unit too; `seasonality` gives factors of calendar months ("jan" to "dec");
    variance = mean + dispersion x mean^2 of the counts of a unit. `cv` says how well the level of
    the time ahead is known: that it moves is in it, and that growth is not known only where
    `growth` is None. `enters` is the stage where the items begin.
    """

    channel: str
    per: str
    mean: Estimate
    cv: float
    growth: Estimate | None = None
    seasonality: Mapping[str, float] = field(default_factory=dict)
    dispersion: float = 0.0
    enters: str = ""


@dataclass(frozen=True)
class SizeFit:
    """Hold a product's deal sizes: the family's `parameters` as the scenario language names them.

    `mean` is that of the family, `cv` how well it is known; `mix` the share of deals that buy it,
    with the cases behind it; `tail` says in a sentence how the largest deals fit. `values` holds
    sizes with their shares where the family is "values" or "empirical"; `notes` says what else is
    to be known, amounts that were not used among it.
    """

    product: str
    family: str
    parameters: Mapping[str, float]
    mean: Estimate
    cv: float
    mix: Estimate
    tail: str
    aic: Mapping[str, float] = field(default_factory=dict)
    values: tuple[tuple[float, float], ...] = ()
    notes: tuple[str, ...] = ()
