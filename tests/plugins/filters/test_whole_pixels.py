"""Maps that move whole pixels copy them, whatever the host."""

import numpy as np
import pytest
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
