"""resize, rescale and warp: validate, plan, apply.

Convention
----------
Images are indexed (row, col). Pixel centres lie at integers, and resizing keeps the
centres of source and result together (`lerf_core.taps`). Matrices act on (x, y) = (col,
row); coordinate arrays are (row, col) (`lerf_core.geometry`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core._engines import Engine, get_engine
from lerf_core._options import Options, spatial_axes, target_shape
from lerf_core._parallel import bands, run_all, thread_count
from lerf_core._planes import (
    Border,
    Channel,
    Cover,
    find_missing,
    prepare_alpha,
    prepare_channel,
)
from lerf_core._samplers import Channels, GridSampler, Image, Sampler, WarpSampler, Writer
from lerf_core._validation import (
    check_image,
    check_memory,
    check_output_shape,
    check_scale,
    check_value_range,
)
from lerf_core._values import ValueScale
from lerf_core.bank import LEVELS, LutBank
from lerf_core.errors import InvalidArgumentError
from lerf_core.geometry import Displacement, as_inverse_map
from lerf_core.loading import SHRINKING_BANK, load_bank

__all__ = ["rescale", "rescaled_shape", "resize", "warp"]

Bank = LutBank | str | None


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
    fast: bool = False,
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
        The tables, or where to load them from (`load_bank`). None: the default bank; for
        an image that grows along no axis and is anti-aliased, the analytic one, because
        trained tables know enlarging alone.
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
        always (NaN comes out, or `nodata` if given). With alpha, such pixels are
        transparent.
    linear_light : bool
        Values are sRGB-encoded; take the means in linear light.
    preserve_range : bool
        False returns floats with `value_range` mapped to 0..1, as scikit-image does; `cval`
        and `nodata` stay in the image's own values.
    fast : bool
        Read the tables for the luma alone, and resize what colours differ from it by cubic
        convolution: less than half of the work for some 0.1 dB. For images of three channels
        without missing values, in encoded light and with any `mode` but "constant"; others
        are resized in full.
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
    axes = spatial_axes(array.ndim, channel_axis)
    rows, cols = target_shape(array.shape, axes, output_shape)
    scale = (rows / array.shape[axes[0]], cols / array.shape[axes[1]])
    options = Options(
        bank=_bank_for(bank, scale, anti_aliasing),
        channel_axis=channel_axis,
        mode=mode,
        cval=cval,
        anti_aliasing=anti_aliasing,
        alpha=alpha,
        method=method,
        value_range=value_range,
        nodata=nodata,
        linear_light=linear_light,
        preserve_range=preserve_range,
        fast=fast,
        threads=threads,
        engine=engine,
    )
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
    fast: bool = False,
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
    axes = spatial_axes(array.ndim, channel_axis)
    shape = rescaled_shape((array.shape[axes[0]], array.shape[axes[1]]), factors)
    options = Options(
        bank=_bank_for(bank, factors, anti_aliasing),
        channel_axis=channel_axis,
        mode=mode,
        cval=cval,
        anti_aliasing=anti_aliasing,
        alpha=alpha,
        method=method,
        value_range=value_range,
        nodata=nodata,
        linear_light=linear_light,
        preserve_range=preserve_range,
        fast=fast,
        threads=threads,
        engine=engine,
    )
    return _resize(array, shape, factors, options)


def rescaled_shape(shape: tuple[int, int], scale: float | tuple[float, float]) -> tuple[int, int]:
    """Return the rows and columns that `rescale` gives: ``ceil(size * scale)`` an axis.

    Rounding errors of the product do not count: 10 pixels by 1.1 are 11.

    Examples
    --------
    >>> rescaled_shape((10, 7), 1.1)
    (11, 8)
    """
    factors = check_scale(scale)
    try:
        sizes = [float(size) * factor for size, factor in zip(shape, factors, strict=True)]
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"shape must be (rows, cols), got {shape!r}") from error
    if not max(sizes) < 2**31:
        raise InvalidArgumentError(f"{shape} by {scale} gives sides of 2**31 pixels or more")
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
        - a callable from (N, 2) output (x, y) points to (N, 2) source points; it is called
          for blocks of rows, from several threads at a time.

        NaN positions, and points beyond the horizon of a homography, lie nowhere: they
        become `cval` in every mode.
    output_shape : sequence of int, optional
        (rows, cols). None: that of the coordinates, or else that of the image.
    mode : {"constant", "edge", "symmetric", "reflect", "wrap"}
        What lies beyond the border. "constant" fades into `cval` over one pixel, centred
        on the image's outline (with `cval` NaN or `nodata`: changes there).
    anti_aliasing : bool or None
        Stretch the support where an output pixel spans more than one source pixel, along
        each source axis by the local scale. None: yes. Footprints of more than 128 pixels
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
    axes = spatial_axes(array.ndim, channel_axis)
    wanted = None
    if output_shape is not None:
        wanted = target_shape(array.shape, axes, output_shape)
    source_shape = (array.shape[axes[0]], array.shape[axes[1]])
    mapping, shape = as_inverse_map(inverse_map, source_shape, wanted)
    options = Options(
        bank=load_bank(bank),
        channel_axis=channel_axis,
        mode=mode,
        cval=cval,
        anti_aliasing=anti_aliasing,
        alpha=alpha,
        method=method,
        value_range=value_range,
        nodata=nodata,
        linear_light=linear_light,
        preserve_range=preserve_range,
        threads=threads,
        engine=engine,
    )
    _check_fits(array, shape, options)
    return _apply(array, shape, options, WarpSampler(mapping, source_shape, shape, options))


# -- apply ------------------------------------------------------------------------


def _bank_for(bank: Bank, scale: tuple[float, float], anti_aliasing: bool | None) -> LutBank:
    """The bank that is asked for; else the one for enlarging, or for shrinking alone."""
    if bank is None and anti_aliasing is not False and max(scale) <= 1:
        return load_bank(SHRINKING_BANK)
    return load_bank(bank)


def _resize(
    array: Image, shape: tuple[int, int], scale: tuple[float, float], options: Options
) -> Image:
    rows, cols = spatial_axes(array.ndim, options.channel_axis)
    source_shape = (array.shape[rows], array.shape[cols])
    _check_fits(array, shape, options)
    sampler = None
    if shape != source_shape or scale != (1.0, 1.0):
        sampler = GridSampler(source_shape, shape, scale, options)
    return _apply(array, shape, options, sampler)


def _check_fits(array: Image, shape: tuple[int, int], options: Options) -> None:
    """Raise if neither the result nor what is needed to make it fits the memory."""
    rows, cols = spatial_axes(array.ndim, options.channel_axis)
    source = array.shape[rows] * array.shape[cols]
    planes = array.size // source
    channels = 1 if options.channel_axis is None else array.shape[options.channel_axis]
    itemsize = array.dtype.itemsize if options.preserve_range else 8
    # A feature, parameters and limits for each source pixel of a plane: bytes, or float32.
    work = 0
    if not options.is_nearest(array.dtype):
        bytes_alone = array.dtype == np.uint8 and options.value_range is None
        size = 1 if bytes_alone and not options.linear_light else 4
        kind = options.bank.kind
        work = source * channels * size * (2 + len(kind.values) + 2 * kind.has_planes)
    result = shape[0] * shape[1] * planes * itemsize
    check_memory(result + work + 64 * (shape[0] + shape[1]), f"an image of {shape}")


def _apply(
    array: Image, shape: tuple[int, int], options: Options, sampler: Sampler | None
) -> Image:
    """Resample every plane and put the image together again; no sampler: a copy."""
    native = array.dtype.newbyteorder("=")
    value_range = check_value_range(options.value_range, native)
    nearest = options.is_nearest(native)
    stacked = _channels_first(array, options.channel_axis)
    channels, *leading, _, _ = stacked.shape
    cvals = options.cvals(channels, native)
    alpha = options.alpha_channel(channels)
    threads = thread_count(options.threads)
    if not options.preserve_range:
        native = np.dtype(np.float32 if array.dtype in (np.float16, np.float32) else np.float64)
    if sampler is None:
        out = array.astype(native if not options.preserve_range else array.dtype)
        return _to_unit_range(out, value_range, options)
    out = np.empty(
        _with_axis((*leading, *shape), channels, options.channel_axis),
        dtype=array.dtype if options.preserve_range else native,
    )
    target = _channels_first(out, options.channel_axis)
    scale = ValueScale(native, *value_range, linear_light=options.linear_light)
    cover = Cover(scale, cvals, alpha, options.nodata)
    # A warp's border is blended over the image (`Cover`): its taps find the edge's pixels.
    tap_mode = "edge" if sampler.blends and options.mode == "constant" else options.mode
    engine = get_engine(options.engine)
    for index in np.ndindex(*leading):
        # Views where they can be: bands copy what they read.
        planes = [
            stacked[(channel, *index)].astype(native, copy=False) for channel in range(channels)
        ]
        if nearest:
            write = sampler.nearest(planes, cvals)
        else:
            extends = tap_mode not in ("edge", "constant")
            margin = sampler.margin(options.bank) if extends else (0, 0)
            border = Border(tap_mode, margin)
            if isinstance(sampler, GridSampler) and _goes_fast(planes, scale, options, alpha):
                write = _fast(sampler, planes, scale, options, border, engine)
            else:
                prepared = _prepare(planes, scale, options, cvals, alpha, border, engine)
                write = sampler.lerf(prepared, engine, margin, cover, threads)

        def task(top: int, bottom: int, write: Writer = write, index: Any = index) -> None:
            write(top, bottom, target[(slice(None), *index, slice(top, bottom))])

        height = sampler.band(threads)
        run_all(task, bands(shape[0], height), threads)
    return _to_unit_range(out, value_range, options)


def _goes_fast(planes: Channels, scale: ValueScale, options: Options, alpha: int | None) -> bool:
    """Whether colours are to be resized as differences to their luma, and can be."""
    if not options.fast or len(planes) != 3 or alpha is not None:
        return False
    if options.linear_light or options.mode == "constant":
        return False
    return all(find_missing(plane, scale, options.nodata)[0] is None for plane in planes)


def _fast(
    sampler: GridSampler,
    planes: Channels,
    scale: ValueScale,
    options: Options,
    border: Border,
    engine: Engine,
) -> Writer:
    """Prepare the luma."""
    grey = planes if scale.is_bytes else [engine.to_grey(scale, plane) for plane in planes]
    source = engine.luma_of(grey)
    levels = ValueScale(source.dtype, 0, LEVELS)
    luma = prepare_channel(source, levels, options.bank, border, engine)
    return sampler.fast(planes, luma, scale, engine, border.margin)


def _channels_first(array: Image, channel_axis: int | None) -> Image:
    """View an image with its channels, or its only one, in front."""
    return array[None] if channel_axis is None else np.moveaxis(array, channel_axis, 0)


def _with_axis(shape: tuple[int, ...], channels: int, axis: int | None) -> tuple[int, ...]:
    if axis is None:
        return shape
    place = axis % (len(shape) + 1)
    return (*shape[:place], channels, *shape[place:])


def _to_unit_range(out: Image, value_range: tuple[float, float], options: Options) -> Image:
    """Map floats to 0..1 where the range is not to be preserved."""
    low, high = value_range
    if options.preserve_range or (low, high) == (0.0, 1.0):
        return out
    out -= low
    out /= high - low
    return out


def _prepare(
    planes: Channels,
    scale: ValueScale,
    options: Options,
    cvals: list[float],
    alpha: int | None,
    border: Border,
    engine: Engine,
) -> list[Channel]:
    """Prepare every channel of a plane."""
    bank = options.bank
    opacity = None
    if alpha is not None:
        planes, opacity = _without_missing(planes, alpha, scale, options.nodata)
        cval_alpha = float(np.clip(scale.to_grey(cvals[alpha]) / LEVELS, 0, 1))
        border = replace(border, cval_alpha=cval_alpha)
    prepared = []
    for number, plane in enumerate(planes):
        side = replace(border, cval=cvals[number])
        if number == alpha:
            prepared.append(prepare_alpha(plane, scale, bank, side, engine))
        else:
            prepared.append(
                prepare_channel(plane, scale, bank, side, engine, opacity, options.nodata)
            )
    return prepared


def _without_missing(
    planes: Channels, alpha: int, scale: ValueScale, nodata: float | None
) -> tuple[Channels, Image]:
    """Make pixels with a missing colour or alpha transparent; return alpha in 0..1 too."""
    opaque = planes[alpha]
    for number, plane in enumerate(planes):
        unknown, _ = find_missing(plane, scale, None if number == alpha else nodata)
        if unknown is not None:
            opaque = np.where(unknown, scale.low, opaque).astype(opaque.dtype)
    planes = [opaque if number == alpha else plane for number, plane in enumerate(planes)]
    return planes, np.clip(scale.to_grey(opaque) / LEVELS, 0, 1).astype(np.float32)
