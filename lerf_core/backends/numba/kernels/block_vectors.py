"""Vector steps of table reads that enlarge, written in LLVM's words.

As in `walks`, a set's five nodes are weighed and added to the sums of the pixels that read the set.
A read gives the levels of a block of pixels here, whose entries are bytes: of bytes' coordinates
products are taken for two nodes at once, by the instructions of dot products (`Vectors.dot_pairs`).
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lerf_core.backends.numba.kernels.vectors import Vectors
from lerf_core.backends.numba.kernels.walks import PAIRS, sum_of_pairs
from lerf_core.backends.numba.layouts import CORNERS, PAIRED_VALUES

__all__ = ["add_blocks", "store_blocks"]

_I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
_NODES = 5
_HALF = CORNERS // 2
# Fewer values are no whole vector of what `sum_of_pairs` adds.
_LEAST_PAIRS = 8
# Pixels whose blocks are stored at once, where four of their rows fit a vector of bytes.
_GROUP = 4


@intrinsic
def add_blocks(typing_context, table, last_step, walks, pitch, targets, count, reads, lanes, wide):
    """Add what sets of four pixels give to the sums of the pixels that read them.

    Parameters
    ----------
    table : address of int8
        Entries of nodes, (reads, lanes); where they are paired, see `block_tables`.
    last_step : int
        Bytes from a cell's low corner to its high one.
    walks : address of uint32, (`walks.WALK_ROWS`, pitch)
        See `walks.find_walks`.
    pitch : int
    targets : tuple of addresses of int16, or int32 if `wide`, (count, lanes)
        The sums of each read, which do not overflow.
    count : int
    reads, lanes, wide : tuple
        By their lengths: the reads of a set, and the values of a read.
    """
    n_reads, n_lanes, is_wide = len(reads), len(lanes), len(wide) > 0
    n_values = n_reads * n_lanes
    is_paired = not is_wide and n_values >= PAIRED_VALUES
    by_pairs = is_wide and n_values >= _LEAST_PAIRS

    def generate(context, builder, signature, arguments):
        v = Vectors(builder)
        table, last_step, walks, pitch, targets, count = arguments[:6]
        targets = cgutils.unpack_tuple(builder, targets, n_reads)
        last_table = builder.add(table, last_step)
        rows = [builder.add(walks, builder.mul(pitch, _I64(4 * row))) for row in range(4 + _NODES)]
        element, size = (_I32, 4) if is_wide else (_I16, 2)

        def weight_of(node: int, x: Any) -> Any:
            """One node's weight, in 16 bits."""
            if not is_wide:
                return v.load_half(v.step(rows[4 + node], x, 2))
            row, side = next(
                (row, pair.index(node)) for row, pair in enumerate(PAIRS) if node in pair
            )
            return v.load_half(builder.add(v.step(rows[4 + row], x, 4), _I64(2 * side)))

        with cgutils.for_range(builder, count) as loop:
            x = loop.index
            at = [builder.zext(v.load_word(v.step(row, x, 4)), _I64) for row in rows[:4]]
            at.append(at[0])
            entries = [
                v.load(builder.add(last_table if k == 4 else table, offset), _I8, n_values)
                for k, offset in enumerate(at)
            ]
            if is_paired:
                total = _sum_of_bytes(v, entries, [weight_of(k, x) for k in range(_NODES)])
            else:
                halves = ir.VectorType(_I16, n_values)
                entries = [builder.sext(entry, halves) for entry in entries]
                if by_pairs:
                    pairs = [v.splat_pair(v.step(row, x, 4), n_values) for row in rows[4:7]]
                    total = sum_of_pairs(v, entries, pairs)
                else:
                    kind = ir.VectorType(element, n_values)
                    total = None
                    for k, entry in enumerate(entries):
                        weight = v.splat(weight_of(k, x), _I16, n_values)
                        if is_wide:
                            entry, weight = builder.sext(entry, kind), builder.zext(weight, kind)
                        product = builder.mul(entry, weight)
                        total = product if total is None else builder.add(total, product)
            for k, target in enumerate(targets):
                address = v.step(target, x, size * n_lanes)
                share = v.shuffle(total, total, range(n_lanes * k, n_lanes * (k + 1)))
                v.store(builder.add(v.load(address, element, n_lanes), share), address)
        return context.get_dummy_value()

    kinds = (table, last_step, walks, pitch, targets, count, reads, lanes, wide)
    return types.void(*kinds), generate


def _sum_of_bytes(v: Vectors, entries: list[Any], weights: list[Any]) -> Any:
    """Return sums of products in 16 bits, of bytes whose two halves of sixteen are apart."""
    count = entries[0].type.count
    zero = v.constant(_I8, [0] * count)
    totals: list[Any] = [None, None]
    for low, high in PAIRS:
        weight = weights[low]
        if high is not None:
            weight = v.b.or_(weight, v.b.shl(weights[high], _I16(8)))
        splat = v.b.bitcast(v.splat(weight, _I16, count // 2), ir.VectorType(_I8, count))
        for side in range(2):
            lanes = [
                chunk + _HALF * side + k // 2 + count * (k % 2)
                for chunk in range(0, count, CORNERS)
                for k in range(CORNERS)
            ]
            pairs = v.shuffle(entries[low], zero if high is None else entries[high], lanes)
            products = v.dot_pairs(splat, pairs)
            totals[side] = products if totals[side] is None else v.b.add(totals[side], products)
    return v.join(*totals)


@intrinsic
def store_blocks(typing_context, values, target, stride, count, scale, lanes, out):
    """Store the blocks of a row of pixels, side by side.

    Parameters
    ----------
    values : address, (count, lanes)
        The levels of each pixel's block, row by row.
    target : address
        Of the first block's first level.
    stride : int
        Bytes from a row of the enlargement to the next one.
    count : int
    scale, lanes : tuple
        By their lengths: rows and columns of a block, and values of a pixel.
    out : ndarray of uint8 or float32
        Says the type of values.
    """
    n_rows, n_lanes, size = len(scale), len(lanes), out.dtype.bitwidth // 8

    def generate(context, builder, signature, arguments):
        v = Vectors(builder)
        values, target, stride, count = arguments[:4]
        # Rows of a block that are words are moved as such.
        is_word = size * n_rows in (2, 4, 8)
        unit = ir.IntType(8 * size * n_rows) if is_word else ir.IntType(8 * size)
        per_row = 1 if is_word else n_rows
        per_pixel = n_lanes * size * 8 // unit.width

        def loop(first: Any, number: Any, group: int) -> None:
            with cgutils.for_range(builder, number) as at:
                x = builder.add(first, builder.mul(at.index, _I64(group)))
                block = v.load(v.step(values, x, n_lanes * size), unit, group * per_pixel)
                for row in range(n_rows):
                    units = [
                        pixel * per_pixel + row * per_row + k
                        for pixel in range(group)
                        for k in range(per_row)
                    ]
                    address = builder.add(target, builder.mul(stride, _I64(row)))
                    v.store(v.shuffle(block, block, units), v.step(address, x, n_rows * size))

        group = _GROUP if size == 1 else 1
        many = builder.udiv(count, _I64(group))
        done = builder.mul(many, _I64(group))
        loop(_I64(0), many, group)
        if group > 1:
            loop(done, builder.sub(count, done), 1)
        return context.get_dummy_value()

    return types.void(values, target, stride, count, scale, lanes, out), generate
