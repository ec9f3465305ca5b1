"""How the napari plugin feels: time to the first preview, and how long the window stands still.

    xvfb-run -a python benchmarks/napari_plugin.py [--side 4000] [--only memory] [--json FILE]

A timer of the window's own event loop beats every 5 ms; the longest time between two beats is
the longest block. *Ours* is the longest time between two beats that the window's thread spent in
code of lerf, or in what that calls, but for napari: a clock interrupts it every millisecond and
looks whose frame runs. Of a layer that is added, the lists and textures are napari's, the pixels
ours. Beside the plugin's cases stands what napari needs by itself for the same layers, since
drawing takes its time too (in software, where there is no graphics card). The engine is loaded
before the first preview, in a case of its own. Settings are napari's defaults, in a folder of
this run's own.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil

import lerf_core

BEAT_MS = 5
#: Between two looks at whose frame runs.
LOOK_SECONDS = 0.001
#: Packages whose frames are the host's, and ours; of any others it depends on who called them.
HOST, OURS = ("napari", "vispy", "app_model", "npe2"), ("lerf_core", "lerf_plugins")


class OwnTime:
    """Adds up the time that the main thread spends in code of ours, by looking now and then.

    Signals are handled between two steps of the interpreter, in the main thread: the frame that
    one interrupts is the one that has run since the last.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._last = time.perf_counter()
        self._owners: dict[str, str] = {}
        signal.signal(signal.SIGALRM, self._look)
        signal.setitimer(signal.ITIMER_REAL, LOOK_SECONDS, LOOK_SECONDS)

    def restart(self) -> float:
        """Return what was added up since the last time, in seconds, and begin anew."""
        found, self.seconds = self.seconds, 0.0
        self._last = time.perf_counter()
        return found

    def stop(self) -> None:
        """Look no more."""
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _look(self, _: int, frame: Any) -> None:
        now = time.perf_counter()
        passed, self._last = now - self._last, now
        while frame is not None:
            owner = self._owner(frame.f_code.co_filename)
            if owner:
                self.seconds += passed if owner == "ours" else 0
                return
            frame = frame.f_back

    def _owner(self, path: str) -> str:
        if path not in self._owners:
            parts = Path(path).parts
            ours, host = (any(name in parts for name in names) for names in (OURS, HOST))
            # lerf_plugins/napari is ours.
            self._owners[path] = "ours" if ours else "host" if host else ""
        return self._owners[path]


class Window:
    """A viewer with a heart that beats in its event loop."""

    def __init__(self) -> None:
        import napari
        from qtpy.QtCore import QEventLoop, Qt, QTimer
        from qtpy.QtWidgets import QApplication

        self.viewer = napari.Viewer()
        self.app = QApplication.instance()
        self.longest, self.longest_own, self._last = 0.0, 0.0, time.perf_counter()
        self.own = OwnTime()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)
        self._timer.start(BEAT_MS)
        # Kept: timers that Python deletes in another thread are the end of a Qt program.
        self._loop, self._poll = QEventLoop(), QTimer()
        self._poll.timeout.connect(self._look)
        self._done: Callable[[], bool] = lambda: True
        self._end = 0.0
        self.wait(lambda: False, 1)

    def _beat(self) -> None:
        now = time.perf_counter()
        self.longest = max(self.longest, now - self._last - BEAT_MS / 1000)
        self._last = now
        self.longest_own = max(self.longest_own, self.own.restart())

    def wait(self, done: Callable[[], bool], limit: float = 300) -> float:
        """Run the event loop until something is so; return how long it took, in seconds."""
        start = time.perf_counter()
        self._done, self._end = done, start + limit
        self._poll.start(2)
        self._loop.exec()
        self._poll.stop()
        return time.perf_counter() - start

    def _look(self) -> None:
        if self._done() or time.perf_counter() > self._end:
            self._loop.quit()

    @contextmanager
    def measured(self) -> Iterator[dict[str, float]]:
        """Measure a case: seconds, the longest block and ours in ms, memory above the start."""
        self.wait(lambda: False, 0.3)
        found: dict[str, float] = {}
        process, going = psutil.Process(), threading.Event()
        before = process.memory_info().rss
        peak = [before]

        def watch() -> None:
            while not going.wait(0.01):
                peak[0] = max(peak[0], process.memory_info().rss)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        self.longest, self.longest_own, self._last = 0.0, 0.0, time.perf_counter()
        self.own.restart()
        start = time.perf_counter()
        yield found
        found.setdefault("seconds", time.perf_counter() - start)
        self.wait(lambda: False, 0.2)
        found["block_ms"] = 1000 * self.longest
        found["own_ms"] = 1000 * self.longest_own
        going.set()
        watcher.join()
        found["memory_mib"] = (peak[0] - before) / 2**20


class Benchmark:
    """The cases, in order."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.rows: list[tuple[str, dict[str, float]]] = []
        self.window = Window()
        self.viewer = self.window.viewer

    def note(self, name: str, found: dict[str, float]) -> None:
        """Keep a case's figures and show them."""
        self.rows.append((name, found))
        print(
            f"| {name} | {found['seconds']:.2f} | {found['block_ms']:.0f} | "
            f"{found['own_ms']:.0f} | {found['memory_mib']:.0f} |",
            flush=True,
        )

    def dock(self, name: str) -> Any:
        """Open one of the plugin's widgets."""
        return self.viewer.window.add_plugin_dock_widget("lerf", name)[1]

    def fresh(self) -> None:
        """Empty the viewer."""
        self.viewer.window.remove_dock_widget("all")
        self.viewer.layers.clear()
        self.window.wait(lambda: False, 0.3)

    def shown(self, widget: Any) -> Callable[[], bool]:
        """Whether a preview shows and none is computed."""
        return lambda: widget.preview.state == "shown"

    def idle(self, widget: Any) -> bool:
        """Whether no work runs, and no preview shows."""
        return not widget.job.is_running and widget.preview.layer is None

    def in_memory(self) -> None:
        """An RGB image in memory: previews and a result."""
        window, viewer = self.window, self.viewer
        rng = np.random.default_rng(0)
        small = rng.integers(0, 255, (self.side // 16, self.side // 16, 3), np.uint8)
        image = np.kron(small, np.ones((16, 16, 1), np.uint8))
        with window.measured() as found:
            viewer.add_image(image, rgb=True, name="image")
        self.note(f"napari alone: add {self.side} x {self.side} RGB", found)
        with window.measured() as found:
            viewer.add_image(image[:100, :100], rgb=True, name="small")
        self.note("napari alone: add 100 x 100 RGB", found)
        with window.measured() as found:
            viewer.layers.remove("small")
        self.note("napari alone: remove it", found)
        with window.measured() as found:
            widget = self.dock("Resize")
        self.note("open the Resize widget", found)
        with window.measured() as found:
            started = time.perf_counter()
            lerf_core.rescale(small, 2, channel_axis=-1)
            found["seconds"] = time.perf_counter() - started
        self.note("load the engine, by a resize of 250 x 250 in the window's thread", found)
        with window.measured() as found:
            widget.preview_box.value = True
            found["seconds"] = window.wait(self.shown(widget))
        self.note("first preview", found)
        with window.measured() as found:
            widget.scale.value = 1.5
            found["seconds"] = window.wait(lambda: not widget.preview.is_busy)
        self.note("preview of the whole view", found)
        centre = (0, self.side / 2, self.side / 2)
        viewer.scene.camera.center, viewer.scene.camera.zoom = centre, 2
        window.wait(lambda: not widget.preview.is_busy)
        with window.measured() as found:
            for scale in np.linspace(1, 3, 30):
                widget.scale.value = float(scale)
                window.wait(lambda: False, 0.03)
            window.wait(lambda: not widget.preview.is_busy)
        self.note("30 moves of the slider, zoomed in", found)
        with window.measured() as found:
            for step in range(20):
                viewer.scene.camera.center = (0, centre[1] + 20 * step, centre[2])
                window.wait(lambda: False, 0.03)
            window.wait(lambda: not widget.preview.is_busy)
        self.note("20 moves of the view with a preview", found)
        widget.scale.value = 1.5
        with window.measured() as found:
            widget.run()
            found["seconds"] = window.wait(lambda: len(viewer.layers) == 2 and self.idle(widget))
        self.note("Run x1.5, and show the result", found)
        result = viewer.layers[1]
        apart = result._extent_augmented.world - viewer.layers[0]._extent_augmented.world
        print(f"\nextents of result and source differ by {np.abs(apart).max():.1e} pixel\n")
        pixels = result.data
        self.fresh()
        with window.measured() as found:
            viewer.add_image(pixels, rgb=True)
        self.note("napari alone: add such a result", found)
        self.fresh()

    def lazy(self) -> None:
        """The lazy pyramid of 50,000 x 50,000 pixels."""
        window, viewer = self.window, self.viewer
        viewer.open_sample("lerf", "pyramid")
        camera = viewer.scene.camera
        source = viewer.layers[0]
        with window.measured() as found:
            camera.zoom, camera.center = 0.5, (0, 25_000, 25_000)
            window.wait(lambda: False, 0.1)
        self.note("napari alone: zoom into the lazy source", found)
        viewer.reset_view()
        widget = self.dock("Resize")
        with window.measured() as found:
            widget.preview_box.value = True
            found["seconds"] = window.wait(self.shown(widget))
        self.note("lazy source: preview of the whole view", found)
        with window.measured() as found:
            camera.zoom, camera.center = 2, (0, 25_000, 25_000)
            window.wait(lambda: widget.preview.is_busy)
            found["seconds"] = window.wait(self.shown(widget))
        self.note("lazy source: preview, zoomed in", found)
        with window.measured() as found:
            widget.run()
            found["seconds"] = window.wait(lambda: len(viewer.layers) == 2 and self.idle(widget))
        self.note("lazy source: Run x2 (100,000 x 100,000, lazy)", found)
        self.look("lazy result", viewer.layers[1])
        apart = viewer.layers[1]._extent_augmented.world - source._extent_augmented.world
        print(f"\nextents of result and source differ by {np.abs(apart).max():.1e} pixel\n")
        self.fresh()
        viewer.open_sample("lerf", "pyramid")
        self.warp(viewer.layers[0])
        self.fresh()

    def look(self, name: str, layer: Any) -> None:
        """Look at a lazy layer from afar, and ever closer."""
        camera = self.viewer.scene.camera
        for zoom in (0.02, 0.1, 0.5, 2.0):
            with self.window.measured() as found:
                loads = self._loads(layer)
                camera.zoom = zoom
                camera.center = (0, 25_000 + 100 / zoom, 25_000)
                # napari slices some time after the view has changed; `loaded` is true until then.
                waited = self.window.wait(loads, 2)
                found["seconds"] = waited + self.window.wait(lambda: layer.loaded)
            self.note(f"{name}: tiles at zoom {zoom}", found)

    def _loads(self, layer: Any) -> Callable[[], bool]:
        """Return whether the layer loads, or has loaded, what shows since now."""
        arrived = threading.Event()

        def changed(_: Any = None) -> None:
            arrived.set()
            layer.events.set_data.disconnect(changed)

        layer.events.set_data.connect(changed)
        return lambda: arrived.is_set() or not layer.loaded

    def warp(self, source: Any) -> None:
        """Drag a corner of the pyramid, and run."""
        window, viewer = self.window, self.viewer
        viewer.reset_view()
        widget = self.dock("Warp")
        with window.measured() as found:
            started = time.perf_counter()
            widget.add_corners.changed.emit(True)  # switches the preview on
            window.wait(self.shown(widget))
            found["seconds"] = time.perf_counter() - started
        self.note("lazy source: add corners, first preview of a warp", found)
        shapes = widget.shapes.value
        with window.measured() as found:
            for _ in range(30):
                corners = shapes.data[0].copy()
                corners[0] += (200, 150)
                shapes._data_view.edit(0, corners)
                shapes.refresh()
                window.wait(lambda: False, 0.03)
            window.wait(lambda: not widget.preview.is_busy)
        self.note("lazy source: drag a corner in 30 steps", found)
        with window.measured() as found:
            widget.run()
            found["seconds"] = window.wait(lambda: len(viewer.layers) == 3 and self.idle(widget))
        self.note("lazy source: Run the warp (lazy)", found)
        self.look("lazy warp", viewer.layers[viewer.layers.index(source) + 1])


def main() -> None:
    """Run all cases and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=4000, help="of the image in memory, in pixels")
    parser.add_argument("--only", choices=("memory", "lazy"), help="some of the cases")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    options = parser.parse_args()
    faulthandler.enable()
    # As at a first start: nothing that was set before, and nothing of this is kept.
    os.environ["NAPARI_CONFIG"] = str(Path(tempfile.mkdtemp(prefix="lerf-")) / "settings.yaml")
    print("| case | s | longest block, ms | of it ours | memory, MiB |\n|---|---|---|---|---|")
    benchmark = Benchmark(options.side)
    if options.only != "lazy":
        benchmark.in_memory()
    if options.only != "memory":
        benchmark.lazy()
    if options.json is not None:
        options.json.write_text(json.dumps(dict(benchmark.rows), indent=1))
    benchmark.window.own.stop()
    benchmark.viewer.close()


if __name__ == "__main__":
    main()
