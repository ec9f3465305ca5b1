"""``--device``: the same files from wherever torch computes."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image

from lerf_cli.batch import tiled
from lerf_core.errors import FileError


@pytest.fixture
def source(tmp_path, rgb):
    Image.fromarray(rgb).save(tmp_path / "in.png")
    return tmp_path / "in.png"


def without_cuda():
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("it is there")


@pytest.mark.parametrize("words", [("resize", "--scale", 1.7), ("warp", "--rotate", 20)])
def test_files_are_the_same(run, tmp_path, source, words):
    pytest.importorskip("torch")
    command, *options = words
    plain, ours = tmp_path / "plain.png", tmp_path / "ours.png"
    run(command, source, "-o", plain, *options)
    run(command, source, "-o", ours, *options, "--device", "cpu")
    assert ours.read_bytes() == plain.read_bytes()


def test_tiles_are_the_same(run, tmp_path, rng):
    pytest.importorskip("torch")
    tifffile.imwrite(tmp_path / "in.tif", rng.integers(0, 256, (90, 110, 3), np.uint8))
    for name, options in (("plain", ()), ("ours", ("--device", "cpu"))):
        run("resize", tmp_path / "in.tif", "-o", tmp_path / f"{name}.tif", "--scale", 2,
            "--tile", 64, *options)  # fmt: skip
    plain, ours = (tifffile.imread(tmp_path / f"{name}.tif") for name in ("plain", "ours"))
    np.testing.assert_array_equal(ours, plain)


def test_what_is_no_device(run, tmp_path, source):
    words = ("resize", source, "-o", tmp_path / "o.png", "--scale", 2, "--device", "toaster")
    assert "'toaster' is no device such as cpu, cuda" in run(*words, code=2).output


def test_a_device_that_is_not_there_is_wrong_usage(run, tmp_path, source):
    without_cuda()
    words = ("resize", source, "-o", tmp_path / "o.png", "--scale", 2, "--device", "cuda")
    assert "torch has no device 'cuda' here" in run(*words, code=2).output
    assert not (tmp_path / "o.png").exists()


def test_workers_of_a_scheduler_have_devices_of_their_own(run, tmp_path, rng, monkeypatch):
    without_cuda()
    tifffile.imwrite(tmp_path / "in.tif", rng.integers(0, 256, (90, 110, 3), np.uint8))

    def asked(options, tell):
        raise FileError(f"{options.scheduler} was asked")

    monkeypatch.setattr(tiled, "connected", asked)
    words = ("resize", tmp_path / "in.tif", "-o", tmp_path / "o.tif", "--scale", 2)
    text = run(*words, "--scheduler", "tcp://there:1", "--device", "cuda", code=1).output
    assert "tcp://there:1 was asked" in text
