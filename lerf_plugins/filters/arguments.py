"""What hosts' arguments are to `lerf_core`: sizes, borders, channels, values, banks, fronts."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.bank.loading import BankSource, load_bank
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.fronts.base import Front
from lerf_core.fronts.loading import FrontSource, front_scale, load_front
from lerf_core.options import Options
from lerf_core.sampling.kernels import Kernel, NearestKernel
from lerf_core.sampling.named_kernels import get_kernel

__all__ = [
    "OPENCV_BORDERS",
    "SCIPY_BORDERS",
    "BankSource",
    "FixedKernel",
    "FrontSource",
    "Pixels",
    "as_index",
    "averaging_keywords",
    "channel_keywords",
    "check_averaging",
    "check_copies",
    "check_sides",
    "extremes",
    "loaded_front",
    "measured_range",
    "reads_colours",
    "refuse_masked",
    "scale_behind",
]

FixedKernel = Kernel | str | None
Pixels = npt.NDArray[Any]

#: lerf's border modes (`numpy.pad`'s names) by OpenCV's flags, which Albumentations takes as well.
OPENCV_BORDERS = {0: "constant", 1: "edge", 2: "symmetric", 3: "wrap", 4: "reflect"}
#: scipy.ndimage's names of lerf's border modes.
SCIPY_BORDERS = {
    "constant": "grid-constant",
    "edge": "nearest",
    "reflect": "mirror",
    "symmetric": "reflect",
    "wrap": "grid-wrap",
}


def as_index(name: str, value: Any, expected: str = "an integer") -> int:
    """Return a whole number of any integer type.

    Raises
    ------
    InvalidTypeError
        If it is none; the message calls it `name`, and says what was `expected`.
    """
    try:
        return operator.index(value)
    except TypeError as error:
        raise InvalidTypeError(f"{name} must be {expected}, got {value!r}") from error


def loaded_front(front: FrontSource | None) -> Front | None:
    """Return the front that is asked for, loaded; None: none is."""
    return None if front is None else load_front(front)


def check_averaging(
    bank: BankSource,
    kernel: FixedKernel,
    front: FrontSource | None = None,
    *,
    method: str = "auto",
    fast: bool = False,
) -> None:
    """Raise unless there is such a bank, kernel and front, and nothing that excludes it."""
    no_bank = bank is None and kernel is not None
    Options(
        bank=None if no_bank else load_bank(bank, enlarged_by=front_scale(front)),
        kernel=kernel, front=loaded_front(front), method=method, fast=fast,
    )  # fmt: skip


def averaging_keywords(
    bank: BankSource,
    kernel: FixedKernel,
    front: FrontSource | None = None,
    *,
    fast: bool = False,
) -> dict[str, Any]:
    """Return `lerf_core`'s keywords for what pixels are averaged by, and enlarged by first.

    Raises
    ------
    FrontError
        If the front cannot be loaded.
    InvalidArgumentError, InvalidTypeError
        If there is no such kernel, or it is given beside a bank or `fast`.
    """
    front = loaded_front(front)
    if kernel is None:
        return {"method": "lerf", "bank": bank, "front": front}
    check_averaging(bank, kernel, front, fast=fast)
    return {"method": "auto", "kernel": kernel, "front": front}


def reads_colours(averaging: Mapping[str, Any]) -> bool:
    """Tell whether three channels are read together by what `averaging_keywords` name."""
    front = averaging["front"]
    if front is not None and front.reads_colours:
        return True
    if averaging.get("kernel") is not None:
        return False
    return load_bank(averaging.get("bank"), enlarged_by=front_scale(front)).reads_colours


def scale_behind(front: Front | None, scale: Sequence[float]) -> list[float]:
    """Return how many times axes are still to be enlarged behind a front."""
    return list(scale) if front is None else [factor / front.scale for factor in scale]


def check_copies(wanted: str, kernel: FixedKernel, front: FrontSource | None) -> None:
    """Raise if there is a kernel, or a front, where a host's argument has pixels copied.

    Raises
    ------
    InvalidArgumentError
        The message calls the argument `wanted`.
    """
    other = None
    if kernel is not None and not isinstance(get_kernel(kernel), NearestKernel):
        other = f"kernel exclude each other, got {get_kernel(kernel)}"
    elif front is not None:
        other = f"front exclude each other, got {front}"
    if other is not None:
        raise InvalidArgumentError(f"{wanted} copies pixels, it and {other}")


def refuse_masked(name: str, value: object) -> None:
    """Refuse a masked array where a host's functions know of none.

    Raises
    ------
    InvalidTypeError
    """
    if isinstance(value, np.ma.MaskedArray):
        raise InvalidTypeError(
            f"{name} is a masked array: lerf_core.resize, rescale and warp take those; or fill it, "
            "with NaN where it is masked"
        )


def check_sides(name: str, size: Any, least: int = 1) -> tuple[int, int]:
    """Return a size (width, height) as integers of at least `least` pixels.

    Raises
    ------
    InvalidArgumentError
        If it is no pair of integers, or one of them is smaller; the message calls it `name`.
    """
    try:
        width, height = (operator.index(side) for side in size)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"{name} must be (width, height) in whole pixels, got {size!r}"
        ) from error
    if min(width, height) < least:
        raise InvalidArgumentError(f"{name} must be positive, got {size!r}")
    return width, height


def channel_keywords(pixels: Pixels, alpha: str = "separate") -> dict[str, Any]:
    """Return `lerf_core`'s keywords for an image (rows, cols) or (rows, cols, channels)."""
    return {"channel_axis": -1, "alpha": alpha} if pixels.ndim == 3 else {}


def extremes(pixels: Pixels, counted: npt.NDArray[np.bool_]) -> tuple[float, float] | None:
    """Return the least and the greatest of the values that count; None: none does.

    Parameters
    ----------
    pixels : ndarray of real numbers
    counted : ndarray of bool
        Of the same shape.
    """
    values = pixels if counted.all() else pixels[counted]
    return (float(values.min()), float(values.max())) if values.size else None


def measured_range(pixels: Pixels, *, is_unit_scaled: bool) -> tuple[float, float] | None:
    """Return the value range of an image whose dtype does not tell it.

    Parameters
    ----------
    pixels : ndarray of integers or floats
    is_unit_scaled : bool
        Whether values that all lie in 0..1 are shares of a full scale.

    Returns
    -------
    (float, float) or None
        The least and the greatest finite value; of a constant image a range that begins there.
        None, which is 0..1 to `lerf_core`: no value is finite, or all are shares.
    """
    ends = extremes(pixels, np.isfinite(pixels))
    if ends is None or (is_unit_scaled and ends[0] >= 0 and ends[1] <= 1):
        return None
    low, high = ends
    return (low, high) if low < high else (low, low + max(1.0, abs(low)))
