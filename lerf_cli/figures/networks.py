"""The figures of a network: its answer to a point, what its layers hold and give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lerf_cli.figures.plotting import (
    FAINT,
    AxesBox,
    ColourScale,
    colour_bar,
    draw_values,
    new_page,
    symmetric_scale,
    write_note,
    write_title,
)
from lerf_core.bank import LOCAL_PLANE, NetworkBank
from lerf_core.constants import WEIGHT_LIMIT
from lerf_core.inspection import COEFFICIENTS
from lerf_core.network_inspection import ChannelStatistics, LayerStatistics

__all__ = ["channel_figure", "layer_figure", "network_sheet", "response_figure"]

Map = NDArray[np.float32]

# Inches: margins; a cell of the grid; the side of what is drawn, and what lies beside it.
_MARGIN, _HEADER, _HEADING = 0.4, 1.05, 0.62
_CELL_WIDTH, _SIDE, _GAP = 2.0, 1.15, 0.08
_RESPONSE_HEIGHT, _LAYER_HEIGHT = 1.62, 1.95
_BARS = "#46628c"
_COLUMNS = 6


def network_sheet(
    bank: NetworkBank, layers: Sequence[LayerStatistics], impulse: Map, point: Map
) -> Figure:
    """Return the sheet of a network.

    Parameters
    ----------
    bank : NetworkBank
    layers : sequence of LayerStatistics
    impulse, point : ndarray of float32
        See `lerf_core.network_inspection.impulse_response` and `point_response`.
    """
    subtitle = (
        f"{len(bank.layers)} layers of {bank.width} channels, {bank.macs:,} multiplications per "
        f"source pixel, {bank.nbytes:,} bytes; parameters depend on the pixels up to "
        f"{bank.full_reach} away."
    )
    rows = -(-len(layers) // _COLUMNS)
    heights = (2 * (_HEADING + _RESPONSE_HEIGHT), _HEADING + rows * _LAYER_HEIGHT)
    figure = new_page(
        2 * _MARGIN + _COLUMNS * _CELL_WIDTH, _HEADER + sum(heights),
        f"Network {bank.name} ({bank.kind.name})", subtitle,
    )  # fmt: skip
    _draw_responses(figure, _HEADER, bank, impulse, point)
    _draw_layers(figure, _HEADER + heights[0], bank, layers)
    return figure


def response_figure(bank: NetworkBank, impulse: Map, point: Map) -> Figure:
    """Return the answers to a point alone; see `network_sheet`."""
    height = 2 * (_HEADING + _RESPONSE_HEIGHT)
    figure = new_page(2 * _MARGIN + _COLUMNS * _CELL_WIDTH, height)
    _draw_responses(figure, 0.0, bank, impulse, point)
    return figure


def layer_figure(bank: NetworkBank, layers: Sequence[LayerStatistics]) -> Figure:
    """Return what the layers hold alone; see `network_sheet`."""
    height = _HEADING + -(-len(layers) // _COLUMNS) * _LAYER_HEIGHT
    figure = new_page(2 * _MARGIN + _COLUMNS * _CELL_WIDTH, height)
    _draw_layers(figure, 0.0, bank, layers)
    return figure


def channel_figure(bank: NetworkBank, channels: Sequence[ChannelStatistics], where: str) -> Figure:
    """Return what the channels of each layer are on an image.

    Parameters
    ----------
    bank : NetworkBank
    channels : sequence of ChannelStatistics
        Of each layer.
    where : str
        The pixels that they are counted on, in words.
    """
    width, row = 8.0, 1.05
    figure = new_page(
        2 * _MARGIN + width, _HEADER + len(channels) * row,
        f"Channels of {bank.name}", f"Least, mean and greatest of 0..255, of {where}.",
    )  # fmt: skip
    for number, about in enumerate(channels):
        axes = AxesBox(_MARGIN + 0.3, _HEADER + number * row, width - 0.3, 0.62).axes(figure)
        positions = np.arange(len(about.mean))
        axes.vlines(positions, about.least, about.greatest, color=_BARS, linewidth=2)
        axes.plot(positions, about.mean, "o", color="black", markersize=2.5)
        axes.set(xlim=(-1, len(positions)), ylim=(-8, 263), xticks=[], yticks=[0, 255])
        axes.tick_params(labelsize=6.5, length=2, width=0.5)
        _thin(axes)
        words = (
            f"layer {number}: {about.dead} of {len(positions)} dead, {about.saturated} saturated"
        )
        write_title(axes, words, size=8, pad=3)
    return figure


def _draw_heading(figure: Figure, top: float, title: str, words: str) -> None:
    width, height = figure.get_size_inches()
    left, y = _MARGIN / width, 1 - (top + 0.1) / height
    figure.text(left, y, title, fontsize=12, va="top")
    figure.text(left, y - 0.24 / height, words, fontsize=8, color=FAINT, va="top")


def _draw_responses(
    figure: Figure, top: float, bank: NetworkBank, impulse: Map, point: Map
) -> None:
    """Draw both answers to a point, from `top` inches below the page's top on."""
    _draw_heading(
        figure, top, "Impulse response",
        f"What a pixel of 192 in surroundings of 128 changes around it, over {len(impulse[0])}x"
        f"{len(impulse[0])} pixels.",
    )  # fmt: skip
    _draw_row(figure, top + _HEADING, bank, list(impulse), is_change=True)
    top += _HEADING + _RESPONSE_HEIGHT
    _draw_heading(
        figure, top, "A pixel in flat surroundings",
        "Its level downwards, 0 to 255, that of its surroundings to the right.",
    )  # fmt: skip
    _draw_row(figure, top + _HEADING, bank, list(np.moveaxis(point, 2, 0)), is_change=False)


def _draw_row(
    figure: Figure, top: float, bank: NetworkBank, maps: Sequence[Map], *, is_change: bool
) -> None:
    for column, (name, values) in enumerate(zip(bank.kind.values, maps, strict=True)):
        drawn, scale, words = _drawn(name, values, is_change=is_change)
        left = _MARGIN + column * _CELL_WIDTH
        axes = AxesBox(left, top + 0.15, _SIDE, _SIDE).axes(figure)
        draw_values(axes, drawn, scale)
        write_title(axes, words, size=8, pad=3)
        colour_bar(AxesBox(left + _SIDE + _GAP, top + 0.15, 0.08, _SIDE).axes(figure), scale)


def _drawn(name: str, values: Map, *, is_change: bool) -> tuple[Map, ColourScale, str]:
    """Return what is drawn of a parameter in 0..1, or of its change, its colours and its title."""
    meaning = COEFFICIENTS[name]
    offset = 0.0 if is_change else meaning.offset
    drawn = np.asarray(values * np.float32(meaning.factor) + np.float32(offset), np.float32)
    unit = "" if meaning.unit == "1" else f", {meaning.unit.replace('level', 'levels')}"
    if is_change or name in LOCAL_PLANE or name == "rho":
        return drawn, symmetric_scale(drawn, 0.01), f"{name}{unit}"
    return drawn, ColourScale("viridis", 0.0, float(meaning.factor)), f"{name}{unit}"


def _draw_layers(
    figure: Figure, top: float, bank: NetworkBank, layers: Sequence[LayerStatistics]
) -> None:
    """Draw the weights of each layer, from `top` inches below the page's top on."""
    _draw_heading(
        figure, top, "Layers", "Histograms: weights -127 to 127, logarithmic. Biases in levels."
    )
    for number, about in enumerate(layers):
        row, column = divmod(number, _COLUMNS)
        left, cell_top = _MARGIN + column * _CELL_WIDTH, top + _HEADING + row * _LAYER_HEIGHT
        axes = AxesBox(left, cell_top + 0.15, _CELL_WIDTH - 0.3, 0.75).axes(figure)
        weights = bank.layers[number].weight.ravel().astype(np.int64) + WEIGHT_LIMIT
        counts = np.bincount(weights, minlength=2 * WEIGHT_LIMIT + 1)
        edges = np.arange(-WEIGHT_LIMIT, WEIGHT_LIMIT + 2) - 0.5
        axes.axvline(0, color="#c8ccd2", linewidth=0.5)
        axes.stairs(np.log1p(counts), edges, fill=True, color=_BARS)
        axes.set(xlim=(edges[0], edges[-1]), ylim=(0, None), xticks=[], yticks=[])
        _thin(axes)
        title = f"{number}: {about.inputs} to {about.outputs}, {about.size}x{about.size}"
        write_title(axes, title, size=8, pad=3)
        note = (
            f"{about.least_weight} to {about.largest_weight}, zero {about.zeros:.1%}, "
            f"at limit {about.at_limit:.1%}\n"
            f"biases {about.least_bias:.0f} to {about.largest_bias:.0f}\n"
            f"shifts {about.least_shift} to {about.largest_shift}, unused {about.unused}"
        )
        write_note(axes, note, size=6.5)


def _thin(axes: Axes) -> None:
    for spine in axes.spines.values():
        spine.set(color=FAINT, linewidth=0.5)
