"""warp; see `lerf_plugins.filters.skimage`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage.transform import PiecewiseAffineTransform, ProjectiveTransform

import lerf_core
from lerf_core.constants import COLOUR_PLANES
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_plugins.filters.arguments import (
    BankSource,
    FixedKernel,
    FrontSource,
    averaging_keywords,
    channel_keywords,
    reads_colours,
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

__all__ = ["warp"]

# scikit-image takes sizes this far from a whole number.
_SIZE_TOLERANCE = 1e-3


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
    bank: BankSource = None,
    kernel: FixedKernel = None,
    front: FrontSource | None = None,
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
    order, mode, cval, clip, preserve_range, bank, kernel, front
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
    Maps that move whole pixels copy them, as in `lerf_core.warp`. Points beyond a homography's
    horizon, NaN positions and, for "constant", points outside the mesh of a
    PiecewiseAffineTransform show `cval`.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage.transform import AffineTransform
    >>> image = np.eye(4, dtype=np.uint8) * 255
    >>> warp(image, AffineTransform(translation=(1, 0)))[0]  # x of the source is x + 1
    array([0., 0., 0., 0.])
    """
    array = as_array(image)
    if array.ndim not in {2, 3}:
        raise InvalidArgumentError(
            f"image must be (rows, cols) or (rows, cols, channels), got shape {array.shape}"
        )
    given, order = order, checked_order(order, array.dtype)
    if order == 0:
        check_copied(array.dtype, given, kernel, front)
    source = array if order == 0 else as_float(array, preserve_range=preserve_range)
    border: dict[str, Any] = {"mode": mode, "cval": cval}
    averaging = averaging_keywords(bank, kernel, front)
    sampling: dict[str, Any] | None = None
    if order > 0:
        sampling = {
            **averaging,
            "anti_aliasing": anti_aliasing,
            "value_range": value_range_of(array.dtype, source, preserve_range=preserve_range),
        }
    mapping = _as_map(inverse_map, map_args or {}, array.shape, output_shape, mode)
    if isinstance(mapping, list):
        # Colours that are read together are, wherever each of them is shown.
        are_colours = sampling is not None and source.shape[2] == COLOUR_PLANES
        together = are_colours and reads_colours(averaging)
        planes = [
            _warped(source, positions, None, border, sampling)[..., channel]
            if together
            else _warped(source[..., channel], positions, None, border, sampling)
            for channel, positions in mapping
        ]
        out = np.stack(planes, axis=-1)
    else:
        shape = _plane_shape(output_shape, array.shape)
        out = _warped(source, mapping, shape, border, sampling)
    return clip_to_source(out, source, mode, cval) if clip and order > 0 else out


# -- maps -----------------------------------------------------------------------------


def _plane_shape(output_shape: Any, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the rows and columns of a warp's result."""
    if output_shape is None:
        return shape[0], shape[1]
    sizes = whole_sizes(output_shape)
    rounding = np.abs(np.asarray(output_shape, np.float64) - sizes)
    if rounding.max() > _SIZE_TOLERANCE:
        raise InvalidArgumentError(f"output_shape must be whole numbers, got {output_shape!r}")
    if len(sizes) not in {2, len(shape)} or sizes[2:] not in {(), shape[2:]}:
        raise InvalidArgumentError(
            f"output_shape must be (rows, cols) or (rows, cols, channels) for an image of shape "
            f"{shape}, got {output_shape!r}"
        )
    return sizes[0], sizes[1]


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
    """Split coordinates (3, rows, cols, channels) by output channel.

    Returns
    -------
    list of (int, ndarray)
        For each output channel the image's channel that it shows, and source (row, col) positions,
        (2, rows, cols).
    """
    split = []
    for number in range(coordinates.shape[3]):
        row, col, channel = np.moveaxis(coordinates[..., number], 0, 0)
        shown = float(channel.flat[0])
        if not shown.is_integer() or not 0 <= shown < channels or np.any(channel != shown):
            raise InvalidArgumentError(
                f"coordinates of output channel {number} must lie in one of the image's "
                f"{channels} channels, got {channel.min()} to {channel.max()}"
            )
        split.append((int(shown), np.stack([row, col]).astype(np.float64)))
    return split


def _warped(
    source: Image,
    mapping: Image,
    shape: tuple[int, int] | None,
    border: dict[str, Any],
    sampling: dict[str, Any] | None,
) -> Image:
    """Warp an image, or copy its pixels.

    Parameters
    ----------
    source : ndarray, (rows, cols) or (rows, cols, channels)
    mapping : ndarray, (3, 3) or (2, rows, cols)
        Inverse matrix, or source (row, col) positions, whose shape is then the result's.
    shape : (int, int) or None
        Of the result; None: the map's own.
    border, sampling : dict
        Keywords of `lerf_core.warp`. Without `sampling` the nearest pixels are copied.
    """
    if mapping.ndim == 3:
        shape = None
    keywords = border | channel_keywords(source) | {"output_shape": shape}
    if sampling is not None:
        return lerf_core.warp(source, mapping, **(keywords | sampling))
    # Of two pixels equally near, lerf_core takes the upper or left one, scikit-image the other.
    last = np.array([source.shape[0] - 1, source.shape[1] - 1], dtype=np.float64)
    if mapping.ndim == 3:
        turned = last[:, None, None] - mapping
    else:
        turned = np.array([[-1, 0, last[1]], [0, -1, last[0]], [0, 0, 1.0]]) @ mapping
    return lerf_core.warp(source[::-1, ::-1], turned, method="nearest", **keywords)
