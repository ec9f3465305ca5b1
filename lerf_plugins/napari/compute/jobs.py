"""Work in the background: with a bar, a way to stop it, and errors in words."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import suppress
from functools import cache, wraps
from typing import Any, ParamSpec

from lerf_core.errors import LerfError
from lerf_plugins.napari.compute.results import Step

__all__ = ["BackgroundJob", "in_words"]

P = ParamSpec("P")
Work = Callable[[], Generator[Step, None, Any]]


class _Failed:
    """Why work ended without a result, in words."""

    def __init__(self, error: BaseException) -> None:
        self.words = str(error) or type(error).__name__


def in_words(function: Callable[P, None]) -> Callable[P, None]:
    """Show a handler's own errors as notifications, in words."""

    @wraps(function)
    def handler(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except (LerfError, OSError, MemoryError) as error:
            _show_error(_Failed(error).words)

    return handler


def _show_error(words: str) -> None:
    from napari.utils.notifications import show_error

    show_error(words)


class BackgroundJob:
    """One piece of work at a time.

    Parameters
    ----------
    changed : callable
        Told of each change: ``changed(step)``, with None when nothing runs any more.
    tell : callable
        Takes words on why work has failed, beside the notification.
    """

    def __init__(self, changed: Callable[[Step | None], None], tell: Callable[[str], None]) -> None:
        self._changed, self._tell = changed, tell
        self._worker: Any = None
        self._bar: Any = None
        self._is_counting = False

    @property
    def is_running(self) -> bool:
        """Whether work goes on."""
        return self._worker is not None

    def start(self, work: Work, title: str, done: Callable[[Any], None]) -> None:
        """Run work in the background; its result goes to ``done``, in the window's thread."""
        from napari.qt.threading import create_worker
        from napari.utils import progress

        if self._worker is not None:
            return
        worker = create_worker(_guarded, work, _start_thread=False, _worker_class=_closing_worker())
        worker.yielded.connect(self._step)
        worker.returned.connect(lambda result: self._returned(result, done))
        worker.finished.connect(self._finished)
        self._worker = worker
        self._bar = progress(total=0, desc=title)
        self._changed(Step(0, 0))
        worker.start()

    def cancel(self) -> None:
        """Stop after the tile in hand; nothing is left of the result."""
        if self._worker is not None:
            self._worker.quit()

    def let_go(self) -> None:
        """Stop, and tell nobody any more: the window is being closed."""
        self.cancel()
        worker, self._worker = self._worker, None
        bar, self._bar = self._bar, None
        if worker is not None and bar is not None:
            with suppress(RuntimeError):  # its own widget is deleted already
                bar.close()

    def _step(self, step: Step) -> None:
        if self._worker is None:
            return
        self._changed(step)
        if self._bar is None or self._is_counting:
            return
        # It handles waiting events: further steps, and the end of the work.
        self._is_counting = True
        try:
            self._bar.total = step.total
            self._bar.update(step.done - self._bar.n)
        finally:
            self._is_counting = False

    def _returned(self, result: Any, done: Callable[[Any], None]) -> None:
        if self._worker is None:
            return
        if isinstance(result, _Failed):
            self._tell(result.words)
            _show_error(result.words)
        elif result is not None:
            in_words(done)(result)

    def _finished(self) -> None:
        if self._worker is None:
            return
        self._worker = None
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        self._changed(None)


@cache
def _closing_worker() -> Any:
    """Return the worker that, where it stops, ends its work in its own thread: files go at once."""
    from napari.qt.threading import GeneratorWorker

    class ClosingWorker(GeneratorWorker):
        def work(self) -> Any:
            try:
                return super().work()
            finally:
                self._gen.close()

    return ClosingWorker


def _guarded(work: Work) -> Generator[Step, None, Any]:
    """Run work; what fails as expected comes back as words, the rest with its traceback."""
    try:
        return (yield from work())
    except (LerfError, OSError, MemoryError) as error:
        return _Failed(error)
