"""resize and rescale; see `lerf_plugins.filters.skimage`."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from skimage.filters import gaussian

import lerf_core
from lerf_core.bank.loading import bank_for_scale
from lerf_core.errors import InvalidArgumentError
from lerf_core.sampling.taps import axis_positions, nearest_index
from lerf_core.validation import check_choice
from lerf_plugins.filters.arguments import (
    SCIPY_BORDERS,
    BankSource,
    FixedKernel,
    FrontSource,
    as_index,
    averaging_keywords,
    scale_behind,
)
from lerf_plugins.filters.skimage.arguments import (
    Image,
    as_array,
    as_float,
    check_copied,
    checked_order,
    clip_to_source,
    value_range_of,
    whole_sizes,
)

__all__ = ["rescale", "resize"]

# A last axis this short holds colours, where the shapes do not tell.
_MOST_COLOURS = 4


class _Options(NamedTuple):
    """What resize and rescale share."""

    order: int | None
    mode: str
    cval: float
    clip: bool
    preserve_range: bool
    anti_aliasing: bool | None
    sigma: float | Sequence[float] | None
    bank: BankSource
    kernel: FixedKernel
    front: FrontSource | None


def resize(
    image: npt.ArrayLike,
    output_shape: Sequence[float],
    order: int | None = None,
    mode: str = "reflect",
    cval: float = 0,
    clip: bool = True,
    preserve_range: bool = False,
    anti_aliasing: bool | None = None,
    anti_aliasing_sigma: float | Sequence[float] | None = None,
    *,
    bank: BankSource = None,
    kernel: FixedKernel = None,
    front: FrontSource | None = None,
) -> Image:
    """Resize an image to a shape, as `skimage.transform.resize` does.

    Parameters
    ----------
    image : array_like, (M[, N][, ...])
        bool, integers or floats. Axes that keep their length are never mixed: colours and
        planes are resized one by one.
    output_shape : sequence of numbers
        Of the result: one length per axis, rounded; or without the last axis, which is then
        kept. More lengths than the image has axes append axes: a grey image to (rows, cols, 3)
        becomes three equal channels.
    order : int or None
        0: the nearest pixel. None or 1 to 5: lerf's resampler, whichever it is (None is 0 for
        bool). It resizes one or two axes; the nearest pixel is found along any number.
    mode : {"reflect", "constant", "edge", "symmetric", "wrap"}
        What lies beyond the border, by the names of `numpy.pad`.
    cval : float
        Value beyond the border for "constant", in the result's values.
    clip : bool
        Clip the result to the image's range, which an unused `cval` does not widen.
    preserve_range : bool
        False: integers become floats as `skimage.util.img_as_float` has it (0..1, signed ones
        -1..1). True: values stay what they are. Floats stay what they are anyway.
    anti_aliasing : bool or None
        Take the mean over all pixels that an output pixel spans. None: where an axis shrinks,
        but not for bool, nor for integers with `order` 0.
    anti_aliasing_sigma : float or sequence of float, optional
        Blur by a Gaussian of this standard deviation in pixels (one for the axes that shrink,
        or one per axis) instead of stretching lerf's functions.
    bank : Bank, str, path or None
        The tables, as for `lerf_core.resize`.
    kernel : Kernel, str or None
        A fixed kernel instead of the tables, as for `lerf_core.resize`.
    front : Front, str, path or None
        What enlarges the image by a whole number first, as for `lerf_core.resize`; not with
        `order` 0, nor for bool. `anti_aliasing` None is then yes.

    Returns
    -------
    ndarray
        float32 for float16 and float32, else float64; with `order` 0 of the image's dtype.
        Computed to float32 precision.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If an argument cannot be used: ValueError and TypeError, as in scikit-image.
    BankError, BankNotFoundError, FrontError
        If the bank or the front cannot be loaded.

    Notes
    -----
    The tables' darkest and brightest level are the dtype's for uint8 and uint16, 0 and 1 for
    floats between these, and the least and greatest value of the image for all others.

    With `order` 0 floats are blurred before they shrink unless `anti_aliasing` is False:
    scikit-image does so too.

    Examples
    --------
    >>> import numpy as np
    >>> result = resize(np.full((4, 6, 3), 255, np.uint8), (8, 9))
    >>> result.shape, result.dtype, float(result.max())
    ((8, 9, 3), dtype('float64'), 1.0)
    """
    array = as_array(image)
    sizes = whole_sizes(output_shape)
    channel_axis = None
    if len(sizes) == array.ndim - 1:
        channel_axis = array.ndim - 1
        sizes = (*sizes, array.shape[-1])
    elif len(sizes) < array.ndim:
        raise InvalidArgumentError(
            f"output_shape must have a length for each axis of an image of shape {array.shape}, "
            f"or for all but the last, got {output_shape!r}"
        )
    array = array.reshape(array.shape + (1,) * (len(sizes) - array.ndim))
    options = _Options(
        order, mode, cval, clip, preserve_range, anti_aliasing, anti_aliasing_sigma, bank, kernel,
        front,
    )  # fmt: skip
    return _resized(array, sizes, channel_axis, options)


def rescale(
    image: npt.ArrayLike,
    scale: float | Sequence[float],
    order: int | None = None,
    mode: str = "reflect",
    cval: float = 0,
    clip: bool = True,
    preserve_range: bool = False,
    anti_aliasing: bool | None = None,
    anti_aliasing_sigma: float | Sequence[float] | None = None,
    *,
    channel_axis: int | None = None,
    bank: BankSource = None,
    kernel: FixedKernel = None,
    front: FrontSource | None = None,
) -> Image:
    """Resize an image by a factor, as `skimage.transform.rescale` does.

    Parameters
    ----------
    image : array_like
        As for `resize`, and so are all parameters not described here.
    scale : float or sequence of float
        Factor of all axes, or one for each, but for `channel_axis`. A length becomes
        ``max(1, round(length * scale))``, halves to the even number.
    channel_axis : int or None
        Axis of the colours, which keeps its length. None: every axis is scaled; three axes
        or more only with `order` 0.

    Returns
    -------
    ndarray
        As of `resize`.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If an argument cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> rescale(np.zeros((5, 7, 3)), 1.5, channel_axis=-1).shape  # 7.5 and 10.5
    (8, 10, 3)
    """
    array = as_array(image)
    axis = _checked_axis(channel_axis, array.ndim)
    spatial = [number for number in range(array.ndim) if number != axis]
    factors = _checked_scale(scale, len(spatial))
    sizes = list(array.shape)
    for number, factor in zip(spatial, factors, strict=True):
        sizes[number] = max(1, round(array.shape[number] * factor))
    options = _Options(
        order, mode, cval, clip, preserve_range, anti_aliasing, anti_aliasing_sigma, bank, kernel,
        front,
    )  # fmt: skip
    return _resized(array, tuple(sizes), axis, options)


# -- arguments ----------------------------------------------------------------------


def _checked_axis(channel_axis: object, ndim: int) -> int | None:
    """Return the number of the channel axis from 0 on; it may come alone in a tuple."""
    if channel_axis is None:
        return None
    if isinstance(channel_axis, (tuple, list)) and len(channel_axis) == 1:
        (channel_axis,) = channel_axis
    axis = as_index("channel_axis", channel_axis)
    if not -ndim <= axis < ndim:
        raise InvalidArgumentError(f"channel_axis must lie in {-ndim}..{ndim - 1}, got {axis}")
    if ndim == 1:
        raise InvalidArgumentError(f"image has no axis but channel_axis {axis}")
    return axis % ndim


def _checked_scale(scale: Any, axes: int) -> list[float]:
    """Return a positive factor for each of so many axes."""
    try:
        factors = np.atleast_1d(np.asarray(scale, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"scale must be one number or one an axis, got {scale!r}") from (
            error
        )
    if factors.shape not in {(1,), (axes,)}:
        raise InvalidArgumentError(
            f"scale must be one number or one for each of {axes} axes, got {scale!r}"
        )
    if not (np.isfinite(factors).all() and factors.min() > 0):
        raise InvalidArgumentError(f"scale must be positive and finite, got {scale!r}")
    return [float(factor) for factor in np.broadcast_to(factors, (axes,))]


# -- resizing -----------------------------------------------------------------------


def _resized(
    array: Image, sizes: tuple[int, ...], channel_axis: int | None, options: _Options
) -> Image:
    """Resize an image to the lengths of its axes, of which `channel_axis` keeps its own."""
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    order = checked_order(options.order, array.dtype)
    if order == 0:
        check_copied(array.dtype, options.order, options.kernel, options.front)
    averaging = averaging_keywords(options.bank, options.kernel, options.front)
    check_choice("mode", options.mode, tuple(SCIPY_BORDERS))
    smooth = _is_smooth(array, sizes, order, options.anti_aliasing)
    source = array
    if order > 0:
        source = as_float(array, preserve_range=options.preserve_range)
    is_blurred = smooth and (order == 0 or options.sigma is not None)
    prepared = _blurred(source, sizes, options) if is_blurred else source
    if order == 0:
        out = _nearest(prepared, sizes)
        can_exceed = is_blurred and source.dtype.kind == "f"
    else:
        if options.kernel is None:
            factors = scale_behind(averaging["front"], np.divide(sizes, array.shape).tolist())
            averaging["bank"] = bank_for_scale(options.bank, factors, anti_aliased=is_blurred)
        if options.front is not None and options.anti_aliasing is None:
            smooth = True  # what it enlarges may have to shrink
        out = _resized_by_lerf(
            prepared, sizes, channel_axis, mode=options.mode, cval=options.cval,
            anti_aliasing=smooth and not is_blurred,
            **averaging,
            value_range=value_range_of(array.dtype, source, preserve_range=options.preserve_range),
        )  # fmt: skip
        can_exceed = True
    if options.clip and can_exceed:
        return clip_to_source(out, source, options.mode, options.cval)
    return out


def _is_smooth(
    array: Image, sizes: tuple[int, ...], order: int, anti_aliasing: bool | None
) -> bool:
    """Whether shrinking is anti-aliased: None leaves it to sizes, dtype and order."""
    if anti_aliasing is None:
        copies = array.dtype.kind in "iu" and order == 0
        shrinks = any(map(operator.lt, sizes, array.shape))
        return shrinks and not copies and array.dtype != np.bool_
    if anti_aliasing and array.dtype == np.bool_:
        raise InvalidArgumentError(
            f"anti_aliasing must be False or None for a bool image, got {anti_aliasing!r}"
        )
    return bool(anti_aliasing)


def _blurred(array: Image, sizes: tuple[int, ...], options: _Options) -> Image:
    """Blur before shrinking, by the Gaussian that is given or by scikit-image's own."""
    factors = np.divide(array.shape, sizes)
    sigma = np.maximum(0, (factors - 1) / 2)
    if options.sigma is not None:
        sigma = _checked_sigma(options.sigma, factors)
        if np.any((sigma > 0) & (factors <= 1)):
            warnings.warn(
                "Anti-aliasing standard deviation greater than zero but not down-sampling "
                f"along all axes: {options.sigma!r}",
                stacklevel=4,
            )
    mode = SCIPY_BORDERS[options.mode]
    out = gaussian(array, tuple(sigma), mode=mode, cval=options.cval, preserve_range=True)
    return np.asarray(out).astype(array.dtype, copy=False)


def _checked_sigma(
    sigma: float | Sequence[float], factors: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return a standard deviation for each axis; one number is for the axes that shrink."""
    try:
        given = np.asarray(sigma, dtype=np.float64)
        per_axis = np.broadcast_to(given, factors.shape)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"anti_aliasing_sigma must be one number or one for each of {len(factors)} axes, "
            f"got {sigma!r}"
        ) from error
    if not per_axis.min() >= 0:
        raise InvalidArgumentError(f"anti_aliasing_sigma must not be negative, got {sigma!r}")
    # Colours that stay are not to mix.
    return per_axis if given.ndim else np.where(factors > 1, per_axis, 0)


def _nearest(array: Image, sizes: tuple[int, ...]) -> Image:
    """Copy the nearest pixels along any number of axes; of two, the lower or right one."""
    out = array
    for axis in _changed_axes(array.shape, sizes):
        size, new_size = array.shape[axis], sizes[axis]
        # lerf takes the upper or left one of two: here counted from the other end.
        index = nearest_index(axis_positions(size, new_size, new_size / size))[::-1]
        out = np.take(out, size - 1 - np.clip(index, 0, size - 1), axis=axis)
    return array.copy() if out is array else out


def _resized_by_lerf(
    array: Image, sizes: tuple[int, ...], channel_axis: int | None, **keywords: Any
) -> Image:
    """Resize along the one or two axes that change length, with keywords of `lerf_core.resize`."""
    array = _repeated(array, sizes)
    is_line = array.ndim - (channel_axis is not None) == 1
    if is_line:
        array, sizes = array[None], (1, *sizes)
        channel_axis = None if channel_axis is None else channel_axis + 1
    rows, cols = _axis_pair(array.shape, sizes, channel_axis)
    out_shape = (sizes[rows], sizes[cols])
    keywords["alpha"] = "separate"
    others = [axis for axis in range(array.ndim) if axis not in {rows, cols}]
    if not others:
        out = lerf_core.resize(array, out_shape, **keywords)
    elif len(others) == 1 and array.shape[others[0]] <= _MOST_COLOURS:
        out = lerf_core.resize(array, out_shape, channel_axis=others[0], **keywords)
    else:  # planes go one by one: each has a channel alone
        planes = np.moveaxis(array, (rows, cols), (-2, -1))[..., None]
        out = lerf_core.resize(planes, out_shape, channel_axis=-1, **keywords)
        out = np.moveaxis(out[..., 0], (-2, -1), (rows, cols))
    return np.ascontiguousarray(out[0] if is_line else out)


def _repeated(array: Image, sizes: tuple[int, ...]) -> Image:
    """Repeat what lies along axes of length 1 while more than two change: grey to colours."""
    changed = _changed_axes(array.shape, sizes)
    while len(changed) > 2 and array.shape[changed[-1]] == 1:
        axis = changed.pop()
        array = np.repeat(array, sizes[axis], axis=axis)
    return array


def _changed_axes(shape: tuple[int, ...], sizes: tuple[int, ...]) -> list[int]:
    return [axis for axis, size in enumerate(sizes) if size != shape[axis]]


def _axis_pair(
    shape: tuple[int, ...], sizes: tuple[int, ...], channel_axis: int | None
) -> tuple[int, int]:
    """Choose the axes of rows and columns: those that change length, then the last others."""
    changed = _changed_axes(shape, sizes)
    if len(changed) > 2:
        raise InvalidArgumentError(
            f"lerf resizes two axes at a time, and {len(changed)} change from {shape} to "
            f"{sizes}; name the channel_axis in rescale, or take order=0"
        )
    ndim = len(shape)
    if channel_axis is None and ndim > 2 and shape[-1] <= _MOST_COLOURS:
        channel_axis = ndim - 1
    others = [axis for axis in range(ndim) if axis not in {channel_axis, *changed}]
    missing = 2 - len(changed)
    rows, cols = sorted([*changed, *others[len(others) - missing :]])
    return rows, cols
