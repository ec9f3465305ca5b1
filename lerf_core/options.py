"""The keywords that resize, rescale and warp share: their types, their defaults and their checks.

A keyword is a line in `ResamplingKeywords` (its type, for callers) and a field of `Options` (its
default, and its check in ``__post_init__``); the signatures of the public functions are made of
these. The docstring of `lerf_core.resize` says what it does.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import numpy as np

from lerf_core.backends.contract import Backend
from lerf_core.backends.loading import BACKENDS, get_backend
from lerf_core.bank.base import Bank
from lerf_core.choices import BORDER_MODES, LABEL_METHODS
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.pixels.format import PixelFormat, holds_intensities, unit_range_dtype
from lerf_core.pixels.values import ValueScale
from lerf_core.threads import thread_count
from lerf_core.validation import (
    check_choice,
    check_device_name,
    check_number,
    check_value_range,
)

if TYPE_CHECKING:
    from lerf_core.fronts.base import Front
    from lerf_core.fronts.loading import FrontSource
    from lerf_core.sampling.kernels import Kernel

__all__ = [
    "ALPHA_TREATMENTS",
    "DEFAULTS",
    "METHODS",
    "Options",
    "ResamplingKeywords",
    "complete_keywords",
    "with_keywords",
]

#: What `lerf_core.resize` takes for ``alpha`` and for ``method``.
ALPHA_TREATMENTS = ("auto", "premultiply", "separate")
METHODS = ("auto", "lerf", "nearest", "majority")
# Integers below are float64 numbers.
_EXACT = 1 << 53


class ResamplingKeywords(TypedDict, total=False):
    """The keywords that resize, rescale and warp share, but for the bank."""

    front: FrontSource | None
    channel_axis: int | None
    mode: str
    cval: float | Sequence[float]
    anti_aliasing: bool | None
    alpha: str
    method: str
    kernel: Kernel | str | None
    value_range: tuple[float, float] | None
    nodata: float | None
    linear_light: bool
    preserve_range: bool
    fast: bool
    threads: int | None
    engine: str
    device: str | None


@dataclass(frozen=True, kw_only=True)
class Options:
    """The keywords that resize, rescale and warp share, checked; see `lerf_core.resize`.

    Attributes
    ----------
    bank : Bank or None
        None: pixels are averaged by a kernel.
    front : Front or None
        What enlarges the image first, loaded before.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If a value cannot be used for any image.
    """

    bank: Bank | None
    front: FrontSource | None = None
    channel_axis: int | None = None
    mode: str = "edge"
    cval: float | Sequence[float] = 0.0
    anti_aliasing: bool | None = None
    alpha: str = "auto"
    method: str = "auto"
    kernel: Kernel | str | None = None
    value_range: tuple[float, float] | None = None
    nodata: float | None = None
    linear_light: bool = False
    preserve_range: bool = True
    fast: bool = False
    threads: int | None = None
    engine: str = "numba"
    device: str | None = None

    def __post_init__(self) -> None:
        check_choice("mode", self.mode, BORDER_MODES)
        check_choice("alpha", self.alpha, ALPHA_TREATMENTS)
        check_choice("method", self.method, METHODS)
        self._check_kernel()
        self._check_front()
        check_choice("engine", self.engine, BACKENDS)
        self._check_device()
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

    def _check_device(self) -> None:
        """Raise unless the engine has devices, and this is one.

        Whether it is there is asked where blocks are computed, which may be another computer.
        """
        if self.device is None:
            return
        if not isinstance(self.device, str):
            raise InvalidTypeError(f"device must be a string, got {self.device!r}")
        check_device_name(self.device)
        if self.engine != "torch":
            raise InvalidArgumentError(
                f"device {self.device!r} needs engine 'torch', got engine {self.engine!r}"
            )

    def _check_kernel(self) -> None:
        """Find the kernel by its name; raise unless nothing else says how to average."""
        if self.kernel is None:
            return
        from lerf_core.sampling.named_kernels import get_kernel

        kernel = get_kernel(self.kernel)
        # Found once: a name may be that of a file, which other processes may not have.
        object.__setattr__(self, "kernel", kernel)
        if self.bank is not None:
            raise InvalidArgumentError(f"bank and kernel exclude each other, got kernel {kernel}")
        if self.fast:
            raise InvalidArgumentError(f"fast and kernel exclude each other, got kernel {kernel}")
        is_said_twice = (self.method == "nearest" and kernel.name == "nearest") or (
            self.method == "lerf" and kernel.is_learned
        )
        if self.method != "auto" and not is_said_twice:
            raise InvalidArgumentError(
                f"method {self.method!r} and kernel exclude each other, got kernel {kernel}"
            )

    def _check_front(self) -> None:
        """Raise if the method leaves the front nothing to do."""
        if self.loaded_front is None:
            return
        copies = f"method {self.method!r}" if self.method in LABEL_METHODS else None
        if self.kernel is not None and self.fixed_kernel is None:
            copies = f"kernel {self.kernel}"
        if copies is not None:
            raise InvalidArgumentError(
                f"{copies} copies pixels, and a front makes new ones: they exclude each other"
            )

    @property
    def backend(self) -> Backend:
        """What does the steps.

        Raises
        ------
        InvalidArgumentError
            If it cannot be had here: the device is missing, or torch is.
        """
        return get_backend(self.engine, self.device)

    @property
    def loaded_front(self) -> Front | None:
        """What enlarges the image first; None: nothing does."""
        if self.front is None:
            return None
        from lerf_core.fronts.base import Front

        if not isinstance(self.front, Front):
            raise InvalidTypeError(f"front must be loaded before, got {self.front!r}")
        return self.front

    @property
    def fixed_kernel(self) -> Kernel | None:
        """What pixels are averaged by; None: the bank's tables, or copies of the nearest pixel."""
        if self.kernel is None:
            return None
        from lerf_core.sampling.kernels import NearestKernel
        from lerf_core.sampling.named_kernels import get_kernel

        kernel = get_kernel(self.kernel)  # a kernel is itself
        return None if isinstance(kernel, NearestKernel) else kernel

    @property
    def averaging_bank(self) -> Bank:
        """The bank, where pixels are averaged by one.

        Raises
        ------
        InvalidArgumentError
            If they are averaged by a kernel.
        """
        if self.bank is None:
            raise InvalidArgumentError(f"kernel {self.kernel} has no bank")
        return self.bank

    # -- for an image -------------------------------------------------------------------

    def pixel_format(self, dtype: np.dtype[Any], channels: int) -> PixelFormat:
        """Return how pixels of a dtype and a number of channels are understood.

        Raises
        ------
        InvalidArgumentError, InvalidTypeError
            If the options do not go with such pixels.
        """
        native = dtype.newbyteorder("=")
        is_nearest = self._is_nearest(native)
        if is_nearest and self.front is not None:
            raise InvalidTypeError(
                f"a front enlarges intensities, got an image of {native}: labels unless a "
                "value_range says otherwise"
            )
        cvals = self._cvals(channels, native)
        alpha = self._alpha_channel(channels)
        low, high = check_value_range(self.value_range, native)
        computed = native if self.preserve_range else unit_range_dtype(native)
        return PixelFormat(
            dtype=native,
            channels=channels,
            is_nearest=is_nearest,
            value_scale=ValueScale(computed, low, high, linear_light=self.linear_light),
            result_dtype=dtype if self.preserve_range else unit_range_dtype(dtype),
            cvals=cvals,
            alpha=alpha,
            nodata=self._python_nodata(),
            is_majority=self.method == "majority",
        )

    def _python_nodata(self) -> float | None:
        """Return `nodata` as a number of Python's own: it takes on the image's precision."""
        value: Any = self.nodata
        if isinstance(value, (np.generic, np.ndarray)):
            value = value.item()
        return None if value is None else value + 0

    def _is_nearest(self, dtype: np.dtype[Any]) -> bool:
        """Return whether pixels are copied instead of averaged."""
        if self.method == "lerf" and dtype == np.bool_:
            raise InvalidTypeError("method 'lerf' averages intensities, got a bool image")
        if self.method != "auto":
            return self.method in ("nearest", "majority")
        if self.kernel is not None and self.fixed_kernel is None:
            return True
        is_image = holds_intensities(dtype) or self.value_range is not None
        return dtype == np.bool_ or not is_image

    def _cvals(self, channels: int, dtype: np.dtype[Any]) -> tuple[float, ...]:
        """Return the border's value for each channel."""
        if isinstance(self.cval, (int, float)) and abs(self.cval) < _EXACT:  # arrays take longer
            values = [float(self.cval)] * channels
        else:
            try:
                array = np.asarray(self.cval)
                if array.dtype.kind not in "buif":
                    raise TypeError(array.dtype)
                values = np.broadcast_to(array.astype(np.float64), (channels,)).tolist()
            except (TypeError, ValueError) as error:
                raise InvalidArgumentError(
                    f"cval must be a number, or one for each of {channels} channels, "
                    f"got {self.cval!r}"
                ) from error
        if dtype.kind in "iu":
            if not all(map(math.isfinite, values)):
                raise InvalidArgumentError(f"cval of a {dtype} image must be finite: {self.cval!r}")
            info = np.iinfo(dtype)
            values = [float(min(max(value, info.min), info.max)) for value in values]
        return tuple(values)

    def _alpha_channel(self, channels: int) -> int | None:
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


#: The keywords' defaults; a warp's ``mode`` is "constant".
DEFAULTS: dict[str, Any] = {
    field.name: field.default for field in fields(Options) if field.default is not MISSING
}

Function = TypeVar("Function", bound=Callable[..., Any])


def with_keywords(
    *, changed: Mapping[str, Any] | None = None, without: Sequence[str] = ()
) -> Callable[[Function], Function]:
    """Decorate a function of ``**keywords``: its signature shows them, with their defaults.

    Parameters
    ----------
    changed : mapping, optional
        Defaults that are the function's own.
    without : sequence of str
        Keywords that it does not take.
    """

    def decorate(function: Function) -> Function:
        signature = inspect.signature(function)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        shared = [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=(DEFAULTS | dict(changed or {}))[field.name],
                annotation=field.type,
            )
            for field in fields(Options)
            if field.name in DEFAULTS and field.name not in without
        ]
        shown = signature.replace(parameters=[*own, *shared])
        function.__signature__ = shown  # type: ignore[attr-defined]
        return function

    return decorate


def complete_keywords(
    function: Callable[..., Any], keywords: Mapping[str, Any]
) -> ResamplingKeywords:
    """Return all shared keywords of a function `with_keywords`: those given, and defaults.

    Raises
    ------
    TypeError
        If the function has no such keyword.
    """
    defaults = _defaults_of(function)
    for name in keywords:
        if name not in defaults:
            raise TypeError(f"{function.__name__}() got an unexpected keyword argument {name!r}")
    return ResamplingKeywords(**{**defaults, **keywords})  # type: ignore[typeddict-item]


@cache
def _defaults_of(function: Callable[..., Any]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters
    return {name: shown.default for name, shown in parameters.items() if name in DEFAULTS}
