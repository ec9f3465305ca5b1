"""Any banks are rows of the timing's tables, for every size of task, in colour and in grey."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lerf_core

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
TASKS = ("x1.5", "x2", "x2x3", "x3", "x4", "x6", "x8")


@pytest.fixture(scope="module")
def competitors():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield importlib.import_module("competitors")
    finally:
        sys.path.remove(str(BENCHMARKS))


def test_every_size_of_task_in_colour_and_grey(competitors):
    cases = {case.name: case for case in competitors.all_cases(64)}
    assert {f"64-{task}{ending}" for task in TASKS for ending in ("", "-grey")} <= set(cases)
    # Width x height.
    assert cases["64-x2x3"].shape == (192, 128)
    assert cases["64-x2x3-grey"].values == 192 * 128
    assert competitors.source_image(cases["64-x2-grey"]).shape == (64, 64)
    assert competitors.source_image(cases["64-x2-uint16"]).shape == (64, 64, 3)
    assert cases["64-homography"].of_side(16).shape == (64, 64)


@pytest.mark.parametrize("name", ["48-x2x3", "48-x2x3-grey", "48-x0.5-grey", "48-homography-grey"])
@pytest.mark.parametrize("who", ["lerf-p", "Pillow BICUBIC", "OpenCV CUBIC", "torch bicubic"])
def test_results_have_the_shape_of_the_case(competitors, name, who):
    (case,) = [case for case in competitors.all_cases(48) if case.name == name]
    work = competitors.Work(case, competitors.source_image(case), 1)
    try:
        task = competitors.make_task(competitors.competitors()[who], work)
    except competitors.LeftOutError as error:
        pytest.skip(str(error))
    result = task.as_array(task.run())
    assert result.shape == (*case.shape, *work.image.shape[2:])
    assert result.dtype == np.uint8


def test_named_banks_take_the_place_of_the_others(competitors, tmp_path):
    path = tmp_path / "mine.safetensors"
    lerf_core.load_bank("analytic").save(path)
    names = list(competitors.competitors([str(path), "lerf-p"], ["lerf-p"]))
    assert names[:3] == ["mine", "lerf-p", "lerf-p fast"]
    twin = str(tmp_path / "lerf-p.safetensors")
    assert list(competitors.competitors(["lerf-p", twin], []))[:2] == ["lerf-p", twin]
    assert "lerf-g" not in names
    assert {"Pillow LANCZOS", "OpenCV LANCZOS4"} <= set(names)


def run(*arguments):
    command = [sys.executable, str(BENCHMARKS / "interpolators.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_tables_of_named_banks(tmp_path):
    path, out = tmp_path / "mine.safetensors", tmp_path / "times.json"
    lerf_core.load_bank("analytic").save(path)
    done = run(
        "--side", 32, "--bank", path, "--bank", "lerf-p", "--beside", "Pillow L*", "--runs", 1,
        "--cases", "32-x2x3", "32-x2x3-grey", "--json", out,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = json.loads(out.read_text())
    rows = {(row["case"], row["name"]) for row in record["times"] if row["threads"] == 1}
    wanted = ("mine", "lerf-p", "Pillow LANCZOS")
    assert rows == {(case, name) for case in ("32-x2x3", "32-x2x3-grey") for name in wanted}
    assert "## All cases, one thread, ratios to Pillow LANCZOS" in done.stdout
    assert "32x32 grey uint8, x2x3, to 64x96" in done.stdout


@pytest.mark.slow
def test_errors_are_one_line():
    for arguments, message in (
        (("--bank", "no such"), "no such"),
        (("--side", 5), "--side is at least 16"),
        (("--cases", "nothing"), "no such case; there are 512-x1.5"),
    ):
        done = run(*arguments)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert message in done.stderr.splitlines()[-1]
