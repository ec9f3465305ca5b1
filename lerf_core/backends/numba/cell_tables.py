"""Tables packed by cells: all that the reads of a set of four pixels need of a cell, in one row.

The pixels of a pattern in its four rotations are the same sets of four pixels seen from
other members: a square is read from its four corners, a run from both its ends. Such a set
lies in one cell, with one weight per corner of the cell, whichever pixel it is read for. So a row
of bytes per cell holds the entries at its 16 corners for every read of the set, and one look-up
serves all of them (`kernels.vectors.add_sets`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lerf_core.backends.numba.layouts import CORNERS
from lerf_core.backends.packed import slot_count
from lerf_core.bank.model import LutBank
from lerf_core.bank.patterns import Offset
from lerf_core.bank.stages import Read, turned_columns

__all__ = ["CellTables", "pack_cells"]

_LINE = 64  # bytes of a cache line
_READS = (2, 4)  # of a set; those that are missing to the next of these read zeros


@dataclass(frozen=True)
class CellTables:
    """A stage in the form that `kernels.table_reads.stage_rows` takes.

    Attributes
    ----------
    table : ndarray of int8, (bytes,)
        Rows of all sets' tables, in the order that `kernels.vectors.add_sets` takes them; bit k
        of a corner's number says that it is high along the axis of the set's pixel k.
    pixels : ndarray of int64, (n_sets, 4, 2)
        (row, col) offsets of each set's pixels from its first one, in order.
    reads : ndarray of int64, (n_sets,)
        Reads of each set: 2 or 4.
    targets : ndarray of int64, (n_sets, 4, 2)
        (row, col) of the pixel that each read is for, from the set's first one.
    rows : ndarray of int64, (n_sets, 2)
        First byte of the set's rows in `table`, and bytes of a row.
    lanes : tuple
        By its length, the values of a read: 1, or as many as a pixel has slots.
    """

    table: npt.NDArray[np.int8]
    pixels: npt.NDArray[np.int64]
    reads: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    lanes: tuple[int, ...]


class _SetRead(NamedTuple):
    """A read of a set: the order of its axes in the set, and (row, col) that it is for."""

    read: Read
    order: list[int]
    target: Offset


def pack_cells(bank: LutBank, stage: int) -> CellTables:
    """Group the reads of a stage by the sets they touch, and pack their tables by cells."""
    sets: dict[tuple[Offset, ...], list[_SetRead]] = {}
    for read in bank.reads(stage):
        order = sorted(range(4), key=read.offsets.__getitem__)
        row, col = read.offsets[order[0]]
        pixels = tuple((read.offsets[k][0] - row, read.offsets[k][1] - col) for k in order)
        sets.setdefault(pixels, []).append(_SetRead(read, order, (-row, -col)))
    values = len(bank.stages[stage].values)
    lanes = 1 if values == 1 else slot_count(values)
    chunks = [
        (pixels, reads[first : first + _READS[-1]])
        for pixels, reads in sets.items()
        for first in range(0, len(reads), _READS[-1])
    ]
    counts = [next(count for count in _READS if len(reads) <= count) for _, reads in chunks]
    tables = [
        _cell_rows(bank, stage, reads, count, lanes)
        for (_, reads), count in zip(chunks, counts, strict=True)
    ]
    starts = np.cumsum([0] + [table.size for table in tables[:-1]])
    targets = [
        [read.target for read in reads] + [reads[0].target] * (4 - len(reads))
        for _, reads in chunks
    ]
    return CellTables(
        table=_concatenated(tables),
        pixels=np.array([pixels for pixels, _ in chunks], np.int64),
        reads=np.array(counts, np.int64),
        targets=np.array(targets, np.int64),
        rows=np.array([(s, t.shape[1]) for s, t in zip(starts, tables, strict=True)], np.int64),
        lanes=(0,) * lanes,
    )


def _cell_rows(
    bank: LutBank, stage: int, reads: Sequence[_SetRead], count: int, lanes: int
) -> npt.NDArray[np.int8]:
    """Return the rows, (cells**4, bytes), of a set's reads, each table's axes in the set's order.

    With several lanes the last ones hold the values, as in packed parameters.
    """
    cells = bank.nodes - 1
    values = bank.stages[stage].values
    first = 0 if lanes == 1 else 1  # slot 0 is the feature's
    rows = np.zeros((cells,) * 4 + (4, count, lanes, 4), np.int8)  # corners in fours
    for number, (read, order, _) in enumerate(reads):
        table = bank.tables[read.table].transpose(*order, 4)
        for lane, (column, sign) in enumerate(turned_columns(values, read.turns), first):
            entries = table[..., column] * np.int8(sign)
            for high in product((0, 1), repeat=4):
                four, corner = divmod(sum(bit << axis for axis, bit in enumerate(high)), 4)
                at_corner = entries[tuple(slice(bit, bit + cells) for bit in high)]
                rows[..., four, number, lane, corner] = at_corner
    if lanes == 1:
        rows = rows.swapaxes(4, 5)
    return rows.reshape(cells**4, CORNERS * count * lanes)


def _concatenated(tables: list[npt.NDArray[np.int8]]) -> npt.NDArray[np.int8]:
    """Put tables one after the other, from where a cache line begins."""
    size = sum(table.size for table in tables)
    room = np.empty(size + _LINE, np.int8)
    start = -room.ctypes.data % _LINE
    flat = [table.reshape(-1) for table in tables]
    return np.concatenate(flat, out=room[start : start + size])
