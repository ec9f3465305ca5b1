"""Vector steps of the mean at scattered positions, written in LLVM's words.

`LANES` output pixels are handled at once. Of each, the records of its neighbours
(`kernels.records`) are loaded whole and transposed, so that a vector holds a word of all of them;
then everything is arithmetic on vectors: the operations of `lerf_core.backends.reference.means`,
in their order.
Numbers that the code depends on come as the length of a tuple, which is part of its type.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lerf_core.backends.numba.kernels.lanes import LANES
from lerf_core.backends.numba.layouts import RECORDS, RecordLayout
from lerf_core.constants import (
    CROSS_STEPS,
    EXP2_POLYNOMIAL,
    EXPONENT_STEPS,
    EXPONENT_TOP,
    FIRST_WEIGHT,
    GREY_UNIT,
    LEVELS,
    MAX_POINT_TAPS,
    POSITION_EPS,
    REACH_LIMIT,
    RESIDUAL_UNIT,
    ROUND_F32,
    SQUARE_STEPS,
)

__all__ = [
    "OFFSET_ROWS",
    "TAP_ROWS",
    "Lanes",
    "footprint_means",
    "locate_pairs",
    "locate_taps",
    "pair_means",
]

#: Rows of `LANES` float32 that `locate_pairs` writes for `LANES` pixels.
OFFSET_ROWS = 12
#: Rows of `LANES` float32 that `locate_taps` writes for each tap of an axis.
TAP_ROWS = 3

_I8, _I32, _I64 = (ir.IntType(bits) for bits in (8, 32, 64))
_F32, _F64 = ir.FloatType(), ir.DoubleType()
_ADDRESS = types.intp
_ONE_BITS = 0x3F800000
_UPPER_HALF = -0x10000  # of 32 bits


class Lanes:
    """Operations on vectors of `LANES` numbers, at an LLVM builder."""

    def __init__(self, builder: Any) -> None:
        self.b = builder

    # -- numbers and memory --

    def kind(self, element: Any, count: int = LANES) -> Any:
        return ir.VectorType(element, count)

    def filled(self, element: Any, value: Any) -> Any:
        return ir.Constant(self.kind(element), [element(value)] * LANES)

    def single(self, value: Any) -> Any:
        """Return a float32 in all lanes."""
        return self.filled(_F32, float(value))

    def word(self, value: int) -> Any:
        return self.filled(_I32, value)

    def double(self, value: float) -> Any:
        return self.filled(_F64, float(value))

    def splat(self, number: Any) -> Any:
        kind = self.kind(number.type)
        first = self.b.insert_element(ir.Constant(kind, ir.Undefined), number, _I32(0))
        return self.shuffle(first, first, [0] * LANES)

    def load(self, address: Any, element: Any, count: int = LANES) -> Any:
        pointer = self.b.inttoptr(address, self.kind(element, count).as_pointer())
        return self.b.load(pointer, align=1)

    def load_number(self, address: Any, element: Any) -> Any:
        return self.b.load(self.b.inttoptr(address, element.as_pointer()), align=1)

    def store(self, value: Any, address: Any) -> None:
        self.b.store(value, self.b.inttoptr(address, value.type.as_pointer()), align=1)

    def step(self, address: Any, index: Any, size: int) -> Any:
        index = _I64(index) if isinstance(index, int) else index
        return self.b.add(address, self.b.mul(index, _I64(size)))

    def shuffle(self, first: Any, second: Any, lanes: Any) -> Any:
        mask = [_I32(lane) for lane in lanes]
        return self.b.shuffle_vector(first, second, ir.Constant(self.kind(_I32, len(mask)), mask))

    def join(self, values: list[Any]) -> Any:
        """Return vectors side by side."""
        while len(values) > 1:
            count = 2 * values[0].type.count
            values = [
                self.shuffle(values[k], values[k + 1], range(count))
                for k in range(0, len(values), 2)
            ]
        return values[0]

    # -- arithmetic: names as in the kernels' `arithmetic` --

    def as_float(self, bits: Any) -> Any:
        return self.b.bitcast(bits, self.kind(_F32))

    def bits(self, value: Any) -> Any:
        return self.b.bitcast(value, self.kind(_I32))

    def to_float(self, number: Any) -> Any:
        return self.b.sitofp(number, self.kind(_F32))

    def to_single(self, value: Any) -> Any:
        return self.b.fptrunc(value, self.kind(_F32))

    def add(self, *terms: Any) -> Any:
        """Return the sum of terms, the first two first."""
        total = terms[0]
        for term in terms[1:]:
            total = self.b.fadd(total, term)
        return total

    def less(self, a: Any, b: Any) -> Any:
        return self.b.fsub(a, b)

    def times(self, *factors: Any) -> Any:
        product = factors[0]
        for factor in factors[1:]:
            product = self.b.fmul(product, factor)
        return product

    def smallest(self, value: Any, high: Any) -> Any:
        return self.b.select(self.b.fcmp_ordered("<", high, value), high, value)

    def largest(self, value: Any, low: Any) -> Any:
        return self.b.select(self.b.fcmp_ordered(">", low, value), low, value)

    def clip(self, value: Any, low: Any, high: Any) -> Any:
        return self.smallest(self.largest(value, low), high)

    def call(self, name: str, value: Any) -> Any:
        """Call an intrinsic of LLVM's of one argument, of its type."""
        element = "f64" if value.type.element == _F64 else "f32"
        kind = ir.FunctionType(value.type, [value.type])
        name = f"llvm.{name}.v{value.type.count}{element}"
        return self.b.call(cgutils.get_or_insert_function(self.b.module, kind, name), [value])

    def relative_weight(self, exponent: Any, first: Any) -> Any:
        steps = self.b.fptosi(self.less(first, exponent), self.kind(_I32))
        below = self.b.and_(steps, self.word(EXPONENT_STEPS - 1))
        mantissa = self.as_float(self.b.or_(below, self.word(_ONE_BITS)))
        *lower, power = (self.single(c * FIRST_WEIGHT) for c in EXP2_POLYNOMIAL)
        for coefficient in reversed(lower):
            power = self.add(self.times(power, mantissa), coefficient)
        field = self.b.and_(steps, self.word(-EXPONENT_STEPS))
        return self.as_float(self.b.add(self.bits(power), field))

    def square_term(self, offset: Any) -> Any:
        return self.times(self.single(SQUARE_STEPS), self.times(offset, offset))

    def cross_offset(self, dy: Any, dx: Any) -> Any:
        return self.times(self.times(self.single(CROSS_STEPS), dx), dy)

    def tent(self, slope: Any, distance: Any) -> Any:
        size = self.call("fabs", distance)
        one, zero = self.single(1), self.single(0)
        weight = self.less(one, self.times(slope, size))
        is_seen = self.b.and_(
            self.b.fcmp_ordered(">", weight, zero), self.b.fcmp_ordered("<=", size, one)
        )
        return self.b.select(is_seen, weight, zero)

    # -- records --

    def gather(self, addresses: list[Any], words: int) -> list[Any]:
        """Return vectors of the first word at each address, the second, ...."""
        if words < 4:
            element = ir.IntType(32 * words)
            values = ir.Constant(self.kind(element), ir.Undefined)
            for lane, address in enumerate(addresses):
                number = self.load_number(address, element)
                values = self.b.insert_element(values, number, _I32(lane))
            if words == 1:
                return [values]
            values = self.b.bitcast(values, self.kind(_I32, 2 * LANES))
            return [self.shuffle(values, values, range(k, 2 * LANES, 2)) for k in range(2)]
        vectors = []
        for start in range(0, 4 * words, 16):
            # Four vectors, each of which has pixels k, k + 4, ... side by side.
            quads = [
                self.join(
                    [
                        self.load(self.b.add(address, _I64(start)), _I32, 4)
                        for address in addresses[k::4]
                    ]
                )
                for k in range(4)
            ]
            vectors += self._transposed(quads)
        return vectors

    def _transposed(self, quads: list[Any]) -> list[Any]:
        """Transpose four words of four vectors, in each quarter (half) of them."""
        firsts = range(0, LANES, 4)
        low = [first + lane for first in firsts for lane in (0, LANES, 1, LANES + 1)]
        high = [lane + 2 for lane in low]
        first, second, third, fourth = quads
        a, b = (self.shuffle(first, second, lanes) for lanes in (low, high))
        c, d = (self.shuffle(third, fourth, lanes) for lanes in (low, high))
        even = [first + lane for first in firsts for lane in (0, 1, LANES, LANES + 1)]
        odd = [lane + 2 for lane in even]
        return [self.shuffle(*pair, lanes) for pair in ((a, c), (b, d)) for lanes in (even, odd)]


class _Record:
    """What a neighbour's words say, a vector each; see `kernels.records`."""

    def __init__(self, v: Lanes, layout: RecordLayout, words: list[Any]) -> None:
        self.v, self.layout, self.words = v, layout, words

    def _byte(self, word: Any, number: int) -> Any:
        v = self.v
        shifted = v.b.lshr(word, v.word(8 * number)) if number else word
        return v.to_float(v.b.and_(shifted, v.word(255)) if number < 3 else shifted)

    def _half(self, word: Any, number: int) -> Any:
        """Return the float32 of which half a word has the upper bits."""
        v = self.v
        upper = v.b.and_(word, v.word(_UPPER_HALF)) if number else v.b.shl(word, v.word(16))
        return v.as_float(upper)

    def _float(self, number: int) -> Any:
        return self.v.as_float(self.words[number])

    @property
    def is_gaussian(self) -> bool:
        return self.layout.weighting == "gaussian"

    def _gaussian(self) -> tuple[Any, Any, Any]:
        """Return sigma_row**2, the cross term and sigma_col**2."""
        v = self.v
        if not self.layout.is_bytes:
            return self._float(0), self._float(1), self._float(2)
        if self.layout.has_local_plane:
            row, col = (self._half(self.words[0], k) for k in range(2))
            return v.times(row, row), self._float(1), v.times(col, col)
        rho, row, col = (self._byte(self.words[0], k) for k in (1, 2, 3))
        tilt = v.less(v.add(rho, rho), v.single(LEVELS))
        return v.times(row, row), v.times(tilt, v.times(row, col)), v.times(col, col)

    def exponent(self, row_term: Any, both: Any, col_term: Any) -> Any:
        """Return the Gaussian's exponent, of the offset's factors."""
        v = self.v
        row, cross, col = self._gaussian()
        value = v.add(v.times(row, row_term), v.times(cross, both), v.times(col, col_term))
        return v.smallest(value, v.single(EXPONENT_TOP))

    def tent_weight(self, dy: Any, dx: Any) -> Any:
        v = self.v
        if self.layout.is_bytes:
            alpha = self._byte(self.words[0], 1)
            slope = v.times(v.less(v.add(alpha, alpha), v.single(LEVELS)), v.single(GREY_UNIT))
        else:
            slope = self._float(1)
        return v.times(v.tent(slope, dy), v.tent(slope, dx))

    def value(self, dy: Any, dx: Any) -> Any:
        """Return the level that the pixel, or its local plane, predicts at an offset."""
        v, layout = self.v, self.layout
        if not layout.has_local_plane:
            if layout.is_bytes:
                return self._byte(self.words[0], 0)
            return self._float(3 if self.is_gaussian else 0)
        if layout.is_bytes:
            quarters = v.b.ashr(self.words[2], v.word(16))
            level = v.times(v.to_float(quarters), v.single(RESIDUAL_UNIT))
            slope_row, slope_col = (self._half(self.words[3], k) for k in range(2))
        else:
            level, slope_row, slope_col = (self._float(k) for k in (3, 4, 5))
        return v.add(level, v.times(slope_col, dx), v.times(slope_row, dy))

    def bounds(self) -> tuple[Any, Any] | None:
        """Return the bounds of the cell of which this is the upper left pixel."""
        if not self.layout.has_local_plane:
            return None
        if self.layout.is_bytes:
            return self._byte(self.words[2], 0), self._byte(self.words[2], 1)
        return self._float(6), self._float(7)


def _store_mean(v: Lanes, mean: Any, is_bytes: bool, out: Any, index: Any) -> None:
    """Store levels, those of bytes rounded half to even and clipped."""
    if not is_bytes:
        v.store(mean, v.step(out, index, 4 * LANES))
        return
    mean = v.clip(mean, v.single(0), v.single(LEVELS))
    # The low byte of the mantissa is the rounded level.
    rounded = v.bits(v.add(mean, v.single(ROUND_F32)))
    v.store(v.b.trunc(rounded, v.kind(_I8)), v.step(out, index, LANES))


def _data_of(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    """Return the address of an array's first item, 0 of None."""
    if kind == types.none:
        return _I64(0)
    data = context.make_array(kind)(context, builder, value=array).data
    return builder.ptrtoint(data, _I64)


# -- two neighbours per axis -------------------------------------------------------------------


@intrinsic
def locate_pairs(
    typing_context, rows, cols, height, width, record_size, offsets, places, blocks
):  # fmt: skip
    """Find the neighbours of positions, two per axis.

    Parameters
    ----------
    rows, cols : address of float64, (blocks, LANES)
        Finite.
    height, width : int
        Of the source.
    record_size : int
        Bytes.
    offsets : address of float32, (blocks, OFFSET_ROWS, LANES)
        Receives offsets to the upper and the lower neighbours, the left and the right ones;
        the Gaussian's factors of these, in their order; its mixed ones of the four neighbours.
    places : address of int64, (blocks, LANES)
        Receives where the records of the upper left neighbours begin.
    """

    def generate(context, builder, signature, arguments):
        v = Lanes(builder)
        rows, cols, height, width, record_size, offsets, places, blocks = arguments
        pitch = builder.mul(builder.add(width, _I64(2)), record_size)
        pitch, size = v.splat(pitch), v.splat(record_size)
        lasts = [
            v.splat(builder.sitofp(builder.sub(length, _I64(1)), _F64))
            for length in (height, width)
        ]
        one = v.double(1)
        with cgutils.for_range(builder, blocks) as loop:
            block = loop.index
            pairs, indices = [], []
            for source, last in zip((rows, cols), lasts, strict=True):
                position = v.load(v.step(source, block, 8 * LANES), _F64)
                first = v.less(v.less(position, one), v.double(POSITION_EPS))
                first = v.call("ceil", first)
                pairs.append(
                    [
                        v.to_single(v.less(position, first)),
                        v.to_single(v.less(position, v.add(first, one))),
                    ]
                )
                # Farther away the neighbours are the same. Records begin a pixel outside.
                nearest = v.add(v.clip(first, v.double(-1), last), one)
                index = builder.fptosi(nearest, v.kind(_I32))
                indices.append(builder.zext(index, v.kind(_I64)))
            place = builder.add(builder.mul(indices[0], pitch), builder.mul(indices[1], size))
            v.store(place, v.step(places, block, 8 * LANES))
            (upper, lower), (left, right) = pairs
            factors = [v.square_term(offset) for offset in (upper, lower, left, right)]
            mixed = [v.cross_offset(dy, dx) for dy in (upper, lower) for dx in (left, right)]
            target = v.step(offsets, block, 4 * LANES * OFFSET_ROWS)
            for number, value in enumerate([upper, lower, left, right, *factors, *mixed]):
                v.store(value, v.step(target, number, 4 * LANES))
        return context.get_dummy_value()

    return types.void(*[_ADDRESS] * 8), generate


@intrinsic
def pair_means(
    typing_context,
    records, pitch, places, offsets, blocks, validity, layout, mean, out, valid_share,
):  # fmt: skip
    """Take the means of four neighbours.

    Parameters
    ----------
    records : address
        Of a channel.
    pitch : int
        Bytes of a row of records.
    places, offsets
        As `locate_pairs` writes them.
    blocks : int
    validity : ndarray of float32, (rows + 2, cols + 2), or None
        Of the pixels of the records; C-contiguous.
    layout : tuple
        By its length: the number of a `RecordLayout`.
    mean : ndarray of uint8 or float32
        Says the type of what `out` holds.
    out : address, (blocks, LANES)
    valid_share : address of float32, (blocks, LANES)
        Written with validity alone.
    """
    kind = RECORDS[len(layout)]
    has_validity, is_bytes = validity != types.none, mean.dtype == types.uint8

    def generate(context, builder, signature, arguments):
        v = Lanes(builder)
        records, pitch, places, offsets, blocks = arguments[:5]
        out, valid_share = arguments[8:]
        factors_at = _data_of(context, builder, validity, arguments[5])
        with cgutils.for_range(builder, blocks) as loop:
            block = loop.index
            first_place = v.step(places, block, 8 * LANES)
            place = [v.load_number(v.step(first_place, k, 8), _I64) for k in range(LANES)]
            terms = v.step(offsets, block, 4 * LANES * OFFSET_ROWS)
            term = [v.load(v.step(terms, k, 4 * LANES), _F32) for k in range(OFFSET_ROWS)]
            neighbours = []
            for row in range(2):
                base = builder.add(records, pitch) if row else records
                addresses = [builder.add(base, at) for at in place]
                words = v.gather(addresses, 2 * kind.words)
                neighbours += [
                    _Record(v, kind, words[: kind.words]),
                    _Record(v, kind, words[kind.words :]),
                ]
            weights, values = [], []
            for number, record in enumerate(neighbours):
                row, side = divmod(number, 2)
                dy, dx = term[row], term[2 + side]
                values.append(record.value(dy, dx))
                if kind.weighting == "gaussian":
                    weights.append(record.exponent(term[4 + row], term[8 + number], term[6 + side]))
                else:
                    weights.append(record.tent_weight(dy, dx))
            if kind.weighting == "gaussian":
                first = weights[0]
                weights = [
                    v.single(FIRST_WEIGHT),
                    *(v.relative_weight(exponent, first) for exponent in weights[1:]),
                ]
            changes = [v.less(value, values[0]) for value in values[1:]]
            weight = v.add(*weights)
            change = v.add(*map(v.times, weights[1:], changes))
            total = weight
            if has_validity:
                places_of_validity = [builder.udiv(at, _I64(kind.words)) for at in place]
                row_size = builder.udiv(pitch, _I64(kind.words))
                factors = []
                for row in range(2):
                    base = builder.add(factors_at, row_size) if row else factors_at
                    addresses = [builder.add(base, at) for at in places_of_validity]
                    factors += map(v.as_float, v.gather(addresses, 2))
                valid = [v.times(w, factor) for w, factor in zip(weights, factors, strict=True)]
                valid_weight = v.add(*valid)
                valid_change = v.add(*map(v.times, valid[1:], changes))
                v.store(builder.fdiv(valid_weight, weight), v.step(valid_share, block, 4 * LANES))
                is_any = builder.fcmp_ordered(">", valid_weight, v.single(0))
                change = builder.select(is_any, valid_change, change)
                total = builder.select(is_any, valid_weight, weight)
            result = v.add(values[0], builder.fdiv(change, total))
            bounds = neighbours[0].bounds()
            if bounds is not None:
                result = v.clip(result, *bounds)
            _store_mean(v, result, is_bytes, out, block)
        return context.get_dummy_value()

    kinds = (validity, layout, mean)
    return types.void(*[_ADDRESS] * 5, *kinds, *[_ADDRESS] * 2), generate


# -- footprints --------------------------------------------------------------------------------


@intrinsic
def locate_taps(typing_context, positions, scales, length, stride, taps, places, is_pair):
    """Find the taps of `LANES` positions along an axis; return the largest number of them.

    Parameters
    ----------
    positions, scales : address of float64, (LANES,)
        Finite; at least 1.
    length : int
        Source pixels along the axis.
    stride : int
        Bytes from a record to the next one along the axis.
    taps : address of float32, (MAX_POINT_TAPS, TAP_ROWS, LANES)
        Receives offsets, the Gaussian's factors of these, and masks of the pixels that have the
        tap in reach.
    places : address of int64, (MAX_POINT_TAPS, LANES)
        Receives bytes to the taps' records along the axis.
    is_pair : address of int32, (LANES,)
        Receives masks of the pixels that have two taps.
    """

    def generate(context, builder, signature, arguments):
        v = Lanes(builder)
        positions, scales, length, stride, taps, places, is_pair = arguments
        position, scale = v.load(positions, _F64), v.load(scales, _F64)
        one, most = v.double(1), v.double(MAX_POINT_TAPS)
        last = v.splat(builder.sitofp(builder.sub(length, _I64(1)), _F64))
        first = v.call("ceil", v.less(v.less(position, scale), v.double(POSITION_EPS)))
        # Integers of float64: exact, and positions may lie anywhere.
        stretched = v.call("floor", v.add(v.times(v.double(2), scale), v.double(POSITION_EPS)))
        is_stretched = builder.fcmp_ordered(">", scale, one)
        count = builder.select(is_stretched, v.add(stretched, one), v.double(2))
        step = v.call("floor", builder.fdiv(v.add(count, v.less(most, one)), most))
        count = v.call("floor", builder.fdiv(v.less(v.add(count, step), one), step))
        inverse = builder.fdiv(one, scale)
        two = builder.fcmp_ordered("==", count, v.double(2))
        v.store(builder.sext(two, v.kind(_I32)), is_pair)
        counts = builder.fptosi(count, v.kind(_I32))
        reduced = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(_I32, [counts.type]),
            f"llvm.vector.reduce.smax.v{LANES}i32",
        )
        largest = builder.sext(builder.call(reduced, [counts]), _I64)
        strides = v.splat(stride)
        with cgutils.for_range(builder, largest) as loop:
            tap = v.splat(builder.sitofp(loop.index, _F64))
            index = v.add(first, v.times(tap, step))
            offset = v.to_single(v.times(v.less(position, index), inverse))
            is_seen = builder.and_(
                builder.fcmp_ordered("<", tap, count),
                builder.fcmp_ordered("<=", v.call("fabs", offset), v.single(REACH_LIMIT)),
            )
            nearest = v.add(v.clip(index, v.double(-1), last), one)
            place = builder.zext(builder.fptosi(nearest, v.kind(_I32)), v.kind(_I64))
            v.store(builder.mul(place, strides), v.step(places, loop.index, 8 * LANES))
            target = v.step(taps, loop.index, 4 * LANES * TAP_ROWS)
            mask = v.as_float(builder.sext(is_seen, v.kind(_I32)))
            for number, value in enumerate([offset, v.square_term(offset), mask]):
                v.store(value, v.step(target, number, 4 * LANES))
        return largest

    return types.intp(*[_ADDRESS] * 7), generate


class _Sums:
    """Sums over taps, as `reference.means` keeps them."""

    def __init__(self, v: Lanes, *, has_validity: bool) -> None:
        self.v, self.has_validity = v, has_validity
        self.places = [
            cgutils.alloca_once_value(v.b, v.single(0)) for _ in range(4 if has_validity else 2)
        ]

    def _add(self, number: int, term: Any) -> None:
        place = self.places[number]
        self.v.b.store(self.v.add(self.v.b.load(place), term), place)

    def add(self, weight: Any, difference: Any, validity: Any | None) -> None:
        v = self.v
        self._add(0, weight)
        self._add(1, v.times(weight, difference))
        if validity is not None:
            valid_weight = v.times(weight, validity)
            self._add(2, valid_weight)
            self._add(3, v.times(valid_weight, difference))

    def result(self) -> tuple[Any, Any | None]:
        """Return the mean's difference to the first tap's value, and the valid share."""
        b = self.v.b
        weight, total, *valid = (b.load(place) for place in self.places)
        if not self.has_validity:
            return b.fdiv(total, weight), None
        valid_weight, valid_total = valid
        is_any = b.fcmp_ordered(">", valid_weight, self.v.single(0))
        change = b.fdiv(
            b.select(is_any, valid_total, total), b.select(is_any, valid_weight, weight)
        )
        return change, b.fdiv(valid_weight, weight)


@intrinsic
def footprint_means(
    typing_context,
    records, rows, row_places, row_count, row_is_pair, cols, col_places, col_count, col_is_pair,
    validity, layout, mean, out, valid_share,
):  # fmt: skip
    """Take the means of `LANES` pixels over their taps.

    Parameters
    ----------
    records, validity, layout, mean
        As `pair_means` has them.
    rows, row_places, row_is_pair, cols, col_places, col_is_pair
        As `locate_taps` writes them.
    row_count, col_count : int
        As it returns them.
    out : address, (LANES,)
    valid_share : address of float32, (LANES,)
    """
    kind = RECORDS[len(layout)]
    has_validity, is_bytes = validity != types.none, mean.dtype == types.uint8
    is_gaussian = kind.weighting == "gaussian"

    def generate(context, builder, signature, arguments):
        v = Lanes(builder)
        records, rows, row_places, row_count, row_is_pair = arguments[:5]
        cols, col_places, col_count, col_is_pair = arguments[5:9]
        out, valid_share = arguments[12:]
        factors_at = _data_of(context, builder, validity, arguments[9])

        def axis(taps: Any, tap: Any) -> list[Any]:
            start = v.step(taps, tap, 4 * LANES * TAP_ROWS)
            return [v.load(v.step(start, k, 4 * LANES), _F32) for k in range(TAP_ROWS)]

        def fetched(row_tap: Any, col_tap: Any) -> tuple[_Record, list[Any]]:
            starts = v.step(row_places, row_tap, 8 * LANES), v.step(col_places, col_tap, 8 * LANES)
            places = [
                builder.add(*(v.load_number(v.step(start, k, 8), _I64) for start in starts))
                for k in range(LANES)
            ]
            words = v.gather([builder.add(records, place) for place in places], kind.words)
            return _Record(v, kind, words), places

        def weighed(record: _Record, row: list[Any], col: list[Any]) -> Any:
            """Return the Gaussian's exponent, or the tent's weight."""
            if is_gaussian:
                return record.exponent(row[1], v.cross_offset(row[0], col[0]), col[1])
            return record.tent_weight(row[0], col[0])

        start = _I64(0)
        row, col = axis(rows, start), axis(cols, start)
        record, _ = fetched(start, start)
        base, first = record.value(row[0], col[0]), weighed(record, row, col)
        bounds = record.bounds()
        sums = _Sums(v, has_validity=has_validity)
        with cgutils.for_range(builder, row_count) as row_loop:
            row = axis(rows, row_loop.index)
            with cgutils.for_range(builder, col_count) as col_loop:
                col = axis(cols, col_loop.index)
                record, places = fetched(row_loop.index, col_loop.index)
                weight = weighed(record, row, col)
                if is_gaussian:
                    weight = v.relative_weight(weight, first)
                seen = builder.and_(v.bits(row[2]), v.bits(col[2]))
                weight = v.as_float(builder.and_(v.bits(weight), seen))
                difference = v.less(record.value(row[0], col[0]), base)
                factor = None
                if has_validity:
                    addresses = [
                        builder.add(factors_at, builder.udiv(place, _I64(kind.words)))
                        for place in places
                    ]
                    factor = v.as_float(v.gather(addresses, 1)[0])
                sums.add(weight, difference, factor)
        change, share = sums.result()
        if share is not None:
            v.store(share, valid_share)
        result = v.add(base, change)
        if bounds is not None:
            pairs = builder.and_(v.load(row_is_pair, _I32), v.load(col_is_pair, _I32))
            is_bounded = builder.icmp_signed("!=", pairs, v.word(0))
            result = builder.select(is_bounded, v.clip(result, *bounds), result)
        _store_mean(v, result, is_bytes, out, _I64(0))
        return context.get_dummy_value()

    kinds = (validity, layout, mean)
    return types.void(*[_ADDRESS] * 9, *kinds, *[_ADDRESS] * 2), generate
