"""The clock: found where deals close by the months of a quarter, and nowhere else."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from levels_made import FIRST, ZERO, Made, gamma_days, made_history, never
from levels_real import maven, olist

from forecast.history.fitting.clock import Clock, find_clock
from forecast.history.gaps import find_gaps
from forecast.history.records import OPEN, UNDATED, build_records

SPEED = (0.7, 0.9, 1.4)
EVEN = {
    "two quarters": Made(days=190, rate=8.0),
    "three quarters": Made(days=300, rate=8.0),
    "no losses": Made(days=400, rate=4.0, won=gamma_days(30, 0.7), lost=never),
    "growing": Made(days=450, rate=4.0, growth=1.2),
    "uneven months": Made(days=450, rate=5.0, frail=0.4),
}


@pytest.mark.parametrize("name", EVEN)
def test_even_speeds_show_no_pattern(name):
    found = [find_clock(made_history(EVEN[name], seed)) for seed in range(5)]
    assert [clock.month_of_quarter for clock in found] == [None] * 5
    assert all("no months of the quarter" in clock.said for clock in found)


@pytest.mark.parametrize("name", ["no losses", "growing"])
def test_speeds_are_recovered(name):
    made = Made(**{**vars(EVEN[name]), "speed": SPEED, "rate": 8.0})
    found = np.array([find_clock(made_history(made, seed)).month_of_quarter for seed in range(4)])
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    assert np.all(np.abs(found.mean(axis=0) - SPEED) < 6 * error + 0.01)
    assert np.all(np.abs(found - SPEED) < 0.3)


def test_arrivals_that_come_by_the_quarter_are_no_clock():
    """Twice as many deals enter in the last month of a quarter; they close at an even speed."""
    records = made_history(Made(days=540, rate=12.0, won=gamma_days(25, 0.6)), 4)
    entered = records.stays["entered"].to_numpy()
    month = np.array([dt.date.fromordinal(int(day)).month for day in entered])
    kept = (month % 3 == 0) | (np.random.default_rng(4).random(len(month)) < 0.5)
    stays = records.stays[kept].reset_index(drop=True)
    items = records.items[kept].reset_index(drop=True)
    stays["item"] = np.arange(len(stays))
    made = build_records(items, stays, records.stages, records.as_of)
    assert find_clock(made).month_of_quarter is None


def test_the_fiscal_year_says_which_month_is_the_first():
    made = Made(days=500, rate=8.0, speed=SPEED)
    clock = find_clock(made_history(made, 2), fiscal_year_start=2)
    assert np.abs(np.array(clock.month_of_quarter) - [0.9, 1.4, 0.7]).max() < 0.3


def test_operational_days_run_at_the_speed_of_their_month():
    clock = Clock((0.6, 0.9, 1.5))
    days = np.array([dt.date(2026, m, 1).toordinal() for m in (1, 2, 3, 4)])
    assert np.diff(clock.operational_days(days)) == pytest.approx([31 * 0.6, 28 * 0.9, 31 * 1.5])
    february = Clock((0.6, 0.9, 1.5), fiscal_year_start=2)
    assert np.diff(february.operational_days(days)) == pytest.approx([31 * 1.5, 28 * 0.6, 31 * 0.9])


def test_operational_time_has_the_mean_speed_one_and_stays_near_the_calendar():
    days = np.arange(dt.date(2000, 1, 1).toordinal(), dt.date(2040, 1, 1).toordinal())
    clock = Clock((0.5, 1.0, 1.5)).operational_days(days)
    assert abs((clock[-1] - clock[0]) / (days[-1] - days[0]) - 1.0) < 0.01
    assert np.all(np.diff(clock) > 0)


def test_what_is_no_day_stays_as_it_is():
    days = np.array([[ZERO, OPEN], [UNDATED, ZERO]])
    found = Clock((0.5, 1.0, 1.5)).operational_days(days)
    assert found.shape == (2, 2)
    assert found[0, 1] == float(OPEN)
    assert found[1, 0] == -1.0
    assert np.array_equal(Clock().operational_days(days), days.astype(float))


@pytest.mark.parametrize("n", [0, 1, 70])
def test_too_little_shows_nothing(n):
    items = pd.DataFrame({"id": [str(k) for k in range(n)]})
    stays = pd.DataFrame(
        {"item": np.arange(n), "stage": "deal", "entered": ZERO, "left": ZERO, "to": "won"}
    )
    clock = find_clock(build_records(items, stays, ("deal",), FIRST))
    assert clock.month_of_quarter is None
    assert "too few" in clock.said


def test_maven_closes_late_in_the_quarter():
    """Wins follow the closing month: the older deals never close in the first one."""
    clock = find_clock(find_gaps(maven()))
    first, second, third = clock.month_of_quarter
    assert first < second < third
    assert clock.p_value < 0.001
    assert "872 : 1,116 : 1,542 wins" in clock.said
    assert "not alike at all ages" in clock.said


def test_olist_shows_no_clock():
    assert find_clock(find_gaps(olist())).month_of_quarter is None
