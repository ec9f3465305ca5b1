"""Draw where two banks differ, in the parts of photographs that a rule chooses.

    python docs/make_differences.py lerf-g lerf-p [--scale 4] [--photo FILE ...]
        [--output docs/images/differences.webp]

Each photograph is made small as benchmarks make their inputs, and enlarged by both banks. Of all
windows of `--side` pixels, those are shown in which the second bank gains most over the first, and
in which it loses most (or gains least, where it loses nowhere): nothing is picked by hand. The maps
have the difference of the absolute errors: blue where the second bank is nearer to the photograph,
red where the first is.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from lerf_training.data.degradation import crop_to_scale, degrade_image
from lerf_training.data.image_files import read_rgb
from make_pictures import PHOTOS, QUALITY, ROOT, Panel, Pixels, sheet
from PIL import Image

import lerf_core
from lerf_core.errors import LerfError

Floats = npt.NDArray[np.float64]

# Borders are treated in ways of their own; windows keep away from them by so many source pixels.
FRAME = 2
ZOOM = 3
# Levels of difference that have the ends' colours.
REACH = 24.0
NEARER, FARTHER = np.array([33.0, 102.0, 172.0]), np.array([178.0, 24.0, 43.0])
LEAST_SIDE = 8


@dataclass(frozen=True)
class Comparison:
    """A photograph, (rows, cols, 3), and what the two banks make of it made small."""

    high: Pixels
    first: Pixels
    second: Pixels

    @classmethod
    def of(cls, photo: Pixels, scale: float, banks: tuple[str, str]) -> Comparison:
        """Make a photograph small, and enlarge it again by both banks."""
        high = crop_to_scale(photo, (scale, scale))
        low = degrade_image(high, (scale, scale))
        made = (lerf_core.rescale(low, scale, bank=bank, channel_axis=-1) for bank in banks)
        return cls(high, *made)

    def squared_errors(self) -> tuple[Floats, Floats]:
        """Mean over the channels, (rows, cols), of each bank."""
        return tuple(
            np.square(self.high.astype(np.float64) - made).mean(axis=-1)
            for made in (self.first, self.second)
        )

    def nearer(self) -> Floats:
        """By how many levels the second bank is nearer, (rows, cols)."""
        high = self.high.astype(np.float64)
        return (np.abs(high - self.first) - np.abs(high - self.second)).mean(axis=-1)


def window_sums(values: Floats, side: int) -> Floats:
    """Sums over all windows of side x side, by their top left corners."""
    sums = np.pad(values.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    return sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]


def chosen_windows(comparison: Comparison, side: int, frame: int) -> dict[str, tuple[slice, slice]]:
    """Rows and columns where the second bank gains and loses most, by words for each."""
    before, after = comparison.squared_errors()
    gain = window_sums(before - after, side)
    inside = gain[frame : gain.shape[0] - frame, frame : gain.shape[1] - frame]
    if not inside.size:
        raise ValueError(
            f"no window of {side} pixels lies inside a photograph: give another --side"
        )
    words = "greatest loss" if inside.min() < 0 else "least gain"
    chosen = {}
    for name, place in (("greatest gain", inside.argmax()), (words, inside.argmin())):
        top, left = (int(index) + frame for index in np.unravel_index(int(place), inside.shape))
        chosen[name] = (slice(top, top + side), slice(left, left + side))
    return chosen


def decibels(squared_errors: Floats) -> float:
    """PSNR of RGB."""
    error = float(squared_errors.mean())
    return 10 * math.log10(255**2 / error) if error else math.inf


def coloured(nearer: Floats) -> Pixels:
    """White where both are as near; blue and red by levels."""
    share = np.clip(nearer / REACH, -1, 1)[..., None]
    colour = np.where(share > 0, NEARER, FARTHER)
    return np.rint(255 + np.abs(share) * (colour - 255)).astype(np.uint8)


def enlarged(pixels: Pixels) -> Pixels:
    """Pixels as squares."""
    return pixels.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)


def rows_of(
    name: str, comparison: Comparison, banks: tuple[str, str], side: int, frame: int
) -> Iterator[list[Panel]]:
    """A row of panels for each window of a photograph."""
    errors = comparison.squared_errors()
    for words, window in chosen_windows(comparison, side, frame).items():
        figures = [f"{decibels(error[window]):.2f} dB" for error in errors]
        left, top = window[1].start, window[0].start
        sys.stdout.write(
            f"{name}, {words}, {side}x{side} at ({left}, {top}): "
            f"{banks[0]} {figures[0]}, {banks[1]} {figures[1]}\n"
        )
        images = (comparison.first, comparison.second)
        yield [
            (f"{name}: {words}", enlarged(comparison.high[window])),
            *(
                (f"{bank}, {figure}", enlarged(image[window]))
                for bank, figure, image in zip(banks, figures, images, strict=True)
            ),
            (f"blue: {banks[1]} nearer", enlarged(coloured(comparison.nearer()[window]))),
        ]


def differences(
    photos: list[Path], banks: tuple[str, str], names: tuple[str, str], scale: float, side: int
) -> Image.Image:
    """Draw all photographs; `names` are what the banks are called."""
    rows = []
    for path in photos:
        comparison = Comparison.of(read_rgb(path), scale, banks)
        gain = np.diff([decibels(error) for error in comparison.squared_errors()])[0]
        sys.stdout.write(f"{path.name}, x{scale:g}, whole: {gain:+.2f} dB\n")
        rows += rows_of(path.stem, comparison, names, side, math.ceil(FRAME * scale))
    return sheet(rows)


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("banks", nargs=2, metavar="BANK", help="a name or a file")
    parser.add_argument("--scale", type=float, default=4.0)
    parser.add_argument("--side", type=int, default=72, help="of the windows, in pixels")
    parser.add_argument("--photo", type=Path, nargs="+", help="default: those of examples/photos")
    parser.add_argument(
        "--output", type=Path, default=ROOT / "docs" / "images" / "differences.webp"
    )
    options = parser.parse_args()
    if options.scale <= 1:
        parser.error("--scale is above 1")
    if options.side < LEAST_SIDE:
        parser.error(f"--side is {LEAST_SIDE} at least")
    photos = options.photo or sorted(
        path for path in PHOTOS.iterdir() if path.suffix in {".png", ".jpg"}
    )
    first, second = (Path(bank).name.removesuffix(".safetensors") for bank in options.banks)
    names = (first, second) if first != second else tuple(options.banks)
    try:
        picture = differences(photos, tuple(options.banks), names, options.scale, options.side)
    except (LerfError, ValueError, OSError) as error:
        parser.error(str(error))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    picture.save(options.output, quality=QUALITY, method=6)
    size = f"{picture.width}x{picture.height}, {options.output.stat().st_size:,} bytes"
    sys.stdout.write(f"{options.output}: {size}\n")


if __name__ == "__main__":
    main()
