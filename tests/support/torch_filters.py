"""What tests of the filters for torch share."""

import numpy as np
import pytest
import torch

from lerf_plugins.filters.torch import execution

# Turned, and shrunk by two and a half along one axis.
TURN = torch.tensor([[[0.8, -0.5, 0.1], [0.6, 0.7, 0.2]], [[2.5, 0.3, 0.0], [0.1, 0.9, 0.4]]])
TILT = torch.tensor([
    [[0.9, 0.2, 1.0], [0.1, 1.2, -2.0], [0.01, 0.02, 1.0]],
    [[0.4, 0.0, 4.0], [0.0, 0.4, 2.0], [0.03, -0.05, 1.0]],
])  # fmt: skip


def noise(shape=(2, 3, 9, 13), dtype=torch.float32, seed=0):
    values = np.random.default_rng(seed).random(shape)
    if dtype == torch.uint8:
        return torch.from_numpy(np.rint(values * 255).astype(np.uint8))
    return torch.from_numpy(values).to(dtype)


def assert_equal(mine, theirs):
    """To the last bit for bytes, else to 1e-5 of a range of 1."""
    mine = mine.detach().cpu().numpy()
    assert mine.dtype == theirs.dtype
    assert mine.shape == theirs.shape
    if mine.dtype == np.uint8:
        assert np.array_equal(mine, theirs)
    else:
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-5)


def on_backend(function, *tensors):
    """What lerf_core's compiled backend gives for the same call."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execution, "is_compiled", lambda *_: True)
        return function(*(one.cpu() for one in tensors)).numpy()


def slope(function, at, direction, step):
    """Central difference along a direction."""
    with torch.no_grad():
        ends = [function(at + sign * step * direction).double() for sign in (1, -1)]
    return float(ends[0] - ends[1]) / (2 * step)
