"""Keeping the memory that a training frees, for its next step."""

from __future__ import annotations

import ctypes
import os
import platform
import sys

__all__ = ["keep_freed_memory"]

# Parameters of mallopt, in glibc's malloc.h, with the variables that set them from outside.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_SET_BY = {
    _TRIM_THRESHOLD: ("MALLOC_TRIM_THRESHOLD_", "glibc.malloc.trim_threshold"),
    _MMAP_MAX: ("MALLOC_MMAP_MAX_", "glibc.malloc.mmap_max"),
}


def keep_freed_memory() -> bool:
    """Let the process keep large blocks that are freed, rather than return them to the system.

    A step of torch on a CPU asks for many blocks of megabytes and frees them: each would be mapped
    anew, and its pages cleared one by one as they are touched, which takes several times as long
    as the step. Of glibc alone, and only what the environment does not set.

    Returns
    -------
    bool
        Whether anything was set.
    """
    if not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    values = {_MMAP_MAX: 0, _TRIM_THRESHOLD: -1}  # no maps, never trimmed
    changed = False
    for parameter, value in values.items():
        variable, tunable = _SET_BY[parameter]
        if variable not in os.environ and tunable not in tunables:
            changed |= bool(mallopt(parameter, value))
    return changed
