"""What models of tables and of networks share: stages of reads, and the weighted mean of points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from lerf_core.backends.torch.table_reads import StageReads, stage_values, table_names
from lerf_core.bank import LutBank
from lerf_training.models.entries import as_tables
from lerf_training.models.trained_model import TrainedModel
from lerf_training.operations.overshoot_bounds import clip_overshoot
from lerf_training.operations.weighted_mean import weighted_mean

__all__ = ["StagedModel"]


class StagedModel(TrainedModel):
    """The stages of a bank as a torch module.

    Parameters
    ----------
    template : LutBank
        Structure: kind, patterns, stages and interval.

    Attributes
    ----------
    template : LutBank
    names : list of list of str
        For each stage the names of its tables.
    reads : list of StageReads
        For each stage which pixels index which table.
    """

    def __init__(self, template: LutBank) -> None:
        super().__init__()
        self.template = template
        numbers = range(len(template.stages))
        self.reads = [StageReads.of(template, number) for number in numbers]
        self.names = [table_names(template, number) for number in numbers]

    def forward(
        self, low: Tensor, first: Tensor, offset: Tensor, *, compiled: bool = True
    ) -> Tensor:
        """Values of points on low-resolution planes.

        Parameters
        ----------
        low : Tensor, (batch, rows, cols)
            Whole grey levels in 0..255, of the model's dtype and on its device.
        first, offset : Tensor, (batch, points, 2)
            See `lerf_training.operations.weighted_mean`.
        compiled : bool, optional
            Use the compiled kernels where they can.

        Returns
        -------
        Tensor, (batch, points)
            Grey levels; equal to the reference's up to float32 rounding of the mean.
        """
        feature, parameters = self.stages(low, compiled=compiled)
        kind = self.template.kind
        values = weighted_mean(
            kind.weighting, feature, parameters, first, offset, compiled=compiled
        )
        return (
            clip_overshoot(values, low, first, compiled=compiled)
            if kind.has_local_planes
            else values
        )

    def stages(self, low: Tensor, *, compiled: bool = True) -> tuple[Tensor, Tensor]:
        """Feature (batch, rows, cols) and parameters (batch, rows, cols, values), in 0..255."""
        plane = low
        for number, spec in enumerate(self.template.stages):
            values = stage_values(self.read(number, plane, compiled=compiled), spec)
            if spec is not self.template.stages[-1]:
                plane = values[..., 0]
        return plane, values

    def read(
        self, number: int, plane: Tensor, *, whole: bool = True, compiled: bool = True
    ) -> Tensor:
        """Sum of a stage's reads for every pixel, as `read_tables` gives it.

        Parameters
        ----------
        number : int
            Stage, counted from 0.
        plane : Tensor, (batch, rows, cols)
            Grey levels in 0..255.
        whole : bool, optional
            Round entries, passing gradients unchanged.
        compiled : bool, optional
            Use the compiled kernels where they can.

        Returns
        -------
        Tensor, (batch, rows, cols, values)
            Differentiable by `plane` and the model; borders by edge replication.
        """
        raise NotImplementedError

    def bank(self, name: str, training: Mapping[str, Any]) -> LutBank:
        """The model as a bank, with the record of its training."""
        raise NotImplementedError

    def bank_of(self, entries: Sequence[Tensor], name: str, training: Mapping[str, Any]) -> LutBank:
        """Bank of entries (tables, nodes**4, values) of each stage, rounded to -127..127."""
        template = self.template
        tables = as_tables(self.names, entries, template.nodes)
        structure = (template.kind, template.interval, template.patterns, template.stages)
        return LutBank(name, *structure, tables, training, template.diagonal)
