"""Gradients of entries, spread over neighbouring ones."""

import pytest

# ruff: noqa: E402 - torch may be missing, and with it what follows
torch = pytest.importorskip("torch")

from lerf_training.operations.gradient_spreading import spread_gradient


@pytest.mark.parametrize("values", [1, 3])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_the_spreading_kernel_equals_torch(values, share):
    grad = torch.randn(2, 5**4, values, generator=torch.Generator().manual_seed(3))
    kernel, torchs = grad.clone(), grad.clone()
    spread_gradient(kernel, 5, share)
    spread_gradient(torchs, 5, share, compiled=False)
    # The sums of float32 are taken in other orders.
    torch.testing.assert_close(kernel, torchs, rtol=0, atol=1e-6 * float(torchs.abs().max()))
    assert torch.equal(kernel, grad) == (share == 0)


def test_spreading_is_symmetric_and_falls_by_the_share():
    grad = torch.zeros(1, 17**4, 1)
    middle = ((8 * 17 + 8) * 17 + 8) * 17 + 8
    grad[0, middle] = 1
    spread_gradient(grad, 17, 0.5)
    around = grad.view(17, 17, 17, 17)
    for axis in range(4):
        line = around.movedim(axis, -1)[8, 8, 8]
        torch.testing.assert_close(line[9] / line[8], torch.tensor(0.5), rtol=1e-3, atol=0)
        torch.testing.assert_close(line[7], line[9], rtol=1e-3, atol=0)
