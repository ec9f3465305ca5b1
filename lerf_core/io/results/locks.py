"""Advisory locks on open files, which the system ends with the process, whatever ends that."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["is_at", "try_lock"]

_IS_LOCKED = {errno.EAGAIN, errno.EACCES, errno.EDEADLK}
# Windows locks bytes against reading too: one that no document reaches.
_LOCKED_BYTE = 1 << 30


def try_lock(handle: int) -> bool:
    """Lock an open file for this handle alone, until it is closed or the process ends.

    Returns
    -------
    bool
        False where another handle has the lock.

    Raises
    ------
    OSError
        If the file system has no locks.
    """
    try:
        if sys.platform == "win32":
            os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _IS_LOCKED:
            return False
        raise
    return True


def is_at(handle: int, path: Path) -> bool:
    """Whether an open file is the one at a path."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
