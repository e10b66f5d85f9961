"""Figures as people read them: counts, money, shares, durations; short, never misleading."""

from __future__ import annotations

from math import floor, log10

from forecast.scenario.calendar import DAYS_PER_MONTH

DAYS_PER_YEAR = 365.25
_STEPS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
NOTHING = "-"


def count(value: float | None) -> str:
    """Write a count: whole when it is one, else with three digits or so.

    >>> count(9), count(9.518), count(91.26), count(1234567)
    ('9', '9.52', '91.3', '1,234,567')
    """
    if value is None:
        return NOTHING
    if isinstance(value, int) or abs(value - round(value)) <= 1e-9 * abs(value):
        return f"{round(value):,}" if abs(value) < 1e9 else money(value)
    if abs(value) >= 1e9:
        return money(value)
    if 0 < abs(value) < 0.005:
        return "<0.01"
    decimals = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:,.{decimals}f}"


def money(value: float | None) -> str:
    """Write an amount in three digits, to stand in a column.

    >>> money(950), money(75_000), money(1_200_000), money(0.0), money(999_950), money(12.5)
    ('950', '75.0k', '1.20M', '0', '1.00M', '12.5')
    """
    if value is None:
        return NOTHING
    if not value:
        return "0"
    rounded = round(value, 2 - floor(log10(abs(value))))
    if abs(rounded) >= 1e15:
        return f"{rounded:.2e}"
    step, letter = next(((s, x) for s, x in _STEPS if abs(rounded) >= s), (1.0, ""))
    digits = abs(rounded) / step
    return f"{rounded / step:.{2 if digits < 10 else 1 if digits < 100 else 0}f}{letter}"


def target(value: float, is_money: bool = False) -> str:
    """Write a figure that someone chose, in all its digits where they are few.

    >>> target(1_200_000, is_money=True), target(10), target(75_500, is_money=True)
    ('1.2M', '10', '75.5k')
    """
    if not is_money or abs(value) < 1_000:
        return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.0f}"
    step, letter = next((s, x) for s, x in _STEPS if abs(value) >= s)
    return f"{value / step:.6g}{letter}"


def share(value: float | None) -> str:
    """Write a share as a percentage of three digits at most.

    >>> share(0.3), share(0.124), share(0.00512), share(1.0)
    ('30%', '12.4%', '0.51%', '100%')
    """
    if value is None:
        return NOTHING
    percent = 100 * value
    decimals = 2 if 0 < abs(percent) < 1 else 1
    return f"{percent:.{decimals}f}".rstrip("0").rstrip(".") + "%" if percent else "0%"


def chance(value: float | None, decimals: int = 1) -> str:
    """Write a chance; one that is not certain is never rounded to 0% or 100%.

    >>> chance(0.59388, 2), chance(0.99999), chance(0.0), chance(0.00004)
    ('59.39%', '>99.9%', '0.0%', '<0.1%')
    """
    if value is None:
        return NOTHING
    least = 10.0**-decimals
    if 0 < value < least / 200:
        return f"<{least:.{decimals}f}%"
    if 1 - least / 200 < value < 1:
        return f">{100 - least:.{decimals}f}%"
    return f"{100 * value:.{decimals}f}%"


def confidence(value: float) -> str:
    """Write how sure one wants to be, as it was said.

    >>> confidence(0.8), confidence(0.975), confidence(0.9999)
    ('80%', '97.5%', '99.99%')
    """
    return f"{100 * value:.10g}%"


def duration(days: float) -> str:
    """Write a time in days, months or years.

    >>> duration(20), duration(91.3), duration(800), duration(0)
    ('20 days', '3 months', '2.2 years', 'at once')
    """
    if days <= 0:
        return "at once"
    if days < 60 and abs(days - DAYS_PER_MONTH) > 0.01:
        return _with_unit(days, "day")
    if days < 2 * DAYS_PER_YEAR:
        return _with_unit(days / DAYS_PER_MONTH, "month")
    return _with_unit(days / DAYS_PER_YEAR, "year")


def chosen_duration(days: float) -> str:
    """Write a time that someone chose, in the unit in which it is whole.

    >>> chosen_duration(167.0), chosen_duration(6 * 365.25 / 12), chosen_duration(42)
    ('167 days', '6 months', '42 days')
    """
    for unit, length in (("year", DAYS_PER_YEAR), ("month", DAYS_PER_MONTH)):
        if days >= length and abs(days / length - round(days / length)) < 1e-9:
            return _with_unit(days / length, unit)
    return _with_unit(days, "day")


def duration_range(days: float, low: float | None, high: float | None) -> str:
    """Write a mean time with its P10 and P90, in the mean's unit.

    >>> duration_range(29, 5.7, 70), duration_range(30.4375, None, None)
    ('29 days (5.7 to 70)', '1 month')
    """
    text = duration(days)
    if low is None or high is None or days <= 0 or high - low < 1e-6 * days:
        return text
    unit = {"d": 1.0, "m": DAYS_PER_MONTH, "y": DAYS_PER_YEAR}[text.split()[1][0]]
    return f"{text} ({_digits(low / unit)} to {_digits(high / unit)})"


def _digits(amount: float) -> str:
    return f"{amount:.1f}".removesuffix(".0")


def _with_unit(amount: float, unit: str) -> str:
    digits = _digits(amount)
    return f"{digits} {unit}{'' if digits == '1' else 's'}"


def plural(number: int, word: str) -> str:
    """Count things.

    >>> plural(1, "channel"), plural(10_000, "run")
    ('1 channel', '10,000 runs')
    """
    return f"{number:,} {word}{'' if number == 1 else 's'}"
