"""TIFF images with internal masks, read by regions: the mask is their last channel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lerf_core.io.codecs.tiff.masks import masked_layout, with_opacity
from lerf_core.io.formats import WITH_ALPHA
from lerf_core.io.pixels.opacity import opacity_of
from lerf_core.io.tiles.regions import Region, axis_of
from lerf_core.io.tiles.tiled_reader import TiledReader

__all__ = ["MaskedTiffReader"]

# Of the cache, of which the mask has one.
_SHARES = 8


class MaskedTiffReader(TiledReader):
    """A series of pages and the masks of them.

    Parameters
    ----------
    image, mask : TiledReader
        Of equal rows and columns. Both are closed with it.
    options : dict
        Of :func:`lerf_core.io.reading.open_reader`.
    """

    _chunk_word = "tile"

    def __init__(self, image: TiledReader, mask: TiledReader, options: dict[str, Any]) -> None:
        super().__init__(image.path, options)
        self._image, self._mask = image, mask
        for name in ("format", "dtype", "axes", "is_premultiplied", "level", "series",
                     "series_count", "series_note", "is_described", "orientation", "storage",
                     "metadata", "fingerprint"):  # fmt: skip
            setattr(self, name, getattr(image, name))
        self.details = dict(image.details)
        self.layout, notes = masked_layout(image.layout, self.details)
        self._notes = image.notes + notes
        self._is_new = self.layout in WITH_ALPHA and image.layout not in WITH_ALPHA
        # Of the image's samples, or of those that it gets.
        axis = axis_of(self.axes, "S")
        if axis is None and self._is_new:
            self.axes += "S"
        self._axis = len(image.axes) if axis is None else axis
        self.shape, self.chunks = self._widened(image.shape), self._widened(image.chunks)
        self.level_shapes = tuple(self._widened(shape) for shape in image.level_shapes)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._image, self._mask, self._options)

    def _widened(self, lengths: tuple[int, ...]) -> tuple[int, ...]:
        """Return lengths of the image's axes with those of the mask's channel."""
        if not self._is_new:
            return lengths
        count = lengths[self._axis] if self._axis < len(lengths) else 1
        return (*lengths[: self._axis], count + 1, *lengths[self._axis + 1 :])

    @property
    def bytes_to_keep_all(self) -> int:
        """See `TiledReader`."""
        image, mask = self._image.bytes_to_keep_all, self._mask.bytes_to_keep_all
        return max(-(-image * _SHARES // (_SHARES - 1)), mask * _SHARES)

    @property
    def decoded_chunks(self) -> int:
        """See `TiledReader`."""
        return self._image.decoded_chunks + self._mask.decoded_chunks

    def limit_memory(self, cache_bytes: int, max_decoded_bytes: int | None) -> None:
        """See `TiledReader`; most of the cache is the image's."""
        super().limit_memory(cache_bytes, max_decoded_bytes)
        share = cache_bytes // _SHARES
        self._image.limit_memory(cache_bytes - share, max_decoded_bytes)
        self._mask.limit_memory(share, max_decoded_bytes)

    def check_unchanged(self) -> None:
        """See `TiledReader`; the mask lies in the same file."""
        self._image.check_unchanged()

    def forget_chunks(self) -> None:
        """See `TiledReader`."""
        self._image.forget_chunks()
        self._mask.forget_chunks()

    def close(self) -> None:
        """Close the file and forget its chunks; again is no error."""
        super().close()
        self._image.close()
        self._mask.close()

    def _read_region(self, region: Region) -> NDArray[Any]:
        if self.layout not in WITH_ALPHA:
            return np.asarray(self._image[region])
        axis, image = self._axis, self._image
        has_axis = axis < image.ndim
        count = image.shape[axis] if has_axis else 1
        # Channels are few, and the last one may need the image's own.
        whole = (*region[:axis], slice(0, count), *region[axis + 1 :])
        pixels = image[whole if has_axis else region[:axis]]
        if not has_axis:
            pixels = pixels[..., np.newaxis]
        plane = (*region[:axis], *region[axis + 1 :])
        opacity = opacity_of(self._mask[plane], self.dtype)
        opacity = np.expand_dims(opacity, axis)
        pixels = with_opacity(pixels, opacity, image.layout, axis)
        wanted = (slice(None),) * axis + (region[axis],)
        return np.ascontiguousarray(pixels[wanted])
