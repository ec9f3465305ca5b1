"""Resizing of checked images, (N, C, H, W)."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

import lerf_core
from lerf_core.backends.torch.levels import from_grey, value_range_of
from lerf_core.backends.torch.taps import GridTaps
from lerf_core.backends.torch.weighted_mean import weighted_mean
from lerf_core.bank.loading import load_bank
from lerf_core.constants import LEVELS
from lerf_core.errors import InvalidArgumentError
from lerf_core.execution.context import BlockContext
from lerf_core.execution.plan import Plan
from lerf_core.execution.planning import plan_resize
from lerf_core.execution.resize import GridBlock
from lerf_core.sampling.windows import Windows
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
    plan = plan_resize(shape, dtype, size, options.bank, **options.keywords)
    if plan.is_copy:
        return images.clone()
    bank = plan.options.tables
    if options.own is not None and bank == load_bank():
        bank = options.own_bank
    if align_corners:
        return warp(images, aligned_positions(images, size), options, bank)
    if execution.is_compiled(images):
        keywords = options.keywords | {"threads": torch.get_num_threads()}
        result = lerf_core.resize(execution.as_array(images), size, bank=bank, **keywords)
        return torch.from_numpy(result).to(images.dtype)
    plan = replace(plan, options=replace(plan.options, bank=bank))
    with torch.autocast(images.device.type, enabled=False):
        return _resize_by_torch(images, plan, options)


def _resize_by_torch(images: Tensor, plan: Plan, options: FilterOptions) -> Tensor:
    low, high = value_range_of(images.dtype, options.value_range)
    cval = (options.cval - low) * (LEVELS / (high - low)) if options.mode == "constant" else None
    taps, windows = _taps(plan.context, plan.scale or (1.0, 1.0), cval, images.device)
    pixels = max(windows.area, math.prod(plan.out_shape))
    planes = images.flatten(0, 1)
    results = [
        _resize_planes(chunk, taps, windows, plan, options)
        for chunk in planes.split(execution.at_a_time(images, pixels))
    ]
    result = results[0] if len(results) == 1 else torch.cat(results)
    return result.view(*images.shape[:2], *plan.out_shape)


def _resize_planes(
    planes: Tensor, taps: GridTaps, windows: Windows, plan: Plan, options: FilterOptions
) -> Tensor:
    """Resize planes (count, rows, cols) that fit into memory."""
    bank = plan.options.tables
    source = execution.source_pixels(planes, options, bank, windows)
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
