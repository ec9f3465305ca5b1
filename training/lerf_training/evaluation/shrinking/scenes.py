"""Pictures of which every level is known: edges, lines, text, gratings, a zone plate.

Convention
----------
Positions and lengths are in source pixels, from the centre of the picture. Angles are in degrees:
at 0 an edge is upright and its normal points right, at 90 the edge lies and its normal points
down. Shapes are (rows, cols).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np

from lerf_training.evaluation.shrinking.geometry import Levels

__all__ = [
    "SUPERSAMPLING",
    "block_means",
    "grating",
    "half_plane",
    "stripe",
    "text_means",
    "text_page",
    "zone_plate",
]

#: Samples per source pixel, along each axis, of pictures that are not known in closed form.
SUPERSAMPLING = 8
# Components of a normal below this count as 0.
_UPRIGHT = 1e-9
_WORDS = ("Hamburgefonts 0123", "shrink 456 to 78%", "ILlij WMNwmn @&%#", "edges, 9 kerns; fi")


# -- edges and lines ----------------------------------------------------------------------


def half_plane(shape: tuple[int, int], angle: float, offset: float = 0.0) -> Levels:
    """Share of each pixel that lies right of (below) a straight edge.

    Parameters
    ----------
    shape : (rows, cols)
    angle : float
        Of the edge, in degrees: 0 is upright, 90 lies.
    offset : float, optional
        Of the edge from the picture's centre, along its normal.

    Returns
    -------
    ndarray of float64, `shape`
        On 0..1, exact.

    Examples
    --------
    >>> half_plane((1, 4), 0, 0.5).tolist()
    [[0.0, 0.0, 0.5, 1.0]]
    """
    normal = _normal(angle)
    long, short = sorted((abs(component) for component in normal), reverse=True)
    distance = _along(shape, normal) - offset
    if short < _UPRIGHT:
        return np.clip(distance + 0.5, 0.0, 1.0)
    # A pixel's area beyond the edge: the integral of the trapezoid that two boxes make.
    middle, half = (long - short) / 2, (long + short) / 2
    total = _ramp(distance + half) - _ramp(distance + middle)
    total += _ramp(distance - half) - _ramp(distance - middle)
    return np.clip(total / (long * short), 0.0, 1.0)


def stripe(shape: tuple[int, int], angle: float, width: float, offset: float = 0.0) -> Levels:
    """Share of each pixel that a straight line covers.

    Parameters
    ----------
    shape : (rows, cols)
    angle : float
        As in `half_plane`.
    width : float
    offset : float, optional
        Of the line's first edge.

    Returns
    -------
    ndarray of float64, `shape`
        On 0..1.
    """
    return half_plane(shape, angle, offset) - half_plane(shape, angle, offset + width)


def _normal(angle: float) -> tuple[float, float]:
    """Return (row, column) components of a unit vector across."""
    return math.sin(math.radians(angle)), math.cos(math.radians(angle))


def _along(shape: tuple[int, int], vector: tuple[float, float]) -> Levels:
    rows, cols = (np.arange(size) - (size - 1) / 2 for size in shape)
    along: Levels = vector[0] * rows[:, None] + vector[1] * cols
    return along


def _ramp(distance: Levels) -> Levels:
    return np.square(np.maximum(distance, 0.0)) / 2


# -- waves --------------------------------------------------------------------------------


def grating(
    shape: tuple[int, int], frequency: float, angle: float = 0.0, phase: float = 0.0
) -> Levels:
    """Sinusoidal grating.

    Parameters
    ----------
    shape : (rows, cols)
    frequency : float
        In cycles per pixel, of the component along the axis on which it is higher.
    angle : float, optional
        Of the lines, in degrees.
    phase : float, optional
        At the centre, in radians.

    Returns
    -------
    ndarray of float64, `shape`
        On -1..1, with mean square 1/2.
    """
    normal = _normal(angle)
    unit = max(abs(component) for component in normal)
    wave = (2 * math.pi * frequency / unit) * _along(shape, normal)
    return np.cos(wave + phase)


def zone_plate(shape: tuple[int, int]) -> tuple[Levels, Levels]:
    """Rings whose frequency grows with the distance from the centre.

    Parameters
    ----------
    shape : (rows, cols)

    Returns
    -------
    wave : ndarray of float64, `shape`
        On -1..1.
    frequency : ndarray of float64, `shape`
        In cycles per pixel, along the axis on which it is higher there; 1/2 on the outline.
    """
    rows, cols = (np.arange(size) - (size - 1) / 2 for size in shape)
    # cycles: n/4 x^2 / half, so that the frequency is x / (2 half).
    half_rows, half_cols = shape[0] / 2, shape[1] / 2
    cycles = (rows**2 / (4 * half_rows))[:, None] + cols**2 / (4 * half_cols)
    frequency = np.maximum(np.abs(rows / half_rows)[:, None], np.abs(cols / half_cols)) / 2
    return np.cos(2 * math.pi * cycles), frequency


# -- text ---------------------------------------------------------------------------------


def text_page(
    shape: tuple[int, int],
    heights: Sequence[float] = (9, 11, 14, 18),
    *,
    samples: int = SUPERSAMPLING,
) -> Levels:
    """Page of dark text on white, in Pillow's own font, supersampled.

    Parameters
    ----------
    shape : (rows, cols)
        In source pixels.
    heights : sequence of float, optional
        Sizes of the lines' letters, in source pixels, over and over down the page.
    samples : int, optional
        Per source pixel, along each axis.

    Returns
    -------
    ndarray of float64, (rows * samples, cols * samples)
        1 on paper, 0 in ink. Its means over blocks (`block_means`) are what a renderer with
        anti-aliasing draws.
    """
    from PIL import Image, ImageDraw, ImageFont

    rows, cols = (size * samples for size in shape)
    page = Image.new("L", (cols, rows), 255)
    draw = ImageDraw.Draw(page)
    top, number = 4.0 * samples, 0
    while True:
        height = heights[number % len(heights)] * samples
        if top + 1.3 * height > rows:
            return np.asarray(page, dtype=np.float64) / 255
        font = ImageFont.load_default(height)
        words = _WORDS[number % len(_WORDS)]
        while font.getlength(words) < cols:
            words += f"  {words}"
        # Lines start at changing fractions of a pixel.
        draw.text((4 * samples + 3 * number, top), words, 0, font)
        top += 1.3 * height + 1
        number += 1


@functools.lru_cache(maxsize=4)
def text_means(shape: tuple[int, int], grid: tuple[int, int]) -> Levels:
    """Means of a page of text over the blocks of a grid; drawn once for all that are compared.

    Parameters
    ----------
    shape : (rows, cols)
        As for `text_page`.
    grid : (rows, cols)
        As for `block_means`.

    Returns
    -------
    ndarray of float64, `grid`
        Read-only.
    """
    means = block_means(text_page(shape), grid)
    means.setflags(write=False)
    return means


def block_means(levels: Levels, shape: tuple[int, int]) -> Levels:
    """Means over the blocks of a grid, fractions of samples counted.

    Parameters
    ----------
    levels : ndarray of float64, (rows, cols)
    shape : (rows, cols)
        Of the grid, which fills the picture.

    Returns
    -------
    ndarray of float64, `shape`

    Examples
    --------
    >>> block_means(np.array([[0.0, 3.0, 6.0]]), (1, 2)).tolist()
    [[1.0, 5.0]]
    """
    for axis, count in enumerate(shape):
        size = levels.shape[axis]
        sums = np.cumsum(levels, axis=axis)
        sums = np.insert(sums, 0, 0.0, axis=axis)
        edges = np.linspace(0, size, count + 1)
        whole = np.minimum(edges.astype(np.int64), size - 1)
        share = (edges - whole).reshape((-1, 1) if axis == 0 else (1, -1))
        upto = np.take(sums, whole, axis) + share * np.take(levels, whole, axis)
        levels = np.diff(upto, axis=axis) * (count / size)
    return levels
