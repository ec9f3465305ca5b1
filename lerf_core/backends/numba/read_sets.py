"""Sets of four pixels that the reads of a stage have in common.

The pixels of a pattern in its four rotations are the same sets of four pixels seen from
other members: a square is read from its four corners, a run from both its ends. Such a set
lies in one cell of the tables, with one weight per corner of the cell, whichever pixel it is read
for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lerf_core.bank.patterns import Offset, Offsets
from lerf_core.bank.staged_tables import StagedTables
from lerf_core.bank.stages import Read

__all__ = ["ReadSets", "SetRead", "read_sets"]

_READS = (1, 2, 4)  # of a set; those that are missing to the next of these read zeros


class SetRead(NamedTuple):
    """A read of a set: the order of its axes in the set, and (row, col) that it is for."""

    read: Read
    order: list[int]
    target: Offset


@dataclass(frozen=True)
class ReadSets:
    """The sets of a stage.

    Attributes
    ----------
    members : list of list of SetRead
        Reads of each set, at most as many as `reads` says.
    pixels : ndarray of int64, (n_sets, 4, 2)
        (row, col) offsets of each set's pixels from its first one, in order; of a set that is read
        once in the order of the read, so that turned ones may share a table.
    reads : ndarray of int64, (n_sets,)
        Reads of each set: 1, 2 or 4.
    targets : ndarray of int64, (n_sets, 4, 2)
        (row, col) of the pixel that each read is for, from the set's first one.
    """

    members: list[list[SetRead]]
    pixels: npt.NDArray[np.int64]
    reads: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]


def read_sets(bank: StagedTables, stage: int, least: int = 1) -> ReadSets:
    """Group the reads of a stage by the sets they touch.

    Parameters
    ----------
    bank : StagedTables
    stage : int
        Counted from 0.
    least : int, optional
        How many reads a set has at least: 1 or 2.
    """
    sets: dict[tuple[Offset, ...], list[Read]] = {}
    for read in bank.reads(stage):
        sets.setdefault(tuple(sorted(_from_first(read.offsets))), []).append(read)
    chunks = [
        [_set_read(read, in_order=len(reads) > 1) for read in reads[first : first + _READS[-1]]]
        for reads in sets.values()
        for first in range(0, len(reads), _READS[-1])
    ]
    counts = [
        next(count for count in _READS if max(len(reads), least) <= count) for reads in chunks
    ]
    targets = [
        [read.target for read in reads] + [reads[0].target] * (_READS[-1] - len(reads))
        for reads in chunks
    ]
    return ReadSets(
        members=chunks,
        pixels=np.array([_pixels(*reads[0]) for reads in chunks], np.int64),
        reads=np.array(counts, np.int64),
        targets=np.array(targets, np.int64),
    )


def _from_first(offsets: Offsets) -> Offsets:
    """Return offsets from the first pixel in order, upper ones first."""
    row, col = min(offsets)
    return tuple((y - row, x - col) for y, x in offsets)


def _set_read(read: Read, *, in_order: bool) -> SetRead:
    order = sorted(range(4), key=read.offsets.__getitem__) if in_order else list(range(4))
    row, col = read.offsets[order[0]]
    return SetRead(read, order, (-row, -col))


def _pixels(read: Read, order: list[int], target: Offset) -> Offsets:
    """Return the offsets of a set's pixels from its first one."""
    return tuple((read.offsets[k][0] + target[0], read.offsets[k][1] + target[1]) for k in order)
