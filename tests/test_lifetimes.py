"""How long customers stay, and what that is worth: closed forms, published cases, draws."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import bound, exactly, z_mean, z_moment
from scipy.special import betaln, hyp2f1

from forecast.engine.assumptions import Values
from forecast.engine.customers import months_until
from forecast.engine.lifetimes import Lifetime, lifetime
from forecast.scenario.calendar import DAYS_PER_MONTH
from forecast.scenario.model import BetaGeometric, Rate, Recurring

COMPARISONS = 40
DRAWS = 200_000
MONTHS = {"month": 1, "quarter": 3, "year": 12}


def life(churn, every="month", term_months=None, expansion=0.0, discount=0.0) -> Lifetime:
    """A lifetime at certain figures; expansion and discount are per month."""
    days = (term_months or MONTHS[every]) * DAYS_PER_MONTH
    rates = Rate(expansion, "month"), Rate(discount, "month")
    return lifetime(Recurring(every, churn, days, *rates), Values({}))


def geometric(churn: float, per: str = "month") -> Rate:
    return Rate(churn, per)


def test_a_hundred_a_month_at_97_percent_is_worth_2525() -> None:
    assert 100 * life(geometric(0.03), discount=0.01).value()[0] == exactly(2525.0)


@pytest.mark.parametrize(
    ("alpha", "beta", "observed"),
    [
        # Fader & Hardie 2007, the customers that were seen to stay in years 1 to 12: the parameters
        # are their fits to years 1 to 7
        (0.668, 3.806, [86.9, 74.3, 65.3, 59.3, 55.1, 51.7, 49.1, 46.8, 44.5, 42.7, 40.9, 39.4]),
        (0.704, 1.182, [63.1, 46.8, 38.2, 32.6, 28.9, 26.2, 24.1, 22.3, 20.7, 19.4, 18.3, 17.3]),
    ],
)
def test_survival_is_that_of_fader_and_hardie(alpha: float, beta: float, observed) -> None:
    found = life(BetaGeometric(alpha, beta, "year"), "year").survival(np.arange(1, 13))[0]
    np.testing.assert_allclose(found, np.array(observed) / 100, atol=0.021)
    # their recursion: r(t) = (beta + t - 1) / (alpha + beta + t - 1)
    rates = (beta + np.arange(12)) / (alpha + beta + np.arange(12))
    np.testing.assert_allclose(found, np.cumprod(rates), rtol=1e-12)


@pytest.mark.parametrize("shape", [(0.668, 3.806), (0.704, 1.182), (3.0, 7.0), (500.0, 900.0)])
@pytest.mark.parametrize("discount", [0.1, 0.01, 1e-3])
def test_the_discounted_lifetime_is_that_of_fader_and_hardie(shape, discount: float) -> None:
    (a, b), r = shape, 1 / (1 + discount)
    found = life(BetaGeometric(a, b, "month"), discount=discount).value()[0]
    direct = np.exp(betaln(a, b + np.arange(60_000)) - betaln(a, b)) @ r ** np.arange(60_000.0)
    assert found == pytest.approx(direct, rel=1e-10)
    if np.isfinite(closed := hyp2f1(1, b, a + b, r)):
        assert found == pytest.approx(closed, rel=1e-10)


def test_without_a_discount_a_lifetime_is_known_where_it_has_a_mean() -> None:
    assert life(BetaGeometric(3.0, 7.0, "month")).value()[0] == pytest.approx(9 / 2, rel=1e-10)
    assert np.isinf(life(BetaGeometric(0.9, 7.0, "month")).value()[0])
    assert np.isinf(life(geometric(0.01), expansion=0.02).value()[0])


@pytest.mark.parametrize("churn", [geometric(0.03), BetaGeometric(0.8, 5.0, "quarter")])
@pytest.mark.parametrize(("every", "term"), [("month", 1), ("month", 12), ("quarter", 6)])
def test_a_value_is_the_sum_of_its_payments(churn, every: str, term: int) -> None:
    given = life(churn, every, term, expansion=0.004, discount=0.02)
    step = MONTHS[every]
    at = np.arange(6_000 // step)
    months = at * step
    paid = given.survival(months // term)[0] * 1.004**months
    assert given.value()[0] == pytest.approx(paid @ 1.02**-months, rel=1e-10)
    until = np.cumsum(paid)
    curve = given.payments_until(600)
    assert curve(np.array([step * 7]))[0] == exactly(until[6])
    assert curve(np.array([step * 7 - 1]))[0] == exactly(until[6] - paid[6] / step)


def test_rows_are_worth_what_each_is_alone() -> None:
    churns, grows = np.array([0.0, 0.02, 0.3, 1.0]), np.array([0.0, 0.01, -0.02, 0.0])
    rows = Lifetime(3, 4, 12.0, churns, None, 3 * np.log1p(grows), np.full(4, 3 * np.log1p(0.03)))
    shapes = np.array([0.4, 0.9, 2.0, 30.0]), np.array([1.0, 0.5, 9.0, 100.0])
    many = Lifetime(1, 1, 1.0, None, shapes, np.zeros(4), np.full(4, np.log1p(0.01)))
    months = np.array([0, 5, 37, 600])
    for i in range(4):
        one = life(geometric(churns[i]), "quarter", 12, grows[i], 0.03)
        assert rows.value()[i] == exactly(one.value()[0])
        found = rows.payments_until(600)(months)[i]
        assert found == pytest.approx(one.payments_until(600)(months[[i]])[0], rel=1e-9)
        alone = life(BetaGeometric(shapes[0][i], shapes[1][i], "month"), discount=0.01)
        assert many.value()[i] == pytest.approx(alone.value()[0], rel=1e-8)


def drawn(given: Lifetime) -> np.ndarray:
    rng = np.random.default_rng(7)
    return given.draw(*rng.random((2, DRAWS)))


@pytest.mark.parametrize("term", [1, 12])
def test_geometric_lifetimes_have_their_exact_mean_and_deviation(term: int) -> None:
    # With s = S(1 term) and q = r**m, a value is w (1 - q**L) / (1 - q), w one term's payments.
    given = life(geometric(0.03), "month", term, discount=0.01)
    s, q = 0.97**term, 1.01**-term
    each = sum(1.01**-k for k in range(term))

    def moment(power: int) -> float:  # E[q**(power L)]
        return (1 - s) * q**power / (1 - s * q**power)

    mean = each * (1 - moment(1)) / (1 - q)
    variance = (each / (1 - q)) ** 2 * (moment(2) - moment(1) ** 2)
    assert given.value()[0] == exactly(mean)
    values = given.value_of(drawn(given))
    assert abs(z_mean(values, mean)) < bound(COMPARISONS)
    assert abs(z_moment(values, mean, 2, variance)) < bound(COMPARISONS)


@pytest.mark.parametrize(("unit", "term"), [("month", 1), ("year", 3), ("month", 12)])
def test_beta_geometric_lifetimes_follow_their_survival(unit: str, term: int) -> None:
    given = life(BetaGeometric(0.668, 3.806, unit), "month", term, discount=0.01)
    terms = drawn(given)
    assert terms.min() >= 1
    for k in (1, 2, 5, 20):
        chance = given.survival(np.array([k]))[0, 0]
        assert abs(z_mean((terms > k).astype(float), chance)) < bound(COMPARISONS)
    assert abs(z_mean(given.value_of(terms), given.value()[0])) < bound(COMPARISONS)


def test_customers_that_never_or_at_once_leave() -> None:
    forever = life(geometric(0.0), discount=0.01)
    assert np.all(np.isinf(drawn(forever)))
    assert forever.value_of(drawn(forever)[:1])[0] == exactly(101.0) == exactly(forever.value()[0])
    once = life(geometric(1.0))
    assert np.all(drawn(once) == 1)
    assert once.value()[0] == exactly(1.0)


def test_months_to_repay_count_within_a_month() -> None:
    cost = np.array([0.0, 1.0, 3.0, 4.0, 30.0, 31.0, np.inf, np.nan])
    found = months_until(lambda months: 3.0 * months, cost, 10)
    np.testing.assert_allclose(found, [0, 1 / 3, 1, 4 / 3, 10, np.inf, np.inf, np.inf])
    found = months_until(lambda months: np.full(len(months), 5.0), cost[:5], 0)
    np.testing.assert_array_equal(found, [0, 0, 0, 0, np.inf])
