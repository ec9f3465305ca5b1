"""dask arrays: lazy resize, rescale and warp, and enlarging as a step of ``map_overlap``.

`resize`, `rescale` and `warp` are those of `lerf_core.chunked`: they work out by themselves what
each chunk needs, for any scale and map, and are what to use where lerf is a step of its own. They
take the place of `dask_image.ndinterp.affine_transform` and of ``map_blocks`` over
`skimage.transform`.

`resample_block` is for pipelines that have a ``dask.array.map_overlap`` already: together with
other work on the same blocks, it enlarges by whole factors. `depth` says how many pixels blocks
must share for it, and `rescale_blocks` is the call. For ``dask.delayed`` and ``dask.bag``, the
functions of `lerf_core` are plain functions of whole images, with ``threads=1``.

Convention
----------
As in `lerf_core`: images are indexed (row, col), pixel centres lie at integers, and centres of
source and result coincide.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Unpack

import dask.array as da
import numpy as np
import numpy.typing as npt

from lerf_core.chunked import rescale, resize, warp
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.execution.masked import masked_plan, stacked, unstacked
from lerf_core.execution.plan import Plan
from lerf_core.execution.planning import plan_rescale
from lerf_core.options import ResamplingKeywords
from lerf_core.sampling.shapes import spatial_axes
from lerf_core.sampling.windows import Block, Window
from lerf_core.validation import check_count
from lerf_plugins.filters.arguments import BankSource

__all__ = ["depth", "resample_block", "rescale", "rescale_blocks", "resize", "warp"]

Image = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]

# Side of an image that holds all that a pixel in its middle depends on.
_LARGE = 1 << 16


def depth(
    scale: int = 2,
    *,
    dtype: npt.DTypeLike = "uint8",
    channels: int | None = None,
    masked: bool = False,
    bank: BankSource = None,
    **keywords: Unpack[ResamplingKeywords],
) -> int:
    """Return how many pixels blocks must share to be enlarged as the whole image is.

    Parameters
    ----------
    scale : int
        Factor of the number of rows and columns.
    dtype : dtype
        Of the image. Floats, alpha and ``nodata`` need more: gaps are filled from around.
    channels : int, optional
        Length of the channel axis, if there is one.
    masked : bool, optional
        Whether the image is a masked array: gaps are filled, too.
    bank, **keywords
        As for `lerf_core.rescale`, but for ``channel_axis``.

    Returns
    -------
    int
        For the ``depth`` of ``dask.array.map_overlap``, along rows and along columns.

    Examples
    --------
    >>> depth(2), depth(2, dtype="float32")
    (7, 19)
    """
    shape = (_LARGE, _LARGE) if channels is None else (_LARGE, _LARGE, channels)
    axis = None if channels is None else -1
    options: dict[str, Any] = {**keywords, "channel_axis": axis}
    plan = _plan(shape, np.dtype(dtype), scale, bank, options)
    if masked:
        plan = masked_plan(plan)
    first, stop = _LARGE // 2, _LARGE // 2 + 1
    ends = first * scale, stop * scale
    (piece,) = plan.pieces(Block(*ends, *ends))
    if piece.windows is None:
        return 0
    ((low, high),) = piece.windows.rows.runs
    return max(first - low, high - stop)


def resample_block(
    block: Image,
    scale: int,
    overlap: int,
    *,
    block_info: Any = None,
    bank: BankSource = None,
    **keywords: Unpack[ResamplingKeywords],
) -> Image:
    """Enlarge one block of a dask array that shares pixels with its neighbours.

    To be called by ``dask.array.map_overlap`` with ``trim=False`` and ``boundary="none"``, or from
    a function of your own that it calls: hand ``block_info`` on. What blocks share is cut off
    here.

    Parameters
    ----------
    block : ndarray
        A block of the image, with the pixels that it shares; may be masked.
    scale : int
        Factor of the number of rows and columns.
    overlap : int
        The ``depth`` that was given to ``map_overlap`` along rows and columns; at least
        `depth`'s. Along all other axes it must be 0.
    block_info : dict
        As dask gives it.
    bank, **keywords
        As for `lerf_core.rescale`. ``threads`` is 1 unless given.

    Returns
    -------
    ndarray
        What belongs to the block itself, enlarged: bit for bit what it is in the whole result.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If an argument cannot be used, or the overlap is too small.

    Examples
    --------
    >>> import dask.array as da
    >>> image = da.zeros((100, 80), dtype="uint8", chunks=50)
    >>> enlarged = da.map_overlap(
    ...     resample_block, image, depth=depth(2), boundary="none", trim=False,
    ...     chunks=((100, 100), (100, 60)), dtype="uint8", scale=2, overlap=depth(2),
    ... )
    >>> enlarged.compute().shape
    (200, 160)
    """
    if block.size == 0:  # dask asks for the kind of array
        return block
    if not block_info:
        raise InvalidArgumentError(
            "resample_block needs the block_info that dask gives to functions with an argument "
            f"of that name, got {block_info!r}"
        )
    options: dict[str, Any] = {"threads": 1, **keywords}
    channel_axis = options.get("channel_axis")
    axes = spatial_axes(block.ndim, channel_axis)
    info = block_info[0]
    if channel_axis is not None and info["num-chunks"][channel_axis] > 1:
        raise InvalidArgumentError(f"channel_axis {channel_axis} must lie in one chunk: rechunk it")
    extents = [_BlockExtent.of(info, axis, overlap) for axis in axes]
    shape = list(block.shape)
    for axis, extent in zip(axes, extents, strict=True):
        shape[axis] = extent.size
    plan = _plan(tuple(shape), block.dtype, scale, bank, options)
    ends = [end * scale for extent in extents for end in (extent.first, extent.stop)]
    whole, layers = plan, block
    if isinstance(block, np.ma.MaskedArray):
        whole = masked_plan(plan)
        layers = stacked(plan, np.ma.getdata(block), np.ma.getmaskarray(block), np)
    (piece,) = whole.pieces(Block(*ends))
    if piece.windows is None:
        raise InvalidArgumentError(f"the block is empty: {ends}")
    for axis, extent, window in zip(axes, extents, piece.windows, strict=True):
        index = extent.indices(window, plan.options.mode, overlap)
        layers = np.take(layers, index, axis=axis)
    result = whole.compute_block(piece, layers)
    if whole is plan:
        return result
    data, mask = unstacked(plan, result)
    return np.ma.MaskedArray(data, mask, fill_value=getattr(block, "fill_value", None))


class _BlockExtent(NamedTuple):
    """Where a block of ``map_overlap`` lies along an axis of the image.

    Attributes
    ----------
    size : int
        Pixels of the image's axis.
    low, high : int
        The pixels that the block holds, shared ones included.
    first, stop : int
        The block's own pixels.
    """

    size: int
    low: int
    high: int
    first: int
    stop: int

    @classmethod
    def of(cls, info: Any, axis: int, overlap: int) -> _BlockExtent:
        """Read it from dask's block info, which counts what blocks share in both of them."""
        blocks, number = info["num-chunks"][axis], info["chunk-location"][axis]
        start, end = info["array-location"][axis]
        size = info["shape"][axis] - 2 * overlap * (blocks - 1)
        low = start - 2 * overlap * number
        high = low + end - start
        first = low + (overlap if number > 0 else 0)
        stop = high - (overlap if number < blocks - 1 else 0)
        if not 0 <= first < stop <= size:
            raise InvalidArgumentError(
                "overlap must be the depth given to map_overlap, with boundary='none', got "
                f"{overlap}"
            )
        return cls(size, low, high, first, stop)

    def indices(self, window: Window, mode: str, overlap: int) -> Indices:
        """Return where in the block the pixels of a window are, beyond a border of a mode too."""
        index: Indices = window.source_indices(mode) - self.low
        if index.min() < 0 or index.max() >= self.high - self.low:
            raise InvalidArgumentError(
                f"an overlap of {overlap} pixels is too small for mode {mode!r}: "
                f"see `depth`; mode 'wrap' needs `rescale`"
            )
        return index


def _plan(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    scale: int,
    bank: BankSource,
    options: dict[str, Any],
) -> Plan:
    """Plan a rescale by a whole factor, with border "edge" unless `options` name one."""
    try:
        factor = check_count("scale", scale)
    except InvalidTypeError as error:
        raise InvalidTypeError(f"{error}; `rescale` takes any factor") from error
    return plan_rescale(shape, dtype, float(factor), bank, **{"mode": "edge", **options})


def rescale_blocks(
    image: da.Array, scale: int, *, bank: BankSource = None, **keywords: Unpack[ResamplingKeywords]
) -> da.Array:
    """Enlarge a dask array by a whole factor with ``map_overlap``.

    It gives what `rescale` gives, and shows how `resample_block` is to be called.

    Parameters
    ----------
    image : dask.array.Array
        Chunks that are smaller than the overlap are merged with their neighbours.
    scale : int
        Factor of the number of rows and columns.
    bank, **keywords
        As for `lerf_core.rescale`.

    Returns
    -------
    dask.array.Array
        Of the image's dtype, with its chunks enlarged.

    Examples
    --------
    >>> import dask.array as da
    >>> image = da.zeros((100, 80, 3), dtype="uint8", chunks=(50, 50, 3))
    >>> rescale_blocks(image, 2, channel_axis=-1).chunks
    ((100, 100), (100, 60), (3,))
    """
    if not isinstance(image, da.Array):
        raise InvalidTypeError(f"image must be a dask array, got {type(image).__name__}")
    dask_array: Any = da  # which has no types
    array: Any = image
    axis = keywords.get("channel_axis")
    rows_and_cols = spatial_axes(array.ndim, axis)
    options: dict[str, Any] = dict(keywords)
    plan = _plan(array.shape, array.dtype, scale, bank, options)
    options.pop("channel_axis", None)
    channels = None if axis is None else array.shape[axis]
    is_masked = isinstance(array._meta, np.ma.MaskedArray)
    overlap = depth(
        scale, dtype=array.dtype, channels=channels, masked=is_masked, bank=bank, **options
    )
    lengths = {
        along: dask_array.overlap.ensure_minimum_chunksize(overlap, array.chunks[along])
        if array.shape[along] > overlap
        else -1
        for along in rows_and_cols
    }
    if axis is not None:
        lengths[axis % array.ndim] = -1
    array = array.rechunk(lengths)
    # An axis of one chunk shares nothing, and may be shorter than the overlap.
    depths = {
        along: overlap if along in rows_and_cols and len(array.chunks[along]) > 1 else 0
        for along in range(array.ndim)
    }
    chunks = tuple(
        tuple(length * scale for length in axis_chunks) if along in rows_and_cols else axis_chunks
        for along, axis_chunks in enumerate(array.chunks)
    )
    meta = np.empty((0,) * array.ndim, plan.result_dtype)
    if is_masked:
        meta = np.ma.MaskedArray(meta)
    result: da.Array = dask_array.map_overlap(
        resample_block, array, depth=depths, boundary="none", trim=False, chunks=chunks,
        dtype=plan.result_dtype, meta=meta, scale=scale, overlap=overlap, bank=bank, **keywords,
    )  # fmt: skip
    return result
