"""Outputs and inputs that others write meanwhile, and names that a disk takes for one."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from lerf_cli.batch import discovery, tiled, whole


@pytest.fixture
def source(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (100, 120), np.uint8)
    tifffile.imwrite(tmp_path / "in.tif", image, tile=(64, 64))
    return tmp_path / "in.tif"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def writes_meanwhile(monkeypatch, path, *, by_tiles):
    """Let another run finish first."""
    module, name = (tiled, "_run") if by_tiles else (whole, "_write")
    function = getattr(module, name)

    def later(*words, **options):
        path.write_bytes(b"theirs")
        return function(*words, **options)

    monkeypatch.setattr(module, name, later)


@pytest.mark.parametrize("by_tiles", [False, True])
def test_what_came_meanwhile_is_not_replaced(run, tmp_path, source, monkeypatch, by_tiles):
    out = tmp_path / "o.tif"
    words = ("resize", source, "-o", out, "--scale", 2, *(("--tile", 64) if by_tiles else ()))
    with monkeypatch.context() as patch:
        writes_meanwhile(patch, out, by_tiles=by_tiles)
        text = run(*words, code=1).stderr
        assert f"{out} exists, and did not when this began" in text
        assert out.read_bytes() == b"theirs"
        for path in tmp_path.glob("*o.tif*"):
            path.unlink()
        text = run(*words, "--skip-existing", "-v").stderr
        assert "0 done, 1 skipped, 0 failed" in text
        assert f"skipped, {out} exists now" in text
        assert out.read_bytes() == b"theirs"
        assert names(tmp_path) == ["in.tif", "o.tif"]
        assert "1 done" in run(*words, "--overwrite").stderr
    assert tifffile.imread(out).shape == (200, 240)


@pytest.mark.parametrize("by_tiles", [False, True])
def test_an_input_that_is_written_meanwhile(run, tmp_path, source, monkeypatch, by_tiles):
    out = tmp_path / "o.tif"
    words = ("resize", source, "-o", out, "--scale", 2, *(("--tile", 64) if by_tiles else ()))
    other = 255 - tifffile.imread(source)
    if by_tiles:
        function = tiled._run

        def later(*words, **options):
            tifffile.imwrite(source, other, tile=(64, 64))
            return function(*words, **options)

        monkeypatch.setattr(tiled, "_run", later)
    else:
        from lerf_core.io.codecs.tiff.codec import TiffCodec

        read = TiffCodec.read

        def slowly(self, file, *words, **options):
            image = read(self, file, *words, **options)
            tifffile.imwrite(source, other, tile=(64, 64))
            return image

        monkeypatch.setattr(TiffCodec, "read", slowly)
    text = run(*words, code=1).stderr
    assert "1 failed" in text
    assert "was changed while it was read" in text
    assert "--resume" not in text
    assert names(tmp_path) == ["in.tif"]


def test_names_that_a_disk_takes_for_one(run, tmp_path, monkeypatch):
    for name in ("a.png", "A.png"):
        Image.new("L", (4, 3)).save(tmp_path / name)
    if len(names(tmp_path)) == 1:
        pytest.skip("this disk takes them for one")
    words = ("resize", tmp_path / "a.png", tmp_path / "A.png", "-o", f"{tmp_path}/o/", "--scale", 2)
    with monkeypatch.context() as patch:
        patch.setattr(discovery, "_takes_for_one", lambda path, other: True)
        text = run(*words, code=2).output
        assert "are one file where they lie" in text
        assert not (tmp_path / "o").exists()
    run(*words)
    assert names(tmp_path / "o") == ["A.png", "a.png"]
    assert not discovery._takes_for_one(tmp_path / "o" / "x" / "B", tmp_path / "o" / "x" / "b")
    assert discovery._takes_for_one(tmp_path / "o" / "B", tmp_path / "o" / "B")
    assert names(tmp_path / "o") == ["A.png", "a.png"]
