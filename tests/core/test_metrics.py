"""Metrics against analytic cases and an independent implementation."""

import math

import numpy as np
import pytest

from lerf_core.errors import InvalidArgumentError
from lerf_core.metrics import luma, masked_psnr, psnr, ssim


@pytest.fixture
def pair():
    rng = np.random.default_rng(7)
    reference = rng.integers(0, 256, (37, 53)).astype(np.uint8)
    noise = rng.integers(-20, 21, reference.shape)
    return reference, np.clip(reference + noise, 0, 255).astype(np.uint8)


def test_luma_range_and_primaries():
    corners = luma(np.array([[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]))
    # BT.601: 65.481, 128.553 and 24.966 over black.
    np.testing.assert_allclose(corners, [16, 235, 81.481, 144.553, 40.966], atol=1e-9)


def test_luma_of_grey_is_linear():
    grey = np.arange(256, dtype=np.uint8)
    y = luma(np.stack([grey] * 3, axis=-1))
    np.testing.assert_allclose(y, 16 + grey.astype(float) * 219 / 255, atol=1e-9)


@pytest.mark.parametrize("shape", [(), (4,), (5, 5), (5, 5, 4)])
def test_luma_refuses_other_channels(shape):
    with pytest.raises(InvalidArgumentError, match="length 3"):
        luma(np.zeros(shape))


@pytest.mark.parametrize("error", [1, 2, 16])
def test_psnr_of_a_constant_error(error):
    black = np.zeros((9, 8), np.uint8)
    # Unsigned input must not wrap around, whichever comes first.
    for value in (psnr(black, black + error), psnr(black + error, black)):
        assert value == pytest.approx(20 * math.log10(255 / error))


def test_psnr_of_one_wrong_pixel():
    black = np.zeros((10, 10))
    spot = black.copy()
    spot[4, 4] = 255
    assert psnr(black, spot) == pytest.approx(20.0)


def test_psnr_shave_leaves_the_frame_out():
    black = np.zeros((10, 12, 3))
    framed = black + 50
    framed[2:-2, 2:-2] = 5
    assert psnr(black, framed, shave=2) == pytest.approx(20 * math.log10(255 / 5))
    assert psnr(black, framed, shave=1) < psnr(black, framed, shave=2)


def test_psnr_of_equal_images_is_infinite(pair):
    assert psnr(pair[0], pair[0]) == math.inf


def test_psnr_data_range():
    assert psnr(np.zeros((2, 2)), np.full((2, 2), 0.1), data_range=1.0) == pytest.approx(20.0)


@pytest.mark.parametrize(
    ("reference", "test", "options", "message"),
    [
        (np.zeros((3, 3)), np.zeros((3, 4)), {}, "shapes differ"),
        (np.zeros((3, 3)), np.zeros((3, 3)), {"shave": 2}, "leaves nothing"),
        (np.zeros((3, 3)), np.zeros((3, 3)), {"shave": -1}, "got -1"),
        (np.zeros((3, 3)), np.ones((3, 3)), {"data_range": 0.0}, "got 0.0"),
        (np.zeros((0, 3)), np.zeros((0, 3)), {}, r"\(0, 3\)"),
        (np.zeros(3), np.zeros(3), {}, r"\(3,\)"),
    ],
)
def test_psnr_refuses(reference, test, options, message):
    with pytest.raises(InvalidArgumentError, match=message):
        psnr(reference, test, **options)


def test_masked_psnr_counts_masked_pixels_only():
    reference = np.zeros((6, 6, 3))
    test = np.full((6, 6, 3), 255.0)
    test[:3] = 5
    mask = np.zeros((6, 6), bool)
    mask[:3] = True
    assert masked_psnr(reference, test, mask) == pytest.approx(20 * math.log10(255 / 5))


def test_masked_psnr_with_a_full_mask_is_psnr(pair):
    assert masked_psnr(*pair, np.ones(pair[0].shape, bool)) == pytest.approx(psnr(*pair))


def test_masked_psnr_refuses_an_empty_or_foreign_mask(pair):
    with pytest.raises(InvalidArgumentError, match="empty"):
        masked_psnr(*pair, np.zeros(pair[0].shape, bool))
    with pytest.raises(InvalidArgumentError, match="does not fit"):
        masked_psnr(*pair, np.ones((3, 3), bool))


def test_ssim_of_equal_images_is_one(pair):
    assert ssim(pair[0], pair[0]) == pytest.approx(1.0)


def test_ssim_of_constants_is_the_luminance_term():
    a, b = 100.0, 120.0
    c1 = (0.01 * 255) ** 2
    expected = (2 * a * b + c1) / (a * a + b * b + c1)
    # Variances of a constant cancel to rounding error against c2.
    assert ssim(np.full((11, 11), a), np.full((11, 11), b)) == pytest.approx(expected, abs=1e-9)


def test_ssim_is_symmetric(pair):
    assert ssim(*pair) == pytest.approx(ssim(*reversed(pair)))


@pytest.mark.parametrize("seed", range(3))
def test_ssim_equals_scikit_image(seed):
    metrics = pytest.importorskip("skimage.metrics")
    rng = np.random.default_rng(seed)
    reference = rng.uniform(0, 255, (23 + seed, 31))
    test = np.clip(reference + rng.normal(0, 15, reference.shape), 0, 255)
    _, full = metrics.structural_similarity(
        reference,
        test,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
        full=True,
    )
    # Its own mean crops by the radius (5) as well.
    assert ssim(reference, test) == pytest.approx(full[5:-5, 5:-5].mean(), abs=1e-12)


@pytest.mark.parametrize("shape", [(10, 20), (12, 12, 3)])
def test_ssim_refuses_small_or_coloured(shape):
    with pytest.raises(InvalidArgumentError, match="single-channel"):
        ssim(np.zeros(shape), np.zeros(shape))


def test_inputs_are_not_changed(pair):
    before = [image.copy() for image in pair]
    psnr(*pair, shave=1)
    ssim(*pair)
    masked_psnr(*pair, np.ones(pair[0].shape, bool))
    for image, copy in zip(pair, before, strict=True):
        np.testing.assert_array_equal(image, copy)
