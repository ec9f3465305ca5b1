"""Writing results in numba: channels side by side, and the border around a warped image."""

from __future__ import annotations

from lerf_core.backends.numba.kernels.compiling import KERNEL, compiled

__all__ = ["fill_rows", "store_four", "store_three", "store_two"]


@compiled(**KERNEL)
def store_two(a, b, out):
    """Write two channels, (rows, cols) each, into an image of (rows, cols, 2)."""
    for y in range(out.shape[0]):
        row_a, row_b, row = a[y], b[y], out[y]
        for x in range(row.shape[0]):
            row[x, 0] = row_a[x]
            row[x, 1] = row_b[x]


@compiled(**KERNEL)
def store_three(a, b, c, out):
    """Write three channels, (rows, cols) each, into an image of (rows, cols, 3)."""
    for y in range(out.shape[0]):
        row_a, row_b, row_c, row = a[y], b[y], c[y], out[y]
        for x in range(row.shape[0]):
            row[x, 0] = row_a[x]
            row[x, 1] = row_b[x]
            row[x, 2] = row_c[x]


@compiled(**KERNEL)
def store_four(a, b, c, d, out):
    """Write four channels, (rows, cols) each, into an image of (rows, cols, 4)."""
    for y in range(out.shape[0]):
        row_a, row_b, row_c, row_d, row = a[y], b[y], c[y], d[y], out[y]
        for x in range(row.shape[0]):
            row[x, 0] = row_a[x]
            row[x, 1] = row_b[x]
            row[x, 2] = row_c[x]
            row[x, 3] = row_d[x]


@compiled(**KERNEL)
def fill_rows(plane, visible_columns, value):
    """Set all but columns ``first..last-1`` of each row, (rows, 2)."""
    for y in range(plane.shape[0]):
        plane[y, : visible_columns[y, 0]] = value
        plane[y, visible_columns[y, 1] :] = value
