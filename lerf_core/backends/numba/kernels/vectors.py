"""Vector steps of the table reads, for which numba has no words, written in LLVM's.

LLVM turns vectors of any length into what the processor has. Instructions that it does not
find by itself are asked for by name where they exist: products of bytes and of 16-bit
integers that add neighbours up. All of it is integer arithmetic without overflow, so every
processor gives the same.

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

from lerf_core.backends.numba.layouts import CORNERS
from lerf_core.constants import DEEP_CELL_BITS, ROUND_F32, ROUND_F64

__all__ = [
    "BLOCK",
    "Vectors",
    "add_sets",
    "cell_rows",
    "corner_weights",
    "deep_corner_weights",
    "finish_values",
    "processor_features",
]

#: Pixels that `corner_weights` and `cell_rows` handle at once.
BLOCK = 32

_I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
_ADDRESS = types.intp


def processor_features() -> set[str]:
    """Names of the features that code may use, as numba chooses them."""
    if config.CPU_FEATURES is not None:  # type: ignore[attr-defined]
        named = config.CPU_FEATURES.split(",")  # type: ignore[attr-defined]
        return {name[1:] for name in named if name.startswith("+")}
    return {name for name, there in llvm.get_host_cpu_features().items() if there}


class Vectors:
    """Instructions on vectors, at an LLVM builder."""

    def __init__(self, builder: Any) -> None:
        self.b = builder
        self.has = processor_features()

    def load(self, address: Any, element: Any, count: int) -> Any:
        pointer = self.b.inttoptr(address, ir.VectorType(element, count).as_pointer())
        return self.b.load(pointer, align=1)

    def load_word(self, address: Any) -> Any:
        return self.b.load(self.b.inttoptr(address, _I32.as_pointer()), align=1)

    def load_half(self, address: Any) -> Any:
        return self.b.load(self.b.inttoptr(address, _I16.as_pointer()), align=1)

    def store(self, value: Any, address: Any) -> None:
        self.b.store(value, self.b.inttoptr(address, value.type.as_pointer()), align=1)

    def step(self, address: Any, index: Any, size: int) -> Any:
        return self.b.add(address, self.b.mul(index, _I64(size)))

    def offset(self, address: Any, size: Any, count: int) -> Any:
        """Return the address that lies `count` times so many bytes on."""
        return self.b.add(address, self.b.mul(size, _I64(count))) if count else address

    @property
    def widest(self) -> int:
        """Bytes of the widest vectors that pay."""
        return 64 if {"avx512vnni", "avx512bw"} <= self.has else 32

    def splat_word(self, address: Any, width: int) -> Any:
        """Return the four bytes at an address, over and over."""
        kind = ir.VectorType(_I32, width // 4)
        first = self.b.insert_element(
            ir.Constant(kind, ir.Undefined), self.load_word(address), _I32(0)
        )
        words = self.shuffle(first, first, [0] * (width // 4))
        return self.b.bitcast(words, ir.VectorType(_I8, width))

    def splat_pair(self, address: Any, count: int) -> Any:
        """Return the two 16-bit integers at an address, over and over, `count` in all."""
        return self.b.bitcast(self.splat_word(address, 2 * count), ir.VectorType(_I16, count))

    def constant(self, element: Any, values: Any) -> Any:
        numbers = [element(value) for value in values]
        return ir.Constant(ir.VectorType(element, len(numbers)), numbers)

    def splat(self, number: Any, element: Any, count: int) -> Any:
        kind = ir.VectorType(element, count)
        if number.type != element:
            number = self.b.trunc(number, element)
        first = self.b.insert_element(ir.Constant(kind, ir.Undefined), number, _I32(0))
        return self.shuffle(first, first, [0] * count)

    def filled(self, numbers: list[Any], width: int) -> Any:
        """Return the numbers, over and over."""
        vector = ir.Constant(ir.VectorType(numbers[0].type, width), ir.Undefined)
        for k in range(width):
            vector = self.b.insert_element(vector, numbers[k % len(numbers)], _I32(k))
        return vector

    def shuffle(self, first: Any, second: Any, lanes: Any) -> Any:
        return self.b.shuffle_vector(first, second, self.constant(_I32, lanes))

    def half(self, value: Any, which: int) -> Any:
        count = value.type.count // 2
        return self.shuffle(value, value, range(which * count, (which + 1) * count))

    def join(self, low: Any, high: Any) -> Any:
        return self.shuffle(low, high, range(2 * low.type.count))

    def twice(self, value: Any) -> Any:
        return self.join(value, value)

    def least(self, a: Any, b: Any) -> Any:
        return self.b.select(self.b.icmp_unsigned("<", a, b), a, b)

    def most(self, a: Any, b: Any) -> Any:
        return self.b.select(self.b.icmp_unsigned(">", a, b), a, b)

    def above(self, a: Any, b: Any) -> Any:
        """``max(a - b, 0)`` of unsigned integers."""
        kind = a.type
        return self.call(f"llvm.usub.sat.v{kind.count}i{kind.element.width}", kind, a, b)

    def dot_pairs(self, weights: Any, entries: Any) -> Any:
        """``w[2i] * e[2i] + w[2i + 1] * e[2i + 1]`` in 16 bits: w unsigned, e signed bytes."""
        count = weights.type.count
        result = ir.VectorType(_I16, count // 2)
        if count == 64 and "avx512bw" in self.has:
            return self.call("llvm.x86.avx512.pmaddubs.w.512", result, weights, entries)
        if count == 32 and "avx2" in self.has:
            return self.call("llvm.x86.avx2.pmadd.ub.sw", result, weights, entries)
        if count > CORNERS:
            return self._by_halves(self.dot_pairs, weights, entries)
        if "ssse3" in self.has:
            return self.call("llvm.x86.ssse3.pmadd.ub.sw.128", result, weights, entries)
        wide = ir.VectorType(_I16, count)
        return self._add_pairs(self.b.mul(self.b.zext(weights, wide), self.b.sext(entries, wide)))

    def widen_pairs(self, value: Any) -> Any:
        """Return sums of pairs of 16-bit integers, in 32 bits."""
        count = value.type.count
        result = ir.VectorType(_I32, count // 2)
        ones = self.constant(_I16, [1] * count)
        if count == 16 and "avx2" in self.has:
            return self.call("llvm.x86.avx2.pmadd.wd", result, value, ones)
        if count == 8 and "sse2" in self.has:
            return self.call("llvm.x86.sse2.pmadd.wd", result, value, ones)
        if count > 8:
            return self._by_halves(self.widen_pairs, value)
        return self._add_pairs(self.b.sext(value, ir.VectorType(_I32, count)))

    def add_dots(self, sums: Any, weights: Any, entries: Any) -> Any:
        """``sums[i]`` plus the dot product of ``weights[4i : 4i + 4]`` and entries, in 32 bits."""
        count = weights.type.count
        if not self._adds_fours(count):
            return self.b.add(sums, self.widen_pairs(self.dot_pairs(weights, entries)))
        words = ir.VectorType(_I32, count // 4)
        operands = (self.b.bitcast(value, words) for value in (weights, entries))
        return self.call(f"llvm.x86.avx512.vpdpbusd.{8 * count}", words, sums, *operands)

    def products_of_pairs(self, pairs: Any, weights: Any) -> Any:
        """``p[2i] * w[2i] + p[2i + 1] * w[2i + 1]`` in 32 bits, of 16-bit integers."""
        count = pairs.type.count
        result = ir.VectorType(_I32, count // 2)
        name = {
            32: "avx512.pmaddw.d.512" if "avx512bw" in self.has else None,
            16: "avx2.pmadd.wd" if "avx2" in self.has else None,
            8: "sse2.pmadd.wd" if "sse2" in self.has else None,
        }.get(count)
        if name is not None:
            return self.call(f"llvm.x86.{name}", result, pairs, weights)
        if count > 8:
            return self._by_halves(self.products_of_pairs, pairs, weights)
        wide = ir.VectorType(_I32, count)
        return self._add_pairs(self.b.mul(self.b.sext(pairs, wide), self.b.sext(weights, wide)))

    def _adds_fours(self, count: int) -> bool:
        """Whether the processor has `add_dots` of so many bytes."""
        return self.has >= {"avx512vnni", "avx512vl"} or (count < 64 and "avxvnni" in self.has)

    def times_128(self, value: Any) -> Any:
        """Make room for seven bits more."""
        return self.b.shl(value, self.constant(_I32, [7] * value.type.count))

    def sums_of_four(self, quads: list[Any]) -> Any:
        """Return sums of four neighbours in each of four vectors, the vectors' side by side."""
        return self._add_even_to_odd(
            self._add_even_to_odd(*quads[:2]), self._add_even_to_odd(*quads[2:])
        )

    def _add_even_to_odd(self, a: Any, b: Any) -> Any:
        # Quad by quad, the two even (odd) ones of one vector and then of the other.
        count = a.type.count
        first = [q + of for q in range(0, count, 4) for of in (0, count)]
        even, odd = (
            self.shuffle(a, b, [lane + 2 * i + k for lane in first for i in range(2)])
            for k in range(2)
        )
        return self.b.add(even, odd)

    def _add_pairs(self, value: Any) -> Any:
        even, odd = (self.shuffle(value, value, range(k, value.type.count, 2)) for k in range(2))
        return self.b.add(even, odd)

    def _by_halves(self, function: Any, *values: Any) -> Any:
        return self.join(*(function(*(self.half(v, k) for v in values)) for k in range(2)))

    def call(self, name: str, result: Any, *arguments: Any) -> Any:
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        function = cgutils.get_or_insert_function(self.b.module, kind, name)
        return self.b.call(function, arguments)


def _transposed(v: Vectors, rows: list[Any]) -> list[Any]:
    """16 rows of 32 pixels to 16 vectors, of the 16 bytes of pixel j and of pixel 16 + j.

    Four perfect shuffles transpose a 16x16 matrix; each half of 32 is one.
    """
    low = [16 * half + k // 2 + 32 * (k % 2) for half in range(2) for k in range(16)]
    high = [lane + 8 for lane in low]
    for _ in range(4):
        rows = [v.shuffle(rows[k], rows[k + 8], half) for k in range(8) for half in (low, high)]
    return rows


def _corners(v: Vectors, cell: Any, f: list[Any]) -> list[Any]:
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


def _store_corners(v: Vectors, weights: list[Any], out: Any, start: Any, size: int) -> None:
    """Store 16 rows of bytes pixel by pixel, `size` bytes apart."""
    for j, pair in enumerate(_transposed(v, weights)):
        for k in range(2):
            pixel = v.b.add(start, _I64(16 * k + j))
            v.store(v.half(pair, k), v.step(out, pixel, size))


@intrinsic
def corner_weights(typing_context, a, b, c, d, fraction, out, count):
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

    def generate(context, builder, signature, arguments):
        v = Vectors(builder)
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
def deep_corner_weights(typing_context, a, b, c, d, out, count):
    """As `corner_weights`, of fractions of `DEEP_CELL_BITS`, in two bytes a weight.

    Parameters
    ----------
    a, b, c, d : address of uint16, (count,)
        Fractions alone.
    out : address of uint8, (count, 2, 16)
        The weights' seven lower bits, and their upper bits.
    """

    def generate(context, builder, signature, arguments):
        v = Vectors(builder)
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
def cell_rows(typing_context, a, b, c, d, shift, bits, size, first, out, count):
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

    def generate(context, builder, signature, arguments):
        v = Vectors(builder)
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
def add_sets(typing_context, table, weights, rows, targets, count, reads, deep):
    """Add what sets of four pixels give to the sums of the pixels that read them.

    A read's value is the dot product of the 16 weights of the set's corners and the entries
    of the set's cell. One row of the table serves all reads of the set; the four sums of four
    products that come of a read are added up for four sets at once.

    Parameters
    ----------
    table : address of int8
        Rows of a cell, (reads, 16).
    weights : address of uint8, (count, 16), or (count, 2, 16) if deep
        See `corner_weights` and `deep_corner_weights`.
    rows : address of uint32, (count,)
        Where each set's row begins in the table.
    targets : tuple of addresses of int32, (count,)
        The sums of each read. No two may lie a few pixels apart: what has just been written in
        part could not be read again at once.
    count : int
        What is added is that of the next multiple of 4.
    reads, deep : tuple
        By their lengths: the reads of a set (1, 2 or 4); whether weights have two bytes.
    """
    n_reads, n_bytes = len(reads), 2 if len(deep) else 1

    def generate(context, builder, signature, arguments):
        v = Vectors(builder)
        table, weights, rows, targets, count = arguments[:5]
        targets = cgutils.unpack_tuple(builder, targets, n_reads)
        width = CORNERS * n_reads
        zero = v.constant(_I32, [0] * (width // 4))
        blocks = builder.udiv(builder.add(count, _I64(3)), _I64(4))
        with cgutils.for_range(builder, blocks) as loop:
            quads = []
            for k in range(4):
                x = builder.add(builder.mul(loop.index, _I64(4)), _I64(k))
                row = builder.zext(v.load_word(v.step(rows, x, 4)), _I64)
                entries = v.load(builder.add(table, row), _I8, width)
                total = zero
                for k_byte in reversed(range(n_bytes)):
                    at = v.step(weights, x, CORNERS * n_bytes)
                    weight = v.load(builder.add(at, _I64(CORNERS * k_byte)), _I8, CORNERS)
                    while weight.type.count < width:
                        weight = v.twice(weight)
                    total = v.add_dots(total, weight, entries)
                    if k_byte:
                        total = v.times_128(total)
                quads.append(total)
            sums = v.sums_of_four(quads)
            for k, target in enumerate(targets):
                address = v.step(target, loop.index, CORNERS)
                read_sums = v.shuffle(sums, sums, range(4 * k, 4 * k + 4))
                v.store(builder.add(v.load(address, _I32, 4), read_sums), address)
        return context.get_dummy_value()

    kinds = (table, weights, rows, targets, count, reads, deep)
    return types.void(*kinds), generate


@intrinsic
def finish_values(
    typing_context,
    sums, second, kept, offset, divisor, lowest, limit, to_level, target, count, lanes, out,
):  # fmt: skip
    """Make values of sums: ``clip(round((sum + offset) / divisor), lowest, limit)``.

    Parameters
    ----------
    sums, second : address, (count, lanes)
        What sums are the sums of; set to 0.
    kept : ndarray of int16 or int32
        Says the type of `sums`.
    offset, divisor, lowest : ndarray of float32 or float64, (lanes,)
        In their precision all is computed; sums must fit it.
    limit : float
    to_level : float32
        What values are multiplied by where they are stored as float32.
    target : address, (count, lanes)
    count : int
    lanes : tuple
        By its length: 1, 4 or 8.
    out : ndarray of uint8, int32 or float32
        Says the type of what `target` holds.
    """
    n_lanes, stored, kept_as = len(lanes), out.dtype, ir.IntType(kept.dtype.bitwidth)
    double = offset.dtype == types.float64
    real = ir.DoubleType() if double else ir.FloatType()

    def generate(context, builder, signature, arguments):
        v = Vectors(builder)
        sums, second, _, *numbers, limit, to_level, target, count = arguments[:10]
        numbers = [
            context.make_array(kind)(context, builder, value=number).data
            for kind, number in zip(signature.args[3:6], numbers, strict=True)
        ]
        lane = [
            [builder.load(builder.gep(number, [_I32(k)])) for k in range(n_lanes)]
            for number in numbers
        ]
        magic = ROUND_F64 if double else float(ROUND_F32)
        limit = limit if double else builder.fptrunc(limit, real)

        def loop(first: Any, number: Any, width: int) -> None:
            offset, divisor, lowest = (v.filled(values, width) for values in lane)
            top, level = v.filled([limit], width), v.filled([to_level], width)
            half, words = v.constant(real, [magic] * width), ir.VectorType(_I32, width)
            with cgutils.for_range(builder, number) as at:
                x = builder.add(first, builder.mul(at.index, _I64(width)))
                total = None
                for start in (sums, second):
                    address = v.step(start, x, kept_as.width // 8)
                    value = v.load(address, kept_as, width)
                    v.store(ir.Constant(value.type, None), address)
                    value = builder.sext(value, words) if kept_as == _I16 else value
                    total = value if total is None else builder.add(total, value)
                total = builder.sitofp(total, offset.type)
                value = builder.fdiv(builder.fadd(total, offset), divisor)
                value = builder.fsub(builder.fadd(value, half), half)
                low = builder.fcmp_ordered("<", value, lowest)
                value = builder.select(low, lowest, value)
                high = builder.fcmp_ordered(">", value, top)
                value = builder.select(high, top, value)
                if stored == types.float32:
                    single = ir.VectorType(ir.FloatType(), width)
                    value = builder.fptrunc(value, single) if double else value
                    value = builder.fmul(value, level)
                else:
                    value = builder.fptosi(value, words)
                    if stored == types.uint8:
                        value = builder.trunc(value, ir.VectorType(_I8, width))
                v.store(value, v.step(target, x, stored.bitwidth // 8))

        values = builder.mul(count, _I64(n_lanes))
        many = builder.udiv(values, _I64(CORNERS))
        done = builder.mul(many, _I64(CORNERS))
        loop(_I64(0), many, CORNERS)
        loop(done, builder.udiv(builder.sub(values, done), _I64(n_lanes)), n_lanes)
        return context.get_dummy_value()

    kinds = (
        sums,
        second,
        kept,
        offset,
        divisor,
        lowest,
        limit,
        to_level,
        target,
        count,
        lanes,
        out,
    )
    return types.void(*kinds), generate
