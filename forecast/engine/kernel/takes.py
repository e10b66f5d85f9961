"""The conditional chances that the tables hold, made of the assumptions of every run.

What comes one after another takes a chance of what is left by what came before it: the ways out of
a stage, the segments, the products.
"""

from typing import NamedTuple

from forecast.engine.kernel import jit
from forecast.engine.kernel.samplers import Counts, Floats

DIRICHLET, CONVERSION, OF_REST, REMAINDER = range(4)  # what a transition takes: Journeys.kind
SPARE_ROWS = 4  # of the working space of ``fill_takes``
WHOLE = 1e-12  # what chances that are a whole may miss 1 by


class Journeys(NamedTuple):
    """What the transitions of all journeys take, those of a stage side by side, dirichlets first.

    A number is named by its place among the uncertain ones, or as -1 - its place among the rest.
    """

    kind: Counts  # (transition,)
    number: Counts  # (transition,)
    over: Counts  # (transition,) the number that a conversion is divided by
    first: Counts  # (stage of a journey + 1,) its first transition
    certain: Floats
    way: Counts  # (version, g, e) the transition that gives its chance, or one more, always 0
    weights: Floats  # (f, version)
    first_way: Counts  # (j + 1,)


@jit(entry=True)
def fill_takes(columns: Floats, journeys: Journeys, work: Floats, takes: Floats) -> None:
    """takes[r, f, g, e] = chance of a way given that those before it were not taken.

    *columns* (number, r) are the uncertain numbers; *work* (transition + SPARE_ROWS + e, lane) is
    space for as many runs at a time as it has lanes, on which the result does not depend.
    """
    spare, lanes = len(journeys.kind), work.shape[1]
    for begin in range(0, len(takes), lanes):
        n = min(lanes, len(takes) - begin)
        runs = (begin, begin + n)
        work[spare, :n] = 0.0
        for stage in range(len(journeys.first) - 1):
            _take_shares(journeys, stage, columns, runs, work)
            _take_rest(journeys, stage, columns, runs, work)
        for f in range(takes.shape[1]):
            for g in range(takes.shape[2]):
                _take_ways(journeys, f, g, n, work)
                for e in range(takes.shape[3]):
                    row = work[spare + SPARE_ROWS + e]
                    for r in range(n):
                        takes[begin + r, f, g, e] = row[r]


@jit()
def _take_shares(
    journeys: Journeys, stage: int, columns: Floats, runs: tuple[int, int], work: Floats
) -> None:
    """work[transition] = what dirichlets and conversions of a stage take; behind all, their sum."""
    spare, n = len(journeys.kind), runs[1] - runs[0]
    total, left, number = work[spare + 1][:n], work[spare + 2][:n], work[spare + 3][:n]
    total[:] = 0.0
    left[:] = 1.0
    for i in range(journeys.first[stage], journeys.first[stage + 1]):
        found = work[i][:n]
        if journeys.kind[i] == DIRICHLET:
            _load(journeys, journeys.number[i], columns, runs, number)
            for r in range(n):
                found[r] = left[r] * number[r]
                left[r] -= found[r]
                total[r] += found[r]
        elif journeys.kind[i] == CONVERSION:
            _load(journeys, journeys.number[i], columns, runs, found)
            _load(journeys, journeys.over[i], columns, runs, number)
            for r in range(n):
                found[r] = min(found[r] / number[r], 1.0)
                total[r] += found[r]
    for i in range(journeys.first[stage], journeys.first[stage + 1]):
        if journeys.kind[i] == DIRICHLET or journeys.kind[i] == CONVERSION:
            found = work[i][:n]
            for r in range(n):
                found[r] /= max(total[r], 1.0)  # above 1 it is rarer than RARE: scenario.facts


@jit()
def _take_rest(
    journeys: Journeys, stage: int, columns: Floats, runs: tuple[int, int], work: Floats
) -> None:
    """work[transition] = what shares of the rest take of what _take_shares left, and the lost."""
    spare, n = len(journeys.kind), runs[1] - runs[0]
    total, left, number = work[spare + 1][:n], work[spare + 2][:n], work[spare + 3][:n]
    for r in range(n):
        left[r] = max(1.0 - total[r], 0.0)
        total[r] = left[r]
    for i in range(journeys.first[stage], journeys.first[stage + 1]):
        if journeys.kind[i] == OF_REST:
            found = work[i][:n]
            _load(journeys, journeys.number[i], columns, runs, number)
            for r in range(n):
                found[r] = total[r] * number[r]
                left[r] -= found[r]
    for i in range(journeys.first[stage], journeys.first[stage + 1]):
        if journeys.kind[i] == REMAINDER:
            found = work[i][:n]
            for r in range(n):
                found[r] = max(left[r], 0.0)


@jit()
def _load(
    journeys: Journeys, place: int, columns: Floats, runs: tuple[int, int], out: Floats
) -> None:
    """out[r] = a number in some runs."""
    if place < 0:
        out[:] = journeys.certain[-1 - place]
    else:
        column = columns[place][runs[0] : runs[1]]
        for r in range(len(out)):
            out[r] = column[r]


@jit()
def _take_ways(journeys: Journeys, f: int, g: int, n: int, work: Floats) -> None:
    """work[transition + SPARE_ROWS + e] = the conditional chances of a group's ways in a phase."""
    spare, first_way = len(journeys.kind), journeys.first_way
    whole, tail = work[spare + 1][:n], work[spare + 2][:n]
    for stage in range(len(first_way) - 1):
        whole[:] = 0.0
        tail[:] = 0.0
        for e in range(first_way[stage], first_way[stage + 1]):
            chance = work[spare + SPARE_ROWS + e][:n]
            chance[:] = 0.0
            for v in range(journeys.weights.shape[1]):
                weight, found = journeys.weights[f, v], work[journeys.way[v, g, e]]
                for r in range(n):
                    chance[r] += weight * found[r]
            for r in range(n):
                whole[r] += chance[r]
        for e in range(first_way[stage + 1] - 1, first_way[stage] - 1, -1):
            chance = work[spare + SPARE_ROWS + e][:n]
            for r in range(n):
                tail[r] += chance[r]
                chance[r] = _of_left(chance[r], tail[r], whole[r])


@jit(inline=True)
def _of_left(chance: float, tail: float, whole: float) -> float:
    """A chance of what the items before left: *tail* is it and those behind it, *whole* all.

    What is left counts from the end where the chances are a whole, which keeps the last item with
    mass at exactly 1.
    """
    rest = 0.0 if abs(whole - 1.0) < WHOLE else 1.0 - whole
    return min(max(chance / (tail + rest), 0.0), 1.0) if chance > 0.0 else 0.0


@jit(entry=True)
def fill_conditional(by_version: Floats, weights: Floats, starts: Counts, out: Floats) -> None:
    """out[r, f, g, i] = chance of an item given that those before it were not taken.

    *by_version* (r, version, g, i) are the chances, *weights* (f, version) those of the versions.
    """
    for r in range(out.shape[0]):
        for f in range(out.shape[1]):
            for g in range(out.shape[2]):
                row = out[r, f, g]
                for i in range(len(row)):
                    total = weights[f, 0] * by_version[r, 0, g, i]
                    for v in range(1, weights.shape[1]):
                        total += weights[f, v] * by_version[r, v, g, i]
                    row[i] = total
                _condition(row, starts)


@jit()
def _condition(chances: Floats, starts: Counts) -> None:
    """Turn chances into those of what the items before left, in blocks that begin at starts."""
    for block in range(len(starts) - 1):
        whole, tail = 0.0, 0.0
        for i in range(starts[block], starts[block + 1]):
            whole += chances[i]
        for i in range(starts[block + 1] - 1, starts[block] - 1, -1):
            tail += chances[i]
            chances[i] = _of_left(chances[i], tail, whole)
