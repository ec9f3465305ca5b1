"""The figures of an image's parameter maps: all maps, and an enlarged window of the image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from lerf_cli.figures.crop import Crop
from lerf_cli.figures.plotting import (
    DPI,
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
from lerf_core.bank import LOCAL_PLANE, SLOPES
from lerf_core.constants import LEVELS
from lerf_core.inspection import Ellipses, ParameterMaps, Slopes

__all__ = [
    "arrow_figure",
    "drawn_maps",
    "ellipse_figure",
    "map_figure",
    "map_sheet",
]

Map = NDArray[np.float32]

_COLUMNS = 3
_ELLIPSE_CORNERS = 40
_ROUND, _LONG = "#0072b2", "#d55e00"
# Ellipses are long from this many times their width on.
_LONG_RATIO = 1.5
# The longest arrow in source pixels: its tip stays clear of the next pixel's arrow.
_ARROW = 0.92
# Of a crop's slopes, not longer than the longest arrow; the few steepest would shorten the rest.
_ARROW_SHARE = 0.95
# Of the differences within the ends of their scale: a few large ones would pale the rest.
_SHARE = 0.995
_TITLES = {
    "rho": "rho, as r = 2 rho - 1",
    "sigma_row": "sigma along rows",
    "sigma_col": "sigma along columns",
    "slope_row": f"slope along rows, levels/pixel ({_SHARE:.1%} within)",
    "slope_col": f"slope along columns, levels/pixel ({_SHARE:.1%} within)",
    "residual": f"residual, levels ({_SHARE:.1%} within)",
}
# Inches: margins, a map's width alone, a detail's width, lines of text.
_MARGIN, _BAR, _GAP = 0.4, 0.75, 0.3
_LARGE_WIDTH, _DETAIL_WIDTH = 6.5, 5.5
_HEADER, _TITLE_HEIGHT, _NOTE_HEIGHT = 0.85, 0.32, 0.75
_TABLE_WIDTH, _LINE = 2.6, 0.22
# Panels are no lower and no higher than these many times their width.
_FLATTEST, _STEEPEST = 0.2, 1.3


# -- maps ---------------------------------------------------------------------------------


class Panel(NamedTuple):
    """A map as it is drawn."""

    title: str
    values: Map
    scale: ColourScale


def drawn_maps(maps: ParameterMaps) -> dict[str, Panel]:
    """Return each map's panel, by name.

    Parameters
    ----------
    maps : ParameterMaps
        Of one channel, (rows, cols).
    """
    levels = ColourScale("gray", 0, LEVELS)
    # Infinite pixels have no feature.
    change = maps.feature - np.where(np.isfinite(maps.grey), maps.grey, np.nan)
    panels = {
        "image": Panel("image", maps.grey, levels),
        "feature": Panel("feature", maps.feature, levels),
        "change": Panel(
            f"feature - image ({_SHARE:.1%} within)", change, symmetric_scale(change, 1.0, _SHARE)
        ),
    }
    for name, values in maps.parameters.items():
        if name == "rho":
            values, scale = maps.coefficient(name), symmetric_scale(maps.coefficient(name), 0.1)
        elif name in LOCAL_PLANE:
            values = maps.coefficient(name)
            alike = [maps.coefficient(slope) for slope in SLOPES] if name in SLOPES else [values]
            scale = symmetric_scale(np.stack(alike), 1.0, _SHARE)
        else:
            scale = _shared_scale(maps, name)
        panels[name] = Panel(_TITLES.get(name, name), values, scale)
    return panels


def _shared_scale(maps: ParameterMaps, name: str) -> ColourScale:
    """Give the rows' and the columns' parameter of a pair the same colours."""
    family = name.partition("_")[0]
    values = np.stack([v for key, v in maps.parameters.items() if key.partition("_")[0] == family])
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return ColourScale("viridis", 0, 1)
    low, high = float(finite.min()), float(finite.max())
    if high - low < 0.05:  # a constant is no structure
        middle = (low + high) / 2
        low, high = max(0.0, middle - 0.05), min(1.0, middle + 0.05)
    return ColourScale("viridis", low, high)


def _panel_height(values: Map, width: float) -> float:
    """Return the height in inches of a panel that shows an array in its own proportions."""
    rows, cols = values.shape
    proportion: float = min(max(rows / cols, _FLATTEST), _STEEPEST)
    return width * proportion


def _draw_panel(axes: Axes, panel: Panel, *, side_limit: int | None = None) -> None:
    """Draw a map under its title, its colour bar on the right; `side_limit`: see `draw_values`."""
    draw_values(axes, panel.values, panel.scale, side_limit=side_limit)
    write_title(axes, panel.title)
    colour_bar(axes.inset_axes((1.025, 0, 0.035, 1)), panel.scale)


def map_figure(maps: ParameterMaps, name: str) -> Figure:
    """Return one map alone, by its name in `drawn_maps`."""
    panel = drawn_maps(maps)[name]
    height = _panel_height(panel.values, _LARGE_WIDTH)
    figure = new_page(_LARGE_WIDTH + _BAR + _MARGIN, height + _TITLE_HEIGHT + _MARGIN)
    axes = AxesBox(_MARGIN / 2, _TITLE_HEIGHT, _LARGE_WIDTH, height).axes(figure)
    _draw_panel(axes, panel, side_limit=2 * round(_LARGE_WIDTH * DPI))
    return figure


# -- the enlarged window ------------------------------------------------------------------


def _draw_pale(axes: Axes, grey: Map) -> None:
    """Fill axes with a crop, paler than it is, so that what is drawn on it stands out."""
    draw_values(axes, grey, ColourScale("gray", -2 * LEVELS, LEVELS))


def _draw_ellipses(axes: Axes, maps: ParameterMaps, ellipses: Ellipses, crop: Crop) -> None:
    """Draw the ellipses of a crop, true to scale, with their legend."""
    cut = ellipses[crop.index]
    _draw_pale(axes, maps.grey[crop.index])
    drawn = np.isfinite(cut.angle)
    centres = np.argwhere(drawn)[:, None] + 0.5
    corners = (cut.outlines(_ELLIPSE_CORNERS)[drawn] + centres)[..., ::-1]
    is_long = (cut.major > _LONG_RATIO * cut.minor)[drawn]
    closed = np.concatenate([corners, corners[:, :1]], axis=1)
    colours = np.where(is_long, _LONG, _ROUND)
    outlines = LineCollection(list(closed), colors=list(colours), linewidths=0.6)
    axes.add_collection(outlines, autolim=False)
    write_title(axes, f"weighting functions, {crop}")
    note = (
        "Each ellipse is where its pixel's function has fallen to exp(-1/2), true to scale.\n"
        f"Orange: longer than {_LONG_RATIO:g} times its width. Blue: rounder."
    )
    if cut.clipped.any():
        note += (
            f"\n{int(cut.clipped.sum())} are longer than drawn: {np.nanmax(cut.major):g} pixels."
        )
    write_note(axes, note)


def _longest_arrow(slopes: Slopes) -> float:
    """Return the slope that the longest arrow stands for: a whole number of levels per pixel.

    Few of the slopes are steeper.
    """
    size = slopes.magnitude[np.isfinite(slopes.magnitude)]
    return max(1.0, float(np.ceil(np.quantile(size, _ARROW_SHARE)))) if size.size else 1.0


def _draw_arrows(axes: Axes, maps: ParameterMaps, slopes: Slopes, crop: Crop) -> None:
    """Draw the slopes of a crop as arrows from the pixels' centres, with their legend.

    Arrows point to where the grey level rises and are as long as it is steep; those steeper than
    the longest arrow are as long as that.
    """
    cut = slopes[crop.index]
    size, longest = cut.magnitude, _longest_arrow(cut)
    _draw_pale(axes, maps.grey[crop.index])
    rows, cols = np.nonzero(size > 0)
    length = _ARROW / np.maximum(size[rows, cols], longest)
    steep = size > longest
    axes.quiver(
        cols + 0.5, rows + 0.5, length * cut.col[rows, cols], length * cut.row[rows, cols],
        angles="xy", scale_units="xy", scale=1, units="xy", width=0.09, headwidth=4.2,
        headlength=5, headaxislength=4.5, minlength=0, minshaft=1.4,
        color=list(np.where(steep[rows, cols], _LONG, _ROUND)),
    )  # fmt: skip
    write_title(axes, f"slopes, {crop}: longest arrow = {longest:g} levels/pixel")
    note = "Each arrow points from its pixel's centre to where the pixel's plane rises."
    if steep.any():
        note += (
            f"\nOrange: {int(steep.sum())} are steeper than drawn, up to "
            f"{np.nanmax(size):.3g} levels/pixel."
        )
    write_note(axes, note)


def _detail_figure(maps: ParameterMaps, crop: Crop) -> tuple[Figure, Axes]:
    """Return a page for one enlarged window, and the axes to draw it in."""
    height = _panel_height(maps.grey[crop.index], _DETAIL_WIDTH)
    figure = new_page(_DETAIL_WIDTH + _MARGIN, _TITLE_HEIGHT + height + _NOTE_HEIGHT)
    return figure, AxesBox(_MARGIN / 2, _TITLE_HEIGHT, _DETAIL_WIDTH, height).axes(figure)


def ellipse_figure(maps: ParameterMaps, ellipses: Ellipses, crop: Crop) -> Figure:
    """Return the ellipses of a crop alone; they are those of the whole image."""
    figure, axes = _detail_figure(maps, crop)
    _draw_ellipses(axes, maps, ellipses, crop)
    return figure


def arrow_figure(maps: ParameterMaps, slopes: Slopes, crop: Crop) -> Figure:
    """Return the slopes of a crop alone; they are those of the whole image."""
    figure, axes = _detail_figure(maps, crop)
    _draw_arrows(axes, maps, slopes, crop)
    return figure


# -- the sheet ----------------------------------------------------------------------------


def map_sheet(
    maps: ParameterMaps, statistics: Mapping[str, Mapping[str, Any]], crop: Crop,
    ellipses: Ellipses | None, slopes: Slopes | None, title: str, subtitle: str,
) -> Figure:  # fmt: skip
    """Return the sheet of an image: its maps, the enlarged crop, and a table of figures.

    Parameters
    ----------
    maps : ParameterMaps
        Of one channel, (rows, cols).
    statistics : mapping
        For each map its figures by name.
    crop : Crop
    ellipses : Ellipses or None
        None: the kind has none, and the crop's parameters are enlarged instead.
    slopes : Slopes or None
        None: the kind has none.
    title, subtitle : str
    """
    panels = drawn_maps(maps)
    details = _details(maps, crop, ellipses, slopes)
    table_left = _MARGIN + len(details) * (_DETAIL_WIDTH + _BAR)
    width = table_left + _TABLE_WIDTH + _MARGIN
    map_step = (width - 2 * _MARGIN) / _COLUMNS
    map_height = _panel_height(maps.grey, map_step - _BAR)
    row_height = _TITLE_HEIGHT + map_height + _GAP
    detail_top = _HEADER + row_height * -(-len(panels) // _COLUMNS) + _TITLE_HEIGHT
    detail_height = _panel_height(maps.grey[crop.index], _DETAIL_WIDTH)
    table_height = _LINE * (len(statistics) + 1)
    height = detail_top + max(detail_height + _NOTE_HEIGHT, table_height + _MARGIN)
    figure = new_page(width, height, title, subtitle)
    for number, (name, panel) in enumerate(panels.items()):
        row, column = divmod(number, _COLUMNS)
        left, top = _MARGIN + column * map_step, _HEADER + row * row_height + _TITLE_HEIGHT
        axes = AxesBox(left, top, map_step - _BAR, map_height).axes(figure)
        _draw_panel(axes, panel, side_limit=2 * round(map_step * DPI))
        if name == "image":
            _mark(axes, crop)
    for number, draw in enumerate(details):
        left = _MARGIN + number * (_DETAIL_WIDTH + _BAR)
        draw(AxesBox(left, detail_top, _DETAIL_WIDTH, detail_height).axes(figure))
    table = AxesBox(table_left, detail_top, _TABLE_WIDTH, table_height).axes(figure)
    _draw_statistics(table, statistics)
    return figure


def _details(
    maps: ParameterMaps, crop: Crop, ellipses: Ellipses | None, slopes: Slopes | None
) -> list[Callable[[Axes], None]]:
    """Return what draws each enlarged panel of the crop."""
    if ellipses is None:
        panels = drawn_maps(maps[crop.index])
        return [
            partial(_draw_panel, panel=panel._replace(title=f"{panel.title}, {crop}"))
            for name, panel in panels.items()
            if name == "image" or name in maps.parameters
        ]
    details: list[Callable[[Axes], None]] = [
        partial(_draw_ellipses, maps=maps, ellipses=ellipses, crop=crop)
    ]
    if slopes is not None:
        details.append(partial(_draw_arrows, maps=maps, slopes=slopes, crop=crop))
    return details


def _mark(axes: Axes, crop: Crop) -> None:
    """Outline the crop on the image: white around orange, it shows on any picture."""
    for colour, width in (("white", 2.4), (_LONG, 1.2)):
        corner = (crop.x, crop.y)
        axes.add_patch(
            Rectangle(corner, crop.width, crop.height, fill=False, color=colour, linewidth=width)
        )


def _draw_statistics(axes: Axes, statistics: Mapping[str, Mapping[str, Any]]) -> None:
    """Fill axes with a table: a row for each map, a column for each figure."""
    axes.axis("off")
    columns = list(next(iter(statistics.values())))
    rows = [[name, *map(_figure, values.values())] for name, values in statistics.items()]
    table = axes.table(
        [["", *columns], *rows], colWidths=[0.46, *[0.18] * len(columns)], edges="open",
        bbox=Bbox.unit(), cellLoc="right",
    )  # fmt: skip
    table.auto_set_font_size(False)
    table.set_fontsize(8)
    for (row, column), cell in table.get_celld().items():
        if column == 0:
            cell.set_text_props(ha="left")
        if row == 0:
            cell.set_text_props(color=FAINT)


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"
