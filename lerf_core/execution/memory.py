"""How much memory there is, and whether something fits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lerf_core.constants import COLOUR_PLANES
from lerf_core.errors import ImageTooLargeError

if TYPE_CHECKING:
    from lerf_core.fronts.base import Front
    from lerf_core.pixels.format import PixelFormat

__all__ = ["available_memory", "check_memory", "memory_to_enlarge"]

# Bytes that are there wherever Python runs: to ask takes longer than to resize a small image.
_ALWAYS_THERE = 1 << 20
# Bytes for each pixel of an enlargement that a bank or kernel makes of a plane.
_BESIDE = 16


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


def memory_to_enlarge(front: Front, shape: tuple[int, int], pixels: PixelFormat) -> int:
    """Estimate the bytes that enlarging by a front takes at once, the enlargement included.

    Parameters
    ----------
    front : Front
    shape : (int, int)
        Rows and columns of what is enlarged.
    pixels : PixelFormat
        Of the image.
    """
    scale = pixels.value_scale
    together = COLOUR_PLANES if front.reads_together(pixels.colours) else 1
    work = front.memory_needed(*shape, together, np.uint8 if scale.is_bytes else np.float32)
    source, enlarged = shape[0] * shape[1], shape[0] * shape[1] * front.scale**2
    # Grey levels of the source, and the enlargement.
    itemsize = 1 if scale.is_bytes else 4
    kept = pixels.channels * (source * itemsize + enlarged * scale.dtype.itemsize)
    # What lies beyond the value range, and alpha, are enlarged by other means.
    beside = 0 if scale.is_bytes and pixels.alpha is None else _BESIDE * enlarged
    return int(work + kept + beside)


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
