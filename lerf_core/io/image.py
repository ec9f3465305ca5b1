"""A decoded file: its pixels together with what must survive beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lerf_core.io.formats import CMYK, GREY_ALPHA, LAB, RGB, RGBA, WITH_ALPHA
from lerf_core.io.metadata.model import Metadata
from lerf_core.io.metadata.orientation import upright

__all__ = ["DecodedImage", "Pixels", "channels_of"]

Pixels = NDArray[Any]

_CHANNELS = {GREY_ALPHA: 2, RGB: 3, RGBA: 4, CMYK: 4, LAB: 3}


def channels_of(layout: str) -> int:
    """Return the number of channels of a layout that fixes it; 1 for palette indices and grey."""
    return _CHANNELS.get(layout, 1)


@dataclass(frozen=True)
class DecodedImage:
    """Frames of one file, upright.

    Attributes
    ----------
    frames : list of arrays
        Each (rows, cols) or (rows, cols, channels).
    layout : str
        Meaning of the channels; see :mod:`lerf_core.io.formats`.
    format : str
        Pillow's name of the file's format.
    metadata : Metadata
    notes : tuple of str
        What the user should know about how the file was read.
    premultiplied : bool
        Whether colours are already multiplied by alpha (a TIFF may say so).
    palette : (n, 3) uint8 array or None
        Colours of layout ``P``.
    lossless : bool
        Whether the file's format kept every pixel.
    details : dict
        What the writer of the same format needs: TIFF's photometric, compression and so on.
    further : tuple of DecodedImage
        Pages of other kinds (channels, depth, profile) that follow the frames, in order: runs of
        pages of one kind, an image each.
    """

    frames: list[Pixels]
    layout: str
    format: str
    metadata: Metadata = field(default_factory=Metadata)
    notes: tuple[str, ...] = ()
    premultiplied: bool = False
    palette: NDArray[np.uint8] | None = None
    lossless: bool = True
    details: dict[str, Any] = field(default_factory=dict)
    further: tuple[DecodedImage, ...] = ()

    @property
    def runs(self) -> tuple[DecodedImage, ...]:
        """All runs of pages of one kind: this image, and the further ones."""
        return (self, *self.further)

    @property
    def pages(self) -> int:
        """Number of frames, those of the further images too."""
        return sum(len(image.frames) for image in self.runs)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the first frame."""
        rows, cols = self.frames[0].shape[:2]
        return rows, cols

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels."""
        return self.frames[0].dtype

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is opacity."""
        return self.layout in WITH_ALPHA

    @property
    def uneven(self) -> bool:
        """Whether frames differ in size."""
        return len({frame.shape for frame in self.frames}) > 1

    def mapped(self, function: Callable[[Pixels], Pixels], **changes: Any) -> DecodedImage:
        """Return the image with a function applied to each frame."""
        return replace(self, frames=[function(frame) for frame in self.frames], **changes)

    def noted(self, *notes: str) -> DecodedImage:
        """Return the image with notes added."""
        return replace(self, notes=self.notes + notes)

    def turned_upright(self, orientation: int) -> DecodedImage:
        """Return the image as EXIF's orientation, 1 to 8, says that it is to be seen."""
        if orientation == 1:
            return self
        metadata, notes = self.metadata.turned_upright(orientation, self.shape)
        turned = self.mapped(lambda frame: upright(frame, orientation), metadata=metadata)
        return turned.noted(*notes)
