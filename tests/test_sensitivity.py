"""What a figure depends on: tornado and shares of variance against closed forms; the command."""

from __future__ import annotations

import numpy as np
import pytest
from commands import LEAN, SAAS, document, invoke
from helpers import bound, one_month, scenario, with_goal
from scipy import integrate, stats

from forecast.analysis.given import Given
from forecast.analysis.measures import Measure
from forecast.analysis.movable import movables
from forecast.analysis.sensitivity import sensitivity, sensitivity_document
from forecast.analysis.shares import Shares, make_shares
from forecast.analysis.tornado import Bar, Tornado, make_tornado, measure_named
from forecast.engine.request import RequestError
from forecast.scenario.model import Scenario

DEALS = Measure("deals", "2027Q1")
CHANCE = Measure("chance of deals", "2027Q1")
LEADS, WIN = "channels.a.leads.mean", "journey.o.won.conversion"
UNCERTAIN = "leads: {mean: {gamma: {mean: 100, cv: 0.3}}, per: month}"
BETA = "o: {won: {conversion: {beta: {won: 12, lost: 28}}}}"
TWO = """
name: Two
start: 2027-01-01
horizon: 1 month
channels:
  a: {leads: {mean: {gamma: {mean: 100, cv: 0.3}}, per: month}}
  b: {leads: {mean: {lognormal: {mean: 60, cv: 0.2}}, per: month}}
journey: {o: {won: {conversion: 50%}}}
"""
TIED = """correlation:
  - {between: [channels.a.leads.mean, channels.b.leads.mean], rank: 0.7}
"""


def near(found: tuple[float, float], right: float) -> bool:
    """Tell whether a value with its error is near the truth; the error is itself an estimate."""
    return abs(found[0] - right) <= bound(40) * 1.2 * found[1] + 1e-9


def shares_of(found: Shares) -> dict[str, tuple[tuple[float, float], tuple[float, float]]]:
    """First-order and total shares by path."""
    names = [" + ".join(group) for group in found.groups]
    return dict(zip(names, zip(found.first_order, found.total, strict=True), strict=True))


def bars_of(found: Tornado) -> dict[str, Bar]:
    """The bars by path."""
    return {bar.path: bar for bar in found.bars}


def test_shares_of_a_sum_are_those_of_its_variances() -> None:
    found = make_shares(scenario(TWO), DEALS, runs=4_096)
    one, other = (100 * 0.3) ** 2, (60 * 0.2) ** 2
    shares = shares_of(found)
    for name, part in (("channels.a.leads.mean", one), ("channels.b.leads.mean", other)):
        first, total = shares[name]
        assert near(first, part / (one + other))
        assert near(total, part / (one + other))
        assert first[1] < 0.05
    known = 0.25 * (one + other)
    assert found.luck is not None
    assert near(found.luck, 80.0 / (80.0 + known))  # Poisson deals of mean 80


def test_shares_of_a_product_are_those_of_its_closed_form() -> None:
    found = shares_of(make_shares(one_month(UNCERTAIN, BETA), DEALS, runs=8_192))
    p = stats.beta(12, 28)
    squares = {LEADS: 0.3**2, WIN: float(p.var() / p.mean() ** 2)}
    whole = (1 + squares[LEADS]) * (1 + squares[WIN]) - 1
    for name, other in ((LEADS, WIN), (WIN, LEADS)):
        first, total = found[name]
        assert near(first, squares[name] / whole)
        assert near(total, squares[name] * (1 + squares[other]) / whole)


def test_luck_of_a_chance_is_that_of_the_beta_binomial() -> None:
    given = one_month("leads: {fixed: 40, per: month}", BETA, with_goal(13))
    found = make_shares(given, CHANCE, runs=8_192)
    p = stats.beta(12, 28)

    def mean(of) -> float:
        return integrate.quad(lambda x: of(stats.binom.sf(12, 40, x)) * p.pdf(x), 0, 1)[0]

    chance = mean(lambda x: x)
    assert found.luck is not None
    assert near(found.luck, mean(lambda x: x * (1 - x)) / (chance * (1 - chance)))
    ((first, total),) = shares_of(found).values()
    assert near(first, 1.0)
    assert near(total, 1.0)


def test_correlated_assumptions_are_taken_together() -> None:
    given = scenario(TWO.replace("conversion: 50%", "conversion: {beta: {won: 5, lost: 5}}") + TIED)
    found = shares_of(make_shares(given, DEALS, runs=2_048))
    together = "channels.a.leads.mean + channels.b.leads.mean"
    assert set(found) == {together, WIN}
    assert found[WIN][0][0] > found[together][0][0] > 0.1


def test_what_is_certain_is_all_luck_and_what_never_varies_has_none() -> None:
    certain = one_month("leads: {mean: 20, per: month}")
    assert make_shares(certain, DEALS) == Shares((), (), (), (1.0, 0.0), "nothing is uncertain")
    nothing = make_shares(
        one_month("leads: {fixed: 9, per: month}", BETA), Measure("leads", "2027Q1")
    )
    assert nothing.luck is None
    assert nothing.first_order == ((0.0, 0.0),)


def test_simulated_futures_give_the_same_as_closed_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    given = one_month(UNCERTAIN, BETA, with_goal(30))
    exact = make_shares(given, CHANCE, runs=8_192)
    bars = bars_of(make_tornado(given, CHANCE, runs=4_000))
    monkeypatch.setattr(Given, "is_exact", False)
    found = make_shares(given, CHANCE, runs=8_192)
    assert "simulated" in found.how
    assert found.luck is not None
    assert exact.luck is not None
    assert near(found.luck, exact.luck[0])
    right = shares_of(exact)
    for name, pair in shares_of(found).items():
        for one, other in zip(pair, right[name], strict=True):
            assert near((one[0], float(np.hypot(one[1], other[1]))), other[0]), name
    for name, bar in bars_of(make_tornado(given, CHANCE, runs=4_000)).items():
        error = float(np.hypot(bar.standard_error, bars[name].standard_error))
        assert near((bar.swing, error), bars[name].swing), name


def test_the_tornado_moves_each_assumption_alone() -> None:
    given = one_month(UNCERTAIN, "o: {won: {conversion: 40%}}", "products: {p: {size: 5k}}\n")
    found = make_tornado(given, DEALS)
    gamma = stats.gamma(1 / 0.09, scale=9.0)
    assert found.exact
    bars = bars_of(found)
    assert set(bars) == {LEADS, WIN}  # the size moves no deals
    low, high = gamma.ppf([0.1, 0.9])
    assert bars[LEADS].at == pytest.approx((low, high), rel=1e-6)
    assert bars[LEADS].values == pytest.approx((0.4 * low, 0.4 * high), rel=1e-6)
    assert bars[LEADS].standard_error < 1e-9
    assert bars[WIN].at == pytest.approx((0.36, 0.44))
    # Over the same draws of the leads a tenth of the conversion is a tenth of the deals.
    assert bars[WIN].swing == pytest.approx(0.2 * found.base)
    assert found.bars[0].path == LEADS
    money = bars_of(make_tornado(given, Measure("bookings", "2027Q1")))
    assert set(money) == {LEADS, WIN, "products.p.size"}


def test_the_tornado_of_a_chance_is_exact() -> None:
    given = one_month("leads: {mean: 50, per: month}", "o: {won: {conversion: 40%}}", with_goal(22))
    found = bars_of(make_tornado(given, CHANCE))
    for path in ("channels.a.leads.mean", WIN):
        right = stats.poisson.sf(21, [18.0, 22.0])
        assert found[path].values == pytest.approx(tuple(right), rel=1e-9)
        assert found[path].standard_error == 0.0


def test_an_assumption_moves_no_further_than_it_can() -> None:
    text = """
name: Shares
start: 2027-01-01
horizon: 2 months
channels: {a: {leads: {fixed: [4, 30], per: month, then: zero}}}
segments:
  small: {share: 95%}
  large: {share: 5%, journey: {o: {won: {conversion: 10%}}}}
journey: {o: {won: {conversion: 96%}}}
"""
    bars = bars_of(make_tornado(scenario(text), DEALS))
    assert bars["channels.a.leads.fixed"].at == (31.0, 37.0)  # 4 stays 4: it is less than a half
    low, high = bars[WIN].at
    assert low == pytest.approx(0.864)
    assert 0.99 < high <= 1.0
    low, high = bars["segments.small.share"].at
    assert low == pytest.approx(0.855)
    assert 0.99 < high <= 1.0
    moved = next(m for m in movables(scenario(text), ()) if m.path == "segments.small.share").moved(
        0.9
    )
    assert moved is not None
    assert moved.scenario.versions[0].shares["large"] == pytest.approx(0.145)


def test_only_the_assumptions_asked_for_are_moved() -> None:
    given = scenario(TWO)
    both = make_tornado(given, DEALS, paths=["channels"])
    assert {bar.path for bar in both.bars} == {"channels.a.leads.mean", "channels.b.leads.mean"}
    with pytest.raises(
        RequestError, match=r"--by: got channels\.c; must be the path of an assumption"
    ):
        make_tornado(given, DEALS, paths=["channels.c"])


def test_a_measure_is_found_by_name() -> None:
    given = scenario(TWO.replace("1 month", "8 quarters") + with_goal(9))
    assert measure_named(given, "deals", "", 0) == Measure("deals", "2028")
    assert measure_named(given, "o", "2027Q3", 0) == Measure("o", "2027Q3")
    assert measure_named(given, "deals", "", 1) == CHANCE
    assert measure_named(scenario(TWO), "deals", "", 0) == DEALS
    with pytest.raises(RequestError, match="--goal: got 2; must be the number of a goal, 1 to 1"):
        measure_named(given, "deals", "", 2)
    with pytest.raises(RequestError, match="--goal: got 1; must be left out"):
        measure_named(scenario(TWO), "deals", "", 1)
    with pytest.raises(RequestError, match="--metric: got deel"):
        measure_named(given, "deel", "", 0)


def test_the_dataset_holds_the_same() -> None:
    given: Scenario = one_month(UNCERTAIN, BETA)
    data = sensitivity(given, runs=1_000)
    found = sensitivity_document(given, DEALS, runs=1_000)
    assert list(data.assumption.values) == [bar["assumption"] for bar in found["tornado"]]
    assert data.swing.values.tolist() == [bar["swing"] for bar in found["tornado"]]
    shares = {row["assumption"]: row["total"] for row in found["shares"]}
    assert {n: float(data.total.sel(assumption=n)) for n in shares} == shares
    assert data.attrs["luck"] == found["luck"]


# --- the command


def test_the_command_explains_a_goal_on_money() -> None:
    found = document(
        "sensitivity", SAAS, "--goal", "9", "--by", "market,channels.web.leads", "--runs", "300"
    )
    assert (found["metric"], found["quarter"]) == ("chance of bookings", "2027Q4")
    assert not found["exact"]
    assert {bar["assumption"] for bar in found["tornado"]} == {"market", "channels.web.leads.mean"}
    assert set(found["tornado"][0]) >= {
        "low",
        "high",
        "swing",
        "standard_error",
        "at_low",
        "at_high",
    }
    assert 0.0 < found["luck"] < 1.0


def test_the_command_prints_bars_and_shares() -> None:
    uncertain = LEAN.replace(".yaml", "-uncertain.yaml")
    result = invoke(
        "sensitivity", uncertain, "--goal", "1", "--runs", "1000", env={"COLUMNS": "120"}
    )
    assert result.exit_code == 0
    for part in (
        "chance of 10 deals in 2027Q2",
        "~ journey.opportunity.won.conversion",
        "●",
        "is luck",
    ):
        assert part in result.output, result.output
    certain = invoke("sensitivity", LEAN, "--runs", "100")
    assert "Nothing is uncertain" in certain.output
    money = invoke("sensitivity", LEAN, "--metric", "spend", "--runs", "100")
    assert "No assumption moves it." in money.output


def test_the_command_refuses_what_is_not_there() -> None:
    for args, words in (
        (("--metric", "deel"), "--metric: got deel"),
        (("--quarter", "2030Q1"), "--quarter: got 2030Q1"),
        (("--by", "channels.x"), "--by: got channels.x"),
        (("--goal", "7"), "--goal: got 7"),
    ):
        result = invoke("sensitivity", LEAN, *args)
        assert result.exit_code == 2, result.output
        assert words in result.output
