"""Formats, modes and depths: what goes in comes out, or is refused with advice."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image
from support.files import image_in

import lerf_core
from lerf_core.io.reading import read_image
from lerf_core.io.tiles.tiled_reader import TiledReader

MODES = {
    "L": ["png", "tif", "jpg", "bmp", "webp", "gif", "ppm", "tga", "jp2"],
    "LA": ["png", "tif"],
    "RGB": ["png", "tif", "jpg", "bmp", "webp", "gif", "ppm", "tga", "jp2", "avif"],
    "RGBA": ["png", "tif", "webp", "tga"],
    "CMYK": ["tif", "jpg"],
    "I;16": ["png", "tif"],
    "F": ["tif"],
    "I": ["tif"],
}
EXPANDED = {("webp", "L"): "RGB"}  # the format has no grey


@pytest.mark.parametrize(
    ("mode", "suffix"), [(mode, suffix) for mode, all_of in MODES.items() for suffix in all_of]
)
def test_mode_and_depth_survive(run, tmp_path, rgb, mode, suffix):
    source, out = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    options = {"lossless": True} if suffix == "webp" else {}
    image_in(mode, rgb).save(source, **options)
    run("resize", source, "-o", out, "--scale", "2x1.5")
    with Image.open(source) as before, Image.open(out) as after:
        assert after.format == before.format
        assert after.size == (28, 15)
        assert (after.mode in {"P", "RGB"}) if suffix == "gif" else (after.mode == before.mode)


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "webp", "ppm", "tga"])
def test_pixels_are_the_resamplers_own(run, tmp_path, rgb, pixels, suffix):
    source, out = tmp_path / "in.png", tmp_path / f"out.{suffix}"
    Image.fromarray(rgb).save(source)
    run("resize", source, "-o", out, "--scale", "2x1.5")
    expected = lerf_core.rescale(rgb, (1.5, 2), channel_axis=2)
    np.testing.assert_array_equal(pixels(out), expected)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32", "float64"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_tiff_depths_are_the_resamplers_own(run, tmp_path, rng, dtype, channels):
    source, out = tmp_path / "in.tif", tmp_path / "out.tif"
    image = rng.random((9, 12, channels)) * (3 if dtype[0] == "f" else 1) - 0.0
    if dtype[0] == "u":
        image = image * np.iinfo(dtype).max
    image = image.astype(dtype)
    if channels in {2, 4}:
        image[..., -1] = np.clip(image[..., -1], 0, 1) if dtype[0] == "f" else image[..., -1]
    image = image[..., 0] if channels == 1 else image
    extra = {"extrasamples": ["unassalpha"]} if channels in {2, 4} else {}
    photometric = "rgb" if channels > 2 else "minisblack"
    planar = {"planarconfig": "contig"} if channels > 1 else {}
    tifffile.imwrite(source, image, photometric=photometric, **planar, **extra)
    run("resize", source, "-o", out, "--size", "17x13")
    expected = lerf_core.resize(image, (13, 17), channel_axis=None if channels == 1 else 2)
    with tifffile.TiffFile(out) as file:
        assert file.pages[0].photometric.name.lower() == photometric
        result = file.asarray()
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, expected)


def test_planar_tiff_equals_contiguous(run, tmp_path, rng):
    image = rng.integers(0, 65536, (9, 12, 3)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb")
    planes = np.moveaxis(image, 2, 0)
    tifffile.imwrite(tmp_path / "b.tif", planes, photometric="rgb", planarconfig="separate")
    run("resize", tmp_path / "a.tif", tmp_path / "b.tif", "-o", tmp_path / "out", "--scale", 1.5)
    one, other = (tifffile.imread(tmp_path / "out" / name) for name in ("a.tif", "b.tif"))
    assert one.shape == (14, 18, 3)
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("compression", ["tiff_lzw", "jpeg", "packbits", "tiff_deflate"])
def test_compressed_tiff(tmp_path, rgb, compression):
    path = tmp_path / "in.tif"
    Image.fromarray(rgb).save(path, compression=compression)
    with Image.open(path) as image:
        expected = np.asarray(image)
    np.testing.assert_array_equal(read_image(path).frames[0], expected)


def test_lzw_tiff_of_16_bits_keeps_them(tmp_path, rng):
    import cv2

    image = rng.integers(0, 65536, (9, 12, 3)).astype(np.uint16)
    path = tmp_path / "in.tif"
    cv2.imwrite(str(path), image[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, 5])
    np.testing.assert_array_equal(read_image(path).frames[0], image)


def test_tiff_pages_are_all_kept(run, tmp_path, rng):
    pages = [rng.integers(0, 256, shape).astype(np.uint8) for shape in [(6, 8), (9, 5), (3, 3)]]
    source, out = tmp_path / "in.tif", tmp_path / "out.tif"
    with tifffile.TiffWriter(source) as writer:
        for page in pages:
            writer.write(page, photometric="minisblack", metadata=None)
    run("resize", source, "-o", out, "--scale", 2)
    with tifffile.TiffFile(out) as file:
        results = [page.asarray() for page in file.pages]
    assert [one.shape for one in results] == [(12, 16), (18, 10), (6, 6)]
    for page, result in zip(pages, results, strict=True):
        np.testing.assert_array_equal(result, lerf_core.rescale(page, 2))
    message = run("resize", source, "-o", tmp_path / "out.gif", "--scale", 2, code=1).output
    assert "GIF cannot hold 3 frames or pages: choose TIFF" in message


def test_imagej_stack_behind_one_page(run, tmp_path, rng):
    stack = rng.integers(0, 256, (4, 6, 8)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "in.tif", stack, imagej=True)
    run("resize", tmp_path / "in.tif", "-o", tmp_path / "out.tif", "--scale", 2)
    assert tifffile.imread(tmp_path / "out.tif").shape == (4, 12, 16)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_animations_keep_frames_times_and_loop(run, tmp_path, rng, suffix):
    frames = [Image.fromarray(rng.integers(0, 256, (8, 9, 3)).astype(np.uint8)) for _ in range(4)]
    source, out = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    options = {"lossless": True} if suffix == "webp" else {}
    times = [50, 100, 150, 200]
    frames[0].save(
        source, save_all=True, append_images=frames[1:], duration=times, loop=3, **options
    )
    run("resize", source, "-o", out, "--scale", 2)
    picture = read_image(out)
    assert [frame.shape[:2] for frame in picture.frames] == [(16, 18)] * 4
    assert picture.metadata.durations == tuple(map(float, times))
    assert picture.metadata.loop == 3
    if suffix != "gif":
        expected = lerf_core.rescale(np.asarray(frames[2]), 2, channel_axis=2)
        np.testing.assert_array_equal(picture.frames[2], expected)
    assert (
        "cannot hold 4 frames"
        in run("resize", source, "-o", tmp_path / "out.jpg", "--scale", 2, code=1).output
    )


@pytest.mark.parametrize(
    ("mode", "words"), [("P", "palette expanded to RGB"), ("1", "1-bit expanded")]
)
@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_palette_and_one_bit_are_expanded_and_say_so(run, tmp_path, rgb, suffix, mode, words):
    source, out = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    Image.fromarray(rgb).convert(mode).save(source)
    assert words in run("resize", source, "-o", out, "--scale", 2).output
    with Image.open(out) as image:
        assert image.mode == ("RGB" if mode == "P" else "L")
    assert words not in run("resize", source, "-o", out, "--scale", 2, "-q", "--overwrite").output


@pytest.mark.parametrize("mode", ["P", "1", "L", "RGB"])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_labels_keep_their_values(run, tmp_path, rgb, pixels, suffix, mode):
    source, out = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    Image.fromarray(rgb).convert(mode).save(source)
    run("resize", source, "-o", out, "--scale", 1.7, "--labels")
    with Image.open(source) as before, Image.open(out) as after:
        assert after.mode == before.mode
        colours = [
            {tuple(row) for row in np.asarray(image.convert("RGB")).reshape(-1, 3).tolist()}
            for image in (before, after)
        ]
    assert colours[1] <= colours[0]
    assert pixels(out).shape[:2] == (17, 24)


@pytest.mark.parametrize("transparent", [(30, 20, 10), None])
def test_palette_transparency_becomes_alpha(run, tmp_path, rgb, transparent):
    source, out = tmp_path / "in.png", tmp_path / "out.png"
    image = Image.fromarray(rgb).convert("P")
    image.save(source, transparency=3 if transparent else None)
    run("resize", source, "-o", out, "--scale", 2)
    with Image.open(out) as result:
        assert result.mode == ("RGBA" if transparent else "RGB")


def test_inverted_grey_tiff(tmp_path, rgb):
    tifffile.imwrite(tmp_path / "in.tif", rgb[..., 0], photometric="miniswhite")
    np.testing.assert_array_equal(read_image(tmp_path / "in.tif").frames[0], 255 - rgb[..., 0])


def test_many_channels_stay_independent(run, tmp_path, rng):
    image = rng.integers(0, 256, (8, 9, 7)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "in.tif", image, photometric="minisblack", planarconfig="contig")
    run("resize", tmp_path / "in.tif", "-o", tmp_path / "out.tif", "--scale", 2)
    result = tifffile.imread(tmp_path / "out.tif")
    for channel in range(7):
        expected = lerf_core.rescale(image[..., channel], 2)
        np.testing.assert_array_equal(result[..., channel], expected)


def test_cmyk_is_four_independent_channels(run, tmp_path, rgb, pixels):
    image = Image.fromarray(rgb).convert("CMYK")
    image.save(tmp_path / "in.tif")
    run("resize", tmp_path / "in.tif", "-o", tmp_path / "out.tif", "--scale", 2)
    expected = lerf_core.rescale(np.asarray(image), 2, channel_axis=2, alpha="separate")
    np.testing.assert_array_equal(pixels(tmp_path / "out.tif"), expected)


@pytest.mark.parametrize(
    ("mode", "suffix", "advice"),
    [
        ("F", "png", "--depth 16 or 8"),
        ("F", "jpg", "--depth 8"),
        ("I;16", "jpg", "--depth 8, or choose PNG or TIFF"),
        ("I;16", "webp", "--depth 8"),
        ("I;16", "bmp", "--depth 8"),
        ("RGBA", "jpg", "--background"),
        ("LA", "jpg", "--background"),
        ("CMYK", "png", "choose TIFF or JPEG"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(run, tmp_path, rgb, mode, suffix, advice):
    source, out = tmp_path / "in.tif", tmp_path / f"out.{suffix}"
    image_in(mode, rgb).save(source)
    message = run("resize", source, "-o", out, "--scale", 2, code=1).output
    assert f"{source}: " in message
    assert advice in message
    assert not out.exists()


@pytest.mark.parametrize(
    ("depth", "dtype"), [("8", "uint8"), ("16", "uint16"), ("float", "float32")]
)
@pytest.mark.parametrize("mode", ["L", "I;16", "F"])
def test_depth_converts(run, tmp_path, rgb, mode, depth, dtype):
    source, out = tmp_path / "in.tif", tmp_path / "out.tif"
    image_in(mode, rgb).save(source)
    before = read_image(source).frames[0].astype(float)
    run("resize", source, "-o", out, "--scale", 1, "--depth", depth)
    after = tifffile.imread(out)
    assert after.dtype == dtype
    tops = {"L": 255, "I;16": 65535, "F": 1, "8": 255, "16": 65535, "float": 1}
    expected = before / tops[mode] * tops[depth]
    if depth != "float":
        expected = np.clip(expected, 0, tops[depth])
    # One grey level of the coarser of the two: resampling at scale 1 rounds as well.
    coarse = max(tops[depth] / 200, 1e-6)
    assert np.abs(after - expected).mean() < 8 * coarse


def test_deepening_comes_before_resampling(run, tmp_path):
    ramp = np.repeat(np.arange(0, 16, dtype=np.uint8)[None], 4, axis=0)
    Image.fromarray(ramp).save(tmp_path / "in.png")
    run("resize", tmp_path / "in.png", "-o", tmp_path / "out.png", "--scale", 4, "--depth", 16)
    result = read_image(tmp_path / "out.png").frames[0]
    assert result.dtype == np.uint16
    assert len(np.unique(result)) > 20


def test_a_16_bit_ramp_keeps_its_levels(run, tmp_path):
    ramp = np.tile(np.linspace(0, 65535, 400).astype(np.uint16), (3, 1))
    Image.fromarray(ramp).save(tmp_path / "in.png")
    run("resize", tmp_path / "in.png", "-o", tmp_path / "out.png", "--scale", "2x1")
    assert len(np.unique(read_image(tmp_path / "out.png").frames[0])) > 600


@pytest.mark.parametrize("given_range", ["auto", "-2,5"])
def test_range_serves_the_resampler_and_the_conversion(run, tmp_path, rng, given_range):
    image = rng.uniform(-2, 5, (8, 9)).astype(np.float32)
    image[0, 0], image[0, 1] = -2, 5
    source = tmp_path / "in.tif"
    tifffile.imwrite(source, image)
    run("resize", source, "-o", tmp_path / "a.tif", "--scale", 2, "--range", given_range)
    expected = lerf_core.rescale(image, 2, value_range=(-2, 5))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), expected)
    run(
        "resize",
        source,
        "-o",
        tmp_path / "b.png",
        "--scale",
        2,
        "--range",
        given_range,
        "--depth",
        8,
    )
    eight = read_image(tmp_path / "b.png").frames[0]
    np.testing.assert_allclose(eight, np.clip((expected + 2) / 7 * 255, 0, 255), atol=0.51)


@pytest.mark.parametrize("colour", ["white", "#336699"])
@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_background_flattens(run, tmp_path, pixels, mode, colour):
    image = Image.new(mode, (8, 8), 0)
    image.save(tmp_path / "in.png")
    run(
        "resize",
        tmp_path / "in.png",
        "-o",
        tmp_path / "out.bmp",
        "--scale",
        1,
        "--background",
        colour,
    )
    with Image.open(tmp_path / "out.bmp") as result:
        grey = mode == "LA" and colour == "white"
        assert result.mode == ("L" if grey else "RGB")
        expected = (255, 255, 255) if colour == "white" else (0x33, 0x66, 0x99)
        assert result.convert("RGB").getpixel((4, 4)) == expected


def test_alpha_leaves_no_fringes_unless_separate(run, tmp_path):
    rows, cols = np.mgrid[:20, :20]
    inside = (rows - 10) ** 2 + (cols - 10) ** 2 < 49
    image = np.zeros((20, 20, 4), np.uint8)
    image[inside] = (200, 100, 50, 255)
    Image.fromarray(image).save(tmp_path / "in.png")
    run("resize", tmp_path / "in.png", "-o", tmp_path / "a.png", "--scale", 2.5)
    result = read_image(tmp_path / "a.png").frames[0]
    seen = result[..., 3] > 0
    assert np.abs(result[seen][:, :3].astype(int) - (200, 100, 50)).max() <= 1
    run(
        "resize",
        tmp_path / "in.png",
        "-o",
        tmp_path / "b.png",
        "--scale",
        2.5,
        "--alpha",
        "separate",
    )
    colours = read_image(tmp_path / "b.png").frames[0][..., :3]
    expected = lerf_core.rescale(image[..., :3], 2.5, channel_axis=2)
    np.testing.assert_array_equal(colours, expected)


def test_premultiplied_tiff_stays_so_and_is_divided_for_png(run, tmp_path, pixels):
    image = np.full((6, 6, 4), (100, 50, 25, 128), np.uint8)
    source = tmp_path / "in.tif"
    tifffile.imwrite(source, image, photometric="rgb", extrasamples=["assocalpha"])
    run("resize", source, "-o", tmp_path / "out.tif", "--scale", 2)
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert [value.name for value in file.pages[0].extrasamples] == ["ASSOCALPHA"]
    run("resize", source, "-o", tmp_path / "out.png", "--scale", 2)
    assert np.abs(pixels(tmp_path / "out.png")[3, 3].astype(int) - (199, 100, 50, 128)).max() <= 2
    run("resize", source, "-o", tmp_path / "o.bmp", "--scale", 2, "--background", "white")
    # Colour already weighted, and 127/255 of white.
    assert np.abs(pixels(tmp_path / "o.bmp")[3, 3].astype(int) - (227, 177, 152)).max() <= 2


def webp_kind(path) -> bytes:
    data = path.read_bytes()
    return b"VP8L" if b"VP8L" in data[:200] else b"VP8 "


@pytest.mark.parametrize(
    ("source", "options", "kind"),
    [
        ("png", [], b"VP8L"),
        ("lossless.webp", [], b"VP8L"),
        ("lossy.webp", [], b"VP8 "),
        ("jpg", [], b"VP8 "),
        ("png", ["--quality", 80], b"VP8 "),
    ],
)
def test_webp_is_lossless_after_lossless(run, tmp_path, rgb, source, options, kind):
    path, out = tmp_path / f"in.{source}", tmp_path / "out.webp"
    Image.fromarray(rgb).save(path, **({"lossless": True} if "lossless" in source else {}))
    run("resize", path, "-o", out, "--scale", 2, *options)
    assert webp_kind(out) == kind


def test_jpeg_keeps_colour_resolution_and_takes_a_quality(run, tmp_path, rng):
    noise = rng.integers(0, 256, (40, 40, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "in.png")
    sizes = []
    for quality in (30, 95):
        out = tmp_path / f"{quality}.jpg"
        run("resize", tmp_path / "in.png", "-o", out, "--scale", 1, "--quality", quality)
        sizes.append(out.stat().st_size)
        with Image.open(out) as image:
            assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3
    run("resize", tmp_path / "in.png", "-o", tmp_path / "plain.jpg", "--scale", 1)
    assert sizes[0] < sizes[1] / 2
    assert (tmp_path / "plain.jpg").stat().st_size == sizes[1]


def test_linear_light_differs_and_refuses_cmyk(run, tmp_path, pixels):
    board = np.kron([[0, 1] * 4, [1, 0] * 4] * 4, np.ones((1, 1))).astype(np.uint8) * 255
    Image.fromarray(board).save(tmp_path / "in.png")
    Image.fromarray(board).convert("CMYK").save(tmp_path / "in.tif")
    for name, options in (("a", []), ("b", ["--linear"])):
        run(
            "resize", tmp_path / "in.png", "-o", tmp_path / f"{name}.png", "--scale", 0.25, *options
        )
    assert pixels(tmp_path / "b.png").mean() > pixels(tmp_path / "a.png").mean() + 30
    message = run(
        "resize", tmp_path / "in.tif", "-o", tmp_path / "c.tif", "--scale", 2, "--linear", code=1
    ).output
    assert "--linear needs grey or RGB" in message


@pytest.mark.parametrize("border", ["edge", "reflect", "symmetric", "wrap", "constant"])
def test_border_and_cval_reach_the_resampler(run, tmp_path, rgb, pixels, border):
    Image.fromarray(rgb).save(tmp_path / "in.png")
    options = ["--cval", 90] if border == "constant" else []
    run(
        "resize", tmp_path / "in.png", "-o", tmp_path / "out.png", "--scale", 2,
        "--border", border, *options,
    )  # fmt: skip
    cval = 90 if border == "constant" else 0
    expected = lerf_core.rescale(rgb, 2, channel_axis=2, mode=border, cval=cval)
    np.testing.assert_array_equal(pixels(tmp_path / "out.png"), expected)


def test_nodata_and_anti_aliasing_reach_the_resampler(run, tmp_path, rng):
    image = rng.random((12, 12)).astype(np.float32)
    image[5, 5] = -9
    tifffile.imwrite(tmp_path / "in.tif", image)
    run("resize", tmp_path / "in.tif", "-o", tmp_path / "a.tif", "--scale", 0.5, "--nodata", -9)
    expected = lerf_core.rescale(image, 0.5, nodata=-9)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), expected)
    run(
        "resize", tmp_path / "in.tif", "-o", tmp_path / "b.tif", "--scale", 0.5,
        "--no-anti-aliasing", "--threads", 1,
    )  # fmt: skip
    expected = lerf_core.rescale(image, 0.5, anti_aliasing=False)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), expected)


def test_mpo_counts_as_jpeg_and_says_what_is_left_out(run, tmp_path, rgb):
    image = Image.fromarray(rgb)
    image.save(tmp_path / "in.mpo", save_all=True, append_images=[image])
    (tmp_path / "in.mpo").rename(tmp_path / "in.jpg")
    text = run("resize", tmp_path / "in.jpg", "-o", tmp_path / "out.jpg", "--scale", 2).output
    assert "only the first of 2 images" in text


def test_read_only_format_needs_another_for_the_output(run, tmp_path, rgb):
    Image.fromarray(rgb).save(tmp_path / "in.ico")
    message = run(
        "resize", tmp_path / "in.ico", "-o", f"{tmp_path}/o/", "--scale", 2, code=1
    ).output
    assert "cannot write ico" in message
    run("resize", tmp_path / "in.ico", "-o", f"{tmp_path}/o/", "--scale", 2, "--format", "png")
    assert (tmp_path / "o" / "in.png").is_file()


def test_labels_keep_a_palette_with_its_clear_entry(run, tmp_path, rgb):
    source, out = tmp_path / "in.png", tmp_path / "out.png"
    Image.fromarray(rgb).convert("P").save(source, transparency=3)
    run("resize", source, "-o", out, "--scale", 2, "--labels")
    with Image.open(source) as before, Image.open(out) as after:
        assert after.mode == "P"
        assert after.info["transparency"] == before.info["transparency"]
        assert after.getpalette() == before.getpalette()
        assert set(np.unique(after)) <= set(np.unique(before))


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_labels_with_alpha_make_no_new_colours(run, tmp_path, rgb, pixels, mode):
    image_in(mode, rgb).save(tmp_path / "in.png")
    run("resize", tmp_path / "in.png", "-o", tmp_path / "out.png", "--scale", 1.7, "--labels")
    colours = [
        {tuple(row) for row in pixels(tmp_path / name).reshape(-1, len(mode)).tolist()}
        for name in ("in.png", "out.png")
    ]
    assert colours[1] <= colours[0]


@pytest.mark.parametrize("tiles", [(), ("--tile", 64)])
def test_a_depth_would_change_labels(run, tmp_path, rgb, tiles):
    tifffile.imwrite(tmp_path / "in.tif", rgb[..., 0])
    words = ("resize", tmp_path / "in.tif", "-o", tmp_path / "out.tif", "--scale", 2, "--labels")
    message = run(*words, "--depth", 16, *tiles, code=1).output
    assert "--depth does not go with --labels" in message
    assert not (tmp_path / "out.tif").exists()
    run(*words, "--depth", 8, *tiles)


def test_a_grey_profile_does_not_go_with_rgb(run, tmp_path, rgb, icc):
    grey = icc[:16] + b"GRAY" + icc[20:]
    Image.fromarray(rgb[..., 0]).save(tmp_path / "in.png", icc_profile=grey)
    text = run("resize", tmp_path / "in.png", "-o", tmp_path / "out.webp", "--scale", 2).output
    assert "grey ICC profile dropped" in text
    with Image.open(tmp_path / "out.webp") as image:
        assert "icc_profile" not in image.info


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (1, 5, 3), (5, 1, 3), (1, 1, 3)])
def test_thin_tiff_pages_keep_both_axes(run, tmp_path, shape, compression):
    image = np.arange(np.prod(shape)).reshape(shape).astype(np.uint16)
    photometric = "rgb" if len(shape) == 3 else "minisblack"
    tifffile.imwrite(
        tmp_path / "in.tif", image, photometric=photometric, compression=compression, metadata=None
    )
    np.testing.assert_array_equal(read_image(tmp_path / "in.tif").frames[0], image)
    run("resize", tmp_path / "in.tif", "-o", tmp_path / "out.tif", "--scale", 2)
    assert read_image(tmp_path / "out.tif").shape == (2 * shape[0], 2 * shape[1])


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif", "webp"])
def test_one_pixel(run, tmp_path, pixels, suffix):
    Image.new("RGB", (1, 1), (10, 200, 30)).save(tmp_path / f"in.{suffix}")
    run("resize", tmp_path / f"in.{suffix}", "-o", tmp_path / "out.png", "--size", "3x2")
    assert np.abs(pixels(tmp_path / "out.png").astype(int) - (10, 200, 30)).max() <= 4


@pytest.mark.parametrize("given_range", ["auto", "0,4000"])
def test_the_range_of_colours_leaves_opacity_alone(run, tmp_path, rng, given_range):
    frame = rng.uniform(0, 4000, (8, 9, 4)).astype(np.float32)
    frame[..., 3] = 0.5
    source, out = tmp_path / "in.tif", tmp_path / "o.png"
    tifffile.imwrite(source, frame, photometric="rgb", extrasamples=["unassalpha"])
    run("resize", source, "-o", out, "--scale", 1, "--depth", 8, "--range", given_range)
    with Image.open(out) as image:
        assert np.asarray(image)[..., 3].tolist() == np.full((8, 9), 128).tolist()


def test_clipped_values_are_told(run, tmp_path):
    source = tmp_path / "in.tif"
    tifffile.imwrite(source, np.linspace(0, 4, 100, dtype=np.float32).reshape(10, 10))
    arguments = ["resize", source, "--scale", 1, "--depth", 8, "--overwrite", "-o"]
    assert "lie outside 0..1: clipped" in run(*arguments, tmp_path / "o.png").output
    assert "clipped" not in run(*arguments, tmp_path / "o.png", "--range", "auto").output


def test_deep_integers_are_labels_and_say_so(run, tmp_path):
    source = tmp_path / "in.tif"
    tifffile.imwrite(source, np.arange(0, 12000, 100, dtype=np.int32).reshape(10, 12))
    arguments = ["resize", source, "--scale", 3, "--overwrite", "-o", tmp_path / "o.tif"]
    assert "taken for labels" in run(*arguments).output
    assert "taken for labels" not in run(*arguments, "--labels").output
    assert "taken for labels" not in run(*arguments, "--range", "auto").output
    assert len(np.unique(tifffile.imread(tmp_path / "o.tif"))) > 120


@pytest.mark.parametrize(("dtype", "code"), [(np.uint16, 0), (np.uint8, 1)])
def test_range_of_integers_that_become_floats(run, tmp_path, rng, dtype, code):
    frame = rng.integers(0, 200, (8, 9)).astype(dtype)
    source, out = tmp_path / "in.tif", tmp_path / "o.tif"
    tifffile.imwrite(source, frame)
    options = ["--scale", 1, "--depth", "float", "--range", "0,200"]
    text = run("resize", source, "-o", out, *options, code=code).output
    if code:
        assert "more than 8 bits" in text
    else:
        np.testing.assert_allclose(tifffile.imread(out), frame / 200, rtol=1e-6)


@pytest.mark.parametrize("suffix", ["jpg", "webp", "gif", "tga", "avif"])
@pytest.mark.parametrize("option", [[], ["--dry-run"]])
def test_sides_beyond_a_format_are_refused_before_the_work(
    run, capfd, tmp_path, monkeypatch, suffix, option
):
    Image.new("L", (40_000, 2)).save(tmp_path / "in.png")
    monkeypatch.setattr(lerf_core, "rescale", None)
    out = tmp_path / f"o.{suffix}"
    text = run("resize", tmp_path / "in.png", "-o", out, "--scale", "2x1", *option, code=1).output
    assert "holds sides of at most" in text
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("tiled", [False, True])
def test_floats_on_an_integers_scale_are_told(run, tmp_path, rng, tiled):
    source, out = tmp_path / "in.tif", tmp_path / "out.tif"
    values = rng.integers(0, 256, (40, 50, 3)).astype(np.float32)
    tifffile.imwrite(source, values, photometric="rgb")
    options = ["--scale", 2, "--overwrite", *(["--tile", 64] if tiled else [])]
    told = run("resize", source, "-o", out, *options).output
    assert "are taken for a scale of 0..1: give --range 0,255, or auto" in told
    for range_of_values in ("0,255", "auto"):
        told = run("resize", source, "-o", out, *options, "--range", range_of_values).output
        assert "taken for" not in told


def test_a_plan_by_tiles_reads_no_pixels(run, tmp_path, rng, monkeypatch):
    source = tmp_path / "in.tif"
    values = rng.integers(0, 256, (40, 50)).astype(np.float32)
    tifffile.imwrite(source, values, tile=(16, 16))
    monkeypatch.setattr(TiledReader, "__getitem__", None)
    words = ("resize", source, "-o", tmp_path / "o.tif", "--scale", 2, "--tile", 64, "--dry-run")
    assert "tile by tile" in run(*words).output
