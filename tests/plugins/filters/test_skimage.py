"""lerf under scikit-image's signatures: what a changed import may rely on."""

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("skimage")
from skimage import transform
from skimage.util import img_as_float

import lerf_core
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_plugins.filters.skimage import rescale, resize, warp

DTYPES = ["uint8", "uint16", "int16", "int32", "float16", "float32", "float64"]
MODES = ["constant", "edge", "reflect", "symmetric", "wrap"]


def noise(shape, dtype="float64", seed=0):
    values = np.random.default_rng(seed).random(shape)
    if np.dtype(dtype).kind in "iu":
        return (values * min(np.iinfo(dtype).max, 1 << 20)).astype(dtype)
    return values.astype(dtype)


def smooth(rows, cols):
    y, x = np.mgrid[:rows, :cols]
    return 0.5 + 0.4 * np.sin(x / 9) * np.cos(y / 7)


# -- signatures ---------------------------------------------------------------------


@pytest.mark.parametrize("ours", [resize, rescale, warp])
def test_the_signature_is_theirs_and_some_keywords(ours):
    theirs = inspect.signature(getattr(transform, ours.__name__)).parameters.values()
    mine = list(inspect.signature(ours).parameters.values())
    assert [(p.name, p.default, p.kind) for p in mine[: len(theirs)]] == [
        (p.name, p.default, p.kind) for p in theirs
    ]
    assert all(p.kind is p.KEYWORD_ONLY for p in mine[len(theirs) :])


# -- resize -------------------------------------------------------------------------


def test_resize_is_the_core_on_floats():
    image = noise((9, 13, 3), "uint8")
    expected = lerf_core.resize(img_as_float(image), (20, 17), channel_axis=-1, mode="reflect")
    low, high = image.min() / 255, image.max() / 255
    np.testing.assert_array_equal(resize(image, (20, 17)), np.clip(expected, low, high))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", [None, 0, 3])
@pytest.mark.parametrize("preserve_range", [False, True])
def test_dtypes_and_ranges_are_theirs(dtype, order, preserve_range):
    image = noise((8, 11), dtype)
    keywords = {"order": order, "preserve_range": preserve_range}
    for ours, theirs, argument in (
        (resize, transform.resize, (12, 5)),
        (rescale, transform.rescale, (1.3, 0.7)),
    ):
        mine, wanted = ours(image, argument, **keywords), theirs(image, argument, **keywords)
        assert (mine.shape, mine.dtype) == (wanted.shape, wanted.dtype)
        np.testing.assert_allclose(mine.mean(), wanted.mean(), rtol=0.15)


@pytest.mark.parametrize("shape", [(3, 9), (24, 7), (5, 26), (8, 13), (16, 26)])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "float32", "float64"])
def test_order_0_is_theirs(shape, dtype):
    image = noise((8, 13)) > 0.5 if dtype == "bool" else noise((8, 13), dtype)
    mine, theirs = resize(image, shape, order=0), transform.resize(image, shape, order=0)
    assert mine.dtype == theirs.dtype
    np.testing.assert_allclose(mine, theirs, rtol=1e-6)


def test_order_0_takes_any_number_of_axes():
    image = noise((4, 5, 6, 7), "int32")
    shape = (8, 3, 9, 5)
    np.testing.assert_array_equal(
        resize(image, shape, order=0), transform.resize(image, shape, order=0)
    )
    line = np.arange(5)
    np.testing.assert_array_equal(resize(line, (10,), order=0), line.repeat(2))


def test_smooth_images_lie_where_theirs_do():
    image = smooth(40, 60)
    for shape in ((90, 75), (40, 101), (25, 31)):
        mine, theirs = resize(image, shape), transform.resize(image, shape, order=3)
        assert np.abs(mine - theirs)[2:-2, 2:-2].max() < 0.02


@pytest.mark.parametrize("mode", MODES)
def test_resize_knows_their_borders(mode):
    image = noise((6, 7))
    mine = resize(image, (11, 12), mode=mode, cval=0.25, clip=False)
    expected = lerf_core.resize(image, (11, 12), mode=mode, cval=0.25)
    np.testing.assert_array_equal(mine, expected)
    assert resize(noise((1, 5)), (3, 9), mode=mode).shape == (3, 9)


def test_axes_that_keep_their_length_do_not_mix():
    image = noise((7, 9, 3))
    mine = resize(image, (7, 14), clip=False)  # columns alone
    for channel in range(3):
        alone = resize(image[..., channel], (7, 14), clip=False)
        np.testing.assert_array_equal(mine[..., channel], alone)
    stack = noise((6, 7, 9))
    mine = resize(stack, (6, 14, 5), clip=False)
    for plane, out in zip(stack, mine, strict=True):
        np.testing.assert_array_equal(out, resize(plane, (14, 5), clip=False))
    rgba = noise((5, 6, 4))
    mine = resize(rgba, (9, 9), clip=False)  # the last channel is no alpha
    np.testing.assert_array_equal(mine[..., 0], resize(rgba[..., 0], (9, 9), clip=False))


def test_lines_and_more_axes():
    line = noise(9)
    np.testing.assert_array_equal(resize(line, (15,)), resize(line[None], (1, 15))[0])
    assert resize(noise((5, 6)), (7, 8, 1, 1)).shape == (7, 8, 1, 1)
    grey = noise((5, 6))
    colours = resize(grey, (7, 8, 3))
    np.testing.assert_array_equal(colours, resize(grey, (7, 8))[..., None].repeat(3, axis=2))
    with pytest.raises(InvalidArgumentError, match="two axes at a time"):
        resize(noise((5, 6, 7)), (7, 8, 9))


def test_the_same_shape_is_a_copy():
    image = noise((5, 6), "uint8")
    out = resize(image, (5, 6))
    np.testing.assert_array_equal(out, img_as_float(image))
    floats = noise((5, 6))
    assert not np.shares_memory(resize(floats, (5, 6)), floats)


def test_results_are_clipped_unless_asked_not_to():
    image = np.zeros((12, 12))
    image[4:8, 4:8] = 1
    free = resize(image, (31, 31), clip=False)
    held = resize(image, (31, 31))
    assert free.max() > 1
    np.testing.assert_array_equal(held, np.clip(free, 0, 1))


def test_values_of_any_range_are_resized_alike():
    image = noise((9, 9))
    unit = resize(image, (20, 20), mode="edge")
    far = resize(image * 500 + 1000, (20, 20), mode="edge")
    scaled = (unit - image.min()) / np.ptp(image)
    # Between the image's extremes in place of 0 and 1: alike, not the same.
    assert np.abs((far - 1000) / 500 - unit).max() < 0.1
    assert 0 <= scaled.min() <= scaled.max() <= 1


def test_nan_stays_where_it_is():
    image = noise((9, 9))
    image[4, 4] = np.nan
    out = resize(image, (18, 18))
    assert 0 < np.isnan(out).sum() <= 4
    assert np.isnan(resize(np.full((3, 3), np.nan), (6, 6))).all()


def test_sigma_blurs():
    image = noise((40, 40, 3))
    out = resize(image, (20, 20), anti_aliasing=True, anti_aliasing_sigma=3)
    assert out.std() < 0.5 * resize(image, (20, 20)).std()
    grey = resize(image[..., 0], (20, 20), anti_aliasing=True, anti_aliasing_sigma=3)
    np.testing.assert_allclose(out[..., 0], grey, atol=1e-12)
    with pytest.warns(UserWarning, match="not down-sampling"):
        resize(image, (20, 60), anti_aliasing=True, anti_aliasing_sigma=(1, 1, 0))


def test_any_byte_order():
    for kind in ("f4", "u2", "i2", "f8"):
        image = noise((6, 7), kind)
        for order in (None, 0):
            mine = resize(image.astype(f">{kind}"), (9, 9), order=order)
            np.testing.assert_array_equal(mine, resize(image, (9, 9), order=order))
            assert mine.dtype.char == resize(image, (9, 9), order=order).dtype.char


def test_banks_can_be_named():
    image = noise((6, 6))
    bank = lerf_core.load_bank("lerf-l")
    np.testing.assert_array_equal(
        resize(image, (9, 9), bank="lerf-l"), resize(image, (9, 9), bank=bank)
    )
    assert not np.array_equal(resize(image, (9, 9), bank=bank), resize(image, (9, 9)))


# -- rescale ------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.5, 1.5, (2, 0.3), 1e-3])
def test_rescale_has_their_sizes(scale):
    image = noise((5, 7))
    assert rescale(image, scale).shape == transform.rescale(image, scale).shape


@pytest.mark.parametrize("channel_axis", [0, 1, 2, -1, -3])
def test_rescale_keeps_the_channels_where_they_are(channel_axis):
    image = noise((5, 7, 3))
    expected = rescale(image, (2, 1.5), channel_axis=-1)
    moved = rescale(np.moveaxis(image, -1, channel_axis), (2, 1.5), channel_axis=channel_axis)
    np.testing.assert_array_equal(np.moveaxis(moved, channel_axis, -1), expected)


# -- warp ---------------------------------------------------------------------------

TURN = transform.EuclideanTransform(rotation=0.2, translation=(4, -3))
TILT = transform.ProjectiveTransform(np.array([[1, 0.1, 2], [0.05, 0.9, 1], [1e-3, 5e-4, 1]]))


@pytest.mark.parametrize("tform", [TURN, TILT, TURN.inverse])
@pytest.mark.parametrize("channels", [(), (3,), (4,), (6,)])
def test_warp_by_a_transform_is_the_core_by_its_matrix(tform, channels):
    image = noise((12, 17, *channels))
    axis = -1 if channels else None
    expected = lerf_core.warp(image, tform.params, channel_axis=axis, alpha="separate")
    np.testing.assert_array_equal(warp(image, tform, clip=False), expected)
    np.testing.assert_array_equal(warp(image, tform.params, clip=False), expected)


@pytest.mark.parametrize("mode", MODES)
def test_the_forms_of_a_map_agree(mode):
    image, shape = smooth(24, 31), (20, 40)
    keywords = {"output_shape": shape, "mode": mode, "cval": 0.2}
    by_matrix = warp(image, TURN, **keywords)
    by_function = warp(image, TURN.__call__, **keywords)
    np.testing.assert_allclose(by_function, by_matrix, atol=1e-6)
    points = np.stack(np.mgrid[:20, :40][::-1], axis=-1).reshape(-1, 2)
    positions = TURN(points)[:, ::-1].T.reshape(2, *shape)
    np.testing.assert_array_equal(warp(image, positions, mode=mode, cval=0.2), by_function)


@pytest.mark.parametrize("tform", [TURN, TILT])
def test_warps_lie_where_theirs_do(tform):
    image = smooth(50, 80)
    mine, theirs = warp(image, tform, cval=0.5), transform.warp(image, tform, order=3, cval=0.5)
    inner = transform.warp(np.ones_like(image), tform, order=1) == 1
    assert np.abs(mine - theirs)[inner][40:-40].max() < 0.03


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "float64"])
@pytest.mark.parametrize("mode", MODES)
def test_warp_of_order_0_is_theirs(dtype, mode):
    image = noise((13, 21)) > 0.5 if dtype == "bool" else noise((13, 21), dtype)
    for tform in (TURN, transform.AffineTransform(scale=(0.5, 2), translation=(0.25, 0))):
        mine = warp(image, tform, order=0, mode=mode, output_shape=(15, 18))
        theirs = transform.warp(image, tform, order=0, mode=mode, output_shape=(15, 18))
        assert mine.dtype == theirs.dtype
        np.testing.assert_array_equal(mine, theirs)


def test_whole_steps_copy_pixels():
    image = noise((5, 8))
    turned = transform.SimilarityTransform(rotation=np.pi / 2, translation=(7, 0))
    np.testing.assert_array_equal(warp(image, turned, output_shape=(8, 5)), np.rot90(image))
    np.testing.assert_array_equal(warp(image, np.eye(3)), image)
    np.testing.assert_array_equal(warp(image, lambda xy: xy), image)
    moved = warp(image, transform.AffineTransform(translation=(2, -1)), cval=7)
    np.testing.assert_array_equal(moved[1:, :-2], image[:-1, 2:])
    assert (moved[0] == 7).all()


def test_functions_take_map_args_and_are_called_once():
    calls = []

    def shift(xy, steps):
        calls.append(len(xy))
        xy[:, 0] += steps  # in place, as in scikit-image's own example
        return xy

    image = noise((6, 9))
    out = warp(image, shift, map_args={"steps": 2})
    np.testing.assert_array_equal(out[:, :-2], image[:, 2:])
    assert calls == [54]


def test_meshes_and_polynomials():
    image = smooth(30, 40)
    corners = np.array([[0, 0], [39, 0], [0, 29], [39, 29], [20, 15]], dtype=float)
    moved = corners + [[0, 0], [0, 0], [0, 0], [0, 0], [3, 2]]
    kind = transform.PiecewiseAffineTransform
    if hasattr(kind, "from_estimate"):
        mesh = kind.from_estimate(corners, moved)
    else:  # before 0.26
        mesh = kind()
        mesh.estimate(corners, moved)
    polynomial = transform.PolynomialTransform(np.array([[1, 1, 0.05], [0.5, 0.02, 1]]))
    for tform in (mesh, polynomial):
        mine, theirs = warp(image, tform), transform.warp(image, tform, order=3)
        assert np.abs(mine - theirs)[3:-3, 3:-3].max() < 0.05
    wide = warp(image, mesh, output_shape=(40, 60), cval=np.nan)
    assert np.isnan(wide[30:]).all()
    assert np.isfinite(wide[:29, :39]).all()


def test_coordinates_of_channels():
    image = noise((6, 8, 3))
    coordinates = transform.warp_coords(TURN, (6, 8, 3))
    np.testing.assert_allclose(warp(image, coordinates), warp(image, TURN), atol=1e-6)
    swapped = coordinates[..., ::-1]
    np.testing.assert_array_equal(warp(image, swapped), warp(image, coordinates)[..., ::-1])
    with pytest.raises(InvalidArgumentError, match="one of the image's 3 channels"):
        warp(image, coordinates + 0.5)


def test_anti_aliasing_can_be_declined():
    image = noise((40, 40))
    zoom = transform.AffineTransform(scale=4)
    shape = (10, 10)
    assert warp(image, zoom, output_shape=shape).std() < 0.6 * (
        warp(image, zoom, output_shape=shape, anti_aliasing=False).std()
    )


def test_inputs_are_not_changed():
    image = noise((6, 7))
    image.flags.writeable = False
    resize(image, (9, 9))
    rescale(image, 0.5, order=0)
    warp(image, TURN)


# -- errors -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: resize(x, (8,)), r"got \(8,\)"),
        (lambda x: resize(x, (0, 8, 3)), "positive, got"),
        (lambda x: resize(x, 8), "sequence of lengths, got 8"),
        (lambda x: resize(x, (8, 8), order=6), "0..5, got 6"),
        (lambda x: resize(x, (8, 8), mode="mirror"), "got 'mirror'"),
        (lambda x: resize(x > 0, (8, 8), order=1), "bool image, got 1"),
        (lambda x: resize(x > 0, (3, 3), anti_aliasing=True), "bool image, got True"),
        (
            lambda x: resize(x, (3, 3), anti_aliasing=True, anti_aliasing_sigma=-1),
            "negative, got -1",
        ),
        (lambda x: rescale(x, (2, 2)), "each of 3 axes"),
        (lambda x: rescale(x, -1), "positive and finite, got -1"),
        (lambda x: rescale(x, 2, channel_axis=3), "got 3"),
        (lambda x: warp(x, np.eye(4)), r"got shape \(4, 4\)"),
        (lambda x: warp(x, np.eye(3), output_shape=(3.4, 5)), r"whole numbers, got \(3.4, 5\)"),
        (lambda x: warp(x, np.eye(3), output_shape=(3, 5, 4)), r"got \(3, 5, 4\)"),
        (lambda x: warp(x, lambda xy: xy[:1]), "points, got"),
        (lambda x: warp(x[None], np.eye(3)), "got shape"),
        (lambda x: warp(x[:0], np.eye(3)), "empty"),
    ],
)
def test_errors_name_what_they_got(call, message):
    with pytest.raises(InvalidArgumentError, match=message):
        call(noise((5, 6, 3)))


def test_errors_of_type():
    for call in (
        lambda: warp(noise((5, 6)), 3),
        lambda: resize(noise((5, 6)), (8, 8), order=1.5),
        lambda: resize(noise((5, 6)) * 1j, (8, 8)),
        lambda: resize(np.ma.masked_array(noise((5, 6))), (8, 8)),
    ):
        with pytest.raises(InvalidTypeError):
            call()


# -- their own tests ----------------------------------------------------------------

THEIR_TESTS = """
import numpy as np
from skimage.transform._warps import resize, rotate, downscale_local_mean

def test_shape():
    assert resize(np.zeros((4, 4)), (8, 8)).shape == (8, 8)

def test_rotate():
    assert rotate(np.eye(4), 90)[0, 0] == 0 and rotate.__globals__["warp"].__wrapped__

def test_mean():
    assert downscale_local_mean(np.ones((4, 4)), (2, 2)).sum() == 4

def test_bilinear():
    assert np.allclose(resize(np.array([[0.0, 1.0]]), (1, 4), order=1), [[0.25, 0.25, 0.75, 0.75]])
    raise OSError("seen")
"""


def test_the_script_that_runs_their_tests(tmp_path):
    folder = tmp_path / "tests" / "skimage" / "transform"
    folder.mkdir(parents=True)
    (folder / "test_warps.py").write_text(THEIR_TESTS)
    script = Path(__file__).parents[3] / "benchmarks" / "scikit_image_tests.py"
    report = tmp_path / "verdicts.json"
    # It needs none of the plugins that happen to be installed.
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, script, tmp_path, "--json", report]
    subprocess.run(command, check=True, capture_output=True, env=environment)
    verdicts = {name: verdict for name, (verdict, _) in json.loads(report.read_text()).items()}
    assert verdicts == {
        "test_shape": "pass",
        "test_rotate": "pass",
        "test_mean": "not ours",
        "test_bilinear": "fails anyway",
    }
