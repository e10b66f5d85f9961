"""Which parts of the language a scenario uses that not every scenario needs."""

from __future__ import annotations

from forecast.scenario.model import Scenario

CAPACITY = "capacity"  # stages that take up only so many, or only a share
PIPELINE = "pipeline"  # deals that are open at as_of
RECURRING = "recurring"  # products that customers pay for again and again
REFERRAL = "referral"  # customers that bring leads
WORKED = "worked"  # costs of items that are taken up
JOINED = frozenset({CAPACITY, REFERRAL, WORKED})  # these tie leads together, or stages to money


def uses(scenario: Scenario) -> frozenset[str]:
    """Tell which of these parts a scenario uses."""
    found: set[str] = set()
    if any(
        product.recurring is not None
        for version in scenario.versions
        for products in version.products.values()
        for product in products.values()
    ):
        found.add(RECURRING)
    return frozenset(found)


def needs_journey(scenario: Scenario) -> bool:
    """Tell whether deals and money can only be simulated together with all stages before."""
    return bool(uses(scenario) & JOINED)
