"""Expected counts: the sweep's float twin, exact given the assumptions.

``follow`` takes the expected arrivals of one group through its journey: a convolution over the lags
of all ways, loops included. The closed-form means add up what it gives; the collapse draws from it.
Rows of assumption values are followed side by side, a row a lane; a lane's figures depend on no
other lane.
"""

from typing import NamedTuple

import numpy as np

from forecast.engine.kernel import jit
from forecast.engine.kernel.elimination import eliminate
from forecast.engine.kernel.lanes import LANES
from forecast.engine.kernel.rows import pick
from forecast.engine.kernel.samplers import Counts, Floats
from forecast.engine.kernel.shapes import Plan, Steps, Tables


class Flow(NamedTuple):
    """One group on its way, a row of assumptions a lane: what arrives, what comes of it."""

    arrivals: Floats  # (t, lane) to be filled before; entries into the channel's first stage
    entered: Floats  # (span, j + 2, lane) items that enter a stage, or are won or lost
    open: Floats  # (span, j, lane) items inside each stage at the span's end
    take: Floats  # (e, lane) of what the ways before it left
    due: Floats  # (e, t, lane) items that arrive at a stage
    ending: Floats  # (e, span, lane) items that are won or lost
    waiting: Floats  # (j, lane)
    inside: Floats  # (j, lane)
    matrix: Floats  # (j, j + 1)
    left: Floats  # (lane,)
    taken: Floats  # (lane,)


def new_flow(plan: Plan, keeps_open: bool) -> Flow:
    """Allocate a flow, that keeps what is inside the stages or not."""
    periods, spans = len(plan.quarter_of), len(plan.spans.start) - 1
    stages, ways = len(plan.first_way) - 1, len(plan.target)
    return Flow(
        np.zeros((periods, LANES)),
        np.zeros((spans, stages + 2, LANES)),
        np.zeros((spans if keeps_open else 0, stages, LANES)),
        np.zeros((ways, LANES)),
        np.zeros((ways, periods, LANES)),
        np.zeros((ways, spans, LANES)),
        np.zeros((stages, LANES)),
        np.zeros((stages, LANES)),
        np.zeros((stages, stages + 1)),
        *(np.zeros(LANES) for _ in range(2)),
    )


class Rows(NamedTuple):
    """Which rows of the tables, and which group."""

    first: int
    lanes: int
    group: int


class Course(NamedTuple):
    """What of plan and tables the flow of a group depends on; few arrays compile faster."""

    lag_phase_of: Counts
    spans: Steps
    first_way: Counts
    source: Counts
    target: Counts
    lag_of: Counts  # (lag phase, e) those of the group
    lag_first: Counts
    lag_step: Counts
    lag_chance: Floats
    lag_beyond: Floats


@jit()
def follow(plan: Plan, tables: Tables, rows: Rows, entry: int, begin: int, flow: Flow) -> None:
    """Follow the arrivals of a group from period ``begin`` on; fills entered, and open if kept."""
    clear(flow)
    follow_on(plan, tables, rows, entry, begin, flow)


@jit(merge=True)
def clear(flow: Flow) -> None:
    """Take everything but the arrivals off its way."""
    flow.due[:] = 0.0
    flow.ending[:] = 0.0
    flow.inside[:] = 0.0
    flow.entered[:] = 0.0
    flow.waiting[:] = 0.0


@jit()
def follow_on(plan: Plan, tables: Tables, rows: Rows, entry: int, begin: int, flow: Flow) -> None:
    """Follow the arrivals of a group, and what is under way."""
    periods, stages = len(plan.quarter_of), len(flow.waiting)
    course = Course(
        plan.lag_phase_of,
        plan.spans,
        plan.first_way,
        plan.source,
        plan.target,
        plan.lag_of[:, rows.group],
        tables.lag_first,
        tables.lag_step,
        tables.lag_chance,
        tables.lag_beyond,
    )
    again = False
    for t in range(begin, periods):
        phase, span = plan.phase_of[t], plan.spans.of[t]
        if t == begin or phase != plan.phase_of[t - 1]:
            for e in range(len(plan.target)):
                pick(tables.take[:, phase, rows.group, e], rows.first, rows.lanes, flow.take[e])
            again = has_way_back(course, rows, plan.lag_phase_of[t])
        arrive(course, entry, t, rows.lanes, flow)
        if again:
            solve(course, rows, plan.lag_phase_of[t], flow)
        for j in range(stages):
            enter(course, rows, t, j, again, flow)
        if plan.spans.start[span + 1] == t + 1:
            close(course, span, rows.lanes, flow)


@jit(merge=True)
def has_way_back(course: Course, rows: Rows, phase: int) -> bool:
    """Tell whether a way without lag may lead back to its own stage or one before it."""
    for e in range(len(course.target)):
        lag = course.lag_of[phase, e]
        first, each = course.lag_first[lag], course.lag_step[lag]
        for i in range(rows.lanes if course.target[e] <= course.source[e] else 0):
            if course.lag_chance[first + each * (rows.first + i), 0] > 0.0:
                return True
    return False


@jit(merge=True)
def arrive(course: Course, entry: int, t: int, lanes: int, flow: Flow) -> None:
    """Let what arrives in a period wait for its stages."""
    arrivals, waiting = flow.arrivals[t], flow.waiting[entry]
    for i in range(lanes):
        waiting[i] = arrivals[i]
    for e in range(len(course.target)):
        if course.target[e] < len(flow.waiting):
            due, ahead = flow.due[e, t], flow.waiting[course.target[e]]
            for i in range(lanes):
                ahead[i] += due[i]
            take_out(course.source[e], due, lanes, flow)
            due[:] = 0.0  # from here on what is sent in this very period
        elif course.spans.start[course.spans.of[t]] == t:
            take_out(course.source[e], flow.ending[e, course.spans.of[t]], lanes, flow)


@jit(merge=True)
def take_out(j: int, leaving: Floats, lanes: int, flow: Flow) -> None:
    """Take items out of a stage, where it is kept how many are inside."""
    if len(flow.open) > 0:
        inside = flow.inside[j]
        for i in range(lanes):
            inside[i] -= leaving[i]


@jit(merge=True)
def solve(course: Course, rows: Rows, phase: int, flow: Flow) -> None:
    """Turn what waits for the stages into all that enters them in this period, loops included.

    x = w + P' x, where P[j, k] is the chance to go from stage j to stage k in no time: Gaussian
    elimination, which needs no pivots as I - P' is an M-matrix.
    """
    stages, matrix = len(flow.waiting), flow.matrix
    for i in range(rows.lanes):
        for j in range(stages):
            for k in range(stages):
                matrix[k, j] = 1.0 if j == k else 0.0
            matrix[j, stages] = flow.waiting[j, i]
        for j in range(stages):
            left = 1.0
            for e in range(course.first_way[j], course.first_way[j + 1]):
                m = left * flow.take[e, i]
                left -= m
                if course.target[e] < stages:
                    lag = course.lag_of[phase, e]
                    row = course.lag_first[lag] + course.lag_step[lag] * (rows.first + i)
                    matrix[course.target[e], j] -= m * course.lag_chance[row, 0]
        eliminate(matrix, flow.waiting[:, i])


@jit(merge=True)
def enter(course: Course, rows: Rows, t: int, j: int, again: bool, flow: Flow) -> None:
    """Let what waits for a stage enter it, and split it over its ways and lags."""
    lanes, span = rows.lanes, course.spans.of[t]
    left, taken, waiting = flow.left[:lanes], flow.taken[:lanes], flow.waiting[j]
    entered, lost = flow.entered[span, j], flow.entered[span, len(flow.waiting) + 1]
    some = 0
    for i in range(lanes):
        n = waiting[i]
        some += 1 if n > 0.0 else 0
        left[i] = n
        entered[i] += n
    if some == 0:
        return
    for i in range(lanes):
        waiting[i] = 0.0
    for e in range(course.first_way[j], course.first_way[j + 1]):
        take = flow.take[e]
        some = 0
        for i in range(lanes):
            taken[i] = left[i] * take[i]
            some += 1 if taken[i] > 0.0 else 0
        if some > 0:
            for i in range(lanes):
                left[i] -= taken[i]
            send(course, rows, t, e, again, flow)
    for i in range(lanes):
        lost[i] += left[i]


@jit(merge=True)
def send(course: Course, rows: Rows, t: int, e: int, again: bool, flow: Flow) -> None:
    """Spread what takes way e over the periods, or, at the journey's end, over the spans.

    Where loops were solved, what arrives at once is counted already.
    """
    lag = course.lag_of[course.lag_phase_of[t], e]
    first = course.lag_first[lag] + course.lag_step[lag] * rows.first
    is_certain = course.lag_step[lag] == 0
    taken = flow.taken[: rows.lanes]
    cells = course.lag_beyond.shape[1] - 1
    if course.target[e] >= len(flow.waiting):
        for b in range(course.spans.of[t], len(flow.entered)):
            begin = min(max(course.spans.start[b] - t, 0), cells)
            end = min(course.spans.start[b + 1] - t, cells)
            more, less = course.lag_beyond[first:, begin], course.lag_beyond[first:, end]
            if is_certain:
                add_share(taken, more[0] - less[0], flow.ending[e, b])
            else:
                ended = flow.ending[e, b]
                for i in range(len(taken)):
                    ended[i] += (more[i] - less[i]) * taken[i]
        end = min(course.spans.start[course.spans.of[t] + 1] - t, cells)
        put_in(course.source[e], course.lag_beyond[first:, end], is_certain, taken, flow)
        return
    coming = flow.due[e]
    for k in range(min(course.lag_chance.shape[1], len(course.lag_phase_of) - t)):
        chance, due = course.lag_chance[first:, k], coming[t + k]
        if is_certain:
            add_share(taken, chance[0], due)
        else:
            for i in range(len(taken)):
                due[i] += chance[i] * taken[i]
    put_in(course.source[e], course.lag_beyond[first:, 1], is_certain, taken, flow)
    if not again:
        at_once, waiting = coming[t], flow.waiting[course.target[e]]
        for i in range(len(taken)):
            waiting[i] += at_once[i]
    coming[t] = 0.0


@jit(merge=True)
def put_in(j: int, staying: Floats, is_certain: bool, taken: Floats, flow: Flow) -> None:
    """Put what stays of what was taken into a stage, where it is kept how many are inside."""
    if len(flow.open) > 0:
        inside = flow.inside[j]
        if is_certain:
            add_share(taken, staying[0], inside)
        else:
            for i in range(len(taken)):
                inside[i] += staying[i] * taken[i]


@jit(inline=True)
def add_share(taken: Floats, share: float, out: Floats) -> None:
    """Add a share of what was taken, the same in all lanes."""
    if share != 0.0:
        for i in range(len(taken)):
            out[i] += share * taken[i]


@jit(merge=True)
def close(course: Course, span: int, lanes: int, flow: Flow) -> None:
    """Count what ended in a span, and note what is inside the stages at its end."""
    stages = len(flow.inside)
    for e in range(len(course.target)):
        if course.target[e] >= stages:
            ended, entered = flow.ending[e, span], flow.entered[span, course.target[e]]
            for i in range(lanes):
                entered[i] += ended[i]
    if len(flow.open) > 0:
        for j in range(stages):
            for i in range(lanes):
                flow.open[span, j, i] = flow.inside[j, i]
