"""Table reads by compiled kernels, with the interface of `lerf_core.backends.torch`'s."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from lerf_core.backends.torch.table_reads import StageReads, unpad_gradient
from lerf_core.backends.torch.table_reads import read_tables as read_tables_by_torch
from lerf_training.operations.compiled import serves

__all__ = ["read_tables"]


def read_tables(
    plane: Tensor, tables: Tensor, reads: StageReads, *, units: int = 1, compiled: bool = True
) -> Tensor:
    """Sum of a stage's interpolated table reads for every pixel.

    Parameters
    ----------
    plane, tables, reads
        As for `lerf_core.backends.torch.table_reads.read_tables`; the kernels take levels of whole
        units.
    units : int, optional
        Units per grey level, a power of two.
    compiled : bool, optional
        Use the kernels where they can.

    Returns
    -------
    Tensor, (batch, rows, cols, values)
        Differentiable by `plane` and `tables`; borders by edge replication.
    """
    if not compiled or not serves(plane, tables):
        return read_tables_by_torch(plane, tables, reads, units=units)
    total: Tensor = _ReadTables.apply(plane, tables, reads, units)
    return total


@lru_cache(maxsize=32)
def _layout(reads: StageReads) -> tuple[npt.NDArray[Any], ...]:
    """What the kernels take of reads: see their `offsets`, `strides`, `columns` and `signs`."""
    turns = np.array(reads.turns, np.int64)
    return (
        np.array(reads.offsets, np.int64) + reads.pad,
        reads.strides,
        np.ascontiguousarray(turns[..., 0]),
        np.ascontiguousarray(turns[..., 1], np.float32),
    )


class _ReadTables(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, plane: Tensor, tables: Tensor, reads: StageReads, units: int) -> Tensor:
        from lerf_training.operations.numba.table_reads import read_kernels

        cell = reads.interval * units
        kernel, _ = read_kernels(tables.shape[2])
        levels = plane.detach().numpy()
        # Whole levels are bytes, which are compiled for training already.
        whole = levels.astype(np.uint8) if units == 1 else (levels * units).astype(np.uint32)
        padded = np.pad(whole, ((0, 0), *[(reads.pad, reads.pad)] * 2), "edge")
        out = np.zeros((*plane.shape, tables.shape[2]), np.float32)
        entries = np.ascontiguousarray(tables.detach().numpy())
        kernel(padded, entries, *_layout(reads), np.uint32(cell.bit_length() - 1), out)
        out *= np.float32(1 / cell)
        ctx.reads, ctx.units, ctx.padded, ctx.entries = reads, units, padded, entries
        return torch.from_numpy(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor, None, None]:
        from lerf_training.operations.numba.table_reads import read_kernels

        reads, padded, entries = ctx.reads, ctx.padded, ctx.entries
        count, cell = len(entries), reads.interval * ctx.units
        _, kernel = read_kernels(entries.shape[2])
        # Enough tasks for small machines where tables are few; a fixed number, so that
        # sums do not depend on the machine.
        shares = 2 if count < 6 else 1
        table_grad = np.zeros((shares, *entries.shape), np.float32)
        by_plane = ctx.needs_input_grad[0]
        plane_grad = np.zeros((count if by_plane else 0, *padded.shape), np.float32)
        grad = np.ascontiguousarray(grads[0].numpy()) * np.float32(1 / cell)
        shift = np.uint32(cell.bit_length() - 1)
        kernel(padded, entries, *_layout(reads), shift, grad, table_grad, plane_grad)
        by_tables = torch.from_numpy(table_grad.sum(0) if shares > 1 else table_grad[0])
        if not by_plane:
            return None, by_tables, None, None
        total = plane_grad.sum(0) * np.float32(ctx.units)  # a level is so many units
        return unpad_gradient(torch.from_numpy(total), reads.pad), by_tables, None, None
