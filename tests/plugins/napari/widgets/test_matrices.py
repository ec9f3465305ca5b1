"""Saving and loading the matrix of a warp, in a real viewer."""

import json

import numpy as np
import pytest
import tifffile
from PIL import Image as Picture
from support.cli import run_lerf
from support.command_lines import run_command
from support.layers import docked, exhaust, finish, preview_of, random_transform

from lerf_core.geometry.matrix_files import load_matrix
from lerf_plugins.napari import host
from lerf_plugins.napari.compute.results import in_memory
from lerf_plugins.napari.model.layer_image import LayerImage

pytestmark = [pytest.mark.usefixtures("display"), pytest.mark.slow]

#: (row, col) corners: top left, top right, bottom right, bottom left.
QUAD = np.array([(5.0, 3), (-4, 90), (70, 80), (55, 10)])


def pull(viewer, widget):
    """Pull the corners of a turned layer."""
    widget.add_corners.changed.emit(True)
    widget.shapes.value.data = [QUAD]


def straighten(viewer, widget):
    """Straighten a quadrilateral, at twice the resolution."""
    pull(viewer, widget)
    widget.way.value = "corners: straighten"
    widget.density.value = 2


def write_numbers(viewer, widget):
    """Write a matrix of the other direction; the result is as large as the layer."""
    widget.way.value = "numbers"
    widget.numbers.value = "0.9 0.2 1.5  -0.1 1.1 -3  0.001 0.0005 1"
    widget.inverse.value = True
    widget.fit.value = "the layer's outline"
    widget.density.value = 1.3


def pair(viewer, widget):
    """Lay the layer onto another one, turned and in nanometres, by pairs of points."""
    place = random_transform(7, 2) | {"units": ("nm", "nm")}
    # As far in the world as a layer in micrometres.
    place["affine"] = np.diag([1000, 1000, 1]) @ place["affine"]
    fixed = viewer.add_image(np.zeros((50, 65), np.uint8), name="fixed", **place)
    layer = widget.layer.value
    moving = np.array([(5.0, 6), (8, 70), (50, 75), (52, 9), (30, 30)])
    target = moving * 0.8 + [3, 2] + [(0, 0), (1, 2), (0.5, -1), (0, 0), (0, 0)]
    names = {}
    for name, points, on in (("a", moving, layer), ("b", target, fixed)):
        world = [on.data_to_world(point) for point in points]
        names[name] = viewer.add_points(world, name=name, units=on.units)
    widget.layer.value = layer
    widget.way.value = "point pairs"
    widget.fixed.value = fixed
    widget.moving_points.value, widget.fixed_points.value = names["a"], names["b"]
    widget.model.value = "homography"


WAYS = {"pull": pull, "straighten": straighten, "numbers": write_numbers, "pairs": pair}


def opened(viewer, photo, folder):
    """Write a photograph, and add it as a layer that lies somewhere in the world."""
    path = folder / "photo.png"
    Picture.fromarray(photo).save(path)
    return path, viewer.add_image(photo, rgb=True, name="photo", **random_transform(2, 2))


def corners_of(layer):
    """Return where the outline of a layer's pixels lies in the world, in micrometres."""
    rows, cols = layer.data.shape[:2]
    edges = [(-0.5, -0.5), (-0.5, cols - 0.5), (rows - 0.5, cols - 0.5), (rows - 0.5, -0.5)]
    units = [float((1 * unit).to("um").magnitude) for unit in layer.units[-2:]]
    return np.array([layer.data_to_world(corner) for corner in edges]) * units


@pytest.mark.parametrize("way", WAYS)
def test_a_saved_matrix_gives_the_very_result(viewer, until, photo, tmp_path, way):
    path, source = opened(viewer, photo, tmp_path)
    widget = docked(viewer, "Warp")
    WAYS[way](viewer, widget)
    widget.layer.value = source
    widget.save_matrix(tmp_path / "m.json")
    assert widget.status.text() == f"Saved {tmp_path / 'm.json'}"
    assert f"--matrix {tmp_path / 'm.json'}" in widget.command.text
    names = {layer.name for layer in viewer.layers}
    widget.run()
    finish(widget, until)
    (result,) = (layer for layer in viewer.layers if layer.name not in names)
    # In a batch.
    entries = json.loads((tmp_path / "m.json").read_text())
    assert entries["source_size"] == [83, 60]
    assert entries["result_size"] == list(result.data.shape[1::-1])
    size = "x".join(map(str, entries["result_size"]))
    made = tmp_path / "made.tif"
    run_lerf("warp", path, "-o", made, "--matrix", tmp_path / "m.json", "--size", size)
    np.testing.assert_array_equal(tifffile.imread(made), result.data)
    np.testing.assert_array_equal(run_command(widget.command.text, tmp_path, path), result.data)
    # In the window, by another widget.
    again = docked(viewer, "Warp")
    again.layer.value = source
    again.density.value = 3
    again.load_matrix(tmp_path / "m.json")
    assert (again.way.value, again.fit.value) == ("matrix file", "as saved")
    assert not again.density.native.isVisibleTo(again)
    names = {layer.name for layer in viewer.layers}
    again.run()
    finish(again, until)
    (copy,) = (layer for layer in viewer.layers if layer.name not in names)
    np.testing.assert_array_equal(copy.data, result.data)
    extent = np.ptp(corners_of(result), axis=0).max()
    np.testing.assert_allclose(corners_of(copy), corners_of(result), atol=1e-9 * extent)
    # The other forms hold the same matrix.
    for name in ("m.txt", "m.csv", "m.npy"):
        widget.save_matrix(tmp_path / name)
        assert load_matrix(tmp_path / name).tolist() == entries["matrix"]


def test_a_baked_transform_is_saved(viewer, until, photo, tmp_path):
    path, source = opened(viewer, photo, tmp_path)
    widget = docked(viewer, "Bake transform")
    widget.save_matrix(tmp_path / "m.json")
    widget.run()
    finish(widget, until)
    result = viewer.layers[1]
    size = "x".join(map(str, result.data.shape[1::-1]))
    made = tmp_path / "made.tif"
    run_lerf("warp", path, "-o", made, "--matrix", tmp_path / "m.json", "--size", size)
    np.testing.assert_array_equal(tifffile.imread(made), result.data)
    warp = docked(viewer, "Warp")
    warp.layer.value = source
    warp.load_matrix(tmp_path / "m.json")
    warp.run()
    finish(warp, until)
    copy = viewer.layers["photo warped"]
    np.testing.assert_array_equal(copy.data, result.data)
    np.testing.assert_allclose(corners_of(copy), corners_of(result), atol=1e-9)


def test_the_preview_shows_a_loaded_matrix(viewer, until, photo, tmp_path):
    source = viewer.add_image(photo, rgb=True)
    # However narrow the canvas is, the corner shows.
    host.camera(viewer).zoom = 1
    host.camera(viewer).center = (0, 7, 5)
    (tmp_path / "m.txt").write_text("1 0 5 0 1 7 0 0 1")
    widget = docked(viewer, "Warp")
    widget.preview_box.value = True
    widget.load_matrix(tmp_path / "m.txt")
    assert (widget.way.value, widget.fit.value) == ("matrix file", "the whole result")
    layer = preview_of(widget, until)
    np.testing.assert_allclose(layer.data_to_world((0, 0)), source.data_to_world((7, 5)))
    (tmp_path / "m.json").write_text(
        json.dumps(
            {
                "matrix": [1, 0, 0, 0, 1, 0, 0, 0, 1],
                "result_size": [83, 60],
                "result_to_layer": [[0, -1, 9], [1, 0, 4], [0, 0, 1]],
                "unknown": {"to": "us"},
            }
        )
    )
    widget.load_matrix(tmp_path / "m.json")
    assert widget.fit.value == "as saved"
    # There it lies, however narrow the canvas is.
    host.camera(viewer).center = (0, 45, -20)
    until(lambda: widget.preview.state == "shown" and widget.preview.layer.visible)
    layer = preview_of(widget, until)
    # What shows of it is part of it, turned by a quarter; and all pixels are the layer's.
    first, below = (np.array(layer.data_to_world(place)) for place in ((0, 0), (1, 0)))
    np.testing.assert_allclose(below - first, (0, -1))
    row, col = np.rint(source.world_to_data(first)).astype(int)
    top, left = 9 - col, row - 4
    rows, cols = layer.data.shape[:2]
    np.testing.assert_array_equal(layer.data, photo[top : top + rows, left : left + cols])
    # A file without a size takes the offer away.
    widget.file.value = tmp_path / "m.txt"
    assert widget.fit.value == "the whole result"
    assert "as saved" not in widget.fit.choices


def test_another_size_of_source_is_told(viewer, photo, tmp_path):
    first = viewer.add_image(photo, rgb=True)
    widget = docked(viewer, "Warp")
    widget.way.value = "numbers"
    widget.save_matrix(tmp_path / "m.json")
    widget.layer.value = viewer.add_image(photo[:40], rgb=True)
    widget.load_matrix(tmp_path / "m.json")
    assert "was saved for a source of 83 x 60 pixels" in widget.status.text()
    assert "Result: 83 x 60" in widget.status.text()
    widget.layer.value = first
    assert "was saved" not in widget.status.text()


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("m.json", '{"matrix": [1, 2]}', "9 numbers"),
        ("m.json", '{"matrix": [1,0,0,0,1,0], "result_size": "large"}', "result_size must be"),
        ("m.json", '{"matrix": [1,0,0,0,1,0], "result_size": [0, 4]}', "result_size must be"),
        ("m.json", '{"matrix": [1,0,0,0,1,0], "source_size": [1.5, 4]}', "source_size must be"),
        ("m.json", '{"matrix": [1,0,0,0,1,0], "result_to_layer": [1]}', "result_to_layer"),
        (
            "m.json",
            '{"matrix": [1,0,0,0,1,0], "result_to_layer": [[1,0,0],[0,1,0],[0,1,1]]}',
            "must be affine",
        ),
        ("m.txt", "a photograph", "other than numbers"),
        ("none.txt", None, "No such file"),
    ],
)
def test_what_cannot_be_loaded_is_told(viewer, photo, tmp_path, told, name, text, words):
    viewer.add_image(photo, rgb=True)
    widget = docked(viewer, "Warp")
    way = widget.way.value
    if text is not None:
        (tmp_path / name).write_text(text)
    widget.load_matrix(tmp_path / name)
    assert any(words in one for one in told), told
    assert widget.way.value == way  # nothing is changed


def test_what_cannot_be_saved_is_told(viewer, photo, tmp_path, told):
    viewer.add_image(photo, rgb=True)
    widget = docked(viewer, "Warp")
    widget.save_matrix(tmp_path / "m.json")
    assert any("Add corners" in one for one in told)
    widget.way.value = "numbers"
    widget.save_matrix(tmp_path / "m.pth")
    assert any("saved as .json, .txt, .csv or .npy" in one for one in told)
    widget.save_matrix(tmp_path / "nowhere" / "m.txt")
    assert any("cannot write" in one for one in told)
    assert not list(tmp_path.iterdir())


def test_dialogs(viewer, photo, tmp_path, told, monkeypatch):
    from qtpy.QtWidgets import QFileDialog

    viewer.add_image(photo, rgb=True, name="a/b: c")
    widget = docked(viewer, "Warp")
    widget.way.value = "numbers"
    widget.numbers.value = "1 0 5 0 1 7"
    asked = []

    def answer(name, chosen=""):
        def dialog(parent, caption, start, kinds):
            asked.append((caption, start, kinds))
            return name, chosen

        return staticmethod(dialog)

    monkeypatch.setattr(QFileDialog, "getSaveFileName", answer(""))
    widget.matrix.save_button.click()
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(QFileDialog, "getSaveFileName", answer(str(tmp_path / "m"), "Text (*.txt)"))
    widget.matrix.save_button.click()
    assert load_matrix(tmp_path / "m.txt").tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert asked[0][0] == "Save matrix"
    assert asked[0][1].endswith("a_b_ c.json")
    # Nobody was asked whether it may be replaced.
    widget.matrix.save_button.click()
    assert any("m.txt exists" in one for one in told)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", answer(str(tmp_path / "m.txt")))
    widget.matrix.load_button.click()
    assert str(widget.file.value) == str(tmp_path / "m.txt")
    assert widget.way.value == "matrix file"


def test_a_stack_keeps_its_planes(viewer, until, tmp_path):
    rng = np.random.default_rng(4)
    pixels = rng.integers(0, 255, (5, 24, 30), np.uint8)
    source = viewer.add_image(pixels, name="stack", **random_transform(3, 3))
    widget = docked(viewer, "Bake transform")
    widget.save_matrix(tmp_path / "m.json")
    image = LayerImage.of(source)
    operation = widget.operation(image)
    _, expected = exhaust(in_memory(operation))
    warp = docked(viewer, "Warp")
    warp.layer.value = source
    warp.load_matrix(tmp_path / "m.json")
    warp.run()
    finish(warp, until)
    copy = viewer.layers["stack warped"]
    np.testing.assert_array_equal(copy.data, expected)
    baked = operation.result_state(operation.grid, {}, name="b", multiscale=False)
    from napari.layers import Image

    for place in ((0, 0, 0), (4, 5.5, 7.5)):
        np.testing.assert_allclose(
            copy.data_to_world(place), Image(expected, **baked).data_to_world(place), atol=1e-9
        )
