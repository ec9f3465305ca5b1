"""Figures of the published evaluation: what counts, and how it is scored.

Convention
----------
Images are uint8, (rows, cols, 3); scales are (row, column).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import numpy as np
import numpy.typing as npt

from lerf_core.constants import POSITION_EPS
from lerf_core.metrics import luma, psnr, ssim
from lerf_training.data.benchmark_sets import ScaleFactor
from lerf_training.data.image_files import Image
from lerf_training.data.matrix_files import Matrix

__all__ = [
    "MASK_FRAME",
    "Comparison",
    "Score",
    "common_part",
    "means",
    "score_scale",
    "shave_of",
    "warp_mask",
]

#: Pixels along a source's border that do not count when it is warped.
MASK_FRAME = 4


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
    degradation : str or None
        Where the input comes from: the set's own ``'files'``, or made by ``'bicubic'``;
        None for warps.
    perceptual : mapping of str to float
        Distances by the names of the measures that were asked for; less is better.
    """

    dataset: str
    case: str
    method: str
    image: str
    psnr: float
    ssim: float | None = None
    degradation: str | None = None
    perceptual: Mapping[str, float] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Comparison:
    """What every method made of one image, for those who want to see it.

    Attributes
    ----------
    dataset, case, image : str
        As in `Score`.
    high : ndarray of uint8, shape (rows, cols, 3)
        What the results should be.
    mask : ndarray of bool, shape (rows, cols), or None
        The pixels that count; None, all.
    results : list of (Score, ndarray of uint8)
        In the order of the methods. An enlargement may differ from `high` in size by the
        pixels that a benchmark's own files leave over.
    is_shrunk : bool
        Results have fewer pixels, and fill the same area.
    """

    dataset: str
    case: str
    image: str
    high: Image
    mask: npt.NDArray[np.bool_] | None = None
    results: list[tuple[Score, Image]] = field(default_factory=list)
    is_shrunk: bool = False


def shave_of(scale: ScaleFactor) -> int:
    """Pixels that the published evaluation leaves out on each side for PSNR.

    Examples
    --------
    >>> shave_of((2.0, 3.5))
    3
    """
    return max(int(scale[0]), int(scale[1]))


def common_part(high: Image, result: Image) -> tuple[Image, Image]:
    """Both images cropped to their common size, from the top left.

    Parameters
    ----------
    high, result : ndarray of uint8, shape (rows, cols, 3)

    Returns
    -------
    high, result : ndarray
        Views.
    """
    rows = min(high.shape[0], result.shape[0])
    cols = min(high.shape[1], result.shape[1])
    return high[:rows, :cols], result[:rows, :cols]


def score_scale(high: Image, result: Image, scale: ScaleFactor) -> tuple[float, float]:
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
    expected, got = map(luma, common_part(high, result))
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
        # The published rounding: halves go down, and what lies as near to them as float32 can say.
        index = np.ceil(position - 0.5 - POSITION_EPS)
        inside = inside & (index >= MASK_FRAME) & (index < size - MASK_FRAME)
    return inside


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
                group[0].degradation,
                {
                    name: fmean(score.perceptual[name] for score in group)
                    for name in group[0].perceptual
                },
            )
        )
    return rows


def _mean(values: Sequence[float]) -> float:
    # fmean of several infinities is fine; of none it is not.
    return math.inf if math.inf in values else fmean(values)
