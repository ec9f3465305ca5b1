import numpy as np
import pytest
from support.images import MODES, noise, wide_noise

from lerf_core import Displacement, rescale, resize, warp
from lerf_core.geometry import fit_output, homography_from_points, invert, rotation

SHAPE = (17, 23)
ROWS, COLS = np.mgrid[: SHAPE[0], : SHAPE[1]]
DTYPES = ["uint8", "uint16", ">u2", "int16", "int64", "bool", "float16", "float32", "float64"]


def _turned(degrees):
    forward, shape = fit_output(rotation(degrees, SHAPE), SHAPE)
    return invert(forward), shape


# The inverse map, the result's shape, and what NumPy makes of an image (rows, cols, ...).
MAPS = {
    "identity": (np.eye(3), SHAPE, lambda image: image),
    "nearly": (np.eye(3) + 1e-9, SHAPE, lambda image: image),
    "corners": (
        homography_from_points([(0, 0), (9, 0), (9, 9), (0, 9)], [(0, 0), (9, 0), (9, 9), (0, 9)]),
        SHAPE, lambda image: image,
    ),
    "quarter turn": (*_turned(90), np.rot90),
    "half turn": (*_turned(180), lambda image: np.rot90(image, 2)),
    "three quarters": (*_turned(-90), lambda image: np.rot90(image, 3)),
    "mirror": ([[-1, 0, SHAPE[1] - 1], [0, 1, 0]], SHAPE, lambda image: image[:, ::-1]),
    "transpose": (
        [[0, 1, 0], [1, 0, 0]], SHAPE[::-1], lambda image: np.swapaxes(image, 0, 1),
    ),
    "zero field": (Displacement(np.zeros((2, *SHAPE))), SHAPE, lambda image: image),
    "integers": (
        np.stack([ROWS[::-1], COLS]), SHAPE, lambda image: image[::-1],
    ),
    "rolled": (
        np.stack([(ROWS + 4) % SHAPE[0], (COLS + 5) % SHAPE[1]]).astype(np.float32), SHAPE,
        lambda image: np.roll(image, (-4, -5), axis=(0, 1)),
    ),
    "lines that slide": (
        Displacement(np.stack([ROWS * 0, (ROWS % 2) * 2])), SHAPE,
        lambda image: np.where(
            (ROWS % 2 == 1)[(...,) + (None,) * (image.ndim - 2)],
            image[:, np.minimum(np.arange(SHAPE[1]) + 2, SHAPE[1] - 1)], image,
        ),
    ),
    "function": (
        lambda points: points[:, ::-1], SHAPE[::-1], lambda image: np.swapaxes(image, 0, 1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", MAPS)
def test_pixels_are_copied_to_the_bit(name, dtype):
    inverse, shape, expected = MAPS[name]
    image = noise((*SHAPE, 3)) > 99 if dtype == "bool" else wide_noise((*SHAPE, 3), dtype, 3)
    out = warp(image, inverse, output_shape=shape, channel_axis=-1, mode="edge")
    assert out.dtype == image.dtype
    np.testing.assert_array_equal(out, expected(image))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("engine", ["numba", "reference"])
def test_shifts_show_what_lies_beyond_the_border(mode, engine):
    image = noise((9, 12))
    padded = np.pad(image, 6, mode=mode, **({"constant_values": 77} if mode == "constant" else {}))
    expected = padded[6 + 4 : 15 + 4, 6 - 5 : 18 - 5]
    field = np.stack(np.broadcast_arrays(np.full(image.shape, 4.0), -5.0))
    for inverse in ([[1, 0, -5], [0, 1, 4]], Displacement(field), lambda points: points + (-5, 4)):
        out = warp(image, inverse, mode=mode, cval=77, engine=engine)
        np.testing.assert_array_equal(out, expected)


def _special_images():
    alpha = noise((*SHAPE, 4))
    alpha[:8, :, 3] = 0
    holes = noise((*SHAPE, 2), "float32")
    holes[3:6, 4:9] = np.nan
    holes[7, 7] = np.inf, -np.inf
    return {
        "alpha": (alpha, {}),
        "separate alpha": (alpha, {"alpha": "separate"}),
        "nodata": (noise((*SHAPE, 3)) // 64, {"nodata": 2}),
        "nodata of floats": (np.nan_to_num(holes, nan=-9), {"nodata": -9, "alpha": "separate"}),
        "NaN": (holes, {"alpha": "separate"}),
        "NaN with alpha": (holes, {}),
        "zeros below 0": (-np.zeros((*SHAPE, 1), "float32"), {}),
        "linear light": (noise((*SHAPE, 3)), {"linear_light": True}),
        "a narrow range": (noise((*SHAPE, 3), "uint16"), {"value_range": (400, 500)}),
        "without anti-aliasing": (noise((*SHAPE, 3)), {"anti_aliasing": False}),
        "no overshoot": (noise((*SHAPE, 1)) // 200 * 255, {"bank": "lerf-p"}),
    }


@pytest.mark.parametrize("name", _special_images())
@pytest.mark.parametrize("field", [False, True])
def test_copies_obey_no_option_of_the_means(name, field):
    image, options = _special_images()[name]
    inverse = Displacement(np.zeros((2, *SHAPE))) if field else np.eye(3)
    out = warp(image, inverse, channel_axis=-1, **options)
    np.testing.assert_array_equal(out.view(np.uint8), image.view(np.uint8))


def test_a_result_of_another_range_is_mapped_alike():
    image = noise(SHAPE)
    for inverse in (np.eye(3), Displacement(np.zeros((2, *SHAPE)))):
        out = warp(image, inverse, preserve_range=False)
        np.testing.assert_array_equal(out, image / 255)


@pytest.mark.parametrize("cval", [3.7, 300, [1, 2, 3, 0]])
def test_surroundings_are_those_of_other_warps(cval):
    image = noise((9, 12, 4))
    away = warp(image, [[1, 0, 40.5], [0, 1, 0]], cval=cval, channel_axis=-1)
    whole = warp(image, [[1, 0, 40], [0, 1, 0]], cval=cval, channel_axis=-1)
    np.testing.assert_array_equal(whole, away)


def test_a_crop_and_a_frame():
    image = noise(SHAPE)
    out = warp(image, [[1, 0, 3], [0, 1, 2]], output_shape=(5, 6))
    np.testing.assert_array_equal(out, image[2:7, 3:9])
    out = warp(image, [[1, 0, -3], [0, 1, -2]], output_shape=(30, 40), cval=9)
    expected = np.full((30, 40), 9)
    expected[2:19, 3:26] = image
    np.testing.assert_array_equal(out, expected)


def test_a_field_copies_where_it_moves_whole_pixels():
    image = noise((20, 30))
    step = np.where(np.arange(30) > 15, 0.4, 0.0)
    field = np.stack(np.broadcast_arrays(step, np.zeros((20, 1))))
    out = warp(image, Displacement(field), mode="edge")
    np.testing.assert_array_equal(out[:, :16], image[:, :16])
    assert (out[:, 17:] != image[:, 17:]).mean() > 0.5


def test_other_maps_are_no_copies():
    image = noise((20, 30))
    for inverse in (
        [[1, 0, 0.01], [0, 1, 0]],
        [[0.5, 0, 0], [0, 0.5, 0]],
        [[2, 0, 0], [0, 2, 0]],
        lambda points: points * 2,
    ):
        nearest = warp(image, inverse, mode="edge", method="nearest")
        assert (warp(image, inverse, mode="edge") != nearest).mean() > 0.5


def test_a_resize_to_the_same_size_copies():
    image = wide_noise((*SHAPE, 3), "float32", 1)
    for out in (
        resize(image, SHAPE, channel_axis=-1),
        rescale(image, 1, channel_axis=-1),
        rescale(image, 0.1 + 0.2 + 0.7, channel_axis=-1),
        rescale(image, (1 + 1e-15, 1 - 1e-15), channel_axis=-1),
        rescale(image, (np.float32(1.1) / 1.1, 1), channel_axis=-1),
    ):
        np.testing.assert_array_equal(out, image)
    # An axis that keeps its length stays so beside another.
    np.testing.assert_array_equal(
        rescale(image, (2, 1 + 1e-15), channel_axis=-1), rescale(image, (2, 1), channel_axis=-1)
    )
