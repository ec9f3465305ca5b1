"""map_overlap with lerf's depth gives what the whole image gives."""

import dask.array as da
import numpy as np
import pytest
from support.images import noise

import lerf_core
from lerf_core import chunked
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_plugins.filters import dask as filters

CHUNKS = [((20, 33, 27), (45, 25)), ((80,), (31, 39)), ((7, 40, 33), (8, 62))]


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("scale", [1, 2, 3, 5])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "int32"])
def test_rescale_blocks_equals_the_whole(random_bank, chunks, scale, dtype):
    image = noise((80, 70), dtype)
    whole = lerf_core.rescale(image, scale, bank=random_bank)
    blocks = filters.rescale_blocks(da.from_array(image, chunks), scale, bank=random_bank)
    assert blocks.dtype == whole.dtype
    assert blocks.shape == whole.shape
    np.testing.assert_array_equal(blocks.compute(scheduler="sync"), whole)


@pytest.mark.parametrize("mode", ["edge", "constant", "reflect", "symmetric"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels_and_modes(random_bank, mode, channels):
    image = noise((80, 70, channels))
    options = {"channel_axis": -1, "mode": mode, "bank": random_bank, "cval": 9}
    lazy = da.from_array(image, chunks=((41, 39), (30, 40), 1))
    blocks = filters.rescale_blocks(lazy, 2, **options)
    assert blocks.numblocks == (2, 2, 1)
    whole = lerf_core.rescale(image, 2, **options)
    np.testing.assert_array_equal(blocks.compute(scheduler="threads"), whole)


def test_more_axes_and_options():
    image = noise((2, 3, 50, 60))
    lazy = da.from_array(image, chunks=(1, 2, (30, 20), 27))
    for options in ({"preserve_range": False}, {"method": "nearest"}, {"linear_light": True}):
        whole = lerf_core.rescale(image, 3, **options)
        blocks = filters.rescale_blocks(lazy, 3, **options)
        assert blocks.dtype == whole.dtype
        np.testing.assert_array_equal(blocks.compute(scheduler="sync"), whole)
    first = noise((50, 60, 3))
    fast = filters.rescale_blocks(da.from_array(first, (25, 60, 3)), 2, channel_axis=-1, fast=True)
    np.testing.assert_array_equal(
        fast.compute(scheduler="sync"), lerf_core.rescale(first, 2, channel_axis=-1, fast=True)
    )


def test_a_pipeline_of_your_own(random_bank):
    image = noise((80, 70))
    overlap = filters.depth(2, bank=random_bank) + 4

    def inverted(block, block_info=None):
        return filters.resample_block(
            255 - block, 2, overlap, block_info=block_info, bank=random_bank
        )

    result = da.map_overlap(
        inverted, da.from_array(image, ((20, 60), (70,))), depth=overlap, boundary="none",
        trim=False, dtype="uint8", chunks=((40, 120), (140,)),
    )  # fmt: skip
    whole = lerf_core.rescale(255 - image, 2, bank=random_bank)
    np.testing.assert_array_equal(result.compute(scheduler="sync"), whole)


def test_depth():
    assert filters.depth(1) == 0
    assert filters.depth(2, method="nearest") == 0
    lerf_p = filters.depth(2)
    assert lerf_p > 0
    assert filters.depth(2, dtype="float32") > lerf_p
    assert filters.depth(2, channels=4) > filters.depth(2, channels=3) >= lerf_p
    assert filters.depth(2, nodata=0) > lerf_p
    assert filters.depth(2, channels=4, alpha="separate") == lerf_p


def test_depth_is_needed(random_bank):
    image = da.zeros((80, 70), dtype="uint8", chunks=40)
    least = filters.depth(2, bank=random_bank)
    for overlap in (least, least - 1):
        result = da.map_overlap(
            filters.resample_block, image, depth=overlap, boundary="none", trim=False,
            dtype="uint8", chunks=((80, 80), (80, 60)), scale=2, overlap=overlap, bank=random_bank,
        )  # fmt: skip
        if overlap == least:
            result.compute(scheduler="sync")
            continue
        with pytest.raises(InvalidArgumentError, match=f"overlap of {overlap}"):
            result.compute(scheduler="sync")


def test_the_public_functions_are_those_of_lerf_core():
    for name in ("resize", "rescale", "warp"):
        assert getattr(filters, name) is getattr(chunked, name)


def test_bad_arguments():
    image = da.zeros((80, 70, 2), dtype="uint8", chunks=(40, 40, 1))
    with pytest.raises(InvalidTypeError, match=r"1\.5"):
        filters.rescale_blocks(image[..., 0], 1.5)
    with pytest.raises(InvalidArgumentError, match="0"):
        filters.depth(0)
    with pytest.raises(InvalidTypeError, match="ndarray"):
        filters.rescale_blocks(np.zeros((3, 4)), 2)
    with pytest.raises(InvalidArgumentError, match="block_info"):
        filters.resample_block(np.zeros((9, 9), np.uint8), 2, 3)
    with pytest.raises(InvalidArgumentError, match="wrap"):
        filters.rescale_blocks(image[..., 0], 2, mode="wrap").compute(scheduler="sync")
    wrong = {"depth": 7, "boundary": "none", "trim": False, "dtype": "uint8", "scale": 2}
    with pytest.raises(InvalidArgumentError, match="depth given"):
        da.map_overlap(
            filters.resample_block, image[..., 0], overlap=60, chunks=((80, 80), (80, 60)), **wrong
        ).compute(scheduler="sync")
    with pytest.raises(InvalidArgumentError, match="one chunk"):
        da.map_overlap(
            filters.resample_block, image, overlap=7, channel_axis=-1,
            **wrong | {"depth": (7, 7, 0)},
        ).compute(scheduler="sync")  # fmt: skip
