"""Plans of resizes and warps, from what the public functions are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

import numpy as np
import numpy.typing as npt

from lerf_core.bank.loading import BankSource, load_bank
from lerf_core.errors import InvalidArgumentError
from lerf_core.execution.grid import GridResampling
from lerf_core.execution.plan import Plan
from lerf_core.geometry.whole_pixels import pixel_tolerance
from lerf_core.options import Options, ResamplingKeywords
from lerf_core.sampling.shapes import requested_shape, rescaled_shape, spatial_axes
from lerf_core.validation import check_scale

if TYPE_CHECKING:
    from lerf_core.bank.base import Bank
    from lerf_core.execution.frame import Fill, Frame
    from lerf_core.fronts.base import Front
    from lerf_core.geometry.maps import Displacement, InverseMap, ReadyMap

__all__ = ["plan_rescale", "plan_resize", "plan_warp", "shrinks_by_default"]


def plan_resize(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    output_shape: Sequence[int],
    bank: BankSource,
    *,
    crop: Sequence[int] | None = None,
    fill: Fill | None = None,
    **keywords: Unpack[ResamplingKeywords],
) -> Plan:
    """Plan what `lerf_core.resize` does to an image of a shape and dtype."""
    rows, cols = spatial_axes(len(shape), keywords.get("channel_axis"))
    out_shape = requested_shape(shape, (rows, cols), output_shape)
    frame = _frame_of(out_shape, crop, fill)
    keywords, k = _with_front(keywords)
    scale = (out_shape[0] / shape[rows], out_shape[1] / shape[cols])
    inner = (out_shape[0] / (k * shape[rows]), out_shape[1] / (k * shape[cols]))
    plan = _plan_grid(shape, dtype, out_shape, _Scales(scale, inner), bank, keywords)
    return plan if frame is None else replace(plan, out_shape=frame.crop.shape, frame=frame)


def plan_rescale(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    scale: float | tuple[float, float],
    bank: BankSource,
    **keywords: Unpack[ResamplingKeywords],
) -> Plan:
    """Plan what `lerf_core.rescale` does to an image of a shape and dtype."""
    factors = check_scale(scale)
    rows, cols = spatial_axes(len(shape), keywords.get("channel_axis"))
    source_shape = (shape[rows], shape[cols])
    out_shape = rescaled_shape(source_shape, factors)
    keywords, k = _with_front(keywords)
    enlarged = (k * source_shape[0], k * source_shape[1])
    scales = _Scales(
        _without_rounding(factors, source_shape, out_shape),
        _without_rounding((factors[0] / k, factors[1] / k), enlarged, out_shape),
    )
    return _plan_grid(shape, dtype, out_shape, scales, bank, keywords)


def plan_warp(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    inverse_map: npt.ArrayLike | Displacement | ReadyMap | Callable[..., Any],
    output_shape: Sequence[int] | None,
    bank: BankSource,
    **keywords: Unpack[ResamplingKeywords],
) -> Plan:
    """Plan what `lerf_core.warp` does to an image of a shape and dtype."""
    # A resize does without.
    from lerf_core.execution.warp import WarpResampling
    from lerf_core.geometry.maps import Homography, as_inverse_map

    rows, cols = spatial_axes(len(shape), keywords.get("channel_axis"))
    wanted = None
    if output_shape is not None:
        wanted = requested_shape(shape, (rows, cols), output_shape)
    mapping, out_shape = as_inverse_map(inverse_map, (shape[rows], shape[cols]), wanted)
    # What lies beyond the border of a warp is the constant, unless told otherwise.
    keywords.setdefault("mode", "constant")
    keywords, _ = _with_front(keywords)
    is_fixed = bank is None and keywords.get("kernel") is not None
    options = Options(bank=None if is_fixed else _loaded_bank(bank, keywords), **keywords)
    if options.fixed_kernel is not None and options.fixed_kernel.is_learned:
        raise InvalidArgumentError(
            f"kernel {options.fixed_kernel} shrinks images on a grid; warps take a fixed kernel"
        )
    front = options.loaded_front
    if front is None:
        return Plan(shape, dtype, out_shape, options, WarpResampling(mapping))
    from lerf_core.execution.front import warp_behind
    from lerf_core.geometry.enlarged import homography_to_enlargement, map_to_enlargement

    source_shape = (shape[rows], shape[cols])
    inner: InverseMap
    if isinstance(mapping, Homography):
        matrix: Any = inverse_map  # as it was given: nothing is rounded twice
        inner = homography_to_enlargement(matrix, source_shape, out_shape, front.scale)
    else:
        inner = map_to_enlargement(mapping, source_shape, front.scale)
    resampling = warp_behind(front, mapping, inner, _enlarging(front), source_shape, options.mode)
    return Plan(shape, dtype, out_shape, options, resampling)


def _frame_of(
    resized: tuple[int, int], crop: Sequence[int] | None, fill: Fill | None
) -> Frame | None:
    """Return the frame for a crop; None: all is shown."""
    if crop is None:
        if fill is not None:
            raise InvalidArgumentError("fill goes with a crop that reaches beyond the image")
        return None
    from lerf_core.execution.frame import Frame

    return Frame.of(resized, crop, fill)


def _enlarging(front: Front) -> GridResampling:
    """Return a resize by a front's scale."""
    return GridResampling((float(front.scale), float(front.scale)))


def _without_rounding(
    factors: tuple[float, float], shape: tuple[int, int], out_shape: tuple[int, int]
) -> tuple[float, float]:
    """Return 1 for factors that keep every pixel of an axis where it is, to rounding."""
    rows, cols = (
        1.0 if size == out and abs(1 / factor - 1) * size / 2 <= pixel_tolerance(shape) else factor
        for factor, size, out in zip(factors, shape, out_shape, strict=True)
    )
    return rows, cols


class _Scales(NamedTuple):
    """Output pixels per pixel of the source, and per pixel of its enlargement by a front.

    Both are (rows, columns); without a front they are the same.
    """

    outer: tuple[float, float]
    inner: tuple[float, float]


def _plan_grid(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    out_shape: tuple[int, int],
    scales: _Scales,
    bank: BankSource,
    keywords: ResamplingKeywords,
) -> Plan:
    """Plan a resize: by what is named, else by the default tables and what shrinks."""
    shrinking, scale = None, scales.inner
    if shrinks_by_default(bank, scale, keywords):
        from lerf_core.sampling.shrinking import shrinking_kernel

        shrinking = shrinking_kernel()
        if max(scale) <= 1:
            keywords = {**keywords, "kernel": shrinking, "fast": False}
            shrinking = None
    is_fixed = bank is None and keywords.get("kernel") is not None
    options = Options(bank=None if is_fixed else _loaded_bank(bank, keywords), **keywords)
    if options.fixed_kernel is not None and options.fixed_kernel.is_learned and max(scale) > 1:
        behind = "" if options.front is None else " behind the front"
        raise InvalidArgumentError(
            f"kernel {options.fixed_kernel} shrinks images, got scale {scale[0]:g} of rows and "
            f"{scale[1]:g} of columns{behind}"
        )
    resampling = GridResampling(scale, shrinking)
    front = options.loaded_front
    if front is None:
        return Plan(shape, dtype, out_shape, options, resampling)
    from lerf_core.execution.front import FrontResampling

    outer, beside = GridResampling(scales.outer), _enlarging(front)
    return Plan(shape, dtype, out_shape, options, FrontResampling(front, outer, resampling, beside))


def _loaded_bank(source: BankSource, keywords: ResamplingKeywords) -> Bank:
    """Return the bank that is named, or the default one."""
    front = keywords.get("front")
    if front is None:
        return load_bank(source)
    from lerf_core.fronts.loading import load_front

    return load_bank(source, enlarged_by=load_front(front).scale)


def _with_front(keywords: ResamplingKeywords) -> tuple[ResamplingKeywords, int]:
    """Return keywords with the front loaded, and how many times it enlarges an image."""
    source = keywords.get("front")
    if source is None:
        return keywords, 1
    from lerf_core.fronts.loading import load_front

    front = load_front(source)
    return {**keywords, "front": front}, front.scale


def shrinks_by_default(
    bank: BankSource, scale: tuple[float, float], keywords: Mapping[str, Any]
) -> bool:
    """Tell whether axes that shrink are shrunk by the learned function.

    They are where neither a bank nor a kernel is named, unless anti-aliasing is
    switched off or labels are copied.

    Parameters
    ----------
    bank : Bank, str, path or None
    scale : (float, float)
        Output pixels per source pixel, along each axis.
    keywords : mapping
        Those of `lerf_core.resize`.
    """
    is_default = bank is None and keywords.get("kernel") is None
    is_averaged = keywords.get("method", "auto") in ("auto", "lerf")
    return (
        is_default and is_averaged and min(scale) < 1 and keywords.get("anti_aliasing") is not False
    )
