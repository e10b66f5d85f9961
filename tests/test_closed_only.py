"""Lists from which something is missing: open items, lost ones, the days of months."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from forecast.history.fitting.closed_only import find_closed_only
from forecast.history.fitting.coarse import are_months, spread_months
from forecast.history.fitting.fit import fit_records
from forecast.history.fitting.names import with_safe_names
from forecast.history.records import OPEN, UNKNOWN, build_records
from forecast.history.writing.write import write_scenario

AS_OF = dt.date(2026, 9, 30)
LAST = AS_OF.toordinal()
DAYS, A_MONTH, SHARE, LAG = 638, 24.0, 0.3, 45.0


def history(seed=1, keep=("won", "lost", ""), monthly=False, channels=("web",), n=500):
    """Items that came evenly over 21 months; of each kind of end only those kept."""
    rng = np.random.default_rng(seed)
    came = LAST - rng.integers(0, DAYS, n)
    won = rng.random(n) < SHARE
    left = came + rng.gamma(1.5, np.where(won, LAG, 30.0) / 1.5).astype(int)
    to = np.where(left > LAST, "", np.where(won, "won", "lost"))
    left = np.where(to == "", OPEN, left)
    if monthly:
        came = np.array([dt.date.fromordinal(int(day)).replace(day=1).toordinal() for day in came])
    kept = np.flatnonzero(np.isin(to, keep))
    names = np.array(channels)[np.minimum(rng.geometric(0.1, n) - 1, len(channels) - 1)]
    labels = {name: [UNKNOWN] * len(kept) for name in ("segment", "product")}
    items = pd.DataFrame(
        {"id": [f"D{k}" for k in kept], "channel": names[kept], **labels, "amount": 1_000.0}
    )
    stays = pd.DataFrame(
        {"item": range(len(kept)), "stage": "opportunity", "entered": came[kept]}
        | {"left": left[kept], "to": to[kept]}
    )
    return build_records(items, stays, ("opportunity",), AS_OF, "EUR")


def notes(fit):
    return " ".join(fit.notes)


def test_a_list_of_closed_items_is_found_and_arrivals_are_those_of_all():
    fit = fit_records(history(keep=("won", "lost")))
    (arrivals,) = fit.arrivals
    assert arrivals.mean.low < A_MONTH < arrivals.mean.high
    assert arrivals.mean.value > 0.7 * A_MONTH  # uncorrected it is a third of them
    assert "Not one item is open" in notes(fit)
    whole = next(way for way in fit.ways if way.to == "won")
    assert whole.conversion.low < SHARE < whole.conversion.high
    assert "NOTE  Not one item is open" in write_scenario(fit)


def test_what_is_missing_is_about_what_was_left_out():
    left_out = [int((history(seed).stays["left"] == OPEN).sum()) for seed in range(20)]
    said = [find_closed_only(history(seed, ("won", "lost"))).missing for seed in range(20)]
    assert np.mean(said) == pytest.approx(np.mean(left_out), rel=0.25)


def test_a_list_with_open_items_or_with_none_to_expect_is_left_alone():
    assert find_closed_only(history()) is None
    quick = history(keep=("won", "lost"))
    stays = quick.stays.assign(left=quick.stays["entered"])  # closed on the day they came
    same_day = build_records(quick.items, stays, ("opportunity",), AS_OF, "EUR")
    assert find_closed_only(same_day) is None
    few = history(keep=("won", "lost"), n=25)
    assert find_closed_only(few) is None


def test_a_list_without_losses_is_said_to_promise_too_much():
    assert "lost ones seem to be missing" in notes(fit_records(history(keep=("won", ""))))
    assert "lost ones" not in notes(fit_records(history()))


def test_months_for_days_are_spread_over_their_months():
    fit = fit_records(history(monthly=True))
    (arrivals,) = fit.arrivals
    assert arrivals.mean.low < A_MONTH < arrivals.mean.high
    assert arrivals.mean.high < 2 * A_MONTH  # as first days the level seemed to jump each month
    assert "the dates tell months" in notes(fit)
    assert "the dates tell months" not in notes(fit_records(history()))


def test_spreading_keeps_the_counts_of_whole_months():
    first = dt.date(2026, 1, 1).toordinal()
    counts = np.zeros((2, 120))  # to 30 April
    counts[0, [0, 31, 59, 90]] = 31, 28, 62, 30
    spread = spread_months(counts, first)
    assert spread[0, :59] == pytest.approx(1.0)
    assert spread[0, 59:90] == pytest.approx(2.0)
    assert spread.sum() == pytest.approx(counts.sum())
    counts[0, 45] = 40  # some on other days: these are days
    assert spread_months(counts, first) is counts
    assert not are_months(np.array([first] * 50))


def test_tiny_channels_of_many_are_joined_and_it_is_said():
    channels = [f"c{k:02d}" for k in range(40)]
    records, said = with_safe_names(history(channels=channels, n=3_000))
    counts = records.items["channel"].value_counts()
    assert len(counts) < 40
    assert counts.min() >= 15
    assert "other" in counts
    assert any("small channels are joined as 'other'" in text for text in said)
    few, said = with_safe_names(history(channels=channels[:20], n=3_000))
    assert few.items["channel"].nunique() == 20
    assert not said


def test_a_scenario_without_wins_names_no_empty_block_and_says_that_sizes_lack():
    text = write_scenario(fit_records(history(keep=("lost", ""))))
    assert "# capacity:" not in text
    assert "no won deal has an amount" in text
    assert "no lag was seen: a guess" in text
    guess = text[text.index("no lag was seen") :].split("lag:")[0]
    assert "AIC" not in guess
