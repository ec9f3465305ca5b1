"""SIGTERM and SIGHUP end a batch as Ctrl-C does: the stack unwinds, temporary files are removed."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType
from typing import Any, NoReturn, Self

__all__ = ["Termination"]


class Termination:
    """Turns SIGTERM and SIGHUP into `SystemExit` within a ``with``.

    A signal may come while Python runs a finalizer, out of which no exception leads. So it is
    remembered, and `check` raises what was lost.
    """

    def __init__(self) -> None:
        self._number: int | None = None
        self._before: list[tuple[int, Any]] = []

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            return self
        known = [getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP")]
        # What is ignored stays so: nohup wants it.
        ends = [end for end in known if end and signal.getsignal(end) is not signal.SIG_IGN]
        self._before = [(end, signal.signal(end, self._leave)) for end in ends]
        if self._before:
            self._hook = sys.unraisablehook
            sys.unraisablehook = self._report
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before:
            signal.signal(number, handler)
        if self._before:
            sys.unraisablehook = self._hook

    def check(self) -> None:
        """Leave, if a signal has come.

        Raises
        ------
        SystemExit
        """
        if self._number is not None:
            raise SystemExit(128 + self._number)

    def _leave(self, number: int, frame: FrameType | None) -> NoReturn:
        del frame
        self._number = number
        raise SystemExit(128 + number)

    def _report(self, lost: Any) -> None:
        """Tell of exceptions that no code can catch, but for our own."""
        if not isinstance(lost.exc_value, SystemExit):
            self._hook(lost)
