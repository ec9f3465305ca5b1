"""The published evaluation: methods x benchmark pairs -> scores with their protocol."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidArgumentError
from lerf_core.metrics import luma, masked_psnr, psnr, ssim
from training.benchmarks import (
    Image,
    Matrix,
    Scale,
    ScalePair,
    WarpPair,
    format_scale,
    read_matrix,
    read_rgb,
)
from training.methods import Method

__all__ = [
    "Score",
    "evaluate_scale",
    "evaluate_warp",
    "means",
    "scale_protocol",
    "score_scale",
    "shave_of",
    "warp_mask",
    "warp_protocol",
]

_FRAME = 4
_FLOAT32_EPS = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Score:
    """Figures of one method on one image, or their mean over a set.

    Attributes
    ----------
    dataset, case, method, image : str
        `case` is the scale (``'x2'``) or the warp part (``'isc'``).
    psnr : float
        dB; over Y, or over RGB inside the mask.
    ssim : float or None
        Over Y; None for warps.
    """

    dataset: str
    case: str
    method: str
    image: str
    psnr: float
    ssim: float | None = None


def shave_of(scale: Scale) -> int:
    """Pixels that the published evaluation leaves out on each side for PSNR.

    Examples
    --------
    >>> shave_of((2.0, 3.5))
    3
    """
    return max(int(scale[0]), int(scale[1]))


def score_scale(high: Image, result: Image, scale: Scale) -> tuple[float, float]:
    """PSNR and SSIM over Y, PSNR shaved; both images cropped to their common size.

    Parameters
    ----------
    high, result : ndarray of uint8, shape (rows, cols, 3)
        What it should be, and what it is.
    scale : (row, column)
        Decides the shave.

    Returns
    -------
    psnr, ssim : float
    """
    rows = min(high.shape[0], result.shape[0])
    cols = min(high.shape[1], result.shape[1])
    expected, got = luma(high[:rows, :cols]), luma(result[:rows, :cols])
    return psnr(expected, got, shave=shave_of(scale)), ssim(expected, got)


def warp_mask(
    matrix: Matrix, source_shape: tuple[int, int], output_shape: tuple[int, int]
) -> npt.NDArray[np.bool_]:
    """Output pixels that count: a white source with a 4-pixel black frame, warped to nearest.

    Parameters
    ----------
    matrix : ndarray, shape (3, 3)
        Forward, source (x, y, 1) to output, pixel centres at integers.
    source_shape, output_shape : (rows, cols)

    Returns
    -------
    ndarray of bool, shape `output_shape`
        Points outside the source, or beyond the horizon, do not count.
    """
    inverse = np.linalg.inv(matrix)
    rows, cols = output_shape
    y, x = np.mgrid[:rows, :cols].astype(np.float64)
    depth = inverse[2, 0] * x + inverse[2, 1] * y + inverse[2, 2]
    # Depths have the sign that the source's centre has; the others are beyond the horizon.
    centre = np.array([(source_shape[1] - 1) / 2, (source_shape[0] - 1) / 2, 1.0])
    visible = depth * np.sign(matrix[2] @ centre) > 0
    depth = np.where(visible, depth, 1.0)
    inside: npt.NDArray[np.bool_] = visible
    for row, size in ((inverse[0], source_shape[1]), (inverse[1], source_shape[0])):
        position = (row[0] * x + row[1] * y + row[2]) / depth
        # The published rounding: halves go down.
        index = np.ceil(position - 0.5 - _FLOAT32_EPS)
        inside = inside & (index >= _FRAME) & (index < size - _FRAME)
    return inside


def evaluate_scale(pairs: Iterable[ScalePair], methods: Sequence[Method]) -> Iterator[Score]:
    """Score every method on every pair, one by one.

    Parameters
    ----------
    pairs : iterable of ScalePair
        See `training.benchmarks.find_scale_pairs`.
    methods : sequence of Method
        See `training.methods`.

    Yields
    ------
    Score
        Of one method on one image.
    """
    for pair in pairs:
        high, low = read_rgb(pair.high), read_rgb(pair.low)
        case = format_scale(pair.scale)
        for method in methods:
            figures = score_scale(high, method.rescale(low, pair.scale), pair.scale)
            yield Score(pair.dataset, case, method.name, pair.name, *figures)


def evaluate_warp(pairs: Iterable[WarpPair], methods: Sequence[Method]) -> Iterator[Score]:
    """Score every method on every warp, one by one.

    Parameters
    ----------
    pairs : iterable of WarpPair
        See `training.benchmarks.find_warp_pairs`.
    methods : sequence of Method
        All of them must warp.

    Yields
    ------
    Score
        Of one method on one image.

    Raises
    ------
    InvalidArgumentError
        If a method cannot warp.
    """
    warps = []
    for method in methods:
        if method.warp is None:
            raise InvalidArgumentError(f"{method.name} does not warp")
        warps.append((method.name, method.warp))
    for pair in pairs:
        high, source, matrix = read_rgb(pair.high), read_rgb(pair.source), read_matrix(pair.matrix)
        shape = (high.shape[0], high.shape[1])
        mask = warp_mask(matrix, (source.shape[0], source.shape[1]), shape)
        for name, warp in warps:
            figure = masked_psnr(high, warp(source, matrix, shape), mask)
            yield Score(pair.dataset, pair.part, name, pair.name, figure)


def means(scores: Iterable[Score]) -> list[Score]:
    """Mean over the images of each set, case and method, in order of appearance.

    Returns
    -------
    list of Score
        Whose `image` is ``'mean of N'``.
    """
    groups: dict[tuple[str, str, str], list[Score]] = {}
    for score in scores:
        groups.setdefault((score.dataset, score.case, score.method), []).append(score)
    rows = []
    for (dataset, case, method), group in groups.items():
        similarities = [score.ssim for score in group if score.ssim is not None]
        rows.append(
            Score(
                dataset,
                case,
                method,
                f"mean of {len(group)}",
                _mean([score.psnr for score in group]),
                fmean(similarities) if similarities else None,
            )
        )
    return rows


def _mean(values: Sequence[float]) -> float:
    # fmean of several infinities is fine; of none it is not.
    return math.inf if math.inf in values else fmean(values)


def scale_protocol(border: str) -> dict[str, str]:
    """What `evaluate_scale` fixes, in words for the table's head and the JSON record."""
    return {
        "task": "enlargement of the benchmark's own low-resolution files",
        "degradation": "as shipped with the benchmark (MATLAB bicubic, anti-aliased)",
        "output": "8-bit RGB, ceil(input * scale) pixels; grey inputs repeated to RGB",
        "border": f"{border} (banks); the libraries' own (baselines)",
        "crop": "both images to their common size, from the top left",
        "channel": "Y of ITU-R BT.601 (16..235), not rounded",
        "psnr": "shaved by max(int(row scale), int(column scale)) pixels, peak 255",
        "ssim": "11x11 Gaussian window of sigma 1.5, valid, not shaved",
        "mean": "of the images' figures",
    }


def warp_protocol(anti_aliasing: bool | None) -> dict[str, str]:
    """What `evaluate_warp` fixes, in words for the table's head and the JSON record."""
    chosen = {None: "the library's default", True: "on", False: "off (as published)"}
    return {
        "task": "homography warps of the benchmark's own sources",
        "matrices": "forward, (x, y, 1), pixel centres at integers",
        "output": "8-bit RGB of the high-resolution image's size",
        "border": "zeros outside the source",
        "anti-aliasing": f"{chosen[anti_aliasing]} (banks); none (baselines)",
        "channel": "RGB, all three in one mean",
        "mask": f"source without a frame of {_FRAME} pixels, warped to nearest",
        "psnr": "mean squared error inside the mask (mPSNR), peak 255",
        "mean": "of the images' figures",
    }
