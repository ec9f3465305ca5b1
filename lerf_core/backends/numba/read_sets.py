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

from lerf_core.bank.model import LutBank
from lerf_core.bank.patterns import Offset
from lerf_core.bank.stages import Read

__all__ = ["ReadSets", "SetRead", "read_sets"]

_READS = (2, 4)  # of a set; those that are missing to the next of these read zeros


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
        (row, col) offsets of each set's pixels from its first one, in order.
    reads : ndarray of int64, (n_sets,)
        Reads of each set: 2 or 4.
    targets : ndarray of int64, (n_sets, 4, 2)
        (row, col) of the pixel that each read is for, from the set's first one.
    """

    members: list[list[SetRead]]
    pixels: npt.NDArray[np.int64]
    reads: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]


def read_sets(bank: LutBank, stage: int) -> ReadSets:
    """Group the reads of a stage by the sets they touch."""
    sets: dict[tuple[Offset, ...], list[SetRead]] = {}
    for read in bank.reads(stage):
        order = sorted(range(4), key=read.offsets.__getitem__)
        row, col = read.offsets[order[0]]
        pixels = tuple((read.offsets[k][0] - row, read.offsets[k][1] - col) for k in order)
        sets.setdefault(pixels, []).append(SetRead(read, order, (-row, -col)))
    chunks = [
        (pixels, reads[first : first + _READS[-1]])
        for pixels, reads in sets.items()
        for first in range(0, len(reads), _READS[-1])
    ]
    counts = [next(count for count in _READS if len(reads) <= count) for _, reads in chunks]
    targets = [
        [read.target for read in reads] + [reads[0].target] * (_READS[-1] - len(reads))
        for _, reads in chunks
    ]
    return ReadSets(
        members=[reads for _, reads in chunks],
        pixels=np.array([pixels for pixels, _ in chunks], np.int64),
        reads=np.array(counts, np.int64),
        targets=np.array(targets, np.int64),
    )
