"""What `lerf --help` costs, and what each command's help says."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
from PIL import Image

from lerf_cli.main import COMMANDS

HEAVY = ("numpy", "numba", "PIL", "torch", "tqdm", "tifffile", "imageio", "dask")
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


@pytest.mark.parametrize("arguments", [["--help"], ["resize", "--help"], ["warp", "--help"]])
def test_help_imports_nothing_heavy(arguments):
    names = modules_after(*arguments)
    assert "click" in names
    assert not names & set(HEAVY)


def best_of(count: int, code: str) -> float:
    times = []
    for _ in range(count):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        times.append(time.perf_counter() - start)
    return min(times)


def test_help_starts_within_three_tenths_of_a_second():
    code = "from lerf_cli.main import main; main(['--help'])"
    assert best_of(5, code) - best_of(5, "pass") < 0.3


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


def test_a_resize_imports_what_it_needs_alone(tmp_path):
    Image.new("L", (9, 9)).save(tmp_path / "in.png")
    names = modules_after(
        "resize", str(tmp_path / "in.png"), "-o", str(tmp_path / "o.png"), "--scale", "2"
    )
    heavy = {"numba", "llvmlite", "scipy", "pandas", "dask", "torch", "tifffile", "imageio", "tqdm"}
    assert not names & heavy
    tiles = {"lerf_cli.batch.tiled", "lerf_cli.batch.cluster", "lerf_core.tiled.running"}
    assert not names & tiles
