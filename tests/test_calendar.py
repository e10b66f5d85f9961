"""The calendar: fiscal quarters, periods and units, against pandas and by hand."""

from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecast.scenario.calendar import Calendar, build_calendar, quarter_label

FUZZ = settings(
    deadline=None,
    max_examples=120,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
DAYS = st.dates(dt.date(1990, 1, 1), dt.date(2100, 12, 31))
ENDS = ["DEC", "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV"]


@pytest.mark.parametrize("first", range(1, 13))
def test_fiscal_quarters_are_those_of_pandas(first: int) -> None:
    days = pd.date_range("2023-01-01", "2029-12-31", freq="D")
    periods = pd.PeriodIndex(days, freq=f"Q-{ENDS[first - 1]}")
    ours = [quarter_label(day.date(), first) for day in days]
    assert ours == [f"{p.qyear}Q{p.quarter}" for p in periods]


def own_quarter(day: int, first: int) -> str:
    period = pd.Period(dt.date.fromordinal(day), freq=f"Q-{ENDS[first - 1]}")
    return f"{period.qyear}Q{period.quarter}"


@FUZZ
@given(DAYS, st.integers(1, 12), st.integers(1, 8), st.sampled_from(["week", "day"]))
def test_weeks_and_days_lie_in_the_quarter_of_their_middle_day(
    start: dt.date, first: int, quarters: int, unit: str
) -> None:
    calendar = build_calendar(start, (quarters, "quarter"), unit, first)
    length = 7 if unit == "week" else 1
    assert np.all(np.diff(calendar.edges) == length)
    for edge, quarter in zip(calendar.edges, calendar.quarter_of, strict=False):
        assert calendar.quarters[quarter] == own_quarter(edge + length // 2, first)
    end = (pd.Timestamp(start) + pd.DateOffset(months=3 * quarters)).toordinal()
    middles = np.array(calendar.edges[:-1]) + length // 2
    assert middles[-1] < end <= middles[-1] + length


@FUZZ
@given(DAYS, st.integers(1, 12), st.integers(1, 24))
def test_months_end_with_the_calendars(start: dt.date, first: int, months: int) -> None:
    calendar = build_calendar(start, (months + 1, "month"), "month", first)
    edges = [dt.date.fromordinal(edge) for edge in calendar.edges]
    assert edges[0] == start == calendar.start
    assert calendar.as_of == start - dt.timedelta(days=1)
    assert all(edge.day == 1 for edge in edges[1:])
    whole = pd.period_range(start, periods=calendar.periods, freq="M")
    firsts = [max(start, period.start_time.date()) for period in whole]
    assert edges[:-1] == firsts
    gone = (start.day - 1) / whole[0].days_in_month
    assert calendar.first_offset == pytest.approx(gone, rel=1e-12)
    for t, period in enumerate(whole):
        middle = period.start_time.toordinal() + period.days_in_month // 2
        assert calendar.quarters[calendar.quarter_of[t]] == own_quarter(middle, first)


@FUZZ
@given(
    DAYS,
    st.sampled_from(["day", "week", "month"]),
    st.sampled_from(["day", "week", "month", "quarter", "year"]),
    st.integers(1, 12),
)
def test_units_share_out_every_day(start: dt.date, unit: str, per: str, first: int) -> None:
    calendar = build_calendar(start, (5, "quarter"), unit, first)
    units, days = calendar.units(per), calendar.days()
    assert len(days) == calendar.edges[-1] - calendar.edges[0] == len(units.index)
    assert units.index[0] == 0
    assert set(np.diff(units.index)) <= {0, 1}
    counted = np.bincount(units.index)
    assert len(counted) == len(units.length_days)
    # Only what the start and the horizon's end cut through is not whole.
    assert np.all(counted[1:-1] == units.length_days[1:-1])
    assert np.all(counted <= units.length_days)
    month = np.array([dt.date.fromordinal(int(day)).month - 1 for day in days])
    assert np.array_equal(calendar.month_of_days(), month)
    assert np.array_equal(np.bincount(calendar.period_of_days()), np.diff(calendar.edges))
    if per in ("month", "quarter", "year") and len(counted) > 1:
        turn = dt.date.fromordinal(int(days[np.flatnonzero(units.index == 1)[0]]))
        assert turn.day == 1
        assert per == "month" or (turn.month - first) % {"quarter": 3, "year": 12}[per] == 0


def test_a_start_in_the_middle_of_a_month() -> None:
    calendar = build_calendar(dt.date(2027, 1, 20), (1, "quarter"), "month", 1)
    edges = [dt.date.fromordinal(edge) for edge in calendar.edges]
    firsts = [dt.date(2027, month, 1) for month in (2, 3, 4, 5)]
    assert edges == [dt.date(2027, 1, 20), *firsts]
    assert calendar.quarters == ("2027Q1", "2027Q2")
    assert calendar.first_offset == 19 / 31
    assert list(calendar.units("month").length_days) == [31, 28, 31, 30]


def test_the_years_that_a_horizon_meets() -> None:
    calendar = build_calendar(dt.date(2026, 10, 1), (6, "quarter"), "month")
    assert calendar.years == {"2026": (0,), "2027": (1, 2, 3, 4), "2028": (5,)}


def test_a_calendar_is_frozen() -> None:
    calendar = build_calendar(dt.date(2027, 1, 1), (1, "year"), "month")
    assert isinstance(calendar, Calendar)
    with pytest.raises(dataclasses.FrozenInstanceError):
        calendar.unit = "day"  # type: ignore[misc]
