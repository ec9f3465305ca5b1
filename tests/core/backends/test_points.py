"""Means at scattered positions, and where these lie: ends of runs, thin images, far outside."""

import numpy as np
import pytest
from support import strategies as draw

from lerf_core import warp
from lerf_core.backends import get_backend
from lerf_core.bank import KINDS
from lerf_core.geometry import Homography, as_inverse_map
from lerf_core.pixels.blending import BorderBlend
from lerf_core.pixels.values import ValueScale

COMPILED, REFERENCE = get_backend("numba"), get_backend("reference")

each_kind = pytest.mark.parametrize("kind", KINDS)
each_level_dtype = pytest.mark.parametrize("dtype", ["uint8", "float32"])
each_mode = pytest.mark.parametrize("mode", draw.BORDER_MODES)


def means(backend, packed, bounds, kind, validity, row, col, scales=None, visible=None):
    channels = [
        (plane, None if bounds is None else bound)
        for plane, bound in zip(packed, packed if bounds is None else bounds, strict=True)
    ]
    points = backend.points_of(iter(channels), len(packed), KINDS[kind].weighting, validity)
    return backend.mean_at_points(
        points, row, col, scales, to_uint8=packed.dtype == np.uint8, visible_columns=visible
    )


def assert_means_agree(kind, dtype, shape, row, col, scales, *, valid, bounded=True, seed=0):
    rng = np.random.default_rng(seed)
    packed = draw.packed_levels(rng, kind, (2, *shape), np.dtype(dtype), extreme=True)
    bounds = None
    if kind == "lerf-p" and bounded:
        bounds = [REFERENCE.overshoot_bounds(plane, 1) for plane in packed[..., 0]]
    validity = draw.validities(rng, shape) if valid else None
    results = [
        means(backend, packed, bounds, kind, validity, row, col, scales)
        for backend in (COMPILED, REFERENCE)
    ]
    for ours, expected in zip(*results, strict=True):
        np.testing.assert_array_equal(ours, expected)


@each_kind
@each_level_dtype
@pytest.mark.parametrize("valid", [False, True])
def test_rows_of_any_length(kind, dtype, valid):
    rng = np.random.default_rng(1)
    for width in (1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 191, 192, 193, 209, 385):
        row, col = draw.positions(rng, (9, 13), (2, width))
        scales = [np.maximum(rng.uniform(0.5, 2.5, row.shape), 1) for _ in range(2)]
        for given in (None, scales):
            assert_means_agree(kind, dtype, (9, 13), row, col, given, valid=valid)


@each_kind
@each_level_dtype
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (1, 40), (40, 1)])
def test_images_of_a_pixel_or_a_line(kind, dtype, shape):
    row, col = draw.positions(np.random.default_rng(2), shape, (3, 45))
    wide = np.full(row.shape, 1.7), np.full(row.shape, 2.0)
    for scales in (None, wide):
        assert_means_agree(kind, dtype, shape, row, col, scales, valid=True)


@each_kind
@each_level_dtype
@pytest.mark.parametrize("far", [2.0**20, 2.0**31, 2.0**40])
def test_positions_far_outside_see_the_nearest_pixels(kind, dtype, far):
    there = np.array([-far, -far - 0.25, -3, -1, 0, 12, 13, 15, far, far + 0.5])
    row, col = (place.copy() for place in np.meshgrid(there, there, indexing="ij"))
    for scales in (None, (np.full(row.shape, 1.5), np.ones(row.shape))):
        assert_means_agree(kind, dtype, (13, 13), row, col, scales, valid=False)


@each_level_dtype
def test_planes_without_bounds_are_held_back_by_nothing_but_the_dtype(dtype):
    row, col = draw.positions(np.random.default_rng(3), (20, 20), (4, 50))
    for scales in (None, (np.full(row.shape, 1.2), np.full(row.shape, 1.2))):
        assert_means_agree("lerf-p", dtype, (20, 20), row, col, scales, valid=False, bounded=False)


@each_level_dtype
@pytest.mark.parametrize("axes", ["y", "x", pytest.param("yx", marks=pytest.mark.long)])
def test_footprints_beyond_the_most_taps_and_footprints_of_a_pixel_side_by_side(dtype, axes):
    rng = np.random.default_rng(4)
    row, col = draw.positions(rng, (300, 300), (2, 40))
    near, far = [1.0, 1.0 + 2e-6, 1.5], [63.9, 64.0, 64.1, 130.3]
    scales = [rng.choice(near + far * (axis in axes), row.shape) for axis in "yx"]
    assert_means_agree("lerf-p", dtype, (300, 300), row, col, scales, valid=True)


@pytest.mark.parametrize("scaled", [False, True])
def test_columns_that_are_not_wanted_are_cleared_and_those_beside_them_right(scaled):
    rng = np.random.default_rng(5)
    packed = draw.packed_levels(rng, "lerf-g", (1, 30, 40), np.dtype("uint8"))
    row, col = draw.positions(rng, (30, 40), (6, 300))
    scales = (np.full(row.shape, 1.4), np.full(row.shape, 1.1)) if scaled else None
    visible = np.array([[0, 1], [299, 300], [3, 20], [7, 7], [0, 300], [100, 293]])
    whole, _ = means(REFERENCE, packed, None, "lerf-g", None, row, col, scales)
    part, _ = means(COMPILED, packed, None, "lerf-g", None, row, col, scales, visible)
    column = np.arange(300)
    is_visible = (column >= visible[:, :1]) & (column < visible[:, 1:])
    np.testing.assert_array_equal(part[0], np.where(is_visible, whole[0], 0))


# -- where they lie ---------------------------------------------------------------------------


def assert_coordinates_agree(mapping, shape, out_shape, mode):
    for anti_aliasing in (False, True):
        ours, expected = (
            backend.source_coordinates(
                mapping, 0, out_shape[0], shape, out_shape, mode, anti_aliasing=anti_aliasing
            )
            for backend in (COMPILED, REFERENCE)
        )
        for name, value in vars(expected).items():
            if value is None:
                assert getattr(ours, name) is None, name
            else:
                np.testing.assert_array_equal(getattr(ours, name), value, name)


@each_mode
@pytest.mark.parametrize("width", [1, 63, 64, 65, 128, 200, 700])
@pytest.mark.parametrize("left", [-1000.0, -40.3, 0.0, 5.5])
def test_runs_inside_across_the_outline_and_apart(mode, width, left):
    # Of an enlarged image of 9 columns that begins before, within or beyond the view.
    matrix = [[0.05, 0.01, left * 0.05], [-0.01, 0.04, 3], [1e-6, 1e-6, 1]]
    for bend in (0, -2e-3):  # the horizon lies within the wide ones
        matrix[2][0] = bend
        mapping = Homography.from_inverse(np.array(matrix), (7, 9))
        assert_coordinates_agree(mapping, (7, 9), (5, width), mode)


@each_mode
@pytest.mark.parametrize("width", [1, 2, 63, 64, 65, 300])
def test_fields_inside_across_the_outline_and_nowhere(mode, width):
    y, x = np.mgrid[0:6, 0:width].astype(float)
    smooth = np.stack([3 + 0.4 * y + 0.01 * x, 0.2 * x + 0.5 * np.sin(x / 9) - 5])
    gaps = smooth.copy()
    gaps[:, 2, width // 3 :: 17] = np.nan
    gaps[0, 3, width // 2] = np.inf
    steep = smooth * [[[2.5]], [[1.0]]]
    for field in (smooth, gaps, steep, smooth[:, :1]):
        mapping, _ = as_inverse_map(field, (11, 37), field.shape[1:])
        assert_coordinates_agree(mapping, (11, 37), field.shape[1:], mode)


# -- whole calls ------------------------------------------------------------------------------


@each_mode
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_mild_shrink_with_alpha(mode, channels):
    rng = np.random.default_rng(6)
    image = rng.integers(0, 256, (41, 57, channels), np.uint8)
    image[5:9, 10:30, -1] = 0
    matrix = [[1.2, 0.2, -3], [-0.2, 1.1, 6], [1e-4, 0, 1]]
    results = [
        warp(
            image, matrix, channel_axis=-1, mode=mode, cval=9, engine=engine,
            alpha="premultiply" if channels == 4 else "auto",
        )
        for engine in ("numba", "reference")
    ]  # fmt: skip
    np.testing.assert_array_equal(*results)


def test_channels_of_integers_blend_alike():
    rng = np.random.default_rng(7)
    values, coverage = list(rng.integers(0, 256, (3, 500), np.uint8)), rng.random(500)
    coverage[:9] = (0, 1, 0.5, 1e-9, 1 - 1e-9, 0.25, 0.75, 0.499999, 0.500001)
    scale, cvals = ValueScale(np.dtype(np.uint8), 0, 255), (0, 17.5, 255)
    blended = BorderBlend(scale, cvals, None, None).apply(values, coverage)
    # A value that no pixel has makes pixels that might be missing of them: channel by channel.
    one_by_one = BorderBlend(scale, cvals, None, -1).apply(values, coverage)
    for ours, expected in zip(blended, one_by_one, strict=True):
        assert ours.dtype == expected.dtype
        np.testing.assert_array_equal(ours, expected)
