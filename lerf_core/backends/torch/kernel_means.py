"""Means by fixed kernels on torch tensors, and the learned function for shrinking.

The steps are those of `lerf_core.backends.reference` (separable, shrinking, kernel_points), and so
are the results. What is averaged, and which values are missing, is as
`lerf_core.execution.kernel_channels` has it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lerf_core.backends.torch.levels import (
    ValueRange,
    missing_beyond,
    value_range_of,
    whole_values,
)
from lerf_core.backends.torch.straight_through import quantise
from lerf_core.constants import (
    KERNEL_SAMPLES,
    LEAST_VALID_SHARE,
    MAX_POINT_TAPS,
    POSITION_EPS,
)
from lerf_core.pixels.missing import VALID_SHARE_NEEDED
from lerf_core.sampling.kernel_points import KernelTable
from lerf_core.sampling.kernel_taps import KernelTaps
from lerf_core.sampling.shrinking import ShrinkingTaps

__all__ = [
    "AveragedPlanes",
    "kernel_mean_at_points",
    "nearest_pixels",
    "separable_mean",
    "separable_range",
    "shrunk",
    "within_limits",
]

#: What lies beyond the border.
Border: TypeAlias = float | Tensor | None
#: Averages float32 planes; what lies beyond them is a number, or the nearest pixel.
Average = Callable[[Tensor, "float | None"], Tensor]


class AveragedPlanes(NamedTuple):
    """What a kernel averages of planes of an image.

    Attributes
    ----------
    values : Tensor of float32, (planes, rows, cols)
        The image's own, or of float64 0..1 for the value range; missing ones are filled.
    hidden : Tensor of float32, (planes, rows, cols), or None
        1 where a value is missing, else 0; None: none is.
    cval : float or None
        What lies beyond the border; None: the nearest pixel.
    dtype : torch.dtype
        Of the image.
    ends : (float, float)
        Its value range.
    """

    values: Tensor
    hidden: Tensor | None
    cval: float | None
    dtype: torch.dtype
    ends: tuple[float, float]

    @classmethod
    def of(cls, planes: Tensor, value_range: ValueRange, cval: float | None) -> AveragedPlanes:
        """Prepare planes (count, rows, cols)."""
        low, high = ends = value_range_of(planes.dtype, value_range)
        hidden = None
        values = planes
        if planes.is_floating_point():
            missing = missing_beyond(planes, low, high)
            if bool(missing.any()):
                hidden = missing.float()
                values = torch.where(missing, planes.new_full((), low), planes)
        if planes.dtype == torch.float64:
            values = (values - low) / (high - low)
            cval = None if cval is None else (cval - low) / (high - low)
        return cls(values.float(), hidden, cval, planes.dtype, ends)

    def average(self, mean: Average) -> tuple[Tensor, Tensor | None]:
        """Return the means of what is visible, and the valid share; None: all is valid."""
        means = mean(self.values, self.cval)
        if self.hidden is None:
            return means, None
        beyond = None if self.cval is None else 0.0
        lost, product = mean(self.hidden, beyond), mean(self.hidden * self.values, beyond)
        share = 1 - lost
        divisor = share.clamp(min=float(LEAST_VALID_SHARE))
        return means + (means * lost - product) / divisor, share

    def finish(self, mean: Tensor, share: Tensor | None) -> Tensor:
        """Return the image's values of means, NaN where too little is valid."""
        if not self.dtype.is_floating_point:
            return whole_values(mean, self.dtype)
        value = mean
        if self.dtype == torch.float64:
            low, high = self.ends
            value = mean.double() * (high - low) + low
        value = value.to(self.dtype)
        if share is None:
            return value
        return torch.where(share < float(VALID_SHARE_NEEDED), value.new_tensor(torch.nan), value)


# -- grids ----------------------------------------------------------------------------------


def nearest_pixels(planes: Tensor, rows: KernelTaps, cols: KernelTaps) -> Tensor:
    """Copy of planes (count, rows, cols) the pixel of each output pixel that alone weighs."""
    for axis, taps in enumerate((rows, cols), 1):
        chosen = np.take_along_axis(taps.index, taps.weight.argmax(axis=1)[:, None], axis=1)
        planes = planes.index_select(axis, torch.from_numpy(chosen[:, 0]).to(planes.device))
    return planes


def separable_mean(planes: Tensor, rows: KernelTaps, cols: KernelTaps, cval: Border) -> Tensor:
    """Mean that the taps of both axes weigh, of float32 planes (count, rows, cols).

    Beyond the border stands `cval`, one for all planes or (count, 1, 1); None: the nearest pixel.
    """
    for axis, taps in enumerate((rows, cols), 1):
        shape = (-1, 1) if axis == 1 else (1, -1)
        weight = torch.from_numpy(np.ascontiguousarray(taps.weight.T)).to(planes.device)
        total = None
        for line, one in zip(_lines(planes, taps, axis, cval), weight, strict=True):
            term = one.view(shape) * line
            total = term if total is None else total + term
        planes = planes if total is None else total
    return planes


def _lines(planes: Tensor, taps: KernelTaps, axis: int, cval: Border) -> list[Tensor]:
    """Neighbours along an axis, tap after tap."""
    shape = (-1, 1) if axis == 1 else (1, -1)
    lines = []
    for index, outside in zip(taps.index.T, taps.outside.T, strict=True):
        line = planes.index_select(axis, torch.from_numpy(index.copy()).to(planes.device))
        if cval is not None and outside.any():
            beyond = torch.from_numpy(outside.copy()).to(planes.device).view(shape)
            value = cval if isinstance(cval, Tensor) else line.new_full((), cval)
            line = torch.where(beyond, value, line)
        lines.append(line)
    return lines


def shrunk(
    averaged: AveragedPlanes,
    rows: ShrinkingTaps,
    cols: ShrinkingTaps,
    widening: float,
    overshoot: float,
) -> Tensor:
    """Result of the learned function for shrinking; what limits it counts as constant."""
    mean, share = averaged.average(
        lambda planes, cval: separable_mean(planes, rows.sharp, cols.sharp, cval)
    )
    inner = (slice(None), rows.inner, cols.inner)
    with torch.no_grad():
        smooth, _ = averaged.average(
            lambda planes, cval: separable_mean(planes, rows.smooth, cols.smooth, cval)
        )
        low, high = _visible_range(averaged, rows.near, cols.near)
    limited = within_limits(
        mean, smooth, (low, high), (rows.inner, cols.inner), widening, overshoot
    )
    return averaged.finish(limited, None if share is None else share[inner])


def within_limits(
    sharp: Tensor,
    smooth: Tensor,
    ends: tuple[Tensor, Tensor],
    inner: tuple[slice, slice],
    widening: float,
    overshoot: float,
) -> Tensor:
    """Inner sharp pixels within the limits of the smooth and of the source's ends.

    As `lerf_core.backends.contract`'s `limited`, of planes (count, rows, cols); limits count as
    constant.
    """
    part = (slice(None), *inner)
    with torch.no_grad():
        greatest = functional.max_pool2d(smooth[:, None], 3, 1, 1)[:, 0][part]
        least = -functional.max_pool2d(-smooth[:, None], 3, 1, 1)[:, 0][part]
        step = widening * (greatest - least)
        limits = least - step, greatest + step
        low, high = (end[part] for end in ends)
        step = overshoot * (high - low)
        bounds = low - step, high + step
    mean = quantise(sharp[part], low=limits[0], high=limits[1], whole=False)
    return quantise(mean, low=bounds[0], high=bounds[1], whole=False)


def _visible_range(
    averaged: AveragedPlanes, rows: KernelTaps, cols: KernelTaps
) -> tuple[Tensor, Tensor]:
    """Least and greatest visible value that the taps weigh; all values where none is visible."""
    values = averaged.values
    if averaged.hidden is not None:
        values = values.masked_fill(averaged.hidden == 1, torch.nan)
    low, high = separable_range(values, rows, cols, averaged.cval)
    nothing = low > high
    return low.masked_fill(nothing, -torch.inf), high.masked_fill(nothing, torch.inf)


def separable_range(
    planes: Tensor, rows: KernelTaps, cols: KernelTaps, cval: Border
) -> tuple[Tensor, Tensor]:
    """Least and greatest value that the taps weigh, of float32 planes (count, rows, cols).

    NaN does not count: infinity and minus infinity where there is nothing else.
    """
    is_nan = planes.isnan()
    low, high = planes.masked_fill(is_nan, torch.inf), planes.masked_fill(is_nan, -torch.inf)
    opposite = None if cval is None else -cval
    return -_greatest(-low, rows, cols, opposite), _greatest(high, rows, cols, cval)


def _greatest(planes: Tensor, rows: KernelTaps, cols: KernelTaps, cval: Border) -> Tensor:
    for axis, taps in enumerate((rows, cols), 1):
        shape = (-1, 1) if axis == 1 else (1, -1)
        result = None
        lines = _lines(planes, taps, axis, cval)
        for line, weight in zip(lines, taps.weight.T, strict=True):
            unused = torch.from_numpy(weight == 0).to(planes.device).view(shape)
            line = line.masked_fill(unused, -torch.inf)
            result = line if result is None else torch.maximum(result, line)
        planes = planes if result is None else result
    return planes


# -- scattered positions --------------------------------------------------------------------


class _PointTaps:
    """Taps along one axis of positions (points,): `lerf_core.sampling.kernel_points`."""

    def __init__(self, table: KernelTable, position: Tensor, filter_scale: Tensor) -> None:
        self._table, self._position, self._scale = table, position, filter_scale
        self._weight = torch.from_numpy(table.weight).to(position.device)
        where = position.detach()
        reach = (filter_scale + 1) / 2 if table.is_area else table.radius * filter_scale
        self._first = torch.floor(where - reach + POSITION_EPS).long() + 1
        count = torch.ceil(2 * reach - POSITION_EPS).clamp(min=1).long()
        self._step = (count + (MAX_POINT_TAPS - 1)) // MAX_POINT_TAPS
        self._count = (count + self._step - 1) // self._step
        self.count = int(self._count.max())

    def index(self, tap: int) -> Tensor:
        return self._first + tap * self._step

    def weight(self, tap: int) -> Tensor:
        table = self._table
        distance = (self.index(tap) - self._position).abs()
        if table.is_area:
            weight = ((self._scale + 1) / 2 - distance).float().clamp(0, 1)
        else:
            step = (distance * (1.0 / self._scale) * KERNEL_SAMPLES).float()
            is_in_reach = step <= float(table.last_step)
            step = step.masked_fill(~is_in_reach, 0.0)
            low = step.detach().long()
            start = self._weight[low]
            weight = start + (step - low.float()) * (self._weight[low + 1] - start)
            weight = weight.masked_fill(~is_in_reach, 0.0)
        return weight.masked_fill(tap >= self._count, 0.0)


def kernel_mean_at_points(
    planes: Tensor,
    table: KernelTable,
    row: Tensor,
    col: Tensor,
    filter_scales: tuple[Tensor, Tensor],
) -> Tensor:
    """Mean that a kernel weighs around scattered positions.

    Parameters
    ----------
    planes : Tensor of float32, (images, channels, rows, cols)
    table : KernelTable
    row, col : Tensor of float64, (images, output rows, output cols)
    filter_scales : (Tensor, Tensor) of float64, of the same shape

    Returns
    -------
    Tensor of float32, (images, channels, output rows, output cols)
    """
    count, _, height, width = planes.shape
    flat = planes.transpose(0, 1).flatten(1)
    start = torch.arange(count, device=planes.device) * (height * width)
    start = start[:, None, None].expand_as(row).flatten()
    rows = _PointTaps(table, row.flatten(), filter_scales[0].flatten())
    cols = _PointTaps(table, col.flatten(), filter_scales[1].flatten())
    across = [
        (start + cols.index(tap).clamp(0, width - 1), cols.weight(tap)) for tap in range(cols.count)
    ]
    total, row_sum = flat.new_zeros(()), flat.new_zeros(())
    for tap in range(rows.count):
        down, weight = rows.index(tap).clamp(0, height - 1) * width, rows.weight(tap)
        line = flat.new_zeros(())
        for at, col_weight in across:
            line = line + col_weight * flat[:, down + at]
        total = total + weight * line
        row_sum = row_sum + weight
    col_sum = flat.new_zeros(())
    for _, weight in across:
        col_sum = col_sum + weight
    mean = total / (row_sum * col_sum)
    return mean.unflatten(1, row.shape).transpose(0, 1)
