"""What a program may want to tell its user before the first call."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["first_run_message"]


def first_run_message() -> str | None:
    """Return a sentence if the kernels will be compiled at the next call, else None.

    Compiled kernels are cached beside the package, in ``$NUMBA_CACHE_DIR`` or, where the
    package's folder cannot be written, in the user's cache folder. numba is not loaded.
    """
    if any(next(folder.glob("**/*_rows*.nbi"), None) for folder in _cache_folders()):
        return None
    return "First run: compiling the kernels, some seconds once; later runs start at once."


def _cache_folders() -> Iterator[Path]:
    if folder := os.environ.get("NUMBA_CACHE_DIR"):
        candidates = [Path(folder)]
    else:
        home = Path.home()
        candidates = [
            Path(__file__).parent / "numba" / "kernels" / "__pycache__",
            {
                "darwin": home / "Library" / "Caches" / "numba",
                "win32": Path(os.environ.get("LOCALAPPDATA", home)) / "numba",
            }.get(sys.platform, Path(os.environ.get("XDG_CACHE_HOME", home / ".cache")) / "numba"),
        ]
    return (folder for folder in candidates if folder.is_dir())
