"""Decoded chunks, kept up to a bound and shared by threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any

from numpy.typing import NDArray

__all__ = ["ChunkCache"]


class ChunkCache:
    """The most recently used chunks, of at most `limit` bytes together.

    Two threads that want one chunk wait for one decoding; no lock is held while it runs.

    Parameters
    ----------
    limit : int
        In bytes. A chunk larger than this is handed on and not kept.

    Attributes
    ----------
    nbytes : int
        Held at present.
    decoded : int
        Chunks made since the start.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.nbytes = 0
        self.decoded = 0
        self._kept: OrderedDict[Hashable, NDArray[Any]] = OrderedDict()
        self._pending: dict[Hashable, Future[NDArray[Any]]] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """Return the chunk of a key, made now where it is not kept. Not to be written to."""
        with self._lock:
            if (kept := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
                return kept
            awaited = self._pending.get(key)
            if awaited is None:
                mine = self._pending[key] = Future()
        if awaited is not None:
            return awaited.result()
        try:
            chunk = make()
        except BaseException as error:
            with self._lock:
                del self._pending[key]
            mine.set_exception(error)
            raise
        with self._lock:
            del self._pending[key]
            self.decoded += 1
            self._keep(key, chunk)
        mine.set_result(chunk)
        return chunk

    def clear(self) -> None:
        """Forget every chunk."""
        with self._lock:
            self._kept.clear()
            self.nbytes = 0

    def _keep(self, key: Hashable, chunk: NDArray[Any]) -> None:
        if _size(chunk) > self.limit:
            return
        self._kept[key] = chunk
        self.nbytes += _size(chunk)
        while self.nbytes > self.limit:
            _, old = self._kept.popitem(last=False)
            self.nbytes -= _size(old)


def _size(chunk: NDArray[Any]) -> int:
    # A view keeps all of the memory behind it.
    base = chunk.base
    return max(chunk.nbytes, int(getattr(base, "nbytes", 0)) if base is not None else 0)
