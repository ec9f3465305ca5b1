"""Vector steps of the mean of local planes at columns of phases, written in LLVM's words.

What the results between two source rows have in common is found once for all rows, by
`predict_columns`, and what the phases of a row have in common once for all phases, by
`parts_of_row`; `blend_phase` has the rest to do. Intrinsics take addresses, and handle whole
vectors: what lies beyond the last pixel may be anything. The operations are those of
`lerf_core.backends.reference.means`, in their order.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lerf_core.backends.numba.kernels.lanes import LANES
from lerf_core.backends.numba.kernels.line_layout import (
    COL,
    COL_SLOPE,
    CROSS,
    PITCH,
    ROW,
    ROW_SLOPE,
    SEGMENT,
)
from lerf_core.backends.numba.kernels.point_vectors import Lanes
from lerf_core.constants import EXPONENT_TOP, FIRST_WEIGHT, ROUND_F32

__all__ = ["PARTS", "blend_phase", "parts_of_row", "predict_columns"]

#: Rows of `PITCH` numbers that `parts_of_row` writes.
PARTS = 2
_I8, _I32, _I64, _F32 = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.FloatType()
_ADDRESS = types.intp


def _at(v: Lanes, address: Any, index: Any, offset: int = 0) -> Any:
    """Return the vector of float32 from an index on."""
    return v.load(v.step(v.b.add(address, _I64(4 * offset)), index, 4), _F32)


def _offset(v: Lanes, offset: Any, index: Any) -> Any:
    """Return the offsets from an index on: of all columns, or at an address."""
    return v.splat(offset) if offset.type == _F32 else _at(v, offset, index)


def _vectors(builder: Any, count: Any) -> Any:
    """Loop over the first numbers of vectors; of the last one some may be beyond `count`."""
    number = builder.udiv(builder.add(count, _I64(LANES - 1)), _I64(LANES))
    return cgutils.for_range(builder, number)


@intrinsic
def predict_columns(typing_context, line, left, right, count, predicted):
    """Predict levels of local planes along their row, for left and right neighbours of columns.

    Parameters
    ----------
    line : address of float32
        Of the first left neighbour in its line; the right one is the next.
    left, right : float32, or address of float32, (count,)
        Offsets of the neighbours, in columns.
    count : int
    predicted : address of float32, (2, SEGMENT)
    """

    def generate(context, builder, signature, arguments):
        v = Lanes(builder)
        line, left, right, count, predicted = arguments
        with _vectors(builder, count) as loop:
            x = builder.mul(loop.index, _I64(LANES))
            for side, offset in enumerate((left, right)):
                slope = _at(v, line, x, COL_SLOPE + side)
                step = v.times(slope, _offset(v, offset, x))
                level = v.add(_at(v, line, x, side), step)
                v.store(level, v.step(predicted, builder.add(x, _I64(SEGMENT * side)), 4))
        return context.get_dummy_value()

    return types.void(line, left, right, count, predicted), generate


@intrinsic
def parts_of_row(typing_context, line, offset, count, parts):
    """Find what exponents and levels owe to the offset along the rows.

    Parameters
    ----------
    line : address of float32
    offset : float32
        Of the line, in rows.
    count : int
    parts : address of float32, (PARTS, PITCH)
        Receives the exponents' term of the rows, and the slopes' steps.
    """

    def generate(context, builder, signature, arguments):
        v = Lanes(builder)
        line, offset, count, parts = arguments
        dy = v.splat(offset)
        term = v.square_term(dy)
        with _vectors(builder, count) as loop:
            x = builder.mul(loop.index, _I64(LANES))
            target = v.step(parts, x, 4)
            v.store(v.times(_at(v, line, x, ROW), term), target)
            steps = v.times(_at(v, line, x, ROW_SLOPE), dy)
            v.store(steps, builder.add(target, _I64(4 * PITCH)))
        return context.get_dummy_value()

    return types.void(line, offset, count, parts), generate


@intrinsic
def blend_phase(
    typing_context, upper, lower, parts, above, below, dy0, dy1, left, right, bounds, count, target,
    out, channels, steps,
):  # fmt: skip
    """Write the means of four local planes each, within bounds.

    Of several channels, the weights are those of the first one.

    Parameters
    ----------
    upper, lower : address of float32
        Of the first left neighbour in its line, above and below.
    parts : address of float32, (2, PARTS, PITCH)
        Of the first left neighbour in the parts of both lines.
    above, below : address of float32, (2, SEGMENT)
        What `predict_columns` wrote of both lines.
    dy0, dy1 : float32
        Offsets of the neighbours above and below, in rows.
    left, right : float32, or address of float32, (count,)
        Offsets of the neighbours, in columns.
    bounds : address of float32, (2, PITCH)
    count : int
    target : address, (count,)
    out : ndarray of uint8 or float32
        Says the type of `target`.
    channels : tuple
        By its length.
    steps : (int, int, int, int)
        Bytes from a channel to the next one: of `parts`, of `above` and `below`, of `bounds` and
        of `target`.
    """
    to_bytes, n_channels = out.dtype == types.uint8, len(channels)

    def generate(context, builder, signature, arguments):
        v = Lanes(builder)
        upper, lower, parts, above, below, dy0, dy1, left, right, bounds, count, target = arguments[
            :12
        ]
        parts_step, predicted_step, bounds_step, target_step = cgutils.unpack_tuple(
            builder, arguments[-1], 4
        )
        dy0, dy1 = v.splat(dy0), v.splat(dy1)
        next_row = _I64(4 * PARTS * PITCH)
        with _vectors(builder, count) as loop:
            x = builder.mul(loop.index, _I64(LANES))
            columns = [_offset(v, offset, x) for offset in (left, right)]
            exponents = []
            for line, row_parts, dy in (
                (upper, parts, dy0), (lower, builder.add(parts, next_row), dy1),
            ):  # fmt: skip
                for side, dx in enumerate(columns):
                    cross = v.times(_at(v, line, x, CROSS + side), v.cross_offset(dy, dx))
                    col = v.times(_at(v, line, x, COL + side), v.square_term(dx))
                    exponent = v.add(_at(v, row_parts, x, side), cross, col)
                    exponents.append(v.smallest(exponent, v.single(EXPONENT_TOP)))
            weights = [v.relative_weight(exponent, exponents[0]) for exponent in exponents[1:]]
            total = v.add(v.single(FIRST_WEIGHT), *weights)
            for channel in range(n_channels):
                own_parts, own_bounds, own_target, *own_predicted = (
                    builder.add(address, builder.mul(step, _I64(channel))) if channel else address
                    for address, step in (
                        (parts, parts_step), (bounds, bounds_step), (target, target_step),
                        (above, predicted_step), (below, predicted_step),
                    )
                )  # fmt: skip
                base, *others = (
                    v.add(_at(v, predicted, x, SEGMENT * side), _at(v, row_parts, x, PITCH + side))
                    for predicted, row_parts in zip(
                        own_predicted, (own_parts, builder.add(own_parts, next_row)), strict=True
                    )
                    for side in range(2)
                )
                changes = [
                    v.times(weight, v.less(value, base))
                    for weight, value in zip(weights, others, strict=True)
                ]
                mean = v.add(base, builder.fdiv(v.add(*changes), total))
                mean = v.clip(mean, _at(v, own_bounds, x), _at(v, own_bounds, x, PITCH))
                if to_bytes:
                    mean = v.bits(v.add(mean, v.single(ROUND_F32)))
                    v.store(builder.trunc(mean, v.kind(_I8)), builder.add(own_target, x))
                else:
                    v.store(mean, v.step(own_target, x, 4))
        return context.get_dummy_value()

    kinds = (
        upper, lower, parts, above, below, dy0, dy1, left, right, bounds, count, target, out,
        channels, steps,
    )  # fmt: skip
    return types.void(*kinds), generate
