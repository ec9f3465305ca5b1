"""Which range of values is taken, and which one is offered, in a real viewer."""

import dask.array as da
import numpy as np
import pytest
from support.combinations import some_first
from support.layers import docked, finish, in_a_window, preview_of

import lerf_core
from lerf_plugins.napari import host

pytestmark = [pytest.mark.usefixtures("display"), pytest.mark.slow]


def offered(widget, until):
    """Return the range that is offered, once the layer's values are known."""
    controls = getattr(widget, "sampling", widget).value_controls
    until(lambda: controls._span is not None)
    assert controls.use.native.isVisibleTo(widget) == (controls.offer is not None)
    return None if controls.offer is None else (controls.offer.low, controls.offer.high)


def click(button):
    """Press a button as with the mouse."""
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    QTest.mouseClick(button.native, Qt.MouseButton.LeftButton)


def kinds(photo):
    """Return layers whose usual range is not their own: data, state, the range of their own."""
    twelve = photo.astype(np.uint16) * 16 + 15
    twelve[0, 0] = 0
    floats = photo.astype(np.float32)
    floats[0, 0], floats[0, 1] = 0, 255
    missing = floats.copy()
    missing[3:6, 4:9] = np.nan
    missing[8, 9] = np.inf
    opaque = np.dstack([twelve, np.full((60, 83), 65535, np.uint16)])
    return {
        "float colours": (floats, {}, (0, 255)),
        "12-bit colours": (twelve, {}, (0, 4095)),
        "8 bits in 16": (photo.astype(np.uint16), {"rgb": True}, (0, 255)),
        "8 bits in 32": (photo.astype(np.int32), {"rgb": True}, (0, 255)),
        "12 bits, opaque": (opaque, {"rgb": True}, (0, 4095)),
        "missing": (missing, {}, (0, 255)),
        "grey, all of 16": (twelve[..., 0], {"contrast_limits": (0, 65535)}, (0, 4095)),
        "grey, too narrow": (twelve[..., 0], {"contrast_limits": (1000, 1100)}, (0, 4095)),
        "grey floats": (floats[..., 0], {"contrast_limits": (0, 1)}, (0, 255)),
        "lazy": (
            da.from_array(twelve, chunks=(20, 20, 3)),
            {"rgb": True, "contrast_limits": (0, 65535)},
            (0, 4095),
        ),
    }


@pytest.mark.parametrize(
    "kind",
    some_first(
        ["float colours", "8 bits in 16", "12 bits, opaque", "missing", "grey, too narrow", "lazy"],
        ["12-bit colours", "8 bits in 32", "grey, all of 16", "grey floats"],
    ),
)  # fmt: skip
def test_a_range_is_offered(viewer, until, photo, kind):
    """A click takes it: in the preview, in the result, and in the record."""
    data, state, expected = kinds(photo)[kind]
    viewer.add_image(data, name="p", **state)
    widget = docked(viewer, "Resize")
    assert offered(widget, until) == expected
    controls = widget.sampling.value_controls
    assert "detail is lost" in controls._words.text()
    assert controls.use.text.replace("&", "") == f"Use 0 to {expected[1]}"
    widget.preview_box.value = True
    preview_of(widget, until)
    click(controls.use)
    assert widget.sampling.values.value == f"0 to {expected[1]}"
    assert offered(widget, until) is None
    widget.result.value = "one array"
    widget.run()
    finish(widget, until)
    (result,) = [layer for layer in viewer.layers if "lerf" in layer.metadata]
    assert result.metadata["lerf"]["value_range"] == expected
    array = np.asarray(data)
    channel_axis = -1 if array.ndim == 3 else None
    wanted = lerf_core.resize(array, (120, 166), channel_axis=channel_axis, value_range=expected)
    np.testing.assert_array_equal(result.data, wanted)


@pytest.mark.parametrize("widget_name", ["Resize", "Warp", "Bake transform", "Inspect"])
def test_nothing_is_offered(viewer, until, photo, widget_name):
    """Of what fills its range, of nothing, and of labels."""
    viewer.add_image(photo, name="p")
    widget = docked(viewer, widget_name)
    assert offered(widget, until) is None
    for add, data in (
        (viewer.add_image, np.zeros((20, 30), np.uint16)),
        (viewer.add_labels, np.eye(20, dtype=int) * 3000),
        (viewer.add_image, np.full((20, 30), np.nan, np.float32)),
    ):
        layer = add(data)
        if layer in widget.layer.choices:
            widget.layer.value = layer
        controls = getattr(widget, "sampling", widget).value_controls
        until(lambda: controls._worker is None)  # noqa: B023
        assert controls.offer is None


def test_the_preview_has_the_range(viewer, until, photo):
    data = photo.astype(np.uint16) * 16
    viewer.add_image(data, name="p", rgb=True)
    widget = docked(viewer, "Resize")
    host.camera(viewer).zoom = 6
    host.camera(viewer).center = (0, 30, 40)
    widget.preview_box.value = True
    before = preview_of(widget, until).data.copy()
    assert offered(widget, until) == (0, 4095)
    click(widget.sampling.value_controls.use)
    after = preview_of(widget, until)
    assert not np.array_equal(after.data, before)
    top, left = (round(2 * (place + 0.25)) for place in after.translate[-2:])
    whole = lerf_core.resize(data, (120, 166), channel_axis=-1, value_range=(0, 4095))
    rows, cols = after.data.shape[:2]
    np.testing.assert_array_equal(after.data, whole[top : top + rows, left : left + cols])


def test_another_layer_and_other_data(viewer, until, photo):
    """The line speaks of the layer that is chosen, as it is now."""
    deep = viewer.add_image(photo.astype(np.uint16) * 16, rgb=True, name="deep")
    plain = viewer.add_image(photo, name="plain")
    widget = docked(viewer, "Resize")
    controls = widget.sampling.value_controls
    assert widget.layer.value is plain
    assert offered(widget, until) is None
    widget.layer.value = deep
    assert controls.offer is None  # until it is looked at
    assert offered(widget, until) == (0, 4095)
    click(controls.use)
    # What is chosen stays, and the line says where it does not go with the layer.
    widget.layer.value = plain
    assert offered(widget, until) == (0, 255)
    widget.layer.value = deep
    assert offered(widget, until) is None
    deep.data = photo.astype(np.uint16) * 4
    assert offered(widget, until) == (0, 1023)
    viewer.layers.remove(deep)
    viewer.layers.remove(plain)
    assert controls.offer is None
    assert not controls.use.native.isVisibleTo(widget)


def test_contrast_limits_are_followed(viewer, until, photo):
    layer = viewer.add_image(photo[..., 0].astype(np.uint16) * 16, contrast_limits=(0, 4000))
    widget = docked(viewer, "Resize")
    assert offered(widget, until) is None
    layer.contrast_limits = (100, 200)
    assert offered(widget, until) == (0, 4095)
    layer.contrast_limits = (0, 4095)
    assert offered(widget, until) is None


def test_a_range_in_numbers(viewer, until, photo, told):
    data = photo[..., 0].astype(np.float32) * 10 - 3000
    viewer.add_image(data, name="p", contrast_limits=(0, 1))
    widget = docked(viewer, "Resize")
    controls = widget.sampling.value_controls
    assert not controls.low.native.isVisibleTo(widget)
    low, high = offered(widget, until)
    assert low <= data.min()
    assert high >= data.max()
    click(controls.use)
    assert widget.sampling.values.value == "custom"
    assert controls.low.native.isVisibleTo(widget)
    assert controls.choice == (low, high)
    controls.low.value, controls.high.value = "-2990.5", "-500"
    widget.run()
    finish(widget, until)
    result = viewer.layers[1]
    assert result.metadata["lerf"]["value_range"] == (-2990.5, -500)
    wanted = lerf_core.resize(data, (120, 166), value_range=(-2990.5, -500))
    np.testing.assert_array_equal(result.data, wanted)
    widget.layer.value = viewer.layers["p"]
    for low, high, words in (
        ("5", "", "takes two numbers, got '5' and ''"),
        ("5", "five", "takes two numbers, got '5' and 'five'"),
        ("5", "5", "must rise, got 5 to 5"),
        ("9", "-5", "must rise, got 9 to -5"),
        ("nan", "5", "must rise, got nan to 5"),
        ("0", "inf", "must be finite"),
    ):
        controls.low.value, controls.high.value = low, high
        assert words in widget.status.text()
        widget.run()
        assert words in told[-1]
        assert not widget.job.is_running


def test_alpha_of_another_range(viewer, until, photo):
    """It is said that no range is right for both; there is none to click."""
    alpha = np.linspace(0, 65535, 60 * 83).reshape(60, 83, 1).astype(np.uint16)
    viewer.add_image(np.dstack([photo.astype(np.uint16) * 16, alpha]), rgb=True, name="p")
    widget = docked(viewer, "Resize")
    controls = widget.sampling.value_controls
    until(lambda: controls.offer is not None)
    assert "scale both alike" in controls._words.text()
    assert controls._words.isVisibleTo(widget)
    assert not controls.use.native.isVisibleTo(widget)
    widget.sampling.values.value = "0 to 4095"
    assert "transparency is lost" in controls._words.text()
    click(controls.use)
    assert widget.sampling.values.value == "0 to 65535"


def test_inspect_takes_the_range(viewer, until, photo):
    data = photo.astype(np.float32)
    viewer.add_image(data, name="p")
    widget = docked(viewer, "Inspect")
    assert offered(widget, until) == (0, 255)
    click(widget.value_controls.use)
    widget.region.value = "whole layer"
    widget.run()
    finish(widget, until)
    luma = data.astype(np.float64) @ (0.299, 0.587, 0.114)
    maps = lerf_core.parameter_maps(luma.astype(np.float32), value_range=(0, 255))
    np.testing.assert_array_equal(viewer.layers["rho of p"].data, maps.coefficient("rho"))
    assert viewer.layers["rho of p"].metadata["lerf"]["value_range"] == (0, 255)


@in_a_window
def test_values_are_looked_at_beside_the_window(viewer, until, photo, monkeypatch):
    """The window neither waits for a slow store, nor falls over one that fails."""
    from threading import Event

    from lerf_plugins.napari.widgets import values

    go_on = Event()
    look = values.value_span

    def slow(image):
        assert go_on.wait(20)
        return look(image)

    monkeypatch.setattr(values, "value_span", slow)
    viewer.add_image(photo.astype(np.float32), name="p")
    dock, widget = viewer.window.add_plugin_dock_widget("lerf", "Resize")
    widget.run()
    finish(widget, until)
    assert widget.sampling.value_controls.offer is None
    widget.layer.value = viewer.layers["p"]
    go_on.set()
    assert offered(widget, until) == (0, 255)
    # A widget that is closed meanwhile is not touched.
    go_on.clear()
    viewer.layers["p"].data = photo.astype(np.float32) + 1
    dock.destroyOnClose()
    del dock, widget
    until(lambda: True)
    go_on.set()

    def broken(image):
        raise RuntimeError("the store is gone")

    monkeypatch.setattr(values, "value_span", broken)
    widget = docked(viewer, "Resize")
    controls = widget.sampling.value_controls
    until(lambda: controls._worker is None)
    assert controls.offer is None
