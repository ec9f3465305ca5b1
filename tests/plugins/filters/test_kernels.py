"""``kernel=`` in the filters gives what `lerf_core` gives with the same kernel."""

from __future__ import annotations

import numpy as np
import pytest

import lerf_core
from lerf_core.errors import InvalidArgumentError

KERNELS = ("lanczos3", "area", "cubic:b=0,c=0.75")
RNG = np.random.default_rng(18)
PHOTO = RNG.integers(0, 256, (24, 30, 3), dtype=np.uint8)
FLOATS = RNG.random((24, 30, 3), dtype=np.float32)
SHIFT = np.array([[1.0, 0.1, 0.4], [0.02, 0.9, -0.3], [0, 0, 1]])


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("image", [PHOTO, FLOATS], ids=["uint8", "float32"])
def test_opencv(image, kernel):
    from lerf_plugins.filters import opencv

    out = opencv.resize(image, (17, 40), kernel=kernel)
    expected = lerf_core.resize(image, (40, 17), channel_axis=-1, kernel=kernel)
    np.testing.assert_array_equal(out, expected)
    flags = opencv.INTER_LINEAR | opencv.WARP_INVERSE_MAP
    out = opencv.warp_perspective(image, SHIFT, (30, 24), flags=flags, kernel=kernel)
    np.testing.assert_array_equal(out, lerf_core.warp(image, SHIFT, channel_axis=-1, kernel=kernel))
    with pytest.raises(InvalidArgumentError, match="INTER_NEAREST copies pixels"):
        opencv.resize(image, (17, 40), interpolation=opencv.INTER_NEAREST, kernel=kernel)
    with pytest.raises(InvalidArgumentError, match="fast and kernel exclude"):
        opencv.resize(image, (17, 40), fast=True, kernel=kernel)


@pytest.mark.parametrize("kernel", KERNELS)
def test_pillow(kernel):
    from PIL import Image

    from lerf_plugins.filters import pillow

    image = Image.fromarray(PHOTO)
    expected = lerf_core.resize(PHOTO, (40, 17), channel_axis=-1, kernel=kernel)
    np.testing.assert_array_equal(pillow.resize(image, (17, 40), kernel=kernel), expected)
    numbers = Image.fromarray(FLOATS[..., 0] * 1000)
    np.testing.assert_array_equal(
        pillow.resize(numbers, (17, 40), kernel=kernel),
        lerf_core.resize(FLOATS[..., 0] * 1000, (40, 17), kernel=kernel),
    )
    turned = pillow.transform(image, image.size, Image.Transform.AFFINE,
                              (1, 0.1, 0.4, 0, 0.9, -0.3), kernel=kernel)  # fmt: skip
    default = pillow.transform(image, image.size, Image.Transform.AFFINE,
                               (1, 0.1, 0.4, 0, 0.9, -0.3))  # fmt: skip
    assert turned != default
    part = pillow.resize(image, (17, 20), box=(2, 3, 22, 23), kernel=kernel)
    whole = np.asarray(pillow.resize(image.crop((2, 3, 22, 23)), (17, 20), kernel=kernel))
    inner = np.s_[5:-5, 5:-5]  # the crop lacks what lies around the box
    levels = np.abs(np.asarray(part).astype(int) - whole)[inner]
    assert levels.max() <= 1
    with pytest.raises(InvalidArgumentError, match="resample NEAREST copies pixels"):
        pillow.resize(image, (17, 40), Image.Resampling.NEAREST, kernel=kernel)
    with pytest.raises(InvalidArgumentError, match="bank and kernel exclude"):
        pillow.resize(image, (17, 40), bank="lerf-g", kernel=kernel)


def test_pillow_of_the_same_kernel():
    from PIL import Image

    from lerf_plugins.filters import pillow

    image = Image.fromarray(PHOTO // 4 + 96)  # nothing is clipped between Pillow's two passes
    for kernel, resample in (
        ("lanczos3", Image.Resampling.LANCZOS),
        ("cubic", Image.Resampling.BICUBIC),
        ("linear", Image.Resampling.BILINEAR),
        ("box", Image.Resampling.BOX),
    ):
        ours = np.asarray(pillow.resize(image, (17, 40), kernel=kernel)).astype(int)
        levels = np.abs(ours - np.asarray(image.resize((17, 40), resample)))
        # Pillow rounds between its passes, and drops what lies at the ends of its windows.
        assert (levels > 1).mean() < 0.04, kernel
        assert levels.max() <= 4, kernel


@pytest.mark.parametrize("kernel", KERNELS)
def test_skimage(kernel):
    from lerf_plugins.filters import skimage

    out = skimage.resize(PHOTO, (40, 17), preserve_range=True, clip=False, kernel=kernel)
    expected = lerf_core.resize(
        PHOTO.astype(np.float64), (40, 17), channel_axis=-1, mode="reflect", kernel=kernel
    )
    np.testing.assert_allclose(out, expected, atol=255e-6)
    out = skimage.warp(FLOATS, SHIFT, clip=False, kernel=kernel)
    np.testing.assert_array_equal(
        out, lerf_core.warp(FLOATS, SHIFT, channel_axis=-1, alpha="separate", kernel=kernel)
    )
    labels = PHOTO[..., 0] > 100
    copied = skimage.resize(labels, (40, 17), kernel=kernel)
    np.testing.assert_array_equal(copied, skimage.resize(labels, (40, 17)))
    for call in (skimage.resize, lambda *args, **kw: skimage.warp(args[0], SHIFT, **kw)):
        with pytest.raises(InvalidArgumentError, match="order 0 copies pixels"):
            call(PHOTO, (40, 17), order=0, kernel=kernel)
        with pytest.raises(InvalidArgumentError, match="bank and kernel exclude"):
            call(PHOTO, (40, 17), bank="lerf-g", kernel=kernel)
        with pytest.raises(InvalidArgumentError, match="kernel must be one of"):
            call(PHOTO, (40, 17), kernel="sinc")


@pytest.mark.parametrize("kernel", [*KERNELS, "lerf-s"])
def test_dask(kernel):
    da = pytest.importorskip("dask.array")
    from lerf_plugins.filters import dask

    chunked = da.from_array(PHOTO, chunks=(10, 11, 3))
    out = dask.resize(chunked, (13, 17), channel_axis=-1, kernel=kernel)
    np.testing.assert_array_equal(
        out.compute(), lerf_core.resize(PHOTO, (13, 17), channel_axis=-1, kernel=kernel)
    )
    if kernel == "lerf-s":
        return
    for image in (PHOTO, FLOATS):
        chunked = da.from_array(image, chunks=(10, 11, 3))
        out = dask.rescale_blocks(chunked, 2, channel_axis=-1, kernel=kernel)
        np.testing.assert_array_equal(
            out.compute(), lerf_core.rescale(image, 2, channel_axis=-1, kernel=kernel)
        )


@pytest.mark.parametrize("kernel", [*KERNELS, "lerf-s"])
def test_xarray(kernel):
    xr = pytest.importorskip("xarray")
    from lerf_plugins.filters import xarray

    plane = FLOATS[..., 0].copy()
    plane[3:6, 4:9] = np.nan
    array = xr.DataArray(plane, dims=("y", "x"))
    out = xarray.resize(array, {"y": 13, "x": 17}, kernel=kernel)
    np.testing.assert_array_equal(out, lerf_core.resize(plane, (13, 17), kernel=kernel))


@pytest.mark.parametrize("kernel", KERNELS)
def test_transforms(kernel):
    from lerf_plugins.filters import transforms

    expected = lerf_core.resize(PHOTO, (40, 17), channel_axis=-1, kernel=kernel)
    np.testing.assert_array_equal(transforms.Resize(40, 17, kernel=kernel)(PHOTO), expected)
    turned = transforms.Warp(SHIFT, inverse=True, kernel=kernel)
    assert f"kernel={kernel!r}" in repr(turned)
    np.testing.assert_allclose(
        turned(FLOATS), lerf_core.warp(FLOATS, SHIFT, channel_axis=-1, kernel=kernel), atol=1e-5
    )
    labels = PHOTO[..., 0] // 64
    sample = turned(image=PHOTO, mask=labels)
    assert set(np.unique(sample["mask"])) <= {0, 1, 2, 3}
    for wrong in ({"bank": "lerf-g"}, {"fast": True}, {"method": "nearest"}):
        with pytest.raises(InvalidArgumentError, match="kernel exclude"):
            transforms.Resize(40, 17, kernel=kernel, **wrong)


@pytest.mark.parametrize("kernel", KERNELS)
def test_albumentations(kernel):
    albumentations = pytest.importorskip("albumentations")
    from lerf_plugins.filters import albumentations as ours

    compose = albumentations.Compose([ours.Resize(40, 17, kernel=kernel)])
    expected = lerf_core.resize(PHOTO, (40, 17), channel_axis=-1, kernel=kernel)
    np.testing.assert_array_equal(compose(image=PHOTO)["image"], expected)
    again = albumentations.from_dict(albumentations.to_dict(compose))
    np.testing.assert_array_equal(again(image=PHOTO)["image"], expected)
    for wrong in ({"bank": "lerf-g"}, {"fast": True}):
        with pytest.raises(InvalidArgumentError, match="kernel exclude"):
            ours.Resize(40, 17, kernel=kernel, **wrong)
