"""The figures of a bank's tables: what each stage gives, and slices of each table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from lerf_cli.figures.plotting import (
    FAINT,
    AxesBox,
    ColourScale,
    colour_bar,
    draw_values,
    new_page,
    symmetric_scale,
    write_title,
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
from lerf_core.inspection import COEFFICIENTS

__all__ = ["stage_figure", "table_sheet"]

Map = NDArray[np.float32]

# Inches: margins; a cell of the grid, one value of one table; a slice's side, and between slices.
_MARGIN, _HEADER = 0.4, 1.05
_CELL_WIDTH, _CELL_HEIGHT, _SIDE, _GAP = 3.35, 1.72, 0.78, 0.12
_STAGE_HEADER, _RESPONSE_HEIGHT = 0.6, 1.35
# From a cell's top to its slices: the title, and the pattern's pixels.
_TITLE_HEIGHT, _ICON = 0.24, 0.22
_ICON_PIXEL = 0.055
_BARS, _DARK, _LIGHT = "#46628c", "#1c2026", "#d6dae0"


def table_sheet(bank: LutBank, statistics: Sequence[TableStatistics]) -> Figure:
    """Return the sheet of a bank: its stages one below the other.

    Parameters
    ----------
    bank : LutBank
    statistics : sequence of TableStatistics
        Of every value of every table.
    """
    subtitle = (
        "Slices by two grey levels, 0 to 256: downwards that of the pattern's dark pixels, to the "
        "right that of its light ones;\nwhat the stage would give if all reads said the same. "
        "Histograms: entries -127 to 127, logarithmic."
    )
    numbers = range(len(bank.stages))
    width = max(_stage_size(bank.stages[number])[0] for number in numbers)
    height = _HEADER + sum(_stage_size(bank.stages[number])[1] for number in numbers)
    title = f"Tables of {bank.name} ({bank.kind.name})"
    figure = new_page(width, height, title, subtitle)
    top = _HEADER
    for number in numbers:
        _draw_stage(figure, top, bank, number, statistics)
        top += _stage_size(bank.stages[number])[1]
    return figure


def stage_figure(bank: LutBank, number: int, statistics: Sequence[TableStatistics]) -> Figure:
    """Return one stage alone, counted from 0."""
    figure = new_page(*_stage_size(bank.stages[number]))
    _draw_stage(figure, 0.0, bank, number, statistics)
    return figure


def _columns(stage: Stage) -> int:
    """Columns of a stage's grid: its values, or for a single one its patterns."""
    return len(stage.values) if len(stage.values) > 1 else len(stage.patterns)


def _stage_size(stage: Stage) -> tuple[float, float]:
    """Return the width and the height of a stage on a page, in inches."""
    rows = len(stage.patterns) * len(stage.rotation_groups) * len(stage.values) // _columns(stage)
    height = _STAGE_HEADER + _RESPONSE_HEIGHT + rows * _CELL_HEIGHT
    return 2 * _MARGIN + _columns(stage) * _CELL_WIDTH, height


def _draw_stage(
    figure: Figure, top: float, bank: LutBank, number: int, statistics: Sequence[TableStatistics]
) -> None:
    """Draw a stage, counted from 0, from `top` inches below the page's top on."""
    stage = bank.stages[number]
    width, height = figure.get_size_inches()
    words = (
        "First row: the whole stage, at a pixel (its level downwards) in flat surroundings (their "
        "level to the right)."
    )
    if set(SLOPES) & set(stage.values):
        words += (
            " Slopes: at an upright edge, the level of the pixel and of all left of it downwards, "
            "the level right of it to the right."
        )
    left, y = _MARGIN / width, 1 - (top + 0.12) / height
    figure.text(left, y, f"Stage {number + 1}: {_sums(stage)}", fontsize=12, va="top")
    figure.text(left, y - 0.25 / height, words, fontsize=8, color=FAINT, va="top")
    top += _STAGE_HEADER
    _draw_responses(figure, top, bank, number)
    top += _RESPONSE_HEIGHT
    for position, about in enumerate(_in_order(stage, number, statistics)):
        row, column = divmod(position, _columns(stage))
        corner = (_MARGIN + column * _CELL_WIDTH, top + row * _CELL_HEIGHT)
        _draw_table(figure, corner, bank, number, about)


def _in_order(
    stage: Stage, number: int, statistics: Sequence[TableStatistics]
) -> list[TableStatistics]:
    """Return a stage's values of tables row by row."""
    cells = [about for about in statistics if about.table.startswith(f"stage{number + 1}.")]
    if len(stage.values) > 1:
        return cells
    # For a single value, a row for each group of rotations, and a column for each pattern.
    groups = len(stage.rotation_groups)
    return [cell for group in range(groups) for cell in cells[group::groups]]


def _sums(stage: Stage) -> str:
    """Name the values, with what becomes of the sum of all reads."""
    sharing: dict[str, list[str]] = {}
    for name, divisor, bias in zip(stage.values, stage.divisor, stage.bias, strict=True):
        sharing.setdefault(f"sum / {divisor}{f' + {bias}' if bias else ''}", []).append(name)
    groups = [f"{', '.join(names)}  ({formula})" for formula, names in sharing.items()]
    groups[0] = groups[0].replace("(", f"({stage.reads} reads, ", 1)
    return ", ".join(groups)


def _draw_responses(figure: Figure, top: float, bank: LutBank, number: int) -> None:
    """Draw the whole stage's answer to one odd pixel, and the slopes at an edge."""
    values = bank.stages[number].values
    point = point_response(bank, number)
    edge = edge_response(bank, number) if set(SLOPES) & set(values) else point
    for column, name in enumerate(values):
        response = (edge if name in SLOPES else point)[..., column]
        drawn, scale, what = _drawn(bank, number, name, response, LEVELS)
        if name == "rho":
            scale = symmetric_scale(drawn, 0.1)
        left = _MARGIN + column * _CELL_WIDTH
        axes = AxesBox(left, top + 1.2 * _TITLE_HEIGHT, _SIDE, _SIDE).axes(figure)
        draw_values(axes, drawn, scale)
        write_title(axes, f"{what}, all reads", size=9, pad=7)
        bar = AxesBox(left + _SIDE + _GAP, top + 1.2 * _TITLE_HEIGHT, 0.1, _SIDE)
        colour_bar(bar.axes(figure), scale)


def _drawn(
    bank: LutBank, number: int, name: str, values: Map, top: int = LEVELS + 1
) -> tuple[Map, ColourScale, str]:
    """Return what is drawn of slices, its colours and its title; `top` clips features."""
    if number < len(bank.stages) - 1:
        # A slice's rows are the levels of the pixel that is read for.
        level = np.arange(bank.nodes, dtype=np.float32)[:, None] * bank.interval
        change = values - np.minimum(level, top)
        return change, symmetric_scale(change, 1.0), f"{name} - level"
    if name == "rho":
        return 2 * values - 1, ColourScale("RdBu_r", -1, 1), "r"
    if name in LOCAL_PLANE:
        meaning = COEFFICIENTS[name]
        signed = values * np.float32(meaning.factor) + np.float32(meaning.offset)
        reach, unit = meaning.factor + meaning.offset, meaning.unit.replace("level", "levels")
        return signed, ColourScale("RdBu_r", -reach, reach), f"{name}, {unit}"
    return values, ColourScale("viridis", 0, 1), name


def _draw_table(
    figure: Figure, corner: tuple[float, float], bank: LutBank, number: int, about: TableStatistics
) -> None:
    """Draw the slices and the histogram of one value of a table; `corner` is (left, top)."""
    position = bank.stages[number].values.index(about.value)
    slices = [table_slice(bank, about.table, levels)[..., position] for levels in SLICES.values()]
    drawn, scale, what = _drawn(bank, number, about.value, np.stack(slices))
    pattern = about.table.split(".")[1]
    left, top = corner[0], corner[1] + _TITLE_HEIGHT + _ICON
    box = AxesBox(left, top, _SIDE, _SIDE)
    for values, levels in zip(drawn, SLICES.values(), strict=True):
        axes = box.axes(figure)
        draw_values(axes, values, scale)
        _draw_icon(figure, box.left, top - 0.03, bank.patterns[pattern], levels)
        box = box._replace(left=box.left + _SIDE + _GAP)
    colour_bar(box._replace(width=0.1).axes(figure), scale)
    bars = box._replace(left=box.left + 0.1 + 0.38, width=_SIDE).axes(figure)
    _draw_histogram(bars, bank.tables[about.table][..., position])
    width, height = figure.get_size_inches()
    figure.text(
        left / width, 1 - corner[1] / height, f"{about.table}  {what}", fontsize=9, va="top"
    )
    unvisited = "" if about.unvisited is None else f", as at the start {about.unvisited:.1%}"
    note = (
        f"entries {about.minimum:g} to {about.maximum:g}, median {about.median:g}; "
        f"at the clip {about.clipped:.1%}{unvisited}\n"
        f"step between nodes {about.step:.2g}, largest {about.largest_step:g}"
    )
    figure.text(
        left / width,
        1 - (top + _SIDE + 0.06) / height,
        note,
        fontsize=6.5,
        color=FAINT,
        va="top",
        linespacing=1.3,
    )


def _draw_histogram(axes: Axes, entries: NDArray[Any]) -> None:
    """Draw the counts of signed bytes, on a logarithmic scale."""
    counts = np.bincount(
        entries.ravel().astype(np.int64) + ENTRY_BIAS, minlength=2 * ENTRY_BIAS + 1
    )
    edges = np.arange(-ENTRY_BIAS, ENTRY_BIAS + 2) - 0.5
    axes.axvline(0, color="#c8ccd2", linewidth=0.5)
    axes.stairs(np.log1p(counts), edges, fill=True, color=_BARS)
    axes.set(xlim=(edges[0], edges[-1]), ylim=(0, None), xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color=FAINT, linewidth=0.5)


def _draw_icon(
    figure: Figure, left: float, base: float, offsets: Sequence[Sequence[int]],
    levels: Sequence[int],
) -> None:  # fmt: skip
    """Draw a pattern's pixels, dark and light as a slice tells them apart.

    Parameters
    ----------
    figure : Figure
    left, base : float
        Where the pixels stand: inches from the page's left, and from its top.
    offsets : sequence of (row, col)
        The pattern.
    levels : sequence of int
        0 for each dark pixel, 1 for each light one.
    """
    rows, cols = np.array(offsets).T
    across, up = left + (cols - cols.min()) * _ICON_PIXEL, (rows.max() - rows) * _ICON_PIXEL
    for x, y, level in zip(across, figure.get_figheight() - base + up, levels, strict=True):
        square = Rectangle(
            (float(x), float(y)), _ICON_PIXEL, _ICON_PIXEL, facecolor=_LIGHT if level else _DARK,
            edgecolor=FAINT, linewidth=0.5, transform=figure.dpi_scale_trans,
        )  # fmt: skip
        figure.add_artist(square)
