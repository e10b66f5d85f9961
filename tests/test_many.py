"""Many scenarios in one call: each as by itself, with common random numbers."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import SCENARIOS

import forecast
from forecast.engine.request import RequestError

SAAS = SCENARIOS / "saas-funnel.yaml"


@pytest.fixture(scope="module")
def plans() -> dict:
    base = forecast.read_scenario(SAAS)
    lean = forecast.read_scenario(SAAS, {"channels.outbound.leads.mean": "20"})
    return {"base": base, "fewer outbound leads": lean}


@pytest.mark.parametrize("detail", ["journey", "outcome"])
def test_each_is_as_by_itself(plans, detail: str) -> None:
    many = forecast.simulate_many(plans, runs=500, seed=3, detail=detail)
    assert list(many.scenario.values) == list(plans)
    for name, scenario in plans.items():
        alone = forecast.simulate(scenario, runs=500, seed=3, detail=detail)
        part = many.sel(scenario=name)
        for variable in set(alone.data_vars) - {"assumption"}:
            np.testing.assert_array_equal(part[variable].values, alone[variable].values)
            assert part[variable].attrs == alone[variable].attrs
        for i, path in enumerate(alone.path.values):
            column = list(many.path.values).index(path)
            np.testing.assert_array_equal(
                part.assumption.values[:, column], alone.assumption.values[:, i]
            )


def test_random_numbers_are_common(plans) -> None:
    many = forecast.simulate_many(plans, runs=4_000, detail="outcome")
    deals = many.deals.sum(["quarter", "channel", "segment", "product"])
    base, fewer = deals.values.astype(float)
    apart = base.var() + fewer.var()
    assert (base - fewer).var() < apart / 4
    unchanged = [c for c in many.channel.values if c != "outbound"]
    same = many.deals.sel(channel=unchanged).values
    np.testing.assert_array_equal(same[0], same[1])


def test_scenarios_must_have_the_same_labels(plans) -> None:
    other = forecast.read_scenario(SCENARIOS / "lean-consulting.yaml")
    with pytest.raises(RequestError, match=r"lean: quarter: got .*; must be those of 'base'"):
        forecast.simulate_many({"base": plans["base"], "lean": other}, runs=10)
    with pytest.raises(RequestError, match="must be one or more"):
        forecast.simulate_many({}, runs=10)
