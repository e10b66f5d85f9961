"""Counts and sums of sizes as the kernel draws them, a block of lanes after another."""

import numpy as np

from forecast.engine.kernel import jit, lanes
from forecast.engine.keys import stream_key
from forecast.engine.worth import sums_of

STEP = 3


@jit(entry=True)
def fill_poissons(mean, key, first, block, work, out):
    for i in range(0, len(out), block):
        here = out[i : i + block]
        lanes.poissons(mean[i : i + block], (key, first + i, STEP, 1), work, here)


@jit(entry=True)
def fill_binomials(n, p, key, first, block, work, out):
    for i in range(0, len(out), block):
        here = out[i : i + block]
        lanes.binomials(n[i : i + block], p[i : i + block], (key, first + i, STEP, 1), work, here)


def key_of(*names):
    return np.uint64(stream_key(20260101, *map(str, names)))


def poissons(mean, name="poisson", first=0, block=lanes.LANES):
    """Counts of the runs from ``first`` on, one for each mean."""
    mean = np.asarray(mean, dtype=float)
    out = np.full(len(mean), -7)
    fill_poissons(mean, key_of(name), first, block, lanes.new_work(), out)
    return out


def binomials(n, p, name="binomial", first=0, block=lanes.LANES):
    """Counts of the runs from ``first`` on, one for each number of trials and its chance."""
    n = np.asarray(n, dtype=np.int64)
    out = np.full(len(n), -7)
    work = lanes.new_work()
    fill_binomials(n, np.asarray(p, dtype=float), key_of(name), first, block, work, out)
    return out


def sums(n, sizes, v=0, name="sums", first=0, block=64):
    """Sums of n sizes of family v, of the runs from ``first`` on."""
    n = np.asarray(n, dtype=np.int64)
    step = np.array([STEP])
    return sums_of(n[None], sizes, (0, v), (key_of(name), first), step, block)[0]
