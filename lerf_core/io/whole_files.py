"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from lerf_core.io.placing import place_file

__all__ = ["atomic_file", "write_whole"]


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
    # A short name: with the target's own within it, it could be too long.
    handle, name = tempfile.mkstemp(prefix=".lerf-", suffix=".part", dir=target.parent)
    temporary = Path(name)
    os.close(handle)
    try:
        # Opened by name: tifffile asks a file for it.
        with temporary.open("w+b") as file:
            yield file
        _give_usual_rights(temporary, target)
        place_file(temporary, target, overwrite=overwrite)
    finally:
        # Also after Ctrl-C; gone already where it became the target.
        temporary.unlink(missing_ok=True)


def _give_usual_rights(temporary: Path, target: Path) -> None:
    """Set the rights that a plainly opened file would have: mkstemp gives the owner's only."""
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
