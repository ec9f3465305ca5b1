"""Tiles of a TIFF: cut from regions, compressed, and back."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import imagecodecs
import numpy as np

from lerf_core.io.regions import Region
from lerf_core.io.tiff.samples import signs_moved
from lerf_core.io.tiff.tags import has_signed_colours
from lerf_core.io.tiled_writer import Pixels, TileSink, WriterSpec

__all__ = ["TiffSink", "Tile"]

#: Level, page, tile's number in the page, and its data.
Tile = tuple[int, int, int, bytes]

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

    def read_back(self, pixels: Pixels) -> Pixels:
        """Return a region, put together from decoded tiles, as it was given to `put_level`."""
        return signs_moved(pixels, self._channel_axis) if self._has_signed_colours else pixels

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


def _compress(tile: Pixels, spec: WriterSpec) -> bytes:
    data, level = tile.tobytes(), spec.compression_level
    if level is None:
        level = _DEFAULT_LEVELS.get(spec.compression)
    if spec.compression == "deflate":
        return bytes(imagecodecs.zlib_encode(data, level=level))
    if spec.compression == "zstd":
        return bytes(imagecodecs.zstd_encode(data, level=level))
    return bytes(imagecodecs.lzw_encode(data)) if spec.compression == "lzw" else data


def _decompress(data: bytes, compression: str, size: int) -> bytes:
    """Return a tile's bytes, as many as its size says."""
    if compression == "deflate":
        return bytes(imagecodecs.zlib_decode(data, out=size))
    if compression == "zstd":
        return bytes(imagecodecs.zstd_decode(data, out=size))
    return bytes(imagecodecs.lzw_decode(data, out=size)) if compression == "lzw" else data
