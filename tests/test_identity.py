"""What must be the same bit for bit, whatever the threads, the slices and what else is assumed."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from helpers import DATA, SCENARIOS, bound, scenario, total, z_covariance

import forecast
from forecast.engine import simulate as engine
from forecast.engine.dataset import as_dataset
from forecast.engine.plan import make_blueprint
from forecast.engine.run import forecast_run
from forecast.engine.simulate import Simulator
from forecast.engine.variables import arrays_of

RICH = """
name: Rich
start: 2027-01-16
horizon: 6 quarters
channels:
  web:
    leads: {mean: {gamma: {mean: 60, cv: 0.3}}, per: month}
    seasonality: {mar: 1.4}
    cost: {per_lead: 7}
  events:
    leads: {mean: [0, 0, 90], per: month, then: repeat}
    dispersion: 0.4
    growth: 3% per quarter
  list: {leads: {fixed: [40, 10], per: quarter, then: last}}
segments:
  small: {share: 60%}
  large: {share: 40%, journey: {talk: {won: {lag: {gamma: {mean: 50 days, cv: 0.5}}}}}}
journey:
  lead:
    talk:
      conversion: {beta: {won: 30, lost: 30}}
      lag: {lognormal: {median: 20 days, p90: 50 days}}
    later: {share_of_rest: 50%, lag: 1 month}
  later:
    talk: {conversion: 20%, lag: {uniform: {low: 1 month, high: 3 months}}}
  talk:
    won: {conversion: 30%, lag: {gamma: {mean: {gamma: {mean: 40 days, cv: 0.2}}, cv: 0.5}}}
    later: {conversion: 15%, lag: 10 days}
products:
  small: {mix: 70%, size: {lognormal: {mean: 1000, cv: 1}}}
  large: {mix: 30%, size: {gamma: {mean: 9000, cv: 0.6}}}
market: {lognormal: {mean: 1, cv: 20%}}
"""
LAST = "market: {lognormal: {mean: 1, cv: 20%}}\n"


def rich(*edits: tuple[str, str], runs: int = 300, seed: int = 1, detail: str = "journey"):
    """Simulate the rich scenario with some of its text replaced."""
    text = RICH
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return forecast.simulate(scenario(text), runs=runs, seed=seed, detail=detail)


@pytest.fixture(scope="module", params=["journey", "outcome"])
def detail(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def base(detail: str):
    return rich(detail=detail)


def same(one, other, names: Iterable[str] = DATA) -> None:
    """Bit for bit the same values, of those that the detail has."""
    for name in (name for name in names if name in one or name in other):
        np.testing.assert_array_equal(one[name].values, other[name].values, err_msg=name)


def differ(one, other, *names: str) -> None:
    for name in (name for name in names if name in one or name in other):
        assert not np.array_equal(one[name].values, other[name].values), name


def assumed(data, path: str) -> np.ndarray:
    return data.assumption.values[:, list(data.path.values).index(path)]


# --- threads, slices, prefixes --------------------------------------------------------------------


@pytest.fixture(scope="module")
def simulator(detail: str) -> Simulator:
    return Simulator(make_blueprint(scenario(RICH)), 1, detail)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("size", [7, 100, 128, 1024])
def test_threads_and_slices(base, simulator, monkeypatch, threads: int, size: int) -> None:
    monkeypatch.setitem(engine.RUNS_AT_ONCE, simulator.detail, size)
    assert simulator.slice_runs() == size
    whole = simulator.whole(300, threads=threads)
    same(as_dataset(simulator, whole, {}), base)


def test_a_slice_by_itself(base, simulator) -> None:
    rows = engine.empty_rows(scenario(RICH), 20, simulator.detail)
    assumptions, _ = simulator.into(130, rows)
    np.testing.assert_array_equal(assumptions, base.assumption.values[130:150])
    for name, array in arrays_of(rows, assumptions).items():
        np.testing.assert_array_equal(array, base[name].values[130:150], err_msg=name)


def test_the_first_of_many_runs(detail: str) -> None:
    few, many = (rich(runs=runs, detail=detail) for runs in (1_000, 10_000))
    same(few, many.isel(run=slice(1_000)))
    assert list(few.run.values) == list(range(1_000))


def test_a_run_has_the_totals_of_the_dataset() -> None:
    base = rich()
    outcome = forecast_run(scenario(RICH), runs=300, seed=1)
    for name in ("leads", "deals", "spend"):
        array = base[name].values
        np.testing.assert_array_equal(
            outcome.totals[name], array.sum(axis=tuple(range(2, array.ndim)))
        )
    talks = base.entered.sel(stage="talk").values.sum(axis=(2, 3))
    np.testing.assert_array_equal(outcome.totals["talk"], talks)


def test_progress_counts_every_run() -> None:
    lean = forecast.read_scenario(SCENARIOS / "lean-consulting.yaml")
    told: list[tuple[int, int]] = []
    forecast_run(lean, runs=3_000, seed=1, progress=lambda *done: told.append(done))
    assert [runs for _, runs in told] == [3_000] * len(told)
    assert [done for done, _ in told] == [1_024, 2_048, 3_000]


# --- what is added or changed leaves the rest -----------------------------------------------------

BY_CHANNEL = ("leads", "entered", "deals", "bookings", "revenue", "spend")


def test_adding_a_channel(base) -> None:
    new = "  partners: {leads: {mean: {gamma: {mean: 30, cv: 0.5}}, per: month}}\n"
    for edit in (("channels:\n", f"channels:\n{new}"), ("segments:\n", f"{new}segments:\n")):
        more = rich(edit, detail=base.detail)
        same(more.sel(channel=list(base.channel.values)), base, BY_CHANNEL)
        for path in base.path.values:
            np.testing.assert_array_equal(assumed(more, path), assumed(base, path))


def test_adding_a_segment(base) -> None:
    edit = "  large: {share: 40%", "  middle: {share: 10%}\n  large: {share: 30%"
    more = rich(edit, detail=base.detail)
    if "leads" in base:
        np.testing.assert_array_equal(more.leads.values.sum(axis=3), base.leads.values.sum(axis=3))
    same(more.sel(segment=["small"]), base.sel(segment=["small"]), ("leads", "entered", "deals"))


def test_the_order_of_channels_and_products(base) -> None:
    head, rest = RICH.split("  web:\n")
    web, rest = rest.split("  events:\n")
    events, rest = rest.split("  list: {")
    text = f"{head}  events:\n{events}  web:\n{web}  list: {{{rest}"
    swapped = forecast.simulate(scenario(text), runs=300, seed=1, detail=base.detail)
    assert list(swapped.channel.values) == ["events", "web", "list"]
    same(swapped.sel(channel=list(base.channel.values)), base, BY_CHANNEL)


def test_a_segments_override(base) -> None:
    edit = "journey: {talk: {won: {lag:", "journey: {talk: {won: {conversion: 45%, lag:"
    more = rich(edit, detail=base.detail)
    same(more, base, ("leads", "assumption"))
    same(more, base, ("spend",))
    same(more.sel(segment="small"), base.sel(segment="small"), ("entered", "deals", "bookings"))
    differ(more.sel(segment="large"), base.sel(segment="large"), "deals")


def test_a_channels_override(base) -> None:
    edit = "    cost: {per_lead: 7}", "    journey: {lead: {later: {lag: 40 days}}}"
    more = rich(edit, detail=base.detail)
    others = {"channel": ["events", "list"]}
    same(more.sel(others), base.sel(others), BY_CHANNEL)
    same(more, base, ("leads", "assumption"))
    differ(more, base, "entered", "open", "deals")


def test_a_deal_size(base) -> None:
    more = rich(("size: {gamma: {mean: 9000", "size: {gamma: {mean: 8000"), detail=base.detail)
    same(more, base, ("leads", "entered", "deals", "spend", "open", "assumption"))
    same(more.sel(product="small"), base.sel(product="small"), ("bookings", "revenue"))
    # the very same draws of a size that is smaller by a ninth
    big = more.bookings.sel(product="large").values
    np.testing.assert_allclose(big, base.bookings.sel(product="large").values * 8 / 9, rtol=1e-12)


def test_another_family_of_sizes(base) -> None:
    edit = "size: {gamma: {mean: 9000, cv: 0.6}}", "size: {values: {5k: 50%, 13k: 50%}}"
    more = rich(edit, detail=base.detail)
    same(more, base, ("leads", "entered", "deals", "spend", "open", "assumption"))
    same(more.sel(product="small"), base.sel(product="small"), ("bookings",))
    differ(more, base, "bookings")


@pytest.mark.parametrize(
    "edit",
    [
        ("won: {conversion: 30%", "won: {conversion: 33%"),
        ("later: {conversion: 15%", "later: {conversion: 5%"),
        ("{mean: {gamma: {mean: 40 days", "{mean: {gamma: {mean: 30 days"),
    ],
    ids=["conversion", "loop", "lag"],
)
def test_a_later_stage(base, edit: tuple[str, str]) -> None:
    more = rich(edit, detail=base.detail)
    same(more, base, ("leads",))
    same(more, base, ("spend",))
    lead = {"stage": "lead"}
    same(more.sel(lead), base.sel(lead), ("entered", "open"))
    for path in (p for p in base.path.values if "lag" not in p):
        np.testing.assert_array_equal(assumed(more, path), assumed(base, path))
    differ(more, base, "deals")


def test_more_leads_in_one_channel(base) -> None:
    more = rich(("mean: [0, 0, 90]", "mean: [0, 0, 99]"), detail=base.detail)
    others = {"channel": ["web", "list"]}
    same(more.sel(others), base.sel(others), BY_CHANNEL)
    differ(more, base, "leads", "deals")


def test_a_number_becomes_uncertain(base) -> None:
    edit = "later: {conversion: 15%", "later: {conversion: {beta: {won: 15, lost: 85}}"
    more = rich(edit, detail=base.detail)
    assert len(more.path) == len(base.path) + 1
    for path in base.path.values:
        np.testing.assert_array_equal(assumed(more, path), assumed(base, path))
    same(more, base, ("leads",))


def test_a_correlation_leaves_the_others(base) -> None:
    paths = "channels.web.leads.mean, journey.lead.talk.conversion"
    edit = LAST, f"{LAST}correlation: [{{between: [{paths}], rank: 0.5}}]\n"
    more = rich(edit, detail=base.detail)
    for path in set(base.path.values) - {"journey.lead.talk.conversion"}:
        np.testing.assert_array_equal(assumed(more, path), assumed(base, path))
    same(more, base, ("leads",))
    differ(more, base, "assumption")


CHANGES = {
    "conversion": "journey.talk.won.conversion: 60%",
    "lag": "journey.talk.won.lag: 5 days",
    "leads": "channels.web.leads.mean: 500",
    "exact leads": "channels.list.leads.fixed: [99, 80, 70, 60, 50, 45]",
    "size": "products.small.size: 5k",
    "uncertain": "journey.lead.talk.conversion: {beta: {won: 50, lost: 10}}",
    "market": "market: {lognormal: {mean: 1, cv: 50%}}",
    "season": "channels.web.seasonality.apr: 3",
    "growth": "channels.events.growth: 9% per month",
    "dispersion": "channels.events.dispersion: 0.9",
    "mix": "products.small.mix: 30%, products.large.mix: 70%",
    "cost": "channels.web.cost.per_lead: 9",
    "share": "segments.small.share: 50%, segments.large.share: 50%",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_in_2028_leaves_2027(base, change: str) -> None:
    edit = LAST, f"{LAST}changes: [{{from: 2028-01-01, set: {{{change}}}}}]\n"
    more = rich(edit, detail=base.detail)
    before = {"quarter": [label for label in base.quarter.values if label < "2028"]}
    names = [name for name in base if name not in ("assumption", "spend")]
    same(more.sel(before), base.sel(before), names)
    same(more.sel(before), base.sel(before), ("spend",))
    for path in base.path.values:
        np.testing.assert_array_equal(assumed(more, path), assumed(base, path))
    assert any(not np.array_equal(more[name].values, base[name].values) for name in base)


def test_common_random_numbers_make_differences_less_noisy(detail: str) -> None:
    given: dict = {"runs": 4_000, "detail": detail}
    one, other = (
        total(rich(*edits, **given), "deals")
        for edits in ((), (("won: {conversion: 30%", "won: {conversion: 31%"),))
    )
    edit = "won: {conversion: 30%", "won: {conversion: 31%"
    apart = total(rich(edit, seed=2, **given), "deals")
    common, independent = np.var(other - one), np.var(apart - one)
    assert common < independent / 10.0


# --- what must differ -----------------------------------------------------------------------------


def test_seeds_and_runs_differ(base) -> None:
    other = rich(seed=2, detail=base.detail)
    differ(base, other, *DATA)
    assert len(np.unique(base.assumption.values[:, 0])) == 300
    assert len(np.unique(base.bookings.values.reshape(300, -1), axis=0)) == 300


def test_seeds_are_independent(detail: str) -> None:
    both = (rich(runs=4_000, seed=seed, detail=detail) for seed in (1, 2))
    one, other = (total(data, "deals").astype(float) for data in both)
    assert abs(z_covariance(one, other, (one.mean(), other.mean()), 0.0)) < bound(1)


def test_all_that_can_end_a_lead_is_independent() -> None:
    """Of Poisson leads, those that end in different ways, places and times are independent."""
    given = scenario(
        "name: Apart\nstart: 2027-01-01\nhorizon: 3 quarters\n"
        "channels:\n  a: {leads: {mean: 8, per: month}}\n  b: {leads: {mean: 8, per: month}}\n"
        "segments: {one: {share: 50%}, two: {share: 50%}}\njourney:\n"
        "  lead: {talk: {conversion: 60%, lag: {gamma: {mean: 40 days, cv: 0.5}}}}\n"
        "  talk: {won: {conversion: 60%, lag: 1 month}, lead: {conversion: 10%, lag: 20 days}}\n"
        "products: {p: {mix: 50%, size: 1}, q: {mix: 50%, size: 1}}\n"
    )
    runs = 40_000
    data = forecast.simulate(given, runs=runs, seed=1)
    ends = [data.deals, data.entered.sel(stage="lost"), data.open.isel(quarter=-1)]
    cells = np.concatenate([end.values.reshape(runs, -1) for end in ends], axis=1)
    cells = cells[:, cells.mean(axis=0) > 0.1]
    assert cells.shape[1] >= 30
    correlations = np.corrcoef(cells.T)[np.triu_indices(cells.shape[1], 1)]
    assert np.abs(correlations).max() * runs**0.5 < bound(len(correlations))
    np.testing.assert_allclose(cells.var(axis=0) / cells.mean(axis=0), 1.0, atol=0.1)


@pytest.mark.parametrize("seed", [0, -1, 2**31, 2**64, 2**80 + 1])
def test_any_whole_number_is_a_seed(seed: int, detail: str) -> None:
    one, again, next_one = (rich(runs=20, seed=s, detail=detail) for s in (seed, seed, seed + 1))
    same(one, again)
    differ(one, next_one, "leads", "deals", "assumption")
    assert one.attrs["seed"] == str(seed)


def test_a_new_name_gives_new_draws(base) -> None:
    other = rich(("  events:\n", "  fairs:\n"), detail=base.detail)
    differ(base.sel(channel="events"), other.sel(channel="fairs"), "leads", "deals")
    rest = {"channel": ["web", "list"]}
    same(other.sel(rest), base.sel(rest), BY_CHANNEL)
