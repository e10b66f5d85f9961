"""Who was right: scores of kept forecasts by how long before the quarter's end they were made.

Forecasts of one quarter look at the same outcome, so a quarter is what counts as one case: scores
are means over a quarter's forecasts first, then over quarters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from forecast.history.backtesting.scores import LEVELS, Floats, bias, pit_histogram
from forecast.operate.said import Said

if TYPE_CHECKING:
    import xarray as xr

MORE = "over 2 quarters"
LEAD_DAYS: Mapping[str, tuple[int, float]] = {  # from as_of to the quarter's last day
    MORE: (185, np.inf),
    "1 to 2 quarters": (93, 184),
    "2 to 3 months": (63, 92),
    "1 to 2 months": (32, 62),
    "last month": (1, 31),
}
ALL = "all"
LEADS = (*LEAD_DAYS, ALL)
PIT_BINS = 10
CHANCES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # classes of the chances given to goals
FIGURES = ("outcome", "mean", "crps", "width", "days")
COVER = tuple(f"cover_{round(100 * level)}" for level in LEVELS)
PIT = tuple(f"pit_{i}" for i in range(PIT_BINS))


def lead_of(days: int) -> str:
    """Give the class of so many days before the quarter's end.

    >>> lead_of(31), lead_of(92), lead_of(400)
    ('last month', '2 to 3 months', 'over 2 quarters')
    """
    return next(name for name, (low, _) in LEAD_DAYS.items() if days >= low)


def covered(below: Floats, up_to: Floats, level: float) -> Floats:
    """Give the part of the PIT's steps that lies inside the central interval of a level.

    Of a count, an outcome at the interval's edge counts in part, so that a right forecast's
    coverage is the level exactly however few the values (the non-randomised PIT of Czado,
    Gneiting & Held 2009, doi:10.1111/j.1541-0420.2009.01191.x, between the interval's ends).

    >>> covered(np.array([0.0, 0.4]), np.array([0.2, 0.4]), 0.8)
    array([0.5, 1. ])
    """
    low, high = 0.5 - level / 2, 0.5 + level / 2
    step = up_to - below
    inside = np.clip(np.minimum(up_to, high) - np.maximum(below, low), 0.0, None)
    point = (below >= low) & (below <= high)
    return np.asarray(np.where(step > 0.0, inside / np.where(step > 0.0, step, 1.0), point))


def share_band(hits: float, cases: int, level: float = 0.95) -> tuple[float, float]:
    """Give the interval of a share of cases, of which some count in part.

    That of Clopper & Pearson (1934, doi:10.1093/biomet/26.4.404) by its beta quantiles. Parts of
    hits vary less than whole ones, so it is rather too wide for them.
    """
    tail = (1.0 - level) / 2
    low = stats.beta.ppf(tail, hits, cases - hits + 1) if hits > 0.0 else 0.0
    high = stats.beta.ppf(1.0 - tail, hits + 1, cases - hits) if hits < cases else 1.0
    return float(low), float(high)


def score(said: Said) -> xr.Dataset:
    """Score forecasts: a dataset with dims lead, metric, level, bin and chance.

    `quarters` and `forecasts` (lead, metric) count the cases; `crps`, `width` (of the 80%
    interval) in the metric's unit, `bias`, and `relative_crps`, `relative_width`: over those of
    the earliest class of lead in the quarters that both have; `coverage`, `coverage_low` and
    `coverage_high` (lead, metric, level); `pit` (lead, metric, bin). Of goals: `brier` (lead), and
    by class of chance `goal_quarters`, `goal_said`, `goal_reached`, `goal_low`, `goal_high`. The
    last lead, "all", is all together; nan where there is no case.
    """
    import xarray as xr

    frame = by_quarter(said)
    metrics = list(dict.fromkeys(case.metric for case in said.cases))
    leads = [_of_lead(frame, lead, metrics) for lead in LEADS]
    names = leads[0]
    dims = {"coverage": "level", "coverage_low": "level", "coverage_high": "level", "pit": "bin"}
    variables: dict[str, tuple[tuple[str, ...], NDArray[Any]]] = {
        name: (
            ("lead", "metric", *([dims[name]] if name in dims else [])),
            np.stack([of[name] for of in leads]),
        )
        for name in names
    }
    variables |= _of_goals(said)
    coords = {
        "lead": list(LEADS),
        "metric": metrics,
        "level": list(LEVELS),
        "bin": np.arange(PIT_BINS) / PIT_BINS,
        "chance": list(CHANCES[:-1]),
    }
    told = {"scenario": said.scenario, "currency": said.currency, "forecasts": said.forecasts}
    return xr.Dataset(variables, coords, told)


def by_quarter(said: Said) -> pd.DataFrame:
    """Average over the forecasts of a metric, lead class and quarter; `forecasts` counts them."""
    frame = pd.DataFrame([asdict(case) for case in said.cases])
    if frame.empty:
        keys = pd.MultiIndex.from_tuples([], names=["metric", "lead", "quarter"])
        return pd.DataFrame(columns=[*FIGURES, *COVER, *PIT, "forecasts"], index=keys, dtype=float)
    below, up_to = frame["below"].to_numpy(), frame["up_to"].to_numpy()
    for name, level in zip(COVER, LEVELS, strict=True):
        frame[name] = covered(below, up_to, level)
    steps = [pit_histogram(low, high, PIT_BINS) for low, high in zip(below, up_to, strict=True)]
    frame = pd.concat([frame, pd.DataFrame(steps, columns=list(PIT))], axis=1)
    frame["lead"] = frame["days"].map(lead_of)
    whole = pd.concat([frame, frame.assign(lead=ALL)])
    groups = whole.groupby(["metric", "lead", "quarter"])
    means = groups[[*FIGURES, *COVER, *PIT]].mean()
    return means.assign(forecasts=groups.size())


def quarters_of(frame: pd.DataFrame, metric: str, lead: str) -> pd.DataFrame:
    """Give the quarters (rows) of a metric and class of lead; none if there is none."""
    at = frame.index
    mine = (at.get_level_values("metric") == metric) & (at.get_level_values("lead") == lead)
    return frame[mine].droplevel(["metric", "lead"])


def _of_lead(frame: pd.DataFrame, lead: str, metrics: list[str]) -> dict[str, Floats]:
    """Score a class of lead, an entry a metric."""
    rows: dict[str, list[Any]] = {}
    for metric in metrics:
        mine = quarters_of(frame, metric, lead)
        every = (quarters_of(frame, metric, one) for one in LEAD_DAYS)
        first = next(one for one in every if len(one))
        for name, value in _one(mine, first).items():
            rows.setdefault(name, []).append(value)
    if not metrics:
        empty = _one(frame.droplevel(["metric", "lead"]), frame.droplevel(["metric", "lead"]))
        return {name: np.empty((0, *np.shape(value))) for name, value in empty.items()}
    return {name: np.array(values) for name, values in rows.items()}


def _one(mine: pd.DataFrame, first: pd.DataFrame) -> dict[str, Any]:
    n = len(mine)
    shares = mine[list(COVER)].mean().to_numpy()
    bands = [share_band(share * n, n) if n else (np.nan, np.nan) for share in shares]
    way = bias(mine["mean"], mine["outcome"]) if n else None
    return {
        "quarters": n,
        "forecasts": int(mine["forecasts"].sum()),
        "crps": mine["crps"].mean(),
        "relative_crps": _relative(mine["crps"], first["crps"]),
        "width": mine["width"].mean(),
        "relative_width": _relative(mine["width"], first["width"]),
        "bias": np.nan if way is None else way,
        "coverage": shares,
        "coverage_low": np.array([low for low, _ in bands]),
        "coverage_high": np.array([high for _, high in bands]),
        "pit": mine[list(PIT)].mean().to_numpy(),
    }


def _relative(mine: pd.Series, first: pd.Series) -> float:
    """Compare means over the quarters that both have; nan where there is none."""
    both = mine.index.intersection(first.index)
    base = float(first[both].mean()) if len(both) else 0.0
    return float(mine[both].mean()) / base if base > 0.0 else np.nan


def _of_goals(said: Said) -> dict[str, tuple[tuple[str, ...], NDArray[Any]]]:
    """Score the chances of goals, each quarter or year one case."""
    bins = len(CHANCES) - 1
    brier = np.full(len(LEADS), np.nan)
    found = {name: np.full(bins, np.nan) for name in ("said", "reached", "low", "high")}
    counts = np.zeros(bins, dtype=np.int64)
    if said.goals:
        frame = pd.DataFrame([asdict(goal) for goal in said.goals])
        frame["brier"] = (frame["chance"] - frame["reached"]) ** 2
        frame["lead"] = frame["days"].map(lead_of)
        for i, lead in enumerate(LEADS):
            mine = frame if lead == ALL else frame[frame["lead"] == lead]
            brier[i] = mine.groupby("quarter")["brier"].mean().mean()
        of = np.clip(np.searchsorted(CHANCES, frame["chance"], side="right") - 1, 0, bins - 1)
        for b in np.unique(of):
            mine = frame[of == b].groupby("quarter")[["chance", "reached"]].mean()
            counts[b] = len(mine)
            share = float(mine["reached"].mean())
            low, high = share_band(share * len(mine), len(mine))
            values = {"said": mine["chance"].mean(), "reached": share, "low": low, "high": high}
            for name, value in values.items():
                found[name][b] = value
    return {
        "brier": (("lead",), brier),
        "goal_quarters": (("chance",), counts),
        **{f"goal_{name}": (("chance",), values) for name, values in found.items()},
    }
