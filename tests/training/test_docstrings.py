"""The examples in the docstrings run."""

import doctest
import importlib
import pkgutil

import lerf_training
import pytest

pytestmark = pytest.mark.slow

MODULES = [info.name for info in pkgutil.walk_packages(lerf_training.__path__, "lerf_training.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        pytest.skip("torch is not installed")
    assert doctest.testmod(module).failed == 0
