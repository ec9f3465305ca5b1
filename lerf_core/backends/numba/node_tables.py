"""Tables as the entries of their nodes: all that the reads of a set of four pixels need of a node.

For stages of several values. `kernels.walks` finds the five nodes that a set needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lerf_core.backends.numba.cell_tables import concatenated
from lerf_core.backends.numba.read_sets import SetRead, read_sets
from lerf_core.backends.packed import slot_count
from lerf_core.bank.staged_tables import StagedTables
from lerf_core.bank.stages import turned_columns

__all__ = ["NodeTables", "pack_nodes"]

_LARGEST_SUM = int(np.iinfo(np.int16).max)
_HALVES = 2  # sums of a pixel: every other read of a set has another


@dataclass(frozen=True)
class NodeTables:
    """A stage in the form that `kernels.node_reads.walk_rows` takes.

    Attributes
    ----------
    table : ndarray of int16, (numbers,)
        Entries of all sets' nodes, (reads, lanes).
    pixels, reads, targets : ndarray of int64
        See `read_sets.ReadSets`.
    starts, size_bits : ndarray of int64, (n_sets,)
        First byte of the set's entries in `table`; an entry has ``2**size_bits`` bytes.
    nodes : int
        Of an axis.
    lanes : tuple
        By its length, the values of a read: as many as a pixel has slots, the feature's included.
    largest : int
        How large half the entries that a pixel reads can be together.
    """

    table: npt.NDArray[np.int16]
    pixels: npt.NDArray[np.int64]
    reads: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    size_bits: npt.NDArray[np.int64]
    nodes: int
    lanes: tuple[int, ...]
    largest: int

    def fits(self, cell_width: int) -> bool:
        """Whether sums fit 16 bits, given the sum of the weights of a read."""
        return self.largest * cell_width <= _LARGEST_SUM


def pack_nodes(bank: StagedTables, stage: int) -> NodeTables:
    """Pack the tables of a stage of several values by nodes."""
    sets = read_sets(bank, stage, least=2)
    lanes = slot_count(len(bank.stages[stage].values))
    tables = [
        _entries(bank, stage, reads, count, lanes)
        for reads, count in zip(sets.members, sets.reads.tolist(), strict=True)
    ]
    size_bits = [table[0].nbytes.bit_length() - 1 for table in tables]
    starts = np.cumsum([0] + [table.nbytes for table in tables[:-1]], dtype=np.int64)
    most = [np.abs(table).max(0).astype(np.int64) for table in tables]
    halves = [sum(reads[half::_HALVES].sum(0) for reads in most) for half in range(_HALVES)]
    return NodeTables(
        table=concatenated(tables),
        pixels=sets.pixels,
        reads=sets.reads,
        targets=sets.targets,
        starts=starts,
        size_bits=np.array(size_bits, np.int64),
        nodes=bank.nodes,
        lanes=(0,) * lanes,
        largest=int(np.max(halves)),
    )


def _entries(
    bank: StagedTables, stage: int, reads: Sequence[SetRead], count: int, lanes: int
) -> npt.NDArray[np.int16]:
    """Return the entries of a set, (nodes**4, reads, lanes), each table's axes in the set's order.

    The first lane stands for the feature's slot.
    """
    values = bank.stages[stage].values
    entries = np.zeros((bank.nodes**4, count, lanes), np.int16)
    for number, (read, order, _) in enumerate(reads):
        table = bank.tables[read.table].transpose(*order, 4).reshape(len(entries), -1)
        for lane, (column, sign) in enumerate(turned_columns(values, read.turns), 1):
            entries[:, number, lane] = table[:, column].astype(np.int16) * sign
    return entries
