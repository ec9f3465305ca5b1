"""The live preview, in a real viewer."""

import numpy as np
import pytest
from support.layers import docked, finish, in_a_window, preview_of, random_transform

import lerf_core
from lerf_plugins.napari import host

pytestmark = [pytest.mark.usefixtures("display"), pytest.mark.slow]


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
    host.camera(viewer).zoom = 30
    host.camera(viewer).center = (0, 60, 80)
    until(lambda: layer.data.shape[0] < 60 and not widget.preview.is_busy)
    top, left = (round(v) for v in (np.array(layer.translate) + 0.5) / 1.0)
    rows, cols = layer.data.shape[:2]
    np.testing.assert_array_equal(layer.data, whole[top : top + rows, left : left + cols])
    widget.scale.value = 3
    until(lambda: layer.scale[0] == pytest.approx(2 / 3) and not widget.preview.is_busy)
    widget.preview_box.value = False
    assert list(viewer.layers) == [source]
    assert source.visible


@in_a_window
def test_a_preview_becomes_the_result(viewer, until, photo):
    source = viewer.add_image(photo, name="photo", rgb=True, **random_transform(1, 2))
    widget = docked(viewer, "Resize")
    widget.scale.value = 2
    host.camera(viewer).zoom *= 3
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


def test_the_last_good_preview_stays(viewer, until, photo):
    source = viewer.add_image(photo, rgb=True)
    widget = docked(viewer, "Warp")
    widget.way.value = "numbers"
    widget.preview_box.value = True
    layer = preview_of(widget, until)
    widget.numbers.value = "1 0 0, 0 1 0, 0 -0.05 1"
    assert widget.preview.state == "failed"
    assert widget.preview_box.value
    assert list(viewer.layers) == [source, layer]
    assert "preview" not in widget.status.text().lower()
    widget.numbers.value = "1 0 0, 0 2 0, 0 0 1"
    until(lambda: widget.preview.state == "shown")
    assert widget.preview.layer is layer
    assert list(viewer.layers) == [source, layer]


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


@in_a_window
def test_a_visit_to_3d(viewer, until, photo):
    stack = viewer.add_image(np.stack([photo[..., 0]] * 3), name="stack")
    widget = docked(viewer, "Warp")
    widget.way.value = "numbers"
    widget.preview_box.value = True
    preview_of(widget, until)
    assert not stack.visible
    viewer.dims.ndisplay = 3
    assert list(viewer.layers) == [stack]
    assert stack.visible
    assert widget.preview.state == "failed"
    assert "2-D" in widget.status.text()
    assert widget.preview_box.value
    viewer.dims.ndisplay = 2
    layer = preview_of(widget, until)
    assert "as in the result" in widget.status.text()
    viewer.layers.remove(layer)
    viewer.window.resize(700, 500)
    for _ in range(5):
        viewer.screenshot(flash=False)
    assert list(viewer.layers) == [stack]


def test_other_axes(viewer, until):
    stack = viewer.add_image(np.zeros((5, 20, 30), np.uint8))
    widget = docked(viewer, "Resize")
    widget.preview_box.value = True
    preview_of(widget, until)
    viewer.dims.order = (1, 0, 2)
    assert list(viewer.layers) == [stack]
    assert "2-D" in widget.status.text()
    viewer.dims.order = (0, 1, 2)
    preview_of(widget, until)


def test_a_preview_follows_its_source(viewer, until, photo):
    source = viewer.add_image(photo[..., 0], contrast_limits=(0, 255))
    widget = docked(viewer, "Resize")
    widget.preview_box.value = True
    layer = preview_of(widget, until)
    source.colormap, source.contrast_limits = "magma", (20, 200)
    until(lambda: widget.preview.state == "shown" and layer.colormap.name == "magma")
    assert list(layer.contrast_limits) == [20, 200]
    source.data = 255 - source.data
    until(lambda: layer.data[0, 0] > 100 and widget.preview.state == "shown")
    assert widget.preview.layer is layer


def test_a_view_beside_the_result(viewer, until, photo):
    viewer.add_image(photo, rgb=True)
    widget = docked(viewer, "Resize")
    widget.preview_box.value = True
    layer = preview_of(widget, until)
    centre = host.camera(viewer).center
    host.camera(viewer).center = (0, 1e4, 1e4)
    until(lambda: widget.preview.state == "shown" and not layer.visible)
    assert "nothing" in widget.status.text()
    host.camera(viewer).center = centre
    until(lambda: layer.visible and widget.preview.state == "shown")


@pytest.mark.parametrize("with_preview", [False, True])
def test_the_result_is_selected(viewer, until, photo, with_preview):
    source = viewer.add_image(photo, name="photo", rgb=True)
    widget = docked(viewer, "Resize")
    if with_preview:
        widget.preview_box.value = True
        preview_of(widget, until)
    widget.run()
    finish(widget, until)
    until(lambda: len(viewer.layers) == 2)
    result = viewer.layers[1]
    assert viewer.layers.selection.active is result
    assert set(viewer.layers.selection) == {result}
    assert not source.visible
    assert widget.layer.value is source


def test_a_source_shows_again_when_its_results_are_deleted(viewer, until, photo):
    source = viewer.add_image(photo, name="photo", rgb=True)
    widget = docked(viewer, "Resize")
    for _ in range(2):
        widget.run()
        finish(widget, until)
    until(lambda: len(viewer.layers) == 3)
    viewer.window.remove_dock_widget("all")
    del viewer.layers[2]
    finish(widget, until)
    assert not source.visible
    del viewer.layers[1]
    until(lambda: source.visible)


def test_a_source_that_is_deleted_during_a_run(viewer, until, photo, told):
    viewer.add_image(np.tile(photo, (20, 20, 1)), name="photo", rgb=True)
    widget = docked(viewer, "Resize")
    widget.preview_box.value = True
    preview_of(widget, until)
    widget.run()
    viewer.layers.clear()
    finish(widget, until)
    until(lambda: len(viewer.layers) == 1)
    assert viewer.layers[0].name == "photo 3320x2400"
    assert viewer.layers.selection.active is viewer.layers[0]
    assert "source is gone" in widget.status.text()
    assert not told


def test_without_a_layer_nothing_can_be_run(viewer, photo):
    for name in ("Resize", "Warp", "Bake transform", "Inspect"):
        widget = docked(viewer, name)
        assert not widget.run_button.enabled
        assert "open" in widget.status.text().lower()
        viewer.add_image(photo, rgb=True)
        assert widget.run_button.enabled
        viewer.layers.clear()
        assert not widget.run_button.enabled
        viewer.window.remove_dock_widget("all")


def test_a_view_that_moves_asks_for_no_other_operation(viewer, until, photo, monkeypatch):
    viewer.add_image(photo, rgb=True)
    widget = docked(viewer, "Resize")
    widget.preview_box.value = True
    layer = preview_of(widget, until)
    made = []
    make = widget.operation
    monkeypatch.setattr(widget, "operation", lambda image: made.append(image) or make(image))
    before = layer.data.shape
    host.camera(viewer).zoom *= 8
    until(lambda: layer.data.shape != before and widget.preview.state == "shown")
    assert not made
    widget.scale.value = 3
    assert made
