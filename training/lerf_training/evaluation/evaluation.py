"""The published evaluation: methods x benchmark pairs -> scores with their protocol."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidArgumentError
from lerf_core.metrics import luma, masked_psnr, psnr, ssim
from lerf_training.data.benchmarks import (
    Image,
    Matrix,
    Scale,
    ScalePair,
    WarpPair,
    format_scale,
    read_matrix,
    read_rgb,
)
from lerf_training.data.degradation import crop_to_scale, degrade
from lerf_training.errors import DatasetError
from lerf_training.evaluation.methods import Method

__all__ = [
    "Comparison",
    "Score",
    "degradations",
    "evaluate_scale",
    "evaluate_warp",
    "means",
    "read_pair",
    "scale_protocol",
    "score_scale",
    "shave_of",
    "warp_mask",
    "warp_protocol",
]

_FRAME = 4
_BICUBIC = (
    "a = -0.5, anti-aliased, border repeated, rounded to 8 bits after each axis (as MATLAB's "
    "imresize); of HR cropped to ceil(input * scale) pixels, from the top left"
)
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
    degradation : str or None
        Where the input comes from: the set's own ``'files'``, or made by ``'bicubic'``;
        None for warps.
    """

    dataset: str
    case: str
    method: str
    image: str
    psnr: float
    ssim: float | None = None
    degradation: str | None = None


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
    """

    dataset: str
    case: str
    image: str
    high: Image
    mask: npt.NDArray[np.bool_] | None = None
    results: list[tuple[Score, Image]] = field(default_factory=list)


Observer = Callable[[Comparison], None]


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


def read_pair(pair: ScalePair) -> tuple[Image, Image]:
    """High- and low-resolution image of a pair; the low one is made where there is no file.

    Parameters
    ----------
    pair : ScalePair

    Returns
    -------
    high, low : ndarray of uint8, shape (rows, cols, 3)
        `high` is cropped to the scale where `low` is made.

    Raises
    ------
    DatasetError
        If a file cannot be read.
    InvalidArgumentError
        If the image is too small for its scale.
    """
    high = read_rgb(pair.high)
    if pair.low is not None:
        return high, read_rgb(pair.low)
    high = crop_to_scale(high, pair.scale)
    return high, degrade(high, pair.scale)


def evaluate_scale(
    pairs: Iterable[ScalePair], methods: Sequence[Method], *, observe: Observer | None = None
) -> Iterator[Score]:
    """Score every method on every pair, one by one.

    Parameters
    ----------
    pairs : iterable of ScalePair
        See `lerf_training.data.benchmarks.find_scale_pairs`.
    methods : sequence of Method
        See `lerf_training.evaluation.methods`.
    observe : callable, optional
        Called with the `Comparison` of each pair when its last method is scored. Without it
        one result is held at a time.

    Yields
    ------
    Score
        Of one method on one image.

    Raises
    ------
    DatasetError
        If a pair cannot be read or compared.
    """
    for pair in pairs:
        case = format_scale(pair.scale)
        with _naming(pair.high, case):
            high, low = read_pair(pair)
        comparison = Comparison(pair.dataset, case, pair.name, high)
        for method in methods:
            with _naming(pair.high, case):
                result = method.rescale(low, pair.scale)
                figures = score_scale(high, result, pair.scale)
            score = Score(
                pair.dataset, case, method.name, pair.name, *figures, degradation=pair.degradation
            )
            if observe:
                comparison.results.append((score, result))
            yield score
        if observe:
            observe(comparison)


@contextmanager
def _naming(path: Path, case: str) -> Iterator[None]:
    """Say which image an argument did not fit."""
    try:
        yield
    except InvalidArgumentError as error:
        raise DatasetError(f"{path} at {case}: {error}") from error


def evaluate_warp(
    pairs: Iterable[WarpPair], methods: Sequence[Method], *, observe: Observer | None = None
) -> Iterator[Score]:
    """Score every method on every warp, one by one.

    Parameters
    ----------
    pairs : iterable of WarpPair
        See `lerf_training.data.benchmarks.find_warp_pairs`.
    methods : sequence of Method
        All of them must warp.
    observe : callable, optional
        As for `evaluate_scale`.

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
        comparison = Comparison(pair.dataset, pair.part, pair.name, high, mask)
        for name, warp in warps:
            with _naming(pair.high, pair.part):
                result = warp(source, matrix, shape)
                figure = masked_psnr(high, result, mask)
            score = Score(pair.dataset, pair.part, name, pair.name, figure)
            if observe:
                comparison.results.append((score, result))
            yield score
        if observe:
            observe(comparison)


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
            )
        )
    return rows


def _mean(values: Sequence[float]) -> float:
    # fmean of several infinities is fine; of none it is not.
    return math.inf if math.inf in values else fmean(values)


def scale_protocol(border: str, *, made_inputs: bool = False) -> dict[str, str]:
    """What `evaluate_scale` fixes, in words for the table's head and the JSON record.

    Parameters
    ----------
    border : str
        Of the banks.
    made_inputs : bool, optional
        Whether any input was made from its high-resolution image.

    Returns
    -------
    dict of str
    """
    protocol = {
        "task": "enlargement of low-resolution images",
        "output": "8-bit RGB, ceil(input * scale) pixels; grey inputs repeated to RGB",
        "geometry": "centres together, pixels 1 / scale apart in the input",
        "border": f"{border} (banks); the libraries' own (baselines)",
        "crop": "both images to their common size, from the top left",
        "channel": "Y of ITU-R BT.601 (16..235), not rounded",
        "psnr": "shaved by max(int(row scale), int(column scale)) pixels, peak 255",
        "ssim": "11x11 Gaussian window of sigma 1.5, valid, not shaved",
        "mean": "of the images' figures",
    }
    return protocol | {"bicubic": _BICUBIC} if made_inputs else protocol


def degradations(pairs: Iterable[ScalePair]) -> dict[str, str]:
    """How the low-resolution inputs of each set came about, in words for the record.

    Parameters
    ----------
    pairs : iterable of ScalePair

    Returns
    -------
    dict of str
        By the name of the set.

    Examples
    --------
    >>> from pathlib import Path
    >>> pair = ScalePair("a/Set5", "baby", (2.0, 2.0), Path("h.png"), Path("l.png"))
    >>> degradations([pair])
    {'a/Set5': "x2: the set's own files"}
    """
    words = {"files": "the set's own files", "bicubic": "made from HR, bicubic"}
    cases: dict[str, dict[str, dict[str, None]]] = {}
    for pair in pairs:
        by_source = cases.setdefault(pair.dataset, {})
        by_source.setdefault(pair.degradation, {})[format_scale(pair.scale)] = None
    return {
        dataset: "; ".join(
            f"{', '.join(scales)}: {words[source]}" for source, scales in by_source.items()
        )
        for dataset, by_source in cases.items()
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
