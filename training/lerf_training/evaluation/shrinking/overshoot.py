"""How far results go beyond the levels of hard edges, lines and text.

Convention
----------
As in `lerf_training.evaluation.shrinking.geometry` and `.scenes`. Overshoots are shares of the
contrast, the difference of the scene's two levels; 0 where the result stays between them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from lerf_training.evaluation.shrinking.geometry import Levels, Shrink, exact_size, shrunk_levels
from lerf_training.evaluation.shrinking.scenes import (
    block_means,
    half_plane,
    mosaic,
    stripe,
    text_page,
    tile_cores,
)

__all__ = ["Overshoot", "changed_flats", "edge_overshoot", "text_overshoot", "worst"]

# Result pixels of a tile's side, and of its frame: kernels may reach so far.
_TILE, _FRAME = 28, 8
_ANGLES = (0.0, 90.0, 5.0, 20.0, 45.0, 62.0, 85.0, 135.0)
# Source pixels between the positions of edges.
_STEP = 0.5
_LEVELS = 256


@dataclass(frozen=True)
class Overshoot:
    """Largest overshoot of one kind of scene, over positions.

    Attributes
    ----------
    scene : str
        ``'edge'``, ``'line 1'``, ``'line 2'`` (source pixels wide) or ``'text'``.
    angle : float
        Degrees; 0 for text.
    contrast : float
        Levels; negative where the edge's far side, the line or the ink is the darker.
    above, below : float
        Beyond the lighter and the darker level, shares of the contrast.
    """

    scene: str
    angle: float
    contrast: float
    above: float
    below: float

    @property
    def largest(self) -> float:
        """The greater of both."""
        return max(self.above, self.below)


def worst(overshoots: Sequence[Overshoot], scene: str) -> float:
    """Largest overshoot of a kind of scene: ``'edge'``, ``'line'`` or ``'text'``."""
    return max(entry.largest for entry in overshoots if entry.scene.split()[0] == scene)


def edge_overshoot(
    shrink: Shrink,
    factor: float,
    *,
    contrasts: Sequence[float] = (32, 64, 128),
    angles: Sequence[float] = _ANGLES,
    quantise: bool = True,
) -> list[Overshoot]:
    """Overshoot at edges and lines, upright, lying and slanted.

    Parameters
    ----------
    shrink : callable
    factor : float
    contrasts : sequence of float, optional
        Levels, about the middle grey; each in both directions. Above 160 clipping would hide
        overshoot.
    angles : sequence of float, optional
        Degrees.
    quantise : bool, optional
        Scenes of 8 bits. Multiples of 32 levels have 3/32 of them on a whole level, so that
        rounding does not carry a result across that limit.

    Returns
    -------
    list of Overshoot
        One per kind, angle and contrast, over positions half a source pixel apart.

    Raises
    ------
    InvalidArgumentError
        If the factor is not above 1, or a result has another shape than asked for.
    """
    source, result = exact_size(math.ceil(_TILE * factor), factor)
    positions = np.arange(0, math.ceil(factor), _STEP).tolist()
    shape = (source, source)
    kinds: dict[str, Callable[[float, float], Levels]] = {
        "edge": lambda angle, at: half_plane(shape, angle, at),
        "line 1": lambda angle, at: stripe(shape, angle, 1.0, at),
        "line 2": lambda angle, at: stripe(shape, angle, 2.0, at),
    }
    found = []
    across = len(positions)
    for scene, draw in kinds.items():
        # A row of tiles per angle.
        tiles = [draw(angle, at) for angle, at in product(angles, positions)]
        page = mosaic(tiles, across)
        small = (len(angles) * result, across * result)
        for size, sign in product(contrasts, (1, -1)):
            cores = tile_cores(
                _shrunk_shares(shrink, page, small, sign * size, quantise=quantise),
                len(tiles), across, _FRAME,
            )  # fmt: skip
            for angle, group in zip(angles, np.split(cores, len(angles)), strict=True):
                found.append(_overshoot(scene, angle, sign * size, group))
    return found


def text_overshoot(
    shrink: Shrink,
    factor: float,
    *,
    contrasts: Sequence[float] = (32, 64, 128),
    quantise: bool = True,
) -> list[Overshoot]:
    """Overshoot in a page of text.

    Parameters
    ----------
    shrink : callable
    factor : float
    contrasts : sequence of float, optional
        As for `edge_overshoot`.
    quantise : bool, optional

    Returns
    -------
    list of Overshoot
        Two per contrast: dark on light, and light on dark.

    Raises
    ------
    InvalidArgumentError
        As `edge_overshoot`.
    """
    (rows, small_rows), (cols, small_cols) = (exact_size(size, factor) for size in (240, 320))
    page = block_means(text_page((rows, cols)), (rows, cols))
    small = (small_rows, small_cols)
    return [
        _overshoot(
            "text", 0.0, -sign * size,
            _shrunk_shares(shrink, page, small, sign * size, quantise=quantise),
        )
        for size, sign in product(contrasts, (1, -1))
    ]  # fmt: skip


def changed_flats(shrink: Shrink, factor: float) -> int:
    """Of the 256 levels, those whose flat area changes while others lie 8 result pixels away.

    Parameters
    ----------
    shrink : callable
    factor : float

    Returns
    -------
    int
        0 where flat areas stay exactly flat.

    Raises
    ------
    InvalidArgumentError
        As `edge_overshoot`.
    """
    source, result = exact_size(math.ceil((2 * _FRAME + 4) * factor), factor)
    across = 16
    # An odd step visits all levels, far from those beside them.
    levels = [(number * 103) % _LEVELS for number in range(_LEVELS)]
    page = mosaic([np.full((source, source), float(level)) for level in levels], across)
    small = shrunk_levels(shrink, page, (across * result, across * result), quantise=True)
    cores = tile_cores(small, _LEVELS, across, _FRAME)
    changed = (cores != np.array(levels)[:, None, None]).any(axis=(1, 2))
    return int(np.count_nonzero(changed))


def _shrunk_shares(
    shrink: Shrink, shares: Levels, small: tuple[int, int], contrast: float, *, quantise: bool
) -> Levels:
    """Result of a scene of two levels, 0 at its darker and 1 at its lighter level."""
    size = abs(contrast)
    low = (_LEVELS - size) // 2
    lighter = shares if contrast > 0 else 1 - shares
    return (shrunk_levels(shrink, low + size * lighter, small, quantise=quantise) - low) / size


def _overshoot(scene: str, angle: float, contrast: float, result: Levels) -> Overshoot:
    above, below = float(result.max()) - 1, -float(result.min())
    return Overshoot(scene, angle, contrast, max(above, 0.0), max(below, 0.0))
