"""`lerf evaluate` from parsing to the files it writes."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import lerf_core
from lerf_cli.evaluate import evaluate


def run(*arguments):
    return CliRunner().invoke(evaluate, [str(argument) for argument in arguments])


@pytest.fixture
def benchmark(tmp_path):
    """One set of two images at x2 and x1.5x2, in the rr layout."""
    folder = tmp_path / "bench" / "SetA"
    rng = np.random.default_rng(5)
    sizes = {"HR": (24, 30), "LR_bicubic/rrLR_X2.00_2.00": (12, 15)}
    sizes["LR_bicubic/rrLR_X2.00_1.50"] = (12, 20)
    for part, shape in sizes.items():
        (folder / part).mkdir(parents=True)
        for name in ("a", "b"):
            array = rng.integers(0, 256, (*shape, 3)).astype(np.uint8)
            Image.fromarray(array).save(folder / part / f"{name}.png")
    return folder


@pytest.fixture
def warps(tmp_path):
    """One warp by a shift."""
    torch = pytest.importorskip("torch")
    folder = tmp_path / "warps" / "SetC"
    rng = np.random.default_rng(6)
    source = rng.integers(0, 256, (20, 26, 3)).astype(np.uint8)
    matrix = np.array([[1.0, 0, 3], [0, 1, 2], [0, 0, 1]])
    high = np.zeros((24, 30, 3), np.uint8)
    high[2:22, 3:29] = source
    for part, array in (("HR", high), ("isc", source)):
        (folder / part).mkdir(parents=True)
        Image.fromarray(array).save(folder / part / "a.png")
    torch.save(torch.from_numpy(matrix), folder / "isc" / "a.pth")
    return folder


def test_sr_prints_protocol_and_table(benchmark):
    result = run("sr", benchmark, "--baseline", "pillow-lanczos", "--baseline", "pillow-bicubic")
    assert result.exit_code == 0, result.output
    for word in ("degradation:", "border:", "crop:", "channel:", "shaved by", "PSNR-Y", "SSIM-Y"):
        assert word in result.output
    rows = [line.split() for line in result.output.splitlines() if line.startswith("bench/SetA")]
    assert [row[1:4] for row in rows] == [
        ["x1.5x2", "pillow-lanczos", "2"],
        ["x1.5x2", "pillow-bicubic", "2"],
        ["x2", "pillow-lanczos", "2"],
        ["x2", "pillow-bicubic", "2"],
    ]


def test_sr_evaluates_banks(benchmark):
    result = run("sr", benchmark, "--scale", "2", "--border", "constant", "--threads", "1")
    assert result.exit_code == 0, result.output
    assert "constant (banks)" in result.output
    (row,) = [line.split() for line in result.output.splitlines() if line.startswith("bench/")]
    assert 0 < float(row[4]) < 50


def test_banks_of_one_name_are_told_apart(benchmark, tmp_path):
    copy = tmp_path / "copy.safetensors"
    lerf_core.load_bank("analytic").save(copy)
    result = run("sr", benchmark, "--scale", "2", "--bank", "analytic", "--bank", copy)
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.output.splitlines() if line.startswith("bench/")]
    assert [row[2] for row in rows] == ["analytic", str(copy)]
    assert rows[0][4:] == rows[1][4:]


def test_sr_writes_json_and_csv(benchmark, tmp_path):
    out, table = tmp_path / "scores.json", tmp_path / "scores.csv"
    arguments = ("sr", benchmark, "--scale", "2,1.5x2", "--baseline", "pillow-bicubic")
    result = run(*arguments, "--json", out, "--csv", table)
    assert result.exit_code == 0, result.output
    record = json.loads(out.read_text())
    assert set(record) == {"protocol", "methods", "means", "images"}
    assert len(record["images"]) == 4
    first, second = record["images"][:2]
    assert (first["case"], first["image"], second["image"]) == ("x2", "a", "b")
    mean = record["means"][0]
    assert mean["psnr"] == pytest.approx((first["psnr"] + second["psnr"]) / 2)
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert len(rows) == 6
    assert rows[-1]["image"] == "mean of 2"
    assert float(rows[0]["psnr"]) == pytest.approx(first["psnr"], abs=1e-4)

    again = run(*arguments, "--json", out)
    assert again.exit_code == 2
    assert "exists; give --overwrite" in again.output
    assert run(*arguments, "--json", out, "--overwrite").exit_code == 0


def test_warp(warps, tmp_path):
    out = tmp_path / "scores.json"
    result = run("warp", warps, "--baseline", "all", "--json", out)
    assert result.exit_code == 0, result.output
    assert "note: pillow-lanczos does not warp" in result.output
    scores = json.loads(out.read_text())["means"]
    # A shift by whole pixels is exact inside the mask.
    assert {score["psnr"] for score in scores} == {"inf"}


@pytest.mark.parametrize("switch", [[], ["--anti-aliasing"], ["--no-anti-aliasing"]])
def test_warp_evaluates_banks(warps, switch):
    result = run("warp", warps, *switch)
    assert result.exit_code == 0, result.output
    assert "mPSNR" in result.output


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--scale", "two"], 2, "'two' is no scale"),
        (["--scale", "0"], 2, "'0' is no scale"),
        (["--scale", "4", "--baseline", "pillow-bicubic"], 1, "has no x4, only x1.5x2, x2"),
        (["--baseline", "magic"], 1, "no baseline 'magic'"),
        (["--bank", "no-such-bank"], 1, "no-such-bank"),
        (["--json", "absent/x.json"], 2, "absent is not a folder"),
        (["--border", "wavy"], 2, "wavy"),
    ],
)
def test_errors_are_one_line(benchmark, arguments, code, message):
    result = run("sr", benchmark, *arguments)
    assert result.exit_code == code, result.output
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_set_given_twice_is_refused(benchmark):
    result = run("sr", benchmark, benchmark.parent)
    assert result.exit_code == 2
    assert "given twice" in result.output


def test_an_empty_folder(tmp_path):
    result = run("sr", tmp_path)
    assert result.exit_code == 1
    assert "holds no benchmark set" in result.output


def test_the_command_group_loads_nothing_heavy():
    code = (
        "import sys, lerf_cli.main as m; m.main(['--help'], standalone_mode=False);"
        "heavy = {'torch', 'numba', 'napari', 'training', 'dask', 'cv2', 'numpy'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_evaluation_modules_load_no_torch():
    code = "import sys, training.evaluation, training.methods; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
