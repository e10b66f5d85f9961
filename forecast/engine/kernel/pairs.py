"""Addition to two neighbours in one instruction.

numba leaves off the part of the compiler that would find these by itself; and a tally that adds a
count and an amount where each lane's deal is won is bound by how many numbers it stores.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


def _add_pair(_: Any, array: Any, at: Any, first: Any, second: Any) -> Any:  # noqa: ARG001
    """array[at] += first; array[at + 1] += second, of doubles, without a check of bounds."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        pair, word = ir.VectorType(ir.DoubleType(), 2), ir.IntType(32)
        data = context.make_array(signature.args[0])(context, builder, given[0]).data
        place = builder.bitcast(builder.gep(data, [given[1]]), pair.as_pointer())
        more = ir.Constant(pair, ir.Undefined)
        for i in (0, 1):
            more = builder.insert_element(more, given[2 + i], word(i))
        builder.store(builder.fadd(builder.load(place, align=8), more), place, align=8)
        return context.get_dummy_value()

    return types.void(array, types.uint64, types.float64, types.float64), code


add_pair: Any = intrinsic(_add_pair)
