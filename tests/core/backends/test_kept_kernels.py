"""Compiled kernels on the disk: whatever becomes of the files, results are right."""

import ast
import errno
import functools
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numba
import pytest
from numba.core.dispatcher import Dispatcher
from support.cli import lerf_command
from support.images import noise
from support.kernels import environment

from lerf_core.backends import first_run
from lerf_core.backends.numba.kernels import compiling

MODULE = """
from lerf_core.backends.numba.kernels.compiling import HELPER, KERNEL, compiled

@compiled(**HELPER)
def plus(value):
    return value + 1

@compiled(**KERNEL)
def twice(value):
    return 2 * plus(value)
"""
ROOT = Path(compiling.__file__).parents[4]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where kernels are kept; nothing has been told."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "kept"))
    monkeypatch.setattr(compiling, "_told", set())
    return tmp_path / "kept"


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Return a function that loads the module as a new process would."""
    path = tmp_path / "module_of_kernels.py"
    path.write_text(MODULE)

    def loaded():
        for cached in (compiling._digest_of_sources, compiling._imports, compiling._source):
            cached.cache_clear()
        spec = importlib.util.spec_from_file_location("module_of_kernels", path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        spec.loader.exec_module(module)
        return module

    return loaded


def called(module):
    """Call the kernel; return how many were loaded and compiled."""
    assert module.twice(20) == 42
    assert module.twice(0.25) == 2.5
    counts = [module.twice.stats, module.plus.stats]
    hits = sum(sum(stats.cache_hits.values()) for stats in counts)
    return hits, sum(sum(stats.cache_misses.values()) for stats in counts)


def files(folder):
    return sorted(folder.rglob("*.*"))


def test_what_is_kept_is_loaded(folder, load, caplog):
    assert called(load()) == (0, 4)
    assert [path.suffix for path in files(folder)] == [".nbc"] * 4
    for path in files(folder):
        assert path.match(f"*.{'?' * 20}.nbc")  # as first_run looks for them
    assert called(load()) == (2, 0)  # the helper lies within
    assert caplog.messages == []


def emptied(path):
    path.write_bytes(b"")


def truncated(path):
    os.truncate(path, path.stat().st_size // 2)


def shorter(path):
    os.truncate(path, path.stat().st_size - 1)


def flipped(path):
    data = bytearray(path.read_bytes())
    data[-len(data) // 3] ^= 4
    path.write_bytes(data)


def garbage(path):
    path.write_bytes(os.urandom(5000))


def with_changed_head(path):
    path.write_bytes(b"x" + path.read_bytes()[1:])


def replaced_by_a_folder(path):
    path.unlink()
    path.mkdir()


DAMAGES = [emptied, truncated, shorter, flipped, garbage, with_changed_head]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files_are_made_anew(folder, load, caplog, damage):
    called(load())
    for path in files(folder):
        damage(path)
    assert called(load()) == (0, 4)
    (told,) = caplog.messages
    assert re.fullmatch(r"compiled kernels in .*kept.* are damaged; made anew", told)
    assert called(load()) == (2, 0)


def test_kernels_under_names_of_others_are_made_anew(folder, load, caplog):
    """As two processes leave them that write numba's own index."""
    called(load())
    first, second = folder.rglob("*twice*")
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    assert called(load()) == (2, 2)  # the helpers are where they were
    assert caplog.messages == []


def test_folders_in_the_place_of_files(folder, load, caplog):
    called(load())
    for path in files(folder):
        replaced_by_a_folder(path)
    for _ in range(2):
        assert called(load()) == (0, 4)
    of_no_use, not_kept = caplog.messages
    assert "are of no use: Is a directory; made anew" in of_no_use
    assert "cannot be kept" in not_kept
    assert "the next run compiles them again" in not_kept
    assert not [path for path in files(folder) if path.suffix == ".tmp"]


@pytest.mark.parametrize("change", ["numba", "source", "helper"])
def test_kernels_of_other_versions_are_stale(folder, load, monkeypatch, tmp_path, change, caplog):
    called(load())
    read = compiling._source
    if change == "numba":
        monkeypatch.setattr(numba, "__version__", "0.1")
    elif change == "source":
        path = tmp_path / "module_of_kernels.py"
        path.write_text(path.read_text() + "\n# later\n")
    else:  # a module that a kernel takes constants from
        changed = functools.cache(lambda module: read(module) + b" ")
        monkeypatch.setattr(compiling, "_source", changed)
    assert called(load()) == (0, 4)
    assert called(load()) == (2, 0)
    assert caplog.messages == []


def test_a_full_disk(folder, load, monkeypatch, caplog):
    write = Path.write_bytes

    def full(self, data):
        write(self, data[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        assert called(load()) == (0, 4)
    (told,) = caplog.messages
    assert "cannot be kept in" in told
    assert "No space left on device; the next run compiles them again" in told
    assert files(folder) == []
    assert called(load()) == (0, 4)
    assert called(load()) == (2, 0)


def test_no_folder_can_be_written(load, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(compiling, "_told", set())
    monkeypatch.setattr(compiling._Places, "_locator_classes", [])
    for _ in range(2):
        assert called(load()) == (0, 4)
    (told,) = caplog.messages
    assert "each run compiles them: no folder for them can be written" in told


def test_a_file_in_the_place_of_the_folder(folder, load):
    folder.write_text("no folder")
    assert called(load()) == (0, 4)
    assert folder.read_text() == "no folder"


SCRIPT = """
import sys, importlib.util, pathlib
path = sys.argv[1]
spec = importlib.util.spec_from_file_location("module_of_kernels", path)
module = sys.modules["module_of_kernels"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
pathlib.Path(sys.argv[2]).touch()
while len(list(pathlib.Path(sys.argv[2]).parent.iterdir())) < int(sys.argv[3]):
    pass
for value in (20, 0.25, 3j, True, (1, 2)[0]):
    assert module.twice(value) == 2 * (value + 1), value
"""


@pytest.mark.slow
def test_processes_that_start_together(folder, load, tmp_path, caplog):
    starts = tmp_path / "starts"
    starts.mkdir()
    kept = environment(NUMBA_CACHE_DIR=folder)
    load()
    started = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, tmp_path / "module_of_kernels.py", starts / str(number),
             "4"],
            env=kept, stderr=subprocess.PIPE, text=True,
        )
        for number in range(4)
    ]  # fmt: skip
    for process in started:
        assert process.communicate()[1] == ""
        assert process.returncode == 0
    module = load()
    for value in (20, 0.25, 3j, True):
        assert module.twice(value) == 2 * (value + 1)
    assert sum(module.twice.stats.cache_hits.values()) == 4
    assert not [path for path in files(folder) if path.suffix == ".tmp"]


def test_every_kernel_of_the_project_is_kept():
    from lerf_core.backends.numba.kernels import grid, points

    for module in (grid, points):
        kernels = [value for value in vars(module).values() if isinstance(value, Dispatcher)]
        assert kernels
        for kernel in kernels:
            assert type(kernel._cache).__module__ == compiling.__name__


@pytest.mark.parametrize("name", ["grid", "points", "halving"])
def test_the_modules_behind_a_kernel(name):
    """Found in the text, without parsing it: as many as there are."""
    package = "lerf_core.backends.numba.kernels"
    importlib.import_module(f"{package}.{name}")
    waiting, expected = [f"{package}.{name}"], set()
    while waiting:
        path = ROOT.joinpath(*waiting.pop().split(".")).with_suffix(".py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            module = getattr(node, "module", None) or ""
            if module.startswith("lerf_") and module not in expected:
                assert ROOT.joinpath(*module.split(".")).with_suffix(".py").is_file()
                expected.add(module)
                waiting.append(module)
    assert compiling._modules_behind(f"{package}.{name}", frozenset()) == expected
    assert "lerf_core.backends.numba.kernels.compiling" in expected


# -- what the user is told --------------------------------------------------------


@pytest.mark.long
def test_the_command_tells_once(tmp_path):
    from PIL import Image

    Image.fromarray(noise((20, 30))).save(tmp_path / "a.png")
    Image.fromarray(noise((30, 20))).save(tmp_path / "b.png")
    kept = environment("numba", NUMBA_CACHE_DIR=tmp_path / "kept")
    words = lerf_command(
        "resize", tmp_path / "a.png", tmp_path / "b.png", "-o", f"{tmp_path}/o/", "--scale", 2,
        "--overwrite",
    )  # fmt: skip

    def run(*more):
        done = subprocess.run([*words, *more], env=kept, check=True, capture_output=True, text=True)
        return done.stderr.splitlines(), (tmp_path / "o" / "a.png").read_bytes()

    told, expected = run()
    assert told == [
        "No compiled kernels are found: compiling them takes some seconds.",
        "2 done, 0 skipped, 0 failed",
    ]
    for path in (tmp_path / "kept").rglob("*.nbc"):
        truncated(path)
    told, found = run()
    assert len(told) == 2
    assert re.fullmatch("lerf: note: compiled kernels in .* are damaged; made anew", told[0])
    assert found == expected
    assert run() == (["2 done, 0 skipped, 0 failed"], expected)
    for path in (tmp_path / "kept").rglob("*.nbc"):
        emptied(path)
    assert run("-q") == ([], expected)


@pytest.fixture
def without_a_library(monkeypatch):
    monkeypatch.setattr(first_run, "find_library", lambda: None)


def test_where_kernels_are_looked_for(tmp_path, monkeypatch, without_a_library):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "named"))
    assert "No compiled kernels" in first_run.first_run_message()
    (tmp_path / "named" / "x").mkdir(parents=True)
    (tmp_path / "named" / "x" / "table_reads.feature_rows-3.py311.0123456789abcdef0123.nbc").touch()
    assert first_run.first_run_message() is None


def test_a_user_without_a_home(monkeypatch, tmp_path, without_a_library):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def nobody():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    monkeypatch.setattr(first_run, "_is_writable", lambda folder: False)
    first_run.first_run_message()
    assert list(tmp_path.iterdir()) == []
