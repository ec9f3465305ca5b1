"""Round trips: a photograph shrunk by one method, and enlarged again by others.

Convention
----------
Images are uint8, (rows, cols, 3); shapes are (rows, cols). Sizes are such that source and result
fill the same area (`lerf_training.evaluation.shrinking.geometry.exact_crop`).
"""

from __future__ import annotations

import functools
import importlib.util
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import lerf_core
from lerf_core.metrics import luma, psnr, ssim
from lerf_training.data.image_files import Image
from lerf_training.errors import MissingExtraError

__all__ = [
    "ENLARGERS",
    "JPEG_QUALITY",
    "RoundTrip",
    "enlargers",
    "flip",
    "has_flip",
    "jpeg_bytes",
    "least_squares",
    "score_round_trip",
]

Enlarge = Callable[[Image, tuple[int, int]], Image]

#: Names of what enlarges again.
ENLARGERS = ("pillow-bicubic", "pillow-lanczos", "lerf")
JPEG_QUALITY = 85


@dataclass(frozen=True)
class RoundTrip:
    """Figures of an image that was shrunk and enlarged again.

    Attributes
    ----------
    psnr : float
        Over Y, dB, of all pixels: the border belongs to the image.
    ssim : float
        Over Y.
    flip : float or None
        Mean FLIP error, 0..1, less is better; None where it is not installed.
    """

    psnr: float
    ssim: float
    flip: float | None


def enlargers(*, threads: int | None = None) -> dict[str, Enlarge]:
    """What enlarges again, by the names of `ENLARGERS`.

    Parameters
    ----------
    threads : int, optional
        Of lerf.

    Returns
    -------
    dict of callable
        ``enlarge(image, (rows, cols))``; lerf's with its default bank.
    """
    from PIL.Image import Resampling

    def by_lerf(image: Image, shape: tuple[int, int]) -> Image:
        return lerf_core.resize(image, shape, channel_axis=-1, threads=threads)

    bicubic = functools.partial(_pillow, kernel=Resampling.BICUBIC)
    lanczos = functools.partial(_pillow, kernel=Resampling.LANCZOS)
    return dict(zip(ENLARGERS, (bicubic, lanczos, by_lerf), strict=True))


def _pillow(image: Image, shape: tuple[int, int], kernel: int) -> Image:
    from PIL import Image as PillowImage

    resized = PillowImage.fromarray(image).resize(
        (shape[1], shape[0]), PillowImage.Resampling(kernel)
    )
    return np.asarray(resized)


def score_round_trip(source: Image, enlarged: Image, *, with_flip: bool = False) -> RoundTrip:
    """Compare an enlargement with what was shrunk.

    Parameters
    ----------
    source, enlarged : ndarray of uint8, (rows, cols, 3)
    with_flip : bool, optional
        Take FLIP too, which takes longer than all else.

    Returns
    -------
    RoundTrip


    Raises
    ------
    InvalidArgumentError
        If the shapes differ.
    MissingExtraError
        If FLIP is asked for and not installed.
    """
    expected, got = luma(source), luma(enlarged)
    perceived = flip(source, enlarged) if with_flip else None
    return RoundTrip(psnr(expected, got), ssim(expected, got), perceived)


def jpeg_bytes(image: Image) -> int:
    """Size of an image as JPEG, in bytes: Pillow's quality 85.

    Parameters
    ----------
    image : ndarray of uint8, (rows, cols) or (rows, cols, 3)
    """
    from PIL import Image as PillowImage

    file = io.BytesIO()
    PillowImage.fromarray(image).save(file, "JPEG", quality=JPEG_QUALITY)
    return file.tell()


# -- FLIP ---------------------------------------------------------------------------------


def has_flip() -> bool:
    """Whether FLIP is installed."""
    return importlib.util.find_spec("flip_evaluator") is not None


def flip(reference: Image, test: Image) -> float:
    """Mean FLIP error [1]_ by its authors' own package, as seen from 67 pixels per degree.

    Parameters
    ----------
    reference, test : ndarray of uint8, (rows, cols, 3)
        sRGB.

    Returns
    -------
    float
        0 for equal images; 1 at most.

    Raises
    ------
    MissingExtraError
        If flip-evaluator is not installed.

    References
    ----------
    .. [1] Andersson et al., "FLIP: A Difference Evaluator for Alternating Images", Proceedings of
       the ACM on Computer Graphics and Interactive Techniques 3(2), 2020.
    """
    if not has_flip():
        raise MissingExtraError("FLIP", "flip-evaluator", "evaluate")
    import flip_evaluator

    images = [image.astype(np.float32) / 255 for image in (reference, test)]
    _, mean, _ = flip_evaluator.evaluate(*images, "LDR", applyMagma=False)
    return float(mean)


# -- the best that an enlarger allows -------------------------------------------------------


def least_squares(image: npt.NDArray[np.uint8], shape: tuple[int, int]) -> Image:
    """Image whose enlargement by Pillow's bicubic has the least squared error.

    The pseudo-inverse of the enlargement, along each axis on its own; then rounded and clipped.

    Parameters
    ----------
    image : ndarray of uint8, (rows, cols) or (rows, cols, channels)
    shape : (rows, cols)
        At most the image's.

    Returns
    -------
    ndarray of uint8
    """
    down, across = (_inverse(*sizes) for sizes in zip(image.shape[:2], shape, strict=True))
    planes = np.moveaxis(np.atleast_3d(image).astype(np.float64), -1, 0)
    solved = np.moveaxis(down @ planes @ across.T, 0, -1)
    rounded: Image = np.clip(np.rint(solved), 0, 255).astype(np.uint8)
    return rounded.reshape(*shape, *image.shape[2:])


@functools.lru_cache(maxsize=8)
def _inverse(size: int, small: int) -> npt.NDArray[np.float64]:
    """Pseudo-inverse (small, size) of the enlargement of an axis."""
    from PIL import Image as PillowImage

    # Pillow's own weights: what it makes of unit vectors.
    units = PillowImage.fromarray(np.eye(small, dtype=np.float32))
    weights = np.asarray(units.resize((small, size), PillowImage.Resampling.BICUBIC))
    weights = weights.astype(np.float64)
    return np.linalg.solve(weights.T @ weights, weights.T)
