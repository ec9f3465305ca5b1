"""Run scikit-image's own tests of resize, rescale and warp against lerf's.

The tests come with scikit-image's sources, as tests/skimage/transform/test_warps.py (before 0.26
skimage/transform/tests/test_warps.py). Unpack the source distribution of the installed release
(`pip download --no-deps --no-binary :all: scikit-image==VERSION`):

    python benchmarks/scikit_image_tests.py FOLDER_OR_FILE [--bank NAME] [--json FILE]

While they run, the three functions of `lerf_plugins.filters.skimage` stand in the place of
scikit-image's, for its rotate, swirl and warp_polar too. A test is "not ours" if it called none
of them, and "fails anyway" if it fails with scikit-image's own as well.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import skimage
import skimage.transform
from skimage.transform import _warps

from lerf_plugins.filters import skimage as ours

NAMES = ("resize", "rescale", "warp")
FILE = "test_warps.py"


class Recorder:
    """A pytest plugin: how each test ended, and whether it called a function of ours."""

    def __init__(self) -> None:
        self.calls = 0
        self.called: dict[str, bool] = {}
        self.failures: dict[str, str] = {}
        self.ended: list[str] = []

    def count(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, which tells that it is called."""

        @functools.wraps(function)
        def counted(*args: Any, **keywords: Any) -> Any:
            self.calls += 1
            return function(*args, **keywords)

        return counted

    def pytest_runtest_setup(self) -> None:
        """Begin to count."""
        self.calls = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a failure of any phase, and the end."""
        name = report.nodeid.split("::", 1)[1]
        if report.failed:
            self.failures[name] = first_line(report)
        if report.when == "call":
            self.called[name] = self.calls > 0
        if report.when == "teardown":
            self.ended.append(name)


def first_line(report: pytest.TestReport) -> str:
    """Return what went wrong, in a line."""
    crash = getattr(report.longrepr, "reprcrash", None)
    message = str(crash.message if crash else report.longrepr)
    return " ".join(message.split())[:160]


@contextmanager
def in_place(functions: dict[str, Callable[..., Any]]) -> Iterator[None]:
    """Let functions stand where scikit-image's own do."""
    homes = (_warps, skimage.transform)
    before = [(home, name, getattr(home, name)) for home in homes for name in functions]
    try:
        for home in homes:
            for name, function in functions.items():
                setattr(home, name, function)
        yield
    finally:
        for home, name, function in before:
            setattr(home, name, function)


def run(path: Path, functions: dict[str, Callable[..., Any]]) -> Recorder:
    """Run the tests with functions in the place of scikit-image's."""
    recorder = Recorder()
    counted = {name: recorder.count(function) for name, function in functions.items()}
    options = ["-q", "--no-header", "--no-summary", "--tb=line", "-p", "no:cacheprovider"]
    with in_place(counted), tempfile.TemporaryDirectory() as folder:
        # A module of its own, to import anew: tests take the functions when they are imported.
        # Neither this project's settings nor theirs.
        copy = Path(shutil.copy(path, Path(folder) / f"test_{Path(folder).name}.py"))
        settings = ["-c", os.devnull, "--rootdir", folder, "--import-mode", "importlib"]
        pytest.main([*options, *settings, str(copy)], plugins=[recorder])
    if not recorder.ended:
        raise SystemExit(f"no tests ran in {path}")
    return recorder


def find(path: Path) -> Path:
    """Return the file of tests."""
    if path.is_file():
        return path
    found = sorted(path.rglob(f"transform/**/{FILE}")) or sorted(path.rglob(FILE))
    if not found:
        raise SystemExit(f"no {FILE} in {path}")
    return found[0]


def verdicts(with_ours: Recorder, with_theirs: Recorder) -> dict[str, tuple[str, str]]:
    """Return each test's verdict and, if it failed, why."""
    found = {}
    for name in with_ours.ended:
        failure = with_ours.failures.get(name, "")
        if not with_ours.called.get(name):
            verdict = "not ours"
        elif not failure:
            verdict = "pass"
        else:
            verdict = "fails anyway" if name in with_theirs.failures else "fail"
        found[name] = (verdict, failure)
    return found


def main() -> None:
    """Print a line for each test, and the totals."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("path", type=Path, metavar="FOLDER_OR_FILE")
    parser.add_argument("--bank", help="the bank of tables (default: the library's choice)")
    parser.add_argument("--json", type=Path, help="write the verdicts to a file")
    arguments = parser.parse_args()
    path = find(arguments.path)
    theirs = {name: getattr(_warps, name) for name in NAMES}
    mine = {
        name: functools.partial(getattr(ours, name), bank=arguments.bank)
        if arguments.bank
        else getattr(ours, name)
        for name in NAMES
    }
    with_theirs = run(path, theirs)
    found = verdicts(run(path, mine), with_theirs)
    print(f"\nscikit-image {skimage.__version__}, bank {arguments.bank or 'by default'}\n")
    for name, (verdict, failure) in found.items():
        print(f"{verdict:12}  {name}" + (f"\n{'':14}{failure}" if verdict == "fail" else ""))
    totals = Counter(verdict for verdict, _ in found.values())
    print("\n" + ", ".join(f"{verdict}: {count}" for verdict, count in totals.most_common()))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
