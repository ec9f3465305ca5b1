"""Methods x photographs, and methods x drawn scenes -> figures of shrinking."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from lerf_core.errors import InvalidArgumentError
from lerf_core.metrics import luma
from lerf_training.data.image_files import Image, read_rgb
from lerf_training.errors import DatasetError
from lerf_training.evaluation.shrinking.acuity import edge_rise, text_contrast
from lerf_training.evaluation.shrinking.aliasing import (
    BEYOND,
    GratingEnergy,
    ZonePlateEnergy,
    grating_energies,
    zone_plate_energy,
)
from lerf_training.evaluation.shrinking.flicker import Flicker, drawn_flicker, photo_flicker
from lerf_training.evaluation.shrinking.geometry import exact_crop
from lerf_training.evaluation.shrinking.means import MeanShift, mean_shift
from lerf_training.evaluation.shrinking.methods import REFERENCE, ShrinkMethod, shrink_method
from lerf_training.evaluation.shrinking.overshoot import (
    Overshoot,
    changed_flats,
    edge_overshoot,
    text_overshoot,
)
from lerf_training.evaluation.shrinking.round_trips import (
    ENLARGERS,
    JPEG_QUALITY,
    RoundTrip,
    enlargers,
    jpeg_bytes,
    score_round_trip,
)

__all__ = [
    "DrawnScore",
    "PhotoScore",
    "ShrinkCase",
    "ShrunkPhoto",
    "evaluate_drawn",
    "evaluate_photos",
    "format_factor",
    "photo_means",
    "shrink_protocol",
]


@dataclass(frozen=True)
class ShrinkCase:
    """One photograph to shrink by one factor."""

    dataset: str
    name: str
    path: Path
    factor: float


@dataclass(frozen=True)
class PhotoScore:
    """Figures of one method on one photograph, or their means over a set.

    Attributes
    ----------
    dataset, case, method, image : str
        `case` is the factor, as `format_factor` writes it.
    round_trips : dict of RoundTrip
        By the name of what enlarges again (`ENLARGERS`).
    means : MeanShift
    flicker : Flicker
        Of the middle of the photograph, moved.
    jpeg_bytes : float
        Size of the result as JPEG.
    jpeg_ratio : float
        To that of Pillow's Lanczos.
    """

    dataset: str
    case: str
    method: str
    image: str
    round_trips: Mapping[str, RoundTrip]
    means: MeanShift
    flicker: Flicker
    jpeg_bytes: float
    jpeg_ratio: float


@dataclass(frozen=True)
class DrawnScore:
    """Figures of one method on drawn scenes.

    Attributes
    ----------
    case, method : str
    overshoots : list of Overshoot
    changed_flats : int
        Of 256 levels.
    zone_plate : ZonePlateEnergy
    gratings : list of GratingEnergy
        The curve over frequencies, for each angle and amplitude.
    flicker : Flicker
    edge_rise : float
        Result pixels from 10 to 90 percent.
    text_contrast : float
        To text rendered at the small size.
    """

    case: str
    method: str
    overshoots: Sequence[Overshoot]
    changed_flats: int
    zone_plate: ZonePlateEnergy
    gratings: Sequence[GratingEnergy]
    flicker: Flicker
    edge_rise: float
    text_contrast: float


@dataclass(frozen=True)
class ShrunkPhoto:
    """What every method made of one photograph, for those who want to see it."""

    case: ShrinkCase
    source: Image
    results: list[tuple[PhotoScore, Image]]


def format_factor(factor: float) -> str:
    """Factor as a case of the table.

    Examples
    --------
    >>> format_factor(2.0), format_factor(1.7)
    ('by 2', 'by 1.7')
    """
    return f"by {factor:g}"


def evaluate_photos(
    cases: Iterable[ShrinkCase],
    methods: Sequence[ShrinkMethod],
    *,
    with_flip: bool = False,
    threads: int | None = None,
    observe: Callable[[ShrunkPhoto], None] | None = None,
) -> Iterator[PhotoScore]:
    """Score every method on every photograph.

    Parameters
    ----------
    cases : iterable of ShrinkCase
    methods : sequence of ShrinkMethod
    with_flip : bool, optional
        Take FLIP of the round trips.
    threads : int, optional
        Of lerf where it enlarges again.
    observe : callable, optional
        Called with the results of each photograph when its last method is scored.

    Yields
    ------
    PhotoScore
        Of one method on one photograph.

    Raises
    ------
    DatasetError
        If a photograph cannot be read, or is too small.
    """
    enlarge = enlargers(threads=threads)
    reference = shrink_method(REFERENCE)
    for case in cases:
        image = read_rgb(case.path)
        try:
            source, shape = exact_crop(image, case.factor)
            compared = jpeg_bytes(reference.shrink(source, shape))
            results = []
            for method in methods:
                small = _shrunk(method, source, shape)
                score = PhotoScore(
                    case.dataset,
                    format_factor(case.factor),
                    method.name,
                    case.name,
                    {
                        name: score_round_trip(
                            source, enlarge[name](small, source.shape[:2]), with_flip=with_flip
                        )
                        for name in ENLARGERS
                    },
                    mean_shift(source, small),
                    photo_flicker(method.shrink, luma(source), case.factor),
                    jpeg_bytes(small),
                    jpeg_bytes(small) / compared,
                )
                if observe:
                    results.append((score, small))
                yield score
        except InvalidArgumentError as error:
            raise DatasetError(f"{case.path} {format_factor(case.factor)}: {error}") from error
        if observe:
            observe(ShrunkPhoto(case, source, results))


def _shrunk(method: ShrinkMethod, source: Image, shape: tuple[int, int]) -> Image:
    small = method.shrink(source, shape)
    if small.shape != (*shape, 3):
        raise InvalidArgumentError(f"{method.name} gave shape {small.shape} instead of {shape}")
    return small


def evaluate_drawn(
    factors: Iterable[float], methods: Sequence[ShrinkMethod]
) -> Iterator[DrawnScore]:
    """Score every method on drawn scenes, by every factor.

    Parameters
    ----------
    factors : iterable of float
    methods : sequence of ShrinkMethod

    Yields
    ------
    DrawnScore
        Of one method by one factor.

    Raises
    ------
    InvalidArgumentError
        If a factor is not above 1.
    """
    for factor in factors:
        for method in methods:
            shrink = method.shrink
            yield DrawnScore(
                format_factor(factor),
                method.name,
                [*edge_overshoot(shrink, factor), *text_overshoot(shrink, factor)],
                changed_flats(shrink, factor),
                zone_plate_energy(shrink, factor),
                grating_energies(shrink, factor),
                drawn_flicker(shrink, factor),
                edge_rise(shrink, factor),
                text_contrast(shrink, factor),
            )


def photo_means(scores: Iterable[PhotoScore]) -> list[PhotoScore]:
    """Means over the photographs of each set, case and method, in order of appearance.

    Returns
    -------
    list of PhotoScore
        Whose `image` is ``'mean of N'``; of the largest shifts of means the largest.
    """
    groups: dict[tuple[str, str, str], list[PhotoScore]] = {}
    for score in scores:
        groups.setdefault((score.dataset, score.case, score.method), []).append(score)
    return [
        PhotoScore(
            *key,
            f"mean of {len(group)}",
            {name: _mean_trip([score.round_trips[name] for score in group]) for name in ENLARGERS},
            MeanShift(
                max(score.means.largest for score in group),
                math.sqrt(fmean(score.means.rms**2 for score in group)),
                math.sqrt(fmean(score.means.smooth**2 for score in group)),
                fmean(score.means.whole for score in group),
            ),
            Flicker(
                fmean(score.flicker.flicker for score in group),
                fmean(score.flicker.activity for score in group),
            ),
            fmean(score.jpeg_bytes for score in group),
            fmean(score.jpeg_ratio for score in group),
        )
        for key, group in groups.items()
    ]


def _mean_trip(trips: Sequence[RoundTrip]) -> RoundTrip:
    psnrs = [trip.psnr for trip in trips]
    flips = [trip.flip for trip in trips if trip.flip is not None]
    return RoundTrip(
        # fmean of several infinities is no number.
        math.inf if math.inf in psnrs else fmean(psnrs),
        fmean(trip.ssim for trip in trips),
        fmean(flips) if flips else None,
    )


def shrink_protocol(*, with_flip: bool) -> dict[str, str]:
    """What the evaluation fixes, in words for the table's head and the JSON record."""
    protocol = {
        "task": "shrinking, and enlarging again",
        "sources": "8-bit RGB, cropped from the top left so that the ratio of the sizes is the "
        "factor; drawn scenes in 8-bit grey",
        "round trips": "enlarged to the source's size by Pillow bicubic, by Pillow Lanczos and by "
        "lerf with its default bank",
        "channel": "Y of ITU-R BT.601 (16..235), not rounded",
        "psnr": "all pixels, peak 255",
        "ssim": "11x11 Gaussian window of sigma 1.5, valid",
        "means": "RGB over blocks of whole result pixels, about 32 source pixels a side; largest "
        "shift, and root mean square, in levels; and root mean square over fading windows twice as "
        "large (smooth)",
        "flicker": "sources moved across a result pixel in 12 steps, results moved back: variance "
        "over time, over that of the ideal signal in place; photographs move by Fourier shifts, "
        "drawn text and lines before they are sampled (of an ideal filter: 0.01)",
        "overshoot": "largest, in shares of the contrast (32, 64, 128 levels): hard edges, lines "
        "of 1 and 2 source pixels, text; upright, lying and slanted, both signs, positions half "
        "a source pixel apart",
        "flats": "of 256 levels, those whose flat area changes 8 result pixels from others",
        "aliasing": f"energy left where source frequencies lie beyond {BEYOND:g} times the "
        "result's Nyquist frequency, over the source's: of a zone plate, and of the worst "
        "grating; 8 bits alone leave -49 dB of 112 levels, -37 dB of 28",
        "kept": "energy left of the zone plate below 0.9 times the Nyquist frequency",
        "rise": "result pixels from 10 to 90 percent of a hard edge, 5 degrees off the upright",
        "text": "standard deviation of shrunk text, over that of text rendered at the small size",
        "jpeg": f"size at Pillow's quality {JPEG_QUALITY}, over that of Pillow's Lanczos",
        "mean": "of the images' figures",
    }
    flip = "mean error, 67 pixels per degree, less is better"
    return protocol | ({"flip": flip} if with_flip else {})
