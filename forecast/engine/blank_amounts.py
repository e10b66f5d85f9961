"""Open deals whose amount is not known: each has a size of its own, drawn like a new deal's.

They are followed behind the others, and counted first; what they are worth is the sum of as many
sizes of their product, as it is sold on the first day: see ``forecast.engine.worth``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecast.scenario.model import Scenario


def known_or_usual(scenario: Scenario) -> NDArray[np.float64]:
    """Give each open deal's amount, or the mean size of its product on the first day; (deal,)."""
    assert scenario.pipeline is not None
    deals, products = scenario.pipeline.deals, scenario.versions[0].products
    means = np.array(
        [[products[g][p].size.family.mean for p in scenario.products] for g in scenario.groups]
    )
    group = deals.channel * len(scenario.segments) + deals.segment
    return np.where(np.isnan(deals.amount), means[group, deals.product], deals.amount)
