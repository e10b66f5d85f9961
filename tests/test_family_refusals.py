"""What is no family is refused with a sentence; anything else is sound."""

from __future__ import annotations

import subprocess
import sys
from math import isfinite, log

import numpy as np
import pytest
from family_cases import GIVEN, POINTS, quantiles
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.scenario.families import (
    PARAMETER_SETS,
    FamilyFault,
    build,
    build_empirical,
    build_periods,
    build_values,
)
from forecast.scenario.families.solve import root

# refusals ---------------------------------------------------------------------------------

REFUSED = [
    (
        "lognormal",
        {"mean": 1.0, "p95": 2.0},
        "got mean and p95; must be one of: mean and cv; median and p90; .*for example {lognormal",
    ),
    ("gamma", {}, "got nothing; must be one of: mean and cv"),
    ("gamma", {"mean": 1.0, "cv": 1.0, "p90": 3.0}, "got mean, cv and p90; must be one of"),
    ("pert", {"low": 1.0}, "got low; must be low, mode and high, and weight if you like"),
    ("triangular", {"low": 1.0, "mode": 1.0, "high": 2.0, "weight": 4.0}, "must be low, mode and"),
    ("lognormal", {"mean": float("nan"), "cv": 1.0}, "^mean: got nan; must be a finite number"),
    ("fixed", {"value": float("inf")}, "^value: got inf; must be a finite number.*larger units"),
    ("fixed", {"value": 2e15}, r"got 2e\+15; must be a finite number between -1e\+15 and 1e\+15"),
    ("fixed", {"value": 10**400}, "got a huge number"),
    ("fixed", {"value": "7"}, "got '7'; must be a number"),
    ("fixed", {"value": True}, "got True; must be a number"),
    ("lognormal", {"mean": 1.0, "cv": 0.0}, "^cv: got 0; must be positive, 0.001 at least.*50%"),
    ("gamma", {"mean": 1.0, "cv": 1001.0}, "^cv: got 1,001; must be between 0.001 and 1,000"),
    ("weibull", {"mean": -2.0, "cv": 1.0}, "^mean: got -2; must be positive. A weibull takes pos"),
    ("lognormal", {"p10": 0.0, "p90": 1.0}, "^p10: got 0; must be positive"),
    ("normal", {"mean": 0.0, "sd": 0.0}, "^sd: got 0; must be positive. With no spread"),
    ("normal", {"mean": -1.0, "cv": 0.5}, "^mean: got -1; must be positive where the cv.*the sd"),
    ("uniform", {"mean": 5e-324, "cv": 0.25}, "^mean: got .*; must be positive where the cv"),
    ("normal", {"mean": 5e-324, "cv": 0.25}, "^mean: got .*; must be positive where the cv"),
    ("uniform", {"mean": 0.0, "cv": 0.5}, "^mean: got 0; must be positive where the cv"),
    ("gamma", {"shape": 0.0, "scale": 1.0}, "^shape: got 0; must be positive, 1e-06 at least"),
    ("gamma", {"shape": 1e7, "scale": 1.0}, "^shape: got 10,000,000; must be between 1e-06 and"),
    ("lognormal", {"mu": 50.0, "sigma": 1.0}, "^mu: got 50; must be between -34.5 and 34.5"),
    ("lognormal", {"mu": 1.0, "sigma": 4.0}, "^sigma: got 4; must be between 0.001 and 3.7169"),
    (
        "lognormal",
        {"median": 60.0, "p90": 20.0},
        "^p90: got 20; must be greater than median, 60. S",
    ),
    ("gamma", {"p10": 5.0, "p90": 5.0}, "^p90: got 5; must be greater than p10, 5. Raise p90"),
    ("normal", {"p10": 5.0, "p90": 4.0}, "^p90: got 4; must be greater than p10, 5. Swap"),
    ("lognormal", {"p10": 1.0, "p90": 1e9}, "p10 and p90 with a cv above 1,000.*closer together"),
    ("lognormal", {"mean": 1.0, "sd": 1e4}, "mean and sd with a cv above 1,000"),
    ("gamma", {"median": 10.0, "p90": 10.001}, "with a cv below 0.001.*the number itself"),
    ("weibull", {"p10": 0.001, "p90": 1e15}, "with a cv above 1,000"),
    ("weibull", {"shape": 1e5, "scale": 1.0}, "shape and scale with a cv below 0.001"),
    ("beta", {"mean": 1.0, "cv": 0.1}, "^mean: got 1; must be between 0 and 1, and neither"),
    ("beta", {"p10": -0.1, "p90": 0.1}, "^p10: got -0.1; must be between 0 and 1"),
    ("beta", {"mean": 0.5, "cv": 2.0}, "^cv: got 2; must be at most 0.9534 for a mean of 0.5"),
    ("beta", {"mean": 0.2, "sd": 0.5}, "^sd: got 0.5; must be at most 0.3813 for a mean of 0.2"),
    ("beta", {"mean": 0.3, "sd": 1e-9}, "^sd: got 1e-09; must be at least 4.583e-05 for a mean"),
    ("beta", {"won": 0.0, "lost": 3.0}, "^won: got 0; must be positive.*write 0.5 or 1"),
    ("beta", {"won": 3.0, "lost": -1.0}, "^lost: got -1; must be positive"),
    ("beta", {"mean": 0.5, "n": 0.01}, "^n: got 0.01; must be between 0.1 and 100,000,000"),
    ("beta", {"mean": 1e-9, "n": 1.0}, "alpha 1e-09 and beta 0.999999999; must be 0.0001 or more"),
    ("beta", {"p10": 1e-15, "p90": 1 - 1e-15}, "must be closer together, or not so near to 0"),
    ("beta", {"p10": 0.5, "p90": 0.50001}, "got p10 0.5 and p90 0.50001; must be further apart"),
    ("uniform", {"low": 3.0, "high": 3.0}, "^high: got 3; must be greater than low, 3. Raise"),
    ("uniform", {"low": 4.0, "high": 3.0}, "^high: got 3; must be greater than low, 4. Swap"),
    ("triangular", {"low": 1.0, "mode": 9.0, "high": 3.0}, "^mode: got 9; must be between low and"),
    ("pert", {"low": 1.0, "mode": 0.0, "high": 3.0}, "^mode: got 0; must be between low and high"),
    ("pert", {"low": 1.0, "mode": 2.0, "high": 3.0, "weight": 0.0}, "^weight: got 0; must be pos"),
]


@pytest.mark.parametrize(("name", "parameters", "message"), REFUSED)
def test_refusals(name: str, parameters: dict[str, float], message: str) -> None:
    with pytest.raises(FamilyFault, match=message) as caught:
        build(name, parameters)
    fault = caught.value
    assert fault.got
    assert fault.must
    assert fault.mend.endswith((".", "?", "}"))
    assert fault.parameter is None or fault.parameter in parameters


def test_the_limit_a_refusal_names_is_accepted() -> None:
    assert build("beta", {"mean": 0.5, "cv": 0.9534}).mean == 0.5
    assert build("beta", {"mean": 0.2, "sd": 0.3813}).mean == pytest.approx(0.2)
    assert build("beta", {"mean": 0.3, "sd": 4.583e-05}).mean == pytest.approx(0.3)
    for name in ("lognormal", "gamma", "weibull"):
        for cv in (0.001, 1000.0):
            assert build(name, {"mean": 1.0, "cv": cv}).mean == pytest.approx(1.0)


REFUSED_LISTS = [
    ([], "got 0 values; must be between 1 and 10,000 of them. Give each value its chance"),
    ([(float(k), 1e-4) for k in range(10_001)], "got 10,001 values; .*as empirical"),
    ([(1.0, 0.3), (2.0, 0.6)], r"chances that sum to 0.9; must be 1 \(100%\).*Raise them by 0.1"),
    ([(1.0, 0.5), (2.0, 0.500001)], "chances that sum to 1.000001; .*Lower them by 1e-06"),
    ([(1.0, 0.5), (1.0, 0.5)], "1: got the value twice; must be given once"),
    ([(1.0, 1.5), (2.0, -0.5)], "2: got a chance of -0.5; must be 0 or more"),
    ([(1.0, float("nan"))], "1: got a chance of nan"),
    ([(float("inf"), 1.0)], "got the value inf; must be a finite number"),
    ([(-2e15, 1.0)], r"got the value -2e\+15; must be a finite number"),
]


@pytest.mark.parametrize(("pairs", "message"), REFUSED_LISTS)
def test_refused_values(pairs: list[tuple[float, float]], message: str) -> None:
    with pytest.raises(FamilyFault, match=message):
        build_values(pairs)


def test_refused_data_and_periods() -> None:
    with pytest.raises(FamilyFault, match="got 0 numbers; must be between 1 and 1,000,000"):
        build_empirical([])
    with pytest.raises(FamilyFault, match=r"got 1,000,001 numbers; .*sample"):
        build_empirical(np.zeros(1_000_001))
    with pytest.raises(FamilyFault, match="got nan as number 2; must be a finite number"):
        build_empirical([1.0, float("nan")])
    for k in (-1, 1.5, 10_001, float("nan"), float("inf")):
        with pytest.raises(FamilyFault, match="must be a whole number of periods, 0 to 10,000"):
            build_periods([(k, 1.0)])
    with pytest.raises(FamilyFault, match=r"chances that sum to 0\.5"):
        build_periods([(1, 0.5)])
    assert build_values([(1.0, 1 / 3), (2.0, 2 / 3 + 5e-10)]).chances.sum() == pytest.approx(1.0)


# whatever is written ----------------------------------------------------------------------

ANY = st.one_of(
    st.floats(),
    st.floats(-5.0, 5.0),
    st.floats(0.0, 1.0),
    st.floats(-40.0, 36.0).map(lambda e: float(np.exp(e))),
    st.sampled_from([0.0, 0.001, 1e-15, 1e15, 1e3, 1e6, 1e8]),
)


@settings(max_examples=1500, deadline=None)
@given(st.data())
def test_build_gives_a_sound_family_or_a_fault(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(GIVEN)))
    way = data.draw(st.sampled_from([sorted(way) for way in PARAMETER_SETS[name]]))
    parameters = {key: data.draw(ANY, key) for key in way}
    try:
        family = build(name, parameters)
    except FamilyFault:
        return
    assert isfinite(family.mean)
    assert 0.0 <= family.sd < float("inf")
    slack = 1e-12 * max(abs(family.mean), 1e-300)
    assert family.low - slack <= family.mean <= family.high + slack
    x = family.exact_from_normal(np.array([-8.0, -3.0, -1.0, 0.0, 1.0, 3.0, 8.0]))
    assert not np.isnan(x).any()
    assert (np.diff(x) >= -1e-12 * np.abs(x[1:])).all()
    assert (family.integrated_cdf(x) >= 0.0).all()
    chance = family.cdf(x)
    assert ((chance >= 0.0) & (chance <= 1.0)).all()
    for key in parameters.keys() & POINTS.keys():
        u = float(family.cdf(np.array([parameters[key]]))[0])
        assert u == pytest.approx(POINTS[key], abs=1e-6)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.floats(allow_nan=False), st.floats(0.0, 1.0), max_size=8), st.booleans())
def test_values_are_sound_or_refused(chances: dict[float, float], whole: bool) -> None:
    total = sum(chances.values())
    pairs = [(v, p / total if whole and total > 1e-300 else p) for v, p in chances.items()]
    try:
        family = build_values(pairs)
    except FamilyFault:
        return
    assert family.chances.sum() == pytest.approx(1.0)
    assert family.low <= family.mean * (1 + 1e-12 * np.sign(family.mean)) + 1e-300
    assert set(quantiles(family, 0.0, 0.2, 0.5, 1.0)) <= set(family.values.tolist())


@settings(max_examples=200, deadline=None)
@given(st.floats(-50.0, 50.0), st.floats(0.1, 3.0))
def test_root_finds_what_there_is(zero: float, power: float) -> None:
    def f(x: float) -> float:
        return float(np.sign(x - zero) * abs(x - zero) ** power)

    found = root(f, -60.0, 60.0)
    assert found == pytest.approx(zero, abs=1e-9)
    assert root(f, zero + 1.0, zero + 2.0) is None
    assert root(lambda x: log(x), 1.0, 5.0) == 1.0


def test_importing_costs_no_scipy() -> None:
    code = "import sys, forecast.scenario.families; print('scipy' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
