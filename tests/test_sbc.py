"""What fits and forecasts say they know is what they know: ranks of the truth are uniform."""

import numpy as np
import pytest
from sbc_maker import BOOKINGS, CONVERSION, DEALS, LAG, ranks_of
from scipy import stats

FEW, MANY = 6, 200


def ranks(count, **how):
    """Ranks by name of several histories."""
    rows = [ranks_of(seed, **how) for seed in range(count)]
    return {
        name: np.array([row[name] for row in rows]) for name in (CONVERSION, LAG, DEALS, BOOKINGS)
    }


def test_truths_lie_anywhere_in_what_is_fitted():
    found = ranks(FEW)
    for name, each in found.items():
        assert stats.kstest(each, "uniform").pvalue > 1e-4, (name, each)
    # All four are of the same histories, so that their ranks hang together; a bound for that.
    z = np.concatenate(list(found.values()))
    assert abs(z.mean() - 0.5) < 5 * np.sqrt(1 / 12 / FEW)


@pytest.mark.long
def test_ranks_of_many_histories_are_uniform():
    for name, each in ranks(MANY).items():
        assert stats.kstest(each, "uniform").pvalue > 1e-4, name
        assert stats.chisquare(np.histogram(each, 10, (0, 1))[0]).pvalue > 1e-4, name


@pytest.mark.long
def test_a_forecast_that_is_too_sure_is_found_out():
    found = ranks(MANY // 2, distort=lambda runs: runs.mean() + 0.5 * (runs - runs.mean()))
    assert stats.kstest(found[DEALS], "uniform").pvalue < 1e-3
