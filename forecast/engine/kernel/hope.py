"""The chance to be won in the end from every stage, and the ways of items known to be won."""

from forecast.engine.kernel import jit
from forecast.engine.kernel.elimination import eliminate
from forecast.engine.kernel.rows import row_of
from forecast.engine.kernel.samplers import Counts, Floats
from forecast.engine.kernel.shapes import Plan, Tables


@jit(entry=True)
def fill_hope(
    plan: Plan, tables: Tables, wanted: Counts, matrix: Floats, hope: Floats, take: Floats
) -> None:
    """hope[r, f, g, j] = chance to be won in the end under a phase's takes; take those given that.

    h(won) = 1, h(lost) = 0, h = P h between; of items that are won way e has the chance
    P(e) h(target) / h(source) (Doob's h-transform). ``wanted`` tells of each group whether it is
    asked for; ``matrix`` (j, j + 1) is working space.
    """
    for r in range(hope.shape[0]):
        for f in range(hope.shape[1]):
            for g in range(hope.shape[2]):
                if wanted[g]:
                    chances = tables.take[row_of(len(tables.take), r), f, g]
                    _solve(plan, chances, matrix, hope[r, f, g])
                    _given_won(plan, chances, hope[r, f, g], take[r, f, g])


@jit()
def _solve(plan: Plan, chances: Floats, matrix: Floats, hope: Floats) -> None:
    """Solve (I - P) h = P(won); I - P is an M-matrix, which needs no pivots."""
    stages = len(matrix)
    for j in range(stages):
        for k in range(stages + 1):
            matrix[j, k] = 1.0 if j == k else 0.0
        left = 1.0
        for e in range(plan.first_way[j], plan.first_way[j + 1]):
            share = left * chances[e]
            left -= share
            if plan.target[e] < stages:
                matrix[j, plan.target[e]] -= share
            elif plan.target[e] == stages:
                matrix[j, stages] += share
    eliminate(matrix, hope)
    hope[stages] = 1.0
    hope[stages + 1] = 0.0


@jit()
def _given_won(plan: Plan, chances: Floats, hope: Floats, take: Floats) -> None:
    """take[e] = chance of way e given that none before it was taken, of items that are won."""
    for j in range(len(plan.first_way) - 1):
        left = 1.0
        begin, end = plan.first_way[j], plan.first_way[j + 1]
        for e in range(begin, end):
            share = left * chances[e]
            left -= share
            take[e] = share * hope[plan.target[e]]
        tail = 0.0
        for e in range(end - 1, begin - 1, -1):
            tail += take[e]
            take[e] = take[e] / tail if tail > 0.0 else 0.0
