"""Resizing of checked images, (N, C, H, W)."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache, partial

import torch
from torch import Tensor

import lerf_core
from lerf_core.backends.torch.kernel_means import (
    AveragedPlanes,
    nearest_pixels,
    separable_mean,
    shrunk,
)
from lerf_core.backends.torch.levels import from_grey, levels_to_values, value_range_of
from lerf_core.backends.torch.packed_planes import along_kept_axes, grid_mean
from lerf_core.backends.torch.taps import GridTaps
from lerf_core.backends.torch.weighted_mean import weighted_mean
from lerf_core.bank.base import Bank
from lerf_core.bank.loading import bank_for_scale, load_bank
from lerf_core.constants import LEVELS
from lerf_core.errors import InvalidArgumentError
from lerf_core.execution.context import BlockContext
from lerf_core.execution.front import FrontResampling
from lerf_core.execution.grid import GridResampling
from lerf_core.execution.kernel_resize import KernelBlock
from lerf_core.execution.plan import Plan
from lerf_core.execution.planning import plan_resize
from lerf_core.execution.resize import GridBlock
from lerf_core.execution.shrinking import ShrinkingBlock
from lerf_core.fronts.loading import front_scale
from lerf_core.sampling.kernels import Kernel, NearestKernel
from lerf_core.sampling.named_kernels import get_kernel
from lerf_core.sampling.shrinking import ShrinkingKernel
from lerf_core.sampling.windows import Windows
from lerf_plugins.filters.arguments import loaded_front, scale_behind
from lerf_plugins.filters.torch import execution
from lerf_plugins.filters.torch.options import FilterOptions, numpy_dtype
from lerf_plugins.filters.torch.positions import aligned_positions
from lerf_plugins.filters.torch.warping import warp

__all__ = ["resize"]


def resize(
    images: Tensor, size: tuple[int, int], options: FilterOptions, *, align_corners: bool
) -> Tensor:
    """Resize images to rows and columns.

    Raises
    ------
    InvalidArgumentError
        If the border mode does not go with aligned corners.
    """
    if images.numel() == 0:
        return images.new_empty((*images.shape[:2], *size))
    if align_corners and options.mode == "constant":
        raise InvalidArgumentError("align_corners=True does not go with mode 'constant'")
    shape, dtype = tuple(images.shape), numpy_dtype(images)
    execution.check_front(options, images)
    plan = plan_resize(shape, dtype, size, options.bank, **options.keywords)
    if plan.is_copy:
        return images.clone()
    if align_corners:
        bank = _aligned_bank(plan, options)
        return warp(images, aligned_positions(images, size), options, bank)
    resampling, front = plan.resampling, loaded_front(options.front)
    if isinstance(resampling, FrontResampling):
        resampling = resampling.inner
    if isinstance(resampling, GridResampling) and resampling.shrinking is not None:
        # First what shrinks, then what grows: in between stands an image of the same dtype.
        k = 1 if front is None else front.scale
        rows, cols = (min(k * old, new) for old, new in zip(shape[2:], size, strict=True))
        shrinking = replace(options, bank=None, kernel=resampling.shrinking, own=None)
        images = resize(images, (rows, cols), shrinking, align_corners=False)
        growing = replace(options, bank=options.own_bank, front=None)
        return resize(images, size, growing, align_corners=False)
    bank = None
    if plan.options.kernel is None:
        bank = _own_of(plan.options.averaging_bank, options)
    if execution.is_compiled(images):
        keywords = options.keywords | {"threads": torch.get_num_threads()}
        keywords["kernel"] = plan.options.kernel
        result = lerf_core.resize(execution.as_array(images), size, bank=bank, **keywords)
        return torch.from_numpy(result).to(images.dtype)
    plan = replace(plan, options=replace(plan.options, bank=bank))
    with torch.autocast(images.device.type, enabled=False):
        if bank is None:
            return _resize_by_kernel(images, plan, options)
        return _resize_by_torch(images, plan, options)


def _own_of(bank: Bank, options: FilterOptions) -> Bank:
    """Return a module's bank where the default one is meant."""
    default = load_bank(enlarged_by=front_scale(options.front))
    return options.own_bank if options.own is not None and bank == default else bank


def _aligned_bank(plan: Plan, options: FilterOptions) -> Bank | None:
    """Return what averages at positions: None is the kernel."""
    if options.kernel is not None:
        return None
    scale = scale_behind(loaded_front(options.front), plan.scale or (1.0, 1.0))
    anti_aliased = options.anti_aliasing is not False
    source = bank_for_scale(options.bank, scale, anti_aliased=anti_aliased)
    return _own_of(load_bank(source, enlarged_by=front_scale(options.front)), options)


def _resize_by_kernel(images: Tensor, plan: Plan, options: FilterOptions) -> Tensor:
    kernel = get_kernel(plan.options.kernel or "nearest")
    block = _kernel_block(plan.context, kernel, plan.scale or (1.0, 1.0))
    pixels = max(block.windows.area, math.prod(plan.out_shape))
    results = []
    for planes in images.flatten(0, 1).split(execution.at_a_time(images, pixels)):
        planes = execution.in_windows(planes, options.mode, block.windows)
        if isinstance(kernel, NearestKernel):
            results.append(nearest_pixels(planes, block.rows, block.cols))
            continue
        cval = options.cval if options.mode == "constant" else None
        averaged = AveragedPlanes.of(planes, options.value_range, cval)
        if isinstance(block, ShrinkingBlock):
            rows, cols, limits = block.rows, block.cols, (block.widening, block.kernel.overshoot)
            results.append(shrunk(averaged, rows, cols, *limits))
            continue
        mean = partial(_separable_mean, block)
        results.append(averaged.finish(*averaged.average(mean)))
    result = results[0] if len(results) == 1 else torch.cat(results)
    return result.view(*images.shape[:2], *plan.out_shape)


def _separable_mean(block: KernelBlock, planes: Tensor, cval: float | None) -> Tensor:
    return separable_mean(planes, block.rows, block.cols, cval)


def _kernel_block(context: BlockContext, kernel: Kernel, scale: tuple[float, float]) -> KernelBlock:
    if isinstance(kernel, ShrinkingKernel):
        return ShrinkingBlock(context, kernel, scale)
    return KernelBlock(context, kernel, scale)


def _resize_by_torch(images: Tensor, plan: Plan, options: FilterOptions) -> Tensor:
    low, high = value_range_of(images.dtype, options.value_range)
    cval = (options.cval - low) * (LEVELS / (high - low)) if options.mode == "constant" else None
    taps, windows = _taps(plan.context, plan.scale or (1.0, 1.0), cval, images.device)
    pixels = max(windows.area, math.prod(plan.out_shape))
    chunks = execution.chunks_of_planes(images, pixels, plan.options.averaging_bank)
    results = [
        _resize_planes(chunk, images.shape[1], taps, windows, plan, options) for chunk in chunks
    ]
    result = results[0] if len(results) == 1 else torch.cat(results)
    return result.view(*images.shape[:2], *plan.out_shape)


def _resize_planes(
    planes: Tensor,
    channels: int,
    taps: GridTaps,
    windows: Windows,
    plan: Plan,
    options: FilterOptions,
) -> Tensor:
    """Resize planes (count, rows, cols) that fit into memory, `channels` of each image."""
    bank = plan.options.averaging_bank
    if not execution.wants_gradient(planes):
        packed = execution.packed_planes(planes, channels, options, bank, windows)
        if packed.bounds is not None:
            counts = [axis.count for axis in taps.axes]
            packed = packed._replace(bounds=along_kept_axes(packed.bounds, counts))
        mean, share = grid_mean(packed, taps, to_uint8=packed.packed.dtype == torch.uint8)
        return levels_to_values(mean, share, planes.dtype, options.value_range)
    source = execution.source_pixels(planes, channels, options, bank, windows)
    mean = weighted_mean(
        source.terms.flatten(2), bank.kind.weighting, taps,
        validity=None if source.validity is None else source.validity.flatten(1),
        bounds=source.bounds,
    )  # fmt: skip
    return from_grey(mean, planes.dtype, options.value_range)


@lru_cache(maxsize=16)
def _taps(
    context: BlockContext, scale: tuple[float, float], cval: float | None, device: torch.device
) -> tuple[GridTaps, Windows]:
    """Taps of a resize, and the windows of the image that they are taken in."""
    block = GridBlock(context, scale)
    return GridTaps(block.rows, block.cols, block.windows.shape, cval, device), block.windows
