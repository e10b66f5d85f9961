"""How many runs a wanted precision takes."""

from __future__ import annotations

from contextlib import nullcontext
from math import ceil

from forecast.engine.outcome import reached
from forecast.engine.request import MOST_RUNS, RequestError, detail_for
from forecast.engine.run import simulate_totals
from forecast.engine.simulate import bytes_per_run, ready
from forecast.scenario.model import Scenario

PILOT_RUNS = 4_000
FEWEST_PLANNED_RUNS = 1_000
PILOT = 0x9E3779B9  # joins the seed of a pilot, so that its runs are independent of the forecast's


def runs_for_precision(scenario: Scenario, *, precision: float, seed: int) -> int:
    """Find the runs that bring every goal's chance to a standard error of ``precision``.

    A pilot of independent runs estimates each chance; the number of runs is then fixed, so that
    no stopping rule bends the result. For caution a chance counts as the one nearest to 50% that
    the pilot's 95% interval (Wilson 1927) leaves possible.

    Raises ``RequestError`` where there is no goal or it would take more than 100 million runs.
    """
    if not scenario.goals:
        raise RequestError("--precision needs goals. Add goals to the scenario, or use --runs.")
    detail = detail_for(goal.metric for goal in scenario.goals)
    kept = bytes_per_run(scenario, detail)
    simulator = ready(scenario, PILOT_RUNS, seed ^ PILOT, kept, detail)
    totals, _ = simulate_totals(simulator, PILOT_RUNS, None, nullcontext(), None)
    worst = max(
        _largest_variance(float(reached(totals, goal, quarters).mean()))
        for goal in scenario.goals
        for _, quarters in goal.quarters
    )
    runs = max(FEWEST_PLANNED_RUNS, ceil(worst / precision**2))
    if runs > MOST_RUNS:
        finest = (worst / MOST_RUNS) ** 0.5
        mend = f"Ask for {finest:.2%} or more."
        raise RequestError(f"--precision {precision:.4%} would take {runs:,} runs. {mend}")
    return runs


def _largest_variance(chance: float) -> float:
    """p (1 - p) at the p nearest to 1/2 within the Wilson interval of a pilot's chance."""
    z2 = 1.96**2 / PILOT_RUNS
    middle = (chance + z2 / 2) / (1 + z2)
    half = (z2 * (chance * (1 - chance) + z2 / 4)) ** 0.5 / (1 + z2)
    nearest = min(max(0.5, middle - half), middle + half)
    return float(nearest * (1 - nearest))
