"""Whose a result in the making is: runs that work on one output at once are kept apart.

A claim is a small document beside the result that names the run at work. On a disk it is held by an
advisory lock of the system, which ends with the process, whatever ends it: what a killed run leaves
blocks nobody. Where a file system knows no such locks, the document alone tells: the run that
came last has the result, and the earlier one finds out before it stores or finishes anything.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import socket
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from lerf_core.errors import FileError
from lerf_core.io.results.locks import is_at, try_lock

__all__ = ["Claim", "LocalClaim", "Run", "Ticket", "refusal"]

# Errors of file systems that know no locks, and of those that lost their lock server.
_NO_LOCKS = {
    getattr(errno, name) for name in ("ENOSYS", "EOPNOTSUPP", "ENOTSUP", "ENOLCK", "EINVAL")
}
# Seconds between looks at a document that is written just now.
_PAUSES = (0.01, 0.1, 0.5, 0.0)


@dataclass(frozen=True)
class Run:
    """A run that writes a result.

    Attributes
    ----------
    token : str
        Of this piece of work alone.
    host : str
    process : int
    """

    token: str
    host: str
    process: int

    @classmethod
    def new(cls) -> Run:
        """Return a run of this process."""
        return cls(secrets.token_hex(8), socket.gethostname(), os.getpid())

    @classmethod
    def of(cls, document: bytes) -> Run | None:
        """Return the run that a document names; None where it names none."""
        try:
            values: dict[str, Any] = json.loads(document)
            return cls(str(values["token"]), str(values["host"]), int(values["process"]))
        except (ValueError, TypeError, KeyError):
            return None

    def document(self) -> bytes:
        """Return what names this run."""
        return json.dumps(asdict(self)).encode()


def refusal(place: object, run: Run | None) -> FileError:
    """Say that another run is at work."""
    who = "" if run is None else f" (process {run.process} on {run.host})"
    return FileError(f"{place} is being written by another run{who}")


@dataclass(frozen=True)
class Ticket:
    """What tells, in any process of a cluster, whether a run still has its result.

    Attributes
    ----------
    place : str
        The result.
    document : str
        Path of the claim.
    token : str
    """

    place: str
    document: str
    token: str

    def read(self) -> bytes | None:
        """Return the claim's document; None where there is none."""
        try:
            return Path(self.document).read_bytes()
        except FileNotFoundError:
            return None

    def check(self) -> None:
        """Refuse to go on once the result is another run's, or finished.

        Raises
        ------
        FileError
        """
        for pause in _PAUSES:
            data = self.read()
            if data is None:
                raise FileError(f"{self.place} is no longer being written: that run has ended")
            run = Run.of(data)
            if run is not None:
                break
            time.sleep(pause)  # it is being written
        if run is None or run.token != self.token:
            raise refusal(self.place, run)


class Claim(Protocol):
    """A result that is this run's alone."""

    @property
    def ticket(self) -> Ticket:
        """What workers check."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of how far the claim goes."""

    def is_held(self) -> bool:
        """Whether no other run has taken the result over."""

    def release(self) -> None:
        """Let other runs have the result; again is no error."""


class LocalClaim:
    """A claim by a file beside the result.

    Parameters
    ----------
    path : Path
        Of the result.

    Raises
    ------
    FileError
        If another run has it.
    OSError
        If the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(f".{path.name}.lock")
        run = Run.new()
        self.ticket = Ticket(str(path), str(self._path), run.token)
        self.notes: tuple[str, ...] = ()
        self._handle: int | None = self._opened()
        try:
            os.lseek(self._handle, 0, os.SEEK_SET)
            os.ftruncate(self._handle, 0)
            os.write(self._handle, run.document())
        except BaseException:
            self.release(owned=True)
            raise

    def _opened(self) -> int:
        """Return a handle of the file, locked; the file is the one that others find as well."""
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
        while True:
            try:
                handle = os.open(self._path, flags, 0o666)
            except PermissionError:
                if not self._path.exists():
                    raise
                self._remove_stale()
                continue
            try:
                if not try_lock(handle):
                    raise refusal(self.ticket.place, Run.of(_content(handle)))
            except FileError:
                os.close(handle)
                raise
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    os.close(handle)
                    raise
                folder = self._path.parent
                self.notes = (f"no locks in {folder}: a second run on this output stops this one",)
            # Else it was removed by its owner after it was opened here.
            if is_at(handle, self._path):
                return handle
            os.close(handle)

    def _remove_stale(self) -> None:
        """Remove what a killed run of another user left in a folder of both."""
        handle = os.open(self._path, os.O_RDONLY)
        try:
            if not try_lock(handle):
                raise refusal(self.ticket.place, Run.of(_content(handle)))
            self._path.unlink()
        finally:
            os.close(handle)

    def is_held(self) -> bool:
        """See `Claim`."""
        if self._handle is None:
            return False
        try:
            self.ticket.check()
        except OSError:
            return False
        return True

    def release(self, *, owned: bool = False) -> None:
        """See `Claim`.

        Parameters
        ----------
        owned : bool, optional
            Whether the file is this run's even if it does not say so.
        """
        handle, held = self._handle, owned or self.is_held()
        self._handle = None
        if handle is None:
            return
        # While it is locked, where the system lets files go that are open.
        if os.name == "nt":
            os.close(handle)
        if held:
            # What is left of it, or opened by another run already, blocks nobody.
            with suppress(OSError):
                self._path.unlink()
        if os.name != "nt":
            os.close(handle)

    def __del__(self) -> None:
        handle = getattr(self, "_handle", None)
        if handle is not None:
            os.close(handle)


def _content(handle: int) -> bytes:
    os.lseek(handle, 0, os.SEEK_SET)
    return os.read(handle, 1 << 12)
