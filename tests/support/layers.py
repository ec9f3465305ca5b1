"""Layers, operations and widgets for the tests of the napari plugin."""

import numpy as np
import pytest

from lerf_plugins.napari.model.layer_image import LayerImage
from lerf_plugins.napari.model.operations import ResizeOperation

#: For tests of what only a window of napari has: a canvas, the mouse over it, layers that are
#: sliced beside it.
in_a_window = pytest.mark.parametrize("viewer", ["window"], indirect=True)


def random_transform(seed, ndim):
    """Return a layer's whole transform, in which rows and columns turn among themselves."""
    rng = np.random.default_rng(seed)
    turn = np.eye(ndim)
    angle = rng.uniform(0, 2 * np.pi)
    c, s = np.cos(angle), np.sin(angle)
    turn[-2:, -2:] = [[c, -s], [s, c]]
    affine = np.eye(ndim + 1)
    affine[-3:-1, -3:-1] += rng.uniform(-0.3, 0.3, (2, 2))
    affine[:ndim, -1] = rng.uniform(-20, 20, ndim)
    shear = np.zeros(ndim * (ndim - 1) // 2)
    shear[-1] = rng.uniform(-0.4, 0.4)
    return {
        "scale": rng.uniform(0.2, 4, ndim) * rng.choice([-1, 1], ndim),
        "translate": rng.uniform(-50, 50, ndim),
        "rotate": turn,
        "shear": shear,
        "affine": affine,
        "units": ("s", "um", "um", "um")[-ndim:],
        "axis_labels": tuple("tzyx")[-ndim:],
    }


def resize_operation(layer, shape, **keywords):
    """Return the resize of a layer with its channels, and keywords of `lerf_core.resize`."""
    image = LayerImage.of(layer)
    return ResizeOperation(image, shape, None, {"channel_axis": image.channel_axis, **keywords})


def exhaust(work):
    """Run a generator to its end; return its steps and its result."""
    steps = []
    while True:
        try:
            steps.append(next(work))
        except StopIteration as stop:
            return steps, stop.value


def docked(viewer, name):
    """Return a widget of the plugin in a dock of the viewer."""
    _, widget = viewer.window.add_plugin_dock_widget("lerf", name)
    return widget


def finish(widget, until):
    """Wait until work has ended, and its result is in the list."""
    from qtpy.QtWidgets import QApplication

    until(lambda: not widget.job.is_running)
    for _ in range(3):
        QApplication.processEvents()


def preview_of(widget, until):
    """Return the preview's layer, once it shows what was asked for."""
    until(lambda: widget.preview.layer is not None and not widget.preview.is_busy)
    return widget.preview.layer
