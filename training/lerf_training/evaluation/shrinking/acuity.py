"""How sharp edges and text come out.

Convention
----------
As in `lerf_training.evaluation.shrinking.geometry`.
"""

from __future__ import annotations

import math

import numpy as np

from lerf_training.evaluation.shrinking.geometry import Levels, Shrink, exact_size, shrunk_levels
from lerf_training.evaluation.shrinking.scenes import half_plane, text_means

__all__ = ["edge_rise", "text_contrast"]

_SIDE, _FRAME = 96, 8
# Degrees off the upright: the edge crosses pixels at all their phases.
_SLANT = 5.0
# Bins of the edge's profile per result pixel.
_BINS = 10
_REACH = 6.0
_LOW, _HIGH = 64.0, 192.0


def edge_rise(shrink: Shrink, factor: float, *, quantise: bool = True) -> float:
    """Distance on which a hard edge rises from 10 to 90 percent of its contrast.

    Parameters
    ----------
    shrink : callable
    factor : float
    quantise : bool, optional
        A scene of 8 bits.

    Returns
    -------
    float
        In result pixels, across an edge 5 degrees off the upright: 0.8 where a result pixel is
        the mean of what it covers and the source is infinitely fine.

    Raises
    ------
    InvalidArgumentError
        If the factor is not above 1, or a result has another shape than asked for.
    """
    source, result = exact_size(math.ceil(_SIDE * factor), factor)
    scene = _LOW + (_HIGH - _LOW) * half_plane((source, source), _SLANT)
    levels = shrunk_levels(shrink, scene, (result, result), quantise=quantise)
    share = (levels - _LOW) / (_HIGH - _LOW)
    rows, cols = np.indices(share.shape) - (result - 1) / 2
    slant = math.radians(_SLANT)
    distance = math.sin(slant) * rows + math.cos(slant) * cols
    inner = (slice(_FRAME, -_FRAME), slice(_FRAME, -_FRAME))
    return _rise(distance[inner].ravel(), share[inner].ravel())


def _rise(distance: Levels, share: Levels) -> float:
    """From samples of the profile: means over bins, then where it crosses 0.1 and 0.9."""
    near = np.abs(distance) < _REACH
    bins = np.floor((distance[near] + _REACH) * _BINS).astype(np.int64)
    count = np.bincount(bins, minlength=int(2 * _REACH * _BINS))
    profile = np.bincount(bins, share[near], minlength=count.size) / np.maximum(count, 1)
    middle = int(np.flatnonzero(profile >= 0.5)[0])
    # From the middle outwards, so that ringing further away does not count.
    low = middle - int(np.flatnonzero(profile[middle::-1] <= 0.1)[0])
    high = middle + int(np.flatnonzero(profile[middle:] >= 0.9)[0])
    start = low + (0.1 - profile[low]) / (profile[low + 1] - profile[low])
    stop = high - (profile[high] - 0.9) / (profile[high] - profile[high - 1])
    return float((stop - start) / _BINS)


def text_contrast(shrink: Shrink, factor: float, *, quantise: bool = True) -> float:
    """Contrast of shrunk text, over that of the same text rendered at the small size.

    Parameters
    ----------
    shrink : callable
    factor : float
    quantise : bool, optional
        A scene of 8 bits.

    Returns
    -------
    float
        Standard deviation of the result over that of the area means: 1 as a renderer with
        anti-aliasing draws it, less where strokes are paler.

    Raises
    ------
    InvalidArgumentError
        As `edge_rise`.
    """
    (rows, small_rows), (cols, small_cols) = (exact_size(size, factor) for size in (240, 320))
    shape, small = (rows, cols), (small_rows, small_cols)
    scene = _LOW + (_HIGH - _LOW) * text_means(shape, shape)
    result = shrunk_levels(shrink, scene, small, quantise=quantise)
    rendered = (_HIGH - _LOW) * text_means(shape, small)
    return float(result.std() / rendered.std())
