"""Transforms: images, masks, keypoints and boxes go the same way."""

import copy
import pickle

import numpy as np
import pytest
from PIL import Image
from support.images import blob, centroid, noise

import lerf_core
from lerf_core.errors import BankNotFoundError, InvalidArgumentError, InvalidTypeError
from lerf_plugins.filters.transforms import Affine, Perspective, Rescale, Resize, Transform, Warp

SHAPE = (61, 90)
TILT = [[0.9, 0.1, 4.0], [-0.05, 1.1, 2.0], [0.0004, -0.0003, 1.0]]
TRANSFORMS = [
    Resize(122, 180),
    Resize(100, 77),
    Resize(40, None),
    Resize(None, 200, fast=True),
    Rescale((0.6, 2.5), seed=0),
    Rescale(1.37),
    Affine(rotate=90),
    Affine(rotate=90, fit=True),
    Affine(rotate=-33, fit=True),
    Affine(scale={"x": 1.2, "y": 0.8}, translate={"x": 0.07, "y": -0.04}, mode="edge"),
    Affine(rotate=(-30, 30), scale=(0.8, 1.1), shear=(-15, 15), translate=(-0.1, 0.1), seed=3),
    Perspective(0.08, seed=4),
    Perspective((0.02, 0.06), seed=5),
    Warp(TILT),
    Warp(np.linalg.inv(TILT), inverse=True, output_shape=(80, 100), mode="reflect"),
]
NAMES = [repr(transform) for transform in TRANSFORMS]


@pytest.fixture(params=TRANSFORMS, ids=NAMES)
def transform(request):
    return copy.deepcopy(request.param)


# -- everything goes the same way ---------------------------------------------------------


@pytest.mark.parametrize("point", [(45.0, 30.0), (36.25, 24.5), (52.0, 39.75)])
def test_keypoints_follow_the_image(transform, point):
    sample = transform(image=blob(SHAPE, *point), keypoints=[point])
    found = centroid(sample["image"])
    assert np.allclose(found, sample["keypoints"][0], atol=0.1), (found, sample["keypoints"])


def test_boxes_follow_the_mask(transform):
    mask = np.zeros(SHAPE, np.uint8)
    mask[22:36, 31:55] = 7
    sample = transform(mask=mask, bboxes=np.array([[31.0, 22.0, 55.0, 36.0]]))
    rows, cols = np.nonzero(sample["mask"])
    found = [cols.min(), rows.min(), cols.max() + 1, rows.max() + 1]
    # A pixel belongs to the mask by its centre: of a sharp corner the last pixel may not.
    assert np.allclose(found, sample["bboxes"][0], atol=1.5)


def test_a_box_of_everything_stays_so_in_resizes():
    for resize in (Resize(33, 47), Rescale(1.37), Rescale(0.31)):
        sample = resize(image=np.zeros(SHAPE), bboxes=[(0, 0, SHAPE[1], SHAPE[0])])
        rows, cols = sample["image"].shape
        assert np.allclose(sample["bboxes"], [(0, 0, cols, rows)])


def test_boxes_of_turned_images():
    turn = Affine(rotate=45)
    box = turn(image=np.zeros((101, 101)), bboxes=[(40.5, 40.5, 60.5, 60.5)])["bboxes"][0]
    reach = np.sqrt(2) * 10
    assert np.allclose(box, (50.5 - reach, 50.5 - reach, 50.5 + reach, 50.5 + reach))


def test_masks_keep_their_values(transform):
    mask = np.random.default_rng(0).choice([3, 17, 200], SHAPE).astype(np.int32)
    for own in (mask, mask.astype(np.uint8), mask.astype(np.float32), mask > 100):
        result = transform(mask=own)["mask"]
        assert result.dtype == own.dtype
        assert set(np.unique(result)) <= {*np.unique(own), 0}


def test_images_are_what_lerf_makes_of_them():
    image = noise((*SHAPE, 3))
    assert np.array_equal(
        Resize(122, 180)(image), lerf_core.resize(image, (122, 180), channel_axis=-1)
    )
    assert np.array_equal(
        Resize(122, 180, fast=True)(image), lerf_core.rescale(image, 2, channel_axis=-1, fast=True)
    )
    inverse = lerf_core.geometry.invert(TILT)
    expected = lerf_core.warp(image, inverse, channel_axis=-1, cval=9)
    assert np.array_equal(Warp(TILT, fill=9)(image), expected)


def test_nothing_is_done_by_what_does_nothing():
    image, mask = noise((*SHAPE, 3)), noise(SHAPE)
    for none in (Affine(), Resize(*SHAPE), Rescale(1), Warp(np.eye(3)), Perspective(0)):
        sample = none(image=image, mask=mask, keypoints=[(3, 4)], bboxes=[(1, 2, 9, 8)])
        assert np.array_equal(sample["mask"], mask)
        assert np.allclose(sample["keypoints"], [(3, 4)])
        assert np.allclose(sample["bboxes"], [(1, 2, 9, 8)])
        assert sample["image"].shape == image.shape
    assert np.array_equal(Resize(*SHAPE)(image), image)


def test_quarter_turns_are_exact():
    mask = noise((30, 30))
    assert np.array_equal(Affine(rotate=90)(mask=mask)["mask"], np.rot90(mask))
    wide = noise((30, 44))
    assert np.array_equal(Affine(rotate=90, fit=True)(mask=wide)["mask"], np.rot90(wide))


def test_fill_and_mode():
    image = np.full((20, 20, 3), 100, np.uint8)
    away = Affine(translate={"x": 0.5}, fill=(1, 2, 3), fill_mask=9)
    sample = away(image=image, mask=image[..., 0])
    assert sample["image"][5, 2].tolist() == [1, 2, 3]
    assert sample["mask"][5, 2] == 9
    assert Affine(translate=0.5, mode="edge")(image).min() == 100


def test_perspective_shows_no_border():
    image = np.full((40, 50), 200, np.uint8)
    for seed in range(20):
        assert Perspective(0.3, seed=seed)(image).min() == 200


def test_floats_and_four_channels():
    image = noise((*SHAPE, 4), "float32")
    resized = Resize(122, 180)(image)
    assert resized.dtype == np.float32
    assert np.array_equal(resized, lerf_core.resize(image, (122, 180), channel_axis=-1))
    apart = Resize(122, 180, alpha="separate")(image)
    assert not np.array_equal(resized, apart)
    one = Resize(122, 180)(image[..., 0])
    assert np.allclose(apart[..., 0], one, atol=1e-6)


# -- boxes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("box_format", "before", "after"),
    [
        ("pascal_voc", (10, 20, 40, 50), (20, 60, 80, 150)),
        ("xyxy", (10, 20, 40, 50), (20, 60, 80, 150)),
        ("coco", (10, 20, 30, 30), (20, 60, 60, 90)),
        ("xywh", (10, 20, 30, 30), (20, 60, 60, 90)),
        ("cxcywh", (25, 35, 30, 30), (50, 105, 60, 90)),
        ("albumentations", (0.1, 0.2, 0.4, 0.5), (0.1, 0.2, 0.4, 0.5)),
        ("yolo", (0.25, 0.35, 0.3, 0.3), (0.25, 0.35, 0.3, 0.3)),
    ],
)
def test_box_formats(box_format, before, after):
    resize = Resize(300, 200, box_format=box_format)
    sample = resize(image=np.zeros((100, 100)), bboxes=[(*before, "cat")])
    assert np.allclose(sample["bboxes"][0][:4], after)
    assert sample["bboxes"][0][4] == "cat"


def test_boxes_are_clipped_and_dropped():
    boxes = np.array([[0, 0, 10, 10], [45, 0, 55, 10], [70, 0, 90, 10], [80, 0, 100, 10.0]])
    sample = {"image": np.zeros((50, 100)), "bboxes": boxes, "labels": list("abcd"), "other": [1]}
    move = {"translate": {"x": 0.25}}
    kept = Affine(**move)(**sample)
    assert np.allclose(
        kept["bboxes"], [[25, 0, 35, 10], [70, 0, 80, 10], [95, 0, 100, 10], [100, 0, 100, 10]]
    )
    assert kept["labels"] == list("abcd")
    least = Affine(**move, min_visibility=0.2)(**sample)
    assert least["labels"] == list("abc")
    half = Affine(**move, min_visibility=0.5)(**sample)
    assert half["labels"] == list("ab")
    assert half["other"] == [1]
    assert len(half["bboxes"]) == 2
    assert Affine(**move, min_area=51)(**sample)["labels"] == list("ab")
    with pytest.raises(InvalidArgumentError, match="3"):
        Affine(**move, min_area=51)(**{**sample, "labels": list("abc")})


def test_beyond_the_horizon():
    away = Warp([[1, 0, 0], [0, 1, 0], [-0.02, 0, 1]], output_shape=(40, 400))
    sample = away(
        image=np.zeros((40, 80)),
        keypoints=[(10.0, 10.0), (70.0, 10.0)],
        bboxes=[(5, 5, 20, 20), (30, 5, 70, 20), (60, 5, 70, 20)],
    )
    assert np.isnan(sample["keypoints"][1]).all()
    assert np.isfinite(sample["keypoints"][0]).all()
    one, across, beyond = np.array(sample["bboxes"])
    assert np.allclose(one[0], (4.5 / (1 - 0.02 * 4.5)) + 0.5)
    assert across[2] == 400
    assert np.ptp(beyond[[0, 2]]) == 0


def test_no_boxes_and_no_points():
    empty = Affine(rotate=3, min_area=4)
    for boxes in ([], np.zeros((0, 4)), np.zeros(0)):
        sample = empty(image=np.zeros(SHAPE), bboxes=boxes, keypoints=[], masks=[])
        assert len(sample["bboxes"]) == len(sample["keypoints"]) == len(sample["masks"]) == 0
    none = empty(image=np.zeros(SHAPE), masks=np.zeros((0, *SHAPE), bool), mask=None)
    assert none["masks"].shape == (0, *SHAPE)
    assert none["mask"] is None


# -- randomness ---------------------------------------------------------------------------


def test_seeds():
    image = noise(SHAPE)
    options = {"rotate": (-40, 40), "scale": (0.5, 2), "translate": (-0.2, 0.2), "p": 0.7}
    first, second = Affine(**options, seed=5), Affine(**options, seed=5)
    runs = [first(image) for _ in range(6)]
    assert all(np.array_equal(second(image), one) for one in runs)
    assert any(np.array_equal(one, image) for one in runs)
    assert not all(np.array_equal(runs[0], one) for one in runs)
    first.set_random_seed(5)
    assert np.array_equal(first(image), runs[0])
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first(image)
    assert np.array_equal(state, np.random.get_state()[1])  # noqa: NPY002


def test_proportions_are_kept_unless_axes_are_named():
    rng = np.random.default_rng(0)
    linear = Affine(scale=(0.5, 2)).place(SHAPE, rng).forward
    assert linear[0, 0] == linear[1, 1] != 1
    linear = Affine(scale={"x": (0.5, 2), "y": (0.5, 2)}).place(SHAPE, rng).forward
    assert linear[0, 0] != linear[1, 1]


def test_never():
    image = noise(SHAPE)
    sample = {"image": image, "keypoints": [(1, 2)]}
    assert Resize(3, 3, p=0)(**sample) == sample


def test_pickles_and_repr(transform):
    twin = pickle.loads(pickle.dumps(transform))
    image = noise(SHAPE)
    assert np.array_equal(twin(image), transform(image))
    assert repr(twin) == repr(transform)
    assert repr(Resize(3, 4, p=0.5)) == "Resize(height=3, width=4, fast=False, p=0.5)"


def test_inputs_stay(transform):
    image, boxes = noise(SHAPE), np.array([[1.0, 2, 30, 40]])
    sample = {"image": image.copy(), "bboxes": boxes.copy(), "keypoints": [(3, 4)]}
    transform(**sample)
    assert np.array_equal(sample["image"], image)
    assert np.array_equal(sample["bboxes"], boxes)
    assert sample["keypoints"] == [(3, 4)]


# -- ways to call, and containers ---------------------------------------------------------


def test_ways_to_call():
    image, points = noise((*SHAPE, 3)), np.array([[4, 5, 2]])
    resize = Resize(122, 180)
    whole = resize(image=image, keypoints=points, name="a")
    assert whole["name"] == "a"
    assert whole["keypoints"].tolist() == [[8.5, 10.5, 2]]
    assert np.array_equal(resize(image), whole["image"])
    pixels, target = resize(image, {"keypoints": points, "boxes": [(0, 0, 90, 61)]})
    assert np.array_equal(pixels, whole["image"])
    assert target["boxes"] == [(0, 0, 180, 122)]
    assert "image" not in target
    assert np.array_equal(resize({"image": image})["image"], whole["image"])


def test_several_masks():
    masks = np.random.default_rng(0).integers(0, 3, (4, *SHAPE))
    turn = Affine(rotate=20)
    as_list = turn(image=np.zeros(SHAPE), masks=list(masks))["masks"]
    assert isinstance(as_list, list)
    assert np.array_equal(turn(image=np.zeros(SHAPE), masks=masks)["masks"], as_list)
    deep = np.moveaxis(masks, 0, -1)
    assert np.array_equal(turn(mask=deep)["mask"], np.moveaxis(as_list, 0, -1))


def test_tensors():
    torch = pytest.importorskip("torch")
    image = noise((*SHAPE, 3))
    tensor = torch.from_numpy(image).permute(2, 0, 1)
    masks = torch.zeros((3, *SHAPE), dtype=torch.bool)
    masks[:, 10:30, 20:50] = True
    target = {
        "boxes": torch.tensor([[20, 10, 50, 30], [20, 10, 50, 30], [88, 58, 90, 61]]),
        "labels": torch.tensor([1, 2, 3]),
        "masks": masks,
        "keypoints": torch.tensor([[[4.0, 5.0, 1.0]]] * 3),
    }
    turn = Affine(rotate=20, fit=False, min_area=1, label_fields=("labels", "masks", "keypoints"))
    pixels, moved = turn(tensor, target)
    assert isinstance(pixels, torch.Tensor)
    assert pixels.dtype == torch.uint8
    assert np.array_equal(pixels.permute(1, 2, 0).numpy(), turn(image))
    assert moved["labels"].tolist() == [1, 2]
    assert moved["boxes"].dtype == torch.float32
    assert moved["masks"].shape == (2, *SHAPE)
    assert moved["masks"].dtype == torch.bool
    assert moved["keypoints"].shape == (2, 1, 3)
    batch = Resize(30, 45)(torch.rand(2, 5, *SHAPE))
    assert batch.shape == (2, 5, 30, 45)
    assert Resize(30, 45)(torch.rand(*SHAPE)).shape == (30, 45)
    none = Resize(30, 45)(tensor, {"masks": masks[:0], "boxes": torch.zeros(0, 4)})[1]
    assert none["masks"].shape == (0, 30, 45)
    with pytest.raises(InvalidTypeError, match="bfloat16"):
        turn(torch.zeros(SHAPE, dtype=torch.bfloat16))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "CMYK", "I;16", "I", "F"])
def test_pillow(mode):
    bands = {"LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}.get(mode)
    dtype = {"1": bool, "I;16": np.uint16, "I": np.int32, "F": np.float32}.get(mode, np.uint8)
    array = np.random.default_rng(0).integers(0, 2 if mode == "1" else 255, (*SHAPE, bands or 1))
    array = (array if bands else array[..., 0]).astype(dtype)
    if mode == "F":
        array /= 255
    if mode == "1":
        image = Image.fromarray(array)
    else:
        image = Image.frombytes(mode, SHAPE[::-1], array.tobytes())
    image.info["dpi"] = (72, 72)
    resize = Resize(122, 180, alpha="auto")
    result = resize(image)
    assert (result.mode, result.size, result.info) == (mode, (180, 122), {"dpi": (72, 72)})
    expected = Resize(122, 180, alpha="separate" if mode == "CMYK" else "auto")(array)
    assert np.array_equal(np.asarray(result), expected)


def test_palettes_are_expanded_in_images_and_kept_in_masks():
    image = Image.fromarray(noise((*SHAPE, 3))).convert("P")
    result, target = Affine(rotate=10)(image, {"mask": image})
    assert result.mode == "RGB"
    assert target["mask"].mode == "P"
    assert target["mask"].getpalette() == image.getpalette()
    assert set(np.unique(target["mask"])) <= {0, *np.unique(image)}


# -- what is refused ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Resize(None, None), "both"),
        (lambda: Resize(0, 5), "0"),
        (lambda: Rescale(0), "0"),
        (lambda: Rescale((2, 1)), r"\(2, 1\)"),
        (lambda: Rescale("big"), "big"),
        (lambda: Affine(scale=-1), "-1"),
        (lambda: Affine(scale={"z": 1}), "z"),
        (lambda: Affine(shear=90), "90"),
        (lambda: Affine(mode="nowhere"), "nowhere"),
        (lambda: Affine(fill="red"), "red"),
        (lambda: Affine(p=2), "2"),
        (lambda: Affine(seed="x"), "x"),
        (lambda: Affine(box_format="voc"), "voc"),
        (lambda: Affine(min_area=-1), "-1"),
        (lambda: Affine(label_fields="labels"), "labels"),
        (lambda: Affine(alpha="none"), "none"),
        (lambda: Perspective(-0.1), "-0.1"),
        (lambda: Warp([[1, 0], [0, 1]]), "2, 2"),
        (lambda: Warp(np.zeros((3, 3))), "singular"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(InvalidArgumentError, match=message):
        make()


def test_bad_samples():
    resize = Resize(3, 4)
    image = np.zeros(SHAPE)
    with pytest.raises(TypeError, match="shade"):
        Resize(3, 4, shade=1)
    with pytest.raises(BankNotFoundError):
        Resize(3, 4, bank="no-such-bank")
    with pytest.raises(InvalidArgumentError, match="keypoints"):
        resize(keypoints=[(1, 2)])
    with pytest.raises(InvalidArgumentError, match="61 rows and 90 columns"):
        resize(image=image, mask=image.T)
    with pytest.raises(InvalidTypeError, match="Image"):
        resize(image=image, masks=Image.new("L", (90, 61)))
    with pytest.raises(InvalidTypeError, match="list"):
        resize([[1, 2], [3, 4]])
    with pytest.raises(InvalidTypeError, match="int"):
        resize(image, 3)
    with pytest.raises(InvalidArgumentError, match="4 numbers"):
        resize(image=image, bboxes=[(1, 2, 3)])
    with pytest.raises(InvalidArgumentError, match="2 numbers"):
        resize(image=image, keypoints=np.zeros((4, 1)))
    with pytest.raises(InvalidArgumentError, match="shape"):
        resize(np.zeros((2, 3, 4, 5)))
    with pytest.raises(TypeError, match="positional"):
        resize(image, mask=image)
    with pytest.raises(TypeError, match="abstract"):
        Transform()
