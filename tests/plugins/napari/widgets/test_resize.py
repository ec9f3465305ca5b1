"""The Resize widget and what all widgets do, in a real viewer."""

import dask.array as da
import numpy as np
import pytest
from support.layers import docked, finish, in_a_window, preview_of, random_transform

import lerf_core
from lerf_plugins.napari import host
from lerf_plugins.napari.model.layer_image import LayerImage

pytestmark = [pytest.mark.usefixtures("display"), pytest.mark.slow]


@in_a_window
def test_resize(viewer, until, photo):
    source = viewer.add_image(photo, name="photo", rgb=True, **random_transform(1, 2))
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


def test_kernels(viewer, until, photo):
    viewer.add_image(photo, name="photo", rgb=True)
    widget = docked(viewer, "Resize")
    widget.scale.value = 0.5
    rows, cols = widget.rows.value, widget.cols.value
    for kernel, recorded in (("none", "lerf-s"), ("lanczos3", "lanczos3"), ("lerf-s", "lerf-s")):
        widget.layer.value = viewer.layers["photo"]
        widget.sampling.kernel.value = kernel
        widget.run()
        finish(widget, until)
        result = viewer.layers[-1]  # above its source, and above earlier results
        expected = lerf_core.resize(photo, (rows, cols), channel_axis=-1, kernel=recorded)
        np.testing.assert_array_equal(result.data, expected)
        assert result.metadata["lerf"]["kernel"] == recorded
        assert "bank" not in result.metadata["lerf"]


def test_results_and_previews_lie_above_earlier_results(viewer, until, photo):
    """Below one of the same outline nobody would see them."""
    source = viewer.add_image(photo, name="photo", rgb=True)
    mark = viewer.add_points([[1, 1]])
    widget = docked(viewer, "Resize")
    results = []
    for scale, on in ((2, False), (3, False), (4, True)):
        widget.scale.value, widget.preview_box.value = scale, on
        if on:
            shown = preview_of(widget, until)
            assert list(viewer.layers) == [source, *results, shown, mark]
        widget.run()
        finish(widget, until)
        results.append(viewer.layers.selection.active)
        assert list(viewer.layers) == [source, *results, mark]
    # What is made of a result lies above all of them, too.
    widget.layer.value = results[0]
    widget.run()
    finish(widget, until)
    assert viewer.layers.index(viewer.layers.selection.active) == 2


def test_sides_that_napari_cannot_show_are_refused(viewer, told, photo):
    viewer.add_image(photo, rgb=True)
    widget = docked(viewer, "Resize")
    widget.proportions.value = False
    widget.rows.value, widget.cols.value = 60, 2**31 - 1
    assert "100 million along a side" in widget.status.text()
    widget.run()
    assert "100 million along a side" in told[-1]
    assert len(viewer.layers) == 1


@in_a_window
def test_rows_are_not_squeezed(viewer, until, photo):
    """Rows that show later find their place; words of several lines are not cut off."""
    viewer.add_image(photo.astype(np.uint16) * 16, name="twelve", rgb=True)
    viewer.window._qt_window.resize(1300, 850)
    viewer.window._qt_window.show()
    widget = docked(viewer, "Resize")
    words = widget.sampling.value_controls._words
    until(words.isVisible)
    widget.bar.native.setVisible(True)
    widget.sampling.values.value = "custom"
    until(lambda: words.height() >= words.heightForWidth(words.width()))
    until(lambda: widget.rows.native.height() >= widget.rows.native.sizeHint().height())


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


def test_what_is_fitted_lies_where_it_was(viewer, until, photo):
    """A crop lies within its source; its preview is what Run gives."""
    source = viewer.add_image(photo, name="photo", rgb=True, **random_transform(2, 2))
    widget = docked(viewer, "Resize")
    widget.fitting.way.value = "cover"
    assert widget.scale.native.isHidden()
    widget.cols.value, widget.rows.value = 40, 90
    widget.fitting.gravity.value = "east"
    widget.preview_box.value = True
    viewer.reset_view()
    # All of it, however small docks leave the canvas.
    host.camera(viewer).zoom /= 1.3
    shown = preview_of(widget, until)
    until(lambda: "40 x 90" in widget.status.text())
    fitted = lerf_core.fit(photo.shape[:2], (90, 40), "cover", gravity="east")
    expected = lerf_core.resize(photo, *fitted, channel_axis=-1)
    until(lambda: shown.data.shape == expected.shape)
    np.testing.assert_array_equal(shown.data, expected)
    widget.run()
    finish(widget, until)
    result = viewer.layers.selection.active
    np.testing.assert_array_equal(result.data, expected)
    assert result.metadata["lerf"]["crop"] == tuple(fitted.crop)
    inner, outer = result._extent_augmented.data, source._extent_augmented.data
    corner = result.data_to_world(inner[1]), source.data_to_world(outer[1])
    np.testing.assert_allclose(*corner, atol=1e-6)
    widget.layer.value = source
    widget.fitting.way.value = "shortest side"
    widget.fitting.side.value = 30
    assert widget.operation(LayerImage.of(source)).out_shape == (30, 42)
    assert "no effect" not in widget.fitting.side.tooltip
    widget.fitting.way.value = "fill"
    assert (widget.cols.value, widget.rows.value) == (166, 120)


def test_another_layer_is_resized_by_the_same_scale(viewer):
    viewer.add_image(np.zeros((50, 100), np.uint8))
    other = viewer.add_image(np.zeros((7, 9), np.uint8))
    widget = docked(viewer, "Resize")
    widget.scale.value = 3
    widget.layer.value = other
    assert (widget.cols.value, widget.rows.value) == (27, 21)


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.uint16])
def test_labels_keep_their_values(viewer, until, dtype):
    labels = np.random.default_rng(0).integers(0, 9, (20, 30)).astype(dtype)
    viewer.add_labels(labels, features={"index": [1], "area": [7]})
    widget = docked(viewer, "Resize")
    widget.scale.value = 1.7
    widget.run()
    finish(widget, until)
    result = viewer.layers[1]
    assert type(result).__name__ == "Labels"
    assert result.data.dtype == dtype
    assert set(np.unique(result.data)) <= set(np.unique(labels))
    assert list(result.features.columns) == ["index"]
    assert "dropped, since they speak of sizes or places: area" in widget.status.text()


def test_microscope_intensities_use_the_contrast_limits(viewer, until):
    stack = np.random.default_rng(0).integers(100, 3000, (2, 3, 16, 20)).astype(np.uint16)
    viewer.add_image(stack, contrast_limits=(100, 3000))
    widget = docked(viewer, "Resize")
    widget.run()
    finish(widget, until)
    np.testing.assert_array_equal(
        viewer.layers[-1].data, lerf_core.resize(stack, (32, 40), value_range=(100, 3000))
    )
    widget.layer.value = viewer.layers[0]
    widget.sampling.values.value = "dtype"
    widget.run()
    finish(widget, until)
    np.testing.assert_array_equal(viewer.layers[-1].data, lerf_core.resize(stack, (32, 40)))


@in_a_window
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
    assert isinstance(viewer.layers[-1].data[0], da.Array)


def test_a_large_result_is_a_pyramid(viewer, until, monkeypatch, photo):
    from lerf_core.io.tiles import pyramid
    from lerf_plugins.napari.widgets import layer_widget as _layer_widget

    monkeypatch.setattr(_layer_widget, "SINGLE_ARRAY_PIXELS", 10_000)
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
    assert not viewer.layers[-1].multiscale


def test_cancel(viewer, until, monkeypatch):
    from lerf_plugins.napari.compute import results

    monkeypatch.setattr(results, "TILE", 16)
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
    assert viewer.layers[-1].data.shape == (50, 50)


def test_errors_are_words(viewer, until, told):
    viewer.add_image(np.zeros((500, 500), np.uint8), contrast_limits=(0, 255))
    widget = docked(viewer, "Resize")
    widget.proportions.value = False
    widget.result.value = "one array"
    widget.cols.value = widget.rows.value = 2**20
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


@in_a_window
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
    host.camera(viewer).zoom *= 2
    source.name = "other"
