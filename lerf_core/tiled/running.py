"""Resampling from a source into a target, block by block, in bounded memory.

Blocks are computed by threads, or by the workers of a dask cluster. Each reads its own
window of the source, and encodes (or, where the target allows, stores) its own part of the
result; what comes back is recorded here, so that interrupted work can go on.
"""

from __future__ import annotations

import itertools
import math
import pickle
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lerf_core.errors import FileError
from lerf_core.execution.plan import AnyBlock, Plan
from lerf_core.sampling.windows import Block, Window

if TYPE_CHECKING:
    from lerf_core.io.tiled_reader import TiledReader
    from lerf_core.io.tiled_writer import TiledWriter

__all__ = ["Progress", "Work", "block_shape", "run"]

Image = np.ndarray[Any, np.dtype[Any]]
Region = tuple[slice, ...]
Results = Generator[tuple[Region, Any], None, None]


class Progress(Protocol):
    """Hears of a block's output pixels when they are done: just now, or before this run."""

    def __call__(self, pixels: int, *, fresh: bool) -> None:
        """Take note."""


# Larger blocks are no faster.
_MOST_SIDE = 2048
# What a task needs beside its arrays, as a share of them: copies between steps.
_COPIES = 1.5


@dataclass(frozen=True)
class Work:
    """What is done to every block; travels to each worker once.

    Attributes
    ----------
    plan : Plan
        Of one thread.
    source : TiledReader
    encoder : object
        The target's.
    window_limit : int
        TiledReader pixels that are read at once.
    change : callable or None
        Applied to what is read: the image as it is resampled, of the plan's dtype.
    finish : callable or None
        Applied to what is computed: the image as it is written.
    """

    plan: Plan
    source: TiledReader
    encoder: Any
    window_limit: int
    change: Callable[[Image], Image] | None = None
    finish: Callable[[Image], Image] | None = None

    def block(self, region: Region) -> Any:
        """Compute a region of the result and return what the encoder makes of it."""
        pixels = self.compute(region)
        if self.finish is not None:
            pixels = self.finish(pixels)
        return self.encoder.encode(region, pixels)

    def compute(self, region: Region) -> Image:
        """Compute a region of the result, from what it depends on alone."""
        rows, cols = self.plan.axes
        down, across = region[rows], region[cols]
        block = Block(down.start, down.stop, across.start, across.stop)
        pieces = list(self.plan.pieces(block, self.window_limit))
        if len(pieces) == 1:
            return self._piece(pieces[0], region)
        shape = [part.stop - part.start for part in region]
        out = np.empty(shape, self.plan.result_dtype)
        for piece in pieces:
            part = [slice(None)] * out.ndim
            part[rows] = slice(piece.region.top - block.top, piece.region.bottom - block.top)
            part[cols] = slice(piece.region.left - block.left, piece.region.right - block.left)
            out[tuple(part)] = self._piece(piece, region)
        return out

    def _piece(self, piece: AnyBlock, region: Region) -> Image:
        if piece.windows is None:
            shape = [part.stop - part.start for part in region]
            for axis, size in zip(self.plan.axes, piece.region.shape, strict=True):
                shape[axis] = size
            return self.plan.border(tuple(shape))
        image = self._read(piece, region)
        if self.change is not None:
            image = self.change(image)
        return self.plan.compute_block(piece, image)

    def _read(self, piece: AnyBlock, region: Region) -> Image:
        """Read a piece's windows; the image's own channels, which the result may have more of."""
        if piece.windows is None:
            raise ValueError("a piece that sees nothing reads nothing")
        mode = self.plan.options.mode
        axis = self.plan.options.channel_axis
        index: list[Any] = [
            slice(0, size) if axis is not None and place == axis % len(region) else part
            # The result may have a channel axis more than the source, behind all others.
            for place, (part, size) in enumerate(zip(region, self.source.shape, strict=False))
        ]
        rows, cols = self.plan.axes
        runs = [_runs(window, mode) for window in piece.windows]
        lines = []
        for down in runs[0][0]:
            parts = []
            for across in runs[1][0]:
                index[rows], index[cols] = slice(*down), slice(*across)
                parts.append(self.source[tuple(index)])
            lines.append(parts[0] if len(parts) == 1 else np.concatenate(parts, axis=cols))
        image: Image = lines[0] if len(lines) == 1 else np.concatenate(lines, axis=rows)
        for place, (_, take) in zip((rows, cols), runs, strict=True):
            if take is not None:
                image = np.take(image, take, axis=place)
        return image


def _runs(window: Window, mode: str) -> tuple[list[tuple[int, int]], Any]:
    """Return the stretches of the source to read, and where in them each pixel lies."""
    if window.margin == 0 and len(window.runs) == 1:
        return list(window.runs), None
    wanted, place = np.unique(window.sources(mode), return_inverse=True)
    breaks = np.flatnonzero(np.diff(wanted) > 1) + 1
    parts = np.split(wanted, breaks)
    return [(int(part[0]), int(part[-1]) + 1) for part in parts], place


# -- which blocks ----------------------------------------------------------------------


def block_shape(plan: Plan, multiple: tuple[int, int], budget: int) -> tuple[int, int]:
    """Return rows and columns of the blocks to compute, for a budget of bytes each.

    Parameters
    ----------
    plan : Plan
    multiple : (int, int)
        Blocks are whole multiples of it.
    budget : int
        Bytes that the work on one block may take.
    """
    sides = [
        min(step * max(1, _MOST_SIDE // step), -(-size // step) * step)
        for step, size in zip(multiple, plan.out_shape, strict=True)
    ]
    while block_bytes(plan, (sides[0], sides[1])) > budget:
        # Halve the longer side, in whole multiples.
        longer = 0 if sides[0] >= sides[1] else 1
        for axis in (longer, 1 - longer):
            steps = sides[axis] // multiple[axis]
            if steps > 1:
                sides[axis] = multiple[axis] * (steps // 2)
                break
        else:
            break
    return sides[0], sides[1]


def block_bytes(plan: Plan, shape: tuple[int, int]) -> int:
    """Estimate the bytes that the work on a block of a shape takes, the source's windows too."""
    rows, cols = plan.out_shape
    height, width = min(shape[0], rows), min(shape[1], cols)
    top, left = (rows - height) // 2, (cols - width) // 2
    windows = plan.output_block(Block(top, top + height, left, left + width)).windows
    source = (windows.area if windows is not None else 0) * plan.pixels.channels
    result = height * width * plan.pixels.channels
    is_plain = plan.dtype == np.uint8 and not plan.options.linear_light
    kind = plan.options.bank.kind
    record = (4 if is_plain else 20) * (2 if kind.has_local_planes else 1)
    window_bytes = source * (plan.dtype.itemsize + record)
    # The result, its wider block, its smaller copy and what is encoded of it.
    result_bytes = result * plan.result_dtype.itemsize * 3
    if plan.scale is None:
        result_bytes += height * width * 48  # positions and stretches, band by band
    return int((window_bytes + result_bytes) * _COPIES)


def regions(plan: Plan, shape: tuple[int, int]) -> Iterator[Region]:
    """Yield the regions of the result, plane after plane, row after row."""
    whole = plan.result_shape
    rows, cols = plan.axes
    channels = plan.options.channel_axis
    steps = [1] * len(whole)
    if channels is not None:
        steps[channels] = whole[channels]
    steps[rows], steps[cols] = shape
    starts = [range(0, size, step) for size, step in zip(whole, steps, strict=True)]
    for corner in itertools.product(*starts):
        yield tuple(
            slice(first, min(first + step, size))
            for first, step, size in zip(corner, steps, whole, strict=True)
        )


# -- who computes them -------------------------------------------------------------------


@dataclass
class _Threads:
    """Computes blocks on threads of this process."""

    count: int
    _pool: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(self.count, thread_name_prefix="lerf")

    def results(self, work: Work, todo: Iterable[Region]) -> Results:
        """Yield regions with what became of them, a few ahead of what is asked for."""
        waiting: dict[Future[Any], Region] = {}
        pending = iter(todo)
        try:
            while True:
                for region in itertools.islice(pending, self.count + 1 - len(waiting)):
                    waiting[self._pool.submit(work.block, region)] = region
                if not waiting:
                    return
                ready, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in ready:
                    yield waiting.pop(future), future.result()
        finally:
            for future in waiting:
                future.cancel()
            self._pool.shutdown(wait=True, cancel_futures=True)


class _Cluster:
    """Computes blocks on the workers of a dask cluster.

    The work is itself a task's result: workers get it from each other once, and it is made
    anew if the worker that holds it dies.
    """

    def __init__(self, client: Any, name: str) -> None:
        self._client, self._name = client, name

    def results(self, work: Work, todo: Iterable[Region]) -> Results:
        """Yield regions with what became of them, a few ahead for each thread of the cluster."""
        from distributed import as_completed

        client = self._client
        shared = client.submit(
            pickle.loads, pickle.dumps(work), key=f"{self._name}-work", pure=False
        )
        pending = iter(todo)
        regions: dict[str, Region] = {}

        def submitted(count: int) -> list[Any]:
            futures = []
            for region in itertools.islice(pending, count):
                corner = "-".join(str(part.start) for part in region)
                key = f"{self._name}-{corner}"
                regions[key] = region
                futures.append(
                    client.submit(_block, shared, region, key=key, pure=False, retries=3)
                )
            return futures

        ahead = 2 * max(1, sum(client.nthreads().values()))
        queue = as_completed(submitted(ahead))
        try:
            for future in queue:
                yield regions.pop(future.key), _result(future)
                # Replaced one by one, as the cluster shrinks or grows.
                wanted = 2 * max(1, sum(client.nthreads().values())) - queue.count()
                queue.update(submitted(max(1, wanted)))
                future.release()
        finally:
            client.cancel([*queue.futures])


def _result(future: Any) -> Any:
    """Return a task's result, or say in words that the cluster lost it."""
    from distributed.scheduler import KilledWorker

    try:
        return future.result()
    except KilledWorker as error:
        raise FileError(
            "workers died again and again over one chunk (too little memory?): "
            f"{' '.join(str(error).split())[:200]}"
        ) from error
    except CancelledError as error:
        raise FileError("the cluster's scheduler is gone, and the work with it") from error


def _block(work: Work, region: Region) -> Any:
    return work.block(region)


def run(
    work: Work,
    target: TiledWriter,
    shape: tuple[int, int],
    *,
    threads: int = 1,
    client: Any = None,
    name: str = "lerf",
    progress: Progress | None = None,
) -> None:
    """Compute and record every region that is not finished yet.

    Parameters
    ----------
    work : Work
    target : TiledWriter
        Receives the results; neither committed nor abandoned here.
    shape : (int, int)
        Of the blocks, see `block_shape`.
    threads : int
        Of this process; without a client.
    client : distributed.Client or None
        Of the cluster that computes instead.
    name : str
        First part of the names of the cluster's tasks.
    progress : callable, optional
        See `Progress`; blocks that were finished before are told at once.

    Raises
    ------
    FileError
        If the source cannot be read or the target written; what is finished stays recorded.
    """
    tell = progress or _silent
    todo = []
    for region in regions(work.plan, shape):
        if target.is_finished(region):
            tell(_pixels(work.plan, region), fresh=False)
        else:
            todo.append(region)
    runner = _Threads(threads) if client is None else _Cluster(client, name)
    results = runner.results(work, todo)
    try:
        for region, parcel in results:
            target.record(parcel)
            tell(_pixels(work.plan, region), fresh=True)
    except OSError as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"{error.strerror or error}") from error
    finally:
        results.close()


def _silent(pixels: int, *, fresh: bool) -> None:
    """Tell nobody."""


def _pixels(plan: Plan, region: Region) -> int:
    return int(math.prod(part.stop - part.start for part in region)) // plan.pixels.channels
