"""NumPy's arrays as tensors, whatever they look like in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["tensor_of"]


def tensor_of(array: npt.NDArray[Any]) -> Tensor:
    """Return an array as a tensor on the CPU, of the same memory where torch can use that.

    Raises
    ------
    TypeError
        If torch has no such dtype.
    """
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    kept = np.ascontiguousarray(native)
    # torch takes no negative strides, which axes of one element may keep, and warns of memory that
    # is not to be written.
    if not kept.flags.writeable or any(stride < 0 for stride in kept.strides):
        kept = kept.copy()
    return torch.from_numpy(kept)
