"""Lists of values with chances: what they must be, for values and for whole periods."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum, isfinite

from forecast.scenario.families.base import FamilyFault
from forecast.scenario.families.checks import LARGEST, say

MOST_VALUES = 10_000
_ROUNDING = 1e-9


def check_chances(name: str, pairs: Sequence[tuple[float, float]]) -> None:
    """Distinct values, each with a chance, that sum to 1."""
    if not 1 <= len(pairs) <= MOST_VALUES:
        mend = "Give each value its chance." if not pairs else "Give the data as empirical."
        got = f"{len(pairs):,} {name}"
        raise FamilyFault(None, got, f"between 1 and {MOST_VALUES:,} of them", mend)
    seen: set[float] = set()
    for value, chance in pairs:
        if not abs(value) <= LARGEST:
            must = f"a finite number between -{say(LARGEST)} and {say(LARGEST)}"
            raise FamilyFault(None, f"the value {value:.6g}", must, "Write it in larger units.")
        if value in seen:
            mend = "Give each value once, with all of its chance."
            raise FamilyFault(say(value), "the value twice", "given once", mend)
        seen.add(value)
        if not (isfinite(chance) and chance >= 0.0):
            mend = "Write a chance as 35% or 0.35; leave out what cannot happen."
            raise FamilyFault(say(value), f"a chance of {say(chance)}", "0 or more", mend)
    total = fsum(chance for _, chance in pairs)
    if abs(total - 1.0) > _ROUNDING:
        raise FamilyFault(
            None,
            f"chances that sum to {total:.10g}",
            "1 (100%) in all",
            f"Raise them by {1.0 - total:.6g} in all."
            if total < 1.0
            else f"Lower them by {total - 1.0:.6g} in all.",
        )
