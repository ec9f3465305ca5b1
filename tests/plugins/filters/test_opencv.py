"""lerf under OpenCV's signatures: arguments, directions, borders and dtypes are OpenCV's."""

import inspect

import numpy as np
import pytest

import lerf_core
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_plugins.filters import opencv

DTYPES = ["uint8", "uint16", "int16", "float32", "float64"]
BORDERS = {
    "BORDER_CONSTANT": "constant",
    "BORDER_REPLICATE": "edge",
    "BORDER_REFLECT": "symmetric",
    "BORDER_REFLECT_101": "reflect",
    "BORDER_WRAP": "wrap",
}
# Forward: source to output. Not square, turned, and with a horizon.
TURN = np.array([[1.1, -0.4, 6.3], [0.35, 1.2, -2.7]])
TILT = np.vstack([TURN, [2e-3, 1e-3, 1]])


def noise(shape, dtype="uint8", seed=0):
    values = np.random.default_rng(seed).random(shape)
    if np.dtype(dtype).kind in "iu":
        info = np.iinfo(dtype)
        return (values * (info.max - info.min) + info.min).astype(dtype)
    return values.astype(dtype)


def smooth(rows, cols):
    y, x = np.mgrid[:rows, :cols]
    return (128 + 100 * np.sin(x / 9) * np.cos(y / 7)).astype(np.uint8)


def test_the_constants_are_theirs():
    cv2 = pytest.importorskip("cv2")
    for name in opencv.__all__:
        if name.isupper():
            assert getattr(opencv, name) == getattr(cv2, name)


@pytest.mark.parametrize(
    ("ours", "names"),
    [
        (opencv.resize, "src dsize dst fx fy interpolation"),
        (opencv.warp_affine, "src M dsize dst flags borderMode borderValue"),
        (opencv.warp_perspective, "src M dsize dst flags borderMode borderValue"),
        (opencv.remap, "src map1 map2 interpolation dst borderMode borderValue"),
    ],
)
def test_the_arguments_are_theirs(ours, names):
    cv2 = pytest.importorskip("cv2")
    parameters = inspect.signature(ours).parameters
    positional = [name for name, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional == names.split()
    theirs = {"warp_affine": "warpAffine", "warp_perspective": "warpPerspective"}
    name = theirs.get(ours.__name__, ours.__name__)
    line = getattr(cv2, name).__doc__.split(")")[0]
    order = [line.index(word) for word in names.split()]
    assert order == sorted(order)
    assert getattr(opencv, name) is ours


# -- resize -------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@pytest.mark.parametrize("channels", [(), (2,), (3,), (4,), (7,)])
def test_resize_is_the_core(dtype, channels):
    image = noise((9, 14, *channels), dtype)
    out = opencv.resize(image, (23, 11))
    axis = -1 if channels else None
    expected = lerf_core.resize(image, (11, 23), channel_axis=axis, alpha="separate")
    np.testing.assert_array_equal(out, expected)
    assert out.dtype == image.dtype
    assert out.flags.c_contiguous


def test_int16_holds_intensities():
    image = noise((9, 14), "int16") // 40
    expected = lerf_core.resize(
        image, (20, 20), value_range=(int(image.min()), int(image.max())), method="lerf"
    )
    np.testing.assert_array_equal(opencv.resize(image, (20, 20)), expected)
    assert len(np.unique(expected)) > 200
    flat = np.full((4, 5), -7, np.int16)
    np.testing.assert_array_equal(opencv.resize(flat, (9, 9)), np.full((9, 9), -7))


def test_floats_of_any_range():
    image = noise((9, 9), "float32")
    far = opencv.resize(image * 500 - 100, (20, 20))
    assert np.abs((far + 100) / 500 - opencv.resize(image, (20, 20))).max() < 0.1
    told = opencv.resize(image, (20, 20), value_range=(0, 1))
    np.testing.assert_array_equal(told, opencv.resize(image, (20, 20)))


def test_sizes_by_factors():
    cv2 = pytest.importorskip("cv2")
    image = noise((7, 10))
    for factors in ((2, 0.5), (1.25, 1.5), (0.33, 0.99)):
        mine = opencv.resize(image, None, fx=factors[0], fy=factors[1])
        theirs = cv2.resize(image, None, fx=factors[0], fy=factors[1])
        assert mine.shape == theirs.shape
    assert opencv.resize(image, (0, 0), fx=2, fy=2).shape == (14, 20)


@pytest.mark.parametrize("dtype", [*DTYPES, "int32", "int8"])
def test_nearest_is_theirs(dtype):
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(1)
    for _ in range(30):
        rows, cols, height, width = (int(side) for side in rng.integers(1, 40, 4))
        image = noise((rows, cols), dtype)
        mine = opencv.resize(image, (width, height), interpolation=opencv.INTER_NEAREST)
        theirs = cv2.resize(image, (width, height), interpolation=cv2.INTER_NEAREST)
        np.testing.assert_array_equal(mine, theirs)
    image = noise((11, 7), dtype)
    exact = opencv.INTER_NEAREST_EXACT
    for size in ((15, 30), (4, 5), (7, 22)):
        mine = opencv.resize(image, size, interpolation=exact)
        np.testing.assert_array_equal(mine, cv2.resize(image, size, interpolation=exact))


def test_one_channel_loses_its_axis_as_theirs_does():
    cv2 = pytest.importorskip("cv2")
    image = noise((7, 9, 1))
    assert opencv.resize(image, (5, 6)).shape == cv2.resize(image, (5, 6)).shape == (6, 5)
    assert opencv.warp_affine(image, TURN, (5, 6)).shape == (6, 5)


def test_smooth_images_lie_where_theirs_do():
    cv2 = pytest.importorskip("cv2")
    image = smooth(40, 60)
    for size in ((90, 75), (101, 40), (130, 200)):
        mine = opencv.resize(image, size).astype(int)
        theirs = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
        assert np.abs(mine - theirs).max() < 6


def test_fast_and_banks():
    image = noise((12, 9, 3))
    fast = lerf_core.resize(image, (24, 18), channel_axis=-1, fast=True)
    np.testing.assert_array_equal(opencv.resize(image, (18, 24), fast=True), fast)
    by_name = lerf_core.resize(image, (24, 18), channel_axis=-1, bank="lerf-l")
    np.testing.assert_array_equal(opencv.resize(image, (18, 24), bank="lerf-l"), by_name)


# -- warps --------------------------------------------------------------------------


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("channels", [(), (3,), (4,)])
def test_warps_are_the_core_by_the_inverse(border, channels):
    image = noise((17, 25, *channels))
    number = getattr(opencv, border)
    keywords = {
        "output_shape": (21, 30), "mode": BORDERS[border], "cval": 40,
        "channel_axis": -1 if channels else None, "alpha": "separate",
    }  # fmt: skip
    expected = lerf_core.warp(image, lerf_core.geometry.invert(TILT), **keywords)
    value = (40, 40, 40, 40)
    out = opencv.warp_perspective(image, TILT, (30, 21), borderMode=number, borderValue=value)
    np.testing.assert_array_equal(out, expected)
    assert out.flags.c_contiguous
    expected = lerf_core.warp(image, TURN, **keywords)
    flags = opencv.INTER_CUBIC | opencv.WARP_INVERSE_MAP
    out = opencv.warp_affine(image, TURN, (30, 21), None, flags, number, value)
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_nearest_warps_are_theirs(border, dtype):
    cv2 = pytest.importorskip("cv2")
    image = noise((30, 41, 3), dtype)
    number = getattr(cv2, border)
    y, x = np.mgrid[-4:33.7:45j, -5:44.3:50j].astype(np.float32)
    for name, *maps in (
        ("warpAffine", TURN, (50, 45)), ("warpPerspective", TILT, (50, 45)), ("remap", x, y, 0),
    ):  # fmt: skip
        keywords = {"borderMode": number, "borderValue": (9, 8, 7)}
        if name != "remap":
            keywords["flags"] = cv2.INTER_NEAREST
        mine = getattr(opencv, name)(image, *maps, **keywords)
        theirs = getattr(cv2, name)(image, *maps, **keywords)
        # OpenCV rounds positions, to 1/1024 of a pixel at times.
        assert (mine != theirs).mean() < 0.003


@pytest.mark.parametrize("inverse", [False, True])
def test_warps_lie_where_theirs_do(inverse):
    cv2 = pytest.importorskip("cv2")
    image = smooth(60, 90)
    flags = cv2.INTER_CUBIC | (cv2.WARP_INVERSE_MAP if inverse else 0)
    keywords = {"flags": flags, "borderMode": cv2.BORDER_REPLICATE}
    size = (110, 70)
    mine = opencv.warp_affine(image, TURN, size, **keywords).astype(int)
    assert np.abs(mine - cv2.warpAffine(image, TURN, size, **keywords)).max() < 8
    tilt = TILT / [[1, 1, 1], [1, 1, 1], [2, 2, 1]]
    mine = opencv.warp_perspective(image, tilt, size, **keywords).astype(int)
    theirs = cv2.warpPerspective(image, tilt, size, **keywords)
    assert np.abs(mine - theirs).max() < 8


def test_whole_steps_copy_pixels():
    image = noise((6, 9, 3))
    np.testing.assert_array_equal(opencv.warp_affine(image, np.eye(3)[:2], None), image)
    turn = np.array([[0, 1, 0], [-1, 0, 8], [0, 0, 1]])
    np.testing.assert_array_equal(opencv.warp_perspective(image, turn, (6, 9)), np.rot90(image))


def test_border_values_are_theirs():
    cv2 = pytest.importorskip("cv2")
    away = np.array([[1.0, 0, 100], [0, 1, 0]])
    for channels in (1, 3, 4, 6):
        image = noise((4, 5, channels))
        for value in (7, (1, 2), (1, 2, 3, 4)):
            mine = opencv.warp_affine(image, away, (2, 2), borderValue=value)
            theirs = cv2.warpAffine(image, away, (2, 2), borderValue=value)
            np.testing.assert_array_equal(mine, theirs)


def test_maps_in_all_their_forms():
    cv2 = pytest.importorskip("cv2")
    image = noise((20, 30, 3))
    y, x = np.mgrid[1:17.5:15j, 2:27.25:24j].astype(np.float32)
    out = opencv.remap(image, x, y, cv2.INTER_LINEAR)
    expected = lerf_core.warp(image, np.stack([y, x]).astype(float), channel_axis=-1)
    np.testing.assert_array_equal(out, expected)
    both = opencv.remap(image, np.dstack([x, y]), None, cv2.INTER_LINEAR)
    np.testing.assert_array_equal(both, out)
    fixed = opencv.remap(smooth(20, 30), *cv2.convertMaps(x, y, cv2.CV_16SC2), 1).astype(int)
    assert np.abs(fixed - opencv.remap(smooth(20, 30), x, y, 1)).max() <= 3
    nearest = cv2.convertMaps(x, y, cv2.CV_16SC2, nninterpolation=True)
    np.testing.assert_array_equal(
        opencv.remap(image, *nearest, cv2.INTER_NEAREST),
        cv2.remap(image, *nearest, cv2.INTER_NEAREST),
    )
    steps = np.stack([x - np.arange(24), y - np.arange(15)[:, None]])
    relative = opencv.remap(image, *steps, cv2.INTER_LINEAR | opencv.WARP_RELATIVE_MAP)
    assert np.abs(relative.astype(int) - out).max() <= 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [(), (3,)])
def test_transparent_borders_show_dst(dtype, channels):
    image = noise((12, 15, *channels), dtype)
    below = noise((30, 40, *channels), dtype, seed=1)
    matrix = np.array([[1.3, 0.2, 10], [-0.2, 1.3, 8]])
    dst = below.copy()
    out = opencv.warp_affine(image, matrix, (40, 30), dst, borderMode=opencv.BORDER_TRANSPARENT)
    assert out is dst
    seen = opencv.warp_affine(np.ones((12, 15), np.float32), matrix, (40, 30))
    np.testing.assert_array_equal(out[seen <= 0], below[seen <= 0])
    inner = opencv.warp_affine(
        image, matrix, (40, 30), borderMode=opencv.BORDER_REPLICATE
    )  # what lies wholly on the image
    np.testing.assert_array_equal(out[seen >= 1], inner[seen >= 1])
    partly = (seen > 0) & (seen < 1)
    assert partly.any()
    low = np.minimum(inner, below)[partly].astype(float)
    high = np.maximum(inner, below)[partly].astype(float)
    assert (out[partly] >= low - 1e-6).all()
    assert (out[partly] <= high + 1e-6).all()


def test_transparent_borders_of_copied_pixels_are_theirs():
    cv2 = pytest.importorskip("cv2")
    image, below = noise((12, 15, 3)), noise((30, 40, 3), seed=1)
    matrix = np.array([[1.3, 0.2, 10], [-0.2, 1.3, 8]])
    arguments = ((40, 30), below.copy(), cv2.INTER_NEAREST, cv2.BORDER_TRANSPARENT)
    mine = opencv.warp_affine(image, matrix, *arguments)
    arguments = ((40, 30), below.copy(), cv2.INTER_NEAREST, cv2.BORDER_TRANSPARENT)
    np.testing.assert_array_equal(mine, cv2.warpAffine(image, matrix, *arguments))


def test_dst_is_filled_and_inputs_are_not_changed():
    image = noise((6, 9))
    image.flags.writeable = False
    dst = np.zeros((12, 18), np.uint8)
    assert opencv.resize(image, (18, 12), dst) is dst
    np.testing.assert_array_equal(dst, opencv.resize(image, (18, 12)))
    with pytest.raises(InvalidArgumentError, match=r"shape \(12, 18\), got float32"):
        opencv.resize(image, (18, 12), dst.astype(np.float32))


def test_turned_views_and_nan():
    image = noise((9, 7, 3))[::-1, ::-1].transpose(1, 0, 2)
    np.testing.assert_array_equal(
        opencv.resize(image, (20, 20)), opencv.resize(image.copy(), (20, 20))
    )
    hole = noise((9, 9), "float32")
    hole[4, 4] = np.nan
    assert 0 < np.isnan(opencv.resize(hole, (18, 18))).sum() <= 4
    shift = np.array([[1, 0, 0.25], [0, 1, 0]])
    assert np.isnan(opencv.warp_affine(hole, shift, (9, 9))).sum() == 1


# -- errors -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: opencv.resize(x, 8), "got 8"),
        (lambda x: opencv.resize(x, (8.5, 8)), r"got \(8.5, 8\)"),
        (lambda x: opencv.resize(x, (8, -1)), r"positive, got \(8, -1\)"),
        (lambda x: opencv.resize(x, None), "positive and finite, got 0 and 0"),
        (lambda x: opencv.resize(x, (8, 8), interpolation=7), "not known: 7"),
        (lambda x: opencv.resize(x, (8, 8), interpolation=16), "not known: 16"),
        (lambda x: opencv.resize(x[0, 0], (8, 8)), r"got shape \(3,\)"),
        (lambda x: opencv.resize(x[:0], (8, 8)), "empty"),
        (lambda x: opencv.warp_affine(x, np.eye(3), (8, 8)), r"got \(3, 3\)"),
        (lambda x: opencv.warp_perspective(x, TURN, (8, 8)), r"got \(2, 3\)"),
        (lambda x: opencv.warp_affine(x, TURN * 0, (8, 8)), "singular"),
        (lambda x: opencv.warp_affine(x, TURN, (8, 8), borderMode=9), "not known: 9"),
        (lambda x: opencv.warp_affine(x, TURN, (8, 8), borderMode=5), "shows dst"),
        (lambda x: opencv.warp_affine(x, TURN, (8, 8), borderValue=range(5)), "up to 4"),
        (lambda x: opencv.remap(x, np.eye(4), np.eye(3), 1), r"got shapes \(4, 4\) and \(3, 3\)"),
        (lambda x: opencv.remap(x, np.eye(4), None, 1), "and None"),
    ],
)
def test_errors_name_what_they_got(call, message):
    with pytest.raises(InvalidArgumentError, match=message):
        call(noise((5, 6, 3)))


def test_errors_of_type():
    for dtype in ("bool", "int32", "int8", "float16", "complex64"):
        with pytest.raises(InvalidTypeError, match=f"got {dtype}"):
            opencv.resize(np.zeros((5, 6), dtype), (8, 8))
    with pytest.raises(InvalidTypeError, match="got 'cubic'"):
        opencv.resize(np.zeros((5, 6), np.uint8), (8, 8), interpolation="cubic")
