"""Table reads over a batch of planes, forward and backward, in numba.

The same simplex interpolation as in `lerf_core.backends.reference`, over float32 tables. A
backward task owns one table (and, where tables are few, half of the batch), so that no two threads
ever add to the same gradient and sums have one order whatever the number of threads.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numba import prange

from lerf_core.backends.numba.kernels.compiling import compiled

__all__ = ["read_kernels"]


@compiled(inline="never", error_model="numpy")
def _larger(a, b):
    return a if a > b else b


@compiled(inline="never", error_model="numpy")
def _smaller(a, b):
    return a if a < b else b


@compiled(error_model="numpy")
def _walk(a, b, c, d, strides, shift):
    """First node of the cell, and the four pixels as keys in order of their fraction.

    A key is (fraction << 2) | (3 - pixel): larger fractions first, then earlier pixels.
    """
    mask = (np.uint32(1) << shift) - np.uint32(1)
    a = np.uint32(a)
    b = np.uint32(b)
    c = np.uint32(c)
    d = np.uint32(d)
    node = (
        (a >> shift) * strides[0]
        + (b >> shift) * strides[1]
        + (c >> shift) * strides[2]
        + (d >> shift) * strides[3]
    )
    ka = ((a & mask) << np.uint32(2)) | np.uint32(3)
    kb = ((b & mask) << np.uint32(2)) | np.uint32(2)
    kc = ((c & mask) << np.uint32(2)) | np.uint32(1)
    kd = (d & mask) << np.uint32(2)
    p, q = _larger(ka, kb), _smaller(ka, kb)
    r, s = _larger(kc, kd), _smaller(kc, kd)
    first, t = _larger(p, r), _smaller(p, r)
    u, fourth = _larger(q, s), _smaller(q, s)
    second, third = _larger(t, u), _smaller(t, u)
    return node, first, second, third, fourth


@cache
def read_kernels(values):
    """Forward and backward kernels for tables of `values` values.

    The number is a constant of the compiled code: loops over values unroll. (Closures over
    kernels would never be found in the cache; these are over a number alone.)
    """

    @compiled(parallel=True, nogil=True, error_model="numpy")
    def forward(plane, tables, offsets, strides, columns, signs, shift, out):
        """Add the reads of every table to `out`.

        plane: (batch, rows + 2 pad, cols + 2 pad) of uint8 or uint32, in units; tables: (tables,
        nodes**4, values); offsets: (tables, reads, 4, 2), from the padded plane's corner; columns
        and signs: (tables, reads, values), which column of the table is each value
        (`lerf_core.bank.turned_columns`); shift: uint32, a cell spans ``2**shift`` units; out:
        (batch, rows, cols, values), in units of 1 / cell of an entry.
        """
        cell = np.float32(np.uint32(1) << shift)
        batch, rows, cols = out.shape[0], out.shape[1], out.shape[2]
        two = np.uint32(2)
        three = np.uint32(3)
        for job in prange(batch):
            padded = plane[job]
            result = out[job]
            for t in range(tables.shape[0]):
                table = tables[t]
                for read in range(offsets.shape[1]):
                    o = offsets[t, read]
                    column = columns[t, read]
                    sign = signs[t, read]
                    for y in range(rows):
                        line = result[y]
                        row_a = padded[y + o[0, 0], o[0, 1] : o[0, 1] + cols]
                        row_b = padded[y + o[1, 0], o[1, 1] : o[1, 1] + cols]
                        row_c = padded[y + o[2, 0], o[2, 1] : o[2, 1] + cols]
                        row_d = padded[y + o[3, 0], o[3, 1] : o[3, 1] + cols]
                        for x in range(cols):
                            n0, k1, k2, k3, k4 = _walk(
                                row_a[x], row_b[x], row_c[x], row_d[x], strides, shift
                            )
                            f1 = np.float32(k1 >> two)
                            f2 = np.float32(k2 >> two)
                            f3 = np.float32(k3 >> two)
                            f4 = np.float32(k4 >> two)
                            n1 = n0 + strides[three - (k1 & three)]
                            n2 = n1 + strides[three - (k2 & three)]
                            n3 = n2 + strides[three - (k3 & three)]
                            n4 = n3 + strides[three - (k4 & three)]
                            for v in range(values):
                                c = column[v]
                                line[x, v] += sign[v] * (
                                    (cell - f1) * table[n0, c]
                                    + (f1 - f2) * table[n1, c]
                                    + (f2 - f3) * table[n2, c]
                                    + (f3 - f4) * table[n3, c]
                                    + f4 * table[n4, c]
                                )

    @compiled(parallel=True, nogil=True, error_model="numpy")
    def backward(
        plane, tables, offsets, strides, columns, signs, shift, grad, table_grad, plane_grad
    ):
        """Add to the gradients of tables and plane; shapes as in `forward`.

        grad: (batch, rows, cols, values); table_grad: (shares, tables, nodes**4, values);
        plane_grad: (tables, batch, padded rows, padded cols), or of no elements.
        """
        cell = np.float32(np.uint32(1) << shift)
        batch, rows, cols = grad.shape[0], grad.shape[1], grad.shape[2]
        count = tables.shape[0]
        shares = table_grad.shape[0]
        with_plane = plane_grad.shape[0] > 0
        two = np.uint32(2)
        three = np.uint32(3)
        for job in prange(count * shares):
            t = job % count
            share = job // count
            table = tables[t]
            gradient = table_grad[share, t]
            for n in range(batch * share // shares, batch * (share + 1) // shares):
                padded = plane[n]
                slopes = plane_grad[t if with_plane else 0, n if with_plane else 0]
                for y in range(rows):
                    line = grad[n, y]
                    for read in range(offsets.shape[1]):
                        o = offsets[t, read]
                        column = columns[t, read]
                        sign = signs[t, read]
                        row_a = padded[y + o[0, 0], o[0, 1] : o[0, 1] + cols]
                        row_b = padded[y + o[1, 0], o[1, 1] : o[1, 1] + cols]
                        row_c = padded[y + o[2, 0], o[2, 1] : o[2, 1] + cols]
                        row_d = padded[y + o[3, 0], o[3, 1] : o[3, 1] + cols]
                        for x in range(cols):
                            n0, k1, k2, k3, k4 = _walk(
                                row_a[x], row_b[x], row_c[x], row_d[x], strides, shift
                            )
                            f1 = np.float32(k1 >> two)
                            f2 = np.float32(k2 >> two)
                            f3 = np.float32(k3 >> two)
                            f4 = np.float32(k4 >> two)
                            p1 = three - (k1 & three)
                            p2 = three - (k2 & three)
                            p3 = three - (k3 & three)
                            p4 = three - (k4 & three)
                            n1 = n0 + strides[p1]
                            n2 = n1 + strides[p2]
                            n3 = n2 + strides[p3]
                            n4 = n3 + strides[p4]
                            s1 = np.float32(0)
                            s2 = np.float32(0)
                            s3 = np.float32(0)
                            s4 = np.float32(0)
                            for v in range(values):
                                c = column[v]
                                g = sign[v] * line[x, v]
                                gradient[n0, c] += (cell - f1) * g
                                gradient[n1, c] += (f1 - f2) * g
                                gradient[n2, c] += (f2 - f3) * g
                                gradient[n3, c] += (f3 - f4) * g
                                gradient[n4, c] += f4 * g
                                if with_plane:
                                    s1 += g * (table[n1, c] - table[n0, c])
                                    s2 += g * (table[n2, c] - table[n1, c])
                                    s3 += g * (table[n3, c] - table[n2, c])
                                    s4 += g * (table[n4, c] - table[n3, c])
                            if with_plane:
                                slopes[y + o[p1, 0], x + o[p1, 1]] += s1
                                slopes[y + o[p2, 0], x + o[p2, 1]] += s2
                                slopes[y + o[p3, 0], x + o[p3, 1]] += s3
                                slopes[y + o[p4, 0], x + o[p4, 1]] += s4

    return forward, backward
