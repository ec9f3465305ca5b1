"""The published evaluation: methods x benchmark pairs -> scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lerf_core.errors import FrontError, InvalidArgumentError
from lerf_core.metrics import masked_psnr
from lerf_training.data.benchmark_sets import ScalePair, WarpPair, format_scale
from lerf_training.data.degradation import crop_to_scale, degrade_image
from lerf_training.data.image_files import Image, read_rgb
from lerf_training.data.matrix_files import read_matrix
from lerf_training.errors import DatasetError
from lerf_training.evaluation.methods import Method
from lerf_training.evaluation.perceptual import PerceptualMeasure
from lerf_training.evaluation.scores import (
    Comparison,
    Score,
    common_part,
    score_scale,
    warp_mask,
)

__all__ = ["evaluate_scale", "evaluate_warp", "read_pair"]

Observer = Callable[[Comparison], None]


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
    return high, degrade_image(high, pair.scale)


def evaluate_scale(
    pairs: Iterable[ScalePair],
    methods: Sequence[Method],
    *,
    measures: Sequence[PerceptualMeasure] = (),
    observe: Observer | None = None,
) -> Iterator[Score]:
    """Score every method on every pair, one by one.

    Parameters
    ----------
    pairs : iterable of ScalePair
        See `lerf_training.data.benchmark_sets.find_scale_pairs`.
    methods : sequence of Method
        See `lerf_training.evaluation.methods`.
    measures : sequence of PerceptualMeasure, optional
        Distances to take as well, of all pixels.
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
                both = common_part(high, result)
                perceptual = {measure.name: measure.distance(*both) for measure in measures}
            score = Score(
                pair.dataset, case, method.name, pair.name, *figures, pair.degradation, perceptual
            )
            if observe:
                comparison.results.append((score, result))
            yield score
        if observe:
            observe(comparison)


@contextmanager
def _naming(path: Path, case: str) -> Iterator[None]:
    """Say which image an argument, or a front, did not fit."""
    try:
        yield
    except (InvalidArgumentError, FrontError) as error:
        raise DatasetError(f"{path} at {case}: {error}") from error


def evaluate_warp(
    pairs: Iterable[WarpPair], methods: Sequence[Method], *, observe: Observer | None = None
) -> Iterator[Score]:
    """Score every method on every warp, one by one.

    Parameters
    ----------
    pairs : iterable of WarpPair
        See `lerf_training.data.benchmark_sets.find_warp_pairs`.
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
