"""Docks that share a window that is too low for all their rows."""

import numpy as np
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QScrollArea
from support.layers import docked, in_a_window

pytestmark = in_a_window


def test_the_window_does_not_grow(viewer, until):
    window = viewer.window._qt_window
    viewer.window.resize(1300, 850)
    viewer.add_image(np.zeros((40, 50), np.uint8))
    docked(viewer, "Resize")
    QApplication.processEvents()
    height = window.height()
    for name in ("Warp", "Bake transform"):
        docked(viewer, name)
        for _ in range(5):
            QApplication.processEvents()
    assert window.height() == height


def test_alone_all_rows_show(viewer):
    viewer.window.resize(1300, 850)
    viewer.add_image(np.zeros((40, 50), np.uint8))
    for name in ("Resize", "Warp", "Bake transform", "Inspect", "Save as OME-Zarr"):
        widget = docked(viewer, name)
        for _ in range(10):
            QApplication.processEvents()
        area = widget.findChild(QScrollArea)
        assert area.widget().height() <= area.viewport().height() + 1, name
        assert area.widget().width() <= area.viewport().width() + 1, name
        viewer.window.remove_dock_widget("all")


def test_the_wheel_changes_nothing_that_was_not_clicked(viewer):
    viewer.add_image(np.zeros((40, 50), np.uint8))
    widget = docked(viewer, "Resize")
    before = widget.scale.value, widget.sampling.border.value
    for control in (widget.scale.native, widget.sampling.border.native):
        place = QPointF(control.rect().center())
        QApplication.sendEvent(
            control,
            QWheelEvent(
                place, control.mapToGlobal(place), QPoint(0, -120), QPoint(0, -120),
                Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
                Qt.ScrollPhase.NoScrollPhase, False,
            ),
        )  # fmt: skip
    assert (widget.scale.value, widget.sampling.border.value) == before
