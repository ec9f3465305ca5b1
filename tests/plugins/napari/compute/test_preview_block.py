"""Previews are blocks of results."""

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image
from support.layers import resize_operation

import lerf_core
from lerf_plugins.napari.compute import preview_block as module
from lerf_plugins.napari.compute.preview_block import preview_block
from lerf_plugins.napari.model.layer_image import LayerImage
from lerf_plugins.napari.model.operations import WarpOperation
from lerf_plugins.napari.model.view import View


def looking_at(image, rows, cols, zoom, planes=()):
    """A view of rows and columns of an image that lies at its pixels."""
    (top, bottom), (left, right) = rows, cols
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return View(np.array(corners, np.float64), zoom, planes)


@pytest.mark.parametrize("zoom", [1.9, 2, 7])
def test_a_close_preview_is_the_result(photo, zoom):
    operation = resize_operation(Image(photo), (120, 166))
    whole = lerf_core.resize(photo, (120, 166), channel_axis=-1)
    seen = preview_block(operation, looking_at(photo, (10, 25), (30, 60), zoom))
    assert seen.level_shape == (120, 166)
    (top, left), step = seen.grid.origin, seen.grid.step
    assert step == (0.5, 0.5)
    top, left = round((top + 0.25) / 0.5), round((left + 0.25) / 0.5)
    rows, cols = seen.pixels.shape[:2]
    assert (top, left) == (19, 59)
    np.testing.assert_array_equal(seen.pixels, whole[top : top + rows, left : left + cols])


def test_a_preview_from_afar_is_coarse(photo):
    operation = resize_operation(Image(photo), (1200, 1660))
    seen = preview_block(operation, looking_at(photo, (-60, 120), (-80, 160), 2.0))
    assert seen.level_shape == (150, 208)
    assert seen.pixels.shape == (150, 208, 3)
    np.testing.assert_array_equal(seen.pixels, lerf_core.resize(photo, (150, 208), channel_axis=-1))


def test_a_preview_of_a_stack_is_of_one_plane():
    stack = np.random.default_rng(0).integers(0, 255, (4, 3, 30, 40), np.uint8)
    operation = resize_operation(Image(stack), (60, 80))
    seen = preview_block(operation, looking_at(stack, (-5, 50), (-5, 50), 3.0, (2, 1)))
    expected = lerf_core.resize(stack[2, 1], (60, 80))
    np.testing.assert_array_equal(seen.pixels, expected[None, None])


def test_a_preview_beside_the_image_is_none(photo):
    operation = resize_operation(Image(photo), (120, 166))
    assert preview_block(operation, looking_at(photo, (100, 200), (0, 50), 1.0)) is None


def test_a_preview_reads_little_of_a_large_image(monkeypatch):
    monkeypatch.setattr(module, "PREVIEW_SOURCE_PIXELS", 10_000)
    y, x = np.mgrid[:900, :1200]
    image = (127 + 100 * np.sin(x / 150) * np.cos(y / 120)).astype(np.uint8)
    operation = resize_operation(Image(image), (450, 600))
    seen = preview_block(operation, looking_at(image, (0, 900), (0, 1200), 0.1))
    rows, cols = seen.level_shape
    expected = lerf_core.resize(image, (rows, cols)).astype(int)
    assert np.abs(seen.pixels.astype(int) - expected).max() <= 4


def test_a_preview_is_no_larger_than_it_may_be(photo, monkeypatch):
    monkeypatch.setattr(module, "PREVIEW_PIXELS", 5000)
    operation = resize_operation(Image(photo), (600, 830))
    seen = preview_block(operation, looking_at(photo, (0, 60), (0, 83), 10.0))
    assert seen.pixels[..., 0].size <= 5000


def test_a_warp_s_preview_is_a_part_of_it(photo):
    matrix = np.array([[0.8, 0.2, 3], [-0.1, 0.9, 5], [0.001, 0, 1]])
    keywords = {"channel_axis": 2, "mode": "constant"}
    operation = WarpOperation(LayerImage.of(Image(photo)), (70, 90), None, keywords, matrix=matrix)
    whole = lerf_core.warp(photo, matrix, output_shape=(70, 90), channel_axis=-1)
    seen = preview_block(operation, looking_at(photo, (12, 30), (20, 50), 3.0))
    top, left = (round(start) for start in seen.grid.origin)
    rows, cols = seen.pixels.shape[:2]
    np.testing.assert_array_equal(seen.pixels, whole[top : top + rows, left : left + cols])


def test_levels_of_fewer_planes():
    """Stacks that are smaller along z as well: each level shows the plane that is meant."""
    planes = np.arange(8, dtype=np.float32)[:, None, None]
    levels = [np.broadcast_to(planes[step // 2 :: step], (8 // step, 512 // step, 512 // step))
              for step in (1, 2, 4)]  # fmt: skip
    levels = [da.from_array(np.ascontiguousarray(level), chunks=(1, 64, 64)) for level in levels]
    layer = Image(levels, multiscale=True, contrast_limits=(0, 8))
    operation = resize_operation(layer, (256, 256))
    assert operation.level_plan((256, 256)).source_level == 0  # the result has all planes
    assert operation.level_plan((128, 128)).source_level == 2
    corners = np.array([[0, 0], [511, 0], [511, 511], [0, 511.0]])
    for plane in (0, 3, 7):
        whole = preview_block(operation, View(corners, 1.0, (plane,)))
        assert whole.pixels[0].mean() == plane
        afar = preview_block(operation, View(corners, 0.2, (plane,)))
        assert afar.pixels.shape[0] == 1
        assert abs(afar.pixels.mean() - plane) <= 2
