"""The examples of the filters' docstrings run; a filter imports its own host alone."""

import doctest
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from lerf_plugins import filters

pytestmark = pytest.mark.slow

FOLDER = Path(filters.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(FOLDER).with_suffix("").parts).removesuffix(".__init__")
    for path in FOLDER.rglob("*.py")
    if path != FOLDER / "__init__.py"
)
HOSTS = {"torch", "PIL", "albumentations", "cv2", "skimage", "xarray", "dask"}


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name, monkeypatch):
    monkeypatch.setenv("NO_ALBUMENTATIONS_UPDATE", "1")
    try:
        module = importlib.import_module(f"{filters.__name__}.{name}")
    except ModuleNotFoundError as error:
        if error.name not in HOSTS:
            raise
        pytest.skip(f"{error.name} is not installed")
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("name", ["opencv", "transforms"])
def test_no_host_is_imported(name):
    code = f"import sys, lerf_plugins.filters.{name}; sys.exit(bool({HOSTS!r} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)
