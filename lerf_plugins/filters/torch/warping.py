"""Warping of checked images, (N, C, H, W), at source positions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

import lerf_core
from lerf_core.backends.torch.coordinates import coverage, filter_scale, fold_coordinates
from lerf_core.backends.torch.kernel_means import AveragedPlanes, kernel_mean_at_points
from lerf_core.backends.torch.levels import from_grey, levels_to_values, whole_values
from lerf_core.backends.torch.packed_planes import points_mean
from lerf_core.backends.torch.taps import PointTaps
from lerf_core.backends.torch.weighted_mean import weighted_mean
from lerf_core.bank.base import Bank
from lerf_core.constants import POSITION_EPS
from lerf_core.errors import InvalidArgumentError
from lerf_core.execution.warp import PERIODIC_MARGIN
from lerf_core.pixels.missing import VALID_SHARE_NEEDED
from lerf_core.sampling.borders import is_periodic
from lerf_core.sampling.kernel_points import KernelTable, kernel_table
from lerf_core.sampling.kernels import NearestKernel
from lerf_core.sampling.named_kernels import get_kernel
from lerf_core.sampling.shrinking import ShrinkingKernel
from lerf_core.sampling.windows import Window
from lerf_core.validation import check_output_shape
from lerf_plugins.filters.torch import execution
from lerf_plugins.filters.torch.options import (
    FilterOptions,
    check_grid,
    check_images,
    check_matrices,
)
from lerf_plugins.filters.torch.positions import (
    SourcePositions,
    grid_positions,
    matrix_positions,
)

__all__ = ["sample_by_grid", "warp", "warp_by_matrices"]


def sample_by_grid(
    images: Tensor, grid: Tensor, options: FilterOptions, *, align_corners: bool
) -> Tensor:
    """Sample images at a normalised grid (N, rows, cols, 2)."""
    check_grid(check_images(images), grid)
    positions = grid_positions(images, grid, options.mode, align_corners=align_corners)
    return warp(images, positions, options, _bank_of(options))


def warp_by_matrices(
    images: Tensor, matrix: Tensor, size: Sequence[int], options: FilterOptions
) -> Tensor:
    """Warp images by forward matrices (N, 3, 3) to rows and columns."""
    check_matrices(check_images(images), matrix)
    positions = matrix_positions(images, matrix, check_output_shape(size))
    return warp(images, positions, options, _bank_of(options))


def _bank_of(options: FilterOptions) -> Bank | None:
    return None if options.kernel is not None else options.own_bank


def warp(
    images: Tensor, positions: SourcePositions, options: FilterOptions, bank: Bank | None
) -> Tensor:
    """Sample images at positions, by a bank or by the kernel; results are (N, C, rows, cols)."""
    kernel = None if options.kernel is None else get_kernel(options.kernel)
    if isinstance(kernel, ShrinkingKernel):
        raise InvalidArgumentError(
            f"kernel {kernel} shrinks images on a grid; other positions take a fixed kernel"
        )
    if images.numel() == 0:
        return images.new_empty((*images.shape[:2], *positions.size))
    execution.check_front(options, images, positions.row, positions.col)
    if execution.is_compiled(images, positions.row, positions.col):
        keywords = options.keywords | {"channel_axis": 0, "threads": torch.get_num_threads()}
        results = [
            lerf_core.warp(
                image, positions.inverse_map(number), output_shape=positions.size, bank=bank,
                **keywords,
            )
            for number, image in enumerate(execution.as_array(images))
        ]  # fmt: skip
        return torch.from_numpy(np.stack(results)).to(images.dtype)
    pixels = images.shape[1] * max(math.prod(images.shape[2:]), math.prod(positions.size))
    step = execution.at_a_time(images, pixels)
    with torch.autocast(images.device.type, enabled=False):
        parts = [
            _warp_by_torch(images, positions, slice(first, first + step), options, bank)
            for first in range(0, len(images), step)
        ]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _warp_by_torch(
    images: Tensor,
    positions: SourcePositions,
    numbers: slice,
    options: FilterOptions,
    bank: Bank | None,
) -> Tensor:
    """Warp some of the images, that fit into memory."""
    images, size = images[numbers], (images.shape[2], images.shape[3])
    ends = (positions.row[numbers], positions.col[numbers])
    footprints = [
        torch.where(footprint[numbers].isfinite(), footprint[numbers], 1.0)
        for footprint in positions.footprints
    ]
    nowhere = ~(ends[0].isfinite() & ends[1].isfinite())
    ends = (ends[0].masked_fill(nowhere, 0.0), ends[1].masked_fill(nowhere, 0.0))
    covered = (~nowhere).double()
    if options.mode == "constant":
        for end, side, footprint in zip(ends, size, footprints, strict=True):
            covered = covered * coverage(end, side, footprint)
    smooth = options.anti_aliasing is None or bool(options.anti_aliasing)
    scales = [
        filter_scale(footprint, side) if smooth else torch.ones_like(footprint)
        for footprint, side in zip(footprints, size, strict=True)
    ]
    kernel = None if bank is not None else get_kernel(options.kernel or "nearest")
    table = None if kernel is None else kernel_table(kernel)
    reach = 1.0 if table is None else table.reach
    margin = 0
    if is_periodic(options.mode):
        halo = 0 if bank is None else bank.full_reach
        margin = math.ceil(PERIODIC_MARGIN * reach) + halo
    row, col = (
        fold_coordinates(end, side, options.mode, reach * scale) + margin
        for end, side, scale in zip(ends, size, scales, strict=True)
    )
    windows = [Window.whole(side, margin) for side in size]
    if isinstance(kernel, NearestKernel):
        return _nearest(images, row - margin, col - margin, ends, nowhere, options)

    def means(images: Tensor) -> Tensor:
        if table is not None:
            value = _sample_by_kernel(images, table, row, col, scales, options, windows)
            return _blend_border(value, covered[:, None], options.cval)
        if bank is None:
            raise InvalidArgumentError("neither bank nor kernel")
        if execution.wants_gradient(images, row, col):
            grey = _sample(images, row, col, scales, options, bank, windows)
            value = from_grey(grey, images.dtype, options.value_range)
        else:
            value = _sample_packed(images, row, col, scales, options, bank, windows)
        return _blend_border(value, covered[:, None], options.cval)

    warped, copied = means(images), positions.copied[numbers] & (covered > 0)
    if not bool(copied.any()):
        return warped
    copies = _pixels_at(images, row - margin, col - margin)
    if execution.wants_gradient(row, col):
        # A copy's gradient by its position is that of the mean there.
        fixed = means(images.detach()) if images.requires_grad else warped
        copies = _GradientOf.apply(copies, fixed)
    return torch.where(copied[:, None], copies, warped)


def _sample_by_kernel(
    images: Tensor,
    table: KernelTable,
    row: Tensor,
    col: Tensor,
    filter_scales: Sequence[Tensor],
    options: FilterOptions,
    windows: Sequence[Window],
) -> Tensor:
    """Values (N, C, rows, cols) of a kernel's means, at positions (N, rows, cols)."""
    planes = execution.in_windows(images.flatten(0, 1), options.mode, windows)
    averaged = AveragedPlanes.of(planes, options.value_range, None)
    scales = (filter_scales[0], filter_scales[1])

    def mean(planes: Tensor, _: float | None) -> Tensor:
        stack = planes.unflatten(0, images.shape[:2])
        return kernel_mean_at_points(stack, table, row, col, scales).flatten(0, 1)

    return averaged.finish(*averaged.average(mean)).unflatten(0, images.shape[:2])


def _nearest(
    images: Tensor,
    row: Tensor,
    col: Tensor,
    ends: tuple[Tensor, Tensor],
    nowhere: Tensor,
    options: FilterOptions,
) -> Tensor:
    """Copies of the nearest pixels; the constant where a pixel's centre lies off the image."""
    found = [_nearest_index(position) for position in (row, col)]
    outside = nowhere
    if options.mode == "constant":
        for position, side in zip(ends, images.shape[2:], strict=True):
            index = _nearest_index(position)
            outside = outside | (index < 0) | (index >= side)
    copies = _pixels_at(images, found[0], found[1])
    return torch.where(outside[:, None], _fill_of(copies, options.cval), copies)


def _fill_of(images: Tensor, value: float) -> Tensor:
    """Return a value as the images' dtype has it, ()."""
    return torch.tensor(value, device=images.device).to(images.dtype)


def _nearest_index(position: Tensor) -> Tensor:
    """As `lerf_core.sampling.taps.nearest_index`."""
    return torch.ceil(position.detach() - 0.5 - POSITION_EPS)


def _pixels_at(images: Tensor, row: Tensor, col: Tensor) -> Tensor:
    """Pixels (N, C, rows, cols) nearest to positions (N, rows, cols)."""
    rows, cols = (
        end.detach().round().long().clamp(0, side - 1)
        for end, side in zip((row, col), images.shape[2:], strict=True)
    )
    index = (rows * images.shape[3] + cols).flatten(1)[:, None]
    # torch gathers no uint16, but their bits; and views of another dtype have no gradient.
    is_deep = images.dtype == torch.uint16
    stored = images.view(torch.int16) if is_deep else images
    pixels = stored.flatten(2).gather(2, index.expand(-1, images.shape[1], -1))
    pixels = pixels.unflatten(2, row.shape[1:])
    return pixels.view(torch.uint16) if is_deep else pixels


class _GradientOf(torch.autograd.Function):
    """The first of two tensors, with the gradients of both."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, other: Tensor) -> Tensor:  # noqa: ARG004
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG004
        return grads[0], grads[0]


def _sample(
    images: Tensor,
    row: Tensor,
    col: Tensor,
    filter_scales: Sequence[Tensor],
    options: FilterOptions,
    bank: Bank,
    windows: Sequence[Window],
) -> Tensor:
    """Weighted means (N, C, rows, cols) in grey levels, at positions (N, rows, cols).

    Differentiable by images and positions.
    """
    count, channels = images.shape[:2]
    source = execution.source_pixels(images.flatten(0, 1), channels, options, bank, windows)
    terms, validity, bounds = source.terms, source.validity, source.bounds
    terms = _by_channel(terms, count)
    validity = None if validity is None else _by_channel(validity, count)
    if bounds is not None:
        bounds = (_by_channel(bounds[0], count), _by_channel(bounds[1], count))
    shape = (len(windows[0]), len(windows[1]))
    start = torch.arange(count, device=images.device)[:, None, None] * math.prod(shape)
    taps = PointTaps(
        row.flatten(), col.flatten(), [scale.flatten() for scale in filter_scales],
        start.expand_as(row).flatten(), shape,
    )  # fmt: skip
    groups = taps.groups()
    means = [
        weighted_mean(
            terms, bank.kind.weighting, taps if points is None else taps.chosen(points),
            validity=validity, bounds=bounds,
        )
        for points in groups
    ]  # fmt: skip
    mean = means[0]
    if groups[0] is not None:
        order = torch.cat([points for points in groups if points is not None])
        mean = torch.cat(means, 1)[:, torch.argsort(order)]
    return mean.view(channels, count, *row.shape[1:]).transpose(0, 1)


def _sample_packed(
    images: Tensor,
    row: Tensor,
    col: Tensor,
    filter_scales: Sequence[Tensor],
    options: FilterOptions,
    bank: Bank,
    windows: Sequence[Window],
) -> Tensor:
    """Values (N, C, rows, cols) at positions (N, rows, cols), without gradients."""
    planes, channels = images.flatten(0, 1), images.shape[1]
    packed = execution.packed_planes(planes, channels, options, bank, windows)
    scales = [scale.flatten(1) for scale in filter_scales]
    mean, share = points_mean(
        packed, row.flatten(1), col.flatten(1), scales,
        to_uint8=packed.packed.dtype == torch.uint8,
    )  # fmt: skip
    value = levels_to_values(mean, share, images.dtype, options.value_range)
    return value.view(*images.shape[:2], *row.shape[1:])


def _by_channel(planes: Tensor, count: int) -> Tensor:
    """Make (N * C, ..., rows, cols) of `count` images into (C, ..., N * rows * cols)."""
    return planes.unflatten(0, (count, -1)).movedim(0, -3).flatten(-3)


def _blend_border(value: Tensor, covered: Tensor, cval: float) -> Tensor:
    """Blend with the constant where less than all of an output pixel's footprint is covered."""
    if not value.is_floating_point():
        return whole_values(value.double() * covered + cval * (1 - covered), value.dtype)
    share = covered.to(torch.float64 if value.dtype == torch.float64 else torch.float32)
    shown = torch.where(share > 0, value * share, 0.0)
    blended = (shown + cval * (1 - share)).to(value.dtype)
    # What is missing cannot be blended.
    switched = torch.where(covered < float(VALID_SHARE_NEEDED), value.new_tensor(cval), value)
    return torch.where(value.isfinite(), blended, switched)
