"""The thread that previews are computed in."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from qtpy.QtCore import QObject, Qt, Signal, Slot

__all__ = ["PreviewThread"]


class PreviewThread(QObject):
    """Computes one thing at a time, and hands it over in the window's thread.

    One thread and one connection for all previews of a widget, where a worker of napari's would
    make both for every move of a slider: with PySide6, objects and connections that are made and
    dropped while layers are sliced in threads are what crashes (docs/napari.md, "If napari dies").

    Parameters
    ----------
    parent : QObject
        That it goes with.
    """

    _ended = Signal(object)

    def __init__(self, parent: QObject | None) -> None:
        super().__init__(parent)
        self._executor = ThreadPoolExecutor(1, "lerf-preview")
        self._arrived: Callable[[Any], None] | None = None
        self._ended.connect(self._hand_over, Qt.ConnectionType.QueuedConnection)

    def start(self, work: Callable[[], Any], arrived: Callable[[Any], None]) -> None:
        """Start to compute; only when what was started before has arrived."""
        self._arrived = arrived
        self._executor.submit(self._run, work)

    def close(self) -> None:
        """Hand nothing over any more; what is being computed comes to its end unheard."""
        self._arrived = None
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _run(self, work: Callable[[], Any]) -> None:
        outcome: Any
        try:
            outcome = work()
        except BaseException as error:  # noqa: BLE001 - raised again, in the window's thread
            outcome = _Raised(error)
        with suppress(RuntimeError):  # the window is gone
            self._ended.emit(outcome)

    @Slot(object)
    def _hand_over(self, outcome: Any) -> None:
        arrived, self._arrived = self._arrived, None
        if arrived is None:
            return
        if isinstance(outcome, _Raised):
            arrived(f"No preview: {outcome.error}")
            raise outcome.error
        arrived(outcome)


class _Raised:
    """An error that nobody expected."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
