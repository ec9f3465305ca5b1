"""The kernels that Python calls, and the types of arguments that each is compiled for.

What is declared here is all there is: a library holds every variant, and a call with other types is
an error. A variant costs about a second when the package is built, and some kilobytes in it.
"""

from __future__ import annotations

from lerf_core.backends.numba.calls import EntryPoint
from lerf_core.backends.numba.layouts import RECORDS
from lerf_core.backends.numba.signatures import (
    ArgumentType,
    Array,
    Scalar,
    Tuple,
    Types,
    variants,
)

__all__ = [
    "block_rows",
    "byte_plane_records",
    "byte_records",
    "coordinate_rows",
    "copied_rows",
    "difference_rows",
    "fill_rows",
    "float_records",
    "floats_from_grey",
    "footprint_rows",
    "grey_rows",
    "grid2_colours",
    "grid2_rows",
    "grid_majority",
    "grid_rows",
    "half_rows",
    "halve_floats",
    "halve_integers",
    "halve_with_alpha",
    "homography_rows",
    "integers_from_grey",
    "kernel_point_rows",
    "limited_plane",
    "luma_rows",
    "network_rows",
    "overshoot_rows",
    "pack_convolution",
    "pad_bytes",
    "pad_plane",
    "pad_units",
    "point_majority",
    "points2_rows",
    "points_rows",
    "range_plane",
    "separable_rows",
    "shrunk_rows",
    "stage_rows",
    "store_four",
    "store_three",
    "store_two",
    "unit_rows",
    "walk_rows",
]  # fmt: skip

_BOOL, _INT, _F32, _F64 = Scalar("bool"), Scalar("int64"), Scalar("float32"), Scalar("float64")
_FLAGS = Array("bool", 2)
_INTS, _INTS2, _INTS3 = (Array("int64", ndim) for ndim in (1, 2, 3))
_FLOATS, _FLOATS2, _FLOATS3, _FLOATS4 = (Array("float32", ndim) for ndim in (1, 2, 3, 4))
_DOUBLES, _DOUBLES2, _DOUBLES3 = (Array("float64", ndim) for ndim in (1, 2, 3))
_BYTES, _BYTES2, _BYTES3, _BYTES4 = (Array("uint8", ndim) for ndim in (1, 2, 3, 4))
# What images hold, and what packed parameters of bytes are read as.
_STORED = ("uint8", "uint16", "float32", "float64")
_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_READABLE = (*_INTEGERS, "bool", "float32", "float64")
_WORDS = ("uint16", "uint32", "uint64")
_KEYS = ("uint8", "uint16", "uint32", "uint64")


def _numbers(count: int) -> Tuple:
    """Return the type of a tuple of integers."""
    return Tuple((_INT,) * count)


# -- values and grey levels ---------------------------------------------------------------

unit_rows = EntryPoint(
    "values", "unit_rows",
    *variants(
        [Array(name, 2) for name in _READABLE], _F64, _F64, _F64, Array("int32", 2), _FLOATS2
    ),
)  # fmt: skip
grey_rows = EntryPoint(
    "values", "grey_rows", *variants([Array(name, 2) for name in _READABLE], _F64, _F64, _FLOATS2)
)
floats_from_grey = EntryPoint(
    "values", "floats_from_grey", *variants(_FLOATS2, _F64, _F64, [_FLOATS2, _DOUBLES2])
)
integers_from_grey = EntryPoint(
    "values", "integers_from_grey", *variants(_FLOATS2, _F64, _F64, _F64, Array("uint16", 2))
)

# -- table reads --------------------------------------------------------------------------

pad_bytes = EntryPoint(
    "table_reads", "pad_bytes", *variants(Array("uint8", 2, contiguous=False), *[_INT] * 3, _BYTES2)
)
pad_units = EntryPoint(
    "table_reads", "pad_units",
    *variants(Array("int32", 2, contiguous=False), *[_INT] * 4, Array("uint16", 2), _BYTES2),
)  # fmt: skip


def _end(*, deep: bool) -> tuple[ArgumentType, ...]:
    """Return the arguments of table reads from the finishing numbers on, but for the last one."""
    values, exact = (Array("int32", 2), _DOUBLES) if deep else (_BYTES2, _FLOATS)
    return Tuple((exact, exact, exact, _F64, _F32)), values, _FLOATS2, _INT, _INT


_SETS = (_INTS3, _INTS, _INTS3)
_UNITS, _FRACTIONS = (_BYTES2, _BYTES2), (Array("uint16", 2), _BYTES2)
# Features, or packed parameters.
_OF_BYTES = [_BYTES2, _BYTES3, _FLOATS3]
_OF_UNITS = [Array("int32", 2), Array("int32", 3), _FLOATS3]

stage_rows = EntryPoint(
    "table_reads", "stage_rows",
    *(
        types
        for deep, source, out in ((False, _UNITS, _OF_BYTES), (True, _FRACTIONS, _OF_UNITS))
        for types in variants(
            *source, *[_INT] * 4, Array("int8", 1), *_SETS, _INTS2, _numbers(int(deep)),
            *_end(deep=deep), out,
        )
    ),
)  # fmt: skip
# By the values of a read, and whether sums need 32 bits, as those of deep coordinates do.
walk_rows = EntryPoint(
    "node_reads", "walk_rows",
    *(
        types
        for deep, source, out in ((False, _UNITS, _OF_BYTES), (True, _FRACTIONS, _OF_UNITS))
        for types in variants(
            *source, *[_INT] * 4, Array("int16", 1), *_SETS, _INTS, _INTS, _INT,
            [_numbers(4), _numbers(8)], [_numbers(1)] if deep else [_numbers(0), _numbers(1)],
            *_end(deep=deep), out[1:],
        )
    ),
)  # fmt: skip

# By rows and columns of a block, and whether sums of bytes' coordinates need 32 bits.
block_rows = EntryPoint(
    "block_reads", "block_rows",
    *(
        (*source, *[_INT] * 4, Array("int8", 1), *_SETS, _INTS, _INTS, _INT,
         _numbers(4 if scale == 2 else 16), _numbers(int(wide)), _end(deep=deep)[0],
         _numbers(scale), _INT, _INT, _FLOATS2 if deep else _BYTES2)
        for deep, source in ((False, _UNITS), (True, _FRACTIONS))
        for wide in ((True,) if deep else (False, True))
        for scale in (2, 3, 4)
    ),
)  # fmt: skip

# -- networks -----------------------------------------------------------------------------

pack_convolution = EntryPoint(
    "network", "pack_convolution",
    *variants([_BYTES, Array("int32", 1)], Array("int8", 4), _BOOL, _BYTES),
)  # fmt: skip
network_rows = EntryPoint(
    "network", "network_rows",
    *(
        (*[Array(name, 2, contiguous=False)] * 3, _INTS, _INTS, _BYTES, _INTS, Array("int32", 2),
         *[_INT] * 9, Tuple((_FLOATS2,) * 3), Tuple((out,) * 3))
        for name, out in (
            ("uint8", Array("uint64", 2)), ("uint8", _FLOATS3), ("int32", _FLOATS3),
            ("uint8", _BYTES4), ("int32", _FLOATS4),
        )
    ),
)  # fmt: skip

# -- the weighted mean --------------------------------------------------------------------

overshoot_rows = EntryPoint(
    "overshoot", "overshoot_rows",
    *((plane, _INT, _INT, out) for plane, out in ((_BYTES2, _BYTES3), (_FLOATS2, _FLOATS3))),
)  # fmt: skip

# The mean of packed bytes is rounded by the kernel, or left as it is.
_GRIDS = [(Array(name, 2), _BYTES3, out) for name in _WORDS for out in (_BYTES2, _FLOATS2)]
_GRIDS += [(_FLOATS3, _FLOATS3, _FLOATS2)]
_TAPS = (_INTS2, _FLAGS, _FLOATS2, _INTS2, _FLAGS, _FLOATS2)

grid2_rows = EntryPoint(
    "grid", "grid2_rows",
    *(
        (pixels, _BOOL, *_TAPS, _INT, _F32, _BOOL, validity, _F32, bounds, _INTS, _INTS, _INT, _INT,
         out, validity)
        for pixels, bounds, out in _GRIDS
        for validity in (None, _FLOATS2)
    ),
)  # fmt: skip
grid_rows = EntryPoint(
    "grid", "grid_rows",
    *(
        (pixels, _BOOL, *_TAPS, _F32, _BOOL, validity, _F32, bounds, _INTS, _INTS, _INT, _INT,
         out, validity)
        for pixels, bounds, out in _GRIDS
        for validity in (None, _FLOATS2)
        if out == _FLOATS2
    ),
)  # fmt: skip

grid2_colours = EntryPoint(
    "grid_colours", "grid2_colours",
    *(
        (Tuple((pixels,) * 3), *_TAPS[:3], *_TAPS[4:], _INT, _F32, _BOOL, Tuple((bounds,) * 3),
         _INTS, _INT, _INT, Tuple((out,) * 3))
        for pixels, bounds, out in (
            (Array("uint64", 2), _BYTES3, _BYTES2), (_FLOATS3, _FLOATS3, _FLOATS2),
        )
    ),
)  # fmt: skip

byte_plane_records = EntryPoint(
    "records", "byte_plane_records", (Array("uint64", 2), _BYTES3, Array("int32", 3))
)
byte_records = EntryPoint("records", "byte_records", (_BYTES3, Array("int32", 3)))
float_records = EntryPoint("records", "float_records", (_FLOATS3, _BOOL, _FLOATS3, _FLOATS3))
pad_plane = EntryPoint("records", "pad_plane", (_FLOATS2, _FLOATS2))


def _points(*scales: Array) -> list[Types]:
    """Return the variants of means at points, for each layout of records."""
    return [
        (Array("int32", 4) if layout.is_bytes else _FLOATS4, _numbers(number), _DOUBLES2,
         _DOUBLES2, *scales, validity, _BYTES3 if layout.is_bytes else _FLOATS3, share, _INTS2)
        for number, layout in RECORDS.items()
        for validity, share in ((None, None), (_FLOATS2, _FLOATS3))
    ]  # fmt: skip


points2_rows = EntryPoint("points", "points2_rows", *_points())
points_rows = EntryPoint("points", "points_rows", *_points(_DOUBLES2, _DOUBLES2))

# -- source coordinates -------------------------------------------------------------------

_PLACES = (*[_DOUBLES2] * 4, _INTS2, _INTS, _INTS, _DOUBLES, _INTS)
_BORDER = (_INT, _INT, _BOOL, _BOOL, _BOOL, _F64, _INT, _F64, _INT, _BOOL, _F64)
_FIELD = Array("float64", 3, contiguous=False)

homography_rows = EntryPoint(
    "coordinates", "homography_rows", (_DOUBLES2, _INT, _INT, *_PLACES, *_BORDER)
)
coordinate_rows = EntryPoint("coordinates", "coordinate_rows", (*_PLACES, *_BORDER))
footprint_rows = EntryPoint("coordinates", "footprint_rows", (_FIELD, _INT, _INT, _DOUBLES3))
copied_rows = EntryPoint("coordinates", "copied_rows", (_FIELD, _INT, _INT, _F64, _FLAGS))

# -- labels -------------------------------------------------------------------------------

_COVERAGE = (_INTS, _INTS, _INTS2, _INTS, _INT)

grid_majority = EntryPoint(
    "majority", "grid_majority",
    *variants(
        [Array(name, 2) for name in _KEYS], [None, _FLAGS], *_COVERAGE, *_COVERAGE, _INTS2
    ),
)  # fmt: skip
point_majority = EntryPoint(
    "majority", "point_majority",
    *(
        (Array(name, 2), missing, _DOUBLES2, _DOUBLES2, scale, scale, _INTS2, _BOOL, _INTS2)
        for name in _KEYS
        for missing in (None, _FLAGS)
        for scale in (None, _DOUBLES2)
    ),
)  # fmt: skip

# -- colours ------------------------------------------------------------------------------

luma_rows = EntryPoint(
    "colours", "luma_rows",
    *(
        (*[Array(name, 2, contiguous=False)] * 3, Array(name, 2))
        for name in ("uint8", "float32")
    ),
)  # fmt: skip
difference_rows = EntryPoint(
    "colours", "difference_rows",
    *(
        (*[Array(name, 2)] * 4, _FLOATS2, _INTS2, _FLOATS2, _INTS, _FLOATS2, _INT, _INT,
         Array(name, 3))
        for name in ("uint8", "float32")
    ),
)  # fmt: skip

# -- fixed kernels ------------------------------------------------------------------------

kernel_point_rows = EntryPoint(
    "kernel_points", "kernel_point_rows",
    *(
        (Array(name, 3), _FLOATS, _F64, _F32, _BOOL, _DOUBLES2, _DOUBLES2, scale, scale, _INTS2,
         Array(name, 3), _F32)
        for name in ("uint8", "uint16", "float32")
        for scale in (None, _DOUBLES2)
    ),
)  # fmt: skip
_SOURCE = (*[_INT] * 6, _FLOATS, _FLOATS)
_TARGET = (_INT, _INT, _INT)

separable_rows = EntryPoint(
    "separable", "separable_rows",
    (*_SOURCE, _INTS, _FLOATS2, _INTS, _FLOATS2, _INTS, _INT, *[_FLOATS2] * 3, *_TARGET),
)  # fmt: skip
half_rows = EntryPoint(
    "separable", "half_rows",
    *variants(
        _INT, _INT, _INTS, _INT, _INT, [_numbers(channels) for channels in (1, 2, 3, 4)],
        [_numbers(size) for size in (1, 2, 4)], _BYTES, _INT, _INT,
    ),
)  # fmt: skip
_SHRUNK_AXIS = (*[_INTS, _FLOATS2] * 2, _INTS, _INTS)
shrunk_rows = EntryPoint(
    "shrinking", "shrunk_rows",
    (*_SOURCE, *_SHRUNK_AXIS, *_SHRUNK_AXIS, _numbers(3), _INTS2, _INT, _FLOATS2, _FLOATS3,
     _FLOATS3, _F32, _F32, *_TARGET),
)  # fmt: skip
range_plane = EntryPoint(
    "limits", "range_plane", (_FLOATS2, _FLOATS, *[_INTS] * 4, _FLOATS2, _FLOATS2)
)
limited_plane = EntryPoint(
    "limits", "limited_plane", (*[_FLOATS2] * 4, _INT, _INT, _F32, _F32, _FLOATS2)
)

# -- pyramids -----------------------------------------------------------------------------

# Sums of 64-bit integers overflow.
_HALVED = tuple(name for name in _INTEGERS if "64" not in name)

halve_integers = EntryPoint(
    "halving", "halve_integers", *((Array(name, 3), Array(name, 3)) for name in _HALVED)
)
halve_floats = EntryPoint(
    "halving", "halve_floats", *((Array(name, 3), Array(name, 3)) for name in _STORED[2:])
)
halve_with_alpha = EntryPoint(
    "halving", "halve_with_alpha",
    *(
        (Array(name, 3), Array(name, 3), _BOOL)
        for name in (*_INTEGERS, *_STORED[2:])
    ),
)  # fmt: skip

# -- writing ------------------------------------------------------------------------------

store_two, store_three, store_four = (
    EntryPoint(
        "writing", f"store_{word}",
        *((*[Array(name, 2)] * count, Array(name, 3)) for name in _STORED),
    )
    for count, word in ((2, "two"), (3, "three"), (4, "four"))
)  # fmt: skip
fill_rows = EntryPoint(
    "writing", "fill_rows", *((Array(name, 2), _INTS2, Scalar(name)) for name in _STORED)
)
