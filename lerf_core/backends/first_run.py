"""What a program may want to tell its user before the first call."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from lerf_core.backends.numba.libraries import can_compile, find_library

__all__ = ["first_run_message"]


def first_run_message() -> str | None:
    """Return a sentence if the next call will compile kernels; else None.

    It does so where no library of compiled kernels fits this processor, and numba is installed: it
    keeps them in ``$NUMBA_CACHE_DIR``, beside the package or in the user's cache folder, whichever
    can be written first. numba is not loaded.

    Raises
    ------
    InvalidArgumentError
        If ``LERF_KERNELS`` names what cannot be had.
    """
    if find_library() or not can_compile():
        return None
    for folder in _cache_folders():
        if next(folder.glob(f"**/*_rows*.{'?' * 20}.nbc"), None) is not None:
            return None
        if _is_writable(folder):
            break  # the one that is used
    return "No compiled kernels are found: compiling them takes some seconds."


def _cache_folders() -> Iterator[Path]:
    if named := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(named)
    yield Path(__file__).parent / "numba" / "kernels" / "__pycache__"
    if (folder := _user_cache()) is not None:
        yield folder / "numba"


def _user_cache() -> Path | None:
    """Return the user's cache folder; None where the user has no home."""
    name = {"darwin": "", "win32": "LOCALAPPDATA"}.get(sys.platform, "XDG_CACHE_HOME")
    if folder := os.environ.get(name):
        return Path(folder)
    try:
        return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    except RuntimeError:
        return None


def _is_writable(folder: Path) -> bool:
    """Whether a folder can be written, or made."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK)
