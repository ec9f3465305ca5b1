"""The weighted mean on torch tensors, on any device, with gradients.

The arithmetic is `lerf_core.backends.reference`'s, operation by operation, so that results equal it. Planes
that share their taps are worked on together. Gradients of the mean are found tap by tap, from
what the forward pass found anew: what it takes does not grow with the number of taps.

Convention
----------
Positions are (row, col) in source pixels, the centre of the first pixel is 0. Sources are
(planes, values, pixels) and results (planes, *output), where `pixels` are the flattened rows and
columns of one image or of several, one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from lerf_training.operations.operations import quantise
from torch import Tensor

from lerf_core.backends.reference.overshoot import axis_cells
from lerf_core.backends.torch.image_reads import fused_kernels
from lerf_core.constants import (
    CROSS_STEPS,
    EXP2_POLYNOMIAL,
    EXPONENT_STEPS,
    EXPONENT_TOP,
    FILTER_SCALE_TOLERANCE,
    FIRST_WEIGHT,
    LEAST_FOOTPRINT,
    MAX_POINT_TAPS,
    POSITION_EPS,
    REACH_LIMIT,
    SQUARE_STEPS,
)
from lerf_core.sampling.borders import fold_period
from lerf_core.sampling.taps import AxisTaps

__all__ = [
    "Grid",
    "Points",
    "coverage",
    "fold",
    "stretch_of",
    "weighed",
]

# Of float32's values, the bits of 1.
_ONE = 0x3F800000
# Means of neighbours are trusted where these carry at least so much of the weight.
_TRUST_NEEDED = 0.5


# -- taps -----------------------------------------------------------------------------


class Tap(NamedTuple):
    """One neighbour of every output pixel; all broadcast to the output.

    Attributes
    ----------
    index : Tensor of int64, output
        Its pixel.
    dy, dx : Tensor of float32
        From it to the output pixel, divided by the stretch.
    counts : Tensor of bool or None
        Where it takes part; None: everywhere.
    outside : Tensor of bool or None
        Where the constant of the border stands for its level.
    """

    index: Tensor
    dy: Tensor
    dx: Tensor
    counts: Tensor | None = None
    outside: Tensor | None = None


class Taps(Protocol):
    """The neighbours of output pixels."""

    cval: float | None

    @property
    def ends(self) -> tuple[Tensor, ...]:
        """Positions that the offsets follow, and results may be differentiated by."""

    def each(self, *ends: Tensor) -> Iterator[Tap]:
        """Yield the taps, one after the other, for these `ends`."""

    def mean(self, kernels: Any, values: Tensor, *, linear: bool) -> tuple[Tensor, Tensor]:
        """Return the weighted mean and the sum of the weights, by kernels."""


class Grid:
    """Taps of a resize.

    Parameters
    ----------
    rows, cols : AxisTaps
        As `lerf_core` has them.
    shape : (int, int)
        Rows and columns of the source.
    cval : float or None
        Level beyond the border; None: the border pixel's.
    device : torch.device
        Where the planes are.
    """

    def __init__(
        self,
        rows: AxisTaps,
        cols: AxisTaps,
        shape: tuple[int, int],
        cval: float | None,
        device: torch.device,
    ) -> None:
        self.axes, self.shape, self.cval, self.device = (rows, cols), shape, cval, device
        self.ends: tuple[Tensor, ...] = ()

    def each(self) -> Iterator[Tap]:
        """See `Taps.each`."""
        rows, cols = (
            list(self._axis(taps, size, axis))
            for axis, (taps, size) in enumerate(zip(self.axes, self.shape, strict=True))
        )
        for row, dy, far_row, out_row in rows:
            for col, dx, far_col, out_col in cols:
                counts = None if far_row is None and far_col is None else ~_either(far_row, far_col)
                outside = None if self.cval is None else out_row | out_col
                yield Tap(row * self.shape[1] + col, dy, dx, counts, outside)

    def _axis(self, taps: AxisTaps, size: int, axis: int) -> Iterator[tuple[Any, ...]]:
        """Index, offset, what lies out of reach (None: nothing), and what beyond the border."""
        index = taps.index.clip(0, size - 1)
        place = (-1, 1) if axis == 0 else (1, -1)
        for number in range(taps.count):
            offset = taps.offset[:, number]
            far = abs(offset) > REACH_LIMIT
            beyond = taps.index[:, number] != index[:, number]
            pair = (index[:, number], offset)
            masks = (far if far.any() else None, beyond)
            yield tuple(
                None if part is None else torch.from_numpy(part.copy()).to(self.device).view(place)
                for part in (*pair, *masks)
            )

    def mean(self, kernels: Any, values: Tensor, *, linear: bool) -> tuple[Tensor, Tensor]:
        """See `Taps.mean`."""
        mean: tuple[Tensor, Tensor] = kernels.grid_mean(
            values, self._arrays, self.shape, self.cval, linear=linear
        )
        return mean

    @cached_property
    def _arrays(self) -> list[tuple[Tensor, Tensor]]:
        return [
            (
                torch.from_numpy(np.ascontiguousarray(taps.index.T, np.int32)).to(self.device),
                torch.from_numpy(np.ascontiguousarray(taps.offset.T)).to(self.device),
            )
            for taps in self.axes
        ]

    def held(self, bounds: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor] | None:
        """Limits of every output pixel, of those of cells; None where the support is stretched."""
        rows, cols = self.axes
        if rows.count > 2 or cols.count > 2:
            return None
        low, high = bounds
        for axis, taps in ((1, rows), (2, cols)):
            if taps.count == 1:  # over one tap, the wider of the cells beside it
                size = low.shape[axis] - 1
                low, high = (
                    wider(bound.narrow(axis, 1, size), bound.narrow(axis, 0, size))
                    for wider, bound in ((torch.minimum, low), (torch.maximum, high))
                )
        free = []
        for axis, (taps, size) in enumerate(zip(self.axes, self.shape, strict=True), 1):
            cells = axis_cells(taps, size, constant=self.cval is not None)
            index = torch.from_numpy(cells.clip(min=0)).to(self.device)
            low, high = (bound.index_select(axis, index) for bound in (low, high))
            free.append(torch.from_numpy(cells < 0).to(self.device))
        if self.cval is None:
            return low, high
        loose = free[0][:, None] | free[1]
        return low.masked_fill(loose, -math.inf), high.masked_fill(loose, math.inf)


def _either(one: Tensor | None, other: Tensor | None) -> Tensor:
    if one is None or other is None:
        return one if other is None else other
    return one | other


class Points:
    """Taps of scattered positions that have about as many of them.

    Parameters
    ----------
    row, col : Tensor of float64, (points,)
        Positions, within reach of the image.
    stretches : (Tensor, Tensor)
        Of the support along rows and columns, at least 1.
    start : Tensor of int64, (points,)
        The first pixel of each point's image, among all pixels.
    shape : (int, int)
        Rows and columns of an image.
    """

    cval: float | None = None

    def __init__(
        self,
        row: Tensor,
        col: Tensor,
        stretches: Sequence[Tensor],
        start: Tensor,
        shape: tuple[int, int],
    ) -> None:
        self.ends, self.stretches, self.start, self.shape = (row, col), stretches, start, shape
        self.first, self.count, self.step = [], [], []
        for end, stretch in zip(self.ends, stretches, strict=True):
            here = end.detach()
            self.first.append(torch.ceil(here - stretch - POSITION_EPS).long())
            wide = torch.floor(2 * stretch + POSITION_EPS) + 1
            count = torch.where(stretch > 1, wide, torch.full_like(wide, 2)).long()
            step = (count + (MAX_POINT_TAPS - 1)) // MAX_POINT_TAPS
            self.count.append((count + step - 1) // step)
            self.step.append(step)

    def groups(self) -> list[Tensor | None]:
        """Points that have about as many taps, by their numbers; None: all of them."""
        most = torch.maximum(*self.count)
        largest = int(most.max())
        if largest <= 2:
            return [None]
        groups, low = [], 0
        high = 2
        while low < largest:
            chosen = torch.nonzero((most > low) & (most <= high))[:, 0]
            if len(chosen):
                groups.append(chosen)
            low, high = high, high + max(1, high // 2)
        return list(groups)

    def taken(self, chosen: Tensor) -> Points:
        """Return the taps of some of the points."""
        row, col = (end[chosen] for end in self.ends)
        stretches = [stretch[chosen] for stretch in self.stretches]
        return Points(row, col, stretches, self.start[chosen], self.shape)

    def each(self, *ends: Tensor) -> Iterator[Tap]:
        """See `Taps.each`."""
        down, across = (int(count.max()) for count in self.count)
        for ty in range(down):
            for tx in range(across):
                # Gradients are found tap by tap: each has a graph of its own.
                row, dy = self._axis(0, ty, ends[0])
                col, dx = self._axis(1, tx, ends[1])
                near = (dy.abs() <= REACH_LIMIT.item()) & (dx.abs() <= REACH_LIMIT.item())
                counts = near & (ty < self.count[0]) & (tx < self.count[1])
                yield Tap(self.start + row * self.shape[1] + col, dy, dx, counts)

    def _axis(self, axis: int, number: int, end: Tensor) -> tuple[Tensor, Tensor]:
        index = self.first[axis] + number * self.step[axis]
        offset = ((end - index) * (1.0 / self.stretches[axis])).float()
        return index.clamp(0, self.shape[axis] - 1), offset

    def mean(self, kernels: Any, values: Tensor, *, linear: bool) -> tuple[Tensor, Tensor]:
        """See `Taps.mean`."""
        mean: tuple[Tensor, Tensor] = kernels.points_mean(
            values, self.ends, self.stretches, self.start, self.shape, linear=linear
        )
        return mean

    def held(self, bounds: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Limits of every point, of those of cells, (planes, cells); none where it is stretched."""
        rows, cols = self.shape
        image = torch.div(self.start, rows * cols, rounding_mode="floor")
        row, col = (
            first.clamp(-1, size - 1) + 1
            for first, size in zip(self.first, self.shape, strict=True)
        )
        cell = (image * (rows + 1) + row) * (cols + 1) + col
        low, high = (bound.index_select(-1, cell) for bound in bounds)
        loose = torch.maximum(*self.count) > 2
        return low.masked_fill(loose, -math.inf), high.masked_fill(loose, math.inf)


def stretch_of(span: Tensor, size: int) -> Tensor:
    """Stretch of the support along an axis, of source pixels that an output pixel spans."""
    span = span.clamp(max=size + 1.0)
    return torch.where(span > 1 + FILTER_SCALE_TOLERANCE, span, torch.ones_like(span))


def coverage(position: Tensor, size: int, span: Tensor) -> Tensor:
    """Share of an output pixel that lies on the image, along an axis."""
    width = span.clamp(min=LEAST_FOOTPRINT)
    low = (position + 0.5) / width + 0.5
    high = (size - 0.5 - position) / width + 0.5
    return low.clamp(0, 1) * high.clamp(0, 1)


def fold(position: Tensor, size: int, mode: str, stretch: Tensor) -> Tensor:
    """Bring positions of an axis to where the border mode takes them from."""
    if mode in {"edge", "constant"}:
        return position.clamp(-stretch, size - 1 + stretch)
    centre, period = fold_period(size, mode)
    if period == 0:
        return position * 0
    turned = torch.remainder(position + centre, period)
    if mode != "wrap":
        turned = torch.minimum(turned, period - turned)
    inside = (position >= 0) & (position <= size - 1)
    return torch.where(inside, position, turned - centre)


# -- the weighted mean ----------------------------------------------------------------


def weighed(
    values: Tensor,
    known: Tensor | None,
    held: tuple[Tensor, Tensor] | None,
    weighting: str,
    taps: Taps,
) -> Tensor:
    """Mean of each output pixel's neighbours, weighed by their own functions.

    Parameters
    ----------
    values : Tensor of float32, (planes, values, pixels)
        See `Sources`.
    known : Tensor of bool, (planes, pixels), or None
        Pixels that count; NaN comes out where others have more than half of the weight.
    held : (Tensor, Tensor) or None
        Between which results lie.
    weighting : {"gaussian", "linear"}
        See `lerf_core.backends.reference.tap_weights`.
    taps : Taps
        Which neighbours.

    Returns
    -------
    Tensor of float32, (planes, *output)
        In grey levels; differentiable by `values` and by the taps' ends.
    """
    mean, trust = _Mean.apply(values, known, weighting, taps, *taps.ends)
    if held is not None:
        low, high = held
        mean = quantise(mean, low=low, high=high, whole=False)
    if known is not None:
        mean = mean.masked_fill(trust < _TRUST_NEEDED, math.nan)
    result: Tensor = mean
    return result


class _Exp2(torch.autograd.Function):
    """``2**(steps / 2**23)``; see `lerf_core.backends.reference.exp2_steps`."""

    @staticmethod
    def forward(ctx: Any, steps: Tensor) -> Tensor:
        whole = steps.to(torch.int32)
        below = whole & (EXPONENT_STEPS - 1)
        mantissa = (below | _ONE).view(torch.float32)
        power = mantissa * float(EXP2_POLYNOMIAL[-1]) + float(EXP2_POLYNOMIAL[-2])
        for coefficient in EXP2_POLYNOMIAL[-3::-1]:
            power = (power.mul_(mantissa)).add_(float(coefficient))
        power = power.view(torch.int32).add_(whole.sub_(below)).view(torch.float32)
        ctx.save_for_backward(power)
        return power

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (power,) = ctx.saved_tensors
        return grads[0] * power * (math.log(2) / EXPONENT_STEPS)


class _Opinion(NamedTuple):
    """What a neighbour says, (planes, *output), how much it weighs, and its exponent."""

    value: Tensor
    weight: Tensor
    exponent: Tensor | None


def _opinion(
    values: Tensor, weighting: str, tap: Tap, cval: float | None, first: Tensor | None
) -> _Opinion:
    """What a tap says; `first` are the exponents of the first."""
    shape = tap.index.shape
    flat = tap.index.reshape(-1).expand(*values.shape[:2], -1)
    level, *here = values.gather(2, flat).view(*values.shape[:2], *shape).unbind(1)
    dy, dx = tap.dy, tap.dx
    exponent = None
    if weighting == "linear":
        weight = _tent(here[0], dy) * _tent(here[0], dx)
    else:
        row, cross, col, *slopes = here
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
    if tap.outside is not None:
        level = torch.where(tap.outside, level.new_full((), cval or 0.0), level)
    if tap.counts is not None:
        weight = torch.where(tap.counts, weight, weight.new_zeros(()))
    return _Opinion(level, weight, exponent)


def _tent(slope: Tensor, distance: Tensor) -> Tensor:
    size = distance.abs()
    tent = (1 - slope * size).clamp(min=0)
    return torch.where(size <= 1, tent, tent.new_zeros(()))


def _trusted(known: Tensor, tap: Tap) -> Tensor:
    """Whether the pixels of a tap count, (planes, *output)."""
    flat = tap.index.reshape(-1).expand(len(known), -1)
    return known.gather(1, flat).view(len(known), *tap.index.shape)


def _mean_and_weights(
    values: Tensor, known: Tensor | None, weighting: str, taps: Taps, ends: Sequence[Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Weighted mean, the sum of the weights that count, and their share of all."""
    base = first = None
    for tap in taps.each(*ends):
        value, weight, exponent = _opinion(values, weighting, tap, taps.cval, first)
        trusted = weight if known is None else weight * _trusted(known, tap)
        if base is None:
            base, first = value, exponent
            sums = [torch.zeros_like(value) for _ in range(2 if known is None else 4)]
        parts = (weight,) if known is None else (trusted, weight)
        for number, part in enumerate(parts):
            sums[2 * number] += part
            sums[2 * number + 1] += part * (value - base)
    total, change = sums[:2]
    trust = total.new_ones(())
    if known is not None:  # where nothing counts, all does
        trust = total / sums[2]
        use = total > 0
        total, change = (torch.where(use, *pair) for pair in zip(sums[:2], sums[2:], strict=True))
    mean = base + change / total
    return mean, total, trust


class _Mean(torch.autograd.Function):
    """The mean as differences to the first tap, and the share of the weight that counts."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, known: Tensor | None, weighting: str, taps: Taps, *ends: Tensor
    ) -> tuple[Tensor, Tensor]:
        kernels = fused_kernels(values.device)
        if kernels is not None and known is None:
            mean, total = taps.mean(kernels, values, linear=weighting == "linear")
            trust = total.new_ones(())
        else:
            mean, total, trust = _mean_and_weights(values, known, weighting, taps, ends)
        ctx.save_for_backward(values, known, mean, total, trust, *ends)
        ctx.weighting, ctx.taps = weighting, taps
        ctx.mark_non_differentiable(trust)
        return mean, trust

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        values, known, mean, total, trust, *ends = ctx.saved_tensors
        taps = ctx.taps
        share = grads[0] / total
        wanted = (ctx.needs_input_grad[0], *ctx.needs_input_grad[4:])
        first = None
        with torch.enable_grad():
            inputs = [
                one.detach().requires_grad_(want)
                for one, want in zip((values, *ends), wanted, strict=True)
            ]
            leaves = [one for one in inputs if one.requires_grad]
            sums = [torch.zeros_like(one) for one in leaves]
            for tap in taps.each(*inputs[1:]):
                said = _opinion(inputs[0], ctx.weighting, tap, taps.cval, first)
                first = (
                    first
                    if said.exponent is None or first is not None
                    else (said.exponent.detach())
                )
                by = share
                if known is not None:
                    by = share * (_trusted(known, tap) | (trust == 0))
                pairs = ((said.value, by * said.weight), (said.weight, by * (said.value - mean)))
                used = [pair for pair in pairs if pair[0].requires_grad]
                found = torch.autograd.grad(
                    [one for one, _ in used], leaves, [grad.detach() for _, grad in used],
                    allow_unused=True,
                )  # fmt: skip
                for own, more in zip(sums, found, strict=True):
                    if more is not None:
                        own += more
        given = iter(sums)
        by_inputs = [next(given) if want else None for want in wanted]
        return by_inputs[0], None, None, None, *by_inputs[1:]
