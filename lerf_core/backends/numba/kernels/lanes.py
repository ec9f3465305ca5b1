"""Vector steps of means by fixed kernels, written in LLVM's words.

`LANES` float32 numbers are handled at once: values of a line side by side, or the same value of as
many rows; `transpose` turns the one into the other. The intrinsics take addresses
(`ndarray.ctypes.data`). Numbers that the code depends on come as the length of a tuple, which is
part of its type. Products and sums are rounded each, in the order of the taps.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

from lerf_core.backends.numba.layouts import block_of, halved_values
from lerf_core.constants import ROUND_F32

__all__ = [
    "BLOCK",
    "LANES",
    "convert_block",
    "copy_bytes",
    "halve_block",
    "limit",
    "range_of",
    "store_block",
    "transpose_block",
    "weigh",
]

_I8, _I16, _I32, _I64, _F32 = *(ir.IntType(bits) for bits in (8, 16, 32, 64)), ir.FloatType()
_ADDRESS = types.intp


def _lanes() -> int:
    """Return how many numbers the processor's widest vectors hold, as numba may use them."""
    if config.CPU_FEATURES is not None:  # type: ignore[attr-defined]
        wide = "+avx512f" in config.CPU_FEATURES.split(",")  # type: ignore[attr-defined]
    else:
        wide = bool(llvm.get_host_cpu_features().get("avx512f"))
    return 16 if wide else 8


#: Numbers that are handled at once.
LANES = _lanes()
#: Values that `convert_block` and the pass over the rows handle at once.
BLOCK = block_of(LANES)


def _pointer(builder: Any, address: Any, kind: Any) -> Any:
    return builder.inttoptr(address, kind.as_pointer())


def _load(builder: Any, address: Any, element: Any, count: int = LANES, align: int = 1) -> Any:
    return builder.load(_pointer(builder, address, ir.VectorType(element, count)), align=align)


def _store(builder: Any, value: Any, address: Any, align: int = 1) -> None:
    builder.store(value, _pointer(builder, address, value.type), align=align)


def _step(builder: Any, address: Any, index: Any, size: Any) -> Any:
    size = _I64(size) if isinstance(size, int) else size
    return builder.add(address, builder.mul(index, size))


def _splat(builder: Any, number: Any) -> Any:
    kind = ir.VectorType(number.type, LANES)
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), number, _I32(0))
    return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(_I32, LANES), None))


def _filled(element: Any, value: Any) -> Any:
    return ir.Constant(ir.VectorType(element, LANES), [element(value)] * LANES)


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """Turn `LANES` vectors of as many words into those of their first words, second, ...."""
    span = 1
    while span < LANES:
        # Swap the off-diagonal blocks of 2 x span by 2 x span.
        low = [k if not k & span else k - span + LANES for k in range(LANES)]
        high = [k + span if not k & span else k + LANES for k in range(LANES)]
        masks = [
            ir.Constant(ir.VectorType(_I32, LANES), [_I32(k) for k in lanes])
            for lanes in (low, high)
        ]
        swapped = list(rows)
        for k in range(LANES):
            if not k & span:
                for at, mask in zip((k, k + span), masks, strict=True):
                    swapped[at] = builder.shuffle_vector(rows[k], rows[k + span], mask)
        rows, span = swapped, 2 * span
    return rows


@intrinsic
def copy_bytes(typing_context, source, target, count):
    """Copy `count` bytes from one address to another."""

    def generate(context, builder, signature, arguments):
        source, target, count = arguments
        cgutils.raw_memcpy(
            builder, _pointer(builder, target, _I8), _pointer(builder, source, _I8), count, 1
        )
        return context.get_dummy_value()

    return types.void(*[_ADDRESS] * 3), generate


@intrinsic
def convert_block(typing_context, source, size, target):
    """Turn a block of integers, or floats, into float32.

    Parameters
    ----------
    source : address, (BLOCK,)
    size : tuple
        By its length: 1 for uint8, 2 for uint16, 4 for float32.
    target : address of float32, (BLOCK,)
    """
    n_bytes = len(size)

    def generate(context, builder, signature, arguments):
        source, _, target = arguments
        for k in range(BLOCK // LANES):
            at = builder.add(source, _I64(k * LANES * n_bytes))
            if n_bytes == 4:
                value = _load(builder, at, _F32)
            else:
                value = _load(builder, at, ir.IntType(8 * n_bytes))
                value = builder.zext(value, ir.VectorType(_I32, LANES))
                value = builder.sitofp(value, ir.VectorType(_F32, LANES))
            _store(builder, value, builder.add(target, _I64(4 * k * LANES)))
        return context.get_dummy_value()

    return types.void(source, size, target), generate


@intrinsic
def weigh(typing_context, source, step, weights, count, target, vectors):
    """Weigh what lies `step` bytes apart: ``sum(weights[k] * source[k])`` in the order of k.

    Parameters
    ----------
    source : address of float32, (count, vectors * LANES)
        Aligned.
    step : int
        Bytes between items of source.
    weights : address of float32, (count,)
    count : int
        At least 1.
    target : address of float32, (vectors * LANES,)
        Aligned.
    vectors : tuple
        By its length.
    """
    n_vectors = len(vectors)

    def generate(context, builder, signature, arguments):
        source, step, weights, count, target, _ = arguments
        # -0 changes nothing that is added to it, 0 would turn -0 into 0.
        totals = [cgutils.alloca_once_value(builder, _filled(_F32, -0.0)) for _ in range(n_vectors)]
        with cgutils.for_range(builder, count) as loop:
            word = builder.load(_pointer(builder, _step(builder, weights, loop.index, 4), _F32))
            weight = _splat(builder, word)
            item = _step(builder, source, loop.index, step)
            for k, total in enumerate(totals):
                value = _load(
                    builder, builder.add(item, _I64(4 * k * LANES)), _F32, align=4 * LANES
                )
                term = builder.fmul(weight, value)
                builder.store(builder.fadd(builder.load(total), term), total)
        for k, total in enumerate(totals):
            at = builder.add(target, _I64(4 * k * LANES))
            _store(builder, builder.load(total), at, 4 * LANES)
        return context.get_dummy_value()

    return types.void(source, step, weights, count, target, vectors), generate


@intrinsic
def transpose_block(typing_context, source, target):
    """Turn LANES rows of BLOCK values into BLOCK values of LANES rows.

    Parameters
    ----------
    source : address of float32, (LANES, BLOCK)
    target : address of float32, (BLOCK, LANES)
        Both aligned.
    """

    def generate(context, builder, signature, arguments):
        source, target = arguments
        align = 4 * LANES
        with cgutils.for_range(builder, _I64(BLOCK // LANES)) as loop:
            start = _step(builder, source, loop.index, 4 * LANES)
            rows = [
                _load(builder, builder.add(start, _I64(4 * k * BLOCK)), _F32, align=align)
                for k in range(LANES)
            ]
            to = _step(builder, target, loop.index, 4 * LANES * LANES)
            for k, row in enumerate(_transposed(builder, rows)):
                _store(builder, row, builder.add(to, _I64(4 * k * LANES)), align)
        return context.get_dummy_value()

    return types.void(*[_ADDRESS] * 2), generate


@intrinsic
def store_block(typing_context, source, out, stride, size):
    """Round and clip values of LANES rows, and write each row's side by side.

    Parameters
    ----------
    source : address of float32, (4 * LANES / size, LANES)
        Aligned.
    out : address, (LANES, 4 * LANES / size)
    stride : int
        Bytes between rows of `out`.
    size : tuple
        By its length, the bytes of a value: 1 for uint8, 2 for uint16, 4 for float32.
    """
    n_bytes = len(size)
    per_word = 4 // n_bytes

    def word(builder: Any, address: Any) -> Any:
        """Return LANES words of the values of a row that lie in the same word."""
        if n_bytes == 4:
            return builder.bitcast(
                _load(builder, address, _F32, align=4 * LANES), ir.VectorType(_I32, LANES)
            )
        zero, top = _filled(_F32, 0.0), _filled(_F32, float((1 << 8 * n_bytes) - 1))
        magic = _filled(_F32, float(ROUND_F32))
        words = None
        for k in range(per_word):
            value = _load(builder, builder.add(address, _I64(4 * k * LANES)), _F32, align=4 * LANES)
            value = builder.select(builder.fcmp_ordered(">", value, zero), value, zero)
            value = builder.select(builder.fcmp_ordered("<", value, top), value, top)
            value = builder.fadd(value, magic)
            bits = builder.bitcast(value, ir.VectorType(_I32, LANES))
            if k < per_word - 1:
                bits = builder.and_(bits, _filled(_I32, (1 << 8 * n_bytes) - 1))
            bits = builder.shl(bits, _filled(_I32, 8 * n_bytes * k))
            words = bits if words is None else builder.or_(words, bits)
        return words

    def generate(context, builder, signature, arguments):
        source, out, stride, _ = arguments
        words = [
            word(builder, builder.add(source, _I64(4 * LANES * per_word * k))) for k in range(LANES)
        ]
        for k, row in enumerate(_transposed(builder, words)):
            _store(builder, row, _step(builder, out, _I64(k), stride))
        return context.get_dummy_value()

    return types.void(source, out, stride, size), generate


def _least(builder: Any, one: Any, other: Any) -> Any:
    return builder.select(builder.fcmp_ordered("<", one, other), one, other)


def _greatest(builder: Any, one: Any, other: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", one, other), one, other)


@intrinsic
def range_of(typing_context, low, high, step, count, low_target, high_target, vectors):
    """Find the least and the greatest of what lies `step` bytes apart; nothing is NaN.

    Parameters
    ----------
    low, high : address of float32, (count, vectors * LANES)
        What the least, and the greatest, is looked for in; aligned.
    step : int
        Bytes between items.
    count : int
        At least 1.
    low_target, high_target : address of float32, (vectors * LANES,)
        Aligned.
    vectors : tuple
        By its length.
    """
    n_vectors = len(vectors)

    def generate(context, builder, signature, arguments):
        low, high, step, count, low_target, high_target, _ = arguments
        ends = (
            (low, low_target, _least, float("inf")),
            (high, high_target, _greatest, -float("inf")),
        )
        found = [
            [cgutils.alloca_once_value(builder, _filled(_F32, neutral)) for _ in range(n_vectors)]
            for *_, neutral in ends
        ]
        with cgutils.for_range(builder, count) as loop:
            for (source, _, choose, _), kept in zip(ends, found, strict=True):
                item = _step(builder, source, loop.index, step)
                for k, best in enumerate(kept):
                    at = builder.add(item, _I64(4 * k * LANES))
                    value = _load(builder, at, _F32, align=4 * LANES)
                    builder.store(choose(builder, value, builder.load(best)), best)
        for (_, target, _, _), kept in zip(ends, found, strict=True):
            for k, best in enumerate(kept):
                at = builder.add(target, _I64(4 * k * LANES))
                _store(builder, builder.load(best), at, 4 * LANES)
        return context.get_dummy_value()

    return types.void(low, high, step, count, low_target, high_target, vectors), generate


@intrinsic
def limit(typing_context, sharp, left, smooth, right, low, high, widening, overshoot):
    """Limit the same value of LANES rows, in place: `lerf_core.backends.reference.shrinking`.

    Parameters
    ----------
    sharp : address of float32, (LANES,)
        Aligned, as the others. The first and the last row are their own neighbours.
    left, smooth, right : address of float32, (LANES,)
        Smooth values of the pixel and of its neighbours.
    low, high : address of float32, (LANES,)
    widening, overshoot : float32
    """

    def generate(context, builder, signature, arguments):
        *addresses, widening, overshoot = arguments
        align = 4 * LANES
        sharp, left, smooth, right, low, high = (
            _load(builder, address, _F32, align=align) for address in addresses
        )
        above, below = (
            ir.Constant(
                ir.VectorType(_I32, LANES),
                [_I32(min(max(k + step, 0), LANES - 1)) for k in range(LANES)],
            )
            for step in (-1, 1)
        )

        def of_nine(choose: Any) -> Any:
            three = choose(builder, choose(builder, left, smooth), right)
            up, down = (builder.shuffle_vector(three, three, mask) for mask in (above, below))
            return choose(builder, choose(builder, up, three), down)

        value = sharp
        for least, greatest, part in (
            (of_nine(_least), of_nine(_greatest), widening),
            (low, high, overshoot),
        ):
            step = builder.fmul(_splat(builder, part), builder.fsub(greatest, least))
            value = _greatest(builder, value, builder.fsub(least, step))
            value = _least(builder, value, builder.fadd(greatest, step))
        _store(builder, value, addresses[0], align)
        return context.get_dummy_value()

    parts = [types.float32] * 2
    return types.void(*[_ADDRESS] * 6, *parts), generate


@intrinsic
def halve_block(typing_context, above, below, out, channels, size):
    """Write means of two by two pixels.

    Parameters
    ----------
    above, below : address, (2 * halved_values(size),)
        Values of two rows, pixel by pixel.
    out : address, (halved_values(size),)
        Receives the values of whole pixels; others may be anything.
    channels : tuple
        By its length: values of a pixel.
    size : tuple
        By its length, the bytes of a value: 1 for uint8, 2 for uint16, 4 for float32.
    """
    n_bytes, n_channels = len(size), len(channels)
    count = halved_values(n_bytes, LANES)
    stored = _F32 if n_bytes == 4 else ir.IntType(8 * n_bytes)
    wide = _F32 if n_bytes == 4 else ir.IntType(16 * n_bytes)

    def number(value: float) -> Any:
        return ir.Constant(ir.VectorType(wide, count), [wide(value)] * count)

    def generate(context, builder, signature, arguments):
        above, below, out, _, _ = arguments

        def load(address: Any) -> Any:
            value = _load(builder, address, stored, count)
            if n_bytes == 4:
                return builder.fmul(value, number(0.5))
            return builder.zext(value, ir.VectorType(wide, count))

        add = builder.fadd if n_bytes == 4 else builder.add
        sums = [
            add(*(load(builder.add(row, _I64(k * count * n_bytes))) for row in (above, below)))
            for k in range(2)
        ]
        at = [2 * n_channels * (k // n_channels) + k % n_channels for k in range(count)]
        left, right = (
            builder.shuffle_vector(
                *sums,
                ir.Constant(ir.VectorType(_I32, count), [_I32(k % (2 * count)) for k in lanes]),
            )
            for lanes in (at, [k + n_channels for k in at])
        )
        if n_bytes == 4:
            mean = builder.fadd(builder.fmul(left, number(0.5)), builder.fmul(right, number(0.5)))
        else:
            # A quarter, rounded half to even.
            total = builder.add(left, right)
            odd = builder.and_(builder.lshr(total, number(2)), number(1))
            total = builder.add(builder.add(total, number(1)), odd)
            mean = builder.trunc(builder.lshr(total, number(2)), ir.VectorType(stored, count))
        _store(builder, mean, out)
        return context.get_dummy_value()

    return types.void(above, below, out, channels, size), generate
