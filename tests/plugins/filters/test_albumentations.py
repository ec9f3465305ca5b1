"""Transforms inside `albumentations.Compose`."""

import json
import os

import numpy as np
import pytest

# The host asks a server for its newest version when it is imported, unless told otherwise.
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
A = pytest.importorskip("albumentations")

from support.images import blob, centroid  # noqa: E402

import lerf_core  # noqa: E402
from lerf_core.errors import BankNotFoundError, InvalidArgumentError  # noqa: E402
from lerf_plugins.filters import albumentations as ours  # noqa: E402
from lerf_plugins.filters import transforms  # noqa: E402

SHAPE = (60, 90)
TILT = [[0.9, 0.1, 4.0], [-0.05, 1.1, 2.0], [0.0004, -0.0003, 1.0]]
MAKERS = [
    lambda: ours.Resize(120, 180),
    lambda: ours.Resize(100, 77, fast=True),
    lambda: ours.RandomScale((-0.3, 0.8), p=1),
    lambda: ours.LongestMaxSize(121),
    lambda: ours.SmallestMaxSize(45),
    lambda: ours.Affine(rotate=(-30, 30), scale=(0.8, 1.2), shear=(-9, 9), p=1),
    lambda: ours.Affine(rotate=30, translate_px={"x": (-5, 5), "y": 3}, fit_output=True, p=1),
    lambda: ours.Affine(translate_percent=(-0.1, 0.1), border_mode=1, keep_ratio=True, p=1),
    lambda: ours.Perspective(0.1, p=1),
    lambda: ours.Warp(TILT, output_shape=(80, 100)),
]


def compose(*parts, seed=0, box_format="pascal_voc", points="xy", **limits):
    return A.Compose(
        list(parts), seed=seed,
        bbox_params=A.BboxParams(box_format, label_fields=["labels"], **limits),
        keypoint_params=A.KeypointParams(points, remove_invisible=False),
    )  # fmt: skip


@pytest.mark.parametrize("make", MAKERS)
def test_everything_goes_the_same_way(make):
    mask = np.zeros(SHAPE, np.uint8)
    mask[22:36, 31:55] = 7
    sample = compose(make())(
        image=blob(SHAPE, 40.25, 28.5), mask=mask, masks=np.stack([mask, mask]),
        keypoints=[(40.25, 28.5)], bboxes=[(31, 22, 55, 36)], labels=["cat"],
    )  # fmt: skip
    assert sample["image"].dtype == np.float32
    assert np.allclose(centroid(sample["image"]), sample["keypoints"][0], atol=0.1)
    rows, cols = np.nonzero(sample["mask"])
    found = [cols.min(), rows.min(), cols.max() + 1, rows.max() + 1]
    assert np.allclose(found, sample["bboxes"][0], atol=1.5)
    assert set(np.unique(sample["mask"])) == {0, 7}
    assert np.array_equal(sample["masks"][1], sample["mask"])
    assert sample["labels"] == ["cat"]


def test_images_are_what_lerf_makes_of_them():
    image = np.random.default_rng(0).integers(0, 256, (*SHAPE, 3), np.uint8)
    result = compose(ours.Resize(120, 180))(image=image, bboxes=[], labels=[], keypoints=[])
    assert np.array_equal(result["image"], lerf_core.resize(image, (120, 180), channel_axis=-1))
    turned = ours.Affine(rotate=20, fill=9, p=1)(image=image)["image"]
    assert np.array_equal(turned, transforms.Affine(rotate=20, fill=9)(image))


@pytest.mark.parametrize("make", MAKERS[:5])
def test_a_box_of_everything_stays_so_in_resizes(make):
    for box_format, box in {
        "pascal_voc": (0, 0, 90, 60), "coco": (0, 0, 90, 60), "yolo": (0.5, 0.5, 1, 1),
        "albumentations": (0, 0, 1, 1),
    }.items():  # fmt: skip
        sample = compose(make(), box_format=box_format)(
            image=np.zeros(SHAPE, np.uint8), bboxes=[box], labels=[0], keypoints=[]
        )
        rows, cols = sample["image"].shape[:2]
        whole = box if max(box) <= 1 else (0, 0, cols, rows)
        assert np.allclose(sample["bboxes"][0], whole, atol=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        {"rotate": (-40, 40), "scale": (0.5, 1.5), "shear": (-10, 10)},
        {"translate_percent": (-0.3, 0.3), "scale": {"x": (0.5, 1), "y": 1.5}},
        {"translate_px": (-9, 9), "rotate": 12, "keep_ratio": True, "scale": (0.7, 1.2)},
        {"shear": {"x": 12, "y": 0}, "rotate": -5.0},
    ],
)
def test_affine_draws_what_the_host_draws(options):
    point = {"image": np.zeros(SHAPE, np.uint8), "bboxes": [], "labels": []}
    point["keypoints"] = [(10, 20, 3, 30), (70, 50, 3, 200)]
    for seed in range(5):
        theirs, mine = (
            compose(kind(**options, p=0.8), seed=seed, points="xysa")(**point)["keypoints"]
            for kind in (A.Affine, ours.Affine)
        )
        assert np.allclose(np.array(theirs)[:, :2], np.array(mine)[:, :2], atol=1e-3)
        assert np.allclose(np.array(theirs)[:, 3], np.array(mine)[:, 3], atol=1e-2)


def test_angles_and_scales_of_keypoints():
    turn = compose(ours.Affine(rotate=30, scale=2.0, p=1), points="xysa")
    sample = turn(image=np.zeros((61, 61)), bboxes=[], labels=[], keypoints=[(30, 30, 4, 350)])
    assert np.allclose(sample["keypoints"][0], (30, 30, 8, 20), atol=1e-3)


def test_the_host_clips_and_drops_boxes():
    sample = compose(ours.Affine(translate_px={"x": 25}, p=1), min_visibility=0.3)(
        image=np.zeros((50, 100), np.uint8), keypoints=[],
        bboxes=[(0, 0, 10, 10), (70, 0, 90, 10), (74, 0, 94, 10), (80, 0, 100, 10)],
        labels=list("abcd"),
    )  # fmt: skip
    assert sample["labels"] == ["a"]
    assert np.allclose(sample["bboxes"], [(25, 0, 35, 10)])


def test_volumes_and_batches():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, *SHAPE, 3), np.uint8)
    mask3d = rng.choice(np.array([3, 9], np.uint8), (3, *SHAPE))
    for make in MAKERS:
        sample = A.Compose([make()], seed=0)(volume=images, mask3d=mask3d)
        assert sample["volume"].shape[:3] == sample["mask3d"].shape
        assert set(np.unique(sample["mask3d"])) <= {0, 3, 9}
        one = A.Compose([make()], seed=0)(image=images[1], mask=mask3d[1])
        assert np.array_equal(one["image"], sample["volume"][1])
        assert np.array_equal(one["mask"], sample["mask3d"][1])
        several = A.Compose([make()], seed=0)(images=images)
        assert np.array_equal(several["images"], sample["volume"])


def test_seeds():
    image = np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8)
    runs = [A.Compose([ours.Affine(rotate=(-40, 40))], seed=7) for _ in range(2)]
    for _ in range(4):
        assert np.array_equal(*(run(image=image)["image"] for run in runs))


@pytest.mark.parametrize("make", MAKERS)
def test_serialisation(make):
    image = np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8)
    part = make()
    stored = json.loads(json.dumps(A.to_dict(A.Compose([part], seed=3))))
    again = A.from_dict(stored)
    assert json.loads(json.dumps(A.to_dict(again)))["transform"] == stored["transform"]
    again.set_random_seed(3)
    fresh = A.Compose([make()], seed=3)
    assert np.array_equal(again(image=image)["image"], fresh(image=image)["image"])
    assert type(part).__name__ in repr(part)


def test_replay():
    image = np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8)
    run = A.ReplayCompose([ours.Affine(rotate=(-40, 40), p=1), ours.RandomScale(0.4, p=1)])
    first = run(image=image)
    again = A.ReplayCompose.replay(first["replay"], image=image)
    assert np.array_equal(first["image"], again["image"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ours.Resize(0, 4), "0"),
        (lambda: ours.RandomScale(-1.5), "1.5"),
        (lambda: ours.Affine(scale=-2.0), "-2"),
        (lambda: ours.Affine(translate_px=1, translate_percent=0.1), "0.1"),
        (lambda: ours.Affine(border_mode=16), "16"),
        (lambda: ours.Affine(border_mode="away"), "away"),
        (lambda: ours.Perspective((-1, 0)), "-1"),
        (lambda: ours.Resize(3, 4, p=2), "2"),
        (lambda: ours.Resize(3, 4, alpha="none"), "none"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(InvalidArgumentError, match=message):
        make()


def test_unknown_arguments_and_banks():
    with pytest.raises(TypeError, match="interpolation"):
        ours.Resize(3, 4, interpolation=1)
    with pytest.raises(BankNotFoundError):
        ours.Resize(3, 4, bank="no-such-bank")
