"""Who computes blocks: threads of this process, or the workers of a dask cluster."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from lerf_core.errors import FileError, one_line
from lerf_core.io.tiles.regions import Region
from lerf_core.tiled.work import Work

__all__ = ["ClusterExecutor", "Results", "ThreadExecutor"]

_SCHEDULER_GONE = "the cluster's scheduler is gone, and the work with it"
#: Regions, with the receipts of what was stored of them.
Results = Generator[tuple[Region, Any], None, None]


@dataclass
class ThreadExecutor:
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
                    waiting[self._pool.submit(work.put_block, region)] = region
                if not waiting:
                    return
                ready, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in ready:
                    yield waiting.pop(future), future.result()
        finally:
            for future in waiting:
                future.cancel()
            self._pool.shutdown(wait=True, cancel_futures=True)


class ClusterExecutor:
    """Computes blocks on the workers of a dask cluster.

    The work is itself a task's result: workers get it from each other once, and it is made
    anew if the worker that holds it dies.
    """

    def __init__(self, client: Any, name: str) -> None:
        self._client, self._name = client, name
        self._regions: dict[str, Region] = {}

    def results(self, work: Work, todo: Iterable[Region]) -> Results:
        """Yield regions with what became of them, a few ahead for each thread of the cluster."""
        from distributed import as_completed

        client, pending = self._client, iter(todo)
        shared = client.submit(
            pickle.loads, pickle.dumps(work), key=f"{self._name}-work", pure=False
        )
        queue = as_completed(self._submitted(shared, pending, self._ahead()))
        try:
            for future in queue:
                yield self._regions.pop(future.key), _result(future)
                # Replaced one by one, as the cluster shrinks or grows.
                count = max(1, self._ahead() - queue.count())
                queue.update(self._submitted(shared, pending, count))
                future.release()
        finally:
            client.cancel([*queue.futures])

    def _ahead(self) -> int:
        """Return the number of tasks that are submitted at once."""
        try:
            return int(2 * max(1, sum(self._client.nthreads().values())))
        except OSError as error:
            raise FileError(_SCHEDULER_GONE) from error

    def _submitted(self, work: Any, pending: Iterator[Region], count: int) -> list[Any]:
        """Submit a number of the regions that are left, and return their futures."""
        futures = []
        for region in itertools.islice(pending, count):
            corner = "-".join(str(extent.start) for extent in region)
            key = f"{self._name}-{corner}"
            self._regions[key] = region
            futures.append(
                self._client.submit(_put_block, work, region, key=key, pure=False, retries=3)
            )
        return futures


def _result(future: Any) -> Any:
    """Return a task's result, or say in words that the cluster lost it."""
    from distributed.scheduler import KilledWorker

    try:
        return future.result()
    except KilledWorker as error:
        raise FileError(
            "workers died again and again over one chunk (too little memory?): "
            f"{one_line(error, 200)}"
        ) from error
    except CancelledError as error:
        raise FileError(_SCHEDULER_GONE) from error


def _put_block(work: Work, region: Region) -> Any:
    return work.put_block(region)
