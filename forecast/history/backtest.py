"""Make forecasts again as they would have been made then, and set them beside what came."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from forecast.history.baselines import BASELINES, Pasts, predict
from forecast.history.model import Known, MakeScenario, period_totals
from forecast.history.origins import (
    BacktestError,
    Came,
    Floats,
    Plan,
    find_origins,
    whole_periods,
)
from forecast.history.past import Past
from forecast.history.perfect import perfect_wis
from forecast.history.records import Records
from forecast.history.scores import QUANTILES, crps, pit_ends, wis

FORECAST = "forecast"
BASELINE_RUNS = 4_000
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Request:
    """How to simulate: so many futures of each origin, from a seed.

    With `known_arrivals` the forecast is told which items arrive in the periods ahead;
    `baselines` names those that are set beside it.
    """

    runs: int = 10_000
    seed: int = 0
    known_arrivals: bool = False
    baselines: tuple[str, ...] = tuple(BASELINES)


def backtest(
    records: Records,
    make_scenario: MakeScenario,
    plan: Plan | None = None,
    request: Request | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Repeat the forecasts of `plan`, each from what was known then, and score them.

    `make_scenario` makes a scenario of known records. Gives a dataset with dims
    model, metric, origin, horizon and quantile: `quantiles`, `mean`, `crps`, `wis`, and the ends
    of the PIT's step `pit_below` and `pit_up_to` of every model, nan where the outcome is not
    known yet; `outcome` (metric, origin, horizon) and `perfect_wis`, the score to expect of who
    knew all but luck; `period` (origin, horizon), the labels of the periods looked at. `skipped`
    in its attributes names the origins that could not be forecast, and why. Raises
    ``BacktestError``.
    """
    plan, request = plan or Plan(), request or Request()
    periods = whole_periods(records, plan.unit)
    came = Came(records, periods)
    bench = _Bench(came, plan.horizon, request, make_scenario)
    origins, skipped = find_origins(records, periods, plan), {}
    rows: list[tuple[int, Mapping[str, Floats]]] = []
    for done, origin in enumerate(origins):
        if progress is not None:
            progress(done, len(origins))
        try:
            rows.append((origin, bench.at(origin)))
        except Exception as error:
            if not isinstance(getattr(error, "exit_code", None), int):
                raise
            skipped[periods.label(origin)] = " ".join(str(error).split())
    if not rows:
        reason = next(iter(skipped.values()))
        raise BacktestError(f"None of {len(skipped)} forecasts could be made: {reason}")
    return bench.dataset(rows, plan, skipped)


class _Bench:
    """Makes and scores the forecasts of one origin after the other."""

    def __init__(
        self, came: Came, horizon: int, request: Request, make_scenario: MakeScenario
    ) -> None:
        self.came, self.horizon, self.request = came, horizon, request
        self.make_scenario = make_scenario
        self.models = (FORECAST, *request.baselines)
        self.pasts = Pasts(Past(came.records, came.periods, came.periods.count))

    def at(self, origin: int) -> dict[str, Floats]:
        """Score all models at one origin: (model, metric, horizon[, quantile]) by name."""
        ours = self._forecast(origin)
        parts: dict[str, list[list[Floats]]] = {}
        for model in self.models:
            for name, values in self._scored(model, origin, ours).items():
                parts.setdefault(name, []).append(values)
        found = {name: np.array(values) for name, values in parts.items()}
        deals = self.came.after(origin, self.horizon, "deals")
        found["outcome"] = np.array([self._outcome(origin, m) for m in self.came.metrics])
        found["perfect_wis"] = np.array(
            [perfect_wis(deals, self.came, metric) for metric in self.came.metrics]
        )
        return found

    def _outcome(self, origin: int, metric: str) -> Floats:
        return self.came.after(origin, self.horizon, metric)

    def _forecast(self, origin: int) -> Mapping[str, Floats]:
        """Simulate our own forecast from what was known before a period."""
        calendar = self.came.periods.calendar(origin, self.horizon)
        records = self.pasts.at(origin).records
        arrivals = self.came.arrivals(calendar) if self.request.known_arrivals else None
        known = Known(records, calendar, arrivals)
        scenario = self.make_scenario(known)
        return period_totals(scenario, known, self.request.runs, self.request.seed)

    def _scored(
        self, model: str, origin: int, ours: Mapping[str, Floats]
    ) -> dict[str, list[Floats]]:
        found: dict[str, list[Floats]] = {}
        for metric in self.came.metrics:
            if model == FORECAST:
                runs = ours[metric]
            else:
                at = origin, self.horizon
                runs = predict(self.pasts, model, at, metric, BASELINE_RUNS)
            for name, values in _scores(runs.T, self._outcome(origin, metric)).items():
                found.setdefault(name, []).append(values)
        return found

    def dataset(
        self, rows: list[tuple[int, Mapping[str, Floats]]], plan: Plan, skipped: Mapping[str, str]
    ) -> xr.Dataset:
        """Put the rows of all origins together."""
        periods, horizons = self.came.periods, np.arange(1, self.horizon + 1)
        dims = {
            "outcome": ("metric", "origin", "horizon"),
            "perfect_wis": ("metric", "origin", "horizon"),
            "quantiles": ("model", "metric", "origin", "horizon", "quantile"),
        }
        variables = {}
        for name in rows[0][1]:
            names = dims.get(name, ("model", "metric", "origin", "horizon"))
            stacked = np.stack([row[name] for _, row in rows], axis=names.index("origin"))
            variables[name] = (names, stacked)
        edges = [self.came.periods.calendar(t, self.horizon).quarters for t, _ in rows]
        variables["period"] = (("origin", "horizon"), np.array(edges))
        coords = {
            "model": list(self.models),
            "metric": list(self.came.metrics),
            "origin": [periods.label(t) for t, _ in rows],
            "as_of": ("origin", [periods.as_of(t).isoformat() for t, _ in rows]),
            "horizon": horizons,
            "quantile": list(QUANTILES),
        }
        attributes = {
            "unit": plan.unit,
            "every": plan.every,
            "runs": self.request.runs,
            "seed": self.request.seed,
            "known_arrivals": int(self.request.known_arrivals),
            "currency": self.came.records.currency,
            "as_of": self.came.records.as_of.isoformat(),
            "skipped": [f"{label}: {reason}" for label, reason in skipped.items()],
        }
        return xr.Dataset(variables, coords, attributes)


def _scores(runs: Floats, outcome: Floats) -> dict[str, Floats]:
    """Score runs (horizon, run) against outcomes (horizon,), nan where these are not known."""
    known = np.isfinite(outcome)
    quantiles = np.quantile(runs, QUANTILES, axis=1, method="inverted_cdf").T
    below, up_to = pit_ends(runs, outcome)
    found = {
        "mean": runs.mean(axis=1),
        "quantiles": quantiles,
        "crps": crps(runs, np.where(known, outcome, 0.0)),
        "wis": wis(quantiles, np.where(known, outcome, 0.0)),
        "pit_below": below,
        "pit_up_to": up_to,
    }
    for name in ("crps", "wis", "pit_below", "pit_up_to"):
        found[name] = np.where(known, found[name], np.nan)
    return found
