"""Records: their order, their types, and what was known on a day."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from forecast.history.records import OPEN, UNDATED, build_records

DAY = dt.date(2026, 1, 1).toordinal()


def records():
    items = pd.DataFrame(
        {
            "id": ["late", "early", "undated"],
            "channel": ["web", None, ""],
            "amount": [100.0, 250.0, np.nan],
        }
    )
    stays = pd.DataFrame(
        {
            "item": [1, 1, 0, 2],
            "stage": ["opportunity", "lead", "lead", "lead"],
            "entered": [DAY + 5, DAY, DAY + 4, DAY + 3],
            "left": [DAY + 20, DAY + 5, OPEN, UNDATED],
            "to": ["won", "opportunity", "", "lost"],
        }
    )
    return build_records(items, stays, ("lead", "opportunity"), dt.date(2026, 2, 1))


def test_items_stand_in_the_order_of_arrival_with_their_stays():
    found = records()
    assert list(found.items["id"]) == ["early", "undated", "late"]
    assert list(found.items["channel"]) == ["unknown", "unknown", "web"]
    assert list(found.stays["item"]) == [0, 0, 1, 2]
    assert list(found.stays["stage"]) == ["lead", "opportunity", "lead", "lead"]


def test_what_came_later_was_not_known():
    then = records().known_at(dt.date.fromordinal(DAY + 10))
    assert list(then.stays["left"]) == [DAY + 5, OPEN, UNDATED, OPEN]
    assert list(then.stays["to"]) == ["opportunity", "", "lost", ""]
    assert then.items["amount"].isna().all()
    earlier = records().known_at(dt.date.fromordinal(DAY + 3))
    assert list(earlier.items["id"]) == ["early", "undated"]
    assert list(earlier.stays["item"]) == [0, 1]
    assert list(earlier.stays["left"]) == [OPEN, UNDATED]


def test_the_amount_of_a_won_deal_is_known_from_its_win_on():
    then = records().known_at(dt.date.fromordinal(DAY + 20))
    assert then.items["amount"][0] == 250.0


def test_a_day_that_is_not_known_yet_is_refused():
    with pytest.raises(ValueError, match="2026-02-02 is after 2026-02-01"):
        records().known_at(dt.date(2026, 2, 2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"entered": DAY + 99}, "after 2026-02-01"),
        ({"left": DAY - 1, "to": "lost"}, "ends before it began"),
        ({"to": "won"}, "without an end has no way out"),
        ({"stage": "nowhere"}, "nowhere.*not one of"),
    ],
)
def test_rows_that_contradict_each_other_are_refused(change, message):
    stay = {"item": 0, "stage": "lead", "entered": DAY, "left": OPEN, "to": "", **change}
    items = pd.DataFrame({"id": ["a"]})
    with pytest.raises(ValueError, match=message):
        build_records(items, pd.DataFrame([stay]), ("lead",), dt.date(2026, 2, 1))


def test_an_id_that_occurs_twice_is_refused():
    stays = pd.DataFrame({"item": [0, 1], "stage": "lead", "entered": DAY, "left": OPEN, "to": ""})
    with pytest.raises(ValueError, match="'a' occurs twice"):
        build_records(pd.DataFrame({"id": ["a", "a"]}), stays, ("lead",), dt.date(2026, 2, 1))
