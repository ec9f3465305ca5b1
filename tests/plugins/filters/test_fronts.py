"""``front=`` in the filters gives what `lerf_core` gives behind the same one."""

from __future__ import annotations

import numpy as np
import pytest
from support.banks import write_bank_behind_fronts
from support.fronts import ConvolutionFront, make_random_front, random_cascade

import lerf_core
from lerf_core.errors import FrontError, InvalidArgumentError, InvalidTypeError

RNG = np.random.default_rng(22)
PHOTO = RNG.integers(0, 256, (24, 30, 3), dtype=np.uint8)
FLOATS = RNG.random((24, 30, 3), dtype=np.float32)
RGBA = np.dstack([PHOTO, RNG.integers(0, 256, (24, 30), dtype=np.uint8)])
SHIFT = np.array([[1.0, 0.1, 0.4], [0.02, 0.9, -0.3], [0, 0, 1]])
FRONT = ConvolutionFront(2, colours=True)
#: Larger, smaller than the enlargement, the enlargement itself, the image's own shape, smaller.
SHAPES = ((60, 77), (40, 35), (48, 60), (24, 30), (11, 40), (9, 13))
AVERAGING = ({}, {"kernel": "lanczos3"}, {"bank": "lerf-g"})


def resized(image, shape, **options):
    return lerf_core.resize(image, shape, channel_axis=-1, **{"front": FRONT, **options})


def warped(image, **options):
    return lerf_core.warp(image, SHIFT, channel_axis=-1, front=FRONT, **options)


def test_what_the_others_compare_with_is_the_fronts():
    for shape in SHAPES:
        assert not np.array_equal(resized(PHOTO, shape), resized(PHOTO, shape, front=None))
    alone = resized(PHOTO[..., :1], (48, 60))
    assert not np.array_equal(resized(PHOTO, (48, 60))[..., :1], alone)


@pytest.mark.parametrize("form", ["cascade", "network"])
@pytest.mark.parametrize("given", ["name", "path"])
def test_fronts_in_files(form, given, tmp_path, monkeypatch):
    from lerf_plugins.filters import opencv, transforms

    monkeypatch.setenv("LERF_FRONTS", str(tmp_path))
    front = random_cascade(2) if form == "cascade" else make_random_front(2)
    path = tmp_path / "own-front.safetensors"
    front.save(path)
    source = "own-front" if given == "name" else str(path)
    want = resized(PHOTO, (60, 77), front=front)
    np.testing.assert_array_equal(opencv.resize(PHOTO, (77, 60), front=source), want)
    np.testing.assert_array_equal(transforms.Resize(60, 77, front=source)(PHOTO), want)


@pytest.mark.parametrize("averaging", AVERAGING)
@pytest.mark.parametrize("image", [PHOTO, FLOATS], ids=["uint8", "float32"])
def test_opencv(image, averaging):
    from lerf_plugins.filters import opencv

    for rows, cols in SHAPES:
        out = opencv.resize(image, (cols, rows), front=FRONT, **averaging)
        np.testing.assert_array_equal(out, resized(image, (rows, cols), **averaging))
    flags = opencv.INTER_LINEAR | opencv.WARP_INVERSE_MAP
    want = warped(image, **averaging)
    out = opencv.warp_perspective(image, SHIFT, (30, 24), flags=flags, front=FRONT, **averaging)
    np.testing.assert_array_equal(out, want)
    affine = SHIFT.copy()
    affine[2] = 0, 0, 1
    out = opencv.warp_affine(image, affine[:2], (30, 24), flags=flags, front=FRONT, **averaging)
    np.testing.assert_array_equal(out, want)
    x, y = np.meshgrid(np.arange(30.0), np.arange(24.0))
    points = np.stack([0.02 * x + 0.9 * y - 0.3, x + 0.1 * y + 0.4])
    out = opencv.remap(image, points[1], points[0], 1, front=FRONT, **averaging)
    by_positions = lerf_core.warp(image, points, channel_axis=-1, front=FRONT, **averaging)
    np.testing.assert_array_equal(out, by_positions)


def test_opencvs_transparent_border_and_nearest_pixels():
    from lerf_plugins.filters import opencv

    flags = opencv.INTER_LINEAR | opencv.WARP_INVERSE_MAP
    border = {"borderMode": opencv.BORDER_TRANSPARENT}
    dst = np.full((24, 30, 3), 77, np.uint8)
    out = opencv.warp_perspective(PHOTO, SHIFT, (30, 24), dst, flags, front=FRONT, **border)
    edges = warped(PHOTO, mode="edge")
    covered = lerf_core.warp(np.ones((24, 30), np.float32), SHIFT)
    inside, outside = covered >= 1, covered <= 0
    assert inside.any()
    assert outside.any()
    np.testing.assert_array_equal(out[inside], edges[inside])
    assert (out[outside] == 77).all()
    for call in (
        lambda: opencv.resize(PHOTO, (60, 48), interpolation=opencv.INTER_NEAREST, front=FRONT),
        lambda: opencv.warp_affine(PHOTO, SHIFT[:2], None, flags=0, front=FRONT),
    ):
        with pytest.raises(InvalidArgumentError, match="INTER_NEAREST copies pixels, it and front"):
            call()
    with pytest.raises(FrontError, match="no front is called"):
        opencv.resize(PHOTO, (60, 48), front="none-such")
    with pytest.raises(InvalidTypeError, match="front must be a name"):
        opencv.resize(PHOTO, (60, 48), front=3)


@pytest.mark.parametrize("averaging", AVERAGING)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "CMYK"])
def test_pillow(mode, averaging):
    from PIL import Image

    from lerf_plugins.filters import pillow

    image = Image.fromarray(RGBA).convert(mode) if mode != "CMYK" else Image.fromarray(RGBA, mode)
    pixels = np.asarray(image)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    options = {"alpha": "premultiply" if mode in ("RGBA", "LA") else "separate", **averaging}
    for rows, cols in SHAPES:
        out = np.asarray(pillow.resize(image, (cols, rows), front=FRONT, **averaging))
        want = resized(pixels, (rows, cols), **options)
        np.testing.assert_array_equal(out, want.reshape(out.shape))
    # At its own size the front works, in a box of whole pixels and behind a shift too.
    box = (2, 3, 22, 23)
    by_analytic = options if averaging else {**options, "bank": "analytic"}  # as without a front
    part = np.asarray(pillow.resize(image, (20, 20), box=box, front=FRONT, **averaging))
    shift = [[1, 0, 2], [0, 1, 3], [0, 0, 1]]
    want = lerf_core.warp(
        pixels, shift, output_shape=(20, 20), channel_axis=-1, front=FRONT, mode="edge",
        **by_analytic,
    )  # fmt: skip
    np.testing.assert_array_equal(part, want.reshape(part.shape))
    moved = pillow.transform(
        image, (20, 20), Image.Transform.AFFINE, (1, 0, 2, 0, 1, 3), front=FRONT, **averaging
    )
    want = lerf_core.warp(
        pixels, shift, output_shape=(20, 20), channel_axis=-1, front=FRONT, **options
    )
    np.testing.assert_array_equal(moved, want.reshape(part.shape))


def test_pillows_other_functions_and_modes():
    from PIL import Image

    from lerf_plugins.filters import pillow

    image = Image.fromarray(PHOTO)
    np.testing.assert_array_equal(
        pillow.contain(image, (60, 60), front=FRONT), resized(PHOTO, (48, 60))
    )
    fitted = pillow.fit(image, (60, 60), front=FRONT)
    want = pillow.resize(image, (60, 60), box=(3, 0, 27, 24), front=FRONT)
    np.testing.assert_array_equal(fitted, want)
    quad = (2, 3, 1, 20, 27, 21, 25, 2)
    whole = pillow.transform(image, (30, 24), Image.Transform.QUAD, quad, front=FRONT)
    mesh = [((0, 0, 30, 24), quad)]
    meshed = pillow.transform(image, (30, 24), Image.Transform.MESH, mesh, front=FRONT)
    np.testing.assert_array_equal(meshed, whole)
    # Channels that are no colours go one by one.
    other = image.convert("YCbCr")
    out = np.asarray(pillow.resize(other, (60, 48), front=FRONT))
    first = resized(np.asarray(other)[..., :1], (48, 60))
    np.testing.assert_array_equal(out[..., :1], first)
    with pytest.raises(InvalidArgumentError, match="resample NEAREST copies pixels, it and front"):
        pillow.resize(image, (60, 48), Image.Resampling.NEAREST, front=FRONT)
    for call in (
        lambda image: pillow.resize(image, (60, 48), front=FRONT),
        lambda image: pillow.transform(image, (9, 9), 0, (1, 0, 0, 0, 1, 0), front=FRONT),
    ):
        with pytest.raises(InvalidArgumentError, match="mode P copies pixels, it and front"):
            call(image.convert("P"))


@pytest.mark.parametrize("averaging", AVERAGING)
def test_skimage(averaging):
    from lerf_plugins.filters import skimage

    floats = PHOTO.astype(np.float64)
    for shape in SHAPES:
        # What the front has enlarged is anti-aliased where the image itself would not shrink.
        out = skimage.resize(
            PHOTO, shape, preserve_range=True, clip=False, front=FRONT, **averaging
        )
        want = resized(floats, shape, mode="reflect", value_range=(0, 255), **averaging)
        np.testing.assert_allclose(out, want, rtol=0, atol=255e-6)
    out = skimage.resize(FLOATS, (40, 35), anti_aliasing=False, clip=False, front=FRONT)
    want = resized(FLOATS, (40, 35), mode="reflect", anti_aliasing=False)
    np.testing.assert_allclose(out, want, rtol=0, atol=1e-6)
    out = skimage.rescale(FLOATS, 2, channel_axis=-1, clip=False, front=FRONT, **averaging)
    want = resized(FLOATS, (48, 60), mode="reflect", **averaging)
    np.testing.assert_allclose(out, want, rtol=0, atol=1e-6)
    out = skimage.warp(FLOATS, SHIFT, clip=False, front=FRONT, **averaging)
    np.testing.assert_array_equal(out, warped(FLOATS, alpha="separate", **averaging))
    line = skimage.resize(FLOATS[0, :, 0], (45,), clip=False, front=FRONT, **averaging)
    want = lerf_core.resize(FLOATS[:1, :, 0], (1, 45), mode="reflect", front=FRONT, **averaging)
    np.testing.assert_allclose(line, want[0], rtol=0, atol=1e-6)


def test_skimages_copies_and_coordinates_of_each_channel():
    from lerf_plugins.filters import skimage

    rows, cols = np.mgrid[:24, :30] + 0.3
    together = skimage.warp(FLOATS, np.stack([rows, cols]), front=FRONT, kernel="linear")
    each = np.stack([
        np.stack([rows, cols, np.full(rows.shape, float(number))]) for number in (2, 0, 1)
    ], -1)  # fmt: skip
    np.testing.assert_array_equal(
        skimage.warp(FLOATS, each, front=FRONT, kernel="linear"), together[..., [2, 0, 1]]
    )
    labels = PHOTO[..., 0] > 100
    for call in (
        lambda image, **options: skimage.resize(image, (40, 17), front=FRONT, **options),
        lambda image, **options: skimage.warp(image, SHIFT, front=FRONT, **options),
    ):
        with pytest.raises(InvalidArgumentError, match="order 0 copies pixels, it and front"):
            call(PHOTO, order=0)
        with pytest.raises(InvalidArgumentError, match="order 0 of bool images copies pixels"):
            call(labels)


@pytest.mark.parametrize("averaging", AVERAGING)
@pytest.mark.parametrize("image", [PHOTO, FLOATS, RGBA], ids=["uint8", "float32", "rgba"])
def test_dask(image, averaging):
    da = pytest.importorskip("dask.array")
    from lerf_plugins.filters import dask

    chunked = da.from_array(image, chunks=(10, 11, image.shape[2]))
    out = dask.resize(chunked, (33, 47), channel_axis=-1, front=FRONT, **averaging)
    np.testing.assert_array_equal(
        out.compute(scheduler="sync"), resized(image, (33, 47), **averaging)
    )
    out = dask.rescale_blocks(chunked, 3, channel_axis=-1, front=FRONT, **averaging)
    np.testing.assert_array_equal(
        out.compute(scheduler="sync"), resized(image, (72, 90), **averaging)
    )


def test_dasks_blocks_share_what_a_front_sees():
    da = pytest.importorskip("dask.array")
    from lerf_plugins.filters import dask

    far = ConvolutionFront(2, distance=9)
    assert dask.depth(4, front=far) > dask.depth(4, front=ConvolutionFront(2, distance=2)) > 2
    shared = dask.depth(4, front=far)
    image = da.from_array(np.tile(PHOTO[..., 0], (2, 2)), chunks=(24, 30))

    def inverted(block, block_info=None):
        return dask.resample_block(255 - block, 4, shared, block_info=block_info, front=far)

    sizes = tuple(tuple(4 * size for size in axis) for axis in image.chunks)
    out = da.map_overlap(
        inverted, image, depth=shared, boundary="none", trim=False, dtype="uint8", chunks=sizes
    )
    want = lerf_core.rescale(255 - image.compute(), 4, front=far)
    np.testing.assert_array_equal(out.compute(scheduler="sync"), want)


def test_xarray():
    xr = pytest.importorskip("xarray")
    from lerf_plugins.filters import xarray

    plane = FLOATS[..., 0].copy()
    plane[3:6, 4:9] = np.nan
    photo = xr.DataArray(FLOATS, dims=("y", "x", "band"))
    for array, want in (
        (xr.DataArray(plane, dims=("y", "x")), lerf_core.resize(plane, (33, 47), front=FRONT)),
        (photo.chunk({"y": 7, "x": 11}), None),
    ):
        out = xarray.resize(
            array, {"y": 33, "x": 47}, channel_dim="band" if want is None else None, front=FRONT
        )
        np.testing.assert_array_equal(out, resized(FLOATS, (33, 47)) if want is None else want)
    turned = xarray.warp(photo, SHIFT, channel_dim="band", front=FRONT, cval=0.0, coords={})
    np.testing.assert_array_equal(turned, warped(FLOATS))
    labels = xr.DataArray(PHOTO[..., 0] > 100, dims=("y", "x"))
    with pytest.raises(InvalidTypeError, match="a front enlarges intensities"):
        xarray.resize(labels, {"y": 33, "x": 47}, front=FRONT)


@pytest.mark.parametrize("dtype", [bool, np.int32, np.int64])
def test_labels_of_a_dataset_need_no_front(dtype):
    """Beside an image they are copied, as they are without it."""
    xr = pytest.importorskip("xarray")
    from lerf_plugins.filters import xarray

    labels, sizes = (PHOTO[..., 0] > 100).astype(dtype), {"y": 33, "x": 47}
    image = ("y", "x"), FLOATS[..., 0]
    dataset = xr.Dataset({"image": image, "seen": (("y", "x"), labels)})
    for given in (dataset, dataset.chunk({"y": 7, "x": 11})):
        out = xarray.resize(given, sizes, front=FRONT)
        np.testing.assert_array_equal(out["seen"], lerf_core.resize(labels, (33, 47)))
        expected = lerf_core.resize(FLOATS[..., 0], (33, 47), front=FRONT)
        np.testing.assert_array_equal(out["image"], expected)
    turned = xarray.warp(dataset, SHIFT, front=FRONT, coords={})
    np.testing.assert_array_equal(turned["seen"], lerf_core.warp(labels, SHIFT))


@pytest.mark.parametrize("averaging", AVERAGING)
@pytest.mark.parametrize("image", [PHOTO, RGBA, FLOATS], ids=["uint8", "rgba", "float32"])
def test_transforms(image, averaging):
    from lerf_plugins.filters import transforms

    for rows, cols in SHAPES:
        transform = transforms.Resize(rows, cols, front=FRONT, **averaging)
        np.testing.assert_array_equal(transform(image), resized(image, (rows, cols), **averaging))
    turned = transforms.Warp(SHIFT, inverse=True, front=FRONT, **averaging)
    assert "front=<ConvolutionFront 'convolution': x2>" in repr(turned)
    np.testing.assert_allclose(turned(image), warped(image, **averaging), atol=1e-5)


def test_transforms_leave_masks_without():
    from lerf_plugins.filters import transforms

    labels = PHOTO[..., 0] // 64
    sample = transforms.Rescale(2, front=FRONT)(image=PHOTO, mask=labels)
    np.testing.assert_array_equal(sample["image"], resized(PHOTO, (48, 60)))
    np.testing.assert_array_equal(sample["mask"], labels.repeat(2, 0).repeat(2, 1))
    with pytest.raises(InvalidArgumentError, match="copies pixels, and a front makes new ones"):
        transforms.Resize(40, 17, front=FRONT, method="nearest")
    with pytest.raises(FrontError, match="no front is called"):
        transforms.Affine(rotate=3, front="none-such")


@pytest.mark.parametrize("averaging", AVERAGING)
def test_albumentations(averaging, tmp_path):
    albumentations = pytest.importorskip("albumentations")
    from lerf_plugins.filters import albumentations as ours

    front = random_cascade(2)
    front.save(tmp_path / "front.safetensors")
    given = {"front": str(tmp_path / "front.safetensors"), **averaging}
    compose = albumentations.Compose([ours.Resize(40, 17, **given)])
    want = resized(PHOTO, (40, 17), front=front, **averaging)
    sample = compose(image=PHOTO, mask=PHOTO[..., 0] // 64)
    np.testing.assert_array_equal(sample["image"], want)
    assert set(np.unique(sample["mask"])) <= {0, 1, 2, 3}
    again = albumentations.from_dict(albumentations.to_dict(compose))
    np.testing.assert_array_equal(again(image=PHOTO)["image"], want)
    turned = ours.Warp(np.linalg.inv(SHIFT), front=FRONT, **averaging)(image=PHOTO)["image"]
    levels = np.abs(turned.astype(int) - warped(PHOTO, **averaging))
    assert levels.max() <= 1  # matrices are inverted twice
    with pytest.raises(FrontError, match="no front is called"):
        ours.RandomScale(front="none-such")


def test_where_no_bank_is_named_it_is_the_one_behind_fronts(tmp_path, monkeypatch):
    opencv = pytest.importorskip("lerf_plugins.filters.opencv")
    transforms = pytest.importorskip("lerf_plugins.filters.transforms")
    before = opencv.resize(PHOTO, (77, 60), front=FRONT)
    bank = write_bank_behind_fronts(tmp_path, monkeypatch)
    want = resized(PHOTO, (60, 77), bank=bank)
    assert not np.array_equal(want, before)
    np.testing.assert_array_equal(opencv.resize(PHOTO, (77, 60), front=FRONT), want)
    np.testing.assert_array_equal(transforms.Resize(60, 77, front=FRONT)(PHOTO), want)
