"""Diagonal-first compression: tables that keep what photographs read, and the rest by halves.

The four pixels that index a table are mostly alike, so entries near its diagonal, where all four
nodes are equal, are read most. These are kept, and of the others those whose nodes are all even; an
entry that is not kept is the mean of two that are: of its nodes rounded down to even ones, and up.
That is what a read of a table of half as many nodes gives there.

References
----------
Li et al., "Toward DNN of LUTs: Learning Efficient Image Restoration with Multiple Look-Up Tables",
TPAMI 2024 (diagonal-first compression).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lerf_core.errors import BankError

if TYPE_CHECKING:
    from lerf_core.bank.files import Table

__all__ = [
    "Entries",
    "KeptEntries",
    "check_diagonal",
    "compressed",
    "expanded",
    "kept_entries",
]

_AXES = 4

#: (kept, values)
Entries = npt.NDArray[np.int8]
Indices = npt.NDArray[np.int64]


class KeptEntries(NamedTuple):
    """Which entries of a table are kept, and what the others are made of.

    Attributes
    ----------
    kept : ndarray of int64, (kept,)
        Indices into the table's entries, nodes**4 of them in C order; rising.
    lower, upper : ndarray of int64, (nodes**4,)
        For every entry the two kept ones that it is the mean of, counted among the kept; twice
        itself for one that is kept.
    """

    kept: Indices
    lower: Indices
    upper: Indices


@lru_cache(maxsize=8)
def kept_entries(nodes: int, diagonal: int) -> KeptEntries:
    """Return which entries of a table a compression keeps.

    Parameters
    ----------
    nodes : int
        Along each axis of the table; odd.
    diagonal : int
        An entry is kept if no node of its other axes is farther from the first's.
    """
    grid: Any = np.indices((nodes,) * _AXES).reshape(_AXES, -1)
    is_near = (np.abs(grid - grid[0]) <= diagonal).all(axis=0)
    is_kept = is_near | (grid % 2 == 0).all(axis=0)
    kept = np.flatnonzero(is_kept)
    place = np.cumsum(is_kept) - 1
    strides = nodes ** np.arange(_AXES - 1, -1, -1)
    corners = [place[strides @ (grid // 2 * 2)], place[strides @ ((grid + 1) // 2 * 2)]]
    lower, upper = (np.where(is_kept, place, corner) for corner in corners)
    for array in (kept, lower, upper):
        array.flags.writeable = False
    return KeptEntries(kept, lower, upper)


def compressed(table: Table, diagonal: int) -> Entries:
    """Return the entries of a table that are kept; see `kept_entries`.

    Parameters
    ----------
    table : ndarray of int8, (nodes, nodes, nodes, nodes, values)
    diagonal : int

    Returns
    -------
    ndarray of int8, (kept, values)
    """
    nodes, values = table.shape[0], table.shape[-1]
    return table.reshape(-1, values)[kept_entries(nodes, diagonal).kept]


def expanded(entries: Entries, nodes: int, diagonal: int) -> Table:
    """Return the table that kept entries stand for.

    Parameters
    ----------
    entries : ndarray of int8, (kept, values)
    nodes, diagonal : int
        See `kept_entries`.

    Returns
    -------
    ndarray of int8, (nodes, nodes, nodes, nodes, values)
        Means are rounded half to even.

    Raises
    ------
    BankError
        If there are more or fewer entries than such a table keeps.
    """
    kept = kept_entries(nodes, diagonal)
    if entries.ndim != 2 or len(entries) != len(kept.kept):
        raise BankError(
            f"a compressed table of {nodes} nodes must have {len(kept.kept)} rows of entries, "
            f"got an array of {entries.shape}"
        )
    wide = entries.astype(np.int16)
    mean = np.rint((wide[kept.lower] + wide[kept.upper]) / 2)
    return mean.astype(np.int8).reshape((nodes,) * _AXES + (entries.shape[1],))


def check_diagonal(diagonal: object, nodes: int) -> int:
    """Return how far from the diagonal entries are kept, if a table can be compressed so.

    Raises
    ------
    BankError
        If it is no whole number from 0 to ``nodes - 1``.
    """
    if not isinstance(diagonal, int) or isinstance(diagonal, bool) or not 0 <= diagonal < nodes:
        raise BankError(
            f"diagonal must be a whole number in 0..{nodes - 1} for {nodes} nodes, got {diagonal!r}"
        )
    return diagonal
