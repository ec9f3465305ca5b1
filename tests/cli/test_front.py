"""``--front`` of ``lerf resize`` and ``lerf warp``, whole and by tiles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image
from support.banks import write_bank_behind_fronts
from support.cli import run_lerf
from support.front_files import write_front
from support.fronts import ConvolutionFront
from support.ome_zarr import write_ome_zarr

import lerf_core

FRONT = ConvolutionFront(2, colours=True)
HUNGRY = ConvolutionFront(2, hunger=1 << 16, name="hungry")


@pytest.fixture
def front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file that is loaded as a front of the tests."""
    return write_front(tmp_path, monkeypatch, FRONT)


@pytest.fixture
def photo(tmp_path: Path) -> tuple[Path, np.ndarray]:
    path = tmp_path / "photo.png"
    pixels = np.random.default_rng(5).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path, pixels


@pytest.mark.parametrize("words", [("--scale", 3.3), ("--scale", "1.5x2"), ("--scale", 2)])
def test_a_resize_is_that_of_python(
    tmp_path: Path, front: Path, photo: tuple[Path, np.ndarray], words: tuple[object, ...]
) -> None:
    path, pixels = photo
    run_lerf("resize", path, "-o", tmp_path / "o.png", "--front", front, *words)
    scale = (2, 1.5) if words[1] == "1.5x2" else float(str(words[1]))
    ours = lerf_core.rescale(pixels, scale, front=FRONT, channel_axis=-1)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "o.png")), ours)


def test_a_warp_is_that_of_python(
    tmp_path: Path, front: Path, photo: tuple[Path, np.ndarray]
) -> None:
    path, pixels = photo
    run_lerf(
        "warp", path, "-o", tmp_path / "w.png", "--rotate", 12, "--front", front,
        "--kernel", "lanczos3", "--border", "reflect",
    )  # fmt: skip
    inverse = lerf_core.geometry.invert(lerf_core.geometry.rotation(12, (40, 60)))
    warped = lerf_core.warp(
        pixels, inverse, front=FRONT, kernel="lanczos3", channel_axis=-1, mode="reflect"
    )
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "w.png")), warped)


@pytest.mark.parametrize(
    "words",
    [
        ("resize", "--scale", 2.7),
        ("resize", "--scale", "0.6x1.9"),
        ("resize", "--size", "300x300", "--border", "wrap", "--bank", "lerf-g"),
        ("warp", "--rotate", 20, "--fit"),
        ("warp", "--matrix", "2.1 0.2 -9 0 1.8 4 0.0005 0 1", "--border", "symmetric"),
    ],
)
def test_tiles_are_the_whole(tmp_path: Path, front: Path, words: tuple[object, ...]) -> None:
    path = tmp_path / "in.tif"
    pixels = np.random.default_rng(5).integers(0, 65536, (130, 150, 4)).astype(np.uint16)
    pixels[40:60, 30:70, 3] = 0
    tifffile.imwrite(path, pixels, tile=(64, 64), photometric="rgb", extrasamples=["unassalpha"])
    command, *rest = words
    for name, tiles in (("whole", ()), ("tiled", ("--tile", 64))):
        run_lerf(command, path, "-o", tmp_path / f"{name}.tif", "--front", front, *rest, *tiles)
    whole, tiled = (tifffile.imread(tmp_path / f"{name}.tif") for name in ("whole", "tiled"))
    np.testing.assert_array_equal(tiled, whole)
    plain = tmp_path / "plain.tif"
    run_lerf(command, path, "-o", plain, *rest)
    assert (tifffile.imread(plain) != whole).any()


def test_another_front_does_not_resume(
    tmp_path: Path, front: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(path, np.zeros((90, 90), np.uint8), tile=(32, 32))
    run_lerf("resize", path, "-o", out, "--scale", 3, "--tile", 32, "--front", front)
    other = write_front(tmp_path, monkeypatch, ConvolutionFront(2, seed=3, name="other"))
    again = run_lerf(
        "resize", path, "-o", out, "--scale", 3, "--tile", 32, "--front", other, code=1
    )
    assert "exists" in again.output


def test_memory_bounds_what_a_front_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks are cut until front and enlargement fit; what never fits is told."""
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    pixels = np.random.default_rng(5).integers(0, 256, (100, 100)).astype(np.uint8)
    tifffile.imwrite(path, pixels, tile=(64, 64))
    # 64 KiB a pixel: 625 MiB at once.
    hungry = write_front(tmp_path, monkeypatch, HUNGRY)
    seen: list[int] = []
    enlarge = ConvolutionFront._enlarged

    def watched(self: ConvolutionFront, planes: np.ndarray, threads: int) -> np.ndarray:
        seen.append(self.memory_needed(*planes.shape[1:], 1, planes.dtype))
        return enlarge(self, planes, threads)

    monkeypatch.setattr(ConvolutionFront, "_enlarged", watched)
    words = ("resize", path, "-o", out, "--scale", 2, "--front", hungry)
    run_lerf(*words, "--memory", "576M")
    assert len(seen) > 4
    assert 2 * max(seen) < 256 << 20
    expected = lerf_core.rescale(pixels, 2, front=HUNGRY)
    np.testing.assert_array_equal(tifffile.imread(out), expected)
    starving = write_front(
        tmp_path, monkeypatch, ConvolutionFront(2, hunger=1 << 24, name="starving")
    )
    told = run_lerf(
        "resize", path, "-o", tmp_path / "none.tif", "--scale", 2, "--front", starving,
        "--memory", "576M", code=1,
    ).output  # fmt: skip
    assert "front 'starving' takes" in told
    assert "--memory" in told
    assert not (tmp_path / "none.tif").exists()


def test_labels_beside_an_image_go_without(tmp_path: Path, front: Path) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (40, 50)).astype(np.uint8)
    labels = np.zeros((40, 50), np.uint16)
    labels[10:20, 15:30] = 700
    source = tmp_path / "in.zarr"
    write_ome_zarr(source, [pixels], "yx", version="0.4")
    group = zarr.open_group(source, mode="a").create_group("labels")
    group.attrs["labels"] = ["cells"]
    write_ome_zarr(
        source / "labels" / "cells", [labels], "yx", version="0.4", **{"image-label": {}}
    )
    out = tmp_path / "o.zarr"
    run_lerf("resize", source, "-o", out, "--scale", 2, "--front", front)
    result = zarr.open_group(out, mode="r")
    np.testing.assert_array_equal(result["0"][...], lerf_core.rescale(pixels, 2, front=FRONT))
    repeated = labels.repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(result["labels/cells/0"][...], repeated)


def test_labels_are_refused(tmp_path: Path, front: Path) -> None:
    mask = tmp_path / "mask.tif"
    tifffile.imwrite(mask, np.eye(20, dtype=np.uint32))
    for tiles in ((), ("--tile", 64)):
        told = run_lerf(
            "resize", mask, "-o", tmp_path / "o.tif", "--scale", 2, "--front", front, *tiles,
            code=1,
        ).output  # fmt: skip
        assert "a front enlarges intensities, got an image of uint32" in told
        assert not (tmp_path / "o.tif").exists()
    for words in (("--labels", "nearest"), ("--labels",), ("--kernel", "nearest")):
        told = run_lerf(
            "resize", mask, "-o", tmp_path / "o.png", "--scale", 2, "--front", front, *words,
            code=2,
        ).output  # fmt: skip
        assert "--front exclude each other" in told


def test_names_of_outputs(
    tmp_path: Path, photo: tuple[Path, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = photo
    front = write_front(tmp_path, monkeypatch, ConvolutionFront(2, name="x2 = ours"))
    named = tmp_path / "{stem}_{bank}_{front}.png"
    words = ("resize", path, "-o", named, "--scale", 2)
    run_lerf(*words, "--front", front)
    run_lerf(*words, "--front", front, "--kernel", "mitchell")
    assert {found.name for found in tmp_path.glob("photo_*.png")} == {
        "photo_lerf-f_x2__ours.png", "photo_mitchell_x2__ours.png",
    }  # fmt: skip
    assert "{front} goes with --front" in run_lerf(*words, code=2).output


@dataclass(frozen=True, eq=False, repr=False)
class MovableFront(ConvolutionFront):
    """Gives other pixels on another device."""

    def on(self, device: str) -> MovableFront:
        return replace(self, seed=len(device))


def test_a_device(
    tmp_path: Path, photo: tuple[Path, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = photo[1]
    movable = MovableFront(2, name="movable")
    front = write_front(tmp_path, monkeypatch, movable)
    deep = tmp_path / "deep.tif"
    tifffile.imwrite(deep, pixels, tile=(32, 32))
    for device, tiles in (("cuda:1", ()), ("cuda", ("--tile", 32))):
        run_lerf(
            "resize", deep, "-o", tmp_path / "o.tif", "--scale", 3, "--front", front,
            "--front-device", device, "--overwrite", *tiles,
        )  # fmt: skip
        expected = lerf_core.rescale(pixels, 3, front=movable.on(device), channel_axis=-1)
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "o.tif"), expected)


def test_devices_that_do_not_go(
    tmp_path: Path, front: Path, photo: tuple[Path, np.ndarray]
) -> None:
    words = ("resize", photo[0], "-o", tmp_path / "o.png", "--scale", 2)
    on_cpu = ("--front", front, "--front-device", "cpu")
    run_lerf(*words, *on_cpu, "--dry-run")
    for options, message in (
        (("--front-device", "cuda"), "--front-device goes with --front"),
        (("--front", front, "--front-device", "gpu"), "'gpu' is no device such as cpu, cuda"),
        (("--front", front, "--front-device", "cuda:0"), "front 'convolution' runs on the CPU"),
    ):
        assert message in " ".join(run_lerf(*words, *options, code=2).output.split())
    assert not (tmp_path / "o.png").exists()


def test_where_there_is_no_cuda(tmp_path: Path, photo: tuple[Path, np.ndarray]) -> None:
    torch = pytest.importorskip("torch")
    if find_spec("spandrel") is None:  # importing it may need what stands in for torchvision
        pytest.skip("spandrel is not installed")
    if torch.cuda.is_available():
        pytest.skip("there is CUDA")
    from support.networks import network

    torch.save(network("compact").state_dict(), tmp_path / "network.pth")
    told = run_lerf(
        "resize", photo[0], "-o", tmp_path / "o.png", "--scale", 2,
        "--front", tmp_path / "network.pth", "--front-device", "cuda", code=2,
    ).output  # fmt: skip
    assert "'--front-device': front 'network' cannot run on device 'cuda'" in told
    assert not (tmp_path / "o.png").exists()


def test_bad_fronts(tmp_path: Path, photo: tuple[Path, np.ndarray]) -> None:
    path, _ = photo
    (tmp_path / "text.pth").write_text("no network")
    for name in ("none-such", tmp_path / "text.pth", tmp_path, "lerf-p", path):
        told = run_lerf(
            "resize", path, "-o", tmp_path / "o.png", "--scale", 2, "--front", name, code=2
        ).output
        assert "--front" in told
        assert len(told.strip().splitlines()[-1]) < 400
    assert not (tmp_path / "o.png").exists()


def test_where_no_bank_is_named_it_is_the_one_behind_fronts(
    tmp_path: Path,
    front: Path,
    photo: tuple[Path, np.ndarray],
    own_bank_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, pixels = photo
    bank = write_bank_behind_fronts(own_bank_folder, monkeypatch)
    ours = lerf_core.rescale(pixels, 3.3, front=FRONT, bank=bank, channel_axis=-1)
    words = ("resize", path, "--front", front, "--scale", 3.3)
    run_lerf(*words, "-o", tmp_path / "{bank}.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / f"{bank.name}.png")), ours)
    run_lerf(*words, "-o", tmp_path / "tiled.tif", "--tile", 64)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "tiled.tif", level=0), ours)
    lines = {line[2:].split(" ")[0]: line for line in run_lerf("models").output.splitlines()}
    assert (lines["lerf-p"][0], lines["lerf-f"][0], lines["lerf-g"][0]) == ("*", "+", " ")
