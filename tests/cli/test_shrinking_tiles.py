"""Images that shrink are the same in one piece and by small tiles, whatever their pixels are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from support.geodata import write_geotiff

import lerf_core.tiled.blocks

SHAPE = (131, 165)


def smooth(channels: int = 1) -> np.ndarray:
    """Return waves of 0..1, of wavelengths that grow from 2 pixels on, with some noise."""
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
    rng = np.random.default_rng(3)
    planes = [
        0.5 + 0.45 * np.sin(rows**2 / (90.0 + 40 * number) + cols**2 / (110.0 - 20 * number))
        for number in range(channels)
    ]
    image = np.stack(planes, axis=-1) + rng.normal(0, 0.02, (*SHAPE, channels))
    return np.clip(image, 0, 1).squeeze()


def holes() -> np.ndarray:
    """Return where pixels are missing: a disc, a strip at the border, and single ones."""
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
    disc = (rows - 66) ** 2 + (cols - 82) ** 2 < 33**2
    lone = np.random.default_rng(4).random(SHAPE) < 0.02
    return disc | lone | (cols < 7)


def write_uint16(path: Path) -> list[str]:
    tifffile.imwrite(path, (smooth() * 65535).astype(np.uint16), tile=(64, 64))
    return []


def write_float32(path: Path) -> list[str]:
    values = (smooth() * 700 - 100).astype(np.float32)
    values[holes()] = np.nan
    tifffile.imwrite(path, values, tile=(64, 64))
    return ["--range", "-100,600"]


def write_rgb(path: Path) -> list[str]:
    pixels = (smooth(3) * 255).astype(np.uint8)
    tifffile.imwrite(path, pixels, photometric="rgb", rowsperstrip=20, compression="deflate")
    return []


def write_linear(path: Path) -> list[str]:
    return [*write_rgb(path), "--linear"]


def write_rgba(path: Path) -> list[str]:
    pixels = (smooth(4) * 255).astype(np.uint8)
    pixels[..., 3] = np.where(holes(), 0, np.maximum(pixels[..., 3], 200))
    pixels[83:, 110:, 3] = 255
    tifffile.imwrite(path, pixels, photometric="rgb", extrasamples=["unassalpha"], tile=(64, 64))
    return []


def write_rgba_floats(path: Path) -> list[str]:
    pixels = smooth(4).astype(np.float32)
    pixels[..., 3] = np.where(holes(), 0, 1)
    pixels[holes(), 0] = np.nan
    tifffile.imwrite(path, pixels, photometric="rgb", extrasamples=["unassalpha"], tile=(64, 64))
    return ["--linear"]


def write_nodata(path: Path) -> list[str]:
    values = (smooth() * 3000).astype(np.int16)
    values[holes()] = -9999
    write_geotiff(path, values, nodata="-9999", tile=(64, 64))
    return []


def write_labels(path: Path) -> list[str]:
    values = (smooth() * 9).astype(np.int32)
    values[holes()] = 70_000
    tifffile.imwrite(path, values, tile=(64, 64))
    return []


IMAGES: dict[str, Callable[[Path], list[str]]] = {
    "uint16": write_uint16, "float32": write_float32, "rgb": write_rgb, "linear": write_linear,
    "rgba": write_rgba, "rgba floats": write_rgba_floats, "nodata": write_nodata,
}  # fmt: skip
METHODS = {
    "default": [], "lanczos3": ["--kernel", "lanczos3"], "area": ["--kernel", "area"],
    "cubic": ["--kernel", "cubic", "--border", "reflect"],
    "constant": ["--kernel", "lanczos2", "--border", "constant", "--cval", "1"],
    "tables": ["--bank", "analytic"],
}  # fmt: skip


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let blocks be single tiles, so that many of them meet."""
    monkeypatch.setattr(lerf_core.tiled.blocks, "_MOST_SIDE", 16)


def assert_tiles_agree(run, folder: Path, words: list[str], scale: str) -> np.ndarray:
    """Resize in one piece and by tiles; return the result."""
    source = folder / "in.tif"
    results = []
    for name, tiles in (("whole", []), ("tiled", ["--tile", "16", "--pyramid", "1"])):
        out = folder / f"{name}.tif"
        run("resize", source, "-o", out, "--scale", scale, *words, *tiles)
        results.append(tifffile.imread(out))
    whole, tiled = results
    assert whole.dtype == tiled.dtype
    np.testing.assert_array_equal(whole, tiled)
    return whole


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("image", IMAGES)
def test_tiles_are_what_they_are_in_the_whole(run, tmp_path, image, method):
    words = IMAGES[image](tmp_path / "in.tif")
    result = assert_tiles_agree(run, tmp_path, words + METHODS[method], "0.37")
    source = tifffile.imread(tmp_path / "in.tif")
    assert result.dtype == source.dtype
    assert result.shape[:2] == (49, 62)
    if image in {"float32", "nodata"}:
        # What is missing stays about as large: 33 pixels' radius and a strip.
        missing = np.isnan(result) if image == "float32" else result == -9999
        assert 0.15 < missing.mean() < 0.3


@pytest.mark.parametrize("scale", ["0.37", "0.9x0.21", "0.05", "1.4x0.4"])
@pytest.mark.parametrize("words", [["--labels"], ["--labels", "majority"],
                                   ["--labels", "majority", "--nodata", "70000"]])  # fmt: skip
def test_labels(run, tmp_path, words, scale):
    write_labels(tmp_path / "in.tif")
    result = assert_tiles_agree(run, tmp_path, words, scale)
    assert set(np.unique(result)) <= set(np.unique(tifffile.imread(tmp_path / "in.tif")))


@pytest.mark.parametrize("scale", ["0.9x0.21", "0.05", "1.4x0.4", "0.999"])
@pytest.mark.parametrize("method", ["default", "lanczos3", "area"])
def test_other_scales(run, tmp_path, method, scale):
    words = write_rgba(tmp_path / "in.tif")
    assert_tiles_agree(run, tmp_path, words + METHODS[method], scale)
