"""``kernel=``: what ResizeRight, Pillow and libvips define, and what lerf adds to it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from PIL import Image
from support.combinations import each_pair_of

import lerf_core
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.execution.planning import plan_rescale, plan_resize
from lerf_core.sampling.kernels import KERNELS
from lerf_core.sampling.windows import Block

AVERAGING = [name for name in KERNELS if name != "nearest"]
MODES = ["edge", "reflect", "symmetric", "wrap", "constant"]
SCALES = [0.5, 0.25, 1.7, (0.3, 2.1)]

each_kernel = pytest.mark.parametrize("kernel", AVERAGING)
each_scale = pytest.mark.parametrize("scale", SCALES)


def noise(shape, low=0.0, high=1.0, seed=5):
    return np.random.default_rng(seed).uniform(low, high, shape)


# -- ResizeRight ----------------------------------------------------------------------------


def by_resize_right(image, scale, kernel, width, mode):
    """A float64 image by the definition of ResizeRight, an axis at a time.

    Output pixel o lies at ``o/s + (n-1)/2 - (m-1)/(2s)``. The field of view is as wide as the
    kernel, divided by the scale where that shrinks; it begins with the first pixel at or after its
    left end, by float32's epsilon. Weights are divided by their sum; beyond the image it is padded.
    """
    eps = np.finfo(np.float32).eps
    for axis, s in enumerate(np.broadcast_to(scale, 2)):
        n = image.shape[axis]
        m = int(np.ceil(n * s - 1e-9))
        position = np.arange(m) / s + (n - 1) / 2 - (m - 1) / (2 * s)
        stretch = min(s, 1.0)
        view = width / stretch
        left = np.ceil(position - view / 2 - eps).astype(int)
        seen = left[:, None] + np.arange(int(np.ceil(view - eps)))
        weight = kernel((position[:, None] - seen) * stretch)
        weight /= weight.sum(1, keepdims=True)
        pad = [(0, 0), (0, 0)]
        pad[axis] = (max(0, -seen.min()), max(0, seen.max() - n + 1))
        padded = np.pad(image, pad, mode=mode)
        values = np.take(padded, seen + pad[axis][0], axis)
        shape = [1] * values.ndim
        shape[axis : axis + 2] = weight.shape
        image = (values * weight.reshape(shape)).sum(axis + 1)
    return image


def keys_cubic(x):
    x = np.abs(x)
    inner = 1.5 * x**3 - 2.5 * x**2 + 1
    return np.where(x <= 1, inner, np.where(x <= 2, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2, 0))


RESIZE_RIGHT = {
    "cubic": (keys_cubic, 4),
    "lanczos2": (lambda x: np.sinc(x) * np.sinc(x / 2) * (np.abs(x) < 2), 4),
    "lanczos3": (lambda x: np.sinc(x) * np.sinc(x / 3) * (np.abs(x) < 3), 6),
    "linear": (lambda x: np.maximum(1 - np.abs(x), 0), 2),
}


@each_pair_of(kernel=list(RESIZE_RIGHT), scale=[*SCALES, 1 / 3, 3, 0.9], mode=MODES)
def test_results_are_those_of_resize_right(kernel, scale, mode):
    image = noise((30, 24))
    expected = by_resize_right(image, scale, *RESIZE_RIGHT[kernel], mode)
    ours = lerf_core.rescale(image, scale, kernel=kernel, mode=mode)
    np.testing.assert_allclose(ours, expected, atol=2e-6)


@pytest.mark.parametrize("factor", [2, 3, 4, 7])
def test_box_and_area_by_whole_factors_are_means_of_blocks(factor):
    """As ResizeRight's box: its field of view holds these pixels, and all weigh alike."""
    image = noise((42, 84))
    rows, cols = 42 // factor, 84 // factor
    expected = image[: rows * factor, : cols * factor].reshape(rows, factor, cols, factor)
    expected = expected.mean((1, 3))
    for kernel in ("box", "area"):
        ours = lerf_core.resize(
            image[: rows * factor, : cols * factor], (rows, cols), kernel=kernel
        )
        np.testing.assert_allclose(ours, expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(13, 20), (41, 64), (60, 9), (29, 30)])
def test_area_is_the_mean_over_the_area_of_the_output_pixel(shape):
    image = noise((29, 31))

    def overlaps(size, out):
        edges, wide = np.arange(size + 1), np.arange(out + 1) * (size / out)
        low = np.maximum(wide[:-1, None], edges[:-1])
        return np.maximum(np.minimum(wide[1:, None], edges[1:]) - low, 0) * (out / size)

    expected = overlaps(29, shape[0]) @ image @ overlaps(31, shape[1]).T
    np.testing.assert_allclose(lerf_core.resize(image, shape, kernel="area"), expected, atol=1e-6)


# -- Pillow and libvips ---------------------------------------------------------------------

PILLOW = {
    "box": Image.Resampling.BOX,
    "linear": Image.Resampling.BILINEAR,
    "cubic": Image.Resampling.BICUBIC,
    "lanczos3": Image.Resampling.LANCZOS,
}
# (rows, cols) of images, and of results of x0.5, x0.25, x1.7, 0.3 x 2.1 and an odd one.
SIZES = [((80, 96), size) for size in [(40, 48), (20, 24), (136, 163), (24, 202), (47, 31)]]


def inner(image, margin):
    rows, cols = margin
    return image[rows : image.shape[0] - rows, cols : image.shape[1] - cols]


@pytest.mark.parametrize("kernel", PILLOW)
@pytest.mark.parametrize(("size", "out"), SIZES)
def test_results_are_within_a_level_of_pillows(kernel, size, out):
    """But where its taps end at the border, and where it clips between its two passes."""
    image = noise((*size, 3), 70, 186).astype(np.uint8)
    ours = lerf_core.resize(image, out, kernel=kernel, channel_axis=-1)
    theirs = np.asarray(Image.fromarray(image).resize(out[::-1], PILLOW[kernel]))
    margin = [int(np.ceil(3 * max(1, o / s))) for o, s in zip(out, size, strict=True)]
    difference = inner(ours, margin).astype(int) - inner(theirs, margin)
    assert difference.size > 100
    assert np.abs(difference).max() <= 1


def test_the_box_is_pillows_at_any_size():
    """Where a pixel's centre lies on an output pixel's edge, its rounding decides which has it."""
    rng = np.random.default_rng(7)
    for size, out in [(451, 112), (114, 60), (37, 18), (225, 44), *rng.integers(1, 500, (300, 2))]:
        image = noise((1, size), 60, 200, seed=size).astype(np.uint8)
        ours = lerf_core.resize(image, (1, int(out)), kernel="box")
        theirs = np.asarray(Image.fromarray(image).resize((int(out), 1), Image.Resampling.BOX))
        assert np.abs(ours.astype(int) - theirs).max() <= 1


VIPS = {
    "linear": "linear",
    "cubic": "cubic",
    "mitchell": "mitchell",
    "lanczos2": "lanczos2",
    "lanczos3": "lanczos3",
    "magic-kernel-sharp-2013": "mks2013",
    "magic-kernel-sharp-2021": "mks2021",
}


@pytest.mark.parametrize("kernel", VIPS)
@pytest.mark.parametrize("shrink", [(2, 2), (4, 4), (1.6, 3.2)])
def test_reductions_are_those_of_libvips(kernel, shrink):
    pyvips = pytest.importorskip("pyvips")
    image = noise((160, 192), 70, 186).astype(np.float32)
    rows, cols = shrink
    theirs = pyvips.Image.new_from_array(image).reduce(cols, rows, kernel=VIPS[kernel], gap=0)
    theirs = theirs.numpy()
    ours = lerf_core.resize(image, theirs.shape, kernel=kernel)
    # libvips places pixels by steps of 1/64, or finer, of a source pixel.
    difference = inner(ours, (5, 5)) - inner(theirs, (5, 5))
    assert np.abs(difference).max() < 1


# -- what kernels keep ------------------------------------------------------------------------


@each_pair_of(kernel=AVERAGING, scale=SCALES, value=[0, 1, 100, 65535])
def test_flat_integers_stay_flat(kernel, scale, value):
    for dtype in ("uint16", "int16" if value < 32768 else "uint16"):
        flat = np.full((60, 44), value, dtype)
        result = lerf_core.rescale(flat, scale, kernel=kernel)
        assert result.dtype == dtype
        assert (result == value).all()


@each_kernel
@pytest.mark.parametrize("scale", [*SCALES, 0.03])
def test_flat_floats_stay_flat_to_rounding(kernel, scale):
    result = lerf_core.rescale(np.full((90, 77), 0.3, np.float32), scale, kernel=kernel)
    np.testing.assert_allclose(result, np.float32(0.3), rtol=1e-6)


@each_kernel
@each_scale
def test_results_are_symmetric(kernel, scale):
    if kernel == "box":
        pytest.skip("the box is half open")
    image = noise((31, 22)).astype(np.float32)
    result = lerf_core.rescale(image, scale, kernel=kernel)
    for flip in (np.flipud, np.fliplr):
        flipped = flip(lerf_core.rescale(flip(image), scale, kernel=kernel))
        np.testing.assert_allclose(flipped, result, atol=2e-6)
    transposed = lerf_core.rescale(image.T, np.broadcast_to(scale, 2)[::-1], kernel=kernel).T
    np.testing.assert_allclose(transposed, result, atol=2e-6)


@each_kernel
def test_an_axis_of_scale_1_is_not_resampled(kernel):
    image = noise((20, 30), 0, 255).astype(np.uint8)
    np.testing.assert_array_equal(lerf_core.rescale(image, 1, kernel=kernel), image)
    wide = lerf_core.rescale(image, (1, 2), kernel=kernel)
    rows = [lerf_core.rescale(row[None], (1, 2), kernel=kernel)[0] for row in image]
    np.testing.assert_array_equal(wide, rows)


@each_kernel
def test_anti_aliasing_stretches_and_can_be_left_out(kernel):
    stripes = np.tile([0, 200], (32, 16)).astype(np.uint8)
    smooth = lerf_core.rescale(stripes, 0.25, kernel=kernel)[2:-2, 2:-2]
    assert np.abs(smooth.astype(int) - 100).max() <= 12
    sharp = lerf_core.rescale(stripes[:, :-1], (1, 1 / 3), kernel=kernel, anti_aliasing=False)
    assert np.ptp(sharp[:, 2:-2].astype(int)) >= 150


def test_uint16_ramps_keep_their_levels():
    ramp = np.arange(0, 65536, 16, dtype=np.uint16)[None].repeat(8, 0)
    for kernel, size in itertools.product(("linear", "lanczos3"), (8192, 3000)):
        result = lerf_core.resize(ramp, (8, size), kernel=kernel)[0, 20:-20].astype(int)
        positions = (np.arange(size) + 0.5) * (ramp.shape[1] / size) - 0.5
        assert np.abs(result - 16 * positions[20:-20]).max() < 4
        assert len(np.unique(result)) > 0.99 * len(result)


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int16", "float16", "float32", "float64"]
)
@each_scale
def test_dtypes_agree(dtype, scale):
    image = noise((40, 30, 2), 0, 100).astype(np.int8)
    expected = lerf_core.rescale(image.astype(np.float32), scale, kernel="cubic", channel_axis=-1,
                                 value_range=(0, 100), alpha="separate")  # fmt: skip
    result = lerf_core.rescale(image.astype(dtype), scale, kernel="cubic", channel_axis=-1,
                               value_range=(0, 100), alpha="separate")  # fmt: skip
    assert result.dtype == dtype
    if dtype in ("uint8", "uint16"):
        expected = np.clip(expected, 0, None)
    tolerance = {"float16": 0.05, "float32": 0, "float64": 1e-4}.get(dtype, 0.5)
    np.testing.assert_allclose(result.astype(float), expected, atol=tolerance)


def test_big_endian_and_other_layouts_are_the_same():
    image = noise((23, 31, 3), 0, 60000).astype(np.uint16)
    expected = lerf_core.rescale(image, 0.6, kernel="lanczos3", channel_axis=-1)
    swapped = lerf_core.rescale(image.astype(">u2"), 0.6, kernel="lanczos3", channel_axis=-1)
    assert swapped.dtype == ">u2"
    np.testing.assert_array_equal(swapped, expected)
    planar = np.ascontiguousarray(np.moveaxis(image, -1, 0))
    result = lerf_core.rescale(planar, 0.6, kernel="lanczos3", channel_axis=0)
    np.testing.assert_array_equal(np.moveaxis(result, 0, -1), expected)
    backwards = lerf_core.rescale(image[:, ::-1][:, ::-1], 0.6, kernel="lanczos3", channel_axis=-1)
    np.testing.assert_array_equal(backwards, expected)
    for number in range(3):
        plane = lerf_core.rescale(image[..., number], 0.6, kernel="lanczos3")
        np.testing.assert_array_equal(plane, expected[..., number])


def test_long_integers_are_averaged_with_a_value_range():
    image = noise((20, 20), 0, 1e6).astype(np.int32)
    result = lerf_core.rescale(image, 0.5, kernel="area", value_range=(0, 1e6))
    expected = image.reshape(10, 2, 10, 2).mean((1, 3))
    assert result.dtype == np.int32
    assert np.abs(result - expected).max() <= 1
    labels = lerf_core.rescale(image, 0.5, kernel="area")
    assert np.isin(labels, image).all()
    assert lerf_core.rescale(image > 5e5, 0.5, kernel="area").dtype == np.bool_


def test_a_preserved_range_is_not_needed():
    image = noise((16, 16), 0, 255).astype(np.uint8)
    unit = lerf_core.rescale(image, 0.5, kernel="area", preserve_range=False)
    assert unit.dtype == np.float64
    np.testing.assert_allclose(unit, image.reshape(8, 2, 8, 2).mean((1, 3)) / 255, atol=1e-6)


def test_floats_need_no_range_to_be_averaged(recwarn):
    lerf_core.rescale(noise((16, 16), 0, 255), 0.5, kernel="area")
    assert not recwarn


def test_linear_light_is_the_mean_of_light():
    image = np.tile([0, 255], (8, 8)).astype(np.uint8)
    assert (lerf_core.rescale(image, 0.5, kernel="area", linear_light=True) == 188).all()
    for dtype, top in [("uint16", 65535), ("float32", 1)]:
        deep = np.tile([0, top], (8, 8)).astype(dtype)
        result = lerf_core.rescale(deep, 0.5, kernel="area", linear_light=True)
        np.testing.assert_allclose(result / top, 0.735357, atol=1e-5)
    flat = np.arange(256, dtype=np.uint8)[None].repeat(3, 0)
    for value in range(0, 256, 5):
        flat = np.full((9, 9), value, np.uint8)
        result = lerf_core.rescale(flat, 0.6, kernel="lanczos3", linear_light=True)
        assert (result == value).all()


# -- alpha and missing values -----------------------------------------------------------------


def disc(dtype, top):
    """A disc of one colour, its edge of partial alpha, on a clear ground of another colour."""
    y, x = np.mgrid[:64, :64] - 31.5
    alpha = np.clip(20.5 - np.hypot(x, y), 0, 1)
    image = np.empty((64, 64, 4))
    image[...] = np.array([0.9, 0.4, 0.1, 0]) * top
    image[alpha == 0, :3] = np.array([0.0, 0.9, 1.0]) * top
    image[..., 3] = alpha * top
    return (np.rint(image) if top > 1 else image).astype(dtype)


@each_pair_of(kernel=AVERAGING, scale=SCALES, dtype=["uint8", "uint16", "float32"])
def test_a_disc_on_a_clear_ground_keeps_its_colour(kernel, scale, dtype):
    top = 1 if dtype == "float32" else np.iinfo(dtype).max
    image = disc(dtype, top)
    result = lerf_core.rescale(image, scale, kernel=kernel, channel_axis=-1)
    visible = result[..., 3] > top / 510
    difference = np.abs(result[visible][:, :3].astype(float) - image[32, 32, :3])
    # What float32 rounds is divided by alpha.
    rounding = 1e-6 * top / (result[visible][:, 3:] / top)
    assert visible.sum() > 20
    assert (difference <= (0 if top == 255 else rounding + (top > 1))).all()
    assert result[..., 3].max() == top
    assert result[..., 3].min() == 0


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@each_kernel
def test_opaque_images_stay_opaque_and_are_what_their_colours_are(dtype, kernel):
    top = 1 if dtype.startswith("f") else np.iinfo(dtype).max
    image = (noise((40, 30, 4)) * top).astype(dtype)
    image[..., 3] = top
    result = lerf_core.rescale(image, 0.6, kernel=kernel, channel_axis=-1)
    assert (result[..., 3] == top).all()
    colours = lerf_core.rescale(image[..., :3], 0.6, kernel=kernel, channel_axis=-1)
    np.testing.assert_array_equal(result[..., :3], colours)
    image[..., 3] = 0
    assert (lerf_core.rescale(image, 0.6, kernel=kernel, channel_axis=-1)[..., 3] == 0).all()


def test_colours_weigh_by_alpha():
    image = noise((24, 24, 2)).astype(np.float32)
    colour, alpha = image[..., 0].astype(float), image[..., 1].astype(float)
    ours = lerf_core.rescale(image, 0.5, kernel="area", channel_axis=-1)

    def mean(values):
        return values.reshape(12, 2, 12, 2).mean((1, 3))

    np.testing.assert_allclose(ours[..., 0], mean(colour * alpha) / mean(alpha), atol=1e-5)
    np.testing.assert_allclose(ours[..., 1], mean(alpha), atol=1e-6)
    apart = lerf_core.rescale(image, 0.5, kernel="area", channel_axis=-1, alpha="separate")
    np.testing.assert_allclose(apart[..., 0], mean(colour), atol=1e-6)


@each_kernel
@each_scale
def test_a_missing_value_spoils_no_more_than_its_footprint(kernel, scale):
    image = noise((41, 37)).astype(np.float32)
    clean = lerf_core.rescale(image, scale, kernel=kernel)
    image[20, 18] = np.nan
    result = lerf_core.rescale(image, scale, kernel=kernel)
    rows, cols = np.broadcast_to(scale, 2)
    changed = np.argwhere(~(result == clean))
    spoilt = np.argwhere(np.isnan(result))
    centre = (np.array(result.shape) - 1) / 2
    support = [KERNELS[kernel].support(max(1, 1 / s)) * s for s in (rows, cols)]
    assert (np.abs(changed - centre) <= np.array(support) + 1e-6).all()
    # It carries half of the weight of no pixel but the nearest.
    assert (np.abs(spoilt - centre) <= np.maximum(1, [rows, cols])).all()
    np.testing.assert_allclose(result[~np.isnan(result)], clean[~np.isnan(result)], atol=1)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_nodata_is_left_out_and_comes_out_and_no_mean_takes_it(dtype):
    image = noise((40, 40), 90, 110).astype(dtype)
    image[:, 20:] = 100
    image[:20] = 0
    result = lerf_core.rescale(image, 0.5, kernel="lanczos3", nodata=0, value_range=(0, 200))
    assert (result[:10] == 0).all()
    assert (result[10:] > 80).all()
    flat = np.full((16, 16), 100, dtype)
    flat[:, ::2] = 98
    ours = lerf_core.rescale(flat, 0.5, kernel="area", nodata=99, value_range=(0, 200))
    assert (ours != 99).all()
    assert np.abs(ours.astype(float) - 99).max() <= 1


def test_masked_values_do_not_count():
    data = noise((30, 30), 0, 200).astype(np.uint8)
    masked = np.ma.MaskedArray(data, np.zeros(data.shape, bool))
    masked[:15] = np.ma.masked
    result = lerf_core.rescale(masked, 0.5, kernel="area")
    assert isinstance(result, np.ma.MaskedArray)
    assert result.mask[:7].all()
    assert not result.mask[8:].any()
    expected = data[16:].reshape(7, 2, 15, 2).mean((1, 3))
    assert np.abs(result.data[8:] - expected).max() <= 0.5


def test_a_border_of_missing_values():
    image = noise((12, 12)).astype(np.float32)
    result = lerf_core.rescale(image, 2, kernel="linear", mode="constant", cval=np.nan)
    inside = lerf_core.rescale(image, 2, kernel="linear")
    # Outside lies a quarter of the weight of the outermost pixels.
    np.testing.assert_allclose(result, inside, atol=1e-6)
    far = lerf_core.rescale(image[:1], (8, 1), kernel="lanczos3", mode="constant", cval=np.nan)
    assert np.isfinite(far).all()


@each_kernel
def test_a_constant_lies_beyond_the_border(kernel):
    image = noise((12, 14, 3), 0, 255).astype(np.uint8)
    cval = (0, 100, 255)
    result = lerf_core.rescale(
        image, 0.5, kernel=kernel, channel_axis=-1, mode="constant", cval=cval
    )
    padded = np.empty((60, 62, 3), np.uint8)
    padded[...] = cval
    padded[24:36, 24:38] = image
    expected = lerf_core.rescale(padded, 0.5, kernel=kernel, channel_axis=-1)[12:18, 12:19]
    np.testing.assert_allclose(result, expected, atol=1)


# -- parts ------------------------------------------------------------------------------------

PARTS = {
    "uint8": {},
    "uint16": {"kernel": "magic-kernel-sharp-2021"},
    "float32": {"kernel": "area"},
    "float64": {"kernel": "mitchell", "linear_light": True},
    "int16": {"kernel": "lanczos2", "nodata": 3},
}


def pictures(dtype, alpha):
    top = 1 if dtype.startswith("f") else min(np.iinfo(dtype).max, 1000)
    image = (noise((53, 47, 4 if alpha else 3)) * top).astype(dtype)
    if alpha:
        image[10:30, :20, 3] = 0
        image[30:, 20:, 3] = top
    elif dtype.startswith("f"):
        image[20:25, 13:30, 1] = np.nan
    elif dtype == "int16":
        image[20:25, 13:30] = 3
    return image


@each_pair_of(dtype=list(PARTS), alpha=[False, True], mode=MODES, scale=SCALES)
def test_blocks_are_what_they_are_in_the_whole(dtype, alpha, mode, scale):
    image = pictures(dtype, alpha)
    keywords = {"kernel": "lanczos3", "channel_axis": 2, "mode": mode, "cval": 1, "threads": 2}
    plan = plan_rescale(image.shape, image.dtype, scale, None, **keywords | PARTS[dtype])
    whole = plan.compute(image)
    rows, cols = plan.out_shape
    for top, left in itertools.product((0, rows // 3, rows - 5), (0, cols // 2, cols - 7)):
        left = min(left, cols - 7)
        output = plan.output_block(Block(top, top + 5, left, left + 7))
        part = plan.compute_block(output, np.moveaxis(
            output.windows.cut(np.moveaxis(image, 2, 0), mode), 0, 2))  # fmt: skip
        np.testing.assert_array_equal(part, whole[top : top + 5, left : left + 7])
        assert (
            output.windows.area < image.shape[0] * image.shape[1] or mode == "wrap" or scale == 0.25
        )


@pytest.mark.parametrize("mode", ["edge", "wrap", "constant"])
def test_dask_gives_the_same(mode):
    da = pytest.importorskip("dask.array")
    image = pictures("uint8", alpha=True)
    chunks = da.from_array(image, chunks=(20, 20, 4))
    for shape in [(20, 31), (70, 90)]:
        keywords = {"kernel": "lanczos3", "channel_axis": 2, "mode": mode}
        lazy = lerf_core.chunked.resize(chunks, shape, **keywords)
        np.testing.assert_array_equal(lazy.compute(), lerf_core.resize(image, shape, **keywords))


def test_tokens_of_dask_tell_kernels_apart():
    tokenize = pytest.importorskip("dask.base").tokenize
    plans = [
        plan_resize((9, 9), np.dtype(np.uint8), (4, 4), None, kernel=kernel)
        for kernel in ("cubic", "cubic:c=0.6", "lanczos3", "area", "cubic")
    ]
    tokens = [tokenize(plan) for plan in plans]
    assert len(set(tokens)) == 4
    assert tokens[0] == tokens[4]


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_change_nothing(threads):
    image = pictures("uint8", alpha=True)
    results = [
        lerf_core.rescale(image, 0.7, kernel="lanczos3", channel_axis=2, threads=count)
        for count in (1, threads)
    ]
    np.testing.assert_array_equal(*results)


def test_a_single_pixel_and_extreme_factors():
    image = noise((1, 1, 3), 0, 255).astype(np.uint8)
    for kernel in AVERAGING:
        large = lerf_core.resize(image, (7, 5), kernel=kernel, channel_axis=-1)
        assert (large == image).all()
        small = lerf_core.resize(noise((300, 200), 0, 255).astype(np.uint8), (1, 1), kernel=kernel)
        assert 110 < small[0, 0] < 145
        tiny = lerf_core.rescale(np.full((9, 9), 7, np.uint8), 1e-4, kernel=kernel)
        assert tiny.tolist() == [[7]]


# -- the keyword ------------------------------------------------------------------------------


def test_nearest_is_the_method():
    image = noise((9, 9), 0, 255).astype(np.uint8)
    expected = lerf_core.rescale(image, 1.7, method="nearest")
    np.testing.assert_array_equal(lerf_core.rescale(image, 1.7, kernel="nearest"), expected)
    both = lerf_core.rescale(image, 1.7, kernel="nearest", method="nearest")
    np.testing.assert_array_equal(both, expected)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"bank": "lerf-p"}, "bank and kernel exclude each other, got kernel cubic"),
        ({"fast": True}, "fast and kernel exclude each other"),
        ({"method": "lerf"}, "method 'lerf' and kernel exclude each other"),
        ({"method": "nearest"}, "method 'nearest' and kernel exclude each other"),
    ],
)
def test_what_excludes_a_kernel(keywords, message):
    with pytest.raises(InvalidArgumentError, match=message):
        lerf_core.rescale(np.zeros((4, 4)), 2, kernel="cubic", **keywords)


def triangle(distance):
    return np.maximum(1 - np.abs(distance), 0)


@pytest.mark.parametrize("scale", [0.4, 1.6])
def test_a_kernel_of_ones_own(scale):
    image = noise((20, 24)).astype(np.float32)
    own = lerf_core.Kernel("triangle", 1.0, triangle)
    expected = lerf_core.rescale(image, scale, kernel="linear")
    np.testing.assert_array_equal(lerf_core.rescale(image, scale, kernel=own), expected)
    matrix = [[0.9, 0.2, 1], [-0.2, 0.9, 2], [0, 0, 1]]
    warped = lerf_core.warp(image, matrix, kernel="linear")
    np.testing.assert_array_equal(lerf_core.warp(image, matrix, kernel=own), warped)
    given = lerf_core.rescale(image, scale, kernel=lerf_core.get_kernel("linear"))
    np.testing.assert_array_equal(given, expected)


def test_unknown_kernels_are_refused():
    with pytest.raises(InvalidArgumentError, match="kernel must be one of nearest, box"):
        lerf_core.rescale(np.zeros((4, 4)), 2, kernel="bicubik")
    with pytest.raises(InvalidTypeError, match="kernel must be a name or a Kernel, got 3"):
        lerf_core.rescale(np.zeros((4, 4)), 2, kernel=3)


@pytest.mark.parametrize("engine", ["numba", "reference"])
@pytest.mark.parametrize(("dtype", "value_range"), [("u1", (0, 1023)), ("i2", (-1e5, 1e5))])
def test_a_range_that_is_wider_than_the_dtype_goes_with_alpha(dtype, value_range, engine):
    pixels = np.random.default_rng(0).integers(0, 255, (20, 24, 4)).astype(dtype)
    keywords = {
        "kernel": "lanczos3",
        "channel_axis": -1,
        "value_range": value_range,
        "engine": engine,
    }
    for out in (
        lerf_core.resize(pixels, (30, 12), **keywords),
        lerf_core.warp(pixels, np.diag([0.8, 1.3, 1]), **keywords),
    ):
        assert out.dtype == pixels.dtype
        assert abs(out[..., 3].astype(float).mean() - pixels[..., 3].mean()) < 40
