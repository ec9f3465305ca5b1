"""Drawing with Pillow alone: colour maps, panels with a scale beside them, and sheets of panels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

INK, FAINT, PAPER = (28, 32, 38), (110, 116, 124), (255, 255, 255)
# What is not a number: in no colour map.
UNKNOWN = (214, 205, 222)
TITLE, TEXT, SMALL = 40, 26, 21
GAP = 28
_BAR_WIDTH = 22

Values = NDArray[Any]
Picture = Image.Image

#: Control points, evenly spaced. Viridis (matplotlib, CC0) is perceptually uniform; the
#: diverging one is ColorBrewer's RdBu (Brewer, Apache 2.0) from blue to red.
COLOUR_MAPS = {
    "grey": ("000000", "ffffff"),
    "viridis": (
        "440154", "482878", "3e4a89", "31688e", "26828e", "1f9e89", "35b779", "6dcd59", "b4de2c",
        "fde725",
    ),
    "diverging": (
        "053061", "2166ac", "4393c3", "92c5de", "d1e5f0", "f7f7f7", "fddbc7", "f4a582", "d6604d",
        "b2182b", "67001f",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Scale:
    """How values become colours.

    Attributes
    ----------
    colours : str
        A name in `COLOUR_MAPS`.
    low, high : float
        The values at its ends; values outside get the ends' colours.
    """

    colours: str
    low: float
    high: float

    def paint(self, values: Values) -> NDArray[np.uint8]:
        """Return RGB for values; NaN is `UNKNOWN`."""
        codes = COLOUR_MAPS[self.colours]
        points = np.array([list(bytes.fromhex(code)) for code in codes], np.float64)
        known = np.isfinite(values)
        span = self.high - self.low or 1.0
        place = np.where(known, (np.where(known, values, 0.0) - self.low) / span, 0.0)
        at = np.linspace(0, 1, len(points))
        rgb = np.stack([np.interp(place, at, points[:, one]) for one in range(3)], axis=-1)
        rgb[~known] = UNKNOWN
        return np.rint(rgb).astype(np.uint8)


def symmetric(values: Values, least: float, share: float = 1.0) -> Scale:
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
    reach = float(np.quantile(size, share)) if size.size else 0.0
    return Scale("diverging", -max(least, reach), max(least, reach))


@cache
def font(size: int) -> Any:
    """Return Pillow's own font at a size in pixels."""
    return ImageFont.load_default(size)


def text(words: str, size: int = TEXT, colour: tuple[int, int, int] = INK) -> Picture:
    """Return a picture of lines of text."""
    lines = words.split("\n")
    height = round(size * 1.35)
    width = max(math.ceil(font(size).getlength(line)) for line in lines)
    picture = Image.new("RGB", (max(1, width + 2), height * len(lines)), PAPER)
    draw = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        place = (0, (number + 0.5) * height)
        draw.text(place, line, fill=colour, font=font(size), anchor="lm")
    return picture


def beside(pictures: Sequence[Picture], gap: int = GAP) -> Picture:
    """Lay pictures out from left to right, their tops in line."""
    width = sum(one.width for one in pictures) + gap * (len(pictures) - 1)
    sheet = Image.new("RGB", (width, max(one.height for one in pictures)), PAPER)
    x = 0
    for one in pictures:
        sheet.paste(one, (x, 0))
        x += one.width + gap
    return sheet


def below(pictures: Sequence[Picture], gap: int = GAP) -> Picture:
    """Lay pictures out from top to bottom, their left sides in line."""
    height = sum(one.height for one in pictures) + gap * (len(pictures) - 1)
    sheet = Image.new("RGB", (max(one.width for one in pictures), height), PAPER)
    y = 0
    for one in pictures:
        sheet.paste(one, (0, y))
        y += one.height + gap
    return sheet


def grid(rows: Sequence[Sequence[Picture]], gap: int = GAP) -> Picture:
    """Lay pictures out in rows whose columns are in line."""
    columns = max(len(row) for row in rows)
    widths = [max(row[at].width for row in rows if at < len(row)) for at in range(columns)]
    return below(
        [
            beside([widened(one, width) for one, width in zip(row, widths, strict=False)], gap)
            for row in rows
        ],
        gap,
    )


def widened(picture: Picture, width: int) -> Picture:
    """Add paper on the right up to a width."""
    if picture.width >= width:
        return picture
    sheet = Image.new("RGB", (width, picture.height), PAPER)
    sheet.paste(picture, (0, 0))
    return sheet


def right_aligned(picture: Picture, width: int) -> Picture:
    """Add paper on the left up to a width."""
    sheet = Image.new("RGB", (max(width, picture.width), picture.height), PAPER)
    sheet.paste(picture, (sheet.width - picture.width, 0))
    return sheet


def framed(picture: Picture, margin: int = 2 * GAP) -> Picture:
    """Add paper all around."""
    sheet = Image.new("RGB", (picture.width + 2 * margin, picture.height + 2 * margin), PAPER)
    sheet.paste(picture, (margin, margin))
    return sheet


def outlined(picture: Picture) -> Picture:
    """Draw a hairline around a picture."""
    sheet = Image.new("RGB", (picture.width + 2, picture.height + 2), FAINT)
    sheet.paste(picture, (1, 1))
    return sheet


def fitted(values: NDArray[np.uint8], width: int, height: int | None = None) -> Picture:
    """Enlarge by a whole factor, or shrink by area means, into a width and a height.

    Parameters
    ----------
    values : (rows, cols, 3) uint8 array
    width, height : int
        Height: None for as much as the width.
    """
    picture = Image.fromarray(values)
    room = min(width / picture.width, (height or width) / picture.height)
    if room >= 1:
        size = (picture.width * int(room), picture.height * int(room))
        return picture.resize(size, Image.Resampling.NEAREST)
    size = (max(1, round(picture.width * room)), max(1, round(picture.height * room)))
    return picture.resize(size, Image.Resampling.BOX)


def number(value: float) -> str:
    """Return a number as short as a scale's label."""
    return f"{value:.3g}" if value else "0"


def colour_bar(scale: Scale, height: int) -> Picture:
    """Return a scale as an upright bar with its values at the ends and in the middle."""
    labels = [number(one) for one in (scale.high, (scale.low + scale.high) / 2, scale.low)]
    room = max(math.ceil(font(SMALL).getlength(label)) for label in labels)
    sheet = Image.new("RGB", (_BAR_WIDTH + 12 + room, height), PAPER)
    shades = np.linspace(scale.high, scale.low, height - 2)[:, None].repeat(_BAR_WIDTH - 2, axis=1)
    sheet.paste(outlined(Image.fromarray(scale.paint(shades))), (0, 0))
    draw = ImageDraw.Draw(sheet)
    for label, y, anchor in zip(
        labels, (0, height / 2, height - 1), ("lt", "lm", "lb"), strict=True
    ):
        tick = min(max(y, 0), height - 1)
        draw.line([(_BAR_WIDTH, tick), (_BAR_WIDTH + 4, tick)], fill=INK)
        place = (_BAR_WIDTH + 10, y + {"lt": 1, "lm": 0, "lb": -1}[anchor])
        draw.text(place, label, fill=INK, font=font(SMALL), anchor=anchor)
    return sheet


def arrow(
    draw: ImageDraw.ImageDraw, tail: tuple[float, float], tip: tuple[float, float],
    width: int, colour: tuple[int, int, int],
) -> None:  # fmt: skip
    """Draw an arrow from one (x, y) to another.

    Parameters
    ----------
    draw : ImageDraw
    tail, tip : (float, float)
        Short arrows have small heads; nothing is drawn where the two are one.
    width : int
        Of the shaft, in pixels.
    colour : (int, int, int)
    """
    length = math.dist(tail, tip)
    if length == 0:
        return
    along = (tip[0] - tail[0]) / length, (tip[1] - tail[1]) / length
    head = min(5.0 * width, 0.7 * length)
    neck = tip[0] - head * along[0], tip[1] - head * along[1]
    side = max(0.42 * head, width / 2)
    draw.line([tail, neck], fill=colour, width=width)
    wings = [
        (neck[0] - sign * side * along[1], neck[1] + sign * side * along[0]) for sign in (1, -1)
    ]
    draw.polygon([tip, *wings], fill=colour)


def panel(title: str, picture: Picture, scale: Scale | None = None, note: str = "") -> Picture:
    """Return a picture under its title, with its scale on the right and a note below."""
    body = outlined(picture)
    if scale is not None:
        body = beside([body, colour_bar(scale, max(body.height, 4 * SMALL))], 12)
    parts = [text(title), body]
    if note:
        parts.append(text(note, SMALL, FAINT))
    return below(parts, 6)


def histogram(entries: Values, width: int, height: int, limit: int) -> Picture:
    """Return the counts of signed bytes in -limit..limit, on a logarithmic scale."""
    counts = np.bincount(entries.ravel().astype(np.int64) + limit, minlength=2 * limit + 1)
    edges = np.linspace(0, len(counts), width + 1)
    # As many pixels as columns, each the greatest count that it holds.
    tall = [
        counts[int(left) : max(int(left) + 1, math.ceil(right))].max()
        for left, right in pairwise(edges)
    ]
    logs = np.log1p(np.array(tall, np.float64))
    heights = np.rint(logs / max(logs.max(), 1e-9) * (height - 4))
    shown = np.arange(height)[::-1, None] < heights
    shades = np.where(shown[..., None], np.array((70, 98, 140)), np.array((246, 247, 249)))
    shades[:, width // 2][~shown[:, width // 2]] = (200, 204, 210)
    return Image.fromarray(shades.astype(np.uint8))
