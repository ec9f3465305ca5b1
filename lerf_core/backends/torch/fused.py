"""Where table reads and means are one Triton kernel each (`fused_kernels`), on CUDA."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from functools import cache, lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from lerf_core.backends.torch.table_reads import StageReads, stage_values
from lerf_core.bank.model import LutBank

__all__ = ["fused_kernels", "fused_stage", "triton_kernels"]


def fused_kernels(device: torch.device) -> Any:
    """Return the module of kernels for a device, or None where there are none."""
    return triton_kernels() if device.type == "cuda" else None


@cache
def triton_kernels() -> Any:
    """Import and try the kernels: Triton may be missing, or what it compiles by."""
    if importlib.util.find_spec("triton") is None:
        return None
    try:
        kernels = importlib.import_module("lerf_core.backends.torch.fused_kernels")
        plane = torch.zeros((1, 1, 1), device="cuda")
        tables = torch.zeros((5**4, 1), dtype=torch.int8, device="cuda")
        offsets = torch.zeros((1, 4, 2), dtype=torch.int32, device="cuda")
        kernels.read(plane, tables, offsets, None, 1, 64, 1)
    except Exception as error:  # noqa: BLE001 - whatever a compiler raises
        warnings.warn(
            f"Triton does not work here, torch's own operations are slower: {error!r}", stacklevel=2
        )
        return None
    return kernels


def fused_stage(
    plane: Tensor, bank: LutBank, number: int, tables: Tensor, units: int, kernels: Any
) -> Tensor:
    """Values (planes, rows, cols, values) of a stage in grey levels.

    Parameters
    ----------
    plane : Tensor of float32, (planes, rows, cols)
        Grey levels, whole units each.
    bank : LutBank
    number : int
        Stage, counted from 0.
    tables : Tensor of int8, (tables, nodes**4, values)
        The stage's of `table_reads.stage_tables`.
    units : int
        Units per grey level.
    kernels : module
        Of `fused_kernels`.
    """
    spec = bank.stages[number]
    layout = _Layout.of(bank, number, plane.device)
    sizes = (len(spec.values), bank.interval, units)
    turned = layout.turned(tables)
    if torch.is_grad_enabled() and plane.requires_grad:
        total = _FusedReads.apply(plane, turned, layout.offsets, kernels, sizes)
        return stage_values(total, spec, units=units)
    values: Tensor = kernels.read(plane, turned, layout.offsets, layout.numbers, *sizes)
    return values.movedim(1, -1)


class _FusedReads(torch.autograd.Function):
    """Sums of a stage's reads, (planes, rows, cols, values)."""

    @staticmethod
    def forward(
        ctx: Any,
        plane: Tensor,
        tables: Tensor,
        offsets: Tensor,
        kernels: Any,
        sizes: tuple[int, int, int],
    ) -> Tensor:
        ctx.save_for_backward(plane, tables, offsets)
        ctx.kernels, ctx.sizes = kernels, sizes
        total: Tensor = kernels.read(plane, tables, offsets, None, *sizes)
        return total.movedim(1, -1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        grad = grads[0].movedim(-1, 1)
        return ctx.kernels.read_slopes(*ctx.saved_tensors, grad, *ctx.sizes[1:]), *[None] * 4


class _Layout(NamedTuple):
    """How the kernels read a stage; see `fused_kernels.read`.

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

    @staticmethod
    @lru_cache(maxsize=32)
    def of(bank: LutBank, number: int, device: torch.device) -> _Layout:
        """Layout of a bank's stage."""
        reads, spec = StageReads.of(bank, number), bank.stages[number]
        offsets = torch.tensor(reads.offsets, dtype=torch.int32).flatten(0, 1)
        turns = torch.tensor(reads.turns).flatten(0, 1)[:, None]
        table = torch.arange(len(reads.offsets)).repeat_interleave(len(reads.offsets[0]))
        values = len(spec.values)
        numbers = torch.ones((3, 1 << (values - 1).bit_length()), dtype=torch.float64)
        numbers[:, :values] = torch.tensor([spec.divisor, spec.bias, spec.lowest])
        members = (offsets, numbers, table, turns[..., 0], turns[..., 1].to(torch.int8))
        return _Layout(*(member.contiguous().to(device) for member in members))

    def turned(self, tables: Tensor) -> Tensor:
        """Return a table for every read, of int8, (reads * nodes**4, slots)."""
        chosen = tables[self.table]
        turned = chosen.gather(2, self.columns.expand_as(chosen)) * self.signs
        slots = self.numbers.shape[1]
        return functional.pad(turned, (0, slots - turned.shape[2])).flatten(0, 1)
