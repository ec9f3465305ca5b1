"""Resizes and warps behind a front: what a front gives, resampled; by blocks as a whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.combinations import each_pair_first, each_pair_of
from support.fronts import ConvolutionFront

import lerf_core
from lerf_core import Displacement, rescale, resize, warp
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.execution.front import FrontBlock
from lerf_core.execution.planning import plan_rescale, plan_resize, plan_warp
from lerf_core.geometry.enlarged import enlargement_matrix
from lerf_core.sampling.windows import Block

# Results behind fronts are compared with those of their enlargements.
pytestmark = pytest.mark.usefixtures("one_default_bank")

MODES = ("edge", "constant", "symmetric", "reflect", "wrap")
SHAPE = (13, 17)


def image_of(channels: int | None = None, dtype: str = "uint8", seed: int = 1) -> np.ndarray:
    generator = np.random.default_rng(seed)
    shape = SHAPE if channels is None else (*SHAPE, channels)
    high = {"uint8": 256, "uint16": 65536}.get(dtype)
    if high is None:
        return generator.random(shape).astype(dtype)
    return generator.integers(0, high, shape).astype(dtype)


def enlarged(front: ConvolutionFront, image: np.ndarray) -> np.ndarray:
    """Return what a front makes of bytes without alpha, channel rule included."""
    planes = image[None] if image.ndim == 2 else np.moveaxis(image, -1, 0)
    if front.reads_colours and len(planes) == 3:
        result = front.enlarge(planes, 1)
    else:
        result = np.concatenate([front.enlarge(plane[None], 1) for plane in planes])
    return result[0] if image.ndim == 2 else np.moveaxis(result, 0, -1)


def by_blocks(plan: Any, image: np.ndarray, side: int = 11) -> np.ndarray:
    """Compute a result block by block, each from its windows of the image alone."""
    out = np.empty(plan.result_shape, plan.result_dtype)
    rows, cols = plan.out_shape
    axes = plan.axes
    for top in range(0, rows, side):
        for left in range(0, cols, side):
            block = Block(top, min(top + side, rows), left, min(left + side, cols))
            output = plan.output_block(block)
            index: list[Any] = [slice(None)] * out.ndim
            index[axes[0]], index[axes[1]] = slice(*block[:2]), slice(*block[2:])
            if output.windows is None:
                out[tuple(index)] = plan.border(out[tuple(index)].shape)
                continue
            moved = np.moveaxis(image, axes, (-2, -1))
            window = output.windows.cut(moved, plan.options.mode)
            # Nothing but the windows is there to be read.
            window = np.moveaxis(window.copy(), (-2, -1), axes)
            out[tuple(index)] = plan.compute_block(output, window)
    return out


# -- what it is ---------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [None, 3, 5])
@pytest.mark.parametrize("colours", [False, True])
@pytest.mark.parametrize("out_shape", [(47, 35), (20, 40), (39, 51), (26, 34), (10, 9)])
def test_a_resize_of_the_enlargement(
    channels: int | None, out_shape: tuple[int, int], *, colours: bool
) -> None:
    front, image = ConvolutionFront(2, colours), image_of(channels)
    axis = None if channels is None else -1
    for keywords in ({}, {"kernel": "lanczos3"}, {"bank": "lerf-g"}):
        expected = resize(enlarged(front, image), out_shape, channel_axis=axis, **keywords)
        result = resize(image, out_shape, channel_axis=axis, front=front, **keywords)
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
@pytest.mark.parametrize("scale", [1.0, 1.5, 2.0, 3.0, 3.3, (0.7, 2.5), 0.4])
def test_a_scale_is_that_of_the_source(factor: int, scale: Any) -> None:
    front, image = ConvolutionFront(factor), image_of()
    inner = tuple(np.broadcast_to(scale, 2) / factor)
    expected = rescale(enlarged(front, image), inner)
    np.testing.assert_array_equal(rescale(image, scale, front=front), expected)


def test_at_its_own_scale_the_front_alone_is_the_result() -> None:
    for dtype in ("uint8", "float32"):
        front, image = ConvolutionFront(3), image_of(dtype=dtype)
        result = rescale(image, 3, front=front)
        if dtype == "uint8":
            np.testing.assert_array_equal(result, enlarged(front, image))
        else:
            grey = front.enlarge((image * 255)[None], 1)[0] / 255
            np.testing.assert_allclose(result, grey, atol=1e-6)


def test_a_front_that_does_not_enlarge_is_run_all_the_same() -> None:
    front, image = ConvolutionFront(1), image_of(3)
    result = rescale(image, 1, front=front, channel_axis=-1)
    np.testing.assert_array_equal(result, enlarged(front, image))
    assert (result != image).any()
    matrix = np.eye(3)
    np.testing.assert_array_equal(warp(image, matrix, front=front, channel_axis=-1), result)


MATRICES = {
    "turn": [[0.9, -0.3, 3.0], [0.25, 0.8, 1.0], [0, 0, 1]],
    "perspective": [[0.5, 0.1, 1.0], [0.02, 0.6, 2.0], [0.004, 0.002, 1]],
    "shrinks": [[3.1, 0.2, -4.0], [0.0, 2.6, -3.0], [0, 0, 1]],
    "enlarges": [[0.31, 0.0, 1.0], [0.0, 0.27, 2.0], [0, 0, 1]],
    "mirror": [[-1.0, 0, 16], [0, 1, 0], [0, 0, 1]],
    "to its scale": [[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]],
}


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("mode", ["constant", "edge"])
def test_a_warp_of_the_enlargement(name: str, mode: str) -> None:
    front, image = ConvolutionFront(2, colours=True), image_of(3)
    matrix = np.array(MATRICES[name])
    keywords = {"mode": mode, "channel_axis": -1, "output_shape": (21, 19), "cval": 9}
    expected = warp(enlarged(front, image), enlargement_matrix(2) @ matrix, **keywords)
    result = warp(image, matrix, front=front, **keywords)
    np.testing.assert_array_equal(result, expected)


def positions_of(matrix: Any, out_shape: tuple[int, int]) -> np.ndarray:
    """Return source (row, col) of each output pixel."""
    y, x = np.mgrid[: out_shape[0], : out_shape[1]]
    points = np.stack([x, y, np.ones_like(x)]).reshape(3, -1).astype(float)
    mapped = np.asarray(matrix) @ points
    return (mapped[1::-1] / mapped[2]).reshape(2, *out_shape)


@pytest.mark.parametrize("mode", ["constant", "edge"])
def test_fields_and_functions(mode: str) -> None:
    front, image = ConvolutionFront(2), image_of()
    field = positions_of(MATRICES["turn"], (20, 23))
    field += np.random.default_rng(4).normal(0, 0.2, field.shape)
    field[:, 3, 4] = np.nan
    expected = warp(enlarged(front, image), 2 * field + 0.5, mode=mode)
    np.testing.assert_array_equal(warp(image, field, front=front, mode=mode), expected)
    steps = field - np.mgrid[:20, :23]
    np.testing.assert_array_equal(
        warp(image, Displacement(steps), front=front, mode=mode),
        warp(enlarged(front, image), 2 * (steps + np.mgrid[:20, :23]) + 0.5, mode=mode),
    )

    def bend(points: np.ndarray) -> np.ndarray:
        return points * 0.7 + np.sin(points[:, ::-1] / 3)

    def bend_enlarged(points: np.ndarray) -> np.ndarray:
        return 2 * bend(points) + 0.5

    np.testing.assert_array_equal(
        warp(image, bend, front=front, mode=mode, output_shape=(18, 20)),
        warp(enlarged(front, image), bend_enlarged, mode=mode, output_shape=(18, 20)),
    )


@pytest.mark.parametrize("mode", MODES)
def test_the_border_mode_extends_the_source(mode: str) -> None:
    """Behind a periodic mode the front sees the image go on as the mode says."""
    # What is mirrored is the enlargement: the same where neither front nor kernel has a direction.
    front, image, far = ConvolutionFront(2, mirrored=True), image_of(), 12
    if mode in ("edge", "constant"):
        extended = enlarged(front, image)
    else:
        extended = enlarged(front, np.pad(image, far, mode=mode))
        start = 2 * far
        assert (extended[start:-start, start:-start] != enlarged(front, image)).any()
    # Beside it lies the same by a warp of the extended enlargement.
    margin = 0 if mode in ("edge", "constant") else far
    matrix = np.array(MATRICES["enlarges"]) + [[0, 0, -4.0], [0, 0, -3.0], [0, 0, 0]]
    shifted = np.array([[1, 0, 2 * margin], [0, 1, 2 * margin], [0, 0, 1.0]])
    keywords = {"kernel": "linear", "output_shape": (40, 50)}
    result = warp(image, matrix, front=front, mode=mode, **keywords)
    expected = warp(
        extended, shifted @ enlargement_matrix(2) @ matrix, mode="edge" if margin else mode,
        **keywords,
    )  # fmt: skip
    if margin:
        # Positions are folded: equal to the rounding of float64, and of bytes.
        assert np.abs(result.astype(int) - expected).max() <= 1
        assert (result == expected).mean() > 0.99
    else:
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("mode", MODES)
def test_a_resize_in_each_border_mode(mode: str) -> None:
    front, image, far = ConvolutionFront(2), image_of(), 12
    result = rescale(image, 3, front=front, mode=mode, cval=30)
    if mode in ("edge", "constant"):
        expected = rescale(enlarged(front, image), 1.5, mode=mode, cval=30)
    else:
        extended = np.pad(image, far, mode=mode)
        expected = rescale(enlarged(front, extended), 1.5)[3 * far : -3 * far, 3 * far : -3 * far]
    np.testing.assert_array_equal(result, expected)


def test_a_tile_that_repeats_goes_on_without_a_seam() -> None:
    front, image = ConvolutionFront(2), image_of()
    tiled = np.tile(image, (3, 3))
    whole = rescale(tiled, 2, front=front)
    rows, cols = 2 * SHAPE[0], 2 * SHAPE[1]
    expected = whole[rows : 2 * rows, cols : 2 * cols]
    np.testing.assert_array_equal(rescale(image, 2, front=front, mode="wrap"), expected)


# -- by blocks ----------------------------------------------------------------------------


@each_pair_first(
    mode=MODES,
    pixels=[(None, "uint8"), (3, "uint8"), (4, "uint8"), (4, "float32"), (2, "uint16")],
    scale=[2.0, 3.3, (0.7, 2.5), 1.4],
)
def test_blocks_of_a_resize(mode: str, pixels: tuple[int | None, str], scale: Any) -> None:
    channels, dtype = pixels
    image = image_of(channels, dtype)
    axis = None if channels is None else -1
    if dtype == "float32":
        image[4:6, 5:9] = np.nan
        image[9, 2, 0] = 3.0
    front = ConvolutionFront(2, colours=channels == 4)
    plan = plan_rescale(
        image.shape, image.dtype, scale, None, channel_axis=axis, mode=mode, front=front
    )
    np.testing.assert_array_equal(by_blocks(plan, image), plan.compute(image))


@each_pair_of(mode=MODES, name=list(MATRICES), by_field=[False, True])
def test_blocks_of_a_warp(mode: str, name: str, *, by_field: bool) -> None:
    image = image_of(4)
    image[3:8, 4:9, 3] = 0
    matrix = np.array(MATRICES[name]) + [[0, 0, -2.0], [0, 0, 3.0], [0, 0, 0]]
    front = ConvolutionFront(2, colours=True)
    mapping = positions_of(matrix, (26, 31)) if by_field else matrix
    plan = plan_warp(
        image.shape, image.dtype, mapping, (26, 31), None, channel_axis=-1, mode=mode, front=front
    )
    np.testing.assert_array_equal(by_blocks(plan, image, 16), plan.compute(image))


@pytest.mark.parametrize("factor", [1, 3])
@pytest.mark.parametrize("kernel", [None, "lanczos3", "area", "lerf-s"])
def test_blocks_with_alpha(factor: int, kernel: str | None) -> None:
    image = image_of(4)
    image[3:8, 4:9, 3] = 0
    front = ConvolutionFront(factor)
    scale = 0.8 if kernel == "lerf-s" else 2.3
    plan = plan_rescale(
        image.shape, image.dtype, scale, None, channel_axis=-1, kernel=kernel, front=front
    )
    np.testing.assert_array_equal(by_blocks(plan, image, 7), plan.compute(image))


def test_blocks_over_the_seam() -> None:
    """A window of two runs, at the ends of the image: each is enlarged with its own halo."""
    image = np.random.default_rng(2).integers(0, 256, (90, 100, 4)).astype(np.uint8)
    shift = [[0.5, 0, -20.0], [0, 0.5, -14.0], [0, 0, 1]]
    plan = plan_warp(
        image.shape, image.dtype, shift, (80, 90), None, channel_axis=-1, mode="wrap",
        front=ConvolutionFront(3),
    )  # fmt: skip
    block = plan.output_block(Block(20, 36, 30, 50))
    assert isinstance(block, FrontBlock)
    assert block.windows is not None
    assert max(len(window.runs) for window in block.windows) == 2
    np.testing.assert_array_equal(by_blocks(plan, image, 16), plan.compute(image))


def test_windows_found_before_may_be_larger() -> None:
    image = image_of()
    front = ConvolutionFront(2)
    plan = plan_rescale(image.shape, image.dtype, 3, None, front=front)
    small, large = (plan.output_block(Block(10, bottom, 12, 20)) for bottom in (15, 30))
    output = plan.output_block(Block(10, 15, 12, 20), large.windows)
    assert large.windows.area > small.windows.area
    np.testing.assert_array_equal(
        plan.compute_block(output, large.windows.cut(image, "edge")),
        plan.compute(image)[10:15, 12:20],
    )


def test_windows_are_small() -> None:
    plan = plan_rescale((3000, 4000), np.dtype(np.uint8), 3.3, None, front=ConvolutionFront(4))
    windows = plan.output_block(Block(3300, 3630, 3300, 3630)).windows
    assert max(windows.shape) < 100 + 2 * (2 + 4)


# -- pixels -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float16", "float32", "float64"])
def test_deep_images_are_not_rounded_to_bytes(dtype: str) -> None:
    front = ConvolutionFront(2)
    ramp = np.linspace(0.2, 0.3, SHAPE[0] * SHAPE[1]).reshape(SHAPE)
    low, high = (0, 1) if "float" in dtype else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    image = (low + ramp * (high - low)).astype(dtype)
    result = rescale(image, 2, front=front).astype(float)
    grey = (image.astype(float) - low) * 255 / (high - low)
    expected = front.enlarge(grey[None].astype(np.float32), 1)[0] * (high - low) / 255 + low
    step = 1e-3 if dtype == "float16" else 1e-6
    assert np.abs(result - expected).max() <= (1.01 if "int" in dtype else step)
    assert len(np.unique(result)) > 300 or dtype == "float16"


def test_values_beyond_the_range_are_kept() -> None:
    front = ConvolutionFront(2)
    for level in (1e5, -2.0, -1000.0):
        image = np.full(SHAPE, level, np.float32)
        for scale in (2, 3.3, 0.7):
            np.testing.assert_allclose(rescale(image, scale, front=front), level, rtol=1e-5)
    # Within the range nothing changes where others lie beyond it, farther than both reach.
    image = np.full(SHAPE, 0.25, np.float32) + image_of(dtype="float32") / 4
    plain = rescale(image, 2, front=front)
    image[0, 0] = 40.0
    result = rescale(image, 2, front=front)
    assert result[0, 0] > 20
    np.testing.assert_array_equal(result[8:, 8:], plain[8:, 8:])


def test_a_value_range_of_its_own() -> None:
    front, image = ConvolutionFront(2), image_of()
    small = (image // 4).astype(np.uint8)
    result = rescale(small, 2, front=front, value_range=(0, 63)).astype(float)
    expected = front.enlarge((small * np.float32(255 / 63))[None], 1)[0] * 63 / 255
    assert np.abs(result - np.clip(expected, 0, 255)).max() <= 0.51
    unit = rescale(image, 2, front=front, preserve_range=False)
    assert unit.dtype == np.float64
    expected = front.enlarge(image[None].astype(np.float32), 1)[0] / 255
    inside = (expected > 0) & (expected < 1)
    np.testing.assert_allclose(unit[inside], expected[inside], atol=1e-5)


@pytest.mark.parametrize("scale", [2, 3.3, 1.4])
def test_missing_values(scale: float) -> None:
    front, image = ConvolutionFront(2), image_of(dtype="float32")
    image[4:7, 6:10] = np.nan
    result = rescale(image, scale, front=front)
    found = rescale(np.isnan(image), scale)
    share = np.isnan(result) == found
    assert share.mean() > 0.97
    if scale == 2:
        np.testing.assert_array_equal(np.isnan(result), found)
    # What lies beside them sees its surroundings go on.
    assert np.nanmin(result) > -1.5
    assert np.nanmax(result) < 2.5
    level = np.where(np.isnan(image), np.nan, np.float32(0.7))
    flat = rescale(level, scale, front=front)
    np.testing.assert_allclose(flat[~np.isnan(flat)], 0.7, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_nodata(dtype: str) -> None:
    front, image = ConvolutionFront(2), image_of(3, "uint8").astype(dtype)
    hole = np.zeros(image.shape, bool)
    hole[4:7, 6:10] = True
    image[image == 9] = 8
    image[hole] = 9
    keywords = {} if dtype == "uint8" else {"value_range": (0, 255)}
    result = rescale(image, 2, front=front, nodata=9, channel_axis=-1, **keywords)
    np.testing.assert_array_equal(result == 9, rescale(hole, 2, channel_axis=-1))
    assert rescale(image, 3.3, front=front, nodata=9, channel_axis=-1, **keywords).shape[2] == 3


def test_masked_arrays() -> None:
    front, image = ConvolutionFront(2, colours=True), image_of(3)
    mask = np.zeros(image.shape, bool)
    mask[4:7, 6:10, :2] = True
    results = []
    for level in (0, 255):
        data = np.where(mask, level, image).astype(np.uint8)
        masked = np.ma.MaskedArray(data, mask)
        result = rescale(masked, 2, front=front, channel_axis=-1)
        np.testing.assert_array_equal(np.ma.getmaskarray(result), rescale(mask, 2, channel_axis=-1))
        results.append(result.filled(7))
        assert rescale(masked, 3.3, front=front, channel_axis=-1).mask.any()
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("colours", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_alpha(dtype: str, *, colours: bool) -> None:
    front = ConvolutionFront(2, colours)
    image = image_of(4, dtype)
    top = {"uint8": 255, "uint16": 65535, "float32": 1}[dtype]
    image[..., 3] = top
    opaque = rescale(image, 3.3, front=front, channel_axis=-1)
    np.testing.assert_array_equal(opaque[..., 3], top)
    np.testing.assert_array_equal(
        opaque[..., :3], rescale(image[..., :3], 3.3, front=front, channel_axis=-1)
    )
    image[3:8, 4:9, 3] = 0
    results = []
    for level in (0, top):
        image[3:8, 4:9, :3] = level
        results.append(rescale(image, 3.3, front=front, channel_axis=-1))
    # What is transparent colours nothing that is seen.
    seen = results[0][..., 3] > 0
    np.testing.assert_array_equal(results[0][seen], results[1][seen])
    assert 0.02 < 1 - seen.mean() < 0.1


def test_alpha_is_enlarged_by_the_bank() -> None:
    front, image = ConvolutionFront(2), image_of(2)
    alpha = image[..., 1]
    result = rescale(image, 2, front=front, channel_axis=-1)[..., 1]
    expected = rescale(np.stack([alpha, alpha], -1), 2, channel_axis=-1)[..., 1]
    np.testing.assert_array_equal(result, expected)
    # By one that was trained on images as they are.
    behind = rescale(image, 2, front=front, channel_axis=-1, bank="lerf-f")[..., 1]
    np.testing.assert_array_equal(behind, expected)
    result = rescale(image, 2, front=front, channel_axis=-1, kernel="linear")[..., 1]
    np.testing.assert_array_equal(result, rescale(alpha, 2, kernel="linear"))


def test_nan_colours_are_transparent() -> None:
    front, image = ConvolutionFront(2), image_of(4, "float32")
    image[..., 3] = 1
    image[4:8, 5:9, 1] = np.nan
    result = rescale(image, 2.5, front=front, channel_axis=-1)
    assert np.isfinite(result).all()
    assert result[11:19, 14:21, 3].max() < 0.01


def test_linear_light() -> None:
    front, image = ConvolutionFront(2), image_of(3)
    result = rescale(image, 1.2, front=front, linear_light=True, channel_axis=-1)
    expected = rescale(enlarged(front, image), 0.6, linear_light=True, channel_axis=-1)
    np.testing.assert_array_equal(result, expected)
    assert (result != rescale(image, 1.2, front=front, channel_axis=-1)).any()


def test_fast_and_axes_before_the_image() -> None:
    front = ConvolutionFront(2, colours=True)
    stack = np.stack([image_of(3, seed=seed) for seed in range(3)])
    result = rescale(stack, 3.3, front=front, channel_axis=-1, fast=True)
    for plane, part in zip(stack, result, strict=True):
        expected = rescale(enlarged(front, plane), 1.65, channel_axis=-1, fast=True)
        np.testing.assert_array_equal(part, expected)
    first = np.moveaxis(stack, -1, 0)
    moved = rescale(first, 3.3, front=front, channel_axis=0, fast=True)
    np.testing.assert_array_equal(np.moveaxis(moved, 0, -1), result)


def test_constants_stay_such() -> None:
    image = np.full(SHAPE, 77, np.uint8)
    for scale in (0.5, 2, 2.7):
        assert (rescale(image, scale, front=ConvolutionFront(2)) == 77).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 3)])
@pytest.mark.parametrize("mode", MODES)
def test_small_images(shape: tuple[int, int], mode: str) -> None:
    image = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    front = ConvolutionFront(2)
    assert rescale(image, 3.3, front=front, mode=mode).min() >= 0
    turned = warp(image, MATRICES["turn"], front=front, mode=mode, output_shape=(9, 9))
    assert turned.shape == (9, 9)


def test_both_engines_and_any_threads_agree() -> None:
    front, image = ConvolutionFront(2), image_of(4)
    expected = rescale(image, 2.6, front=front, channel_axis=-1)
    for keywords in ({"threads": 3}, {"engine": "reference"}):
        result = rescale(image, 2.6, front=front, channel_axis=-1, **keywords)
        np.testing.assert_array_equal(result, expected)


# -- what cannot be done ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "keywords", "words"),
    [
        (image_of(), {"method": "nearest"}, "'nearest' copies pixels"),
        (image_of(), {"method": "majority"}, "'majority' copies pixels"),
        (image_of(), {"kernel": "nearest"}, "kernel nearest copies pixels"),
        (image_of() > 3, {}, "got an image of bool"),
        (image_of().astype(np.int32), {}, "got an image of int32"),
    ],
)
def test_labels_have_no_front(image: np.ndarray, keywords: Any, words: str) -> None:
    for call in (
        lambda: rescale(image, 2, front=ConvolutionFront(2), **keywords),
        lambda: warp(image, np.eye(3), front=ConvolutionFront(2), **keywords),
    ):
        with pytest.raises((InvalidArgumentError, InvalidTypeError), match=words) as caught:
            call()
        assert "front" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_integers_with_a_range_are_no_labels() -> None:
    front, image = ConvolutionFront(2), image_of()
    result = rescale(image.astype(np.int32), 2, front=front, value_range=(0, 255))
    inside = enlarged(front, image)
    assert np.abs(result.clip(0, 255) - inside).max() <= 1


def test_a_learned_kernel_shrinks_the_enlargement() -> None:
    front, image = ConvolutionFront(3), image_of()
    np.testing.assert_array_equal(
        rescale(image, 2, front=front, kernel="lerf-s"), rescale(image, 2, front=front)
    )
    with pytest.raises(InvalidArgumentError, match=r"scale 1\.33333 of rows .* behind the front"):
        rescale(image, 4, front=front, kernel="lerf-s")


def test_fronts_are_loaded_by_name() -> None:
    with pytest.raises(lerf_core.errors.FrontError, match="no front is called 'none-such'"):
        rescale(image_of(), 2, front="none-such")
    with pytest.raises(InvalidTypeError, match="front must be"):
        warp(image_of(), np.eye(3), front=2)  # type: ignore[arg-type]


# -- plans --------------------------------------------------------------------------------


def test_plans_say_where_the_result_lies_in_the_source() -> None:
    front, plain = ConvolutionFront(2), plan_resize(SHAPE, np.dtype("u1"), (40, 41), None)
    plan = plan_resize(SHAPE, np.dtype("u1"), (40, 41), None, front=front)
    assert plan.scale == plain.scale
    np.testing.assert_array_equal(plan.placement.matrix, plain.placement.matrix)
    matrix = np.array(MATRICES["turn"])
    plan = plan_warp(SHAPE, np.dtype("u1"), matrix, None, None, front=front)
    plain = plan_warp(SHAPE, np.dtype("u1"), matrix, None, None)
    np.testing.assert_array_equal(plan.placement.matrix, plain.placement.matrix)
    assert not plan_rescale(SHAPE, np.dtype("u1"), 1, None, front=front).is_copy


def test_memory_grows_with_the_enlargement() -> None:
    shape, dtype = (1000, 1200), np.dtype("u1")
    needed = [
        plan_rescale(shape, dtype, 2, None, front=front).memory_needed()
        for front in (None, ConvolutionFront(2), ConvolutionFront(4))
    ]
    assert needed[0] < needed[1] < needed[2]
    enlarged_bytes = 16 * shape[0] * shape[1]
    work = ConvolutionFront(4).memory_needed(*shape, 1, dtype)
    assert needed[2] > enlarged_bytes + work
