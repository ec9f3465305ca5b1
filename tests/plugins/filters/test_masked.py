"""Masked arrays: obeyed where a host knows of them, and refused alike elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from support.images import noise

import lerf_core
from lerf_core.errors import InvalidTypeError

REFUSED = "masked array: lerf_core.resize, rescale and warp take those"


@pytest.fixture
def masked() -> np.ma.MaskedArray:
    data = noise((30, 40, 3), "uint8")
    mask = np.zeros(data.shape, bool)
    mask[8:15, 10:22] = True
    return np.ma.MaskedArray(data, mask)


@pytest.mark.parametrize("name", ["resize", "warpAffine", "warpPerspective", "remap"])
def test_opencv(masked, name):
    cv = pytest.importorskip("lerf_plugins.filters.opencv")
    arguments = {
        "resize": ((60, 80),), "warpAffine": (np.eye(2, 3), (40, 30)),
        "warpPerspective": (np.eye(3), (40, 30)),
        "remap": (np.zeros((9, 9), "f4"), np.zeros((9, 9), "f4"), 1),
    }  # fmt: skip
    if not hasattr(cv, name):
        pytest.skip("no such function")
    with pytest.raises(InvalidTypeError, match=REFUSED):
        getattr(cv, name)(masked, *arguments[name])


def test_skimage(masked):
    skimage = pytest.importorskip("lerf_plugins.filters.skimage")
    for call in (
        lambda: skimage.resize(masked, (60, 80, 3)), lambda: skimage.rescale(masked[..., 0], 2),
        lambda: skimage.warp(masked[..., 0], np.eye(3)),
    ):  # fmt: skip
        with pytest.raises(InvalidTypeError, match=REFUSED):
            call()


def test_transforms(masked):
    transforms = pytest.importorskip("lerf_plugins.filters.transforms")
    with pytest.raises(InvalidTypeError, match=REFUSED):
        transforms.Rescale(2)(masked)


def test_metrics(masked):
    for metric in (lerf_core.metrics.psnr, lerf_core.metrics.ssim):
        with pytest.raises(InvalidTypeError, match="masked_psnr takes plain ones and a mask"):
            metric(masked, masked)


@pytest.mark.parametrize("channel_axis", [None, -1])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_blocks_of_dask(masked, dtype, channel_axis):
    da = pytest.importorskip("dask.array")
    filters = pytest.importorskip("lerf_plugins.filters.dask")
    image = (masked if channel_axis else masked[..., 0]).astype(dtype)
    options = {"channel_axis": channel_axis, "value_range": (0, 255)}
    expected = lerf_core.rescale(image, 2, **options)
    lazy = da.from_array(image, chunks=(23, 25, 3)[: image.ndim])
    for function in (filters.rescale_blocks, filters.rescale):
        out = function(lazy, 2, **options).compute()
        assert isinstance(out, np.ma.MaskedArray)
        np.testing.assert_array_equal(out.mask, expected.mask)
        np.testing.assert_array_equal(out.compressed(), expected.compressed())
