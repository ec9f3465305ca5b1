"""Training by networks: one small network for each table, sampled into it afterwards.

This is the published way of making such tables [1]_ [2]_ [3]_. A network sees all levels of its
four pixels, where a table that is trained directly learns of each node alone, and what it
has learned reaches nodes that no photograph visits. `lerf_training.models.transfer`
measures what turning networks into tables costs.

References
----------
.. [1] Li et al., "Learning Steerable Function for Efficient Image Resampling", CVPR 2023.
.. [2] Jo and Kim, "Practical Single-Image Super-Resolution Using Look-Up Table", CVPR 2021.
.. [3] Li et al., "MuLUT: Cooperating Multiple Look-Up Tables for Efficient Image
   Super-Resolution", ECCV 2022.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lerf_core.backends.torch.table_reads import (
    StageReads,
    Turn,
    pad_edges,
    shifted_views,
    turned_values,
)
from lerf_core.bank import LutBank, Stage
from lerf_core.errors import InvalidArgumentError
from lerf_training.models.entry_network import EntryNetwork
from lerf_training.models.staged_model import StagedModel
from lerf_training.models.starting_bank import starting_bank

__all__ = ["NODE_BATCH", "NetworkModel"]

#: Nodes of tables that networks are evaluated at together.
NODE_BATCH = 1 << 16
_WIDTH = 64
_BLOCKS = 4


class NetworkModel(StagedModel):
    """A network for each table of a bank, read the way the tables are.

    Networks start as `starting_bank` does, in residual form: those of the first
    stage add to the pixel's own share of the level, those of the last to the constant of a
    fixed kernel. So training begins with a sane interpolation, stage 2 sees an image from the
    first step on, and what is learned is the difference.

    Parameters
    ----------
    template : LutBank
        Structure: kind, patterns, stages and interval. Its entries are not used.
    width : int, optional
        Channels that a layer adds.
    blocks : int, optional
        Layers between the first and the last.
    seed : int, optional
        Of the initialisation.

    Attributes
    ----------
    networks : nn.ModuleList
        For each stage an nn.ModuleList of `EntryNetwork`, in the order of `names`.

    Raises
    ------
    InvalidArgumentError
        If the width or the number of blocks makes no network.

    Examples
    --------
    >>> from lerf_training.models.starting_bank import starting_bank
    >>> model = NetworkModel(starting_bank("lerf-l"), width=8)
    >>> model.bank("mine", {}).kind.name
    'lerf-l'
    """

    def __init__(
        self, template: LutBank, *, width: int = _WIDTH, blocks: int = _BLOCKS, seed: int = 0
    ) -> None:
        if width < 1 or blocks < 0:
            raise InvalidArgumentError(
                f"a network needs a width of at least 1 and no fewer than 0 blocks, "
                f"got {width} and {blocks}"
            )
        super().__init__(template)
        generator = torch.Generator().manual_seed(seed)
        self.networks = nn.ModuleList(
            nn.ModuleList(
                EntryNetwork(
                    *_start(template, stage), width=width, blocks=blocks, generator=generator
                )
                for _ in names
            )
            for stage, names in zip(template.stages, self.names, strict=True)
        )

    def read(
        self,
        number: int,
        plane: Tensor,
        *,
        whole: bool = True,
        compiled: bool = True,  # noqa: ARG002 - there is no other way
    ) -> Tensor:
        """See `StagedModel.read`; of entries the networks' share alone is rounded."""
        total = torch.zeros((), dtype=plane.dtype, device=plane.device)
        for table, pixels, turn in _gathered(plane, self.reads[number]):
            values = self.networks[number][table](pixels, whole=whole)
            total = total + turned_values(values, turn)
        return total

    def sample(
        self, *, batch: int = NODE_BATCH, progress: Callable[[int, int], None] | None = None
    ) -> list[Tensor]:
        """Entries of the networks at the nodes of their tables, unrounded.

        Parameters
        ----------
        batch : int, optional
            Nodes evaluated at once.
        progress : callable, optional
            Called with the nodes done and the nodes of all tables after each batch.

        Returns
        -------
        list of Tensor, (tables, nodes**4, values)
            One for each stage, in the networks' dtype and on their device; what `read_tables`
            takes. The last nodes, level 256, lie beyond every image; networks are evaluated there
            as they are.

        Raises
        ------
        InvalidArgumentError
            If the batch is not positive.
        """
        if batch < 1:
            raise InvalidArgumentError(f"at least 1 node is evaluated at once, got {batch}")
        like = next(self.parameters())
        axis = torch.arange(0, 256 + 1, self.template.interval)
        grid = torch.cartesian_prod(axis, axis, axis, axis)  # the last axis fastest
        total, done, stages = len(grid) * sum(map(len, self.names)), 0, []
        with torch.no_grad():
            for networks in self.networks:
                tables = []
                for network in networks:
                    entries = []
                    for levels in grid.split(batch):
                        entries.append(network(levels.to(like), whole=False))
                        done += len(levels)
                        if progress is not None:
                            progress(done, total)
                    tables.append(torch.cat(entries))
                stages.append(torch.stack(tables))
        return stages

    def bank(self, name: str, training: Mapping[str, Any]) -> LutBank:
        """The networks, sampled at the tables' nodes, as a bank."""
        return self.bank_of(self.sample(), name, training)


def _start(template: LutBank, stage: Stage) -> tuple[float, list[float]]:
    """Slope and constant of entries that make a stage start as the starting bank does."""
    shares = [divisor / stage.reads for divisor in stage.divisor]
    if stage is not template.stages[-1]:
        return shares[0], [-stage.bias[0] * shares[0]]
    start = starting_bank(template.kind.name)
    last = start.stages[-1]
    table = next(read.table for read in start.reads(len(start.stages) - 1))
    entries = start.tables[table][0, 0, 0, 0].tolist()
    values = [
        entry * last.reads / divisor + bias
        for entry, divisor, bias in zip(entries, last.divisor, last.bias, strict=True)
    ]
    return 0.0, [
        float(round((value - bias) * share))
        for value, bias, share in zip(values, stage.bias, shares, strict=True)
    ]


def _gathered(plane: Tensor, reads: StageReads) -> Iterator[tuple[int, Tensor, Turn]]:
    """Yield for each read its table's number, the pixels (batch, rows, cols, 4), and its turn."""
    padded = pad_edges(plane, reads.pad)
    for table, offsets, turn in reads:
        yield table, torch.stack(shifted_views(padded, offsets, reads.pad), dim=-1), turn
