"""An archive of forecasts whose truth is known, made without the engine: what came of a quarter is
`known` + Poisson(`mean`), and more of it is known as its end comes near."""

import datetime as dt
import json
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from forecast.operate.kept import Kept

FIRST_YEAR = 2000
# Days before the quarter, and the mean of what is not known yet then: of 20 deals in all.
AHEAD = {"over 2 quarters": 20.0, "1 to 2 quarters": 15.0, "2 to 3 months": 10.0}
LAST_MONTH = 4.0
TARGET = 20
TEXT = """
name: Truth
start: {start}
horizon: {months} months
channels: {{web: {{leads: {{mean: 10, per: month}}}}}}
journey: {{lead: {{won: {{conversion: 50%}}}}}}
products: {{one: {{size: 1k}}}}
"""


def month(number):
    """The first day of a month, counted from January of the first year."""
    return dt.date(FIRST_YEAR + number // 12, number % 12 + 1, 1)


def label_of(quarter):
    """The label of a quarter, counted from the first."""
    return f"{FIRST_YEAR + quarter // 4}Q{quarter % 4 + 1}"


@dataclass
class Made:
    """A forecast that stands in for a kept one: its totals, and what else its file would say."""

    kept: Kept
    attributes: dict
    totals: dict


@dataclass
class MadeArchive:
    """What is asked of an archive when it is scored."""

    made: list = field(default_factory=list)

    def list(self, scenario=None):
        class Listing:
            forecasts = tuple(
                one.kept for one in self.made if scenario in (None, one.kept.scenario)
            )

        return Listing

    def _one(self, kept):
        return next(one for one in self.made if one.kept is kept)

    def attributes(self, kept):
        return self._one(kept).attributes

    def totals(self, kept, metrics):
        found = self._one(kept).totals
        return {name: found[name] for name in metrics if name in found}

    def add(self, first_month, months, deals, **more):
        """Keep a forecast from the first day of a month on, deals (run, quarter)."""
        as_of = month(first_month) - dt.timedelta(days=1)
        kept = Kept(
            str(len(self.made)), "Truth", as_of.isoformat(), f"t{len(self.made)}", len(deals), 0,
            "journey", "1", "", 0,
        )  # fmt: skip
        attributes = {
            "scenario": TEXT.format(start=month(first_month), months=months),
            "summary": json.dumps({"goals": more.pop("goals", [])}),
        }
        attributes |= {name: json.dumps(value) for name, value in more.items()}
        self.made.insert(0, Made(kept, attributes, {"deals": np.asarray(deals, dtype=float)}))


@dataclass
class Truth:
    """Quarters that came, what was known of each at each lead, and the forecasts' archive."""

    archive: MadeArchive
    came: np.ndarray
    known: dict  # by lead: (quarter,)


def right(rng, mean, runs):
    """The distribution that is true."""
    return rng.poisson(mean, runs).astype(float)


def half_spread(rng, mean, runs):
    """Half as wide as it should be."""
    return mean + (rng.poisson(mean, runs) - mean) / 2


def wrong_conversion(rng, mean, runs):
    """Sure of a conversion that is 30% too high."""
    return rng.poisson(1.3 * mean, runs).astype(float)


def make_truth(quarters=200, said=right, runs=400, seed=1):
    """Keep forecasts of each quarter from three quarters before it, as such a process is known."""
    rng = np.random.default_rng(seed)
    means = (*-np.diff((*AHEAD.values(), LAST_MONTH)), LAST_MONTH)
    parts = np.array([rng.poisson(mean, quarters + 2) for mean in means])
    known = dict(zip((*AHEAD, "last month"), np.cumsum(parts, axis=0) - parts, strict=True))
    archive = MadeArchive()
    backward = tuple(reversed(AHEAD.items()))
    for quarter in range(quarters):
        deals = [known[lead][quarter + i] + said(rng, mean, runs) for i, (lead, mean) in
                 enumerate(backward)]  # fmt: skip
        chance = stats.poisson.sf(TARGET - 1 - known["2 to 3 months"][quarter], 10.0)
        goal = goal_of(label_of(quarter), chance)
        archive.add(3 * quarter, 9, np.array(deals).T, goals=[goal])
        done = {"deals": {label_of(quarter): float(known["last month"][quarter])}}
        rest = said(rng, LAST_MONTH, runs)[:, None]
        archive.add(3 * quarter + 2, 1, rest, done=done)
    return Truth(archive, parts.sum(axis=0), known)


def goal_of(label, chance):
    """A goal as a kept summary tells it."""
    return {"metric": "deals", "quarter": label, "target": TARGET, "exact": None,
            "probability": float(chance)}  # fmt: skip
