"""Show that napari dies by itself: without lerf, of what the plugin's users meet as well.

    xvfb-run -a python tools/napari_host_crash.py --case async-slicing --runs 20
    xvfb-run -a python tools/napari_host_crash.py --case removed-after-3d --runs 1

Each run is a process of its own. What died, and of which signal, is listed with the uppermost
frames: of C, where gdb is installed and the system writes core files, else of Python; of a run that
hangs, those of each thread. Cases:

async-slicing
    A lazy layer, "Render Layers Asynchronously", and Qt objects that go as when a dock is closed.
    Each slice is handed from napari's slicing thread to the window's by superqt's
    ``ensure_main_thread``, which makes, connects and drops Qt objects in both.
thread-calls
    The same traffic without napari: ``ensure_main_thread`` called from a thread. The fastest.
removed-after-3d
    A layer above another, a visit to 3-D, the layer removed, the window resized.
removed-below
    The lower one of two layers removed; the canvas drawn twice.
removed-beside
    A layer removed while the window of another viewer was painted last.

Instead of a case, any command can be run so many times, in a folder of its own each:

    xvfb-run -a python tools/napari_host_crash.py --runs 100 --limit 9000 --command
        "python $PWD/benchmarks/napari_plugin.py"   (on one line)

A Qt binding that survives ``thread-calls`` and ``async-slicing`` is one to recommend.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: Uppermost frames that are shown of a death.
FRAMES = 8
#: Seconds above those that an event loop is asked for, after which it hangs.
PATIENCE = 60
#: Seconds that all else of a run may take: start, and a core file to write.
START = 300
#: Qt objects with a connected signal that go at once, in `async_slicing`: a dock's.
DROPPED = 200
#: Calls that wait for the window's thread, in `thread_calls`, at most.
WAITING = 100

# -- cases -------------------------------------------------------------------------------


def async_slicing(seconds: float) -> int:
    """Slice a lazy layer in napari's thread as often as it goes; return the number of slices."""
    import dask.array as da
    import napari
    from napari.settings import get_settings
    from qtpy.QtCore import QTimer
    from qtpy.QtWidgets import QApplication

    get_settings().experimental.async_ = True
    # Hidden, for more slices per second: nothing is drawn.
    viewer = napari.Viewer(show=False)
    image = da.zeros((8, 8), chunks=8, dtype="uint8")
    layer = viewer.add_image(image, contrast_limits=(0, 255))
    slices = 0

    def arrived() -> None:
        nonlocal slices
        slices += 1

    layer.events.set_data.connect(arrived)
    timer = QTimer()
    timer.timeout.connect(layer.refresh)
    timer.timeout.connect(_drop_signals)
    timer.start(0)
    _run_event_loop(QApplication.instance(), seconds)
    return slices


def _drop_signals() -> None:
    """Make, connect and drop Qt objects, as a dock that is closed does."""
    from qtpy.QtCore import QObject, QTimer

    parent = QObject()
    for _ in range(DROPPED):
        QTimer(parent).timeout.connect(lambda: None)


def thread_calls(seconds: float) -> int:
    """Call a function of the window's thread from another one; return the number of calls."""
    from qtpy.QtWidgets import QApplication
    from superqt.utils import ensure_main_thread

    app = QApplication([])
    calls = 0
    end = threading.Event()

    @ensure_main_thread
    def arrived() -> None:
        nonlocal calls
        calls += 1

    def call() -> None:
        asked = 0
        while not end.is_set():
            if asked - calls < WAITING:
                asked += 1
                arrived()
            else:
                time.sleep(0)

    thread = threading.Thread(target=call)
    thread.start()
    _run_event_loop(app, seconds)
    end.set()
    thread.join()
    return calls


def removed_after_3d(_: float) -> int:
    """Remove a layer that was shown in 3-D and in 2-D again, then resize the window."""
    import napari
    import numpy as np
    from qtpy.QtWidgets import QApplication

    viewer = napari.Viewer()
    app = QApplication.instance()
    rows = np.arange(300, dtype=np.uint8)[:, None, None]
    colours = np.broadcast_to(rows, (300, 451, 3)).copy()
    viewer.window.resize(1300, 850)
    viewer.add_image(colours)
    above = viewer.add_image(colours.repeat(2, 0).repeat(2, 1), scale=(0.5, 0.5))
    _run_event_loop(app, 0.6)
    for ndisplay in (3, 2):
        viewer.dims.ndisplay = ndisplay
        _run_event_loop(app, 0.6)
    viewer.layers.remove(above)
    _run_event_loop(app, 0.2)
    viewer.window.resize(1200, 800)
    _run_event_loop(app, 0.5)
    return 1


def _run_event_loop(app: Any, seconds: float) -> None:
    """Handle the window's events for a while."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop, stop = QEventLoop(app), QTimer()
    stop.setSingleShot(True)
    stop.timeout.connect(loop.quit)
    stop.start(int(1000 * seconds))
    faulthandler.dump_traceback_later(seconds + PATIENCE, exit=True)
    loop.exec_()
    faulthandler.cancel_dump_traceback_later()


def removed_below(_: float) -> int:
    """Remove the lower one of two layers, and have the canvas drawn twice.

    napari deletes a layer's shader program in the OpenGL context that is current, which is not the
    canvas's. Mesa's drivers without shareable shaders (llvmpipe, softpipe, VMware's) then unbind
    the canvas's vertex shader: the drawing after the next has none.
    """
    import napari
    import numpy as np
    from qtpy.QtWidgets import QApplication

    viewer = napari.Viewer()
    app = QApplication.instance()
    lower, _ = [viewer.add_image(np.zeros((8, 8)), contrast_limits=(0, 1)) for _ in range(2)]
    _run_event_loop(app, 2)  # both are drawn, the lower one first
    viewer.layers.remove(lower)
    for _ in range(4):
        viewer.camera.zoom *= 1.01
        _run_event_loop(app, 0.5)
    return 1


def removed_beside(_: float) -> int:
    """Remove a layer while the window of another viewer was painted last, and draw that one.

    What is deleted is what has the same numbers in the other viewer's OpenGL context: with every
    driver. OpenGL says "invalid value", and Python ends by that error.
    """
    import napari
    import numpy as np
    from qtpy.QtWidgets import QApplication

    viewers = [napari.Viewer() for _ in range(2)]
    app = QApplication.instance()
    errors: list[BaseException] = []
    sys.excepthook = lambda _type, error, _traceback: errors.append(error)
    for viewer in viewers:
        for _ in range(2):
            viewer.add_image(np.zeros((8, 8)), contrast_limits=(0, 1))
    _run_event_loop(app, 2)
    viewers[1].camera.zoom *= 1.01
    _run_event_loop(app, 0.5)
    viewers[0].layers.remove(viewers[0].layers[0])
    for _ in range(3):
        viewers[1].camera.zoom *= 0.99
        _run_event_loop(app, 0.5)
    # PyQt ends at an error within a drawing; PySide only writes it.
    if errors:
        sys.exit(str(errors[-1])[-80:].replace("\n", " "))
    return 1


CASES: dict[str, Callable[[float], int]] = {
    "async-slicing": async_slicing,
    "thread-calls": thread_calls,
    "removed-after-3d": removed_after_3d,
    "removed-below": removed_below,
    "removed-beside": removed_beside,
}


def run_here(case: str, seconds: float) -> None:
    """Run a case in this process, print its count, and end the process."""
    faulthandler.enable()
    print("calls:", CASES[case](seconds), flush=True)
    # What happens at Python's end is another matter.
    os._exit(0)


# -- runs --------------------------------------------------------------------------------


def command_of_case(case: str, seconds: float) -> list[str]:
    """Return the command that runs a case in a process of its own."""
    return [sys.executable, __file__, "--case", case, "--seconds", str(seconds), "--here"]


def run_once(command: list[str], seconds: float, folder: Path) -> tuple[str | None, str]:
    """Run a command as a process in a folder.

    Returns
    -------
    cause : str, optional
        The signal that it died of, or "hang"; None: it lived.
    log : str
        What it wrote.
    """
    environment = os.environ | {"XDG_CONFIG_HOME": str(folder), "NAPARI_CONFIG": ""}
    environment["PYTHONFAULTHANDLER"] = "1"
    path = folder / "log"
    with path.open("w") as stream:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=stream, stderr=subprocess.STDOUT
        )
        try:
            status = process.wait(START + seconds + 2 * PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return "hang", path.read_text(errors="replace")
    log = path.read_text(errors="replace")
    if status < 0:
        return signal.Signals(-status).name, log
    if status:
        return "hang" if "Timeout (" in log else f"exit status {status}", log
    return None, log


def _allow_core_files() -> None:
    """Have the processes that are started write core files when they die."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


def python_frames(log: str) -> list[str]:
    """Return what faulthandler wrote of where each thread was, uppermost first."""
    lines = log.splitlines()
    starts = [number for number, line in enumerate(lines) if line.endswith("call first):")]
    dying = [number for number in starts if lines[number].startswith("Current thread")]
    return [line for number in dying or starts for line in lines[number : number + 4]]


def c_frames(folder: Path) -> list[str]:
    """Return the uppermost C frames of what died, from a core file; none: there is none."""
    cores, gdb = sorted(folder.glob("core*")), shutil.which("gdb")
    if not cores or gdb is None:
        return []
    command = [gdb, "-batch", "-ex", f"bt {FRAMES + 5}", sys.executable, str(cores[0])]
    text = subprocess.run(
        command, capture_output=True, text=True, check=False, errors="replace"
    ).stdout
    frames = re.findall(r"^#\d+ +(?:0x\w+ in )?(.*)$", text, re.MULTILINE)
    # Above that of the handler: faulthandler, which raises the signal again.
    handler = [number for number, frame in enumerate(frames) if "signal handler" in frame]
    return frames[handler[0] + 1 if handler else 0 :][:FRAMES]


def run_many(name: str, command: list[str], seconds: float, runs: int, limit: float) -> int:
    """Run a command many times, show each death and the sum; return how many died."""
    deaths: Counter[str] = Counter()
    calls = done = 0
    end = time.monotonic() + limit
    while done < runs and time.monotonic() < end:
        with tempfile.TemporaryDirectory(prefix="napari-crash-") as folder:
            start = time.monotonic()
            cause, log = run_once(command, seconds, Path(folder))
            done += 1
            if cause is None:
                found = re.findall(r"^calls: (\d+)$", log, re.MULTILINE)
                calls += int(found[-1]) if found else 0
                continue
            deaths[cause] += 1
            print(f"run {done}: {cause} after {time.monotonic() - start:.1f} s")
            frames = c_frames(Path(folder)) or python_frames(log) or log.splitlines()[-FRAMES:]
            print(*(f"    {frame[:160]}" for frame in frames), sep="\n", flush=True)
    causes = ", ".join(f"{count} of {cause}" for cause, count in deaths.items()) or "none"
    print(f"{name}: {done} runs, {deaths.total()} deaths ({causes})")
    if calls:
        print(f"calls in runs that lived: {calls}", flush=True)
    return deaths.total()


def versions() -> str:
    """Name what runs: Python, the Qt binding, napari and what it stands on."""
    from importlib.metadata import PackageNotFoundError, version

    names = [f"Python {sys.version.split()[0]}"]
    for package in ("PySide6-Essentials", "PyQt6", "napari", "superqt", "vispy"):
        with contextlib.suppress(PackageNotFoundError):
            names.append(f"{package} {version(package)}")
    return ", ".join(names)


def main() -> int:
    """Run a case, here or as processes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", choices=CASES, default="async-slicing")
    parser.add_argument("--command", help="run this instead of a case")
    parser.add_argument("--runs", type=int, default=10, help="at most so many processes")
    parser.add_argument("--seconds", type=float, default=15, help="of each, in the first two cases")
    parser.add_argument("--limit", type=float, default=600, help="seconds; then no run starts")
    parser.add_argument("--here", action="store_true", help="one run, within this process")
    arguments = parser.parse_args()
    if arguments.here:
        run_here(arguments.case, arguments.seconds)
    print(versions(), flush=True)
    _allow_core_files()
    name, command = arguments.case, command_of_case(arguments.case, arguments.seconds)
    if arguments.command:
        name, command = arguments.command, shlex.split(arguments.command)
    deaths = run_many(name, command, arguments.seconds, arguments.runs, arguments.limit)
    return int(deaths > 0)


if __name__ == "__main__":
    sys.exit(main())
