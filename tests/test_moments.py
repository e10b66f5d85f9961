"""The reference workload against its exact means, variances and all covariances.

All comparisons of a test are one family that raises a false alarm once in a million seeds.
"""

from __future__ import annotations

from math import erfc, log, sqrt

import moments
import numpy as np
import pytest
from helpers import SCENARIOS
from moments import Compared, outputs_of

import forecast

PART, LONG_PARTS = 100_000, 10


def exact_of(detail: str, by_channel: bool = False) -> moments.Exact:
    if by_channel:
        return moments.by_channel()
    return moments.totals() if detail == "journey" else moments.totals().only("deals", "bookings")


def compared(detail: str, runs: int, seeds: int, by_channel: bool = False) -> Compared:
    found = Compared(exact_of(detail, by_channel))
    scenario = forecast.read_scenario(SCENARIOS / "reference-r1.yaml")
    for seed in range(seeds):
        futures = forecast.simulate(scenario, runs=runs, seed=seed, detail=detail)
        found.add(outputs_of(futures, found.exact.names))
    return found


@pytest.mark.parametrize(
    ("detail", "by_channel", "runs"),
    [
        ("outcome", False, 100_000),
        ("outcome", True, 100_000),
        ("journey", False, 20_000),
    ],
)
def test_moments_are_the_exact_ones(detail: str, by_channel: bool, runs: int) -> None:
    assert compared(detail, runs, 1, by_channel).wrong() == {}


@pytest.mark.long
@pytest.mark.parametrize("by_channel", [False, True])
@pytest.mark.parametrize("detail", ["outcome", "journey"])
def test_moments_of_a_million_runs_are_the_exact_ones(detail: str, by_channel: bool) -> None:
    assert compared(detail, PART, LONG_PARTS, by_channel).wrong() == {}


# --- the same test refuses what is right by itself but not together -------------------------------

SEASON = np.array([0.85, 0.90, 1.05, 1.00, 1.00, 0.95, 0.80, 0.75, 1.10, 1.20, 1.25, 1.15])
LEADS = np.array([400.0, 150.0, 60.0, 20.0])
RATES = np.array([[0.22, 0.35, 0.25], [0.25, 0.40, 0.30], [0.30, 0.45, 0.32], [0.35, 0.50, 0.35]])
CASES = np.array([400.0, 200.0, 100.0])
SIZES = np.array([22_000.0, 25_000.0, 30_000.0, 40_000.0])
VARIANCE = log(1.0 + 1.2**2)  # of the logarithm of a size


def lag(mean: float) -> list[float]:
    """Chances of 0 to 12 months: a lognormal of cv 0.8, rounded."""
    variance = log(1.0 + 0.8**2)
    centre = log(mean) - variance / 2.0
    below = [erfc((centre - log(k + 0.5)) / sqrt(2.0 * variance)) / 2.0 for k in range(13)]
    return list(np.diff([0.0, *below]) / below[-1])


def later(means: np.ndarray, chances: list[float]) -> np.ndarray:
    """Move means (month, ...) on by a lag."""
    moved = np.zeros_like(means)
    for k, chance in enumerate(chances):
        moved[k:] += chance * means[: len(means) - k]
    return moved


def conditional_means(rng: np.random.Generator, runs: int) -> np.ndarray:
    """Draw rates and market; what they let expect: (stage, quarter, run, channel)."""
    rates = rng.beta(RATES * CASES, (1.0 - RATES) * CASES, size=(runs, 4, 3))
    market = np.exp(0.1 * rng.standard_normal((runs, 1)))
    back = 0.2 * (1.0 - rates[..., 0]) / 7.0
    leads = np.zeros((24, runs, 4))
    for month in range(24):
        leads[month] = market * LEADS * SEASON[month % 12]
        for k in range(3, min(month, 9) + 1):
            leads[month] += back * leads[month - k]
    stages = [leads]
    for step, mean in enumerate((0.7, 1.2, 2.5)):
        stages.append(rates[..., step] * later(stages[-1], lag(mean)))
    return np.stack(stages).reshape(4, 8, 3, runs, 4).sum(axis=2)


def without_links(lost: str, runs: int = 20_000) -> np.ndarray:
    """Outputs (run, output), each with its right law, but not together.

    Every stage is drawn without the others; where sizes are lost, bookings are of other deals too.
    """
    rng = np.random.default_rng(1)
    means = conditional_means(rng, runs)
    counts = rng.poisson(means)
    bought = rng.poisson(means[3]) if lost == "sizes" else counts[3]
    sizes = np.exp(sqrt(VARIANCE) * rng.standard_normal(bought.sum()))
    sums = np.concatenate([[0.0], np.cumsum(sizes)])
    ends = np.cumsum(bought).reshape(bought.shape)
    bookings = (sums[ends] - sums[ends - bought]) @ (SIZES * np.exp(-VARIANCE / 2.0))
    return np.stack([*counts.sum(axis=-1), bookings]).transpose(2, 1, 0).reshape(runs, -1)


@pytest.mark.parametrize(
    ("lost", "detail", "wrong"),
    [
        ("stages", "journey", {"covariances"}),
        ("stages", "outcome", set()),  # deals and bookings do belong together
        ("sizes", "outcome", {"covariances"}),
    ],
)
def test_a_lost_link_is_found(lost: str, detail: str, wrong: set[str]) -> None:
    whole, exact = moments.totals(), exact_of(detail)
    found = Compared(exact)
    found.add(without_links(lost)[:, [whole.names.index(name) for name in exact.names]])
    assert set(found.wrong()) == wrong
