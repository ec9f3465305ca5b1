"""OpenCV's resize, warpAffine, warpPerspective and remap by lerf's tables.

Arguments, their order, the direction of matrices, sizes, borders and dtypes are OpenCV's. Flags are
plain integers with OpenCV's values, here by OpenCV's names too: this module works without cv2.
``INTER_NEAREST`` copies pixels; every other interpolation means lerf's resampler.

Convention
----------
Sizes are (width, height), points and matrices (x, y), x to the right, y downwards; the centre of
the first pixel is (0, 0). Matrices lead from source to output, unless ``WARP_INVERSE_MAP`` is
given; maps of `remap` lead from output to source. `resize` puts output pixel o at
``(o + 0.5) * size / new_size - 0.5`` of the source, and with ``INTER_NEAREST`` shows the pixel
``floor(o * size / new_size)``, as OpenCV does.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import lerf_core
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.geometry import as_homography, invert, moves_pixels

__all__ = [
    "BORDER_CONSTANT",
    "BORDER_REFLECT",
    "BORDER_REFLECT_101",
    "BORDER_REPLICATE",
    "BORDER_TRANSPARENT",
    "BORDER_WRAP",
    "INTER_AREA",
    "INTER_CUBIC",
    "INTER_LANCZOS4",
    "INTER_LINEAR",
    "INTER_LINEAR_EXACT",
    "INTER_NEAREST",
    "INTER_NEAREST_EXACT",
    "WARP_INVERSE_MAP",
    "WARP_RELATIVE_MAP",
    "remap",
    "resize",
    "warp_affine",
    "warp_perspective",
]

Image = npt.NDArray[Any]
Bank = lerf_core.LutBank | str | None

INTER_NEAREST = 0
INTER_LINEAR = 1
INTER_CUBIC = 2
INTER_AREA = 3
INTER_LANCZOS4 = 4
INTER_LINEAR_EXACT = 5
INTER_NEAREST_EXACT = 6
WARP_INVERSE_MAP = 16
WARP_RELATIVE_MAP = 32

BORDER_CONSTANT = 0
BORDER_REPLICATE = 1
BORDER_REFLECT = 2
BORDER_WRAP = 3
BORDER_REFLECT_101 = 4
BORDER_TRANSPARENT = 5

_NEAREST = (INTER_NEAREST, INTER_NEAREST_EXACT)
_INTERPOLATIONS = range(INTER_NEAREST_EXACT + 1)
_INTERPOLATION_BITS = 7
# WARP_FILL_OUTLIERS: they are always filled.
_WITHOUT_EFFECT = 8
# BORDER_ISOLATED: no image is a part of a larger one here.
_ISOLATED = 16
_MODES = {
    BORDER_CONSTANT: "constant",
    BORDER_REPLICATE: "edge",
    BORDER_REFLECT: "symmetric",
    BORDER_WRAP: "wrap",
    BORDER_REFLECT_101: "reflect",
    # What it shows beyond the image is not kept.
    BORDER_TRANSPARENT: "edge",
}
_DTYPES = tuple(np.dtype(name) for name in ("u1", "u2", "i2", "f4", "f8"))
# Values of a border: OpenCV's Scalar.
_SCALAR = 4
# Fixed-point maps: 5 bits of fraction an axis.
_FRACTION_BITS = 5


def resize(
    src: npt.ArrayLike,
    dsize: Sequence[int] | None,
    dst: Image | None = None,
    fx: float = 0,
    fy: float = 0,
    interpolation: int = INTER_LINEAR,
    *,
    bank: Bank = None,
    anti_aliasing: bool | None = None,
    value_range: tuple[float, float] | None = None,
    fast: bool = False,
) -> Image:
    """Resize an image, as `cv2.resize` does.

    Parameters
    ----------
    src : array_like, (rows, cols) or (rows, cols, channels)
        uint8, uint16, int16, float32 or float64; any other numbers or bool where pixels are
        copied. Any number of channels, which do not mix.
    dsize : (int, int) or None
        (width, height) of the result. None or (0, 0): the image's, times `fx` and `fy`, rounded.
    dst : ndarray, optional
        Where to put the result; of its shape and dtype.
    fx, fy : float
        Factors of width and height, where there is no `dsize`.
    interpolation : int
        ``INTER_NEAREST`` or ``INTER_NEAREST_EXACT`` copy pixels, those that OpenCV copies (of
        two equally near ones the latter may take the other); any other means lerf's resampler.
    bank : LutBank, str, path or None
        The tables, as for `lerf_core.resize`.
    anti_aliasing : bool or None
        Take the mean over all pixels that an output pixel spans. None: yes; OpenCV does so for
        ``INTER_AREA`` alone.
    value_range : (float, float) or None
        Values at the tables' darkest and brightest level. None: the dtype's for uint8 and
        uint16, (0, 1) for floats between these, and the image's least and greatest for others.
    fast : bool
        Less work for three channels, as in `lerf_core.resize`.

    Returns
    -------
    ndarray
        Contiguous, of the image's dtype; a single channel has no axis of its own, as in OpenCV.
        `dst`, if given.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If an argument cannot be used.
    BankError, BankNotFoundError
        If the bank cannot be loaded.

    Examples
    --------
    >>> import numpy as np
    >>> resize(np.zeros((4, 6, 3), np.uint8), (9, 8)).shape  # (width, height)
    (8, 9, 3)
    """
    image = _as_image(src)
    rows, cols = _target(image, dsize, fx, fy)
    kind = _interpolation(interpolation, "interpolation")
    if kind in _NEAREST:
        out = _copied(image, rows, cols, centred=kind == INTER_NEAREST_EXACT)
    else:
        out = lerf_core.resize(
            image, (rows, cols), bank=bank, anti_aliasing=anti_aliasing, fast=fast,
            **_values(image, value_range),
        )  # fmt: skip
    return _put(out, dst)


def warp_affine(
    src: npt.ArrayLike,
    M: npt.ArrayLike,  # noqa: N803
    dsize: Sequence[int] | None,
    dst: Image | None = None,
    flags: int = INTER_LINEAR,
    borderMode: int = BORDER_CONSTANT,  # noqa: N803
    borderValue: float | Sequence[float] = 0,  # noqa: N803
    *,
    bank: Bank = None,
    anti_aliasing: bool | None = None,
    value_range: tuple[float, float] | None = None,
) -> Image:
    """Warp an image by an affine matrix, as `cv2.warpAffine` does.

    Parameters
    ----------
    src : array_like
        As for `resize`, and so are `bank`, `anti_aliasing` and `value_range`.
    M : array_like, (2, 3)
        Leads from source (x, y, 1) to output (x, y); with ``WARP_INVERSE_MAP`` from output to
        source.
    dsize : (int, int) or None
        (width, height) of the result. None or (0, 0): the image's.
    dst : ndarray, optional
        Where to put the result; with ``BORDER_TRANSPARENT`` what shows around the image.
    flags : int
        An interpolation, as for `resize`, and ``WARP_INVERSE_MAP``.
    borderMode : int
        ``BORDER_CONSTANT``, ``BORDER_REPLICATE``, ``BORDER_REFLECT``, ``BORDER_REFLECT_101``,
        ``BORDER_WRAP`` or ``BORDER_TRANSPARENT``.
    borderValue : float or sequence of float
        For ``BORDER_CONSTANT``; up to four values, missing ones are 0: one number is the first
        channel's alone, as in OpenCV. From the fifth channel on they begin anew.

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
    ``BORDER_CONSTANT`` and ``BORDER_TRANSPARENT`` fade over one output pixel, centred on the
    image's outline half a pixel beyond the outermost centres; with ``INTER_NEAREST`` they begin
    there. A matrix that moves whole pixels (the identity, quarter turns, mirrors) copies them.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    >>> warp_affine(image, [[1, 0, 1], [0, 1, 0]], (4, 3))  # a step to the right
    array([[ 0,  0,  1,  2],
           [ 0,  4,  5,  6],
           [ 0,  8,  9, 10]], dtype=uint8)
    """
    matrix = np.asarray(M)
    if matrix.shape != (2, 3):
        raise InvalidArgumentError(f"M must have shape (2, 3), got {matrix.shape}")
    options = {"bank": bank, "anti_aliasing": anti_aliasing, "value_range": value_range}
    return _by_matrix(src, matrix, dsize, dst, flags, borderMode, borderValue, options)


def warp_perspective(
    src: npt.ArrayLike,
    M: npt.ArrayLike,  # noqa: N803
    dsize: Sequence[int] | None,
    dst: Image | None = None,
    flags: int = INTER_LINEAR,
    borderMode: int = BORDER_CONSTANT,  # noqa: N803
    borderValue: float | Sequence[float] = 0,  # noqa: N803
    *,
    bank: Bank = None,
    anti_aliasing: bool | None = None,
    value_range: tuple[float, float] | None = None,
) -> Image:
    """Warp an image by a homography, as `cv2.warpPerspective` does.

    Parameters
    ----------
    src, dsize, dst, flags, borderMode, borderValue, bank, anti_aliasing, value_range
        As for `warp_affine`.
    M : array_like, (3, 3)
        Leads from source (x, y, 1) to output (x, y) times a depth; with ``WARP_INVERSE_MAP``
        from output to source. Points beyond the horizon lie nowhere.

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
    >>> matrix = np.diag([2.0, 2.0, 1.0])  # twice as large
    >>> warp_perspective(np.zeros((4, 6, 3), np.uint8), matrix, (12, 8)).shape
    (8, 12, 3)
    """
    matrix = np.asarray(M)
    if matrix.shape != (3, 3):
        raise InvalidArgumentError(f"M must have shape (3, 3), got {matrix.shape}")
    options = {"bank": bank, "anti_aliasing": anti_aliasing, "value_range": value_range}
    return _by_matrix(src, matrix, dsize, dst, flags, borderMode, borderValue, options)


def remap(
    src: npt.ArrayLike,
    map1: npt.ArrayLike,
    map2: npt.ArrayLike | None,
    interpolation: int,
    dst: Image | None = None,
    borderMode: int = BORDER_CONSTANT,  # noqa: N803
    borderValue: float | Sequence[float] = 0,  # noqa: N803
    *,
    bank: Bank = None,
    anti_aliasing: bool | None = None,
    value_range: tuple[float, float] | None = None,
) -> Image:
    """Show for each output pixel a position of the source, as `cv2.remap` does.

    Parameters
    ----------
    src, dst, borderMode, borderValue, bank, anti_aliasing, value_range
        As for `warp_affine`.
    map1, map2 : array_like
        Where in the source each output pixel lies: x and y, each (rows, cols); or both in
        `map1`, (rows, cols, 2), with `map2` None or empty; or the integers that
        `cv2.convertMaps` makes of these.
    interpolation : int
        As for `resize`; with ``WARP_RELATIVE_MAP`` the maps are steps from each pixel's own
        position.

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
    >>> image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    >>> x, y = np.meshgrid(np.arange(4.0)[::-1], np.arange(3.0))
    >>> remap(image, x, y, INTER_NEAREST)[0]  # a mirror
    array([3, 2, 1, 0], dtype=uint8)
    """
    image = _as_image(src)
    kind = _interpolation(interpolation, "interpolation", WARP_RELATIVE_MAP)
    positions = _positions(map1, map2)
    is_relative = bool(interpolation & WARP_RELATIVE_MAP)
    where = lerf_core.Displacement(positions) if is_relative else positions
    options = {"bank": bank, "anti_aliasing": anti_aliasing, "value_range": value_range}
    shape = (positions.shape[1], positions.shape[2])
    return _warped(image, where, shape, dst, kind, borderMode, borderValue, options)


# -- arguments ----------------------------------------------------------------------


def _as_image(src: npt.ArrayLike) -> Image:
    """Return the image; a single channel has no axis of its own."""
    image = np.asarray(src)
    if image.ndim not in {2, 3}:
        raise InvalidArgumentError(
            f"src must be (rows, cols) or (rows, cols, channels), got shape {image.shape}"
        )
    if image.dtype.kind not in "buif":
        raise InvalidTypeError(f"src must hold numbers, got {image.dtype}")
    if 0 in image.shape:
        raise InvalidArgumentError(f"src is empty: shape {image.shape}")
    return image[..., 0] if image.shape[2:] == (1,) else image


def _interpolation(flags: object, name: str, known: int = 0) -> int:
    """Return the interpolation among flags, of which `known` may be set as well."""
    try:
        bits = operator.index(flags)  # type: ignore[arg-type]
    except TypeError as error:
        raise InvalidTypeError(f"{name} must be an integer, got {flags!r}") from error
    kind = bits & _INTERPOLATION_BITS
    if bits < 0 or bits & ~(_INTERPOLATION_BITS | known) or kind not in _INTERPOLATIONS:
        raise InvalidArgumentError(f"{name} has a value that is not known: {flags!r}")
    return kind


def _checked_size(dsize: Any) -> tuple[int, int] | None:
    """Return (rows, cols), or None where the image and other arguments tell them."""
    if dsize is None:
        return None
    try:
        width, height = (operator.index(side) for side in dsize)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"dsize must be (width, height) in whole pixels, got {dsize!r}"
        ) from error
    if (width, height) == (0, 0):
        return None
    if min(width, height) < 1:
        raise InvalidArgumentError(f"dsize must be positive, got {dsize!r}")
    return height, width


def _target(image: Image, dsize: Any, fx: float, fy: float) -> tuple[int, int]:
    size = _checked_size(dsize)
    if size is not None:
        return size
    if not (0 < fx < np.inf and 0 < fy < np.inf):
        raise InvalidArgumentError(
            f"without dsize, fx and fy must be positive and finite, got {fx!r} and {fy!r}"
        )
    rows, cols = round(image.shape[0] * fy), round(image.shape[1] * fx)
    if min(rows, cols) < 1:
        raise InvalidArgumentError(f"fx {fx!r} and fy {fy!r} leave nothing of {image.shape}")
    return rows, cols


def _values(image: Image, value_range: tuple[float, float] | None) -> dict[str, Any]:
    """Return what lerf_core is to know of the image's values and channels."""
    if image.dtype.newbyteorder("=") not in _DTYPES:
        raise InvalidTypeError(
            "src must be uint8, uint16, int16, float32 or float64 unless pixels are copied, "
            f"got {image.dtype}"
        )
    if value_range is None and image.dtype.kind in "if":
        value_range = _range_of(image)
    channels = {"channel_axis": -1, "alpha": "separate"} if image.ndim == 3 else {}
    return {"method": "lerf", "value_range": value_range, **channels}


def _range_of(image: Image) -> tuple[float, float] | None:
    known = np.isfinite(image)
    values = image if known.all() else image[known]
    if not values.size:
        return None
    low, high = float(values.min()), float(values.max())
    if image.dtype.kind == "f" and low >= 0 and high <= 1:
        return None
    return (low, high) if low < high else (low, low + max(1.0, abs(low)))


def _border(mode: object, value: Any, channels: int) -> dict[str, Any]:
    try:
        number = operator.index(mode) & ~_ISOLATED  # type: ignore[arg-type]
    except TypeError as error:
        raise InvalidTypeError(f"borderMode must be an integer, got {mode!r}") from error
    if number not in _MODES:
        raise InvalidArgumentError(f"borderMode has a value that is not known: {mode!r}")
    try:
        given = np.atleast_1d(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"borderValue must be numbers, got {value!r}") from error
    if given.ndim != 1 or len(given) > _SCALAR:
        raise InvalidArgumentError(f"borderValue must be up to {_SCALAR} numbers, got {value!r}")
    four = np.zeros(_SCALAR)
    four[: len(given)] = given
    return {"mode": _MODES[number], "cval": np.resize(four, channels).tolist()}


def _positions(map1: npt.ArrayLike, map2: npt.ArrayLike | None) -> npt.NDArray[np.float64]:
    """Return source (row, col) positions of any of OpenCV's maps."""
    first = np.asarray(map1)
    second = None if map2 is None or np.size(map2) == 0 else np.asarray(map2)
    plane = first.shape[:2]
    if first.ndim == 2 and second is not None and second.shape == plane and first.size:
        x, y = first, second
    elif first.ndim == 3 and first.shape[2] == 2 and first.size:
        x, y = first[..., 0], first[..., 1]
        if second is not None:
            x, y = _with_fractions(x, y, second)
    else:
        found = None if second is None else second.shape
        raise InvalidArgumentError(
            "maps must be x and y of one shape (rows, cols), or (rows, cols, 2) and None, got "
            f"shapes {first.shape} and {found}"
        )
    if x.dtype.kind not in "iuf" or y.dtype.kind not in "iuf":
        raise InvalidTypeError(f"maps must hold real numbers, got {x.dtype} and {y.dtype}")
    return np.stack([y, x]).astype(np.float64)


def _with_fractions(x: Image, y: Image, fractions: Image) -> tuple[Image, Image]:
    """Add the fractions of a fixed-point map."""
    if fractions.shape != x.shape or fractions.dtype.kind not in "iu" or x.dtype.kind not in "iu":
        raise InvalidArgumentError(
            f"with map1 (rows, cols, 2), map2 must be None or the integers of cv2.convertMaps, "
            f"got {fractions.dtype} of shape {fractions.shape}"
        )
    unit = 1 << _FRACTION_BITS
    bits = fractions.astype(np.int64)
    return x + (bits & (unit - 1)) / unit, y + (bits >> _FRACTION_BITS & (unit - 1)) / unit


# -- work ---------------------------------------------------------------------------


def _copied(image: Image, rows: int, cols: int, *, centred: bool) -> Image:
    """Copy the pixels nearest to the centres, or those that upper left corners lie in."""
    taken = []
    for size, new in zip(image.shape, (rows, cols), strict=False):
        place = np.arange(new, dtype=np.int64)
        if centred:
            index = (2 * place + 1) * size // (2 * new)
        else:  # rounded as there
            index = np.floor(place * (1 / (new / size))).astype(np.int64)
        taken.append(np.minimum(index, size - 1))
    return image[np.ix_(*taken)]


def _by_matrix(
    src: npt.ArrayLike,
    matrix: Image,
    dsize: Any,
    dst: Image | None,
    flags: int,
    border_mode: int,
    border_value: Any,
    options: dict[str, Any],
) -> Image:
    image = _as_image(src)
    kind = _interpolation(flags, "flags", WARP_INVERSE_MAP | _WITHOUT_EFFECT)
    shape = _checked_size(dsize) or (image.shape[0], image.shape[1])
    inverse = as_homography(matrix) if flags & WARP_INVERSE_MAP else invert(matrix)
    if moves_pixels(inverse):
        kind = INTER_NEAREST
    return _warped(image, inverse, shape, dst, kind, border_mode, border_value, options)


def _warped(
    image: Image,
    where: Any,
    shape: tuple[int, int],
    dst: Image | None,
    kind: int,
    border_mode: int,
    border_value: Any,
    options: dict[str, Any],
) -> Image:
    channels = image.shape[2] if image.ndim == 3 else 1
    keywords = _border(border_mode, border_value, channels) | {"output_shape": shape}
    if kind in _NEAREST:
        keywords |= {"method": "nearest"}
        if image.ndim == 3:
            keywords |= {"channel_axis": -1, "alpha": "separate"}
    else:
        keywords |= options | _values(image, options["value_range"])
    out = lerf_core.warp(image, where, **keywords)
    if border_mode & ~_ISOLATED == BORDER_TRANSPARENT:
        # Where the image lies, by the same arithmetic.
        plane = np.ones(image.shape[:2], np.float32)
        method = "nearest" if kind in _NEAREST else "lerf"
        share = lerf_core.warp(
            plane, where, output_shape=shape, method=method, bank=options["bank"],
            anti_aliasing=options["anti_aliasing"],
        )  # fmt: skip
        out = _over(out, np.clip(share, 0, 1), _fitting(dst, out))
    return _put(out, dst)


def _over(out: Image, share: Image, below: Image) -> Image:
    """Lay a warped image over another, where it has a share."""
    share = share.astype(np.float64)[(...,) + (None,) * (out.ndim - 2)]
    below = below.reshape(out.shape)
    if out.dtype.kind == "b":
        return np.where(share > 0, out, below)
    with np.errstate(invalid="ignore"):
        mixed = share * out + (1 - share) * below
    if out.dtype.kind in "iu":
        mixed = np.rint(mixed)
    blended = np.where((share > 0) & (share < 1), mixed, 0).astype(out.dtype)
    # What is not mixed stays to the bit.
    return np.where(share >= 1, out, np.where(share <= 0, below, blended))


def _fitting(dst: Image | None, out: Image) -> Image:
    """Return `dst`, if the result fits into it."""
    if dst is None:
        raise InvalidArgumentError("BORDER_TRANSPARENT shows dst around the image, got None")
    if not isinstance(dst, np.ndarray):
        raise InvalidTypeError(f"dst must be an ndarray, got {type(dst).__name__}")
    plain = dst.shape[:2] if dst.shape[2:] == (1,) else dst.shape
    if plain != out.shape or dst.dtype != out.dtype:
        raise InvalidArgumentError(
            f"dst must be {out.dtype} of shape {out.shape}, got {dst.dtype} of shape {dst.shape}"
        )
    return dst


def _put(out: Image, dst: Image | None) -> Image:
    """Return the result, contiguous, or `dst` that holds it."""
    if dst is None:
        return np.ascontiguousarray(out)
    _fitting(dst, out)[...] = out.reshape(dst.shape)
    return dst


# OpenCV's own names.
warpAffine: Callable[..., Image] = warp_affine  # noqa: N816
warpPerspective: Callable[..., Image] = warp_perspective  # noqa: N816
