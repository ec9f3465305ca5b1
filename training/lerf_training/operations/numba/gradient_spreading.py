"""Spreading gradients over neighbouring nodes of a table, in numba."""

from __future__ import annotations

import numpy as np
from numba import prange

from lerf_core.backends.numba.kernels.compiling import compiled

__all__ = ["spread"]


@compiled(error_model="numpy")
def _along(lines, decay):
    """Filter (outer, nodes, inner) along its middle axis, forth and back, in place."""
    outer, nodes, inner = lines.shape
    for o in range(outer):
        block = lines[o]
        for i in range(1, nodes):
            before = block[i - 1]
            line = block[i]
            for x in range(inner):
                line[x] += decay * before[x]
        for i in range(nodes - 2, -1, -1):
            after = block[i + 1]
            line = block[i]
            for x in range(inner):
                line[x] += decay * after[x]


@compiled(parallel=True, nogil=True, error_model="numpy")
def spread(grad, nodes, decay):
    """Give a share of every gradient to the nodes around, along the four axes, in place.

    grad: (tables, nodes**4, values), contiguous; decay: share that goes one node on, in 0..1.
    """
    values = grad.shape[2]
    share = np.float32(decay)
    for table in prange(grad.shape[0]):
        flat = grad[table].reshape(nodes**4 * values)
        inner = values
        outer = nodes**3
        for _ in range(4):
            _along(flat.reshape((outer, nodes, inner)), share)
            inner *= nodes
            outer //= nodes
