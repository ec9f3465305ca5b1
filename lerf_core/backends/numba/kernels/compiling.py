"""How the functions of this package are compiled, and where they are kept.

`KERNEL` is for what Python calls. `HELPER` is for what kernels call: without the ways in
from Python and C, each of which takes as long to compile as a small function itself.

Compiled kernels are kept beside the package, in ``$NUMBA_CACHE_DIR`` or in the user's cache
folder; where none of these can be written, in a folder of this process alone.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from typing import Any

from numba import config, njit

__all__ = ["HELPER", "KERNEL"]

KERNEL: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy"}
HELPER: dict[str, Any] = KERNEL | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def _probe() -> None:
    """Stand for any kernel: numba refuses to cache what it finds no folder for."""


try:
    njit(**KERNEL)(_probe)
except RuntimeError as error:
    if "locator" not in str(error):
        raise
    # Not a shared folder: cached kernels are code that whoever could write there would run.
    config.CACHE_DIR = tempfile.mkdtemp(prefix="lerf-kernels-")  # type: ignore[attr-defined]
    atexit.register(shutil.rmtree, config.CACHE_DIR, ignore_errors=True)  # type: ignore[attr-defined]
