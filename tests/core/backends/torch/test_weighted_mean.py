"""The weighted mean on tensors: gradients, and what the reference gives."""

import pytest

# ruff: noqa: E402 - torch may be missing, and with it what follows
torch = pytest.importorskip("torch")

from support.tensors import sample_points

from lerf_core.backends.torch.taps import NeighbourTaps
from lerf_core.backends.torch.weighted_mean import mean_terms, weighted_mean
from lerf_core.bank import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_the_mean_passes_gradcheck(kind):
    kind = KINDS[kind]
    feature, parameters, first, offset = sample_points(kind, batch=1, rows=3, cols=3, points=12)
    # Away from the tent's corner, which a slope of at most 1 meets at one pixel's distance.
    inputs = (
        feature.double().requires_grad_(),
        (parameters * 0.9 + 10).double().requires_grad_(),
    )
    taps = NeighbourTaps(first, offset.double() * 0.9 + 0.05, (3, 3))

    def mean(feature, parameters):
        terms = mean_terms(feature, parameters.unbind(-1), kind.weighting)
        return weighted_mean(terms.flatten(2), kind.weighting, taps)

    assert torch.autograd.gradcheck(mean, inputs, eps=1e-4)
