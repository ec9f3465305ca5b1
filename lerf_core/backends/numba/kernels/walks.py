"""Vector steps of table reads from node to node, written in LLVM's words.

A set of four pixels lies in one cell of the tables, and its weights are not 0 at five of the cell's
corners: those of the walk from the low corner along the axis of the largest fraction, then of the
second, the third and the smallest one. Sorting finds them, for many sets at once: keys are
fractions with the number of their axis below, so that they carry it along.

A node's entry holds the values of all reads of a set, in 16 bits each. One entry serves all cells
around it, so that the entries of a whole table stay in the cache. As in `vectors`, intrinsics take
addresses (`ndarray.ctypes.data`), and all is integer arithmetic without overflow.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lerf_core.backends.numba.kernels.vectors import BLOCK, Vectors

__all__ = ["PAIRS", "WALK_ROWS", "add_walks", "find_walks", "sum_of_pairs"]

_I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
#: Rows of numbers that `find_walks` writes: where the walk's first four nodes lie, and weights.
WALK_ROWS = 9
_ADDRESS = types.intp
_AXES = 4
_AXIS_BITS = 2
# Pairs of keys to put in order, after which all are.
_NETWORK = ((0, 1), (2, 3), (0, 2), (1, 3), (1, 2))
#: Nodes of a walk whose products are added at once: the third pair has one node.
PAIRS = ((0, 4), (1, 2), (3, None))


def _sorted_keys(v: Vectors, fractions: list[Any]) -> list[Any]:
    """Return the keys of four fractions, the largest first."""
    shift = v.constant(_I16, [_AXIS_BITS] * BLOCK)
    keys = [
        v.b.or_(v.b.shl(fraction, shift), v.constant(_I16, [axis] * BLOCK))
        for axis, fraction in enumerate(fractions)
    ]
    for a, b in _NETWORK:
        keys[a], keys[b] = v.most(keys[a], keys[b]), v.least(keys[a], keys[b])
    return keys


def _steps(v: Vectors, keys: list[Any], strides: list[Any]) -> list[Any]:
    """Return the stride of the axis of each key."""

    def bit(key: Any, number: int) -> Any:
        mask = v.constant(_I16, [1 << number] * BLOCK)
        return v.b.icmp_unsigned("!=", v.b.and_(key, mask), v.constant(_I16, [0] * BLOCK))

    steps = []
    for key in keys:
        odd, upper = bit(key, 0), bit(key, 1)
        low = v.b.select(odd, strides[1], strides[0])
        high = v.b.select(odd, strides[3], strides[2])
        steps.append(v.b.select(upper, high, low))
    return steps


def _base(v: Vectors, cells: list[Any], nodes: Any) -> Any:
    """Return the numbers of the nodes at the cells' low corners, in 32 bits."""
    wide = ir.VectorType(_I32, BLOCK)
    pairs = [v.b.add(v.b.mul(cells[k], nodes), cells[k + 1]) for k in (0, 2)]
    high, low, nodes = (v.b.zext(value, wide) for value in (*pairs, nodes))
    return v.b.add(v.b.mul(high, v.b.mul(nodes, nodes)), low)


@intrinsic
def find_walks(
    typing_context, plane, fractions, cells, cell_width, shift, nodes, size_bits, first, out, pitch,
    count, wide,
):  # fmt: skip
    """Find the nodes and the weights of sets of four pixels.

    Parameters
    ----------
    plane : ndarray of uint8 or uint16
        Says the type of coordinates.
    fractions : tuple of four addresses, (count,)
        Coordinates as `plane` has them, the table's first axis first; fractions below.
    cells : tuple of four addresses of uint8, (count,)
        Coordinates, whose upper bits are cells.
    cell_width : int
        Of which fractions are the remainder.
    shift : int
        Bits below the cell in `cells`.
    nodes : int
        Of an axis.
    size_bits, first : int
        An entry has ``2**size_bits`` bytes, and so many lie before the first one.
    out : address of uint32, (`WALK_ROWS`, pitch)
        Receives four rows of where the entries of the walk's first four nodes begin, in bytes, and
        rows of weights: five, of 16 bits each; if `wide`, three of pairs of 16 bits, of the first
        and the last node's, of the second and third's, and of the fourth's and 0.
    pitch : int
        Columns of `out`.
    count : int
        A multiple of `BLOCK`.
    wide : tuple
        By its length.
    """
    is_deep, is_wide = plane.dtype == types.uint16, len(wide) > 0

    def generate(context, builder, signature, arguments):
        v = Vectors(builder)
        _, fractions, cells, width, shift, nodes, size_bits, first, out, pitch, count, _ = arguments
        fractions, cells = (
            cgutils.unpack_tuple(builder, values, _AXES) for values in (fractions, cells)
        )
        words, halves = ir.VectorType(_I32, BLOCK), ir.VectorType(_I16, BLOCK)
        width, shift, nodes = (v.splat(number, _I16, BLOCK) for number in (width, shift, nodes))
        size_bits, first = (v.splat(number, _I32, BLOCK) for number in (size_bits, first))
        one = v.constant(_I16, [1] * BLOCK)
        mask = builder.sub(width, one)
        strides = [one]
        for _ in range(_AXES - 1):
            strides.insert(0, builder.mul(strides[0], nodes))
        all_axes = strides[0]
        for stride in strides[1:]:
            all_axes = builder.add(all_axes, stride)

        def load(address: Any, start: Any, element: Any) -> Any:
            value = v.load(v.step(address, start, element.width // 8), element, BLOCK)
            return value if element == _I16 else builder.zext(value, halves)

        def byte_offset(nodes: Any) -> Any:
            return builder.shl(nodes, size_bits)

        def store(value: Any, row: int, start: Any) -> None:
            at = builder.add(builder.mul(pitch, _I64(4 * row)), builder.add(out, start))
            v.store(value, at)

        with cgutils.for_range(builder, builder.udiv(count, _I64(BLOCK))) as loop:
            start = builder.mul(loop.index, _I64(BLOCK))
            levels = [load(address, start, _I8) for address in cells]
            parts = [load(address, start, _I16) for address in fractions] if is_deep else levels
            keys = _sorted_keys(v, [builder.and_(part, mask) for part in parts])
            first_step, second_step, last_step = _steps(v, [keys[0], keys[1], keys[3]], strides)
            base = _base(v, [builder.lshr(level, shift) for level in levels], nodes)
            base = builder.add(byte_offset(base), first)
            numbers = [base]
            steps = (
                first_step, builder.add(first_step, second_step), builder.sub(all_axes, last_step)
            )  # fmt: skip
            numbers += [builder.add(base, byte_offset(builder.zext(step, words))) for step in steps]
            axis_bits = v.constant(_I16, [_AXIS_BITS] * BLOCK)
            f = [builder.lshr(key, axis_bits) for key in keys]
            weights = [
                builder.sub(width, f[0]), builder.sub(f[0], f[1]), builder.sub(f[1], f[2]),
                builder.sub(f[2], f[3]), f[3],
            ]  # fmt: skip
            byte = builder.mul(start, _I64(4))
            for row, number in enumerate(numbers):
                store(number, row, byte)
            if not is_wide:
                for row, weight in enumerate(weights, len(numbers)):
                    store(weight, row, builder.mul(start, _I64(2)))
            else:
                weights = [builder.zext(weight, words) for weight in weights]
                upper = v.constant(_I32, [16] * BLOCK)
                for row, (low, high) in enumerate(PAIRS, len(numbers)):
                    pair = weights[low]
                    if high is not None:
                        pair = builder.or_(pair, builder.shl(weights[high], upper))
                    store(pair, row, byte)
        return context.get_dummy_value()

    kinds = (
        plane, fractions, cells, cell_width, shift, nodes, size_bits, first, out, pitch, count, wide
    )  # fmt: skip
    return types.void(*kinds), generate


@intrinsic
def add_walks(typing_context, table, last_step, walks, pitch, targets, count, reads, lanes, wide):
    """Add what sets of four pixels give to the sums of the pixels that read them.

    Parameters
    ----------
    table : address of int16
        Entries of nodes, (reads, lanes).
    last_step : int
        Bytes from a cell's low corner to its high one.
    walks : address of uint32, (`WALK_ROWS`, pitch)
        See `find_walks`.
    pitch : int
    targets : tuple of addresses of int16, or int32 if `wide`, (count, lanes)
        The sums of each read, which do not overflow.
    count : int
    reads, lanes, wide : tuple
        By their lengths: the reads of a set, and the values of a read.
    """
    n_reads, n_lanes, is_wide = len(reads), len(lanes), len(wide) > 0
    n_values = n_reads * n_lanes
    n_weights = len(PAIRS) if is_wide else 5

    def generate(context, builder, signature, arguments):
        v = Vectors(builder)
        table, last_step, walks, pitch, targets, count = arguments[:6]
        targets = cgutils.unpack_tuple(builder, targets, n_reads)
        last_table = builder.add(table, last_step)
        rows = [
            builder.add(walks, builder.mul(pitch, _I64(4 * row))) for row in range(4 + n_weights)
        ]
        element, size = (_I32, 4) if is_wide else (_I16, 2)
        with cgutils.for_range(builder, count) as loop:
            x = loop.index
            at = [builder.zext(v.load_word(v.step(row, x, 4)), _I64) for row in rows[:4]]
            at.append(at[0])
            entries = [
                v.load(builder.add(last_table if k == 4 else table, offset), _I16, n_values)
                for k, offset in enumerate(at)
            ]
            weights = [
                v.splat_pair(v.step(row, x, 4), n_values)
                if is_wide
                else v.splat(v.load_half(v.step(row, x, 2)), _I16, n_values)
                for row in rows[4:]
            ]
            if is_wide:
                total = sum_of_pairs(v, entries, weights)
            else:
                total = builder.mul(entries[0], weights[0])
                for entry, weight in zip(entries[1:], weights[1:], strict=True):
                    total = builder.add(total, builder.mul(entry, weight))
            for k, target in enumerate(targets):
                lanes = range(n_lanes * k, n_lanes * (k + 1))
                address = v.step(target, x, size * n_lanes)
                sums = builder.add(
                    v.load(address, element, n_lanes), v.shuffle(total, total, lanes)
                )
                v.store(sums, address)
        return context.get_dummy_value()

    kinds = (table, last_step, walks, pitch, targets, count, reads, lanes, wide)
    return types.void(*kinds), generate


def sum_of_pairs(v: Vectors, entries: list[Any], weights: list[Any]) -> Any:
    """Return sums of products in 32 bits, given weights in pairs."""
    count = entries[0].type.count
    fours = range(0, count, 4)
    # As processors pair numbers up: of eights, the lower and the upper fours.
    sides = [[start for start in fours if start // 4 % 2 == side] for side in range(2)]
    zero = v.constant(_I16, [0] * count)
    totals = []
    for side in sides:
        lanes = [start + k // 2 + count * (k % 2) for start in side for k in range(8)]
        total = None
        for (low, high), weight in zip(PAIRS, weights, strict=True):
            pairs = v.shuffle(entries[low], zero if high is None else entries[high], lanes)
            products = v.products_of_pairs(pairs, weight)
            total = products if total is None else v.b.add(total, products)
        totals.append(total)
    lower, upper = totals
    places = [4 * (k // 2) + count // 2 * (k % 2) for k in range(count // 4)]
    return v.shuffle(lower, upper, [place + lane for place in places for lane in range(4)])
