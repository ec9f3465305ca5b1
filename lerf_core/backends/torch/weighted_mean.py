"""The weighted mean on torch tensors, differentiable by pixels, parameters and positions.

The arithmetic is `lerf_core.backends.reference`'s, operation by operation, so that results equal
it. Planes that share their taps are worked on together. Gradients are found tap by tap, from what
the forward pass found anew: what they take does not grow with the number of taps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from lerf_core.backends.torch.fused import fused_kernels
from lerf_core.backends.torch.overshoot_bounds import Bounds
from lerf_core.backends.torch.straight_through import quantise
from lerf_core.backends.torch.taps import Tap, Taps
from lerf_core.constants import (
    CROSS_STEPS,
    EXP2_POLYNOMIAL,
    EXPONENT_STEPS,
    EXPONENT_TOP,
    FIRST_WEIGHT,
    LEVELS,
    LOCAL_PLANE_BIAS,
    RESIDUAL_UNIT,
    SLOPE_UNIT,
    SQUARE_STEPS,
    WEIGHT_VALUES,
)
from lerf_core.pixels.missing import VALID_SHARE_NEEDED

__all__ = ["mean_and_share", "mean_terms", "weighted_mean"]

# Of float32's values, the bits of 1.
_ONE = 0x3F800000


def mean_terms(feature: Tensor, parameters: Sequence[Tensor], weighting: str) -> Tensor:
    """Terms of each source pixel that a mean is made of, the same for all output pixels.

    Parameters
    ----------
    feature : Tensor of floats, (planes, rows, cols)
        Grey levels.
    parameters : sequence of Tensor of floats, (planes, rows, cols)
        In 0..255, in the order of the kind's values.
    weighting : {"gaussian", "linear"}
        See `lerf_core.backends.reference`'s `tap_weights`.

    Returns
    -------
    Tensor of floats, (planes, values, rows, cols)
        The level, then what weighs it; then the slopes along rows and columns, where pixels are
        local planes.
    """
    count = WEIGHT_VALUES[weighting]
    if weighting == "linear":
        (alpha,) = parameters[:count]
        return torch.stack([feature, (alpha + alpha - LEVELS) * (1 / LEVELS)], 1)
    rho, sigma_row, sigma_col = parameters[:count]
    cross = (rho + rho - LEVELS) * (sigma_row * sigma_col)
    shape = [sigma_row * sigma_row, cross, sigma_col * sigma_col]
    local_plane = parameters[count:]
    if not local_plane:
        return torch.stack([feature, *shape], 1)
    row, col, residual = (value - LOCAL_PLANE_BIAS for value in local_plane)
    level = feature + residual * RESIDUAL_UNIT
    return torch.stack([level, *shape, row * SLOPE_UNIT, col * SLOPE_UNIT], 1)


def weighted_mean(
    terms: Tensor,
    weighting: str,
    taps: Taps,
    *,
    validity: Tensor | None = None,
    bounds: Bounds | None = None,
) -> Tensor:
    """Mean of each output pixel's neighbours, weighed by their own functions.

    Parameters
    ----------
    terms : Tensor of floats, (planes, values, pixels)
        See `mean_terms`.
    weighting : {"gaussian", "linear"}
        As for `mean_terms`.
    taps : Taps
        Which neighbours.
    validity : Tensor of bool, (planes, pixels), optional
        Pixels that count; NaN comes out where others have more than half of the weight.
    bounds : (Tensor, Tensor), optional
        Of every cell, as `taps` select them: results lie between.

    Returns
    -------
    Tensor of floats, (planes, *output)
        In grey levels; differentiable by `terms` and by the taps' positions.
    """
    mean, valid_share = _Mean.apply(terms, validity, weighting, taps, *taps.positions)
    selected = None if bounds is None else taps.select_bounds(bounds)
    if selected is not None:
        mean = quantise(mean, low=selected[0], high=selected[1], whole=False)
    if validity is not None:
        mean = mean.masked_fill(valid_share < float(VALID_SHARE_NEEDED), math.nan)
    result: Tensor = mean
    return result


class _Exp2(torch.autograd.Function):
    """``2**(steps / 2**23)``; of float32 as the reference's `exp2_steps`."""

    @staticmethod
    def forward(ctx: Any, steps: Tensor) -> Tensor:
        power = _exp2_steps(steps) if steps.dtype == torch.float32 else _exp2_exact(steps)
        ctx.save_for_backward(power)
        return power

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (power,) = ctx.saved_tensors
        return grads[0] * power * (math.log(2) / EXPONENT_STEPS)


def _exp2_steps(steps: Tensor) -> Tensor:
    whole = steps.to(torch.int32)
    below = whole & (EXPONENT_STEPS - 1)
    mantissa = (below | _ONE).view(torch.float32)
    power = mantissa * float(EXP2_POLYNOMIAL[-1]) + float(EXP2_POLYNOMIAL[-2])
    for coefficient in EXP2_POLYNOMIAL[-3::-1]:
        power = (power.mul_(mantissa)).add_(float(coefficient))
    return power.view(torch.int32).add_(whole.sub_(below)).view(torch.float32)


def _exp2_exact(steps: Tensor) -> Tensor:
    return torch.exp2(steps / EXPONENT_STEPS)


class _Neighbour(NamedTuple):
    """What a tap gives every output pixel, (planes, *output) each.

    Attributes
    ----------
    value : Tensor
        Its level, or its local plane's there, in grey levels.
    weight : Tensor
        Of a Gaussian relative to the first tap's.
    exponent : Tensor or None
        Of its Gaussian weight, in steps.
    """

    value: Tensor
    weight: Tensor
    exponent: Tensor | None


def _neighbour(
    terms: Tensor, weighting: str, tap: Tap, cval: float | None, first: Tensor | None
) -> _Neighbour:
    """What a tap gives; `first` are the exponents of the first one."""
    shape = tap.index.shape
    flat = tap.index.reshape(-1).expand(*terms.shape[:2], -1)
    level, *function = terms.gather(2, flat).view(*terms.shape[:2], *shape).unbind(1)
    dy, dx = tap.dy, tap.dx
    exponent = None
    if weighting == "linear":
        weight = _tent(function[0], dy) * _tent(function[0], dx)
    else:
        row, cross, col, *slopes = function
        exponent = row * (float(SQUARE_STEPS) * (dy * dy)) + cross * (
            (float(CROSS_STEPS) * dx) * dy
        )
        exponent = exponent + col * (float(SQUARE_STEPS) * (dx * dx))
        exponent = exponent.clamp(max=float(EXPONENT_TOP))
        if slopes:
            level = level + slopes[1] * dx
            level = level + slopes[0] * dy
        start = exponent.detach() if first is None else first
        weight = float(FIRST_WEIGHT) * _Exp2.apply(start - exponent)
    if tap.beyond_border is not None:
        level = torch.where(tap.beyond_border, level.new_full((), cval or 0.0), level)
    if tap.in_reach is not None:
        weight = torch.where(tap.in_reach, weight, weight.new_zeros(()))
    return _Neighbour(level, weight, exponent)


def _tent(slope: Tensor, distance: Tensor) -> Tensor:
    size = distance.abs()
    tent = (1 - slope * size).clamp(min=0)
    return torch.where(size <= 1, tent, tent.new_zeros(()))


def _tap_validity(validity: Tensor, tap: Tap, beyond: float) -> Tensor:
    """Validities of a tap's pixels, (planes, *output); `beyond` is that of the border's constant.

    They are of the dtype of `validity`: bools, or factors.
    """
    flat = tap.index.reshape(-1).expand(len(validity), -1)
    valid = validity.gather(1, flat).view(len(validity), *tap.index.shape)
    if tap.beyond_border is None:
        return valid
    return torch.where(tap.beyond_border, valid.new_full((), beyond), valid)


def mean_and_share(
    terms: Tensor, validity: Tensor | None, weighting: str, taps: Taps, positions: Sequence[Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Weighted mean, the sum of the weights that count, and their share of all.

    Parameters
    ----------
    terms, weighting, taps
        As for `weighted_mean`.
    validity : Tensor of bool or float32, (planes, pixels), or None
        Factor of each pixel's weight; None: 1.
    positions : sequence of Tensor
        See `Taps.each`.

    Returns
    -------
    mean, total : Tensor, (planes, *output)
    share : Tensor, (planes, *output); () without validity
    """
    base = first = None
    for tap in taps.each(*positions):
        value, weight, exponent = _neighbour(terms, weighting, tap, taps.cval, first)
        weights = [weight]
        if validity is not None:
            weights.insert(0, weight * _tap_validity(validity, tap, taps.cval_validity))
        if base is None:
            base, first = value, exponent
            totals = [torch.zeros_like(value) for _ in weights]
            changes = [torch.zeros_like(value) for _ in weights]
        for number, factor in enumerate(weights):
            totals[number] += factor
            changes[number] += factor * (value - base)
    total, change = totals[0], changes[0]
    valid_share = total.new_ones(())
    if validity is not None:  # where nothing counts, all does
        valid_share = total / totals[1]
        valid = total > 0
        total, change = torch.where(valid, *totals), torch.where(valid, *changes)
    mean = base + change / total
    return mean, total, valid_share


class _Mean(torch.autograd.Function):
    """The mean as differences to the first tap, and the share of the weight that counts."""

    @staticmethod
    def forward(
        ctx: Any,
        terms: Tensor,
        validity: Tensor | None,
        weighting: str,
        taps: Taps,
        *positions: Tensor,
    ) -> tuple[Tensor, Tensor]:
        kernels = fused_kernels(terms.device) if validity is None else None
        fused = None
        if kernels is not None:
            fused = taps.fused_mean(kernels, terms, linear=weighting == "linear")
        if fused is None:
            mean, total, valid_share = mean_and_share(terms, validity, weighting, taps, positions)
        else:
            mean, total = fused
            valid_share = total.new_ones(())
        ctx.save_for_backward(terms, validity, mean, total, valid_share, *positions)
        ctx.weighting, ctx.taps = weighting, taps
        ctx.kernels = None if fused is None else kernels
        ctx.mark_non_differentiable(valid_share)
        return mean, valid_share

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        terms, validity, mean, total, valid_share, *positions = ctx.saved_tensors
        taps, share = ctx.taps, grads[0] / total
        if ctx.kernels is not None:
            by_terms, *by_positions = taps.fused_gradients(
                ctx.kernels, terms, share, mean, linear=ctx.weighting == "linear",
                by_terms=ctx.needs_input_grad[0],
            )  # fmt: skip
            return by_terms, None, None, None, *by_positions
        wanted = (ctx.needs_input_grad[0], *ctx.needs_input_grad[4:])
        with torch.enable_grad():
            inputs = [
                tensor.detach().requires_grad_(want)
                for tensor, want in zip((terms, *positions), wanted, strict=True)
            ]
            leaves = [tensor for tensor in inputs if tensor.requires_grad]
            sums = [torch.zeros_like(leaf) for leaf in leaves]
            first = None
            for tap in taps.each(*inputs[1:]):
                neighbour = _neighbour(inputs[0], ctx.weighting, tap, taps.cval, first)
                if first is None and neighbour.exponent is not None:
                    first = neighbour.exponent.detach()
                counted = share
                if validity is not None:
                    valid = _tap_validity(validity, tap, taps.cval_validity)
                    counted = share * (valid | (valid_share == 0))
                _add_gradients(sums, leaves, neighbour, counted, mean)
        remaining = iter(sums)
        by_inputs = [next(remaining) if want else None for want in wanted]
        return by_inputs[0], None, None, None, *by_inputs[1:]


def _add_gradients(
    sums: Sequence[Tensor],
    leaves: Sequence[Tensor],
    neighbour: _Neighbour,
    share: Tensor,
    mean: Tensor,
) -> None:
    """Add the gradients by `leaves` that pass through one tap; `share` is per unit of weight."""
    pairs = (
        (neighbour.value, share * neighbour.weight),
        (neighbour.weight, share * (neighbour.value - mean)),
    )
    outputs = [(output, grad.detach()) for output, grad in pairs if output.requires_grad]
    if not outputs:
        return
    gradients = torch.autograd.grad(
        [output for output, _ in outputs], leaves, [grad for _, grad in outputs], allow_unused=True
    )
    for total, gradient in zip(sums, gradients, strict=True):
        if gradient is not None:
            total += gradient
