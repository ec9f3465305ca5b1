"""Entries that training visited seldom or never: what they are when a bank is saved.

A photograph visits few of a table's entries: four neighbouring pixels are mostly alike. An
entry that was seen a few times holds noise, one that never was its start, and both lie
beside well-trained ones in the cells of unnatural images. So the change that training
made is smoothed where it rests on little, and continued to where it rests on nothing: per
table and value it minimises::

    sum_i p_i (x_i - d_i)^2 + sum_(i,j) (x_i - x_j)^2 + weak * sum_i x_i^2

over the nodes i and pairs (i, j) of neighbours along the four axes, for the trained
change d and the evidence p = visits / `EVIDENCE`. Well-visited entries stay as trained;
far from all of them the start remains.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["EVIDENCE", "fill_unvisited"]

#: Visits that count as much as one neighbour.
EVIDENCE = 16.0
_WEAK = 0.02
_SWEEPS = 60


def fill_unvisited(change: Tensor, visits: Tensor, *, evidence: float = EVIDENCE) -> Tensor:
    """Change of table entries as it is saved: smoothed, and continued to unvisited ones.

    Parameters
    ----------
    change : Tensor, (tables, nodes, nodes, nodes, nodes, values)
        Trained entries minus those of the start.
    visits : Tensor, (tables, nodes, nodes, nodes, nodes)
        How many of the training's steps used an entry.
    evidence : float, optional
        Visits that count as much as one neighbour.

    Returns
    -------
    Tensor, (tables, nodes, nodes, nodes, nodes, values)
        Like `change`.
    """
    weight = visits[..., None] / evidence
    total = weight + _sum_of_neighbours(torch.ones_like(weight)) + _WEAK
    pull = weight * change
    # Jacobi sweeps; damped by the weak term and by the nodes of many visits.
    filled = change * (visits > 0)[..., None]
    for _ in range(_SWEEPS):
        filled = (pull + _sum_of_neighbours(filled)) / total
    return filled


def _sum_of_neighbours(values: Tensor) -> Tensor:
    """Sum over the neighbours along the four axes of nodes; shape of `values`."""
    total = torch.zeros_like(values)
    for axis in range(1, 5):
        length = values.shape[axis] - 1
        low, high = values.narrow(axis, 0, length), values.narrow(axis, 1, length)
        total.narrow(axis, 1, length).add_(low)
        total.narrow(axis, 0, length).add_(high)
    return total
