"""Files larger than memory: the same operations, tile by tile, here or on a dask cluster."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import lerf_core
from lerf_cli.batch.cluster import connected
from lerf_cli.batch.large_pixels import PlannedOperation, Preparation
from lerf_cli.options.tiling import LargeSettings, tiled_format
from lerf_core.errors import FileError, one_line
from lerf_core.io.locations import is_url, local_path
from lerf_core.io.writing import Encoding

if TYPE_CHECKING:
    from lerf_core.execution.plan import Plan
    from lerf_core.io.tiled_reader import TiledReader
    from lerf_core.io.tiled_writer import TiledWriter, WriterSpec

__all__ = ["is_tiff", "is_tiled_output", "is_url", "passes_memory", "preview", "transform"]

Shape = tuple[int, int]
#: Called with a line for the user.
Tell = Callable[[str], None]

# What tiled work takes of the memory where none is named: more makes it no faster.
_MOST_MEMORY = 1536 << 20
# Python, its libraries, the compiled kernels and the packed tables.
_PROGRAM = 320 << 20
_LEAST_MEMORY = 448 << 20
# Bytes of files, and pixels, that nobody needs tiles for.
_SMALL = 16 << 20


def is_tiled_output(name: str) -> bool:
    """Tell by its name whether an output can be written tile by tile."""
    return tiled_format(name) is not None


# -- one file -------------------------------------------------------------------------------


def transform(
    source_path: str,
    target_path: str,
    operation: PlannedOperation,
    encoding: Encoding,
    settings: LargeSettings,
    *,
    overwrite: bool,
    tell: Tell,
    bar: bool,
) -> tuple[Shape, Shape]:
    """Resample one file, tile by tile.

    Parameters
    ----------
    source_path, target_path : str
        Paths, or fsspec's URLs.
    operation : PlannedOperation
    encoding : Encoding
        Depth and background.
    settings : LargeSettings
    overwrite : bool
        Whether an existing result may be replaced.
    tell : callable
        Receives notes.
    bar : bool
        Whether to draw a progress bar.

    Returns
    -------
    (before, after)
        Rows and columns of source and result.

    Raises
    ------
    FileError, LerfError
    """
    budget = _budget(settings)
    cache = min(256 << 20, budget // 5)
    with _source(source_path, settings, cache, budget // 2) as source:
        for note in source.notes:
            tell(note)
        work = Preparation(source, operation, encoding, settings)
        spec = work.spec(target_path)
        target = _opened(target_path, spec, settings, overwrite=overwrite, tell=tell)
        try:
            _run(work, target, budget - cache, settings, tell=tell, bar=bar)
        except BaseException as error:
            target.abandon(keep=True)
            if target.finished_count and "--resume" not in str(error):
                tell("finished chunks are kept: go on with --resume")
            raise
        return work.plan.source_shape, work.plan.out_shape


def preview(
    source_path: str, operation: PlannedOperation, encoding: Encoding, settings: LargeSettings
) -> tuple[Shape, Shape]:
    """Return what `transform` would: rows and columns of source and result."""
    with _source(source_path, settings, 1 << 20, _budget(settings)) as source:
        plan = Preparation(source, operation, encoding, settings).plan
        return plan.source_shape, plan.out_shape


def passes_memory(
    source_path: Path,
    operation: PlannedOperation,
    encoding: Encoding,
    settings: LargeSettings,
    most_pixels: int | None,
) -> bool:
    """Tell whether a TIFF is too large to be resampled in one piece, and can be tiled.

    Parameters
    ----------
    source_path : Path
    operation : PlannedOperation
    encoding : Encoding
    settings : LargeSettings
    most_pixels : int or None
        More than this is not read in one piece, whatever the memory.
    """
    from lerf_core.execution.memory import available_memory

    if source_path.stat().st_size < _SMALL and settings.memory is None and not _many(source_path):
        return False
    free = available_memory()
    limit = settings.memory or (None if free is None else free // 2)
    try:
        with _source(str(source_path), settings, 1 << 20, None) as source:
            if source.info.get("series_count", 1) > 1:
                return False  # pages of different sizes: all of them, in one piece
            work = Preparation(source, operation, encoding, settings)
            pixels = max(
                int(np.prod(shape[:2])) for shape in (work.plan.source_shape, work.plan.out_shape)
            )
            if most_pixels is not None and pixels > most_pixels:
                return True
            return limit is not None and whole_memory(work.plan, source.nbytes) > limit
    except lerf_core.errors.LerfError:
        return False  # whatever it is, the usual way tells it


def is_tiff(path: Path) -> bool:
    """Tell a TIFF by its first bytes."""
    from lerf_core.io.tiff import pages

    try:
        with path.open("rb") as file:
            return pages.is_tiff(file.read(4))
    except OSError:
        return False


def _many(path: Path) -> bool:
    """Whether a small file claims many pixels."""
    from lerf_core.io.reading import read_header

    try:
        header = read_header(path, 2**62)
    except FileError:
        return False
    return header.shape[0] * header.shape[1] * header.frames > _SMALL


def _source(path: str, settings: LargeSettings, cache: int, most: int | None) -> TiledReader:
    from lerf_core.io.reading import open_reader

    return open_reader(
        path if is_url(path) else os.path.abspath(path),  # noqa: PTH100
        level=settings.level,
        cache_bytes=cache,
        missing=settings.missing,
        max_decoded_bytes=most,
    )


def _budget(settings: LargeSettings) -> int:
    """Return the bytes for the work itself."""
    from lerf_core.execution.memory import available_memory

    if settings.memory is not None:
        if settings.memory < _LEAST_MEMORY:
            raise FileError(
                f"--memory {settings.memory >> 20}M is too little: the program alone takes "
                f"{_PROGRAM >> 20}M, {_LEAST_MEMORY >> 20}M is the least"
            )
        return settings.memory - _PROGRAM
    free = available_memory()
    most = _MOST_MEMORY if free is None else min(_MOST_MEMORY, free // 2)
    return max(most - _PROGRAM, _LEAST_MEMORY - _PROGRAM)


def whole_memory(plan: Plan, source_bytes: int) -> int:
    """Estimate the memory that an operation takes in one piece."""
    from lerf_core.resampling import whole_bytes

    # The file's bytes, its pixels, the result, and the result as it is encoded.
    result = np.prod(plan.result_shape, dtype=float) * plan.result_dtype.itemsize
    return int(2 * source_bytes + whole_bytes(plan) + result)


# -- target and run ---------------------------------------------------------------------------


def _opened(
    path: str, spec: WriterSpec, settings: LargeSettings, *, overwrite: bool, tell: Tell
) -> TiledWriter:
    from lerf_core.io.tiled_writer import disk_bytes_needed
    from lerf_core.io.writing import open_writer

    path = local_path(path)
    if not is_url(path):
        path = os.path.abspath(path)  # noqa: PTH100
        folder = Path(path).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(folder).free
        except OSError as error:
            raise FileError(f"cannot write {path}: {one_line(error)}") from error
        needed = disk_bytes_needed(spec)
        text = (
            f"the result takes {needed / 2**30:.1f} GiB uncompressed, and {folder} has "
            f"{free / 2**30:.1f} GiB free"
        )
        if needed > free and spec.compression == "none":
            raise FileError(text)
        if needed > free:
            tell(text)
    return open_writer(path, spec, resume=settings.resume, overwrite=overwrite)


def _run(
    work: Preparation,
    target: TiledWriter,
    budget: int,
    settings: LargeSettings,
    *,
    tell: Tell,
    bar: bool,
) -> None:
    from lerf_core.execution.threads import thread_count
    from lerf_core.tiled.running import Work, block_shape, regions, run

    for note in work.notes:
        tell(note)
    with connected(settings, tell) as client:
        threads = thread_count(work.threads)
        share = budget // (threads + 1)
        plan = work.plan
        per_pixel = plan.pixel.channels * (plan.dtype.itemsize + 24)
        job = Work(
            plan, work.source, target.encoder, max(1 << 16, share // per_pixel),
            change=work.change, finish=work.finish,
        )  # fmt: skip
        shape = block_shape(plan, target.block_multiple, share)
        if target.finished_count:
            count = sum(1 for _ in regions(plan, shape))
            tell(f"resumed: {target.finished_count} of {count} chunks were finished")
        with _progress(plan, bar=bar) as progress:
            run(
                job, target, shape, threads=threads, client=client,
                name=f"lerf-{'warp' if plan.scale is None else 'resize'}-{os.urandom(4).hex()}",
                progress=progress,
            )  # fmt: skip
        started = time.perf_counter()
        target.commit()
        if time.perf_counter() - started > 5:
            tell(f"pyramid and metadata took {time.perf_counter() - started:.0f} s")


@contextmanager
def _progress(plan: Plan, *, bar: bool) -> Iterator[Any]:
    """Draw a bar over the output's pixels, with the time that is left."""
    if not bar:
        yield None
        return
    from tqdm import tqdm

    # Some terminals tell no size, and tqdm would draw nothing on what it takes for 0x0.
    cols, rows = shutil.get_terminal_size()
    with tqdm(
        total=int(np.prod(plan.result_shape, dtype=object)) // plan.pixel.channels,
        unit="px", unit_scale=True, file=sys.stderr, leave=False, ncols=cols, nrows=rows,
    ) as drawn:  # fmt: skip

        def advance(pixels: int, *, fresh: bool) -> None:
            if not fresh:  # no part of the speed that tells what is left
                drawn.initial += pixels
            drawn.update(pixels)

        yield advance
