"""Make the pictures of README.md and docs/ from the photographs in examples/photos.

Run it as ``python docs/make_pictures.py [--output docs/images]``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from lerf_training.evaluation.shrinking.scenes import block_means, text_page, zone_plate
from PIL import Image, ImageDraw, ImageFont

import lerf_core
from lerf_cli.figures.crop import Crop
from lerf_cli.figures.maps import arrow_figure, ellipse_figure
from lerf_cli.figures.plotting import as_image
from lerf_core import geometry, inspection
from lerf_core.backends import reference
from lerf_core.bank import LOCAL_PLANE
from lerf_core.constants import LEVELS, LOCAL_PLANE_BIAS

ROOT = Path(__file__).resolve().parents[1]
PHOTOS = ROOT / "examples" / "photos"

#: The banks that enlarge side by side.
COMPARED = ("lerf-g", "lerf-p")
#: The banks whose parameters and functions are drawn; files of all but the first are named after
#: them.
INSPECTED = ("lerf-p",)

Pixels = npt.NDArray[Any]
#: A panel is a label and an RGB array.
Panel = tuple[str, Pixels]

GAP, LABEL_HEIGHT, LABEL_SIZE = 8, 26, 16
INK, PAPER = (36, 41, 47), (255, 255, 255)
QUALITY = 90


def photo(name: str) -> Pixels:
    """Return a photograph as an RGB array."""
    with Image.open(PHOTOS / name) as image:
        return np.asarray(image.convert("RGB"))


def crop(pixels: Pixels, left: int, top: int, width: int, height: int) -> Pixels:
    """Return a part of an image."""
    return pixels[top : top + height, left : left + width]


def pillow(pixels: Pixels, size: tuple[int, int], how: Image.Resampling) -> Pixels:
    """Resize by Pillow to (width, height)."""
    return np.asarray(Image.fromarray(pixels).resize(size, how))


def sheet(rows: Sequence[Sequence[Panel]]) -> Image.Image:
    """Lay panels out in rows of equal height, each under its label."""
    font = ImageFont.load_default(LABEL_SIZE)
    width = max(sum(p.shape[1] + GAP for _, p in row) for row in rows) + GAP
    heights = [max(p.shape[0] for _, p in row) + LABEL_HEIGHT + GAP for row in rows]
    canvas = Image.new("RGB", (width, sum(heights) + GAP), PAPER)
    draw = ImageDraw.Draw(canvas)
    y = GAP
    for row, height in zip(rows, heights, strict=True):
        x = GAP
        for label, pixels in row:
            draw.text((x, y + LABEL_HEIGHT // 2), label, fill=INK, font=font, anchor="lm")
            canvas.paste(Image.fromarray(pixels), (x, y + LABEL_HEIGHT))
            x += pixels.shape[1] + GAP
        y += height
    return canvas


def over_checkerboard(rgba: Pixels, light: int = 236, dark: int = 204, side: int = 12) -> Pixels:
    """Lay an RGBA image over a checkerboard."""
    y, x = np.indices(rgba.shape[:2]) // side
    board = np.where((y + x) % 2, dark, light)[..., None].astype(np.float64)
    opacity = rgba[..., 3:] / 255
    return np.rint(rgba[..., :3] * opacity + board * (1 - opacity)).astype(np.uint8)


def opaque(rgb: Pixels) -> Pixels:
    """Return an RGB image with an opaque alpha channel."""
    return np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])


# -- the pictures -----------------------------------------------------------------


def enlargements() -> Image.Image:
    """Show a photograph shrunk to a quarter and enlarged again, by several methods."""
    whole = photo("chelsea.png")[:, :448]
    small = pillow(whole, (whole.shape[1] // 4, whole.shape[0] // 4), Image.Resampling.BICUBIC)
    size = (whole.shape[1], whole.shape[0])
    banks = {name: lerf_core.load_bank(name) for name in COMPARED}
    panels = {
        "nearest neighbour": pillow(small, size, Image.Resampling.NEAREST),
        "Pillow bicubic": pillow(small, size, Image.Resampling.BICUBIC),
        "Pillow Lanczos": pillow(small, size, Image.Resampling.LANCZOS),
        **{name: lerf_core.rescale(small, 4, bank=bank, channel_axis=-1)
           for name, bank in banks.items()},
        "original": whole,
    }  # fmt: skip
    shown = [(name, crop(pixels, 120, 60, 288, 210)) for name, pixels in panels.items()]
    return sheet([shown[:3], shown[3:]])


def warps() -> Image.Image:
    """Show a turn and a change of perspective, surrounded by transparency."""
    source = opaque(photo("coffee.jpg")[::2, ::2])
    turn, fitted = geometry.fit_output(geometry.rotation(20, source.shape[:2]), source.shape[:2])
    corners = geometry.corners(source.shape[:2])
    target = [(70, 10), (300, 40), (330, 240), (5, 190)]
    tilt = geometry.homography_from_points(corners, target)
    turned = lerf_core.warp(source, geometry.invert(turn), output_shape=fitted, channel_axis=-1)
    tilted = lerf_core.warp(
        source, geometry.invert(tilt), output_shape=(fitted[0], 340), channel_axis=-1
    )
    labels = ("turned by 20 degrees, canvas fitted", "corners moved (homography)")
    return sheet(
        [
            [
                (label, over_checkerboard(image))
                for label, image in zip(labels, (turned, tilted), strict=True)
            ]
        ]
    )


def swirl() -> Image.Image:
    """Show a displacement field: a turn that fades with the distance from a point."""
    source = photo("chelsea.png")
    rows, cols = source.shape[:2]
    y, x = np.indices((rows, cols), dtype=np.float64)
    down, right = y - 150.0, x - 240.0
    angle = 2.2 * np.exp(-((np.hypot(down, right) / 95.0) ** 2))
    cos, sin = np.cos(angle), np.sin(angle)
    steps = np.stack([cos * down + sin * right - down, cos * right - sin * down - right])
    warped = lerf_core.warp(source, lerf_core.Displacement(steps), mode="edge", channel_axis=-1)
    return sheet([[("source", source), ("displacement field: a swirl", warped)]])


def sprite() -> Image.Image:
    """Show a small RGBA cut-out enlarged with colours weighted by alpha, and without."""
    side, scale = 48, 6
    eye = pillow(crop(photo("chelsea.png"), 122, 66, 96, 96), (side, side), Image.Resampling.BOX)
    y, x = np.indices((side, side)) - (side - 1) / 2
    inside = np.hypot(x / 0.92, y / 0.92) < side / 2
    # What lies under clear pixels is arbitrary, and often white.
    small = np.dstack([np.where(inside[..., None], eye, 255), inside * 255]).astype(np.uint8)
    panels = []
    for label, alpha in (("weighted by alpha (default)", "premultiply"),
                         ("channels apart: white fringe", "separate")):  # fmt: skip
        large = lerf_core.rescale(small, scale, channel_axis=-1, alpha=alpha)
        panels.append((label, over_checkerboard(large, light=60, dark=40)))
    nearest = lerf_core.rescale(small, scale, channel_axis=-1, method="nearest")
    panels.insert(0, ("source, 48x48", over_checkerboard(nearest, light=60, dark=40)))
    return sheet([panels])


def drawings() -> Image.Image:
    """Show letters, lines and boxes that no camera made, enlarged."""
    image = Image.new("L", (112, 58), 255)
    draw = ImageDraw.Draw(image)
    draw.text((4, 4), "Hamburg 123", 0, font=ImageFont.load_default(14))
    draw.line((4, 30, 106, 50), 0)
    draw.ellipse((60, 30, 80, 50), outline=0)
    draw.rectangle((10, 34, 30, 52), fill=60)
    small, scale = np.asarray(image), 4
    size = (image.width * scale, image.height * scale)
    panels = {
        "source, 112x58": pillow(small, size, Image.Resampling.NEAREST),
        "Pillow Lanczos": pillow(small, size, Image.Resampling.LANCZOS),
        **{name: lerf_core.rescale(small, scale, bank=name) for name in COMPARED},
    }
    shown = [(name, np.dstack([plane] * 3)) for name, plane in panels.items()]
    return sheet([shown[:2], shown[2:]])


def shrinking(side: int = 300, zoom: int = 2) -> Image.Image:
    """Show a zone plate, text and a photograph at half their size; pixels are squares."""
    wave, _ = zone_plate((side, side))
    page = block_means(text_page((side, side)), (side, side))
    sources = {
        "zone plate": grey_levels(0.5 + 0.45 * wave),
        "text": grey_levels(page),
        "photograph": crop(photo("chelsea.png"), 75, 0, side, side),
    }
    shape = (side // 2, side // 2)
    methods = {
        "Pillow Lanczos": lambda image: pillow(image, shape, Image.Resampling.LANCZOS),
        "lerf": lambda image: lerf_core.resize(image, shape, channel_axis=-1),
    }
    return sheet(
        [
            [
                (f"{scene} x0.5, {name}", shrink(image).repeat(zoom, axis=0).repeat(zoom, axis=1))
                for scene, image in sources.items()
            ]
            for name, shrink in methods.items()
        ]
    )


def grey_levels(shares: Pixels) -> Pixels:
    """Return values on 0..1 as an RGB array."""
    levels = np.rint(shares * LEVELS).astype(np.uint8)
    return np.dstack([levels] * 3)


def parameter_maps(bank: lerf_core.LutBank) -> Image.Image:
    """Show what the tables say of each pixel: the parameters of its function, and its plane."""
    grey = np.asarray(Image.fromarray(crop(photo("chelsea.png"), 100, 40, 280, 220)).convert("L"))
    cell_bits = bank.interval.bit_length() - 1
    feature = reference.read_stage(grey, bank, 0, cell_bits)[0].astype(np.uint8)
    maps = reference.read_stage(feature, bank, 1, cell_bits).astype(np.uint8)
    labels = {"rho": "rho: 0 black, 1 white", "sigma_row": "sigma, rows",
              "sigma_col": "sigma, columns", "slope_row": "slope, rows: rising white",
              "slope_col": "slope, columns", "residual": "residual: brighter white"}  # fmt: skip
    panels = [("image (grey)", grey)]
    for name, plane in zip(bank.kind.values, maps, strict=True):
        panels.append((labels[name], contrasted(plane) if name in LOCAL_PLANE else plane))
    shown = [(label, np.dstack([plane] * 3)) for label, plane in panels]
    across = 2 if len(shown) <= 4 else 4
    return sheet([shown[at : at + across] for at in range(0, len(shown), across)])


def contrasted(plane: Pixels, factor: int = 3) -> Pixels:
    """Spread what is signed about the middle, where nearly all of it lies."""
    spread = (plane.astype(np.int32) - LOCAL_PLANE_BIAS) * factor + LOCAL_PLANE_BIAS
    return np.clip(spread, 0, LEVELS).astype(np.uint8)


def window(name: str) -> tuple[inspection.ParameterMaps, Crop]:
    """Return a bank's maps of the cat, and the window on its eye."""
    grey = np.asarray(Image.fromarray(photo("chelsea.png")).convert("L"))
    return lerf_core.parameter_maps(grey, bank=name), Crop(150, 108, 44, 28)


def functions(name: str) -> Image.Image:
    """Show each pixel's function as an ellipse, as `lerf models inspect` draws them."""
    maps, shown = window(name)
    return as_image(ellipse_figure(maps, inspection.ellipses(maps), shown))


def slopes(name: str) -> Image.Image:
    """Show each pixel's slope as an arrow, as `lerf models inspect` draws them."""
    maps, shown = window(name)
    return as_image(arrow_figure(maps, inspection.slopes(maps), shown))


def inspected() -> dict[str, Image.Image]:
    """Show what the banks say of a photograph."""
    pictures = {}
    for number, name in enumerate(INSPECTED):
        bank, ending = lerf_core.load_bank(name), f"-{name}" if number else ""
        pictures[f"parameters{ending}"] = parameter_maps(bank)
        pictures[f"functions{ending}"] = functions(name)
        if bank.kind.has_local_planes:
            pictures[f"slopes{ending}"] = slopes(name)
    return pictures


def main() -> None:
    """Write all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "images")
    options = parser.parse_args()
    pictures = {
        "enlargements": enlargements(),
        "warps": warps(),
        "swirl": swirl(),
        "sprite": sprite(),
        "drawings": drawings(),
        "shrinking": shrinking(),
        **inspected(),
    }
    options.output.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        path = options.output / f"{name}.webp"
        picture.save(path, quality=QUALITY, method=6)
        size = f"{picture.width}x{picture.height}, {path.stat().st_size:,} bytes"
        sys.stdout.write(f"{path}: {size}\n")


if __name__ == "__main__":
    main()
