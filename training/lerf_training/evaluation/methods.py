"""What an evaluation compares: banks, and the fixed kernels of other libraries.

Convention
----------
Images are uint8 (rows, cols, 3), scales (row, column), shapes (rows, cols). An enlargement has
``ceil(size * scale)`` pixels, its centre on the input's, its pixels ``1 / scale`` apart, whatever
the method. A warp's matrix is forward: source (x, y, 1) to output, pixel centres at integers.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

import lerf_core
from lerf_core.bank import LutBank
from lerf_core.errors import InvalidArgumentError
from lerf_core.sampling.taps import axis_positions
from lerf_training.data.benchmarks import Image, Matrix, Scale
from lerf_training.errors import MissingExtraError

__all__ = ["BASELINES", "Method", "bank_method", "baseline_method", "installed_baselines"]

Rescale = Callable[[Image, Scale], Image]
Warp = Callable[[Image, Matrix, tuple[int, int]], Image]

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
_CHECKPOINT_SUFFIX = ".safetensors"

#: Names of the baselines, installed or not.
BASELINES = (*_PILLOW_FILTERS, *_OPENCV_FLAGS, _SCIKIT_IMAGE)


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
        A name, a file, a folder in the published layout, or a checkpoint of ``lerf train``.
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
    loaded, what = _load_bank(bank)

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

    return Method(loaded.name, f"{loaded.kind.name} {what} {bank}", rescale, warp)


def _load_bank(bank: str) -> tuple[LutBank, str]:
    """Bank by name or path, and what it was found as."""
    path = Path(bank)
    # A name goes before a file of that name, as in `load_bank`.
    known = bank in lerf_core.available_banks()
    if not known and path.suffix == _CHECKPOINT_SUFFIX and path.is_file():
        from lerf_training.loop.checkpoints import bank_of_checkpoint, is_checkpoint

        if is_checkpoint(path):
            return bank_of_checkpoint(path), "checkpoint"
    return lerf_core.load_bank(bank), "bank"


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
    if name not in BASELINES:
        raise InvalidArgumentError(f"no baseline {name!r}; there are {', '.join(BASELINES)}")
    if name in _PILLOW_FILTERS:
        return _pillow(name)
    if name in _OPENCV_FLAGS:
        if not _is_installed("cv2"):
            raise MissingExtraError(f"the baseline {name}", "OpenCV", "evaluate")
        return _opencv(name)
    if not _is_installed("skimage"):
        raise MissingExtraError(f"the baseline {name}", "scikit-image", "test")
    return _scikit_image()


def installed_baselines() -> tuple[str, ...]:
    """Names of the baselines that can run here."""
    return tuple(name for name in BASELINES if _is_installed(_module_of(name)))


def _module_of(baseline: str) -> str:
    if baseline in _OPENCV_FLAGS:
        return "cv2"
    return "PIL" if baseline in _PILLOW_FILTERS else "skimage"


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _is_whole(shape: tuple[int, int], scale: Scale) -> bool:
    """Whether the output's pixels fill the input's: what libraries take for granted."""
    return all(
        math.isclose(size * factor, out_size, rel_tol=1e-9)
        for size, factor, out_size in zip(
            shape, scale, lerf_core.rescaled_shape(shape, scale), strict=True
        )
    )


def _shape(image: Image) -> tuple[int, int]:
    return image.shape[0], image.shape[1]


def _pillow(name: str) -> Method:
    import PIL
    from PIL import Image as PillowImage

    resampling = PillowImage.Resampling[_PILLOW_FILTERS[name]]

    def rescale(image: Image, scale: Scale) -> Image:
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
        return np.array(PillowImage.fromarray(image).resize((cols, rows), resampling, box))

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
        rows, cols = lerf_core.rescaled_shape(_shape(image), scale)
        if _is_whole(_shape(image), scale):
            enlarged = cv2.resize(image, (cols, rows), interpolation=flag)
        else:
            forward = _centred(_shape(image), (rows, cols), scale)
            border = cv2.BORDER_REPLICATE
            enlarged = cv2.warpAffine(image, forward, (cols, rows), flags=flag, borderMode=border)
        return np.asarray(enlarged, dtype=np.uint8)

    def warp(image: Image, matrix: Matrix, output_shape: tuple[int, int]) -> Image:
        rows, cols = output_shape
        warped = cv2.warpPerspective(image, matrix, (cols, rows), flags=flag)
        return np.asarray(warped, dtype=np.uint8)

    return Method(name, f"OpenCV {cv2.__version__} {_OPENCV_FLAGS[name]}", rescale, warp)


def _centred(shape: tuple[int, int], output_shape: tuple[int, int], scale: Scale) -> Matrix:
    """Forward 2x3 matrix of an enlargement."""
    (row, col), (rows, cols), (out_rows, out_cols) = scale, shape, output_shape
    return np.array(
        [
            [col, 0, (out_cols - 1) / 2 - col * (cols - 1) / 2],
            [0, row, (out_rows - 1) / 2 - row * (rows - 1) / 2],
        ]
    )


def _scikit_image() -> Method:
    from importlib.metadata import version

    from skimage.transform import warp as warp_plane

    def sample(image: Image, positions: npt.NDArray[np.float64], mode: str) -> Image:
        # By positions scikit-image takes the spline that its resize has; by a matrix it would not.
        channels = [
            warp_plane(plane, positions, order=3, mode=mode, preserve_range=True)
            for plane in np.moveaxis(image.astype(np.float64), -1, 0)
        ]
        rounded: Image = np.clip(np.rint(np.stack(channels, axis=-1)), 0, 255).astype(np.uint8)
        return rounded

    def rescale(image: Image, scale: Scale) -> Image:
        output_shape = lerf_core.rescaled_shape(_shape(image), scale)
        axes = map(axis_positions, _shape(image), output_shape, scale)
        return sample(image, np.stack(np.meshgrid(*axes, indexing="ij")), "edge")

    def warp(image: Image, matrix: Matrix, output_shape: tuple[int, int]) -> Image:
        y, x = np.mgrid[: output_shape[0], : output_shape[1]].astype(np.float64)
        source_x, source_y, depth = np.einsum(
            "ij,jrc->irc", np.linalg.inv(matrix), np.stack([x, y, np.ones_like(x)])
        )
        # On the horizon itself nothing is to be seen.
        depth = np.where(depth == 0, np.finfo(np.float64).tiny, depth)
        with np.errstate(over="ignore"):
            positions = np.stack([source_y, source_x]) / depth
        outside = float(-2 * max(image.shape))
        return sample(image, np.nan_to_num(positions, posinf=outside, neginf=outside), "constant")

    description = f"scikit-image {version('scikit-image')} order 3 (cubic spline)"
    return Method(_SCIKIT_IMAGE, description, rescale, warp)
