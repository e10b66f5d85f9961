"""A fit written as a scenario reads back as what was fitted, whatever its names."""

from __future__ import annotations

import datetime as dt
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.history.estimates import ArrivalFit, Estimate, LagFit, SizeFit, WayFit
from forecast.history.fitting.clock import Clock
from forecast.history.fitting.fit import Fit, fit_records
from forecast.history.fitting.names import safe_name
from forecast.history.fitting.open_items import MOST_OPEN, onward_chances, thin, write_open
from forecast.history.records import OPEN, Gap, build_records
from forecast.history.writing import write_correlation
from forecast.history.writing.figures_text import figure, interval, quoted, whole_shares
from forecast.history.writing.write import Sheet, scenario_of, write_scenario
from forecast.history.writing.write_journey import values_text
from forecast.scenario.families import Gamma, Values, build
from forecast.scenario.nodes import Place, parse_value

AS_OF = dt.date(2026, 12, 31)
LAST = AS_OF.toordinal()


def estimate(value: float, n: int = 200, off: float = 0.1) -> Estimate:
    return Estimate(value, value * (1 - off), value * (1 + off), n, "method")


def lag(mean: float, cv: float = 0.7) -> LagFit:
    return LagFit("gamma", estimate(mean), cv, (), {"gamma": 1_000.0, "lognormal": 1_012.0})


def way(stage, to, share, days, n=200, **more) -> WayFit:
    shape = None if days is None else lag(days)
    return WayFit(stage, to, estimate(share, n), n * share, n * (1 - share), shape, **more)


def opened(rows) -> pd.DataFrame:
    names = ("id", "stage", "entered", "channel", "segment", "product", "amount")
    return pd.DataFrame([dict(zip(names, row, strict=True)) for row in rows], columns=names)


def size(product: str, mean: float, mix: float) -> SizeFit:
    parameters = {"mean": mean, "cv": 1.2}
    return SizeFit(product, "lognormal", parameters, estimate(mean), 0.1, estimate(mix), "tail")


WAYS = (
    way("lead", "opportunity", 0.4, 12.0, correlation=-0.2),
    way("lead", "won", 0.1, 30.0),
    way("lead", "lost", 0.47, 20.0),
    way("opportunity", "won", 0.3, 60.0, correlation=0.4),
    way("opportunity", "lost", 0.66, 40.0),
    way("opportunity", "won", 0.36, None, 120, group=("channel", "web")),
    way("opportunity", "won", 0.21, 75.0, 80, group=("channel", "events")),
)


def a_fit(**more) -> Fit:
    rows = [("A-1", "opportunity", LAST - 40, "web", "unknown", "small", np.nan)]
    known = {
        "as_of": AS_OF,
        "begin": dt.date(2025, 1, 1),
        "start": dt.date(2027, 1, 1),
        "horizon": "4 quarters",
        "period": "month",
        "fiscal_year_start": "january",
        "currency": "USD",
        "stages": ("lead", "opportunity"),
        "arrivals": (
            ArrivalFit("web", "month", estimate(60.0), 0.06, estimate(0.01, off=0.9)),
            ArrivalFit("events", "month", estimate(10.0), 0.2, None, {"jul": 0.5}, 0.1),
            ArrivalFit("events", "month", estimate(2.0), 0.2, enters="opportunity"),
        ),
        "ways": WAYS,
        "sizes": (size("small", 2_000.0, 0.3), size("large", 20_000.0, 0.7)),
        "clock": Clock((0.7, 0.9, 1.4), 1, 0.001, "found"),
        "gaps": {"lead": Gap(dt.date(2025, 6, 1), True, "found")},
        "open_items": opened(rows),
        "stale_after_days": 300.0,
    }
    return Fit(**(known | more))


def test_a_fit_reads_back_as_what_was_fitted():
    read = scenario_of(a_fit())
    assert read.channels == ("web", "events", "events (opportunity)")
    assert read.first_stage("events (opportunity)") == "opportunity"
    journey = read.versions[0].journeys
    won = journey["web", "all"]["opportunity"].transitions["won"]
    assert won.conversion.family.mean == pytest.approx(0.36, rel=1e-3)
    assert won.lag.family.mean == pytest.approx(60.0, rel=1e-3)  # that of all
    assert won.lag.about is not None
    own = journey["events", "all"]["opportunity"].transitions["won"]
    assert own.lag.family.mean == pytest.approx(75.0, rel=1e-3)
    assert isinstance(own.lag.family, Gamma)
    channel = read.versions[0].channels["web"]
    assert channel.leads.figures[0].family.sd / 60.0 == pytest.approx(0.06, rel=0.01)
    assert read.versions[0].closing.month_of_quarter == (0.7, 0.9, 1.4)
    assert {product: p.mix for product, p in read.versions[0].products["web", "all"].items()} == {
        "small": 0.3,
        "large": 0.7,
    }


def test_ways_that_are_counted_together_are_worth_the_cases_of_the_least_known():
    stage = scenario_of(a_fit()).journey["lead"]
    won, onward = stage.dirichlet["won"].family.mean, stage.dirichlet["opportunity"].family.mean
    assert won == pytest.approx(0.1, rel=1e-3)
    assert onward * (1 - won) == pytest.approx(0.4, rel=1e-3)
    variance = stage.dirichlet["won"].family.sd ** 2
    assert variance == pytest.approx(0.1 * 0.9 / 201, rel=1e-2)


def test_those_who_never_leave_stay_and_the_others_are_lost_as_fitted():
    lost = scenario_of(a_fit()).journey["opportunity"].transitions["lost"].lag.family
    assert isinstance(lost, Values)
    days = np.array([10.0, 40.0, 100.0, 400.0, 3_000.0])
    fitted = build("gamma", {"mean": 40.0, "cv": 0.7}).cdf(days) * 0.66 / 0.7
    # Twenty slices: at an age they are half a slice off at most.
    assert np.abs(lost.cdf(days) - fitted).max() < 0.5 / 20 + 0.01
    assert lost.cdf(np.array([3_000.0]))[0] == pytest.approx(0.66 / 0.7, abs=1e-3)


def test_where_many_are_never_closed_the_losses_keep_their_days():
    """An open deal is won with chance c S / (c S + l S' + n): losses have left the list."""
    ways = (way("lead", "won", 0.5, 30.0), way("lead", "lost", 0.3, 20.0))
    rows = [("A-1", "lead", LAST - 40, "web", "unknown", "small", 10.0)]
    given = a_fit(ways=ways, stages=("lead",), arrivals=a_fit().arrivals[:1], gaps={},
                  open_items=opened(rows))  # fmt: skip
    lost = scenario_of(given).journey["lead"].transitions["lost"].lag.family
    assert lost.cdf(np.array([1_000.0]))[0] == pytest.approx(0.3 / 0.5, abs=1e-3)
    assert lost.cdf(np.array([20.0]))[0] == pytest.approx(
        0.6 * build("gamma", {"mean": 20.0, "cv": 0.7}).cdf(np.array([20.0]))[0], abs=0.03
    )


def test_where_all_leave_the_lag_of_the_lost_is_uncertain_too():
    ways = [way("lead", "won", 0.3, 30.0), way("lead", "lost", 0.7, 20.0)]
    rows = [("A-1", "lead", LAST - 40, "web", "unknown", "small", 10.0)]
    read = scenario_of(a_fit(ways=tuple(ways), stages=("lead",), open_items=opened(rows),
                             arrivals=a_fit().arrivals[:1], gaps={}))  # fmt: skip
    assert read.journey["lead"].transitions["lost"].lag.about is not None


def test_every_correlation_that_is_written_is_possible():
    near = [("a", "b", 0.95), ("b", "c", 0.95), ("a", "c", -0.9)]
    found = write_correlation.possible(near)
    matrix = np.eye(3)
    for one, other, rank in found:
        i, j = "abc".index(one), "abc".index(other)
        matrix[i, j] = matrix[j, i] = 2 * np.sin(np.pi * rank / 6)
    assert np.linalg.eigvalsh(matrix).min() > 0
    assert write_correlation.possible(near[:1]) == [("a", "b", 0.95)]


def test_what_groups_do_not_know_together_is_tied():
    """Beta(11, 77) of 8,000 cases: nearly all that is not known is common to all groups."""
    whole = WayFit("lead", "won", estimate(0.125, 8_000), 11.0, 77.0, None)
    parts = [
        WayFit("lead", "won", estimate(p, 4_000), 90 * p, 90 * (1 - p), None, 0.0, ("channel", c))
        for p, c in ((0.12, "web"), (0.13, "events"))
    ]
    ways = (whole, *parts, way("opportunity", "won", 0.3, 60.0))
    arrivals = (
        *a_fit().arrivals[:2],
        ArrivalFit("x", "month", estimate(1.0), 0.1, enters="opportunity"),
    )
    read = scenario_of(a_fit(ways=ways, arrivals=arrivals, gaps={}))
    (tie,) = read.correlations
    assert tie.rank > 0.85
    assert set(tie.between) == {
        f"channels.{c}.journey.lead.won.conversion" for c in ("web", "events")
    }


STRANGE = ["NO", "a: b", "1.5", "007", "Quote/Offer", "x.y", "#1", "- dash", "=1+1", "@home",
           "null", "[a]", "{b}", "über & co", "tab\there", "  ", "quote\"s", "it's", "all", "won",
           "leads", "x" * 200, "\u202eright", "a, b", "yes"]  # fmt: skip


def test_any_name_survives():
    count = len(STRANGE)
    items = pd.DataFrame(
        {
            "id": [f"=cmd|{i}" if i % 2 else f"  {i}\n" for i in range(4 * count)],
            "channel": [STRANGE[i % count] for i in range(4 * count)],
            "product": [STRANGE[(i + i // count) % count] for i in range(4 * count)],
            "amount": [100.0 if i < 2 * count else np.nan for i in range(4 * count)],
        }
    )
    entered = LAST - 300 + np.arange(4 * count)
    ended = np.arange(4 * count) < 3 * count
    to = np.where(np.arange(4 * count) < 2 * count, "won", np.where(ended, "lost", ""))
    left = np.where(ended, entered + 20 + np.arange(4 * count) % 50, OPEN)
    stays = {"item": range(4 * count), "stage": "dirichlet", "entered": entered, "left": left}
    records = build_records(items, pd.DataFrame(stays | {"to": to}), ("dirichlet",), AS_OF)
    read = scenario_of(fit_records(records))
    assert len(read.channels) == len(set(read.channels)) == count
    assert read.stages == ("dirichlet 2",)
    assert len(read.pipeline.deals.ids) == count
    assert not any(name.startswith(("=", "+", "-", "@")) for name in read.pipeline.deals.ids)
    assert not any(
        name.startswith(("=", "+", "-", "@")) for name in (*read.channels, *read.products)
    )


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=120))
def test_a_safe_name_is_one_that_a_scenario_takes(text):
    from forecast.scenario import quantities

    name = safe_name(text, ["taken"])
    assert quantities.name(name, "channel", dots_allowed=False) == name
    assert parse_value(f"{{{quoted(name)}: 1}}", Place("x", 1, "")) == {name: "1"}


@settings(max_examples=200, deadline=None)
@given(st.floats(1e-9, 1e9), st.floats(1e-6, 0.9))
def test_rounding_is_far_below_what_is_not_known(value, off):
    low, high = value * (1 - off), value * (1 + off)
    written = float(figure(value, low, high).replace("_", ""))
    assert abs(written - value) <= 0.006 * (high - low) + 1e-12
    ends = [float(text.replace("_", "")) for text in interval(low, high).split(" to ")]
    assert np.abs(np.array(ends) - [low, high]).max() <= 0.006 * (high - low) + 1e-12


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=60))
def test_shares_add_up_to_all(values):
    texts = whole_shares(values)
    assert sum(round(100 * float(text.rstrip("%"))) for text in texts) == 10_000
    node = parse_value(values_text([(i + 1.0, v) for i, v in enumerate(values)]), Place("x", 1, ""))
    assert sum(round(1000 * float(t.rstrip("%"))) for t in node["values"].values()) == 100_000


def test_more_open_items_than_a_scenario_reads_are_left_out_and_told():
    ages = np.r_[np.full(MOST_OPEN, 10), np.full(50, 5_000), np.full(30, 1_000)]
    rows = pd.DataFrame({"entered": LAST - ages, "stage": "opportunity"})
    chances = onward_chances(rows, WAYS, AS_OF)
    assert chances[:MOST_OPEN].min() > chances[-1] > chances[MOST_OPEN]
    kept, notes = thin(rows, chances)
    assert len(kept) == MOST_OPEN
    assert (kept["entered"] == LAST - 10).all()
    assert "80 of 100,080 open items" in notes[0]
    assert thin(kept, chances[:MOST_OPEN]) == (kept, ())


def test_the_chance_to_go_onward_is_the_engines():
    from forecast.analysis.pipeline_facts import expect_pipeline

    read = scenario_of(a_fit(open_items=a_fit().open_items.assign(channel="web")))
    (stage,) = expect_pipeline(read)["stages"]
    base = [w for w in WAYS if not w.group and w.stage == "opportunity"]
    ways = [way("opportunity", "won", 0.36, 60.0), base[1]]
    (ours,) = onward_chances(a_fit().open_items, ways, AS_OF)
    # The engine has the means of what is uncertain, and the lost in slices.
    assert stage["expected"] == pytest.approx(ours * 2_000.0, rel=0.03)


def test_cells_that_would_run_in_a_spreadsheet_do_not():
    rows = [
        ("=1+1", "lead", LAST, "a", "b", "c", 1.5),
        ("+1", "lead", LAST, "a", "b", "c", np.nan),
        ("x\ny", "lead", LAST, "a", "b", "c", 2.0),
        ("x y", "lead", LAST, "a", "b", "c", 0.0),
    ]
    lines = write_open(opened(rows), ("id", "entered", "amount")).splitlines()
    assert lines[1:] == [
        "'=1+1,2026-12-31,1.50",
        "'+1,2026-12-31,",
        "x y,2026-12-31,2",
        "x y #2,2026-12-31,0",
    ]


def test_the_page_is_for_reading():
    text = write_scenario(a_fit(), Sheet("Read me", "open.csv", ["Read from x.csv."]))
    assert max(map(len, text.splitlines())) <= 140
    assert re.search(r"^# Read from x\.csv\.$", text, re.MULTILINE)
    assert "GAP  What became of items in lead before 2025-06-01" in text
    assert "\n\n\n" not in text
    assert text.endswith("\n")
