"""Banks on the photographs that trainings hold out: enlargements, warps and round trips.

Enlargements are those of `lerf_training.loop.validation`: a bank's mean over its scales is the
figure that a training prints. What is drawn at random is drawn by the photograph's digest, so that
every bank is asked for the same, now and later.

Convention
----------
Images are uint8, (rows, cols, 3); scales are (row, column). A warp's matrix is forward: it takes a
source's (x, y, 1), pixel centres at integers, to the photograph's.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidArgumentError
from lerf_core.metrics import masked_psnr
from lerf_training.data.benchmark_sets import ScaleFactor, format_scale
from lerf_training.data.degradation import degrade_patch
from lerf_training.data.image_files import Image
from lerf_training.data.matrix_files import Matrix
from lerf_training.data.patch_options import PatchOptions
from lerf_training.data.photographs import (
    Photograph,
    Skipped,
    fingerprint,
    read_photograph,
    scan,
    split_share,
)
from lerf_training.errors import DatasetError, MissingExtraError
from lerf_training.evaluation.methods import Method
from lerf_training.evaluation.scores import Score, score_scale, warp_mask
from lerf_training.evaluation.shrinking.geometry import Shrink, exact_crop
from lerf_training.evaluation.shrinking.round_trips import ENLARGERS, enlargers, score_round_trip

__all__ = [
    "ENLARGE",
    "SHRINK",
    "WARP",
    "WARP_RANGES",
    "Competitor",
    "HeldOut",
    "HeldOutOptions",
    "find_held_out",
    "held_out_protocol",
    "score_held_out",
]

#: Names of the tasks, in the place of a score's set.
ENLARGE, WARP, SHRINK = "enlarge", "warp", "shrink"
#: Ranges of the scales of random homographies, each a case.
WARP_RANGES = ((1.3, 4.0), (4.0, 6.0))
# Crops of a multiple of this many pixels suit all usual scales, as in validation.
_MULTIPLE = 60
# Largest denominator of a scale that crops can suit.
_DENOMINATOR = 16
# Pixels of a warp's source, as of a training's patch; tries to find room for its footprint.
_WARP_SIDE, _WARP_TRIES = 44, 300
# Pixels of the photograph around a footprint: the kernel of a source's outermost pixel.
_HALO = 20
_LEAST_DEPTH = 0.2
_DIGEST_DIGITS = 16


@dataclass(frozen=True)
class HeldOut:
    """Photographs to compare on.

    Attributes
    ----------
    photographs : tuple of Photograph
    total : int
        Usable photographs in the folders.
    skipped : tuple of Skipped
        Files that cannot be used.
    """

    photographs: tuple[Photograph, ...]
    total: int
    skipped: tuple[Skipped, ...]

    @property
    def fingerprint(self) -> str:
        """Of the photographs' bytes, as a bank's record of its training has it."""
        return fingerprint(self.photographs)


@dataclass(frozen=True)
class HeldOutOptions:
    """What is asked of each photograph.

    Attributes
    ----------
    scales : tuple of (row, column)
        To enlarge by; fractions of small whole numbers, so that crops suit them.
    factors : tuple of float
        To shrink by; above 1.
    warps : int
        Random homographies of each range of `WARP_RANGES`.
    crop : int
        Rows and columns of the middle part that is enlarged and shrunk, at most.
    """

    scales: tuple[ScaleFactor, ...]
    factors: tuple[float, ...] = (2.0, 3.0, 4.0)
    warps: int = 4
    crop: int = 300

    def __post_init__(self) -> None:
        for scale in self.scales:
            if not min(scale) >= 1:
                raise InvalidArgumentError(f"{format_scale(scale)} does not enlarge")
            for factor in scale:
                _fraction(factor)
        for factor in self.factors:
            if not 1 < factor < np.inf:
                raise InvalidArgumentError(f"factors to shrink by are above 1, got {factor:g}")
        if self.crop < _MULTIPLE:
            raise InvalidArgumentError(f"crops have {_MULTIPLE} pixels at least, got {self.crop}")


@dataclass(frozen=True)
class Competitor:
    """What is compared.

    Attributes
    ----------
    method : Method
    shrink : callable or None
        Shrinks as `lerf_training.evaluation.shrinking` has it; None where it does not take part.
    """

    method: Method
    shrink: Shrink | None

    @property
    def name(self) -> str:
        """As printed."""
        return self.method.name


def find_held_out(
    folders: Sequence[str | Path],
    share: float | None,
    scanned: Callable[[int, int], None] | None = None,
) -> HeldOut:
    """Photographs that a training with default patches on these folders holds out.

    Parameters
    ----------
    folders : sequence of path
        All that the trainings were given, no more and no less: the split depends on it.
    share : float or None
        As for a training; None takes all photographs, for folders that no training saw.
    scanned : callable, optional
        As for `lerf_training.data.photographs.scan`.

    Returns
    -------
    HeldOut

    Raises
    ------
    DatasetError
        If the folders hold no photographs, or none would be held out.
    """
    folder = scan(folders, PatchOptions().least, scanned)
    chosen = folder.photographs if share is None else split_share(folder.photographs, share)[1]
    if not chosen:
        raise DatasetError(f"none of {len(folder.photographs)} photographs are held out")
    return HeldOut(chosen, len(folder.photographs), folder.skipped)


def score_held_out(
    photographs: Sequence[Photograph],
    competitors: Sequence[Competitor],
    options: HeldOutOptions,
    tasks: Sequence[str] = (ENLARGE, WARP, SHRINK),
) -> Iterator[list[Score]]:
    """Score every competitor on every photograph.

    Parameters
    ----------
    photographs : sequence of Photograph
    competitors : sequence of Competitor
    options : HeldOutOptions
    tasks : sequence of str, optional
        Of `ENLARGE`, `WARP` and `SHRINK`.

    Returns
    -------
    iterator of list of Score
        A list per photograph. `dataset` is the task; a warp's image is the photograph with the
        number of the warp. PSNR and SSIM are over Y; of warps PSNR is over RGB within the mask.

    Raises
    ------
    MissingExtraError
        If there are to be warps, and numba is not installed.
    DatasetError
        If a photograph cannot be read, or is too small; while iterating.
    """
    if WARP in tasks and importlib.util.find_spec("numba") is None:
        raise MissingExtraError("random homographies", "numba", "train")
    return _scores(photographs, competitors, options, tasks)


def _scores(
    photographs: Sequence[Photograph],
    competitors: Sequence[Competitor],
    options: HeldOutOptions,
    tasks: Sequence[str],
) -> Iterator[list[Score]]:
    for photograph in photographs:
        image = read_photograph(photograph.path)
        name = f"{photograph.path.parent.name}/{photograph.path.name}"
        middle = _middle(image, options.crop)
        scores: list[Score] = []
        try:
            if ENLARGE in tasks:
                for scale in options.scales:
                    scores += _enlarged(middle, scale, name, competitors)
            if WARP in tasks:
                rng = np.random.default_rng(int(photograph.digest[:_DIGEST_DIGITS], 16))
                for bounds in WARP_RANGES:
                    for number in range(options.warps):
                        scores += _warped(image, bounds, rng, f"{name} #{number + 1}", competitors)
            if SHRINK in tasks:
                for factor in options.factors:
                    scores += _shrunk(middle, factor, name, competitors)
        except InvalidArgumentError as error:
            raise DatasetError(f"{photograph.path}: {error}") from error
        yield scores


def held_out_protocol(
    held_out: HeldOut, share: float | None, options: HeldOutOptions, tasks: Sequence[str]
) -> dict[str, str]:
    """What the comparison fixes, in words for the tables' head and the JSON record.

    Parameters
    ----------
    held_out : HeldOut
    share : float or None
        That it was found by.
    options : HeldOutOptions
    tasks : sequence of str
        Names of other tasks are passed over.

    Returns
    -------
    dict of str
    """
    count, total = len(held_out.photographs), held_out.total
    chosen = "all" if share is None else f"held out by their digests, a share of {share:g}"
    ranges = ", ".join(f"x{low:g}..{high:g}" for low, high in WARP_RANGES)
    words = {
        ENLARGE: "made small by Pillow's bicubic, rounded once, as in validation; PSNR-Y shaved "
        "by int(scale) pixels, SSIM-Y not shaved",
        WARP: f"random homographies of scales {ranges}, as in training, {options.warps} of each a "
        f"photograph, to {_WARP_SIDE}x{_WARP_SIDE} pixels and back; PSNR of RGB within the mask",
        SHRINK: "shrunk by the bank, enlarged again by Pillow's bicubic; PSNR-Y and SSIM-Y of all "
        "pixels",
    }
    return {
        "photographs": f"{count} of {total}, {chosen}",
        "fingerprint": held_out.fingerprint,
        "crop": f"the middle, {options.crop} pixels a side at most, a multiple of {_MULTIPLE}; "
        "warps are of the whole photograph",
        "channel": "Y of ITU-R BT.601 (16..235), not rounded; results are 8-bit RGB",
        **{task: words[task] for task in tasks if task in words},
        "gain": "mean of the images' differences in PSNR to the first bank, and its standard "
        "error; images that are better and worse; the worst difference",
    }


def _middle(image: Image, crop: int) -> Image:
    """The part that validation takes: of a size that suits its scales."""
    rows, cols = (min(size, crop) // _MULTIPLE * _MULTIPLE for size in image.shape[:2])
    top, left = (image.shape[0] - rows) // 2, (image.shape[1] - cols) // 2
    return np.ascontiguousarray(image[top : top + rows, left : left + cols])


# -- enlargements -------------------------------------------------------------------------


def _enlarged(
    middle: Image, scale: ScaleFactor, name: str, competitors: Sequence[Competitor]
) -> list[Score]:
    sizes = [_suited(size, factor) for size, factor in zip(middle.shape[:2], scale, strict=True)]
    (rows, low_rows), (cols, low_cols) = sizes
    if not min(low_rows, low_cols):
        raise InvalidArgumentError(
            f"a crop of {middle.shape[1]}x{middle.shape[0]} pixels is too small for "
            f"{format_scale(scale)}"
        )
    high = np.ascontiguousarray(middle[:rows, :cols])
    low = np.stack(
        [
            degrade_patch(high[..., channel], (0, 0, cols, rows), (low_rows, low_cols))
            for channel in range(3)
        ],
        axis=-1,
    )
    case = format_scale(scale)
    return [
        Score(
            ENLARGE,
            case,
            one.name,
            name,
            *score_scale(high, one.method.rescale(low, scale), scale),
        )
        for one in competitors
    ]


def _suited(size: int, factor: float) -> tuple[int, int]:
    """Largest part of an axis that is a whole enlargement, and what it is enlarged from."""
    fraction = _fraction(factor)
    times = size // fraction.numerator
    return times * fraction.numerator, times * fraction.denominator


def _fraction(factor: float) -> Fraction:
    fraction = Fraction(factor).limit_denominator(_DENOMINATOR)
    if abs(float(fraction) - factor) > 1e-9:
        raise InvalidArgumentError(
            f"no crop suits a scale of {factor:g}: scales are fractions with a denominator of "
            f"{_DENOMINATOR} at most"
        )
    return fraction


# -- warps --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Homography:
    """A source sampled from a photograph, and where it lies in it."""

    source: Image
    matrix: Matrix
    high: Image


def _warped(
    image: Image,
    bounds: tuple[float, float],
    rng: np.random.Generator,
    name: str,
    competitors: Sequence[Competitor],
) -> list[Score]:
    drawn = _draw_homography(image, bounds, rng)
    if drawn is None:
        return []
    shape = (drawn.high.shape[0], drawn.high.shape[1])
    mask = warp_mask(drawn.matrix, (_WARP_SIDE, _WARP_SIDE), shape)
    case = f"x{bounds[0]:g}..{bounds[1]:g}"
    scores = []
    for one in competitors:
        if one.method.warp is not None:
            result = one.method.warp(drawn.source, drawn.matrix, shape)
            scores.append(Score(WARP, case, one.name, name, masked_psnr(drawn.high, result, mask)))
    return scores


def _draw_homography(
    image: Image, bounds: tuple[float, float], rng: np.random.Generator
) -> _Homography | None:
    """Draw a homography as a training does; None where none finds room."""
    from lerf_training.data.numba.patches import sample_homography
    from lerf_training.data.patch_sampler import random_homography

    last = _WARP_SIDE - 1
    edge = np.array([[x, y, 1.0] for x in (0, last) for y in (0, last)]).T
    planes = np.ascontiguousarray(np.moveaxis(image, -1, 0))
    for _ in range(_WARP_TRIES):
        matrix = random_homography(rng, bounds)
        corners = matrix @ edge
        if (corners[2] < _LEAST_DEPTH).any():
            continue
        corners = corners[:2] / corners[2]
        low, high = corners.min(axis=1) - _HALO, corners.max(axis=1) + _HALO
        room = np.array(image.shape[1::-1]) - (high - low)
        if (room <= 0).any():
            continue
        matrix = _moved(rng.uniform(0, 1, 2) * room - low) @ matrix
        small = np.empty((len(planes), _WARP_SIDE, _WARP_SIDE), np.uint8)
        if sample_homography(planes, matrix, small):
            source = np.ascontiguousarray(np.moveaxis(small, 0, -1))
            corners = matrix @ edge
            corners = corners[:2] / corners[2]
            left, top = np.floor(corners.min(axis=1)).astype(int)
            right, bottom = np.ceil(corners.max(axis=1)).astype(int) + 1
            part = np.ascontiguousarray(image[top:bottom, left:right])
            return _Homography(source, _moved(np.array([-left, -top])) @ matrix, part)
    return None


def _moved(shift: npt.NDArray[np.float64] | npt.NDArray[np.int64]) -> Matrix:
    """Matrix of a shift by (x, y) pixels."""
    matrix = np.eye(3)
    matrix[:2, 2] = shift
    return matrix


# -- round trips --------------------------------------------------------------------------


def _shrunk(
    middle: Image, factor: float, name: str, competitors: Sequence[Competitor]
) -> list[Score]:
    source, shape = exact_crop(middle, factor)
    source = np.ascontiguousarray(source)
    enlarge = enlargers()[ENLARGERS[0]]
    scores = []
    for one in competitors:
        if one.shrink is not None:
            small = np.asarray(one.shrink(source, shape))
            trip = score_round_trip(source, enlarge(small, source.shape[:2]))
            scores.append(Score(SHRINK, f"by {factor:g}", one.name, name, trip.psnr, trip.ssim))
    return scores
