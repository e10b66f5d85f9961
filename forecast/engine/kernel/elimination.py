"""Small linear systems: Gaussian elimination without pivots, which M-matrices do not need."""

from forecast.engine.kernel import jit
from forecast.engine.kernel.samplers import Floats


@jit()
def eliminate(matrix: Floats, out: Floats) -> None:
    """Solve A out = b; matrix (j, j + 1) holds A and then b, and is used up."""
    size = len(matrix)
    for j in range(size):
        for k in range(j + 1, size):
            factor = matrix[k, j] / matrix[j, j]
            for column in range(j, size + 1):
                matrix[k, column] -= factor * matrix[j, column]
    for j in range(size - 1, -1, -1):
        x = matrix[j, size]
        for k in range(j + 1, size):
            x -= matrix[j, k] * out[k]
        out[j] = x / matrix[j, j]
