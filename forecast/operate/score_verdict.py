"""Scores of kept forecasts as a document, and in plain sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.history.backtesting.scores import ENOUGH_OUTCOMES, block_p_value, can_judge_coverage
from forecast.operate.said import Said
from forecast.operate.scoring import (
    ALL,
    CHANCES,
    LEAD_DAYS,
    LEADS,
    by_quarter,
    quarters_of,
    score,
    share_band,
)

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Document = dict[str, Any]
JUDGED = 0.8  # the level of the interval that the verdict is on
SURE = 0.01  # so seldom luck alone
LONGEST_QUARTER_DAYS = 92
PLAIN = ("crps", "relative_crps", "width", "relative_width", "bias")


def summarize_scores(said: Said, scores: xr.Dataset | None = None) -> Document:
    """Lay scores out as the document of ``forecast history score --json``."""
    scores = score(said) if scores is None else scores
    frame = by_quarter(said)
    metrics = scores["metric"].values.tolist()
    return {
        "scenario": said.scenario,
        "currency": said.currency,
        "forecasts": said.forecasts,
        "quarters": sorted({case.quarter for case in said.cases}),
        "scores": [
            _row(scores, metric, lead)
            for metric in metrics
            for lead in LEADS
            if int(scores["quarters"].sel(metric=metric, lead=lead)) > 0
        ],
        "goals": _goals(said, scores),
        "verdict": [
            {"metric": metric, "sentences": _verdict(scores, frame, metric)} for metric in metrics
        ],
        "left_out": [
            {
                "why": why,
                "forecasts": len({as_of for as_of, _ in cases}),
                "quarters": sorted({label for _, label in cases if label}),
            }
            for why, cases in sorted(said.left_out.items())
        ],
    }


def _row(scores: xr.Dataset, metric: str, lead: str) -> Document:
    one = scores.sel(metric=metric, lead=lead)
    row: Document = {"metric": metric, "lead": lead}
    row |= {name: int(one[name]) for name in ("quarters", "forecasts")}
    row |= {name: _plain(one[name]) for name in PLAIN}
    for level in one["level"].values:
        at, name = one.sel(level=level), f"coverage_{round(100 * level)}"
        row[name] = _plain(at["coverage"])
        row[f"{name}_band"] = [_plain(at["coverage_low"]), _plain(at["coverage_high"])]
    return row | {"pit": one["pit"].values.tolist()}


def _plain(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _goals(said: Said, scores: xr.Dataset) -> Document | None:
    if not said.goals:
        return None
    quarters = scores["goal_quarters"].values
    reliability = [
        {
            "from": CHANCES[b],
            "to": CHANCES[b + 1],
            "quarters": int(quarters[b]),
            "said": float(scores["goal_said"][b]),
            "reached": float(scores["goal_reached"][b]),
            "reached_band": [float(scores["goal_low"][b]), float(scores["goal_high"][b])],
        }
        for b in np.flatnonzero(quarters)
    ]
    cases = len({goal.quarter for goal in said.goals})
    brier = {lead: _plain(scores["brier"].sel(lead=lead)) for lead in LEADS}
    return {
        "quarters": cases,
        "chances": len(said.goals),
        "brier": brier.pop(ALL),
        "brier_by_lead": {lead: value for lead, value in brier.items() if value is not None},
        "reliability": reliability,
        "verdict": _reliable(reliability, cases),
    }


def _verdict(scores: xr.Dataset, frame: pd.DataFrame, metric: str) -> list[str]:
    """Say whether intervals held, whether means were off, and what came nearer with time."""
    one = scores.sel(metric=metric)
    whole = one.sel(lead=ALL)
    present = [lead for lead in LEAD_DAYS if int(one["quarters"].sel(lead=lead)) > 0]
    said = [_coverage(whole, int(whole["quarters"])), *_uneven(one, present)]
    errors = quarters_of(frame, metric, ALL)
    # A forecast that looks so many quarters ahead is off in all of them together.
    ahead = np.ceil(quarters_of(frame, metric, present[0])["days"].max() / LONGEST_QUARTER_DAYS)
    p = block_p_value(errors["mean"] - errors["outcome"], int(ahead))
    way = float(whole["bias"])
    if p < SURE and np.isfinite(way):
        high = "high" if way > 0 else "low"
        said.append(f"Its means were {abs(way):.0%} too {high}, which is no luck.")
    if len(present) > 1:
        last = one.sel(lead=present[-1])
        nearer, narrower = float(last["relative_crps"]), float(last["relative_width"])
        if np.isfinite(nearer) and np.isfinite(narrower):
            said.append(
                f"From {present[0]} before the end to {_time(present[-1])} it "
                f"{_sharper(nearer)}; its 80% interval became {_changed(narrower, 'narrower')}."
            )
    return said


def _coverage(whole: xr.Dataset, quarters: int) -> str:
    at = whole.sel(level=JUDGED)
    share, low, high = (float(at[f"coverage{end}"]) for end in ("", "_low", "_high"))
    held = f"80% intervals held {share:.0%} of {quarters} quarter{'s' * (quarters != 1)}"
    held += f" ({low:.0%} to {high:.0%})"
    off = "overconfident" if high < JUDGED else "not sure enough" if low > JUDGED else ""
    if not can_judge_coverage(quarters):
        few = f"too few to judge, which takes {ENOUGH_OUTCOMES}"
        return f"{held}: {few}{f', but it looks {off}' if off else ''}."
    if high < JUDGED:
        return f"overconfident: {held}; what came lay outside too often."
    if low > JUDGED:
        return f"not sure enough: {held}; the intervals are too wide."
    return f"{held}: as they should."


def _uneven(one: xr.Dataset, present: Sequence[str]) -> list[str]:
    """Name the leads at which intervals did not hold, at 5% for all leads together."""
    found = []
    for lead in present if len(present) > 1 else ():
        at = one.sel(lead=lead, level=JUDGED)
        n, share = int(at["quarters"]), float(at["coverage"])
        low, high = share_band(share * n, n, 1.0 - 0.05 / len(present))
        if not low <= JUDGED <= high:
            off = "overconfident" if high < JUDGED else "not sure enough"
            when = "the last month" if lead.startswith("last") else f"{lead} before the end"
            found.append(f"Of those made in {when} they held {share:.0%}: {off}.")
    return found


def _reliable(reliability: Sequence[Mapping[str, Any]], quarters: int) -> list[str]:
    """Say which chances were not kept, at 5% for all classes together."""
    found = []
    for row in reliability:
        n = row["quarters"]
        low, high = share_band(row["reached"] * n, n, 1.0 - 0.05 / len(reliability))
        if low <= row["said"] <= high:
            continue
        hope = "too hopeful" if row["said"] > high else "too gloomy"
        found.append(
            f"{hope}: of goals given {row['said']:.0%} (by {n} quarters) {row['reached']:.0%} "
            f"were reached ({row['reached_band'][0]:.0%} to {row['reached_band'][1]:.0%})."
        )
    if found:
        return found
    if not can_judge_coverage(quarters):
        return ["Nothing says that the chances were wrong; so few cannot show that they are right."]
    return ["The chances given to goals agree with how many were reached."]


def _time(lead: str) -> str:
    return f"the {lead}" if lead.startswith("last") else f"{lead} before it"


def _sharper(ratio: float) -> str:
    return f"sharpened by {1 - ratio:.0%}" if ratio <= 1.0 else f"got worse by {ratio - 1:.0%}"


def _changed(ratio: float, word: str) -> str:
    return f"{1 - ratio:.0%} {word}" if ratio <= 1.0 else f"{ratio - 1:.0%} wider"
