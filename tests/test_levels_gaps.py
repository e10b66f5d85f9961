"""Gaps: found where something was not recorded, and not in histories that simply begin."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from levels_made import ZERO, Made, gamma_days, made_history, never
from levels_real import maven, olist

from forecast.history.gaps import _missed, _stage, find_gaps
from forecast.history.records import Gap, build_records

HEALTHY = {
    "plain": Made(),
    "young": Made(days=120, rate=8.0, won=gamma_days(90, 0.5), lost=gamma_days(90, 0.5)),
    "late wins, no losses": Made(rate=5.0, win=0.15, won=gamma_days(90, 0.4), lost=never),
    "growing": Made(days=600, rate=1.0, won=gamma_days(120, 0.4), growth=1.2),
    "uneven months": Made(rate=5.0, win=0.2, won=gamma_days(60, 0.5), frail=0.5),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_history_that_simply_begins_has_no_gap(name):
    assert [find_gaps(made_history(HEALTHY[name], seed)).gaps for seed in range(12)] == [{}] * 12


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("name", ["plain", "growing", "uneven months"])
def test_what_was_not_recorded_is_found_with_its_day_and_kind(name, complete):
    healthy = HEALTHY[name]
    cut = healthy.days // 3
    right = 0
    for seed in range(12):
        made = Made(**{**vars(healthy), "cut": cut, "complete": complete})
        gap = find_gaps(made_history(made, seed)).gaps["deal"]
        assert 0 <= gap.since.toordinal() - ZERO - cut <= 7
        right += gap.complete == complete
    assert right >= 10


def test_wins_that_were_recorded_later_than_losses_are_found():
    records = made_history(Made(days=500, rate=4.0), 3)
    stays, since = records.stays, ZERO + 250
    unseen = ((stays["to"] == "won") & (stays["left"] < since)).to_numpy()
    stays = stays[~unseen].reset_index(drop=True)
    items = records.items.iloc[stays["item"]].reset_index(drop=True)
    stays["item"] = np.arange(len(stays))
    found = find_gaps(build_records(items, stays, records.stages, records.as_of)).gaps["deal"]
    assert 0 <= found.since.toordinal() - since <= 7
    assert "wins were to be expected" in found.said


def test_a_stray_closing_hides_no_gap():
    records = made_history(Made(days=500, rate=5.0, cut=250), 5)
    stays = records.stays
    stays.loc[0, ["left", "to"]] = [ZERO + 40, "won"]
    found = find_gaps(build_records(records.items, stays, records.stages, records.as_of)).gaps
    assert 0 <= found["deal"].since.toordinal() - ZERO - 250 <= 7
    assert "and 1 recorded" in found["deal"].said


def test_a_gap_that_was_said_stays():
    said = {"deal": Gap(dt.date(2024, 2, 1), False)}
    records = made_history(Made(cut=130), 1)
    records = build_records(records.items, records.stays, records.stages, records.as_of, gaps=said)
    assert find_gaps(records).gaps == said


def test_closings_to_expect_are_those_of_the_hazard_by_age():
    """Against sums item by item, for a few items."""
    made = Made(days=90, rate=0.8, won=gamma_days(20, 0.7), lost=never, win=0.8)
    stage = _stage(made_history(made, 6), "deal", wins=False)
    since, found = ZERO + 45, _missed(stage, ZERO + 45)
    total, variance = 0.0, 0.0
    for age in range(90):
        day = stage.entered + age
        risk = ((day >= since) & (day <= stage.last) & (stage.until >= day)).sum()
        closed = (stage.ended & (stage.until == day) & (day >= since)).sum()
        older = (
            np.minimum(stage.until, since)[stage.entered < since]
            - stage.entered[stage.entered < since]
            > age
        ).sum()
        if closed:
            total += older * closed / risk
            variance += older**2 * closed / risk**2
    assert found[0] == pytest.approx(max(total - 3 * np.sqrt(variance), 0.0))
    assert total > 3
    assert found[1] == (stage.ended & (stage.until < since)).sum()


@pytest.mark.parametrize("n", [0, 1, 2])
def test_hardly_any_items(n):
    items = pd.DataFrame({"id": [str(k) for k in range(n)]})
    stays = pd.DataFrame(
        {"item": np.arange(n), "stage": "deal", "entered": ZERO, "left": ZERO, "to": "won"}
    )
    records = build_records(items, stays, ("deal",), dt.date.fromordinal(ZERO + 3))
    assert find_gaps(records).gaps == {}


@pytest.mark.parametrize("day", ["2018-02-28", "2018-05-31", "2018-11-14"])
def test_olist_recorded_wins_from_december_on(day):
    gap = find_gaps(olist().known_at(dt.date.fromisoformat(day))).gaps["lead"]
    assert (gap.since, gap.complete) == (dt.date(2017, 12, 5), True)
    assert "1,827 items entered before 2017-12-05" in gap.said


@pytest.mark.parametrize("day", ["2017-06-30", "2017-09-30", "2017-12-31"])
def test_maven_has_only_survivors_from_before_march(day):
    gap = find_gaps(maven().known_at(dt.date.fromisoformat(day))).gaps["engaging"]
    assert (gap.since, gap.complete) == (dt.date(2017, 3, 1), False)
