"""Plans of resizes and warps, from what the public functions are given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt

from lerf_core.bank.loading import bank_for_scale, load_bank
from lerf_core.bank.model import LutBank
from lerf_core.errors import InvalidArgumentError
from lerf_core.execution.plan import Plan
from lerf_core.execution.resize import GridResampling
from lerf_core.geometry.maps import Displacement, as_inverse_map
from lerf_core.geometry.whole_pixels import pixel_tolerance
from lerf_core.options import Options, ResamplingKeywords
from lerf_core.sampling.shapes import requested_shape, rescaled_shape, spatial_axes
from lerf_core.sampling.shrinking import ShrinkingKernel
from lerf_core.validation import check_scale

__all__ = ["plan_rescale", "plan_resize", "plan_warp"]

Bank = LutBank | str | None


def plan_resize(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    output_shape: Sequence[int],
    bank: Bank,
    **keywords: Unpack[ResamplingKeywords],
) -> Plan:
    """Plan what `lerf_core.resize` does to an image of a shape and dtype."""
    rows, cols = spatial_axes(len(shape), keywords.get("channel_axis"))
    out_shape = requested_shape(shape, (rows, cols), output_shape)
    scale = (out_shape[0] / shape[rows], out_shape[1] / shape[cols])
    options = Options(bank=_bank_for(bank, scale, keywords), **keywords)
    _check_shrinks(options, scale)
    return Plan(shape, dtype, out_shape, options, GridResampling(scale))


def plan_rescale(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    scale: float | tuple[float, float],
    bank: Bank,
    **keywords: Unpack[ResamplingKeywords],
) -> Plan:
    """Plan what `lerf_core.rescale` does to an image of a shape and dtype."""
    factors = check_scale(scale)
    rows, cols = spatial_axes(len(shape), keywords.get("channel_axis"))
    source_shape = (shape[rows], shape[cols])
    out_shape = rescaled_shape(source_shape, factors)
    factors = _without_rounding(factors, source_shape, out_shape)
    options = Options(bank=_bank_for(bank, factors, keywords), **keywords)
    _check_shrinks(options, factors)
    return Plan(shape, dtype, out_shape, options, GridResampling(factors))


def plan_warp(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    inverse_map: npt.ArrayLike | Displacement | Callable[..., Any],
    output_shape: Sequence[int] | None,
    bank: Bank,
    **keywords: Unpack[ResamplingKeywords],
) -> Plan:
    """Plan what `lerf_core.warp` does to an image of a shape and dtype."""
    from lerf_core.execution.warp import WarpResampling  # a resize does without

    rows, cols = spatial_axes(len(shape), keywords.get("channel_axis"))
    wanted = None
    if output_shape is not None:
        wanted = requested_shape(shape, (rows, cols), output_shape)
    mapping, out_shape = as_inverse_map(inverse_map, (shape[rows], shape[cols]), wanted)
    # What lies beyond the border of a warp is the constant, unless told otherwise.
    keywords.setdefault("mode", "constant")
    is_fixed = bank is None and keywords.get("kernel") is not None
    options = Options(bank=None if is_fixed else load_bank(bank), **keywords)
    if isinstance(options.fixed_kernel, ShrinkingKernel):
        raise InvalidArgumentError(
            f"kernel {options.fixed_kernel} shrinks images on a grid; warps take a fixed kernel"
        )
    return Plan(shape, dtype, out_shape, options, WarpResampling(mapping))


def _without_rounding(
    factors: tuple[float, float], shape: tuple[int, int], out_shape: tuple[int, int]
) -> tuple[float, float]:
    """Return 1 for factors that keep every pixel of an axis where it is, to rounding."""
    rows, cols = (
        1.0 if size == out and abs(1 / factor - 1) * size / 2 <= pixel_tolerance(shape) else factor
        for factor, size, out in zip(factors, shape, out_shape, strict=True)
    )
    return rows, cols


def _check_shrinks(options: Options, scale: tuple[float, float]) -> None:
    """Raise if an axis is to grow by a kernel that shrinks."""
    if isinstance(options.fixed_kernel, ShrinkingKernel) and max(scale) > 1:
        raise InvalidArgumentError(
            f"kernel {options.fixed_kernel} shrinks images, got scale {scale[0]:g} of rows and "
            f"{scale[1]:g} of columns"
        )


def _bank_for(
    bank: Bank, scale: tuple[float, float], keywords: ResamplingKeywords
) -> LutBank | None:
    if bank is None and keywords.get("kernel") is not None:
        return None
    anti_aliased = keywords.get("anti_aliasing") is not False
    return load_bank(bank_for_scale(bank, scale, anti_aliased=anti_aliased))
