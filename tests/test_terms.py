"""Terms that are kept for plans which differ in their chances are those of no other plan."""

from __future__ import annotations

import numpy as np
import pytest
from commands import ROOT

from forecast.engine import terms
from forecast.engine.kernel.collapse import Terms
from forecast.engine.plan import make_blueprint
from forecast.engine.simulate import Simulator
from forecast.scenario.reader import read_scenario

R1 = ROOT / "scenarios" / "reference-r1.yaml"
OTHERS = {
    "leads": {"channels.web.leads.mean": "410"},
    "a lag": {"journey.sql.won.lag": "{periods: {1: 50%, 2: 50%}}"},
    "a lag before": {"journey.mql.sql.lag": "{periods: {1: 50%, 2: 50%}}"},
    "where they enter": {"channels.web.enters": "mql"},
    "the horizon": {"horizon": "9 quarters"},
    "a season": {"channels.web.seasonality.jan": "0.5"},
}


def terms_of(sets: dict[str, str]) -> Terms:
    return Simulator(make_blueprint(read_scenario(R1, sets)), 1, "outcome").terms


def same(one: Terms, other: Terms) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_chances_do_not_matter() -> None:
    base = terms_of({})
    assert len(base.parent) > 10
    assert terms_of({"journey.sql.won.conversion": "21%"}) is base


@pytest.mark.parametrize("sets", OTHERS.values(), ids=OTHERS)
def test_whatever_terms_depend_on_matters(sets: dict[str, str]) -> None:
    base = terms_of({})
    after = terms_of(sets)
    terms._found.cache_clear()
    assert same(terms_of(sets), after)
    assert not same(base, after)
