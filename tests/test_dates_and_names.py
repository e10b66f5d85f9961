"""Dates, labels of quarters and years, and names: what is ambiguous is refused."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import pytest

from forecast.scenario import quantities
from forecast.scenario.quantities import QuantityFault


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


# --- dates ------------------------------------------------------------------------------------


def test_day() -> None:
    assert quantities.day("2027-01-31") == datetime.date(2027, 1, 31)
    assert quantities.day("2028-02-29") == datetime.date(2028, 2, 29)
    assert quantities.day("1900-01-01").year == 1900
    assert quantities.day("2200-12-31").year == 2200


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("01/02/2027", "Write 2027-01-02 or 2027-02-01, whichever is meant."),
        ("13/01/2027", "Write 2027-01-13."),
        ("31.12.2027", "Write 2027-12-31."),
        ("2027-02-30", "February 2027 has 28 days; write one of them."),
        ("2027-01-00", "January 2027 has 31 days; write one of them."),
        ("2027-13-01", "There is no month 13; write year-month-day."),
        ("2027-1-1", "Write 2027-01-01."),
        ("20270101", "Write 2027-01-01."),
        ("2027-01-01T00:00:00Z", "Write the day alone: 2027-01-01."),
        ("1899-12-31", "Choose a year from 1900 to 2200."),
        ("2201-01-01", "Choose a year from 1900 to 2200."),
        ("99/99/2027", "Write year-month-day, such as 2027-01-31."),
        ("soon", "Write year-month-day, such as 2027-01-31."),
        ("", "Write year-month-day, such as 2027-01-31."),
    ],
)
def test_day_refuses(text: str, mend: str) -> None:
    fault = refusal(quantities.day, text)
    assert fault.must == "a date such as 2027-01-31"
    assert fault.mend == mend


def test_month() -> None:
    names = "january february march april may june july august september october november december"
    for index, name in enumerate(names.split(), start=1):
        for text in (name, name[:3], name.upper(), name.capitalize()):
            assert quantities.month(text) == index
    assert quantities.month("Sept") == 9
    assert refusal(quantities.month, "3").mend == "Write its name: mar."
    assert refusal(quantities.month, "Decembre").mend == ("Did you mean december? Then write that.")
    assert refusal(quantities.month, "xyzzy").mend == "Write a name such as jan or january."


def test_labels() -> None:
    assert quantities.quarter_label("2027Q1") == (2027, 1)
    assert quantities.year_label("2027") == 2027
    for text in ("2027q3", "2027-Q3", "2027 Q3", "Q3 2027", "Q3/2027", "Q3 '27", "Q327"):
        assert refusal(quantities.quarter_label, text).mend == "Write 2027Q3."
    for text in ("2027Q5", "2027Q0", "2027", "", "next"):
        assert refusal(quantities.quarter_label, text).mend == (
            "Write the year, Q and 1 to 4, such as 2027Q1."
        )
    assert refusal(quantities.quarter_label, "1800Q1").mend == "Choose a year from 1900 to 2200."
    for text in ("FY27", "fy 2027", "FY'27"):
        assert refusal(quantities.year_label, text).mend == "Write 2027."
    assert refusal(quantities.year_label, "27").mend == "Write its four digits."
    assert refusal(quantities.year_label, "9999").mend == "Choose a year from 1900 to 2200."


# --- names ------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["Lean consulting", "Größe 日本", "v1.2", "a:b", "x" * 80, "👍🏽"])
def test_name(text: str) -> None:
    assert quantities.name(text, "scenario") == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "got an empty name; must be a name for the scenario. Write a word or two"),
        (" \n", "got an empty name"),
        ("x" * 81, "got 81 characters; must be a name for the scenario of at most 80"),
        (" a", "got ' a'; must be a name for the scenario. Leave out the spaces around it"),
        ("a\nb", r"got 'a\\nb'; must be .* Leave out line breaks, tabs and control"),
        ("a\x1b[2Jb", r"got 'a\\x1b\[2Jb'; must be"),
        ("a\u202eb", r"got 'a\\u202eb'; must be"),
        ("a\udc80", r"got 'a\\udc80'; must be"),
        ("../x", "got ../x; must be a name for the scenario, not a path"),
        ("a/b", "got a/b; must be a name for the scenario, not a path"),
        ("C:\\x", r"got 'C:\\x'; must be a name for the scenario, not a path"),
        ("..", r"got ..; must be a name for the scenario, not a path"),
    ],
)
def test_name_refuses(text: str, message: str) -> None:
    with pytest.raises(QuantityFault, match=message):
        quantities.name(text, "scenario")


def test_a_key_has_no_dots() -> None:
    assert quantities.name("web_ads", "channel", dots_allowed=False) == "web_ads"
    with pytest.raises(QuantityFault, match=r"must be a name for the channel without dots\. Write"):
        quantities.name("web.ads", "channel", dots_allowed=False)
