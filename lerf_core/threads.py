"""Tasks over bands of rows, on threads; compiled kernels release the interpreter's lock."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from lerf_core.errors import InvalidArgumentError

__all__ = ["bands", "run_all", "thread_count", "useful_threads"]

# Values of the source and the result, together: fewer are computed sooner than a thread starts.
_LEAST_VALUES = 1 << 16


def thread_count(threads: int | None) -> int:
    """Return the number of threads to use; None stands for all that this process may use.

    Raises
    ------
    InvalidArgumentError
        If it is not a positive integer.
    """
    if threads is None:
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1
    try:
        count = operator.index(threads)
    except TypeError:
        count = 0
    if isinstance(threads, bool) or count < 1:
        raise InvalidArgumentError(f"threads must be a positive integer or None, got {threads!r}")
    return count


def useful_threads(threads: int, values: int) -> int:
    """Return how many of the threads have enough to do.

    Parameters
    ----------
    threads : int
    values : int
        Of the source and of the result, that they share.
    """
    return max(1, min(threads, values // _LEAST_VALUES))


def bands(rows: int, height: int) -> Iterator[tuple[int, int]]:
    """Yield (first, one past the last) of bands of `height` rows; the last may be smaller."""
    for top in range(0, rows, height):
        yield top, min(top + height, rows)


def run_all(task: Callable[..., Any], arguments: Iterable[tuple[Any, ...]], threads: int) -> None:
    """Call ``task(*items)`` for each of the arguments, on threads if there are several.

    Returns when all are done, and raises the first error.
    """
    items = list(arguments)
    if threads == 1 or len(items) == 1:
        for item in items:
            task(*item)
        return
    from concurrent.futures import ThreadPoolExecutor  # what is small does without

    with ThreadPoolExecutor(min(threads, len(items))) as pool:
        for future in [pool.submit(task, *item) for item in items]:
            future.result()
