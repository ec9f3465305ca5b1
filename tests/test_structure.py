"""The structure of the code stays what docs/architecture.md says."""

import importlib.util
import sys
from pathlib import Path

import pytest
from support.balance import HEAVIEST

ROOT = Path(__file__).resolve().parents[1]
SPEC = importlib.util.spec_from_file_location("structure", ROOT / "tools" / "structure.py")
structure = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = structure
SPEC.loader.exec_module(structure)

# A module above this is hard to enter: whoever reads it has as many beneath it to know.
MOST_LEVELS = {"lerf_core": 10, "lerf_cli": 8, "lerf_plugins": 8, "lerf_training": 8}
# Lines that a sitting takes in.
MOST_LINES = 700


@pytest.fixture(scope="module")
def modules():
    return structure.read_modules(ROOT)


def test_no_modules_import_each_other(modules):
    assert structure.find_circles(modules) == []


def test_private_names_stay_in_their_package(modules):
    assert [f"{m.name}: {name}" for m in modules.values() for name in m.private] == []


@pytest.mark.parametrize("package", MOST_LEVELS)
def test_levels_of_imports(modules, package):
    chain = structure.longest_chain(modules, package)
    assert len(chain) <= MOST_LEVELS[package], " > ".join(chain)


def test_modules_fit_a_sitting(modules):
    long = {name: m.lines for name, m in modules.items() if m.lines > MOST_LINES}
    assert long == {}


def test_slow_files_are_listed_by_their_names():
    assert [name for name in HEAVIEST if not (ROOT / name).is_file()] == []


def test_circles_are_found():
    """The tests above can fail."""
    made = {
        name: structure.Module(name, ROOT, 1, 1, {other}, {other})
        for name, other in (("p.a", "p.b"), ("p.b", "p.c"), ("p.c", "p.a"), ("p.d", "p.a"))
    }
    assert structure.find_circles(made) == [["p.a", "p.b", "p.c"]]
    assert len(structure.longest_chain(made, "p")) == 4
