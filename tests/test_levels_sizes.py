"""Deal sizes: families, prices, small products, outliers, and what cannot be used."""

import numpy as np
import pytest
from levels_made import bought
from levels_real import maven, olist
from scipy import special, stats

from forecast.history.fitting.size_families import fit_families, fit_law
from forecast.history.fitting.sizes import fit_sizes
from forecast.scenario.families.parameter_sets import PARAMETER_SETS

MADE = {
    "lognormal": lambda rng, n: rng.lognormal(9.0, 0.9, n),
    "gamma": lambda rng, n: rng.gamma(2.0, 5_000.0, n),
    "weibull": lambda rng, n: 20_000.0 * rng.weibull(2.5, n),
}
MEANS = {
    "lognormal": np.exp(9.0 + 0.9**2 / 2),
    "gamma": 10_000.0,
    "weibull": 20_000.0 * special.gamma(1.4),
}


@pytest.mark.parametrize("family", MADE)
def test_the_family_is_found_with_its_mean(family):
    fit = fit_sizes(bought(MADE[family](np.random.default_rng(1), 3_000)))[0]
    assert fit.family == family
    assert tuple(fit.parameters) in PARAMETER_SETS[family]
    assert fit.mean.value == pytest.approx(MEANS[family], rel=5 * fit.cv)
    assert min(fit.aic, key=lambda name: fit.aic[name]) == family
    assert fit.notes == ()


def test_families_are_fitted_as_scipy_fits_them():
    x = np.random.default_rng(2).gamma(1.5, 300.0, 400)
    laws = fit_families(x)
    shape, _, scale = stats.weibull_min.fit(x, floc=0)
    assert laws["weibull"].parameters["shape"] == pytest.approx(shape, rel=1e-3)
    assert laws["weibull"].parameters["scale"] == pytest.approx(scale, rel=1e-3)
    shape, _, scale = stats.gamma.fit(x, floc=0)
    assert laws["gamma"].cv == pytest.approx(1 / np.sqrt(shape), rel=1e-4)
    assert laws["gamma"].mean == pytest.approx(shape * scale, rel=1e-6)
    sigma, _, scale = stats.lognorm.fit(x, floc=0)
    assert laws["lognormal"].mean == pytest.approx(scale * np.exp(sigma**2 / 2), rel=1e-4)
    for law in laws.values():
        assert law.frozen().mean() == pytest.approx(law.mean)
        assert law.frozen().std() / law.mean == pytest.approx(law.cv, rel=1e-6)


@pytest.mark.parametrize("family", MADE)
def test_the_mean_is_as_uncertain_as_it_is_said_to_be(family):
    """90% intervals hold the mean in 90% of cases; 60 of them, within 4.5 standard errors."""
    held = 0
    for seed in range(60):
        fit = fit_sizes(bought(MADE[family](np.random.default_rng(seed), 25)))[0]
        held += fit.mean.low <= MEANS[family] <= fit.mean.high
    assert 0.9 - 4.5 * np.sqrt(0.09 / 60) <= held / 60


def test_one_price_is_fixed_and_few_are_values():
    assert fit_sizes(bought([1200.0] * 9))[0].family == "fixed"
    fit = fit_sizes(bought([100.0] * 30 + [250.0] * 10))[0]
    assert fit.family == "values"
    assert fit.values == ((100.0, 0.75), (250.0, 0.25))
    assert fit.mean.value == pytest.approx(137.5)


def test_two_humps_that_no_family_has_are_as_they_were_seen():
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.normal(100, 5, 500), rng.normal(10_000, 500, 500)])
    fit = fit_sizes(bought(x))[0]
    assert fit.family == "empirical"
    assert sum(share for _, share in fit.values) == pytest.approx(1.0)
    assert fit.mean.value == pytest.approx(x.mean(), rel=1e-9)


def test_amounts_that_say_nothing_are_counted_and_not_used():
    x = [0.0, 0.0, np.nan, -5.0, *np.random.default_rng(4).lognormal(5, 0.5, 30)]
    fit = fit_sizes(bought(x))[0]
    assert fit.mean.n == 30
    assert fit.notes == (
        "1 of 34 won deals have no amount: not used for sizes",
        "2 of 34 won deals have the amount 0: not used for sizes",
        "1 of 34 won deals have a negative amount: not used for sizes",
    )


def test_without_amounts_there_are_no_sizes():
    assert fit_sizes(bought([])) == ()
    assert fit_sizes(bought([np.nan, np.nan])) == ()
    assert fit_sizes(bought([0.0])) == ()


def test_one_deal_says_its_size_and_how_little_that_is():
    fit = fit_sizes(bought([5_000.0]))[0]
    assert (fit.family, fit.mean.n) == ("lognormal", 1)
    assert fit.mean.value == pytest.approx(5_000.0)
    assert fit.cv > 0.5


def test_an_outlier_is_told_and_one_beside_it_hides_it_not():
    x = [*np.random.default_rng(5).lognormal(9, 0.6, 60), 4e7, 9e7]
    fit = fit_sizes(bought(x))[0]
    assert fit.mean.n == 60
    assert ["one deal of" in note for note in fit.notes] == [True, True]


@pytest.mark.parametrize("sigma", [0.5, 1.2, 2.0])
def test_heavy_but_regular_tails_hold_no_outliers(sigma):
    fits = [
        fit_sizes(bought(np.random.default_rng(seed).lognormal(9, sigma, 80)))[0]
        for seed in range(25)
    ]
    assert sum(bool(fit.notes) for fit in fits) <= 2


def test_a_tail_that_is_too_heavy_is_said_to_be():
    x = np.random.default_rng(6).pareto(1.2, 400) + 1.0
    fit = fit_sizes(bought(x))[0]
    assert fit.family == "empirical" or "heavier" in fit.tail
    assert "Hill's index" in fit.tail


def test_few_deals_of_a_product_take_the_shape_of_all():
    rng = np.random.default_rng(7)
    centres = {"a": 9.0, "b": 9.2, "c": 8.9, "d": 9.1}
    names = [name for name in centres for _ in range(200)] + ["small"] * 3
    x = [rng.lognormal(centres.get(name, 10.2), 0.7) for name in names]
    small = {fit.product: fit for fit in fit_sizes(bought(x, names))}["small"]
    own, alone = np.mean(x[-3:]), fit_law(np.array(x[-3:]))
    middle = np.exp(9.05 + 0.7**2 / 2)
    assert abs(np.log(small.mean.value / middle)) < abs(np.log(own / middle))
    assert "drawn" in small.mean.method
    assert small.cv < alone.mean_cv(3)
    assert small.parameters["cv"] == pytest.approx(np.sqrt(np.expm1(0.49)), rel=0.1)


def test_a_product_without_amounts_is_like_the_others_and_counts_in_the_mix():
    rng = np.random.default_rng(8)
    names = ["a"] * 60 + ["b"] * 30 + ["c"] * 10
    x = np.concatenate([rng.lognormal(9, 0.5, 90), np.full(10, np.nan)])
    fits = {fit.product: fit for fit in fit_sizes(bought(x, names))}
    assert fits["c"].mean.n == 0
    assert np.exp(8.5) < fits["c"].mean.value < np.exp(9.8)
    assert sum(fit.mix.value for fit in fits.values()) == pytest.approx(1.0)
    law = stats.beta(60.5, 41.0)
    assert fits["a"].mix.low == pytest.approx(law.ppf(0.05))
    assert fits["a"].mix.high == pytest.approx(law.ppf(0.95))


def test_sizes_that_grow_are_told():
    rng = np.random.default_rng(9)
    days = np.arange(730)
    grown = fit_sizes(bought(np.exp(9 + 0.3 * days / 365 + rng.normal(0, 0.5, 730)), days=days))
    assert any("sizes moved by +" in note for note in grown[0].notes)
    steady = [
        fit_sizes(bought(rng.lognormal(9, 0.5, 200), days=np.arange(200)))[0] for _ in range(30)
    ]
    assert sum(bool(fit.notes) for fit in steady) <= 4


def test_olist_has_no_usable_amounts():
    fit = fit_sizes(olist())[0]
    assert fit.mean.n == 43
    assert "797 of 842 won deals have the amount 0: not used for sizes" in fit.notes
    assert any("one deal of 50,000,000" in note for note in fit.notes)


def test_maven_has_seven_products():
    fits = {fit.product: fit for fit in fit_sizes(maven())}
    assert len(fits) == 7
    assert fits["GTX Pro"].mean.value == pytest.approx(4816, rel=0.01)
    assert fits["GTK 500"].mean.value == pytest.approx(26_707, rel=0.05)
    value = sum(fit.mean.value * fit.mix.value for fit in fits.values())
    assert value == pytest.approx(10_005_534 / 4_238, rel=0.01)
