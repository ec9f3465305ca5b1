"""Resizing and warping by networks: colours together, the rest plane by plane, any part alike."""

import numpy as np
import pytest

import lerf_core
from lerf_core import chunked
from lerf_core.bank.network import OUTPUTS
from tests.support.banks import make_random_network, random_network

MATRIX = np.array([[1.6, 0.2, 3.0], [-0.1, 1.4, 2.0], [0, 0, 1.0]])


@pytest.fixture
def photo():
    rng = np.random.default_rng(0)
    rows, cols = np.mgrid[:30, :37]
    waves = [120 + 90 * np.sin(rows / (3 + k)) * np.cos(cols / (4 - k)) for k in range(3)]
    noise = rng.normal(0, 8, (30, 37, 3))
    return np.clip(np.stack(waves, -1) + noise, 0, 255).astype(np.uint8)


def of_dtype(photo, dtype):
    factor = {"uint8": 1, "uint16": 257, "float32": 1 / 255}[dtype]
    return (photo.astype(float) * factor).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_the_engines_agree(photo, dtype):
    image, bank = of_dtype(photo, dtype), random_network(16)
    for options in ({}, {"fast": True}, {"linear_light": True}, {"mode": "wrap"}):
        results = [
            lerf_core.rescale(image, 1.7, bank=bank, channel_axis=-1, engine=engine, **options)
            for engine in ("numba", "reference")
        ]
        np.testing.assert_array_equal(*results)
    warps = [
        lerf_core.warp(image, MATRIX, bank=bank, channel_axis=-1, engine=engine)
        for engine in ("numba", "reference")
    ]
    np.testing.assert_array_equal(*warps)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("scale", [2, (3, 2), (1.5, 4)])
def test_the_engines_agree_where_colours_share_weights(photo, dtype, scale):
    image, bank = of_dtype(photo, dtype), random_network(16)
    beyond = {"mode": "constant", "cval": 40 if dtype == "uint8" else 0.3}
    alpha = image[..., :1] * 0 + image.max()
    alpha[:9] = 0
    for planes, options in (
        (image, {}), (image, {"linear_light": True}), (image, beyond), (image, {"nodata": 7}),
        (np.concatenate([image, alpha], -1), {}), (np.concatenate([image, alpha * 0 + 1], -1), {}),
    ):  # fmt: skip
        results = [
            lerf_core.rescale(planes, scale, bank=bank, channel_axis=-1, engine=engine, **options)
            for engine in ("numba", "reference")
        ]
        np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("threads", [2, 3, 40])
@pytest.mark.parametrize("rows", [7, 60, 400])
def test_threads_do_not_change_a_bit(rows, threads):
    image = np.random.default_rng(rows).integers(0, 256, (rows, 90, 3)).astype(np.uint8)
    results = [
        lerf_core.rescale(image, 2, bank=random_network(8), channel_axis=-1, threads=count)
        for count in (1, threads)
    ]
    np.testing.assert_array_equal(*results)


def test_colours_are_read_together(photo):
    bank = random_network(16)
    together = lerf_core.rescale(photo, 2, bank=bank, channel_axis=-1)
    alone = np.stack([lerf_core.rescale(photo[..., k], 2, bank=bank) for k in range(3)], -1)
    assert not np.array_equal(together, alone)
    # Alpha beside them changes nothing of that, and is on its own.
    alpha = np.full((30, 37, 1), 255, np.uint8)
    alpha[10:20, 5:30] = 90
    with_alpha = lerf_core.rescale(
        np.concatenate([photo, np.full_like(alpha, 255)], -1), 2, bank=bank, channel_axis=-1
    )
    np.testing.assert_array_equal(with_alpha[..., :3], together)
    rgba = np.concatenate([photo, alpha], -1)
    results = [
        lerf_core.rescale(rgba, 2, bank=bank, channel_axis=-1, engine=engine)
        for engine in ("numba", "reference")
    ]
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_other_channels_are_read_one_by_one(photo, channels):
    bank = random_network(16)
    image = np.concatenate([photo, 255 - photo], -1)[..., :channels]
    together = lerf_core.rescale(image, 2, bank=bank, channel_axis=-1, alpha="separate")
    for k in range(channels):
        np.testing.assert_array_equal(
            together[..., k], lerf_core.rescale(image[..., k], 2, bank=bank)
        )


def test_missing_values_of_one_colour(photo):
    bank = random_network(16)
    image = of_dtype(photo, "float32")
    image[5:7, 8, 1] = np.nan
    image[20, 30, 2] = np.nan
    results = [
        lerf_core.rescale(image, 2, bank=bank, channel_axis=-1, engine=engine)
        for engine in ("numba", "reference")
    ]
    np.testing.assert_array_equal(*results)
    missing = np.isnan(results[0])
    assert missing[..., 1].any()
    assert missing[..., 2].any()
    assert not missing[..., 0].any()
    # Far from what is missing, the result is the whole image's.
    whole = lerf_core.rescale(of_dtype(photo, "float32"), 2, bank=bank, channel_axis=-1)
    np.testing.assert_array_equal(results[0][:, :2], whole[:, :2])
    warps = [
        lerf_core.warp(image, MATRIX, bank=bank, channel_axis=-1, engine=engine)
        for engine in ("numba", "reference")
    ]
    np.testing.assert_array_equal(*warps)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_chunks_are_parts_of_the_whole(photo, dtype):
    import dask.array as da

    image, bank = of_dtype(photo, dtype), random_network(16)
    whole = lerf_core.rescale(image, 2.5, bank=bank, channel_axis=-1)
    lazy = da.from_array(image, chunks=(11, 13, 3))
    parts = chunked.rescale(lazy, 2.5, bank=bank, channel_axis=-1, chunks=(17, 19))
    np.testing.assert_array_equal(parts.compute(), whole)
    warped = lerf_core.warp(image, MATRIX, bank=bank, channel_axis=-1)
    parts = chunked.warp(lazy, MATRIX, bank=bank, channel_axis=-1, chunks=(17, 19))
    np.testing.assert_array_equal(parts.compute(), warped)


def test_flat_areas_stay_flat():
    bank = random_network(16)
    for level in (0, 1, 77, 255):
        image = np.full((9, 8, 3), level, np.uint8)
        assert (lerf_core.rescale(image, 3, bank=bank, channel_axis=-1) == level).all()
        deep = np.full((9, 8), level * 257 + (level < 255), np.uint16)
        assert (lerf_core.rescale(deep, 3, bank=bank) == deep[0, 0]).all()


def test_a_ramp_keeps_its_levels():
    # Of 16 bits: steps of 3, which 8 bits would make steps of 257.
    ramp = np.tile(np.arange(20000, 20000 + 3 * 60, 3, dtype=np.uint16), (8, 1))
    result = lerf_core.rescale(ramp, 2, bank=random_network(16)).astype(int)
    assert np.abs(result - np.interp(np.arange(120) / 2 - 0.25, np.arange(60), ramp[0])).max() <= 8
    assert len(np.unique(result)) > 60


def test_shrinking_one_axis_and_growing_the_other(photo):
    bank = random_network(16)
    results = [
        lerf_core.resize(photo, (15, 90), bank=bank, channel_axis=-1, engine=engine)
        for engine in ("numba", "reference")
    ]
    np.testing.assert_array_equal(*results)


def test_parameter_maps_share_their_weights(photo):
    maps = lerf_core.parameter_maps(photo, bank=random_network(16), channel_axis=-1)
    for name in ("rho", "sigma_row", "sigma_col"):
        for channel in (1, 2):
            np.testing.assert_array_equal(
                maps.parameters[name][..., channel], maps.parameters[name][..., 0]
            )
    slope = maps.parameters["slope_row"]
    assert not np.array_equal(slope[..., 0], slope[..., 1])
    np.testing.assert_array_equal(maps.feature, photo)


def test_tiny_images():
    bank = make_random_network(8, 5, 3, 3)
    for shape in ((1, 1, 3), (1, 5, 3), (2, 2)):
        image = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape) * 9
        axis = -1 if len(shape) == 3 else None
        results = [
            lerf_core.rescale(image, 3, bank=bank, channel_axis=axis, engine=engine)
            for engine in ("numba", "reference")
        ]
        np.testing.assert_array_equal(*results)


def test_outputs_have_names():
    assert OUTPUTS[:6] == (
        "rho", "sigma_row", "sigma_col", "slope_row.red", "slope_col.red", "residual.red",
    )  # fmt: skip
    assert len(OUTPUTS) == 15


def test_grey_images_in_colours_stay_grey(photo):
    bank = random_network(16)
    for dtype in ("uint8", "uint16", "float32"):
        grey = of_dtype(photo, dtype)[..., 1]
        colours = np.stack([grey] * 3, -1)
        result = lerf_core.rescale(colours, 2.5, bank=bank, channel_axis=-1)
        alone = lerf_core.rescale(grey, 2.5, bank=bank)
        for channel in range(3):
            np.testing.assert_array_equal(result[..., channel], alone)
