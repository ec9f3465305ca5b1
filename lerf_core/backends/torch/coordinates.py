"""Source coordinates on torch tensors: the steps of `lerf_core.backends.reference`.

Convention
----------
Positions run along one axis, in source pixels; the centre of the first pixel is 0.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from lerf_core.constants import FILTER_SCALE_TOLERANCE, LEAST_FOOTPRINT
from lerf_core.sampling.borders import fold_period

__all__ = ["copied_pixels", "coverage", "filter_scale", "fold_coordinates"]


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


def copied_pixels(row: Tensor, col: Tensor, tolerance: float) -> Tensor:
    """Tell which output pixels are copies: `lerf_core.geometry.whole_pixels.copied_pixels`.

    Parameters
    ----------
    row, col : Tensor of float64, (images, rows, cols)
        Source positions of all output pixels.
    tolerance : float
        How far from a pixel's centre a position still counts as on it, in source pixels.

    Returns
    -------
    Tensor of bool, (images, rows, cols)
    """
    position = torch.stack([row, col])
    whole = position.round()
    is_whole = ((position - whole).abs() <= tolerance).all(0)
    somewhere = position.isfinite().all(0)
    spans_one = torch.zeros_like(is_whole)
    along_y, along_x = (_sides(whole, is_whole, somewhere, axis) for axis in (-2, -1))
    for (down, leads_down), (across, leads_across) in itertools.product(along_y, along_x):
        area = (down[0] * across[1] - down[1] * across[0]).abs()
        repeats = torch.maximum(down.abs(), across.abs()).amax(0) <= 1
        fits = (area == 1) | ((area == 0) & repeats)
        spans_one = spans_one | (leads_down & leads_across & fits)
    return is_whole & spans_one


def _sides(
    whole: Tensor, is_whole: Tensor, somewhere: Tensor, axis: int
) -> list[tuple[Tensor, Tensor]]:
    """Steps to the pixels before and after along an axis, and whether they lead on; and 0."""
    size = whole.shape[axis]
    index = torch.arange(size, device=whole.device)
    along = (-1, 1) if axis == -2 else (1, -1)
    sides, is_alone = [], torch.ones_like(is_whole)
    for direction in (-1, 1):
        beside = index + direction
        exists = ((beside >= 0) & (beside < size)).view(along)
        beside = beside.clamp(0, size - 1)
        leads_on = is_whole.index_select(axis, beside) & exists
        is_alone = is_alone & ~(somewhere.index_select(axis, beside) & exists)
        sides.append((whole.index_select(axis, beside) - whole, leads_on))
    return [*sides, (torch.zeros_like(whole), is_alone)]
