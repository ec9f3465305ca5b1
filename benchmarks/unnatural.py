"""Measure how resamplers enlarge what no camera takes: steps, lines, text, graphics, noise, alpha.

    python benchmarks/unnatural.py [--bank BANK] [--scale 3] [--report FILE.md] [--json FILE]

Prints, a figure and kind of input, worst and mean over orientations, contrasts and scales, for
Pillow, OpenCV where it is installed, and LeRF banks (by default, all that are shipped).
Distances are in source pixels. "nearest" shows what the source itself measures.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

import lerf_core

Array = npt.NDArray[Any]
Resampler = Callable[[Array, float], Array]

SIZE, MARGIN = 48, 6  # pixels; results nearer to the border than MARGIN are not judged
SCALES = (2.0, 2.5, 3.0, 4.0)
ANGLES = {"vertical": 0, "horizontal": 90, "45 deg": 45, "20 deg": 20}
# One level of rounding is 10 and 3 % of the faint contrasts: they get rows of their own.
# Results end at 0 and 255: overshoot beyond 33 (50, 200) and 49 % (64, 192) is cut off.
CONTRASTS = {"": ((50, 200), (64, 192)), ", faint": ((100, 110), (100, 130))}
CLEAR, REACH = 1.5, 4.5  # ringing is measured at distances between these
TRUTH = 4  # a true drawing is this much larger than its source
COLOUR = (200, 60, 40)  # of the square under alpha
VISIBLE = 26  # alpha, about a tenth, from which on a colour counts as seen

FIGURES = {  # title and unit, decimals
    "overshoot": ("Overshoot beyond the 5x5 source pixels, % of contrast", 1),
    "ringing": ("Ringing where the source is flat, rms, % of contrast", 2),
    "width": ("Edge width, 10 to 90 %, source pixels", 2),
    "peak": ("Line height, the lowest along the line, % of contrast", 0),
    "peak_high": ("Line height, the highest along the line, % of contrast", 0),
    "mean_shift": ("Shift of the mean, levels", 2),
    "std_ratio": ("Standard deviation, result / source", 2),
    "error": ("Error to the true drawing, x4, rms, % of contrast", 2),
    "fringe": (f"Colour change where alpha >= {VISIBLE}, levels", 0),
    "fringe_seen": ("Colour change, weighted with alpha, levels", 1),
    "alpha_dip": (f"Alpha missing farther inside than {CLEAR} pixels, levels", 0),
    "alpha_halo": (f"Alpha farther outside than {CLEAR} pixels, levels", 0),
    "alpha_over": ("Alpha above the source's highest, levels", 0),
    "alpha_width": ("Alpha edge, 10 to 90 %, source pixels", 2),
}
# How bad a value is; for all other figures, its size.
BADNESS: dict[str, Callable[[float], float]] = {
    "peak": lambda value: -value,
    "std_ratio": lambda value: abs(value - 1),
}


@dataclass(frozen=True)
class Case:
    """An input: `source` uint8; `low` and `high`, levels, on the two sides of an edge.

    `angle`, degrees from the columns' axis to the edge's normal; `offset`, pixels from the
    image's centre along it; `line`, a line's width in pixels or 0 for a step. `truth` is the
    drawing that `source` was reduced from.
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


def axes(angle: float, offset: float, rows: Array, cols: Array) -> tuple[Array, Array]:
    """Distances across and along an edge, pixels, of the points (row, col) of a SIZE image."""
    sine, cosine = np.sin(np.radians(angle)), np.cos(np.radians(angle))
    row, col = rows[:, None] - (SIZE - 1) / 2, cols[None, :] - (SIZE - 1) / 2
    across = col * cosine + row * sine - offset
    # Without it, equal distances of two orientations would fall on two sides of a bound.
    return np.round(across, 9), row * cosine - col * sine


def edge(angle: float, low: int, high: int, *, line: int, soft: bool) -> tuple[Array, float]:
    """A step (`line` 0) or a line, and its offset in pixels."""
    sine, cosine = abs(np.sin(np.radians(angle))), np.cos(np.radians(angle))
    slope = max(sine, cosine)
    # Off the pixels' grid where soft; where hard, in the middle of the pixels that are drawn.
    offset = 0.25 if soft else 0.5 * slope * ((line % 2 == 1) != (angle == ANGLES["45 deg"]))
    fine = 8 if soft else 1
    grid = (np.arange(SIZE * fine) + 0.5) / fine - 0.5
    across, _ = axes(angle, offset, grid, grid)
    if not soft:  # exactly `line` pixels in each row or column, as drawing programs do
        across /= slope
    inside = (across >= -line / 2) & (across < line / 2) if line else across >= 0
    cover = inside.reshape(SIZE, fine, SIZE, fine).mean((1, 3))
    return np.rint(low + (high - low) * cover).astype(np.uint8), offset


def edges() -> Iterator[Case]:
    """Steps and lines: hard or soft, all orientations, contrasts and directions."""
    for line, soft in itertools.product((0, 1, 2), (False, True)):
        for faint, contrasts in CONTRASTS.items():
            kind = f"{f'line {line} px' if line else 'step'}, {'soft' if soft else 'hard'}{faint}"
            for (way, angle), pair in itertools.product(ANGLES.items(), contrasts):
                for low, high in (pair, pair[::-1]):
                    source, offset = edge(angle, low, high, line=line, soft=soft)
                    name = f"{way}, {low} to {high}"
                    yield Case(kind, name, source, low, high, angle, offset, line)


def text(size: int, low: int, high: int, zoom: int) -> Array:
    """Dark text of `size` pixels on light, drawn `zoom` times larger."""
    picture = Image.new("L", (128 * zoom, 56 * zoom), high)
    font = ImageFont.load_default(size * zoom)
    ImageDraw.Draw(picture).multiline_text(
        (8 * zoom, 8 * zoom), "Hamburg 0369\nfix WAVE il%", fill=low, font=font
    )
    return np.asarray(picture)


def graphics(ground: int, zoom: int) -> Array:
    """Boxes, a disc and lines of 0 and 255 over a grey ground, not anti-aliased."""
    picture = Image.new("L", (64 * zoom, 64 * zoom), ground)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((10 * zoom, 10 * zoom, 24 * zoom - 1, 22 * zoom - 1), fill=255)
    draw.rectangle((14 * zoom, 16 * zoom, 30 * zoom - 1, 28 * zoom - 1), fill=0)
    draw.ellipse((34 * zoom, 10 * zoom, 54 * zoom - 1, 30 * zoom - 1), fill=255)
    draw.line((10 * zoom, 36 * zoom, 54 * zoom, 50 * zoom), fill=0, width=zoom)
    draw.line((10 * zoom, 54 * zoom, 54 * zoom, 34 * zoom), fill=255, width=2 * zoom)
    return np.asarray(picture)


def drawings() -> Iterator[Case]:
    """Text and graphics: drawn at the source's size, and reduced from a larger drawing."""
    kinds: list[tuple[str, str, int, int, Callable[[int], Array]]] = [
        ("graphics", f"on {ground}", 0, 255, partial(graphics, ground)) for ground in (96, 128, 160)
    ]
    for size, (low, high) in itertools.product(range(12, 17), ((0, 255), (40, 215))):
        drawing = partial(text, size, low, high)
        kinds.append(("text", f"{size} px, {low} on {high}", low, high, drawing))
    for kind, name, low, high, draw in kinds:
        yield Case(kind, name, draw(1), low, high)
        truth = draw(TRUTH)
        shape = (truth.shape[1] // TRUTH, truth.shape[0] // TRUTH)
        for method in (Image.Resampling.BICUBIC, Image.Resampling.BOX):
            source = np.asarray(Image.fromarray(truth).resize(shape, method, reducing_gap=None))
            label = f"{kind}, reduced by {method.name}"
            yield Case(label, name, source, low, high, truth=truth)


def textures() -> Iterator[Case]:
    """Checkerboards and noise."""
    rows, cols = np.mgrid[:SIZE, :SIZE]
    for cell, (low, high) in itertools.product((1, 2, 3, 8), CONTRASTS[""]):
        board = np.where((rows // cell + cols // cell) % 2, high, low).astype(np.uint8)
        yield Case(f"checkerboard {cell} px", f"{low}, {high}", board, low, high)
    for seed in range(3):
        random = np.random.default_rng(seed)
        even = random.integers(0, 256, (SIZE, SIZE), dtype=np.uint8)
        yield Case("noise, uniform", f"seed {seed}", even, 0, 255)
        bell = np.rint(random.normal(128, 8, (SIZE, SIZE))).astype(np.uint8)
        yield Case("noise, sigma 8", f"seed {seed}", bell, int(bell.min()), int(bell.max()))


def squares() -> Iterator[Case]:
    """A coloured square, opaque or half so, on transparent pixels of several colours."""
    for high, hidden in itertools.product((255, 128), (0, 255)):
        source = np.full((SIZE, SIZE, 4), (hidden, hidden, hidden, 0), np.uint8)
        source[SIZE // 4 : -SIZE // 4, SIZE // 4 : -SIZE // 4] = (*COLOUR, high)
        kind = "alpha, opaque" if high == 255 else "alpha, half"
        yield Case(kind, f"on hidden {hidden}", source, 0, high)


def cases() -> list[Case]:
    """All inputs."""
    return [*edges(), *drawings(), *textures(), *squares()]


def rise(across: Array, level: Array) -> float:
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


def window_range(source: Array, size: int) -> tuple[Array, Array]:
    """Least and greatest of the size x size pixels around each pixel."""
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(source, size // 2, mode="edge"), (size, size)
    )
    return windows.min((2, 3)).astype(float), windows.max((2, 3)).astype(float)


def measure(resampler: Resampler, case: Case, scale: float) -> dict[str, float]:
    """Figures (see FIGURES) of `case` enlarged by `scale`."""
    height, width = case.source.shape[:2]
    result = resampler(case.source, scale)
    places = [
        np.round((np.arange(round(n * scale)) + 0.5) / scale - 0.5, 9) for n in (height, width)
    ]
    judged = [
        (p > MARGIN - 0.5) & (p < n - MARGIN - 0.5)
        for p, n in zip(places, (height, width), strict=True)
    ]
    rows, cols = (p[keep] for p, keep in zip(places, judged, strict=True))
    inner = result[np.ix_(*judged)].astype(float)
    if case.kind.startswith("alpha"):
        return measure_alpha(inner, case, rows, cols)
    nearest = np.ix_(np.floor(rows + 0.5).astype(int), np.floor(cols + 0.5).astype(int))
    pixel = case.source[nearest].astype(float)
    percent = 100 / abs(case.high - case.low)

    low, high = (bound[nearest] for bound in window_range(case.source, 5))
    beyond = np.maximum(np.maximum(inner - high, low - inner), 0)
    figures = {"overshoot": beyond.max() * percent}
    if case.angle is not None:
        across, along = axes(case.angle, case.offset, rows, cols)
        away = np.abs(across) - case.line / 2
        low, high = (bound[nearest] for bound in window_range(case.source, 3))
        calm = (low == high) & (away > CLEAR) & (away < REACH)
        level = (inner - case.low) / (case.high - case.low)
        figures |= heights(away, along, level) if case.line else {"width": rise(across, level)}
    else:  # flat for 2 pixels, with something within 4
        far = [bound[nearest] for bound in window_range(case.source, 9)]
        calm = (low == high) & (far[0] != far[1])
    if calm.any():
        figures["ringing"] = np.sqrt(np.mean((inner - pixel)[calm] ** 2)) * percent
    if case.kind.startswith(("checkerboard", "noise")):
        plain = case.source[MARGIN:-MARGIN, MARGIN:-MARGIN]
        figures["mean_shift"] = inner.mean() - plain.mean()
        figures["std_ratio"] = inner.std() / plain.std()
    if case.truth is not None:
        error = inner - case.truth[np.ix_(*judged)]
        figures["error"] = np.sqrt(np.mean(error**2)) * percent
    return {name: float(value) for name, value in figures.items()}


def heights(away: Array, along: Array, level: Array) -> dict[str, float]:
    """Lowest and highest of the peaks of stretches of a line, 2 pixels each, in %."""
    near = away < 1
    stretch = np.floor(along[near] / 2).astype(int)
    stretch -= stretch.min()
    peaks = np.full(stretch.max() + 1, -np.inf)
    np.maximum.at(peaks, stretch, level[near])
    # The margin cuts the first and the last stretch.
    return {"peak": 100 * peaks[1:-1].min(), "peak_high": 100 * peaks[1:-1].max()}


def measure_alpha(inner: Array, case: Case, rows: Array, cols: Array) -> dict[str, float]:
    """Figures of the square under alpha; `rows` and `cols` are those of `inner`, pixels."""
    first, last = SIZE // 4 - 0.5, SIZE - SIZE // 4 - 0.5
    depth = np.minimum(
        np.minimum(rows - first, last - rows)[:, None], np.minimum(cols - first, last - cols)
    )
    colour, alpha = inner[..., :3], inner[..., 3]
    change = np.abs(colour - COLOUR).max(-1)
    flank = np.ix_(np.abs(rows - (SIZE - 1) / 2) < 4, cols < SIZE / 2)
    across = np.broadcast_to(cols - first, alpha.shape)[flank]
    figures = {
        "fringe": change[alpha >= VISIBLE].max(),
        "fringe_seen": (change * alpha / 255).max(),
        "alpha_dip": (case.high - alpha[depth > CLEAR]).max().clip(0),
        "alpha_halo": alpha[depth < -CLEAR].max(),
        "alpha_over": (alpha - case.high).max().clip(0),
        "alpha_width": rise(across, alpha[flank] / case.high),
    }
    return {name: float(value) for name, value in figures.items()}


def resamplers(banks: Sequence[str]) -> dict[str, Resampler]:
    """What is compared, by name: each takes an image, (rows, cols[, 4]) uint8, and a scale."""

    def pillow(image: Array, scale: float, *, method: Image.Resampling) -> Array:
        size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
        return np.asarray(Image.fromarray(image).resize(size, method))

    def lerf(image: Array, scale: float, *, bank: lerf_core.LutBank) -> Array:
        axis = -1 if image.ndim == 3 else None
        return lerf_core.rescale(image, scale, bank=bank, channel_axis=axis, threads=1)

    named: dict[str, Resampler] = {"nearest": partial(pillow, method=Image.Resampling.NEAREST)}
    named["PIL cubic"] = partial(pillow, method=Image.Resampling.BICUBIC)
    named["PIL Lanczos"] = partial(pillow, method=Image.Resampling.LANCZOS)
    try:
        import cv2
    except ImportError:
        print("OpenCV is not installed: left out")
    else:

        def opencv(image: Array, scale: float, *, method: int) -> Array:
            size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
            return np.asarray(cv2.resize(image, size, interpolation=method))

        named["cv2 cubic"] = partial(opencv, method=cv2.INTER_CUBIC)
        named["cv2 Lanczos4"] = partial(opencv, method=cv2.INTER_LANCZOS4)
    for bank in banks:
        name = Path(bank).name.removesuffix(".safetensors")
        named[bank if name in named else name] = partial(lerf, bank=lerf_core.load_bank(bank))
    return named


def summary(records: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, dict[str, Any]]]]:
    """Worst, where it is, and mean: by figure, kind of input and resampler."""
    found: dict[tuple[str, str, str], list[tuple[float, str]]] = {}
    for record in records:
        where = f"{record['name']}, x{record['scale']:g}"
        for figure, value in record["figures"].items():
            key = (figure, record["kind"], record["resampler"])
            found.setdefault(key, []).append((value, where))
    result: dict[str, Any] = {figure: {} for figure in FIGURES}
    for (figure, kind, resampler), values in found.items():
        badness = BADNESS.get(figure, abs)
        worst, where = max(values, key=lambda pair: badness(pair[0]))
        mean = float(np.mean([value for value, _ in values]))
        entry = {"worst": worst, "where": where, "mean": mean}
        result[figure].setdefault(kind, {})[resampler] = entry
    return result


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bank", action="append", help="a name or a file; repeatable")
    parser.add_argument(
        "--scale", action="append", type=float, help="repeatable; true drawings: x4"
    )
    parser.add_argument("--report", type=Path, help="write Markdown tables there")
    parser.add_argument("--json", type=Path, help="write all figures there")
    arguments = parser.parse_args()
    named = resamplers(arguments.bank or sorted(lerf_core.available_banks()))
    records = [
        {"kind": case.kind, "name": case.name, "scale": scale, "resampler": name}
        | {"figures": measure(resampler, case, scale)}
        for case in cases()
        for scale in (arguments.scale or SCALES if case.truth is None else [TRUTH])
        for name, resampler in named.items()
    ]
    digest = summary(records)
    lines = ["# Unnatural input", "", "Each cell: worst / mean.", ""]
    for figure, (title, digits) in FIGURES.items():
        print(f"{title}: worst / mean\n{'':30}" + "".join(f"{name:>16}" for name in named))
        lines += [f"## {title}", "", f"| input | {' | '.join(named)} |"]
        lines += ["|---|" + "---:|" * len(named)]
        for kind, by in digest[figure].items():
            cells = [f"{by[n]['worst']:.{digits}f} / {by[n]['mean']:.{digits}f}" for n in named]
            print(f"  {kind:28}" + "".join(f"{cell:>16}" for cell in cells))
            lines.append(f"| {kind} | {' | '.join(cells)} |")
        print()
        lines.append("")
    if arguments.report:
        arguments.report.write_text("\n".join(lines))
    if arguments.json:
        arguments.json.write_text(json.dumps({"summary": digest, "records": records}, indent=1))


if __name__ == "__main__":
    main()
