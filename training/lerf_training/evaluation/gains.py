"""What one method gains over another on the same images."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from lerf_training.evaluation.scores import Score
from lerf_training.loop.validation import PERFECT

__all__ = ["MEAN", "Gain", "gains"]

#: The case of a task's means over its cases.
MEAN = "mean"


@dataclass(frozen=True)
class Gain:
    """Figures of a method over a set of images, beside those of another.

    Attributes
    ----------
    dataset, case, method : str
        As in `Score`; the case `MEAN` is over all cases of images that have all of them.
    images : int
    psnr : float
        Mean, dB; of an image without an error 99.
    ssim : float or None
        Mean.
    gain : float or None
        Mean of the images' differences in PSNR, dB; None for the method that the others are
        compared with.
    error : float or None
        Standard error of `gain` over the images.
    better, worse : float or None
        Shares of the images whose PSNR is higher, and lower.
    worst : float or None
        The least difference, dB, and `worst_image`, the image that has it.
    """

    dataset: str
    case: str
    method: str
    images: int
    psnr: float
    ssim: float | None
    gain: float | None = None
    error: float | None = None
    better: float | None = None
    worse: float | None = None
    worst: float | None = None
    worst_image: str | None = None


def gains(scores: Iterable[Score], base: str) -> list[Gain]:
    """Compare methods with one of them, image by image.

    Parameters
    ----------
    scores : iterable of Score
    base : str
        Name of the method that the others are compared with. Where it has no scores, there are
        means alone.

    Returns
    -------
    list of Gain
        By set, case and method in order of appearance; a set of several cases has their means at
        its end.

    Examples
    --------
    >>> from lerf_training.evaluation.scores import Score
    >>> rows = gains([Score("s", "x2", "a", "i", 30.0), Score("s", "x2", "b", "i", 31.0)], "a")
    >>> [(row.method, row.gain) for row in rows]
    [('a', None), ('b', 1.0)]
    """
    sets: dict[str, dict[str, dict[str, list[Score]]]] = {}
    for score in scores:
        cases = sets.setdefault(score.dataset, {})
        capped = replace(score, psnr=min(score.psnr, PERFECT))
        cases.setdefault(score.case, {}).setdefault(score.method, []).append(capped)
    rows: list[Gain] = []
    for cases in sets.values():
        for methods in cases.values():
            rows += _compared(methods, base)
        if len(cases) > 1:
            rows += _compared(_means_over_cases(cases), base)
    return rows


def _means_over_cases(cases: dict[str, dict[str, list[Score]]]) -> dict[str, list[Score]]:
    """Score of each image that has all cases: the mean over them."""
    methods: dict[str, dict[str, list[Score]]] = {}
    for by_method in cases.values():
        for method, scores in by_method.items():
            for score in scores:
                methods.setdefault(method, {}).setdefault(score.image, []).append(score)
    return {
        method: [_mean(scores) for scores in images.values() if len(scores) == len(cases)]
        for method, images in methods.items()
    }


def _mean(scores: Sequence[Score]) -> Score:
    similarities = [score.ssim for score in scores if score.ssim is not None]
    return replace(
        scores[0],
        case=MEAN,
        psnr=fmean(score.psnr for score in scores),
        ssim=fmean(similarities) if similarities else None,
    )


def _compared(methods: dict[str, list[Score]], base: str) -> list[Gain]:
    before = {score.image: score.psnr for score in methods.get(base, ())}
    rows = []
    for method, scores in methods.items():
        if not scores:
            continue
        similarities = [score.ssim for score in scores if score.ssim is not None]
        row = Gain(
            scores[0].dataset,
            scores[0].case,
            method,
            len(scores),
            fmean(score.psnr for score in scores),
            fmean(similarities) if similarities else None,
        )
        changes = {
            score.image: score.psnr - before[score.image]
            for score in scores
            if score.image in before
        }
        rows.append(_with_gain(row, changes) if changes and method != base else row)
    return rows


def _with_gain(row: Gain, changes: dict[str, float]) -> Gain:
    values = list(changes.values())
    worst_image = min(changes, key=changes.__getitem__)
    return replace(
        row,
        gain=fmean(values),
        error=stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None,
        better=fmean(value > 0 for value in values),
        worse=fmean(value < 0 for value in values),
        worst=changes[worst_image],
        worst_image=worst_image,
    )
