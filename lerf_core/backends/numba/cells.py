"""Tables packed by cells: what a set of four pixels gives to all that read it, in one row.

The pixels of a pattern in its four rotations are the same sets of four pixels seen from
other members: a square is read from its four corners, a run from both its ends. Such a set
lies in one cell, with one weight a corner of the cell, whoever reads. So a row of bytes a
cell holds the entries at its 16 corners for every read of the set, and one look-up serves
all of them (`vectors.add_sets`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from lerf_core.backends.numba.vectors import CORNERS
from lerf_core.backends.packed import slot_count
from lerf_core.bank.model import LutBank
from lerf_core.bank.patterns import Offset
from lerf_core.bank.stages import Read, turned

__all__ = ["CellStage", "pack_cells"]

_LINE = 64  # bytes of a cache line
_READS = (2, 4)  # of a set; what is missing to the next of them reads zeros


@dataclass(frozen=True)
class CellStage:
    """A stage in the form that `cell_reads.cell_stage_rows` takes.

    Attributes
    ----------
    table : ndarray of int8, (bytes,)
        Rows of all sets' tables, in the order that `vectors.add_sets` takes them; bit k of a
        corner's number says that it is high along the axis of the set's pixel k.
    pixels : ndarray of int64, (n_sets, 4, 2)
        (row, col) offsets of each set's pixels from its first one, in order.
    reads : ndarray of int64, (n_sets,)
        Reads of each set: 2 or 4.
    targets : ndarray of int64, (n_sets, 4, 2)
        (row, col) of the pixel that each read is for, from the set's first one.
    rows : ndarray of int64, (n_sets, 2)
        First byte of the set's rows in `table`, and bytes of a row.
    lanes : tuple
        By its length, the values of a read: 1, or as many as a record has slots.
    """

    table: npt.NDArray[np.int8]
    pixels: npt.NDArray[np.int64]
    reads: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    lanes: tuple[int, ...]


def pack_cells(bank: LutBank, stage: int) -> CellStage:
    """Group the reads of a stage by the sets they touch, and pack their tables by cells."""
    sets: dict[tuple[Offset, ...], list[tuple[Read, list[int], Offset]]] = {}
    for read in bank.reads(stage):
        order = sorted(range(4), key=read.offsets.__getitem__)
        row, col = read.offsets[order[0]]
        shape = tuple((read.offsets[k][0] - row, read.offsets[k][1] - col) for k in order)
        sets.setdefault(shape, []).append((read, order, (-row, -col)))
    values = len(bank.stages[stage].values)
    lanes = 1 if values == 1 else slot_count(values)
    parts = [
        (shape, sharing[first : first + _READS[-1]])
        for shape, sharing in sets.items()
        for first in range(0, len(sharing), _READS[-1])
    ]
    tables, targets, rows, reads = [], [], [], []
    start = 0
    for _, sharing in parts:
        count = next(count for count in _READS if len(sharing) <= count)
        table = _rows(bank, stage, [one[:2] for one in sharing], count, lanes)
        row_bytes = table.shape[1]
        tables.append(table.reshape(-1))
        rows.append((start, row_bytes))
        start += table.size
        reads.append(count)
        there = [target for _, _, target in sharing]
        targets.append(there + [there[0]] * (4 - len(there)))
    return CellStage(
        table=_joined(tables),
        pixels=np.array([shape for shape, _ in parts], np.int64),
        reads=np.array(reads, np.int64),
        targets=np.array(targets, np.int64),
        rows=np.array(rows, np.int64),
        lanes=(0,) * lanes,
    )


def _rows(
    bank: LutBank, stage: int, sharing: list[tuple[Read, list[int]]], count: int, lanes: int
) -> npt.NDArray[np.int8]:
    """Rows, (cells**4, bytes), of a set's reads, each with its table's axes in the set's order.

    With several lanes the last ones hold the values, as in records.
    """
    cells = bank.nodes - 1
    values = bank.stages[stage].values
    first = 0 if lanes == 1 else 1  # a record begins with the feature
    rows = np.zeros((cells,) * 4 + (4, count, lanes, 4), np.int8)  # corners in fours
    for number, (read, order) in enumerate(sharing):
        table = bank.tables[read.table].transpose(*order, 4)
        for lane, (column, sign) in enumerate(turned(values, read.turns), first):
            entries = table[..., column] * np.int8(sign)
            for high in product((0, 1), repeat=4):
                four, corner = divmod(sum(bit << axis for axis, bit in enumerate(high)), 4)
                at_corner = entries[tuple(slice(bit, bit + cells) for bit in high)]
                rows[..., four, number, lane, corner] = at_corner
    if lanes == 1:
        rows = rows.swapaxes(4, 5)
    return rows.reshape(cells**4, CORNERS * count * lanes)


def _joined(tables: list[npt.NDArray[np.int8]]) -> npt.NDArray[np.int8]:
    """Put tables one after the other, from where a cache line begins."""
    size = sum(table.size for table in tables)
    room = np.empty(size + _LINE, np.int8)
    start = -room.ctypes.data % _LINE
    return np.concatenate(tables, out=room[start : start + size])
