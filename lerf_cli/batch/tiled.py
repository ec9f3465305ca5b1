"""Files larger than memory: the same operations, tile by tile, here or on a dask cluster."""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from lerf_cli.batch.cluster import connected
from lerf_cli.batch.labels import label_resampling, labels_of
from lerf_cli.batch.reporting import Reporter, progress_bar
from lerf_cli.batch.tiled_resampling import TiledResampling
from lerf_cli.options.values import BatchOptions, TilingOptions
from lerf_core.errors import (
    FileError,
    LerfError,
    ResultExistsError,
    SourceChangedError,
    one_line,
)  # fmt: skip
from lerf_core.execution.memory import available_memory
from lerf_core.io.locations import is_url, local_path

if TYPE_CHECKING:
    from lerf_cli.batch.discovery import Entry, InputData
    from lerf_cli.batch.operation import ImageOperation
    from lerf_core.execution.plan import Plan
    from lerf_core.io.tiles.tiled_reader import TiledReader
    from lerf_core.io.tiles.tiled_writer import TiledWriter, WriterSpec

__all__ = ["check", "most_memory", "opened_resampling", "opened_source", "preview", "process"]

Shape = tuple[int, int]
#: Called with a line for the user.
Tell = Callable[[str], None]

# Bytes that tiled work takes of the memory where none is named: more makes it no faster.
_MOST_BYTES = 1536 << 20
# Python, its libraries, the compiled kernels and the packed tables.
_PROGRAM_BYTES = 320 << 20
_LEAST_BYTES = 448 << 20
# Of the memory for the work: the most that decoded chunks may take to be read again.
_MOST_CACHE_BYTES = 256 << 20
# Bytes per value of a block beside the value itself: feature, parameters, and means.
_WORK_PER_VALUE = 24
_LEAST_WINDOW = 1 << 16
# Seconds after which the user is told what took them.
_NOTED_SECONDS = 5


def opened_resampling(
    path: str, operation: ImageOperation, options: BatchOptions
) -> TiledResampling:
    """Open a file to be resampled tile by tile.

    Parameters
    ----------
    path : str
        A path, or an fsspec's URL.
    operation : ImageOperation
    options : BatchOptions

    Raises
    ------
    FileError, LerfError
    """
    cache, most_decoded = _source_memory(options.tiling)
    source = opened_source(
        path, options.tiling, cache, most_decoded, labels=bool(operation.resampling.labels)
    )
    try:
        return TiledResampling(source, operation, options)
    except BaseException:
        source.close()
        raise


def process(
    resampling: TiledResampling,
    source_path: str,
    target_path: str,
    entry: Entry,
    options: BatchOptions,
    reporter: Reporter,
    data: InputData,
    *,
    keep: bool = False,
) -> None:
    """Resample one file, tile by tile.

    Parameters
    ----------
    resampling : TiledResampling
        Its source is closed afterwards, or kept.
    source_path, target_path : str
        Paths, or fsspec's URLs.
    entry : Entry
        The file in messages.
    options : BatchOptions
    reporter : Reporter
    data : InputData
        May have the file open, with the chunks that were decoded for a size before.
    keep : bool, optional
        Whether a further size of the file follows.

    Raises
    ------
    FileError, LerfError
    """
    tell = partial(reporter.note, entry)
    started = time.perf_counter()
    with data.lent(resampling, keep=keep) as is_shared:
        source = resampling.source
        cache, most_decoded = _source_memory(options.tiling, source if is_shared else None)
        source.limit_memory(cache, most_decoded)
        for note in source.notes:
            tell(note)
        spec, lost = resampling.spec(target_path)
        labels, left = labels_of(source, spec.format)
        target = _opened_target(target_path, spec, options, tell)
        if spec.is_cog and not (spec.is_labels or spec.is_majority or spec.dtype == np.bool_):
            from lerf_core.tiled.overviews import ShrunkLevels

            target.level_maker = ShrunkLevels(spec)
        try:
            for note in resampling.notes + lost + left + target.claim.notes:
                tell(note)
            budget = _budget(options.tiling) - cache
            _run(
                resampling, target, target_path, labels, budget, options, tell,
                bar=reporter.shows_bars,
            )  # fmt: skip
        except BaseException as error:
            # What cannot be of use any more, or is not wanted, is not kept.
            is_void = isinstance(error, SourceChangedError) or (
                isinstance(error, ResultExistsError) and options.skip_existing
            )
            kept = target.abandon(keep=not is_void)
            if kept and "--resume" not in str(error):
                tell("finished chunks are kept: go on with --resume")
            raise
    line = _change(source_path, target_path, resampling.plan)
    reporter.detail(f"{line} ({time.perf_counter() - started:.2f} s)")


def preview(
    resampling: TiledResampling, source_path: str, target_path: str, tiling: TilingOptions
) -> None:
    """Tell what `process` would do, without reading pixels; refuse what it would refuse."""
    with resampling.source:
        check(resampling, target_path, tiling)
        click.echo(_change(source_path, target_path, resampling.plan))


def check(resampling: TiledResampling, target_path: str, tiling: TilingOptions) -> None:
    """Refuse what `process` would refuse, without reading pixels.

    Raises
    ------
    FileError
    """
    resampling.source.limit_memory(*_source_memory(tiling))
    resampling.spec(target_path)


def most_memory(tiling: TilingOptions) -> int:
    """Return the bytes that work by tiles may take, the program included; see `check`."""
    return _budget(tiling) + _PROGRAM_BYTES


def _change(source_path: str, target_path: str, plan: Plan) -> str:
    """Return the line that says what becomes of a file."""
    sizes = [f"{cols}x{rows}" for rows, cols in (plan.source_shape, plan.out_shape)]
    return f"{source_path} {sizes[0]} -> {target_path} {sizes[1]} tile by tile"


def opened_source(
    path: str,
    options: TilingOptions,
    cache_bytes: int,
    most_decoded: int | None,
    *,
    labels: bool = False,
) -> TiledReader:
    """Open a file for reading by regions.

    Parameters
    ----------
    path : str
        A path, or an fsspec's URL.
    options : TilingOptions
    cache_bytes : int
        Bound of the decoded chunks that are kept.
    most_decoded : int or None
        Most bytes that one decoding may take; None for no bound.
    labels : bool, optional
        Whether values are read as they are stored.
    """
    from lerf_core.io.reading import open_reader

    return open_reader(
        path if is_url(path) else os.path.abspath(path),  # noqa: PTH100
        level=options.level,
        series=options.series,
        cache_bytes=cache_bytes,
        missing=options.missing,
        max_decoded_bytes=most_decoded,
        labels=labels,
    )


def _budget(options: TilingOptions) -> int:
    """Return the bytes for the work itself."""
    if options.memory is not None:
        if options.memory < _LEAST_BYTES:
            raise FileError(
                f"--memory {options.memory >> 20}M is too little: the program alone takes "
                f"{_PROGRAM_BYTES >> 20}M, {_LEAST_BYTES >> 20}M is the least"
            )
        return options.memory - _PROGRAM_BYTES
    free = available_memory()
    most = _MOST_BYTES if free is None else min(_MOST_BYTES, free // 2)
    return max(most, _LEAST_BYTES) - _PROGRAM_BYTES


def _source_memory(options: TilingOptions, shared: TiledReader | None = None) -> tuple[int, int]:
    """Return the bytes of chunks that are kept, and the most that one decoding may take.

    Parameters
    ----------
    options : TilingOptions
    shared : TiledReader, optional
        Of which several sizes are made: all of its chunks are kept, where half of the memory will
        do. A part of them would be of no use: the next size begins at the first one.
    """
    budget = _budget(options)
    cache = min(_MOST_CACHE_BYTES, budget // 5)
    if shared is not None and shared.bytes_to_keep_all <= budget // 2:
        cache = max(cache, shared.bytes_to_keep_all)
    return cache, budget // 2


# -- target and run -----------------------------------------------------------------------


def _opened_target(path: str, spec: WriterSpec, options: BatchOptions, tell: Tell) -> TiledWriter:
    """Open the target; tell, or refuse, what its disk may not hold."""
    from lerf_core.io.tiles.tiled_writer import disk_bytes_needed
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
    return open_writer(path, spec, resume=options.tiling.resume, overwrite=options.overwrite)


@dataclass(frozen=True)
class _Running:
    """How the work on a file is run."""

    budget: int
    threads: int
    client: Any
    tell: Tell
    bar: bool

    def fill(self, resampling: TiledResampling, target: TiledWriter) -> None:
        """Resample all blocks that are not finished, in as much memory as there is."""
        from lerf_core.tiled.blocks import block_shape, regions
        from lerf_core.tiled.running import run
        from lerf_core.tiled.work import Work

        plan = resampling.plan
        threads = self._threads_for(plan)
        share = self._budget_for(plan) // (threads + 1)
        per_pixel = plan.pixels.channels * (plan.dtype.itemsize + _WORK_PER_VALUE)
        least = _LEAST_WINDOW
        if plan.options.front is not None:
            from lerf_core.tiled.blocks import front_bytes_per_pixel

            # Fronts take what they say: no window is so small that it costs nothing.
            per_pixel, least = per_pixel + front_bytes_per_pixel(plan), 1
        window_limit = max(least, share // per_pixel)
        work = Work(
            plan, resampling.source, target.sink, window_limit, resampling.before, resampling.after
        )
        shape = block_shape(plan, target.block_multiple, share)
        if target.finished_count:
            count = sum(1 for _ in regions(plan, shape))
            self.tell(f"resumed: {target.finished_count} of {count} chunks were finished")
        name = f"lerf-{'warp' if plan.scale is None else 'resize'}-{os.urandom(4).hex()}"
        with _progress(plan, bar=self.bar) as progress:
            run(
                work, target, shape, threads=threads, client=self.client, name=name,
                progress=progress,
            )  # fmt: skip
        resampling.source.check_unchanged()

    def _budget_for(self, plan: Plan) -> int:
        """Return the bytes that are left to blocks."""
        front = plan.options.loaded_front
        return self.budget if front is None else max(self.budget - front.memory_kept, 1)

    def _threads_for(self, plan: Plan) -> int:
        """Return how many threads there is memory for.

        Raises
        ------
        FileError
            If there is none for the smallest piece that a front can enlarge.
        """
        front = plan.options.loaded_front
        if front is None:
            return self.threads
        from lerf_core.tiled.blocks import least_bytes

        least, budget = least_bytes(plan), self._budget_for(plan)
        if 2 * least > budget:
            needed = (2 * least + front.memory_kept) / 2**20
            raise FileError(
                f"front {front.name!r} takes {needed:.0f} MiB with the smallest of tiles, "
                f"and there are {self.budget / 2**20:.0f} MiB for it: --memory gives more"
            )
        return max(1, min(self.threads, budget // least - 1))


def _run(
    resampling: TiledResampling,
    target: TiledWriter,
    target_path: str,
    labels: tuple[str, ...],
    budget: int,
    options: BatchOptions,
    tell: Tell,
    *,
    bar: bool,
) -> None:
    """Resample an image and its labels, in `budget` bytes, and complete the target."""
    from lerf_core.threads import thread_count

    with connected(options.tiling, tell) as client:
        running = _Running(budget, thread_count(resampling.threads), client, tell, bar)
        running.fill(resampling, target)
        for name in labels:
            _add_labels(name, resampling, target, target_path, options, running)
        started = time.perf_counter()
        target.commit()
        if time.perf_counter() - started > _NOTED_SECONDS:
            tell(f"pyramid and metadata took {time.perf_counter() - started:.0f} s")


def _add_labels(
    name: str,
    image: TiledResampling,
    target: TiledWriter,
    target_path: str,
    options: BatchOptions,
    running: _Running,
) -> None:
    """Resample labels that lie with an image; tell why they are left out, where they are."""
    image.source.forget_chunks()  # the labels' have their place in the memory
    with ExitStack() as stack:
        try:
            source = opened_source(
                image.source.labels[name],
                replace(options.tiling, series=0),
                *_source_memory(options.tiling),
                labels=True,
            )
            stack.enter_context(source)
            resampling = label_resampling(source, image, options)
            spec, lost = resampling.spec(target_path)
        except LerfError as error:
            running.tell(f"labels {name} left out: {one_line(error)}")
            return
        for note in source.notes + resampling.notes + lost:
            running.tell(f"labels {name}: {note}")
        writer = target.labels_writer(name, spec)
        running.fill(resampling, writer)
        writer.commit()


class _PixelBar:
    """A bar over the output's pixels, with the time that is left; called with pixels done."""

    def __init__(self, total: int) -> None:
        self._bar = progress_bar(total, unit="px", unit_scale=True)

    def __call__(self, pixels: int, *, fresh: bool) -> None:
        if not fresh:  # no part of the speed that tells what is left
            self._bar.initial += pixels
        self._bar.update(pixels)

    def close(self) -> None:
        self._bar.refresh()  # short work is done before it was ever drawn
        self._bar.close()


@contextmanager
def _progress(plan: Plan, *, bar: bool) -> Iterator[Any]:
    """Yield what is to be called with finished pixels; None where no bar is drawn."""
    if not bar:
        yield None
        return
    drawn = _PixelBar(math.prod(plan.result_shape) // plan.pixels.channels)
    try:
        yield drawn
    finally:
        drawn.close()
