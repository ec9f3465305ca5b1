"""Maps that move whole pixels copy them, whatever the host."""

import numpy as np
import pytest
from support.combinations import each_pair_of
from support.images import noise

IMAGE = noise((11, 14, 3))
ROWS, COLS = np.mgrid[:11, :14].astype(np.float32)


def test_opencv_maps():
    from lerf_plugins.filters import opencv

    for image in (IMAGE, noise((11, 14), "uint16"), noise((11, 14, 5), "float32")):
        np.testing.assert_array_equal(opencv.remap(image, COLS, ROWS, opencv.INTER_CUBIC), image)
        relative = opencv.INTER_LINEAR | opencv.WARP_RELATIVE_MAP
        still = np.zeros((11, 14, 2), np.float32)
        np.testing.assert_array_equal(opencv.remap(image, still, None, relative), image)
        mirror = opencv.remap(image, COLS[:, ::-1], ROWS, opencv.INTER_LINEAR)
        np.testing.assert_array_equal(mirror, image[:, ::-1])
        transposed = opencv.remap(image, COLS.T, ROWS.T, opencv.INTER_LINEAR)
        np.testing.assert_array_equal(transposed, image.swapaxes(0, 1))
        eye = np.eye(3)
        np.testing.assert_array_equal(opencv.warp_perspective(image, eye, None), image)
        eye[0, 2] = 3
        shown = opencv.warp_affine(image, eye[:2], None, borderValue=(7, 7, 7, 7))
        np.testing.assert_array_equal(shown[:, 3:], image[:, :-3])
        assert (shown[:, :3] == 7).all()


def test_opencv_shows_the_background_around_a_shift():
    from lerf_plugins.filters import opencv

    background = np.full_like(IMAGE, 9)
    matrix = np.array([[1.0, 0, 4], [0, 1, -2]])
    out = opencv.warp_affine(
        IMAGE, matrix, None, background.copy(), borderMode=opencv.BORDER_TRANSPARENT
    )
    background[:-2, 4:] = IMAGE[2:, :-4]
    np.testing.assert_array_equal(out, background)


@pytest.mark.parametrize(
    "mode", ["L", "RGB", "RGBA", "LA", "CMYK", "YCbCr", "HSV", "LAB", "I", "F"]
)
def test_pillow_transforms(mode):
    from PIL import Image

    from lerf_plugins.filters import pillow

    bands = len(Image.new(mode, (1, 1)).getbands())
    kinds = {"I": (np.int32, 1 << 20), "F": (np.float32, 1)}
    dtype, top = kinds.get(mode, (np.uint8, 255))
    values = (np.random.default_rng(3).random((11, 14, bands)) * top).astype(dtype)
    image = Image.frombytes(mode, (14, 11), values.tobytes())
    transform = Image.Transform
    turned = image.transpose(Image.Transpose.ROTATE_90)
    for size, method, data, expected in (
        ((14, 11), transform.AFFINE, (1, 0, 0, 0, 1, 0), image),
        ((11, 14), transform.AFFINE, (0, -1, 14, 1, 0, 0), turned),
        ((14, 11), transform.PERSPECTIVE, (1, 0, 0, 0, 1, 0, 0, 0), image),
        ((6, 5), transform.EXTENT, (3, 2, 9, 7), image.crop((3, 2, 9, 7))),
        (
            (14, 11), transform.QUAD, (14, 0, 14, 11, 0, 11, 0, 0),
            image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        ),
        (
            (14, 11), transform.MESH, [((0, 0, 14, 11), (0, 0, 0, 11, 14, 11, 14, 0))], image,
        ),
    ):  # fmt: skip
        out = pillow.transform(image, size, method, data)
        assert (out.mode, out.tobytes()) == (expected.mode, expected.tobytes()), method


def test_skimage_maps():
    pytest.importorskip("skimage")
    from skimage.transform import EuclideanTransform, SimilarityTransform
    from skimage.util import img_as_float

    from lerf_plugins.filters.skimage import resize, warp

    for image in (IMAGE[..., 0], IMAGE, noise((11, 14), "float64")):
        scaled = img_as_float(image)
        np.testing.assert_array_equal(resize(image, image.shape), scaled)
        np.testing.assert_array_equal(warp(image, EuclideanTransform()), scaled)
        np.testing.assert_array_equal(warp(image, lambda xy: xy), scaled)
        shift = SimilarityTransform(translation=(2, 0))
        np.testing.assert_array_equal(warp(image, shift)[:, :-2], scaled[:, 2:])
        turned = warp(image, SimilarityTransform(rotation=np.pi, translation=(13, 10)))
        np.testing.assert_array_equal(turned, scaled[::-1, ::-1])
    positions = np.stack([ROWS[::-1], COLS])
    np.testing.assert_array_equal(
        warp(IMAGE[..., 0], positions, preserve_range=True), IMAGE[::-1, :, 0]
    )


def test_transforms_that_do_not_move():
    from lerf_plugins.filters.transforms import Affine, Perspective, Resize, Warp

    for transform in (
        Affine(rotate=0, seed=1), Affine(rotate=360, scale=1, seed=1), Perspective(0, seed=1),
        Resize(11, 14), Warp(np.eye(3)),
    ):  # fmt: skip
        np.testing.assert_array_equal(transform(IMAGE), IMAGE)
    np.testing.assert_array_equal(Affine(rotate=180, seed=1)(IMAGE), IMAGE[::-1, ::-1])
    square = IMAGE[:, :11]
    np.testing.assert_array_equal(Affine(rotate=90, seed=1)(square), np.rot90(square))


def test_albumentations_that_do_not_move():
    pytest.importorskip("albumentations")
    from lerf_plugins.filters.albumentations import Affine, Resize

    for transform in (
        Affine(rotate=(0, 0), p=1), Affine(scale=(1, 1), translate_px=0, p=1), Resize(11, 14, p=1),
    ):  # fmt: skip
        np.testing.assert_array_equal(transform(image=IMAGE)["image"], IMAGE)
    moved = Affine(translate_px={"x": (3, 3), "y": (-2, -2)}, p=1)(image=IMAGE)["image"]
    np.testing.assert_array_equal(moved[:-2, 3:], IMAGE[2:, :-3])
    square = IMAGE[:, :11]
    turned = Affine(rotate=(180, 180), p=1)(image=square)["image"]
    np.testing.assert_array_equal(turned, square[::-1, ::-1])


@pytest.mark.parametrize("lazy", [False, True])
def test_xarray_maps(lazy):
    xr = pytest.importorskip("xarray")
    from lerf_plugins.filters import xarray as lerf_xarray

    values = noise((11, 14), "float32")
    values[2, 3] = np.nan
    array = xr.DataArray(values, {"y": np.arange(11.0), "x": np.arange(14.0)}, ("y", "x"))
    if lazy:
        pytest.importorskip("dask")
        array = array.chunk({"y": 4, "x": 5})
    same = lerf_xarray.warp(array, np.eye(3), value_range=(0, 1))
    np.testing.assert_array_equal(same, values)
    moved = lerf_xarray.warp(array, [[1, 0, 3], [0, 1, 0]], value_range=(0, 1))
    np.testing.assert_array_equal(moved[:, :-3], values[:, 3:])
    assert np.isnan(moved[:, -3:]).all()
    np.testing.assert_array_equal(lerf_xarray.rescale(array, {"x": 1}, value_range=(0, 1)), values)


@pytest.fixture(params=["compiled", "plain"])
def torch_filters(request, monkeypatch):
    """The filters for torch: by lerf_core's backend, and by torch's operations."""
    pytest.importorskip("torch")
    from lerf_plugins.filters import torch as filters
    from lerf_plugins.filters.torch import execution

    if request.param == "plain":
        monkeypatch.setattr(execution, "is_compiled", lambda *_: False)
    return filters


@each_pair_of(
    dtype=["uint8", "float16", "bfloat16", "float32", "float64"],
    padding_mode=["zeros", "border", "reflection"], align_corners=[False, True],
)  # fmt: skip
def test_torch_grids(torch_filters, dtype, padding_mode, align_corners):
    import torch

    images = torch.from_numpy(noise((2, 3, 11, 14))).to(getattr(torch, dtype))
    if dtype != "uint8":
        images = images / 255
    options = {"padding_mode": padding_mode, "align_corners": align_corners}
    for x, y in ((1, 1), (-1, 1), (1, -1), (-1, -1)):
        theta = torch.tensor([[[x, 0, 0], [0, y, 0]]], dtype=torch.float32).expand(2, 2, 3)
        grid = torch.nn.functional.affine_grid(theta, images.shape, align_corners=align_corners)
        expected = images.flip([axis for axis, sign in ((3, x), (2, y)) if sign < 0])
        assert torch.equal(torch_filters.grid_sample(images, grid, **options), expected)
    assert torch.equal(torch_filters.GridSample(**options)(images, grid), expected)
    assert torch.equal(torch_filters.interpolate(images, (11, 14)), images)
    assert torch.equal(torch_filters.Interpolate(scale_factor=1)(images), images)


def test_torch_matrices(torch_filters):
    import torch

    images = torch.from_numpy(noise((3, 2, 11, 14)))
    shift = torch.eye(3)
    shift[0, 2], shift[1, 2] = 4, -2
    tilt = torch.tensor([[1, 0.2, 0], [0, 1, 0.5], [0.001, 0, 1]])
    matrices = torch.stack([torch.eye(3), shift, tilt])
    out = torch_filters.warp_perspective(images, matrices, (11, 14))
    assert torch.equal(out[0], images[0])
    assert torch.equal(out[1, :, :-2, 4:], images[1, :, 2:, :-4])
    assert not out[1, :, -2:].any()
    assert not out[1, :, :, :4].any()
    assert not torch.equal(out[2], images[2])
    # float32 cannot say a quarter turn about a centre.
    angle = torch.tensor(torch.pi / 2)
    cos, sin = torch.cos(angle), torch.sin(angle)
    turn = torch.stack([
        torch.stack([cos, sin, -cos * 6.5 - sin * 5 + 5]),
        torch.stack([-sin, cos, sin * 6.5 - cos * 5 + 6.5]),
        torch.tensor([0.0, 0, 1]),
    ])  # fmt: skip
    out = torch_filters.warp_perspective(images, turn.expand(3, 3, 3), (14, 11))
    assert torch.equal(out, torch.rot90(images, 1, (2, 3)))


def test_torch_gradients_at_the_identity(torch_filters):
    """A copy's gradient by the image is the copy's, that by positions is the mean's."""
    import torch

    rows, cols = np.mgrid[:9, :11]
    smooth = 0.5 + 0.3 * np.sin(rows / 3) * np.cos(cols / 4)
    images = torch.from_numpy(smooth.astype(np.float32))[None, None].requires_grad_()
    weight = torch.from_numpy(noise((1, 1, 9, 11), "float32"))
    theta = torch.tensor([[[1.0, 0, 0], [0, 1, 0]]], requires_grad=True)
    grid = torch.nn.functional.affine_grid(theta, images.shape, align_corners=False)
    out = torch_filters.grid_sample(images, grid, padding_mode="border")
    assert torch.equal(out, images)
    (out * weight).sum().backward()
    assert torch.equal(images.grad, weight)
    down, across = (
        (weight.numpy()[0, 0] * slope).sum() for slope in np.gradient(smooth)
    )  # by a shift of a pixel; theta's is half of the size
    np.testing.assert_allclose(
        theta.grad[0, :, 2], [across * 11 / 2, down * 9 / 2], rtol=0.1, atol=0.5
    )
    matrix = torch.eye(3)[None].requires_grad_()
    moved = torch_filters.warp_perspective(images.detach(), matrix, (9, 11), padding_mode="border")
    assert torch.equal(moved, images)
    (moved * weight).sum().backward()
    np.testing.assert_allclose(matrix.grad[0, :2, 2], [-across, -down], rtol=0.1, atol=0.1)
