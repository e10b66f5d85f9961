"""Builds the tables of sums of sizes, level by level, and keeps the laws they come from on disk.

Level k of a ladder holds the laws of d * 16**k units for the digits d = 2 .. 16; that of 16 is the
unit of level k + 1. Each is the law of two halves (``kernel.convolve``), so that it depends neither
on how many levels there are nor on how many digits the last one has. Against closed forms and
finer quadrature the relative error of quantiles between 0.001 and 0.999 is below 5e-5.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from forecast.engine.kernel import cache_directory
from forecast.engine.kernel.convolve import CELLS, TARGETS, half, legendre, resample
from forecast.engine.kernel.ladder import BASE, DIGITS, Ladders, fill_rows
from forecast.engine.kernel.ladder import CELLS as ROW_CELLS
from forecast.engine.units import Unit

Array = NDArray[np.float64]

VERSION = 1  # of the laws on disk, beside the kernel's sources, which name the directory
MOST_UNITS = BASE**10
_DIGEST = 16
_RULE = legendre()

MOST_KEPT = 16  # tables of ladders kept in memory
_kept: dict[tuple[bytes, tuple[int, ...]], Array] = {}


@dataclass(frozen=True)
class Order:
    """A ladder to be built: its unit, and the most units to prepare for."""

    unit: Unit
    units: int

    @property
    def key(self) -> bytes:
        """What the laws of all levels follow from."""
        head = f"{VERSION} {self.unit.top}".encode()
        return hashlib.blake2b(head + self.unit.law.tobytes(), digest_size=_DIGEST).digest()

    @property
    def digits(self) -> list[int]:
        """The digits of each level."""
        units = min(self.units, MOST_UNITS)
        levels = max((units.bit_length() + 3) // 4, 1)
        last = max(units // BASE ** (levels - 1), 1)
        return [DIGITS] * (levels - 1) + [last]


def build_ladders(orders: Sequence[Order]) -> Ladders:
    """The tables of all orders, one after another."""
    rows, levels, digits = [0], [], []
    tables = []
    for order in orders:
        table = build_table(order)
        tables.append(table)
        rows.append(rows[-1] + len(table))
        levels.append(len(order.digits))
        digits.append(order.digits[-1])
    return Ladders(
        np.array(rows[:-1], dtype=np.int64),
        np.array(levels, dtype=np.int64),
        np.array(digits, dtype=np.int64),
        np.array([order.unit.size for order in orders], dtype=np.int64),
        np.concatenate(tables) if tables else np.zeros((1, ROW_CELLS, 4)),
    )


def build_table(order: Order) -> Array:
    """The rows of one ladder, shape (row, cell, 4): DIGITS of each level, fewer of the last.

    The last few are kept in memory, as the scenarios of a batch mostly share their sizes.
    """
    name = order.key, tuple(order.digits)
    if name not in _kept:
        while len(_kept) >= MOST_KEPT:
            _kept.pop(next(iter(_kept)), None)
        _kept[name] = _new_table(order)
    return _kept[name]


def _new_table(order: Order) -> Array:
    unit, top = order.unit.law, order.unit.top
    table = np.empty((sum(order.digits), ROW_CELLS, 4))
    row = 0
    for level, digits in enumerate(order.digits):
        is_last = level == len(order.digits) - 1
        laws = _level(order.key, level, digits if is_last else BASE, unit, top)
        for d in range(1, digits + 1):
            fill_rows(laws[d - 1], d * top, table[row])
            row += 1
        unit, top = laws[-1], BASE * top
    return table


def _level(key: bytes, level: int, most: int, unit: Array, top: float) -> list[Array]:
    """The laws of 1 .. most units of a level: from disk, or built and put there."""
    if most == 1:
        return [unit]
    path = _folder() / f"{key.hex()}-{level}"
    kept = _load(path, most)
    if kept is None:
        laws = sums_of_units(unit, top, most)
        _save(path, np.array(laws[1:]))
        return laws
    return [unit, *kept[: most - 1]]


def sums_of_units(unit: Array, top: float, most: int) -> list[Array]:
    """The laws of 1, 2, ..., most units; each is that of two halves, or nearly halves."""
    laws = [unit]
    for d in range(2, most + 1):
        small, large = d // 2, d - d // 2
        laws.append(sum_law(laws[small - 1], laws[large - 1], (small * top, large * top)))
    return laws


def sum_law(a: Array, b: Array, tops: tuple[float, float]) -> Array:
    """The law of the sum of two independent amounts; *tops* is where they end."""
    points = np.empty((2, TARGETS))
    n = half(a, b, tops, _RULE, 1, points)
    lower = points[:, :n][:, ::-1].copy()
    if tops[0] < inf:
        n = half(_missing(a), _missing(b), tops, _RULE, 1, points)
        upper = -points[:, 1:n]
    else:
        n = half(a, b, tops, _RULE, -1, points)
        upper = points[:, 1:n]
    scores, places = np.concatenate([lower, upper], axis=1)
    law = np.empty((2, CELLS + 1))
    resample(scores.copy(), places.copy(), law)
    return law


def _missing(law: Array) -> Array:
    """The law of what an amount lacks to its top: logit(1 - x / top) = -logit(x / top)."""
    return np.array([-law[0, ::-1], law[1, ::-1]])


def _folder() -> Path:
    return cache_directory() / "ladders"


def _load(path: Path, most: int) -> Array | None:
    """The laws of 2 .. most units from a file; None unless it is whole and has them all."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, data = content[:_DIGEST], content[_DIGEST:]
    row = 2 * (CELLS + 1) * 8
    if len(data) < (most - 1) * row or len(data) % row or digest != _digest(data):
        return None
    return np.frombuffer(data).reshape(-1, 2, CELLS + 1).copy()  # writable, as laws just built are


def _save(path: Path, laws: Array) -> None:
    """Put laws into a file at once or not at all; without, they are built again next time."""
    data = laws.tobytes()
    with suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_digest(data) + data)
            os.replace(beside, path)
        except OSError:
            os.unlink(beside)
            raise


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_DIGEST).digest()
