"""How much memory there is, and whether something fits."""

from __future__ import annotations

import os
from pathlib import Path

from lerf_core.errors import ImageTooLargeError

__all__ = ["available_memory", "check_memory"]

# Bytes that are there wherever Python runs: to ask takes longer than to resize a small image.
_ALWAYS_THERE = 1 << 20


def check_memory(needed: int, what: str) -> None:
    """Raise, before anything is allocated, if more bytes are needed than are available.

    Parameters
    ----------
    needed : int
        Bytes.
    what : str
        What needs them, the subject of the error's sentence: "maps of an image of (4, 5)".

    Raises
    ------
    ImageTooLargeError
        If they are not available. Where the system does not tell what is, nothing is refused.
    """
    if needed <= _ALWAYS_THERE:
        return
    available = available_memory()
    if available is not None and needed > available:
        raise ImageTooLargeError(
            f"{what} would need {needed / 2**30:.1f} GiB of memory, "
            f"{available / 2**30:.1f} GiB are available"
        )


def available_memory() -> int | None:
    """Return the bytes that can be had without swapping; None where the system does not tell."""
    sizes = [size for size in (_system_memory(), _container_memory()) if size is not None]
    return min(sizes, default=None)


def _system_memory() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def _container_memory() -> int | None:
    """Bytes left to a container whose memory is limited (Linux, cgroup 2)."""
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text(encoding="ascii"))
        used = int((group / "memory.current").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return max(0, limit - used)
