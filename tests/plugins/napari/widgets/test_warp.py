"""The Warp widget, in a real viewer."""

import json

import numpy as np
import pytest
from support.layers import docked, finish, in_a_window, preview_of, random_transform

import lerf_core
from lerf_core.geometry import homography_from_points

pytestmark = [pytest.mark.usefixtures("display"), pytest.mark.slow]


@in_a_window
def test_corners_are_pulled(viewer, until, photo):
    source = viewer.add_image(photo, rgb=True, name="photo", **random_transform(2, 2))
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
        assert np.abs(viewer.layers[-1].data.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("model", ["affine", "homography"])
def test_registration(viewer, until, photo, model):
    truth = np.array([[0.9, 0.15, 4], [-0.1, 1.05, 6], [0, 0, 1]])
    fixed_pixels = lerf_core.warp(photo, truth, output_shape=(70, 80), channel_axis=-1)
    moving = viewer.add_image(photo, rgb=True, name="moving", **random_transform(1, 2))
    fixed = viewer.add_image(fixed_pixels, rgb=True, name="fixed", **random_transform(2, 2))
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


def test_pairs_have_layers_of_their_own(viewer, until, photo):
    """What is chosen by itself is never the layer that is moved, nor the same points twice."""
    viewer.add_labels(np.ones((60, 83), int), name="labels")
    first = viewer.add_image(photo, rgb=True, name="first")
    widget = docked(viewer, "Warp")
    widget.way.value = "point pairs"
    assert widget.layer.value == first
    assert widget.fixed.value is None
    assert first not in widget.fixed.choices
    second = viewer.add_image(photo[..., 0], name="second")
    assert widget.fixed.value == second
    widget.layer.value = second
    assert widget.fixed.value == first
    assert second not in widget.fixed.choices
    widget.layer.value = viewer.layers["labels"]
    assert widget.fixed.value == first
    assert second in widget.fixed.choices
    assert widget.moving_points.value is None
    points = [viewer.add_points(np.zeros((4, 2)), name=name) for name in "abc"]
    assert (widget.moving_points.value, widget.fixed_points.value) == (points[0], points[1])
    first.name, points[0].name = "another name", "d"
    assert widget.fixed.value == first
    assert (widget.moving_points.value, widget.fixed_points.value) == (points[0], points[1])
    viewer.layers.remove("d")
    assert (widget.moving_points.value, widget.fixed_points.value) == (points[2], points[1])
    viewer.layers.remove(first)
    assert widget.fixed.value == second
    # As it was, in a widget that is opened later.
    later = docked(viewer, "Warp")
    assert later.fixed.value != later.layer.value
    assert {later.moving_points.value, later.fixed_points.value} == set(points[1:])


def test_pairs_in_the_wrong_order_are_told(viewer, photo):
    viewer.add_image(photo, rgb=True, name="fixed")
    moving = viewer.add_image(photo, rgb=True, name="moving")
    places = np.array([(5.0, 5), (5, 70), (50, 70), (50, 5)])
    viewer.add_points(places)
    target = viewer.add_points(places[[0, 1, 3, 2]])
    widget = docked(viewer, "Warp")
    widget.layer.value = moving
    widget.way.value = "point pairs"
    widget.model.value = "homography"
    assert "in the same order" in widget.status.text()
    target.data = places * (1, 0.5)
    widget.model.value = "affine"
    assert "miss by" in widget.status.text()
    target.data = places[:3]
    widget.model.value = "homography"
    assert "4 moving and 3 fixed" in widget.status.text()


@pytest.mark.parametrize("previews", [False, True])
def test_points_are_followed(viewer, until, photo, previews):
    """What is said, the command line and the preview are those of the points as they are."""
    viewer.add_image(photo, rgb=True, name="fixed")
    moving = viewer.add_image(photo, rgb=True, name="moving")
    places = np.array([(5.0, 5), (5, 70), (50, 70), (50, 5)])
    points = [viewer.add_points(places), viewer.add_points(places[:2])]
    widget = docked(viewer, "Warp")
    widget.layer.value = moving
    widget.way.value = "point pairs"
    widget.preview_box.value = previews
    assert "4 moving and 2 fixed" in widget.status.text()
    for place in places[2:]:
        points[1].add(place)
    until(lambda: "miss by" in widget.status.text())
    first = widget.command.text
    points[1].data = places + (0, 3)
    assert widget.command.text not in {"", first}
    if previews:
        until(lambda: not widget.preview.is_busy)
        assert widget.preview.layer is not None
    # Back, after other points, or another way, were chosen.
    widget.way.value = "numbers"
    points[1].data = places
    widget.way.value = "point pairs"
    assert widget.command.text == first
    widget.fixed_points.value = viewer.add_points(places * 0.5)
    second = widget.command.text
    assert second != first
    widget.fixed_points.value.data = places
    assert widget.command.text == first


def test_a_horizon_in_the_layer_is_told(viewer, photo):
    viewer.add_image(photo, rgb=True)
    widget = docked(viewer, "Warp")
    widget.way.value = "numbers"
    widget.numbers.value = "1 0 0  0 1 0  -0.03 0 1"
    words = widget.status.text()
    assert "to infinity" in words
    assert "output size" not in words
    # The words name what the widget has.
    assert "the layer's outline" in words
    assert "the layer's outline" in widget.fit.choices
    assert "Inverse" in words
    widget.fit.value = "the layer's outline"
    assert "Result: 83 x 60 pixels. Part of the layer lies beyond" in widget.status.text()
    widget.numbers.value = "1 0 0  0 1 0  0 0 1"
    assert widget.status.text() == "Result: 83 x 60 pixels"
    widget.numbers.value = "90 30  82.5 -0.5  82.5 59.5  -0.5 59.5"
    assert "corners cross: top left lies beyond the right side" in widget.status.text()


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
