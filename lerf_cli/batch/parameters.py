"""Parameter maps of an image in a file, block by block."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import numpy.typing as npt

from lerf_cli.batch.reporting import progress_bar
from lerf_cli.batch.termination import Termination
from lerf_cli.streams import is_terminal
from lerf_core import load_bank
from lerf_core.errors import FileError, LerfError, one_line
from lerf_core.geometry.placement import Placement
from lerf_core.inspection import COEFFICIENTS, luma_maps, parameter_maps
from lerf_core.io.codec import Encoding
from lerf_core.io.formats import GREY, GREY_ALPHA, RGB, RGBA, tiled_format
from lerf_core.io.locations import is_url, local_path
from lerf_core.io.metadata.model import Channel, Metadata
from lerf_core.io.reading import open_reader
from lerf_core.io.tiles.tiled_writer import WriterSpec
from lerf_core.io.writing import fitting_metadata, open_writer
from lerf_core.pixels.likely_range import likely_range
from lerf_core.pixels.luma import rgb_luma

if TYPE_CHECKING:
    from lerf_core import Bank
    from lerf_core.io.tiles.tiled_reader import TiledReader
    from lerf_core.io.tiles.tiled_writer import TiledWriter

__all__ = ["Inspection", "write_parameters"]

Pixels = npt.NDArray[Any]
Region = tuple[slice, slice]

# Sides of a block, in pixels: a multiple of tiles. Its maps take some 50 MB.
_BLOCK = 1024
_FORMATS = {"TIFF": "OME-TIFF", "OME-TIFF": "OME-TIFF", "OME-Zarr": "OME-Zarr"}


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What ``lerf inspect`` is asked for: the values of its options.

    Attributes
    ----------
    image, output : str
    bank : str or None
    region : ((start, stop), (start, stop)) or None
        Of rows and columns; None: from the first, or to the last.
    page, series : int
    value_range : (lo, hi), "auto" or None
    nodata : float, "none" or None
    threads : int or None
    overwrite, quiet : bool
    """

    image: str
    output: str
    bank: str | None = None
    region: tuple[tuple[int | None, int | None], tuple[int | None, int | None]] | None = None
    page: int = 0
    series: int = 0
    value_range: tuple[float, float] | str | None = None
    nodata: float | str | None = None
    threads: int | None = None
    overwrite: bool = False
    quiet: bool = False

    def note(self, words: str) -> None:
        """Tell what the user should know."""
        if not self.quiet:
            click.echo(f"{self.image}: note: {words}", err=True)


class _Page:
    """One page of an image, read by regions: grey, or the colours, or their luma.

    Parameters
    ----------
    reader : TiledReader
    number : int
    in_colour : bool
        Whether colours are read as they are, opacity left aside; else their luma.
    """

    def __init__(self, reader: TiledReader, number: int, *, in_colour: bool) -> None:
        if reader.layout not in {GREY, GREY_ALPHA, RGB, RGBA}:
            raise FileError(f"maps are made of grey or RGB images, and this is {reader.layout}")
        self._reader, self._in_colour = reader, in_colour
        channels = reader.channel_axis
        axes = [axis for axis in range(reader.ndim) if axis != channels]
        self._leading, self._plane = axes[:-2], axes[-2:]
        leading = tuple(reader.shape[axis] for axis in self._leading)
        pages = int(np.prod(leading, dtype=int))
        if number >= pages:
            raise FileError(
                f"it has {pages} page{'s' * (pages != 1)}, numbered from 0: no {number}"
            )
        self._index = [int(place) for place in np.unravel_index(number, leading)]
        self.shape = (reader.shape[self._plane[0]], reader.shape[self._plane[1]])

    def __getitem__(self, region: Region) -> Pixels:
        """Read a region: (rows, cols), or (rows, cols, 3)."""
        index: list[Any] = [slice(None)] * self._reader.ndim
        for axis, place in zip(self._leading, self._index, strict=True):
            index[axis] = place
        for axis, side in zip(self._plane, region, strict=True):
            index[axis] = side
        pixels = np.asarray(self._reader[tuple(index)])
        if self._reader.channel_axis is None:
            return pixels
        if self._reader.channel_axis < self._plane[0]:
            pixels = np.moveaxis(pixels, 0, -1)
        is_grey = self._reader.layout == GREY_ALPHA
        if is_grey:
            return pixels[..., 0]
        return pixels[..., :3] if self._in_colour else rgb_luma(pixels)


def write_parameters(inspection: Inspection) -> None:
    """Write the parameter maps of an image; see ``lerf inspect --help``.

    Raises
    ------
    LerfError, OSError
        If the image cannot be read or has no parameters, or the output cannot be written.
    click.UsageError
        If the output is of another format, or would replace what must stay.
    """
    target = _FORMATS.get(tiled_format(inspection.output) or "")
    if target is None:
        raise click.UsageError(f"-o {inspection.output}: maps are written as .tif or .zarr")
    try:
        bank = load_bank(inspection.bank)
    except (LerfError, OSError) as error:
        raise click.BadParameter(one_line(error), param_hint="'--bank'") from None
    with ExitStack() as stack:
        termination = stack.enter_context(Termination())
        reader = stack.enter_context(open_reader(inspection.image, series=inspection.series))
        for note in reader.notes:
            inspection.note(note)
        page = _Page(reader, inspection.page, in_colour=bank.reads_colours)
        region = _checked_region(inspection.region, page.shape)
        keywords = _keywords(inspection, reader, page, bank)
        spec = _spec(inspection, reader, page, region, bank, target)
        writer = _opened_writer(inspection, spec)
        try:
            blocks = list(_blocks(spec))
            shows_bar = not inspection.quiet and is_terminal(sys.stderr) and len(blocks) > 1
            with progress_bar(len(blocks), unit="block", disable=not shows_bar) as bar:
                for block in blocks:
                    _fill(writer, block, page, region, keywords)
                    termination.check()
                    bar.update()
            reader.check_unchanged()
            writer.commit()
        except BaseException:
            writer.abandon(keep=False)
            raise


def _opened_writer(inspection: Inspection, spec: WriterSpec) -> TiledWriter:
    """Begin the output; its folder is made where it is missing."""
    path = local_path(inspection.output)
    if not is_url(path):
        output, source = Path(path), Path(inspection.image)
        if output.exists() and source.exists() and output.samefile(source):
            raise click.UsageError(f"{output} is the input: choose another output")
        try:
            output.absolute().parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(f"cannot write {path}: {one_line(error)}") from error
    return open_writer(path, spec, overwrite=inspection.overwrite)


def _checked_region(
    wanted: tuple[tuple[int | None, int | None], tuple[int | None, int | None]] | None,
    shape: tuple[int, int],
) -> Region:
    """Return the rows and columns that are asked for."""
    if wanted is None:
        return slice(0, shape[0]), slice(0, shape[1])
    sides = []
    for (start, stop), size, name in zip(wanted, shape, ("rows", "columns"), strict=True):
        first, end = start or 0, size if stop is None else stop
        if not first < end <= size:
            raise click.UsageError(f"--region: {name} {first}:{end} of an image of {size}")
        sides.append(slice(first, end))
    return sides[0], sides[1]


def _keywords(
    inspection: Inspection, reader: TiledReader, page: _Page, bank: Bank
) -> dict[str, Any]:
    """Return the keywords of `parameter_maps`."""
    nodata = reader.metadata.nodata
    if inspection.nodata is not None:
        nodata = None if isinstance(inspection.nodata, str) else inspection.nodata
    value_range = inspection.value_range
    if value_range is None and reader.dtype.kind == "f":
        rows, cols = page.shape
        sample = page[slice(0, min(rows, _BLOCK)), slice(0, min(cols, _BLOCK))]
        if (found := likely_range(sample, nodata)) is not None:
            low, high, least, greatest = found
            inspection.note(
                f"float values of {least:g}..{greatest:g} are taken for a scale of 0..1: give "
                f"--range {low:g},{high:g}, or auto"
            )
    if isinstance(value_range, str):
        value_range = _finite_range(page, nodata)
    return {
        "bank": bank,
        "value_range": value_range,
        "nodata": nodata,
        "threads": inspection.threads,
    }


def _finite_range(page: _Page, nodata: float | None) -> tuple[float, float]:
    """Return the least and greatest finite value of a page that is not missing."""
    low, high = np.inf, -np.inf
    rows, cols = page.shape
    for top in range(0, rows, _BLOCK):
        values = page[slice(top, min(top + _BLOCK, rows)), slice(0, cols)]
        counted = np.isfinite(values)
        if nodata is not None and not np.isnan(nodata):
            counted &= values != nodata
        found = values[counted]
        if found.size:
            low, high = min(low, float(found.min())), max(high, float(found.max()))
    if not low < high:
        raise FileError("--range auto: all its pixels have one value")
    return low, high


def _spec(
    inspection: Inspection,
    reader: TiledReader,
    page: _Page,
    region: Region,
    bank: Bank,
    target: str,
) -> WriterSpec:
    """Return what is written: a channel for the feature, and for each parameter."""
    rows, cols = (side.stop - side.start for side in region)
    units = {name: COEFFICIENTS[name].unit for name in bank.kind.values if name in COEFFICIENTS}
    names = {"feature": "level"} | {name: units.get(name, "1") for name in bank.kind.values}
    shift = np.array([[1.0, 0.0, region[0].start], [0.0, 1.0, region[1].start]])
    plane = tuple(axis for axis in reader.metadata.axes if axis.letter in "YX")
    metadata, _ = Metadata(axes=plane).moved(Placement(shift, page.shape, (rows, cols)))
    metadata = Metadata(
        axes=metadata.axes,
        channels=tuple(
            Channel(name if unit == "1" else f"{name} ({unit})") for name, unit in names.items()
        ),
    )
    metadata, notes = fitting_metadata(metadata, (rows, cols), target, Encoding())
    for note in notes:
        inspection.note(note)
    return WriterSpec(
        shape=(len(names), rows, cols),
        dtype=np.dtype(np.float32),
        axes="CYX",
        format=target,
        compression="deflate" if target == "OME-TIFF" else "zstd",
        levels=1,
        metadata=metadata,
    )


def _blocks(spec: WriterSpec) -> Iterator[Region]:
    """Yield the rows and columns of each block of the maps."""
    _, rows, cols = spec.shape
    for top in range(0, rows, _BLOCK):
        for left in range(0, cols, _BLOCK):
            yield slice(top, min(top + _BLOCK, rows)), slice(left, min(left + _BLOCK, cols))


def _fill(
    writer: TiledWriter, block: Region, page: _Page, region: Region, keywords: dict[str, Any]
) -> None:
    """Compute the maps of a block, and write them; what lies around it is read for them."""
    reach = keywords["bank"].full_reach
    wanted = [
        slice(side.start + own.start, side.start + own.stop)
        for side, own in zip(region, block, strict=True)
    ]
    rows, cols = (
        slice(max(0, side.start - reach), min(size, side.stop + reach))
        for side, size in zip(wanted, page.shape, strict=True)
    )
    pixels = page[rows, cols]
    maps = (luma_maps if pixels.ndim == 3 else parameter_maps)(pixels, **keywords)[
        wanted[0].start - rows.start : wanted[0].stop - rows.start,
        wanted[1].start - cols.start : wanted[1].stop - cols.start,
    ]
    planes = np.stack([maps.feature, *(maps.coefficient(name) for name in maps.parameters)])
    receipts = writer.sink.put((slice(0, len(planes)), *block), planes)
    writer.record(receipts)
