"""Tables as a torch module: made from a bank, trained entry by entry, turned back into a bank."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lerf_core.bank import LutBank
from lerf_training.models.entries import EntryModel, keeps_constants
from lerf_training.models.staged_model import StagedModel

__all__ = ["TableModel"]


class TableModel(EntryModel, StagedModel):
    """The tables of a bank as parameters.

    Parameters
    ----------
    bank : LutBank
        Structure and starting entries.

    Notes
    -----
    Where the start leaves flat areas exactly as they are, so do the trained tables: the entries
    that flat areas read are held in the pre-filter and in the residuals (slopes cancel there by
    themselves).
    """

    def __init__(self, bank: LutBank) -> None:
        super().__init__(bank)
        last = len(bank.stages) - 1
        held = {number: [0] for number in range(last) if keeps_constants(bank, number)}
        if bank.kind.has_local_planes and _has_level_residuals(bank):
            held[last] = [bank.kind.values.index("residual")]
        self.hold_tables(bank, held)

    def bank(self, name: str, training: Mapping[str, Any]) -> LutBank:
        """The tables, rounded, as a bank; entries that were never visited are filled in."""
        return self.bank_of(self.saved_entries(), name, training)


def _has_level_residuals(bank: LutBank) -> bool:
    """Whether the residual of every flat area is zero."""
    last, column = len(bank.stages) - 1, bank.kind.values.index("residual")
    nodes = np.arange(bank.nodes)
    return all(
        (bank.tables[read.table][nodes, nodes, nodes, nodes, column] == 0).all()
        for read in bank.reads(last)
    )
