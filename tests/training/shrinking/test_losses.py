"""What a training of the function for shrinking minimises."""

import numpy as np
import pytest

# ruff: noqa: E402 - torch may be missing, and with it what follows
torch = pytest.importorskip("torch")

from lerf_training.shrinking.gratings import Gratings, aliasing_penalty, draw_gratings
from lerf_training.shrinking.round_trips import RoundTrips, fixed_weights
from PIL import Image

import lerf_core

SIZE = 48


@pytest.fixture
def small():
    """A smooth image of 24x24 pixels."""
    coarse = np.random.default_rng(3).integers(40, 216, (8, 8), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((24, 24), Image.Resampling.BICUBIC))


def as_batch(image):
    return torch.from_numpy(np.asarray(image, np.float32))[None]


@pytest.mark.parametrize(
    ("kernel", "resampling"), [("catmull-rom", "BICUBIC"), ("lanczos3", "LANCZOS")]
)
def test_fixed_enlargements_are_pillows(small, kernel, resampling):
    matrix = fixed_weights(kernel, 24, SIZE)
    enlarged = (matrix @ as_batch(small) @ matrix.T)[0].numpy()
    image = Image.fromarray(small.astype(np.float32))
    expected = np.asarray(image.resize((SIZE, SIZE), Image.Resampling[resampling]))
    # Pillow leaves pixels beyond the border out.
    np.testing.assert_allclose(enlarged[8:-8, 8:-8], expected[8:-8, 8:-8], atol=1e-3)


@pytest.mark.parametrize("size", [48, 60, 72])
def test_the_learned_enlargement_is_lerfs(small, size):
    image = lerf_core.resize(small, (size, size)).astype(np.float32)
    exact = RoundTrips((0, 0, 1)).loss(as_batch(small), as_batch(image))
    assert exact < 0.01  # rounding: 1/12 against 20
    assert RoundTrips((0, 0, 1)).loss(as_batch(small), as_batch(image + 20)) > 0.9


def test_weights_weigh(small):
    images = as_batch(np.kron(small, np.ones((2, 2))))
    single = [RoundTrips(weights).loss(as_batch(small), images).item()
              for weights in ((1, 0, 0), (0, 1, 0), (0, 0, 1))]  # fmt: skip
    both = RoundTrips((0.5, 0.3, 0.2)).loss(as_batch(small), images).item()
    assert both == pytest.approx(np.dot((0.5, 0.3, 0.2), single), rel=1e-5)


def test_the_learned_enlargement_has_gradients(small):
    batch = as_batch(small).requires_grad_()
    images = as_batch(np.kron(small, np.ones((2, 2))))
    RoundTrips((0, 0, 1)).loss(batch, images).backward()
    assert batch.grad.abs().max() > 0


@pytest.mark.parametrize("small_size", [48, 32, 24, 12, 77])
def test_gratings_are_beyond_what_the_small_image_holds(small_size):
    images, allowed = draw_gratings(40, 96, small_size, np.random.default_rng(1))
    spectra = np.abs(np.fft.rfft2(images.numpy() - 128, axes=(1, 2)))
    for spectrum in spectra:
        row, col = np.unravel_index(spectrum.argmax(), spectrum.shape)
        frequency = max(min(row, 96 - row), col) / 96  # cycles per pixel
        assert frequency > 0.5 * small_size / 96 - 1 / 96
    assert images.min() >= 0
    assert images.max() <= 256
    assert (allowed > 0).all()


def test_aliases_cost_and_grey_does_not():
    gratings = draw_gratings(16, 96, 48, np.random.default_rng(2))
    grey = torch.full((16, 48, 48), 128.0)
    assert aliasing_penalty(grey, gratings) == 0
    # The nearest pixels keep all of it.
    assert aliasing_penalty(gratings.images[:, ::2, ::2], gratings) > 1
    spared = Gratings(gratings.images, torch.full((16,), 1e6))
    assert aliasing_penalty(gratings.images[:, ::2, ::2], spared) > 1  # beyond Lanczos's


def test_one_grating_that_is_left_costs():
    gratings = draw_gratings(16, 96, 48, np.random.default_rng(2))
    one = torch.full((16, 48, 48), 128.0)
    one[3] = gratings.images[3, ::2, ::2]
    by_lanczos = fixed_weights("lanczos3", 96, 48)
    assert ((by_lanczos @ gratings.images @ by_lanczos.T - 128) ** 2).mean() > 10
    assert aliasing_penalty(one, gratings) > 0
