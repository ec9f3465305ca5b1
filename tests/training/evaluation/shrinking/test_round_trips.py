"""Round trips: what enlarges, what is compared, and the least-squares bound."""

import io

import numpy as np
import pytest
from lerf_training.errors import MissingExtraError
from lerf_training.evaluation.shrinking import round_trips
from lerf_training.evaluation.shrinking.round_trips import (
    ENLARGERS,
    enlargers,
    flip,
    jpeg_bytes,
    least_squares,
    score_round_trip,
)
from PIL import Image

import lerf_core
from lerf_core.metrics import luma, psnr


def pillow(image, shape, kernel):
    return np.asarray(Image.fromarray(image).resize(shape[::-1], Image.Resampling[kernel]))


@pytest.fixture(scope="module")
def smooth():
    """A picture with some detail."""
    noise = np.random.default_rng(8).integers(0, 256, (30, 36, 3)).astype(np.uint8)
    return pillow(noise, (60, 72), "BICUBIC")


def test_enlargers_are_those_that_they_are_called(smooth):
    found = {name: enlarge(smooth, (90, 100)) for name, enlarge in enlargers().items()}
    assert tuple(found) == ENLARGERS
    np.testing.assert_array_equal(found["pillow-bicubic"], pillow(smooth, (90, 100), "BICUBIC"))
    np.testing.assert_array_equal(found["pillow-lanczos"], pillow(smooth, (90, 100), "LANCZOS"))
    np.testing.assert_array_equal(
        found["lerf"], lerf_core.resize(smooth, (90, 100), channel_axis=-1)
    )


@pytest.mark.parametrize("factor", [2, 3])
def test_least_squares_bounds_what_bicubic_can_give_back(smooth, factor):
    shape = (60 // factor, 72 // factor)

    def error(small):
        grey = luma(pillow(small, (60, 72), "BICUBIC"))
        return psnr(luma(smooth), grey)

    best = error(least_squares(smooth, shape))
    others = [error(pillow(smooth, shape, name)) for name in ("BICUBIC", "LANCZOS", "BOX")]
    assert best > max(others) + 0.2


def test_least_squares_undoes_an_enlargement(smooth):
    quiet = (smooth // 2 + 64)[:20, :24]
    large = pillow(quiet, (40, 48), "BICUBIC")
    again = least_squares(large, (20, 24))
    assert again.dtype == np.uint8
    assert np.abs(again.astype(int) - quiet).max() <= 1
    np.testing.assert_array_equal(least_squares(large[..., 1], (20, 24)), again[..., 1])


def test_equal_images_are_perfect(smooth):
    score = score_round_trip(smooth, smooth)
    assert (score.psnr, score.ssim, score.flip) == (np.inf, 1.0, None)


def test_psnr_is_of_luma_and_of_all_pixels(smooth):
    changed = smooth.copy()
    changed[0, 0] ^= 128
    expected = psnr(luma(smooth), luma(changed))
    assert score_round_trip(smooth, changed).psnr == expected
    assert np.isfinite(expected)


def test_jpeg_sizes_are_pillows(smooth):
    file = io.BytesIO()
    Image.fromarray(smooth).save(file, "JPEG", quality=85)
    assert jpeg_bytes(smooth) == len(file.getvalue())


def test_flip_grows_with_the_error(smooth):
    pytest.importorskip("flip_evaluator")
    small, large = (np.clip(smooth.astype(int) + step, 0, 255).astype(np.uint8) for step in (4, 40))
    assert flip(smooth, smooth) == 0
    assert 0 < flip(smooth, small) < flip(smooth, large) < 1
    assert score_round_trip(smooth, small, with_flip=True).flip == flip(smooth, small)


def test_flip_says_what_it_needs(smooth, monkeypatch):
    monkeypatch.setattr(round_trips, "has_flip", lambda: False)
    with pytest.raises(MissingExtraError, match=r"FLIP needs flip-evaluator: .*lerf\[evaluate\]"):
        flip(smooth, smooth)
