"""Stages whose tables need no reading: what they give is known beforehand.

The analytic bank, which shrinks images where no bank is named, is made of such stages.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from lerf_core.backends.reference.table_reads import read_stage
from lerf_core.bank.staged_tables import StagedTables

__all__ = ["constant_values", "is_identity"]


@lru_cache(maxsize=64)
def is_identity(bank: StagedTables, number: int) -> bool:
    """Whether a stage (counted from 0) gives each pixel its own level, at every level.

    That is so where tables grow evenly along the axis of the pixel itself, and the steps of all
    reads add up to the divisor: interpolation is exact for linear tables.
    """
    stage = bank.stages[number]
    if len(stage.values) > 1 or stage.bias != (0,):
        return False
    node = np.arange(bank.nodes)
    total = 0
    for read in bank.reads(number):
        table = bank.tables[read.table][..., 0]
        along = np.moveaxis(table, read.offsets.index((0, 0)), -1)
        step = int(along[0, 0, 0, 1]) - int(along[0, 0, 0, 0])
        if not np.array_equal(along, np.broadcast_to(step * node, along.shape)):
            return False
        total += step
    return total == bank.interval * stage.divisor[0]


@lru_cache(maxsize=64)
def constant_values(
    bank: StagedTables, number: int, cell_bits: int
) -> npt.NDArray[np.int64] | None:
    """Return the values that a stage gives everywhere, or None where they vary.

    Returns
    -------
    ndarray of int64, (values,), or None
        In units of which a cell of the tables spans ``2**cell_bits``.
    """
    for read in bank.reads(number):
        table = bank.tables[read.table]
        if not (table == table[0, 0, 0, 0]).all():
            return None
    pixel = np.zeros((1, 1), np.int64)
    return read_stage(pixel, bank, number, cell_bits)[:, 0, 0]
