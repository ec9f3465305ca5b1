"""Cascades of tables as a torch module, and what their trainings begin with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from lerf_core.backends.torch.table_reads import stage_values
from lerf_core.bank import QUARTER_TURNS, Stage, table_name
from lerf_core.choices import CASCADE_SCALES, SAMPLING_INTERVALS
from lerf_core.errors import InvalidArgumentError
from lerf_core.fronts.cascade import (
    CASCADE_PATTERNS,
    TableCascade,
    cascade_stages,
)
from lerf_training.models.entries import EntryModel, as_tables, keeps_constants

__all__ = ["CascadeModel", "starting_cascade"]


class CascadeModel(EntryModel):
    """The tables of a cascade as parameters.

    Parameters
    ----------
    start : TableCascade
        Structure and starting entries.

    Attributes
    ----------
    template : TableCascade
    """

    def __init__(self, start: TableCascade) -> None:
        super().__init__()
        self.template = start
        held = {
            number: range(len(spec.values))
            for number, spec in enumerate(start.stages)
            if keeps_constants(start, number)
        }
        self.hold_tables(start, held)

    @property
    def margin(self) -> float:
        """Pixels that points keep from a patch's border: what reads see is the image's own."""
        return self.template.reach

    @property
    def block(self) -> int:
        """See `TrainedModel`."""
        return self.template.scale

    def forward(
        self,
        low: Tensor,
        first: Tensor,  # noqa: ARG002 - all pixels are points
        offset: Tensor,  # noqa: ARG002
        *,
        compiled: bool = True,
    ) -> Tensor:
        """Enlargement of low-resolution planes, without the margin.

        Parameters
        ----------
        low : Tensor, (batch, rows, cols)
            Whole grey levels in 0..255, of the model's dtype and on its device.
        first, offset : Tensor
            Of no points.
        compiled : bool, optional
            Use the compiled kernels where they can.

        Returns
        -------
        Tensor, (batch, block * (rows - 2 * margin), block * (cols - 2 * margin))
            Grey levels; rounded they are the reference's.
        """
        plane, stages = low, self.template.stages
        for number, spec in enumerate(stages):
            total = self.read(number, plane, compiled=compiled)
            is_last = number == len(stages) - 1
            values = stage_values(total, spec, whole=not is_last)
            plane = values[..., 0]
        margin, scale = self.template.reach, self.block
        inner = values[:, margin:-margin, margin:-margin].unflatten(-1, (scale, scale))
        return inner.transpose(2, 3).flatten(3, 4).flatten(1, 2)

    def bank(self, name: str, training: Mapping[str, Any]) -> TableCascade:
        """The cascade, entries rounded; those that were never visited are filled in."""
        template = self.template
        tables = as_tables(self.names, self.saved_entries(), template.nodes)
        structure = (template.interval, template.patterns, template.stages)
        return TableCascade(name, *structure, tables, training, template.diagonal)


def starting_cascade(scale: int, *, interval: int = 32) -> TableCascade:
    """The cascade that training begins with: it repeats pixels.

    Parameters
    ----------
    scale : {2, 3, 4}
    interval : {8, 16, 32, 64}, optional
        Grey levels between two nodes of a table.

    Returns
    -------
    TableCascade
        Of the published structure; features have the divisor and the bias of the last stage, so
        that entries say as much of a level there.

    Raises
    ------
    InvalidArgumentError
        If there is no such scale or interval.
    """
    if scale not in CASCADE_SCALES:
        raise InvalidArgumentError(f"scale must be 2, 3 or 4, got {scale!r}")
    if interval not in SAMPLING_INTERVALS:
        raise InvalidArgumentError(f"interval must be 8, 16, 32 or 64, got {interval!r}")
    names, nodes = tuple(CASCADE_PATTERNS), 256 // interval + 1
    last = cascade_stages(scale, names)[-1]
    feature = Stage(names, last.rotation_groups, ("feature",), last.divisor[0], last.bias[0])
    stages = (feature, last)
    # Four reads, one a turn, give a pattern's share of the level.
    level = (np.arange(nodes) * interval // len(QUARTER_TURNS)).astype(np.int8)
    tables = {
        table_name(number, pattern, 0): np.broadcast_to(
            level[:, None, None, None, None], (nodes,) * 4 + (len(stage.values),)
        )
        for number, stage in enumerate(stages, 1)
        for pattern in names
    }
    return TableCascade("start", interval, CASCADE_PATTERNS, stages, tables)
