"""Tables as a torch module: made from a bank, trained entry by entry, turned back into a bank."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lerf_core.backends.torch.straight_through import rounded
from lerf_core.backends.torch.table_reads import stage_tables
from lerf_core.bank import LutBank
from lerf_core.bank.compression import KeptEntries, kept_entries
from lerf_core.constants import ENTRY_BIAS
from lerf_training.models.staged_model import StagedModel
from lerf_training.models.unvisited import fill_unvisited
from lerf_training.operations.gradient_spreading import spread_gradient
from lerf_training.operations.table_reads import read_tables

__all__ = ["TableModel"]


class TableModel(StagedModel):
    """The tables of a bank as parameters, read the way the reference reads them.

    Parameters
    ----------
    bank : LutBank
        Structure and starting entries.

    Attributes
    ----------
    tables : nn.ParameterList
        For each stage (tables, nodes**4, values), float32 entries in -127..127.

    Notes
    -----
    Where the start leaves flat areas exactly as they are, so do the trained tables: the
    entries that flat areas read, those of four equal nodes, are held in the pre-filter and
    in the residuals (slopes cancel there by themselves). Entries that training visits seldom or
    never are filled in when a bank is made (`lerf_training.models.unvisited`).
    """

    def __init__(self, bank: LutBank) -> None:
        super().__init__(bank)
        self.tables = nn.ParameterList(
            nn.Parameter(entries.float()) for entries in stage_tables(bank)
        )
        for number, tables in enumerate(self.tables):
            self.register_buffer(f"start{number}", tables.detach().clone(), persistent=False)
            self.register_buffer(f"visits{number}", torch.zeros(tables.shape[:2]))
        # Stages with the columns of their tables that are held on flat areas.
        self._held = {
            number: [0] for number in range(len(bank.stages) - 1) if _keeps_constants(bank, number)
        }
        if bank.kind.has_local_planes and _has_level_residuals(bank):
            self._held[len(bank.stages) - 1] = [bank.kind.values.index("residual")]
        nodes = bank.nodes
        self._ties = None if bank.diagonal is None else _Ties(kept_entries(nodes, bank.diagonal))
        self._equal_nodes = torch.arange(nodes) * (nodes**3 + nodes**2 + nodes + 1)

    def read(
        self, number: int, plane: Tensor, *, whole: bool = True, compiled: bool = True
    ) -> Tensor:
        """See `StagedModel.read`."""
        tables = rounded(self.tables[number]) if whole else self.tables[number]
        if self._ties is not None:
            tables = self._ties.expanded(tables)
            tables = rounded(tables) if whole else tables
        return read_tables(plane, tables, self.reads[number], compiled=compiled)

    def clip_entries(self) -> None:
        """Bring entries back into -127..127, and those of flat areas to where they are held."""
        with torch.no_grad():
            for tables in self.tables:
                tables.clamp_(-ENTRY_BIAS, ENTRY_BIAS)
            for number in self._held:
                self._hold(number, self.tables[number])

    def _hold(self, number: int, tables: Tensor) -> None:
        """Put the entries of flat areas back to where they started."""
        start = self.get_buffer(f"start{number}")
        for column in self._held[number]:
            tables[:, self._equal_nodes, column] = start[:, self._equal_nodes, column]

    def spread_gradients(self, share: float) -> None:
        """Spread the gradients of all tables; see `lerf_training.operations.gradient_spreading`."""
        for tables in self.tables if self._ties is None else ():
            if tables.grad is not None:
                spread_gradient(tables.grad, self.template.nodes, share)

    def count_visits(self, steps: int) -> None:
        """Note which entries the last backward pass has used, on behalf of `steps` steps."""
        for number, tables in enumerate(self.tables):
            if tables.grad is not None:
                self.get_buffer(f"visits{number}").add_(tables.grad.any(-1), alpha=steps)

    def bank(self, name: str, training: Mapping[str, Any]) -> LutBank:
        """The tables, rounded, as a bank; entries that were never visited are filled in."""
        return self.bank_of(
            [self._filled(number) for number in range(len(self.names))], name, training
        )

    def _filled(self, number: int) -> Tensor:
        """Entries of a stage, those filled in that training has hardly visited."""
        shape = (self.template.nodes,) * 4
        start, visits = self.get_buffer(f"start{number}"), self.get_buffer(f"visits{number}")
        change = (self.tables[number].detach() - start).unflatten(1, shape)
        entries = start + fill_unvisited(change, visits.unflatten(1, shape)).flatten(1, 4)
        if number in self._held:
            self._hold(number, entries)
        if self._ties is not None:
            whole = torch.round(entries).clamp(-ENTRY_BIAS, ENTRY_BIAS)
            entries = torch.round(self._ties.expanded(whole))
        return entries


class _Ties:
    """What ties the entries of compressed tables to those that are kept."""

    def __init__(self, entries: KeptEntries) -> None:
        # Copies: those of the entries cannot be written to, which torch warns of.
        kept, lower, upper = (torch.tensor(array) for array in entries)
        self._lower, self._upper = kept[lower], kept[upper]

    def expanded(self, tables: Tensor) -> Tensor:
        """Tables (tables, nodes**4, values) whose other entries are means of kept ones."""
        lower, upper = (
            tables.index_select(1, index.to(tables.device)) for index in (self._lower, self._upper)
        )
        return (lower + upper) / 2


def _keeps_constants(bank: LutBank, number: int) -> bool:
    """Whether a pre-filter stage gives every flat area its own level back."""
    nodes, spec = np.arange(bank.nodes), bank.stages[number]
    total = np.zeros(bank.nodes, np.int64)
    for read in bank.reads(number):
        total += bank.tables[read.table][nodes, nodes, nodes, nodes, 0]
    (divisor,), (bias,) = spec.divisor, spec.bias
    return bool((total + bias * divisor == nodes * bank.interval * divisor).all())


def _has_level_residuals(bank: LutBank) -> bool:
    """Whether the residual of every flat area is zero."""
    last, column = len(bank.stages) - 1, bank.kind.values.index("residual")
    nodes = np.arange(bank.nodes)
    return all(
        (bank.tables[read.table][nodes, nodes, nodes, nodes, column] == 0).all()
        for read in bank.reads(last)
    )
