"""Images fitted to sizes: cropped, padded, several of one file, with their density told."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image
from support.files import save_with_metadata
from support.geodata import tags_of, transform_of, write_geotiff
from support.ome_zarr import add_labels, stored_level, write_ome_zarr

import lerf_core
from lerf_cli.batch import tiled, whole
from lerf_core.io.codecs.tiff.masked_reader import MaskedTiffReader
from lerf_core.io.codecs.tiff.reader import TiffReader
from lerf_core.io.reading import read_image
from lerf_core.io.tiles.tiled_reader import TiledReader


@pytest.fixture
def photo(tmp_path):
    """20 rows and 30 columns of noise over a ramp, RGB."""
    rng = np.random.default_rng(3)
    ramp = np.arange(30)[None, :, None] * 7
    pixels = (ramp + rng.integers(0, 40, (20, 30, 3))).astype(np.uint8)
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).save(path)
    return path


def pixels_of(path):
    return read_image(path, 1 << 30).frames[0]


def whole_of(path, shape, **keywords):
    return lerf_core.resize(pixels_of(path), shape, channel_axis=-1, **keywords)


# -- one size ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "size"),
    [
        (("--size", "40x40"), (40, 40)),
        (("--size", "40x40", "--fit", "inside"), (40, 27)),
        (("--size", "40x40", "--fit", "outside"), (60, 40)),
        (("--size", "40x40", "--fit", "cover"), (40, 40)),
        (("--size", "40x40", "--fit", "contain"), (40, 40)),
        (("--size", "40x40", "--fit", "fill"), (40, 40)),
        (("--size", "40x", "--fit", "cover"), (40, 27)),
        (("--size", "40x10", "--fit", "fill", "--no-enlarge"), (30, 10)),
        (("--size", "40x10", "--fit", "fill", "--no-shrink"), (40, 20)),
        (("--size", "40x15", "--fit", "cover", "--no-enlarge"), (30, 15)),
        (("--size", "50x50", "--fit", "contain", "--no-enlarge"), (50, 50)),
        (("--longest", 90), (90, 60)),
        (("--shortest", 90), (135, 90)),
        (("--longest", 90, "--no-enlarge"), (30, 20)),
        (("--megapixels", 0.0024), (60, 40)),
    ],
)
def test_sizes(run, tmp_path, photo, options, size):
    out = tmp_path / "out.png"
    run("resize", photo, "-o", out, *options)
    assert pixels_of(out).shape[:2] == size[::-1]


@pytest.mark.parametrize("gravity", ["north", "southeast", None])
@pytest.mark.parametrize("tiled", [False, True])
def test_a_cover_is_the_crop_of_the_whole(run, tmp_path, photo, gravity, tiled):
    out = tmp_path / ("out.tif" if tiled else "out.png")
    options = [] if gravity is None else ["--gravity", gravity]
    options += ["--tile", 16] if tiled else []
    run("resize", photo, "-o", out, "--size", "50x40", "--fit", "cover", *options)
    top = {"north": 0, "southeast": 0, None: 0}[gravity]
    left = {"north": 5, "southeast": 10, None: 5}[gravity]
    expected = whole_of(photo, (40, 60))[top : top + 40, left : left + 50]
    np.testing.assert_array_equal(pixels_of(out), expected)


def test_orientation_is_applied_before_fitting(run, tmp_path):
    source = tmp_path / "turned.jpg"
    save_with_metadata(source, np.zeros((20, 30, 3), np.uint8))
    run("resize", source, "-o", tmp_path / "out.png", "--size", "40x40", "--fit", "inside")
    assert pixels_of(tmp_path / "out.png").shape == (40, 27, 3)


def test_pipes(run, photo):
    out = run(
        "resize", "-", "-o", "-", "--size", "8x9", "--fit", "cover", stdin=photo.read_bytes()
    ).stdout_bytes
    assert out[:8] == b"\x89PNG\r\n\x1a\n"
    assert out[16:24] == (8).to_bytes(4, "big") + (9).to_bytes(4, "big")


# -- surroundings -----------------------------------------------------------------------

CONTAIN = ("--size", "30x40", "--fit", "contain")


@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize(
    ("name", "background", "expected"),
    [
        ("rgb", None, [0, 0, 0]),
        ("rgb", "#ff8000", [255, 128, 0]),
        ("rgb", "transparent", [0, 0, 0, 0]),
        ("rgba", None, [0, 0, 0, 0]),
        ("rgba", "#ff8000", [255, 128, 0]),
        ("grey", None, 0),
        ("grey", "white", 255),
        ("grey", "#ff8000", [255, 128, 0]),
        ("grey", "transparent", [0, 0]),
        ("deep", "#ff8000", [65535, 128 * 257, 0]),
        ("float", "#ff0080", [1, 0, 128 / 255]),
        ("many", None, [0] * 5),
    ],
)
def test_what_surrounds_images(run, tmp_path, name, background, expected, tiled):
    rng = np.random.default_rng(0)
    shapes = {"grey": (20, 30), "rgba": (20, 30, 4), "many": (20, 30, 5)}
    pixels = rng.integers(60, 200, shapes.get(name, (20, 30, 3))).astype(np.uint8)
    if name == "deep":
        pixels = pixels.astype(np.uint16) * 257
    if name == "float":
        pixels = (pixels / 255).astype(np.float32)
    kind = {"grey": "minisblack", "many": "minisblack"}.get(name, "rgb")
    more = {"extrasamples": ["unassalpha"]} if name == "rgba" else {}
    source = tmp_path / "in.tif"
    tifffile.imwrite(source, pixels, photometric=kind, metadata=None, planarconfig="contig", **more)
    options = [] if background is None else ["--background", background]
    options += ["--tile", 16] if tiled else []
    run("resize", source, "-o", tmp_path / "out.tif", *CONTAIN, *options)
    out = pixels_of(tmp_path / "out.tif")
    assert out.shape[:2] == (40, 30)
    for row in (0, 9, 30, 39):
        np.testing.assert_allclose(out[row, 3], expected, atol=1e-6)
    assert (out[10:30] != np.asarray(expected)).any(axis=-1 if out.ndim == 3 else None).all()


@pytest.mark.parametrize("tiled", [False, True])
def test_missing_values_surround_images_that_have_them(run, tmp_path, tiled):
    pixels = np.linspace(5, 90, 600, dtype=np.float32).reshape(20, 30)
    pixels[:4, :4] = -9999
    source = write_geotiff(tmp_path / "in.tif", pixels, nodata="-9999")
    options = ["--tile", 16] if tiled else []
    run("resize", source, "-o", tmp_path / "out.tif", *CONTAIN, "--range", "0,100", *options)
    out = tifffile.imread(tmp_path / "out.tif")
    assert (out[:10] == -9999).all()
    assert (out[30:] == -9999).all()
    assert (out[10:14, :4] == -9999).all()
    assert (out[14:30] != -9999).all()
    coloured = tmp_path / "coloured.tif"
    white = ("--background", "white", "--range", "0,100")
    run("resize", source, "-o", coloured, *CONTAIN, *white, *options)
    assert (tifffile.imread(coloured)[:10] == 100).all()


@pytest.mark.parametrize("how", ["cover", "contain"])
def test_coordinates_go_with_the_part_that_is_shown(run, tmp_path, how):
    source = write_geotiff(tmp_path / "in.tif", np.zeros((20, 30), np.float32))
    run("resize", source, "-o", tmp_path / "out.tif", "--size", "40x40", "--fit", how)
    before, after = transform_of(source), transform_of(tmp_path / "out.tif")
    scale = 2 if how == "cover" else 4 / 3
    # Centres of image and result lie on each other, as they are cropped and padded alike.
    middle = [t[2] + t[0] * n / 2 for t, n in ((before, 30), (after, 40))]
    assert after[0] == pytest.approx(before[0] / scale)
    assert middle[0] == pytest.approx(middle[1], abs=before[0])
    assert 42113 not in tags_of(tmp_path / "out.tif")


def test_labels_are_fitted_with_their_image(run, tmp_path):
    image = np.full((64, 96), 100, np.uint16)
    source = write_ome_zarr(tmp_path / "in.zarr", [image], "yx")
    add_labels(source, "cells", [np.full((64, 96), 7, np.uint32)], "yx")
    out = tmp_path / "out.zarr"
    run("resize", source, "-o", out, "--size", "96x128", "--fit", "contain", "--background",
        "white")  # fmt: skip
    pixels, labels = stored_level(out)[:], stored_level(out / "labels" / "cells")[:]
    assert pixels.shape == labels.shape == (128, 96)
    assert (pixels[:32] == 65535).all()
    assert (labels[:32] == 0).all()
    assert (labels[32:96] == 7).all()


def test_palettes_are_padded_with_their_colours(run, tmp_path):
    image = Image.fromarray(np.ones((20, 30), np.uint8), "P")
    image.putpalette([255, 255, 255, 10, 20, 30])
    image.save(tmp_path / "in.png")
    options = (*CONTAIN, "--labels", "--background")
    run("resize", tmp_path / "in.png", "-o", tmp_path / "out.png", *options, "white")
    with Image.open(tmp_path / "out.png") as made:
        assert (np.asarray(made)[:10] == 0).all()
    told = run("resize", tmp_path / "in.png", "-o", tmp_path / "no.png", *options, "red", code=1)
    assert "is not in the palette" in told.output


# -- several sizes ----------------------------------------------------------------------


def test_several_sizes_decode_a_file_once(run, tmp_path, photo, monkeypatch):
    reads = []

    def counted(*arguments, **keywords):
        reads.append(arguments)
        return read_image(*arguments, **keywords)

    monkeypatch.setattr(whole, "read_image", counted)
    other = tmp_path / "other.png"
    other.write_bytes(photo.read_bytes())
    pattern = str(tmp_path / "out" / "{stem}_{width}.{ext}")
    sizes = [word for width in (12, 24, 48) for word in ("--size", f"{width}x")]
    told = run("resize", photo, other, "-o", pattern, *sizes)
    assert told.output.splitlines()[-1] == "6 done, 0 skipped, 0 failed"
    assert len(reads) == 2
    for width in (12, 24, 48):
        made = tmp_path / "out" / f"photo_{width}.png"
        expected = whole_of(photo, (round(width * 2 / 3), width))
        np.testing.assert_array_equal(pixels_of(made), expected)


@pytest.mark.parametrize("holds_all", [True, False])
@pytest.mark.parametrize("masked", [False, True])
def test_several_sizes_decode_tiles_once(run, tmp_path, monkeypatch, holds_all, masked):
    """Where half of the memory holds all of them; results are those of a run for each."""
    pixels = np.random.default_rng(4).integers(0, 256, (300, 500, 3), dtype=np.uint8)
    source, options = tmp_path / "in.tif", {"tile": (64, 64), "compression": "zlib"}
    with tifffile.TiffWriter(source) as writer:
        writer.write(pixels, photometric="rgb", **options)
        if masked:
            mask = np.ones((300, 500), bool)
            writer.write(mask, photometric="mask", subfiletype=4, **options)
    decoded = []
    read_chunk = TiffReader._read_chunk

    def counted(reader, position):
        decoded.append((id(reader), position))
        return read_chunk(reader, position)

    monkeypatch.setattr(TiffReader, "_read_chunk", counted)
    if not holds_all:
        monkeypatch.setattr(TiledReader, "bytes_to_keep_all", 1 << 40)
        monkeypatch.setattr(MaskedTiffReader, "bytes_to_keep_all", 1 << 40)
        monkeypatch.setattr(tiled, "_MOST_CACHE_BYTES", 64 * 64 * 3 * 8)
    widths, pattern = (50, 125, 600), f"{tmp_path}/{{stem}}_{{width}}.tif"
    sizes = [word for width in widths for word in ("--size", f"{width}x")]
    told = run("resize", source, "-o", pattern, *sizes, "--tile", 32)
    assert told.output.splitlines()[-1] == "3 done, 0 skipped, 0 failed"
    tiles = 40 * (1 + masked)
    assert len(decoded) == tiles if holds_all else len(decoded) >= 3 * tiles
    monkeypatch.undo()
    for width in widths:
        run("resize", source, "-o", tmp_path / "alone.tif", "--size", f"{width}x", "--tile", 32,
            "--overwrite")  # fmt: skip
        alone = (tmp_path / "alone.tif").read_bytes()
        assert (tmp_path / f"in_{width}.tif").read_bytes() == alone


def test_a_size_that_fails_leaves_the_others(run, tmp_path):
    source = tmp_path / "in.tif"
    pixels = np.zeros((90, 90), np.uint8)
    tifffile.imwrite(source, pixels, tile=(32, 32), compression="zlib", photometric="minisblack")
    (tmp_path / "in_20.tif").write_bytes(b"there")
    sizes = ("--size", "10x", "--size", "20x", "--size", "30x")
    pattern = f"{tmp_path}/{{stem}}_{{width}}.tif"
    told = run("resize", source, "-o", pattern, *sizes, "--tile", 16, code=1)
    assert told.stderr.splitlines()[-1] == "2 done, 0 skipped, 1 failed"
    assert pixels_of(tmp_path / "in_30.tif").shape == (30, 30)
    assert (tmp_path / "in_20.tif").read_bytes() == b"there"


def test_sizes_that_come_out_the_same_are_written_once(run, tmp_path, photo):
    sizes = ("--longest", 20, "--longest", 90, "--longest", 500, "--no-enlarge")
    run("resize", photo, "-o", f"{tmp_path}/out/", "--suffix", "-{width}", *sizes)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["photo-20.png", "photo-30.png"]


def test_what_a_file_has_to_tell_is_told_once(run, tmp_path):
    pixels = np.zeros((8, 8), np.uint8)
    Image.fromarray(pixels, "P").save(tmp_path / "in.png")
    told = run("resize", tmp_path / "in.png", "-o", f"{tmp_path}/out/", "--suffix", "_{width}",
               "--scale", 2, "--scale", 3)  # fmt: skip
    assert told.output.count("palette") == 1
    (tmp_path / "bad.png").write_bytes(b"no image")
    told = run("resize", tmp_path / "bad.png", "-o", f"{tmp_path}/{{stem}}_{{bank}}.png",
               "--scale", 2, code=1)  # fmt: skip
    assert told.output.count("not an image") == 1


def test_one_name_for_several_sizes_is_refused(run, tmp_path, photo):
    sizes = ("--size", "10x", "--size", "20x")
    for output in (f"{tmp_path}/out/", f"{tmp_path}/{{stem}}_x.png"):
        told = run("resize", photo, "-o", output, *sizes, code=2)
        assert "more than one size" in told.output
    for output in (tmp_path / "out.png", "-"):
        assert "is one output" in run("resize", photo, "-o", output, *sizes, code=2).output
    assert list(tmp_path.iterdir()) == [photo]


def test_suffixes(run, tmp_path, photo):
    run("resize", photo, "-o", f"{tmp_path}/", "--suffix", "_small", "--scale", 0.5)
    assert (tmp_path / "photo_small.png").exists()
    for suffix, words in (("_{wide}", "no such field"), ("/x", "may not name folders")):
        told = run("resize", photo, "-o", f"{tmp_path}/", "--suffix", suffix, "--scale", 2, code=2)
        assert words in told.output


# -- density ----------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp", ".bmp"])
def test_density_is_told(run, tmp_path, suffix):
    source = tmp_path / "in.jpg"
    save_with_metadata(source, np.zeros((20, 30, 3), np.uint8))
    out = tmp_path / f"out{suffix}"
    told = run("resize", source, "-o", out, "--scale", 2, "--density", "240x120")
    assert "resolution" not in told.output
    stated = read_image(out, 1 << 20).metadata.dpi
    assert stated == pytest.approx((240, 120), rel=1e-3)


def test_density_does_not_contradict_the_size_of_pixels(run, tmp_path):
    sizes = {"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    tifffile.imwrite(tmp_path / "in.ome.tif", np.zeros((40, 40), np.uint8), metadata=sizes)
    told = run("resize", tmp_path / "in.ome.tif", "-o", tmp_path / "out.ome.tif", "--scale", 2,
               "--density", 300)  # fmt: skip
    assert "--density left out" in told.output


def test_density_that_a_format_cannot_hold(run, tmp_path, photo):
    told = run("resize", photo, "-o", tmp_path / "out.ppm", "--scale", 2, "--density", 300)
    assert "cannot hold resolution" in told.output


# -- what is refused --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "give exactly one of --scale, --size"),
        (("--size", "5x5", "--longest", 4), "got --size, --longest"),
        (("--size", "0x5"), "sides are at least 1"),
        (("--size", "x"), "is not a size"),
        (("--size", "-5x5"), "is not a size"),
        (("--size", "5x", "--fit", "fill"), "both sides"),
        (("--longest", 0), "not in the range"),
        (("--megapixels", "-1"), "is not a number of megapixels"),
        (("--megapixels", "nan"), "is not a number of megapixels"),
        (("--longest", 5, "--fit", "cover"), "--fit goes with --size"),
        (("--size", "5x5", "--gravity", "north"), "--gravity goes with"),
        (("--size", "5x5", "--background", "transparent"), "goes with --fit contain"),
        (("--scale", 2, "--no-shrink"), "not with --scale"),
        (("--size", "5x5", "--no-enlarge", "--no-shrink"), "exclude each other"),
        (("--scale", 2, "--density", 0), "is not a density"),
        (("--scale", 2, "--suffix", "_a"), "--suffix goes with an output folder"),
    ],
)
def test_wrong_usage(run, tmp_path, photo, options, words):
    told = run("resize", photo, "-o", tmp_path / "out.png", *options, code=2)
    assert words in told.output
    assert len(told.output.splitlines()[-1]) > 10
    assert not (tmp_path / "out.png").exists()


def test_sizes_too_large_are_errors_of_the_file(run, tmp_path, photo):
    for options in (("--size", "2147483647x", "--fit", "outside"), ("--size", "9999999999x2")):
        told = run("resize", photo, "-o", tmp_path / "out.png", *options, code=1)
        assert len(told.output.splitlines()) == 2
