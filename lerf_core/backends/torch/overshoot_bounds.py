"""Overshoot bounds of local planes' results on torch tensors; constants without a gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from lerf_core.constants import OVERSHOOT_RANGE

__all__ = ["Bounds", "bounds_along_kept_axis", "overshoot_bounds"]

#: Least and largest values, two tensors of one shape.
Bounds = tuple[Tensor, Tensor]


def overshoot_bounds(grey: Tensor) -> Bounds:
    """Bounds for every cell of four source pixels, as the reference has them.

    Parameters
    ----------
    grey : Tensor of floats, (planes, rows, cols)
        The source in grey levels.

    Returns
    -------
    low, high : Tensor, (planes, rows + 1, cols + 1)
        In grey levels. Cell [r, c] lies between the pixels (r - 1, c - 1) and (r, c).
    """
    padded = torch.nn.functional.pad(grey.detach()[:, None], (2, 2, 2, 2), mode="replicate")
    top, peak = _largest(padded)
    bottom, pit = _largest(-padded)
    margin = float(OVERSHOOT_RANGE) * (top + bottom)
    return -bottom - (margin + pit), top + (margin + peak)


def _largest(padded: Tensor) -> tuple[Tensor, Tensor]:
    """Largest pixel of each 4x4 window, and by how much the inner four exceed touching pairs."""
    upper, lower = padded[:, :, :-1], padded[:, :, 1:]
    pairs = (
        _window_maxima(torch.minimum(upper, lower), 3, 4),
        _window_maxima(torch.minimum(padded[..., :-1], padded[..., 1:]), 4, 3),
        _window_maxima(torch.minimum(upper[..., :-1], lower[..., 1:]), 3, 3),
        _window_maxima(torch.minimum(upper[..., 1:], lower[..., :-1]), 3, 3),
    )
    inner = _window_maxima(padded[..., 1:-1, 1:-1], 2, 2)
    return _window_maxima(padded, 4, 4), (inner - torch.stack(pairs).amax(0)).clamp(min=0)


def _window_maxima(values: Tensor, rows: int, cols: int) -> Tensor:
    maxima: Tensor = torch.nn.functional.max_pool2d(values, (rows, cols), stride=1)[:, 0]
    return maxima


def bounds_along_kept_axis(bounds: Bounds, axis: int) -> Bounds:
    """Bounds along an axis that is not resampled: a pixel's are the wider of both its cells'."""
    low, high = bounds
    size = low.shape[axis] - 1
    return (
        torch.minimum(low.narrow(axis, 1, size), low.narrow(axis, 0, size)),
        torch.maximum(high.narrow(axis, 1, size), high.narrow(axis, 0, size)),
    )
