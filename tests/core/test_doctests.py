"""The examples in the docstrings run."""

import doctest
import importlib
import pkgutil

import pytest

import lerf_core
from lerf_core import tiled

MODULES = ["lerf_core"] + [
    info.name
    for package in (lerf_core, tiled)
    for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
    if not info.ispkg
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    count = sum(
        bool(test.examples)
        for name in MODULES
        for test in finder.find(importlib.import_module(name))
    )
    assert count >= 8
