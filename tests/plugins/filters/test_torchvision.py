"""torchvision's pipelines and tensors, where it is installed."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
try:
    tv_tensors = pytest.importorskip("torchvision.tv_tensors", reason="torchvision is missing")
    v2 = pytest.importorskip("torchvision.transforms.v2")
except RuntimeError as error:  # built for another torch
    pytest.skip(f"torchvision cannot be loaded: {error}", allow_module_level=True)

from lerf_plugins.filters.transforms import Affine, Resize  # noqa: E402


@pytest.fixture
def image():
    return torch.from_numpy(np.random.default_rng(0).integers(0, 255, (3, 40, 60), np.uint8))


def test_in_compose(image):
    pipeline = v2.Compose([Resize(80, 120), v2.ToDtype(torch.float32, scale=True)])
    out = pipeline(image)
    assert out.shape == (3, 80, 120)
    assert torch.equal((out * 255).round().to(torch.uint8), Resize(80, 120)(image))


@pytest.mark.parametrize(
    ("form", "box", "expected"),
    [
        ("XYXY", [6.0, 4, 30, 20], [12, 8, 60, 40]),
        ("XYWH", [6.0, 4, 24, 16], [12, 8, 48, 32]),
        ("CXCYWH", [18.0, 12, 24, 16], [36, 24, 48, 32]),
    ],
)
def test_samples_stay_what_they_are(image, form, box, expected):
    boxes = tv_tensors.BoundingBoxes([box], format=form, canvas_size=(40, 60))
    target = {
        "boxes": boxes,
        "masks": tv_tensors.Mask(torch.ones(2, 40, 60, dtype=torch.uint8)),
        "labels": torch.tensor([3]),
    }
    out, moved = Resize(80, 120)(tv_tensors.Image(image), target)
    assert type(out) is tv_tensors.Image
    assert type(moved["masks"]) is tv_tensors.Mask
    assert type(moved["boxes"]) is tv_tensors.BoundingBoxes
    assert moved["boxes"].format.value == form
    assert moved["boxes"].canvas_size == (80, 120)
    assert moved["boxes"].tolist() == [expected]
    assert out.shape == (3, 80, 120)
    assert moved["masks"].shape == (2, 80, 120)


def test_dropped_boxes(image):
    boxes = tv_tensors.BoundingBoxes(
        [[0, 0, 5, 5], [25, 15, 35, 25]], format="XYXY", canvas_size=(40, 60)
    )
    turn = Affine(scale=3.0, seed=0, min_area=1)
    _, moved = turn(tv_tensors.Image(image), {"boxes": boxes, "labels": torch.tensor([1, 2])})
    assert moved["labels"].tolist() == [2]
    assert type(moved["boxes"]) is tv_tensors.BoundingBoxes
    assert len(moved["boxes"]) == 1
    # And torchvision goes on with them.
    flipped, target = v2.RandomHorizontalFlip(1)(tv_tensors.Image(image), moved)
    assert len(target["boxes"]) == 1
    assert flipped.shape == image.shape
