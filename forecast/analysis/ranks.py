"""Ranks of quantiles among n outcomes, and of their 95% intervals."""

from __future__ import annotations

from functools import lru_cache

ONE_SIDE = 0.025  # of the chance left outside a 95% interval


def quantile_rank(n: int, percent: int) -> int:
    """Rank (1..n) of the smallest outcome with at least ``percent`` of all at or below it.

    The inverse of the distribution function: an outcome that did happen, never one in between.

    >>> quantile_rank(10_000, 10), quantile_rank(4, 50), quantile_rank(1, 90)
    (1000, 2, 1)
    """
    return max(1, -(-n * percent // 100))


@lru_cache(maxsize=64)
def rank_interval(n: int, percent: int) -> tuple[int | None, int | None]:
    """Ranks between which the quantile of the distribution lies with 95% chance or more.

    The count of outcomes below a quantile is Binomial(n, percent): its 2.5% quantile, and one
    above its 97.5% quantile. None where n is too small for a bound on that side. Source: David
    and Nagaraja (2003), Order Statistics, section 7.1, doi:10.1002/0471722162.

    >>> rank_interval(10_000, 10)
    (942, 1060)
    """
    share = percent / 100
    low, high = _binomial_quantile(ONE_SIDE, n, share), _binomial_quantile(1 - ONE_SIDE, n, share)
    return (low if low >= 1 else None), (high + 1 if high < n else None)


def _binomial_quantile(chance: float, n: int, share: float) -> int:
    """The smallest k with P(Binomial(n, share) <= k) >= chance, by bisection."""
    from scipy.special import bdtr

    below, enough = -1, n
    while enough - below > 1:
        middle = (below + enough) // 2
        if bdtr(middle, n, share) >= chance:
            enough = middle
        else:
            below = middle
    return enough
