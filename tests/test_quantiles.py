"""The kernel that makes the uncertain assumptions and the conditional chances of the tables."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from helpers import EXAMPLES, NAMES, scenario
from naive_rules import Rules
from scipy import special, stats

from forecast.engine import tables
from forecast.engine.assumptions import Draws, Rows, Values, quasi_normals, quasi_uniforms
from forecast.engine.kernel import quantiles
from forecast.engine.keys import stream_key
from forecast.engine.lags import within_chance
from forecast.engine.layout import lay_out
from forecast.engine.series import by_version
from forecast.engine.tables import TableMaker
from forecast.scenario.families import (
    Beta,
    Family,
    Gamma,
    Lognormal,
    Normal,
    Triangular,
    Uniform,
    Weibull,
    build_values,
)
from forecast.scenario.families.beta import pert
from forecast.scenario.families.table import EDGE
from forecast.scenario.model import LOST, Assumptions, Capacity, Group, Scenario, Uncertain
from forecast.scenario.reader import read_scenario

ROUNDING = 1e-12
RUN_TABLES = ("mean", "market", "shape", "share", "take", "mix", "scale", "fixed_cost", "lead_cost")
KEYS = [stream_key(seed, "assumption", name) for seed in (0, 7) for name in ("a", "bc")]

FAMILIES: list[Family] = [
    Beta(88.0, 312.0),
    Beta(0.3, 0.4),
    Beta(2.0, 5.0, -3.0, 9.0),
    pert(10.0, 15.0, 40.0),
    Gamma(0.05, 3.0),
    Gamma(9.0, 11.0),
    Lognormal(2.0, 0.7),
    Lognormal(-1.0, 3.0),
    Normal(-3.0, 5.0),
    Weibull(1.4, 30.0),
    Uniform(-1.0, 4.0),
    Triangular(2.0, 3.0, 10.0),
    build_values([(20.0, 0.65), (10.0, 0.35)]),
]
KNOWN = {
    0: stats.beta(88.0, 312.0),
    2: stats.beta(2.0, 5.0, -3.0, 12.0),
    5: stats.gamma(9.0, scale=11.0),
    6: stats.lognorm(0.7, scale=np.exp(2.0)),
    8: stats.norm(-3.0, 5.0),
    9: stats.weibull_min(1.4, scale=30.0),
}


def draws_of(families: list[Family]) -> Draws:
    """Draws of assumptions named by their place, as if a scenario held them."""
    names = [f"x{i}" for i in range(len(families))]
    version = SimpleNamespace(since=0)
    given = SimpleNamespace(versions=(version,), correlations=())
    made = {name: Uncertain(name, family) for name, family in zip(names, families, strict=True)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("forecast.engine.assumptions.uncertain_numbers", lambda _: made)
        return Draws(given, 5)  # type: ignore[arg-type]


def block(values: Values) -> np.ndarray:
    assert isinstance(values.of, Rows)
    return values.of.block


# --- points and normals ---------------------------------------------------------------------------


def reverse(x: int) -> int:
    return int(f"{x:032b}"[::-1], 2)


def laine_karras(x: int, seed: int) -> int:
    word = 0xFFFFFFFF
    x ^= x * 0x3D20ADEA & word
    x = (x + seed) & word
    x = x * (seed >> 16 | 1) & word
    x ^= x * 0x05526C56 & word
    return x ^ x * 0x53A22864 & word


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("first", [0, 1_000_003, 2**32 - 40])
def test_points_are_those_of_the_plain_algorithm(key: int, first: int) -> None:
    low, high = key & 0xFFFFFFFF, key >> 32
    wanted = []
    for run in range(first, first + 40):
        shuffled = reverse(laine_karras(reverse(run), low))
        wanted.append((reverse(laine_karras(shuffled, high)) + 0.5) * 2.0**-32)
    assert quasi_uniforms(key, first, 40).tolist() == wanted


def test_normals_are_the_quantiles_of_the_points() -> None:
    normals = quasi_normals(np.array(KEYS, dtype=np.uint64), 3, 5_000)
    for key, row in zip(KEYS, normals, strict=True):
        np.testing.assert_allclose(row, special.ndtri(quasi_uniforms(key, 3, 5_000)), rtol=1e-14)


@pytest.mark.parametrize("cut", [1, 7, 8, 63, 64, 65, 500])
def test_values_do_not_depend_on_the_cut(cut: int) -> None:
    draws = draws_of(FAMILIES)
    whole = block(draws.draw(11, 1_000))
    parts = [
        block(draws.draw(11 + n, min(cut, 1_000 - n)))
        for n in (*range(0, 1_000, cut),)[: 200 if cut > 1 else 50]
    ]
    joined = np.concatenate(parts, axis=1)
    assert joined.tobytes() == np.ascontiguousarray(whole[:, : joined.shape[1]]).tobytes()


# --- families -------------------------------------------------------------------------------------


@pytest.mark.parametrize("i", range(len(FAMILIES)), ids=map(repr, FAMILIES))
def test_values_are_those_of_the_family(i: int) -> None:
    """At normals of every size, those beyond the tables and no numbers among them."""
    family = FAMILIES[i]
    z = np.concatenate(
        [np.linspace(-EDGE, EDGE, 4_001), [-20.0, -8.6, -EDGE, 0.0, EDGE, 8.6, 12.0]]
    )
    found = draws_of([family]).at_normals({"x0": z}).of[Uncertain("x0", family)]
    np.testing.assert_allclose(found, family.from_normal(z), rtol=ROUNDING, atol=1e-300)
    assert np.all((found >= family.low) & (found <= family.high))
    exact = family.exact_from_normal(z)
    scale = np.abs(np.log(np.maximum(np.abs(exact), 1e-300))) + 1.0  # tables hold logarithms
    near = np.abs(found - exact) <= 1e-9 * scale * np.abs(exact) + 1e-13 * family.sd
    assert near.all()


def test_what_underflows_is_nothing() -> None:
    families = [Gamma(0.01, 3.0), Beta(0.01, 2.0)]
    low = {name: np.array([-8.0, -30.0]) for name in ("x0", "x1")}
    assert block(draws_of(families).at_normals(low)).tolist() == [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize(("i", "known"), KNOWN.items())
def test_values_are_those_of_scipy(i: int, known: stats.rv_frozen) -> None:
    z = np.linspace(-6.0, 6.0, 301)
    found = block(draws_of(FAMILIES[i : i + 1]).at_normals({"x0": z}))[0]
    right = np.where(z < 0.0, known.ppf(stats.norm.cdf(z)), known.isf(stats.norm.sf(z)))
    np.testing.assert_allclose(found, right, rtol=1e-8, atol=1e-12)


def test_many_families_side_by_side_keep_their_own_tables() -> None:
    twice = [*FAMILIES, *FAMILIES[::-1]]
    draws = draws_of(twice)
    rng = np.random.default_rng(1)
    normals = {name: rng.standard_normal(70) for name in draws.drawn}
    found = block(draws.at_normals(normals))
    for family, row, z in zip(twice, found, normals.values(), strict=True):
        np.testing.assert_allclose(row, family.from_normal(z), rtol=ROUNDING)


def test_drawing_leaves_the_points_alone() -> None:
    z = np.array([0.3, -9.0])
    draws_of(FAMILIES[:1]).at_normals({"x0": z})
    assert z.tolist() == [0.3, -9.0]


def test_correlated_normals_are_the_root_times_independent_ones() -> None:
    rng = np.random.default_rng(2)
    normals = rng.standard_normal((4, 9))
    root = np.linalg.cholesky(np.array([[1.0, 0.5, -0.2], [0.5, 1.0, 0.3], [-0.2, 0.3, 1.0]]))
    at = np.array([2, 0, 3])
    wanted = normals.copy()
    wanted[at] = root @ normals[at]
    plain = draws_of([Normal(0.0, 1.0)] * 4)._of.forms[0]
    found = np.empty_like(normals)
    assert quantiles.fill_values(normals, quantiles.Ties(at, root), plain, found) == 0
    np.testing.assert_allclose(found, wanted, rtol=1e-14)


def test_matrix_is_the_values_by_run() -> None:
    draws = draws_of(FAMILIES)
    values = draws.draw(0, 9)
    copied = Values(dict(values.of))
    assert draws.matrix(values, 9).tobytes() == draws.matrix(copied, 9).tobytes()
    assert draws.matrix(draws.means(), 3)[2].tolist() == [f.mean for f in FAMILIES]


# --- the tables of many runs ----------------------------------------------------------------------

BETA = "{beta: {alpha: 3, beta: 5}}"
UNCERTAIN_LAG = "lag: {gamma: {mean: {gamma: {mean: 30 days, cv: 0.3}}, cv: 0.5}}"
JOURNEYS = [
    f"a: {{won: {{conversion: {BETA}}}, lost: {{lag: 1 month}}}}",
    f"a: {{won: {{conversion: {BETA}, within: 200 days, {UNCERTAIN_LAG}}}}}",
    f"a: {{lost: {{lag: 1 month}}, b: {{conversion: {BETA}}}, c: {{share_of_rest: {BETA}}}}}\n"
    "  b: {won: {conversion: 20%}}\n  c: {won: {conversion: 40%}}",
    "a: {won: {conversion: {uniform: {low: 50%, high: 60%}}}, lost: {conversion: 40%}}",
    "a: {dirichlet: {won: 4, b: 3, lost: 5}, won: {lag: 1 month}, b: {lag: 2 months}}\n"
    "  b: {won: {conversion: 20%}}",
]


def made(journey: str, more: str = "") -> Scenario:
    return scenario(
        "name: Made\nstart: 2027-01-01\nhorizon: 2 quarters\n"
        f"channels: {{x: {{leads: {{mean: 9, per: month}}}}}}\njourney:\n  {journey}\n{more}"
    )


CHANGED = "changes: [{from: 2027-02-10, set: {journey.a.won.conversion: 30%}}]\n"
GIVEN = [*map(made, JOURNEYS), made(JOURNEYS[0], CHANGED), *map(read_scenario, EXAMPLES)]
GIVEN_IDS = [*(f"journey {i}" for i in range(len(JOURNEYS))), "changed", *NAMES]


def plain_takes(maker: TableMaker, values: Values) -> np.ndarray:
    """The conditional chances of the ways of one row, shape (phase, group, way)."""
    layout = maker.layout
    out = np.zeros((len(layout.weights), *maker.lag_of.shape[1:]))
    for f, weights in enumerate(layout.weights):
        for g, group in enumerate(layout.scenario.groups):
            left = dict.fromkeys(range(len(layout.targets)), 1.0)
            chances = [0.0] * len(layout.ways)
            for v, version in enumerate(layout.scenario.versions):
                found = plain_chances(version, group, values)
                for e, way in enumerate(layout.ways):
                    if way.unworked:
                        capacity = version.capacity.get(layout.targets[way.source], Capacity())
                        out[f, g, e] += weights[v] * (1.0 - values(capacity.follow_up)[0])
                    elif v in way.versions.get(group, ()):
                        pair = layout.targets[way.source], layout.targets[way.target]
                        chances[e] += weights[v] * found[pair]
            for e, way in enumerate(layout.ways):
                if chances[e]:
                    out[f, g, e] = chances[e] / left[way.source]
                left[way.source] -= chances[e]
    return np.clip(out, 0.0, 1.0)


class Judge(Rules):
    """The win rates of those above a threshold, by the slow simulator's integrals."""

    def __init__(self, values: Values) -> None:
        super().__init__()
        self.value = lambda number: float(values(number)[0])

    def raised(self, chance: float, stage: str, target: str, version: Assumptions) -> float:
        """What a chance is for those that the threshold before their own stage let pass."""
        own = version.qualification.get(stage)
        return self._raised(chance, own) if own is not None and own.to == target else chance

    def passing(self, target: str, version: Assumptions) -> float:
        """The share that the threshold before the next stage lets pass."""
        of = version.qualification.get(target)
        return 1.0 if of is None else 1.0 - self.value(of.threshold)


def plain_chances(
    version: Assumptions, group: Group, values: Values
) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    judge = Judge(values)
    for stage, body in version.journeys[group].items():
        chances: dict[str, float] = {}
        for target, beta in body.dirichlet.items():
            chances[target] = (1.0 - sum(chances.values())) * values(beta)[0]
        for target, way in body.transitions.items():
            if way.conversion is not None:
                within = within_chance(way.lag, values, way.within)[0]
                chance = min(values(way.conversion)[0] / within, 1.0)
                chance = judge.raised(chance, stage, target, version)
                chances[target] = chance * judge.passing(target, version)
        total = sum(chances.values())
        chances = {target: chance / max(total, 1.0) for target, chance in chances.items()}
        rest = max(1.0 - total, 0.0)
        for target, way in body.transitions.items():
            if way.share_of_rest is not None:
                share = values(way.share_of_rest)[0] * judge.passing(target, version)
                chances[target] = rest * share
        if LOST in body.transitions and LOST not in chances:
            chances[LOST] = max(1.0 - sum(chances.values()), 0.0)
        found |= {(stage, target): chance for target, chance in chances.items()}
    return found


@pytest.mark.parametrize("given", GIVEN, ids=GIVEN_IDS)
def test_ways_take_what_they_should_of_what_is_left(given: Scenario) -> None:
    draws, maker = Draws(given, 1), TableMaker(lay_out(given))
    takes = maker.tables(draws.draw(0, 70)).take
    assert len(takes) in (1, 70)
    for run in range(0, len(takes), 23):
        right = plain_takes(maker, draws.draw(run, 1))
        np.testing.assert_allclose(takes[run], right, rtol=1e-9, atol=1e-12)


def test_conversions_of_more_than_a_whole_are_scaled_down() -> None:
    given = made(JOURNEYS[3])
    (number,) = Draws(given, 0).numbers.values()
    maker = TableMaker(lay_out(given))
    takes = maker.tables(Values({number: np.array([0.2, 0.6, 0.9])})).take[:, 0, 0]
    np.testing.assert_allclose(takes, [[0.2, 0.5], [0.6, 1.0], [0.9 / 1.3, 1.0]], rtol=1e-14)


@pytest.mark.parametrize("given", GIVEN, ids=GIVEN_IDS)
def test_tables_do_not_depend_on_the_cut(given: Scenario) -> None:
    draws, layout = Draws(given, 1), lay_out(given)
    whole = TableMaker(layout).tables(draws.draw(0, 150))._asdict()
    for first, count in ((0, 1), (5, 64), (77, 73)):
        part = TableMaker(layout).tables(draws.draw(first, count))._asdict()
        for name in RUN_TABLES:
            rows = slice(first, first + count) if len(whole[name]) > 1 else slice(None)
            assert part[name].tobytes() == whole[name][rows].tobytes(), name


@pytest.mark.parametrize("given", GIVEN, ids=GIVEN_IDS)
def test_what_is_certain_is_made_once_and_the_rest_for_all_values(given: Scenario) -> None:
    draws, maker = Draws(given, 1), TableMaker(lay_out(given))
    maker.tables(draws.means())
    used = maker.tables(draws.draw(0, 9))._asdict()
    fresh = TableMaker(maker.layout).tables(draws.draw(0, 9))._asdict()
    copied = maker.tables(Values(dict(draws.draw(0, 9).of)))._asdict()
    again = maker.tables(draws.draw(3, 2))._asdict()
    for name in RUN_TABLES:
        assert used[name].tobytes() == fresh[name].tobytes() == copied[name].tobytes(), name
        assert len(used[name]) == 9 or used[name] is again[name]


def test_a_maker_finds_the_numbers_in_any_order() -> None:
    given = made(JOURNEYS[2])
    maker, values = TableMaker(lay_out(given)), Draws(given, 1).draw(0, 5)
    order = list(values.of)
    turned = Rows({number: i for i, number in enumerate(order[::-1])}, block(values)[::-1])
    takes = [maker.tables(Values(of)).take for of in (values.of, values.of, turned, values.of)]
    assert len(order) > 1
    assert len({take.tobytes() for take in takes}) == 1


@pytest.mark.parametrize("cells", [1, 2, 30])
def test_conditional_chances_multiply_back(cells: int) -> None:
    rng = np.random.default_rng(cells)
    chances = rng.dirichlet(np.ones(cells), 40)
    chances[::2] *= 0.7
    chances[3, 0] = 0.0
    found = tables.conditional(chances[:, None, None, :], np.ones((1, 1)))[:, 0, 0]
    left = np.cumprod(np.column_stack([np.ones(40), 1.0 - found[:, :-1]]), axis=1)
    np.testing.assert_allclose(found * left, chances, atol=1e-13)
    assert np.all(found[1::4, -1] == 1.0)


def test_series_add_up_products_by_version() -> None:
    given = made(JOURNEYS[0], "changes: [{from: 2027-02-15, set: {channels.x.leads.mean: 20}}]\n")
    number = Uncertain("n", Normal(0.0, 1.0))
    series = by_version(lay_out(given), [number, 5.0])
    found = series(Values({number: np.array([2.0, 4.0])}))
    weight = np.array([1.0, 0.5, 0.0, 0.0, 0.0, 0.0])
    wanted = np.array([[2.0], [4.0]]) * weight + 5.0 * (1.0 - weight)
    np.testing.assert_allclose(found, wanted, rtol=1e-15)
    both = by_version(lay_out(given), [number, number])(Values({number: np.array([2.0])}))
    assert both.tolist() == [[2.0] * 6]
