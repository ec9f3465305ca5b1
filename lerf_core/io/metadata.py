"""What a file says about its pixels: one type for whole images and for tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lerf_core.io import exif as exif_blocks

__all__ = ["Metadata", "PixelSize"]


@dataclass(frozen=True)
class PixelSize:
    """Physical size of a pixel.

    Attributes
    ----------
    row, col : float
        Distance between the centres of neighbouring rows, and columns.
    unit : str
        By its name in OME-Zarr (UDUNITS), such as "micrometer"; "" where the file gives numbers
        alone.
    """

    row: float
    col: float
    unit: str


@dataclass(frozen=True)
class Metadata:
    """What a file says about its pixels.

    Attributes
    ----------
    icc, exif, xmp : bytes or None
        The blocks as they lay in the file; ``exif`` without JPEG's prefix. Texts that a TIFF keeps
        in tags of its own (artist, description, ...) are entries of ``exif``.
    dpi : (x, y) or None
        Resolution in pixels per inch.
    text : tuple of (key, value)
        PNG's text chunks.
    comment : bytes or None
        Comment of a JPEG or GIF.
    chunks : tuple of (name, data)
        PNG's colour chunks.
    durations : tuple of float
        Time of each frame in milliseconds.
    loop : int or None
        Repetitions of an animation, 0 for endless; None for once.
    pixel_size : PixelSize or None
    translation : (row, col) or None
        Position of the first pixel's centre, in the unit of the pixel size.
    display : dict or None
        Names, colours and ranges of the channels, as OME-Zarr's "omero" block has them.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[str, str], ...] = ()
    comment: bytes | None = None
    chunks: tuple[tuple[bytes, bytes], ...] = ()
    durations: tuple[float, ...] = ()
    loop: int | None = None
    pixel_size: PixelSize | None = None
    translation: tuple[float, float] | None = None
    display: dict[str, Any] | None = None

    def stripped(self) -> Metadata:
        """Return what ``--strip`` leaves: colour, resolution, sizes and timing, no private data."""
        return replace(self, exif=None, xmp=None, text=(), comment=None)

    def transposed(self) -> Metadata:
        """Return the metadata of an image whose rows and columns are exchanged."""
        size, position = self.pixel_size, self.translation
        return replace(
            self,
            dpi=self.dpi and (self.dpi[1], self.dpi[0]),
            pixel_size=size and PixelSize(size.col, size.row, size.unit),
            translation=position and (position[1], position[0]),
        )

    def channels(self, count: int) -> list[dict[str, Any]] | None:
        """Return what `display` says of each channel, if it does of so many."""
        channels = (self.display or {}).get("channels")
        return channels if isinstance(channels, list) and len(channels) == count else None

    def fitted(self, shape: tuple[int, int]) -> tuple[Metadata, tuple[str, ...]]:
        """Return the metadata for an upright image of another size, and notes on what was lost.

        Parameters
        ----------
        shape : (rows, columns)
            Of the image; what EXIF and XMP say of size, orientation and thumbnail is brought up
            to date.
        """
        rows, cols = shape
        exif, xmp = self.exif, self.xmp
        notes: tuple[str, ...] = ()
        if exif is not None:
            try:
                exif = exif_blocks.updated(exif, cols, rows)
            except ValueError:
                exif, notes = None, ("damaged EXIF dropped",)
        if xmp is not None:
            xmp = exif_blocks.updated_xmp(xmp, cols, rows)
        return replace(self, exif=exif, xmp=xmp), notes

    def resized(
        self, scale: Sequence[float], before: Sequence[int], after: Sequence[int]
    ) -> Metadata:
        """Return the metadata with pixel size and position as they are after resizing.

        Parameters
        ----------
        scale : (row, col)
            Pixels of the result per source pixel.
        before, after : (rows, columns)
            Of source and result.

        Notes
        -----
        The resolution in dots per inch is kept: a print grows with its pixels.
        """
        size = self.pixel_size
        if size is None:
            return replace(self, translation=None)
        # Where the centre of the result's first pixel lies in the source, in source pixels.
        row, col = (
            (old - 1) / 2 - (new - 1) / (2 * factor)
            for old, new, factor in zip(before, after, scale, strict=True)
        )
        down, across = self.translation or (0.0, 0.0)
        return replace(
            self,
            pixel_size=PixelSize(size.row / scale[0], size.col / scale[1], size.unit),
            translation=(down + row * size.row, across + col * size.col),
        )
