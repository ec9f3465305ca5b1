"""The mouse over napari's canvas: events that go to the window, as a user's do."""

import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from lerf_plugins.napari import host
from lerf_plugins.napari.model.view import unit_factors

# Milliseconds: napari looks at moves of the mouse every 5.
_PAUSE = 12


def on_canvas(viewer, layer, position):
    """Return where (x, y) of the canvas a data position (row, col) of a layer is drawn."""
    world = np.asarray(layer.data_to_world(position))[-2:] * unit_factors(viewer, layer)[-2:]
    camera, (height, width) = host.camera(viewer), host.canvas_size(viewer)
    row, col = (world - camera.center[-2:]) * camera.zoom + (height / 2, width / 2)
    return float(col), float(row)


def drag(viewer, start, end, *, steps=4, release=True):
    """Press the mouse at (x, y) of the canvas, move it to another place, and release it there."""
    native = viewer.window._qt_viewer.canvas.native
    places = [
        QPoint(*(round(value) for value in place)) for place in np.linspace(start, end, steps)
    ]
    QTest.mouseMove(native, places[0])
    QTest.qWait(_PAUSE)
    QTest.mousePress(native, Qt.MouseButton.LeftButton, pos=places[0])
    for place in places:
        QTest.mouseMove(native, place)
        QTest.qWait(_PAUSE)
    if release:
        QTest.mouseRelease(native, Qt.MouseButton.LeftButton, pos=places[-1])
        QTest.qWait(_PAUSE)
