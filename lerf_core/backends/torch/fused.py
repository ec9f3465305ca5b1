"""Where steps are one Triton kernel each (`triton_kernels`), on CUDA."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from functools import cache
from typing import Any

import torch
from torch import Tensor

from lerf_core.backends.torch.integer_reads import StageLayout
from lerf_core.backends.torch.table_reads import stage_values
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
        kernels = importlib.import_module("lerf_core.backends.torch.triton_kernels")
        kernels.overshoot_bounds(torch.zeros((1, 1, 1), dtype=torch.uint8, device="cuda"))
    except Exception as error:  # noqa: BLE001 - whatever a compiler raises
        warnings.warn(
            f"Triton does not work here, torch's own operations are slower: {error!r}", stacklevel=2
        )
        return None
    return kernels


def fused_stage(plane: Tensor, bank: LutBank, number: int, units: int, kernels: Any) -> Tensor:
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
