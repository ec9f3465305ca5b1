"""resize, rescale and warp of dask arrays: lazy, and chunk by chunk.

Each chunk of the result asks for the part of the image that it depends on, and for nothing
else: through the map, the method's margin and the border. It is bit for bit what it is in
the result of the functions of the same names in `lerf_core`.

Convention
----------
As in `lerf_core`: images are indexed (row, col), matrices act on (x, y).

Notes
-----
Two figures are taken over all of an image and so may differ beyond uint8: float alpha that
leaves the value range is kept to its extremes in the window, and with ``fast=True`` a float
image that misses values somewhere is resized in full where they are, not everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Unpack

import dask
import dask.array as da
import numpy as np
import numpy.typing as npt

from lerf_core.bank.loading import BankSource
from lerf_core.chunked.graph import Field, lazy_result
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.execution.frame import Fill
from lerf_core.execution.masked import masked_plan, stacked, unstacked
from lerf_core.execution.plan import Plan
from lerf_core.execution.planning import plan_rescale, plan_resize, plan_warp
from lerf_core.geometry.maps import Displacement, ReadyMap
from lerf_core.options import DEFAULTS, ResamplingKeywords
from lerf_core.validation import check_axes, check_count, check_number

__all__ = ["rescale", "resize", "warp"]

Chunks = int | str | tuple[Any, ...] | None

#: Source pixels that a task reads at once, unless told otherwise: those of 8192 by 8192.
WINDOW_LIMIT = 1 << 26


def resize(
    image: da.Array,
    output_shape: Sequence[int],
    crop: Sequence[int] | None = None,
    *,
    fill: Fill | None = None,
    bank: BankSource = None,
    chunks: Chunks = None,
    window_limit: int = WINDOW_LIMIT,
    **keywords: Unpack[ResamplingKeywords],
) -> da.Array:
    """Resize a dask array to a given number of rows and columns, lazily.

    Parameters
    ----------
    image : dask.array.Array
        Any number of axes; the last two that are not ``channel_axis`` are rows and columns.
        All chunks along ``channel_axis`` are merged. Of masked arrays the result is masked, as in
        `lerf_core.resize`.
    output_shape : sequence of int
        (rows, cols); or the shape of the whole result.
    crop : (int, int, int, int), optional
        Top, bottom, left and right of the part of that to return; see `lerf_core.resize`, and so
        for `fill`.
    fill : float or sequence of float, optional
    bank : Bank, str, path or None
        See `lerf_core.resize`.
    chunks : int, (rows, cols) or None
        Chunks of the result along rows and columns: lengths, or tuples of all lengths. None:
        those of the image, scaled, and halved until a chunk keeps to dask's
        ``array.chunk-size``.
    window_limit : int
        Source pixels that a task reads at once, behind a front those of the enlargement; chunks
        that need more are computed in pieces.
    **keywords
        As for `lerf_core.resize`. ``threads`` is 1 unless given: chunks are what runs side
        by side.

    Returns
    -------
    dask.array.Array
        Of the image's dtype (see ``preserve_range``), bit for bit what `lerf_core.resize`
        gives for the computed image.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If an argument cannot be used.
    BankError, BankNotFoundError, FrontError
        If the bank or the front cannot be loaded.

    Examples
    --------
    >>> import dask.array as da
    >>> image = da.zeros((100_000, 100_000), dtype="uint8", chunks=4096)
    >>> resize(image, (200_000, 200_000))[:2, :2].compute().shape
    (2, 2)
    """
    image, options = _checked(image, keywords, mode="edge")
    plan = plan_resize(
        image.shape, image.dtype, output_shape, bank, crop=crop, fill=fill, **options
    )
    return _lazy(plan, image, chunks, window_limit)


def rescale(
    image: da.Array,
    scale: float | tuple[float, float],
    *,
    bank: BankSource = None,
    chunks: Chunks = None,
    window_limit: int = WINDOW_LIMIT,
    **keywords: Unpack[ResamplingKeywords],
) -> da.Array:
    """Resize a dask array by a factor, or by one for the rows and one for the columns, lazily.

    Parameters
    ----------
    image : dask.array.Array
        As for `resize`, and so are all other parameters.
    scale : float or (float, float)
        See `lerf_core.rescale`.

    Returns
    -------
    dask.array.Array
        Of the image's dtype.

    Examples
    --------
    >>> import dask.array as da
    >>> rescale(da.zeros((100, 120), dtype="uint8", chunks=50), 1.5).chunks
    ((75, 75), (75, 75, 30))
    """
    image, options = _checked(image, keywords, mode="edge")
    plan = plan_rescale(image.shape, image.dtype, scale, bank, **options)
    return _lazy(plan, image, chunks, window_limit)


def warp(
    image: da.Array,
    inverse_map: npt.ArrayLike | da.Array | Displacement | ReadyMap | Callable[..., Any],
    *,
    output_shape: Sequence[int] | None = None,
    bank: BankSource = None,
    chunks: Chunks = None,
    window_limit: int = WINDOW_LIMIT,
    max_displacement: float | None = None,
    **keywords: Unpack[ResamplingKeywords],
) -> da.Array:
    """Warp a dask array by any map from output pixels to source positions, lazily.

    Parameters
    ----------
    image : dask.array.Array
        As for `resize`, and so are the parameters not described here.
    inverse_map : array_like, dask.array.Array, Displacement, Reprojection or callable
        See `lerf_core.warp`. Of a matrix, the part of the image that a chunk sees is known
        from its corners, of a reprojection from a lattice. Coordinates, a displacement field
        (NumPy or dask arrays) and what a callable returns are gone through once, chunk by chunk,
        when this function is called, to learn it; but see ``max_displacement``.
    output_shape : sequence of int, optional
        (rows, cols). None: that of the coordinates, or else that of the image.
    max_displacement : float, optional
        For a `Displacement`: no step along rows or columns is longer, in pixels. Then nothing of
        the field is computed before the result is.

    Returns
    -------
    dask.array.Array
        Of the image's dtype. Chunks that see nothing of the image read nothing of it.

    Raises
    ------
    InvalidArgumentError
        Also while the result is computed, if a step is longer than ``max_displacement``.

    Examples
    --------
    >>> import dask.array as da
    >>> turned = [[0, 1, 0], [-1, 0, 199_999], [0, 0, 1]]
    >>> image = da.zeros((200_000, 200_000), dtype="uint8", chunks=8192)
    >>> warp(image, turned).numblocks
    (25, 25)
    """
    image, options = _checked(image, keywords, mode="constant")
    if max_displacement is not None:
        _check_displacement(max_displacement, inverse_map)
    is_relative = isinstance(inverse_map, Displacement)
    values = inverse_map.field if isinstance(inverse_map, Displacement) else inverse_map
    if isinstance(values, da.Array):
        inverse_map = _placeholder(values, is_relative=is_relative)
    plan = plan_warp(image.shape, image.dtype, inverse_map, output_shape, bank, **options)
    field = None
    if isinstance(values, da.Array) or (
        not (callable(values) or isinstance(values, ReadyMap)) and np.ndim(values) == 3
    ):
        field = Field(values, is_relative, max_displacement)
    return _lazy(plan, image, chunks, window_limit, field)


# -- arguments --------------------------------------------------------------------------


def _checked(image: Any, keywords: Any, *, mode: str) -> tuple[da.Array, dict[str, Any]]:
    """Return the image with its channels in one chunk, and all keywords."""
    options = DEFAULTS | {"mode": mode, "threads": 1}
    unknown = sorted(set(keywords) - set(options))
    if unknown:
        raise TypeError(f"unknown keyword arguments: {', '.join(unknown)}")
    options |= keywords
    if not isinstance(image, da.Array):
        raise InvalidTypeError(
            f"image must be a dask array, got {type(image).__name__}; dask.array.from_array makes "
            "one, and lerf_core resamples NumPy arrays"
        )
    if any(math.isnan(size) for size in image.shape):
        raise InvalidArgumentError(
            f"image has chunks of unknown size: shape {image.shape}; call compute_chunk_sizes()"
        )
    axis = options["channel_axis"]
    check_axes(image.shape, image.dtype, axis, stacklevel=4)
    if axis is not None:
        image = image.rechunk({axis % image.ndim: -1})
    return image, options


def _check_displacement(longest: float, inverse_map: object) -> None:
    if not isinstance(inverse_map, Displacement):
        raise InvalidArgumentError("max_displacement goes with a Displacement")
    if not 0 <= check_number("max_displacement", longest) < math.inf:
        raise InvalidArgumentError(
            f"max_displacement must be finite and not below 0, got {longest!r}"
        )


def _placeholder(field: da.Array, *, is_relative: bool) -> Any:
    """Return an array of a field's shape and dtype, without memory of its own, to plan with."""
    if any(math.isnan(size) for size in field.shape):
        raise InvalidArgumentError(
            f"inverse_map has chunks of unknown size: shape {field.shape}; "
            "call compute_chunk_sizes()"
        )
    values = np.broadcast_to(np.zeros((), field.dtype), field.shape)
    return Displacement(values) if is_relative else values


def _result_chunks(plan: Plan, image: da.Array, chunks: Chunks) -> tuple[tuple[int, ...], ...]:
    """Return the lengths of the result's chunks along all axes."""
    lengths = list(image.chunks)
    wanted = chunks if isinstance(chunks, tuple) else (chunks, chunks)
    if len(wanted) != 2:
        raise InvalidArgumentError(f"chunks must be a length or (rows, cols), got {chunks!r}")
    scale = plan.scale or (1.0, 1.0)
    for axis, size, factor, length in zip(plan.axes, plan.out_shape, scale, wanted, strict=True):
        if length is None:
            length = min(size, max(1, round(max(image.chunks[axis]) * factor)))
        try:
            (lengths[axis],) = da.core.normalize_chunks((length,), (size,))
        except (ArithmeticError, TypeError, ValueError) as error:
            raise InvalidArgumentError(
                f"chunks {chunks!r} do not go with {size}: {error}"
            ) from error
        if 0 in lengths[axis]:
            raise InvalidArgumentError(f"chunks must not be empty, got {chunks!r}")
    if chunks is None:
        _halve(plan, lengths)
    return tuple(lengths)


def _halve(plan: Plan, lengths: list[tuple[int, ...]]) -> None:
    """Halve chunks along rows and columns, in place, until they keep to dask's size of chunks."""
    most_bytes = dask.utils.parse_bytes(dask.config.get("array.chunk-size"))
    pixel_bytes = plan.result_dtype.itemsize * math.prod(
        max(along) for axis, along in enumerate(lengths) if axis not in plan.axes
    )
    sides = [max(lengths[axis]) for axis in plan.axes]
    while math.prod(sides) * pixel_bytes > most_bytes and max(sides) > 1:
        longer = sides.index(max(sides))
        sides[longer] = -(-sides[longer] // 2)
    for axis, side, size in zip(plan.axes, sides, plan.out_shape, strict=True):
        if side < max(lengths[axis]):
            (lengths[axis],) = da.core.normalize_chunks((side,), (size,))


def _lazy(
    plan: Plan, image: da.Array, chunks: Chunks, window_limit: int, field: Field | None = None
) -> da.Array:
    limit = check_count("window_limit", window_limit)
    if not isinstance(image._meta, np.ma.MaskedArray):
        return lazy_result(plan, image, _result_chunks(plan, image, chunks), limit, field)
    layers = stacked(plan, da.ma.getdata(image), da.ma.getmaskarray(image), da)
    whole = masked_plan(plan)
    layers = layers.rechunk({(whole.options.channel_axis or 0) % layers.ndim: -1})
    result = lazy_result(whole, layers, _result_chunks(whole, layers, chunks), limit, field)
    data, mask = unstacked(plan, result)
    fill_value = image._meta.fill_value if data.dtype == image.dtype else None
    masked: da.Array = da.ma.masked_array(data, mask, fill_value=fill_value)
    return masked
