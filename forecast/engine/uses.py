"""Which parts of the language a scenario uses that not every scenario needs."""

from __future__ import annotations

from forecast.scenario.model import Scenario

CAPACITY = "capacity"  # stages that take up only so many, or only a share
PIPELINE = "pipeline"  # deals that are open at as_of
RECURRING = "recurring"  # products that customers pay for again and again
REFERRAL = "referral"  # customers that bring leads
WORKED = "worked"  # costs of items that are taken up
LIMITED = "limited"  # stages that take up only so many
JOINED = {  # what ties leads together, or stages to money, and what people call it
    LIMITED: "a capacity",
    REFERRAL: "referrals",
    WORKED: "costs of items that are worked",
}


def uses(scenario: Scenario) -> frozenset[str]:
    """Tell which of these parts a scenario uses."""
    found: set[str] = set()
    for version in scenario.versions:
        if version.capacity:
            found.add(CAPACITY)
        if any(capacity.is_limited for capacity in version.capacity.values()):
            found.add(LIMITED)
        if any(channel.cost.worked for channel in version.channels.values()):
            found.add(WORKED)
    if scenario.referred is not None:
        found.add(REFERRAL)
    if scenario.pipeline is not None:
        found.add(PIPELINE)
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
    return bool(ties(scenario))


def ties(scenario: Scenario) -> tuple[str, ...]:
    """Name what ties a scenario's leads together, or their stages to money."""
    used = uses(scenario)
    return tuple(name for part, name in JOINED.items() if part in used)
