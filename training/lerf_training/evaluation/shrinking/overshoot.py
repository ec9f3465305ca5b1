"""How far results go beyond the levels of hard edges, lines and text.

Convention
----------
As in `lerf_training.evaluation.shrinking.geometry` and `.scenes`. Overshoots are shares of the
contrast, the difference of the scene's two levels; 0 where the result stays between them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from lerf_training.evaluation.shrinking.geometry import Levels, Shrink, exact_size, shrunk_levels
from lerf_training.evaluation.shrinking.scenes import half_plane, stripe, text_means
from lerf_training.evaluation.shrinking.tiles import FRAME, shrink_tiles

__all__ = ["Overshoot", "changed_flats", "edge_overshoot", "text_overshoot", "worst"]

# Result pixels of a tile's side.
_TILE, _FLAT_TILE = 28, 2 * FRAME + 4
_ANGLES = (0.0, 90.0, 5.0, 20.0, 45.0, 62.0, 85.0, 135.0)
# Source pixels between the positions of edges, and how many positions there are at most.
_STEP, _POSITIONS = 0.5, 12
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
    step = max(_STEP, factor / _POSITIONS)
    positions = np.arange(0, factor, step).tolist()
    shape = (source, source)
    kinds: dict[str, Callable[[float, float], Levels]] = {
        "edge": lambda angle, start: half_plane(shape, angle, start),
        "line 1": lambda angle, start: stripe(shape, angle, 1.0, start),
        "line 2": lambda angle, start: stripe(shape, angle, 2.0, start),
    }
    signed = [sign * size for size, sign in product(contrasts, (1, -1))]
    renderings = [functools.partial(_rendered, contrast=contrast) for contrast in signed]
    overshoots = []
    for scene, draw in kinds.items():
        tiles = (draw(angle, start) for angle, start in product(angles, positions))
        cores = shrink_tiles(shrink, tiles, result, renderings, quantise=quantise)
        for contrast, inner in zip(signed, cores, strict=True):
            groups = np.split(inner, len(angles))
            overshoots += [
                _overshoot(scene, angle, contrast, group)
                for angle, group in zip(angles, groups, strict=True)
            ]
    return overshoots


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
    page = text_means((rows, cols), (rows, cols))
    overshoots = []
    for size, sign in product(contrasts, (1, -1)):
        levels = _rendered(page, sign * size)
        small = shrunk_levels(shrink, levels, (small_rows, small_cols), quantise=quantise)
        overshoots.append(_overshoot("text", 0.0, -sign * size, small))
    return overshoots


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
    source, result = exact_size(math.ceil(_FLAT_TILE * factor), factor)
    # An odd step visits all levels, far from those beside them.
    levels = [float(number * 103 % _LEVELS) for number in range(_LEVELS)]
    tiles = (np.full((source, source), level) for level in levels)
    (cores,) = shrink_tiles(shrink, tiles, result, [np.asarray], quantise=True)
    changed = (cores != np.array(levels)[:, None, None]).any(axis=(1, 2))
    return int(np.count_nonzero(changed))


def _rendered(shares: Levels, contrast: float) -> Levels:
    """Grey levels of a scene of two levels about the middle; the shares' 1 is the lighter.

    Where the contrast is negative, the shares' 0 is.
    """
    size = abs(contrast)
    lighter = shares if contrast > 0 else 1 - shares
    return _low(size) + size * lighter


def _low(size: float) -> float:
    return (_LEVELS - size) // 2


def _overshoot(scene: str, angle: float, contrast: float, result: Levels) -> Overshoot:
    size = abs(contrast)
    shares = (result - _low(size)) / size
    above, below = float(shares.max()) - 1, -float(shares.min())
    return Overshoot(scene, angle, contrast, max(above, 0.0), max(below, 0.0))
