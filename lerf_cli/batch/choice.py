"""Whether a file is resampled in one piece or tile by tile, and what memory one piece takes."""

from __future__ import annotations

import math
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lerf_cli.batch.discovery import FileTask, is_stream
from lerf_cli.batch.preparation import Preparation
from lerf_cli.options.values import BatchOptions
from lerf_core.errors import FileError, LerfError
from lerf_core.io.formats import DEFAULT_MAX_PIXELS, by_path, tiled_format
from lerf_core.io.image import DecodedImage
from lerf_core.io.locations import is_zarr_folder

if TYPE_CHECKING:
    from lerf_cli.batch.operation import ImageOperation
    from lerf_cli.batch.tiled_resampling import TiledResampling
    from lerf_core.execution.plan import Plan
    from lerf_core.io.codec import Header

__all__ = ["chosen_tiled_resampling", "memory_limit", "memory_of", "whole_memory"]

# Bytes of files, and values, that need no tiles.
_SMALL = 16 << 20


def chosen_tiled_resampling(
    task: FileTask, source: Path | bytes, operation: ImageOperation, options: BatchOptions
) -> TiledResampling | None:
    """Return the work on a file that is done tile by tile; None: it is done in one piece.

    Tiles are asked for, or chosen by the formats or the size. The file is open, to be closed by
    whoever does the work.

    Raises
    ------
    FileError
        If tiles are asked for, and a pipe or a device is read or written.
    """
    asked = options.tiling.is_asked or operation.needs_tiles
    if task.output is None or is_stream(task.output) or isinstance(source, bytes):
        if asked:
            raise FileError("tiles need a file to read and a file to write, no pipes")
        return None
    output_format = by_path(task.output) if options.format is None else options.format
    named = tiled_format(str(task.output))
    is_tiled = named is not None and (output_format is None or named == "OME-TIFF")
    if asked or is_zarr_folder(source) or source.suffix.lower() == ".npy" or is_tiled:
        from lerf_cli.batch.tiled import opened_resampling

        return opened_resampling(str(source), operation, options)
    if output_format is None or output_format.name != "TIFF" or not _is_tiff(source):
        return None
    try:
        return _resampling_of_tiff(source, operation, options)
    except LerfError:
        return None  # resampling in one piece raises it again, with its own message


def _is_tiff(path: Path) -> bool:
    from lerf_core.io.codec import opened
    from lerf_core.io.codecs.tiff.codec import TiffCodec

    try:
        with opened(path) as file:
            return TiffCodec().recognizes(file)
    except OSError:
        return False


def _resampling_of_tiff(
    path: Path, operation: ImageOperation, options: BatchOptions
) -> TiledResampling | None:
    """Return the work on a TIFF that its description, or its size, wants tile by tile; else None.

    A stack's axes, and what a description says of pixels, go from TIFF to TIFF by tiles alone. More
    pixels than the default of ``--max-pixels`` are not read in one piece, whatever the memory,
    unless the option says otherwise.
    """
    from lerf_cli.batch.tiled import opened_source
    from lerf_cli.batch.tiled_resampling import TiledResampling

    tiling, limit = options.tiling, memory_limit(options)
    with ExitStack() as stack:
        labels = bool(operation.resampling.labels)
        source = stack.enter_context(opened_source(str(path), tiling, 1 << 20, None, labels=labels))
        is_described = source.is_described
        is_small = path.stat().st_size < _SMALL and source.size <= _SMALL
        if is_small and tiling.memory is None and not is_described:
            return None
        if source.series_count > 1 and not is_described:
            return None  # pages of different sizes: all of them, in one piece
        resampling = TiledResampling(source, operation, options)
        pixels = max(
            rows * cols for rows, cols in (resampling.plan.source_shape, resampling.plan.out_shape)
        )
        is_large = options.max_pixels == DEFAULT_MAX_PIXELS < pixels
        if (
            not is_described
            and not is_large
            and (limit is None or whole_memory(resampling.plan, source.nbytes) <= limit)
        ):
            return None
        stack.pop_all()
        return resampling


def memory_limit(options: BatchOptions) -> int | None:
    """Return the bytes that work in one piece may take; None: nobody knows."""
    from lerf_core.execution.memory import available_memory

    free = available_memory()
    return options.tiling.memory or (None if free is None else free // 2)


def memory_of(header: Header, operation: ImageOperation, options: BatchOptions) -> int | None:
    """Estimate the memory that a file takes in one piece, in bytes, before it is decoded.

    Returns
    -------
    int or None
        None: its header does not tell.

    Raises
    ------
    FileError, LerfError
        If it is refused.
    """
    if not header.layout:
        return None
    operation = operation.for_file(header.metadata, header.shape)
    axes = (header.channels,) if header.channels > 1 else ()
    template = DecodedImage(
        [np.zeros((1, 1, *axes), header.dtype)], header.layout, header.format, header.metadata
    )
    preparation = Preparation(
        operation.resampling, options.encoding, template, lambda _missing: (0.0, 1.0)
    )
    frame = preparation.image.frames[0]
    shape = (*header.shape, *frame.shape[2:])
    plan = operation.plan(shape, frame.dtype, preparation.keywords())
    needed = whole_memory(plan, math.prod(shape) * frame.itemsize, header.frames)
    return max(needed, header.decoding_bytes)


def whole_memory(plan: Plan, source_bytes: int, frames: int = 1) -> int:
    """Estimate the memory that an operation takes in one piece, in bytes.

    Parameters
    ----------
    plan : Plan
        Of a frame.
    source_bytes : int
        Of its pixels.
    frames : int, optional
        How many are held at once, before and after.
    """
    # The file's bytes, its pixels, the result, and the result as it is encoded.
    result = math.prod(plan.result_shape) * plan.result_dtype.itemsize
    further = 2 * (frames - 1) * result
    return 2 * frames * source_bytes + plan.memory_needed() + result + further
