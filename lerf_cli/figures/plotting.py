"""What the figures of ``lerf models inspect`` share: a page, colour scales, and panels with one.

Drawn by matplotlib on figures of their own: no state of pyplot, no window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

__all__ = [
    "DPI",
    "FAINT",
    "AxesBox",
    "ColourScale",
    "as_image",
    "colour_bar",
    "draw_values",
    "new_page",
    "symmetric_scale",
    "write_note",
    "write_title",
]

#: Pixels per inch of what is written.
DPI = 200
FAINT = "#6e747c"
# What is not a number: in no colour map.
UNKNOWN = "#d6cdde"
_TITLE, _TEXT, _SMALL = 10, 8, 7  # points


@dataclass(frozen=True)
class ColourScale:
    """How values become colours.

    Attributes
    ----------
    colours : str
        Name of a colour map of matplotlib.
    low, high : float
        The values at its ends; values outside get the ends' colours.
    """

    colours: str
    low: float
    high: float

    @property
    def colour_map(self) -> Any:
        """Matplotlib's colours; NaN has one of its own."""
        return mpl.colormaps[self.colours].with_extremes(bad=UNKNOWN)

    @property
    def norm(self) -> Normalize:
        """From values to 0..1; a scale of one value has its middle there."""
        widening = 0.5 if self.low == self.high else 0.0
        return Normalize(self.low - widening, self.high + widening)


def symmetric_scale(values: NDArray[Any], least: float, share: float = 1.0) -> ColourScale:
    """Return a diverging scale about 0 that reaches over a share of the values.

    Parameters
    ----------
    values : array of float
        NaN does not count.
    least : float
        How far the scale reaches at least.
    share : float, optional
        Of the values, 0 to 1; the rest get the ends' colours.
    """
    size = np.abs(values[np.isfinite(values)])
    reach = max(least, float(np.quantile(size, share)) if size.size else 0.0)
    return ColourScale("RdBu_r", -reach, reach)


class AxesBox(NamedTuple):
    """Where axes lie on a figure: inches from its left and its top, and their size."""

    left: float
    top: float
    width: float
    height: float

    def axes(self, figure: Figure) -> Axes:
        """Add the axes."""
        width, height = figure.get_size_inches()
        bottom = height - self.top - self.height
        box = (self.left / width, bottom / height, self.width / width, self.height / height)
        axes: Axes = figure.add_axes(box)
        return axes


def new_page(width: float, height: float, title: str = "", subtitle: str = "") -> Figure:
    """Return an empty figure of a size in inches, with a title at its top left."""
    figure = Figure(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(figure)
    left = 0.4 / width
    figure.text(left, 1 - 0.3 / height, title, fontsize=15, va="top")
    figure.text(left, 1 - 0.62 / height, subtitle, fontsize=9, color=FAINT, va="top")
    return figure


def as_image(figure: Figure) -> Image.Image:
    """Return a figure as an RGB image."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def write_title(axes: Axes, words: str, *, size: float = _TITLE, pad: float = 4) -> None:
    """Write a title above the axes, on the left."""
    axes.set_title(words, loc="left", fontsize=size, pad=pad)


def write_note(axes: Axes, words: str, *, size: float = _TEXT, pad: float = 5) -> None:
    """Write lines below the axes, on the left."""
    axes.annotate(
        words, (0, 0), (0, -pad), xycoords="axes fraction", textcoords="offset points", va="top",
        fontsize=size, color=FAINT, linespacing=1.3, annotation_clip=False,
    )  # fmt: skip


def draw_values(
    axes: Axes, values: NDArray[Any], scale: ColourScale, *, side_limit: int | None = None
) -> None:
    """Fill axes with an array in colours, row 0 at the top, without ticks.

    Parameters
    ----------
    axes : Axes
    values : (rows, cols) array of float
    scale : ColourScale
    side_limit : int, optional
        Rows and columns to draw at most; larger arrays are reduced by means over blocks.
    """
    rows, cols = values.shape
    axes.imshow(
        _reduced(values, side_limit), cmap=scale.colour_map, norm=scale.norm,
        extent=(0, cols, rows, 0), interpolation="nearest" if side_limit is None else "antialiased",
        interpolation_stage="data",
    )  # fmt: skip
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_anchor("NW")
    for spine in axes.spines.values():
        spine.set(color=FAINT, linewidth=0.5)


def _reduced(values: NDArray[Any], side_limit: int | None) -> NDArray[Any]:
    """Return means over square blocks, as many as needed to have `side_limit` rows and columns."""
    rows, cols = values.shape
    side = 1 if side_limit is None else -(-max(rows, cols) // side_limit)
    if side == 1:
        return values
    starts = [np.arange(0, length, side) for length in (rows, cols)]
    sums = np.add.reduceat(np.add.reduceat(values, starts[0], axis=0), starts[1], axis=1)
    heights, widths = (
        np.diff(first, append=length) for first, length in zip(starts, (rows, cols), strict=True)
    )
    means: NDArray[Any] = sums / (heights[:, None] * widths)
    return means


def colour_bar(axes: Axes, scale: ColourScale) -> None:
    """Fill axes with a scale's colours, and write its ends and its middle beside them."""
    bar = axes.figure.colorbar(
        ScalarMappable(scale.norm, scale.colour_map),
        cax=axes,
        ticks=[scale.low, (scale.low + scale.high) / 2, scale.high],
    )
    bar.outline.set(color=FAINT, linewidth=0.5)
    bar.ax.tick_params(labelsize=_SMALL, length=2, width=0.5)
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:.3g}" if value else "0")
