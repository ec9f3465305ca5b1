"""What of a result is finished, so that interrupted work can go on.

A journal is a text of JSON lines. The first tells what is being made; each other line, which tiles
of it lie in the partial result. A line is written after its tiles, so a line that is whole is
true; a torn last line is left out.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from lerf_core.errors import FileError
from lerf_core.io.results.claims import Ticket

__all__ = ["FileJournal", "Journal", "RemoteJournal"]

# Seconds between two writes of a remote journal, which is written as a whole.
_INTERVAL = 10.0


class Journal(Protocol):
    """A list of what is finished."""

    def entries(self) -> list[Any]:
        """Return what was added, in order; nothing for a new journal."""

    def add(self, entry: Any) -> None:
        """Note what is finished."""

    def close(self) -> None:
        """Write what is not written yet."""

    def remove(self) -> None:
        """Delete the journal."""


def _read(text: str, head: dict[str, Any], name: str) -> list[Any]:
    """Return the entries of a journal of the same work."""
    lines = list(_whole_lines(text))
    if not lines:
        return []
    if lines[0] != head:
        raise FileError(
            f"{name} belongs to other work (another input, operation or output): "
            "start anew without --resume, or finish that first"
        )
    return lines[1:]


def _whole_lines(text: str) -> Iterator[Any]:
    for line in text.split("\n")[:-1]:
        try:
            yield json.loads(line)
        except ValueError:
            return


class FileJournal:
    """A journal in a file.

    Parameters
    ----------
    path : Path
    head : dict
        What is being made, as JSON.
    resume : bool
        Go on with the journal that is there, if there is one.

    Raises
    ------
    FileError
        If it is of other work.
    """

    def __init__(self, path: Path, head: dict[str, Any], *, resume: bool) -> None:
        self._path, self._head = path, head
        self._entries: list[Any] = []
        if resume and path.exists():
            text = path.read_bytes().decode("utf-8", "replace")
            self._entries = _read(text, head, str(path))
        # Rewritten without what may be a torn line at its end.
        self.keep(self._entries)

    def entries(self) -> list[Any]:
        """See `Journal`."""
        return self._entries

    def keep(self, entries: list[Any]) -> None:
        """Go on with these entries alone."""
        file = getattr(self, "_file", None)
        if file is not None:
            file.close()
        lines = [json.dumps(line, separators=(",", ":")) for line in (self._head, *entries)]
        # Aside first: a full disk must not take the old one.
        fresh = self._path.with_name(f"{self._path.name}.new")
        try:
            fresh.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            fresh.replace(self._path)
        except OSError:
            fresh.unlink(missing_ok=True)
            raise
        self._entries = entries
        self._file = self._path.open("a", encoding="utf-8")

    def add(self, entry: Any) -> None:
        """See `Journal`."""
        self._file.write(json.dumps(entry, separators=(",", ":")) + "\n")
        self._file.flush()

    def close(self) -> None:
        """See `Journal`."""
        if not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def remove(self) -> None:
        """See `Journal`."""
        self._file.close()
        self._path.unlink(missing_ok=True)


class RemoteJournal:
    """A journal as an object of remote storage, which is written every few seconds.

    Parameters
    ----------
    url : str
        As fsspec takes it.
    head, resume
        See `FileJournal`.
    ticket : Ticket
        Of the run; nothing is written once another one has the result.
    """

    def __init__(self, url: str, head: dict[str, Any], ticket: Ticket, *, resume: bool) -> None:
        import fsspec

        self._ticket = ticket
        self._system, self._path = fsspec.core.url_to_fs(url)
        self._lines = [json.dumps(head)]
        self._entries: list[Any] = []
        if resume and self._system.exists(self._path):
            text = self._system.cat_file(self._path).decode("utf-8", "replace")
            self._entries = _read(text, head, url)
            self._lines += [json.dumps(entry) for entry in self._entries]
        self._written = 0.0
        self._write()

    def entries(self) -> list[Any]:
        """See `Journal`."""
        return self._entries

    def add(self, entry: Any) -> None:
        """See `Journal`."""
        self._lines.append(json.dumps(entry, separators=(",", ":")))
        if time.monotonic() - self._written > _INTERVAL:
            self._write()

    def close(self) -> None:
        """See `Journal`."""
        self._write()

    def remove(self) -> None:
        """See `Journal`."""
        if self._system.exists(self._path):
            self._system.rm_file(self._path)

    def _write(self) -> None:
        self._ticket.check()
        self._system.pipe_file(self._path, "".join(f"{line}\n" for line in self._lines).encode())
        self._written = time.monotonic()
