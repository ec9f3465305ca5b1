"""What shrinks: lerf by itself, by a bank or a fixed kernel, and other libraries.

Convention
----------
``shrink(image, (rows, cols))`` takes uint8, (rows, cols) or (rows, cols, 3), and fills the same
area with fewer pixels.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import lerf_core
from lerf_core.errors import InvalidArgumentError
from lerf_training.errors import MissingExtraError
from lerf_training.evaluation.shrinking.geometry import Shrink
from lerf_training.evaluation.shrinking.round_trips import least_squares

__all__ = [
    "METHODS",
    "REFERENCE",
    "ShrinkMethod",
    "installed_methods",
    "lerf_method",
    "shrink_method",
]

Pixels = npt.NDArray[Any]

#: lerf with no bank and no kernel named.
_LERF = "lerf"
_PILLOW = {"pillow-bicubic": "BICUBIC", "pillow-lanczos": "LANCZOS", "pillow-box": "BOX"}
# As PIL.Image.thumbnail shrinks by default.
_THUMBNAIL = "pillow-thumbnail"
_REDUCING_GAP = 2.0
_OPENCV = {"opencv-area": "INTER_AREA", "opencv-lanczos4": "INTER_LANCZOS4"}
_VIPS, _SCIKIT_IMAGE, _LEAST_SQUARES = "libvips", "scikit-image", "least-squares"

#: Names of the methods that need no file, installed or not.
METHODS = (_LERF, *_PILLOW, _THUMBNAIL, *_OPENCV, _VIPS, _SCIKIT_IMAGE, _LEAST_SQUARES)
#: What sizes of JPEG files are compared with.
REFERENCE = "pillow-lanczos"

# Module, what it is called, and the extra that brings it; Pillow and lerf are always there.
_LIBRARIES = {
    **dict.fromkeys(_OPENCV, ("cv2", "OpenCV", "evaluate")),
    _VIPS: ("pyvips", "pyvips", "bench"),
    _SCIKIT_IMAGE: ("skimage", "scikit-image", "test"),
}


@dataclass(frozen=True)
class ShrinkMethod:
    """One row of the table.

    Attributes
    ----------
    name : str
        As printed.
    description : str
        What it is, for the record.
    shrink : callable
        ``shrink(image, (rows, cols))``.
    """

    name: str
    description: str
    shrink: Shrink


def installed_methods() -> tuple[str, ...]:
    """Names of the methods that can run here."""
    return tuple(name for name in METHODS if _is_installed(name))


def _is_installed(name: str) -> bool:
    library = _LIBRARIES.get(name)
    return library is None or importlib.util.find_spec(library[0]) is not None


def lerf_method(
    name: str, description: str, *, threads: int | None = None, **options: Any
) -> ShrinkMethod:
    """Shrink through `lerf_core.resize`.

    Parameters
    ----------
    name, description : str
    threads : int, optional
    **options
        Of `lerf_core.resize`: ``bank`` or ``kernel``; none of both for lerf's own choice.

    Returns
    -------
    ShrinkMethod
    """

    def shrink(image: Pixels, shape: tuple[int, int]) -> Pixels:
        axis = None if image.ndim == 2 else -1
        # Scenes in floats are on 0..255.
        levels = (0.0, 255.0) if image.dtype.kind == "f" else None
        return lerf_core.resize(
            image, shape, channel_axis=axis, value_range=levels, threads=threads, **options
        )

    return ShrinkMethod(name, description, shrink)


def shrink_method(name: str, *, threads: int | None = None) -> ShrinkMethod:
    """Method by its name.

    Parameters
    ----------
    name : str
        One of `METHODS`.
    threads : int, optional
        Of lerf; the others have as many as they take.

    Returns
    -------
    ShrinkMethod

    Raises
    ------
    InvalidArgumentError
        If the name is not known.
    MissingExtraError
        If its library is not installed.
    """
    if name not in METHODS:
        raise InvalidArgumentError(f"no method {name!r}; there are {', '.join(METHODS)}")
    if not _is_installed(name):
        _, package, extra = _LIBRARIES[name]
        raise MissingExtraError(f"the method {name}", package, extra)
    if name == _LERF:
        return lerf_method(name, "lerf, no bank named", threads=threads)
    if name == _LEAST_SQUARES:
        text = "pseudo-inverse of Pillow's bicubic enlargement: the bound of its round trips"
        return ShrinkMethod(name, text, least_squares)
    if name in _OPENCV:
        return _opencv(name)
    if name == _VIPS:
        return _vips()
    return _scikit_image() if name == _SCIKIT_IMAGE else _pillow(name)


# -- other libraries ------------------------------------------------------------------------


def _pillow(name: str) -> ShrinkMethod:
    import PIL
    from PIL import Image

    kernel = _PILLOW.get(name, "BICUBIC")
    gap = _REDUCING_GAP if name == _THUMBNAIL else None

    def shrink(image: Pixels, shape: tuple[int, int]) -> Pixels:
        size = (shape[1], shape[0])
        resized = Image.fromarray(image).resize(size, Image.Resampling[kernel], reducing_gap=gap)
        return np.asarray(resized)

    gap_text = "" if gap is None else f", reducing_gap {gap:g}"
    return ShrinkMethod(name, f"Pillow {PIL.__version__} {kernel}{gap_text}", shrink)


def _opencv(name: str) -> ShrinkMethod:
    import cv2

    flag = getattr(cv2, _OPENCV[name])

    def shrink(image: Pixels, shape: tuple[int, int]) -> Pixels:
        return np.asarray(cv2.resize(image, (shape[1], shape[0]), interpolation=flag))

    return ShrinkMethod(name, f"OpenCV {cv2.__version__} {_OPENCV[name]}", shrink)


def _vips() -> ShrinkMethod:
    import pyvips

    def shrink(image: Pixels, shape: tuple[int, int]) -> Pixels:
        across, down = shape[1] / image.shape[1], shape[0] / image.shape[0]
        resized = pyvips.Image.new_from_array(image).resize(across, vscale=down)
        return np.asarray(resized.numpy())

    version = ".".join(str(pyvips.version(number)) for number in range(3))
    return ShrinkMethod(_VIPS, f"libvips {version} resize, kernel lanczos3", shrink)


def _scikit_image() -> ShrinkMethod:
    from importlib.metadata import version

    from skimage.transform import resize

    def shrink(image: Pixels, shape: tuple[int, int]) -> Pixels:
        full = (*shape, *image.shape[2:])
        resized = resize(image.astype(np.float64), full, anti_aliasing=True, preserve_range=True)
        if image.dtype.kind == "f":
            return np.asarray(resized, dtype=image.dtype)
        return np.asarray(np.clip(np.rint(resized), 0, 255), dtype=np.uint8)

    text = f"scikit-image {version('scikit-image')} resize, order 1, anti_aliasing"
    return ShrinkMethod(_SCIKIT_IMAGE, text, shrink)
