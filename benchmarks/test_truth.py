"""Both engines do the same work: their means agree with the exact ones."""

from __future__ import annotations

import pytest
from workloads import REFERENCES, Reference, outputs_of, run_ours, run_peer, z_scores

MOST_Z = 5.0  # standard errors; one false alarm in some 10,000 tests of 40 figures
SEED = 20261122

each = pytest.mark.parametrize("reference", REFERENCES, ids=[r.name for r in REFERENCES])


@each
def test_ours_agrees_with_the_exact_means(reference: Reference) -> None:
    futures = run_ours(reference.scenario(), reference.runs, SEED, threads=2)
    assert z_scores(reference, outputs_of(futures)).max() < MOST_Z


@each
def test_the_peer_agrees_with_the_exact_means(reference: Reference) -> None:
    assert z_scores(reference, run_peer(reference, reference.runs, SEED)).max() < MOST_Z


@each
def test_both_keep_as_much(reference: Reference) -> None:
    futures = run_ours(reference.scenario(), 10, SEED, threads=1)
    assert outputs_of(futures).shape == run_peer(reference, 10, SEED).shape
