"""Vector steps of the table reads, for which numba has no words, written in LLVM's.

LLVM turns vectors of any length into what the processor has. Three instructions that it
does not find by itself are asked for by name where they exist: the byte permutation, and
the products of bytes and of 16-bit integers that add neighbours up. All of it is integer
arithmetic without overflow, so every processor gives the same.

The intrinsics take addresses (`ndarray.ctypes.data`) and run over a row. Numbers that the
code depends on come as the length of a tuple, which is part of its type.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

from lerf_core._values import DEEP_CELL_BITS

__all__ = [
    "BLOCK",
    "CORNERS",
    "add_deep_reads",
    "add_reads",
    "cell_rows",
    "corner_weights",
    "deep_corner_weights",
    "sum_quads",
]

#: Pixels that `corner_weights` and `cell_rows` handle at once.
BLOCK = 32
#: Corners of a cell, and bytes of its weights.
CORNERS = 16

_I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
_ADDRESS = types.intp


def _processor() -> set[str]:
    """Names of the features that code may use, as numba chooses them."""
    if config.CPU_FEATURES is not None:  # type: ignore[attr-defined]
        named = config.CPU_FEATURES.split(",")  # type: ignore[attr-defined]
        return {name[1:] for name in named if name.startswith("+")}
    return {name for name, there in llvm.get_host_cpu_features().items() if there}


class _Vectors:
    """Instructions on vectors, at an LLVM builder."""

    def __init__(self, builder: Any) -> None:
        self.b = builder
        self.has = _processor()

    def load(self, address: Any, element: Any, count: int) -> Any:
        pointer = self.b.inttoptr(address, ir.VectorType(element, count).as_pointer())
        return self.b.load(pointer, align=1)

    def load_word(self, address: Any) -> Any:
        return self.b.load(self.b.inttoptr(address, _I32.as_pointer()), align=1)

    def store(self, value: Any, address: Any) -> None:
        self.b.store(value, self.b.inttoptr(address, value.type.as_pointer()), align=1)

    def step(self, address: Any, index: Any, size: int) -> Any:
        return self.b.add(address, self.b.mul(index, _I64(size)))

    def constant(self, element: Any, values: Any) -> Any:
        numbers = [element(value) for value in values]
        return ir.Constant(ir.VectorType(element, len(numbers)), numbers)

    def splat(self, number: Any, element: Any, count: int) -> Any:
        kind = ir.VectorType(element, count)
        number = self.b.trunc(number, element)
        first = self.b.insert_element(ir.Constant(kind, ir.Undefined), number, _I32(0))
        return self.shuffle(first, first, [0] * count)

    def shuffle(self, one: Any, other: Any, places: Any) -> Any:
        return self.b.shuffle_vector(one, other, self.constant(_I32, places))

    def half(self, value: Any, which: int) -> Any:
        count = value.type.count // 2
        return self.shuffle(value, value, range(which * count, (which + 1) * count))

    def join(self, low: Any, high: Any) -> Any:
        return self.shuffle(low, high, range(2 * low.type.count))

    def twice(self, value: Any) -> Any:
        return self.join(value, value)

    def least(self, one: Any, other: Any) -> Any:
        return self.b.select(self.b.icmp_unsigned("<", one, other), one, other)

    def most(self, one: Any, other: Any) -> Any:
        return self.b.select(self.b.icmp_unsigned(">", one, other), one, other)

    def above(self, one: Any, other: Any) -> Any:
        """``max(one - other, 0)`` of unsigned integers."""
        kind = one.type
        return self._call(f"llvm.usub.sat.v{kind.count}i{kind.element.width}", kind, one, other)

    def permute(self, value: Any, places: Any) -> Any:
        """``value[places]`` of 16 bytes, in each half of 32."""
        if value.type.count == 32:
            if "avx2" in self.has:
                return self._call("llvm.x86.avx2.pshuf.b", value.type, value, places)
            return self._by_halves(self.permute, value, places)
        if "ssse3" in self.has:
            return self._call("llvm.x86.ssse3.pshuf.b.128", value.type, value, places)
        if "neon" in self.has:
            return self._call("llvm.aarch64.neon.tbl1.v16i8", value.type, value, places)
        result = ir.Constant(value.type, ir.Undefined)
        for lane in range(CORNERS):
            place = self.b.zext(self.b.extract_element(places, _I32(lane)), _I32)
            byte = self.b.extract_element(value, place)
            result = self.b.insert_element(result, byte, _I32(lane))
        return result

    def dot_pairs(self, weights: Any, entries: Any) -> Any:
        """``w[2i] * e[2i] + w[2i + 1] * e[2i + 1]`` in 16 bits: w unsigned, e signed bytes."""
        count = weights.type.count
        result = ir.VectorType(_I16, count // 2)
        if count == 32 and "avx2" in self.has:
            return self._call("llvm.x86.avx2.pmadd.ub.sw", result, weights, entries)
        if count == 32:
            return self._by_halves(self.dot_pairs, weights, entries)
        if "ssse3" in self.has:
            return self._call("llvm.x86.ssse3.pmadd.ub.sw.128", result, weights, entries)
        wide = ir.VectorType(_I16, count)
        return self._add_pairs(self.b.mul(self.b.zext(weights, wide), self.b.sext(entries, wide)))

    def widen_pairs(self, value: Any) -> Any:
        """Sums of pairs of 16-bit integers, in 32 bits."""
        count = value.type.count
        result = ir.VectorType(_I32, count // 2)
        ones = self.constant(_I16, [1] * count)
        if count == 16 and "avx2" in self.has:
            return self._call("llvm.x86.avx2.pmadd.wd", result, value, ones)
        if count == 8 and "sse2" in self.has:
            return self._call("llvm.x86.sse2.pmadd.wd", result, value, ones)
        return self._add_pairs(self.b.sext(value, ir.VectorType(_I32, count)))

    def sums_of_four(self, quads: list[Any]) -> Any:
        """Vector of the sums of each of four vectors of four."""
        pairs = []
        for one, other in (quads[:2], quads[2:]):
            pairs.append(self._add_even_to_odd(one, other))
        return self._add_even_to_odd(*pairs)

    def _add_even_to_odd(self, one: Any, other: Any) -> Any:
        even, odd = (self.shuffle(one, other, range(k, 8, 2)) for k in range(2))
        return self.b.add(even, odd)

    def _add_pairs(self, value: Any) -> Any:
        even, odd = (self.shuffle(value, value, range(k, value.type.count, 2)) for k in range(2))
        return self.b.add(even, odd)

    def _by_halves(self, function: Any, *values: Any) -> Any:
        return self.join(*(function(*(self.half(v, k) for v in values)) for k in range(2)))

    def _call(self, name: str, result: Any, *arguments: Any) -> Any:
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        function = cgutils.get_or_insert_function(self.b.module, kind, name)
        return self.b.call(function, arguments)


def _transposed(v: _Vectors, rows: list[Any]) -> list[Any]:
    """16 rows of 32 pixels to 16 vectors, of the 16 bytes of pixel j and of pixel 16 + j.

    Four perfect shuffles transpose a 16x16 matrix; each half of 32 is one.
    """
    low = [16 * half + k // 2 + 32 * (k % 2) for half in range(2) for k in range(16)]
    high = [place + 8 for place in low]
    for _ in range(4):
        rows = [v.shuffle(rows[k], rows[k + 8], half) for k in range(8) for half in (low, high)]
    return rows


def _corners(v: _Vectors, cell: Any, f: list[Any]) -> list[Any]:
    """Weights of the 16 corners of a cell from four fractions of it."""
    least: dict[int, Any] = {}
    most: dict[int, Any] = {}
    for corner in range(1, CORNERS):
        axis = corner.bit_length() - 1
        rest = corner ^ (1 << axis)
        least[corner] = v.least(least[rest], f[axis]) if rest else f[axis]
        most[corner] = v.most(most[rest], f[axis]) if rest else f[axis]
    weights = [v.above(cell, most[15])]
    weights += [v.above(least[k], most[15 ^ k]) for k in range(1, 15)]
    return [*weights, least[15]]


def _store_corners(v: _Vectors, weights: list[Any], out: Any, start: Any, size: int) -> None:
    """Store 16 rows of bytes pixel by pixel, `size` bytes apart."""
    for j, pair in enumerate(_transposed(v, weights)):
        for k in range(2):
            pixel = v.b.add(start, _I64(16 * k + j))
            v.store(v.half(pair, k), v.step(out, pixel, size))


@intrinsic
def corner_weights(typing_context, a, b, c, d, fraction, out, count):  # noqa: ARG001
    """Weights of the corners of the cells that sets of four bytes lie in.

    Interpolation over a simplex weighs the corner that is high along the axes K of a cell
    by ``max(0, min(f[k] for k in K) - max(f[k] for k not in K))``: the corners on the path
    along f1 >= f2 >= f3 >= f4 get 1 - f1, f1 - f2, f2 - f3, f3 - f4 and f4, all others
    nothing. No sorting is needed.

    Parameters
    ----------
    a, b, c, d : address of uint8, (count,)
        Coordinates.
    fraction : int
        Mask of the fraction's bits; a cell is as wide as the mask + 1.
    out : address of uint8, (count, 16)
        Bit k of a corner's number says that it is high along axis k.
    count : int
        A multiple of `BLOCK`.
    """

    def generate(context, builder, signature, arguments):  # noqa: ARG001
        v = _Vectors(builder)
        *sources, fraction, out, count = arguments
        mask = v.splat(fraction, _I8, BLOCK)
        cell = builder.add(mask, v.constant(_I8, [1] * BLOCK))
        with cgutils.for_range(builder, builder.udiv(count, _I64(BLOCK))) as loop:
            start = builder.mul(loop.index, _I64(BLOCK))
            f = [
                builder.and_(v.load(builder.add(source, start), _I8, BLOCK), mask)
                for source in sources
            ]
            _store_corners(v, _corners(v, cell, f), out, start, CORNERS)
        return context.get_dummy_value()

    return types.void(*[_ADDRESS] * 7), generate


@intrinsic
def deep_corner_weights(typing_context, a, b, c, d, out, count):  # noqa: ARG001
    """As `corner_weights`, of fractions of `DEEP_CELL_BITS`, in two bytes a weight.

    Parameters
    ----------
    a, b, c, d : address of uint16, (count,)
        Fractions alone.
    out : address of uint8, (count, 2, 16)
        The weights' seven lower bits, and their upper bits.
    """

    def generate(context, builder, signature, arguments):  # noqa: ARG001
        v = _Vectors(builder)
        *sources, out, count = arguments
        cell = v.constant(_I16, [1 << DEEP_CELL_BITS] * BLOCK)
        low_bits, shift = v.constant(_I16, [127] * BLOCK), v.constant(_I16, [7] * BLOCK)
        narrow = ir.VectorType(_I8, BLOCK)
        with cgutils.for_range(builder, builder.udiv(count, _I64(BLOCK))) as loop:
            start = builder.mul(loop.index, _I64(BLOCK))
            f = [v.load(v.step(source, start, 2), _I16, BLOCK) for source in sources]
            weights = _corners(v, cell, f)
            low = [builder.trunc(builder.and_(w, low_bits), narrow) for w in weights]
            high = [builder.trunc(builder.lshr(w, shift), narrow) for w in weights]
            _store_corners(v, low, out, start, 2 * CORNERS)
            _store_corners(v, high, builder.add(out, _I64(CORNERS)), start, 2 * CORNERS)
        return context.get_dummy_value()

    return types.void(*[_ADDRESS] * 6), generate


@intrinsic
def cell_rows(typing_context, a, b, c, d, shift, bits, size, first, out, count):  # noqa: ARG001
    """Where the rows of the cells that sets of four bytes lie in begin in a table.

    Parameters
    ----------
    a, b, c, d : address of uint8, (count,)
        Coordinates, the table's first axis first.
    shift, bits : int
        Bits of a coordinate's fraction, and of its cell; together 8.
    size, first : int
        Bytes of a row, and before the first one.
    out : address of uint32, (count,)
    count : int
        A multiple of `BLOCK`.
    """

    def generate(context, builder, signature, arguments):  # noqa: ARG001
        v = _Vectors(builder)
        *sources, shift, bits, size, first, out, count = arguments
        shift, bits = (v.splat(number, _I16, BLOCK) for number in (shift, bits))
        size, first = (v.splat(number, _I32, BLOCK) for number in (size, first))
        with cgutils.for_range(builder, builder.udiv(count, _I64(BLOCK))) as loop:
            start = builder.mul(loop.index, _I64(BLOCK))
            cell = v.constant(_I16, [0] * BLOCK)
            for source in sources:
                level = v.load(builder.add(source, start), _I8, BLOCK)
                digit = builder.lshr(builder.zext(level, ir.VectorType(_I16, BLOCK)), shift)
                cell = builder.or_(builder.shl(cell, bits), digit)
            cell = builder.zext(cell, ir.VectorType(_I32, BLOCK))
            v.store(builder.add(builder.mul(cell, size), first), v.step(out, start, 4))
        return context.get_dummy_value()

    return types.void(*[_ADDRESS] * 10), generate


@intrinsic
def add_reads(typing_context, table, weights, rows, places, sums, count, fresh, plain, turning):  # noqa: ARG001
    """Add a pattern's four reads to the sums of every pixel.

    A read of one value is the dot product of 16 weights and the 16 entries at a cell's
    corners. Products are added up in 16 bits by pairs and over the four reads: 4 * 64 * 127
    fits. Then they are widened, and four partial sums a value stay apart until `sum_quads`.

    Parameters
    ----------
    table : address of int8
        Rows of a cell: 16 entries a value.
    weights, rows : tuple of four addresses
        Of the weights of the reads turned by 0 to 3 quarters, and of their rows' places.
    places : address of uint8, (4, 16)
        Which corner of the set is each corner of the read's table.
    sums : address of int32, (count, values, 4)
    count : int
    fresh, plain, turning : tuple
        By their lengths: whether the sums start here, the number of values (one, or an even
        number), and of those, coming last, that change their sign with half a turn (an even
        number); the tables of turns 2 and 3 are those of 0 and 1.
    """
    n_plain = len(plain)
    values = n_plain + len(turning)
    starts = len(fresh) > 0
    width = CORNERS if values == 1 else 2 * CORNERS

    def generate(context, builder, signature, arguments):  # noqa: ARG001
        v = _Vectors(builder)
        table, weights, rows, places, sums, count = arguments[:6]
        weights, rows = (cgutils.unpack_tuple(builder, pack, 4) for pack in (weights, rows))
        turns = [v.load(builder.add(places, _I64(CORNERS * k)), _I8, CORNERS) for k in range(4)]
        if width > CORNERS:
            turns = [v.twice(places) for places in turns]
        offsets = range(0, CORNERS * values, width)
        with cgutils.for_range(builder, count) as loop:
            dots: dict[int, list[Any]] = {offset: [] for offset in offsets}
            for k in range(4):
                weight = v.load(v.step(weights[k], loop.index, CORNERS), _I8, CORNERS)
                weight = v.permute(v.twice(weight) if width > CORNERS else weight, turns[k])
                row = v.load_word(v.step(rows[k], loop.index, 4))
                row = builder.add(table, builder.zext(row, _I64))
                for offset in offsets:
                    entries = v.load(builder.add(row, _I64(offset)), _I8, width)
                    dots[offset].append(v.dot_pairs(weight, entries))
            target = v.step(sums, loop.index, CORNERS * values)
            for offset in offsets:
                one, two, three, four = dots[offset]
                join = builder.sub if offset >= CORNERS * n_plain else builder.add
                total = v.widen_pairs(join(builder.add(one, two), builder.add(three, four)))
                place = builder.add(target, _I64(offset))
                if not starts:
                    total = builder.add(total, v.load(place, _I32, width // 4))
                v.store(total, place)
        return context.get_dummy_value()

    kinds = (table, weights, rows, places, sums, count, fresh, plain, turning)
    return types.void(*kinds), generate


@intrinsic
def add_deep_reads(
    typing_context,  # noqa: ARG001
    table, weights, rows, places, sums, count, fresh, plain, turning,
):  # fmt: skip
    """As `add_reads`, by weights of `deep_corner_weights`.

    The dot products of a weight's lower and upper seven bits fit 16 bits each; they are
    widened and put together read by read.
    """
    n_plain = len(plain)
    values = n_plain + len(turning)
    starts = len(fresh) > 0
    width = CORNERS if values == 1 else 2 * CORNERS

    def generate(context, builder, signature, arguments):  # noqa: ARG001
        v = _Vectors(builder)
        table, weights, rows, places, sums, count = arguments[:6]
        weights, rows = (cgutils.unpack_tuple(builder, pack, 4) for pack in (weights, rows))
        turns = [v.load(builder.add(places, _I64(CORNERS * k)), _I8, CORNERS) for k in range(4)]
        if width > CORNERS:
            turns = [v.twice(places) for places in turns]
        offsets = range(0, CORNERS * values, width)
        seven = v.constant(_I32, [7] * (width // 4))
        with cgutils.for_range(builder, count) as loop:
            target = v.step(sums, loop.index, CORNERS * values)
            places = [builder.add(target, _I64(offset)) for offset in offsets]
            totals = [
                v.constant(_I32, [0] * (width // 4)) if starts else v.load(place, _I32, width // 4)
                for place in places
            ]
            for k in range(4):
                halves = []
                for half in range(2):
                    place = builder.add(v.step(weights[k], loop.index, 32), _I64(CORNERS * half))
                    weight = v.load(place, _I8, CORNERS)
                    weight = v.twice(weight) if width > CORNERS else weight
                    halves.append(v.permute(weight, turns[k]))
                row = v.load_word(v.step(rows[k], loop.index, 4))
                row = builder.add(table, builder.zext(row, _I64))
                for number, offset in enumerate(offsets):
                    entries = v.load(builder.add(row, _I64(offset)), _I8, width)
                    low, high = (v.widen_pairs(v.dot_pairs(half, entries)) for half in halves)
                    dot = builder.add(low, builder.shl(high, seven))
                    turned = k >= 2 and offset >= CORNERS * n_plain
                    join = builder.sub if turned else builder.add
                    totals[number] = join(totals[number], dot)
            for place, total in zip(places, totals, strict=True):
                v.store(total, place)
        return context.get_dummy_value()

    kinds = (table, weights, rows, places, sums, count, fresh, plain, turning)
    return types.void(*kinds), generate


@intrinsic
def sum_quads(typing_context, sums, out, count):  # noqa: ARG001
    """Add up quads of int32.

    Parameters
    ----------
    sums : address of int32, (count, 4)
    out : address of int32, (count,)
    count : int
        A multiple of 4.
    """

    def generate(context, builder, signature, arguments):  # noqa: ARG001
        v = _Vectors(builder)
        sums, out, count = arguments
        with cgutils.for_range(builder, builder.udiv(count, _I64(4))) as loop:
            base = v.step(sums, loop.index, 64)
            quads = [v.load(builder.add(base, _I64(16 * k)), _I32, 4) for k in range(4)]
            v.store(v.sums_of_four(quads), v.step(out, loop.index, 16))
        return context.get_dummy_value()

    return types.void(*[_ADDRESS] * 3), generate
