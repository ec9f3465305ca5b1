"""What surrounds a layer that is padded: as `lerf resize --background` has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lerf_core.errors import InvalidArgumentError
from lerf_core.pixels.format import holds_intensities
from lerf_plugins.napari.model.layer_image import LayerImage

__all__ = ["BACKGROUNDS", "TRANSPARENT", "padded", "whole_range"]

TRANSPARENT = "transparent"
_COLOURS = {"black": (0, 0, 0), "grey": (128, 128, 128), "white": (255, 255, 255)}
#: Names of surroundings, those of the command line.
BACKGROUNDS = (*_COLOURS, TRANSPARENT)


def padded(
    image: LayerImage, background: str, keywords: Mapping[str, Any]
) -> tuple[LayerImage, dict[str, Any]]:
    """Return an image and its keywords of `lerf_core.resize`, with what surrounds it.

    Parameters
    ----------
    image : LayerImage
    background : str
        One of `BACKGROUNDS`; an image with transparency is surrounded by it, labels by 0.
    keywords : mapping
        Those without surroundings.

    Raises
    ------
    InvalidArgumentError
        If the image is to become transparent, and has no colours.
    """
    from lerf_core.io.formats import GREY, RGB
    from lerf_core.io.image import DecodedImage
    from lerf_core.io.pixels.padding import padding_of

    if image.is_copied:
        return image, {**keywords, "fill": 0.0}
    if background == TRANSPARENT:
        if not image.is_rgb:
            raise InvalidArgumentError(
                f"a transparent background needs colours, and '{image.name}' has none"
            )
        image = image.with_opacity()
    if image.is_rgb and image.levels[0].shape[-1] == 4:
        return image, dict(keywords)
    value_range = keywords.get("value_range")
    if value_range is not None and tuple(value_range) == whole_range(image.dtype):
        value_range = None
    channels = (3,) if image.is_rgb else ()
    pixel = np.zeros((1, 1, *channels), image.dtype)
    template = DecodedImage([pixel], RGB if image.is_rgb else GREY, "")
    return image, {**keywords, "fill": padding_of(template, _COLOURS[background], value_range)}


def whole_range(dtype: np.dtype[Any]) -> tuple[float, float] | None:
    """Return the range of integers that the command line takes where none is told; None: none."""
    if dtype.kind not in "iu" or not holds_intensities(dtype):
        return None
    info = np.iinfo(dtype)
    return (info.min, info.max)
