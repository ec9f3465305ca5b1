"""Triton's kernels equal torch's operations: interpreted, which takes no GPU but Triton."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("torch")
pytest.importorskip("triton")

# Of its own process: Triton is asked to interpret before it is imported.
SCRIPT = """
import torch
from torch.nn import functional
from lerf_core.backends.torch import fused_kernels, source_pixels, weighted_mean
from lerf_plugins.filters.torch import execution, grid_sample, interpolate, warping

def use(kernels):
    for module in (source_pixels, weighted_mean, warping):
        module.fused_kernels = lambda device: kernels

execution.is_compiled = lambda *tensors: False
turn = torch.tensor([[[0.8, -0.5, 0.1], [0.6, 1.9, 0.2]]])
grid = functional.affine_grid(turn, (1, 2, 6, 7), align_corners=False)
image = torch.rand((1, 2, 7, 9), generator=torch.Generator().manual_seed(0))
calls = (
    lambda image, bank: interpolate(image, (12, 15), bank=bank),
    lambda image, bank: interpolate(image, (4, 5), bank=bank, mode="constant", cval=0.3),
    lambda image, bank: grid_sample(image, grid, bank=bank),
)
for bank in ("lerf-p", "lerf-g", "lerf-l"):
    for pixels in (image, (255 * image).round().byte()):
        for call in calls:
            results = []
            for kernels in (fused_kernels, None):
                use(kernels)
                results.append(call(pixels, bank))
            assert torch.equal(*results), (bank, pixels.dtype)
    gradients = []
    for kernels in (fused_kernels, None):
        use(kernels)
        leaf = image.clone().requires_grad_()
        calls[0](leaf, bank).square().sum().backward()
        gradients.append(leaf.grad)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)
"""


@pytest.mark.slow
def test_kernels_equal_torchs_operations():
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    subprocess.run([sys.executable, "-W", "ignore", "-c", SCRIPT], check=True, env=environment)
