"""The numba backend: the specification's results, by compiled kernels.

Kernels are called through their `entry_points`. Tables of 33
nodes or more along an axis and stages of very large divisors, which no bank that ships has, are
read by the reference backend, band by band: slowly, 10 to 15 s per megapixel, channel and thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import isqrt
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lerf_core.backends.contract import Backend, FloatPlane, Plane, Positions, Rows
from lerf_core.backends.known_stages import constant_values, is_identity
from lerf_core.backends.numba.entry_points import (
    difference_rows,
    fill_rows,
    floats_from_grey,
    grey_rows,
    grid2_colours,
    grid2_rows,
    grid_majority,
    grid_rows,
    halve_floats,
    halve_integers,
    halve_with_alpha,
    integers_from_grey,
    kernel_point_rows,
    luma_rows,
    overshoot_rows,
    point_majority,
    points2_rows,
    points_rows,
    store_four,
    store_three,
    store_two,
    unit_rows,
)
from lerf_core.backends.numba.stages import STAGE_ROWS, is_compiled, read_blocks, read_cells
from lerf_core.backends.packed import as_words, empty_packed, pack, slot_count, unpack
from lerf_core.backends.reference.backend import ReferenceBackend
from lerf_core.backends.reference.overshoot import axis_cells, bounds_along_kept_axes
from lerf_core.bank.model import LutBank
from lerf_core.bank.network import NetworkBank
from lerf_core.bank.staged_tables import StagedTables
from lerf_core.bank.stages import NETWORK_KIND
from lerf_core.constants import COLOUR_PLANES, LEVELS
from lerf_core.pixels.values import ValueScale
from lerf_core.sampling.taps import AxisTaps
from lerf_core.threads import bands, run_all

if TYPE_CHECKING:
    from lerf_core.backends.numba.point_records import PointRecords
    from lerf_core.bank.layered_network import LayeredNetwork
    from lerf_core.geometry.maps import InverseMap
    from lerf_core.sampling.coordinates import SourceCoordinates
    from lerf_core.sampling.coverage import AxisCoverage
    from lerf_core.sampling.kernel_points import KernelTable
    from lerf_core.sampling.kernel_taps import KernelTaps
    from lerf_core.sampling.shrinking import ShrinkingTaps

__all__ = ["NumbaBackend", "phase_count"]

_REFERENCE = ReferenceBackend()
# Pixels of a task that the reference reads tables for: each takes some hundred bytes.
_REFERENCE_PIXELS = 1 << 17
_MOST_PHASES = 16
_LOCAL_PLANE_SLOTS = slot_count(len(NETWORK_KIND.values))
# What kernels are compiled for; the rest goes by the specification.
_READABLE = ("float16", "float32", "float64")
_FROM_GREY = ("uint16", "float32", "float64")
_STORED = ("uint8", "uint16", "float32", "float64")
_STORES = {2: store_two, 3: store_three, 4: store_four}

# All bands and channels have the same bank, and the same columns.
_axis_cells = lru_cache(maxsize=16)(axis_cells)


class NumbaBackend(Backend):
    """Every step by kernels; the contract says what each method does."""

    # -- values and grey levels --------------------------------------------------------

    def to_units(
        self, scale: ValueScale, plane: Plane, grey_bits: int
    ) -> tuple[npt.NDArray[np.int32], FloatPlane]:
        """Turn values into units and remainders."""
        if not _is_readable(plane):
            return scale.to_units(plane, grey_bits)
        units, remainder = np.empty(plane.shape, np.int32), np.empty(plane.shape, np.float32)
        unit_rows(_readable(plane), *_to_grey_line(scale), float(1 << grey_bits), units, remainder)
        return units, remainder

    def to_grey(self, scale: ValueScale, plane: Plane) -> FloatPlane:
        """Turn values into grey levels."""
        if not _is_readable(plane):
            return _REFERENCE.to_grey(scale, plane)
        grey = np.empty(plane.shape, np.float32)
        grey_rows(_readable(plane), *_to_grey_line(scale), grey)
        return grey

    def from_grey(self, scale: ValueScale, grey: FloatPlane) -> Plane:
        """Turn grey levels into values."""
        if scale.linear_light or scale.dtype.name not in _FROM_GREY:
            return scale.from_grey(grey)
        values = np.empty(grey.shape, scale.dtype)
        line = (scale.high - scale.low) / LEVELS, float(scale.low)
        if scale.dtype.kind == "f":
            floats_from_grey(grey, *line, values)
        else:
            integers_from_grey(grey, *line, float(np.iinfo(scale.dtype).max), values)
        return values

    # -- table reads -------------------------------------------------------------------

    def read_stage(
        self,
        plane: Plane,
        bank: StagedTables,
        number: int,
        cell_bits: int,
        threads: int,
        rows: Rows | None = None,
    ) -> Plane:
        """Read a stage; stages that are known without reading are views."""
        first, last = rows or (0, len(plane))
        values = len(bank.stages[number].values)
        shape = (last - first, plane.shape[1])
        if is_identity(bank, number):
            return plane[None, first:last]
        constant = constant_values(bank, number, cell_bits)
        if constant is not None:
            return np.broadcast_to(constant.astype(plane.dtype)[:, None, None], (values, *shape))
        if not is_compiled(plane, bank, number, cell_bits):
            return _read_by_reference(plane, bank, number, cell_bits, threads, (first, last))
        if number + 1 < len(bank.stages):
            feature = np.empty(shape, plane.dtype)
            read_cells(plane, bank, number, cell_bits, threads, first, None, feature)
            return feature[None]
        packed = empty_packed(*shape, values, plane.dtype)
        read_cells(plane, bank, number, cell_bits, threads, first, None, packed)
        return unpack(packed)[1]

    def read_packed(
        self,
        plane: Plane,
        bank: LutBank,
        cell_bits: int,
        threads: int,
        rows: Rows,
        remainder: FloatPlane | None,
        dtype: npt.DTypeLike,
    ) -> Plane:
        """Read the last stage into packed parameters."""
        number = len(bank.stages) - 1
        first, last = rows
        is_constant = constant_values(bank, number, cell_bits) is not None
        if is_constant or not is_compiled(plane, bank, number, cell_bits):
            values = self.read_stage(plane, bank, number, cell_bits, threads, rows)
            level = (1 << cell_bits) // bank.interval
            return pack(plane[first:last], values, level, remainder, dtype)
        out = empty_packed(last - first, plane.shape[1], len(bank.kind.values), dtype)
        read_cells(plane, bank, number, cell_bits, threads, first, remainder, out)
        return out

    def read_blocks(
        self, plane: Plane, cascade: StagedTables, cell_bits: int, threads: int, rows: Rows
    ) -> Plane:
        """Read the last stage of a cascade, by bands of rows."""
        first, last = rows
        scale, is_bytes = isqrt(len(cascade.stages[-1].values)), plane.dtype == np.uint8
        shape = (scale * (last - first), scale * plane.shape[1])
        out = np.empty(shape, np.uint8 if is_bytes else np.float32)
        if is_compiled(plane, cascade, len(cascade.stages) - 1, cell_bits):
            read_blocks(plane, cascade, cell_bits, threads, first, out)
            return out

        def read_band(top: int, bottom: int) -> None:
            band = first + top, first + bottom
            blocks = _REFERENCE.read_blocks(plane, cascade, cell_bits, 1, band)
            out[scale * top : scale * bottom] = blocks

        run_all(read_band, bands(last - first, _reference_rows(plane)), threads)
        return out

    # -- networks ----------------------------------------------------------------------

    def read_network(
        self,
        planes: Sequence[Plane],
        bank: NetworkBank,
        threads: int,
        rows: Rows,
        remainders: Sequence[FloatPlane] | None,
        dtype: npt.DTypeLike,
    ) -> list[Plane]:
        """Compute a network's layers, row by row."""
        from lerf_core.backends.numba.networks import read_network

        return read_network(planes, bank, threads, rows, remainders, dtype)

    def enlarge_by_network(
        self, planes: npt.NDArray[Any], front: LayeredNetwork, threads: int
    ) -> npt.NDArray[Any]:
        """Enlarge, row by row."""
        from lerf_core.backends.numba.networks import enlarge_by_network

        return enlarge_by_network(planes, front, threads)

    # -- the weighted mean -------------------------------------------------------------

    def overshoot_bounds(self, plane: Plane, threads: int) -> Plane:
        """Bound the results of local planes, by bands of rows."""
        padded = _padded_by_two(plane)
        rows, cols = plane.shape
        out = np.empty((2, rows + 1, cols + 1), plane.dtype)
        if threads == 1:
            overshoot_rows(padded, 0, rows + 1, out)
        else:
            tasks = bands(rows + 1, STAGE_ROWS)
            run_all(lambda first, last: overshoot_rows(padded, first, last, out), tasks, threads)
        return out

    bounds_along_kept_axes = staticmethod(bounds_along_kept_axes)

    def mean_on_grid(
        self,
        packed: Plane,
        weighting: str,
        rows: AxisTaps,
        cols: AxisTaps,
        *,
        validity: FloatPlane | None,
        cval: float | None,
        cval_validity: float,
        bounds: Plane | None,
        to_uint8: bool,
    ) -> tuple[Plane, FloatPlane | None]:
        """Take the mean on a grid; two neighbours per axis have a kernel of their own."""
        shape = packed.shape[:2]
        taps = *_tap_arrays(rows, shape[0]), *_tap_arrays(cols, shape[1])
        border = (
            np.float32(0 if cval is None else cval), cval is not None,
            None if validity is None else np.ascontiguousarray(validity), np.float32(cval_validity),
        )  # fmt: skip
        cells = _bound_arrays(bounds, packed.dtype, shape, rows, cols, constant=cval is not None)
        two = rows.count == 2 and cols.count == 2
        mean, valid_share = _results((rows.size, cols.size), validity, rounds=two and to_uint8)
        band = 0, rows.size, mean, valid_share
        words, gaussian = as_words(packed), weighting == "gaussian"
        if two:
            grid2_rows(words, gaussian, *taps, phase_count(cols, shape[1]), *border, *cells, *band)
        else:
            grid_rows(words, gaussian, *taps, *border, *cells, *band)
        if to_uint8 and not two:
            mean = np.clip(np.rint(mean), 0, LEVELS).astype(np.uint8)
        return mean, valid_share

    def means_on_grid(
        self,
        packed: Sequence[Plane],
        weighting: str,
        rows: AxisTaps,
        cols: AxisTaps,
        *,
        cval: float | None,
        bounds: Sequence[Plane | None],
        to_uint8: bool,
    ) -> list[Plane]:
        """Take the means of colours together where columns of phases have two neighbours."""
        shape = packed[0].shape[:2]
        two = rows.count == 2 and cols.count == 2
        phases = phase_count(cols, shape[1]) if two else 0
        fits = len(packed) == COLOUR_PLANES and packed[0].shape[2] == _LOCAL_PLANE_SLOTS
        if not (phases and fits and to_uint8 == (packed[0].dtype == np.uint8)):
            return super().means_on_grid(
                packed, weighting, rows, cols, cval=cval, bounds=bounds, to_uint8=to_uint8
            )
        _, col_outside, col_offset = _tap_arrays(cols, shape[1])
        dtype, constant = packed[0].dtype, cval is not None
        arrays = [
            _bound_arrays(each, dtype, shape, rows, cols, constant=constant) for each in bounds
        ]
        out = tuple(np.empty((rows.size, cols.size), dtype) for _ in packed)
        grid2_colours(
            tuple(map(as_words, packed)), *_tap_arrays(rows, shape[0]), col_outside, col_offset,
            phases, np.float32(0 if cval is None else cval), constant,
            tuple(cells for cells, _, _ in arrays), arrays[0][1], 0, rows.size, out,
        )  # fmt: skip
        return list(out)

    def source_coordinates(
        self,
        mapping: InverseMap,
        top: int,
        bottom: int,
        shape: tuple[int, int],
        out_shape: tuple[int, int],
        mode: str,
        *,
        anti_aliasing: bool,
        reach: float = 1.0,
    ) -> SourceCoordinates:
        """Find where output rows lie in the source; homographies have a kernel."""
        from lerf_core.backends.numba.coordinates import source_coordinates

        return source_coordinates(
            mapping, top, bottom, shape, out_shape, mode, anti_aliasing=anti_aliasing, reach=reach
        )

    def points_of(
        self,
        channels: Iterable[tuple[Plane, Plane | None]],
        count: int,
        weighting: str,
        validity: FloatPlane | None,
    ) -> PointRecords:
        """Make a record of each pixel."""
        from lerf_core.backends.numba.point_records import point_records

        return point_records(channels, count, weighting, validity)

    def mean_at_points(
        self,
        points: PointRecords,
        row: Positions,
        col: Positions,
        filter_scales: tuple[Positions, Positions] | None,
        *,
        to_uint8: bool,
        visible_columns: npt.NDArray[np.int64] | None = None,
    ) -> tuple[Plane, FloatPlane | None]:
        """Take the mean at points; two neighbours per axis have a kernel of their own."""
        shape = (len(points.records), *row.shape)
        mean, valid_share = _results(shape, points.validity, rounds=to_uint8)
        arrays = [np.ascontiguousarray(array) for array in (row, col, *(filter_scales or ()))]
        kernel = points2_rows if filter_scales is None else points_rows
        kernel(
            points.records, points.layout, *arrays, points.validity, mean, valid_share,
            _visible(visible_columns, row.shape),
        )  # fmt: skip
        return mean, valid_share

    # -- labels ------------------------------------------------------------------------

    def majority_on_grid(
        self,
        keys: Plane,
        missing: npt.NDArray[np.bool_] | None,
        rows: AxisCoverage,
        cols: AxisCoverage,
    ) -> npt.NDArray[np.int64]:
        """Find labels, row by row."""
        out = np.empty((len(rows.first), len(cols.first)), np.int64)
        missing = None if missing is None else np.ascontiguousarray(missing)
        grid_majority(np.ascontiguousarray(keys), missing, *rows.arrays, *cols.arrays, out)
        return out

    def majority_at_points(
        self,
        keys: Plane,
        missing: npt.NDArray[np.bool_] | None,
        row: Positions,
        col: Positions,
        filter_scales: tuple[Positions, Positions] | None,
        *,
        is_cut: bool,
        visible_columns: npt.NDArray[np.int64] | None = None,
    ) -> npt.NDArray[np.int64]:
        """Find labels at points."""
        out = np.empty(row.shape, np.int64)
        positions = [
            None if array is None else np.ascontiguousarray(array)
            for array in (missing, row, col, *(filter_scales or (None, None)))
        ]
        visible = _visible(visible_columns, row.shape)
        point_majority(np.ascontiguousarray(keys), *positions, visible, is_cut, out)
        return out

    # -- colours -----------------------------------------------------------------------

    def luma(self, colours: Sequence[Plane]) -> Plane:
        """Return the luma of three planes."""
        level = np.empty(colours[0].shape, colours[0].dtype)
        luma_rows(*colours, level)
        return level

    def add_colour_differences(
        self,
        colours: Sequence[Plane],
        luma: Plane,
        resized: FloatPlane,
        rows: KernelTaps,
        cols: KernelTaps,
        out: Plane,
    ) -> None:
        """Write colours, a row after the other."""
        target = out if out.flags.c_contiguous else np.empty(out.shape, out.dtype)
        row_weight, col_weight = (np.ascontiguousarray(taps.weight.T) for taps in (rows, cols))
        # Strided pixels are read more slowly than they are copied.
        sources = (np.ascontiguousarray(plane) for plane in (*colours, luma))
        difference_rows(
            *sources, resized, np.ascontiguousarray(rows.index.T), row_weight,
            cols.first + cols.pad, col_weight, cols.pad,
            _cubic_phase_count(cols, luma.shape[1]), target,
        )  # fmt: skip
        if target is not out:
            out[...] = target

    # -- fixed kernels -----------------------------------------------------------------

    def kernel_mean_at_points(
        self,
        source: Plane,
        table: KernelTable,
        row: Positions,
        col: Positions,
        filter_scales: tuple[Positions, Positions] | None,
        *,
        visible_columns: npt.NDArray[np.int64],
        out: Plane,
    ) -> None:
        """Write means at points, row by row."""
        arrays = [
            None if array is None else np.ascontiguousarray(array)
            for array in (row, col, *(filter_scales or (None, None)), visible_columns)
        ]
        kernel_point_rows(
            np.ascontiguousarray(source), table.weight, table.radius, table.last_step,
            table.is_area, *arrays, out,
            np.float32(np.iinfo(out.dtype).max if out.dtype.kind == "u" else 0),
        )  # fmt: skip

    def separable_mean(
        self,
        source: Plane,
        rows: KernelTaps,
        cols: KernelTaps,
        *,
        cval: Sequence[float] | None,
        out: Plane,
    ) -> None:
        """Combine rows, then columns, of several output rows at once."""
        from lerf_core.backends.numba.separable import DTYPES, separable_mean

        if {source.dtype.name, out.dtype.name} <= set(DTYPES) and out.dtype.isnative:
            native = source.astype(source.dtype.newbyteorder("="), copy=False)
            separable_mean(native, rows, cols, cval=cval, out=out)
        else:
            _REFERENCE.separable_mean(source, rows, cols, cval=cval, out=out)

    # -- the learned function for shrinking --------------------------------------------

    def shrunk_mean(
        self,
        source: Plane,
        rows: ShrinkingTaps,
        cols: ShrinkingTaps,
        widening: float,
        overshoot: float,
        *,
        cval: Sequence[float] | None,
        out: Plane,
    ) -> None:
        """Compute several output rows at once; NaN and infinity by the specification."""
        from lerf_core.backends.numba.shrinking import can_shrink, shrunk_mean

        native = source.astype(source.dtype.newbyteorder("="), copy=False)
        compiled = can_shrink(native, rows, cols, cval, out)
        function = shrunk_mean if compiled else _REFERENCE.shrunk_mean
        function(native, rows, cols, widening, overshoot, cval=cval, out=out)

    def separable_range(
        self, source: Plane, rows: KernelTaps, cols: KernelTaps, *, cval: Sequence[float] | None
    ) -> tuple[FloatPlane, FloatPlane]:
        """Compare neighbours, row by row."""
        from lerf_core.backends.numba.shrinking import separable_range

        found = separable_range(source, rows, cols, cval=cval)
        return found or _REFERENCE.separable_range(source, rows, cols, cval=cval)

    def limited(
        self,
        sharp: FloatPlane,
        smooth: FloatPlane,
        low: FloatPlane,
        high: FloatPlane,
        inner: tuple[slice, slice],
        widening: float,
        overshoot: float,
    ) -> FloatPlane:
        """Limit pixels, row by row."""
        from lerf_core.backends.numba.shrinking import limited

        return limited(sharp, smooth, low, high, inner, widening, overshoot)

    # -- writing -----------------------------------------------------------------------

    def halve(self, source: Plane, *, has_alpha: bool, out: Plane) -> None:
        """Halve an image; sums of 64-bit integers, which overflow, are the specification's."""
        is_integer = source.dtype.kind in "iu"
        if has_alpha:
            halve_with_alpha(source, out, is_integer)
        elif is_integer and source.itemsize == np.dtype(np.int64).itemsize:
            _REFERENCE.halve(source, has_alpha=has_alpha, out=out)
        elif is_integer:
            halve_integers(source, out)
        else:
            halve_floats(source, out)

    def fill_around(self, plane: Plane, visible_columns: npt.NDArray[np.int64], value: Any) -> None:
        """Set what lies around the visible columns."""
        if plane.dtype.name in _STORED:
            fill_rows(plane, visible_columns, plane.dtype.type(value))
        else:
            _REFERENCE.fill_around(plane, visible_columns, value)

    def store_channels(self, planes: Iterable[Plane], out: Plane) -> None:
        """Write channels side by side, where they lie so, in one pass."""
        store = _STORES.get(len(out))
        if store and out.dtype.isnative and out.dtype.name in _STORED:
            image = out.transpose(1, 2, 0)
            if image.flags.c_contiguous:
                store(*(np.ascontiguousarray(plane, out.dtype) for plane in planes), image)
                return
        _REFERENCE.store_channels(planes, out)


# -- what kernels take ------------------------------------------------------------------


@lru_cache(maxsize=16)
def phase_count(taps: AxisTaps, size: int) -> int:
    """Return how many phases the output pixels of an axis have, 0 if they have none.

    With n phases, the first tap of output pixel ``n*m + p`` is that of pixel p, m pixels on,
    which is pixel m or the one before; the second tap is the next pixel.
    """
    phases, first = _phases(taps.index[:, 0], size)
    if not phases or taps.count != 2 or not ((first == -1) | (first == 0)).all():
        return 0
    return phases if (np.diff(taps.index) == 1).all() else 0


@lru_cache(maxsize=16)
def _cubic_phase_count(taps: KernelTaps, size: int) -> int:
    """As `phase_count`, of four cubic taps whose weights are those of the phase, or 0."""
    phases, _ = _phases(taps.first, size)
    if phases < 2 or taps.weight.shape[1] != 4:
        return 0
    weight = taps.weight.reshape(size, phases, 4)
    return phases if (weight == weight[0]).all() else 0


def _phases(first: npt.NDArray[np.int64], size: int) -> tuple[int, npt.NDArray[np.int64]]:
    """Return the number of phases of an axis by its first taps, and those of the first pixel."""
    phases = len(first) // size
    if len(first) != size * phases or not 0 < phases <= _MOST_PHASES:
        return 0, first[:0]
    by_pixel = first.reshape(size, phases) - np.arange(size)[:, None]
    return phases if (by_pixel == by_pixel[0]).all() else 0, by_pixel[0]


@lru_cache(maxsize=16)
def _tap_arrays(
    taps: AxisTaps, size: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_], FloatPlane]:
    """Return indices clipped to the image, whether they had to be, and offsets; taps first."""
    index = np.ascontiguousarray(taps.index.T)
    clipped = np.minimum(np.maximum(index, 0), size - 1)
    return clipped, clipped != index, np.ascontiguousarray(taps.offset.T)


def _padded_by_two(plane: Plane) -> Plane:
    """Repeat the edges of a plane twice, C-contiguous: `np.pad` takes as long as the work on it."""
    rows, cols = plane.shape
    padded = np.empty((rows + 4, cols + 4), plane.dtype)
    padded[2:-2, 2:-2] = plane
    padded[2:-2, :2], padded[2:-2, -2:] = plane[:, :1], plane[:, -1:]
    padded[:2], padded[-2:] = padded[2], padded[-3]
    return padded


def _bound_arrays(
    bounds: Plane | None,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    rows: AxisTaps,
    cols: AxisTaps,
    *,
    constant: bool,
) -> tuple[Plane, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return bounds, empty for none, and the cell of each output row and column."""
    if bounds is None or rows.count > 2 or cols.count > 2:
        nowhere = np.empty(0, np.int64)
        return np.empty((2, 0, 0), dtype), nowhere, nowhere
    row_cells, col_cells = (
        _axis_cells(taps, size, constant=constant)
        for taps, size in zip((rows, cols), shape, strict=True)
    )
    return np.ascontiguousarray(bounds), row_cells, col_cells


def _results(
    shape: tuple[int, ...], validity: FloatPlane | None, *, rounds: bool
) -> tuple[Plane, FloatPlane | None]:
    """Return arrays for mean and valid share; bytes for kernels that round by themselves."""
    mean = np.empty(shape, dtype=np.uint8 if rounds else np.float32)
    return mean, None if validity is None else np.empty(shape, np.float32)


def _visible(
    visible_columns: npt.NDArray[np.int64] | None, shape: tuple[int, ...]
) -> npt.NDArray[np.int64]:
    """Return the first and one past the last column of each row that are wanted: else all."""
    if visible_columns is None:
        return np.tile(np.array([0, shape[1]], np.int64), (shape[0], 1))
    return np.ascontiguousarray(visible_columns)


def _is_readable(plane: Plane) -> bool:
    return plane.dtype.kind in "biu" or plane.dtype.name in _READABLE


def _readable(plane: Plane) -> Plane:
    """Return values as C-contiguous numbers that numba knows."""
    return np.ascontiguousarray(plane, np.float32 if plane.dtype == np.float16 else None)


def _to_grey_line(scale: ValueScale) -> tuple[float, float]:
    """Return the value at grey level 0, and grey levels per unit of value."""
    return float(scale.low), LEVELS / (scale.high - scale.low)


def _read_by_reference(
    plane: Plane, bank: StagedTables, number: int, cell_bits: int, threads: int, rows: Rows
) -> Plane:
    """Read a stage by the reference backend, by bands that need little memory."""
    first, last = rows
    out = np.empty((len(bank.stages[number].values), last - first, plane.shape[1]), plane.dtype)

    def read_band(top: int, bottom: int) -> None:
        band = (first + top, first + bottom)
        out[:, top:bottom] = _REFERENCE.read_stage(plane, bank, number, cell_bits, 1, band)

    run_all(read_band, bands(last - first, _reference_rows(plane)), threads)
    return out


def _reference_rows(plane: Plane) -> int:
    """Return the rows of a task that the reference reads tables for."""
    return max(1, _REFERENCE_PIXELS // int(plane.shape[1]))
