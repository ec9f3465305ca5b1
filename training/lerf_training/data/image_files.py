"""Image files as training and evaluation take them: upright RGB of 8 bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.errors import FileError
from lerf_core.io.formats import CMYK, GREY, GREY_ALPHA, RGB, RGBA
from lerf_core.io.reading import read_image
from lerf_training.errors import DatasetError

__all__ = ["Image", "read_rgb", "read_rgb_of_any_depth"]

Image = npt.NDArray[np.uint8]


def read_rgb(path: Path) -> Image:
    """8-bit RGB of a benchmark's image, upright; grey is repeated, alpha left out.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    ndarray of uint8, (rows, cols, 3)

    Raises
    ------
    DatasetError
        If the file cannot be read, or holds more than 8 bits per sample or other colours.
    """
    pixels, layout = _decoded(path)
    if pixels.dtype != np.uint8 or layout == CMYK:
        what = layout if layout == CMYK else pixels.dtype
        raise DatasetError(f"{path}: benchmarks are 8-bit grey or RGB, not {what}")
    return _as_rgb(path, pixels, layout)


def read_rgb_of_any_depth(path: Path) -> Image:
    """8-bit RGB of an image file, as it is meant to be seen.

    Parameters
    ----------
    path : Path
        A file of any format that `lerf_core.io` reads; of several images the first.

    Returns
    -------
    ndarray of uint8, (rows, cols, 3)
        Orientation applied, grey repeated, alpha left out, 16-bit and float rounded to 8.

    Raises
    ------
    DatasetError
        If the file cannot be decoded.
    """
    pixels, layout = _decoded(path)
    if layout == CMYK and pixels.dtype == np.uint8:
        from PIL import Image as PillowImage

        pixels, layout = np.asarray(PillowImage.fromarray(pixels, "CMYK").convert("RGB")), RGB
    return _as_rgb(path, _as_bytes(path, pixels), layout)


def _decoded(path: Path) -> tuple[npt.NDArray[Any], str]:
    """Pixels of a file's first image, upright, and what their channels mean."""
    try:
        image = read_image(path)
    except FileError as error:
        raise DatasetError(f"{path}: {error}") from error
    return image.frames[0], image.layout


def _as_bytes(path: Path, pixels: npt.NDArray[Any]) -> Image:
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype == np.uint16:
        rounded: Image = np.rint(pixels.astype(np.float32) / 257).astype(np.uint8)
        return rounded
    if pixels.dtype.kind == "f":
        if not np.isfinite(pixels).all() or pixels.min() < 0 or pixels.max() > 1:
            raise DatasetError(f"{path}: float images must lie in 0..1")
        scaled: Image = np.rint(pixels * 255).astype(np.uint8)
        return scaled
    raise DatasetError(f"{path}: images of {pixels.dtype} are not supported")


def _as_rgb(path: Path, pixels: Image, layout: str) -> Image:
    if layout not in {GREY, GREY_ALPHA, RGB, RGBA}:
        raise DatasetError(f"{path}: no image of grey or RGB: shape {pixels.shape}")
    channels = pixels if pixels.ndim == 3 else pixels[..., None]
    colours = channels[..., : 3 if layout in {RGB, RGBA} else 1]
    rgb: Image = np.ascontiguousarray(np.broadcast_to(colours, (*channels.shape[:2], 3)))
    return rgb
