"""``kernel=`` of warps: weights by the distance along each axis, anti-aliased by the footprint."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from support.combinations import each_pair_of

import lerf_core
from lerf_core.errors import InvalidArgumentError
from lerf_core.execution.planning import plan_warp
from lerf_core.sampling.kernels import KERNELS
from lerf_core.sampling.named_kernels import get_kernel
from lerf_core.sampling.windows import Block

AVERAGING = [name for name in KERNELS if name != "nearest"]
MODES = ["edge", "reflect", "symmetric", "wrap", "constant"]
each_kernel = pytest.mark.parametrize("kernel", AVERAGING)
each_mode = pytest.mark.parametrize("mode", MODES)


def noise(shape, low=0.0, high=1.0, seed=5):
    return np.random.default_rng(seed).uniform(low, high, shape)


def turned(degrees, shape, scale=1.0):
    """From output to source pixels: a turn about the centre that enlarges by `scale`."""
    rows, cols = shape
    to_centre = np.array([[1, 0, -(cols - 1) / 2], [0, 1, -(rows - 1) / 2], [0, 0, 1.0]])
    shrink = np.diag([1 / scale, 1 / scale, 1])
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return np.linalg.inv(to_centre) @ turn @ shrink @ to_centre


def by_definition(image, matrix, kernel, shape, mode):
    """Sum over both axes of k(distance / footprint), over the weights' sum, in float64."""
    kernel = get_kernel(kernel)
    y, x = np.mgrid[: shape[0], : shape[1]]
    depth = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
    position = [
        (matrix[axis, 0] * x + matrix[axis, 1] * y + matrix[axis, 2]) / depth for axis in (1, 0)
    ]
    weights, seen = [], []
    reach = 60
    padded = np.pad(image, reach, mode=mode)
    for axis, p in zip((1, 0), position, strict=True):
        along_x = (matrix[axis, 0] - p * matrix[2, 0]) / depth
        along_y = (matrix[axis, 1] - p * matrix[2, 1]) / depth
        footprint = np.maximum(np.hypot(along_x, along_y), 1)
        # The widest kernel reaches 12 pixels where a test shrinks most.
        taps = np.floor(p).astype(int)[..., None] + np.arange(-13, 15)
        weights.append(kernel.weights(taps - p[..., None], footprint[..., None]))
        seen.append(np.clip(taps + reach, 0, padded.shape[len(seen)] - 1))
    rows, cols = weights
    values = padded[seen[0][..., :, None], seen[1][..., None, :]]
    total = np.einsum("yxi,yxj,yxij->yx", rows, cols, values)
    return total / (rows.sum(-1) * cols.sum(-1))


@each_pair_of(
    kernel=AVERAGING, scale=[1.0, 2.3, 0.4], mode=["edge", "reflect", "symmetric", "wrap"]
)
def test_turns_are_what_the_definition_gives(kernel, scale, mode):
    image = noise((30, 24))
    matrix = turned(20, (30, 24), scale)
    expected = by_definition(image, matrix, kernel, (30, 24), mode)
    ours = lerf_core.warp(image, matrix, kernel=kernel, mode=mode)
    # The area's footprint is an upright rectangle here as there.
    inside = np.s_[4:-4, 4:-4] if mode != "edge" and scale < 1 else np.s_[:]
    difference = np.abs(ours - expected)[inside]
    assert difference.max() < (1e-5 if kernel != "box" else 1)
    assert (difference < 1e-5).mean() > 0.99


@each_kernel
def test_a_perspective_is_what_the_definition_gives(kernel):
    image = noise((40, 40))
    matrix = np.array([[1.2, 0.3, 2], [0.1, 0.7, 3], [0.004, 0.012, 1.0]])
    expected = by_definition(image, matrix, kernel, (40, 40), "edge")
    ours = lerf_core.warp(image, matrix, kernel=kernel, mode="edge")
    assert (np.abs(ours - expected) < 1e-5).mean() > 0.99


@each_kernel
@each_mode
def test_maps_that_move_whole_pixels_copy_them(kernel, mode):
    image = noise((20, 26), 0, 255).astype(np.uint8)
    same = lerf_core.warp(image, np.eye(3), kernel=kernel, mode=mode)
    np.testing.assert_array_equal(same, image)
    shift = lerf_core.warp(image, [[1, 0, 3], [0, 1, -2], [0, 0, 1]], kernel=kernel, mode=mode)
    np.testing.assert_array_equal(shift[2:, :-3], image[:-2, 3:])
    field = np.stack(np.mgrid[:20, :26]).astype(float)
    np.testing.assert_array_equal(lerf_core.warp(image, field, kernel=kernel, mode=mode), image)


@pytest.mark.parametrize("kernel", ["linear", "cubic", "lanczos3", "mitchell", "hermite"])
@pytest.mark.parametrize("scale", [1.7, 0.5])
def test_an_upright_scaling_is_a_resize(kernel, scale):
    image = noise((40, 32)).astype(np.float32)
    shape = (int(40 * scale), int(32 * scale))
    down, across = 40 / shape[0], 32 / shape[1]
    matrix = [[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1]]
    warped = lerf_core.warp(image, matrix, output_shape=shape, kernel=kernel, mode="edge")
    resized = lerf_core.resize(image, shape, kernel=kernel)
    np.testing.assert_allclose(warped, resized, atol=2e-5)


@each_kernel
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64", "int16", "float16"])
def test_flat_images_stay_flat(kernel, dtype):
    flat = np.full((30, 30, 2), 100, dtype)
    keywords = {"channel_axis": -1, "alpha": "separate", "mode": "edge", "value_range": (0, 200)}
    for scale in (0.3, 1.4):
        result = lerf_core.warp(flat, turned(31, (30, 30), scale), kernel=kernel, **keywords)
        assert result.dtype == dtype
        np.testing.assert_allclose(result, 100, rtol=1e-6 if dtype.startswith("float") else 0)


def test_a_shrinking_turn_averages_stripes():
    stripes = np.tile([0, 200], (60, 30)).astype(np.uint8)
    matrix = turned(30, (60, 60), 0.25)
    for kernel in AVERAGING:
        smooth = lerf_core.warp(stripes, matrix, kernel=kernel, output_shape=(60, 60))[26:34, 26:34]
        assert np.abs(smooth.astype(int) - 100).max() <= 25
        sharp = lerf_core.warp(stripes, matrix, kernel=kernel, anti_aliasing=False)[26:34, 26:34]
        assert np.ptp(sharp.astype(int)) > 90


def test_wide_footprints_are_sampled_evenly():
    image = np.add.outer(np.arange(900.0), np.zeros(900)).astype(np.float32)
    matrix = np.diag([300, 300, 1.0])
    matrix[:2, 2] = 149.5
    result = lerf_core.warp(image, matrix, output_shape=(3, 3), kernel="area", mode="edge",
                            value_range=(0, 900))  # fmt: skip
    np.testing.assert_allclose(result[1], 449.5, atol=3)


# -- borders, alpha, missing values -------------------------------------------------------------


@each_kernel
def test_a_constant_border_fades_over_a_pixel_and_holds_the_value_beyond(kernel):
    image = np.full((20, 20), 200, np.uint8)
    moved = lerf_core.warp(image, [[1, 0, -5.25], [0, 1, 0], [0, 0, 1]], kernel=kernel, cval=40)
    assert (moved[:, :4] == 40).all()
    assert (moved[:, 6:] == 200).all()
    np.testing.assert_array_equal(moved[:, 5], 160)  # three quarters of it are covered


@each_kernel
@pytest.mark.parametrize(("dtype", "top"), [("uint8", 255), ("uint16", 65535), ("float32", 1)])
def test_a_disc_on_a_clear_ground_keeps_its_colour(kernel, dtype, top):
    y, x = np.mgrid[:64, :64] - 31.5
    alpha = np.clip(20.5 - np.hypot(x, y), 0, 1)
    image = np.empty((64, 64, 4))
    image[...] = np.array([0.9, 0.4, 0.1, 0]) * top
    image[alpha == 0, :3] = np.array([0.0, 0.9, 1.0]) * top
    image[..., 3] = alpha * top
    image = (np.rint(image) if top > 1 else image).astype(dtype)
    for scale in (0.4, 1.3):
        result = lerf_core.warp(image, turned(17, (64, 64), scale), kernel=kernel, channel_axis=-1)
        visible = result[..., 3] > top / 510
        difference = np.abs(result[visible][:, :3].astype(float) - image[32, 32, :3])
        rounding = 1e-6 * top / (result[visible][:, 3:] / top)
        assert visible.sum() > 50
        assert (difference <= (0 if top == 255 else rounding + (top > 1))).all()
        assert (result[..., 3].min(), result[..., 3].max()) == (0, top)


@each_kernel
def test_opaque_images_stay_opaque(kernel):
    image = noise((30, 30, 4)).astype(np.float32)
    image[..., 3] = 1
    matrix = turned(17, (30, 30))
    result = lerf_core.warp(image, matrix, kernel=kernel, channel_axis=-1, mode="reflect")
    assert (result[..., 3] == 1).all()
    colours = lerf_core.warp(image[..., :3], matrix, kernel=kernel, channel_axis=-1, mode="reflect")
    np.testing.assert_array_equal(result[..., :3], colours)


@each_kernel
def test_a_missing_value_spoils_no_more_than_its_footprint(kernel):
    image = noise((41, 41)).astype(np.float32)
    matrix = turned(12, (41, 41))
    clean = lerf_core.warp(image, matrix, kernel=kernel, mode="edge")
    image[20, 20] = np.nan
    result = lerf_core.warp(image, matrix, kernel=kernel, mode="edge")
    distance = np.abs(np.argwhere(~(result == clean)) - 20).max()
    assert distance <= 1.5 * max(1, KERNELS[kernel].radius) + 1
    assert 1 <= np.isnan(result).sum() <= 5
    np.testing.assert_allclose(result[~np.isnan(result)], clean[~np.isnan(result)], atol=1)


def test_nodata_and_masks():
    image = noise((30, 30), 90, 110).astype(np.int16)
    image[:15] = -9
    matrix = turned(10, (30, 30))
    result = lerf_core.warp(image, matrix, kernel="lanczos3", nodata=-9, cval=-9)
    assert ((result == -9) | (result > 80)).all()
    masked = np.ma.MaskedArray(image, image == -9)
    result = lerf_core.warp(masked, matrix, kernel="lanczos3", mode="edge")
    assert result.mask[:8, 10:20].all()
    assert not result.mask[-8:, 10:20].any()
    assert (result.compressed() > 80).all()


def test_linear_light():
    image = np.tile([0, 255], (40, 20)).astype(np.uint8)
    matrix = turned(0, (40, 40), 0.25)
    result = lerf_core.warp(image, matrix, kernel="area", linear_light=True, mode="edge")
    assert np.abs(result[18:22, 18:22].astype(int) - 188).max() <= 2


# -- parts ------------------------------------------------------------------------------------


@each_pair_of(
    mode=MODES, alpha=[False, True], kernel=["lanczos3", "area", "magic-kernel-sharp-2021"]
)
def test_blocks_are_what_they_are_in_the_whole(mode, alpha, kernel):
    image = noise((61, 53, 4 if alpha else 3), 0, 255).astype(np.uint8)
    if alpha:
        image[10:40, :20, 3] = 0
    steps = noise((2, 61, 53), -3, 3)
    maps = [turned(25, (61, 53), 0.6), turned(25, (61, 53), 1.4), lerf_core.Displacement(steps)]
    for mapping in maps:
        plan = plan_warp(image.shape, image.dtype, mapping, None, None, kernel=kernel,
                         channel_axis=2, mode=mode)  # fmt: skip
        whole = plan.compute(image)
        for top, left in itertools.product((0, 30, 56), (0, 25, 46)):
            output = plan.output_block(Block(top, top + 5, left, left + 7))
            if output.windows is None:
                part = plan.border((5, 7, image.shape[2]))
            else:
                planes = output.windows.cut(np.moveaxis(image, 2, 0), mode)
                part = plan.compute_block(output, np.moveaxis(planes, 0, 2))
            np.testing.assert_array_equal(part, whole[top : top + 5, left : left + 7])


@pytest.mark.parametrize("mode", ["constant", "edge", "wrap"])
def test_dask_gives_the_same(mode):
    da = pytest.importorskip("dask.array")
    image = noise((60, 50, 4), 0, 255).astype(np.uint8)
    chunks = da.from_array(image, chunks=(20, 20, 4))
    keywords = {"kernel": "lanczos3", "channel_axis": 2, "mode": mode}
    matrix = turned(25, (60, 50), 0.7)
    lazy = lerf_core.chunked.warp(chunks, matrix, **keywords).compute()
    np.testing.assert_array_equal(lazy, lerf_core.warp(image, matrix, **keywords))


def test_what_excludes_a_kernel():
    for keywords in ({"bank": "lerf-p"}, {"method": "lerf"}, {"method": "nearest"}):
        with pytest.raises(InvalidArgumentError, match="exclude each other"):
            lerf_core.warp(np.zeros((4, 4)), np.eye(3), kernel="cubic", **keywords)
    labels = np.arange(16).reshape(4, 4)
    result = lerf_core.warp(labels, turned(20, (4, 4)), kernel="cubic")
    assert np.isin(result, [*range(16), 0]).all()
    nearest = lerf_core.warp(labels / 16, turned(20, (4, 4)), kernel="nearest")
    np.testing.assert_array_equal(
        nearest, lerf_core.warp(labels / 16, turned(20, (4, 4)), method="nearest")
    )
