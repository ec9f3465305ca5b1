"""Write a large image of any kind, block by block."""

from __future__ import annotations

import hashlib
import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, fields
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lerf_core.errors import FileError, InvalidArgumentError, ResultExistsError, one_line
from lerf_core.io.formats import WITH_ALPHA, layout_of_samples
from lerf_core.io.metadata.model import Metadata
from lerf_core.io.pixels.opacity import opacity_of, valid_pixels
from lerf_core.io.results.claims import Claim
from lerf_core.io.results.journal import Journal
from lerf_core.io.results.placing import place_file, synced
from lerf_core.io.tiles.pyramid import SMALLEST, halve, level_shapes
from lerf_core.io.tiles.regions import Region, axis_of

__all__ = [
    "TileSink",
    "TiledWriter",
    "WriterSpec",
    "disk_bytes_needed",
    "partial_paths",
    "unwritable",
]

Pixels = NDArray[Any]

# Tiles of upper levels that are made side by side.
_AHEAD = 4
_FORMATS = ("TIFF", "OME-TIFF", "ImageJ", "OME-Zarr", "Zarr", "NPY")
_COMPRESSIONS = {
    "TIFF": ("none", "deflate", "zstd", "lzw"),
    "OME-TIFF": ("none", "deflate", "zstd", "lzw"),
    "ImageJ": ("none",),
    "OME-Zarr": ("none", "zstd", "lz4", "gzip"),
    "Zarr": ("none", "zstd", "lz4", "gzip"),
    "NPY": ("none",),
}


@dataclass(frozen=True)
class WriterSpec:
    """What is to be written.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
    axes : str
        A letter per axis: T, C, Z, Y, X, and S for the samples of a pixel, last or before Y.
    format : str
        "TIFF", "OME-TIFF", "ImageJ" (a hyperstack), "OME-Zarr", "Zarr" (an array alone) or "NPY".
    tile : (int, int)
        Rows and columns of a tile or chunk.
    compression : str
        "none"; for TIFF "deflate", "zstd", "lzw"; for Zarr "zstd", "lz4", "gzip".
    compression_level : int or None
    levels : int or None
        Of the pyramid; None: until both sides are no longer than 1024, or than a tile in a
        GeoTIFF.
    layout : str or None
        Meaning of the samples, see :mod:`lerf_core.io.formats`. None: colours where there are
        three, independent channels where there are two or more than three.
    is_premultiplied : bool
        Whether colours are multiplied by opacity.
    is_labels : bool
        Whether the pyramid copies pixels.
    is_majority : bool
        Whether these are of the label that most have, instead of the first.
    is_masked : bool
        Whether the last sample is an opacity that is written as a mask: none, or full.
    is_cog : bool
        Whether it is a Cloud Optimized GeoTIFF, whatever it says of places: levels of a TIFF are
        pages behind the image, and are made once it is complete, by `TiledWriter.level_maker`.
    nodata : float or None
        Value of pixels that are missing, whether or not the file can say so.
    metadata : Metadata
        As they are to be written.
    details : dict
        What a reader of the same format says of how its file is stored.
    fingerprint : str
        Equal where the same is made from the same source: resumed work must be the same.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    axes: str
    format: str
    tile: tuple[int, int] = (512, 512)
    compression: str = "none"
    compression_level: int | None = None
    levels: int | None = None
    layout: str | None = None
    is_premultiplied: bool = False
    is_labels: bool = False
    is_majority: bool = False
    is_masked: bool = False
    is_cog: bool = False
    nodata: float | None = None
    metadata: Metadata = field(default_factory=Metadata)
    details: dict[str, Any] = field(default_factory=dict)
    fingerprint: str = ""

    def __post_init__(self) -> None:
        if self.format not in _FORMATS:
            raise InvalidArgumentError(f"format must be one of {_FORMATS}, got {self.format!r}")
        if len(self.axes) != len(self.shape) or not {"Y", "X"} <= set(self.axes):
            raise InvalidArgumentError(f"axes {self.axes!r} do not go with shape {self.shape}")
        # Of arrays alone, axes may be of no known meaning.
        if self.format not in {"NPY", "Zarr"} and len(set(self.axes)) != len(self.axes):
            raise InvalidArgumentError(f"axes {self.axes!r} hold a letter twice")
        if 0 in self.shape or self.dtype.kind not in "buif":
            raise InvalidArgumentError(f"cannot write {self.dtype} pixels of shape {self.shape}")
        choices = _COMPRESSIONS[self.format]
        if self.compression not in choices:
            raise InvalidArgumentError(
                f"compression of {self.format} must be one of {', '.join(choices)}, "
                f"got {self.compression!r}"
            )
        multiple = 16 if "TIFF" in self.format else 1
        for side in self.tile:
            if not (1 <= side <= 1 << 16) or side % multiple:
                raise InvalidArgumentError(
                    f"sides of a tile are 1 to 65536 pixels"
                    f"{', multiples of 16 in TIFF' if multiple > 1 else ''}, got {self.tile}"
                )
        if self.levels is not None and self.levels < 1:
            raise InvalidArgumentError(f"levels must be positive, got {self.levels}")

    @property
    def plane_axes(self) -> tuple[int, int]:
        """The axes of rows and columns."""
        return self.axes.index("Y"), self.axes.index("X")

    @property
    def channel_axis(self) -> int | None:
        """The axis of samples."""
        return axis_of(self.axes, "S")

    @property
    def samples(self) -> int:
        """Samples of a pixel."""
        return 1 if self.channel_axis is None else self.shape[self.channel_axis]

    @property
    def pixel_layout(self) -> str:
        """The layout, by the number of samples where none was given."""
        return self.layout or layout_of_samples(self.samples)

    @property
    def has_separate_alpha(self) -> bool:
        """Whether the last sample is an opacity that colours are not multiplied by."""
        return self.layout in WITH_ALPHA and not self.is_premultiplied

    @property
    def has_chained_levels(self) -> bool:
        """Whether levels are pages behind the image's, as GDAL has them; in other TIFFs SubIFDs."""
        metadata = self.metadata
        says = metadata.says("georeference") or metadata.says("nodata") or metadata.says("gdal")
        return self.format == "TIFF" and (self.is_masked or self.is_cog or says)

    @cached_property
    def level_shapes(self) -> list[tuple[int, ...]]:
        """The shape of each level."""
        single = self.format in ("Zarr", "NPY", "ImageJ")
        smallest = max(self.tile) if self.has_chained_levels else SMALLEST
        return level_shapes(self.shape, self.plane_axes, 1 if single else self.levels, smallest)

    @property
    def block_multiple(self) -> tuple[int, int]:
        """Rows and columns that blocks are multiples of.

        Of two by two tiles, where there is a pyramid, so that most of it needs no second look.
        """
        factor = 2 if len(self.level_shapes) > 1 else 1
        return self.tile[0] * factor, self.tile[1] * factor

    def halved(self, pixels: Pixels) -> Pixels:
        """Return pixels of the next level."""
        return self.with_mask(halve(
            pixels, self.plane_axes, channel_axis=self.channel_axis,
            has_alpha=self.has_separate_alpha, is_labels=self.is_labels,
            is_majority=self.is_majority, nodata=self.nodata,
        ))  # fmt: skip

    def with_mask(self, pixels: Pixels) -> Pixels:
        """Return pixels whose opacity is none or full, where it is written as a mask."""
        axis = self.channel_axis
        if not self.is_masked or axis is None:
            return pixels
        pixels = pixels.copy()
        opacity = np.moveaxis(pixels, axis, -1)[..., -1]
        opacity[...] = opacity_of(valid_pixels(opacity), opacity.dtype)
        return pixels

    def halved_region(self, region: Region) -> Region:
        """Return where these lie in the next level."""
        return tuple(
            slice(extent.start // 2, -(-extent.stop // 2)) if axis in self.plane_axes else extent
            for axis, extent in enumerate(region)
        )

    def levels_of(self, region: Region, pixels: Pixels) -> Iterator[tuple[int, Region, Pixels]]:
        """Yield a region at level 0, and at all levels whose tiles it covers whole."""
        level = 0
        while True:
            yield level, region, pixels
            level += 1
            is_last = self.is_cog or level == len(self.level_shapes)
            if is_last or not self._covers_tiles(level, region):
                return
            region, pixels = self.halved_region(region), self.halved(pixels)

    def _covers_tiles(self, level: int, below: Region) -> bool:
        """Whether a region of the level below makes whole tiles of a level."""
        shape = self.level_shapes[level - 1]
        return all(
            below[axis].start % (2 * side) == 0
            and (below[axis].stop % (2 * side) == 0 or below[axis].stop == shape[axis])
            for axis, side in zip(self.plane_axes, self.tile, strict=True)
        )

    def region_below(self, level: int, tile: tuple[int, ...]) -> Region:
        """Return the region of the level below that a level's tile is made of."""
        below = []
        for axis, number in enumerate(tile):
            size = self.level_shapes[level - 1][axis]
            if axis in self.plane_axes:
                side = 2 * self.tile[self.plane_axes.index(axis)]
                below.append(slice(number * side, min((number + 1) * side, size)))
            elif axis == self.channel_axis:
                below.append(slice(0, size))
            else:
                below.append(slice(number, number + 1))
        return tuple(below)

    def tiles(self, region: Region) -> Iterator[tuple[int, ...]]:
        """Yield the positions of the tiles that a region of a level covers, whole but for borders.

        Along rows and columns a tile's number, along the samples 0, and the index elsewhere.
        """
        ranges = []
        for axis, extent in enumerate(region):
            if axis in self.plane_axes:
                side = self.tile[self.plane_axes.index(axis)]
                ranges.append(range(extent.start // side, -(-extent.stop // side)))
            elif axis == self.channel_axis:
                ranges.append(range(1))
            else:
                ranges.append(range(extent.start, extent.stop))
        yield from itertools.product(*ranges)

    def tile_within(self, position: tuple[int, ...], region: Region) -> tuple[slice, ...]:
        """Return the index of a tile in the pixels of a region; at borders it may reach beyond."""
        index = []
        for axis, (number, extent) in enumerate(zip(position, region, strict=True)):
            if axis in self.plane_axes:
                side = self.tile[self.plane_axes.index(axis)]
                index.append(
                    slice(number * side - extent.start, (number + 1) * side - extent.start)
                )
            elif axis == self.channel_axis:
                index.append(slice(None))
            else:
                index.append(slice(number - extent.start, number - extent.start + 1))
        return tuple(index)

    def head(self) -> dict[str, Any]:
        """Return what a journal says of the work, as JSON."""
        names = [item.name for item in fields(self) if item.name != "fingerprint"]
        facts = {name: getattr(self, name) for name in names}
        digest = hashlib.sha256(repr(sorted(facts.items())).encode()).hexdigest()[:32]
        return {"lerf": 1, "job": self.fingerprint, "target": digest}


class TileSink(ABC):
    """Takes a region's pixels and gives receipts; can be pickled, and works anywhere."""

    spec: WriterSpec

    def put(self, region: Region, pixels: Pixels) -> list[Any]:
        """Store a region, and those regions of the pyramid that it covers, or encode them.

        Parameters
        ----------
        region : tuple of slice
            A whole multiple of the writer's blocks, but at the image's ends.
        pixels : ndarray

        Returns
        -------
        list
            A receipt per tile: its level and position. Where one writer fills the file (TIFF), also
            the encoded tile, which the writer then stores.

        Raises
        ------
        FileError
            If the sink stores tiles, and the result is no longer this run's.
        """
        self.check_claim()
        return [
            receipt
            for level, extent, smaller in self.spec.levels_of(region, self.spec.with_mask(pixels))
            for receipt in self.put_level(level, extent, smaller)
        ]

    def check_claim(self) -> None:  # noqa: B027 - nothing to check where the writer stores tiles
        """Refuse to store more once the result is another run's, or finished.

        Raises
        ------
        FileError
        """

    @abstractmethod
    def put_level(self, level: int, region: Region, pixels: Pixels) -> list[Any]:
        """Store a region of a level, or encode it; return its receipts."""


class TiledWriter(ABC):
    """A result in the making; nothing under its name looks finished before `commit`.

    Parameters
    ----------
    path : str or path
        Of the result.
    spec : WriterSpec
    sink : TileSink
        What turns pixels into receipts, anywhere.
    journal : Journal
        Of what is recorded.
    claim : Claim
        On the path; released in the end.
    overwrite : bool
        Whether a result that exists may be replaced.

    Attributes
    ----------
    block_multiple : (int, int)
        Rows and columns that regions are whole multiples of, and begin at.
    finished_count : int
        Regions that were recorded, and tiles of upper levels.
    claim : Claim
    level_maker : callable or None
        Returns the pixels of a region of a level, from what reads regions of whole tiles of the
        levels below: ``level_maker(level, region, read)``. None: means of two by two.
    """

    level_maker: Callable[[int, Region, Callable[[int, Region], Pixels]], Pixels] | None = None

    def __init__(
        self,
        path: str | Path,
        spec: WriterSpec,
        sink: TileSink,
        journal: Journal,
        claim: Claim,
        *,
        overwrite: bool,
    ) -> None:
        self._path, self._spec, self.sink, self._journal = path, spec, sink, journal
        self.claim, self._overwrite = claim, overwrite
        self.block_multiple = spec.block_multiple
        self.finished_count = 0
        # From level and tile to what is known of it.
        self._finished: dict[tuple[int, ...], Any] = {}
        for entry in journal.entries():
            self._mark_finished(entry)

    def is_finished(self, region: Region) -> bool:
        """Whether a region has been recorded, now or before an interruption."""
        return all(self._key(0, tile) in self._finished for tile in self._spec.tiles(region))

    def record(self, receipts: list[Any]) -> None:
        """Record what the sink has taken of a region, and store what it has not."""
        entry = self._store(receipts)
        self._journal.add(entry)
        self._mark_finished(entry)

    def commit(self) -> None:
        """Make what is left of the pyramid, and give the result its name."""
        try:
            self._make_levels()
            self.claim.ticket.check()
            self._complete()
        except FileError:
            raise
        except FileExistsError as error:
            raise ResultExistsError(
                f"{self._path} exists, and did not when this began (finished chunks are kept: "
                "go on with --resume --overwrite)"
            ) from error
        except OSError as error:
            raise unwritable(self._path, error) from error
        self._journal.remove()
        self.claim.release()

    def abandon(self, *, keep: bool) -> bool:
        """Close without a result; keep what can be resumed, or remove it.

        What another run has taken over stays as it is.

        Returns
        -------
        bool
            Whether there is something to resume.
        """
        self._close()
        kept = keep and self.finished_count > 0
        try:
            if not self.claim.is_held():
                kept = False
                with suppress(FileError):
                    self._journal.close()
            elif kept:
                self._journal.close()
            else:
                self._journal.remove()
                self._discard()
        finally:
            self.claim.release()
        return kept

    def _place(self, made: Path) -> None:
        """Give a finished file its name, once it lies on the disk."""
        with made.open("r+b") as file:
            synced(file.fileno())
        place_file(made, Path(self._path), overwrite=self._overwrite)

    def labels_writer(self, name: str, spec: WriterSpec) -> TiledWriter:
        """Begin to write an image of labels that lies with the result, or go on with it.

        It is committed before the result, and comes to its place with it.

        Parameters
        ----------
        name : str
        spec : WriterSpec
        """
        raise NotImplementedError  # OME-Zarr alone has labels

    def tiles_left(self, level: int) -> list[tuple[int, ...]]:
        """Return the tiles of a level that are not there."""
        whole = tuple(slice(0, size) for size in self._spec.level_shapes[level])
        return [
            tile for tile in self._spec.tiles(whole) if self._key(level, tile) not in self._finished
        ]

    def make_levels(self) -> Generator[int, None, None]:
        """Make what is left of the pyramid, and yield how many tiles were made, a few at a time.

        `commit` does it as well; so it can be told, and stopped.
        """
        for level in range(1, len(self._spec.level_shapes)):
            yield from self._make_level(level)

    def _make_levels(self) -> None:
        """Make what is left of the pyramid."""
        for _ in self.make_levels():
            pass

    def _make_level(self, level: int) -> Generator[int, None, None]:
        """Make the tiles of a level that are not there, each from the four below it."""
        todo = self.tiles_left(level)
        with ThreadPoolExecutor(_AHEAD) as pool:
            # As many as are made side by side are held at once.
            for first in range(0, len(todo), _AHEAD):
                batch = todo[first : first + _AHEAD]
                for receipts in pool.map(partial(self._tile_above, level), batch):
                    self.record(receipts)
                yield len(batch)

    def _tile_above(self, level: int, tile: tuple[int, ...]) -> list[Any]:
        spec = self._spec
        region = spec.region_below(level, tile)
        above = spec.halved_region(region)
        if self.level_maker is None:
            pixels = spec.halved(self._read(level - 1, region))
        else:
            pixels = self.level_maker(level, above, self._read)
        self.sink.check_claim()
        return self.sink.put_level(level, above, pixels)

    def _key(self, level: int, tile: tuple[int, ...]) -> tuple[int, ...]:
        """Return what a tile is known by once it is finished."""
        return (level, *tile)

    def _store(self, receipts: list[Any]) -> list[Any]:
        """Store what the sink has not stored itself; return what the journal says of it."""
        return receipts

    def _mark_finished(self, entry: list[Any]) -> None:
        """Mark the tiles of an entry of the journal, each level and position, as finished."""
        self._finished.update((tuple(tile), None) for tile in entry)
        self.finished_count += 1

    def _close(self) -> None:  # noqa: B027 - most have nothing open
        """Close what is open."""

    @abstractmethod
    def _read(self, level: int, region: Region) -> Pixels:
        """Read a region of whole tiles back."""

    @abstractmethod
    def _complete(self) -> None:
        """Give the result its name, now that all tiles are there."""

    @abstractmethod
    def _discard(self) -> None:
        """Remove what has been made."""


def unwritable(path: object, error: OSError) -> FileError:
    """Say that something cannot be written, and that what is finished is not lost."""
    return FileError(
        f"cannot write {path}: {one_line(error)} (finished chunks are kept: go on with --resume)"
    )


def disk_bytes_needed(spec: WriterSpec) -> int:
    """Return the bytes that all levels take uncompressed, tiles at the edges in full."""
    total = 0
    for shape in spec.level_shapes:
        whole = list(shape)
        if spec.format not in ("NPY", "ImageJ"):
            for axis, side in zip(spec.plane_axes, spec.tile, strict=True):
                # Chunks of a Zarr are no larger than its arrays.
                step = min(side, shape[axis]) if "Zarr" in spec.format else side
                whole[axis] = -(-shape[axis] // step) * step
        total += math.prod(whole)
    # Levels that are put in order are copied once.
    copies = 2 if spec.has_chained_levels and len(spec.level_shapes) > 1 else 1
    return total * spec.dtype.itemsize * copies


def partial_paths(path: Path) -> tuple[Path, Path]:
    """Return where a local result is made, and its journal."""
    return (
        path.with_name(f".{path.name}.partial"),
        path.with_name(f".{path.name}.partial.journal"),
    )
