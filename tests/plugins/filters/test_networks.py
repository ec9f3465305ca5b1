"""``bank=`` in the filters takes networks, and gives what `lerf_core` gives with the same one."""

from __future__ import annotations

import numpy as np
import pytest
from support.banks import make_random_network

import lerf_core

RNG = np.random.default_rng(21)
PHOTO = RNG.integers(0, 256, (24, 30, 3), dtype=np.uint8)
FLOATS = RNG.random((24, 30, 3), dtype=np.float32)
RGBA = np.dstack([PHOTO, RNG.integers(0, 256, (24, 30), dtype=np.uint8)])
SHIFT = np.array([[1.0, 0.1, 0.4], [0.02, 0.9, -0.3], [0, 0, 1]])
# From a folder where users keep theirs, by name; by path; and itself.
GIVEN = ("object", "name", "path")


@pytest.fixture
def network():
    return make_random_network(middle=1, seed=4)


@pytest.fixture(params=GIVEN)
def bank(request, network, tmp_path, monkeypatch):
    """The network as callers may name it."""
    monkeypatch.setenv("LERF_BANKS", str(tmp_path))
    path = tmp_path / "own-network.safetensors"
    network.save(path)
    return {"object": network, "name": "own-network", "path": str(path)}[request.param]


def resized(image, shape, network, **options):
    return lerf_core.resize(image, shape, bank=network, channel_axis=-1, **options)


def test_colours_are_read_together(network):
    """What the other tests compare with is not what channels on their own give."""
    alone = resized(PHOTO[..., :1], (40, 37), network)
    together = resized(PHOTO, (40, 37), network)
    assert not np.array_equal(together[..., :1], alone)


@pytest.mark.parametrize("image", [PHOTO, FLOATS, RGBA], ids=["uint8", "float32", "rgba"])
def test_opencv(image, network, bank):
    from lerf_plugins.filters import opencv

    out = opencv.resize(image, (17, 40), bank=bank)
    np.testing.assert_array_equal(out, resized(image, (40, 17), network, alpha="separate"))
    flags = opencv.INTER_LINEAR | opencv.WARP_INVERSE_MAP
    out = opencv.warp_perspective(image, SHIFT, (30, 24), flags=flags, bank=bank)
    warped = lerf_core.warp(image, SHIFT, channel_axis=-1, bank=network, alpha="separate")
    np.testing.assert_array_equal(out, warped)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA"])
def test_pillow(mode, network, bank):
    from PIL import Image

    from lerf_plugins.filters import pillow

    image = Image.fromarray(RGBA).convert(mode)
    pixels = np.atleast_3d(np.asarray(image))
    options = {"alpha": "premultiply" if mode.endswith("A") else "separate"}
    out = np.atleast_3d(np.asarray(pillow.resize(image, (35, 40), bank=bank)))
    np.testing.assert_array_equal(out, resized(pixels, (40, 35), network, **options))
    turned = pillow.transform(image, image.size, Image.Transform.AFFINE,
                              (1, 0.1, 0.4, 0, 0.9, -0.3), bank=bank)  # fmt: skip
    by_tables = pillow.transform(image, image.size, Image.Transform.AFFINE,
                                 (1, 0.1, 0.4, 0, 0.9, -0.3), bank="lerf-p")  # fmt: skip
    assert turned.mode == mode
    assert not np.array_equal(turned, by_tables)


@pytest.mark.parametrize("mode", ["YCbCr", "LAB"])
def test_pillows_channels_that_are_no_colours_go_one_by_one(mode, network):
    from PIL import Image, ImageCms

    from lerf_plugins.filters import pillow

    image = Image.fromarray(PHOTO)
    if mode == "LAB":
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        image = ImageCms.profileToProfile(image, *profiles, outputMode="LAB")
    else:
        image = image.convert(mode)
    out = np.asarray(pillow.resize(image, (35, 40), bank=network))
    first = lerf_core.resize(np.asarray(image)[..., 0], (40, 35), bank=network)
    np.testing.assert_array_equal(out[..., 0], first)
    data, fill = (1, 0.1, 9.4, 0, 0.9, -0.3), (200, 90, 170)
    turned = pillow.transform(
        image, image.size, Image.Transform.AFFINE, data, bank=network, fillcolor=fill
    )
    alone = pillow.transform(
        image.getchannel(0), image.size, Image.Transform.AFFINE, data, bank=network, fillcolor=200
    )
    np.testing.assert_array_equal(np.asarray(turned)[..., 0], alone)
    by_tables = pillow.transform(
        image, image.size, Image.Transform.AFFINE, data, bank="lerf-p", fillcolor=fill
    )
    beyond = np.s_[:, -1]  # the image has ended there
    np.testing.assert_array_equal(np.asarray(turned)[beyond], np.asarray(by_tables)[beyond])


def test_skimages_coordinates_of_each_channel(network):
    from lerf_plugins.filters import skimage

    rows, cols = np.mgrid[:24, :30] + 0.3
    together = skimage.warp(FLOATS, np.stack([rows, cols]), bank=network)
    each = np.stack([
        np.stack([rows, cols, np.full(rows.shape, float(number))]) for number in (2, 0, 1)
    ], -1)  # fmt: skip
    np.testing.assert_array_equal(
        skimage.warp(FLOATS, each, bank=network), together[..., [2, 0, 1]]
    )


def test_skimage(network, bank):
    from lerf_plugins.filters import skimage

    out = skimage.resize(PHOTO, (40, 37), preserve_range=True, clip=False, bank=bank)
    floats = PHOTO.astype(np.float64)
    want = resized(floats, (40, 37), network, mode="reflect", value_range=(0, 255))
    np.testing.assert_allclose(out, want, rtol=0, atol=255e-6)
    out = skimage.warp(FLOATS, SHIFT, clip=False, bank=bank)
    warped = lerf_core.warp(FLOATS, SHIFT, channel_axis=-1, alpha="separate", bank=network)
    np.testing.assert_array_equal(out, warped)


@pytest.mark.parametrize("chunks", [(10, 11, 3), (10, 30, 1), (24, 13, 2)])
@pytest.mark.parametrize("image", [PHOTO, FLOATS, RGBA], ids=["uint8", "float32", "rgba"])
def test_dask(image, chunks, network, bank):
    da = pytest.importorskip("dask.array")
    from lerf_plugins.filters import dask

    chunked = da.from_array(image, chunks=chunks)
    out = dask.resize(chunked, (33, 47), channel_axis=-1, bank=bank)
    np.testing.assert_array_equal(out.compute(scheduler="sync"), resized(image, (33, 47), network))
    out = dask.rescale_blocks(chunked, 2, channel_axis=-1, bank=bank)
    np.testing.assert_array_equal(out.compute(scheduler="sync"), resized(image, (48, 60), network))


@pytest.mark.parametrize("channels", [None, 3])
def test_a_pipeline_of_ones_own_by_dask(channels, network, bank):
    da = pytest.importorskip("dask.array")
    from lerf_plugins.filters import dask

    image = PHOTO if channels else PHOTO[..., 0]
    axis = -1 if channels else None
    shared = dask.depth(2, channels=channels, bank=bank)
    assert shared > network.full_reach

    def enlarged(block, block_info=None):
        return dask.resample_block(
            255 - block, 2, shared, block_info=block_info, bank=bank, channel_axis=axis
        )

    array = da.from_array(image, chunks=(13, 15, 3)[: image.ndim])
    out = da.map_overlap(
        enlarged, array, depth=(shared, shared, 0)[: image.ndim], boundary="none", trim=False,
        dtype="uint8",
        chunks=(*(tuple(2 * n for n in sizes) for sizes in array.chunks[:2]), *array.chunks[2:]),
    )  # fmt: skip
    want = lerf_core.rescale(255 - image, 2, channel_axis=axis, bank=network)
    np.testing.assert_array_equal(out.compute(scheduler="sync"), want)


def test_xarray(network, bank):
    xr = pytest.importorskip("xarray")
    from lerf_plugins.filters import xarray

    plane = FLOATS[..., 0].copy()
    plane[3:6, 4:9] = np.nan
    array = xr.DataArray(plane, dims=("y", "x"))
    out = xarray.resize(array, {"y": 33, "x": 47}, bank=bank)
    np.testing.assert_array_equal(out, lerf_core.resize(plane, (33, 47), bank=network))
    lazy = xarray.resize(array.chunk({"y": 7}), {"y": 33, "x": 47}, bank=bank)
    np.testing.assert_array_equal(lazy, lerf_core.resize(plane, (33, 47), bank=network))


@pytest.mark.parametrize("image", [PHOTO, RGBA], ids=["rgb", "rgba"])
def test_transforms(image, network, bank):
    from lerf_plugins.filters import transforms

    enlarge = transforms.Resize(40, 37, bank=bank)
    np.testing.assert_array_equal(enlarge(image), resized(image, (40, 37), network))
    turned = transforms.Warp(SHIFT, inverse=True, bank=bank)(image)
    warped = lerf_core.warp(image, SHIFT, channel_axis=-1, bank=network)
    np.testing.assert_array_equal(turned, warped)
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(image).movedim(-1, 0)
    np.testing.assert_array_equal(enlarge(tensor).movedim(0, -1), resized(image, (40, 37), network))


def test_albumentations(network, bank):
    albumentations = pytest.importorskip("albumentations")
    from lerf_plugins.filters import albumentations as ours

    compose = albumentations.Compose([ours.Resize(40, 37, bank=bank)])
    np.testing.assert_array_equal(compose(image=PHOTO)["image"], resized(PHOTO, (40, 37), network))
    if isinstance(bank, str):
        again = albumentations.from_dict(albumentations.to_dict(compose))
        np.testing.assert_array_equal(
            again(image=PHOTO)["image"], resized(PHOTO, (40, 37), network)
        )
