"""The compiled weighted mean equals torch's."""

import numba
import numpy as np
import pytest

# ruff: noqa: E402 - torch may be missing, and with it what follows
torch = pytest.importorskip("torch")

from lerf_training.operations.weighted_mean import weighted_mean
from support.tensors import assert_near, gradients, sample_points

from lerf_core.bank import KINDS
from lerf_core.constants import LOCAL_PLANE_BIAS

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")


def mean_gradients(kind, inputs, **options):
    weighting = KINDS[kind].weighting
    feature, parameters, first, offset = inputs
    return gradients(
        lambda f, p: weighted_mean(weighting, f, p, first, offset, **options), feature, parameters
    )


# 1.0000001 is float32's next number: a neighbour there counts for LeRF-G alone.
@pytest.mark.parametrize("offsets", [None, (0.0, 1.0, 1.0000001, 0.5)])
@pytest.mark.parametrize("size", [(1, 1), (1, 4), (5, 7)])
@pytest.mark.parametrize("kind", KINDS)
def test_mean_kernel_equals_torch(kind, size, offsets):
    inputs = sample_points(KINDS[kind], rows=size[0], cols=size[1], offsets=offsets)
    mine = mean_gradients(kind, inputs)
    theirs = mean_gradients(kind, inputs, compiled=False)
    exact = mean_gradients(kind, [one.double() for one in inputs[:2]] + list(inputs[2:]))
    assert all(bool(torch.isfinite(one).all()) for one in mine)
    assert_near(mine, theirs, 1e-4)
    assert_near(mine, exact, 1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_neighbour_just_beyond_one_pixel_counts_for_the_gaussian_alone(kind):
    # sigma 0 and alpha 127: the first two neighbours weigh alike wherever they count.
    weighting = KINDS[kind].weighting
    parameters = torch.full((1, 1, 2, len(KINDS[kind].values)), float(weighting == "linear"))
    parameters[..., 3:] = LOCAL_PLANE_BIAS
    feature = torch.tensor([[[0.0, 100.0]]])
    first = torch.tensor([[[0, 0]]], dtype=torch.int32)
    values = []
    for distance in (1.0, float(np.nextafter(np.float32(1), np.float32(2)))):
        offset = torch.tensor([[[0.0, distance]]])
        mine = weighted_mean(weighting, feature, parameters, first, offset)
        torchs = weighted_mean(weighting, feature, parameters, first, offset, compiled=False)
        assert float(mine) == pytest.approx(float(torchs), abs=1e-4)
        values.append(float(mine))
    assert 0 < values[0] < 99
    if weighting == "linear":
        assert values[1] == 100
    else:
        assert values[1] == pytest.approx(values[0], abs=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_mean_of_a_constant_is_the_constant(kind):
    _, parameters, first, offset = sample_points(KINDS[kind])
    parameters[..., 3:] = LOCAL_PLANE_BIAS
    flat = torch.full((2, 5, 7), 77.0)
    value, by_feature, by_parameters = mean_gradients(kind, (flat, parameters, first, offset))
    torch.testing.assert_close(value, torch.full_like(value, 77.0))
    # Weights sum to one: the feature's gradients are shares; the weighting changes nothing.
    weight = torch.randn(value.shape, generator=torch.Generator().manual_seed(5))
    torch.testing.assert_close(by_feature.sum(), weight.sum(), atol=1e-3, rtol=1e-4)
    assert float(by_parameters[..., :3].abs().max()) < 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_mean_gradients_do_not_depend_on_the_number_of_threads(kind):
    inputs = sample_points(KINDS[kind], batch=5, points=500)
    before = numba.get_num_threads()
    try:
        results = []
        for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            results.append(mean_gradients(kind, inputs))
    finally:
        numba.set_num_threads(before)
    assert all(map(torch.equal, *results))


@needs_cuda
@pytest.mark.parametrize("kind", KINDS)
def test_mean_gives_the_same_on_cuda(kind):
    inputs = sample_points(KINDS[kind])
    mine = mean_gradients(kind, inputs)
    theirs = mean_gradients(kind, [one.cuda() for one in inputs])
    assert_near([one.cpu() for one in theirs], mine, 1e-4)
