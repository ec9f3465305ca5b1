"""Positions of a homography as vectors, written in LLVM's words."""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lerf_core.backends.numba.kernels.lanes import LANES

__all__ = ["ALL_APART", "ALL_INSIDE", "RUN", "homography_run"]

#: Pixels that `homography_run` locates.
RUN = 64
#: Bits of what it returns.
ALL_INSIDE, ALL_APART = 1, 2

_I64, _F64 = ir.IntType(64), ir.DoubleType()
_VECTOR = ir.VectorType(_F64, LANES)


def _filled(values: Any) -> Any:
    return ir.Constant(_VECTOR, [_F64(float(value)) for value in values])


def _splat(builder: Any, number: Any) -> Any:
    word = ir.IntType(32)
    first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), number, word(0))
    mask = ir.Constant(ir.VectorType(word, LANES), [word(0)] * LANES)
    return builder.shuffle_vector(first, first, mask)


@intrinsic
def homography_run(
    typing_context,
    m00, m01, m02, m10, m11, m12, m20, m21, m22, y, x, bottom, right, margin, row, col,
):  # fmt: skip
    """Write the source positions of `RUN` output pixels side by side; NaN beyond the horizon.

    Parameters
    ----------
    m00, ..., m22 : float
        The matrix, from output (x, y, 1) to source (x, y, depth).
    y, x : float
        Of the first pixel.
    bottom, right : float
        Position of the last row and column of the source.
    margin : float
    row, col : address of float64, (RUN,)

    Returns
    -------
    int
        `ALL_INSIDE`, if all positions lie inside the image by the margin; `ALL_APART`, if all are
        finite and lie outside by a pixel and the margin.
    """

    def generate(context, builder, signature, arguments):
        b = builder
        numbers = [_splat(b, number) for number in arguments[:14]]
        m00, m01, m02, m10, m11, m12, m20, m21, m22, y, x, bottom, right, margin = numbers
        one, infinity = _filled([1] * LANES), _filled([math.inf] * LANES)
        nowhere = _filled([math.nan] * LANES)
        row_y, col_y, depth_y = (b.fmul(factor, y) for factor in (m11, m01, m21))
        before = b.fsub(b.fneg(one), margin)
        edges = []
        for last in (bottom, right):
            size = b.fadd(last, one)
            edges.append((b.fsub(last, margin), before, b.fadd(size, margin)))
        inside, apart = [], []
        for start in range(0, RUN, LANES):
            at = b.fadd(x, _filled(range(start, start + LANES)))
            depth = b.fadd(b.fadd(b.fmul(m20, at), depth_y), m22)
            is_before = b.fcmp_ordered(">", depth, _filled([0] * LANES))
            within, beyond, finite = [], [], []
            for k, (along_x, along_y, first) in enumerate(((m10, row_y, m12), (m00, col_y, m02))):
                position = b.fadd(b.fadd(b.fmul(along_x, at), along_y), first)
                position = b.select(is_before, b.fdiv(position, depth), nowhere)
                address = b.add(arguments[14 + k], _I64(8 * start))
                b.store(position, b.inttoptr(address, _VECTOR.as_pointer()), align=1)
                high, low_edge, high_edge = edges[k]
                within.append(b.fcmp_ordered(">=", position, margin))
                within.append(b.fcmp_ordered("<=", position, high))
                beyond.append(b.fcmp_ordered("<=", position, low_edge))
                beyond.append(b.fcmp_ordered(">=", position, high_edge))
                size = _magnitude(b, position)
                finite.append(b.fcmp_ordered("<", size, infinity))
            inside += within
            apart.append(b.and_(b.and_(*finite), _combined(b.or_, beyond)))
        states = [_combined(b.and_, inside), _combined(b.and_, apart)]
        result = _I64(0)
        for bit, state in zip((ALL_INSIDE, ALL_APART), states, strict=True):
            mask = b.bitcast(state, ir.IntType(LANES))
            is_all = b.icmp_signed("==", mask, ir.IntType(LANES)(-1))
            result = b.or_(result, b.select(is_all, _I64(bit), _I64(0)))
        return result

    return types.intp(*[types.float64] * 14, types.intp, types.intp), generate


def _combined(operation: Any, values: list[Any]) -> Any:
    total = values[0]
    for value in values[1:]:
        total = operation(total, value)
    return total


def _magnitude(builder: Any, value: Any) -> Any:
    kind = ir.FunctionType(_VECTOR, [_VECTOR])
    name = f"llvm.fabs.v{LANES}f64"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [value])
