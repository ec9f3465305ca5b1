"""The weighted mean at the points of training samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from lerf_core.backends.torch.taps import NeighbourTaps
from lerf_core.backends.torch.weighted_mean import mean_terms
from lerf_core.backends.torch.weighted_mean import weighted_mean as mean_of_taps
from lerf_core.constants import REACH_LIMIT
from lerf_training.operations.compiled import serves

__all__ = ["weighted_mean"]


def weighted_mean(
    weighting: str,
    feature: Tensor,
    parameters: Tensor,
    first: Tensor,
    offset: Tensor,
    *,
    compiled: bool = True,
) -> Tensor:
    """Mean of each point's 2x2 neighbours, weighed by their own functions.

    Parameters
    ----------
    weighting : {"gaussian", "linear"}
        See `lerf_core.backends.reference`'s `tap_weights`.
    feature : Tensor of floats, (batch, rows, cols)
        Grey levels.
    parameters : Tensor of floats, (batch, rows, cols, values)
        In 0..255.
    first : Tensor of int32, (batch, points, 2)
        Row and column of the first neighbour, in -1..size - 1; edges are replicated.
    offset : Tensor of floats, (batch, points, 2)
        From it to the point.
    compiled : bool, optional
        Use the kernels where they can.

    Returns
    -------
    Tensor, (batch, points)
        Grey levels, differentiable by `feature` and `parameters`.
    """
    if compiled and serves(feature, parameters):
        mean: Tensor = _WeightedMean.apply(feature, parameters, first, offset, weighting)
        return mean
    terms = mean_terms(feature, parameters.unbind(-1), weighting)
    taps = NeighbourTaps(first, offset, (feature.shape[1], feature.shape[2]))
    # The images of a batch stand one after the other in one plane.
    return mean_of_taps(terms.transpose(0, 1).flatten(1)[None], weighting, taps)[0]


class _WeightedMean(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, feature: Tensor, parameters: Tensor, first: Tensor, offset: Tensor, weighting: str
    ) -> Tensor:
        from lerf_training.operations.numba import weighted_mean as kernels

        linear = weighting == "linear"
        kernel: Any = kernels.linear_forward if linear else kernels.gaussian_forward
        # A tent's pixels count no farther than one pixel, to the bit.
        reach = np.float32(1) if linear else REACH_LIMIT
        arrays = [
            np.ascontiguousarray(tensor.detach().numpy())
            for tensor in (feature, parameters, first, offset)
        ]
        out = np.empty(first.shape[:2], np.float32)
        kernel(*arrays, reach, out)
        ctx.arguments, ctx.linear = (*arrays, reach, out), linear
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        from lerf_training.operations.numba import weighted_mean as kernels

        kernel: Any = kernels.linear_backward if ctx.linear else kernels.gaussian_backward
        feature_grad, parameter_grad = (np.zeros_like(array) for array in ctx.arguments[:2])
        grad = np.ascontiguousarray(grads[0].numpy())
        kernel(*ctx.arguments, grad, feature_grad, parameter_grad)
        return torch.from_numpy(feature_grad), torch.from_numpy(parameter_grad), None, None, None
