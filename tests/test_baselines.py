"""Baselines by hand, their spread, and that none knows what came later."""

import datetime as dt

import numpy as np
import pytest
from histories import Truth, simulate_history

from forecast.history.baselines import BASELINES, PRIOR_CASES, Pasts, predict
from forecast.history.origins import (
    BacktestError,
    Came,
    Periods,
    Plan,
    find_origins,
    whole_periods,
)
from forecast.history.past import Past
from forecast.history.perfect import perfect_wis
from forecast.history.records import OPEN, build_records

DAY = dt.date(2024, 1, 1).toordinal()


def made(rows, as_of, stages=("lead",), amounts=None):
    """Records of rows (stage, entered, left, to), one item each, days counted from 2024-01-01."""
    import pandas as pd

    items = pd.DataFrame({"id": [f"i{n:04d}" for n in range(len(rows))]})
    items["amount"] = amounts if amounts is not None else np.nan
    stays = pd.DataFrame(rows, columns=["stage", "entered", "left", "to"])
    stays["item"] = np.arange(len(rows))
    stays["entered"] += DAY
    stays["left"] = np.where(stays["left"] < 0, OPEN, stays["left"] + DAY)
    return build_records(items, stays, stages, as_of)


def steady(wins_by_month, opened=0, lag=10):
    """Wins on the 15th of each month of 2024 and 2025, arrived `lag` days before; and open ones."""
    rows = []
    for month, wins in enumerate(wins_by_month):
        day = dt.date(2024 + month // 12, month % 12 + 1, 15).toordinal() - DAY
        rows += [("lead", day - lag, day, "won")] * wins
    rows += [("lead", 3, -1, "")] * opened
    months = len(wins_by_month)
    end = dt.date(2024 + months // 12, months % 12 + 1, 1) - dt.timedelta(1)
    amounts = [100.0 if row[3] == "won" else np.nan for row in rows]
    return made(rows, end, amounts=amounts)


def past_of(records, now=None):
    periods = whole_periods(records, "month")
    return Past(
        records.known_at(periods.as_of(now or periods.count)), periods, now or periods.count
    )


def test_whole_periods_end_with_the_last_day_that_is_known():
    assert whole_periods(steady([1, 2, 3]), "month").count == 3
    assert whole_periods(steady([1, 2, 3]).known_at(dt.date(2024, 3, 30)), "month").count == 2
    weeks = whole_periods(steady([1, 2]), "week")
    assert set(np.diff(weeks.edges)) == {7}
    assert dt.date.fromordinal(int(weeks.edges[0])).weekday() == 0
    assert weeks.edges[-1] <= dt.date(2024, 3, 1).toordinal()


def test_baselines_on_the_series_by_hand():
    series = [2, *range(1, 15)]  # the first month of wins may be recorded in part, and is left out
    past = past_of(steady(series))
    for name, wanted in {
        "last period": [14, 14],
        "same period last year": [3, 4],
        "moving average": [13, 13],
    }.items():
        assert BASELINES[name](past, 2, "deals").tolist() == wanted, name
        money = BASELINES[name](past, 2, "bookings")
        np.testing.assert_allclose(money, 100.0 * np.array(wanted))


def test_last_year_repeats_beyond_a_year_and_falls_back_where_there_is_none():
    past = past_of(steady([5, *range(1, 13)]))
    wanted = [*range(1, 13), 1, 2]
    assert BASELINES["same period last year"](past, 14, "deals").tolist() == wanted
    young = past_of(steady([5, 1, 2, 3]))
    assert BASELINES["same period last year"](young, 2, "deals").tolist() == [3, 3]


def test_exponential_smoothing_finds_seasons_and_survives_short_or_flat_series():
    pattern = [4, 4, 20] * 4
    past = past_of(steady([9, *pattern, *pattern]))
    ahead = BASELINES["exponential smoothing"](past, 3, "deals")
    assert ahead[2] > 15 > 8 > ahead[0]
    for series in ([3], [3, 4], [3, 4, 5], [5, 5, 5, 5, 5, 5], [3, 0, 0, 0, 0, 0, 0]):
        found = BASELINES["exponential smoothing"](past_of(steady(series)), 4, "deals")
        assert found.shape == (4,)
        assert (found >= 0).all()


def test_pipeline_baselines_by_hand():
    # Every lead wins 10 days after it arrives, or never: 6 a month, all decided in their month,
    # so that nothing open ever won and all is new business.
    records = steady([6] * 8, opened=40)
    past = past_of(records)
    assert BASELINES["weighted pipeline"](past, 2, "deals").tolist() == [6.0, 6.0]
    assert past.win_rate == 48 / 88
    # Wins come in the period of arrival: 40 open ones x 48/88 "now", and the trend of the new.
    ahead = BASELINES["win rate x open + trend"](past, 2, "deals")
    np.testing.assert_allclose(ahead, [40 * 48 / 88 + 6.0, 6.0])


def test_stage_weights_are_what_came_of_the_open_items_of_each_stage():
    # Each month 10 items enter on the 5th; of those open at a month's end 4 are won in the next.
    rows = []
    for month in range(8):
        first = dt.date(2024, month + 1, 5).toordinal() - DAY
        later = dt.date(2024, month + 2, 10).toordinal() - DAY
        rows += [("lead", first, later, "won")] * 4 + [("lead", first, later, "lost")] * 6
    as_of = dt.date(2024, 8, 31)
    rows = [(s, a, -1, "") if b + DAY > as_of.toordinal() else (s, a, b, t) for s, a, b, t in rows]
    past = past_of(made(rows, as_of))
    assert past.win_rate == 0.4
    np.testing.assert_allclose(BASELINES["weighted pipeline"](past, 3, "deals"), [4.0, 4.0, 4.0])


def test_spread_is_that_of_past_errors():
    rng = np.random.default_rng(1)
    records = steady(rng.poisson(40.0, 23).tolist())
    pasts = Pasts(past_of(records))
    runs = predict(pasts, "moving average", (23, 1), "deals", 40_000)
    came = pasts.at(23).series("deals")
    guesses = [pasts.expected("moving average", t, 1, "deals")[0] for t in range(2, 23)]
    ratios = [(y - g) ** 2 / g for y, g in zip(came[1:], guesses, strict=True)]
    spread = max(1.0, (sum(ratios) + PRIOR_CASES) / (len(ratios) + PRIOR_CASES))
    mean = pasts.expected("moving average", 23, 1, "deals")[0]
    error = np.sqrt(spread * mean / 40_000)
    assert runs.mean() == pytest.approx(mean, abs=5.2 * error)
    assert runs.var() == pytest.approx(spread * mean, rel=0.05)
    assert (runs == np.round(runs)).all()


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("metric", ["deals", "bookings"])
def test_no_baseline_knows_what_came_later(name, metric):
    records = simulate_history(Truth(days=540), 3)
    periods = whole_periods(records, "month")
    now = 11
    then = records.known_at(periods.as_of(now))
    whole = Pasts(Past(records, periods, periods.count))
    known = Pasts(Past(then, Periods("month", periods.edges[: now + 1]), now))
    both = [predict(p, name, (now, 4), metric, 50) for p in (whole, known)]
    np.testing.assert_array_equal(*both)
    assert both[0].shape == (50, 4)


def test_origins_begin_when_enough_is_known_and_end_before_the_last_whole_period():
    records = steady([2, 6, 6, 6, 6, 6])
    periods = whole_periods(records, "month")
    assert find_origins(records, periods, Plan()) == [4, 5]
    assert find_origins(records, periods, Plan(every=2)) == [4]
    assert find_origins(records, periods, Plan(since=dt.date(2024, 3, 1))) == [2, 3, 4, 5]
    assert find_origins(records, periods, Plan(until=dt.date(2024, 5, 1))) == [4]
    with pytest.raises(BacktestError, match="whole months of 2024-01 to 2024-06"):
        find_origins(records, periods, Plan(since=dt.date(2025, 1, 1)))


def test_records_without_wins_or_items_are_refused():
    nothing = made([("lead", 0, -1, "")], dt.date(2024, 6, 30))
    with pytest.raises(BacktestError, match="no win"):
        find_origins(nothing, whole_periods(nothing, "month"), Plan())
    with pytest.raises(BacktestError, match="empty"):
        whole_periods(made([], dt.date(2024, 6, 30)), "month")


def test_somebody_who_knew_the_means_scores_so():
    records = steady([3, 30, 5, 8, 0])
    came = Came(records, whole_periods(records, "month"))
    found = perfect_wis(np.array([30.0, 0.0, np.nan]), came, "deals")
    assert np.isnan(found[2])
    assert found[1] == 0.0
    rng = np.random.default_rng(2)
    from scipy import stats

    from forecast.history.scores import QUANTILES, wis

    q = stats.poisson(30.0).ppf(QUANTILES)
    scores = wis(q, rng.poisson(30.0, 20_000).astype(float))
    assert found[0] == pytest.approx(scores.mean(), abs=5.2 * scores.std() / 20_000**0.5)
    # All sizes are 100: bookings are deals times 100, but for 2,000 runs' error.
    money = perfect_wis(np.array([30.0]), came, "bookings")
    assert money[0] == pytest.approx(100 * found[0], rel=0.1)
