"""What differs between napari's versions is asked for in one module."""

import re
from pathlib import Path

import numpy as np
import pytest
from support.layers import in_a_window

import lerf_plugins.napari
from lerf_plugins.napari import host

#: Names that some versions lack, or warn of.
DIFFERENT = re.compile(
    r"(?<!_qt_)viewer\.(scene|camera|canvas|_canvas_size)\b|extent\.units|events\.renamed"
)


@pytest.mark.parametrize("folder", [lerf_plugins.napari.__path__[0], Path(__file__).parent])
def test_nothing_else_names_what_differs(folder):
    files = [path for path in Path(folder).rglob("*.py") if "host" not in path.stem]
    assert len(files) > 10
    lines = [
        f"{path.name}: {line.strip()}"
        for path in files
        for line in path.read_text(encoding="utf-8").splitlines()
        if DIFFERENT.search(line)
    ]
    assert lines == []


@in_a_window
def test_camera_and_canvas(viewer):
    from qtpy.QtWidgets import QApplication

    viewer.add_image(np.zeros((20, 30), np.uint8))
    native = viewer.window._qt_viewer.canvas.native
    QApplication.processEvents()
    assert host.canvas_size(viewer) == (native.height(), native.width())
    viewer.window.resize(700, 500)
    QApplication.processEvents()
    assert host.canvas_size(viewer) == (native.height(), native.width())
    viewer.reset_view()
    camera = host.camera(viewer)
    assert tuple(camera.center[-2:]) == (9.5, 14.5)
    rows, cols = (side / camera.zoom for side in host.canvas_size(viewer))
    # The whole layer shows, and little beside it.
    assert rows >= 20
    assert cols >= 30
    assert min(rows / 20, cols / 30) < 1.2


@in_a_window
def test_a_widget_s_viewer_is_as_good(viewer):
    """napari gives widgets a proxy of the viewer that warns of private names."""
    from napari.utils._proxies import PublicOnlyProxy

    proxy = PublicOnlyProxy(viewer)
    assert host.canvas_size(proxy) == host.canvas_size(viewer)
    assert host.camera(proxy).zoom == host.camera(viewer).zoom


@in_a_window
def test_a_layer_is_drawn_by_its_units(viewer):
    fine = viewer.add_image(np.zeros((20, 30), np.uint8), units=("um", "um"))
    assert host.world_units(viewer) in (None, fine.units)


@in_a_window
def test_a_list_of_layers_is_followed(viewer):
    told = []
    leave = host.follow_layer_list(viewer.layers, lambda event: told.append(event.type))

    def news(change):
        told.clear()
        change()
        return bool(told)

    first = viewer.add_image(np.zeros((5, 6)))
    second = viewer.add_image(np.zeros((5, 6)))
    assert news(lambda: viewer.add_image(np.zeros((5, 6))))
    assert news(lambda: setattr(first, "name", "other"))
    assert not news(lambda: setattr(first, "opacity", 0.5))
    assert news(lambda: viewer.layers.move(0, 3))
    assert news(lambda: viewer.layers.remove(second))
    leave()
    assert not news(lambda: setattr(first, "name", "another"))
    assert not news(lambda: viewer.layers.remove(first))


def test_axes_without_names():
    from napari.layers import Image

    assert host.given_axis_names(Image(np.zeros((3, 4, 5))).axis_labels) == ["", "", ""]
    named = Image(np.zeros((4, 5)), axis_labels=("axis", "x-1"))
    assert host.given_axis_names(named.axis_labels) == ["axis", "x-1"]
