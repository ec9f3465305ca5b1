"""Fixtures of the tests of the napari plugin."""

import gc
import time
import warnings
from inspect import signature
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

# What napari's older versions use is deprecated by what they are built on: their own affair.
HOST_WARNINGS = (
    # napari 0.6 opens files by imageio, and reads units' names by pint's brackets.
    "ignore:The legacy `DICOM` plugin is deprecated:DeprecationWarning",
    "ignore:Calling the getitem method from a UnitRegistry:DeprecationWarning",
    # Lines of shapes, by NumPy 2.4.
    (
        "ignore:'where' used without 'out':UserWarning:"
        "napari.layers.shapes._accelerated_triangulate_python"
    ),
)


def pytest_collection_modifyitems(items):
    """Let warnings of napari's own pass."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for warning in HOST_WARNINGS:
                item.add_marker(pytest.mark.filterwarnings(warning))


# The same, of what is imported here.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    for module in ("npe2", "napari.layers", "napari.viewer"):
        pytest.importorskip(module, reason="napari is not installed")


@pytest.fixture
def photo():
    """A smooth colour image, 60 x 83."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:60, :83]
    waves = [
        128 + 100 * np.sin(x / period + phase) * np.cos(y / 11 - phase)
        for period, phase in zip((5, 8, 13), rng.uniform(0, 3, 3), strict=True)
    ]
    return np.clip(np.stack(waves, axis=-1) + rng.normal(0, 4, (60, 83, 3)), 0, 255).astype("u1")


def register_plugin():
    """Have napari know the plugin, as when it is installed."""
    from npe2 import PluginManager, PluginManifest

    manager = PluginManager.instance()
    if "lerf" not in manager:
        manager.register(PluginManifest.from_distribution("lerf"))


@pytest.fixture(scope="session")
def window_viewer(display, request):
    """A napari viewer in a window, with the plugin registered as when it is installed.

    A window takes seconds to open and to close: all tests use this one, after each other. When it
    is closed nothing that they made may hold it.
    """
    request.getfixturevalue("qapp")
    from napari import Viewer
    from napari._qt.qt_viewer import QtViewer

    register_plugin()
    with (
        patch("napari._qt.threads.status_checker.StatusChecker.start", lambda _: None),
    ):
        # Its welcome can be left out from 0.7 on.
        asked = {"show": True, "show_welcome_screen": False}
        viewer = Viewer(**{k: asked[k] for k in asked.keys() & signature(Viewer).parameters})
        # napari collects garbage for each layer that goes: it need not look at all that is here.
        gc.collect()
        gc.freeze()
        yield viewer
        gc.unfreeze()
        with patch.object(viewer.window._qt_window, "_save_current_window_settings"):
            viewer.close()
        del viewer
        gc.collect()
        assert not QtViewer._instances


@pytest.fixture
def shown_viewer(window_viewer):
    """The viewer, in a window, with nothing in it; the test is skipped where none can be opened."""
    from napari.settings import get_settings
    from qtpy.QtWidgets import QApplication

    get_settings().reset()
    # Docks of tests before have stretched it.
    window_viewer.window.resize(800, 600)
    QApplication.processEvents()
    yield window_viewer
    window_viewer.window.remove_dock_widget("all")
    window_viewer.layers.clear()
    window_viewer.dims.ndisplay = 2
    get_settings().reset()
    # Widgets that were taken out of their docks are deleted.
    for _ in range(3):
        QApplication.processEvents()


@pytest.fixture
def model_viewer(display, request, monkeypatch):
    """A viewer without a canvas, and without thumbnails of its layers."""
    request.getfixturevalue("qapp")
    from napari import layers
    from napari.plugins import _initialize_plugins
    from napari.settings import get_settings
    from qtpy.QtWidgets import QApplication
    from support.model_viewers import ModelViewer

    get_settings().reset()
    _initialize_plugins()
    register_plugin()
    for kind in (layers.Image, layers.Labels, layers.Points, layers.Shapes, layers.Vectors):
        monkeypatch.setattr(kind, "_update_thumbnail", lambda *_: None)
    viewer = ModelViewer()
    yield viewer
    viewer.window.close()
    viewer.layers.clear()
    get_settings().reset()
    for _ in range(3):
        QApplication.processEvents()


@pytest.fixture(params=["model", pytest.param("window", marks=pytest.mark.long)])
def viewer(request):
    """A viewer without a canvas in `make test`, and in a window too in test-long.

    `support.layers.in_a_window` marks tests that look at what a window alone has.
    """
    return request.getfixturevalue("model_viewer" if request.param == "model" else "shown_viewer")


@pytest.fixture
def until(request):
    """Run the window's event loop until something is so."""
    qtbot = request.getfixturevalue("qtbot")

    def wait(condition, timeout=60):
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, "it did not happen"
            qtbot.wait(5)

    return wait


@pytest.fixture
def told(monkeypatch):
    """What napari shows as notifications."""
    from napari.utils.notifications import notification_manager

    words = []

    def hear(notification):
        words.append(str(notification))

    monkeypatch.setattr(notification_manager, "receive_error", lambda *a: words.append(repr(a)))
    notification_manager.notification_ready.connect(hear)
    yield words
    notification_manager.notification_ready.disconnect(hear)
