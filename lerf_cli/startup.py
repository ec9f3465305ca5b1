"""A quick start: no search for garbage among modules, and numba without ``scipy.linalg``.

When numba's array functions are imported, they import ``scipy.linalg`` to find out whether kernels
may call BLAS, and numba has no option against that. No kernel of this project calls BLAS, and the
import takes a quarter of a second, a fifth of a short command. Python's own way to say that a
module is missing is None in `sys.modules`; it stays there while numba is imported, and no longer,
so that whatever needs SciPy afterwards gets all of it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
from collections.abc import Iterator

__all__ = ["import_numba_without_scipy", "loading_modules"]

_HIDDEN = "scipy.linalg"
_ASKING = "numba.np.arraymath"


@contextlib.contextmanager
def loading_modules() -> Iterator[None]:
    """Import modules within a ``with``, and do not look for garbage among what they are made of.

    All that stays as long as the process does. Python's collector would go through it again and
    again while it grows, and once more at the end: a sixth of a short command. For programs: in
    this process, it leaves alone for good what is there once new modules have come.
    """
    before, was_enabled = len(sys.modules), gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > before:
            gc.freeze()
        if was_enabled:
            gc.enable()


def import_numba_without_scipy() -> None:
    """Import numba's array functions with ``scipy.linalg`` hidden, unless either is there already.

    For programs: in this process, numba takes BLAS for missing from now on.
    """
    if _HIDDEN in sys.modules or _ASKING in sys.modules:
        return
    sys.modules[_HIDDEN] = None  # type: ignore[assignment]
    try:
        # Another version of numba may keep its array functions elsewhere: a start is slower then.
        with contextlib.suppress(ImportError):
            importlib.import_module(_ASKING)
    finally:
        del sys.modules[_HIDDEN]
