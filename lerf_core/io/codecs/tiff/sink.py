"""Tiles of a TIFF: cut from regions, compressed, and back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import imagecodecs
import numpy as np

from lerf_core.io.codecs.tiff.tags import has_signed_colours, signs_moved
from lerf_core.io.formats import GREY, WITHOUT_ALPHA
from lerf_core.io.pixels.opacity import opacity_of, valid_pixels
from lerf_core.io.tiles.regions import Region
from lerf_core.io.tiles.tiled_writer import Pixels, TileSink, WriterSpec

__all__ = ["MASK_PAGE", "TiffSink", "Tile", "colour_spec", "mask_spec", "tiff_sink"]

#: Level, page, and tile's number in the page.
Key = tuple[int, int, int]
#: The same, and the tile's data.
Tile = tuple[int, int, int, bytes]
#: Number of the page of masks, behind that of an image.
MASK_PAGE = 1

_DEFAULT_LEVELS = {"deflate": 4, "zstd": 1}


@dataclass(frozen=True)
class TiffSink(TileSink):
    """Compresses the tiles of a region, and of the levels above."""

    spec: WriterSpec

    def put_level(self, level: int, region: Region, pixels: Pixels) -> list[Tile]:
        """Compress a region of a level."""
        tiles = []
        if self._has_signed_colours:
            pixels = signs_moved(pixels, self._channel_axis)
        for position in self.spec.tiles(region):
            tile = pixels[self.spec.tile_within(position, region)]
            for sample, plane in self.planes(tile):
                page, number = self.number(level, position, sample)
                tiles.append((level, page, number, self._compressed(plane)))
        return tiles

    @property
    def _channel_axis(self) -> int:
        return self.spec.channel_axis or 0

    @property
    def _has_signed_colours(self) -> bool:
        spec = self.spec
        return spec.channel_axis is not None and has_signed_colours(
            spec.pixel_layout, spec.samples, spec.dtype, spec.details
        )

    def read(self, level: int, region: Region, data_of: Callable[[Key], bytes]) -> Pixels:
        """Return a region of a level as it was given to `put_level`.

        Parameters
        ----------
        level : int
        region : tuple of slice
            Of whole tiles.
        data_of : callable
            From level, page and number of a tile to its data.
        """
        spec = self.spec
        out = np.empty([extent.stop - extent.start for extent in region], spec.dtype)
        for position in spec.tiles(region):
            tile = out[spec.tile_within(position, region)]
            for sample, plane in self.planes(tile):
                stored = self.decode(data_of((level, *self.number(level, position, sample))))
                plane[...] = stored[: plane.shape[0], : plane.shape[1]]
        return signs_moved(out, self._channel_axis) if self._has_signed_colours else out

    def decode(self, data: bytes) -> Pixels:
        """Return the pixels of a tile: (rows, cols), or (rows, cols, samples) if interleaved."""
        spec = self.spec
        shape: tuple[int, ...] = spec.tile
        if self.is_interleaved:
            shape = (*shape, spec.samples)
        if spec.dtype == np.bool_:
            packed = _decompress(data, spec.compression, math.prod(shape) // 8)
            bits = np.frombuffer(packed, np.uint8).reshape(shape[0], -1)
            return np.unpackbits(bits, axis=1).astype(np.bool_)
        size = math.prod(shape) * spec.dtype.itemsize
        values = np.frombuffer(
            _decompress(data, spec.compression, size), spec.dtype.newbyteorder("<")
        )
        return values.reshape(shape)

    @property
    def is_interleaved(self) -> bool:
        """Whether the samples of a pixel lie side by side."""
        axis = self.spec.channel_axis
        return axis is not None and axis > self.spec.plane_axes[0]

    def number(self, level: int, position: tuple[int, ...], sample: int) -> tuple[int, int]:
        """Return the page of a tile, and the tile's number in it."""
        spec = self.spec
        rows, cols = spec.plane_axes
        shape = spec.level_shapes[level]
        page = 0
        for axis, number in enumerate(position):
            if axis not in (rows, cols, spec.channel_axis):
                page = page * shape[axis] + number
        down, across = (
            -(-shape[axis] // side) for axis, side in zip((rows, cols), spec.tile, strict=True)
        )
        return page, (sample * down + position[rows]) * across + position[cols]

    def planes(self, tile: Pixels) -> Iterator[tuple[int, Pixels]]:
        """Yield sample numbers and pixels that are stored apart; all at once if interleaved."""
        axis = self.spec.channel_axis
        if axis is None or self.is_interleaved:
            yield 0, tile.reshape(tile.shape[-2 if axis is None else -3 :])
            return
        for sample, plane in enumerate(np.moveaxis(tile, axis, 0)):
            yield sample, plane.reshape(plane.shape[-2:])

    def _compressed(self, tile: Pixels) -> bytes:
        missing = [
            (0, side - have) for side, have in zip(self.spec.tile, tile.shape[:2], strict=True)
        ]
        if any(count for _, count in missing):
            # Compresses well, and looks well in viewers that show a tile's rest.
            tile = np.pad(tile, [*missing, *([(0, 0)] * (tile.ndim - 2))], mode="edge")
        if tile.dtype == np.bool_:
            tile = np.packbits(tile, axis=1)
        return _compress(tile.astype(tile.dtype.newbyteorder("<"), copy=False), self.spec)


@dataclass(frozen=True)
class MaskedTiffSink(TileSink):
    """Takes pixels whose last sample goes into a page of its own, as a mask.

    Attributes
    ----------
    spec : WriterSpec
        Of the pixels, their mask among the samples.
    """

    spec: WriterSpec

    @cached_property
    def colours(self) -> TiffSink:
        """Where all samples but the last go."""
        return TiffSink(colour_spec(self.spec))

    @cached_property
    def mask(self) -> TiffSink:
        """Where the last sample goes."""
        return TiffSink(mask_spec(self.spec))

    def put_level(self, level: int, region: Region, pixels: Pixels) -> list[Tile]:
        """Compress a region of a level."""
        axis = self.spec.channel_axis or 0
        samples = np.moveaxis(pixels, axis, -1)
        colours = samples[..., :-1]
        colours = np.moveaxis(colours, -1, axis) if self._has_samples else colours[..., 0]
        tiles = self.colours.put_level(level, self._colour_region(region), colours)
        valid = valid_pixels(samples[..., -1])
        masks = self.mask.put_level(level, self._plane(region), valid)
        return tiles + [(at, MASK_PAGE, number, data) for at, _, number, data in masks]

    def number(self, level: int, position: tuple[int, ...], sample: int) -> tuple[int, int]:
        """Return the page of a tile of colours, and the tile's number in it."""
        return self.colours.number(level, self._colour_region(position), sample)

    def read(self, level: int, region: Region, data_of: Callable[[Key], bytes]) -> Pixels:
        """See `TiffSink`."""
        axis = self.spec.channel_axis or 0
        colours = self.colours.read(level, self._colour_region(region), data_of)
        if not self._has_samples:
            colours = np.expand_dims(colours, axis)
        mask = self.mask.read(
            level, self._plane(region), lambda key: data_of((key[0], MASK_PAGE, key[2]))
        )
        opacity = np.expand_dims(opacity_of(mask, self.spec.dtype), axis)
        return np.concatenate([colours, opacity], axis=axis)

    @property
    def _has_samples(self) -> bool:
        return self.colours.spec.channel_axis is not None

    def _plane(self, items: tuple[Any, ...]) -> tuple[Any, ...]:
        """Leave the item of the samples' axis out."""
        axis = self.spec.channel_axis or 0
        return (*items[:axis], *items[axis + 1 :])

    def _colour_region(self, items: tuple[Any, ...]) -> tuple[Any, ...]:
        if not self._has_samples:
            return self._plane(items)
        axis = self.spec.channel_axis or 0
        samples = items[axis]
        if isinstance(samples, slice):
            samples = slice(samples.start, samples.stop - 1)
        return (*items[:axis], samples, *items[axis + 1 :])


def colour_spec(spec: WriterSpec) -> WriterSpec:
    """Return what becomes of the samples that are no mask."""
    axis, shape, axes = spec.channel_axis or 0, list(spec.shape), spec.axes
    shape[axis] -= 1
    if shape[axis] == 1:
        del shape[axis]
        axes = axes.replace("S", "")
    layout = WITHOUT_ALPHA[spec.pixel_layout]
    return replace(
        spec,
        shape=tuple(shape),
        axes=axes,
        layout=layout,
        is_masked=False,
        levels=len(spec.level_shapes),
    )


def mask_spec(spec: WriterSpec) -> WriterSpec:
    """Return what becomes of the mask."""
    axis = spec.channel_axis or 0
    shape = (*spec.shape[:axis], *spec.shape[axis + 1 :])
    return replace(
        spec, shape=shape, axes=spec.axes.replace("S", ""), dtype=np.dtype(np.bool_), layout=GREY,
        details={}, is_masked=False, nodata=None, levels=len(spec.level_shapes),
    )  # fmt: skip


def tiff_sink(spec: WriterSpec) -> TiffSink | MaskedTiffSink:
    """Return what takes the pixels of a specification."""
    return MaskedTiffSink(spec) if spec.is_masked else TiffSink(spec)


def _compress(tile: Pixels, spec: WriterSpec) -> bytes:
    data, level = tile.tobytes(), spec.compression_level
    if level is None:
        level = _DEFAULT_LEVELS.get(spec.compression)
    if spec.compression == "deflate":
        return bytes(imagecodecs.deflate_encode(data, level=level))
    if spec.compression == "zstd":
        return bytes(imagecodecs.zstd_encode(data, level=level))
    return bytes(imagecodecs.lzw_encode(data)) if spec.compression == "lzw" else data


def _decompress(data: bytes, compression: str, size: int) -> bytes:
    """Return a tile's bytes, as many as its size says."""
    if compression == "deflate":
        return bytes(imagecodecs.deflate_decode(data, out=size))
    if compression == "zstd":
        return bytes(imagecodecs.zstd_decode(data, out=size))
    return bytes(imagecodecs.lzw_decode(data, out=size)) if compression == "lzw" else data
