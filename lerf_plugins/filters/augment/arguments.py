"""Arguments of transforms: ranges to draw from, borders, and the options of pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np

from lerf_core.choices import BORDER_MODES
from lerf_core.errors import InvalidArgumentError
from lerf_core.options import ALPHA_TREATMENTS
from lerf_core.validation import check_choice, check_count
from lerf_plugins.filters.arguments import BankSource, FixedKernel, FrontSource, check_averaging

__all__ = [
    "AxisRanges",
    "Fill",
    "Range",
    "SamplingKeywords",
    "axis_ranges",
    "border_options",
    "check_sampling",
    "inward_range",
    "number_range",
    "optional_shape",
    "scale_ranges",
]

Fill = float | Sequence[float]
Range = float | tuple[float, float]
AxisRanges = Range | Mapping[str, Range]


class SamplingKeywords(TypedDict, total=False):
    """How the pixels of images are resampled; see `lerf_core.resize`."""

    bank: BankSource
    kernel: FixedKernel
    front: FrontSource | None
    alpha: str
    value_range: tuple[float, float] | None
    threads: int | None


def check_sampling(
    bank: BankSource,
    alpha: str,
    kernel: FixedKernel,
    front: FrontSource | None = None,
    method: str = "auto",
    *,
    fast: bool = False,
) -> None:
    """Raise unless there are such a bank or kernel, front, and treatment of alpha.

    Now, not in a worker. A kernel excludes a bank, a method and `fast`; a front what copies pixels.
    """
    check_choice("alpha", alpha, ALPHA_TREATMENTS)
    check_averaging(bank, kernel, front, method=method, fast=fast)


def border_options(mode: str, fill: Fill, fill_mask: Fill) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the keywords of `Placement.pixels` for the border of images, and of masks.

    Parameters
    ----------
    mode : str
        One of `lerf_core.choices.BORDER_MODES`.
    fill, fill_mask : float or sequence of float
        Value beyond a constant border, of images and of masks; one, or one per channel.

    Raises
    ------
    InvalidArgumentError
        If there is no such mode, or a value is no number.
    """
    check_choice("mode", mode, BORDER_MODES)
    for name, value in (("fill", fill), ("fill_mask", fill_mask)):
        if np.asarray(value).dtype.kind not in "buif":
            raise InvalidArgumentError(f"{name} must be a number, or one a channel, got {value!r}")
    return {"mode": mode, "fill": fill}, {"mode": mode, "fill": fill_mask}


def optional_shape(output_shape: tuple[int, int] | None) -> tuple[int, int] | None:
    """Return the (rows, cols) of a result as positive integers; None: those of the image."""
    if output_shape is None:
        return None
    rows, cols = output_shape
    return check_count("rows", rows), check_count("cols", cols)


# -- ranges to draw from ----------------------------------------------------------------


def scale_ranges(scale: AxisRanges) -> dict[str, tuple[float, float]]:
    """Return the ranges of positive factors along x and y."""
    ranges = axis_ranges("scale", scale, 1.0)
    if not min(low for low, _ in ranges.values()) > 0:
        raise InvalidArgumentError(f"scale must be positive, got {scale!r}")
    return ranges


def inward_range(scale: Range, given: Range) -> tuple[float, float]:
    """Return the range of a perspective's standard deviation, which is `given` so in errors."""
    low, high = number_range("scale", scale)
    if not low >= 0:
        raise InvalidArgumentError(f"scale must not be negative, got {given!r}")
    return low, high


def axis_ranges(name: str, value: Any, default: float) -> dict[str, tuple[float, float]]:
    """Return the ranges of x and y from a number, a range, or {"x": ..., "y": ...} of those."""
    if not isinstance(value, Mapping):
        return {"x": number_range(name, value), "y": number_range(name, value)}
    if not value or set(value) - {"x", "y"}:
        raise InvalidArgumentError(f"{name} takes the keys x and y, got {value!r}")
    return {axis: number_range(name, value.get(axis, default)) for axis in ("x", "y")}


def number_range(name: str, value: Any) -> tuple[float, float]:
    """Return (low, high) from a number, which stands for itself alone, or a pair."""
    try:
        ends = np.array(value, dtype=np.float64)
        low, high = (float(end) for end in np.broadcast_to(ends, (2,)))
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"{name} must be a number or (low, high), got {value!r}"
        ) from error
    if not (np.isfinite([low, high]).all() and low <= high):
        raise InvalidArgumentError(f"{name} must be finite, low before high, got {value!r}")
    return low, high
