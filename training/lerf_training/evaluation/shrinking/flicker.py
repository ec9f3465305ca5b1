"""What changes in results, beside the motion, when the source moves by less than a result pixel.

A periodic scene is moved in steps that the source can say exactly, shrunk, and moved back by a
Fourier shift. What an ideal low-pass makes of it then stands still; the variance over time of
another result, over that of the ideal signal at a fixed place, is its flicker.

Convention
----------
As in `lerf_training.evaluation.shrinking.geometry`. Shifts are (rows, cols), in pixels, down and
right.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lerf_training.evaluation.shrinking.geometry import Levels, Shrink, exact_size, shrunk_levels
from lerf_training.evaluation.shrinking.scenes import (
    SUPERSAMPLING,
    block_means,
    stripe,
    text_page,
)

__all__ = ["Flicker", "drawn_flicker", "flicker", "fourier_shift", "ideal_shrink", "photo_flicker"]

# Result pixels of a scene's side, odd so that no frequency lies on its Nyquist frequency.
_SIDE = 95
# Result pixels that the periodic scene goes on for on each side.
_MARGIN = 12
_STEPS = 12
# Samples per result pixel of a page, at most.
_FINEST = 32
# Squared levels that rounding of floats leaves.
_NOTHING = 1e-9
_LOW, _HIGH = 64.0, 192.0


@dataclass(frozen=True)
class Flicker:
    """Changes over time, over those of the ideal signal.

    Attributes
    ----------
    flicker : float
        Mean over pixels of the variance over time of results that were moved back.
    activity : float
        The same of results as they are: 1 for the ideal result.

    Of a flat scene both are 0 where the results do not change either, else infinite.
    """

    flicker: float
    activity: float


def drawn_flicker(shrink: Shrink, factor: float, *, quantise: bool = True) -> Flicker:
    """Flicker of moving text and lines, supersampled before they become a source.

    As a renderer draws them, sources hold some aliasing of their own: an ideal filter has 0.01.

    Parameters
    ----------
    shrink : callable
    factor : float
    quantise : bool, optional
        Scenes of 8 bits.

    Returns
    -------
    Flicker

    Raises
    ------
    InvalidArgumentError
        If the factor is not above 1, or a result has another shape than asked for.
    """
    source, result = exact_size(math.ceil(_SIDE * factor), factor)
    # Pages of large factors move by whole source pixels, and are large.
    samples = max(1, min(SUPERSAMPLING, int(_FINEST / factor)))
    path = _path(source / result, samples)
    frames = dict(zip(path, _drawn_frames(source, tuple(path), samples), strict=True))
    return flicker(
        shrink,
        lambda rows, cols: frames[rows, cols],
        (result, result),
        path,
        quantise=quantise,
    )


@functools.lru_cache(maxsize=4)
def _drawn_frames(source: int, path: tuple[tuple[float, float], ...], samples: int) -> list[Levels]:
    """Text and lines on a page of `source` pixels a side, moved along a path."""
    page = text_page((source, source), samples=samples)
    for angle in (8.0, 37.0, 71.0, 124.0):
        page = page * (1 - stripe(page.shape, angle, 1.5 * samples, 9.0 * angle))
    page = _LOW + (_HIGH - _LOW) * page
    frames = []
    for shift in path:
        steps = round(shift[0] * samples), round(shift[1] * samples)
        frames.append(block_means(np.roll(page, steps, axis=(0, 1)), (source, source)))
        frames[-1].setflags(write=False)
    return frames


def photo_flicker(shrink: Shrink, grey: Levels, factor: float, *, quantise: bool = True) -> Flicker:
    """Flicker of a photograph that moves by Fourier shifts.

    Parameters
    ----------
    shrink : callable
    grey : ndarray of float64, (rows, cols)
        Grey levels on 0..255; its middle is taken, and mirrored to be periodic.
    factor : float
    quantise : bool, optional
        Sources of 8 bits.

    Returns
    -------
    Flicker

    Raises
    ------
    InvalidArgumentError
        As `drawn_flicker`; or if the image is too small.
    """
    side = min(*grey.shape, math.ceil(_SIDE * factor / 2))
    top, left = ((size - side) // 2 for size in grey.shape)
    part = grey[top : top + side, left : left + side]
    mirrored = np.pad(part, ((0, side), (0, side)), mode="symmetric")
    source, result = exact_size(2 * side, factor)
    scene = mirrored[:source, :source]

    def moved(rows: float, cols: float) -> Levels:
        return fourier_shift(scene, (rows, cols))

    return flicker(shrink, moved, (result, result), _path(source / result, 1000), quantise=quantise)


def flicker(
    shrink: Shrink,
    moved: Callable[[float, float], Levels],
    shape: tuple[int, int],
    path: Sequence[tuple[float, float]],
    *,
    quantise: bool = True,
) -> Flicker:
    """Flicker of a scene along a path.

    Parameters
    ----------
    shrink : callable
    moved : callable
        ``moved(rows, cols)`` gives a period of the scene, moved by so many source pixels, as grey
        levels.
    shape : (rows, cols)
        Of a period of the result.
    path : sequence of (rows, cols)
        Shifts in source pixels.
    quantise : bool, optional
        Sources of 8 bits.

    Returns
    -------
    Flicker

    Raises
    ------
    InvalidArgumentError
        If a result has another shape than asked for.
    """
    results, steadied, ideals = [], [], []
    for shift in path:
        frame = moved(*shift)
        ratios = [large / small for large, small in zip(frame.shape, shape, strict=True)]
        small = _shrink_periodic(shrink, frame, shape, quantise=quantise)
        back = (-shift[0] / ratios[0], -shift[1] / ratios[1])
        results.append(small)
        steadied.append(fourier_shift(small, back))
        ideals.append(ideal_shrink(frame, shape))
    ideal = _variance(ideals)
    return Flicker(_share(_variance(steadied), ideal), _share(_variance(results), ideal))


def fourier_shift(periodic: Levels, shift: tuple[float, float]) -> Levels:
    """Periodic picture moved by fractions of pixels, exactly.

    Parameters
    ----------
    periodic : ndarray of float64, (rows, cols)
    shift : (rows, cols)

    Returns
    -------
    ndarray of float64
        Of even sizes without what lies on the Nyquist frequency, which has no place.
    """
    spectrum = np.fft.fft2(periodic)
    for axis, (size, step) in enumerate(zip(periodic.shape, shift, strict=True)):
        turn = np.exp(-2j * math.pi * np.fft.fftfreq(size) * step)
        if size % 2 == 0:
            turn[size // 2] = 0
        spectrum *= turn[:, None] if axis == 0 else turn
    return np.real(np.fft.ifft2(spectrum))


def ideal_shrink(periodic: Levels, shape: tuple[int, int]) -> Levels:
    """Periodic picture with all frequencies that fewer pixels can hold, and no others.

    Parameters
    ----------
    periodic : ndarray of float64, (rows, cols)
    shape : (rows, cols)
        At most the picture's.

    Returns
    -------
    ndarray of float64, `shape`
        Of even sizes without what lies on the Nyquist frequency.
    """
    spectrum = np.fft.fft2(periodic)
    for axis, (size, count) in enumerate(zip(periodic.shape, shape, strict=True)):
        kept = np.fft.fftfreq(count, 1 / count).astype(np.int64)
        spectrum = np.take(spectrum, kept, axis)
        # From centres of large pixels to centres of small ones: half the difference of sizes.
        offset = (size / count - 1) / 2
        turn = np.exp(2j * math.pi * kept * offset / size) * (count / size)
        if count % 2 == 0:
            turn[count // 2] = 0
        spectrum *= turn[:, None] if axis == 0 else turn
    return np.real(np.fft.ifft2(spectrum))


def _shrink_periodic(
    shrink: Shrink, frame: Levels, shape: tuple[int, int], *, quantise: bool
) -> Levels:
    """Shrink a period of a scene as if it went on, so that borders do not count."""
    margins = [
        # Whole source pixels that are whole result pixels: else a period.
        _exact_margin(large, small)
        for large, small in zip(frame.shape, shape, strict=True)
    ]
    padded = np.pad(frame, [(source, source) for source, _ in margins], mode="wrap")
    size = (shape[0] + 2 * margins[0][1], shape[1] + 2 * margins[1][1])
    result = shrunk_levels(shrink, padded, size, quantise=quantise)
    rows, cols = (slice(small, -small) for _, small in margins)
    return result[rows, cols]


def _exact_margin(large: int, small: int) -> tuple[int, int]:
    for count in range(_MARGIN, 3 * _MARGIN):
        if count * large % small == 0:
            return count * large // small, count
    return large, small


def _path(factor: float, places: int) -> list[tuple[float, float]]:
    """Shifts across a result pixel, steeper along the columns, on a grid of 1/places pixels."""
    steps = [index / _STEPS for index in range(_STEPS)]
    return [
        (round(0.6 * step * factor * places) / places, round(step * factor * places) / places)
        for step in steps
    ]


def _variance(frames: Sequence[Levels]) -> float:
    return float(np.var(np.stack(frames), axis=0).mean())


def _share(variance: float, ideal: float) -> float:
    if ideal > _NOTHING:
        return variance / ideal
    return math.inf if variance > _NOTHING else 0.0
