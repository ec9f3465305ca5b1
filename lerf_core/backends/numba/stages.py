"""Table reads of a stage by the compiled kernels: units in, features or packed parameters out."""

from __future__ import annotations

from functools import lru_cache
from math import isqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.backends.numba.block_tables import pack_blocks
from lerf_core.backends.numba.cell_tables import CellTables, pack_cells
from lerf_core.backends.numba.entry_points import (
    block_rows,
    pad_bytes,
    pad_units,
    stage_rows,
    walk_rows,
)
from lerf_core.backends.numba.layouts import WIDTH
from lerf_core.backends.numba.node_tables import NodeTables, pack_nodes
from lerf_core.bank.staged_tables import StagedTables
from lerf_core.constants import DEEP_CELL_BITS, LEVELS
from lerf_core.threads import bands, run_all

__all__ = ["STAGE_ROWS", "is_compiled", "read_blocks", "read_cells"]

#: Rows a task reads tables for: few enough to share out and to keep its sums in the cache,
#: many enough that the rows read twice at the seams hardly count.
STAGE_ROWS = 48
# Cells of the finest tables that are packed by cells: 16**4 rows of 16 to 96 bytes per table.
_MOST_CELLS = 16
# Up to this divisor of a sum float32 tells halves from what lies beside them.
_MOST_DIVISOR = 1 << 15

Plane = npt.NDArray[Any]
Numbers = tuple[Plane, Plane, Plane, float, np.float32]


def is_compiled(plane: Plane, bank: StagedTables, number: int, cell_bits: int) -> bool:
    """Whether the kernels read a stage: not of 33 nodes or more, nor with very large divisors."""
    divisor = bank.interval * max(bank.stages[number].divisor)
    fits = bank.nodes - 1 <= _MOST_CELLS and divisor <= _MOST_DIVISOR
    return fits and (plane.dtype == np.uint8 or cell_bits == DEEP_CELL_BITS)


def read_cells(
    plane: Plane,
    bank: StagedTables,
    number: int,
    cell_bits: int,
    threads: int,
    first: int,
    remainder: npt.NDArray[np.float32] | None,
    out: Plane,
) -> None:
    """Read a stage's tables into an array.

    Parameters
    ----------
    plane : ndarray of uint8 or int32, (rows, cols)
        Units, of which a cell spans ``2**cell_bits``.
    first : int
        The first row that is read for.
    remainder : ndarray of float32, (output rows, cols), or None
        In grey levels; is added to the feature in packed parameters of float32.
    out : ndarray, (output rows, cols) or (output rows, cols, slots)
        Receives a feature, or packed parameters with the plane as their feature. Of the plane's
        dtype; packed parameters also in float32, in grey levels.
    """
    tables = _tables(bank, number)
    rows, pad, deep = len(out), bank.stage_reach, plane.dtype != np.uint8
    source = _padded(plane, first, rows, pad, cell_bits)
    lanes = tables.lanes if isinstance(tables, NodeTables) else (0,)
    numbers = _finishing_numbers(bank, number, cell_bits, len(lanes), plane.dtype, out.dtype)
    features = np.ascontiguousarray(plane[first : first + rows])
    if remainder is None:
        remainder = np.empty((rows, 0), np.float32)
    remainder = np.ascontiguousarray(remainder)

    def read_band(top: int, bottom: int) -> None:
        end = (numbers, features, remainder, top, bottom, out)
        sets = (tables.table, tables.pixels, tables.reads, tables.targets)
        if isinstance(tables, NodeTables):
            wide = (0,) if deep or not tables.fits(1 << cell_bits) else ()
            walk_rows(
                *source, 1 << cell_bits, *sets, tables.starts, tables.size_bits, tables.nodes,
                tables.lanes, wide, *end,
            )  # fmt: skip
        else:
            axis_bits = (bank.nodes - 1).bit_length() - 1
            stage_rows(*source, axis_bits, *sets, tables.rows, (0,) if deep else (), *end)

    if threads == 1:
        read_band(0, rows)
    else:
        run_all(read_band, bands(rows, STAGE_ROWS), threads)


def read_blocks(
    plane: Plane, bank: StagedTables, cell_bits: int, threads: int, first: int, out: Plane
) -> None:
    """Read the last stage of a cascade, which enlarges, into an array.

    Parameters
    ----------
    plane : ndarray of uint8 or int32, (rows, cols)
        Units, of which a cell spans ``2**cell_bits``.
    first : int
        The first row that is read for.
    out : ndarray of uint8 or float32, (scale * output rows, scale * cols)
        Receives grey levels: of bytes' units as they are.
    """
    number, deep = len(bank.stages) - 1, plane.dtype != np.uint8
    scale = isqrt(len(bank.stages[number].values))
    tables, rows = _block_tables(bank, number, deep=deep), len(out) // scale
    source = _padded(plane, first, rows, bank.stage_reach, cell_bits)
    numbers = _finishing_numbers(bank, number, cell_bits, 1, plane.dtype, out.dtype)

    def read_band(top: int, bottom: int) -> None:
        block_rows(
            *source, 1 << cell_bits, tables.table, tables.pixels, tables.reads, tables.targets,
            tables.starts, tables.size_bits, tables.nodes, tables.lanes, tables.wide, numbers,
            (0,) * scale, top, bottom, out,
        )  # fmt: skip

    if threads == 1:
        read_band(0, rows)
    else:
        run_all(read_band, bands(rows, STAGE_ROWS), threads)


def _padded(
    plane: Plane, first: int, rows: int, pad: int, cell_bits: int
) -> tuple[Plane, Plane, int, int, int]:
    """Return the coordinates of rows as kernels take them, and the padding and bits of these."""
    deep = plane.dtype != np.uint8
    shape = (rows + 2 * pad, plane.shape[1] + 6 * pad + WIDTH)
    cells = np.empty(shape, np.uint8)
    if not deep:
        pad_bytes(plane, first, pad, 3 * pad, cells)
        return cells, cells, pad, 3 * pad, cell_bits
    fractions = np.empty(shape, np.uint16)
    pad_units(plane, first, pad, 3 * pad, cell_bits, fractions, cells)
    return fractions, cells, pad, 3 * pad, 0


_block_tables = lru_cache(maxsize=16)(pack_blocks)


@lru_cache(maxsize=16)
def _tables(bank: StagedTables, number: int) -> CellTables | NodeTables:
    pack = pack_cells if len(bank.stages[number].values) == 1 else pack_nodes
    return pack(bank, number)


@lru_cache(maxsize=64)
def _finishing_numbers(
    bank: StagedTables,
    number: int,
    cell_bits: int,
    lanes: int,
    dtype: np.dtype[Any],
    stored: np.dtype[Any],
) -> Numbers:
    """Return offset, divisor and lowest value of each lane, the limit, and the factor to levels.

    Values of units are ``clip(round((sum + offset) / divisor), lowest, limit)``, stored as float32
    times the factor.
    """
    spec = bank.stages[number]
    unit = (1 << cell_bits) // bank.interval
    exact = np.float32 if dtype == np.uint8 else np.float64
    # A lane that holds no value stands for the feature's slot, or comes after the last one; a
    # single one stands for all.
    used = slice(0, 1) if lanes == 1 else slice(1, 1 + len(spec.divisor))
    divisors = bank.interval * np.array(spec.divisor, np.float64)[: used.stop - used.start]
    offset, divisor, lowest = np.zeros(lanes, exact), np.ones(lanes, exact), np.zeros(lanes, exact)
    offset[used] = np.array(spec.bias)[: divisors.size] * unit * divisors
    divisor[used], lowest[used] = divisors, np.array(spec.lowest)[: divisors.size] * unit
    to_level = np.float32(1 / unit) if stored == np.float32 else np.float32(1)
    return offset, divisor, lowest, float(LEVELS * unit), to_level
