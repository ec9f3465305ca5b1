"""`skimage.transform`'s resize, rescale and warp by lerf's tables: change the import alone.

    # from skimage.transform import resize, rescale, warp
    from lerf_plugins.filters.skimage import resize, rescale, warp

Signatures, sizes, dtypes, ranges, borders and errors are scikit-image's (0.24 and later);
``order=0`` gives its pixels. Any other `order` means lerf's resampler.

Convention
----------
Images are indexed (row, col), and pixel centres lie at integers. `resize` puts output pixel o
at ``(o + 0.5) * size / new_size - 0.5`` of the source. `warp` takes the map from output to
source: matrices, transforms and functions act on (x, y) = (col, row), arrays of coordinates
are (row, col).
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from skimage.filters import gaussian
from skimage.transform import PiecewiseAffineTransform, ProjectiveTransform
from skimage.util import img_as_float

import lerf_core
from lerf_core.bank.loading import SHRINKING_BANK
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.geometry import moves_pixels
from lerf_core.sampling.taps import POSITION_EPS

__all__ = ["rescale", "resize", "warp"]

Image = npt.NDArray[Any]
Bank = lerf_core.LutBank | str | None

_HIGHEST_ORDER = 5
# A last axis this short holds colours, where the shapes do not tell.
_MOST_COLOURS = 4
# scikit-image takes sizes this far from a whole number.
_SIZE_TOLERANCE = 1e-3
# What scipy calls numpy.pad's modes.
_SCIPY_MODES = {
    "constant": "grid-constant",
    "edge": "nearest",
    "reflect": "mirror",
    "symmetric": "reflect",
    "wrap": "grid-wrap",
}


class _Options(NamedTuple):
    """What resize and rescale share."""

    order: int | None
    mode: str
    cval: float
    clip: bool
    preserve_range: bool
    anti_aliasing: bool | None
    sigma: float | Sequence[float] | None
    bank: Bank


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
    bank: Bank = None,
) -> Image:
    """Resize an image to a shape, as `skimage.transform.resize` does.

    Parameters
    ----------
    image : array_like, (M[, N][, ...])
        bool, integers or floats. Axes that keep their length are never mixed: colours and
        planes are resized one by one.
    output_shape : sequence of numbers
        Of the result: one length an axis, rounded; or without the last axis, which is then
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
        or one an axis) instead of stretching lerf's functions.
    bank : LutBank, str, path or None
        The tables, as for `lerf_core.resize`.

    Returns
    -------
    ndarray
        float32 for float16 and float32, else float64; with `order` 0 of the image's dtype.
        Computed to float32 precision.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If an argument cannot be used: ValueError and TypeError, as in scikit-image.
    BankError, BankNotFoundError
        If the bank cannot be loaded.

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
    array = _as_array(image)
    sizes = _whole_sizes(output_shape)
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
        order, mode, cval, clip, preserve_range, anti_aliasing, anti_aliasing_sigma, bank
    )
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
    bank: Bank = None,
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
    array = _as_array(image)
    axis = _checked_axis(channel_axis, array.ndim)
    spatial = [number for number in range(array.ndim) if number != axis]
    factors = _checked_scale(scale, len(spatial))
    sizes = list(array.shape)
    for number, factor in zip(spatial, factors, strict=True):
        sizes[number] = max(1, round(array.shape[number] * factor))
    options = _Options(
        order, mode, cval, clip, preserve_range, anti_aliasing, anti_aliasing_sigma, bank
    )
    return _resized(array, tuple(sizes), axis, options)


def warp(
    image: npt.ArrayLike,
    inverse_map: Any,
    map_args: Mapping[str, Any] | None = None,
    output_shape: Sequence[float] | None = None,
    order: int | None = None,
    mode: str = "constant",
    cval: float = 0.0,
    clip: bool = True,
    preserve_range: bool = False,
    *,
    anti_aliasing: bool | None = None,
    bank: Bank = None,
) -> Image:
    """Warp an image by a map from output to source, as `skimage.transform.warp` does.

    Parameters
    ----------
    image : array_like, (M, N) or (M, N, C)
        The last of three axes holds channels, which do not mix.
    inverse_map : transform, callable or ndarray
        Where each output pixel lies in the source:

        - a transform of scikit-image, or its ``inverse``;
        - a 3x3 matrix from output (x, y, 1) to source (x, y);
        - a function of (P, 2) output (x, y) points, and of `map_args`, to (P, 2) source
          points; it is called once;
        - an array (2, rows, cols) of source (row, col) positions, or (3, rows, cols, channels)
          of (row, col, channel), where each output channel shows one of the image's.
    map_args : mapping, optional
        Keywords for the function.
    output_shape : sequence of numbers, optional
        (rows, cols[, channels]). None: that of the coordinates, or else that of the image.
    order, mode, cval, clip, preserve_range, bank
        As for `resize`. "constant" fades into `cval` over one pixel, centred on the image's
        outline; with `order` 0 it changes there.
    anti_aliasing : bool or None
        Take the mean over all pixels that an output pixel spans, which scikit-image does
        not. None: yes, unless `order` is 0.

    Returns
    -------
    ndarray
        As of `resize`.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If an argument cannot be used.

    Notes
    -----
    A map that moves whole pixels (the identity, quarter turns, mirrors, whole shifts) copies
    them. Points beyond a homography's horizon, NaN positions and, for "constant", points outside
    the mesh of a PiecewiseAffineTransform show `cval`.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage.transform import AffineTransform
    >>> image = np.eye(4, dtype=np.uint8) * 255
    >>> warp(image, AffineTransform(translation=(1, 0)))[0]  # x of the source is x + 1
    array([0., 0., 0., 0.])
    """
    array = _as_array(image)
    if array.ndim not in {2, 3}:
        raise InvalidArgumentError(
            f"image must be (rows, cols) or (rows, cols, channels), got shape {array.shape}"
        )
    order = _checked_order(order, array.dtype)
    source = array if order == 0 else _as_float(array, preserve_range=preserve_range)
    keywords: dict[str, Any] = {"mode": mode, "cval": cval}
    if order > 0:
        keywords |= {
            "method": "lerf",
            "bank": bank,
            "anti_aliasing": anti_aliasing,
            "value_range": _value_range(array.dtype, source, preserve_range=preserve_range),
        }
    where = _as_map(inverse_map, map_args or {}, array.shape, output_shape, mode)
    if isinstance(where, list):
        planes = [
            _warped(source[..., channel], positions, None, keywords) for channel, positions in where
        ]
        out = np.stack(planes, axis=-1)
    else:
        shape = _plane_shape(output_shape, array.shape)
        out = _warped(source, where, shape, keywords)
    return _clipped(out, source, mode, cval) if clip and order > 0 else out


# -- arguments ----------------------------------------------------------------------


def _as_array(image: npt.ArrayLike) -> Image:
    if isinstance(image, np.ma.MaskedArray):
        raise InvalidTypeError("image is a masked array; fill it, with NaN where it is masked")
    array = np.asarray(image)
    if array.dtype.kind not in "buif":
        raise InvalidTypeError(f"image must hold booleans, integers or floats, got {array.dtype}")
    if array.ndim == 0 or 0 in array.shape:
        raise InvalidArgumentError(f"image is empty: shape {array.shape}")
    return array


def _checked_order(order: object, dtype: np.dtype[Any]) -> int:
    if order is None:
        return 0 if dtype == np.bool_ else 1
    try:
        number = operator.index(order)  # type: ignore[arg-type]
    except TypeError as error:
        raise InvalidTypeError(f"order must be an integer or None, got {order!r}") from error
    if not 0 <= number <= _HIGHEST_ORDER:
        raise InvalidArgumentError(f"order must lie in 0..{_HIGHEST_ORDER}, got {order!r}")
    if dtype == np.bool_ and number > 0:
        raise InvalidArgumentError(f"order must be 0 or None for a bool image, got {order!r}")
    return number


def _whole_sizes(shape: Any) -> tuple[int, ...]:
    """Round lengths as scikit-image does."""
    try:
        sizes = tuple(round(float(size)) for size in shape)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidArgumentError(
            f"output_shape must be a sequence of lengths, got {shape!r}"
        ) from error
    if not sizes or min(sizes) < 1:
        raise InvalidArgumentError(f"output_shape must be positive, got {shape!r}")
    return sizes


def _checked_axis(channel_axis: object, ndim: int) -> int | None:
    if channel_axis is None:
        return None
    one = channel_axis
    if isinstance(channel_axis, (tuple, list)) and len(channel_axis) == 1:
        one = channel_axis[0]
    try:
        axis = operator.index(one)  # type: ignore[arg-type]
    except TypeError as error:
        raise InvalidTypeError(f"channel_axis must be an integer, got {channel_axis!r}") from error
    if not -ndim <= axis < ndim:
        raise InvalidArgumentError(f"channel_axis must lie in {-ndim}..{ndim - 1}, got {axis}")
    if ndim == 1:
        raise InvalidArgumentError(f"image has no axis but channel_axis {axis}")
    return axis % ndim


def _checked_scale(scale: Any, axes: int) -> list[float]:
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


def _plane_shape(output_shape: Any, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the rows and columns of a warp's result."""
    if output_shape is None:
        return shape[0], shape[1]
    sizes = _whole_sizes(output_shape)
    apart = max(abs(float(one) - size) for one, size in zip(output_shape, sizes, strict=True))
    if apart > _SIZE_TOLERANCE:
        raise InvalidArgumentError(f"output_shape must be whole numbers, got {output_shape!r}")
    if len(sizes) not in {2, len(shape)} or sizes[2:] not in {(), shape[2:]}:
        raise InvalidArgumentError(
            f"output_shape must be (rows, cols) or (rows, cols, channels) for an image of shape "
            f"{shape}, got {output_shape!r}"
        )
    return sizes[0], sizes[1]


# -- values -------------------------------------------------------------------------


def _as_float(array: Image, *, preserve_range: bool) -> Image:
    """Return float32 or float64 by scikit-image's rules; the image itself where it is that."""
    if array.dtype == np.float16:
        return array.astype(np.float32)
    if array.dtype.char in "fd":
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    if preserve_range or array.dtype.kind == "f":
        return array.astype(np.float64)
    return np.asarray(img_as_float(array))


def _value_range(
    dtype: np.dtype[Any], source: Image, *, preserve_range: bool
) -> tuple[float, float]:
    """Return the values at the tables' ends, for the floats that an image became."""
    if dtype.kind == "u" and dtype.itemsize <= 2:
        return 0.0, float(np.iinfo(dtype).max) if preserve_range else 1.0
    low, high = _extremes(source, np.isfinite(source))
    if low > high or (dtype.kind == "f" and low >= 0 and high <= 1):
        return 0.0, 1.0
    return (low, high) if low < high else (low, low + max(1.0, abs(low)))


def _extremes(array: Image, known: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Return the least and the greatest known value; the first is greater if there is none."""
    values = array if known.all() else array[known]
    return (float(values.min()), float(values.max())) if values.size else (np.inf, -np.inf)


def _clipped(out: Image, source: Image, mode: str, cval: float) -> Image:
    """Clip a result, in place, to the image's range; to `cval` as well where that shows."""
    low, high = _extremes(source, ~np.isnan(source))
    if low > high:
        return out
    if mode == "constant" and not low <= cval <= high:
        least, most = _extremes(out, ~np.isnan(out))
        if least <= cval <= most:
            low, high = min(low, cval), max(high, cval)
    np.clip(out, low, high, out=out)
    return out


# -- resizing -----------------------------------------------------------------------


def _resized(
    array: Image, sizes: tuple[int, ...], channel_axis: int | None, options: _Options
) -> Image:
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    order = _checked_order(options.order, array.dtype)
    mode, cval = options.mode, options.cval
    if mode not in _SCIPY_MODES:
        raise InvalidArgumentError(f"mode must be one of {', '.join(_SCIPY_MODES)}, got {mode!r}")
    smooth = _is_smooth(array, sizes, order, options.anti_aliasing)
    source = array
    if order > 0:
        source = _as_float(array, preserve_range=options.preserve_range)
    blurred = smooth and (order == 0 or options.sigma is not None)
    ready = _blurred(source, sizes, options) if blurred else source
    if order == 0:
        out = _nearest(ready, sizes)
        can_exceed = blurred and source.dtype.kind == "f"
        return _clipped(out, source, mode, cval) if options.clip and can_exceed else out
    bank = options.bank
    if bank is None and blurred and all(map(operator.le, sizes, array.shape)):
        bank = SHRINKING_BANK
    ready = _repeated(ready, sizes)
    axes = _axis_pair(ready.shape, sizes, channel_axis)
    out = _resize_pair(
        ready, axes, sizes, mode=mode, cval=cval, bank=bank, method="lerf",
        anti_aliasing=smooth and not blurred,
        value_range=_value_range(array.dtype, source, preserve_range=options.preserve_range),
    )  # fmt: skip
    return _clipped(out, source, mode, cval) if options.clip else out


def _is_smooth(
    array: Image, sizes: tuple[int, ...], order: int, anti_aliasing: bool | None
) -> bool:
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
        try:
            given = np.asarray(options.sigma, dtype=np.float64)
            spread = np.broadcast_to(given, factors.shape)
        except (TypeError, ValueError) as error:
            raise InvalidArgumentError(
                f"anti_aliasing_sigma must be one number or one for each of {array.ndim} axes, "
                f"got {options.sigma!r}"
            ) from error
        if not spread.min() >= 0:
            raise InvalidArgumentError(
                f"anti_aliasing_sigma must not be negative, got {options.sigma!r}"
            )
        # One number is for the axes that shrink: colours that stay are not to mix.
        sigma = spread if given.ndim else np.where(factors > 1, spread, 0)
        if np.any((sigma > 0) & (factors <= 1)):
            warnings.warn(
                "Anti-aliasing standard deviation greater than zero but not down-sampling "
                f"along all axes: {options.sigma!r}",
                stacklevel=4,
            )
    mode = _SCIPY_MODES[options.mode]
    out = gaussian(array, tuple(sigma), mode=mode, cval=options.cval, preserve_range=True)
    return np.asarray(out).astype(array.dtype, copy=False)


def _nearest(array: Image, sizes: tuple[int, ...]) -> Image:
    """Copy the nearest pixels along any number of axes; of two, the lower or right one."""
    changed = _changed_axes(array.shape, sizes)
    # lerf_core takes the upper or left one.
    out = np.flip(array, tuple(changed))
    while changed:
        last = changed.pop()
        other = changed.pop() if changed else _partner(last, array.ndim)
        out = _resize_pair(out, (other, last), sizes, method="nearest")
    turned = np.flip(out, tuple(_changed_axes(array.shape, sizes)))
    return turned.copy()


def _repeated(array: Image, sizes: tuple[int, ...]) -> Image:
    """Repeat what lies along axes of length 1 while more than two change: grey to colours."""
    changed = _changed_axes(array.shape, sizes)
    while len(changed) > 2 and array.shape[changed[-1]] == 1:
        axis = changed.pop()
        array = np.repeat(array, sizes[axis], axis=axis)
    return array


def _changed_axes(shape: tuple[int, ...], sizes: tuple[int, ...]) -> list[int]:
    return [axis for axis, size in enumerate(sizes) if size != shape[axis]]


def _partner(axis: int, ndim: int) -> int | None:
    """Return any other axis."""
    return None if ndim == 1 else (axis + 1) % ndim


def _axis_pair(
    shape: tuple[int, ...], sizes: tuple[int, ...], channel_axis: int | None
) -> tuple[int | None, int]:
    """Choose the axes of rows and columns: those that change length."""
    changed = _changed_axes(shape, sizes)
    if len(changed) > 2:
        raise InvalidArgumentError(
            f"lerf resizes two axes at a time, and {len(changed)} change from {shape} to "
            f"{sizes}; name the channel_axis in rescale, or take order=0"
        )
    if len(changed) == 2:
        return changed[0], changed[1]
    ndim = len(shape)
    if channel_axis is None and ndim > 2 and shape[-1] <= _MOST_COLOURS:
        channel_axis = ndim - 1
    others = [axis for axis in range(ndim) if axis not in {channel_axis, *changed}]
    if not changed:
        changed = [others.pop()] if others else [0]
    if not others:
        return None, changed[0]
    first, second = sorted((others[-1], changed[0]))
    return first, second


def _resize_pair(
    array: Image, axes: tuple[int | None, int], sizes: tuple[int, ...], **keywords: Any
) -> Image:
    """Resize two axes, or one (None: an axis of length 1), and no other."""
    first, second = axes
    if first is None:
        one: Image = _resize_pair(array[None], (0, second + 1), (1, *sizes), **keywords)
        return one.reshape(one.shape[1:])
    rows, cols = sizes[first], sizes[second]
    others = [axis for axis in range(array.ndim) if axis not in axes]
    if not others:
        turned = array if first < second else array.T
        out = lerf_core.resize(turned, (rows, cols), **keywords)
        return out if first < second else np.ascontiguousarray(out.T)
    if len(others) == 1 and array.shape[others[0]] <= _MOST_COLOURS:
        planes = np.moveaxis(array, (first, second), (0, 1))
    else:  # a channel alone: planes go one by one
        planes = np.moveaxis(array, (first, second), (-2, -1))[..., None]
    out = lerf_core.resize(planes, (rows, cols), channel_axis=-1, alpha="separate", **keywords)
    if planes.ndim == array.ndim:
        moved = np.moveaxis(out, (0, 1), (first, second))
    else:
        moved = np.moveaxis(out[..., 0], (-2, -1), (first, second))
    return np.ascontiguousarray(moved)


# -- warping ------------------------------------------------------------------------

Positions = npt.NDArray[np.float64]


def _as_map(
    inverse_map: Any,
    map_args: Mapping[str, Any],
    shape: tuple[int, ...],
    output_shape: Any,
    mode: str,
) -> Image | list[tuple[int, Positions]]:
    """Return a matrix, positions, or a channel of the image and positions for each channel."""
    if isinstance(inverse_map, ProjectiveTransform) and not map_args:
        return np.asarray(inverse_map.params, dtype=np.float64)
    if callable(inverse_map):
        rows, cols = _plane_shape(output_shape, shape)
        positions = _positions_of(inverse_map, map_args, rows, cols)
        if isinstance(inverse_map, PiecewiseAffineTransform) and mode == "constant":
            positions[:, (positions == -1).all(axis=0)] = np.nan  # outside the mesh
        return positions
    if not isinstance(inverse_map, (np.ndarray, list, tuple)):
        raise InvalidTypeError(
            "inverse_map must be a transform, a callable, a 3x3 matrix or an array of "
            f"coordinates, got {type(inverse_map).__name__}"
        )
    array = np.asarray(inverse_map)
    if array.dtype.kind not in "buif":
        raise InvalidTypeError(f"inverse_map must hold real numbers, got {array.dtype}")
    if array.shape == (3, 3):
        return array.astype(np.float64)
    if array.ndim == 3 and len(array) == 2:
        return array
    if array.ndim == 4 and len(array) == 3 == len(shape):
        return _by_channel(array, shape[2])
    raise InvalidArgumentError(
        "inverse_map must be a 3x3 matrix or an array of coordinates (2, rows, cols) or "
        f"(3, rows, cols, channels), got shape {array.shape} for an image of shape {shape}"
    )


def _positions_of(
    function: Callable[..., Any], map_args: Mapping[str, Any], rows: int, cols: int
) -> Positions:
    """Call a function for all output pixels, in the order in which scikit-image does."""
    points = np.indices((cols, rows), dtype=np.float64).reshape(2, -1).T
    mapped = np.asarray(function(points, **map_args))
    if mapped.shape != (rows * cols, 2) or mapped.dtype.kind not in "buif":
        raise InvalidArgumentError(
            f"inverse_map must return {rows * cols} (x, y) points, got {mapped.dtype} of shape "
            f"{mapped.shape}"
        )
    by_column = mapped.astype(np.float64).reshape(cols, rows, 2)
    return np.ascontiguousarray(by_column.transpose(2, 1, 0)[::-1])


def _by_channel(coordinates: Image, channels: int) -> list[tuple[int, Positions]]:
    """Split coordinates (3, rows, cols, channels) that lead from each channel to one."""
    found = []
    for number in range(coordinates.shape[3]):
        row, col, channel = np.moveaxis(coordinates[..., number], 0, 0)
        one = float(channel.flat[0])
        if not one.is_integer() or not 0 <= one < channels or np.any(channel != one):
            raise InvalidArgumentError(
                f"coordinates of output channel {number} must lie in one of the image's "
                f"{channels} channels, got {channel.min()} to {channel.max()}"
            )
        found.append((int(one), np.stack([row, col]).astype(np.float64)))
    return found


def _warped(
    source: Image, where: Image, shape: tuple[int, int] | None, keywords: dict[str, Any]
) -> Image:
    """Warp by a matrix or positions; copy pixels where asked to, or where they are but moved."""
    if source.ndim == 3:
        keywords = keywords | {"channel_axis": -1, "alpha": "separate"}
    if where.ndim == 3:
        shape = None  # the positions' own, as in scikit-image
    if keywords.get("method") == "lerf" and not _moves_pixels(where):
        return lerf_core.warp(source, where, output_shape=shape, **keywords)
    copying = {
        name: keywords[name]
        for name in ("mode", "cval", "channel_axis", "alpha")
        if name in keywords
    }
    # Of two pixels equally near, lerf_core takes the upper or left one, scikit-image the other.
    last = np.array([source.shape[0] - 1, source.shape[1] - 1], dtype=np.float64)
    if where.ndim == 3:
        turned = last[:, None, None] - where
    else:
        turned = np.array([[-1, 0, last[1]], [0, -1, last[0]], [0, 0, 1.0]]) @ where
    return lerf_core.warp(
        source[::-1, ::-1], turned, output_shape=shape, method="nearest", **copying
    )


def _moves_pixels(where: Image) -> bool:
    """Whether a map leads from pixels to pixels, one by one."""
    if where.ndim == 2:
        return moves_pixels(where)
    with np.errstate(invalid="ignore"):
        near = bool(np.all(np.abs(where - np.rint(where)) < POSITION_EPS))
        # Steps of one pixel along one axis: neither shrinking nor stretching.
        steps = [np.abs(np.rint(np.diff(where, axis=axis))).sum(axis=0) for axis in (1, 2)]
        return near and all(bool(np.all(step == 1)) for step in steps)
