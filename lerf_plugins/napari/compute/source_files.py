"""Whether a layer's file holds what the layer holds, as the command line reads it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lerf_core.errors import one_line
from lerf_plugins.napari.model.command_lines import PLACEHOLDER, SourceFile
from lerf_plugins.napari.model.layer_image import LayerImage

if TYPE_CHECKING:
    from lerf_core.io.tiles.tiled_reader import TiledReader

__all__ = ["checked_source"]

# Rows and columns, in the middle of the first and the last plane, that are compared at most: of
# arrays in memory, and of others.
_SIDE, _LAZY_SIDE = 2048, 64
# Bytes; files whose decoding takes more are not looked into.
_LIMIT = 1 << 29


def checked_source(path: str, image: LayerImage) -> SourceFile:
    """Compare a layer with its file, by a few of the pixels of each level.

    napari and its plugins read files in ways of their own: unturned by EXIF, some channels alone,
    several files as one. And a layer's pixels may have changed since.

    Parameters
    ----------
    path : str
    image : LayerImage

    Returns
    -------
    SourceFile
        Without a path where the file holds something else, or cannot be read.
    """
    name = os.path.basename(path.rstrip("/" + os.sep))  # noqa: PTH119 - addresses as well
    levels, has_missing = 0, False
    for number, level in enumerate(image.levels):
        try:
            with _opened(path, number, image) as reader:
                difference = _difference(reader, image, level)
                has_missing = has_missing or reader.metadata.nodata is not None
        except Exception as error:  # noqa: BLE001 - a layer's store has errors of its own
            difference = one_line(error)
        if difference:
            if number == 0:
                note = f"{name}: {difference}; save the layer as {PLACEHOLDER}"
                return SourceFile(None, note)
            break
        levels = number + 1
    return SourceFile(path, has_missing=has_missing, levels=levels)


def _opened(path: str, level: int, image: LayerImage) -> TiledReader:
    from lerf_core.io.reading import open_reader

    return open_reader(path, level=level, max_decoded_bytes=_LIMIT, labels=image.is_copied)


def _difference(reader: TiledReader, image: LayerImage, level: Any) -> str:
    """Return in what a file differs from a level of a layer; "" in nothing."""
    if reader.channel_axis is None and image.is_rgb:
        return "it holds no colours"
    if reader.channel_axis is not None and not image.is_rgb:
        return "its colours are axes of the layer"
    shape = list(reader.shape)
    if reader.channel_axis is not None:
        shape.append(shape.pop(reader.channel_axis))
    if _longer(shape) != _longer(level.shape):
        sizes = ["x".join(map(str, sides)) for sides in (shape, level.shape)]
        return f"its shape is {sizes[0]}, the layer's {sizes[1]}"
    if reader.dtype != level.dtype:
        return f"its pixels are {reader.dtype}, the layer's {np.dtype(level.dtype)}"
    if image.is_rgb and reader.has_alpha != (shape[-1] == 4):
        return "its fourth channel is no opacity"
    if reader.is_premultiplied and reader.has_alpha:
        return "its colours are multiplied by their opacity"
    equal_nan = reader.dtype.kind == "f"
    for last in (False, True):
        side = _SIDE if isinstance(level, np.ndarray) else _LAZY_SIDE
        pairs = ((reader, reader.channel_axis), (level, image.channel_axis))
        own, other = (_sample(pixels, axis, side, last=last) for pixels, axis in pairs)
        if not np.array_equal(own, other, equal_nan=equal_nan):
            return "its pixels are not the layer's"
    return ""


def _longer(shape: Any) -> list[int]:
    """Return the sides of a shape but for leading ones."""
    sides = [int(side) for side in shape]
    while len(sides) > 2 and sides[0] == 1:
        del sides[0]
    return sides


def _sample(pixels: Any, channel_axis: int | None, side: int, *, last: bool) -> npt.NDArray[Any]:
    """Return pixels in the middle of the first plane, or the last; channels last."""
    axes = [axis for axis in range(len(pixels.shape)) if axis != channel_axis]
    index: list[Any] = [slice(None)] * len(pixels.shape)
    for axis in axes[:-2]:
        index[axis] = pixels.shape[axis] - 1 if last else 0
    for axis in axes[-2:]:
        start = max(0, (pixels.shape[axis] - side) // 2)
        index[axis] = slice(start, min(start + side, pixels.shape[axis]))
    block = np.asarray(pixels[tuple(index)])
    if channel_axis is not None:
        block = np.moveaxis(block, 0 if channel_axis < axes[-1] else -1, -1)
    return block
