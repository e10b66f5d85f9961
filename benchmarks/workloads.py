"""The reference workloads, done by this engine and by its two peers, and their exact means."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numba_peer
import numpy as np
import numpy_peer
import xarray
from numpy.typing import NDArray
from open_peer import exact_means, with_open_deals
from timing import Work

from forecast import read_scenario
from forecast.engine.dataset import as_dataset
from forecast.engine.plan import make_blueprint
from forecast.engine.simulate import Simulator
from forecast.scenario.model import Scenario

Floats = NDArray[np.float64]

SCENARIOS = Path(__file__).parent.parent / "scenarios"
R1_LEADS = {"web": 400, "partner": 150, "events": 60, "referral": 20}

# Exact means of R1, summed over channels: (quarter, output). With 40 quarters the first eight are
# the same, and with 1,000 times the leads all are 1,000 times as many.
EXACT_MEANS = np.array(
    [
        [1772.842, 323.835, 65.338, 3.119, 79_575],
        [1942.167, 464.243, 165.093, 27.212, 694_272],
        [1878.105, 432.615, 166.502, 43.583, 1_111_658],
        [2562.901, 597.986, 204.639, 47.817, 1_218_999],
        [2091.859, 510.035, 207.851, 57.818, 1_473_505],
        [2209.583, 532.942, 200.866, 56.251, 1_433_096],
        [2021.967, 473.942, 187.147, 55.451, 1_412_408],
        [2601.525, 610.470, 213.098, 53.603, 1_365_123],
    ]
)


DETAILS = ("outcome", "journey")
PEERS = {"NumPy": numpy_peer.simulate, "numba": numba_peer.simulate}


@dataclass(frozen=True, eq=False)  # two of them are the same only if they are one
class Reference:
    """A reference workload: the same work as a scenario and as a job for the peers."""

    name: str
    what: str
    peer: numpy_peer.Workload
    sets: dict[str, str] = field(default_factory=dict)
    check_runs: int = 10_000

    def scenario(self) -> Scenario:
        """Read its scenario."""
        found = read_scenario(SCENARIOS / "reference-r1.yaml", self.sets)
        return with_open_deals(found) if self.peer.open_deals else found


def leads_times(factor: float) -> dict[str, str]:
    """Give what to set for so many times the leads of R1."""
    leads = {name: f"{factor * mean:.0f}" for name, mean in R1_LEADS.items()}
    return {f"channels.{name}.leads.mean": mean for name, mean in leads.items()}


R1 = Reference("R1", "8 quarters, 630 leads a month", numpy_peer.Workload())
R2 = Reference(
    "R2",
    "1,000 times the leads",
    numpy_peer.Workload(scale=1_000.0),
    leads_times(1_000.0),
    check_runs=300,
)
R3 = Reference(
    "R3",
    "40 quarters",
    numpy_peer.Workload(months=120),
    {"horizon": "40 quarters"},
    check_runs=3_000,
)
R4 = Reference("R4", "R1 and 500 open deals", numpy_peer.Workload(open_deals=True))
REFERENCES = (R1, R2, R3, R4)


def run_ours(
    scenario: Scenario, runs: int, seed: int, threads: int, detail: str = "journey"
) -> xarray.Dataset:
    """Do what ``forecast.simulate`` does, on so many threads."""
    simulator = Simulator(make_blueprint(scenario), seed, detail)
    return as_dataset(simulator, simulator.whole(runs, threads), {"seed": str(seed)})


def run_ready(scenario: Scenario, threads: int, detail: str) -> Work:
    """Make all ready that runs share; gives what simulates so many of them."""
    simulator = Simulator(make_blueprint(scenario), 0, detail)
    return lambda runs, _: as_dataset(simulator, simulator.whole(runs, threads), {})


def outputs_of(futures: xarray.Dataset) -> Floats:
    """Our counterparts of the peers' outputs, or of the last two: (run, quarter, channel, output).

    What keeps no stages has deals and bookings only.
    """
    bookings = futures.bookings.sum(["segment", "product"]).values
    if "entered" not in futures:
        return np.stack([futures.deals.sum(["segment", "product"]).values, bookings], axis=-1)
    entered = futures.entered.sum("segment").sel(stage=["lead", "mql", "sql", "won"])
    stacked = [entered.values.astype(np.float64), bookings[..., np.newaxis]]
    return np.concatenate(stacked, axis=-1)


def z_scores(reference: Reference, outputs: Floats, is_peer: bool = False) -> Floats:
    """Means of the first eight quarters against the exact ones, in standard errors.

    Of open deals the peers round the months and we do not: see ``open_peer``.
    """
    kept = slice(-outputs.shape[-1], None)
    totals = outputs[:, :8].sum(axis=2)
    error = totals.std(axis=0, ddof=1) / np.sqrt(len(totals))
    # 0.0005 a lead and 0.5 a money unit is what rounding may take from the table
    rounding = np.array([0.0005] * 4 + [0.5])[kept]
    exact = EXACT_MEANS.copy()
    if reference.peer.open_deals:
        exact[:, 3:] += exact_means(is_peer, len(exact))
    exact = exact[:, kept]
    difference = np.abs(totals.mean(axis=0) / reference.peer.scale - exact) - rounding
    z: Floats = np.maximum(difference, 0.0) / (error / reference.peer.scale)
    return z
