"""Work on threads: all of it once, errors raised, and no thread waited for that cannot come."""

import os
import threading
import time

import pytest

from forecast.engine.threads import even_cuts, in_order, side_by_side


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(
    ("runs", "size", "step"), [(1, 4096, 128), (10_000, 4096, 128), (100, 7, 128), (99_999, 512, 1)]
)
def test_cuts_are_even_and_hold_every_run_once(runs, size, step, threads):
    cuts = even_cuts(runs, size, step, threads)
    assert [run for first, count in cuts for run in (first, first + count)][1:-1:2] == [
        first for first, _ in cuts[1:]
    ]
    assert cuts[0][0] == 0
    assert sum(count for _, count in cuts) == runs
    counts = [count for _, count in cuts]
    assert max(counts) <= size
    assert set(counts[:-1]) <= {counts[0]}
    assert counts[-1] <= counts[0]


def test_cuts_of_many_runs_are_as_many_for_every_thread():
    assert len(even_cuts(40_000, 4_096, 128, 2)) == 10
    assert len(even_cuts(50_000, 4_096, 128, 4)) == 16


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_all_tasks_are_done_once(threads):
    done = []
    side_by_side(lambda *task: done.append(task), [(i, 2 * i) for i in range(50)], threads)
    assert sorted(done) == [(i, 2 * i) for i in range(50)]
    side_by_side(done.append, [], threads)


def test_two_threads_work_at_once():
    together = threading.Barrier(2, timeout=20)
    side_by_side(lambda _: together.wait(), [(0,), (1,)], 2)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("wrong", [0, 1])
def test_an_error_ends_the_work_and_is_raised(threads, wrong):
    done = []

    def work(i):
        if i == wrong:
            raise ValueError("no")
        time.sleep(0.01)
        done.append(i)

    with pytest.raises(ValueError, match="no"):
        side_by_side(work, [(i,) for i in range(200)], threads)
    assert len(done) < 100


def test_work_inside_work_waits_for_nobody():
    done = []

    def outer(i):
        side_by_side(lambda j: done.append((i, j)), [(j,) for j in range(4)], 2)

    side_by_side(outer, [(i,) for i in range(8)], 2)
    assert sorted(done) == [(i, j) for i in range(8) for j in range(4)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own():
    together = threading.Barrier(2, timeout=20)
    side_by_side(lambda _: together.wait(), [(0,), (1,)], 2)  # its threads stay, and are not forked
    child = os.fork()
    if child == 0:
        code = 1
        try:
            side_by_side(lambda _: together.wait(), [(0,), (1,)], 2)
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_results_in_order_whichever_is_ready_first():
    def work(first, count):
        time.sleep(0.002 * (first % 3))
        return first, count

    slices = [(i, 1) for i in range(20)]
    assert [*in_order(work, slices, 3)] == slices
