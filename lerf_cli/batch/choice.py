"""Whether a file is resampled in one piece or tile by tile."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from lerf_cli.batch.discovery import Job, is_store, is_stream
from lerf_cli.options.values import BatchOptions, tiled_format
from lerf_core.errors import FileError, LerfError
from lerf_core.io.formats import DEFAULT_MAX_PIXELS, by_path

if TYPE_CHECKING:
    from lerf_cli.batch.operation import ImageOperation
    from lerf_core.execution.plan import Plan

__all__ = ["goes_by_tiles"]

# Bytes of files, and pixels, that nobody needs tiles for.
_SMALL = 16 << 20


def goes_by_tiles(
    job: Job, source: Path | bytes, operation: ImageOperation, options: BatchOptions
) -> bool:
    """Tell whether a job is done tile by tile: asked for, by its formats, or by its size.

    Raises
    ------
    FileError
        If tiles are asked for, and a pipe or a device is read or written.
    """
    asked = options.tiling.is_asked
    if job.output is None or is_stream(job.output) or isinstance(source, bytes):
        if asked:
            raise FileError("tiles need a file to read and a file to write, no pipes")
        return False
    if asked or is_store(source) or source.suffix.lower() == ".npy":
        return True
    output_format = by_path(job.output) if options.format is None else options.format
    if output_format is None:
        return tiled_format(str(job.output)) is not None
    if output_format.name != "TIFF" or not _is_tiff(source):
        return False
    return _passes_memory(source, operation, options)


def _is_tiff(path: Path) -> bool:
    from lerf_core.io.codec import opened
    from lerf_core.io.tiff import TiffCodec

    try:
        with opened(path) as file:
            return TiffCodec().recognizes(file)
    except OSError:
        return False


def _passes_memory(source_path: Path, operation: ImageOperation, options: BatchOptions) -> bool:
    """Tell whether a TIFF is too large to be resampled in one piece, and can be tiled.

    More pixels than the default of ``--max-pixels`` are not read in one piece, whatever the memory,
    unless the option says otherwise.
    """
    from lerf_cli.batch.tiled import opened_source
    from lerf_cli.batch.tiled_job import TiledJob
    from lerf_core.execution.memory import available_memory

    tiling = options.tiling
    if source_path.stat().st_size < _SMALL and tiling.memory is None and not _many(source_path):
        return False
    free = available_memory()
    limit = tiling.memory or (None if free is None else free // 2)
    try:
        with opened_source(str(source_path), tiling, 1 << 20, None) as source:
            if source.series_count > 1:
                return False  # pages of different sizes: all of them, in one piece
            plan = TiledJob(source, operation, options).plan
            pixels = max(rows * cols for rows, cols in (plan.source_shape, plan.out_shape))
            if options.max_pixels == DEFAULT_MAX_PIXELS < pixels:
                return True
            return limit is not None and whole_memory(plan, source.nbytes) > limit
    except LerfError:
        return False  # whatever it is, the usual way tells it


def _many(path: Path) -> bool:
    """Whether a small file claims many pixels."""
    from lerf_core.io.reading import read_header

    try:
        header = read_header(path, 2**62)
    except FileError:
        return False
    return header.shape[0] * header.shape[1] * header.frames > _SMALL


def whole_memory(plan: Plan, source_bytes: int) -> int:
    """Estimate the memory that an operation takes in one piece, in bytes."""
    # The file's bytes, its pixels, the result, and the result as it is encoded.
    result = math.prod(plan.result_shape) * plan.result_dtype.itemsize
    return 2 * source_bytes + plan.memory_needed() + result
