"""Pictures that ``lerf evaluate`` writes: every result, and details side by side."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from lerf_core.io.results.whole_files import atomic_file

if TYPE_CHECKING:
    from lerf_training.evaluation.scores import Comparison

__all__ = ["PictureFolders", "find_detail", "side_by_side"]

Pixels = npt.NDArray[np.uint8]
Window = tuple[slice, slice]

# Sizes on paper, in pixels: a panel is this large at most, and a row holds so many.
_PANEL = 384
_PANELS_PER_ROW = 5
_MARGIN = 28
_GUTTER = 18
_NAME_SIZE = 24
_FIGURE_SIZE = 21
_CAPTION = 66
_LEAST_CELL = 230
_OUTLINE = (226, 30, 30)
_INK, _GREY, _HAIRLINE = (20, 20, 20), (95, 95, 95), (185, 185, 185)
# A detail holds about this many input pixels a side, and so many of the output.
_DETAIL = 32
_LEAST_DETAIL, _MOST_DETAIL = 64, 192
# Borders are treated in ways of their own; details are looked for inside.
_FRAME = 4


@dataclass(frozen=True)
class PictureFolders:
    """Writer of the pictures of an evaluation, one comparison at a time.

    Attributes
    ----------
    results : Path or None
        For ``SET/CASE/METHOD/NAME.png``.
    strips : Path or None
        For ``SET/CASE/NAME.png``, see `side_by_side`.
    figure : str
        What the methods' figures are called.
    overwrite : bool
    """

    results: Path | None
    strips: Path | None
    figure: str
    overwrite: bool

    def check(
        self,
        images: Sequence[tuple[str, str, str]],
        methods: Sequence[str],
        inputs: Iterable[Path],
    ) -> None:
        """Refuse before the work what could not be written, or not for every image.

        Parameters
        ----------
        images : sequence of (dataset, case, image)
        methods : sequence of str
        inputs : iterable of Path
            Files that the evaluation reads.

        Raises
        ------
        click.UsageError
            If a picture exists and may not be replaced, two would have one path, or one would
            replace an input.
        """
        read = {path.resolve() for path in inputs}
        planned: set[Path] = set()
        for image in images:
            for path in self._paths(image, methods):
                if path in planned:
                    raise click.UsageError(f"two pictures would be {path}")
                if path.resolve() in read:
                    raise click.UsageError(f"{path} is an input: choose another folder")
                planned.add(path)
                if path.exists() and not self.overwrite:
                    raise click.UsageError(f"{path} exists; give --overwrite to replace it")

    def _paths(self, image: tuple[str, str, str], methods: Sequence[str]) -> list[Path]:
        paths = [self._result_path(*image, method) for method in methods] if self.results else []
        return paths + ([self._strip_path(*image)] if self.strips else [])

    def _result_path(self, dataset: str, case: str, image: str, method: str) -> Path:
        folder = (self.results or Path()).joinpath(*_folders(dataset), _safe(case), _safe(method))
        return folder / f"{_safe(image)}.png"

    def _strip_path(self, dataset: str, case: str, image: str) -> Path:
        folder = (self.strips or Path()).joinpath(*_folders(dataset), _safe(case))
        return folder / f"{_safe(image)}.png"

    def write(self, comparison: Comparison) -> None:
        """Write the pictures of one image."""
        key = (comparison.dataset, comparison.case, comparison.image)
        if self.results:
            for score, result in comparison.results:
                self._save(Image.fromarray(result), self._result_path(*key, score.method))
        if self.strips:
            self._save(side_by_side(comparison, self.figure), self._strip_path(*key))

    def _save(self, picture: Image.Image, path: Path) -> None:
        with atomic_file(path, overwrite=self.overwrite) as file:
            picture.save(file, "PNG")


def _folders(dataset: str) -> list[str]:
    """Return the folders of a set's name, which may be a path."""
    return [_safe(name) for name in dataset.split("/") if name]


def _safe(name: str) -> str:
    """Return a name for one file or folder: a method may be called like a file elsewhere."""
    return re.sub(r"[^\w.+=()\[\] -]", "_", name).strip(". ") or "_"


# -- side by side -------------------------------------------------------------------------


def side_by_side(comparison: Comparison, figure: str) -> Image.Image:
    """Whole image, and a detail of it by every method, labelled, on white.

    Parameters
    ----------
    comparison : Comparison
        The detail is taken where the methods' squared errors together are largest.
    figure : str
        What the methods' figures are called.

    Returns
    -------
    PIL.Image.Image
        RGB. Pixels of the detail are whole squares.
    """
    window = find_detail(comparison)
    rows, cols = (edge.stop - edge.start for edge in window)
    factor = max(1, _PANEL // max(rows, cols))
    size = cols * factor, rows * factor
    high = comparison.high
    shown = _source_window(comparison, window) if comparison.is_shrunk else window
    name, of_what = ("source", "") if comparison.is_shrunk else ("HR", " of the whole")
    panels = [_Panel(high[shown], name, f"{figure}{of_what}", size)]
    for score, result in comparison.results:
        value = f"{score.psnr:.2f} dB" + ("" if score.ssim is None else f"  {score.ssim:.4f}")
        panels.append(_Panel(result[window], score.method, value, size))
    across = -(-len(panels) // -(-len(panels) // _PANELS_PER_ROW))
    down = -(-len(panels) // across)
    cell = max(cols * factor, _LEAST_CELL), rows * factor + _CAPTION
    height = down * cell[1] + (down - 1) * _GUTTER
    overview = _Overview(high, shown, height - _CAPTION)
    left = _MARGIN + overview.width + 2 * _GUTTER
    width = left + across * cell[0] + (across - 1) * _GUTTER + _MARGIN
    sheet = Image.new("RGB", (width, height + 2 * _MARGIN), "white")
    overview.paste(sheet, (_MARGIN, _MARGIN), comparison)
    for number, panel in enumerate(panels):
        row, col = divmod(number, across)
        corner = left + col * (cell[0] + _GUTTER), _MARGIN + row * (cell[1] + _GUTTER)
        panel.paste(sheet, corner, cell[0])
    return sheet


def find_detail(comparison: Comparison) -> Window:
    """Rows and columns where the methods differ most from the high-resolution image.

    Parameters
    ----------
    comparison : Comparison

    Returns
    -------
    rows, cols : slice
        Of the results: 64 to 192 pixels a side, about 32 of the input; less where the image is
        smaller. Shrunk results, 64 pixels a side, are compared with means over what their pixels
        cover.
    """
    shapes = [result.shape[:2] for _, result in comparison.results]
    high = _covered_means(comparison.high, shapes[0]) if comparison.is_shrunk else comparison.high
    rows, cols = (min(sizes) for sizes in zip(high.shape[:2], *shapes, strict=True))
    error = np.zeros((rows, cols))
    for _, result in comparison.results:
        difference = high[:rows, :cols].astype(np.float32) - result[:rows, :cols]
        error += np.square(difference).mean(axis=-1)
    if comparison.mask is not None:
        error *= comparison.mask[:rows, :cols]
    side = _LEAST_DETAIL if comparison.is_shrunk else _detail_side(comparison.case)
    height, width = min(side, rows), min(side, cols)
    top_frame, left_frame = min(_FRAME, (rows - height) // 2), min(_FRAME, (cols - width) // 2)
    sums = np.pad(error.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    inside = sums[height:, width:] - sums[:-height, width:]
    inside += sums[:-height, :-width] - sums[height:, :-width]
    allowed = inside[
        top_frame : rows - height - top_frame + 1, left_frame : cols - width - left_frame + 1
    ]
    top, left = np.unravel_index(int(allowed.argmax()), allowed.shape)
    first_row, first_col = int(top) + top_frame, int(left) + left_frame
    return slice(first_row, first_row + height), slice(first_col, first_col + width)


def _covered_means(high: Pixels, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Shrink an image to (rows, cols) by plain means."""
    from lerf_training.evaluation.shrinking.scenes import block_means

    planes = np.moveaxis(high.astype(np.float64), -1, 0)
    return np.stack([block_means(plane, (shape[0], shape[1])) for plane in planes], axis=-1)


def _source_window(comparison: Comparison, window: Window) -> Window:
    """Return the part of the source that a window of shrunk results shows."""
    _, result = comparison.results[0]
    rows, cols = (
        slice(round(edge.start * ratio), round(edge.stop * ratio))
        for edge, ratio in zip(
            window, np.divide(comparison.high.shape[:2], result.shape[:2]), strict=True
        )
    )
    return rows, cols


def _detail_side(case: str) -> int:
    """Side of the detail; warps are about as large as a detail at x3."""
    factors = [float(number) for number in re.findall(r"[\d.]+", case)] or [3.0]
    return int(min(max(_DETAIL * max(factors), _LEAST_DETAIL), _MOST_DETAIL))


@dataclass(frozen=True)
class _Panel:
    """A detail, enlarged so that its pixels show, above its two lines of text."""

    pixels: Pixels
    name: str
    value: str
    size: tuple[int, int]

    def paste(self, sheet: Image.Image, corner: tuple[int, int], width: int) -> None:
        detail = Image.fromarray(np.ascontiguousarray(self.pixels))
        box = corner[0] + (width - self.size[0]) // 2, corner[1]
        sheet.paste(detail.resize(self.size, Image.Resampling.NEAREST), box)
        draw = ImageDraw.Draw(sheet)
        _hairline(draw, box, self.size)
        _caption(draw, (corner[0], corner[1] + self.size[1]), width, (self.name, self.value))


class _Overview:
    """The whole image with the detail's outline, as high as the panels beside it."""

    def __init__(self, high: Pixels, window: Window, height: int) -> None:
        rows, cols = high.shape[:2]
        # A panorama is lower than the panels.
        self._zoom = min(height / rows, 1.6 * height / cols)
        self._size = max(1, round(cols * self._zoom)), max(1, round(rows * self._zoom))
        self._high, self._window = high, window
        self.width = max(self._size[0], _LEAST_CELL)

    def paste(self, sheet: Image.Image, corner: tuple[int, int], comparison: Comparison) -> None:
        whole = Image.fromarray(self._high).resize(self._size, Image.Resampling.LANCZOS)
        box = corner[0] + (self.width - self._size[0]) // 2, corner[1]
        sheet.paste(whole, box)
        draw = ImageDraw.Draw(sheet)
        _hairline(draw, box, self._size)
        rows, cols = self._window
        corners = [
            (box[0] + round(col * self._zoom), box[1] + round(row * self._zoom))
            for row, col in ((rows.start, cols.start), (rows.stop, cols.stop))
        ]
        (left, top), (right, bottom) = corners
        # White around red: it shows on any picture.
        draw.rectangle((left - 2, top - 2, right + 1, bottom + 1), outline="white", width=7)
        draw.rectangle((left, top, right - 1, bottom - 1), outline=_OUTLINE, width=3)
        case = f"{comparison.dataset}, {comparison.case}"
        under = corner[0], corner[1] + self._size[1]
        _caption(draw, under, self.width, (comparison.image, case))


def _hairline(draw: ImageDraw.ImageDraw, corner: tuple[int, int], size: tuple[int, int]) -> None:
    """Bound a picture whose border may be white; outside it, so that no pixel is covered."""
    box = corner[0] - 1, corner[1] - 1, corner[0] + size[0], corner[1] + size[1]
    draw.rectangle(box, outline=_HAIRLINE)


def _caption(
    draw: ImageDraw.ImageDraw, corner: tuple[int, int], width: int, lines: tuple[str, str]
) -> None:
    """Two centred lines below a picture."""
    middle = corner[0] + width // 2
    for text, size, ink, below in (
        (lines[0], _NAME_SIZE, _INK, 8),
        (lines[1], _FIGURE_SIZE, _GREY, 38),
    ):
        font = ImageFont.load_default(size=size)
        draw.text((middle, corner[1] + below), _fitted(text, font, width), ink, font, anchor="ma")


def _fitted(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """Text with its beginning cut where it is too long: of a path the end tells more."""
    cut = text
    while len(cut) > 1 and font.getlength("..." + cut if cut != text else cut) > width:
        cut = cut[1:]
    return text if cut == text else "..." + cut
