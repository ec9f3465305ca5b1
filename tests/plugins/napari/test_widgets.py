"""The widgets, in a real viewer."""

import json
import re
from pathlib import Path

import dask.array as da
import numpy as np
import pytest

import lerf_core
from lerf_core.geometry import homography_from_points

pytestmark = pytest.mark.usefixtures("display")


@pytest.fixture
def told(monkeypatch):
    """What napari shows as notifications."""
    from napari.utils.notifications import notification_manager

    words = []
    notification_manager.notification_ready.connect(lambda one: words.append(str(one)))
    monkeypatch.setattr(notification_manager, "receive_error", lambda *a: words.append(repr(a)))
    return words


def docked(viewer, name):
    _, widget = viewer.window.add_plugin_dock_widget("lerf", name)
    return widget


@pytest.fixture(autouse=True)
def registered(request):
    """The plugin, as it is found when it is installed."""
    if "viewer" not in request.fixturenames:
        return
    from npe2 import PluginManager, PluginManifest

    request.getfixturevalue("viewer")
    manager = PluginManager.instance()
    if "lerf" not in manager:
        manager.register(PluginManifest.from_distribution("lerf"))


def finish(widget, until):
    """Wait until work has ended, and its result is in the list."""
    from qtpy.QtWidgets import QApplication

    until(lambda: not widget.job.is_running)
    for _ in range(3):
        QApplication.processEvents()


def preview_of(widget, until):
    until(lambda: widget.preview.layer is not None and not widget.preview.is_busy)
    return widget.preview.layer


# -- Resize --------------------------------------------------------------------------------


def test_resize(viewer, until, photo, transform):
    source = viewer.add_image(photo, name="photo", rgb=True, **transform(1, 2))
    widget = docked(viewer, "Resize")
    assert widget.layer.value is source
    widget.scale.value = 2.5
    assert (widget.cols.value, widget.rows.value) == (208, 150)
    widget.run()
    assert widget.cancel_button.enabled
    assert not widget.run_button.enabled
    finish(widget, until)
    assert widget.run_button.enabled
    _, result = viewer.layers
    np.testing.assert_array_equal(result.data, lerf_core.resize(photo, (150, 208), channel_axis=-1))
    np.testing.assert_allclose(
        result._extent_augmented.world, source._extent_augmented.world, atol=1e-6
    )
    assert result.metadata["lerf"]["bank"] == "lerf-p"
    assert not source.visible


def test_sizes_follow_each_other(viewer):
    viewer.add_image(np.zeros((50, 100), np.uint8))
    widget = docked(viewer, "Resize")
    widget.cols.value = 300
    assert (widget.rows.value, widget.scale.value) == (150, 3)
    widget.rows.value = 20
    assert (widget.cols.value, widget.scale.value) == (40, 0.4)
    widget.proportions.value = False
    widget.rows.value = 77
    assert widget.cols.value == 40
    widget.slider.value = 1
    assert widget.scale.value == 2
    assert (widget.cols.value, widget.rows.value) == (200, 100)


def test_another_layer_is_resized_by_the_same_scale(viewer):
    viewer.add_image(np.zeros((50, 100), np.uint8))
    other = viewer.add_image(np.zeros((7, 9), np.uint8))
    widget = docked(viewer, "Resize")
    widget.scale.value = 3
    widget.layer.value = other
    assert (widget.cols.value, widget.rows.value) == (27, 21)


def test_live_preview(viewer, until, photo):
    source = viewer.add_image(photo, name="photo", rgb=True, scale=(2, 2))
    widget = docked(viewer, "Resize")
    widget.scale.value = 2
    assert len(viewer.layers) == 1
    widget.preview_box.value = True
    layer = preview_of(widget, until)
    # Above its layer, and not what is chosen or selected.
    assert list(viewer.layers) == [source, layer]
    assert widget.layer.value is source
    assert viewer.layers.selection.active is source
    assert layer not in widget.layer.choices
    whole = lerf_core.resize(photo, (120, 166), channel_axis=-1)
    viewer.scene.camera.zoom = 30
    viewer.scene.camera.center = (0, 60, 80)
    until(lambda: layer.data.shape[0] < 60 and not widget.preview.is_busy)
    top, left = (round(v) for v in (np.array(layer.translate) + 0.5) / 1.0)
    rows, cols = layer.data.shape[:2]
    np.testing.assert_array_equal(layer.data, whole[top : top + rows, left : left + cols])
    widget.scale.value = 3
    until(lambda: layer.scale[0] == pytest.approx(2 / 3) and not widget.preview.is_busy)
    widget.preview_box.value = False
    assert list(viewer.layers) == [source]
    assert source.visible


def test_a_preview_becomes_the_result(viewer, until, photo, transform):
    source = viewer.add_image(photo, name="photo", rgb=True, **transform(1, 2))
    widget = docked(viewer, "Resize")
    widget.scale.value = 2
    viewer.scene.camera.zoom *= 3
    widget.preview_box.value = True
    layer = preview_of(widget, until)
    widget.run()
    finish(widget, until)
    assert list(viewer.layers) == [source, layer]
    assert layer.name == "photo 166x120"
    assert layer.metadata["lerf"]["operation"] == "resize"
    np.testing.assert_array_equal(layer.data, lerf_core.resize(photo, (120, 166), channel_axis=-1))
    np.testing.assert_allclose(
        layer._extent_augmented.world, source._extent_augmented.world, atol=1e-9
    )
    assert not widget.preview_box.value
    assert widget.preview.layer is None
    assert layer in widget.layer.choices
    # And the next one is a layer of its own.
    widget.preview_box.value = True
    assert preview_of(widget, until) is not layer
    widget.preview_box.value = False
    assert list(viewer.layers) == [source, layer]


def test_a_preview_of_another_layer_is_no_result(viewer, until, photo):
    first = viewer.add_image(photo, name="first", rgb=True)
    second = viewer.add_image(photo[::-1].copy(), name="second", rgb=True, translate=(100, 0))
    widget = docked(viewer, "Resize")
    widget.layer.value = first
    widget.run()
    # Meanwhile the user goes on to another layer.
    widget.layer.value = second
    widget.preview_box.value = True
    finish(widget, until)
    until(lambda: "first 166x120" in viewer.layers)
    result = viewer.layers["first 166x120"]
    np.testing.assert_array_equal(result.data, lerf_core.resize(photo, (120, 166), channel_axis=-1))
    np.testing.assert_allclose(
        result._extent_augmented.world, first._extent_augmented.world, atol=1e-9
    )
    assert second.visible


def test_a_result_looks_as_its_source_does_now(viewer, until, photo):
    source = viewer.add_image(photo[..., 0], contrast_limits=(0, 255))
    widget = docked(viewer, "Resize")
    widget.preview_box.value = True
    preview_of(widget, until)
    source.colormap, source.contrast_limits, source.gamma = "magma", (20, 200), 0.5
    widget.run()
    finish(widget, until)
    result = viewer.layers[1]
    assert result.colormap.name == "magma"
    assert list(result.contrast_limits) == [20, 200]
    assert result.gamma == 0.5


def test_of_many_requests_the_last_shows(viewer, until, photo):
    viewer.add_image(photo, rgb=True)
    widget = docked(viewer, "Resize")
    widget.preview_box.value = True
    for scale in np.linspace(0.5, 4, 30):
        widget.scale.value = scale
    layer = preview_of(widget, until)
    assert layer.scale[0] <= 60 / 240 + 1e-9 or layer.scale[0] == pytest.approx(60 / 120)


def test_a_preview_that_is_deleted_is_off(viewer, until, photo):
    source = viewer.add_image(photo, rgb=True)
    widget = docked(viewer, "Resize")
    widget.preview_box.value = True
    viewer.layers.remove(preview_of(widget, until))
    assert not widget.preview_box.value
    assert list(viewer.layers) == [source]


def test_no_preview_in_3d(viewer, until):
    viewer.add_image(np.zeros((5, 20, 30), np.uint8))
    widget = docked(viewer, "Resize")
    viewer.dims.ndisplay = 3
    widget.preview_box.value = True
    assert "2-D" in widget.status.text()
    assert len(viewer.layers) == 1


def test_preview_follows_the_plane(viewer, until):
    stack = np.zeros((4, 20, 30), np.uint8) + np.arange(0, 200, 50, dtype=np.uint8)[:, None, None]
    viewer.add_image(stack, scale=(3, 1, 1), contrast_limits=(0, 255))
    widget = docked(viewer, "Resize")
    viewer.dims.set_current_step(0, 1)
    widget.preview_box.value = True
    layer = preview_of(widget, until)
    assert (layer.data == 50).all()
    assert layer.translate[0] == 3
    viewer.dims.set_current_step(0, 3)
    until(lambda: layer.data[0, 0, 0] == 150)
    assert layer.translate[0] == 9


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.uint16])
def test_labels_keep_their_values(viewer, until, dtype):
    labels = np.random.default_rng(0).integers(0, 9, (20, 30)).astype(dtype)
    viewer.add_labels(labels)
    widget = docked(viewer, "Resize")
    widget.scale.value = 1.7
    widget.run()
    finish(widget, until)
    result = viewer.layers[1]
    assert type(result).__name__ == "Labels"
    assert result.data.dtype == dtype
    assert set(np.unique(result.data)) <= set(np.unique(labels))


def test_microscope_intensities_use_the_contrast_limits(viewer, until):
    stack = np.random.default_rng(0).integers(100, 3000, (2, 3, 16, 20)).astype(np.uint16)
    viewer.add_image(stack, contrast_limits=(100, 3000))
    widget = docked(viewer, "Resize")
    widget.run()
    finish(widget, until)
    np.testing.assert_array_equal(
        viewer.layers[1].data, lerf_core.resize(stack, (32, 40), value_range=(100, 3000))
    )
    widget.layer.value = viewer.layers[0]
    widget.sampling.values.value = "dtype"
    widget.run()
    finish(widget, until)
    np.testing.assert_array_equal(viewer.layers[1].data, lerf_core.resize(stack, (32, 40)))


def test_a_dask_layer_stays_lazy(viewer, until, photo):
    from napari.settings import get_settings

    array = da.from_array(photo, chunks=(20, 20, 3))
    source = viewer.add_image(array, rgb=True, contrast_limits=(0, 255))
    widget = docked(viewer, "Resize")
    widget.scale.value = 30
    widget.run()
    finish(widget, until)
    result = viewer.layers[1]
    assert result.multiscale
    assert [level.shape for level in result.data] == [
        (1800, 2490, 3),
        (900, 1245, 3),
        (450, 623, 3),
    ]
    assert all(isinstance(level, da.Array) for level in result.data)
    assert get_settings().experimental.async_
    until(lambda: result.loaded)
    np.testing.assert_array_equal(
        result.data[2].compute(), lerf_core.resize(photo, (450, 623), channel_axis=-1)
    )
    np.testing.assert_allclose(
        result._extent_augmented.world, source._extent_augmented.world, atol=1e-9
    )


def test_a_multiscale_layer_in_memory(viewer, until, photo):
    levels = [photo, photo[::2, ::2]]
    viewer.add_image(levels, rgb=True, multiscale=True)
    widget = docked(viewer, "Resize")
    widget.run()
    finish(widget, until)
    result = viewer.layers[1]
    assert not result.multiscale
    np.testing.assert_array_equal(result.data, lerf_core.resize(photo, (120, 166), channel_axis=-1))
    widget.layer.value = viewer.layers[0]
    widget.result.value = "lazy"
    widget.run()
    finish(widget, until)
    assert isinstance(viewer.layers[1].data[0], da.Array)


def test_a_large_result_is_a_pyramid(viewer, until, monkeypatch, photo):
    from lerf_core.tiled import pyramid
    from lerf_plugins.napari.widgets import layer_widget as _layer_widget

    monkeypatch.setattr(_layer_widget, "MOST_PIXELS", 10_000)
    monkeypatch.setattr(pyramid, "SMALLEST", 50)
    viewer.add_image(photo, rgb=True)
    widget = docked(viewer, "Resize")
    widget.run()
    finish(widget, until)
    result = viewer.layers[1]
    assert [level.shape for level in result.data] == [(120, 166, 3), (60, 83, 3), (30, 42, 3)]
    np.testing.assert_array_equal(
        result.data[0], lerf_core.resize(photo, (120, 166), channel_axis=-1)
    )
    mean = np.asarray(result.data[0][:2, :2], float).mean(axis=(0, 1))
    assert np.abs(result.data[1][0, 0] - mean).max() <= 0.5
    widget.layer.value = viewer.layers[0]
    widget.result.value = "one array"
    widget.run()
    finish(widget, until)
    assert not viewer.layers[1].multiscale


def test_cancel(viewer, until, monkeypatch):
    from lerf_plugins.napari.compute import computing as _computing

    monkeypatch.setattr(_computing, "TILE", 16)
    viewer.add_image(np.zeros((500, 500), np.uint8), contrast_limits=(0, 255))
    widget = docked(viewer, "Resize")
    widget.run()
    until(lambda: widget.bar.value > 3)
    widget.cancel()
    finish(widget, until)
    assert len(viewer.layers) == 1
    assert widget.status.text() == "Cancelled"
    assert widget.run_button.enabled
    assert not widget.cancel_button.enabled
    # And again.
    widget.scale.value = 0.1
    widget.run()
    finish(widget, until)
    assert viewer.layers[1].data.shape == (50, 50)


def test_errors_are_words(viewer, until, told):
    viewer.add_image(np.zeros((500, 500), np.uint8), contrast_limits=(0, 255))
    widget = docked(viewer, "Resize")
    widget.proportions.value = False
    widget.result.value = "one array"
    widget.cols.value = widget.rows.value = 2**22
    widget.run()
    finish(widget, until)
    assert any("GiB of memory" in one for one in told)
    assert "GiB of memory" in widget.status.text()
    assert len(viewer.layers) == 1


def test_without_a_layer(viewer, told):
    widget = docked(viewer, "Resize")
    widget.run()
    assert any("no layer is chosen" in one for one in told)
    layer = viewer.add_image(np.zeros((5, 6), np.uint8))
    assert widget.layer.value is layer
    viewer.layers.clear()
    assert widget.layer.value is None


def test_a_layer_that_goes_while_work_runs(viewer, until, photo):
    viewer.add_image(photo, rgb=True)
    widget = docked(viewer, "Resize")
    widget.run()
    viewer.layers.clear()
    finish(widget, until)
    assert len(viewer.layers) == 1


def test_a_closed_widget_leaves_nothing(viewer, until, photo):
    source = viewer.add_image(photo, rgb=True)
    dock, widget = viewer.window.add_plugin_dock_widget("lerf", "Warp")
    widget.way.value = "numbers"
    widget.preview_box.value = True
    preview_of(widget, until)
    assert not source.visible
    deleted = []
    widget.destroyed.connect(lambda *_: deleted.append(True))
    dock.destroyOnClose()
    until(lambda: deleted)
    assert list(viewer.layers) == [source]
    assert source.visible
    viewer.scene.camera.zoom *= 2
    source.name = "other"


# -- Warp ----------------------------------------------------------------------------------


def test_corners_are_pulled(viewer, until, photo, transform):
    source = viewer.add_image(photo, rgb=True, name="photo", **transform(2, 2))
    widget = docked(viewer, "Warp")
    widget.add_corners.changed.emit(True)
    shapes = widget.shapes.value
    assert shapes.name == "Corners of photo"
    np.testing.assert_allclose(
        shapes.data_to_world(shapes.data[0][2]), source.data_to_world((59.5, 82.5)), atol=1e-9
    )
    # Nothing moved yet: nothing changes.
    widget.run()
    finish(widget, until)
    np.testing.assert_array_equal(viewer.layers[1].data, photo)
    widget.layer.value = source
    quad = np.array([(5.0, 3), (-4, 90), (70, 80), (55, 10)])
    shapes.data = [quad]
    widget.run()
    finish(widget, until)
    result = viewer.layers["photo warped [1]"]
    edges = [(-0.5, -0.5), (82.5, -0.5), (82.5, 59.5), (-0.5, 59.5)]
    forward = homography_from_points(edges, quad[:, ::-1])
    low = quad.min(axis=0)
    np.testing.assert_allclose(
        result.data_to_world((-0.5, -0.5)), source.data_to_world(low), atol=1e-9
    )
    move = np.array([[1, 0, -0.5 - low[1]], [0, 1, -0.5 - low[0]], [0, 0, 1]])
    expected = lerf_core.warp(
        photo, np.linalg.inv(move @ forward), output_shape=result.data.shape[:2], channel_axis=-1
    )
    assert np.abs(result.data.astype(int) - expected).max() <= 1


def test_the_preview_follows_dragged_corners(viewer, until, photo):
    source = viewer.add_image(photo, rgb=True)
    widget = docked(viewer, "Warp")
    widget.add_corners.changed.emit(True)
    widget.preview_box.value = True
    layer = preview_of(widget, until)
    assert not source.visible
    before = layer.data.copy()
    shapes = widget.shapes.value
    # As a drag does: in place, without a word of new data.
    corners = shapes.data[0].copy()
    corners[0] += (12, 9)
    shapes._data_view.edit(0, corners)
    shapes.refresh()
    until(lambda: not np.array_equal(layer.data, before) and not widget.preview.is_busy)
    widget.preview_box.value = False
    assert source.visible


def test_straighten(viewer, until):
    from lerf_plugins.napari.sample_data import page

    for data, state, kind in page():
        viewer._add_layer_from_data(data, state, kind)
    widget = docked(viewer, "Warp")
    assert widget.layer.value.name == "page"
    widget.way.value = "corners: straighten"
    widget.run()
    finish(widget, until)
    result = viewer.layers["page warped"].data
    # The page is white at its border, and the table is not.
    assert (result[3:-3, 3:-3][:12, :, 0] > 200).all()
    assert (result[-12:-3, 3:-3, 0] > 200).all()
    assert (result[3:-3, 3:12, 0] > 200).all()


def test_numbers_and_files(viewer, until, photo, tmp_path):
    viewer.add_image(photo, rgb=True, name="photo")
    widget = docked(viewer, "Warp")
    widget.fit.value = "the layer's outline"
    matrix = np.array([[1.0, 0.1, 5], [0, 1, 2], [0, 0, 1]])
    expected = lerf_core.warp(photo, np.linalg.inv(matrix), channel_axis=-1)
    widget.way.value = "numbers"
    widget.numbers.value = "1 .1 5  0 1 2"
    widget.run()
    finish(widget, until)
    np.testing.assert_array_equal(viewer.layers[1].data, expected)
    widget.layer.value = viewer.layers[0]
    (tmp_path / "m.json").write_text(json.dumps({"matrix": matrix.tolist()}))
    np.save(tmp_path / "inverse.npy", np.linalg.inv(matrix))
    widget.way.value = "matrix file"
    for name, inverse in (("m.json", False), ("inverse.npy", True)):
        widget.file.value = tmp_path / name
        widget.inverse.value = inverse
        widget.layer.value = viewer.layers["photo"]
        widget.run()
        finish(widget, until)
        assert np.abs(viewer.layers[1].data.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("model", ["affine", "homography"])
def test_registration(viewer, until, photo, transform, model):
    truth = np.array([[0.9, 0.15, 4], [-0.1, 1.05, 6], [0, 0, 1]])
    fixed_pixels = lerf_core.warp(photo, truth, output_shape=(70, 80), channel_axis=-1)
    moving = viewer.add_image(photo, rgb=True, name="moving", **transform(1, 2))
    fixed = viewer.add_image(fixed_pixels, rgb=True, name="fixed", **transform(2, 2))
    on_fixed = np.array([(10.0, 10), (15, 60), (50, 20), (45, 65), (30, 33)])
    x, y, _ = truth @ np.stack([on_fixed[:, 1], on_fixed[:, 0], np.ones(5)])
    units = {"units": ("um", "um")}
    # In the world: points layers without a transform of their own.
    moving_points = viewer.add_points(
        [moving.data_to_world(p) for p in np.stack([y, x], axis=1)], name="a", **units
    )
    fixed_points = viewer.add_points([fixed.data_to_world(p) for p in on_fixed], name="b", **units)
    widget = docked(viewer, "Warp")
    widget.layer.value = moving
    widget.way.value = "point pairs"
    widget.fixed.value = fixed
    widget.moving_points.value, widget.fixed_points.value = moving_points, fixed_points
    widget.model.value = model
    assert "(RMS)" in widget.status.text()
    widget.run()
    finish(widget, until)
    result = viewer.layers["moving on fixed"]
    assert np.abs(result.data.astype(int) - fixed_pixels).max() <= 1
    for corner in ((0, 0), (69, 79)):
        np.testing.assert_allclose(
            result.data_to_world(corner), fixed.data_to_world(corner), atol=1e-9
        )


def test_what_is_missing_is_said(viewer, photo, told):
    viewer.add_image(photo, rgb=True)
    widget = docked(viewer, "Warp")
    assert "Add corners" in widget.status.text()
    widget.way.value = "point pairs"
    assert "another layer" in widget.status.text()
    widget.way.value = "matrix file"
    assert "choose a matrix file" in widget.status.text()
    widget.way.value = "numbers"
    widget.numbers.value = "1 2"
    assert "got 2" in widget.status.text()
    widget.run()
    assert any("got 2" in one for one in told)


def test_only_what_is_needed_shows(viewer, photo):
    viewer.add_image(photo, rgb=True)
    widget = docked(viewer, "Warp")
    assert widget.shapes.native.isVisibleTo(widget)
    assert not widget.numbers.native.isVisibleTo(widget)
    widget.way.value = "point pairs"
    assert not widget.shapes.native.isVisibleTo(widget)
    assert widget.fixed_points.native.isVisibleTo(widget)


def test_transparent_borders(viewer, until, photo, told):
    source = viewer.add_image(photo, rgb=True)
    widget = docked(viewer, "Warp")
    widget.way.value = "numbers"
    widget.numbers.value = "0.7 0.7 0 -0.7 0.7 0"
    widget.sampling.border.value = "transparent"
    widget.run()
    finish(widget, until)
    result = viewer.layers[1]
    assert result.data.shape[-1] == 4
    assert result.data[0, 0, 3] == 0
    assert result.data[60, 50, 3] == 255
    grey = viewer.add_image(photo[..., 0], contrast_limits=(0, 255))
    widget.layer.value = grey
    widget.run()
    assert any("transparent border needs colours" in one for one in told)
    floats = viewer.add_image(photo[..., 0].astype(np.float32), contrast_limits=(0, 255))
    widget.layer.value = floats
    widget.run()
    finish(widget, until)
    made = viewer.layers[viewer.layers.index(floats) + 1].data
    assert np.isnan(made[0, 0])
    assert np.isfinite(made[60, 50])
    assert source in viewer.layers


# -- Bake, Inspect ---------------------------------------------------------------------------


def test_bake(viewer, until, photo, transform):
    source = viewer.add_image(photo, rgb=True, **transform(3, 2))
    widget = docked(viewer, "Bake transform")
    widget.run()
    finish(widget, until)
    result = viewer.layers[1]
    np.testing.assert_allclose(
        result._extent_augmented.world, source._extent_augmented.world, atol=1e-9
    )
    assert not np.any(result.shear)
    np.testing.assert_array_equal(result.rotate, np.eye(2))
    widget.layer.value = source
    widget.keep.value = False
    widget.pixel.value = 2
    widget.run()
    finish(widget, until)
    np.testing.assert_allclose(viewer.layers[1].scale, 2, rtol=0.05)


def test_a_lazy_layer_is_baked_lazily(viewer, until, transform):
    array = da.random.default_rng(0).integers(0, 255, (3, 300, 400), dtype=np.uint8, chunks=100)
    source = viewer.add_image(array, contrast_limits=(0, 255), **transform(3, 3))
    widget = docked(viewer, "Bake transform")
    widget.run()
    finish(widget, until)
    result = viewer.layers[1]
    assert isinstance(result.data[0], da.Array)
    np.testing.assert_allclose(
        result._extent_augmented.world, source._extent_augmented.world, atol=1e-9
    )


def test_inspect(viewer, until, photo, transform):
    source = viewer.add_image(photo[..., 0], contrast_limits=(0, 255), name="p", **transform(1, 2))
    widget = docked(viewer, "Inspect")
    widget.region.value = "whole layer"
    widget.slopes.value = True
    widget.run()
    finish(widget, until)
    maps = lerf_core.parameter_maps(photo[..., 0])
    names = [layer.name for layer in viewer.layers]
    assert "sigma_row of p (1/pixel)" in names
    np.testing.assert_array_equal(viewer.layers["rho of p"].data, maps.coefficient("rho"))
    np.testing.assert_array_equal(
        viewer.layers["rho of p"]._extent_augmented.world, source._extent_augmented.world
    )
    ellipses = viewer.layers["ellipses of p"].data
    assert ellipses.shape == (photo[..., 0].size * 16, 2, 2)
    np.testing.assert_allclose(
        viewer.layers["ellipses of p"].data_to_world((3, 4)), source.data_to_world((3, 4))
    )
    assert len(viewer.layers["slopes of p"].data) > 1000


def test_inspect_what_is_visible(viewer, until, photo):
    viewer.add_image(np.stack([photo[..., 0], photo[..., 1]]), contrast_limits=(0, 255), name="p")
    widget = docked(viewer, "Inspect")
    viewer.dims.set_current_step(0, 1)
    viewer.scene.camera.zoom = 40
    viewer.scene.camera.center = (0, 30, 40)
    widget.most.value = 20
    widget.run()
    finish(widget, until)
    part = viewer.layers["feature of p (level)"]
    assert part.data.shape[0] == 1
    assert part.data.shape[1] < 60
    top, left = (round(place) for place in part.translate[1:])
    rows, cols = part.data.shape[1:]
    whole = lerf_core.parameter_maps(photo[..., 1]).feature
    np.testing.assert_array_equal(part.data[0], whole[top : top + rows, left : left + cols])
    assert part.translate[0] == 1
    assert len(viewer.layers["ellipses of p"].data) <= 20 * 16


def test_inspect_refuses(viewer, told):
    viewer.add_image(np.zeros((9, 9), bool))
    widget = docked(viewer, "Inspect")
    widget.run()
    assert any("labels, which have no parameters" in one for one in told)


# -- the plugin as a whole --------------------------------------------------------------------


def test_samples_open(viewer):
    for name in ("chart", "cells", "page", "pyramid"):
        viewer.layers.clear()
        viewer.open_sample("lerf", name)
        assert viewer.layers


def test_the_example_of_the_docs(viewer, until, monkeypatch):
    import napari

    page = (Path(__file__).resolve().parents[3] / "docs" / "napari.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    monkeypatch.setattr(napari, "Viewer", lambda: viewer)
    monkeypatch.setattr(napari, "run", lambda: None)
    names = {}
    exec(compile(code, "docs/napari.md", "exec"), names)
    finish(names["widget"], until)
    assert viewer.layers[1].data.shape == (768, 1152, 3)


def test_keyboard(viewer, photo):
    """Every row has a letter, and no letter is two rows'."""
    from qtpy.QtWidgets import QAbstractButton, QLabel

    viewer.add_image(photo, rgb=True)
    for name in ("Resize", "Warp", "Bake transform", "Inspect"):
        widget = docked(viewer, name)
        ways = getattr(widget, "way", None)
        for way in ways.choices if ways is not None else [None]:
            if way is not None:
                ways.value = way
            texts = [
                one.text()
                for kind in (QLabel, QAbstractButton)
                for one in widget.findChildren(kind)
                if one.isVisibleTo(widget) and "&" in one.text()
            ]
            letters = [text[text.index("&") + 1].lower() for text in texts]
            assert len(letters) == len(set(letters)), (name, way, sorted(texts))
            assert len(letters) >= 8
        for label in widget.findChildren(QLabel):
            assert "&" not in label.text() or label.buddy() is not None
            assert "&" not in label.text() or label.toolTip()
