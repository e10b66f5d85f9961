"""Random bits and what is made of them alone, the keys of streams, and the cache of the kernel."""

import math
import os
import time
from hashlib import blake2b
from pathlib import Path

import numba.core.config
import numpy as np
import pytest
from scipy import special, stats

from forecast.engine import kernel
from forecast.engine.kernel import bits, samplers
from forecast.engine.keys import stream_key, stream_keys

KEY = np.uint64(stream_key(1, "bits"))

# The known answers of Random123, https://github.com/DEShawResearch/random123 (tests/kat_vectors).
# Four words of counter, two of key; then the answer.
KNOWN_ANSWERS = [
    ("00000000 " * 6, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff " * 6, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        "243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0",
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


@kernel.jit(entry=True)
def philox(c0, c1, c2, c3, k0, k1):
    return bits.philox(c0, c1, c2, c3, k0, k1)


@kernel.jit(entry=True)
def draw(key, run, step, index, attempt):
    return bits.draw(key, run, step, index, attempt)


@kernel.jit(entry=True)
def item_bits(key, run, step, item):
    return bits.item_bits(key, run, step, item)


@kernel.jit(entry=True)
def to_units(words, out):
    for i in range(len(words)):
        out[i] = bits.to_unit(words[i])


@kernel.jit(entry=True)
def turn(x):
    return bits.turn(x)


@kernel.jit(entry=True)
def elementary(x, out):
    for i in range(len(x)):
        out[0, i] = bits.exp(x[i])
        out[1, i] = bits.log(abs(x[i]))


@kernel.jit(entry=True)
def quantiles(u, out):
    for i in range(len(u)):
        out[i] = bits.normal_quantile(u[i])


@kernel.jit(entry=True)
def pick_words(words, threshold, other, out):
    for j in range(len(out)):
        out[j] = samplers.alias_pick(words[j], threshold, other)


def alias_table(weights):
    n = len(weights)
    threshold, other = np.zeros(n, np.uint64), np.zeros((n, 2), np.int64)
    samplers.alias_build(np.asarray(weights, dtype=float), threshold, other)
    return threshold, other


def filled(first, n, run=5, step=7):
    out = np.zeros(n, np.uint64)
    bits.fill_bits(KEY, run, step, first, n, out)
    return out


@pytest.mark.parametrize(("words", "answer"), KNOWN_ANSWERS)
def test_philox_gives_the_published_answers(words, answer):
    words = [np.uint64(int(word, 16)) for word in words.split()]
    assert [f"{word:08x}" for word in philox(*words)] == answer.split()


def test_a_draw_is_a_block_of_its_address():
    run, step, index, attempt = (np.uint64(x) for x in (11, 12, 13, 14))
    w = philox(index, step, run, attempt, KEY & np.uint64(0xFFFFFFFF), KEY >> np.uint64(32))
    expected = [((w[i] * 2**32 + w[i + 1]) // 2**12 + 0.5) / 2**52 for i in (0, 2)]
    assert list(draw(KEY, 11, 12, 13, 14)) == expected


def test_every_part_of_an_address_changes_the_draw():
    base = (int(KEY), 1, 2, 3, 4)
    values = {draw(np.uint64(base[0]), *base[1:])}
    for i in range(5):
        for change in (1, 1 << 31, 1 << 16):
            address = [x ^ change if j == i else x for j, x in enumerate(base)]
            values.add(draw(np.uint64(address[0]), *address[1:]))
    values.add(draw(KEY ^ np.uint64(1 << 63), 1, 2, 3, 4))
    assert len(values) == 17


def test_uniforms_stay_inside_the_open_interval():
    words = np.array([0, 1, 2**12 - 1, 2**12, 2**63, 2**64 - 2**12 - 1, 2**64 - 1], np.uint64)
    u = np.zeros(len(words))
    to_units(words, u)
    assert u[0] == u[1] == u[2] == 2.0**-53
    assert u[3] == 1.5 * 2.0**-52
    assert u[4] == 0.5 + 2.0**-53
    assert u[6] == 1.0 - 2.0**-53
    assert np.all((u > 0) & (u < 1))
    assert np.all(1.0 - (1.0 - u) == u)


def test_an_item_depends_on_nothing_but_its_number():
    whole = filled(0, 200)
    assert len(set(whole.tolist())) == 200
    for first in (0, 1, 2, 3, 16, 17, 31):
        for n in (0, 1, 2, 3, 7, 8, 15, 16, 17, 33, 64, 100):
            assert np.array_equal(filled(first, n), whole[first : first + n])
    assert [item_bits(KEY, 5, 7, j) for j in range(200)] == whole.tolist()


def test_filling_leaves_the_rest_alone():
    for first in (0, 1):
        for n in range(20):
            out = np.full(24, 99, np.uint64)
            bits.fill_bits(KEY, 5, 7, first, n, out)
            assert np.all(out[n:] == 99)


def test_items_and_draws_share_no_block():
    # Blocks of items at attempt 2**31; every draw is below. The same numbers then never come twice.
    items = np.zeros(4000)
    to_units(filled(0, 4000), items)
    draws = np.array([draw(KEY, 5, 7, i, 0) for i in range(2000)]).ravel()
    assert not set(items) & set(draws)
    top = np.array([draw(KEY, 5, 7, i, 1 << 31) for i in range(2000)]).ravel()
    assert np.array_equal(top, items)


def test_every_bit_is_fair():
    ones = np.unpackbits(filled(0, 1 << 18).view(np.uint8).reshape(-1, 8), axis=1).sum(axis=0)
    assert stats.binom.sf(ones.max() - 1, 1 << 18, 0.5) > 1e-8
    assert stats.binom.cdf(ones.min(), 1 << 18, 0.5) > 1e-8


def test_exp_and_log_are_within_two_units():
    x = np.random.default_rng(1).uniform(-700, 700, 100_000)
    x[:4] = 0.0, 1.0, -708.0, 709.0
    out = np.zeros((2, len(x)))
    x[0] = 1e-300
    elementary(x, out)
    assert np.max(np.abs(out[0] / np.exp(x) - 1)) < 5e-16
    near_one = 1 + np.geomspace(1e-15, 0.5, 999)
    near = np.concatenate((x, np.geomspace(1e-307, 1e307, 10_000), near_one))
    out = np.zeros((2, len(near)))
    elementary(near, out)
    exact = np.log(np.abs(near))
    assert out[1][exact == 0] == pytest.approx(0, abs=0)
    assert np.max(np.abs(out[1] - exact)[exact != 0] / np.abs(exact)[exact != 0]) < 5e-16
    elementary(np.array([-1e9, 1e9]), out)
    assert out[0, :2] == pytest.approx(np.exp([-708.0, 709.0]), rel=1e-15)


def test_normal_quantile_is_accurate_in_both_tails():
    low = np.concatenate((10.0 ** -np.linspace(0.31, 300, 5000), np.linspace(1e-3, 0.4999, 5000)))
    z = np.zeros(len(low))
    quantiles(low, z)
    assert np.max(np.abs(z / special.ndtri(low) - 1)) < 2e-15
    high = 1.0 - 2.0 ** -np.arange(2.0, 54.0)
    z = np.zeros(len(high))
    quantiles(high, z)
    assert z == pytest.approx(-special.ndtri(1.0 - high), rel=2e-15)
    assert math.isclose(z[-1], 8.209536151601387, rel_tol=1e-14)


def test_turns_are_cosines_and_sines():
    x = np.concatenate((np.linspace(0.0, 1.0, 801), [0.125 - 1e-16, 2.0**-53, 1.0 - 2.0**-53]))
    found = np.array([turn(one) for one in x])
    quarters = 4.0 * x
    away = quarters - np.round(quarters)  # exact, so that cos and sin lose no digits
    pairs = np.cos(np.pi / 2 * away), np.sin(np.pi / 2 * away)
    q = np.round(quarters) % 4
    cosine = np.choose(q.astype(int), [pairs[0], -pairs[1], -pairs[0], pairs[1]])
    sine = np.choose(q.astype(int), [pairs[1], pairs[0], -pairs[1], -pairs[0]])
    np.testing.assert_allclose(found, np.column_stack((cosine, sine)), rtol=0.0, atol=1e-15)


@pytest.mark.parametrize("n", range(1, 61))
def test_an_alias_table_has_the_chances_it_was_built_from(n):
    rng = np.random.default_rng(n)
    for weights in (rng.random(n) + 1e-9, rng.random(n) ** 20, (rng.random(n) < 0.4) + 0.0):
        weights[rng.integers(n)] += 0.1
        threshold, other = alias_table(weights)
        kept = threshold / 2.0**63
        chances = np.bincount(other[:, 0], (1 - kept) / n, n) + kept / n
        assert chances == pytest.approx(weights / weights.sum(), rel=0, abs=1e-15)
        assert np.all(chances[weights == 0] == 0)
        assert np.array_equal(other[:, 1], np.arange(n))


def test_an_alias_table_splits_its_cells_exactly():
    """The last bits of a cell's part that is kept and the first ones of the part that is not."""
    threshold, other = alias_table([1.0, 3.0, 2.0])
    edge = -(-int(threshold[0]) * 2 // 3)  # the first word of cell 0 that is not kept
    words = np.array([0, edge - 1, edge, 2**64 // 3, 2**64 // 3 + 1, 2**64 - 1], np.uint64)
    out = np.zeros(len(words), np.int64)
    pick_words(words, threshold, other, out)
    assert out.tolist() == [0, 0, int(other[0, 0]), int(other[0, 0]), 1, int(other[2, 0])]


def test_a_key_is_the_documented_hash():
    def prefixed(*parts):
        return b"".join(len(part).to_bytes(8, "little") + part for part in parts)

    expected = blake2b(prefixed(b"\x07", b"web", "größe".encode())).digest()[:8]
    assert stream_key(7, "web", "größe") == int.from_bytes(expected, "little")
    assert stream_key(1, "arrivals", "web") == 8563014396262662168


def test_different_streams_have_different_keys():
    seeds = [0, 1, -1, 127, 128, 255, 256, -128, -129, 2**63, -(2**63), 2**64, 2**64 + 1, 10**40]
    names = [
        (),
        ("",),
        ("", ""),
        ("a",),
        ("a\0",),
        ("abc",),
        ("ab", "c"),
        ("a", "bc"),
        ("a", "b", "c"),
    ]
    keys = {stream_key(seed, *name) for seed in seeds for name in names}
    assert len(keys) == len(seeds) * len(names)
    assert stream_key(np.int64(-5), "a") == stream_key(-5, "a")
    with pytest.raises(TypeError):
        stream_key(1.0, "a")


def test_keys_come_in_the_order_of_their_names():
    names = [("a",), ("b", "c"), ()]
    keys = stream_keys(3, names)
    assert keys.dtype == np.uint64
    assert keys.tolist() == [stream_key(3, *name) for name in names]
    assert len(stream_keys(3, [])) == 0


def fresh_directory():
    return kernel.cache_directory.__wrapped__()


def test_the_cache_is_where_it_is_told_to_be(monkeypatch, tmp_path):
    monkeypatch.setenv("FORECAST_CACHE_DIR", str(tmp_path / "here"))
    assert fresh_directory().parent == tmp_path / "here"
    monkeypatch.delenv("FORECAST_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    assert fresh_directory().parent == tmp_path / "user" / "forecast"
    assert fresh_directory().name.startswith("forecast-kernel-")


def test_an_unwritable_cache_moves_to_a_private_directory(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FORECAST_CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = fresh_directory()
    private = found.parent
    assert private.parent == tmp_path
    assert private.stat().st_mode & 0o777 == 0o700
    assert fresh_directory() == found
    private.chmod(0o777)  # somebody else could have put code there
    other = fresh_directory()
    assert other.parent == tmp_path
    assert other.stat().st_mode & 0o777 == 0o700


def test_the_cache_is_named_by_every_source_file(monkeypatch, tmp_path):
    for source in Path(kernel.__file__).parent.glob("*.py"):
        (tmp_path / source.name).write_bytes(source.read_bytes())
    before = kernel._source_hash()
    monkeypatch.setattr(kernel, "__file__", str(tmp_path / "__init__.py"))
    assert kernel._source_hash() == before
    (tmp_path / "bits.py").write_text("# edited\n")
    assert kernel._source_hash() != before


def test_caches_not_used_for_a_month_are_removed(monkeypatch, tmp_path):
    month = 31 * 24 * 3600
    for name, age in (("forecast-kernel-old", month), ("forecast-kernel-new", 0), ("mine", month)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    monkeypatch.setenv("FORECAST_CACHE_DIR", str(tmp_path))
    created = fresh_directory()
    assert {p.name for p in tmp_path.iterdir()} == {"forecast-kernel-new", "mine", created.name}


def test_the_cache_of_the_users_own_functions_stays(monkeypatch):
    monkeypatch.setattr(numba.core.config, "CACHE_DIR", "/somewhere/else")

    @kernel.jit(entry=True)
    def function():
        return 1

    assert numba.core.config.CACHE_DIR == "/somewhere/else"
    assert Path(function._cache.cache_path).is_relative_to(kernel.cache_directory())
