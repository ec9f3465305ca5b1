"""Which tensors the compiled kernels serve."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["serves"]


def serves(*tensors: Tensor) -> bool:
    """Whether kernels take these tensors: float32 on the CPU."""
    return all(tensor.device.type == "cpu" and tensor.dtype == torch.float32 for tensor in tensors)
