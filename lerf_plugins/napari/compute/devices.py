"""Devices that pixels may be resampled on, beside the processor."""

from __future__ import annotations

import os
import platform
import sys
from importlib.util import find_spec
from pathlib import Path

__all__ = ["found_devices", "may_have_devices"]

# What drivers of Nvidia's, Windows' (in Linux) and AMD's devices put into Linux.
_DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")


def may_have_devices() -> bool:
    """Tell whether torch is installed, and there is a driver for it; nothing is imported."""
    if find_spec("torch") is None:
        return False
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    if os.name == "nt":
        from ctypes.util import find_library

        return find_library("nvcuda") is not None
    return any(Path(driver).exists() for driver in _DRIVERS)


def found_devices() -> list[str]:
    """Return the devices that torch has here, by its names; to import it takes seconds."""
    try:
        from lerf_core.backends.torch.backend import available_devices

        return available_devices()
    # An installation that is broken, whatever is wrong with it, offers none.
    except Exception:  # noqa: BLE001
        return []
