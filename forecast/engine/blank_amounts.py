"""Open deals whose amount is not known: each has a size of its own, drawn like a new deal's.

They are followed behind the others, and counted first; what they are worth is the sum of as many
sizes of their product, as it is sold on the first day: see ``forecast.engine.worth``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forecast.engine.kernel.opened import Batches, Open
from forecast.scenario.model import Scenario

if TYPE_CHECKING:
    from forecast.engine.pipeline import OpenPlan


def known_or_usual(scenario: Scenario) -> NDArray[np.float64]:
    """Give each open deal's amount, or the mean size of its product on the first day; (deal,)."""
    assert scenario.pipeline is not None
    deals, products = scenario.pipeline.deals, scenario.versions[0].products
    means = np.array(
        [[products[g][p].size.family.mean for p in scenario.products] for g in scenario.groups]
    )
    group = deals.channel * len(scenario.segments) + deals.segment
    return np.where(np.isnan(deals.amount), means[group, deals.product], deals.amount)


def batches_apart(opened: OpenPlan) -> Iterator[tuple[Open, bool]]:
    """Give the deals whose amount is known, then those without one, and which of the two it is."""
    batches, known = opened.op.batches, opened.known
    for part, blank in ((slice(0, known), False), (slice(known, None), True)):
        if len(batches.kind[part]):
            ends = batches.first[part.start :] if blank else batches.first[: known + 1]
            mine = Batches(
                batches.kind[part],
                batches.mover[part],
                batches.close[part],
                batches.group[part],
                batches.stage[part],
                ends,
            )
            yield opened.op._replace(batches=mine), blank
