"""Ending a training after its step when a signal comes."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any

__all__ = ["Interruption"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Within a ``with`` the first SIGINT or SIGTERM is noted; the second is the default's.

    Outside the main thread, signals are left to whoever has them.

    Attributes
    ----------
    requested : bool
        Whether a signal has come.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruption:
        self.requested = False
        try:
            for number in _SIGNALS:
                self._previous[number] = signal.signal(number, self._note)
        except ValueError:  # not the main thread
            self._previous = {}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
