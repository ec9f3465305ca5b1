"""Rounding and clipping, and the gradients that pass them."""

import pytest

# ruff: noqa: E402 - torch may be missing, and with it what follows
torch = pytest.importorskip("torch")

from lerf_core.backends.torch.straight_through import quantise, rounded


def test_quantise_rounds_half_to_even_and_clips():
    values = torch.tensor([-3.0, -0.5, 0.5, 1.5, 2.4, 254.5, 255.5, 300.0])
    assert quantise(values).tolist() == [0, 0, 0, 2, 2, 254, 255, 255]
    assert quantise(values, low=-1, high=2, whole=False).tolist() == pytest.approx(
        [-1, -0.5, 0.5, 1.5, 2, 2, 2, 2]
    )


def test_quantise_blocks_only_gradients_that_lead_farther_out():
    values = torch.tensor([-3.0, -3.0, 0.0, 100.3, 100.3, 255.0, 300.0, 300.0]).requires_grad_()
    gradient = torch.tensor([1.0, -1.0, 1.0, 2.0, -2.0, -1.0, 1.0, -1.0])
    quantise(values).backward(gradient)
    # A step goes against the gradient.
    assert values.grad.tolist() == [0, -1, 1, 2, -2, -1, 1, 0]


def test_rounded_entries_are_whole_and_pass_their_gradient():
    entries = torch.cat([torch.randn(1000) * 60, torch.tensor([0.5, 1.5, -0.5, -126.7, 1e-9])])
    entries.requires_grad_()
    whole = rounded(entries)
    assert torch.equal(whole, torch.round(entries))
    gradient = torch.randn(1005)
    whole.backward(gradient)
    assert torch.equal(entries.grad, gradient)
