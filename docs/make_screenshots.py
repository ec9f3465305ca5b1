"""Make the screenshots of the napari plugin, docs/images/napari-*.webp.

    xvfb-run -a -s "-screen 0 1400x1000x24" python docs/make_screenshots.py [SCENE...]

Scenes: resize, fit, warp, bake, inspect, pyramid, and walk (the pictures of a first walk).
Default: all.

Needs napari and a Qt binding: pip install -e '.[test]'.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import napari
import numpy as np
from PIL import Image
from qtpy.QtWidgets import QApplication

import lerf_core

DOCS = Path(__file__).resolve().parent
PHOTOS = DOCS.parent / "examples" / "photos"
SIZE = (1180, 760)
#: Columns of the walk's pictures, in pixels.
WALK_COLS = 880


class Stage:
    """A viewer that is filled, photographed and emptied."""

    def __init__(self) -> None:
        self.viewer = napari.Viewer()
        self.viewer.window.resize(*SIZE)
        self.wait(0.5)

    def wait(self, seconds: float, done: Callable[[], bool] = lambda: False) -> None:
        """Run the event loop for a while, or until something is so."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not done():
            QApplication.processEvents()
            time.sleep(0.005)

    def dock(self, name: str) -> Any:
        """Open a widget of the plugin."""
        widget = self.viewer.window.add_plugin_dock_widget("lerf", name)[1]
        self.wait(0.3)
        return widget

    def preview(self, widget: Any) -> None:
        """Show a preview and wait for it."""
        widget.preview_box.value = True
        self.wait(60, lambda: widget.preview.state == "shown")

    def run(self, widget: Any) -> None:
        """Run a widget to its end."""
        widget.run()
        self.wait(120, lambda: not widget.job.is_running)
        self.wait(0.2)

    def save(self, name: str, cols: int | None = None) -> None:
        """Save a picture of the window, as large as it is or with so many columns."""
        self.wait(1)
        pixels = self.viewer.screenshot(canvas_only=False, flash=False)[..., :3]
        if cols is not None:
            rows = round(pixels.shape[0] * cols / pixels.shape[1])
            pixels = lerf_core.resize(pixels, (rows, cols), channel_axis=-1)
        path = DOCS / "images" / f"napari-{name}.webp"
        Image.fromarray(pixels).save(path, quality=84, method=6)

    def shoot(self, name: str) -> None:
        """Save a picture of the window; empty the viewer."""
        self.save(name)
        self.clear()

    def clear(self) -> None:
        """Empty the viewer."""
        self.viewer.window.remove_dock_widget("all")
        self.viewer.layers.clear()
        self.wait(0.3)


def resize(stage: Stage) -> None:
    """A live preview above its layer."""
    photo = iio.imread(PHOTOS / "chelsea.png")
    small = photo[::2, ::2]
    viewer = stage.viewer
    viewer.add_image(small, name="chelsea", rgb=True)
    widget = stage.dock("Resize")
    widget.scale.value = 4
    viewer.scene.camera.zoom, viewer.scene.camera.center = 9, (0, 50, 88)
    stage.preview(widget)
    stage.shoot("resize")


def fit(stage: Stage) -> None:
    """A photograph that is cropped to a size."""
    viewer = stage.viewer
    viewer.add_image(iio.imread(PHOTOS / "coffee.jpg"), name="coffee", rgb=True)
    widget = stage.dock("Resize")
    widget.fitting.way.value = "cover"
    widget.cols.value, widget.rows.value = 400, 400
    widget.fitting.gravity.value = "east"
    viewer.layers["coffee"].opacity = 0.6
    stage.preview(widget)
    stage.shoot("fit")


def warp(stage: Stage) -> None:
    """Corners that are being dragged."""
    viewer = stage.viewer
    viewer.add_image(iio.imread(PHOTOS / "coffee.jpg"), name="coffee", rgb=True)
    widget = stage.dock("Warp")
    widget.add_corners.changed.emit(True)
    corners = widget.shapes.value.data[0].copy()
    corners += [(70, 90), (-40, -30), (30, -70), (-60, 40)]
    widget.shapes.value.data = [corners]
    widget.shapes.value.selected_data = {0}
    widget.sampling.border.value = "transparent"
    viewer.scene.camera.zoom *= 0.72
    stage.preview(widget)
    stage.shoot("warp")


def bake(stage: Stage) -> None:
    """A turned and sheared stack, with the result of baking it."""
    viewer = stage.viewer
    viewer.open_sample("lerf", "cells")
    viewer.layers.remove("cell labels")
    layer = viewer.layers["cells"]
    layer.rotate = _turned(25)
    layer.shear = [0, 0, 0, 0, 0, 0.2]
    viewer.dims.set_current_step(1, 2)
    viewer.reset_view()
    widget = stage.dock("Bake transform")
    stage.run(widget)
    viewer.scene.camera.zoom *= 0.9
    stage.shoot("bake")


def _turned(degrees: float) -> Any:
    turn = np.eye(4)
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    turn[2:, 2:] = [[c, -s], [s, c]]
    return turn


def inspect(stage: Stage) -> None:
    """Ellipses over the pixels, and the maps in the list."""
    viewer = stage.viewer
    viewer.open_sample("lerf", "chart")
    widget = stage.dock("Inspect")
    viewer.scene.camera.zoom, viewer.scene.camera.center = 15, (0, 110, 290)
    stage.wait(0.5)
    stage.run(widget)
    stage.shoot("inspect")


def pyramid(stage: Stage) -> None:
    """A lazy pyramid, resized."""
    viewer = stage.viewer
    viewer.open_sample("lerf", "pyramid")
    widget = stage.dock("Resize")
    stage.run(widget)
    stage.wait(30, lambda: viewer.layers[1].loaded)
    viewer.scene.camera.zoom, viewer.scene.camera.center = 2.5, (0, 21_600, 31_300)
    stage.wait(1)
    stage.wait(30, lambda: viewer.layers[1].loaded)
    stage.shoot("pyramid")


def walk(stage: Stage) -> None:
    """A first walk: a photograph enlarged, a page straightened, corners pulled and crossed."""
    viewer = stage.viewer
    camera = viewer.scene.camera
    # Widgets show where files lie: a place that everybody may have.
    photos = Path(tempfile.gettempdir()) / "photos"
    shutil.copytree(PHOTOS, photos, dirs_exist_ok=True)
    viewer.open(photos / "chelsea.png")
    widget = stage.dock("Resize")
    stage.save("walk-1", WALK_COLS)
    widget.scale.value = 4
    camera.zoom, camera.center = 4.5, (0, 100, 176)
    stage.preview(widget)
    stage.save("walk-2", WALK_COLS)
    stage.run(widget)
    viewer.reset_view()
    stage.save("walk-3", WALK_COLS)
    stage.clear()
    viewer.open_sample("lerf", "page")
    viewer.layers.selection.active = viewer.layers["page"]
    widget = stage.dock("Warp")
    widget.way.value = "corners: straighten"
    widget.shapes.value = viewer.layers["corners of the page"]
    camera.zoom *= 0.8
    stage.save("walk-4", WALK_COLS)
    stage.run(widget)
    viewer.layers["corners of the page"].visible = False
    viewer.reset_view()
    stage.save("walk-5", WALK_COLS)
    stage.clear()
    viewer.open(photos / "coffee.jpg")
    widget = stage.dock("Warp")
    widget.add_corners.changed.emit(True)
    shapes = widget.shapes.value
    good = shapes.data[0] + [(70, 90), (-40, -30), (30, -70), (-60, 40)]
    _move_corners(stage, widget, good, "shown")
    stage.save("walk-6", WALK_COLS)
    crossed = good.copy()
    crossed[0] = good[1] + (60, 40)
    _move_corners(stage, widget, crossed, "failed")
    stage.save("walk-7", WALK_COLS)
    stage.clear()


def _move_corners(stage: Stage, widget: Any, corners: Any, state: str) -> None:
    """Put the dragged corners elsewhere, and wait for the preview's state."""
    widget.shapes.value.data = [corners]
    widget.shapes.value.selected_data = {0}
    stage.wait(0.2)
    stage.wait(60, lambda: widget.preview.state == state)


SCENES = {scene.__name__: scene for scene in (resize, fit, warp, bake, inspect, pyramid, walk)}


def main() -> None:
    """Make the screenshots that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenes", nargs="*", choices=[*SCENES, []], metavar="SCENE")
    scenes = parser.parse_args().scenes or list(SCENES)
    stage = Stage()
    for name in scenes:
        SCENES[name](stage)
    stage.viewer.close()


if __name__ == "__main__":
    main()
