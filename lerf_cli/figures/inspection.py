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
from lerf_core.bank import LOCAL_PLANE, NetworkBank
from lerf_core.bank.inspection import (
    SLICES,
    TableStatistics,
    edge_response,
    point_response,
    table_slice,
    table_statistics,
)
from lerf_core.constants import LEVELS
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
from lerf_core.pixels.values import ValueScale
from lerf_core.validation import check_value_range

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lerf_core.network_inspection import ChannelStatistics, LayerStatistics

__all__ = ["Inspection", "inspect_bank_alone", "inspect_image"]

Draw = Callable[[], "Figure"]

_PIPE = "-"
#: A network's channels are counted on so many rows and columns: all layers, by plain NumPy.
_CHANNEL_SIDE = 96
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


def inspect_bank_alone(bank: Bank, start: Bank | None) -> Inspection:
    """Look at a bank's tables, or at a network's layers.

    Parameters
    ----------
    bank : Bank
    start : Bank or None
        The bank that the training of tables set out from; None: identity and analytic bank.

    Raises
    ------
    click.UsageError
        If there is a start that is no tables, or the bank is none.
    """
    if isinstance(bank, NetworkBank) and start is None:
        return _inspect_network(bank)
    if not isinstance(bank, LutBank) or not (start is None or isinstance(start, LutBank)):
        name = start.name if isinstance(bank, LutBank) and start is not None else bank.name
        raise click.UsageError(f"--start compares tables, and {name} is a network")
    return _inspect_tables(bank, start)


# -- tables -------------------------------------------------------------------------------


def _inspect_tables(bank: LutBank, start: LutBank | None) -> Inspection:
    """Look at a bank's tables; see `inspect_bank_alone`."""
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


# -- networks -----------------------------------------------------------------------------


def _inspect_network(bank: NetworkBank) -> Inspection:
    """Look at a network's layers, and at its answer to a point."""
    from lerf_core.network_inspection import impulse_response, layer_statistics
    from lerf_core.network_inspection import point_response as network_point_response

    layers = layer_statistics(bank)
    impulse, point = impulse_response(bank), network_point_response(bank)
    arrays: dict[str, NDArray[Any]] = dict(bank.tensors)
    view = _NetworkView(bank, layers, impulse, point)
    return Inspection(
        stem=_file_name(bank.name),
        sheet_name="network",
        sheet=view.sheet,
        separate=view.separate,
        arrays=arrays | {"impulse_response": impulse, "point_response": point},
        statistics={
            "bank": bank.name,
            "kind": bank.kind.name,
            "width": bank.width,
            "reach": bank.full_reach,
            "multiplications per pixel": bank.macs,
            "layers": [asdict(values) for values in layers],
        },
    )


@dataclass(frozen=True)
class _NetworkView:
    """A network, and how it is drawn."""

    bank: NetworkBank
    layers: list[LayerStatistics]
    impulse: NDArray[np.float32]
    point: NDArray[np.float32]

    def sheet(self) -> Figure:
        """Draw all of it."""
        from lerf_cli.figures.networks import network_sheet

        return network_sheet(self.bank, self.layers, self.impulse, self.point)

    def separate(self) -> dict[str, Draw]:
        """Return what draws the responses, and the layers."""
        from lerf_cli.figures.networks import layer_figure, response_figure

        return {
            "responses": partial(response_figure, self.bank, self.impulse, self.point),
            "layers": partial(layer_figure, self.bank, self.layers),
        }


@dataclass(frozen=True)
class _ChannelView:
    """What the channels of a network's layers are on a window of an image."""

    bank: NetworkBank
    channels: list[ChannelStatistics]
    where: str

    @classmethod
    def of(cls, bank: NetworkBank, levels: NDArray[np.uint8], window: Crop) -> _ChannelView:
        """Count on a window of grey levels, (rows, cols) or (rows, cols, 3)."""
        from lerf_core.network_inspection import activation_statistics

        pixels = levels[window.index]
        planes = [pixels] if pixels.ndim == 2 else list(np.moveaxis(pixels, 2, 0))
        return cls(bank, activation_statistics(planes, bank), str(window))

    def figure(self) -> Figure:
        """Draw them."""
        from lerf_cli.figures.networks import channel_figure

        return channel_figure(self.bank, self.channels, self.where)

    @property
    def statistics(self) -> list[dict[str, Any]]:
        """What of each layer matters."""
        return [
            {
                "layer": about.layer,
                "channels": len(about.mean),
                "dead": about.dead,
                "saturated": about.saturated,
                "at the ends": float((about.at_bottom + about.at_top).mean()),
            }
            for about in self.channels
        ]


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
    channels = None
    if isinstance(bank, NetworkBank):
        window = busiest_crop(maps.grey, _CHANNEL_SIDE)
        channels = _ChannelView.of(bank, _grey_levels(decoded, value_range), window)
    file_name = "<stdin>" if image == _PIPE else Path(image).name
    stem = "stdin" if image == _PIPE else Path(image).stem
    view = _MapView(
        maps,
        crop=_checked_crop(crop, maps.grey),
        ellipses=ellipses(maps) if bank.kind.weighting == "gaussian" else None,
        slopes=slopes(maps) if bank.kind.has_local_planes else None,
        title=f"{file_name}: parameters by {bank.name} ({bank.kind.name})",
        what=what,
        channels=channels,
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
        }
        | ({} if channels is None else {"layers": channels.statistics}),
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
    channels: _ChannelView | None

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
        if self.channels is not None:
            figures["channels"] = self.channels.figure
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


def _grey_levels(
    image: DecodedImage, value_range: tuple[float, float] | str | None
) -> NDArray[np.uint8]:
    """Return a grey image, or one of colours, in the grey levels that a bank reads; no opacity."""
    given = finite_range(image) if isinstance(value_range, str) else value_range
    frame = unmultiplied(image).frames[0]
    if image.has_alpha:
        frame = frame[..., 0] if image.layout == GREY_ALPHA else frame[..., :3]
    scale = ValueScale(frame.dtype, *check_value_range(given, frame.dtype))
    levels = np.clip(np.nan_to_num(scale.to_grey(frame)), 0, LEVELS)
    return np.rint(levels).astype(np.uint8)


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
