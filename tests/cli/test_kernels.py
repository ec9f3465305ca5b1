"""``--kernel`` of ``lerf resize`` and ``lerf warp``."""

from __future__ import annotations

import importlib.resources
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from support.cli import run_lerf

import lerf_core


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    pixels = np.random.default_rng(5).integers(0, 256, (40, 60, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path, pixels


@pytest.mark.parametrize("kernel", ["lanczos3", "bicubic", "cubic:b=0.2,c=0.4", "area", "nearest"])
def test_results_are_those_of_python(tmp_path, photo, kernel):
    path, pixels = photo
    run_lerf("resize", path, "-o", tmp_path / "o.png", "--size", "31x", "--kernel", kernel)
    ours = lerf_core.resize(pixels, (21, 31), kernel=kernel, channel_axis=-1)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "o.png")), ours)
    run_lerf("warp", path, "-o", tmp_path / "w.png", "--rotate", 12, "--kernel", kernel,
             "--border", "reflect")  # fmt: skip
    inverse = lerf_core.geometry.invert(lerf_core.geometry.rotation(12, (40, 60)))
    warped = lerf_core.warp(pixels, inverse, kernel=kernel, channel_axis=-1, mode="reflect")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "w.png")), warped)


@pytest.mark.parametrize(
    "words", [("--scale", 0.4), ("--scale", "1.7x0.6"), ("--linear", "--size", "50x")]
)
@pytest.mark.parametrize("kernel", ["lanczos3", "magic-kernel-sharp-2021"])
def test_tiles_are_the_whole(tmp_path, kernel, words):
    rng = np.random.default_rng(5)
    path = tmp_path / "in.tif"
    pixels = rng.integers(0, 65536, (150, 170, 4), np.uint16)
    tifffile.imwrite(path, pixels, tile=(64, 64), photometric="rgb", extrasamples=["unassalpha"])
    for name, tiles in (("whole", ()), ("tiled", ("--tile", 32))):
        run_lerf("resize", path, "-o", tmp_path / f"{name}.tif", "--kernel", kernel, *words, *tiles)
    whole, tiled = (tifffile.imread(tmp_path / f"{name}.tif") for name in ("whole", "tiled"))
    np.testing.assert_array_equal(tiled, whole)


def test_an_interrupted_run_by_another_kernel_is_not_resumed(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(path, np.zeros((90, 90), np.uint8), tile=(32, 32))
    run_lerf("resize", path, "-o", out, "--scale", 0.5, "--tile", 32, "--kernel", "cubic")
    again = run_lerf(
        "resize", path, "-o", out, "--scale", 0.5, "--tile", 32, "--kernel", "area", code=1
    )
    assert "exists" in again.output


def test_a_learned_kernel_may_be_a_file(tmp_path, photo):
    kernel = lerf_core.get_kernel("lerf-s")
    data = importlib.resources.files("lerf_core")
    file = next(path for path in Path(str(data)).rglob("*.json") if path.stem == kernel.name)
    copy = tmp_path / "mine.json"
    copy.write_bytes(file.read_bytes())
    for name, asked in (("a", "lerf-s"), ("b", copy)):
        run_lerf(
            "resize", photo[0], "-o", tmp_path / f"{name}.png", "--scale", 0.5, "--kernel", asked
        )
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_names_of_outputs(tmp_path, photo):
    path, _ = photo
    for kernel in ("mitchell", "cubic:b=0.2,c=0.4"):
        for field in ("bank", "kernel"):
            run_lerf("resize", path, "-o", tmp_path / "out" / f"{field}_{{{field}}}.png",
                     "--scale", 0.5, "--kernel", kernel)  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "bank_cubic_b0.2_c0.4.png", "bank_mitchell.png",
        "kernel_cubic_b0.2_c0.4.png", "kernel_mitchell.png",
    ]  # fmt: skip
    result = run_lerf("resize", path, "-o", tmp_path / "{kernel}.png", "--scale", 2, code=2)
    assert "{kernel} goes with --kernel" in result.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--kernel", "cubic", "--bank", "lerf-p"), "--bank and --kernel exclude each other"),
        (("--kernel", "cubic", "--fast"), "--fast and --kernel exclude each other"),
        (("--kernel", "cubic", "--labels"), "--labels and --kernel exclude each other"),
        (("--kernel", "nearest", "--linear"), "--kernel nearest and --linear exclude each other"),
        (("--kernel", "bicubik"), "kernel must be one of nearest, box"),
        (("--kernel", "mitchell:b=1"), "only the kernel cubic has parameters"),
        (("--kernel", "cubic:b=x"), "parameters of the kernel cubic are b and c"),
    ],
)
def test_wrong_usage_is_told_in_a_line(tmp_path, photo, words, message):
    result = run_lerf("resize", photo[0], "-o", tmp_path / "o.png", "--scale", 2, *words, code=2)
    assert message in result.output.splitlines()[-1]
    assert not (tmp_path / "o.png").exists()


def test_floats_of_another_scale_need_no_note(tmp_path):
    path = tmp_path / "heights.tif"
    heights = np.random.default_rng(5).uniform(100, 900, (40, 40)).astype(np.float32)
    tifffile.imwrite(path, heights)
    result = run_lerf("resize", path, "-o", tmp_path / "o.tif", "--scale", 0.5, "--kernel", "area")
    assert "--range" not in result.output
    means = heights.reshape(20, 2, 20, 2).mean((1, 3))
    np.testing.assert_allclose(tifffile.imread(tmp_path / "o.tif"), means, rtol=1e-6)


def test_palettes_and_bits(tmp_path):
    image = Image.fromarray(np.random.default_rng(5).integers(0, 4, (30, 30), np.uint8), "P")
    image.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0, 0, 0, 200])
    image.save(tmp_path / "p.png")
    run_lerf(
        "resize", tmp_path / "p.png", "-o", tmp_path / "o.png", "--scale", 0.5, "--kernel", "area"
    )
    colours = np.asarray(image.convert("RGB"))
    expected = lerf_core.rescale(colours, 0.5, kernel="area", channel_axis=-1)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "o.png")), expected)
