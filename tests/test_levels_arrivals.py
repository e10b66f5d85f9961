"""Arrivals: the level of the recent past, how it moves, ends and begins, and its season."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from levels_made import FIRST, ZERO, arrived
from levels_real import maven, olist

from forecast.history.estimates import ArrivalFit
from forecast.history.fitting.arrivals import fit_arrivals
from forecast.history.fitting.levels import _Ahead, filter_levels
from forecast.history.fitting.seasons import MONTHS, find_season
from forecast.history.gaps import find_gaps
from forecast.history.records import Gap, build_records

MONTH = 365.25 / 12


def poisson(seed, mean, days=None):
    shape = None if days is None else days
    return np.random.default_rng(seed).poisson(mean, shape)


def one(daily, **options):
    return fit_arrivals(arrived({"web": daily}), **options)[0]


def test_a_steady_channel_has_its_mean():
    """Nothing moves: the level is the mean of the counts, but for what it may have moved."""
    daily = poisson(1, 4.0, 700)
    fit = one(daily)
    assert (fit.channel, fit.per, fit.enters, fit.seasonality) == ("web", "month", "lead", {})
    assert fit.mean.n == daily.sum()
    assert fit.mean.value == pytest.approx(4.0 * MONTH, rel=0.12)
    assert fit.mean.low < 4.0 * MONTH < fit.mean.high
    assert fit.dispersion < 0.03
    assert abs(fit.growth.value if fit.growth else 0.0) < 0.02


def test_uneven_weeks_are_dispersion_and_not_levels_that_move():
    rng = np.random.default_rng(2)
    weeks = rng.gamma(1 / 0.2, 0.2, 100)
    fit = one(rng.poisson(20.0 * np.repeat(weeks, 7)))
    assert fit.dispersion == pytest.approx(0.2 * 7 / MONTH, rel=0.6)
    assert fit.cv < 0.45


def test_a_week_tells_what_its_dispersion_leaves_it_to_tell():
    """A count of mean μ adds μ / (1 + 0.1 μ) to the shape: the inverse of its squared cv."""
    week = _Ahead(np.array([40.0]), np.array([7.0]), np.array([0.1]))
    mean, shape = week._counted(np.array([40.0 / 7]), np.array([50.0]))
    assert mean == pytest.approx(40.0 / 7)
    assert shape == pytest.approx(50.0 + 1 / (0.1 + 1 / 40))


def test_a_level_of_many_weeks_is_their_mean_and_never_surer_than_they_tell():
    """What may have jumped of late makes it less sure than the mean of so many weeks would be."""
    rng = np.random.default_rng(21)
    counts = rng.poisson(40.0 * rng.gamma(10.0, 0.1, (1, 60))).astype(float)
    levels = filter_levels(counts, np.full((1, 60), 7.0))
    still = (levels.walk == 0) & (levels.drift == 0) & np.isclose(levels.dispersion, 0.1)
    assert levels.mean[0, still] == pytest.approx(counts.mean() / 7, rel=0.1)
    surest = (0.1 + 1 / 40) / 60
    assert 0.9 * surest < 1 / levels.shape[0, still] < 6 * surest
    assert levels.weight.sum() == pytest.approx(1.0)


def test_a_channel_that_ends_drops_out():
    """Forty a day, and then none: after two weeks a tenth is left, after a month next to none."""
    daily = np.concatenate([poisson(3, 40.0, 300), np.zeros(60, dtype=np.int64)])
    expected = [one(daily[: 300 + silent]).mean.value for silent in (0, 7, 14, 30, 60)]
    assert expected[0] == pytest.approx(40 * MONTH, rel=0.1)
    assert expected[1] < 0.85 * expected[0]
    assert expected[2] < 0.1 * expected[0]
    assert expected[3] < 0.005 * expected[0]
    assert np.all(np.diff(expected) < 0)


def test_a_small_channel_that_is_silent_for_a_week_goes_on():
    daily = np.concatenate([poisson(4, 0.3, 400), np.zeros(7, dtype=np.int64)])
    assert one(daily).mean.value > 0.6 * 0.3 * MONTH


def test_a_channel_that_begins_is_expected_to_go_on():
    """Beside an old one: five weeks of 5 a day, from nothing."""
    new = np.concatenate([np.zeros(365, dtype=np.int64), poisson(5, 5.0, 35)])
    fits = fit_arrivals(arrived({"new": new, "old": poisson(6, 8.0, 400)}))
    found = {fit.channel: fit for fit in fits}
    assert found["new"].mean.value == pytest.approx(5 * MONTH, rel=0.3)
    assert found["old"].mean.value == pytest.approx(8 * MONTH, rel=0.15)
    assert found["new"].cv > found["old"].cv


def test_a_level_that_jumped_is_that_of_after():
    daily = np.concatenate([poisson(7, 5.0, 300), poisson(8, 20.0, 60)])
    assert one(daily).mean.value == pytest.approx(20 * MONTH, rel=0.15)


def test_growth_is_seen_and_damped():
    days = np.arange(700)
    fit = one(poisson(9, 5.0 * np.exp(0.04 * days / MONTH)))
    assert 0.01 < fit.growth.value < 0.04
    assert fit.growth.low <= fit.growth.value <= fit.growth.high
    assert fit.mean.value == pytest.approx(5.0 * np.exp(0.04 * 700 / MONTH) * MONTH, rel=0.15)
    longer = one(poisson(9, 5.0 * np.exp(0.04 * days / MONTH)), horizon_days=730.0)
    assert longer.growth.value < fit.growth.value
    assert longer.cv > fit.cv


def test_a_part_of_a_month_counts_by_its_days():
    daily = poisson(10, 6.0, 400)
    whole = [one(daily[: 400 - cut]).mean.value for cut in (0, 5, 10, 15, 20)]
    assert np.ptp(whole) < 0.2 * 6 * MONTH


def test_a_short_history_is_told_by_the_week():
    fit = one(poisson(11, 6.0, 40))
    assert fit.per == "week"
    assert fit.mean.value == pytest.approx(42.0, rel=0.25)


def test_survivors_are_no_history_of_arrivals():
    """Before day 200 only one in five is there."""
    daily = np.concatenate([poisson(12, 2.0, 200), poisson(13, 10.0, 40)])
    records = arrived({"web": daily})
    since = dt.date.fromordinal(ZERO + 200)
    gaps = {"lead": Gap(since, False)}
    known = build_records(records.items, records.stays, records.stages, records.as_of, gaps=gaps)
    assert fit_arrivals(known)[0].mean.n == daily[200:].sum()
    gaps = {"lead": Gap(since, True)}
    known = build_records(records.items, records.stays, records.stages, records.as_of, gaps=gaps)
    assert fit_arrivals(known)[0].mean.n == daily.sum()


def test_items_that_begin_in_a_later_stage_are_told_apart():
    records = arrived({"web": poisson(14, 5.0, 200)})
    stays = records.stays
    later = np.arange(len(stays)) % 4 == 0
    stays = stays.assign(stage=np.where(later, "deal", "lead"))
    found = fit_arrivals(build_records(records.items, stays, records.stages, records.as_of))
    assert [(fit.channel, fit.enters) for fit in found] == [("web", "lead"), ("web", "deal")]
    assert sum(fit.mean.n for fit in found) == len(stays)


def test_no_items_and_hardly_any():
    items = pd.DataFrame({"id": []})
    stays = pd.DataFrame({"item": [], "stage": [], "entered": [], "left": [], "to": []})
    assert fit_arrivals(build_records(items, stays, ("lead",), FIRST)) == ()
    fit = one(np.array([1]))
    assert isinstance(fit, ArrivalFit)
    assert 0 < fit.mean.low <= fit.mean.value <= fit.mean.high
    assert fit.cv > 0.5
    last = one(np.array([1] + [0] * 500))
    assert last.mean.value < 0.5


def test_all_in_one_day():
    fit = one(np.array([0] * 100 + [500] + [0] * 20))
    assert np.isfinite(fit.mean.value)
    assert fit.mean.value < 500


def season(days, first=FIRST):
    month = np.array([(first + dt.timedelta(days=k)).month for k in range(days)])
    factors = 1 + 0.35 * np.sin(2 * np.pi * np.arange(12) / 12)
    return factors / factors.mean(), (factors / factors.mean())[month - 1]


def test_a_season_is_found_and_taken_out():
    factors, daily = season(3 * 365)
    fit = one(poisson(15, 12.0 * daily))
    found = np.array([fit.seasonality[name] for name in MONTHS])
    assert found == pytest.approx(factors, abs=0.12)
    assert found.mean() == pytest.approx(1.0, abs=1e-3)
    assert fit.mean.value == pytest.approx(12.0 * MONTH, rel=0.15)


def test_a_channel_too_small_to_show_it_has_the_season_of_all():
    _, daily = season(3 * 365)
    counts = {"large": poisson(16, 15.0 * daily), "small": poisson(17, 0.1 * daily)}
    found = {fit.channel: fit for fit in fit_arrivals(arrived(counts))}
    assert found["small"].seasonality["apr"] > 1.15


def test_without_a_season_or_two_whole_years_there_is_none():
    _, daily = season(600)
    assert one(poisson(18, 12.0 * daily)).seasonality == {}
    for seed in range(12):
        rng = np.random.default_rng(seed)
        walk = np.exp(np.repeat(np.cumsum(rng.normal(0, 0.04, 160)), 7))
        assert find_season(rng.poisson(10 * walk).astype(float), ZERO, None) == {}


def forecast_month(daily, ahead, seed):
    """Counts of thirty days as the fit to `daily` draws them, so many months ahead."""
    rng = np.random.default_rng(seed)
    fit = one(daily, horizon_days=120.0)
    days = MONTH if fit.per == "month" else 7.0
    growth = np.zeros(2_000)
    if fit.growth:
        growth = rng.normal(fit.growth.value, (fit.growth.high - fit.growth.low) / 3.29, 2_000)
    mean = fit.mean.value * 30 / days * np.maximum(1 + growth, 0.01) ** (30 * ahead / days)
    level = mean * rng.gamma(1 / fit.cv**2, fit.cv**2, 2_000)
    if fit.dispersion > 0:
        level = level * rng.gamma(1 / fit.dispersion, fit.dispersion, 2_000)
    return rng.poisson(level)


KINDS = {
    "steady": lambda _, weeks: np.zeros(weeks),
    "walk": lambda rng, weeks: np.cumsum(rng.normal(0, 0.03, weeks)),
    "growth": lambda _, weeks: 0.006 * np.arange(weeks),
    "decline": lambda _, weeks: -0.006 * np.arange(weeks),
    "shifts": lambda rng, weeks: np.cumsum((rng.random(weeks) < 0.02) * rng.normal(0, 0.7, weeks)),
}


def held(cases):
    """The share of 80% intervals that hold what came, of the first and the third month ahead."""
    found = []
    for seed in range(cases):
        for number, level in enumerate(KINDS.values()):
            rng = np.random.default_rng([seed, number])
            noise = rng.gamma(1 / 0.1, 0.1, 90)
            rate = (1.0, 5.0, 20.0)[seed % 3]
            daily = rng.poisson(rate * np.repeat(np.exp(level(rng, 90)) * noise, 7))
            for ahead in (0, 2):
                begin = 77 * 7 + 30 * ahead
                came = daily[begin : begin + 30].sum()
                drawn = forecast_month(daily[: 77 * 7], ahead, seed)
                below = np.mean(drawn < came) + rng.random() * np.mean(drawn == came)
                found.append(0.1 < below < 0.9)
    return np.mean(found), len(found)


def test_intervals_hold_what_came():
    share, n = held(6)
    assert abs(share - 0.8) < 0.05 + 4 * np.sqrt(0.16 / n)


@pytest.mark.long
def test_intervals_hold_what_came_in_many_histories():
    share, _ = held(150)
    assert 0.75 <= share <= 0.87


def test_olist_stops():
    """Intake ends on 2018-05-31: by the end of June next to nothing is expected any more."""
    records = olist()
    expected = [
        sum(fit.mean.value for fit in fit_arrivals(records.known_at(dt.date.fromisoformat(day))))
        for day in ("2018-05-31", "2018-06-15", "2018-06-30", "2018-08-31")
    ]
    assert 900 < expected[0] < 1600
    assert expected[1] < 150
    assert expected[2] < 25
    assert expected[3] < 5


def test_maven_is_not_fitted_to_survivors():
    fit = fit_arrivals(find_gaps(maven()))[0]
    assert fit.mean.n < 8_300 - 1_000
    assert fit.enters == "engaging"


def test_many_items():
    daily = {f"channel {k}": poisson(20 + k, 140.0, 1400) for k in range(2)}
    fits = fit_arrivals(arrived(daily))
    assert len(fits) == 2
    assert all(fit.mean.value == pytest.approx(140 * MONTH, rel=0.1) for fit in fits)
