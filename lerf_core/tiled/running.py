"""Resampling from a reader into a writer, block by block, in bounded memory.

Blocks are computed by threads, or by the workers of a dask cluster. Each reads its own
window of the source, and stores (or, where the format has one writer, encodes) its own
part of the result; what comes back is recorded here, so that interrupted work can go on.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Protocol

from lerf_core.errors import FileError, one_line
from lerf_core.tiled.blocks import pixel_count, regions
from lerf_core.tiled.executors import ClusterExecutor, ThreadExecutor

if TYPE_CHECKING:
    from lerf_core.io.tiles.regions import Region
    from lerf_core.io.tiles.tiled_writer import TiledWriter
    from lerf_core.tiled.work import Work

__all__ = ["Progress", "finished_blocks", "run"]


class Progress(Protocol):
    """Told of the output pixels of each block when they are done: just now, or before this run."""

    def __call__(self, pixels: int, *, fresh: bool) -> None:
        """Take note."""


def run(
    work: Work,
    writer: TiledWriter,
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
    writer : TiledWriter
        Receives the results; neither committed nor abandoned here.
    shape : (int, int)
        Of the blocks, see `lerf_core.tiled.blocks.block_shape`.
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
    blocks = finished_blocks(work, writer, shape, threads=threads, client=client, name=name)
    try:
        for pixels, fresh in blocks:
            tell(pixels, fresh=fresh)
    finally:
        blocks.close()


def finished_blocks(
    work: Work,
    writer: TiledWriter,
    shape: tuple[int, int],
    *,
    threads: int = 1,
    client: Any = None,
    name: str = "lerf",
) -> Generator[tuple[int, bool], None, None]:
    """Do what `run` does, block after block; to stop, close it: it waits for blocks in hand.

    Yields
    ------
    pixels : int
        Output pixels of a block that is done.
    fresh : bool
        Whether it was done just now.
    """
    todo: list[Region] = []
    for region in regions(work.plan, shape):
        if writer.is_finished(region):
            yield pixel_count(work.plan, region), False
        else:
            todo.append(region)
    executor = ThreadExecutor(threads) if client is None else ClusterExecutor(client, name)
    results = executor.results(work, todo)
    try:
        for region, receipts in results:
            writer.record(receipts)
            yield pixel_count(work.plan, region), True
    except FileError:
        raise
    except OSError as error:
        raise FileError(one_line(error)) from error
    finally:
        results.close()


def _silent(pixels: int, *, fresh: bool) -> None:
    """Report no progress."""
