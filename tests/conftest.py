"""Fixtures and settings shared by every test."""

import importlib.util
import os
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from support import banks
from support.balance import slowest_first
from support.examples import EXAMPLES_FACTOR

from lerf_core.bank import DEFAULT_BANK, KINDS, LutBank

ROOT = Path(__file__).resolve().parents[1]

# As `lerf train` has it; before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Without a GPU Triton interprets its kernels; it asks when it is imported.
if shutil.which("nvidia-smi") is None:
    os.environ.setdefault("TRITON_INTERPRET", "1")

# No deadlines: the first call of a kernel compiles it. Derandomised: a red run can be repeated.
hypothesis.settings.register_profile(
    "lerf", deadline=None, derandomize=True, max_examples=50 * EXAMPLES_FACTOR
)
hypothesis.settings.load_profile("lerf")

NO_DATA = "the benchmark data are missing (LERF_DATA, or ../shared/data beside the project)"


NO_VIEWER = "napari cannot open a window here"


def viewer_problem() -> str | None:
    """Say why a napari window cannot be opened; None: it can."""
    if importlib.util.find_spec("napari") is None or importlib.util.find_spec("pytestqt") is None:
        return f"{NO_VIEWER}: napari or pytest-qt is not installed"
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        return f"{NO_VIEWER}: there is no display (xvfb-run gives one)"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from qtpy import API, QtOpenGL, QtWidgets  # noqa: F401
            from vispy.gloo import gl  # noqa: F401
    # Whatever a library lacks.
    except (ImportError, OSError, RuntimeError) as error:
        return f"{NO_VIEWER}: {error}"
    # Of two bindings pytest-qt would take the other one.
    os.environ["PYTEST_QT_API"] = API
    return None


VIEWER_PROBLEM = viewer_problem()
if importlib.util.find_spec("napari") is not None:
    # Its own kernels take longer to compile than any shape of these tests to cut into triangles.
    sys.modules["napari.layers.shapes._accelerated_triangulate_numba"] = None
if VIEWER_PROBLEM is None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import napari.utils.theme
        import napari.viewer  # noqa: F401
        import npe2  # noqa: F401
    pytest_plugins = ["pytestqt.plugin", "napari.utils._testsupport"]


def find_shared_data() -> Path | None:
    """Return the folder of benchmark data, or None where there is none."""
    named = os.environ.get("LERF_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    return folder if (folder / "bench").is_dir() else None


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder that holds `bench` and `upstream`; the test is skipped where it is missing."""
    folder = find_shared_data()
    if folder is None:
        pytest.skip(NO_DATA)
    return folder


@pytest.fixture
def one_default_bank(tmp_path_factory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the default bank be the one behind fronts too, whatever ships."""
    folder = tmp_path_factory.mktemp("banks")
    banks.write_bank_behind_fronts(folder, monkeypatch, DEFAULT_BANK)


@pytest.fixture(scope="session")
def display() -> None:
    """Skip the test where no napari window can be opened."""
    if VIEWER_PROBLEM is not None:
        pytest.skip(VIEWER_PROBLEM)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[Any]) -> None:
    """Have slow files come first where processes share the work."""
    if hasattr(config, "workerinput"):
        slowest_first(items, ROOT)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many tests did not run for want of data, or of a display."""
    skipped = terminalreporter.stats.get("skipped", [])
    for reason in (NO_DATA, VIEWER_PROBLEM):
        count = sum(bool(reason) and str(reason) in str(report.longrepr) for report in skipped)
        if count:
            terminalreporter.write_line(f"{count} tests skipped: {reason}", yellow=True)


@pytest.fixture(scope="session")
def make_random_bank() -> Any:
    """Factory of banks of random tables."""
    return banks.make_random_bank


@pytest.fixture(scope="session")
def random_bank() -> LutBank:
    """A LeRF-G bank of random tables."""
    return banks.random_bank("lerf-g")


class _Banks(list[LutBank]):
    """Banks that do not fill the screen when hypothesis prints a failing example."""

    def __repr__(self) -> str:
        return "random_banks"


@pytest.fixture(scope="session")
def random_banks() -> list[LutBank]:
    """A bank of random tables of each kind."""
    return _Banks(map(banks.random_bank, KINDS))
