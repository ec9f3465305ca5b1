"""Internal masks of TIFFs: resampled as masks, and written as masks again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from support.geodata import text_tag, write_geotiff

from lerf_core.errors import SourceChangedError
from lerf_core.io.reading import open_reader

WAYS = pytest.mark.parametrize("tiles", [(), ("--tile", 32)], ids=["whole", "tiled"])
DETAIL = np.random.default_rng(5)


def holed(shape: tuple[int, int] = (40, 60)) -> np.ndarray:
    """Return a mask that is clear in one corner."""
    mask = np.ones(shape, bool)
    mask[:12, :20] = False
    return mask


def write_masked(
    path: Path, pixels: np.ndarray, mask: np.ndarray, *, deep: bool = False,
    reduced: int = 0, **words: object,
) -> Path:  # fmt: skip
    """Write an image and its mask, as GDAL does; and reduced copies of both behind them."""
    stored = mask.astype(np.uint8) * 255 if deep else mask
    with tifffile.TiffWriter(path, bigtiff=bool(words.pop("bigtiff", False)),
                             byteorder=words.pop("byteorder", None)) as writer:  # fmt: skip
        for level in range(reduced + 1):
            step = 2**level
            kind = 1 if level else 0
            writer.write(pixels[::step, ::step], subfiletype=kind, metadata=None, **words)
            own = {key: words[key] for key in ("tile", "rowsperstrip") if key in words}
            is_bits = {"subfiletype": 4 + kind, "photometric": "mask"}
            # tifffile writes masks of bits alone: others become such afterwards.
            is_bytes = {"subfiletype": 2, "photometric": "minisblack"}
            writer.write(stored[::step, ::step], metadata=None, compression="zlib", **own,
                         **(is_bytes if deep else is_bits))  # fmt: skip
    if deep:
        with tifffile.TiffFile(path, mode="r+") as handle:
            for code in (254, 262):
                handle.pages[1].tags[code].overwrite(4)
    return path


def read_masked(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels of the first page, and the mask behind it."""
    with tifffile.TiffFile(path) as handle:
        image, mask = handle.pages[0], handle.pages[1]
        assert (int(mask.subfiletype), int(mask.photometric)) == (4, 4)
        assert mask.bitspersample == 1
        return image.asarray(), mask.asarray().astype(bool)


@WAYS
@pytest.mark.parametrize("words", [
    {}, {"tile": (16, 16)}, {"rowsperstrip": 7}, {"byteorder": ">"}, {"bigtiff": True},
    {"deep": True}, {"compression": "zlib", "tile": (32, 32)}, {"reduced": 1, "tile": (16, 16)},
])  # fmt: skip
@pytest.mark.parametrize("samples", [1, 2, 3, 5])
def test_a_mask_stays_a_mask(run, tmp_path, tiles, words, samples):
    pixels = DETAIL.integers(90, 110, (40, 60, samples)).astype(np.uint8)
    pixels[~holed()] = 0
    words = {"photometric": "rgb" if samples == 3 else "minisblack"} | words
    if samples == 1:
        pixels = pixels[..., 0]
    elif samples != 3:
        words |= {"planarconfig": "contig", "extrasamples": [0] * (samples - 1)}
    source = write_masked(tmp_path / "in.tif", pixels, holed(), **words)
    result = run("resize", source, "-o", tmp_path / "out.tif", "--scale", 2, *tiles)
    assert "only image" not in result.stderr
    image, mask = read_masked(tmp_path / "out.tif")
    assert image.shape == (80, 120, *pixels.shape[2:])
    assert (~mask).sum() == pytest.approx(24 * 40, abs=4)
    # What is masked colours nothing.
    assert image[mask].min() > 70


@WAYS
@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32"])
def test_masks_of_deep_images(run, tmp_path, tiles, dtype):
    pixels = np.full((40, 60), 500, dtype)
    pixels[~holed()] = -7 if dtype != "uint16" else 0
    source = write_masked(tmp_path / "in.tif", pixels, holed(), photometric="minisblack")
    run("resize", source, "-o", tmp_path / "out.tif", "--scale", 1.5, "--range", "0,1000", *tiles)
    image, mask = read_masked(tmp_path / "out.tif")
    assert image.dtype == dtype
    assert (np.abs(image[mask].astype(float) - 500) < 1).all()
    assert (~mask).sum() == pytest.approx(18 * 30, abs=4)


@WAYS
def test_planes_of_channels_with_a_mask(run, tmp_path, tiles):
    pixels = np.full((4, 40, 60), 99, np.uint8)
    source = write_masked(tmp_path / "in.tif", pixels, holed(), photometric="minisblack",
                          planarconfig="separate", extrasamples=[0, 0, 0])  # fmt: skip
    run("resize", source, "-o", tmp_path / "out.tif", "--scale", 2, *tiles)
    image, mask = read_masked(tmp_path / "out.tif")
    assert sorted(image.shape) == [4, 80, 120]
    assert (~mask).sum() == pytest.approx(24 * 40, abs=4)
    assert (np.moveaxis(image, image.shape.index(4), -1)[mask] == 99).all()


def test_whole_and_tiled_are_the_same(run, tmp_path):
    pixels = DETAIL.integers(0, 256, (40, 60, 3)).astype(np.uint8)
    source = write_masked(tmp_path / "in.tif", pixels, holed(), photometric="rgb")
    for command in (("resize", "--scale", 1.7), ("warp", "--rotate", 25)):
        run(*command, source, "-o", tmp_path / "a.tif", "--overwrite")
        run(*command, source, "-o", tmp_path / "b.tif", "--tile", 32, "--overwrite")
        (a, mask_a), (b, mask_b) = read_masked(tmp_path / "a.tif"), read_masked(tmp_path / "b.tif")
        np.testing.assert_array_equal(mask_a, mask_b)
        np.testing.assert_array_equal(a, b)
        assert not mask_a.all()


@WAYS
def test_pages_with_a_mask_each(run, tmp_path, tiles):
    with tifffile.TiffWriter(tmp_path / "in.tif") as writer:
        for value in (50, 150):
            mask = holed() if value == 50 else holed()[::-1]
            writer.write(np.full((40, 60), value, np.uint8), metadata=None,
                         photometric="minisblack")  # fmt: skip
            writer.write(mask, subfiletype=4, photometric="mask", metadata=None)
    if tiles:
        run("resize", tmp_path / "in.tif", "-o", tmp_path / "out.zarr", "--scale", 2, *tiles)
        return
    run("resize", tmp_path / "in.tif", "-o", tmp_path / "out.tif", "--scale", 2)
    with tifffile.TiffFile(tmp_path / "out.tif") as handle:
        pages = [page.asarray() for page in handle.pages]
        assert [int(page.subfiletype) for page in handle.pages] == [0, 4, 0, 4]
    assert (pages[0][pages[1] > 0] == 50).all()
    assert (pages[2][pages[3] > 0] == 150).all()
    assert not pages[1][:20, :36].any()
    assert not pages[3][-20:, :36].any()


@WAYS
def test_a_mask_goes_into_alpha_that_is_there(run, tmp_path, tiles):
    pixels = np.full((40, 60, 4), 200, np.uint8)
    source = write_masked(tmp_path / "in.tif", pixels, holed(), photometric="rgb",
                          extrasamples=["unassalpha"])  # fmt: skip
    result = run("resize", source, "-o", tmp_path / "out.tif", "--scale", 2, *tiles)
    assert "internal mask merged into alpha" in result.stderr
    with tifffile.TiffFile(tmp_path / "out.tif") as handle:
        assert len(handle.pages) == 1
        alpha = handle.pages[0].asarray()[..., 3]
    assert (alpha[:20, :36] == 0).all()
    assert (alpha[30:] == 200).all()


@WAYS
def test_labels_with_a_mask(run, tmp_path, tiles):
    pixels = DETAIL.integers(0, 5, (40, 60)).astype(np.uint8)
    source = write_masked(tmp_path / "in.tif", pixels, holed(), photometric="minisblack")
    run("resize", source, "-o", tmp_path / "out.tif", "--scale", 2, "--labels", *tiles)
    image, mask = read_masked(tmp_path / "out.tif")
    np.testing.assert_array_equal(mask, holed().repeat(2, 0).repeat(2, 1))
    np.testing.assert_array_equal(image, pixels.repeat(2, 0).repeat(2, 1))


def test_other_formats_get_alpha(run, tmp_path):
    from PIL import Image

    pixels = np.full((40, 60, 3), 200, np.uint8)
    source = write_masked(tmp_path / "in.tif", pixels, holed(), photometric="rgb")
    run("resize", source, "-o", tmp_path / "out.png", "--scale", 2)
    with Image.open(tmp_path / "out.png") as image:
        assert image.mode == "RGBA"
        assert image.getpixel((5, 5))[3] == 0
        assert image.getpixel((100, 70)) == (200, 200, 200, 255)
    run("resize", source, "-o", tmp_path / "out.jpg", "--scale", 2, code=1)
    run("resize", source, "-o", tmp_path / "flat.tif", "--scale", 2, "--background", "white")
    with tifffile.TiffFile(tmp_path / "flat.tif") as handle:
        assert len(handle.pages) == 1
        assert (handle.pages[0].asarray()[5, 5] == 255).all()


def test_pyramids_of_image_and_mask_are_pages_behind_them(run, tmp_path):
    pixels = np.full((40, 60), 200, np.uint8)
    source = write_masked(tmp_path / "in.tif", pixels, holed(), photometric="minisblack")
    out = tmp_path / "out.tif"
    run("resize", source, "-o", out, "--scale", 4, "--tile", 32, "--pyramid", 3)
    with tifffile.TiffFile(out) as handle:
        assert [int(page.subfiletype) for page in handle.pages] == [0, 4, 1, 5, 1, 5]
        pages = [page.asarray() for page in handle.pages]
    for image, mask in zip(pages[::2], pages[1::2], strict=True):
        assert image.shape == mask.shape
        assert (image[mask > 0] == 200).all()
        assert (mask == 0).mean() == pytest.approx(0.1, abs=0.01)
    # And a level is read with its own mask.
    run("resize", out, "-o", tmp_path / "level.tif", "--scale", 1, "--level", 2)
    image, mask = read_masked(tmp_path / "level.tif")
    np.testing.assert_array_equal(mask, pages[5] > 0)
    np.testing.assert_array_equal(image[mask], pages[4][mask])


@WAYS
@pytest.mark.parametrize("orientation", [3, 6])
def test_a_mask_is_turned_with_its_image(run, tmp_path, tiles, orientation):
    pixels = np.full((40, 60), 200, np.uint8)
    source = write_masked(tmp_path / "in.tif", pixels, holed(), photometric="minisblack",
                          extratags=[(274, 3, 1, orientation, True)])  # fmt: skip
    run("resize", source, "-o", tmp_path / "out.tif", "--scale", 2, *tiles)
    _, mask = read_masked(tmp_path / "out.tif")
    expected = holed().repeat(2, 0).repeat(2, 1)
    expected = expected[::-1, ::-1] if orientation == 3 else np.rot90(expected, -1)
    assert mask.shape == expected.shape
    assert (mask != expected).sum() <= 4


@WAYS
def test_a_mask_goes_before_the_missing_value(run, tmp_path, tiles):
    """As in GDAL: zeros that the mask calls valid are data."""
    pixels = np.full((40, 60), 3, np.uint8)
    pixels[20:, 30:] = 0
    path = tmp_path / "in.tif"
    write_geotiff(tmp_path / "plain.tif", pixels)
    with tifffile.TiffWriter(path) as writer:
        writer.write(pixels, metadata=None, photometric="minisblack",
                     extratags=[text_tag(42113, "0")])  # fmt: skip
        writer.write(holed(), subfiletype=4, photometric="mask", metadata=None)
    run("resize", path, "-o", tmp_path / "out.tif", "--scale", 2, *tiles)
    image, mask = read_masked(tmp_path / "out.tif")
    assert mask[44:, 64:].all()
    assert (image[44:, 64:] == 0).all()


def test_a_file_of_masks_alone_is_an_image(run, tmp_path):
    tifffile.imwrite(tmp_path / "in.tif", holed(), photometric="mask", subfiletype=4, metadata=None)
    for tiles in ((), ("--tile", 32)):
        run("resize", tmp_path / "in.tif", "-o", tmp_path / "out.tif", "--scale", 2, "--overwrite",
            *tiles)  # fmt: skip
        assert (tifffile.imread(tmp_path / "out.tif")[40:] == 255).all()


@WAYS
def test_interrupted_work_and_seams(run, tmp_path, tiles):
    """The mask of a large gap between blocks is one."""
    mask = np.ones((150, 200), bool)
    mask[60:100, 20:180] = False
    source = write_masked(tmp_path / "in.tif", np.full((150, 200), 9, np.uint16), mask,
                          photometric="minisblack", tile=(64, 64))  # fmt: skip
    run("resize", source, "-o", tmp_path / "out.tif", "--scale", 1.5, *tiles)
    _, out = read_masked(tmp_path / "out.tif")
    assert (~out).sum() == pytest.approx(60 * 240, rel=0.01)


@WAYS
def test_rasterio_reads_the_mask(run, tmp_path, tiles):
    rasterio = pytest.importorskip("rasterio")
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(
        tmp_path / "in.tif", "w", driver="GTiff", height=40, width=60, count=3, dtype="uint8",
        crs="EPSG:4326", transform=rasterio.Affine(0.1, 0, 6, 0, -0.1, 47),
    ) as file:  # fmt: skip
        file.write(np.full((3, 40, 60), 99, np.uint8))
        file.write_mask(holed().astype(np.uint8) * 255)
    run("resize", tmp_path / "in.tif", "-o", tmp_path / "out.tif", "--scale", 2, *tiles)
    with rasterio.open(tmp_path / "out.tif") as file:
        assert rasterio.enums.MaskFlags.per_dataset in file.mask_flag_enums[0]
        assert (file.dataset_mask() == 0).sum() == pytest.approx(24 * 40, abs=4)
        assert tuple(file.transform)[:6] == pytest.approx((0.05, 0, 6, 0, -0.05, 47))


def test_a_masked_file_that_changes_is_noticed(tmp_path):
    path = write_masked(tmp_path / "in.tif", np.zeros((40, 60), np.uint8), holed(), tile=(16, 16))
    with open_reader(path) as source:
        source.check_unchanged()
        assert source[0, 0].tolist() == [0, 0]
        write_masked(path, np.zeros((40, 60, 3), np.uint8), holed(), tile=(16, 16))
        with pytest.raises(SourceChangedError):
            source.check_unchanged()
