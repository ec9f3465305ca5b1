"""What is run on all kernels, for many minutes, by `make test-long`: in processes of their own.

The kernels of each level that this processor runs, and those of numba, equal the reference; with
bounds checks no index leaves an array; between protected pages nothing is read or written beyond
arrays (tools/guard_sweep.py).
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from support.kernels import environment

from lerf_core.backends.numba.cpu_levels import usable_levels
from lerf_core.backends.numba.libraries import library_path

ROOT = Path(__file__).resolve().parents[3]
FOLDER = Path(__file__).parent
# Tests of a backend's steps and of whole calls.
PARITY = [
    *(
        FOLDER / f"test_{name}.py"
        for name in (
            "parity", "parity_of_dtypes", "network_parity", "front_parity", "kernel_points",
            "separable", "shrinking",
        )
    ),
    FOLDER.parent / "fronts" / "test_cascade.py",
]  # fmt: skip
LEVELS = [level.name for level in usable_levels()]

pytestmark = [pytest.mark.long, pytest.mark.slow]


def run_python(*words, env):
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", *map(str, words)], env=env, cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=4 * 3600,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.returncode}: {done.stdout[-6000:]}"
    return done.stdout


def run_parity(env):
    return run_python("-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", *PARITY, env=env)


def needs(kernels):
    if kernels == "numba":
        if importlib.util.find_spec("numba") is None:
            pytest.skip("numba is not installed")
        return
    level = next(level for level in usable_levels() if level.name == kernels)
    if not library_path(level).exists():
        pytest.skip(f"no library of {kernels}: building.build --all makes it")


@pytest.mark.parametrize("kernels", [*LEVELS, "numba"])
def test_kernels_of_every_level_equal_the_reference(kernels):
    needs(kernels)
    assert " passed" in run_parity(environment(kernels, LERF_TEST_EXAMPLES=2))


def test_no_index_leaves_an_array(tmp_path):
    needs("numba")
    env = environment("numba", NUMBA_BOUNDSCHECK=1, NUMBA_CACHE_DIR=tmp_path, LERF_TEST_EXAMPLES=2)
    assert " passed" in run_parity(env)


@pytest.mark.skipif(sys.platform != "linux", reason="protects pages as Linux does")
@pytest.mark.parametrize("where", ["end", "start"])
@pytest.mark.parametrize("kernels", LEVELS)
def test_nothing_is_read_or_written_beyond_arrays(kernels, where, tmp_path):
    needs(kernels)
    log = tmp_path / "last call"
    words = ["--seconds", 300, "--log", log, *(["--start"] if where == "start" else [])]
    try:
        told = run_python(ROOT / "tools" / "guard_sweep.py", *words, env=environment(kernels))
    except AssertionError as error:
        raise AssertionError(f"{log.read_text()}\n{error}") from error
    assert f"kernels of kernels-{kernels}.lib" in told
    assert "not run: " not in told
