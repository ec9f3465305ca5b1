"""Drawn planes among the photographs: checkerboards, stripes, noise, shapes, letters, gradients.

Photographs leave much of a table unvisited: four neighbouring pixels of strong and regular
contrast hardly occur. Screenshots, charts, scans of print and test patterns read just those
entries, so a small share of the samples is drawn.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

__all__ = ["coloured", "draw_graphics"]

Plane = npt.NDArray[np.uint8]
Planes = npt.NDArray[np.uint8]
Generator = np.random.Generator

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.,;:+-=/()%&"
# Share of drawn planes that stay black and white.
_UNCOLOURED = 0.3
# Cells, in low-resolution pixels, that patterns are made of.
_CELLS = (0.5, 1.0, 1.0, 2.0, 2.0, 3.0, 4.0, 6.0, 8.0)


def draw_graphics(rng: Generator, side: int, scale: float) -> Plane:
    """Draw a plane.

    Parameters
    ----------
    rng : Generator
        Decides everything.
    side : int
        Rows and columns.
    scale : float
        Pixels of the plane that a low-resolution pixel may span: the finest patterns are of
        such cells.

    Returns
    -------
    ndarray of uint8, (side, side)
    """
    kinds: tuple[Callable[[Generator, int, float], Plane], ...] = (
        _checkerboard,
        _stripes,
        _noise,
        _shapes,
        _letters,
        _gradient,
    )
    return kinds[rng.integers(len(kinds))](rng, side, scale)


def coloured(plane: Plane, rng: Generator) -> Planes:
    """Three planes of a drawn one: its levels run from one colour to another.

    Parameters
    ----------
    plane : ndarray of uint8, (rows, cols)
    rng : Generator
        Decides the colours: black and white as they were for three in ten.

    Returns
    -------
    ndarray of uint8, (3, rows, cols)
    """
    if rng.random() < _UNCOLOURED:
        return np.repeat(plane[None], 3, axis=0)
    ends = rng.integers(0, 256, (2, 3))
    steps = np.linspace(ends[0], ends[1], 256)  # (256, 3)
    colours = np.rint(steps).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(colours[plane], -1, 0))


def _levels(rng: Generator) -> tuple[int, int]:
    """Two levels: black and white as often as any."""
    if rng.random() < 0.5:
        return (0, 255) if rng.random() < 0.5 else (255, 0)
    first, second = rng.integers(0, 256, 2)
    return int(first), int(second)


def _coordinates(rng: Generator, side: int, scale: float) -> tuple[npt.NDArray[np.float64], ...]:
    """Rows and columns in cells, turned one time in three."""
    cell = scale * rng.choice(_CELLS)
    rows, cols = np.mgrid[:side, :side] + 0.0
    if rng.random() < 1 / 3:
        angle = rng.uniform(0, np.pi)
        rows, cols = (
            np.cos(angle) * rows - np.sin(angle) * cols,
            np.sin(angle) * rows + np.cos(angle) * cols,
        )
    shift = np.floor(rng.uniform(0, scale, 2))
    return (rows + shift[0]) / cell, (cols + shift[1]) / cell


def _checkerboard(rng: Generator, side: int, scale: float) -> Plane:
    rows, cols = _coordinates(rng, side, scale)
    odd = (np.floor(rows) + np.floor(cols)) % 2 == 1
    return np.where(odd, *_levels(rng)).astype(np.uint8)


def _stripes(rng: Generator, side: int, scale: float) -> Plane:
    rows, _ = _coordinates(rng, side, scale)
    if rng.random() < 0.5:
        rows = rows.T
    wave = (np.floor(rows) % 2) if rng.random() < 0.5 else 0.5 + 0.5 * np.sin(np.pi * rows)
    first, second = _levels(rng)
    return np.rint(first + (second - first) * wave).astype(np.uint8)


def _noise(rng: Generator, side: int, scale: float) -> Plane:
    cell = scale * rng.choice((1.0, 1.0, 2.0, 3.0))
    index = (np.arange(side) / cell).astype(int)
    count = index[-1] + 1
    low, high = sorted(_levels(rng))
    grain = rng.integers(low, high + 1, (count, count))
    if rng.random() < 0.4:
        grain = np.where(grain > (low + high) / 2, high, low)
    return grain[np.ix_(index, index)].astype(np.uint8)


def _shapes(rng: Generator, side: int, scale: float) -> Plane:
    background, ink = _levels(rng)
    image = Image.new("L", (side, side), background)
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(4, 24))):
        x, y = (int(v) for v in rng.integers(0, side, 2))
        width, height = (int(v) for v in rng.integers(2, side // 2, 2))
        fill = (background, ink, int(rng.integers(256)))[rng.integers(3)]
        kind = rng.integers(3)
        if kind == 0:
            draw.rectangle((x, y, x + width, y + height), fill)
        elif kind == 1:
            draw.ellipse((x, y, x + width, y + height), fill)
        else:
            end = tuple(int(v) for v in rng.integers(0, side, 2))
            draw.line((x, y, *end), fill, width=int(rng.integers(1, 2 + int(3 * scale))))
    return np.array(image)


def _letters(rng: Generator, side: int, scale: float) -> Plane:
    background, ink = _levels(rng)
    image = Image.new("L", (side, side), background)
    draw = ImageDraw.Draw(image)
    height = int(rng.uniform(6, 16) * scale)
    font = ImageFont.load_default(height)
    for top in range(int(-height * rng.random()), side, int(1.25 * height)):
        line = "".join(_LETTERS[i] for i in rng.integers(0, len(_LETTERS), 24))
        draw.text((int(-height * rng.random()), top), line, ink, font=font)
    return np.array(image)


def _gradient(rng: Generator, side: int, scale: float) -> Plane:  # noqa: ARG001
    angle = rng.uniform(0, 2 * np.pi)
    rows, cols = np.mgrid[:side, :side] / side - 0.5
    first, second = _levels(rng)
    share = 0.5 + np.cos(angle) * rows + np.sin(angle) * cols
    plane: Plane = np.clip(np.rint(first + (second - first) * share), 0, 255).astype(np.uint8)
    return plane
