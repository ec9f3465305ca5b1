"""Vector steps that unpack local planes into lines, written in LLVM's words."""

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
    LEVEL,
    ROW,
    ROW_SLOPE,
)
from lerf_core.backends.numba.kernels.point_vectors import Lanes
from lerf_core.constants import LEVELS, LOCAL_PLANE_BIAS, RESIDUAL_UNIT, SLOPE_UNIT

__all__ = ["unpack_planes"]

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_SLOTS = 8


def _slots_of_bytes(v: Lanes, address: Any) -> list[Any]:
    """Return the slots of pixels of 8 bytes, a vector each, as float32."""
    first, second = (v.load(v.b.add(address, _I64(4 * LANES * k)), _I32) for k in range(2))
    slots = []
    for half in range(2):
        word = v.shuffle(first, second, range(half, 2 * LANES, 2))
        for k in range(4):
            byte = v.b.lshr(word, v.word(8 * k)) if k else word
            slots.append(v.to_float(v.b.and_(byte, v.word(255)) if k < 3 else byte))
    return slots


@intrinsic
def unpack_planes(typing_context, source, count, line, pixels):
    """Unpack local planes.

    Parameters
    ----------
    source : address, (count, 8)
        Packed parameters; see `lerf_core.backends.packed`.
    count : int
        A multiple of `LANES`.
    line : address of float32
    pixels : ndarray of uint64, or of float32
        Says what a pixel is: a word of eight bytes, or eight numbers.
    """
    is_bytes = pixels.dtype == types.uint64

    def generate(context, builder, signature, arguments):
        v = Lanes(builder)
        source, count, line, _ = arguments
        with cgutils.for_range(builder, builder.udiv(count, _I64(LANES))) as loop:
            x = builder.mul(loop.index, _I64(LANES))
            address = v.step(source, x, _SLOTS * (1 if is_bytes else 4))
            if is_bytes:
                slots = _slots_of_bytes(v, address)
            else:
                pixels = [builder.add(address, _I64(4 * _SLOTS * k)) for k in range(LANES)]
                slots = [v.as_float(word) for word in v.gather(pixels, _SLOTS)]
            level, rho, row, col, row_slope, col_slope, residual, _ = slots
            bias, unit = v.single(LOCAL_PLANE_BIAS), v.single(SLOPE_UNIT)
            rest = v.times(v.less(residual, bias), v.single(RESIDUAL_UNIT))
            cross = v.times(v.less(v.add(rho, rho), v.single(LEVELS)), v.times(row, col))
            for place, value in (
                (LEVEL, v.add(level, rest)),
                (ROW, v.times(row, row)),
                (CROSS, cross),
                (COL, v.times(col, col)),
                (ROW_SLOPE, v.times(v.less(row_slope, bias), unit)),
                (COL_SLOPE, v.times(v.less(col_slope, bias), unit)),
            ):
                v.store(value, v.step(line, builder.add(x, _I64(place)), 4))
        return context.get_dummy_value()

    return types.void(source, count, line, pixels), generate
