"""resize, warp_affine, warp_perspective and remap; see `lerf_plugins.filters.opencv`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import lerf_core
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.geometry import as_homography, invert
from lerf_plugins.filters.arguments import (
    BankSource,
    FixedKernel,
    FrontSource,
    averaging_keywords,
    channel_keywords,
    check_copies,
)
from lerf_plugins.filters.opencv.arguments import (
    BORDER_CONSTANT,
    BORDER_ISOLATED,
    BORDER_TRANSPARENT,
    INTER_LINEAR,
    INTER_NEAREST_EXACT,
    NEAREST_KINDS,
    WARP_INVERSE_MAP,
    WARP_RELATIVE_MAP,
    WITHOUT_EFFECT,
    Image,
    as_image,
    as_matrix,
    as_positions,
    border_keywords,
    intensity_keywords,
    interpolation_kind,
    output_shape,
    scaled_shape,
)

__all__ = ["remap", "resize", "warp_affine", "warp_perspective"]


class _WarpOptions(NamedTuple):
    """What the warps share, as it is given."""

    border_mode: Any
    border_value: Any
    bank: BankSource
    kernel: FixedKernel
    front: FrontSource | None
    anti_aliasing: bool | None
    value_range: tuple[float, float] | None


def resize(
    src: npt.ArrayLike,
    dsize: Sequence[int] | None,
    dst: Image | None = None,
    fx: float = 0,
    fy: float = 0,
    interpolation: int = INTER_LINEAR,
    *,
    bank: BankSource = None,
    kernel: FixedKernel = None,
    front: FrontSource | None = None,
    anti_aliasing: bool | None = None,
    value_range: tuple[float, float] | None = None,
    fast: bool = False,
) -> Image:
    """Resize an image, as `cv2.resize` does.

    Parameters
    ----------
    src : array_like, (rows, cols) or (rows, cols, channels)
        uint8, uint16, int16, float32 or float64; any other numbers or bool with
        INTER_NEAREST. Any number of channels, which do not mix; but a network reads three as red,
        green and blue, in the order in which they stand.
    dsize : (int, int) or None
        (width, height) of the result. None or (0, 0): the image's, times `fx` and `fy`, rounded.
    dst : ndarray, optional
        Where to put the result; of its shape and dtype.
    fx, fy : float
        Factors of width and height, where there is no `dsize`.
    interpolation : int
        ``INTER_NEAREST`` or ``INTER_NEAREST_EXACT`` copy pixels, those that OpenCV copies (of
        two equally near ones the latter may take the other); any other means lerf's resampler.
    bank : Bank, str, path or None
        The tables, as for `lerf_core.resize`.
    kernel : Kernel, str or None
        A fixed kernel instead of the tables, as for `lerf_core.resize`: "area" is OpenCV's
        ``INTER_AREA``, "lanczos4" its ``INTER_LANCZOS4``. `interpolation` names none.
    front : Front, str, path or None
        What enlarges the image by a whole number first, as for `lerf_core.resize`.
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
    BankError, BankNotFoundError, FrontError
        If the bank or the front cannot be loaded.

    Examples
    --------
    >>> import numpy as np
    >>> resize(np.zeros((4, 6, 3), np.uint8), (9, 8)).shape  # (width, height)
    (8, 9, 3)
    """
    image = as_image(src)
    shape = output_shape(dsize) or scaled_shape(image, fx, fy)
    kind = interpolation_kind(interpolation, "interpolation")
    averaging = averaging_keywords(bank, kernel, front, fast=fast)
    if kind in NEAREST_KINDS:
        check_copies("INTER_NEAREST", kernel, front)
        out = _copy_nearest(image, shape, centred=kind == INTER_NEAREST_EXACT)
    else:
        out = lerf_core.resize(
            image, shape, anti_aliasing=anti_aliasing, fast=fast,
            **averaging, **intensity_keywords(image, value_range),
        )  # fmt: skip
    return _stored(out, dst)


def warp_affine(
    src: npt.ArrayLike,
    M: npt.ArrayLike,  # noqa: N803
    dsize: Sequence[int] | None,
    dst: Image | None = None,
    flags: int = INTER_LINEAR,
    borderMode: int = BORDER_CONSTANT,  # noqa: N803
    borderValue: float | Sequence[float] = 0,  # noqa: N803
    *,
    bank: BankSource = None,
    kernel: FixedKernel = None,
    front: FrontSource | None = None,
    anti_aliasing: bool | None = None,
    value_range: tuple[float, float] | None = None,
) -> Image:
    """Warp an image by an affine matrix, as `cv2.warpAffine` does.

    Parameters
    ----------
    src : array_like
        As for `resize`, and so are `bank`, `kernel`, `front`, `anti_aliasing` and
        `value_range`.
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
    there. Maps that move whole pixels copy them, as in `lerf_core.warp`.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    >>> warp_affine(image, [[1, 0, 1], [0, 1, 0]], (4, 3))  # a step to the right
    array([[ 0,  0,  1,  2],
           [ 0,  4,  5,  6],
           [ 0,  8,  9, 10]], dtype=uint8)
    """
    options = _WarpOptions(borderMode, borderValue, bank, kernel, front, anti_aliasing, value_range)
    return _warp_by_matrix(src, as_matrix(M, 2), dsize, dst, flags, options)


def warp_perspective(
    src: npt.ArrayLike,
    M: npt.ArrayLike,  # noqa: N803
    dsize: Sequence[int] | None,
    dst: Image | None = None,
    flags: int = INTER_LINEAR,
    borderMode: int = BORDER_CONSTANT,  # noqa: N803
    borderValue: float | Sequence[float] = 0,  # noqa: N803
    *,
    bank: BankSource = None,
    kernel: FixedKernel = None,
    front: FrontSource | None = None,
    anti_aliasing: bool | None = None,
    value_range: tuple[float, float] | None = None,
) -> Image:
    """Warp an image by a homography, as `cv2.warpPerspective` does.

    Parameters
    ----------
    src, dsize, dst, flags, borderMode, borderValue, bank, kernel, front, anti_aliasing, value_range
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
    options = _WarpOptions(borderMode, borderValue, bank, kernel, front, anti_aliasing, value_range)
    return _warp_by_matrix(src, as_matrix(M, 3), dsize, dst, flags, options)


def remap(
    src: npt.ArrayLike,
    map1: npt.ArrayLike,
    map2: npt.ArrayLike | None,
    interpolation: int,
    dst: Image | None = None,
    borderMode: int = BORDER_CONSTANT,  # noqa: N803
    borderValue: float | Sequence[float] = 0,  # noqa: N803
    *,
    bank: BankSource = None,
    kernel: FixedKernel = None,
    front: FrontSource | None = None,
    anti_aliasing: bool | None = None,
    value_range: tuple[float, float] | None = None,
) -> Image:
    """Show for each output pixel a position of the source, as `cv2.remap` does.

    Parameters
    ----------
    src, dst, borderMode, borderValue, bank, kernel, front, anti_aliasing, value_range
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
    >>> remap(image, x, y, INTER_LINEAR)[0]  # a mirror
    array([3, 2, 1, 0], dtype=uint8)
    """
    image = as_image(src)
    kind = interpolation_kind(interpolation, "interpolation", WARP_RELATIVE_MAP)
    positions = as_positions(map1, map2)
    is_relative = bool(interpolation & WARP_RELATIVE_MAP)
    inverse_map = lerf_core.Displacement(positions) if is_relative else positions
    options = _WarpOptions(borderMode, borderValue, bank, kernel, front, anti_aliasing, value_range)
    shape = (positions.shape[1], positions.shape[2])
    return _warp(image, inverse_map, shape, dst, kind, options)


# -- pixels -------------------------------------------------------------------------


def _copy_nearest(image: Image, shape: tuple[int, int], *, centred: bool) -> Image:
    """Copy the pixels nearest to output pixels' centres, or else those their corners lie in."""
    indices = []
    for size, new_size in zip(image.shape, shape, strict=False):
        index = np.arange(new_size, dtype=np.int64)
        if centred:
            index = (2 * index + 1) * size // (2 * new_size)
        else:  # rounded as OpenCV does
            index = np.floor(index * (1 / (new_size / size))).astype(np.int64)
        indices.append(np.minimum(index, size - 1))
    return image[np.ix_(*indices)]


def _warp_by_matrix(
    src: npt.ArrayLike,
    matrix: Image,
    dsize: Any,
    dst: Image | None,
    flags: int,
    options: _WarpOptions,
) -> Image:
    image = as_image(src)
    kind = interpolation_kind(flags, "flags", WARP_INVERSE_MAP | WITHOUT_EFFECT)
    shape = output_shape(dsize) or (image.shape[0], image.shape[1])
    inverse = as_homography(matrix) if flags & WARP_INVERSE_MAP else invert(matrix)
    return _warp(image, inverse, shape, dst, kind, options)


def _warp(
    image: Image,
    inverse_map: Any,
    shape: tuple[int, int],
    dst: Image | None,
    kind: int,
    options: _WarpOptions,
) -> Image:
    """Warp by a map of `lerf_core.warp` with an interpolation, and put the result into `dst`."""
    channels = image.shape[2] if image.ndim == 3 else 1
    border = border_keywords(options.border_mode, options.border_value, channels)
    sampling: dict[str, Any] = {"method": "nearest"}
    values = channel_keywords(image)
    averaging = averaging_keywords(options.bank, options.kernel, options.front)
    if kind in NEAREST_KINDS:
        check_copies("INTER_NEAREST", options.kernel, options.front)
    else:
        sampling = averaging | {"anti_aliasing": options.anti_aliasing}
        values = intensity_keywords(image, options.value_range)
    keywords = {"output_shape": shape, **sampling}
    out = lerf_core.warp(image, inverse_map, **border, **(keywords | values))
    if options.border_mode & ~BORDER_ISOLATED == BORDER_TRANSPARENT:
        # How much of each output pixel the image covers, by the same arithmetic.
        keywords["front"] = None
        coverage = lerf_core.warp(np.ones(image.shape[:2], np.float32), inverse_map, **keywords)
        out = _blend(out, np.clip(coverage, 0, 1), _checked_dst(dst, out))
    return _stored(out, dst)


def _blend(out: Image, coverage: Image, background: Image) -> Image:
    """Lay a warped image over a background, by its coverage (rows, cols) of each pixel, 0..1."""
    coverage = coverage.astype(np.float64)[(...,) + (None,) * (out.ndim - 2)]
    background = background.reshape(out.shape)
    if out.dtype.kind == "b":
        return np.where(coverage > 0, out, background)
    with np.errstate(invalid="ignore"):
        mixed = coverage * out + (1 - coverage) * background
    if out.dtype.kind in "iu":
        mixed = np.rint(mixed)
    blended = np.where((coverage > 0) & (coverage < 1), mixed, 0).astype(out.dtype)
    # What is not mixed stays to the bit.
    return np.where(coverage >= 1, out, np.where(coverage <= 0, background, blended))


def _checked_dst(dst: Image | None, out: Image) -> Image:
    """Return `dst`, if the result fits into it."""
    if dst is None:
        raise InvalidArgumentError("BORDER_TRANSPARENT shows dst around the image, got None")
    if not isinstance(dst, np.ndarray):
        raise InvalidTypeError(f"dst must be an ndarray, got {type(dst).__name__}")
    shape = dst.shape[:2] if dst.shape[2:] == (1,) else dst.shape
    if shape != out.shape or dst.dtype != out.dtype:
        raise InvalidArgumentError(
            f"dst must be {out.dtype} of shape {out.shape}, got {dst.dtype} of shape {dst.shape}"
        )
    return dst


def _stored(out: Image, dst: Image | None) -> Image:
    """Return the result, contiguous; or `dst`, into which it is written."""
    if dst is None:
        return np.ascontiguousarray(out)
    _checked_dst(dst, out)[...] = out.reshape(dst.shape)
    return dst
