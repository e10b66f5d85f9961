"""Dates, times and amounts of exports: each form, and what can be read two ways."""

import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.history.exports.dates import (
    BLANK,
    DAY_FIRST,
    EITHER,
    MONTH_FIRST,
    READ,
    SENTINEL,
    UNREADABLE,
    a_pattern,
    orders_of,
    read_days,
)
from forecast.history.exports.money import amount


def day(text, order=None, zone=None):
    found = read_days([text], order, zone)
    if found.state[0] != READ:
        return int(found.state[0])
    return dt.date.fromordinal(int(found.day[0])).isoformat()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2018-02-01", "2018-02-01"),
        ("2018/2/1", "2018-02-01"),
        ("20180201", "2018-02-01"),
        ("20-10-2017", "2017-10-20"),
        ("10/20/2017", "2017-10-20"),
        ("5.5.2018", "2018-05-05"),
        ("1 Feb 2018", "2018-02-01"),
        ("Feb 1, 2018", "2018-02-01"),
        ("01-Feb-18", "2018-02-01"),
        ("February 1st, 2018, 3:05 PM", "2018-02-01"),
        ("Mon, 5 Feb 2018 10:00:00 GMT", "2018-02-05"),
        ("2018-02-01T10:00:00.123456Z", "2018-02-01"),
        ("2018-02-01 00:30:00+02:00", "2018-01-31"),
        ("2018-02-01T10:00:00.000+0000", "2018-02-01"),
        ("1514764800", "2018-01-01"),
        ("1514764800000", "2018-01-01"),
        ("1514764800000000", "2018-01-01"),
        ("01-02-2018", EITHER),
        ("1/2/18", EITHER),
        ("", BLANK),
        ("None", BLANK),
        ("NaT", BLANK),
        ("9999-12-31 23:59:59", SENTINEL),
        ("1900-01-01", SENTINEL),
        ("1970-01-01T00:00:00Z", SENTINEL),
        ("0000-00-00", SENTINEL),
        ("0", SENTINEL),
        ("2018-02-30", UNREADABLE),
        ("2018-13-01", UNREADABLE),
        ("2020-03-30 021:54:50", UNREADABLE),
        ("2018-02-01 25:00:00", UNREADABLE),
        ("May-20", UNREADABLE),
        ("43131", UNREADABLE),
        ("TBD", UNREADABLE),
        ("13/13/2018", UNREADABLE),
    ],
)
def test_a_date_is_read_in_one_way_or_told(text, expected):
    assert day(text) == expected


@pytest.mark.parametrize(
    ("text", "order", "expected"),
    [
        ("01-02-2018", DAY_FIRST, "2018-02-01"),
        ("01-02-2018", MONTH_FIRST, "2018-01-02"),
        ("20-10-2017", MONTH_FIRST, UNREADABLE),
        ("2018-02-01", DAY_FIRST, "2018-02-01"),
        ("1/2/99", DAY_FIRST, "1999-02-01"),
        ("18/02/01", "year-month-day", "2018-02-01"),
        ("43131.5", "excel", "2018-01-31"),
        ("02/01/18 14:30", "%d/%m/%y %H:%M", "2018-01-02"),
        ("9999-12-31", "%d/%m/%y", SENTINEL),
        ("2018-01-02", "%d/%m/%y", UNREADABLE),
    ],
)
def test_the_order_that_is_said_counts(text, order, expected):
    assert day(text, order) == expected


def test_the_zone_decides_the_day_and_naive_times_are_taken_in_it():
    stamps = ["2026-03-28 23:30:00Z", "2026-03-29T00:30:00+01:00", "2026-03-28 23:30:00"]
    found = read_days(stamps, None, "Europe/Berlin")
    days = [dt.date.fromordinal(int(each)).isoformat() for each in found.day]
    assert days == ["2026-03-29", "2026-03-29", "2026-03-28"]
    assert found.moment[0] == found.moment[1]
    assert found.zoned == 2


def test_an_hour_that_the_clock_shows_twice_keeps_its_order():
    stamps = ["2026-10-25T00:50:00Z", "2026-10-25T01:10:00Z"]  # 02:50 summer time, 02:10 winter
    found = read_days(stamps, None, "Europe/Berlin")
    assert found.moment[0] < found.moment[1]


STAMPS = st.datetimes(dt.datetime(1980, 1, 1), dt.datetime(2070, 1, 1))


@settings(deadline=None)
@given(st.lists(st.tuples(STAMPS, st.sampled_from([None, 0, 60, -330])), min_size=1, max_size=20))
def test_common_stamps_are_read_as_python_reads_them(stamps):
    texts, expected = [], []
    for stamp, minutes in stamps:
        zone = None if minutes is None else dt.timezone(dt.timedelta(minutes=minutes))
        aware = stamp.replace(tzinfo=zone)
        texts.append(aware.isoformat(sep=" "))
        here = aware if zone is None else aware.astimezone(dt.UTC)
        expected.append(here.date().toordinal())
    found = read_days(texts, None, None)
    assert (found.state == READ).all()
    assert found.day.tolist() == expected


def test_many_are_read_as_one_by_one():
    texts = [
        "2018-02-01 10:00:00.5+02:00",
        "2018-02-29",
        "x",
        "1/13/2018",
        "",
        "2018-02-01T24:00:00",
    ]
    one_by_one = [int(read_days([text], None, None).state[0]) for text in texts]
    assert read_days(texts, None, None).state.tolist() == one_by_one
    assert one_by_one == [READ, UNREADABLE, UNREADABLE, READ, BLANK, UNREADABLE]


def test_a_day_above_12_proves_the_order():
    assert orders_of(["01-02-2018", "20-10-2017"]) == {DAY_FIRST}
    assert orders_of(["01-02-2018", "2018-10-20"]) == {DAY_FIRST, MONTH_FIRST}
    assert orders_of(["13-02-2018", "02-13-2018"]) == set()


def test_a_pattern_names_year_month_and_day():
    assert a_pattern("%d/%m/%y %H:%M")
    assert not a_pattern("%d/%m")
    assert not a_pattern("%q/%m/%y")


@pytest.mark.parametrize(
    ("text", "none", "point", "comma"),
    [
        ("1054", 1054, 1054, 1054),
        ("1,234", EITHER, 1234, 1.234),
        ("1.234", EITHER, 1.234, 1234),
        ("$1,234.50", 1234.5, 1234.5, None),
        ("1.234,50 €", 1234.5, None, 1234.5),
        ("1 234,56", 1234.56, None, 1234.56),
        ("CHF 1'234.50", 1234.5, 1234.5, None),
        ("1,00,000", 100000, 100000, None),
        ("0.123", 0.123, 0.123, None),
        ("(1,200.00)", -1200, -1200, None),
        ("-3", -3, -3, -3),
        ("1.5M", 1.5e6, 1.5e6, None),
        ("1.2E+05", 120000, 120000, None),
        ("45%", None, None, None),
        ("1,2,3", None, None, None),
        ("TBD", None, None, None),
        ("May-20", None, None, None),
        ("1e999", None, None, None),
        ("NaN", BLANK, BLANK, BLANK),
    ],
)
def test_an_amount_is_read_in_one_way_or_told(text, none, point, comma):
    for decimal, expected in ((None, none), ("point", point), ("comma", comma)):
        state, value, _ = amount(text, decimal)
        if expected is None:
            assert state == UNREADABLE
        elif expected in (EITHER, BLANK) and state != READ:
            assert state == expected
            assert np.isnan(value)
        else:
            assert (state, value) == (READ, pytest.approx(expected))
