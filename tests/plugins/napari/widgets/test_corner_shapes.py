"""Corners that are dragged by the mouse, over a real window."""

import numpy as np
import pytest
from napari.layers import Shapes
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from support.canvas import drag, on_canvas
from support.combinations import some_first
from support.layers import docked, in_a_window, preview_of, random_transform

from lerf_plugins.napari import host
from lerf_plugins.napari.model.corners import outline

pytestmark = [pytest.mark.usefixtures("display"), pytest.mark.slow]


@pytest.fixture
def window(viewer):
    """The viewer, with room beside the docks."""
    viewer.window.resize(1200, 800)
    QTest.qWait(20)
    return viewer


def warp_of(viewer, source):
    """Return the Warp widget with a layer chosen; the view is what a user has."""
    widget = docked(viewer, "Warp")
    widget.layer.value = source
    QTest.qWait(20)
    viewer.reset_view()
    return widget


def press(button):
    """Click a button with the mouse; wait until the canvas is drawn."""
    QTest.mouseClick(button.native, Qt.MouseButton.LeftButton)
    QTest.qWait(50)


def corner_places(viewer, shapes):
    """Where the corners are drawn, (x, y) of the canvas, (4, 2)."""
    return np.array([on_canvas(viewer, shapes, corner) for corner in shapes.data[0]])


def is_within(viewer, places, border):
    """Whether places lie this part of the canvas from its border, and more."""
    share = places / np.array(host.canvas_size(viewer))[::-1]
    return bool((share >= border).all() and (share <= 1 - border).all())


SHEAR = {"shear": [0.4], "rotate": 20, "scale": (0.3, 0.2)}
LAYERS = {
    "100 x 100": ((100, 100), {}),
    "4000 x 4000": ((4000, 4000), {}),
    "long": ((200, 3000), {}),
    "scaled": ((60, 83), {"scale": (0.1, 0.1)}),
    "rotated": ((60, 83), {"rotate": 35}),
    "mirrored": ((60, 83), {"scale": (-1, 1), "translate": (500, -80)}),
    "sheared": ((60, 83), SHEAR),
    "anisotropic": ((60, 83), {"scale": (5, 0.5)}),
    "stack": ((5, 60, 83), {"scale": (9, 0.2, 0.2)}),
    "5-D": ((2, 3, 4, 60, 83), {}),
    "any": ((60, 83), random_transform(3, 2)),
}


# "any" is turned, sheared and mirrored all at once.
DRAGGED = ("long", "5-D", "any")


@in_a_window
@pytest.mark.parametrize("kind", some_first(DRAGGED, sorted({*LAYERS} - {*DRAGGED})))
def test_each_corner_can_be_dragged(window, kind):
    shape, state = LAYERS[kind]
    source = window.add_image(np.zeros(shape, np.uint8), name="p", **state)
    widget = warp_of(window, source)
    press(widget.add_corners)
    shapes = widget.shapes.value
    assert window.layers.selection.active == shapes
    assert (shapes.mode, set(shapes.selected_data)) == ("direct", {0})
    np.testing.assert_allclose(shapes.data[0], outline(shape[-2:])[:, ::-1])
    places = corner_places(window, shapes)
    assert is_within(window, places, 0.09)
    assert "back" in widget.add_corners.text.replace("&", "")
    picture = window.screenshot(canvas_only=True, flash=False)
    middle = np.array(window.canvas.size)[::-1] / 2
    for number in range(4):
        before = shapes.data[0].copy()
        col, row = places[number].astype(int)
        # Handles are white, or blue under the mouse; all else is black.
        assert picture[row - 3 : row + 4, col - 3 : col + 4, 2].min() > 120
        start = np.rint(places[number])
        end = start + np.rint((middle - start) / 5)
        drag(window, start, end)
        moved = np.flatnonzero((shapes.data[0] != before).any(axis=1))
        assert moved.tolist() == [number]
        np.testing.assert_allclose(corner_places(window, shapes)[number], end, atol=0.6)
    assert window.layers.selection.active == shapes
    assert "Result: " in widget.status.text()


@in_a_window
def test_layers_of_other_units_do_not_move_the_handles(window):
    source = window.add_image(np.zeros((60, 83)), scale=(0.1, 0.1), units=("um", "um"))
    window.add_image(np.zeros((60, 83)), scale=(100, 100), units=("nm", "nm"))
    widget = warp_of(window, source)
    press(widget.add_corners)
    shapes = widget.shapes.value
    np.testing.assert_allclose(
        corner_places(window, shapes)[0], on_canvas(window, source, (-0.5,) * 2)
    )
    start = corner_places(window, shapes)[2]
    drag(window, start, start - 20)
    assert (shapes.data[0][2] < (58, 81)).all()
    assert widget._quad[2] == pytest.approx(shapes.data[0][2][::-1])


@pytest.mark.parametrize(("zoom", "shift"), [(1, 0), (40, 0), (1, 400), (0.5, -1000)])
def test_room_is_made_for_the_handles(window, zoom, shift):
    source = window.add_image(np.zeros((60, 83)), name="p", scale=(2, 3), rotate=20)
    widget = warp_of(window, source)
    camera = window.scene.camera
    camera.zoom *= zoom
    camera.center = (0, camera.center[1] + shift, camera.center[2] - shift)
    before = camera.zoom
    press(widget.add_corners)
    assert is_within(window, corner_places(window, widget.shapes.value), 0.1)
    assert camera.zoom <= before


def test_a_view_with_room_stays(window):
    source = window.add_image(np.zeros((60, 83)), name="p")
    widget = warp_of(window, source)
    camera = window.scene.camera
    camera.zoom *= 0.5
    before = camera.zoom, camera.center
    press(widget.add_corners)
    assert (camera.zoom, camera.center) == before


def test_lines_stay_thin(window):
    source = window.add_image(np.zeros((4000, 4000), np.uint8), name="p")
    widget = warp_of(window, source)
    press(widget.add_corners)
    shapes, camera = widget.shapes.value, window.scene.camera
    for factor in (1, 50, 0.1):
        camera.zoom *= factor
        assert 1 < shapes.edge_width[0] * camera.zoom < 3


# -- pressed again ------------------------------------------------------------------------


@in_a_window
def test_corners_are_put_back(window):
    first = window.add_image(np.zeros((60, 83)), name="first")
    second = window.add_image(np.zeros((40, 30)), name="second")
    drawn = window.add_shapes([np.array([(3, 3), (3, 20), (30, 22), (28, 2)])], name="drawn")
    kept = drawn.data[0].copy()
    widget = warp_of(window, first)
    assert widget.shapes.value == drawn
    assert "Add" in widget.add_corners.text.replace("&", "")
    press(widget.add_corners)
    shapes = widget.shapes.value
    assert shapes.name == "Corners of first"
    assert "back" in widget.add_corners.text.replace("&", "")
    start = corner_places(window, shapes)[0]
    drag(window, start, start + 15)
    shapes.name = "mine"
    shapes.mode = "pan_zoom"
    window.layers.selection.active = first
    widget.shapes.value = drawn
    press(widget.add_corners)
    assert widget.shapes.value == shapes
    np.testing.assert_allclose(shapes.data[0], outline((60, 83))[:, ::-1])
    assert window.layers.selection.active == shapes
    assert (shapes.mode, set(shapes.selected_data)) == ("direct", {0})
    np.testing.assert_array_equal(drawn.data[0], kept)
    # Another layer gets its own.
    widget.layer.value = second
    assert "Add" in widget.add_corners.text.replace("&", "")
    press(widget.add_corners)
    press(widget.add_corners)
    made = [layer.name for layer in window.layers if isinstance(layer, Shapes)]
    assert made == ["drawn", "mine", "Corners of second"]
    window.layers.remove("Corners of second")
    assert "Add" in widget.add_corners.text.replace("&", "")


def test_corners_are_put_back_where_the_layer_is_now(window):
    source = window.add_image(np.zeros((60, 83)), name="p")
    widget = warp_of(window, source)
    press(widget.add_corners)
    shapes = widget.shapes.value
    shapes.selected_data = {0}
    shapes.remove_selected()
    shapes.add(np.zeros((2, 2)), shape_type="line")
    source.scale, source.translate = (0.5, 3), (10, 20)
    press(widget.add_corners)
    assert [*shapes.shape_type] == ["line", "polygon"]
    assert set(shapes.selected_data) == {1}
    # A corner too many is gone, too.
    shapes.data = [shapes.data[0], np.vstack([shapes.data[1], (70, 20)])]
    assert "no polygon or rectangle of four" in widget.status.text()
    press(widget.add_corners)
    assert [*shapes.shape_type] == ["line", "polygon"]
    for own, edge in zip(shapes.data[1], outline((60, 83))[:, ::-1], strict=True):
        np.testing.assert_allclose(shapes.data_to_world(own), source.data_to_world(edge))


def test_choosing_corners_shows_their_handles(window):
    """As the user does, by the list; what is chosen by itself moves nothing."""
    source = window.add_image(np.zeros((60, 83)), name="p")
    widget = warp_of(window, source)
    camera = window.scene.camera
    camera.zoom *= 8
    before = camera.zoom
    drawn = window.add_shapes([np.array([(3, 3), (3, 80), (50, 82), (48, 2)])], name="drawn")
    assert widget.shapes.value == drawn
    assert (drawn.mode, camera.zoom) == ("pan_zoom", before)
    QTest.keyClick(widget.shapes.native, Qt.Key.Key_Up)
    assert widget.shapes.value is None
    assert drawn.mode == "pan_zoom"
    QTest.keyClick(widget.shapes.native, Qt.Key.Key_Down)
    assert widget.shapes.value == drawn
    assert (drawn.mode, set(drawn.selected_data)) == ("direct", {0})
    assert is_within(window, corner_places(window, drawn), 0.1)
    # Nothing to grab: nothing happens.
    lines = window.add_shapes([np.zeros((2, 2))], shape_type="line", name="lines")
    window.layers.selection.active = source
    QTest.keyClick(widget.shapes.native, Qt.Key.Key_Down)
    assert widget.shapes.value == lines
    assert window.layers.selection.active == source


def test_corners_without_a_place_are_told(window, told):
    widget = docked(window, "Warp")
    widget.add_corners.changed.emit(True)
    assert any("no layer is chosen" in words for words in told)
    source = window.add_image(np.zeros((4, 60, 83)), name="p")
    widget.layer.value = source
    window.dims.ndisplay = 3
    widget.add_corners.changed.emit(True)
    window.dims.ndisplay = 2
    assert any("dragged in 2-D" in words for words in told)
    window.dims.order = (1, 0, 2)
    widget.add_corners.changed.emit(True)
    window.dims.order = (0, 1, 2)
    assert sum("dragged in 2-D" in words for words in told) == 2
    window.canvas.grid.enabled = True
    widget.add_corners.changed.emit(True)
    window.canvas.grid.enabled = False
    assert any("switch off the grid" in words for words in told)
    assert list(window.layers) == [source]


# -- with a preview -----------------------------------------------------------------------


@in_a_window
def test_the_preview_follows_the_mouse_and_outlives_crossing_corners(window, until, photo):
    source = window.add_image(photo, rgb=True, name="p")
    widget = warp_of(window, source)
    press(widget.add_corners)
    shapes = widget.shapes.value
    widget.preview_box.value = True
    layer = preview_of(widget, until)
    until(lambda: widget.preview.state == "shown")
    before = layer.data.copy()
    places = corner_places(window, shapes)
    drag(window, places[0], places[0] + 40, release=False)
    # Before the mouse is released.
    until(lambda: widget.preview.state == "shown" and not np.array_equal(layer.data, before))
    assert widget.preview.layer is layer
    assert window.layers.selection.active == shapes
    assert set(shapes.selected_data) == {0}
    good = layer.data.copy()
    beyond = (places[1] + places[2]) / 2 + (60, 0)
    drag(window, places[0] + 40, beyond)
    assert widget.status.text() == (
        "The corners cross: top left lies beyond the right side; move it back"
    )
    until(lambda: not widget.preview.is_busy)
    assert widget.preview.state == "failed"
    assert widget.preview_box.value
    assert widget.preview.layer is layer
    assert layer.visible
    drag(window, beyond, places[0] + 40)
    until(lambda: widget.preview.state == "shown")
    np.testing.assert_array_equal(layer.data, good)
    assert "Result: " in widget.status.text()
    widget.preview_box.value = False


@in_a_window
def test_words_follow_the_mouse_without_a_preview(window, told):
    source = window.add_image(np.zeros((60, 83)), name="p")
    widget = warp_of(window, source)
    press(widget.add_corners)
    widget.preview_box.value = False
    shapes = widget.shapes.value
    places = corner_places(window, shapes)
    drag(window, places[2], (places[0] + places[1]) / 2 - (0, 30))
    words = "The corners cross: bottom right lies beyond the top side; move it back"
    assert widget.status.text() == words
    widget.run()
    assert len(told) == 1
    assert words in told[0]
    drag(window, corner_places(window, shapes)[2], places[2])
    assert widget.status.text().startswith("Result: 8")


@in_a_window
def test_corners_are_named_as_they_are_seen(window):
    source = window.add_image(np.zeros((60, 83)), name="p", rotate=180)
    widget = warp_of(window, source)
    press(widget.add_corners)
    places = corner_places(window, widget.shapes.value)
    # The last corner on the canvas is the layer's first.
    assert (places[0] > places[2]).all()
    drag(window, places[0], (places[2] + places[3]) / 2 - (0, 30))
    assert "bottom right lies beyond the top side" in widget.status.text()


@in_a_window
def test_marks_that_cross_are_told(window, until, photo):
    source = window.add_image(photo, rgb=True, name="p")
    widget = warp_of(window, source)
    widget.way.value = "corners: straighten"
    marks = np.array([(10, 10), (10, 60), (50, 12), (50, 64)], np.float64)
    window.add_shapes([marks], shape_type="polygon")
    words = widget.status.text()
    assert words.startswith("The corners cross: the right side cuts the left side; the order of")
    press(widget.add_corners)
    shapes = widget.shapes.value
    places = corner_places(window, shapes)
    drag(window, places[3], (places[1] + places[2]) / 2 + (40, 0))
    assert "cross: bottom left lies beyond the right side" in widget.status.text()
