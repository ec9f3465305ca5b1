"""From images of torch to what the weighted mean needs: levels, and the tables' reads.

The arithmetic is `lerf_core.backends.reference`'s, by the operations of `lerf_training.operations.operations`, or on CUDA by
kernels.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

import torch
from lerf_training.operations.operations import (
    StageReads,
    limits,
    read_tables,
    rounded,
    stage_values,
)
from torch import Tensor
from torch.nn import functional

from lerf_core.backends.known_stages import constant_values, is_identity
from lerf_core.bank.model import LutBank
from lerf_core.constants import (
    DEEP_CELL_BITS,
    LEVELS,
    LOCAL_PLANE_BIAS,
    RESIDUAL_UNIT,
    SLOPE_UNIT,
    WEIGHT_VALUES,
)
from lerf_core.pixels.channels import FILL_STEPS

__all__ = ["Levels", "Sources", "fused_kernels", "read_sources", "stage_tables"]


# -- table reads ----------------------------------------------------------------------


def stage_tables(bank: LutBank) -> list[Tensor]:
    """Entries of each stage, int8 (tables, nodes**4, values), in the order of its reads."""
    stages = []
    for number in range(len(bank.stages)):
        keys = dict.fromkeys(read.table for read in bank.reads(number))
        tables = [torch.from_numpy(bank.tables[key].copy()) for key in keys]
        stages.append(torch.stack(tables).flatten(1, 4))
    return stages


class Levels(NamedTuple):
    """An image in the tables' grey levels.

    Attributes
    ----------
    grey : Tensor of float32, (planes, rows, cols)
        Unclipped.
    whole : Tensor of float32, (planes, rows, cols)
        What indexes the tables: whole units in 0..255.
    remainder : Tensor of float32 or None
        What these cannot say; added to the feature.
    units : int
        Units a grey level.
    known : Tensor of bool or None
        Where values are not missing; None: everywhere.
    """

    grey: Tensor
    whole: Tensor
    remainder: Tensor | None
    units: int
    known: Tensor | None = None

    @classmethod
    def of(cls, planes: Tensor, value_range: tuple[float, float] | None, bank: LutBank) -> Levels:
        """Levels of planes; bytes without a range of their own are levels as they stand."""
        if planes.dtype == torch.uint8 and value_range in {None, (0.0, float(LEVELS))}:
            grey = planes.float()
            return cls(grey, grey, None, 1)
        low, high = value_range or (0.0, 1.0)
        known = None
        if planes.is_floating_point():
            planes, known = _filled(planes, low, high, bank)
        units = (1 << DEEP_CELL_BITS) // bank.interval
        grey = (planes.double() - low) * (LEVELS / (high - low))
        exact = rounded(grey.clamp(0, LEVELS) * units) / units
        return cls(grey.float(), exact.float(), (grey - exact).float(), units, known)


def _filled(planes: Tensor, low: float, high: float, bank: LutBank) -> tuple[Tensor, Tensor | None]:
    """Grow known values into missing ones, as `lerf_core` does; None where all are known."""
    far = min(1e30 * (high - low), torch.finfo(planes.dtype).max)
    known = planes.detach().abs() <= far
    if bool(known.all()):
        return planes, None
    value = torch.where(known, planes, planes.new_full((), low)).double()[:, None]
    here = known[:, None]
    for _ in range(FILL_STEPS * bank.reach * len(bank.stages)):
        count = _sum_around(here.double())
        new = ~here & (count > 0.5)
        value = torch.where(new, _sum_around(value * here) / count.clamp(min=1), value)
        here = here | new
    return value[:, 0], known


def _sum_around(planes: Tensor) -> Tensor:
    return functional.avg_pool2d(planes, 3, 1, 1, divisor_override=1)


class Sources(NamedTuple):
    """What the weighted mean needs of every source pixel.

    Attributes
    ----------
    values : Tensor of float32, (planes, values, rows, cols)
        Level and what weighs it; slopes, where pixels are planes.
    bounds : (Tensor, Tensor) or None
        The least and the largest result, (planes, rows + 1, cols + 1) each.
    known : Tensor of bool, (planes, rows, cols), or None
        Where values are not missing; None: everywhere.
    """

    values: Tensor
    bounds: tuple[Tensor, Tensor] | None
    known: Tensor | None


def read_sources(levels: Levels, bank: LutBank, tables: Sequence[Tensor]) -> Sources:
    """Read all stages; `tables` are `stage_tables`, on the planes' device."""
    plane, last = levels.whole, len(bank.stages) - 1
    for number in range(last):
        if not _is_identity(bank, number):
            plane = _stage(plane, bank, number, tables, levels.units)[..., 0]
    known = _constant_values(bank, last, (levels.units * bank.interval).bit_length() - 1)
    if known is None:
        parameters = _stage(plane, bank, last, tables, levels.units).unbind(-1)
    else:
        parameters = [torch.full_like(plane, float(one) / levels.units) for one in known]
    if levels.remainder is not None:
        plane = plane + levels.remainder
    values = _precomputed(plane, parameters, bank.kind.weighting)
    bounds = limits(levels.grey, twin=True) if bank.kind.has_local_planes else None
    return Sources(torch.stack(values, 1), bounds, levels.known)


def _stage(
    plane: Tensor, bank: LutBank, number: int, tables: Sequence[Tensor], units: int
) -> Tensor:
    """Values of a stage, (planes, rows, cols, values)."""
    spec, kernels = bank.stages[number], fused_kernels(plane.device)
    if kernels is None:
        # Without gradients lerf_core's engine does the CPU's work: nothing to compile for that.
        twin = not (torch.is_grad_enabled() and plane.requires_grad)
        entries = tables[number].float()
        total = read_tables(plane, entries, _reads(bank, number), units=units, twin=twin)
        return stage_values(total, spec, units=units)
    layout = _layout(bank, number, plane.device)
    numbers = (len(spec.values), bank.interval, units)
    turned = layout.turned(tables[number])
    if torch.is_grad_enabled() and plane.requires_grad:
        total = _FusedReads.apply(plane, turned, layout.offsets, kernels, numbers)
        return stage_values(total, spec, units=units)
    values: Tensor = kernels.read(plane, turned, layout.offsets, layout.numbers, *numbers)
    return values.movedim(1, -1)


def fused_kernels(device: torch.device) -> Any:
    """Return the module of kernels for a device, or None where there are none."""
    return _triton_kernels() if device.type == "cuda" else None


@cache
def _triton_kernels() -> Any:
    """Import and try the kernels: Triton may be missing, or what it compiles by."""
    if importlib.util.find_spec("triton") is None:
        return None
    try:
        kernels = importlib.import_module("lerf_core.backends.torch.triton_kernels")
        one = torch.zeros((1, 1, 1), device="cuda")
        tables = torch.zeros((5**4, 1), dtype=torch.int8, device="cuda")
        offsets = torch.zeros((1, 4, 2), dtype=torch.int32, device="cuda")
        kernels.read(one, tables, offsets, None, 1, 64, 1)
    except Exception as error:  # noqa: BLE001 - whatever a compiler raises
        warnings.warn(
            f"Triton does not work here, torch's own operations are slower: {error!r}", stacklevel=2
        )
        return None
    return kernels


class _FusedReads(torch.autograd.Function):
    """Sums of a stage's reads, (planes, rows, cols, values)."""

    @staticmethod
    def forward(
        ctx: Any,
        plane: Tensor,
        tables: Tensor,
        offsets: Tensor,
        kernels: Any,
        numbers: tuple[int, int, int],
    ) -> Tensor:
        ctx.save_for_backward(plane, tables, offsets)
        ctx.kernels, ctx.numbers = kernels, numbers
        total: Tensor = kernels.read(plane, tables, offsets, None, *numbers)
        return total.movedim(1, -1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        grad = grads[0].movedim(-1, 1)
        return ctx.kernels.read_slopes(*ctx.saved_tensors, grad, *ctx.numbers[1:]), *[None] * 4


class _Layout(NamedTuple):
    """How the kernels read a stage; see `_torch_kernels.read`.

    Attributes
    ----------
    offsets, numbers : Tensor
        As there.
    table : Tensor of int64, (reads,)
        The table of each read.
    columns : Tensor of int64, (reads, 1, values)
        Which of its columns is each value...
    signs : Tensor of int8, (reads, 1, values)
        ... and its sign.
    """

    offsets: Tensor
    numbers: Tensor
    table: Tensor
    columns: Tensor
    signs: Tensor

    def turned(self, tables: Tensor) -> Tensor:
        """Return a table for every read, of int8."""
        chosen = tables[self.table]
        turned = chosen.gather(2, self.columns.expand_as(chosen)) * self.signs
        slots = self.numbers.shape[1]
        return functional.pad(turned, (0, slots - turned.shape[2])).flatten(0, 1)


@lru_cache(maxsize=32)
def _layout(bank: LutBank, number: int, device: torch.device) -> _Layout:
    reads, spec = _reads(bank, number), bank.stages[number]
    offsets = torch.tensor(reads.offsets, dtype=torch.int32).flatten(0, 1)
    turns = torch.tensor(reads.turns).flatten(0, 1)[:, None]
    table = torch.arange(len(reads.offsets)).repeat_interleave(len(reads.offsets[0]))
    values = len(spec.values)
    numbers = torch.ones((3, 1 << (values - 1).bit_length()), dtype=torch.float64)
    numbers[:, :values] = torch.tensor([spec.divisor, spec.bias, spec.lowest])
    parts = (offsets, numbers, table, turns[..., 0], turns[..., 1].to(torch.int8))
    return _Layout(*(part.contiguous().to(device) for part in parts))


# Of constants, kept because every call asks for them.
_reads = lru_cache(maxsize=32)(StageReads.of)
_is_identity = lru_cache(maxsize=32)(is_identity)
_constant_values = lru_cache(maxsize=32)(constant_values)


def _precomputed(feature: Tensor, parameters: Sequence[Tensor], weighting: str) -> list[Tensor]:
    """What of weights and planes does not depend on the output pixel."""
    count = WEIGHT_VALUES[weighting]
    if weighting == "linear":
        (alpha,) = parameters[:count]
        return [feature, (alpha + alpha - LEVELS) * (1 / LEVELS)]
    rho, sigma_row, sigma_col = parameters[:count]
    cross = (rho + rho - LEVELS) * (sigma_row * sigma_col)
    shape = [sigma_row * sigma_row, cross, sigma_col * sigma_col]
    plane = parameters[count:]
    if not plane:
        return [feature, *shape]
    row, col, residual = (part - LOCAL_PLANE_BIAS for part in plane)
    return [feature + residual * RESIDUAL_UNIT, *shape, row * SLOPE_UNIT, col * SLOPE_UNIT]
