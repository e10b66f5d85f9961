"""What a backtest says: scores by horizon and over all, and how it went in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from forecast.history.backtest import FORECAST
from forecast.history.origins import Floats
from forecast.history.scores import (
    ENOUGH_OUTCOMES,
    LEVELS,
    QUANTILES,
    bias,
    binomial_band,
    block_p_value,
    can_judge_coverage,
    is_covered,
    pit_histogram,
)

SURE = 0.05  # a difference whose p-value is above may be chance
ABOUT = 0.02  # a ratio so near 1 is no difference
NEARLY = 0.95  # of the best baseline: nobody gets far below
PIT_BINS = 10
Document = dict[str, Any]


def summarize_backtest(found: xr.Dataset) -> Document:
    """Score the models of a backtest: the document of ``forecast backtest --json``.

    `found` is what ``backtest`` gives. `scores` has a row for each model, metric and horizon,
    `overall` for each model and metric over all horizons; `metrics` says how each metric went;
    the first metric's stand at the top.
    """
    metrics = [str(m) for m in found.metric.values]
    best = {metric: best_baseline(found, metric) for metric in metrics}
    verdicts = [_metric(found, metric, best[metric]) for metric in metrics]
    horizons = found.horizon.values.tolist()
    rows = [
        _row(found, (model, metric, horizon), best[metric])
        for metric in metrics
        for model in found.model.values.tolist()
        for horizon in (*horizons, None)
    ]
    first = verdicts[0]
    top = ("best_baseline", "relative_wis", "p_value", "perfect_relative_wis")
    return {
        **{name: found.attrs[name] for name in ("unit", "every", "runs", "seed", "as_of")},
        "currency": found.attrs["currency"],
        "known_arrivals": bool(found.attrs["known_arrivals"]),
        "origins": found.as_of.values.tolist(),
        "skipped": list(found.attrs["skipped"]),
        "scores": [row for row in rows if row and row["horizon"] is not None],
        "overall": [row for row in rows if row and row["horizon"] is None],
        **{name: first[name] for name in top},
        "metrics": verdicts,
        "forecasts": _forecasts(found),
    }


def best_baseline(found: xr.Dataset, metric: str) -> str:
    """Name the baseline with the least mean WIS over all origins and horizons."""
    wis = found["wis"].sel(metric=metric).drop_sel(model=FORECAST)
    return str(wis.model.values[int(np.argmin(wis.mean(("origin", "horizon")).values))])


def _row(found: xr.Dataset, at: tuple[str, str, int | None], best: str) -> Document:
    """Score one model on one metric at one horizon, or over all; empty where nothing came."""
    model, metric, horizon = at
    part = found.sel(metric=metric)
    if horizon is not None:
        part = part.sel(horizon=[horizon])
    known = np.isfinite(part["outcome"].values)
    if not known.any():
        return {}
    mine, outcome = part.sel(model=model), part["outcome"].values[known]
    quantiles = mine["quantiles"].values[known]
    base = part["wis"].sel(model=best).values[known].mean()
    score = mine["wis"].values[known].mean()
    row: Document = {"model": model, "metric": metric, "horizon": horizon, "n": int(known.sum())}
    row["crps"] = float(mine["crps"].values[known].mean())
    row["wis"] = float(score)
    row["relative_wis"] = _ratio(score, base)
    periods = len(np.unique(part["period"].values[known]))
    for level in LEVELS:
        share = float(is_covered(quantiles, outcome, level).mean())
        row[f"coverage_{round(100 * level)}"] = share
        band = binomial_band(round(share * periods), periods)
        row[f"coverage_{round(100 * level)}_band"] = list(band)
    row["bias"] = bias(mine["mean"].values[known], outcome)
    return row


def _metric(found: xr.Dataset, metric: str, best: str) -> Document:
    """Judge the forecast of one metric over all horizons."""
    part = found.sel(metric=metric)
    known = np.isfinite(part["outcome"].values)
    wis = {model: part["wis"].sel(model=model).values for model in (FORECAST, best)}
    base = wis[best][known].mean()
    # The mean over an origin's known horizons: each origin counts once.
    difference = np.nanmean(wis[FORECAST] - wis[best], axis=1)
    block = -(-found.sizes["horizon"] // int(found.attrs["every"]))
    periods = len(np.unique(part["period"].values[known]))
    ours = part.sel(model=FORECAST)
    pit = pit_histogram(ours["pit_below"].values[known], ours["pit_up_to"].values[known], PIT_BINS)
    judged: Document = {
        "metric": metric,
        "best_baseline": best,
        "relative_wis": _ratio(wis[FORECAST][known].mean(), base),
        "p_value": block_p_value(difference, block),
        "perfect_relative_wis": _ratio(part["perfect_wis"].values[known].mean(), base),
        "outcomes": periods,
        "can_judge_coverage": can_judge_coverage(periods),
        "pit": pit.tolist(),
    }
    return judged | {"verdict": _verdict(judged, _row(found, (FORECAST, metric, None), best))}


def _ratio(score: float, base: float) -> float | None:
    return float(score / base) if base > 0.0 else None


def _verdict(judged: Mapping[str, Any], row: Mapping[str, Any]) -> list[str]:
    """Say in plain sentences how the forecast did."""
    ratio, p, best = judged["relative_wis"], judged["p_value"], judged["best_baseline"]
    perfect = judged["perfect_relative_wis"]
    if ratio is None:
        said = [f"The best baseline ({best}) was never off, so nothing can be compared."]
    elif abs(ratio - 1.0) < ABOUT:
        said = [f"The forecast is about as good as {best}: it is off {ratio:.2f} times as far."]
    elif ratio < 1.0:
        said = [f"The forecast beats every baseline: it is off {ratio:.2f} times as far as {best}."]
    else:
        said = [f"A baseline wins: the forecast is off {ratio:.2f} times as far as {best}."]
    if ratio is not None and abs(ratio - 1.0) >= ABOUT:
        chance = f"chance alone would do that in {_percent(p)} of cases"
        said.append(f"{'That may be luck' if p > SURE else 'That is no luck'}: {chance}.")
    if perfect is not None:
        hard = "Nobody could do much better: somebody" if perfect > NEARLY else "Somebody"
        said.append(f"{hard} who knew all but luck would be at {perfect:.2f}.")
    said += _coverage(judged, row)
    if row["bias"] is not None:
        way = "high" if row["bias"] > 0 else "low"
        said.append(f"On the whole it was {abs(row['bias']):.0%} too {way}.")
    return said


def _coverage(judged: Mapping[str, Any], row: Mapping[str, Any]) -> list[str]:
    share, (low, high) = row["coverage_80"], row["coverage_80_band"]
    said = f"{share:.0%} of what came lay in the 80% intervals"
    if not judged["can_judge_coverage"]:
        few = f"{judged['outcomes']} periods are too few to judge that; it takes {ENOUGH_OUTCOMES}"
        if high < 0.8 or low > 0.8:
            few += f", but so far off ({low:.0%} to {high:.0%}) is a bad sign"
        return [f"{said}: {few}."]
    if high < 0.8:
        return [f"{said} ({low:.0%} to {high:.0%}): the forecast is too sure of itself."]
    if low > 0.8:
        return [f"{said} ({low:.0%} to {high:.0%}): the forecast is not sure enough."]
    return [f"{said} ({low:.0%} to {high:.0%}): as it should be."]


def _percent(p: float) -> str:
    return "less than 0.1%" if p < 0.001 else f"{p:.1%}" if p < 0.1 else f"{p:.0%}"


def _forecasts(found: xr.Dataset) -> list[Document]:
    """Set every forecast of ours beside what came."""
    ours = found.sel(model=FORECAST)
    spans = {f"p{round(100 * q)}": QUANTILES.index(q) for q in (0.1, 0.5, 0.9)}
    rows = []
    for i, as_of in enumerate(found.as_of.values.tolist()):
        for h, horizon in enumerate(found.horizon.values.tolist()):
            for m, metric in enumerate(found.metric.values.tolist()):
                outcome = float(found["outcome"].values[m, i, h])
                quantiles: Floats = ours["quantiles"].values[m, i, h]
                rows.append(
                    {
                        "as_of": as_of,
                        "period": str(found["period"].values[i, h]),
                        "horizon": horizon,
                        "metric": metric,
                        "outcome": outcome if np.isfinite(outcome) else None,
                        "mean": float(ours["mean"].values[m, i, h]),
                        **{name: float(quantiles[q]) for name, q in spans.items()},
                    }
                )
    return rows
