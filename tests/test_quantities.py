"""Numbers, times, dates and names as a planner writes them; what is ambiguous is refused."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.scenario import quantities
from forecast.scenario.quantities import QuantityFault

FUZZ = settings(deadline=None, max_examples=300, derandomize=True)
MONTH = 365.25 / 12


def refusal(read: Callable[[str], object], text: str) -> QuantityFault:
    with pytest.raises(QuantityFault) as caught:
        read(text)
    fault = caught.value
    assert str(fault) == f"got {fault.got}; must be {fault.must}. {fault.mend}"
    assert fault.got
    assert fault.must
    assert fault.mend[0].isupper()
    assert fault.mend.endswith(".")
    return fault


# --- numbers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0.0),
        ("30%", 0.3),
        ("30 %", 0.3),
        ("0.1%", 0.001),
        ("-2%", -0.02),
        ("12.5%", 0.125),
        ("25_000", 25_000.0),
        ("1_234_567.5", 1_234_567.5),
        ("25k", 25_000.0),
        ("25K", 25_000.0),
        ("1.5M", 1_500_000.0),
        ("1.1M", 1_100_000.0),
        ("2B", 2e9),
        ("1e3", 1000.0),
        ("1E-3", 0.001),
        ("1.5e+3", 1500.0),
        ("-5", -5.0),
        ("+5", 5.0),
        (".5", 0.5),
        ("0.5", 0.5),
        ("120.0", 120.0),
        ("120.", 120.0),
        (" 7 ", 7.0),
        ("0e99999", 0.0),
        ("5e-324", 5e-324),
    ],
)
def test_number(text: str, value: float) -> None:
    assert quantities.number(text) == value


def test_a_percentage_is_the_nearest_float() -> None:
    # 0.01 * 29 and 29 / 100 differ in floats; what is meant is the decimal 0.29.
    for percent in range(1001):
        assert quantities.number(f"{percent / 10}%") == float(f"{percent}e-3")
        assert quantities.number(f"{percent}k") == percent * 1000


def test_minus_nothing_is_nothing() -> None:
    assert math.copysign(1, quantities.number("-0")) == 1
    assert math.copysign(1, quantities.number("-0.0%")) == 1


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("", "Write a number such as 120, 25k or 30%."),
        ("  ", "Write a number such as 120, 25k or 30%."),
        ("010", "Leave out the leading zeros: 10."),
        ("-010", "Leave out the leading zeros: -10."),
        ("00.5", "Leave out the leading zeros: 0.5."),
        ("010%", "Leave out the leading zeros: 10%."),
        ("00", "Leave out the leading zeros: 0."),
        ("1:30", "Write one number; a time or a ratio is not one."),
        ("0x1F", "Write it in ordinary digits: 31."),
        ("0o17", "Write it in ordinary digits: 15."),
        ("0b2f", "Write it in ordinary digits."),
        ("nan", "Write a number that is known and finite."),
        (".NaN", "Write a number that is known and finite."),
        ("-.inf", "Write a number that is known and finite."),
        ("Infinity", "Write a number that is known and finite."),
        ("1,000", "Write 1_000."),
        ("1,000,000.5", "Write 1_000_000.5."),
        ("-1,000k", "Write -1_000k."),
        ("2,5", "Write the decimals behind a point: 2.5."),
        ("1.000,5", "Write a point before the decimals, and neither commas nor spaces."),
        ("€5", "Write 5 alone; the currency is said once for the whole file."),
        ("$ 25k", "Write 25k alone; the currency is said once for the whole file."),
        ("5 €", "Write 5 alone; the currency is said once for the whole file."),
        ("USD 5", "Write 5 alone; the currency is said once for the whole file."),
        ("5 EUR", "Write 5 alone; the currency is said once for the whole file."),
        ("NO", "Write a figure such as 1 or 0; a name goes in quotes."),
        ("yes", "Write a figure such as 1 or 0; a name goes in quotes."),
        ("true", "Write a figure such as 1 or 0; a name goes in quotes."),
        ("12 000", "Write 12_000."),
        ("12\u00a0000", "Write 12_000."),
        ("1'000'000", "Write 1_000_000."),
        ("1__0", "Write groups of three digits: 25_000."),
        ("25_00", "Write groups of three digits: 25_000."),
        ("_1", "Write groups of three digits: 25_000."),
        ("\u22125", "Write the minus as a hyphen: -5."),
        ("30 percent", "Write 30%."),
        ("5 thousand", "Write 5k."),
        ("3m", "Write 3M for millions."),
        ("3 million", "Write 3M for millions."),
        ("3bn", "Write 3B for billions."),
        ("25 k", "Write 25k without the space."),
        ("10 days", "Write the number alone, such as 10."),
        ("2e3k", "Write either k or the exponent, not both."),
        ("1e3%", "Write either % or the exponent, not both."),
        ("5-6", "Write one number, or a distribution such as {uniform: {low: 1, high: 2}} for a"),
        ("=1+1", "Write the result; formulas are not worked out."),
        ("1.2.3", "Write a number such as 120, 25k or 30%."),
        ("-", "Write a number such as 120, 25k or 30%."),
        (".", "Write a number such as 120, 25k or 30%."),
        ("%", "Write a number such as 120, 25k or 30%."),
        ("٣", "Write a number such as 120, 25k or 30%."),
        ("--5", "Write a number such as 120, 25k or 30%."),
        ("1e999", "Write one that is not so large."),
        ("-1e999", "Write one that is not so large."),
        ("9" * 400, "Write one that is not so large."),
        ("1e-999", "Write one that is not so small."),
        ("1e9999999999999999999999", "Write one with a smaller exponent."),
        ("9" * 401, "Write a shorter number."),
    ],
)
def test_number_refuses(text: str, mend: str) -> None:
    assert refusal(quantities.number, text).mend.startswith(mend)


def test_number_says_what_it_got() -> None:
    assert str(refusal(quantities.number, "12 000")) == (
        "got '12 000'; must be a number. Write 12_000."
    )
    assert refusal(quantities.number, "").got == "nothing"
    assert refusal(quantities.number, "9" * 500).got == "500 characters"


@FUZZ
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_number_reads_what_python_writes(value: float) -> None:
    assert quantities.number(repr(value)) == value


@pytest.mark.parametrize(
    ("text", "value"), [("25k", 25_000), ("2.0", 2), ("1e3", 1000), ("-4", -4), ("1.5k", 1500)]
)
def test_whole(text: str, value: int) -> None:
    result = quantities.whole(text)
    assert result == value
    assert type(result) is int


def test_whole_is_exact_where_floats_are_not() -> None:
    assert quantities.whole("9007199254740993") == 9007199254740993


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2.5", "got 2.5; must be a whole number. Round it to 2 or 3."),
        ("-2.5", "got -2.5; must be a whole number. Round it to -3 or -2."),
        ("300%", "got 300%; must be a whole number. Write it without the percent sign"),
        ("1e999", "got 1e999; must be a number that a computer can hold."),
        ("9" * 300 + ".5", "got 9999.*; must be a whole number. Round it."),
        ("few", "got few; must be a whole number. Write a number such as"),
    ],
)
def test_whole_refuses(text: str, message: str) -> None:
    with pytest.raises(QuantityFault, match=message):
        quantities.whole(text)


# --- times ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "span", "days"),
    [
        ("10 days", (10, "day"), 10),
        ("1 day", (1, "day"), 1),
        ("6 weeks", (6, "week"), 42),
        ("3 months", (3, "month"), 3 * MONTH),
        ("1.5 months", (1.5, "month"), 1.5 * MONTH),
        ("2 quarters", (2, "quarter"), 6 * MONTH),
        ("1 year", (1, "year"), 365.25),
        ("0 days", (0, "day"), 0),
        (".5 Years", (0.5, "year"), 365.25 / 2),
        ("3months", (3, "month"), 3 * MONTH),
        ("1k days", (1000, "day"), 1000),
        ("1_000 days", (1000, "day"), 1000),
    ],
)
def test_span_and_duration(text: str, span: tuple[float, str], days: float) -> None:
    assert quantities.span(text) == span
    assert quantities.duration_days(text) == pytest.approx(days, rel=1e-15)


UNITS = "a duration in days, weeks, months, quarters or years"


@pytest.mark.parametrize(
    ("text", "must", "mend"),
    [
        ("10", "a duration", "Say the unit: 10 days."),
        ("25k", "a duration", "Say the unit: 25k days."),
        ("-3 days", "a duration of 0 or more", "Leave out the minus."),
        ("3 mo", UNITS, "Write the unit out: 3 months."),
        ("3m", UNITS, "Write the unit out: 3 months."),
        ("2 wks", UNITS, "Write the unit out: 2 weeks."),
        ("10 hours", UNITS, "Write it in days, such as 0.5 days."),
        ("10 dais", UNITS, "Did you mean 10 days? Then write that."),
        ("10 monts", UNITS, "Did you mean 10 months? Then write that."),
        ("3 xyz", UNITS, "Use days, weeks, months, quarters or years."),
        ("10 working days", UNITS, "Use days, weeks, months, quarters or years."),
        ("next week", "a duration", "Write a number and a unit, such as 10 days or 3 months."),
        ("days", "a duration", "Write a number and a unit, such as 10 days or 3 months."),
        ("", "a duration", "Write a number and a unit, such as 10 days or 3 months."),
        ("10%", "a duration", "Write an amount of time, such as 10 days."),
        ("10% days", "a duration", "Write an amount of time, such as 10 days."),
        ("010 days", "a duration", "Leave out the leading zeros: 10."),
        ("1,5 months", "a duration", "Write the decimals behind a point: 1.5."),
        ("1e999 days", "a duration", "Write one that is not so large."),
        ("1 " + "x" * 500, "a duration", "Write a number and a unit"),
    ],
)
def test_span_refuses(text: str, must: str, mend: str) -> None:
    for read in (quantities.span, quantities.duration_days):
        fault = refusal(read, text)
        assert fault.must == must
        assert fault.mend.startswith(mend)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4_000 per month", (4000.0, "month")),
        ("2% per quarter", (0.02, "quarter")),
        ("-2% per year", (-0.02, "year")),
        ("0.05  per   week", (0.05, "week")),
        ("25k per day", (25_000.0, "day")),
    ],
)
def test_rate(text: str, value: tuple[float, str]) -> None:
    assert quantities.rate(text) == value


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("4000/month", "Write 4000 per month."),
        ("4000 a month", "Write 4000 per month."),
        ("4000 monthly", "Write 4000 per month."),
        ("4000", "Say for how long: 4000 per month."),
        ("2% per quarters", "Write quarter."),
        ("x per month", "Write a number such as 120, 25k or 30%."),
        ("2 per moth", "Did you mean month?"),
        ("per month", "Write it such as 4_000 per month or 2% per quarter."),
        ("", "Write it such as 4_000 per month or 2% per quarter."),
    ],
)
def test_rate_refuses(text: str, mend: str) -> None:
    fault = refusal(quantities.rate, text)
    assert fault.must == "an amount per day, week, month, quarter or year"
    assert fault.mend.startswith(mend)


def test_per_unit() -> None:
    assert [quantities.per_unit(unit) for unit in quantities.UNITS] == list(quantities.UNITS)
    for text, mend in {
        "months": "Write month.",
        "Month": "Write month.",
        "monthly": "Write month.",
        "daily": "Write day.",
        "mo": "Write month.",
        "quater": "Did you mean quarter? The choices are day, week, month, quarter and year.",
        "fortnight": "The choices are day, week, month, quarter and year.",
    }.items():
        assert refusal(quantities.per_unit, text).mend == mend


# --- never anything else, and never slowly ----------------------------------------------------

READERS: list[Callable[[str], object]] = [
    quantities.number,
    quantities.whole,
    quantities.duration_days,
    quantities.rate,
    quantities.per_unit,
    quantities.day,
    quantities.month,
    quantities.quarter_label,
    quantities.year_label,
    lambda text: quantities.name(text, "channel", dots_allowed=False),
]
NEARLY = st.text(alphabet="0123456789.,_+-%kMB eE:/$€Qxdaysmonthper\u2212\n\x00\udc80", max_size=30)


@FUZZ
@given(st.one_of(NEARLY, st.text(max_size=30)))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in READERS:
        value: object = None
        mend = "."
        try:
            value = read(text)
        except QuantityFault as fault:
            mend = fault.mend
        assert mend.endswith(".")
        assert not isinstance(value, float) or math.isfinite(value)


@pytest.mark.parametrize(
    "text", ["9" * 100_000, "1 " * 200, "a " * 200, "1" * 399 + "x", "1," * 199, "1 per " * 66]
)
def test_long_texts_are_refused_fast(text: str) -> None:
    start = time.perf_counter()
    for read in READERS:
        refusal(read, text)
    assert time.perf_counter() - start < 1
