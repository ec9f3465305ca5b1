"""The pictures of ``lerf models inspect``: of a bank's tables, and of an image's parameter maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from lerf_cli.figures.sheets import (
    FAINT,
    GAP,
    INK,
    PAPER,
    SMALL,
    TEXT,
    TITLE,
    Picture,
    Scale,
    arrow,
    below,
    beside,
    colour_bar,
    fitted,
    framed,
    grid,
    histogram,
    outlined,
    panel,
    right_aligned,
    symmetric,
    text,
)
from lerf_core import LutBank
from lerf_core.bank import LOCAL_PLANE, SLOPES, Stage
from lerf_core.bank.inspection import (
    SLICES,
    TableStatistics,
    edge_response,
    point_response,
    table_slice,
)
from lerf_core.constants import ENTRY_BIAS, LEVELS
from lerf_core.inspection import COEFFICIENTS, Ellipses, ParameterMaps, Slopes

Map = NDArray[np.float32]

PANEL, LARGE = 560, 1120
_COLUMNS = 3
_CELL = 12  # pixels of a node in a slice
_CROP, _CROP_SIDE = 48, 1248
_SUPERSAMPLING = 3
_ELLIPSE_COLOURS = {"round": (0, 114, 178), "long": (213, 94, 0)}
_ROUND = 1.5
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


@dataclass(frozen=True)
class Crop:
    """A window of an image: its left column, top row, width and height in pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def index(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)


def busiest_crop(grey: Map, side: int = _CROP) -> Crop:
    """Return the window with the greatest sum of differences between neighbours.

    Parameters
    ----------
    grey : (rows, cols) float array
        What is not finite counts as 0.
    side : int, optional
        Of the window; a smaller image limits it.
    """
    level = np.where(np.isfinite(grey), grey, 0).astype(np.float64)
    change = np.zeros_like(level)
    for axis in range(2):
        step = np.abs(np.diff(level, axis=axis))
        change += np.pad(step, [(0, 1 if one == axis else 0) for one in range(2)])
    rows, cols = (min(side, size) for size in level.shape)
    total = np.pad(change.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    window = (
        total[rows:, cols:] - total[:-rows, cols:] - total[rows:, :-cols] + total[:-rows, :-cols]
    )
    y, x = np.unravel_index(int(window.argmax()), window.shape)
    return Crop(int(x), int(y), cols, rows)


# -- maps -------------------------------------------------------------------------


def drawn_maps(maps: ParameterMaps) -> dict[str, tuple[str, Map, Scale]]:
    """Return for each map its title, the values drawn and their colours.

    Parameters
    ----------
    maps : ParameterMaps
        Of one channel, (rows, cols).
    """
    levels = Scale("grey", 0, LEVELS)
    # Infinite pixels have no feature.
    change = maps.feature - np.where(np.isfinite(maps.grey), maps.grey, np.nan)
    found = {
        "image": ("image", maps.grey, levels),
        "feature": ("feature", maps.feature, levels),
        "change": (
            f"feature - image ({_SHARE:.1%} within)",
            change,
            symmetric(change, 1.0, _SHARE),
        ),
    }
    for name, values in maps.parameters.items():
        if name == "rho":
            signed = maps.coefficient(name)
            found[name] = (_TITLES[name], signed, symmetric(signed, 0.1))
        elif name in LOCAL_PLANE:
            alike = [maps.coefficient(one) for one in (SLOPES if name in SLOPES else (name,))]
            scale = symmetric(np.stack(alike), 1.0, _SHARE)
            found[name] = (_TITLES[name], maps.coefficient(name), scale)
        else:
            found[name] = (_TITLES.get(name, name), values, _shared_scale(maps, name))
    return found


def _shared_scale(maps: ParameterMaps, name: str) -> Scale:
    """Give the rows' and the columns' parameter of a pair the same colours."""
    family = name.partition("_")[0]
    values = np.stack([v for key, v in maps.parameters.items() if key.partition("_")[0] == family])
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return Scale("viridis", 0, 1)
    low, high = float(finite.min()), float(finite.max())
    if high - low < 0.05:  # a constant is no structure
        middle = (low + high) / 2
        low, high = max(0.0, middle - 0.05), min(1.0, middle + 0.05)
    return Scale("viridis", low, high)


def map_panels(maps: ParameterMaps, width: int, crop: Crop | None = None) -> dict[str, Picture]:
    """Return a panel for each map; the image's shows where the crop lies."""
    panels = {}
    for name, (title, values, scale) in drawn_maps(maps).items():
        picture = fitted(scale.paint(values), width)
        if name == "image" and crop is not None:
            _mark(picture, crop, picture.width / values.shape[1])
        panels[name] = panel(title, picture, scale)
    return panels


def _mark(picture: Picture, crop: Crop, zoom: float) -> None:
    draw = ImageDraw.Draw(picture)
    corners = [crop.x, crop.y, crop.x + crop.width, crop.y + crop.height]
    box = [round(one * zoom) for one in corners]
    box[2:] = [max(box[0], box[2] - 1), max(box[1], box[3] - 1)]
    draw.rectangle(box, outline=(255, 255, 255), width=4)
    draw.rectangle(box, outline=_ELLIPSE_COLOURS["long"], width=2)


def ellipse_picture(grey: Map, found: Ellipses) -> Picture:
    """Draw each pixel's ellipse, true to scale, on the enlarged pixels.

    Parameters
    ----------
    grey : (rows, cols) float array
        The crop, in grey levels.
    found : Ellipses
        Of the crop.
    """
    base, fine = _pale_pixels(grey)
    draw = ImageDraw.Draw(base)
    outlines = found.outlines(40)
    slender = found.major > _ROUND * found.minor
    for row, col in np.argwhere(np.isfinite(found.angle)):
        corners = (outlines[row, col] + (row + 0.5, col + 0.5)) * fine
        points = [(float(x), float(y)) for y, x in corners]
        colour = _ELLIPSE_COLOURS["long" if slender[row, col] else "round"]
        draw.line([*points, points[0], points[1]], fill=colour, width=4, joint="curve")
    return _smoothed(base)


def _pale_pixels(grey: Map) -> tuple[Picture, int]:
    """Enlarge a crop to draw on it; return it with the side of a pixel, `_SUPERSAMPLING` fold."""
    rows, cols = grey.shape
    fine = max(4, _CROP_SIDE // max(rows, cols)) * _SUPERSAMPLING
    # Paler than the image, so that what is drawn stands out of its shadows.
    pixels = Scale("grey", -2 * LEVELS, LEVELS).paint(grey)
    size = (cols * fine, rows * fine)
    return Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST), fine


def _smoothed(drawn: Picture) -> Picture:
    size = drawn.width // _SUPERSAMPLING, drawn.height // _SUPERSAMPLING
    return drawn.resize(size, Image.Resampling.BOX)


def ellipse_panel(maps: ParameterMaps, found: Ellipses, crop: Crop) -> Picture:
    """Return the ellipses of a crop with their legend."""
    title = f"weighting functions, {crop.width}x{crop.height} pixels at ({crop.x}, {crop.y})"
    note = (
        "Each ellipse is where its pixel's function has fallen to exp(-1/2), true to scale.\n"
        f"Orange: longer than {_ROUND:g} times its width. Blue: rounder."
    )
    cut = found[crop.index]
    if cut.clipped.any():
        note += (
            f"\n{int(cut.clipped.sum())} are longer than drawn: {np.nanmax(cut.major):g} pixels."
        )
    return panel(title, ellipse_picture(maps.grey[crop.index], cut), note=note)


def longest_arrow(lean: Slopes) -> float:
    """Return the slope that the longest arrow stands for: a whole number of levels a pixel.

    Parameters
    ----------
    lean : Slopes
        Of the crop. Few of them are steeper.
    """
    size = lean.magnitude[np.isfinite(lean.magnitude)]
    return max(1.0, float(np.ceil(np.quantile(size, _ARROW_SHARE)))) if size.size else 1.0


def arrow_picture(grey: Map, lean: Slopes) -> Picture:
    """Draw each pixel's slope as an arrow from its centre, on the enlarged pixels.

    Arrows point to where the grey level rises and are as long as it is steep; steeper ones than
    `longest_arrow` are as long as that.

    Parameters
    ----------
    grey : (rows, cols) float array
        The crop, in grey levels.
    lean : Slopes
        Of the crop.
    """
    base, fine = _pale_pixels(grey)
    draw = ImageDraw.Draw(base)
    top, size = longest_arrow(lean), lean.magnitude
    width = max(2, fine // 13)
    for row, col in np.argwhere(size > 0):
        steep = size[row, col] > top
        length = _ARROW * fine / (size[row, col] if steep else top)
        tail = (col + 0.5) * fine, (row + 0.5) * fine
        tip = tail[0] + length * lean.col[row, col], tail[1] + length * lean.row[row, col]
        colour = _ELLIPSE_COLOURS["long" if steep else "round"]
        arrow(draw, tail, tip, width, colour)
    return _smoothed(base)


def arrow_panel(maps: ParameterMaps, lean: Slopes, crop: Crop) -> Picture:
    """Return the slopes of a crop as arrows, with their legend."""
    cut = lean[crop.index]
    top = longest_arrow(cut)
    title = (
        f"slopes, {crop.width}x{crop.height} pixels at ({crop.x}, {crop.y}): "
        f"longest arrow = {top:g} levels/pixel"
    )
    note = "Each arrow points from its pixel's centre to where the pixel's plane rises."
    steeper = int((cut.magnitude > top).sum())
    if steeper:
        note += (
            f"\nOrange: {steeper} are steeper than drawn, up to "
            f"{np.nanmax(cut.magnitude):.3g} levels/pixel."
        )
    return panel(title, arrow_picture(maps.grey[crop.index], cut), note=note)


def map_sheet(
    maps: ParameterMaps, statistics: Mapping[str, Mapping[str, Any]], crop: Crop,
    found: Ellipses | None, lean: Slopes | None, title: str, subtitle: str,
) -> Picture:  # fmt: skip
    """Return the sheet of an image: its maps, the enlarged crop, and the figures.

    Parameters
    ----------
    maps : ParameterMaps
        Of one channel, (rows, cols).
    statistics : mapping
        For each map its figures by name.
    crop : Crop
    found : Ellipses or None
        None: the kind has none, and the crop's parameters are enlarged instead.
    lean : Slopes or None
        None: the kind has none.
    title, subtitle : str
    """
    panels = list(map_panels(maps, PANEL, crop).values())
    rows = [panels[at : at + _COLUMNS] for at in range(0, len(panels), _COLUMNS)]
    if found is not None:
        detail = ellipse_panel(maps, found, crop)
    else:
        enlarged = map_panels(maps[crop.index], 480)
        detail = beside([enlarged[name] for name in ("image", *maps.parameters)])
        words = f"enlarged, {crop.width}x{crop.height} pixels at ({crop.x}, {crop.y})"
        detail = below([text(words), detail], 10)
    if lean is not None:
        detail = below([detail, arrow_panel(maps, lean, crop)])
    last = beside([detail, figures(statistics)], 2 * GAP)
    return framed(below([_header(title, subtitle), grid(rows), last]))


def _header(title: str, subtitle: str) -> Picture:
    return below([text(title, TITLE), text(subtitle, TEXT, FAINT)], 4)


def figures(statistics: Mapping[str, Mapping[str, Any]]) -> Picture:
    """Return a small table: a row for each name, a column for each figure."""
    rows = [
        [text("", SMALL), *(text(one, SMALL, FAINT) for one in next(iter(statistics.values())))]
    ]
    for name, values in statistics.items():
        rows.append([text(name, SMALL), *(text(_figure(one), SMALL) for one in values.values())])
    widest = max(cell.width for row in rows for cell in row[1:])
    return grid([[row[0], *(right_aligned(cell, widest) for cell in row[1:])] for row in rows], 12)


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


# -- tables -----------------------------------------------------------------------


def table_sheet(bank: LutBank, statistics: list[TableStatistics]) -> Picture:
    """Return the sheet of a bank: its stages one below the other."""
    subtitle = (
        "Slices by two grey levels, 0 to 256: downwards that of the pattern's dark pixels, to the "
        "right that of its light ones;\nwhat the stage would give if all reads said the same. "
        "Histograms: entries -127 to 127, logarithmic."
    )
    stages = [stage_picture(bank, number, statistics) for number in range(len(bank.stages))]
    return framed(below([_header(f"Tables of {bank.name} ({bank.kind.name})", subtitle), *stages]))


def stage_picture(bank: LutBank, number: int, statistics: list[TableStatistics]) -> Picture:
    """Return the slices and histograms of a stage, counted from 0."""
    stage = bank.stages[number]
    title = f"Stage {number + 1}: {_sums(stage)}"
    cells = [
        _table_cell(bank, one, number)
        for one in statistics
        if one.table.startswith(f"stage{number + 1}.")
    ]
    # A column for each value; for a single one a column for each pattern's tables.
    columns = len(stage.values) if len(stage.values) > 1 else len(stage.patterns)
    if len(stage.values) == 1:
        groups = len(stage.rotation_groups)
        cells = [cells[p * groups + g] for g in range(groups) for p in range(columns)]
    rows = [cells[at : at + columns] for at in range(0, len(cells), columns)]
    return below([text(title, TITLE - 8), _responses(bank, number), grid(rows)], 16)


def _sums(stage: Stage) -> str:
    """Name the values, with what becomes of the sum of all reads."""
    sharing: dict[str, list[str]] = {}
    for name, divisor, bias in zip(stage.values, stage.divisor, stage.bias, strict=True):
        sharing.setdefault(f"sum / {divisor}{f' + {bias}' if bias else ''}", []).append(name)
    parts = [f"{', '.join(names)}  ({formula})" for formula, names in sharing.items()]
    parts[0] = parts[0].replace("(", f"({stage.reads} reads, ", 1)
    return ", ".join(parts)


def _responses(bank: LutBank, number: int) -> Picture:
    """Draw the whole stage's answer to one odd pixel, and the slopes at an edge."""
    values = bank.stages[number].values
    flat = [name for name in values if name not in SLOPES]
    panels = _response_panels(bank, number, point_response(bank, number), flat)
    words = (
        "The whole stage, at a pixel (its level\ndownwards) in flat surroundings (their\n"
        "level to the right)."
    )
    panels.append(text(words, SMALL, FAINT))
    if len(flat) < len(values):
        panels += _response_panels(bank, number, edge_response(bank, number), SLOPES)
        words = (
            "At an upright edge: the level of the\npixel and of all left of it downwards,\n"
            "the level right of it to the right."
        )
        panels.append(text(words, SMALL, FAINT))
    return beside(panels, 2 * GAP)


def _response_panels(
    bank: LutBank, number: int, response: Map, names: Sequence[str]
) -> list[Picture]:
    panels = []
    for name in names:
        place = bank.stages[number].values.index(name)
        values, scale, what = _shown(bank, number, name, response[..., place], LEVELS)
        if name == "rho":
            scale = symmetric(values, 0.1)
        picture = fitted(scale.paint(values), bank.nodes * _CELL)
        panels.append(panel(f"{what}, all reads", picture, scale))
    return panels


def _shown(
    bank: LutBank, number: int, name: str, values: Map, top: int = LEVELS + 1
) -> tuple[Map, Scale, str]:
    """Return what is drawn of slices, its colours and its title; ``top`` clips features."""
    if number < len(bank.stages) - 1:
        # A slice's rows are the levels of the pixel that is read for.
        level = np.arange(bank.nodes, dtype=np.float32)[:, None] * bank.interval
        change = values - np.minimum(level, top)
        return change, symmetric(change, 1.0), f"{name} - level"
    if name == "rho":
        return 2 * values - 1, Scale("diverging", -1, 1), "r"
    if name in LOCAL_PLANE:
        meaning = COEFFICIENTS[name]
        signed = values * np.float32(meaning.factor) + np.float32(meaning.offset)
        reach, unit = meaning.factor + meaning.offset, meaning.unit.replace("level", "levels")
        return signed, Scale("diverging", -reach, reach), f"{name}, {unit}"
    return values, Scale("viridis", 0, 1), name


def _table_cell(bank: LutBank, about: TableStatistics, number: int) -> Picture:
    """Draw the slices and the histogram of one value of a table."""
    stage = bank.stages[number]
    pattern = about.table.split(".")[1]
    place = stage.values.index(about.value)
    side = bank.nodes * _CELL
    cuts = {name: table_slice(bank, about.table, which) for name, which in SLICES.items()}
    both = np.stack([cut[..., place] for cut in cuts.values()])
    shown, scale, what = _shown(bank, number, about.value, both)
    parts = [
        below([_icon(bank, pattern, which), outlined(fitted(scale.paint(values), side))], 8)
        for which, values in zip(SLICES.values(), shown, strict=True)
    ]
    parts.insert(2, below([_icon(bank, pattern, None), colour_bar(scale, side + 2)], 8))
    bars = histogram(bank.tables[about.table][..., place], side, side, ENTRY_BIAS)
    parts.append(below([_icon(bank, pattern, None), outlined(bars)], 8))
    title = f"{about.table}  {what}"
    start = "" if about.unvisited is None else f", as at the start {about.unvisited:.1%}"
    note = (
        f"entries {about.minimum:g} to {about.maximum:g}, median {about.median:g}; "
        f"at the clip {about.clipped:.1%}{start}\n"
        f"step between nodes {about.step:.2g}, largest {about.largest_step:g}"
    )
    return below([text(title), beside(parts, 14), text(note, SMALL, FAINT)], 6)


def _icon(bank: LutBank, pattern: str, which: tuple[int, ...] | None) -> Picture:
    """Draw a pattern's pixels, dark and light as a slice tells them apart; None: nothing."""
    box = 11
    offsets = np.array(bank.patterns[pattern])
    offsets -= offsets.min(axis=0)
    reach = max(np.ptp(one, axis=0).max() for one in map(np.array, bank.patterns.values())) + 1
    icon = Image.new("RGB", (int(reach) * box + 1, int(reach) * box + 1), PAPER)
    draw = ImageDraw.Draw(icon)
    # On the slice's edge, whatever the pattern's height.
    offsets[:, 0] += int(reach) - 1 - offsets[:, 0].max()
    for (row, col), light in zip(offsets, which or (), strict=which is not None):
        corner = (int(col) * box, int(row) * box)
        fill = (214, 218, 224) if light else INK
        draw.rectangle([corner, (corner[0] + box, corner[1] + box)], fill=fill, outline=FAINT)
    return icon
