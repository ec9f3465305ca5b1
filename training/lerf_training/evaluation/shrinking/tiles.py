"""Many small scenes of one shape, shrunk side by side in few calls.

Convention
----------
As in `lerf_training.evaluation.shrinking.geometry`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from lerf_training.evaluation.shrinking.geometry import Levels, Shrink, shrunk_levels

__all__ = ["FRAME", "shrink_tiles"]

#: Result pixels at each side of a tile that do not count: kernels may reach so far beyond.
FRAME = 8
# Source pixels of a picture of tiles, and the least number of tiles: each has others beside it.
_PIXELS = 2**21
_FEWEST = 4


def shrink_tiles(
    shrink: Shrink,
    tiles: Iterable[Levels],
    side: int,
    renderings: Sequence[Callable[[Levels], Levels]],
    *,
    quantise: bool,
) -> list[npt.NDArray[np.float64]]:
    """Shrink tiles side by side, and keep their inner parts.

    Parameters
    ----------
    shrink : callable
    tiles : iterable of ndarray of float64
        Squares of one size.
    side : int
        Result pixels of a tile's side.
    renderings : sequence of callable
        Each makes grey levels, 0..255, of a picture of tiles.
    quantise : bool
        As in `shrunk_levels`.

    Returns
    -------
    list of ndarray of float64, (count, side - 2 * FRAME, side - 2 * FRAME)
        For each rendering, the inner parts of all tiles.

    Raises
    ------
    InvalidArgumentError
        If a result has another shape than asked for.
    """
    cores: list[list[npt.NDArray[np.float64]]] = [[] for _ in renderings]
    for batch in _batches(tiles):
        across = math.ceil(math.sqrt(len(batch)))
        page = _mosaic(batch, across)
        shape = (side * page.shape[0] // len(batch[0]), side * across)
        for inner, rendering in zip(cores, renderings, strict=True):
            result = shrunk_levels(shrink, rendering(page), shape, quantise=quantise)
            inner.append(_inner_parts(result, side)[: len(batch)])
    return [np.concatenate(inner) for inner in cores]


def _batches(tiles: Iterable[Levels]) -> Iterator[list[Levels]]:
    batch: list[Levels] = []
    for tile in tiles:
        batch.append(tile)
        if len(batch) >= max(_FEWEST, _PIXELS // tile.size):
            yield batch
            batch = []
    if batch:
        yield batch


def _mosaic(tiles: Sequence[Levels], across: int) -> Levels:
    """Tiles in rows of `across`; the last row is filled with the last tile."""
    down = -(-len(tiles) // across)
    filled = [*tiles, *[tiles[-1]] * (down * across - len(tiles))]
    rows = [np.hstack(filled[start : start + across]) for start in range(0, len(filled), across)]
    return np.vstack(rows)


def _inner_parts(result: Levels, side: int) -> npt.NDArray[np.float64]:
    down, across = (size // side for size in result.shape)
    tiles = result.reshape(down, side, across, side).swapaxes(1, 2).reshape(-1, side, side)
    return tiles[:, FRAME:-FRAME, FRAME:-FRAME]
