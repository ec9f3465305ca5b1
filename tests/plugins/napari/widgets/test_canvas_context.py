"""Layers are removed in the OpenGL context of the canvas that shows them."""

import numpy as np
import pytest
from support.layers import in_a_window

from lerf_plugins.napari.widgets import canvas_context

pytestmark = in_a_window


@pytest.fixture
def deletions(viewer, monkeypatch):
    """Contexts that napari deletes in: whether each is the canvas's own."""
    from qtpy.QtGui import QOpenGLContext
    from qtpy.QtWidgets import QApplication
    from vispy.gloo.context import GLContext

    canvas = viewer.window._qt_viewer.canvas.native
    seen = []
    finish = GLContext.finish

    def record(context):
        current = QOpenGLContext.currentContext()
        seen.append(current is not None and current == canvas.context())
        finish(context)

    monkeypatch.setattr(GLContext, "finish", record)
    # The window is that of all tests: widgets of others have guarded it.
    for emitter in (viewer.layers.events.removing, viewer.layers.events.removed):
        emitter.disconnect(canvas_context._make_canvas_current)
    QApplication.processEvents()
    if not canvas.isValid():
        pytest.skip("the window has no OpenGL")
    return canvas, seen


@pytest.mark.parametrize("all_at_once", [False, True])
def test_layers_go_in_the_context_of_their_canvas(viewer, deletions, all_at_once):
    canvas, seen = deletions
    canvas_context.guard_removals(viewer.layers)
    for _ in range(2):
        viewer.add_image(np.zeros((8, 8)))
    canvas.doneCurrent()
    if all_at_once:
        viewer.layers.clear()
    else:
        viewer.layers.remove(viewer.layers[0])
        canvas.doneCurrent()
        viewer.layers.remove(viewer.layers[0])
    if not seen:
        pytest.skip("this napari deletes when it draws")
    assert all(seen)


def test_every_widget_guards_its_viewer(viewer, deletions):
    from lerf_plugins.napari.widgets.inspect import InspectWidget

    canvas, seen = deletions
    viewer.window.add_dock_widget(InspectWidget(viewer))
    viewer.add_image(np.zeros((8, 8)))
    viewer.window.remove_dock_widget("all")
    canvas.doneCurrent()
    viewer.layers.remove(viewer.layers[0])
    if not seen:
        pytest.skip("this napari deletes when it draws")
    assert all(seen)
