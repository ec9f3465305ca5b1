"""Results of local planes held between their overshoot bounds, at the points of samples."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lerf_core.backends import get_backend
from lerf_core.backends.torch import overshoot_bounds as by_torch
from lerf_core.backends.torch.straight_through import quantise
from lerf_core.backends.torch.taps import NeighbourTaps
from lerf_training.operations.compiled import serves

__all__ = ["clip_overshoot"]


def clip_overshoot(
    values: Tensor, plane: Tensor, first: Tensor, *, compiled: bool = True
) -> Tensor:
    """Values of points within the overshoot bounds of the image that they lie on.

    Parameters
    ----------
    values : Tensor of floats, (batch, points)
        Of `weighted_mean`.
    plane : Tensor of floats, (batch, rows, cols)
        What the points lie on, in grey levels.
    first : Tensor of int32, (batch, points, 2)
        As for `weighted_mean`.
    compiled : bool, optional
        Find the bounds by kernels where they can.

    Returns
    -------
    Tensor, (batch, points)
        Gradients pass where they do not lead farther out; the bounds are constants.
    """
    bounds = _overshoot_bounds(plane, compiled=compiled and serves(plane))
    taps = NeighbourTaps(
        first, torch.zeros(first.shape, device=first.device), (plane.shape[1], plane.shape[2])
    )
    low, high = taps.select_bounds((bounds[0].flatten(), bounds[1].flatten()))
    return quantise(values, low=low, high=high, whole=False)


def _overshoot_bounds(plane: Tensor, *, compiled: bool) -> by_torch.Bounds:
    if not compiled:
        return by_torch.overshoot_bounds(plane)
    backend = get_backend("numba")
    images = plane.detach().numpy()
    low, high = np.stack([backend.overshoot_bounds(image, 1) for image in images], axis=1)
    return torch.from_numpy(low), torch.from_numpy(high)
