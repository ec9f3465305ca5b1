"""Figures of enlargements of what no camera made: edges, lines, text, graphics, noise, alpha.

Convention
----------
Images are uint8, (rows, cols), (rows, cols, 3), or (rows, cols, 4) with alpha. Distances are in
source pixels, angles in degrees from the columns' axis to an edge's normal; positions are (row,
col), and pixel centres at integers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

import lerf_core
from lerf_core.bank import Bank

__all__ = [
    "FIGURES",
    "RENDERINGS",
    "UNNATURAL_SCALES",
    "Cell",
    "Change",
    "Measured",
    "Resampler",
    "Summary",
    "UnnaturalCase",
    "bank_resampler",
    "changes",
    "measure",
    "measure_all",
    "summary",
    "unnatural_cases",
]

Array = npt.NDArray[Any]
#: ``resampler(image, scale)``: an image enlarged to ``round(size * scale)`` pixels.
Resampler = Callable[[Array, float], Array]

_SIZE, _MARGIN = 48, 6  # pixels; results nearer to the border than _MARGIN are not judged
#: Scales of the inputs that have no true drawing.
UNNATURAL_SCALES = (2.0, 2.5, 3.0, 4.0)
_ANGLES = {"vertical": 0, "horizontal": 90, "45 deg": 45, "20 deg": 20}
# One level of rounding is 10 and 3 % of the faint contrasts: they get rows of their own.
# Results end at 0 and 255: overshoot beyond 33 (50, 200) and 49 % (64, 192) is cut off.
_CONTRASTS = {"": ((50, 200), (64, 192)), ", faint": ((100, 110), (100, 130))}
_CLEAR, _REACH = 1.5, 4.5  # ringing is measured at distances between these
_TRUTH = 4  # a true drawing is this much larger than its source
_COLOUR = (200, 60, 40)  # of the square under alpha
_VISIBLE = 26  # alpha, about a tenth, from which on a colour counts as seen

#: Title with its unit, and decimals, of each figure.
FIGURES = {
    "overshoot": ("Overshoot beyond the 5x5 source pixels, % of contrast", 1),
    "ringing": ("Ringing where the source is flat, rms, % of contrast", 2),
    "width": ("Edge width, 10 to 90 %, source pixels", 2),
    "peak": ("Line height, the lowest along the line, % of contrast", 0),
    "peak_high": ("Line height, the highest along the line, % of contrast", 0),
    "mean_shift": ("Shift of the mean, levels", 2),
    "std_ratio": ("Standard deviation, result / source", 2),
    "tint": ("Colour of grey drawings, levels", 0),
    "bleed": ("Change of a flat channel beside edges of others, levels", 0),
    "error": ("Error to the true drawing, x4, rms, % of contrast", 2),
    "fringe": (f"Colour change where alpha >= {_VISIBLE}, levels", 0),
    "fringe_seen": ("Colour change, weighted with alpha, levels", 1),
    "alpha_dip": (f"Alpha missing farther inside than {_CLEAR} pixels, levels", 0),
    "alpha_halo": (f"Alpha farther outside than {_CLEAR} pixels, levels", 0),
    "alpha_over": ("Alpha above the source's highest, levels", 0),
    "alpha_width": ("Alpha edge, 10 to 90 %, source pixels", 2),
}
#: How an input is given: as one channel, as three that are alike, and with one channel the other
#: way round and one that is flat. Inputs with alpha have colours of their own.
RENDERINGS = ("grey", "RGB", "coloured")
# Differences of a figure that count as none, as a share of the base's.
_SHARE = 0.05
# How bad a value is; for all other figures, its size.
_BADNESS: dict[str, Callable[[float], float]] = {
    "peak": lambda value: -value,
    "std_ratio": lambda value: abs(value - 1),
}
# What is wrong with a value, where that is less than its badness: a line may be as high as it is.
_FAULTS: dict[str, Callable[[float], float]] = {
    "peak": lambda value: max(100 - value, 0.0),
    "peak_high": lambda value: max(value - 100, 0.0),
}


@dataclass(frozen=True)
class UnnaturalCase:
    """An input.

    Attributes
    ----------
    kind, name : str
        What it shows, and which of its kind.
    source : ndarray of uint8
    low, high : float
        Levels on the two sides of an edge.
    angle : float or None
        Degrees from the columns' axis to the edge's normal; None where there is no edge.
    offset : float
        Pixels from the image's centre along the normal.
    line : int
        A line's width in pixels; 0 for a step.
    truth : ndarray of uint8 or None
        The drawing, four times larger, that `source` was reduced from.
    """

    kind: str
    name: str
    source: Array
    low: float
    high: float
    angle: float | None = None
    offset: float = 0.0
    line: int = 0
    truth: Array | None = None


def _axes(angle: float, offset: float, rows: Array, cols: Array) -> tuple[Array, Array]:
    """Distances across and along an edge, pixels, of the points (row, col) of a _SIZE image."""
    sine, cosine = np.sin(np.radians(angle)), np.cos(np.radians(angle))
    row, col = rows[:, None] - (_SIZE - 1) / 2, cols[None, :] - (_SIZE - 1) / 2
    across = col * cosine + row * sine - offset
    # Without it, equal distances of two orientations would fall on two sides of a bound.
    return np.round(across, 9), row * cosine - col * sine


def _edge(angle: float, low: int, high: int, *, line: int, soft: bool) -> tuple[Array, float]:
    """A step (`line` 0) or a line, and its offset in pixels."""
    sine, cosine = abs(np.sin(np.radians(angle))), np.cos(np.radians(angle))
    slope = max(sine, cosine)
    # Off the pixels' grid where soft; where hard, in the middle of the pixels that are drawn.
    offset = 0.25 if soft else 0.5 * slope * ((line % 2 == 1) != (angle == _ANGLES["45 deg"]))
    fine = 8 if soft else 1
    grid = (np.arange(_SIZE * fine) + 0.5) / fine - 0.5
    across, _ = _axes(angle, offset, grid, grid)
    if not soft:  # exactly `line` pixels in each row or column, as drawing programs do
        across /= slope
    inside = (across >= -line / 2) & (across < line / 2) if line else across >= 0
    cover = inside.reshape(_SIZE, fine, _SIZE, fine).mean((1, 3))
    return np.rint(low + (high - low) * cover).astype(np.uint8), offset


def _edges() -> Iterator[UnnaturalCase]:
    """Steps and lines: hard or soft, all orientations, contrasts and directions."""
    for line, soft in itertools.product((0, 1, 2), (False, True)):
        for faint, contrasts in _CONTRASTS.items():
            kind = f"{f'line {line} px' if line else 'step'}, {'soft' if soft else 'hard'}{faint}"
            for (way, angle), pair in itertools.product(_ANGLES.items(), contrasts):
                for low, high in (pair, pair[::-1]):
                    source, offset = _edge(angle, low, high, line=line, soft=soft)
                    name = f"{way}, {low} to {high}"
                    yield UnnaturalCase(kind, name, source, low, high, angle, offset, line)


def _text(size: int, low: int, high: int, zoom: int) -> Array:
    """Dark text of `size` pixels on light, drawn `zoom` times larger."""
    picture = Image.new("L", (128 * zoom, 56 * zoom), high)
    font = ImageFont.load_default(size * zoom)
    ImageDraw.Draw(picture).multiline_text(
        (8 * zoom, 8 * zoom), "Hamburg 0369\nfix WAVE il%", fill=low, font=font
    )
    return np.asarray(picture)


def _graphics(ground: int, zoom: int) -> Array:
    """Boxes, a disc and lines of 0 and 255 over a grey ground, not anti-aliased."""
    picture = Image.new("L", (64 * zoom, 64 * zoom), ground)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((10 * zoom, 10 * zoom, 24 * zoom - 1, 22 * zoom - 1), fill=255)
    draw.rectangle((14 * zoom, 16 * zoom, 30 * zoom - 1, 28 * zoom - 1), fill=0)
    draw.ellipse((34 * zoom, 10 * zoom, 54 * zoom - 1, 30 * zoom - 1), fill=255)
    draw.line((10 * zoom, 36 * zoom, 54 * zoom, 50 * zoom), fill=0, width=zoom)
    draw.line((10 * zoom, 54 * zoom, 54 * zoom, 34 * zoom), fill=255, width=2 * zoom)
    return np.asarray(picture)


def _drawings() -> Iterator[UnnaturalCase]:
    """Text and graphics: drawn at the source's size, and reduced from a larger drawing."""
    kinds: list[tuple[str, str, int, int, Callable[[int], Array]]] = [
        ("graphics", f"on {ground}", 0, 255, partial(_graphics, ground))
        for ground in (96, 128, 160)
    ]
    for size, (low, high) in itertools.product(range(12, 17), ((0, 255), (40, 215))):
        drawing = partial(_text, size, low, high)
        kinds.append(("text", f"{size} px, {low} on {high}", low, high, drawing))
    for kind, name, low, high, draw in kinds:
        yield UnnaturalCase(kind, name, draw(1), low, high)
        truth = draw(_TRUTH)
        shape = (truth.shape[1] // _TRUTH, truth.shape[0] // _TRUTH)
        for method in (Image.Resampling.BICUBIC, Image.Resampling.BOX):
            source = np.asarray(Image.fromarray(truth).resize(shape, method, reducing_gap=None))
            label = f"{kind}, reduced by {method.name}"
            yield UnnaturalCase(label, name, source, low, high, truth=truth)


def _textures() -> Iterator[UnnaturalCase]:
    """Checkerboards and noise."""
    rows, cols = np.mgrid[:_SIZE, :_SIZE]
    for cell, (low, high) in itertools.product((1, 2, 3, 8), _CONTRASTS[""]):
        board = np.where((rows // cell + cols // cell) % 2, high, low).astype(np.uint8)
        yield UnnaturalCase(f"checkerboard {cell} px", f"{low}, {high}", board, low, high)
    for seed in range(3):
        random = np.random.default_rng(seed)
        even = random.integers(0, 256, (_SIZE, _SIZE), dtype=np.uint8)
        yield UnnaturalCase("noise, uniform", f"seed {seed}", even, 0, 255)
        bell = np.rint(random.normal(128, 8, (_SIZE, _SIZE))).astype(np.uint8)
        yield UnnaturalCase(
            "noise, sigma 8", f"seed {seed}", bell, int(bell.min()), int(bell.max())
        )


def _squares() -> Iterator[UnnaturalCase]:
    """A coloured square, opaque or half so, on transparent pixels of several colours."""
    for high, hidden in itertools.product((255, 128), (0, 255)):
        source = np.full((_SIZE, _SIZE, 4), (hidden, hidden, hidden, 0), np.uint8)
        source[_SIZE // 4 : -_SIZE // 4, _SIZE // 4 : -_SIZE // 4] = (*_COLOUR, high)
        kind = "alpha, opaque" if high == 255 else "alpha, half"
        yield UnnaturalCase(kind, f"on hidden {hidden}", source, 0, high)


def unnatural_cases() -> list[UnnaturalCase]:
    """All inputs: edges and lines, text and graphics, checkerboards and noise, alpha.

    Returns
    -------
    list of UnnaturalCase
    """
    return [*_edges(), *_drawings(), *_textures(), *_squares()]


def _rise(across: Array, level: Array) -> float:
    """Distance from 10 to 90 % of the mean profile; `level` goes from 0 to 1, pixels."""
    _, index = np.unique(np.rint(across * 10), return_inverse=True)
    index, count = index.ravel(), np.bincount(index.ravel())
    place = np.bincount(index, across.ravel()) / count
    profile = np.bincount(index, level.ravel()) / count
    # From the middle outwards, so that ringing farther off is not taken for the edge; a
    # profile that never gets there counts to its end.
    middle = int(np.argmax(profile >= 0.5))
    below = int(max(np.flatnonzero(profile[:middle] <= 0.1), default=0))
    last = len(profile) - 1 - middle
    above = middle + int(min(np.flatnonzero(profile[middle:] >= 0.9), default=last))
    up, down = slice(max(0, above - 1), above + 1), slice(below, below + 2)
    high, low = np.interp(0.9, profile[up], place[up]), np.interp(0.1, profile[down], place[down])
    return float(high - low)


def _window_range(source: Array, size: int) -> tuple[Array, Array]:
    """Least and greatest of the size x size pixels around each pixel."""
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(source, size // 2, mode="edge"), (size, size)
    )
    return windows.min((2, 3)).astype(float), windows.max((2, 3)).astype(float)


def measure(
    resampler: Resampler, case: UnnaturalCase, scale: float, rendering: str = RENDERINGS[0]
) -> dict[str, float]:
    """Figures of an input that is enlarged.

    Parameters
    ----------
    resampler : callable
    case : UnnaturalCase
    scale : float
        4 where the case has a true drawing.
    rendering : str, optional
        Of `RENDERINGS`. Of channels that are alike the worst counts, of others the first.

    Returns
    -------
    dict of float
        Those of `FIGURES` that the input has.
    """
    height, width = case.source.shape[:2]
    result = resampler(_rendered(case, rendering), scale)
    places = [
        np.round((np.arange(round(n * scale)) + 0.5) / scale - 0.5, 9) for n in (height, width)
    ]
    judged = [
        (p > _MARGIN - 0.5) & (p < n - _MARGIN - 0.5)
        for p, n in zip(places, (height, width), strict=True)
    ]
    rows, cols = (p[keep] for p, keep in zip(places, judged, strict=True))
    inner = result[np.ix_(*judged)].astype(float)
    if case.kind.startswith("alpha"):
        return _measure_alpha(inner, case, rows, cols)
    if rendering == "RGB":
        each = [
            _measure_plane(plane, case, rows, cols, judged) for plane in np.moveaxis(inner, -1, 0)
        ]
        worst = {
            name: max((figures[name] for figures in each), key=partial(_badness, name))
            for name in each[0]
        }
        return worst | {"tint": float(np.ptp(inner, axis=-1).max())}
    if rendering == "coloured":
        bleed = float(np.abs(inner[..., 2] - _flat_level(case)).max())
        return _measure_plane(inner[..., 0], case, rows, cols, judged) | {"bleed": bleed}
    return _measure_plane(inner, case, rows, cols, judged)


def _rendered(case: UnnaturalCase, rendering: str) -> Array:
    plane = case.source
    if plane.ndim == 3 or rendering == "grey":
        return plane
    if rendering == "RGB":
        return np.dstack([plane] * 3)
    other = (int(case.low + case.high) - plane.astype(int)).astype(np.uint8)
    return np.dstack([plane, other, np.full_like(plane, _flat_level(case))])


def _flat_level(case: UnnaturalCase) -> int:
    return int(case.low + case.high) // 2


def _measure_plane(
    inner: Array, case: UnnaturalCase, rows: Array, cols: Array, judged: Sequence[Array]
) -> dict[str, float]:
    """Figures of one channel; `rows` and `cols`, those of `inner`, are the `judged` ones."""
    nearest = np.ix_(np.floor(rows + 0.5).astype(int), np.floor(cols + 0.5).astype(int))
    pixel = case.source[nearest].astype(float)
    percent = 100 / abs(case.high - case.low)

    low, high = (bound[nearest] for bound in _window_range(case.source, 5))
    beyond = np.maximum(np.maximum(inner - high, low - inner), 0)
    figures = {"overshoot": beyond.max() * percent}
    if case.angle is not None:
        across, along = _axes(case.angle, case.offset, rows, cols)
        away = np.abs(across) - case.line / 2
        low, high = (bound[nearest] for bound in _window_range(case.source, 3))
        calm = (low == high) & (away > _CLEAR) & (away < _REACH)
        level = (inner - case.low) / (case.high - case.low)
        figures |= _heights(away, along, level) if case.line else {"width": _rise(across, level)}
    else:  # flat for 2 pixels, with something within 4
        far = [bound[nearest] for bound in _window_range(case.source, 9)]
        calm = (low == high) & (far[0] != far[1])
    if calm.any():
        figures["ringing"] = np.sqrt(np.mean((inner - pixel)[calm] ** 2)) * percent
    if case.kind.startswith(("checkerboard", "noise")):
        plain = case.source[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
        figures["mean_shift"] = inner.mean() - plain.mean()
        figures["std_ratio"] = inner.std() / plain.std()
    if case.truth is not None:
        error = inner - case.truth[np.ix_(*judged)]
        figures["error"] = np.sqrt(np.mean(error**2)) * percent
    return {name: float(value) for name, value in figures.items()}


def _heights(away: Array, along: Array, level: Array) -> dict[str, float]:
    """Lowest and highest of the peaks of stretches of a line, 2 pixels each, in %."""
    near = away < 1
    stretch = np.floor(along[near] / 2).astype(int)
    stretch -= stretch.min()
    peaks = np.full(stretch.max() + 1, -np.inf)
    np.maximum.at(peaks, stretch, level[near])
    # The margin cuts the first and the last stretch.
    return {"peak": 100 * peaks[1:-1].min(), "peak_high": 100 * peaks[1:-1].max()}


def _measure_alpha(inner: Array, case: UnnaturalCase, rows: Array, cols: Array) -> dict[str, float]:
    """Figures of the square under alpha; `rows` and `cols` are those of `inner`, pixels."""
    first, last = _SIZE // 4 - 0.5, _SIZE - _SIZE // 4 - 0.5
    depth = np.minimum(
        np.minimum(rows - first, last - rows)[:, None], np.minimum(cols - first, last - cols)
    )
    colour, alpha = inner[..., :3], inner[..., 3]
    change = np.abs(colour - _COLOUR).max(-1)
    flank = np.ix_(np.abs(rows - (_SIZE - 1) / 2) < 4, cols < _SIZE / 2)
    across = np.broadcast_to(cols - first, alpha.shape)[flank]
    figures = {
        "fringe": change[alpha >= _VISIBLE].max(),
        "fringe_seen": (change * alpha / 255).max(),
        "alpha_dip": (case.high - alpha[depth > _CLEAR]).max().clip(0),
        "alpha_halo": alpha[depth < -_CLEAR].max(),
        "alpha_over": (alpha - case.high).max().clip(0),
        "alpha_width": _rise(across, alpha[flank] / case.high),
    }
    return {name: float(value) for name, value in figures.items()}


def measure_all(
    resampler: Resampler,
    method: str,
    *,
    cases: Sequence[UnnaturalCase] | None = None,
    scales: Sequence[float] = UNNATURAL_SCALES,
    renderings: Sequence[str] = RENDERINGS[:1],
) -> Iterator[Measured]:
    """Measure all inputs at all scales; those with a true drawing at its scale alone.

    Parameters
    ----------
    resampler : callable
    method : str
        Its name, for the record.
    cases : sequence of UnnaturalCase, optional
        `unnatural_cases` by default.
    scales : sequence of float, optional
    renderings : sequence of str, optional
        Of `RENDERINGS`. Kinds are named after those that are not grey.

    Yields
    ------
    Measured
    """
    for case in unnatural_cases() if cases is None else cases:
        for rendering in renderings if case.source.ndim == 2 else RENDERINGS[:1]:
            kind = case.kind if rendering == RENDERINGS[0] else f"{case.kind}, {rendering}"
            for scale in scales if case.truth is None else (float(_TRUTH),):
                figures = measure(resampler, case, scale, rendering)
                yield Measured(kind, case.name, scale, method, figures)


def bank_resampler(bank: Bank, *, threads: int | None = 1) -> Resampler:
    """A bank as `measure` takes it.

    Parameters
    ----------
    bank : Bank
        Of any kind.
    threads : int, optional

    Returns
    -------
    callable
    """

    def resample(image: Array, scale: float) -> Array:
        axis = -1 if image.ndim == 3 else None
        return lerf_core.rescale(image, scale, bank=bank, channel_axis=axis, threads=threads)

    return resample


# -- summaries ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """Figures of one method on one input at one scale."""

    kind: str
    name: str
    scale: float
    method: str
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Cell:
    """A figure of one kind of input: the worst value, which input has it, and the mean."""

    worst: float
    where: str
    mean: float


#: By figure, kind of input and method.
Summary = dict[str, dict[str, dict[str, Cell]]]


def summary(measured: Iterable[Measured]) -> Summary:
    """Worst and mean over the inputs of each kind and the scales.

    Parameters
    ----------
    measured : iterable of Measured

    Returns
    -------
    dict
        ``summary[figure][kind][method]`` is a `Cell`; figures in the order of `FIGURES`.
    """
    groups: dict[tuple[str, str, str], list[tuple[float, str]]] = {}
    for entry in measured:
        where = f"{entry.name}, x{entry.scale:g}"
        for figure, value in entry.figures.items():
            groups.setdefault((figure, entry.kind, entry.method), []).append((value, where))
    result: Summary = {figure: {} for figure in FIGURES}
    for (figure, kind, method), values in groups.items():
        worst, where = max(values, key=lambda pair: _badness(figure, pair[0]))
        mean = float(np.mean([value for value, _ in values]))
        result[figure].setdefault(kind, {})[method] = Cell(worst, where, mean)
    return {figure: kinds for figure, kinds in result.items() if kinds}


def _badness(figure: str, value: float) -> float:
    return _BADNESS.get(figure, abs)(value)


@dataclass(frozen=True)
class Change:
    """How a figure of one kind of input differs between two methods.

    Attributes
    ----------
    figure, kind : str
    base, other : Cell
    verdict : {'better', 'equal', 'worse'}
        Of the worst values; ``'equal'`` where they differ by less than a twentieth of the base's
        and five units of the last digit that `FIGURES` shows.
    """

    figure: str
    kind: str
    base: Cell
    other: Cell
    verdict: str


def changes(result: Summary, base: str, other: str) -> list[Change]:
    """Compare two methods of a summary, figure by figure and kind by kind.

    Parameters
    ----------
    result : dict
        Of `summary`.
    base, other : str
        Names of the methods.

    Returns
    -------
    list of Change
    """
    rows = []
    for figure, kinds in result.items():
        tolerance = 5 * 10.0 ** -FIGURES[figure][1]
        for kind, by_method in kinds.items():
            before, after = by_method[base], by_method[other]
            fault = _FAULTS.get(figure, partial(_badness, figure))
            old, new = fault(before.worst), fault(after.worst)
            more = new - old
            equal = abs(more) <= tolerance + _SHARE * abs(old)
            verdict = "equal" if equal else "worse" if more > 0 else "better"
            rows.append(Change(figure, kind, before, after, verdict))
    return rows
