"""The compiled engine: the same results as `reference`, by the kernels of this package."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.backends.known_stages import constant_values, is_identity
from lerf_core.backends.numba.cell_reads import WIDTH, cell_stage_rows, pad_bytes, pad_units
from lerf_core.backends.numba.cells import CellStage, pack_cells
from lerf_core.backends.numba.colours import add_colour_differences, luma
from lerf_core.backends.numba.grid import as_words, grid2_rows, grid_rows, phase_count
from lerf_core.backends.numba.layout import fill_around, store_channels
from lerf_core.backends.numba.limits import limit_rows
from lerf_core.backends.numba.packing import PackedStage, pack_stage
from lerf_core.backends.numba.points import MOST_PIXELS, points2_rows, points_rows
from lerf_core.backends.numba.positions import source_coordinates
from lerf_core.backends.numba.reads import stage_rows
from lerf_core.backends.numba.values import from_grey, to_grey, to_units
from lerf_core.backends.packed import empty_packed, pack, unpack
from lerf_core.backends.reference.overshoot import axis_cells
from lerf_core.bank.model import LutBank
from lerf_core.constants import DEEP_CELL_BITS, ENTRY_BIAS, LEVELS
from lerf_core.geometry.maps import InverseMap
from lerf_core.sampling.coordinates import SourceCoordinates
from lerf_core.sampling.taps import AxisTaps
from lerf_core.threads import bands, run_all

__all__ = ["NumbaBackend"]

# Rows a task reads tables for: few enough to share out and to keep its sums in the cache,
# many enough that the rows read twice at the seams hardly count.
_STAGE_ROWS = 48
# Cells of the finest tables that are packed by cells: 16**4 rows of 16 to 96 bytes a table.
_MOST_CELLS = 16
# Up to this divisor of a sum float32 tells halves from what lies beside them.
_MOST_DIVISOR = 1 << 15

Plane = npt.NDArray[Any]
FloatPlane = npt.NDArray[np.float32]
Positions = npt.NDArray[np.float64]


@lru_cache(maxsize=16)
def _packed(bank: LutBank, number: int) -> PackedStage:
    return pack_stage(bank, number)


_is_identity = lru_cache(maxsize=64)(is_identity)
_constant_values = lru_cache(maxsize=64)(constant_values)


# All bands and channels have the same columns.
_phase_count = lru_cache(maxsize=16)(phase_count)
_axis_cells = lru_cache(maxsize=16)(axis_cells)


@lru_cache(maxsize=16)
def _cells(bank: LutBank, number: int) -> CellStage:
    return pack_cells(bank, number)


class NumbaBackend:
    """Stages and weighted means by numba; see `_engines.Engine` for the methods."""

    to_units = staticmethod(to_units)
    to_grey = staticmethod(to_grey)
    from_grey = staticmethod(from_grey)
    luma = staticmethod(luma)
    add_colour_differences = staticmethod(add_colour_differences)
    store_channels = staticmethod(store_channels)
    fill_around = staticmethod(fill_around)

    def read_stage(
        self,
        plane: Plane,
        bank: LutBank,
        number: int,
        cell_bits: int,
        threads: int,
        rows: tuple[int, int] | None = None,
    ) -> Plane:
        """See `reference.stage`; the result has the plane's dtype, uint8 or int32."""
        first, last = rows or (0, len(plane))
        values = len(bank.stages[number].values)
        shape = (last - first, plane.shape[1])
        if _is_identity(bank, number):
            return plane[None, first:last]
        constant = _constant_values(bank, number, cell_bits)
        if constant is not None:
            everywhere = constant.astype(plane.dtype)[:, None, None]
            return np.broadcast_to(everywhere, (values, *shape))
        if not _goes_by_cells(plane, bank, number, cell_bits):
            out = np.empty((values, *shape), plane.dtype)
            _stage_by_sets(plane, bank, number, cell_bits, threads, first, out)
            return out
        if number + 1 < len(bank.stages):
            feature = np.empty(shape, plane.dtype)
            _stage_by_cells(plane, bank, number, cell_bits, threads, first, None, feature)
            return feature[None]
        records = empty_packed(*shape, values, plane.dtype)
        _stage_by_cells(plane, bank, number, cell_bits, threads, first, None, records)
        return unpack(records)[1][:values]

    def read_packed(
        self,
        plane: Plane,
        bank: LutBank,
        cell_bits: int,
        threads: int,
        rows: tuple[int, int],
        remainder: FloatPlane | None,
        dtype: npt.DTypeLike,
    ) -> Plane:
        """See `_engines.Engine.records`."""
        number = len(bank.stages) - 1
        first, last = rows
        constant = _constant_values(bank, number, cell_bits) is not None
        if constant or not _goes_by_cells(plane, bank, number, cell_bits):
            values = self.read_stage(plane, bank, number, cell_bits, threads, rows)
            return pack(plane[first:last], values, cell_bits, bank, remainder, dtype)
        out = empty_packed(last - first, plane.shape[1], len(bank.kind.values), dtype)
        _stage_by_cells(plane, bank, number, cell_bits, threads, first, remainder, out)
        return out

    def overshoot_bounds(self, plane: Plane, threads: int) -> Plane:
        """See `reference.limits`; for uint8 rounded and within 0..255."""
        padded = np.ascontiguousarray(np.pad(plane, 2, mode="edge"))
        rows, cols = plane.shape
        out = np.empty((2, rows + 1, cols + 1), plane.dtype)
        tasks = bands(rows + 1, _STAGE_ROWS)
        run_all(lambda first, last: limit_rows(padded, first, last, out), tasks, threads)
        return out

    def mean_on_grid(
        self,
        records: Plane,
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
        """See `reference.resample_grid`; rounded where `to_uint8` is set."""
        shape = records.shape[:2]
        row_arrays, col_arrays = _tap_arrays(rows, shape[0]), _tap_arrays(cols, shape[1])
        ends = np.float32(0 if cval is None else cval), cval is not None
        factors = None if validity is None else np.ascontiguousarray(validity)
        trusted = factors, np.float32(cval_validity)
        bounds = _limit_arrays(bounds, records.dtype, shape, rows, cols, constant=cval is not None)
        two = rows.count == 2 and cols.count == 2
        mean, trust = _results((rows.size, cols.size), validity, rounds=two and to_uint8)
        gaussian = weighting == "gaussian"
        if two:
            phases = _phase_count(cols, shape[1])
            grid2_rows(
                as_words(records), gaussian, *row_arrays, *col_arrays, phases, *ends, *trusted,
                *bounds, 0, rows.size, mean, trust,
            )  # fmt: skip
        else:
            grid_rows(
                as_words(records), gaussian, *row_arrays, *col_arrays, *ends, *trusted,
                *bounds, 0, rows.size, mean, trust,
            )  # fmt: skip
        return _rounded(mean, to_uint8=to_uint8), trust

    def source_coordinates(
        self,
        mapping: InverseMap,
        top: int,
        bottom: int,
        shape: tuple[int, int],
        out_shape: tuple[int, int],
        mode: str,
        *,
        smooth: bool,
    ) -> SourceCoordinates:
        """See `_places.place`."""
        return source_coordinates(mapping, top, bottom, shape, out_shape, mode, smooth=smooth)

    def mean_at_points(
        self,
        records: Plane,
        weighting: str,
        row: Positions,
        col: Positions,
        filter_scales: tuple[Positions, Positions] | None,
        *,
        validity: FloatPlane | None,
        bounds: Plane | None,
        to_uint8: bool,
        visible_columns: npt.NDArray[np.int64] | None = None,
    ) -> tuple[Plane, FloatPlane | None]:
        """See `reference.resample_points`; rounded where `to_uint8` is set."""
        trusted = None if validity is None else np.ascontiguousarray(validity)
        shape = (len(records), *row.shape)
        mean, trust = _results(shape, validity, rounds=to_uint8)
        if bounds is None:
            bounds = np.empty((len(records), 2, 0, 0), records.dtype)
        row, col = np.ascontiguousarray(row), np.ascontiguousarray(col)
        words, gaussian = as_words(records), weighting == "gaussian"
        if filter_scales is None and records[0, ..., 0].size > MOST_PIXELS:
            filter_scales = np.ones_like(row), np.ones_like(row)
        results = (trusted, bounds, mean, trust, visible_columns)
        if filter_scales is None:
            points2_rows(words, gaussian, row, col, *results)
        else:
            points_rows(records, words, gaussian, row, col, *filter_scales, *results)
        return mean, trust


def _goes_by_cells(plane: Plane, bank: LutBank, number: int, cell_bits: int) -> bool:
    most = bank.interval * max(bank.stages[number].divisor)
    fits = bank.nodes - 1 <= _MOST_CELLS and most <= _MOST_DIVISOR
    return fits and (plane.dtype == np.uint8 or cell_bits == DEEP_CELL_BITS)


def _stage_by_sets(
    plane: Plane, bank: LutBank, number: int, cell_bits: int, threads: int, first: int, out: Plane
) -> None:
    """Write the values, (values, rows, cols), of tables too fine to be packed by cells."""
    packed = _packed(bank, number)
    spec = bank.stages[number]
    _, rows, cols = out.shape
    pad = bank.reach
    padded = _padded(plane, first, first + rows, pad)
    unit = (1 << cell_bits) // bank.interval
    divisors = bank.interval * np.array(spec.divisor, np.float64)
    # The sum of biased entries, back to the sum of entries, plus the stage's bias.
    bias = np.array(spec.bias) * unit * divisors
    offset = bias - float(ENTRY_BIAS * (1 << cell_bits) * spec.reads)
    lowest = np.array(spec.lowest, np.float64) * unit

    def task(top: int, bottom: int) -> None:
        acc = np.empty((packed.values, bottom - top, cols), dtype=np.uint32)
        stage_rows(
            padded, pad, cell_bits, bank.nodes, packed.words, packed.pixels,
            packed.set_words, packed.word_uses, packed.fields,
            offset, divisors, lowest, float(LEVELS * unit), acc, top, out,
        )  # fmt: skip

    run_all(task, bands(rows, _STAGE_ROWS), threads)


def _padded(plane: Plane, first: int, last: int, pad: int) -> Plane:
    """Rows first..last-1 with `pad` rows and columns around."""
    top, bottom = max(0, first - pad), min(len(plane), last + pad)
    beyond = (top - first + pad, last + pad - bottom)
    padded = np.pad(plane[top:bottom], (beyond, (pad, pad)), mode="edge")
    return np.ascontiguousarray(padded)  # np.pad keeps Fortran's order


def _stage_by_cells(
    plane: Plane,
    bank: LutBank,
    number: int,
    cell_bits: int,
    threads: int,
    first: int,
    remainder: FloatPlane | None,
    out: Plane,
) -> None:
    """Write a plane, or records, of as many rows as `out` has."""
    packed = _cells(bank, number)
    spec = bank.stages[number]
    rows = len(out)
    pad = bank.reach
    unit = (1 << cell_bits) // bank.interval
    deep = plane.dtype != np.uint8
    exact = np.float64 if deep else np.float32
    lanes = len(packed.lanes)
    divisors = bank.interval * np.array(spec.divisor, np.float64)
    # A lane that holds no value stands for the feature's slot, or comes after the last one.
    used = slice(0, 1) if lanes == 1 else slice(1, 1 + divisors.size)
    offset, divisor, lowest = np.zeros(lanes, exact), np.ones(lanes, exact), np.zeros(lanes, exact)
    offset[used] = np.array(spec.bias) * unit * divisors
    divisor[used], lowest[used] = divisors, np.array(spec.lowest) * unit
    to_level = np.float32(1 / unit) if out.dtype == np.float32 else np.float32(1)
    numbers = (offset, divisor, lowest, float(LEVELS * unit), to_level)
    shape = (rows + 2 * pad, plane.shape[1] + 6 * pad + WIDTH)
    cells, bits = np.empty(shape, np.uint8), 0 if deep else cell_bits
    fractions: Plane = cells
    if deep:
        fractions = np.empty(shape, np.uint16)
        pad_units(plane, first, pad, 3 * pad, cell_bits, fractions, cells)
    else:
        pad_bytes(plane, first, pad, 3 * pad, cells)
    features = np.ascontiguousarray(plane[first : first + rows])
    rest = np.empty((rows, 0), np.float32) if remainder is None else remainder
    rest = np.ascontiguousarray(rest)

    def task(top: int, bottom: int) -> None:
        cell_stage_rows(
            fractions, cells, pad, 3 * pad, bits, (bank.nodes - 1).bit_length() - 1,
            packed.table, packed.pixels, packed.reads, packed.targets, packed.rows, packed.lanes,
            (0,) if deep else (), numbers, features, rest, top, bottom, out,
        )  # fmt: skip

    run_all(task, bands(rows, _STAGE_ROWS if threads > 1 else rows), threads)


@lru_cache(maxsize=16)
def _tap_arrays(
    taps: AxisTaps, size: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_], FloatPlane]:
    index = np.ascontiguousarray(taps.index.T)
    clipped = np.clip(index, 0, size - 1)
    return clipped, clipped != index, np.ascontiguousarray(taps.offset.T)


def _limit_arrays(
    bounds: Plane | None,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    rows: AxisTaps,
    cols: AxisTaps,
    *,
    constant: bool,
) -> tuple[Plane, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Limits, empty for none, and the cell of each output row and column."""
    if bounds is None or rows.count > 2 or cols.count > 2:
        nowhere = np.empty(0, np.int64)
        return _no_limits(dtype), nowhere, nowhere
    row_cells, col_cells = (
        _axis_cells(taps, size, constant=constant)
        for taps, size in zip((rows, cols), shape, strict=True)
    )
    return np.ascontiguousarray(bounds), row_cells, col_cells


@cache
def _no_limits(dtype: np.dtype[Any]) -> Plane:
    return np.empty((2, 0, 0), dtype)


def _results(
    shape: tuple[int, ...], validity: FloatPlane | None, *, rounds: bool
) -> tuple[Plane, FloatPlane | None]:
    """Return arrays for mean and trust; bytes for kernels that round by themselves."""
    mean = np.empty(shape, dtype=np.uint8 if rounds else np.float32)
    return mean, None if validity is None else np.empty(shape, np.float32)


def _rounded(mean: Plane, *, to_uint8: bool) -> Plane:
    if to_uint8 and mean.dtype != np.uint8:
        return np.clip(np.rint(mean), 0, LEVELS).astype(np.uint8)
    return mean
