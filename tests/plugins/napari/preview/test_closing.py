"""Windows that are closed while something is computed: in a process each, as users close them."""

import os
import subprocess
import sys
import textwrap

import pytest
from support.combinations import some_first

pytestmark = [pytest.mark.usefixtures("display"), pytest.mark.slow]

PROGRAM = """
import sys, warnings
warnings.simplefilter("ignore")
import numpy as np, napari
from napari.settings import get_settings
from npe2 import PluginManager, PluginManifest
from qtpy.QtCore import QTimer
get_settings().experimental.async_ = {asynchronous}
manager = PluginManager.instance()
if "lerf" not in manager:
    manager.register(PluginManifest.from_distribution("lerf"))
viewer = napari.Viewer(show=True)
rng = np.random.default_rng(0)
viewer.add_image(rng.integers(0, 255, {shape}, np.uint8), name="image", rgb=True)
_, widget = viewer.window.add_plugin_dock_widget("lerf", {name!r})
def close():
    {close}
    print("closed", flush=True)
def act():
    {act}
    QTimer.singleShot({after}, close)
QTimer.singleShot(300, act)
napari.run()
print("the end", flush=True)
"""

PREVIEW_OF_CORNERS = "widget.add_corners.changed.emit(True); widget.preview_box.value = True"
OF_ALL = "widget.region.value = 'whole layer'; widget.run()"
# Takes longer to be resized than until it is closed; a preview is of what the canvas shows alone.
LARGE, SMALL = (1500, 2000, 3), (450, 600, 3)
CLOSE_WINDOW, CLOSE_VIEWER = "viewer.window._qt_window.close()", "viewer.close()"


@pytest.mark.parametrize(
    ("name", "act", "after", "close", "asynchronous"),
    some_first(
        [
            ("Resize", "widget.scale.value = 3; widget.run()", 400, CLOSE_VIEWER, True),
            ("Warp", PREVIEW_OF_CORNERS, 900, CLOSE_WINDOW, True),
            ("Inspect", OF_ALL, 100, CLOSE_WINDOW, True),
        ],
        [
            ("Resize", "widget.scale.value = 3; widget.run()", 400, CLOSE_WINDOW, False),
            ("Warp", PREVIEW_OF_CORNERS, 5, CLOSE_WINDOW, True),
            ("Warp", PREVIEW_OF_CORNERS, 900, CLOSE_VIEWER, True),
        ],
    ),
)
def test_closing_leaves_no_tracebacks(tmp_path, name, act, after, close, asynchronous):
    shape = SMALL if name == "Warp" else LARGE
    program = PROGRAM.format(
        asynchronous=asynchronous, shape=shape, name=name, act=act, after=after, close=close
    )
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(program)],
        env=os.environ | {"XDG_CONFIG_HOME": str(tmp_path), "NAPARI_CONFIG": ""},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.stdout.split("\n")[:2] == ["closed", "the end"], done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr
