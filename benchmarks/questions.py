"""What common random numbers gain, and what questions cost beside one forecast of 10,000 runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from tables import Table, figure, kept, ratio
from timing import in_turn, middle
from workloads import SCENARIOS

from forecast import read_scenario
from forecast.analysis.compare import Comparison, compare, compare_document
from forecast.analysis.measures import goals_of
from forecast.analysis.movable import movables
from forecast.analysis.sensitivity import sensitivity_document
from forecast.analysis.tornado import measure_named
from forecast.engine.run import forecast_run
from forecast.scenario.model import Scenario
from forecast.scenario.uncertain import uncertain_numbers

RUNS = 10_000
PAIRED_BOUND = 0.25  # error of a paired difference / of an unpaired one
TORNADO_BOUND = 90.0  # forecasts of 10,000 runs
ASSUMPTIONS = 40
MOST_ROUNDS = 3
SAAS = SCENARIOS / "saas-funnel.yaml"
RAISED = {
    "saas-funnel.yaml": {"journey.lead.opportunity.conversion": "14.7%"},
    "lean-consulting.yaml": {"journey.opportunity.won.conversion": "31.5%"},
}
SIX = {
    "channels.web.growth": "4% per quarter",
    "channels.outbound.leads.mean": "70",
    "journey.lead.opportunity.conversion": "15%",
    "journey.nurture.opportunity.conversion": "9%",
    "journey.opportunity.won.lag.gamma.mean": "70 days",
    "products.platform.size.gamma.mean": "50k",
}


def tables(rounds: int) -> Iterator[Table]:
    """Compare errors, then costs."""
    head = ("5% more of one conversion", "paired ÷ unpaired error of deals", "of bookings")
    yield Table(head, [_paired(name, change) for name, change in RAISED.items()])
    yield Table(("saas-funnel", "÷ one forecast of 10,000 runs", "CPU, s"), _costs(rounds))


def _paired(name: str, change: Mapping[str, str]) -> tuple[str, ...]:
    """Errors of the difference over those of independent scenarios: worst and best quarter."""
    path = SCENARIOS / name
    plans = {"one": read_scenario(path), "other": read_scenario(path, change)}
    found = compare(plans, Comparison(bridge=False), runs=RUNS).sel(scenario="other", against="one")
    cells = [name.removesuffix(".yaml")]
    alone = [forecast_run(plan, runs=RUNS, seed=0).totals for plan in plans.values()]
    for metric in ("deals", "bookings"):
        variances = sum(totals[metric].var(axis=0, ddof=1) for totals in alone)
        unpaired = np.sqrt(variances / RUNS)
        quarters = list(plans["one"].calendar.quarters)
        paired = found["standard_error"].sel(metric=metric, quarter=quarters).values
        ratios = (paired / np.where(unpaired > 0.0, unpaired, np.nan))[unpaired > 0.0]
        worst = kept(float(ratios.max()), PAIRED_BOUND)
        cells.append(f"**{figure(ratios.max())}** to {figure(ratios.min())}, {worst}")
    return tuple(cells)


def _costs(rounds: int) -> list[tuple[str, ...]]:
    scenario, changed = read_scenario(SAAS), read_scenario(SAAS, SIX)
    goals = list(goals_of(scenario))
    paths = _forty(scenario)
    plain = measure_named(scenario, "bookings", "2028", 0)
    works = {
        "one": lambda seed: forecast_run(scenario, runs=RUNS, seed=seed),
        "compare with a bridge of 6 changes": lambda seed: compare_document(
            {"one": scenario, "other": changed}, runs=RUNS, seed=seed
        ),
        **{
            f"tornado of 40: {what}": lambda seed, m=measure: sensitivity_document(
                scenario, m, paths=paths, runs=RUNS, seed=seed
            )
            for what, measure in (
                ("bookings of a year", plain),
                ("the chance of a goal on deals", goals[3]),
                ("the chance of a goal on bookings", goals[-1]),
            )
        },
    }
    clocked = in_turn(works, min(rounds, MOST_ROUNDS))
    one = clocked.pop("one").cpu
    return [
        (
            name,
            ratio(each.cpu / one, TORNADO_BOUND if "tornado" in name else None),
            figure(middle(each.cpu)),
        )
        for name, each in clocked.items()
    ]


def _forty(scenario: Scenario) -> list[str]:
    """The uncertain assumptions, and as many certain ones as make forty."""
    uncertain = tuple(uncertain_numbers(scenario))
    certain = [movable.path for movable in movables(scenario, uncertain)]
    return [*uncertain, *certain][:ASSUMPTIONS]
