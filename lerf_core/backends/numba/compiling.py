"""How the functions of this package are compiled.

`KERNEL` is for what Python calls. `HELPER` is for what kernels call: without the ways in
from Python and C, each of which takes as long to compile as a small function itself.
"""

from __future__ import annotations

from typing import Any

__all__ = ["HELPER", "KERNEL"]

KERNEL: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy"}
HELPER: dict[str, Any] = KERNEL | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
