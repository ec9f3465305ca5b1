"""resize, rescale and warp: validate, plan, apply.

Convention
----------
Images are indexed (row, col). Pixel centres lie at integers, and resizing keeps the
centres of source and result together (`lerf_core.taps`). Matrices act on (x, y) = (col,
row); coordinate arrays are (row, col) (`lerf_core.geometry`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core._engines import ENGINES, Engine, get_engine
from lerf_core._parallel import bands, run_all, thread_count
from lerf_core._planes import Border, Channel, Cover, prepare_alpha, prepare_channel
from lerf_core._validation import (
    BORDER_MODES,
    check_choice,
    check_image,
    check_memory,
    check_output_shape,
    check_scale,
    check_value_range,
)
from lerf_core._values import ValueScale
from lerf_core.bank import LutBank, load_bank
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.geometry import Displacement, InverseMap, as_inverse_map
from lerf_core.taps import (
    AxisTaps,
    axis_positions,
    axis_taps,
    effective_stretch,
    nearest_index,
)

__all__ = ["rescale", "rescaled_shape", "resize", "warp"]

Image = npt.NDArray[Any]
Bank = LutBank | str | None
Channels = list[Image]
#: Computes rows top..bottom-1 of every channel.
Writer = Callable[[int, int], Iterator[Image]]

_ALPHA = ("auto", "premultiply", "separate")
_METHODS = ("auto", "lerf", "nearest")
#: dtypes that hold intensities unless told otherwise; other integers hold labels.
_INTENSITIES = ("uint8", "uint16", "float16", "float32", "float64", "longdouble")
# Output pixels that a task computes: enough to share out, few enough for small scratch.
_BAND_PIXELS = 1 << 16
# Pixels by which an image is extended for warps that reflect or wrap.
_WARP_MARGIN = 16


def resize(
    image: npt.ArrayLike,
    output_shape: Sequence[int],
    *,
    bank: Bank = None,
    channel_axis: int | None = None,
    mode: str = "edge",
    cval: float | Sequence[float] = 0.0,
    anti_aliasing: bool | None = None,
    alpha: str = "auto",
    method: str = "auto",
    value_range: tuple[float, float] | None = None,
    nodata: float | None = None,
    linear_light: bool = False,
    preserve_range: bool = True,
    threads: int | None = None,
    engine: str = "numba",
) -> Image:
    """Resize an image to a given number of rows and columns.

    Parameters
    ----------
    image : array_like
        Any number of axes; the last two that are not `channel_axis` are rows and columns,
        and every plane before them is resized on its own. bool, integers or floats.
    output_shape : sequence of int
        (rows, cols); or the shape of the whole result.
    bank : LutBank, str, path or None
        The tables, or where to load them from (`load_bank`). None: the default bank.
    channel_axis : int or None
        Axis of the colour channels, never resampled. None: the image has no such axis.
    mode : {"edge", "constant", "symmetric", "reflect", "wrap"}
        What lies beyond the border, by the names of `numpy.pad`. "constant" with `cval` 0
        is what the published evaluation does; it darkens the outermost pixels.
    cval : float or sequence of float
        Value beyond the border for "constant"; one, or one a channel.
    anti_aliasing : bool or None
        Stretch the support by the inverse scale where an axis shrinks. None: yes.
    alpha : {"auto", "premultiply", "separate"}
        "premultiply": the last channel is alpha, and colours weigh in by it. "separate":
        all channels are independent. "auto": premultiply for 2 and 4 channels.
    method : {"auto", "lerf", "nearest"}
        "nearest" copies pixels, so that labels and masks keep their values. "auto": that
        for bool and for integers other than uint8 and uint16 without a `value_range`.
    value_range : (float, float) or None
        Values that stand for the tables' darkest and brightest level. None: the dtype's
        range for integers, (0, 1) for floats. Values outside it are kept, not clipped.
    nodata : float or None
        Pixels of this value are left out of the means, and come out where they would
        carry more than half of the weight. Floats that are not finite are treated so
        always (NaN comes out, or `nodata` if given).
    linear_light : bool
        Values are sRGB-encoded; take the means in linear light.
    preserve_range : bool
        False returns floats with `value_range` mapped to 0..1, as scikit-image does.
    threads : int or None
        None: as many as the process may use.
    engine : {"numba", "reference"}
        "reference" is plain NumPy: slow, with the same result.

    Returns
    -------
    ndarray
        Of the image's dtype (see `preserve_range`). uint8 images follow the published
        integer arithmetic; deeper ones are never rounded to 8 bits. float64 is computed to
        float32 precision.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If an argument cannot be used.
    BankError, BankNotFoundError
        If the bank cannot be loaded.
    ImageTooLargeError
        If the result would not fit the memory; raised before anything is allocated.

    Notes
    -----
    An axis that keeps its length is not resampled, and an image that keeps its shape is
    returned as a copy.

    References
    ----------
    Li et al., "Learning Steerable Function for Efficient Image Resampling", CVPR 2023.

    Examples
    --------
    >>> import numpy as np
    >>> resize(np.full((4, 6), 7, np.uint8), (8, 9)).shape
    (8, 9)
    """
    array = check_image(image, channel_axis)
    axes = _spatial_axes(array.ndim, channel_axis)
    rows, cols = _target_shape(array.shape, axes, output_shape)
    scale = (rows / array.shape[axes[0]], cols / array.shape[axes[1]])
    options = _Options(
        bank, channel_axis, mode, cval, anti_aliasing, alpha, method, value_range, nodata,
        linear_light, preserve_range, threads, engine,
    )  # fmt: skip
    return _resize(array, (rows, cols), scale, options)


def rescale(
    image: npt.ArrayLike,
    scale: float | tuple[float, float],
    *,
    bank: Bank = None,
    channel_axis: int | None = None,
    mode: str = "edge",
    cval: float | Sequence[float] = 0.0,
    anti_aliasing: bool | None = None,
    alpha: str = "auto",
    method: str = "auto",
    value_range: tuple[float, float] | None = None,
    nodata: float | None = None,
    linear_light: bool = False,
    preserve_range: bool = True,
    threads: int | None = None,
    engine: str = "numba",
) -> Image:
    """Resize an image by a factor, or by one for the rows and one for the columns.

    Parameters
    ----------
    image : array_like
        As for `resize`, and so are all other parameters.
    scale : float or (float, float)
        Factor of the number of (rows, cols); positive. The result has
        ``rescaled_shape(shape, scale)``, and pixel o lies at
        ``o/scale + (size-1)/2 - (out_size-1)/(2*scale)``.

    Returns
    -------
    ndarray
        Of the image's dtype.

    Examples
    --------
    >>> import numpy as np
    >>> rescale(np.zeros((10, 10, 3), np.uint8), 1.5, channel_axis=-1).shape
    (15, 15, 3)
    """
    array = check_image(image, channel_axis)
    factors = check_scale(scale)
    axes = _spatial_axes(array.ndim, channel_axis)
    shape = rescaled_shape((array.shape[axes[0]], array.shape[axes[1]]), factors)
    options = _Options(
        bank, channel_axis, mode, cval, anti_aliasing, alpha, method, value_range, nodata,
        linear_light, preserve_range, threads, engine,
    )  # fmt: skip
    return _resize(array, shape, factors, options)


def rescaled_shape(
    shape: tuple[int, int], scale: float | tuple[float, float]
) -> tuple[int, int]:
    """Return the rows and columns that `rescale` gives: ``ceil(size * scale)`` an axis.

    Rounding errors of the product do not count: 10 pixels by 1.1 are 11.

    Examples
    --------
    >>> rescaled_shape((10, 7), 1.1)
    (11, 8)
    """
    factors = check_scale(scale)
    sizes = [size * factor for size, factor in zip(shape, factors, strict=True)]
    rows, cols = (max(1, math.ceil(size - 1e-9 * max(1.0, size))) for size in sizes)
    return check_output_shape((rows, cols))


def warp(
    image: npt.ArrayLike,
    inverse_map: npt.ArrayLike | Displacement | Callable[..., Any],
    *,
    output_shape: Sequence[int] | None = None,
    bank: Bank = None,
    channel_axis: int | None = None,
    mode: str = "constant",
    cval: float | Sequence[float] = 0.0,
    anti_aliasing: bool | None = None,
    alpha: str = "auto",
    method: str = "auto",
    value_range: tuple[float, float] | None = None,
    nodata: float | None = None,
    linear_light: bool = False,
    preserve_range: bool = True,
    threads: int | None = None,
    engine: str = "numba",
) -> Image:
    """Warp an image by any map from output pixels to source positions.

    Parameters
    ----------
    image : array_like
        As for `resize`, and so are the parameters not described here.
    inverse_map : array_like, Displacement or callable
        Where each output pixel lies in the source, pixel centres at integers:

        - a 3x3 homography or 2x3 affine matrix from output (x, y, 1) to source (x, y);
        - an array (2, rows, cols) of absolute source (row, col) positions;
        - a `Displacement`: (row, col) steps from each pixel's own position;
        - a callable from (N, 2) output (x, y) points to (N, 2) source points.

        NaN positions, and points beyond the horizon of a homography, lie nowhere: they
        become `cval` in every mode.
    output_shape : sequence of int, optional
        (rows, cols). None: that of the coordinates, or else that of the image.
    mode : {"constant", "edge", "symmetric", "reflect", "wrap"}
        What lies beyond the border. "constant" fades into `cval` over one pixel, centred
        on the image's outline (with `cval` NaN or `nodata`: changes there).
    anti_aliasing : bool or None
        Stretch the support where an output pixel spans more than one source pixel, along
        each source axis by the local scale. None: yes. Footprints of more than 32 pixels
        along an axis are sampled evenly.

    Returns
    -------
    ndarray
        Of the image's dtype.

    See Also
    --------
    lerf_core.geometry.homography_from_points, lerf_core.geometry.invert

    Examples
    --------
    >>> import numpy as np
    >>> shift = [[1, 0, 2], [0, 1, 0], [0, 0, 1]]  # output x shows source x + 2
    >>> image = np.arange(0, 120, 10, dtype=np.uint8).reshape(1, -1).repeat(3, axis=0)
    >>> int(warp(image, shift, method="nearest")[1, 0])
    20
    """
    array = check_image(image, channel_axis)
    axes = _spatial_axes(array.ndim, channel_axis)
    wanted = None
    if output_shape is not None:
        wanted = _target_shape(array.shape, axes, output_shape)
    source_shape = (array.shape[axes[0]], array.shape[axes[1]])
    mapping, (rows, cols) = as_inverse_map(inverse_map, source_shape, wanted)
    options = _Options(
        bank, channel_axis, mode, cval, anti_aliasing, alpha, method, value_range, nodata,
        linear_light, preserve_range, threads, engine,
    )  # fmt: skip
    sampler = _WarpSampler(mapping, source_shape, (rows, cols), options)
    return _apply(array, (rows, cols), options, sampler)


# -- plan -------------------------------------------------------------------------


@dataclass(frozen=True)
class _Options:
    """The keywords that resize, rescale and warp share, checked."""

    bank: Bank
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
    threads: int | None
    engine: str

    def __post_init__(self) -> None:
        check_choice("mode", self.mode, BORDER_MODES)
        check_choice("alpha", self.alpha, _ALPHA)
        check_choice("method", self.method, _METHODS)
        check_choice("engine", self.engine, ENGINES)
        if self.anti_aliasing not in (None, True, False):
            raise InvalidArgumentError(
                f"anti_aliasing must be True, False or None, got {self.anti_aliasing!r}"
            )
        if self.alpha == "premultiply" and self.channel_axis is None:
            raise InvalidArgumentError("alpha='premultiply' needs a channel_axis, got None")

    def is_nearest(self, dtype: np.dtype[Any]) -> bool:
        """Whether pixels are copied instead of averaged."""
        if self.method == "lerf" and dtype == np.bool_:
            raise InvalidTypeError("method 'lerf' averages intensities, got a bool image")
        if self.method != "auto":
            return self.method == "nearest"
        known = any(dtype == np.dtype(name) for name in _INTENSITIES)  # native byte order
        return dtype == np.bool_ or not (known or self.value_range is not None)

    def cvals(self, channels: int) -> list[float]:
        """Return the border's value for each channel."""
        try:
            values = np.broadcast_to(np.asarray(self.cval, dtype=np.float64), (channels,))
        except (TypeError, ValueError) as error:
            raise InvalidArgumentError(
                f"cval must be a number, or one for each of {channels} channels, "
                f"got {self.cval!r}"
            ) from error
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


def _spatial_axes(ndim: int, channel_axis: int | None) -> tuple[int, int]:
    axes = [axis for axis in range(ndim) if channel_axis is None or axis != channel_axis % ndim]
    return axes[-2], axes[-1]


def _target_shape(
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


# -- samplers: where output pixels lie ---------------------------------------------


class _GridSampler:
    """Resizing: taps of rows and columns."""

    blends = False

    def __init__(
        self,
        shape: tuple[int, int],
        out_shape: tuple[int, int],
        scale: tuple[float, float],
        options: _Options,
    ) -> None:
        self.shape, self.out_shape, self.scale = shape, out_shape, scale
        smooth = options.anti_aliasing is not False
        self.rows, self.cols = (
            axis_taps(size, out_size, factor, anti_aliasing=smooth)
            for size, out_size, factor in zip(shape, out_shape, scale, strict=True)
        )

    def margin(self, bank: LutBank) -> int:
        """Pixels of the extended image that the result depends on."""
        beyond = max(
            max(-int(taps.index.min()), int(taps.index.max()) - size + 1, 0)
            for taps, size in zip((self.rows, self.cols), self.shape, strict=True)
        )
        return beyond + bank.reach * len(bank.stages)

    def lerf(self, channels: list[Channel], engine: Engine, margin: int, cover: Cover) -> Writer:  # noqa: ARG002
        """Return a function that computes a band of rows."""
        cols = AxisTaps(self.cols.index + margin, self.cols.offset)

        def write(top: int, bottom: int) -> Iterator[Image]:
            rows = AxisTaps(self.rows.index[top:bottom] + margin, self.rows.offset[top:bottom])
            for channel in channels:
                mean, trust = engine.grid(
                    *channel.planes, rows, cols,
                    confidence=channel.confidence, to_uint8=channel.to_uint8, **channel.border,
                )  # fmt: skip
                yield channel.finish(mean, trust)

        return write

    def nearest(self, planes: Channels, cvals: list[float]) -> Writer:  # noqa: ARG002
        """Return a function that copies pixels for a band of rows."""
        rows, cols = (
            np.clip(nearest_index(axis_positions(size, out_size, factor)), 0, size - 1)
            for size, out_size, factor in zip(self.shape, self.out_shape, self.scale, strict=True)
        )

        def write(top: int, bottom: int) -> Iterator[Image]:
            for plane in planes:
                yield plane[rows[top:bottom, None], cols]

        return write


class _WarpSampler:
    """Warping: a source position for each output pixel."""

    blends = True

    def __init__(
        self,
        mapping: InverseMap,
        shape: tuple[int, int],
        out_shape: tuple[int, int],
        options: _Options,
    ) -> None:
        self.mapping, self.shape, self.out_shape = mapping, shape, out_shape
        self.mode = options.mode
        self.smooth = options.anti_aliasing is not False

    def margin(self, bank: LutBank) -> int:
        """Pixels by which the image is extended where it reflects or wraps."""
        return _WARP_MARGIN + bank.reach * len(bank.stages)

    def lerf(self, channels: list[Channel], engine: Engine, margin: int, cover: Cover) -> Writer:
        """Return a function that computes a band of rows."""

        def write(top: int, bottom: int) -> Iterator[Image]:
            place = self._locate(top, bottom, smooth=self.smooth)
            values = []
            for channel in channels:
                mean, trust = engine.points(
                    *channel.planes, place.row + margin, place.col + margin, place.stretches,
                    confidence=channel.confidence, to_uint8=channel.to_uint8,
                )  # fmt: skip
                values.append(channel.finish(mean, trust))
            return iter(cover.apply(values, place.coverage))

        return write

    def nearest(self, planes: Channels, cvals: list[float]) -> Writer:
        """Return a function that copies pixels for a band of rows."""

        def write(top: int, bottom: int) -> Iterator[Image]:
            place = self._locate(top, bottom, smooth=False)
            row, col = (
                np.clip(nearest_index(position), 0, size - 1)
                for position, size in zip((place.row, place.col), self.shape, strict=True)
            )
            for plane, cval in zip(planes, cvals, strict=True):
                value = plane[row, col]
                if place.coverage is not None:
                    value[place.coverage < 0.5] = cval
                yield value

        return write

    def _locate(self, top: int, bottom: int, *, smooth: bool) -> _Place:
        """Find where a band of output rows lies in the source."""
        row, col = self.mapping.positions(top, bottom, self.out_shape[1])
        # Source pixels that an output pixel spans; where that is unknown, one.
        spans = self.mapping.stretches(top, bottom, *self.out_shape)
        spans = np.where(np.isfinite(spans), spans, 1.0)
        nowhere = ~(np.isfinite(row) & np.isfinite(col))
        coverage = None
        if nowhere.any():
            row, col = np.where(nowhere, 0.0, row), np.where(nowhere, 0.0, col)
            coverage = np.where(nowhere, 0.0, 1.0)
        if self.mode == "constant":
            inside = np.ones_like(row) if coverage is None else coverage
            for position, size, span in zip((row, col), self.shape, spans, strict=True):
                inside = inside * _coverage(position, size, span)
            coverage = None if inside.min() == 1 else inside
        row, col = (
            _fold(position, size, self.mode)
            for position, size in zip((row, col), self.shape, strict=True)
        )
        return _Place(row, col, self._stretches(spans) if smooth else None, coverage)

    def _stretches(self, spans: Image) -> tuple[Image, Image] | None:
        """Return the stretch of the support along rows and columns; None where it is 1."""
        row, col = (
            # Wider than the image is as wide as it.
            effective_stretch(np.minimum(span, 2.0 * size + 2))
            for span, size in zip(spans, self.shape, strict=True)
        )
        return None if row.max() == 1 == col.max() else (row, col)


@dataclass(frozen=True)
class _Place:
    """Where a band of output rows lies in the source.

    Attributes
    ----------
    row, col : ndarray of float64
        Positions, folded into reach of the image by the border mode.
    stretches : (ndarray, ndarray) or None
        Of the support along rows and columns; None: 1.
    coverage : ndarray of float64 or None
        How much of the output pixel the image covers, 0..1; None: 1.
    """

    row: Image
    col: Image
    stretches: tuple[Image, Image] | None
    coverage: Image | None


_Sampler = _GridSampler | _WarpSampler


def _coverage(position: Image, size: int, span: Image) -> Image:
    """Share of an output pixel, `span` source pixels wide, that lies on the image."""
    width = np.maximum(span, 1e-6)
    low = (position + 0.5) / width + 0.5
    high = (size - 0.5 - position) / width + 0.5
    return np.clip(low, 0, 1) * np.clip(high, 0, 1)


def _fold(position: Image, size: int, mode: str) -> Image:
    """Bring positions of an axis to where the border mode takes them from."""
    if mode in ("edge", "constant"):
        return np.clip(position, -1.0, float(size))
    if mode == "wrap":
        return np.mod(position + 0.5, size) - 0.5
    if mode == "symmetric":
        turned = np.mod(position + 0.5, 2 * size)
        return np.minimum(turned, 2 * size - turned) - 0.5
    if size == 1:  # reflect
        return np.zeros_like(position)
    turned = np.mod(position, 2 * (size - 1))
    return np.minimum(turned, 2 * (size - 1) - turned)


# -- apply ------------------------------------------------------------------------


def _resize(
    array: Image, shape: tuple[int, int], scale: tuple[float, float], options: _Options
) -> Image:
    axes = _spatial_axes(array.ndim, options.channel_axis)
    source_shape = (array.shape[axes[0]], array.shape[axes[1]])
    _check_fits(array, shape, options)
    if shape == source_shape and scale == (1.0, 1.0) and options.preserve_range:
        load_bank(options.bank)  # a wrong name is an error at any size
        return array.copy()
    return _apply(array, shape, options, _GridSampler(source_shape, shape, scale, options))


def _check_fits(array: Image, shape: tuple[int, int], options: _Options) -> None:
    axes = _spatial_axes(array.ndim, options.channel_axis)
    planes = array.size // (array.shape[axes[0]] * array.shape[axes[1]])
    itemsize = array.dtype.itemsize if options.preserve_range else 8
    rows, cols = shape
    # The taps of very uneven shapes, and the result.
    check_memory(rows * cols * planes * itemsize + 32 * (rows + cols), f"an image of {shape}")


def _apply(
    array: Image, shape: tuple[int, int], options: _Options, sampler: _Sampler
) -> Image:
    """Resample every plane and put the image together again."""
    bank = load_bank(options.bank)
    threads = thread_count(options.threads)
    native = array.dtype.newbyteorder("=")
    value_range = check_value_range(options.value_range, native)
    nearest = options.is_nearest(native)
    _check_fits(array, shape, options)
    if not options.preserve_range:
        array, value_range = _to_unit_range(array, value_range), (0.0, 1.0)
        native = array.dtype
    has_channels = options.channel_axis is not None
    stacked = np.moveaxis(array, options.channel_axis, 0) if has_channels else array[None]
    channels, *leading, _, _ = stacked.shape
    out = np.empty(
        _with_axis((*leading, *shape), channels, options.channel_axis), dtype=array.dtype
    )
    target = np.moveaxis(out, options.channel_axis, 0) if has_channels else out[None]
    cvals = options.cvals(channels)
    scale = ValueScale(native, *value_range, linear_light=options.linear_light)
    cover = Cover(scale, cvals, options.alpha_channel(channels), options.nodata)
    # A warp's border is blended over the image (`Cover`): its taps find the edge's pixels.
    tap_mode = "edge" if sampler.blends and options.mode == "constant" else options.mode
    height = max(1, _BAND_PIXELS // shape[1])
    for index in np.ndindex(*leading):
        planes = [stacked[(channel, *index)].astype(native) for channel in range(channels)]
        if nearest:
            write = sampler.nearest(planes, cvals)
        else:
            engine = get_engine(options.engine)
            margin = sampler.margin(bank) if tap_mode not in ("edge", "constant") else 0
            border = Border(tap_mode, margin)
            prepared = _prepare(planes, scale, bank, options, cvals, border, engine, threads)
            write = sampler.lerf(prepared, engine, margin, cover)

        def task(top: int, bottom: int, write: Writer = write, index: Any = index) -> None:
            for channel, part in enumerate(write(top, bottom)):
                target[(channel, *index)][top:bottom] = part

        run_all(task, bands(shape[0], height), threads)
    return out


def _with_axis(shape: tuple[int, ...], channels: int, axis: int | None) -> tuple[int, ...]:
    if axis is None:
        return shape
    place = axis % (len(shape) + 1)
    return (*shape[:place], channels, *shape[place:])


def _to_unit_range(array: Image, value_range: tuple[float, float]) -> Image:
    """Floats with the value range at 0..1: float32 where that is exact enough, else float64."""
    low, high = value_range
    dtype = np.float32 if array.dtype in (np.float16, np.float32) else np.float64
    if array.dtype == np.bool_:
        return array.astype(np.float64)
    return ((array.astype(np.float64) - low) / (high - low)).astype(dtype)


def _prepare(
    planes: Channels,
    scale: ValueScale,
    bank: LutBank,
    options: _Options,
    cvals: list[float],
    border: Border,
    engine: Engine,
    threads: int,
) -> list[Channel]:
    """Read the tables for every channel of a plane."""
    alpha_index = options.alpha_channel(len(planes))
    weights = None
    if alpha_index is not None:
        opacity = scale.to_grey(planes[alpha_index]) / 255
        weights = np.nan_to_num(np.clip(opacity, 0, 1)).astype(np.float32)
        cval_alpha = float(np.clip(scale.to_grey(cvals[alpha_index]) / 255, 0, 1))
        border = replace(border, cval_alpha=cval_alpha)
    prepared = []
    for number, plane in enumerate(planes):
        side = replace(border, cval=cvals[number])
        if number == alpha_index:
            prepared.append(prepare_alpha(plane, scale, bank, side, engine, threads))
        else:
            prepared.append(
                prepare_channel(
                    plane, scale, bank, side, engine, threads,
                    alpha=weights, nodata=options.nodata,
                )  # fmt: skip
            )
    return prepared
