"""The model in torch is the function that `lerf_core` computes."""

import numpy as np
import pytest

# ruff: noqa: E402 - torch may be missing, and with it what follows
torch = pytest.importorskip("torch")

from lerf_training.shrinking.model import ShrinkingModel

from lerf_core.backends.reference.shrinking import shrunk_mean
from lerf_core.sampling.shrinking import ShrinkingKernel, shrinking_kernel, shrinking_taps

KERNELS = {
    "shipped": shrinking_kernel(),
    # Of other radii, and with limits that bind everywhere.
    "tight": ShrinkingKernel.of(
        "tight", (1.1, 1.0, 0.5, 0.1, -0.2, -0.25, -0.15, 0.01, 0.02), (1, 0.9, 0.7, 0.4, 0.2), 0, 0
    ),
    "unbound": ShrinkingKernel.of("unbound", (1.2, 1, 0.4, -0.1, -0.3), (1, 1, 1, 1, 1), 9, 9),
}


def by_reference(kernel, image, shape):
    rows, cols = (
        shrinking_taps(kernel, size, out_size, out_size / size, anti_aliasing=True)
        for size, out_size in zip(image.shape, shape, strict=True)
    )
    out = np.empty((*shape, 1), np.float32)
    limits = kernel.widening, kernel.overshoot
    shrunk_mean(image[..., None], rows, cols, *limits, cval=None, out=out)
    return out[..., 0]


def by_model(kernel, image, shape):
    model = ShrinkingModel.of(kernel)
    with torch.no_grad():
        return model(torch.from_numpy(image)[None], shape)[0].numpy()


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
@pytest.mark.parametrize(
    ("size", "shape"),
    [((48, 48), (24, 24)), ((48, 36), (16, 9)), ((47, 61), (37, 8)), ((24, 24), (2, 3))],
)
def test_it_equals_the_reference(kernel, size, shape):
    image = np.random.default_rng(7).integers(0, 256, size).astype(np.float32)
    expected = by_reference(kernel, image, shape)
    assert expected.std() > 1
    np.testing.assert_allclose(by_model(kernel, image, shape), expected, atol=1e-3)


def test_a_kernel_comes_back_from_its_model():
    kernel = KERNELS["shipped"]
    made = ShrinkingModel.of(kernel).kernel("mine", {"steps": 3})
    assert made.name == "mine"
    assert made.training == {"steps": 3}
    for part, expected in ((made, kernel), (made.smooth, kernel.smooth)):
        numbers, others = (dict(k.parameters)["coefficients"] for k in (part, expected))
        np.testing.assert_allclose(numbers, others, atol=1e-6)
    assert made.widening == pytest.approx(kernel.widening, abs=1e-6)
    assert made.overshoot == kernel.overshoot


def test_it_starts_as_lanczos():
    made = ShrinkingModel().kernel("start", {})
    distance = np.linspace(0, 2.95, 60)
    lanczos = np.sinc(distance) * np.sinc(distance / 3)
    np.testing.assert_allclose(made.weights(distance, 1.0), lanczos, atol=0.01)


def test_all_parameters_have_gradients():
    model = ShrinkingModel()
    image = torch.rand(1, 48, 48, generator=torch.Generator().manual_seed(1)) * 255
    (model(image, (24, 24)) ** 2).sum().backward()
    for parameter in model.parameters():
        assert torch.isfinite(parameter.grad).all()
        assert parameter.grad.abs().max() > 0


def test_a_negative_widening_comes_back_to_zero():
    model = ShrinkingModel()
    with torch.no_grad():
        model.widening.fill_(-0.5)
    assert model.kernel("x", {}).widening == 0
    model.clip_widening()
    assert model.widening == 0
