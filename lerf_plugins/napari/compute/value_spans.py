"""What the values of a layer span: of all pixels in memory, of a few of a lazy layer's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_plugins.napari.model.layer_image import LayerImage
from lerf_plugins.napari.model.value_ranges import ValueSpan

__all__ = ["value_span"]

#: Values that are looked at of arrays in memory: some hundredths of a second's work.
MOST_VALUES = 1 << 24
#: Values that are read of a lazy layer.
MOST_READ = 1 << 20
# Of a lazy layer, so many planes are read at most: each is a file or a request.
_MOST_PLANES = 8


def value_span(image: LayerImage) -> ValueSpan | None:
    """Return what the values of an image span; None: nothing, or they are labels.

    All pixels in memory are looked at, of large arrays evenly spaced ones. Of a lazy layer some
    planes of the coarsest level are read, and where that is large the middle of each.

    Parameters
    ----------
    image : LayerImage

    Returns
    -------
    ValueSpan or None
    """
    if image.is_copied:
        return None
    level = image.levels[-1] if image.is_lazy else image.levels[0]
    # Mapped files are read like lazy ones: page by page.
    is_in_memory = isinstance(level, np.ndarray) and not isinstance(level, np.memmap)
    pixels = _every_so_many(level, image) if is_in_memory else _read_few(level, image)
    if not image.is_rgb:
        return ValueSpan.of(pixels)
    alpha = pixels[..., 3] if pixels.shape[-1] == 4 else None
    return ValueSpan.of(pixels[..., :3], alpha)


def _every_so_many(level: npt.NDArray[Any], image: LayerImage) -> npt.NDArray[Any]:
    """Return the values of an array, of a large one those of evenly spaced places."""
    step = max(1, math.ceil((level.size / MOST_VALUES) ** (1 / image.ndim)))
    return level[(slice(None, None, step),) * image.ndim]


def _read_few(level: Any, image: LayerImage) -> npt.NDArray[Any]:
    """Read the middle of evenly spaced planes of a level."""
    channels = level.shape[-1] if image.is_rgb else 1
    planes = level.shape[: image.ndim - 2]
    count = min(math.prod(planes), _MOST_PLANES)
    side = max(1, math.isqrt(MOST_READ // (count * channels)))
    middle = tuple(
        slice(max(0, (size - side) // 2), (size + side) // 2)
        for size in level.shape[image.ndim - 2 : image.ndim]
    )
    numbers = (np.arange(count) + 0.5) * math.prod(planes) / count
    return np.stack(
        [
            np.asarray(level[(*np.unravel_index(int(number), planes), *middle)])
            if planes
            else np.asarray(level[middle])
            for number in numbers
        ]
    )
