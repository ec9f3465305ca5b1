"""From grey levels to what the weighted mean needs of every source pixel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lerf_core.backends.known_stages import constant_values, is_identity
from lerf_core.backends.torch.fused import fused_kernels
from lerf_core.backends.torch.integer_reads import StageLayout
from lerf_core.backends.torch.levels import GreyLevels
from lerf_core.backends.torch.network import network_parameters, planes_together
from lerf_core.backends.torch.overshoot_bounds import Bounds, overshoot_bounds
from lerf_core.backends.torch.table_reads import StageReads, read_tables, stage_values
from lerf_core.backends.torch.weighted_mean import mean_terms
from lerf_core.bank.base import Bank
from lerf_core.bank.model import LutBank
from lerf_core.bank.network import NetworkBank

__all__ = [
    "SourcePixels",
    "read_network",
    "read_source_pixels",
]

#: A function like `lerf_core.backends.torch.table_reads.read_tables`.
TableReader = Callable[..., Tensor]


class SourcePixels(NamedTuple):
    """What the weighted mean needs of every source pixel.

    Attributes
    ----------
    terms : Tensor of float32, (planes, values, rows, cols)
        See `lerf_core.backends.torch.weighted_mean.mean_terms`.
    bounds : (Tensor, Tensor) or None
        Overshoot bounds, (planes, rows + 1, cols + 1) each; None: pixels are no local planes.
    validity : Tensor of bool, (planes, rows, cols), or None
        Where values are not missing; None: everywhere.
    """

    terms: Tensor
    bounds: Bounds | None
    validity: Tensor | None


def read_source_pixels(
    levels: GreyLevels,
    bank: LutBank,
    tables: Sequence[Tensor],
    *,
    reader: TableReader = read_tables,
) -> SourcePixels:
    """Read all stages of a bank.

    Parameters
    ----------
    levels : GreyLevels
        Of the planes.
    bank : LutBank
        Whose stages are read.
    tables : sequence of Tensor
        Its `table_reads.stage_tables`, on the planes' device; kernels need none.
    reader : callable, optional
        Reads tables where no kernels for the device do.
    """
    plane, last = levels.whole, len(bank.stages) - 1
    for number in range(last):
        if not is_identity(bank, number):
            plane = _stage(plane, bank, number, tables, levels.units, reader)[..., 0]
    constants = constant_values(bank, last, (levels.units * bank.interval).bit_length() - 1)
    if constants is None:
        values = _stage(plane, bank, last, tables, levels.units, reader)
        parameters: Sequence[Any] = values.unbind(-1)
    else:
        parameters = [torch.full_like(plane, float(value) / levels.units) for value in constants]
    return _source_pixels(plane, parameters, levels, bank)


def read_network(levels: GreyLevels, bank: NetworkBank, channels: int) -> SourcePixels:
    """Compute a network's layers.

    Parameters
    ----------
    levels : GreyLevels
        Of the planes; those of an image stand side by side.
    bank : NetworkBank
    channels : int
        Planes of each image.
    """
    together = planes_together(bank, channels)
    parameters = network_parameters(levels.whole, bank, levels.units, together)
    return _source_pixels(levels.whole, parameters, levels, bank)


def _source_pixels(
    plane: Tensor, parameters: Sequence[Tensor], levels: GreyLevels, bank: Bank
) -> SourcePixels:
    """What the mean needs, of features and parameters in grey levels."""
    if levels.remainder is not None:
        plane = plane + levels.remainder
    terms = mean_terms(plane, parameters, bank.kind.weighting)
    bounds = overshoot_bounds(levels.grey) if bank.kind.has_local_planes else None
    return SourcePixels(terms, bounds, levels.validity)


def _stage(
    plane: Tensor,
    bank: LutBank,
    number: int,
    tables: Sequence[Tensor],
    units: int,
    reader: TableReader,
) -> Tensor:
    """Values (planes, rows, cols, values) of a stage in grey levels."""
    kernels = fused_kernels(plane.device)
    if kernels is not None:
        return _fused_stage(plane, bank, number, units, kernels)
    total = reader(plane, tables[number].float(), _reads(bank, number), units=units)
    return stage_values(total, bank.stages[number], units=units)


# Kept, because every call asks for it.
_reads = lru_cache(maxsize=32)(StageReads.of)


def _fused_stage(plane: Tensor, bank: LutBank, number: int, units: int, kernels: Any) -> Tensor:
    """Values (planes, rows, cols, values) of a stage in grey levels, differentiable by the plane.

    Parameters
    ----------
    plane : Tensor of float32, (planes, rows, cols)
        Grey levels, whole units each.
    bank : LutBank
    number : int
        Stage, counted from 0.
    units : int
        Units per grey level.
    kernels : module
        Of `fused_kernels`.
    """
    layout = StageLayout.of(bank, number, plane.device)
    total = _FusedReads.apply(plane, layout, kernels, units)
    return stage_values(total, bank.stages[number], units=units)


class _FusedReads(torch.autograd.Function):
    """Sums of a stage's reads, (planes, rows, cols, values)."""

    @staticmethod
    def forward(ctx: Any, plane: Tensor, layout: StageLayout, kernels: Any, units: int) -> Tensor:
        ctx.save_for_backward(plane)
        ctx.layout, ctx.kernels, ctx.units = layout, kernels, units
        total: Tensor = kernels.read_sums(plane, layout, units)
        return total.movedim(1, -1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (plane,), grad = ctx.saved_tensors, grads[0].movedim(-1, 1)
        return ctx.kernels.read_slopes(plane, ctx.layout, grad, ctx.units), None, None, None
