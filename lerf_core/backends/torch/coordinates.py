"""Source coordinates on torch tensors: the steps of `lerf_core.backends.reference`.

Convention
----------
Positions run along one axis, in source pixels; the centre of the first pixel is 0.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lerf_core.constants import FILTER_SCALE_TOLERANCE, LEAST_FOOTPRINT
from lerf_core.sampling.borders import fold_period

__all__ = ["coverage", "filter_scale", "fold_coordinates"]


def filter_scale(footprint: Tensor, size: int) -> Tensor:
    """Filter scale along an axis of `size` pixels, at least 1, of output pixels' footprints."""
    footprint = footprint.clamp(max=size + 1.0)
    return torch.where(
        footprint > 1 + FILTER_SCALE_TOLERANCE, footprint, torch.ones_like(footprint)
    )


def coverage(position: Tensor, size: int, footprint: Tensor) -> Tensor:
    """Share, 0..1, of each output pixel's footprint that lies on an axis of `size` pixels."""
    width = footprint.clamp(min=LEAST_FOOTPRINT)
    low = (position + 0.5) / width + 0.5
    high = (size - 0.5 - position) / width + 0.5
    return low.clamp(0, 1) * high.clamp(0, 1)


def fold_coordinates(position: Tensor, size: int, mode: str, scale: Tensor) -> Tensor:
    """Bring positions to where a border mode takes them from; `scale` are the filter scales."""
    if mode in {"edge", "constant"}:
        return position.clamp(-scale, size - 1 + scale)
    centre, period = fold_period(size, mode)
    if period == 0:
        return position * 0
    turned = torch.remainder(position + centre, period)
    if mode != "wrap":
        turned = torch.minimum(turned, period - turned)
    inside = (position >= 0) & (position <= size - 1)
    return torch.where(inside, position, turned - centre)
