"""lerf under Pillow's signatures: modes, sizes, boxes, maps and info are Pillow's."""

import inspect
import io

import numpy as np
import pytest

pytest.importorskip("PIL")
from PIL import Image, ImageOps, ImageTransform

import lerf_core
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_plugins.filters import pillow

BYTES = ["L", "RGB", "RGBX", "CMYK", "YCbCr"]
MODES = [
    "1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "LAB",
    "HSV", "I", "F", "I;16", "I;16B", "I;16L",
]  # fmt: skip
NEAREST = Image.Resampling.NEAREST
AFFINE, EXTENT = Image.Transform.AFFINE, Image.Transform.EXTENT
PERSPECTIVE, QUAD = Image.Transform.PERSPECTIVE, Image.Transform.QUAD
MESH = Image.Transform.MESH
TURN = (0.9, 0.3, -4.2, -0.25, 1.1, 3.1)
TILT = (*TURN, 2e-3, 1e-3)


def noise(mode, size=(14, 9), seed=0):
    """An image of random bytes, or of values of its mode."""
    rng = np.random.default_rng(seed)
    shape = (size[1], size[0])
    if mode == "1":
        return Image.fromarray(rng.random(shape) > 0.5)
    if mode == "F":
        return Image.fromarray(rng.random(shape, np.float32))
    if mode == "I":
        return Image.fromarray(rng.integers(-9000, 100_000, shape, np.int32))
    if mode.startswith("I;16"):
        dtype = np.dtype(">u2" if mode == "I;16B" else "<u2")
        return Image.frombytes(mode, size, rng.integers(0, 65536, shape).astype(dtype).tobytes())
    if mode in {"P", "PA"}:
        return Image.effect_noise(size, 80).convert("RGB").convert("P").convert(mode)
    if mode in {"La", "RGBa"}:
        return noise({"La": "LA", "RGBa": "RGBA"}[mode], size, seed).convert(mode)
    bands = Image.getmodebands(mode)
    return Image.frombytes(mode, size, rng.bytes(size[0] * size[1] * bands))


def smooth(mode="RGB", size=(60, 40)):
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    planes = [128 + 90 * np.sin(x / 9 + k) * np.cos(y / 7) for k in range(3)]
    return Image.fromarray(np.stack(planes, axis=-1).astype(np.uint8)).convert(mode)


def difference(first, second):
    return np.abs(np.asarray(first).astype(float) - np.asarray(second).astype(float))


# -- signatures ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (pillow.resize, Image.Image.resize),
        (pillow.transform, Image.Image.transform),
        (pillow.contain, ImageOps.contain),
        (pillow.cover, ImageOps.cover),
        (pillow.pad, ImageOps.pad),
        (pillow.fit, ImageOps.fit),
    ],
)
def test_the_arguments_are_theirs(ours, theirs):
    names = [
        name
        for name, p in inspect.signature(ours).parameters.items()
        if p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    assert names[1:] == list(inspect.signature(theirs).parameters)[1:]


# -- modes --------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_modes_and_info_stay(mode):
    image = noise(mode)
    image.info = {"dpi": (300, 300), "icc_profile": b"profile", "exif": b"Exif\0\0"}
    before = image.tobytes()
    for out in (
        pillow.resize(image, (25, 20)),
        pillow.resize(image, (6, 5)),
        pillow.resize(image, (25, 20), box=(1.5, 2, 9, 8)),
        pillow.transform(image, (25, 20), AFFINE, TURN),
        pillow.transform(image, (25, 20), QUAD, (0, 0, 1, 8, 13, 9, 12, 1)),
        pillow.contain(image, (25, 25)),
        pillow.fit(image, (25, 20)),
        pillow.resize(image, image.size),
    ):
        assert out.mode == mode
        assert out.info == image.info
        assert out.info is not image.info
    assert image.tobytes() == before
    assert pillow.resize(image, image.size).tobytes() == before


@pytest.mark.parametrize("mode", BYTES)
def test_resize_is_the_core(mode):
    image = noise(mode)
    axis = None if mode == "L" else -1
    expected = lerf_core.resize(np.asarray(image), (20, 25), channel_axis=axis, alpha="separate")
    np.testing.assert_array_equal(np.asarray(pillow.resize(image, (25, 20))), expected)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_colours_are_weighted_by_alpha(mode):
    image = noise(mode)
    expected = lerf_core.resize(np.asarray(image), (20, 25), channel_axis=-1)
    np.testing.assert_array_equal(np.asarray(pillow.resize(image, (25, 20))), expected)
    hidden = np.asarray(smooth("RGBA", (9, 9))).copy()
    hidden[..., :3] = 40
    hidden[:, 5:] = (255, 0, 0, 0)  # a clear red
    out = np.asarray(pillow.resize(Image.fromarray(hidden).convert(mode), (27, 27)))
    visible = out[out[..., -1] > 0]
    grey = 40 if mode == "RGBA" else int(np.asarray(Image.fromarray(hidden).convert("LA"))[0, 0, 0])
    assert np.abs(visible[:, :-1].astype(int) - grey).max() <= 1


@pytest.mark.parametrize("mode", ["La", "RGBa"])
def test_premultiplied_colours_stay_below_alpha(mode):
    out = np.asarray(pillow.resize(noise(mode), (41, 33)))
    assert (out[..., :-1] <= out[..., -1:]).all()


@pytest.mark.parametrize("mode", ["1", "P", "PA"])
def test_labels_are_pillows_own(mode):
    image = noise(mode)
    out = pillow.resize(image, (25, 20))
    assert out.tobytes() == image.resize((25, 20), NEAREST).tobytes()
    assert out.getpalette() == image.getpalette()
    out = pillow.transform(image, (25, 20), AFFINE, TURN)
    assert out.tobytes() == image.transform((25, 20), AFFINE, TURN, NEAREST).tobytes()


def test_hues_go_round():
    reds = Image.new("HSV", (8, 8), (254, 255, 200))
    reds.paste((2, 255, 200), (0, 0, 4, 8))
    out = np.asarray(pillow.resize(reds, (24, 24)))
    hue = out[..., 0].astype(int)
    assert np.minimum(hue, 256 - hue).max() <= 6  # no green or blue between two reds


def test_lab_is_read_around_neutral():
    bands = [Image.new("L", (8, 8), value) for value in (100, 127, 127)]
    image = Image.merge("LAB", bands)
    image.paste(Image.merge("LAB", [Image.new("L", (4, 8), v) for v in (100, 129, 129)]), (0, 0))
    out = pillow.resize(image, (24, 24))
    for band in out.split()[1:]:  # nearly neutral before and after
        assert set(np.asarray(band).ravel()) <= {126, 127, 128, 129, 130}
    cleared = pillow.transform(image, (24, 24), AFFINE, (1, 0, 30, 0, 1, 0), fillcolor=(50, 60, 70))
    away = image.transform((24, 24), AFFINE, (1, 0, 30, 0, 1, 0), fillcolor=(50, 60, 70))
    assert cleared.tobytes() == away.tobytes()


def test_deep_modes_hold_intensities():
    for mode in ("I;16", "I;16B", "I;16L"):
        image = noise(mode)
        expected = lerf_core.resize(np.asarray(image), (20, 25))
        np.testing.assert_array_equal(np.asarray(pillow.resize(image, (25, 20))), expected)
    image = noise("I")
    values = np.asarray(image)
    out = np.asarray(pillow.resize(image, (25, 20)))
    assert out.dtype == np.int32
    assert len(np.unique(out)) > 300
    assert values.min() - 20_000 < out.min() < out.max() < values.max() + 20_000
    unit = np.asarray(pillow.resize(noise("F"), (25, 20)))
    np.testing.assert_array_equal(unit, lerf_core.resize(np.asarray(noise("F")), (20, 25)))
    hole = np.array(noise("F", (9, 9)))
    hole[4, 4] = np.nan
    out = np.asarray(pillow.resize(Image.fromarray(hole), (18, 18)))
    assert 0 < np.isnan(out).sum() <= 4
    np.testing.assert_array_equal(out, lerf_core.resize(hole, (18, 18)))
    assert np.asarray(pillow.resize(Image.new("I", (3, 3), -70_000), (5, 5))).max() == -70_000


def test_nearest_is_pillows_own():
    image = noise("RGB")
    out = pillow.resize(image, (25, 20), NEAREST, (1, 1, 9.5, 8))
    assert out.tobytes() == image.resize((25, 20), NEAREST, (1, 1, 9.5, 8)).tobytes()


# -- geometry -----------------------------------------------------------------------


def test_smooth_images_lie_where_theirs_do():
    image = smooth()
    for size, box in (
        ((130, 90), None), ((75, 101), (3.5, 2.25, 50, 39)), ((20, 19), (1, 0, 58.5, 38)),
    ):  # fmt: skip
        theirs = image.resize(size, Image.Resampling.BICUBIC, box)
        assert difference(pillow.resize(image, size, box=box), theirs).max() < 8


def test_a_box_is_a_part_of_the_whole():
    image = smooth()
    whole = pillow.resize(image, (180, 120))
    part = pillow.resize(image, (60, 45), box=(10, 5, 30, 20))
    assert difference(part, whole.crop((30, 15, 90, 60))).max() <= 1
    assert pillow.resize(image, (20, 15), box=(10, 5, 30, 20)).tobytes() == (
        image.crop((10, 5, 30, 20)).tobytes()
    )


@pytest.mark.parametrize("size", [(100, 100), (100, 31), (13, 90), (500, 2), (1, 1)])
def test_contain_and_fit_have_their_sizes(size):
    image = smooth()
    mine, theirs = pillow.contain(image, size), ImageOps.contain(image, size)
    assert mine.size == tuple(max(1, side) for side in theirs.size)
    assert pillow.fit(image, size).size == size


@pytest.mark.parametrize("size", [(20, 20), (7, 30), (40, 5), (16, 12)])
@pytest.mark.parametrize("centering", [(0.5, 0.5), (0, 1)])
def test_cover_and_pad_have_their_sizes(size, centering):
    image = Image.new("RGB", (32, 24), "red")
    assert pillow.cover(image, size).size == ImageOps.cover(image, size).size
    words = {"color": "blue", "centering": centering}
    np.testing.assert_array_equal(
        np.asarray(pillow.pad(image, size, **words)), np.asarray(ImageOps.pad(image, size, **words))
    )


def test_a_thousand_sizes_are_pillows():
    """Pixels are copied: it is sizes, and where a padded image lies, that are compared."""
    rng = np.random.default_rng(23)
    nearest = Image.Resampling.NEAREST
    for _ in range(1000):
        columns, rows, *sides = (int(side) for side in 2 ** rng.uniform(0, 7, 4))
        image, words = Image.new("L", (columns, rows), 1), {"method": nearest}
        theirs = ImageOps.contain(image, sides, nearest) if min(_ratios(image, sides)) else None
        if theirs is not None:
            assert pillow.contain(image, sides, nearest).size == theirs.size
            centering = tuple(rng.uniform(0, 1, 2))
            padded = pillow.pad(image, sides, color=9, centering=centering, **words)
            expected = ImageOps.pad(image, sides, color=9, centering=centering, **words)
            assert padded.tobytes() == expected.tobytes()
        assert pillow.cover(image, sides, nearest).size == (
            ImageOps.cover(image, sides, nearest).size
        )
        assert pillow.fit(image, sides, nearest).size == ImageOps.fit(image, sides, nearest).size


def _ratios(image, sides):
    """Return the sides that Pillow rounds: it refuses those that it rounds to nothing."""
    width, height = sides
    return round(image.height / image.width * width), round(image.width / image.height * height)


def test_pad_keeps_palettes_and_info():
    image = Image.new("P", (4, 2), 1)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.info["dpi"] = (72, 72)
    result = pillow.pad(image, (8, 8))
    assert result.info["dpi"] == (72, 72)
    assert result.convert("RGB").getpixel((4, 4)) == (255, 0, 0)
    assert result.convert("RGB").getpixel((0, 0)) == (0, 0, 0)


def test_fit_shows_the_same_part():
    image = smooth()
    for keywords in ({}, {"centering": (0, 1)}, {"bleed": 0.1, "centering": (0.9, 0.2)}):
        mine = pillow.fit(image, (100, 90), **keywords)
        assert difference(mine, ImageOps.fit(image, (100, 90), **keywords)).max() < 8


@pytest.mark.parametrize(
    ("method", "data"),
    [
        (AFFINE, TURN),
        (PERSPECTIVE, TILT),
        (EXTENT, (5.25, 3, 40, 30.5)),
        (QUAD, (4, 3, 8, 35, 50, 38, 55, 5)),
    ],
)
def test_warps_lie_where_theirs_do(method, data):
    image, size = smooth(), (70, 50)
    mine = pillow.transform(image, size, method, data)
    theirs = image.transform(size, method, data, Image.Resampling.BICUBIC)
    seen = Image.new("L", image.size, 255).transform(size, method, data, NEAREST)
    # Two pixels from the outline, where lerf fades and Pillow breaks off.
    around = np.pad(np.asarray(seen) == 255, 2, constant_values=True)
    inner = np.lib.stride_tricks.sliding_window_view(around, (5, 5)).all(axis=(2, 3))
    assert inner.mean() > 0.2
    assert difference(mine, theirs)[inner].max() < 12


def test_affine_is_the_core_by_pixel_centres():
    image = noise("RGBA")
    a, b, c, d, e, f = TURN
    # Pillow's corners are at 0, lerf's centres.
    matrix = [[a, b, c + (a + b - 1) / 2], [d, e, f + (d + e - 1) / 2]]
    expected = lerf_core.warp(np.asarray(image), matrix, output_shape=(20, 25), channel_axis=-1)
    out = np.asarray(pillow.transform(image, (25, 20), AFFINE, TURN)).astype(int)
    assert np.abs(out - expected).max() <= 1


def test_whole_steps_copy_pixels():
    image = noise("RGB")
    same = pillow.transform(image, image.size, AFFINE, (1, 0, 0, 0, 1, 0))
    assert same.tobytes() == image.tobytes()
    turn = (0, -1, 14, 1, 0, 0)
    out = pillow.transform(image, (9, 14), AFFINE, turn)
    assert out.tobytes() == image.transpose(Image.Transpose.ROTATE_90).tobytes()


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "CMYK", "I", "F", "I;16", "HSV"])
@pytest.mark.parametrize("fillcolor", [None, 7])
def test_surroundings_have_their_colour(mode, fillcolor):
    image = noise(mode)
    away = (1, 0.25, 100, 0, 1, 0)
    bands = Image.getmodebands(mode)
    if fillcolor is not None and bands > 1:
        fillcolor = (0,) * (bands - 1) + (fillcolor,)
    mine = pillow.transform(image, (5, 5), AFFINE, away, fillcolor=fillcolor)
    theirs = image.transform((5, 5), AFFINE, away, NEAREST, fillcolor=fillcolor)
    assert mine.getpixel((2, 2)) == theirs.getpixel((2, 2))


def test_meshes_and_objects():
    image = smooth()
    mesh = [((0, 0, 30, 50), (0, 0, 2, 40, 30, 38, 28, 1)), ((30, 0, 70, 50), TURN[:2] * 4)]
    mesh[1] = ((30, 0, 70, 50), (28, 1, 30, 38, 58, 40, 57, 2))
    mine = pillow.transform(image, (70, 50), MESH, mesh)
    theirs = image.transform((70, 50), MESH, mesh, Image.Resampling.BICUBIC)
    assert difference(mine, theirs)[2:-2, 2:-2].mean() < 2
    by_object = pillow.transform(image, (70, 50), ImageTransform.AffineTransform(TURN))
    assert by_object.tobytes() == pillow.transform(image, (70, 50), AFFINE, TURN).tobytes()


# -- the rest -----------------------------------------------------------------------


def test_frames_and_files():
    frames = [Image.new("RGB", (6, 5), colour) for colour in ("red", "blue")]
    file = io.BytesIO()
    frames[0].save(file, "TIFF", save_all=True, append_images=frames[1:], dpi=(72, 72))
    image = Image.open(file)
    image.seek(1)
    out = pillow.resize(image, (12, 10))
    assert out.getpixel((3, 3)) == (0, 0, 255)
    assert out.info["dpi"] == (72, 72)
    assert image.tell() == 1


def test_options_reach_the_core():
    image = noise("RGB")
    pixels = np.asarray(image)
    for options in ({"fast": True}, {"bank": "lerf-l"}, {"linear_light": True}):
        expected = lerf_core.resize(pixels, (20, 25), channel_axis=-1, **options)
        np.testing.assert_array_equal(
            np.asarray(pillow.resize(image, (25, 20), **options)), expected
        )
    sharp = lerf_core.resize(pixels, (5, 6), channel_axis=-1, anti_aliasing=False)
    out = pillow.contain(image, (6, 5), anti_aliasing=False)
    assert out.size == (6, 4)
    assert np.asarray(pillow.resize(image, (6, 5), anti_aliasing=False)).tolist() == sharp.tolist()
    with pytest.raises(TypeError, match="unexpected"):
        pillow.contain(image, (6, 5), sharpness=3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: pillow.resize(x, 8), "got 8"),
        (lambda x: pillow.resize(x, (8.5, 8)), r"got \(8.5, 8\)"),
        (lambda x: pillow.resize(x, (8, 0)), r"positive, got \(8, 0\)"),
        (lambda x: pillow.resize(x, (8, 8), 77), "got 77"),
        (lambda x: pillow.resize(x, (8, 8), box=(0, 0, 99, 5)), "within an image"),
        (lambda x: pillow.resize(x, (8, 8), box=(0, 0, 0, 5)), "within an image"),
        (lambda x: pillow.resize(x, (8, 8), box=(0, 0, 5)), "4 finite numbers"),
        (lambda x: pillow.resize(x, (8, 8), reducing_gap=0.5), "got 0.5"),
        (lambda x: pillow.fit(x, (8, 8), bleed=0.7), "got 0.7"),
        (lambda x: pillow.fit(x, (8, 8), centering=(2, 0)), r"got \(2, 0\)"),
        (lambda x: pillow.transform(x, (8, 8), AFFINE), "needs data"),
        (lambda x: pillow.transform(x, (8, 8), AFFINE, (1, 2)), r"6 finite numbers, got \(1, 2\)"),
        (lambda x: pillow.transform(x, (8, 8), AFFINE, (0,) * 6), "singular"),
        (lambda x: pillow.transform(x, (8, 8), "turn", (1, 2)), "got 'turn'"),
        (lambda x: pillow.resize(x.convert("CMYK"), (8, 8), linear_light=True), "got 'CMYK'"),
    ],
)
def test_errors_name_what_they_got(call, message):
    with pytest.raises(InvalidArgumentError, match=message):
        call(noise("RGB"))


def test_errors_of_type():
    with pytest.raises(InvalidTypeError, match="got ndarray"):
        pillow.resize(np.zeros((5, 6)), (8, 8))
