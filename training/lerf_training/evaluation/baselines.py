"""Fixed kernels of other libraries, as methods of an evaluation.

None of them shrinks in an evaluation's enlargements, so none is anti-aliased. The convention is
that of `lerf_training.evaluation.methods`.
"""

from __future__ import annotations

import importlib.util
import math
from typing import Any

import numpy as np
import numpy.typing as npt

import lerf_core
from lerf_core.errors import InvalidArgumentError
from lerf_core.sampling.taps import axis_positions
from lerf_training.data.benchmark_sets import ScaleFactor
from lerf_training.data.image_files import Image
from lerf_training.data.matrix_files import Matrix
from lerf_training.errors import MissingExtraError
from lerf_training.evaluation.methods import Method

__all__ = ["BASELINES", "baseline_method", "installed_baselines"]

Shape = tuple[int, int]

_OPENCV_FLAGS = {"opencv-cubic": "INTER_CUBIC", "opencv-lanczos4": "INTER_LANCZOS4"}
_PILLOW_FILTERS = {
    "pillow-bilinear": "BILINEAR",
    "pillow-bicubic": "BICUBIC",
    "pillow-lanczos": "LANCZOS",
}
# Pixels that the widest kernel reads on each side.
_PILLOW_REACH = 4
# Pillow's transform knows no Lanczos.
_PILLOW_WARPS = frozenset({"pillow-bilinear", "pillow-bicubic"})
_SCIKIT_IMAGE = "scikit-image-bicubic"

#: Names of the baselines, installed or not.
BASELINES = (*_PILLOW_FILTERS, *_OPENCV_FLAGS, _SCIKIT_IMAGE)


def baseline_method(name: str) -> Method:
    """Fixed interpolation kernel of another library.

    Parameters
    ----------
    name : str
        One of `BASELINES`.

    Returns
    -------
    Method

    Raises
    ------
    InvalidArgumentError
        If the name is not known.
    MissingExtraError
        If its library is not installed.
    """
    if name not in BASELINES:
        raise InvalidArgumentError(f"no baseline {name!r}; there are {', '.join(BASELINES)}")
    if name in _PILLOW_FILTERS:
        return _pillow_method(name)
    if name in _OPENCV_FLAGS:
        if not _is_installed("cv2"):
            raise MissingExtraError(f"the baseline {name}", "OpenCV", "evaluate")
        return _opencv_method(name)
    if not _is_installed("skimage"):
        raise MissingExtraError(f"the baseline {name}", "scikit-image", "test")
    return _scikit_image_method()


def installed_baselines() -> tuple[str, ...]:
    """Names of the baselines that can run here."""
    return tuple(name for name in BASELINES if _is_installed(_module_of(name)))


def _module_of(baseline: str) -> str:
    if baseline in _OPENCV_FLAGS:
        return "cv2"
    return "PIL" if baseline in _PILLOW_FILTERS else "skimage"


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _is_whole(shape: Shape, scale: ScaleFactor) -> bool:
    """Whether the output's pixels fill the input's: what libraries take for granted."""
    return all(
        math.isclose(size * factor, out_size, rel_tol=1e-9)
        for size, factor, out_size in zip(
            shape, scale, lerf_core.rescaled_shape(shape, scale), strict=True
        )
    )


def _shape(image: Image) -> Shape:
    return image.shape[0], image.shape[1]


# -- Pillow ---------------------------------------------------------------------------


def _pillow_method(name: str) -> Method:
    import PIL

    kernel = _Pillow(_PILLOW_FILTERS[name])
    description = f"Pillow {PIL.__version__} {_PILLOW_FILTERS[name]}"
    return Method(name, description, kernel.rescale, kernel.warp if name in _PILLOW_WARPS else None)


class _Pillow:
    """A filter of Pillow, by its name there."""

    def __init__(self, name: str) -> None:
        from PIL import Image as PillowImage

        self._image, self._resampling = PillowImage, PillowImage.Resampling[name]

    def rescale(self, image: Image, scale: ScaleFactor) -> Image:
        rows, cols = lerf_core.rescaled_shape(_shape(image), scale)
        box = None
        if not _is_whole(_shape(image), scale):
            # The output reaches beyond the input by less than a pixel of its own.
            frame = math.ceil(1 / min(*scale, 1.0)) * _PILLOW_REACH
            height, width = rows / scale[0], cols / scale[1]
            top = frame + (image.shape[0] - height) / 2
            left = frame + (image.shape[1] - width) / 2
            image = np.pad(image, ((frame, frame), (frame, frame), (0, 0)), mode="edge")
            box = (left, top, left + width, top + height)
        pixels = self._image.fromarray(image)
        return np.array(pixels.resize((cols, rows), self._resampling, box))

    def warp(self, image: Image, matrix: Matrix, output_shape: Shape) -> Image:
        rows, cols = output_shape
        # Pillow maps pixel corners, output to source: shift by half a pixel on both sides.
        half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
        inverse = half @ np.linalg.inv(matrix) @ np.linalg.inv(half)
        coefficients = (inverse / inverse[2, 2]).ravel()[:8].tolist()
        warped = self._image.fromarray(image).transform(
            (cols, rows), self._image.Transform.PERSPECTIVE, coefficients, self._resampling
        )
        return np.array(warped)


# -- OpenCV ---------------------------------------------------------------------------


def _opencv_method(name: str) -> Method:
    import cv2

    kernel = _OpenCV(getattr(cv2, _OPENCV_FLAGS[name]))
    description = f"OpenCV {cv2.__version__} {_OPENCV_FLAGS[name]}"
    return Method(name, description, kernel.rescale, kernel.warp)


class _OpenCV:
    """A kernel of OpenCV, by its flag there."""

    def __init__(self, flag: int) -> None:
        import cv2

        self._cv2: Any = cv2
        self._flag = flag

    def rescale(self, image: Image, scale: ScaleFactor) -> Image:
        rows, cols = lerf_core.rescaled_shape(_shape(image), scale)
        if _is_whole(_shape(image), scale):
            enlarged = self._cv2.resize(image, (cols, rows), interpolation=self._flag)
        else:
            enlarged = self._cv2.warpAffine(
                image, _centred(_shape(image), (rows, cols), scale), (cols, rows),
                flags=self._flag, borderMode=self._cv2.BORDER_REPLICATE,
            )  # fmt: skip
        return np.asarray(enlarged, dtype=np.uint8)

    def warp(self, image: Image, matrix: Matrix, output_shape: Shape) -> Image:
        rows, cols = output_shape
        warped = self._cv2.warpPerspective(image, matrix, (cols, rows), flags=self._flag)
        return np.asarray(warped, dtype=np.uint8)


def _centred(shape: Shape, output_shape: Shape, scale: ScaleFactor) -> Matrix:
    """Forward 2x3 matrix of an enlargement."""
    (row, col), (rows, cols), (out_rows, out_cols) = scale, shape, output_shape
    return np.array(
        [
            [col, 0, (out_cols - 1) / 2 - col * (cols - 1) / 2],
            [0, row, (out_rows - 1) / 2 - row * (rows - 1) / 2],
        ]
    )


# -- scikit-image ---------------------------------------------------------------------


def _scikit_image_method() -> Method:
    from importlib.metadata import version

    description = f"scikit-image {version('scikit-image')} order 3 (cubic spline)"
    return Method(_SCIKIT_IMAGE, description, _spline_rescale, _spline_warp)


def _spline_rescale(image: Image, scale: ScaleFactor) -> Image:
    output_shape = lerf_core.rescaled_shape(_shape(image), scale)
    axes = map(axis_positions, _shape(image), output_shape, scale)
    return _spline_samples(image, np.stack(np.meshgrid(*axes, indexing="ij")), "edge")


def _spline_warp(image: Image, matrix: Matrix, output_shape: Shape) -> Image:
    y, x = np.mgrid[: output_shape[0], : output_shape[1]].astype(np.float64)
    source_x, source_y, depth = np.einsum(
        "ij,jrc->irc", np.linalg.inv(matrix), np.stack([x, y, np.ones_like(x)])
    )
    # On the horizon itself nothing is to be seen.
    depth = np.where(depth == 0, np.finfo(np.float64).tiny, depth)
    with np.errstate(over="ignore"):
        positions = np.stack([source_y, source_x]) / depth
    nowhere = float(-2 * max(image.shape))
    positions = np.nan_to_num(positions, posinf=nowhere, neginf=nowhere)
    return _spline_samples(image, positions, "constant")


def _spline_samples(image: Image, positions: npt.NDArray[np.float64], mode: str) -> Image:
    """Samples at positions (2, rows, cols) of (row, col)."""
    from skimage.transform import warp

    # By positions scikit-image takes the spline that its resize has; by a matrix it would not.
    channels = [
        warp(plane, positions, order=3, mode=mode, preserve_range=True)
        for plane in np.moveaxis(image.astype(np.float64), -1, 0)
    ]
    rounded: Image = np.clip(np.rint(np.stack(channels, axis=-1)), 0, 255).astype(np.uint8)
    return rounded
