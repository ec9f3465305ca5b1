"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

from lerf_core.io.results.locks import is_at, try_lock
from lerf_core.io.results.placing import place_file, synced

__all__ = ["atomic_file", "write_whole"]

# The machine, and what tells files of one machine apart; tempfile wrote other letters as well.
_TEMPORARY = re.compile(r"\.lerf-([0-9a-f]{8})-[a-z0-9_]{8}\.part")
# For its owner alone, never what a link points to; not tempfile, which imports much.
_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
# Seconds after which a file of another machine may be left over: its locks are not seen everywhere.
_FOREIGN_AGE = 86_400


@contextmanager
def atomic_file(target: Path, *, overwrite: bool) -> Iterator[BinaryIO]:
    """Open a temporary file that becomes ``target`` when the ``with`` ends without an error.

    Parameters
    ----------
    target : Path
        Its folder is made where it is missing.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    FileExistsError
        If ``target`` has come into being meanwhile and may not be replaced.
    """
    # A link keeps pointing where it points: its file is what is replaced.
    target = Path(os.path.realpath(target))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
    _remove_left_over(target.parent)
    handle, names = -1, list[Path]()
    try:
        # Within the try: a signal may end the run as soon as the file is there.
        handle = _locked_temporary(target.parent, names)
        temporary = names[-1]
        # Opened by name: tifffile asks a file for it.
        with temporary.open("w+b") as file:
            yield file
            file.flush()
            synced(file.fileno())
        _give_usual_rights(temporary, target)
        if os.name == "nt":  # files that are open keep their names there
            os.close(handle)
            handle = -1
        place_file(temporary, target, overwrite=overwrite)
    finally:
        # Also after Ctrl-C; gone already where it became the target.
        for name in names:
            with suppress(FileNotFoundError):
                name.unlink()
        if handle >= 0:
            os.close(handle)


def _locked_temporary(folder: Path, names: list[Path]) -> int:
    """Make a file; return a handle that locks it while this process lives.

    Parameters
    ----------
    folder : Path
    names : list of Path
        Gets the file's name before there is a file, as its last.
    """
    while True:
        # A short name: with the target's own within it, it could be too long.
        path = folder / f".lerf-{_machine()}-{os.urandom(4).hex()}.part"
        names.append(path)
        try:
            handle = os.open(path, _NEW_FILE, 0o600)
        except FileExistsError:
            names.pop()
            continue
        try:
            is_ours = try_lock(handle)
        except OSError:
            is_ours = True  # without locks no other run removes it
        # Else another run took it for left over before it was locked.
        if is_ours and is_at(handle, path):
            return handle
        os.close(handle)


@cache
def _remove_left_over(folder: Path) -> None:
    """Remove temporary files that killed runs have left: those that no process holds."""
    try:
        found = [match for name in os.listdir(folder) if (match := _TEMPORARY.fullmatch(name))]  # noqa: PTH208
    except OSError:
        return
    for name, machine in ((match[0], match[1]) for match in found):
        # Of other users, of running ones, or on file systems without locks: let them be.
        with suppress(OSError):
            handle = os.open(folder / name, os.O_RDWR)
            try:
                age = time.time() - os.fstat(handle).st_mtime
                if machine != _machine() and age < _FOREIGN_AGE:
                    continue
                if try_lock(handle) and is_at(handle, folder / name):
                    (folder / name).unlink()
            finally:
                os.close(handle)


@cache
def _machine() -> str:
    if hasattr(os, "uname"):
        name = os.uname().nodename
    else:
        import socket

        name = socket.gethostname()
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def _give_usual_rights(temporary: Path, target: Path) -> None:
    """Set the rights that a plainly opened file would have, instead of the owner's alone."""
    if target.exists():
        temporary.chmod(target.stat().st_mode & 0o7777)
        return
    mask = os.umask(0)
    os.umask(mask)
    temporary.chmod(0o666 & ~mask)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that replaces one of its name, in a folder that exists."""
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path.parent))
    with atomic_file(path, overwrite=True) as file:
        file.write(data)
