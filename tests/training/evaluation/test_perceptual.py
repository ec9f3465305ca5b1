"""Perceptual distances come from installed packages, and say what is missing."""

import importlib.util
import sys

import numpy as np
import pytest
from lerf_training.data.benchmark_sets import ScalePair
from lerf_training.errors import DatasetError, MissingExtraError
from lerf_training.evaluation import perceptual
from lerf_training.evaluation.baselines import baseline_method
from lerf_training.evaluation.perceptual import (
    PERCEPTUAL_MEASURES,
    PerceptualMeasure,
    perceptual_measure,
)
from lerf_training.evaluation.protocol import scale_protocol
from lerf_training.evaluation.running import evaluate_scale
from lerf_training.evaluation.scores import means
from PIL import Image

from lerf_core.errors import InvalidArgumentError

#: Convolutions of AlexNet, (output, input, side), and what each of them looks at.
ALEXNET = {
    "slice1.0": (64, 3, 11),
    "slice2.5": (192, 64, 5),
    "slice3.9": (384, 192, 3),
    "slice4.11": (256, 384, 3),
    "slice5.13": (256, 256, 3),
}


def pair():
    """A smooth image, and the same with noise."""
    y, x = np.mgrid[:61, :83]
    image = np.stack([y * 4, x * 3, (x + y) * 1.7], -1).astype(np.uint8)
    noise = np.random.default_rng(0).integers(-30, 30, image.shape)
    return image, np.clip(image.astype(int) + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Return a function that puts a package with such weights in the place of the real one."""
    torch = pytest.importorskip("torch")

    def install(weights):
        folder = tmp_path / "stlpips_pytorch"
        file = folder / "weights" / "vST0.0" / "alex_shift_tolerant.pth"
        file.parent.mkdir(parents=True)
        # Whoever imports it fails: the weights alone are read.
        (folder / "__init__.py").write_text("raise RuntimeError\n")
        if weights is not None:
            torch.save(weights, file)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "stlpips_pytorch", raising=False)
        importlib.invalidate_caches()
        return file

    return install


def random_weights():
    import torch

    generator = torch.Generator().manual_seed(3)
    weights = {}
    for number, (name, (outputs, inputs, side)) in enumerate(ALEXNET.items()):
        shape = (outputs, inputs, side, side)
        kernel = torch.randn(shape, generator=generator) / (inputs * side * side) ** 0.5
        weights[f"net.{name}.weight"] = kernel
        weights[f"net.{name}.bias"] = torch.zeros(outputs)
        weights[f"lin{number}.model.1.weight"] = torch.ones(1, outputs, 1, 1) / outputs
    return weights


def test_a_network_of_any_weights_is_a_distance(package):
    package(random_weights())
    distance = perceptual_measure("st-lpips").distance
    image, noisy = pair()
    before = image.copy()
    assert distance(image, image) == 0
    assert distance(image, noisy) == pytest.approx(distance(noisy, image))
    slightly = (image.astype(int) * 3 + noisy + 2) // 4
    assert 0 < distance(image, slightly.astype(np.uint8)) < distance(image, noisy)
    np.testing.assert_array_equal(image, before)
    with pytest.raises(InvalidArgumentError, match=r"32 pixels a side at least, got 31x40"):
        distance(image[:40, :31], noisy[:40, :31])
    with pytest.raises(InvalidArgumentError, match="two images of one size"):
        distance(image, noisy[1:])


def test_the_package_itself():
    """With the real weights the figure is that of the package's own code."""
    pytest.importorskip("torch")
    if importlib.util.find_spec("stlpips_pytorch") is None:
        pytest.skip("stlpips-pytorch is not installed")
    assert perceptual_measure("st-lpips").distance(*pair()) == pytest.approx(0.458914, abs=2e-5)


def test_weights_that_are_no_weights(package):
    file = package(None)
    with pytest.raises(DatasetError, match="holds no weights of ST-LPIPS"):
        perceptual_measure("st-lpips")
    weights = random_weights()
    del weights["net.slice3.9.bias"]
    import torch

    torch.save(weights, file)
    with pytest.raises(DatasetError, match=r"slice3\.9\.bias"):
        perceptual_measure("st-lpips")
    file.write_bytes(b"no weights at all")
    with pytest.raises(DatasetError, match="holds no weights"):
        perceptual_measure("st-lpips")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("st-lpips", r"ST-LPIPS needs stlpips-pytorch: pip install 'lerf\[perceptual\]'"),
        ("flip", r"FLIP needs flip-evaluator: pip install 'lerf\[evaluate\]'"),
    ],
)
def test_what_is_missing_is_named(name, message, monkeypatch):
    monkeypatch.setattr(perceptual.importlib.util, "find_spec", lambda module: None)
    with pytest.raises(MissingExtraError, match=message):
        perceptual_measure(name)


def test_unknown_measures():
    with pytest.raises(InvalidArgumentError, match="no perceptual measure 'lpips'; there are flip"):
        perceptual_measure("lpips")


def test_flip_is_a_measure():
    pytest.importorskip("flip_evaluator")
    image, noisy = pair()
    measure = perceptual_measure("flip")
    assert measure.name in PERCEPTUAL_MEASURES
    assert measure.distance(image, image) == 0
    assert 0 < measure.distance(image, noisy) < 1


def test_scores_hold_what_was_asked_for(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "high.png")
    seen = []

    def distance(reference, test):
        seen.append((reference, test))
        return float(len(seen))

    methods = [baseline_method("pillow-bicubic"), baseline_method("pillow-lanczos")]
    measure = PerceptualMeasure("count", "calls so far", distance)
    case = ScalePair("set", "high", (2.0, 2.0), tmp_path / "high.png", None)
    scores = list(evaluate_scale([case, case], methods, measures=[measure]))
    assert [score.perceptual for score in scores] == [{"count": n} for n in (1.0, 2.0, 3.0, 4.0)]
    assert [mean.perceptual for mean in means(scores)] == [{"count": 2.0}, {"count": 3.0}]
    np.testing.assert_array_equal(seen[0][0], photo)
    assert seen[0][1].shape == photo.shape
    assert scale_protocol("edge", measures=[measure])["count"].startswith("calls so far")
    (plain, *_) = evaluate_scale([case], methods)
    assert plain.perceptual == {}
