"""Entries of tables as parameters: what models of banks and of cascades have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lerf_core.backends.torch.straight_through import rounded
from lerf_core.backends.torch.table_reads import StageReads, stage_tables, table_names
from lerf_core.bank import StagedTables, turned_columns
from lerf_core.bank.compression import KeptEntries, kept_entries
from lerf_core.constants import ENTRY_BIAS
from lerf_training.models.trained_model import TrainedModel
from lerf_training.models.unvisited import fill_unvisited
from lerf_training.operations.gradient_spreading import spread_gradient
from lerf_training.operations.table_reads import read_tables

__all__ = ["EntryModel", "as_tables", "keeps_constants"]


class EntryModel(TrainedModel):
    """Tables as parameters, read the way the reference reads them.

    Attributes
    ----------
    tables : nn.ParameterList
        For each stage (tables, nodes**4, values), float32 entries in -127..127.
    names : list of list of str
        For each stage the names of its tables.
    reads : list of StageReads
        For each stage which pixels index which table.

    Notes
    -----
    Entries that flat areas read, those of four equal nodes, are held where the start leaves such
    areas exactly as they are. Entries that training visits seldom or never are filled in when
    tables are saved (`lerf_training.models.unvisited`).
    """

    names: list[list[str]]
    reads: list[StageReads]

    def hold_tables(self, start: StagedTables, held: Mapping[int, Sequence[int]]) -> None:
        """Take the entries to start from.

        Parameters
        ----------
        start : StagedTables
        held : mapping
            For stages the columns of their tables that are held on flat areas.
        """
        numbers = range(len(start.stages))
        self.reads = [StageReads.of(start, number) for number in numbers]
        self.names = [table_names(start, number) for number in numbers]
        self.tables = nn.ParameterList(
            nn.Parameter(entries.float()) for entries in stage_tables(start)
        )
        for number, tables in enumerate(self.tables):
            self.register_buffer(f"start{number}", tables.detach().clone(), persistent=False)
            self.register_buffer(f"visits{number}", torch.zeros(tables.shape[:2]))
        self._held = held
        self._nodes = nodes = start.nodes
        self._ties = None if start.diagonal is None else _Ties(kept_entries(nodes, start.diagonal))
        self._equal_nodes = torch.arange(nodes) * (nodes**3 + nodes**2 + nodes + 1)

    def read(
        self, number: int, plane: Tensor, *, whole: bool = True, compiled: bool = True
    ) -> Tensor:
        """See `lerf_training.models.staged_model.StagedModel.read`."""
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
                spread_gradient(tables.grad, self._nodes, share)

    def count_visits(self, steps: int) -> None:
        """Note which entries the last backward pass has used, on behalf of `steps` steps."""
        for number, tables in enumerate(self.tables):
            if tables.grad is not None:
                self.get_buffer(f"visits{number}").add_(tables.grad.any(-1), alpha=steps)

    def saved_entries(self) -> list[Tensor]:
        """Entries of each stage, those filled in that training has hardly visited."""
        return [self._filled(number) for number in range(len(self.names))]

    def _filled(self, number: int) -> Tensor:
        shape = (self._nodes,) * 4
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


def as_tables(
    names: Sequence[Sequence[str]], entries: Sequence[Tensor], nodes: int
) -> dict[str, npt.NDArray[np.int8]]:
    """Return entries (tables, nodes**4, values) of each stage as tables, rounded to -127..127."""
    tables = {}
    for stage_names, stage in zip(names, entries, strict=True):
        whole = torch.round(stage).clamp(-ENTRY_BIAS, ENTRY_BIAS).to(torch.int8).cpu().numpy()
        for name, values in zip(stage_names, whole, strict=True):
            tables[name] = values.reshape((nodes,) * 4 + (-1,))
    return tables


def keeps_constants(start: StagedTables, number: int) -> bool:
    """Whether all values of a stage are every flat area's own level."""
    nodes, spec = np.arange(start.nodes), start.stages[number]
    total = np.zeros((start.nodes, len(spec.values)), np.int64)
    for read in start.reads(number):
        columns = [column for column, _ in turned_columns(spec.values, read.turns)]
        total += start.tables[read.table][nodes, nodes, nodes, nodes][:, columns]
    divisor = np.array(spec.divisor)
    expected = (nodes * start.interval)[:, None] * divisor
    return bool((total + np.array(spec.bias) * divisor == expected).all())
