"""Giving finished files and folders their names: at once, and over others only where told."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["place_file", "place_folder", "restore_replaced", "synced"]

# Flags of renameat2 (Linux) and renamex_np (macOS): never replace, and swap.
_KEEP, _SWAP = ("keep", "swap")
_FLAGS = {"linux": {_KEEP: 1, _SWAP: 2}, "darwin": {_KEEP: 4, _SWAP: 2}}
_AT_CWD = -100
# What file systems say of what they do not know.
_CANNOT = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}


def synced(handle: int) -> None:
    """Bring an open file to the disk, where its file system can.

    Raises
    ------
    OSError
        If it does not fit, which some disks tell no earlier, or the disk fails.
    """
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise


def place_file(made: Path, target: Path, *, overwrite: bool) -> None:
    """Give a file its name; it lies on the same file system.

    Raises
    ------
    FileExistsError
        If something has the name and may not be replaced.
    """
    if overwrite:
        made.replace(target)
    elif not _renamed(made, target, _KEEP):
        try:
            os.link(made, target)
        except FileExistsError:
            raise
        except OSError:
            # Neither links nor renames that keep: a check just before has to do.
            _check_free(target)
            made.replace(target)
        else:
            made.unlink()


def place_folder(made: Path, target: Path, *, overwrite: bool) -> None:
    """Give a folder its name, and remove what it replaces.

    Raises
    ------
    FileExistsError
        If something has the name and may not be replaced.
    """
    if not overwrite or not os.path.lexists(target):
        if not _renamed(made, target, _KEEP):
            _check_free(target)
            made.rename(target)  # over an empty folder at most
        return
    if _renamed(made, target, _SWAP):
        _remove(made)
        return
    before = _before(target)
    if os.path.lexists(before):
        _remove(before)
    target.rename(before)
    made.rename(target)
    _remove(before)


def restore_replaced(target: Path) -> None:
    """Bring back what was about to be replaced when a run was killed."""
    before = _before(target)
    if os.path.lexists(before) and not os.path.lexists(target):
        before.rename(target)


def _before(target: Path) -> Path:
    return target.with_name(f".{target.name}.replaced")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        import shutil

        shutil.rmtree(path)
    else:
        path.unlink()


def _check_free(target: Path) -> None:
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))


def _renamed(made: Path, target: Path, how: str) -> bool:
    """Rename in one step of the system; False where it, or the file system, has none such.

    Raises
    ------
    OSError
        If it has, and fails.
    """
    if os.name == "nt":
        if how == _KEEP:
            made.rename(target)  # never replaces there
        return how == _KEEP
    function, flags = _system_rename(), _FLAGS.get(sys.platform, {})
    if function is None or how not in flags:
        return False
    names = (os.fsencode(made), os.fsencode(target))
    if sys.platform == "linux":
        failed = function(_AT_CWD, names[0], _AT_CWD, names[1], flags[how])
    else:
        failed = function(*names, flags[how])
    if not failed:
        return True
    number = ctypes.get_errno()
    if number in {*_CANNOT, errno.EPERM}:
        return False
    raise OSError(number, os.strerror(number), str(target))


@cache
def _system_rename() -> Any:
    library = ctypes.CDLL(None, use_errno=True)
    text, number = ctypes.c_char_p, ctypes.c_int
    if sys.platform == "linux":
        function = getattr(library, "renameat2", None)
        arguments = [number, text, number, text, ctypes.c_uint]
    else:
        function = getattr(library, "renamex_np", None)
        arguments = [text, text, ctypes.c_uint]
    if function is not None:
        function.argtypes, function.restype = arguments, number
    return function
