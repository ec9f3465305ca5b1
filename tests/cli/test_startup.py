"""What `lerf --help` costs, and what each command's help says."""

from __future__ import annotations

import gc
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from lerf_cli.main import COMMANDS
from lerf_cli.startup import loading_modules
from lerf_core.backends.numba.libraries import find_library

# What is slow to import, and what little of which is needed.
HEAVY = {
    "PIL", "dask", "imageio", "llvmlite", "numba", "numpy", "tifffile", "torch", "tqdm",
}  # fmt: skip
NEVER = {
    "asyncio", "dask", "distributed", "fsspec", "http", "imageio", "llvmlite", "matplotlib",
    "multiprocessing", "numba", "numpy.ma", "numpy.random", "pandas", "pydicom", "scipy", "ssl",
    "torch", "tqdm", "unittest", "zarr",
}  # fmt: skip
# Of this project's modules, what a small image takes; more cost each command half a millisecond.
MOST_MODULES = 133
# numba imports much, where there is no library.
needs_library = pytest.mark.skipif(find_library() is None, reason="no compiled kernels")
PROBE = """
import json, sys
from lerf_cli.main import main
try:
    main({arguments!r}, prog_name="lerf")
except SystemExit as stop:
    code = stop.code
print(json.dumps([code or 0, sorted(sys.modules)]), file=sys.stderr)
"""


def modules_after(*arguments: str) -> set[str]:
    script = PROBE.format(arguments=list(arguments))
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    code, names = json.loads(done.stderr.splitlines()[-1])
    assert code == 0
    return set(names)


def ours(names: set[str]) -> set[str]:
    return {name for name in names if name.startswith("lerf_")}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["resize", "--help"],
        ["warp", "--help"],
        ["info", "--help"],
        ["compare", "--help"],
    ],
)
def test_help_imports_nothing_heavy(arguments):
    names = modules_after(*arguments)
    assert "click" in names
    assert not names & HEAVY
    assert len(ours(names)) <= 21


def test_an_import_of_the_library_imports_no_other():
    code = "import json, sys, lerf_core; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    names = set(json.loads(done.stdout))
    assert not names & (HEAVY | {"click", "dataclasses", "pathlib"})
    assert len(ours(names)) <= 3


def test_overview_names_every_command(run):
    text = run("--help").output
    for name, entry in COMMANDS.items():
        assert name in text
        assert entry.summary.rstrip(".") in text


@pytest.mark.parametrize("name", ["resize", "warp", "models"])
def test_every_help_has_examples_on_lines_of_their_own(run, name):
    text = run(name, "--help").output
    assert "Examples:" in text
    assert sum(line.strip().startswith(("lerf ", "cat ")) for line in text.splitlines()) >= 4


def test_unknown_command_is_a_usage_error(run):
    assert "No such command" in run("enlarge", code=2).output


@pytest.mark.parametrize("module", ["lerf_cli", "lerf_cli.main"])
def test_the_package_runs_as_a_module(module):
    command = [sys.executable, "-m", module, "--version"]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    assert done.stdout.startswith("lerf, version")


def modules_of_run(command: str, suffix: str, folder: Path, *options: str) -> set[str]:
    source, target = folder / f"in{suffix}", folder / f"out{suffix}"
    Image.new("RGB", (9, 9)).save(source)
    return modules_after(command, str(source), "-o", str(target), "-q", *options)


@needs_library
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".gif"])
def test_a_resize_imports_what_it_needs_alone(tmp_path, suffix):
    names = modules_of_run("resize", suffix, tmp_path, "--scale", "2")
    assert not names & NEVER
    assert not names & {"tifffile", "imagecodecs", "concurrent.futures.process"}
    assert len(ours(names)) <= MOST_MODULES
    unneeded = {
        "lerf_cli.batch.cluster", "lerf_cli.batch.tiled", "lerf_core.chunked",
        "lerf_core.execution.kernel_resize", "lerf_core.execution.majority",
        "lerf_core.execution.warp", "lerf_core.geometry.maps", "lerf_core.io.metadata.xmp",
        "lerf_core.io.results.claims", "lerf_core.io.tiles.tiled_reader",
        "lerf_core.sampling.shrinking", "lerf_core.tiled.running",
    }  # fmt: skip
    assert not names & unneeded


@needs_library
def test_pillow_does_not_import_all_of_its_formats(tmp_path):
    names = modules_of_run("resize", ".webp", tmp_path, "--scale", "2")
    assert "PIL.WebPImagePlugin" in names
    assert not names & {"PIL.FitsImagePlugin", "PIL.PdfImagePlugin", "PIL.TiffImagePlugin"}


@needs_library
def test_a_warp_imports_what_it_needs_alone(tmp_path):
    names = modules_of_run("warp", ".png", tmp_path, "--rotate", "7")
    assert not names & NEVER
    assert not names & {"tifffile", "imagecodecs", "concurrent.futures.process"}
    assert len(ours(names)) <= MOST_MODULES + 20
    assert not names & {"lerf_core.execution.majority", "lerf_core.io.metadata.xmp"}


@needs_library
def test_a_tiff_imports_no_cluster_and_no_other_formats(tmp_path):
    names = modules_of_run("resize", ".tif", tmp_path, "--scale", "2")
    assert "tifffile" in names
    assert not names & NEVER
    assert not names & {"lerf_core.io.codecs.zarr.reader", "lerf_core.io.codecs.jpeg2000"}


def test_the_collector_works_again_once_modules_are_loaded():
    gc.collect()
    with loading_modules():
        assert not gc.isenabled()
    assert gc.isenabled()
    gc.disable()
    try:
        with loading_modules():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_is_loaded_already_freezes_nothing():
    before = gc.get_freeze_count()
    with loading_modules():
        importlib.import_module("json")
    assert gc.get_freeze_count() == before
