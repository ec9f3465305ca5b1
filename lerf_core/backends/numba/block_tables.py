"""Tables of stages that enlarge, as the entries of their nodes: blocks of levels, in bytes.

`kernels.walks` finds the five nodes that a set of four pixels needs, `kernels.block_vectors` weighs
their entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lerf_core.backends.numba.cell_tables import concatenated, placed
from lerf_core.backends.numba.layouts import CORNERS, PAIRED_VALUES
from lerf_core.backends.numba.read_sets import SetRead, read_sets
from lerf_core.bank.staged_tables import StagedTables
from lerf_core.bank.stages import turned_columns

__all__ = ["BlockTables", "pack_blocks"]

_LARGEST_SUM = int(np.iinfo(np.int16).max)
_HALVES = 2  # sums of a pixel: every other read of a set has another
# Values of a read, with room to spare after the last one.
_LANES = (4, 16)


@dataclass(frozen=True)
class BlockTables:
    """A stage in the form that `kernels.block_reads.block_rows` takes.

    Attributes
    ----------
    table : ndarray of int8, (bytes,)
        Entries of all sets' nodes, (reads, lanes). Where they are paired, of each 16 bytes those of
        the upper eight belong to the upper half of the entry: processors interleave two entries'
        lower and upper eights, and so sums of both come out in order.
    pixels, reads, targets : ndarray of int64
        See `read_sets.ReadSets`.
    starts, size_bits : ndarray of int64, (n_sets,)
        First byte of the set's entries in `table`; an entry has ``2**size_bits`` bytes.
    nodes : int
        Of an axis.
    lanes : tuple
        By its length, the values of a read.
    wide : tuple
        Of length 1 where sums of bytes' coordinates need 32 bits, else 0; entries are paired where
        they do not.
    """

    table: npt.NDArray[np.int8]
    pixels: npt.NDArray[np.int64]
    reads: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    size_bits: npt.NDArray[np.int64]
    nodes: int
    lanes: tuple[int, ...]
    wide: tuple[int, ...]


def pack_blocks(bank: StagedTables, stage: int, *, deep: bool) -> BlockTables:
    """Pack the tables of a stage of blocks, for bytes' coordinates or deep ones."""
    sets = read_sets(bank, stage)
    values = len(bank.stages[stage].values)
    lanes = next(lanes for lanes in _LANES if values <= lanes)
    tables = [
        _entries(bank, stage, reads, count, lanes)
        for reads, count in zip(sets.members, sets.reads.tolist(), strict=True)
    ]
    most = [np.abs(table.astype(np.int64)).max(0) for table in tables]
    halves = [sum(reads[half::_HALVES].sum(0) for reads in most) for half in range(_HALVES)]
    wide = deep or int(np.max(halves)) * bank.interval > _LARGEST_SUM
    flat = [table.reshape(len(table), -1) for table in tables]
    if not wide:
        flat = [_paired(table) for table in flat]
    size_bits = [table.shape[1].bit_length() - 1 for table in flat]
    starts, kept = placed(flat)
    return BlockTables(
        table=concatenated(kept),
        pixels=sets.pixels,
        reads=sets.reads,
        targets=sets.targets,
        starts=starts,
        size_bits=np.array(size_bits, np.int64),
        nodes=bank.nodes,
        lanes=(0,) * lanes,
        wide=(0,) if wide else (),
    )


def _entries(
    bank: StagedTables, stage: int, reads: Sequence[SetRead], count: int, lanes: int
) -> npt.NDArray[np.int8]:
    """Return the entries of a set, (nodes**4, reads, lanes), axes in the set's order."""
    values = bank.stages[stage].values
    entries = np.zeros((bank.nodes**4, count, lanes), np.int8)
    for number, (read, order, _) in enumerate(reads):
        table = bank.tables[read.table].transpose(*order, 4).reshape(len(entries), -1)
        columns = [column for column, _ in turned_columns(values, read.turns)]
        entries[:, number, : len(values)] = table[:, columns]
    return entries


def _paired(entries: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """Return entries, (nodes**4, values), in the order in which pairs of them are multiplied."""
    count = entries.shape[1]
    if count < PAIRED_VALUES:
        return entries
    half = CORNERS // 2
    place = np.arange(count)
    chunk, upper, rest = place // CORNERS, place % CORNERS // half, place % half
    return entries[:, upper * (count // 2) + chunk * half + rest]
