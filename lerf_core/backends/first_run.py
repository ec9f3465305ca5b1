"""Whether compiled kernels are there, and what a program may want to tell its user if not."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from lerf_core.backends.numba.libraries import (
    OTHER_SOURCES,
    can_compile,
    find_library,
    library_trouble,
)
from lerf_core.errors import one_line

__all__ = ["first_run_message", "kernel_trouble", "missing_kernels"]


def missing_kernels() -> str | None:
    """Return a sentence if compiled kernels are neither there nor can be made; else None.

    Where numba would compile them, it is imported here.

    Raises
    ------
    InvalidArgumentError
        If ``LERF_KERNELS`` names what cannot be had.
    """
    if find_library():
        return None
    try:
        import_module("numba")
    # Whatever it lacks, and whichever version of NumPy it refuses.
    except Exception as error:  # noqa: BLE001
        trouble = one_line(error)
    else:
        return None
    reason = library_trouble() or "there are no compiled kernels for this processor"
    if can_compile():
        compiler = f"numba cannot be imported: {trouble}"
    else:
        compiler = "there is no numba to compile others (pip install 'lerf[numba]')"
    return f"{reason}, and {compiler}; NumPy computes the same, some hundred times slower"


def kernel_trouble() -> str | None:
    """Return a sentence if compiled kernels are there and cannot be used; else None.

    Those of other sources, as after a change in a checkout, are no trouble.
    """
    trouble = library_trouble()
    if trouble is None or trouble.endswith(OTHER_SOURCES):
        return None
    return f"{trouble}, and not used"


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
