"""Whether a layer's file holds the layer's pixels."""

import dask.array as da
import numpy as np
import pytest
import tifffile
from napari.layers import Image, Labels
from PIL import Image as Picture

from lerf_plugins.napari.compute.source_files import checked_source
from lerf_plugins.napari.model.layer_image import LayerImage


def checked(path, data, kind=Image, **state):
    return checked_source(str(path), LayerImage.of(kind(data, **state)))


@pytest.fixture
def grey():
    return np.random.default_rng(1).integers(0, 9, (30, 40)).astype(np.uint8)


def test_the_same_pixels(tmp_path, grey, photo):
    tifffile.imwrite(tmp_path / "g.tif", grey)
    Picture.fromarray(photo).save(tmp_path / "p.png")
    np.save(tmp_path / "m.npy", grey > 4)
    for source in (
        checked(tmp_path / "g.tif", grey),
        checked(tmp_path / "g.tif", grey[None]),
        checked(tmp_path / "g.tif", da.from_array(grey, chunks=16)),
        checked(tmp_path / "g.tif", grey, Labels),
        checked(tmp_path / "p.png", photo, rgb=True),
        checked(tmp_path / "m.npy", grey > 4),
    ):
        assert (source.note, source.levels, source.has_missing) == ("", 1, False)
        assert source.path is not None


def test_planar_colours_and_stacks(tmp_path, photo):
    planes = np.ascontiguousarray(np.moveaxis(photo, -1, 0))
    tifffile.imwrite(tmp_path / "c.tif", planes, photometric="rgb", planarconfig="separate")
    assert checked(tmp_path / "c.tif", photo, rgb=True).path
    # As a stack of three planes napari reads them.
    assert "its colours are axes" in checked(tmp_path / "c.tif", planes).note
    tifffile.imwrite(tmp_path / "s.tif", planes, photometric="minisblack")
    assert checked(tmp_path / "s.tif", planes).path
    other = planes.copy()
    other[-1, 30, 40] += 1
    assert "its pixels are not the layer's" in checked(tmp_path / "s.tif", other).note


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda pixels: pixels[:-1], "its shape is 30x40, the layer's 29x40"),
        (lambda pixels: pixels.astype("u2"), "its pixels are uint8, the layer's uint16"),
        (lambda pixels: pixels + 1, "its pixels are not the layer's"),
        (lambda pixels: da.from_array(pixels + 1), "its pixels are not the layer's"),
    ],
)
def test_other_pixels(tmp_path, grey, change, words):
    tifffile.imwrite(tmp_path / "g.tif", grey)
    source = checked(tmp_path / "g.tif", change(grey))
    assert source.path is None
    assert source.note == f"g.tif: {words}; save the layer as IMAGE.tif"
    colours = checked(tmp_path / "g.tif", np.dstack([grey] * 3), rgb=True)
    assert "it holds no colours" in colours.note


def test_opacity(tmp_path, photo):
    clear = np.dstack([photo, photo[..., :1]])
    for kind, words in (("assocalpha", "multiplied by"), ("unspecified", "is no opacity")):
        tifffile.imwrite(tmp_path / "a.tif", clear, photometric="rgb", extrasamples=[kind])
        assert words in checked(tmp_path / "a.tif", clear, rgb=True).note
    tifffile.imwrite(tmp_path / "a.tif", clear, photometric="rgb", extrasamples=["unassalpha"])
    assert checked(tmp_path / "a.tif", clear, rgb=True).path


def test_files_that_cannot_be_read(tmp_path, grey):
    (tmp_path / "x.czi").write_bytes(b"something else")
    for name in ("x.czi", "none.tif"):
        source = checked(tmp_path / name, grey)
        assert source.path is None
        assert source.note.startswith(f"{name}: ")
        assert "\n" not in source.note
    tifffile.imwrite(tmp_path / "g.tif", grey)

    def fail(block):
        raise KeyError("the store is away")

    broken = da.from_array(grey).map_blocks(fail, dtype=np.uint8)
    image = LayerImage.of(Image(grey))
    source = checked_source(str(tmp_path / "g.tif"), LayerImage((broken,), image.state, image.kind))
    assert "the store is away" in source.note


def test_levels(tmp_path, grey):
    levels = [np.tile(grey, (4, 4)), np.tile(grey, (2, 2)), grey]
    with tifffile.TiffWriter(tmp_path / "p.tif") as file:
        file.write(levels[0], tile=(16, 16), subifds=2)
        for level in levels[1:]:
            file.write(level, tile=(16, 16), subfiletype=1)
    assert checked(tmp_path / "p.tif", levels, multiscale=True).levels == 3
    levels[2] = grey + 1
    assert checked(tmp_path / "p.tif", levels, multiscale=True).levels == 2
