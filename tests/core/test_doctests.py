"""The examples in the docstrings run, and every public function has one."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import lerf_core
from lerf_core import chunked, metrics

#: What needs torch is tested with the filters.
MODULES = ["lerf_core"] + [
    info.name
    for info in pkgutil.walk_packages(lerf_core.__path__, "lerf_core.")
    if not info.name.startswith("lerf_core.backends.torch")
]
#: Functions that tell what this machine holds, or need a file.
WITHOUT_EXAMPLE = {
    "available_banks", "available_fronts", "first_run_message", "load_front", "user_bank_folder",
}  # fmt: skip


def examples_of(name):
    tests = doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name))
    return {test.name: test for test in tests if test.examples}


@pytest.mark.parametrize("name", [name for name in MODULES if examples_of(name)])
def test_examples_run(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("module", [lerf_core, chunked, metrics])
def test_every_public_function_has_an_example(module):
    functions = [name for name in module.__all__ if inspect.isfunction(getattr(module, name))]
    assert functions
    for name in set(functions) - WITHOUT_EXAMPLE:
        function = getattr(module, name)
        assert f"{function.__module__}.{name}" in examples_of(function.__module__), name
