"""Rounding and clipping of tensors that pass gradients (the straight-through estimator)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lerf_core.constants import LEVELS

__all__ = ["quantise", "rounded"]


class _Quantise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, values: Tensor, low: float | Tensor, high: float | Tensor, whole: bool
    ) -> Tensor:
        ctx.save_for_backward(values)
        ctx.range = low, high
        return (torch.round(values) if whole else values).clamp(min=low).clamp(max=high)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (values,), (low, high), grad = ctx.saved_tensors, ctx.range, grads[0]
        # A step goes against the gradient: block what leads farther out.
        blocked = ((values < low) & (grad > 0)) | ((values > high) & (grad < 0))
        return grad.masked_fill(blocked, 0), None, None, None


def quantise(
    values: Tensor, *, low: float | Tensor = 0.0, high: float | Tensor = LEVELS, whole: bool = True
) -> Tensor:
    """Round half to even and clip, passing gradients that do not lead out of the range.

    Parameters
    ----------
    values : Tensor of floats
    low, high : float or Tensor
        Ends of the range; tensors broadcast to `values`.
    whole : bool, optional
        Whether to round.

    Returns
    -------
    Tensor
        Like `values`.
    """
    quantised: Tensor = _Quantise.apply(values, low, high, whole)
    return quantised


def rounded(values: Tensor) -> Tensor:
    """Whole numbers, halves to even; gradients pass unchanged."""
    return values + (torch.round(values) - values).detach()
