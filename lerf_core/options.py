"""The keywords that resize, rescale and warp share, checked once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lerf_core.backends import BACKENDS
from lerf_core.bank.model import LutBank
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.execution.threads import thread_count
from lerf_core.pixels.channels import FILL_STEPS, LIMITS_REACH
from lerf_core.validation import BORDER_MODES, check_choice, check_number, check_output_shape

__all__ = ["Options", "spatial_axes", "target_shape"]

_ALPHA = ("auto", "premultiply", "separate")
_METHODS = ("auto", "lerf", "nearest")


@dataclass(frozen=True, kw_only=True)
class Options:
    """The keywords that resize, rescale and warp share, checked."""

    bank: LutBank
    channel_axis: int | None
    mode: str
    cval: float | Sequence[float]
    anti_aliasing: bool | None
    alpha: str
    method: str
    value_range: tuple[float, float] | None
    nodata: float | None
    linear_light: bool
    preserve_range: bool
    fast: bool = False
    threads: int | None
    engine: str

    def __post_init__(self) -> None:
        check_choice("mode", self.mode, BORDER_MODES)
        check_choice("alpha", self.alpha, _ALPHA)
        check_choice("method", self.method, _METHODS)
        check_choice("engine", self.engine, BACKENDS)
        thread_count(self.threads)
        if self.anti_aliasing is not None and not isinstance(self.anti_aliasing, (bool, np.bool_)):
            raise InvalidArgumentError(
                f"anti_aliasing must be True, False or None, got {self.anti_aliasing!r}"
            )
        if not isinstance(self.fast, (bool, np.bool_)):
            raise InvalidArgumentError(f"fast must be True or False, got {self.fast!r}")
        if self.nodata is not None:
            check_number("nodata", self.nodata)
        if self.alpha == "premultiply" and self.channel_axis is None:
            raise InvalidArgumentError("alpha='premultiply' needs a channel_axis, got None")

    @property
    def smooth(self) -> bool:
        """Whether shrinking is anti-aliased."""
        return self.anti_aliasing is None or bool(self.anti_aliasing)

    @property
    def reach(self) -> int:
        """How far from a pixel the tables look, through all stages."""
        return self.bank.reach * len(self.bank.stages)

    def halo(self, dtype: np.dtype[Any], channels: int) -> int:
        """Pixels around those of the taps that a result can depend on."""
        halo = max(self.reach, LIMITS_REACH)
        # Missing and transparent pixels are filled from around, step by step.
        transparent = self.alpha_channel(channels) is not None
        filled = dtype.kind == "f" or self.nodata is not None or transparent
        return halo + FILL_STEPS * self.reach if filled else halo

    def is_nearest(self, dtype: np.dtype[Any]) -> bool:
        """Whether pixels are copied instead of averaged."""
        if self.method == "lerf" and dtype == np.bool_:
            raise InvalidTypeError("method 'lerf' averages intensities, got a bool image")
        if self.method != "auto":
            return self.method == "nearest"
        # Intensities unless told otherwise: floats, uint8 and uint16. Other integers are labels.
        known = dtype.kind == "f" or (dtype.kind == "u" and dtype.itemsize <= 2)
        return dtype == np.bool_ or not (known or self.value_range is not None)

    def cvals(self, channels: int, dtype: np.dtype[Any]) -> list[float]:
        """Return the border's value for each channel."""
        try:
            array = np.asarray(self.cval)
            if array.dtype.kind not in "buif":
                raise TypeError(array.dtype)
            values = np.broadcast_to(array.astype(np.float64), (channels,))
        except (TypeError, ValueError) as error:
            raise InvalidArgumentError(
                f"cval must be a number, or one for each of {channels} channels, got {self.cval!r}"
            ) from error
        if dtype.kind in "iu":
            if not np.isfinite(values).all():
                raise InvalidArgumentError(f"cval of a {dtype} image must be finite: {self.cval!r}")
            info = np.iinfo(dtype)
            values = np.clip(values, info.min, info.max)
        return [float(value) for value in values]

    def alpha_channel(self, channels: int) -> int | None:
        """Return the index of the alpha channel, if there is one."""
        if self.channel_axis is None or self.alpha == "separate":
            return None
        if self.alpha == "premultiply":
            if channels < 2:
                raise InvalidArgumentError(
                    f"alpha='premultiply' needs colour and alpha, got {channels} channel"
                )
            return channels - 1
        return channels - 1 if channels in (2, 4) else None


def spatial_axes(ndim: int, channel_axis: int | None) -> tuple[int, int]:
    axes = [axis for axis in range(ndim) if channel_axis is None or axis != channel_axis % ndim]
    return axes[-2], axes[-1]


def target_shape(
    shape: tuple[int, ...], axes: tuple[int, int], output_shape: Sequence[int]
) -> tuple[int, int]:
    try:
        length = len(output_shape)
    except TypeError as error:
        raise InvalidArgumentError(
            f"output_shape must be (rows, cols), got {output_shape!r}"
        ) from error
    if length == len(shape) and length > 2:  # the whole shape, as scikit-image takes it
        others = [axis for axis in range(len(shape)) if axis not in axes]
        if any(output_shape[axis] != shape[axis] for axis in others):
            raise InvalidArgumentError(
                f"output_shape {tuple(output_shape)} may differ from {shape} in rows and "
                "columns only"
            )
        output_shape = [output_shape[axis] for axis in axes]
    return check_output_shape(output_shape)
