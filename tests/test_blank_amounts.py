"""Open deals whose amount is not known: each has a size of its own, drawn like a new deal's."""

import numpy as np
import pytest
from helpers import bound, expected, scenario, total, z_mean, z_moment

import forecast
from forecast import ScenarioError

RUNS = 20_000
BASE = """
name: Blank
start: 2027-01-01
horizon: 2 quarters
channels:
  web: {leads: {mean: 0, per: month}}
journey:
  opportunity: {won: {conversion: 40%, lag: 1 month}}
products:
  small: {mix: 70%, size: {lognormal: {mean: 100, cv: 0.8}}}
  large: {mix: 30%, size: {gamma: {mean: 1_000, cv: 0.5}}}
pipeline:
  csv: |
    id,stage,entered,product,amount,probability,expected_close
"""


def rows(product: str, amount: str, count: int, first: int = 0) -> str:
    """Deals that close in February, each won with a chance of 40%."""
    return "".join(
        f"    {product}-{first + i},opportunity,2026-12-01,{product},{amount},40%,2027-02-10\n"
        for i in range(count)
    )


def bookings(text: str, **sets: str) -> np.ndarray:
    """The bookings of the first quarter by product, (run, product)."""
    data = forecast.simulate(scenario(text, **sets), runs=RUNS, seed=3)
    return data["bookings"].values[:, 0].sum(axis=(1, 2))


@pytest.mark.parametrize(("product", "mean", "cv"), [("small", 100.0, 0.8), ("large", 1000.0, 0.5)])
def test_the_value_is_a_random_sum_of_sizes(product: str, mean: float, cv: float) -> None:
    # 30 deals, each won with chance p: mean n p m, variance n p m^2 (cv^2 + 1 - p).
    x = bookings(BASE + rows(product, "", 30))[:, int(product == "large")]
    assert abs(z_mean(x, 30 * 0.4 * mean)) < bound(4)
    variance = 30 * 0.4 * mean**2 * (cv**2 + 0.6)
    assert abs(z_moment(x, 30 * 0.4 * mean, 2, variance)) < bound(4)


def test_the_mean_of_a_size_is_drawn_once_a_run() -> None:
    text = BASE.replace("{mean: 1_000, cv", "{mean: {lognormal: {mean: 1_000, cv: 0.3}}, cv")
    x = bookings(text + rows("large", "", 30))[:, 1]
    # Given the mean M: n p M and n p M^2 (cv^2 + 1 - p).
    squares = 1000.0**2 * (1 + 0.3**2)
    variance = 30 * 0.4 * squares * (0.25 + 0.6) + (30 * 0.4 * 1000.0 * 0.3) ** 2
    assert abs(z_mean(x, 12_000.0)) < bound(2)
    # Fourth moments by the runs themselves.
    assert abs(x.var() / variance - 1) < 6 * np.sqrt(np.mean(((x - x.mean()) ** 2 - x.var()) ** 2)
                                                      / RUNS) / variance  # fmt: skip


def test_means_are_those_of_the_closed_form_by_the_model_too() -> None:
    text = BASE.replace(",probability,expected_close", "")
    deals = "".join(f"    D-{i},opportunity,2026-12-{i + 1:02},large,\n" for i in range(20))
    given = scenario(text + deals)
    assert expected(given, "bookings").sum() == pytest.approx(1000 * expected(given, "deals").sum())
    data = forecast.simulate(given, runs=RUNS, seed=1)
    values = total(data, "bookings")
    assert abs(z_mean(values, expected(given, "bookings").sum())) < bound(1)
    kept = data["pipeline_bookings"].values.sum(axis=(1, 2, 3, 4))
    assert np.allclose(kept, values)


def test_deals_beside_them_stay_as_they_were() -> None:
    known = BASE + rows("small", "70", 10)
    alone = bookings(known)
    both = bookings(known + rows("large", "", 5))
    assert np.array_equal(alone[:, 0], both[:, 0])


def test_a_zero_is_an_amount_and_not_blank() -> None:
    assert not bookings(BASE + rows("small", "0", 10)).any()


def test_what_it_is_worth_is_told_by_the_mean_size() -> None:
    from forecast.analysis.open_deals import describe_pipeline

    found = describe_pipeline(scenario(BASE + rows("large", "", 3) + rows("small", "50", 2)))
    assert found is not None
    assert (found["amount"], found["unknown_amounts"]) == (3_100.0, 3)


def test_deals_of_recurring_products_need_an_amount() -> None:
    text = BASE.replace("{mean: 100, cv: 0.8}}}", "{mean: 100, cv: 0.8}}, recurring: {every: month,"
                        " churn: 2% per month, margin: 70%}}")  # fmt: skip
    scenario(text + rows("small", "50", 2) + rows("large", "", 2))
    with pytest.raises(ScenarioError, match=r"no amount of small-7.*first term"):
        scenario(text + rows("small", "", 2, 7))
