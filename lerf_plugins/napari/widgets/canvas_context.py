"""The OpenGL context of a viewer's canvas, current whenever a layer is removed."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QThread
from qtpy.QtWidgets import QApplication

__all__ = ["guard_removals"]


def guard_removals(layers: Any) -> None:
    """Have layers removed in the OpenGL context of the canvas that shows them.

    napari (since 0.6.6) deletes what a removed layer had in OpenGL at once, in the context that
    happens to be current: as a rule Qt's own, that puts a window together. A shader program that
    is deleted there may crash Mesa's drivers when the canvas is drawn the next time but one; where
    the window of another viewer was painted last, that viewer loses what has the same number.

    Parameters
    ----------
    layers : napari.components.LayerList
        Guarding them twice changes nothing.
    """
    # The plugin's callbacks run after napari's own. Those of "removing" paint; those of "removed"
    # delete, but where several layers go at once: then napari deletes after the last "removed".
    layers.events.removing.connect(_make_canvas_current)
    layers.events.removed.connect(_make_canvas_current)


def _make_canvas_current(event: Any) -> None:
    from napari.qt import QtViewer

    application = QApplication.instance()
    if application is None or QThread.currentThread() is not application.thread():
        return
    for window in application.topLevelWidgets():
        for shown in window.findChildren(QtViewer):
            canvas = shown.canvas.native
            if shown.viewer.layers is event.source and canvas.isValid():
                canvas.makeCurrent()
                return
