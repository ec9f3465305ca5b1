"""Where steps are one Triton kernel each (`triton_kernels`), on CUDA."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from functools import cache
from typing import Any

import torch

__all__ = ["fused_kernels", "triton_kernels"]


def fused_kernels(device: torch.device) -> Any:
    """Return the module of kernels for a device, or None where there are none."""
    return triton_kernels() if device.type == "cuda" else None


@cache
def triton_kernels() -> Any:
    """Import and try the kernels: Triton may be missing, or what it compiles by."""
    if importlib.util.find_spec("triton") is None:
        return None
    try:
        kernels = importlib.import_module("lerf_core.backends.torch.triton_kernels")
        kernels.overshoot_bounds(torch.zeros((1, 1, 1), dtype=torch.uint8, device="cuda"))
    except Exception as error:  # noqa: BLE001 - whatever a compiler raises
        warnings.warn(
            f"Triton does not work here, torch's own operations are slower: {error!r}", stacklevel=2
        )
        return None
    return kernels
