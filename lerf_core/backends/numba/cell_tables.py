"""Tables packed by cells: all that the reads of a set of four pixels need of a cell, in one row.

For stages of one value. A row of bytes per cell holds the entries at its 16 corners for every read
of the set, and one look-up serves all of them (`kernels.vectors.add_sets`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.backends.numba.layouts import CORNERS
from lerf_core.backends.numba.read_sets import SetRead, read_sets
from lerf_core.bank.staged_tables import StagedTables

__all__ = ["CellTables", "concatenated", "pack_cells", "placed"]

_LINE = 64  # bytes of a cache line


@dataclass(frozen=True)
class CellTables:
    """A stage in the form that `kernels.table_reads.stage_rows` takes.

    Attributes
    ----------
    table : ndarray of int8, (bytes,)
        Rows of all sets' tables, (reads, 16); bit k of a corner's number says that it is high along
        the axis of the set's pixel k.
    pixels, reads, targets : ndarray of int64
        See `read_sets.ReadSets`.
    rows : ndarray of int64, (n_sets, 2)
        First byte of the set's rows in `table`, and bytes of a row.
    """

    table: npt.NDArray[np.int8]
    pixels: npt.NDArray[np.int64]
    reads: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]


def pack_cells(bank: StagedTables, stage: int) -> CellTables:
    """Pack the tables of a stage of one value by cells."""
    sets = read_sets(bank, stage)
    tables = [
        _cell_rows(bank, reads, count)
        for reads, count in zip(sets.members, sets.reads.tolist(), strict=True)
    ]
    starts, tables = placed(tables)
    return CellTables(
        table=concatenated(tables),
        pixels=sets.pixels,
        reads=sets.reads,
        targets=sets.targets,
        rows=np.array([(s, CORNERS * count) for s, count in zip(starts, sets.reads, strict=True)]),
    )


def _cell_rows(bank: StagedTables, reads: Sequence[SetRead], count: int) -> npt.NDArray[np.int8]:
    """Return the rows of a set's reads, (cells**4, bytes), each table's axes in the set's order."""
    cells = bank.nodes - 1
    rows = np.zeros((cells,) * 4 + (count, CORNERS), np.int8)
    for number, (read, order, _) in enumerate(reads):
        entries = bank.tables[read.table][..., 0].transpose(*order)
        for high in product((0, 1), repeat=4):
            corner = sum(bit << axis for axis, bit in enumerate(high))
            rows[..., number, corner] = entries[tuple(slice(bit, bit + cells) for bit in high)]
    return rows.reshape(cells**4, CORNERS * count)


def placed(
    tables: Sequence[npt.NDArray[Any]],
) -> tuple[npt.NDArray[np.int64], list[npt.NDArray[Any]]]:
    """Return where tables begin one after the other, in bytes, equal ones once, and these."""
    starts, kept, end = [], {}, 0
    for table in tables:
        key = table.tobytes()
        if key not in kept:
            kept[key] = end, table
            end += table.nbytes
        starts.append(kept[key][0])
    return np.array(starts, np.int64), [table for _, table in kept.values()]


def concatenated(tables: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Put tables one after the other, in one axis, from where a cache line begins."""
    dtype = tables[0].dtype
    size = sum(table.size for table in tables)
    room = np.empty(size + _LINE // dtype.itemsize, dtype)
    start = -room.ctypes.data % _LINE // dtype.itemsize
    flat = [table.reshape(-1) for table in tables]
    return np.concatenate(flat, out=room[start : start + size])
