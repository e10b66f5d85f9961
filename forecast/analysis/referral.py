"""What customers bring, as ``forecast check`` explains it."""

from __future__ import annotations

from forecast.analysis import Document
from forecast.analysis.journeys import describe_number
from forecast.scenario.model import Scenario
from forecast.scenario.referral import loop_of


def describe_referral(scenario: Scenario) -> list[Document]:
    """Describe the loop of customers from each day on which it changes; empty without one.

    ``leads`` a customer brings in his life, ``customers`` of them in the end, and ``more`` in all
    with those that these bring in turn, R / (1 - R); at the means of what is uncertain.
    """
    found: list[Document] = []
    for version in scenario.versions:
        if version.referral is None:
            return []
        loop = loop_of(scenario, version)
        entry: Document = {
            "since": version.since.isoformat(),
            "channel": scenario.referred,
            "during_days": version.referral.during,
            "leads": loop.leads,
            "customers": loop.customers,
            "more": loop.customers / (1.0 - loop.customers),
            "existing": describe_number(version.referral.existing)["mean"],
        }
        last = found[-1] if found else {}
        if {**entry, "since": None} != {**last, "since": None}:
            found.append(entry)
    return found


def leads_with_brought(scenario: Scenario) -> dict[str, list[float]]:
    """Leads to expect by channel and quarter, at the means of what is uncertain."""
    from forecast.engine.assumptions import Draws  # compiled: not needed by most scenarios
    from forecast.engine.expected import flow_at
    from forecast.engine.plan import make_blueprint

    leads = flow_at(make_blueprint(scenario), Draws(scenario, 0).means(), 1).leads[0].sum(axis=2)
    return {name: [float(x) for x in leads[:, c]] for c, name in enumerate(scenario.channels)}
