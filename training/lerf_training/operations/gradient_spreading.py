"""Gradients of table entries, spread over neighbouring entries."""

from __future__ import annotations

from torch import Tensor

from lerf_training.operations.compiled import serves

__all__ = ["spread_gradient"]


def spread_gradient(grad: Tensor, nodes: int, share: float, *, compiled: bool = True) -> None:
    """Give a share of every gradient to the nodes around it, in place.

    Neighbouring entries want much the same change: a step along spread gradients moves them
    together and carries well-visited entries' evidence to seldom visited ones. It is a change of
    metric, not of the optimum: along each axis a two-sided exponential filter.

    Parameters
    ----------
    grad : Tensor, (tables, nodes**4, values)
        Gradient by a stage's tables; changed.
    nodes : int
        Nodes along each axis.
    share : float
        Of a node's gradient that goes one node on, in 0..1.
    compiled : bool, optional
        Use the kernel where it can.
    """
    if compiled and serves(grad):
        from lerf_training.operations.numba.gradient_spreading import spread

        spread(grad.numpy(), nodes, share)
        return
    grid = grad.view(grad.shape[0], nodes, nodes, nodes, nodes, -1)
    for axis in range(4, 0, -1):
        lines = grid.unbind(axis)
        for line, before in zip(lines[1:], lines, strict=False):
            line.add_(before, alpha=share)
        for line, after in zip(lines[-2::-1], lines[:0:-1], strict=True):
            line.add_(after, alpha=share)
