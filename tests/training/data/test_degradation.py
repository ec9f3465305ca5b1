"""Low-resolution inputs: sizes, positions, kernel, and the benchmarks' own files."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lerf_training.data.benchmark_sets import find_scale_pairs
from lerf_training.data.degradation import crop_to_scale, degrade_image, low_shape
from lerf_training.data.image_files import read_rgb
from PIL import Image

import lerf_core
from lerf_core.errors import InvalidArgumentError
from lerf_core.sampling.taps import axis_positions

SCALES = [(2.0, 2.0), (1.5, 1.5), (3.0, 1.25), (1.7, 2.3), (1.0, 4.0)]


@pytest.fixture
def noise():
    rng = np.random.default_rng(8)
    return rng.integers(0, 256, (61, 83, 3)).astype(np.uint8)


@given(size=st.integers(1, 5000), scale=st.floats(1, 16))
def test_low_size_is_the_largest_that_fits(size, scale):
    def enlarged(low):
        return lerf_core.rescaled_shape((low, low), scale)[0]

    if enlarged(1) > size:
        with pytest.raises(InvalidArgumentError, match="too small"):
            low_shape((size, size), (scale, scale))
        return
    low, _ = low_shape((size, size), (scale, scale))
    assert enlarged(low) <= size < enlarged(low + 1)


@pytest.mark.parametrize(
    ("scale", "cropped"), [((2.0, 2.0), (60, 82)), ((4.0, 3.0), (60, 81)), ((1.5, 1.5), (60, 83))]
)
def test_crop_is_from_the_top_left(noise, scale, cropped):
    high = crop_to_scale(noise, scale)
    np.testing.assert_array_equal(high, noise[: cropped[0], : cropped[1]])


@pytest.mark.parametrize("scale", SCALES)
def test_an_enlargement_has_the_size_of_the_crop(noise, scale):
    high = crop_to_scale(noise, scale)
    low = degrade_image(high, scale)
    assert lerf_core.rescale(low, scale, channel_axis=-1).shape == high.shape


@pytest.mark.parametrize("scale", SCALES)
def test_constants_stay(scale):
    high = crop_to_scale(np.full((40, 50), 77, np.uint8), scale)
    assert (degrade_image(high, scale) == 77).all()


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(("size", "scale"), [(60, 2.0), (62, 1.5), (61, 2.5), (58, 1.9)])
def test_pixels_lie_where_the_geometry_says(axis, size, scale):
    # A ramp has at every position the value that the position says.
    pair = (scale, 1.0) if axis == 0 else (1.0, scale)
    wide = np.broadcast_to(4 * np.arange(size, dtype=np.uint8)[:, None], (size, size))
    high = crop_to_scale(wide if axis == 0 else wide.T, pair)
    low = degrade_image(high, pair).take(0, axis=1 - axis).astype(float)
    inner = slice(5, -5)
    # The inverse of where the enlargement's pixels lie in the low-resolution image.
    grid = axis_positions(low.size, high.shape[axis], scale)
    expected = 4 * np.interp(np.arange(low.size), grid, np.arange(grid.size))
    assert np.abs(low - expected)[inner].max() <= 0.5 + 1e-9


@pytest.mark.parametrize("scale", [(1.5, 1.5), (2.5, 1.9), (2.0, 2.0)])
def test_a_ramp_comes_back_without_a_shift(scale):
    slope = 4
    plane = (slope * np.add.outer(np.arange(31), np.arange(32))).astype(np.uint8)
    high = crop_to_scale(plane, scale)
    back = lerf_core.rescale(degrade_image(high, scale), scale, bank="analytic")
    assert back.shape == high.shape
    shift = ((back.astype(float) - high) / slope)[6:-6, 6:-6]
    # A wrong distance between pixels would be seen away from the centre.
    for part in (shift[:4], shift[-4:], shift[:, :4], shift[:, -4:]):
        assert abs(part.mean()) < 0.07
    assert np.abs(shift).max() <= 0.5


def test_kernel_is_pillows_bicubic_inside(noise):
    # Along one axis there is one rounding, as in Pillow's float images.
    for scale in (2.0, 1.5, 2.7):
        high = crop_to_scale(noise[..., 0], (1.0, scale))
        low = degrade_image(high, (1.0, scale))
        (rows, cols), width = low.shape, low.shape[1] * scale
        left = (high.shape[1] - width) / 2
        theirs = Image.fromarray(high.astype(np.float32)).resize(
            (cols, rows), Image.Resampling.BICUBIC, (left, 0, left + width, rows)
        )
        inner = np.s_[:, 3:-3]
        expected = np.clip(np.floor(np.asarray(theirs, np.float64) + 0.5), 0, 255)
        assert (low[inner] != expected[inner]).mean() < 1e-2
        assert np.abs(low[inner] - expected[inner]).max() <= 1


def test_mirrored_and_transposed_images_give_the_same(noise):
    high = crop_to_scale(noise, (3.0, 1.5))
    low = degrade_image(high, (3.0, 1.5))
    turned = degrade_image(high.swapaxes(0, 1), (1.5, 3.0))
    np.testing.assert_array_equal(turned, low.swapaxes(0, 1))
    mirrored = degrade_image(high[:, ::-1], (3.0, 1.5))[:, ::-1]
    # Sums in another order may round a tie the other way.
    assert (mirrored != low).mean() < 1e-2


def test_channels_are_apart_and_the_image_stays(noise):
    before = noise.copy()
    high = crop_to_scale(noise, (2.0, 2.0))
    low = degrade_image(high, (2.0, 2.0))
    np.testing.assert_array_equal(low[..., 1], degrade_image(high[..., 1], (2.0, 2.0)))
    np.testing.assert_array_equal(noise, before)


def test_refusals(noise):
    with pytest.raises(InvalidArgumentError, match=r"scales of 1 and more, not for x0\.5"):
        crop_to_scale(noise, (0.5, 0.5))
    with pytest.raises(InvalidArgumentError, match="83x61 pixels is too small for x100"):
        crop_to_scale(noise, (100.0, 100.0))
    with pytest.raises(InvalidArgumentError, match="crop it first"):
        degrade_image(noise, (2.0, 2.0))


@pytest.mark.parametrize("dataset", ["Set5", "Set14"])
def test_srf_files_come_out_bit_for_bit(shared_data, dataset):
    for pair in find_scale_pairs(shared_data / "bench" / "srf" / dataset):
        high = crop_to_scale(read_rgb(pair.high), pair.scale)
        np.testing.assert_array_equal(degrade_image(high, pair.scale), read_rgb(pair.low))


def test_rr_files_are_rounded_once_and_fade_to_black_at_the_border(shared_data):
    for pair in find_scale_pairs(shared_data / "bench" / "rrBenchmark" / "Set5"):
        high = crop_to_scale(read_rgb(pair.high), pair.scale)
        made, own = degrade_image(high, pair.scale), read_rgb(pair.low)
        assert made.shape == own.shape
        difference = np.abs(made.astype(int) - own)
        assert difference[2:-2, 2:-2].max() <= 2
        assert difference.max() > 8
