"""What ``lerf models inspect`` finds out: arrays, statistics, and the figures to draw of them.

Matplotlib is imported when a figure is drawn: arrays and statistics need none.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from numpy.typing import NDArray

import lerf_core
from lerf_cli.figures.crop import Crop, busiest_crop
from lerf_core import Bank, LutBank
from lerf_core.bank import LOCAL_PLANE
from lerf_core.bank.inspection import (
    SLICES,
    TableStatistics,
    edge_response,
    point_response,
    table_slice,
    table_statistics,
)
from lerf_core.errors import FileError
from lerf_core.inspection import (
    Ellipses,
    ParameterMaps,
    Slopes,
    ellipses,
    luma_maps,
    parameter_maps,
    slopes,
)
from lerf_core.io.formats import GREY, GREY_ALPHA, RGB, RGBA
from lerf_core.io.image import DecodedImage
from lerf_core.io.pixels.conversions import finite_range, unmultiplied
from lerf_core.io.reading import read_image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Inspection", "inspect_image", "inspect_tables"]

Draw = Callable[[], "Figure"]

_PIPE = "-"
_CHANNELS = {"r": "red", "g": "green", "b": "blue"}


@dataclass(frozen=True)
class Inspection:
    """What there is to write and to print.

    Attributes
    ----------
    stem : str
        What files in a folder are called after.
    sheet_name : str
        What the sheet's own file is called, after the stem.
    sheet : callable
        Draws the sheet.
    separate : callable
        Returns what draws each separate picture, by its name.
    arrays : mapping of str to ndarray
    statistics : JSON data
    """

    stem: str
    sheet_name: str
    sheet: Draw
    separate: Callable[[], dict[str, Draw]]
    arrays: dict[str, NDArray[np.float32]]
    statistics: Any


def _file_name(text: str) -> str:
    """Return a text without what a file's name may not hold."""
    return re.sub(r"[^\w.-]+", "_", text) or "bank"


# -- tables -------------------------------------------------------------------------------


def inspect_tables(bank: LutBank, start: LutBank | None) -> Inspection:
    """Look at a bank's tables.

    Parameters
    ----------
    bank : LutBank
    start : LutBank or None
        The bank that its training set out from; None: identity and analytic bank.
    """
    statistics = table_statistics(bank, start)
    arrays = {
        f"{table}.{name}": table_slice(bank, table, levels)
        for table in bank.tables
        for name, levels in SLICES.items()
    }
    for number in range(len(bank.stages)):
        arrays[f"stage{number + 1}.response"] = point_response(bank, number)
    if bank.kind.has_local_planes:
        last = len(bank.stages)
        arrays[f"stage{last}.edge_response"] = edge_response(bank, last - 1)

    view = _TableView(bank, statistics)
    return Inspection(
        stem=_file_name(bank.name),
        sheet_name="tables",
        sheet=view.sheet,
        separate=view.separate,
        arrays=arrays,
        statistics={
            "bank": bank.name,
            "kind": bank.kind.name,
            "tables": [asdict(values) for values in statistics],
        },
    )


@dataclass(frozen=True)
class _TableView:
    """A bank's tables, and how they are drawn."""

    bank: LutBank
    statistics: list[TableStatistics]

    def sheet(self) -> Figure:
        """Draw all stages."""
        from lerf_cli.figures.tables import table_sheet

        return table_sheet(self.bank, self.statistics)

    def separate(self) -> dict[str, Draw]:
        """Return what draws each stage."""
        from lerf_cli.figures.tables import stage_figure

        return {
            f"stage{number + 1}": partial(stage_figure, self.bank, number, self.statistics)
            for number in range(len(self.bank.stages))
        }


# -- maps ---------------------------------------------------------------------------------


def inspect_image(
    bank: Bank,
    image: str,
    *,
    crop: tuple[int, int, int, int] | None,
    channel: str,
    value_range: tuple[float, float] | str | None,
    max_pixels: int,
) -> Inspection:
    """Look at what a bank makes of one channel of an image.

    Parameters
    ----------
    bank : Bank
    image : str
        A file, or ``-`` for standard input.
    crop : (left, top, width, height) or None
        Window to enlarge; None: the busiest.
    channel : {"y", "r", "g", "b"}
    value_range : (lo, hi), "auto" or None
    max_pixels : int

    Raises
    ------
    FileError, click.UsageError
    """
    source = sys.stdin.buffer.read() if image == _PIPE else Path(image)
    decoded = read_image(source, max_pixels)
    maps, what = _maps_of(bank, decoded, channel, value_range)
    file_name = "<stdin>" if image == _PIPE else Path(image).name
    stem = "stdin" if image == _PIPE else Path(image).stem
    view = _MapView(
        maps,
        crop=_checked_crop(crop, maps.grey),
        ellipses=ellipses(maps) if bank.kind.weighting == "gaussian" else None,
        slopes=slopes(maps) if bank.kind.has_local_planes else None,
        title=f"{file_name}: parameters by {bank.name} ({bank.kind.name})",
        what=what,
    )
    return Inspection(
        stem=f"{stem}_{_file_name(bank.name)}",
        sheet_name="maps",
        sheet=view.sheet,
        separate=view.separate,
        arrays=view.arrays,
        statistics={
            "image": file_name,
            "bank": bank.name,
            "kind": bank.kind.name,
            "channel": what,
            "shape": list(maps.grey.shape),
            "crop": [view.crop.x, view.crop.y, view.crop.width, view.crop.height],
            "maps": view.statistics,
        },
    )


@dataclass(frozen=True)
class _MapView:
    """Maps, what is derived of them, and how all of it is drawn."""

    maps: ParameterMaps
    crop: Crop
    ellipses: Ellipses | None
    slopes: Slopes | None
    title: str
    what: str

    @property
    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """The arrays that are drawn, by name."""
        maps = self.maps
        arrays = {"image": maps.grey, "feature": maps.feature, **maps.parameters}
        if self.ellipses is not None:
            names = ("major", "minor", "angle")
            arrays |= {name: getattr(self.ellipses, name) for name in names}
        if self.slopes is not None:  # in levels, as they are drawn
            arrays |= {name: maps.coefficient(name) for name in LOCAL_PLANE}
            arrays["slope_magnitude"] = self.slopes.magnitude
        return arrays

    @property
    def statistics(self) -> dict[str, dict[str, float | None]]:
        """Least, median and greatest value of each array."""
        return {name: _figures(values) for name, values in self.arrays.items() if name != "angle"}

    def sheet(self) -> Figure:
        """Draw all maps, and the enlarged window."""
        from lerf_cli.figures.maps import map_sheet

        rows, cols = self.maps.grey.shape
        subtitle = f"{cols}x{rows} pixels, {self.what}"
        return map_sheet(
            self.maps, self.statistics, self.crop, self.ellipses, self.slopes, self.title, subtitle
        )

    def separate(self) -> dict[str, Draw]:
        """Return what draws each map, the ellipses and the arrows."""
        from lerf_cli.figures.maps import arrow_figure, drawn_maps, ellipse_figure, map_figure

        figures: dict[str, Draw] = {
            name: partial(map_figure, self.maps, name) for name in drawn_maps(self.maps)
        }
        if self.ellipses is not None:
            figures["ellipses"] = partial(ellipse_figure, self.maps, self.ellipses, self.crop)
        if self.slopes is not None:
            figures["arrows"] = partial(arrow_figure, self.maps, self.slopes, self.crop)
        return figures


def _maps_of(
    bank: Bank, image: DecodedImage, channel: str, value_range: tuple[float, float] | str | None
) -> tuple[ParameterMaps, str]:
    """Return the maps of an image's channel, and what the channel is called."""
    if image.layout not in {GREY, GREY_ALPHA, RGB, RGBA}:
        raise FileError(f"maps are drawn of grey or RGB images, and this is {image.layout}")
    for note in image.notes:
        click.echo(f"note: {note}", err=True)
    if len(image.frames) > 1:
        click.echo(f"note: the first of {len(image.frames)} frames is taken", err=True)
    message = lerf_core.first_run_message()
    if message:
        click.echo(message, err=True)
    if value_range == "auto":
        value_range = finite_range(image)
    frame = unmultiplied(image).frames[0]
    keywords: dict[str, Any] = {"bank": bank, "value_range": value_range}
    if image.layout in {GREY, GREY_ALPHA}:
        if channel != "y":
            raise FileError(f"a grey image has no channel {channel}")
        colours, number, what = frame, 0, "grey"
    elif channel == "y":
        return luma_maps(frame, **keywords), "luma"
    else:
        number, what = "rgb".index(channel), _CHANNELS[channel]
        # What a bank does not read together has parameters of its own; opacity weighs in anyway.
        others = [] if bank.reads_colours else [k for k in range(3) if k != number]
        colours = np.delete(frame, others, axis=2)
        number = 0 if others else number
    if colours.ndim == 2:
        return parameter_maps(colours, **keywords), what
    alpha = "premultiply" if image.has_alpha else "separate"
    maps = parameter_maps(colours, channel_axis=2, alpha=alpha, **keywords)
    return maps[..., number], what


def _checked_crop(wanted: tuple[int, int, int, int] | None, grey: NDArray[np.float32]) -> Crop:
    if wanted is None:
        return busiest_crop(grey)
    crop = Crop(*wanted)
    rows, cols = grey.shape
    if crop.x + crop.width > cols or crop.y + crop.height > rows:
        raise click.UsageError(f"--crop reaches beyond the image of {cols}x{rows} pixels")
    return crop


def _figures(values: NDArray[Any]) -> dict[str, float | None]:
    """Return min, median and max of what is finite; None where nothing is."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return {"min": None, "median": None, "max": None}
    return {
        "min": float(finite.min()),
        "median": float(np.median(finite)),
        "max": float(finite.max()),
    }
