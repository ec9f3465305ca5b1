"""napari's viewer without a canvas: its layers, dims and camera, and docks for widgets.

A canvas, layer controls and thumbnails take most of the time of a test that looks at none of them.
"""

from __future__ import annotations

from typing import Any

from napari.components import ViewerModel
from napari.utils._proxies import PublicOnlyProxy
from npe2 import PluginManager
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

__all__ = ["ModelViewer"]


class DockWindow:
    """What tests use of `napari.window.Window`: a window that holds docks, and nothing else."""

    def __init__(self, viewer: ModelViewer) -> None:
        self._viewer = viewer
        self._window = QMainWindow()
        self._window.setAttribute(Qt.WidgetAttribute.WA_DontShowOnScreen)
        self._window.resize(800, 600)
        self._window.show()

    def add_plugin_dock_widget(self, plugin: str, name: str) -> tuple[QDockWidget, QWidget]:
        """Make a widget of a plugin, in a dock; return both."""
        contributed = PluginManager.instance().get_manifest(plugin).contributions.widgets
        (make,) = (one.get_callable() for one in contributed if one.display_name == name)
        # As napari gives it to widgets.
        widget = make(PublicOnlyProxy(self._viewer))
        dock = QDockWidget(name, self._window)
        dock.setWidget(widget)
        self._window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
        return dock, widget

    def remove_dock_widget(self, which: str) -> None:
        """Take the widgets out of their docks, as napari does; ``which`` is "all"."""
        assert which == "all"
        for dock in self._window.findChildren(QDockWidget):
            dock.widget().setParent(None)
            self._window.removeDockWidget(dock)
            dock.setParent(None)
            dock.deleteLater()

    def resize(self, width: int, height: int) -> None:
        """Set the window's size; there is no canvas to grow with it."""
        self._window.resize(width, height)

    def close(self) -> None:
        """Close the window for good."""
        self.remove_dock_widget("all")
        self._window.close()
        self._window.deleteLater()


class ModelViewer(ViewerModel):
    """A viewer that draws nothing."""

    _window: Any = None

    def __init__(self) -> None:
        super().__init__()
        self._window = DockWindow(self)

    @property
    def window(self) -> DockWindow:
        """The window of its docks."""
        return self._window
