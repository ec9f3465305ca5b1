"""What an evaluation compares: banks, and the fixed kernels of Pillow and OpenCV.

Convention
----------
Images are uint8 (rows, cols, 3), scales (row, column), shapes (rows, cols). A warp's matrix
is forward: source (x, y, 1) to output, pixel centres at integers.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import lerf_core
from lerf_core.errors import InvalidArgumentError
from training.benchmarks import Image, Matrix, Scale
from training.errors import MissingExtraError

__all__ = ["BASELINES", "Method", "bank_method", "baseline_method", "installed_baselines"]

Rescale = Callable[[Image, Scale], Image]
Warp = Callable[[Image, Matrix, tuple[int, int]], Image]

_OPENCV_FLAGS = {"opencv-cubic": "INTER_CUBIC", "opencv-lanczos4": "INTER_LANCZOS4"}
_PILLOW_FILTERS = {
    "pillow-bilinear": "BILINEAR",
    "pillow-bicubic": "BICUBIC",
    "pillow-lanczos": "LANCZOS",
}
# Pillow's transform knows no Lanczos.
_PILLOW_WARPS = frozenset({"pillow-bilinear", "pillow-bicubic"})

#: Names of the baselines, installed or not.
BASELINES = (*_PILLOW_FILTERS, *_OPENCV_FLAGS)


@dataclass(frozen=True)
class Method:
    """One row of the table.

    Attributes
    ----------
    name : str
        As printed.
    description : str
        What it is, for the record.
    rescale : callable
        ``rescale(image, scale)``.
    warp : callable or None
        ``warp(image, matrix, output_shape)``; None where it cannot.
    """

    name: str
    description: str
    rescale: Rescale
    warp: Warp | None


def bank_method(
    bank: str,
    *,
    border: str = "edge",
    anti_aliasing: bool | None = None,
    threads: int | None = None,
) -> Method:
    """Evaluate a bank through `lerf_core`.

    Parameters
    ----------
    bank : str
        A shipped name, a file, or a folder in the published layout.
    border : {'edge', 'constant', ...}, optional
        Border of the feature when rescaling; ``'constant'`` is the published evaluation's.
        Warps have zeros outside the source: their masks leave the border out.
    anti_aliasing : bool, optional
        Stretch the support where the scale is below 1; the library's choice by default.
    threads : int, optional
        Threads of the engine.

    Returns
    -------
    Method
        Named like the bank.
    """
    loaded = lerf_core.load_bank(bank)

    def rescale(image: Image, scale: Scale) -> Image:
        return lerf_core.rescale(
            image,
            scale,
            bank=loaded,
            channel_axis=-1,
            mode=border,
            anti_aliasing=anti_aliasing,
            threads=threads,
        )

    def warp(image: Image, matrix: Matrix, output_shape: tuple[int, int]) -> Image:
        return lerf_core.warp(
            image,
            lerf_core.geometry.invert(matrix),
            output_shape=output_shape,
            mode="constant",
            bank=loaded,
            channel_axis=-1,
            anti_aliasing=anti_aliasing,
            threads=threads,
        )

    return Method(loaded.name, f"{loaded.kind.name} bank {bank}", rescale, warp)


def baseline_method(name: str) -> Method:
    """Fixed interpolation kernel of another library.

    Parameters
    ----------
    name : str
        One of `BASELINES`.

    Returns
    -------
    Method
        None of them shrinks in an evaluation's enlargements, so none is anti-aliased.

    Raises
    ------
    InvalidArgumentError
        If the name is not known.
    MissingExtraError
        If its library is not installed.
    """
    if name in _PILLOW_FILTERS:
        return _pillow(name)
    if name in _OPENCV_FLAGS:
        if not _has_opencv():
            raise MissingExtraError(f"the baseline {name}", "OpenCV", "evaluate")
        return _opencv(name)
    raise InvalidArgumentError(f"no baseline {name!r}; there are {', '.join(BASELINES)}")


def installed_baselines() -> tuple[str, ...]:
    """Names of the baselines that can run here."""
    return tuple(name for name in BASELINES if name in _PILLOW_FILTERS or _has_opencv())


def _has_opencv() -> bool:
    return importlib.util.find_spec("cv2") is not None


def _pillow(name: str) -> Method:
    import PIL
    from PIL import Image as PillowImage

    resampling = PillowImage.Resampling[_PILLOW_FILTERS[name]]

    def rescale(image: Image, scale: Scale) -> Image:
        rows, cols = lerf_core.rescaled_shape((image.shape[0], image.shape[1]), scale)
        return np.array(PillowImage.fromarray(image).resize((cols, rows), resampling))

    def warp(image: Image, matrix: Matrix, output_shape: tuple[int, int]) -> Image:
        rows, cols = output_shape
        # Pillow maps pixel corners, output to source: shift by half a pixel on both sides.
        half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
        inverse = half @ np.linalg.inv(matrix) @ np.linalg.inv(half)
        coefficients = (inverse / inverse[2, 2]).ravel()[:8].tolist()
        warped = PillowImage.fromarray(image).transform(
            (cols, rows), PillowImage.Transform.PERSPECTIVE, coefficients, resampling
        )
        return np.array(warped)

    description = f"Pillow {PIL.__version__} {_PILLOW_FILTERS[name]}"
    return Method(name, description, rescale, warp if name in _PILLOW_WARPS else None)


def _opencv(name: str) -> Method:
    import cv2

    flag = getattr(cv2, _OPENCV_FLAGS[name])

    def rescale(image: Image, scale: Scale) -> Image:
        rows, cols = lerf_core.rescaled_shape((image.shape[0], image.shape[1]), scale)
        return np.asarray(cv2.resize(image, (cols, rows), interpolation=flag), dtype=np.uint8)

    def warp(image: Image, matrix: Matrix, output_shape: tuple[int, int]) -> Image:
        rows, cols = output_shape
        warped = cv2.warpPerspective(image, matrix, (cols, rows), flags=flag)
        return np.asarray(warped, dtype=np.uint8)

    return Method(name, f"OpenCV {cv2.__version__} {_OPENCV_FLAGS[name]}", rescale, warp)
