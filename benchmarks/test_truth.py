"""All engines do the same work: their means agree with the exact ones."""

from __future__ import annotations

import pytest
from workloads import DETAILS, PEERS, REFERENCES, Reference, outputs_of, run_ours, z_scores

MOST_Z = 5.0  # standard errors; one false alarm in some 10,000 tests of 40 figures
SEED = 20261122

each = pytest.mark.parametrize("reference", REFERENCES, ids=[r.name for r in REFERENCES])


@each
@pytest.mark.parametrize("detail", DETAILS)
def test_ours_agrees_with_the_exact_means(reference: Reference, detail: str) -> None:
    futures = run_ours(reference.scenario(), reference.check_runs, SEED, threads=2, detail=detail)
    assert z_scores(reference, outputs_of(futures)).max() < MOST_Z


@each
@pytest.mark.parametrize("peer", PEERS)
def test_the_peers_agree_with_the_exact_means(reference: Reference, peer: str) -> None:
    outputs = PEERS[peer](reference.peer, reference.check_runs, SEED)
    assert z_scores(reference, outputs, is_peer=True).max() < MOST_Z


@each
@pytest.mark.parametrize("peer", PEERS)
def test_all_keep_as_much(reference: Reference, peer: str) -> None:
    journey = outputs_of(run_ours(reference.scenario(), 10, SEED, threads=1))
    outcome = outputs_of(run_ours(reference.scenario(), 10, SEED, threads=1, detail="outcome"))
    assert journey.shape == PEERS[peer](reference.peer, 10, SEED).shape
    assert (*outcome.shape[:-1], 5) == journey.shape
