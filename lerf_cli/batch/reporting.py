"""What a batch tells: lines on stderr, a progress bar, and the count of files."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from lerf_cli.batch.discovery import Entry
from lerf_cli.options.values import BatchOptions
from lerf_cli.streams import close_quietly, is_terminal

__all__ = ["Reporter", "Tally", "library_notes", "progress_bar"]


class Tally:
    """How many files came to which end."""

    def __init__(self) -> None:
        self.done = self.skipped = self.failed = 0

    @property
    def total(self) -> int:
        """Number of files that are through."""
        return self.done + self.skipped + self.failed

    def __str__(self) -> str:
        return f"{self.done} done, {self.skipped} skipped, {self.failed} failed"


def progress_bar(total: int, **options: Any) -> Any:
    """Return a bar of tqdm's on stderr that vanishes at its end."""
    import shutil

    from tqdm import tqdm

    # Some terminals tell no size, and tqdm would draw nothing on what it takes for 0x0.
    cols, rows = shutil.get_terminal_size()
    return tqdm(total=total, ncols=cols, nrows=rows, file=sys.stderr, leave=False, **options)


class Reporter:
    """Lines on stderr, above the progress bar where there is one.

    Parameters
    ----------
    options : BatchOptions
    total : int
        Number of files.
    """

    def __init__(self, options: BatchOptions, total: int) -> None:
        self._verbosity = options.verbosity
        self.shows_bars = options.verbosity >= 0 and is_terminal(sys.stderr)
        wanted = total > 1 and not options.dry_run and self.shows_bars
        self._bar = progress_bar(total, unit="image") if wanted else None
        # Of the last file: each of its sizes finds the same.
        self._told: tuple[Entry | None, set[str]] = (None, set())

    def _is_news(self, entry: Entry, text: str) -> bool:
        """Tell whether a line on a file is said the first time."""
        if self._told[0] is not entry:
            self._told = (entry, set())
        is_new = text not in self._told[1]
        self._told[1].add(text)
        return is_new

    def _line(self, text: str) -> None:
        if self._bar is not None:
            self._bar.clear()
        # Nothing depends on what is told.
        try:
            click.echo(text, err=True)
        except OSError:
            close_quietly("stderr")

    def error(self, entry: Entry, text: str) -> None:
        """Tell why a file failed."""
        if self._is_news(entry, text):
            self._line(f"lerf: {entry.label}: {text}")

    def note(self, entry: Entry, text: str) -> None:
        """Tell what the user should know about a file, unless quiet."""
        if self._verbosity >= 0 and self._is_news(entry, text):
            self._line(f"{entry.label}: note: {text}")

    def announce(self, text: str) -> None:
        """Tell what takes time, unless quiet."""
        if self._verbosity >= 0:
            self._line(text)

    def remark(self, text: str) -> None:
        """Tell what the user should know of the run, unless quiet."""
        if self._verbosity >= 0:
            self._line(f"lerf: note: {text}")

    def detail(self, text: str) -> None:
        """Tell what is done, where asked for."""
        if self._verbosity > 0:
            self._line(text)

    def step(self) -> None:
        """Count a file as through."""
        if self._bar is not None:
            self._bar.update()

    def close(self, text: str) -> None:
        """End the bar, and tell the sum unless quiet."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        if self._verbosity >= 0:
            self._line(text)


class _Remarks(logging.Handler):
    """Tells what the library logs."""

    def __init__(self, reporter: Reporter) -> None:
        super().__init__(logging.WARNING)
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        self._reporter.remark(record.getMessage())


@contextmanager
def library_notes(reporter: Reporter) -> Iterator[None]:
    """Tell the user what `lerf_core` logs within a ``with``."""
    logger, handler = logging.getLogger("lerf_core"), _Remarks(reporter)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
