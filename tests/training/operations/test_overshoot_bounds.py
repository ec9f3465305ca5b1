"""Results of local planes within their overshoot bounds."""

import numpy as np
import pytest

# ruff: noqa: E402 - torch may be missing, and with it what follows
torch = pytest.importorskip("torch")

from lerf_training.operations.overshoot_bounds import clip_overshoot
from support.tensors import gradients, levels

from lerf_core.backends.reference import overshoot_bounds


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (11, 8)])
def test_bounds_are_those_of_torch_and_the_reference(size):
    plane = levels((2, *size), seed=4, choices=[0, 90, 100, 255])
    rng = np.random.default_rng(4)
    first = np.stack([rng.integers(-1, side, (2, 300)) for side in size], -1).astype(np.int32)
    values = torch.from_numpy(rng.uniform(-300, 600, (2, 300)).astype(np.float32))
    inputs = plane, torch.from_numpy(first)
    mine = gradients(lambda v: clip_overshoot(v, *inputs), values)
    torchs = gradients(lambda v: clip_overshoot(v, *inputs, compiled=False), values)
    assert all(map(torch.equal, mine, torchs))
    for item in range(2):
        low, high = overshoot_bounds(plane[item].numpy())
        cell = tuple(first[item].T + 1)
        wanted = np.clip(values[item].numpy(), low[cell], high[cell])
        np.testing.assert_array_equal(mine[0][item].numpy(), wanted)
    assert not torch.equal(mine[0], values)


def test_gradients_lead_back_within_the_bounds():
    plane = torch.full((1, 4, 4), 100.0)
    first = torch.ones((1, 4, 2), dtype=torch.int32)
    values = torch.tensor([[90.0, 110.0, 90.0, 110.0]], requires_grad=True)
    clip_overshoot(values, plane, first).backward(torch.tensor([[1.0, -1.0, -1.0, 1.0]]))
    # A step goes against the gradient: the first two would lead farther out.
    assert values.grad.tolist() == [[0.0, 0.0, -1.0, 1.0]]
