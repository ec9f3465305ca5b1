"""Tables packed by cells: all corners of a cell side by side, a row of bytes a cell.

A read of a byte image is then one dot product a value (`vectors.add_reads`). The pixels of
a pattern in its four rotations are the same sets of four pixels seen from other members:
sets share the corners' weights, each read only names the corners in its own order.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from lerf_core._numba.vectors import CORNERS
from lerf_core.bank import SLOPES, LutBank, Read, turned
from lerf_core.patterns import Offset

__all__ = ["CellStage", "pack_cells"]

_LINE = 64  # bytes of a cache line


@dataclass(frozen=True)
class CellStage:
    """A stage in the form that `cell_reads.cell_stage_rows` takes.

    Attributes
    ----------
    table : ndarray of int8, (bytes,)
        Rows of all tables, (cells**4, lanes, 16); bit k of a corner's number says that it is
        high along axis k.
    row_bytes : int
        Bytes of a row: 16 a lane.
    pixels : ndarray of int64, (n_sets, 4, 2)
        (row, col) offsets of each set's pixels from its first one, in order.
    reads : ndarray of int64, (n_reads, 8)
        Set; (row, col) of its first pixel from the pixel that is read for; first byte in
        `table`; for each axis of the table the set's pixel. A pattern's reads follow each
        other, turned by 0, 1, 2, 3 quarters.
    places : ndarray of uint8, (n_reads, 16)
        For each corner of the read's table the set's corner.
    lanes : ndarray of int64, (values,)
        Lane of each value.
    plain, turning : tuple
        By their lengths, the lanes of values that keep their sign with half a turn, and that
        change it (slopes).
    """

    table: npt.NDArray[np.int8]
    row_bytes: int
    pixels: npt.NDArray[np.int64]
    reads: npt.NDArray[np.int64]
    places: npt.NDArray[np.uint8]
    lanes: npt.NDArray[np.int64]
    plain: tuple[int, ...]
    turning: tuple[int, ...]


def pack_cells(bank: LutBank, stage: int) -> CellStage:
    """Group the reads of a stage by the sets they touch, and pack their tables by cells."""
    values = bank.stages[stage].values
    lanes, plain, turning = _lanes(values)
    count = plain + turning
    sets: dict[tuple[Offset, ...], int] = {}
    tables: dict[tuple[object, ...], int] = {}  # equal tables are stored once
    packed: list[npt.NDArray[np.int8]] = []
    reads, places = [], []
    for read in _in_turn(bank, stage):
        order = sorted(range(4), key=read.offsets.__getitem__)
        first = read.offsets[order[0]]
        shape = tuple((read.offsets[k][0] - first[0], read.offsets[k][1] - first[1]) for k in order)
        pixel = [order.index(axis) for axis in range(4)]
        columns = turned(values, read.turns % 2)  # half a turn more changes slopes' signs
        key = (read.table, columns)
        if key not in tables:
            tables[key] = sum(table.size for table in packed)
            packed.append(_rows(bank, read.table, columns, lanes, count))
        reads.append((sets.setdefault(shape, len(sets)), *first, tables[key], *pixel))
        places.append([_moved(corner, pixel) for corner in range(CORNERS)])
    return CellStage(
        table=_aligned(np.concatenate(packed)),
        row_bytes=count * CORNERS,
        pixels=np.array(list(sets), np.int64),
        reads=np.array(reads, np.int64),
        places=np.array(places, np.uint8),
        lanes=np.array(lanes, np.int64),
        plain=(0,) * plain,
        turning=(0,) * turning,
    )


def _lanes(values: tuple[str, ...]) -> tuple[list[int], int, int]:
    """Lane of each value, and the numbers of plain and turning lanes: one, or even ones."""
    if len(values) == 1:
        return [0], 1, 0
    turning = [value for value in values if value in SLOPES]
    plain = [value for value in values if value not in SLOPES]
    n_plain = len(plain) + len(plain) % 2
    lane = {value: number for number, value in enumerate(plain)}
    lane |= {value: n_plain + number for number, value in enumerate(turning)}
    return [lane[value] for value in values], n_plain, len(turning)


def _in_turn(bank: LutBank, stage: int) -> list[Read]:
    """Return the reads, pattern by pattern, by their turns."""
    found = {(read.table.split(".")[1], read.turns): read for read in bank.reads(stage)}
    return [found[pattern, turns] for pattern in bank.stages[stage].patterns for turns in range(4)]


def _rows(
    bank: LutBank,
    name: str,
    columns: tuple[tuple[int, int], ...],
    lanes: list[int],
    count: int,
) -> npt.NDArray[np.int8]:
    cells = bank.nodes - 1
    rows = np.zeros((cells,) * 4 + (count, CORNERS), np.int8)
    table = bank.tables[name]
    for lane, (column, sign) in zip(lanes, columns, strict=True):
        values = table[..., column] * np.int8(sign)
        for high in product((0, 1), repeat=4):
            corner = sum(bit << axis for axis, bit in enumerate(high))
            rows[..., lane, corner] = values[tuple(slice(bit, bit + cells) for bit in high)]
    return rows.reshape(-1)


def _moved(corner: int, pixel: list[int]) -> int:
    """Corner of the set that is a corner of the table whose axes are the set's `pixel`."""
    return sum((corner >> axis & 1) << pixel[axis] for axis in range(4))


def _aligned(table: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """Copy to where a cache line begins, so that rows of 64 bytes lie in one."""
    room = np.empty(table.size + _LINE, np.int8)
    start = -room.ctypes.data % _LINE
    result = room[start : start + table.size]
    result[:] = table
    return result
