"""lerf_core against an independent, literal transcription of the published algorithm."""

import numpy as np
import pytest
from support import literal
from support.combinations import some_first

from lerf_core import load_bank, rescale, resize
from lerf_core.backends import BACKENDS, get_backend, reference
from lerf_core.bank import KINDS
from lerf_core.constants import EXPONENT_TOP

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(5)


@pytest.fixture(params=["lerf-g", "lerf-l"])
def published(request, shared_data):
    return load_bank(shared_data / "upstream" / request.param)


def check_stages(plane, bank):
    feature, parameters = literal.feature_and_parameters(plane, bank)
    for name in BACKENDS:
        backend = get_backend(name)
        ours = backend.read_stage(plane, bank, 0, 4, 1)
        np.testing.assert_array_equal(ours[0], feature, err_msg=name)
        np.testing.assert_array_equal(backend.read_stage(ours[0], bank, 1, 4, 1), parameters, name)


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (9, 2), (23, 31)])
def test_published_integers(published, shape):
    check_stages(RNG.integers(0, 256, shape, dtype=np.uint8), published)


@pytest.mark.parametrize("kind", KINDS)
def test_random_tables_give_the_literal_integers(make_random_bank, kind):
    check_stages(RNG.integers(0, 256, (17, 12), dtype=np.uint8), make_random_bank(kind))


@pytest.mark.parametrize(
    ("kind", "scale"),
    some_first(
        [("lerf-p", 1.7), ("lerf-g", 3)],
        [
            *(("lerf-g", scale) for scale in (1.7, 2, 2.5, 4)),
            *(("lerf-p", scale) for scale in (2, 2.5, 3, 4)),
        ],
    ),
)
def test_weights_stay_within_one_level_of_exact_arithmetic(make_random_bank, kind, scale):
    random_bank = make_random_bank(kind)
    plane = RNG.integers(0, 256, (60, 50), dtype=np.uint8)
    exact = np.clip(np.round(literal.resize(plane, random_bank, scale)), 0, 255)
    ours = rescale(plane, scale, bank=random_bank, mode="constant")
    assert ours.shape == exact.shape
    difference = np.abs(ours - exact)
    assert difference.max() <= 1
    # Residuals are quarter levels: results beside a half, where rounding decides, are common.
    share = 3_000 if kind == "lerf-p" else 10_000
    assert np.count_nonzero(difference) <= max(1, exact.size // share)


def test_photographs_stay_within_one_level_of_exact_arithmetic(shared_data):
    from imageio.v3 import imread

    bank = load_bank(shared_data / "upstream" / "lerf-g")
    folder = shared_data / "bench" / "srf" / "Set5" / "image_SRF_4"
    wrong = total = 0
    for path in sorted(folder.glob("*_LR.png"))[:3]:
        plane = np.ascontiguousarray(imread(path)[:40, :40, 1])
        exact = np.clip(np.round(literal.resize(plane, bank, 4)), 0, 255)
        difference = np.abs(rescale(plane, 4, bank=bank, mode="constant") - exact)
        assert difference.max() <= 1
        wrong += np.count_nonzero(difference)
        total += exact.size
    assert wrong <= total / 10_000


def test_exponential_is_close_and_exact_at_whole_powers():
    steps = np.linspace(-90 * 2**23, 90 * 2**23, 400_001).astype(np.int32)
    exact = np.exp2(steps / 2.0**23)
    assert np.abs(reference.exp2_steps(steps) / exact - 1).max() < 4e-6
    whole = np.arange(-90, 91, dtype=np.int32)
    np.testing.assert_allclose(reference.exp2_steps(whole * 2**23), np.exp2(whole), rtol=3e-7)


def test_far_weights_stop_where_they_no_longer_count():
    far = np.full((3, 1), 255, np.uint8)
    offset = np.ones(1, np.float32)
    assert reference.gaussian_exponents(far, offset, -offset)[0] == EXPONENT_TOP


def test_zero_border_darkens_the_outermost_pixels_as_published():
    plane = np.full((8, 8), 200, np.uint8)
    edge = resize(plane, (16, 16), bank="analytic")
    zero = resize(plane, (16, 16), bank="analytic", mode="constant")
    np.testing.assert_array_equal(edge[1:-1, 1:-1], zero[1:-1, 1:-1])
    assert (zero[0] < edge[0]).all()
