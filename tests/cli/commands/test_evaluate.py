"""`lerf evaluate` from parsing to the files it writes."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from support.banks import make_random_network, write_bank_behind_fronts
from support.cli import lerf_command
from support.front_files import write_front
from support.fronts import ConvolutionFront

import lerf_core
from lerf_cli.commands.evaluate import evaluate


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
    assert set(record) == {"protocol", "degradations", "methods", "means", "images"}
    assert record["degradations"] == {"bench/SetA": "x2, x1.5x2: the set's own files"}
    assert record["images"][0]["degradation"] == "files"
    assert len(record["images"]) == 4
    first, second = record["images"][:2]
    assert (first["case"], first["image"], second["image"]) == ("x2", "a", "b")
    mean = record["means"][0]
    assert mean["psnr"] == pytest.approx((first["psnr"] + second["psnr"]) / 2)
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert len(rows) == 6
    assert (rows[-1]["image"], rows[-1]["degradation"]) == ("mean of 2", "files")
    assert float(rows[0]["psnr"]) == pytest.approx(first["psnr"], abs=1e-4)

    again = run(*arguments, "--json", out)
    assert again.exit_code == 2
    assert "exists; give --overwrite" in again.output
    assert run(*arguments, "--json", out, "--overwrite").exit_code == 0


def test_sr_makes_inputs_of_plain_images(benchmark, tmp_path):
    table = tmp_path / "scores.csv"
    arguments = ("sr", benchmark / "HR", "--baseline", "pillow-bicubic", "--csv", table)
    result = run(*arguments, "--scale", "1.5", "--scale", "2x1.25")
    assert result.exit_code == 0, result.output
    assert "degradation: SetA/HR: x1.5, x2x1.25: made from HR, bicubic" in result.output
    assert "MATLAB" in result.output
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["case"] for row in rows[::2][:2]] == ["x1.5", "x2x1.25"]
    assert {row["degradation"] for row in rows} == {"bicubic"}

    result = run(*arguments, "--overwrite")
    rows = [line.split() for line in result.output.splitlines() if line.startswith("SetA/HR")]
    assert [row[1] for row in rows] == ["x2", "x3", "x4"]


def test_sr_takes_wide_narrow_and_uneven_scales(benchmark, tmp_path):
    network = tmp_path / "network.safetensors"
    make_random_network().save(network)
    table = tmp_path / "scores.csv"
    result = run(
        "sr", benchmark, "--scale", "6,8,1.5,2x3", "--bank", "analytic", "--bank", network,
        "--baseline", "pillow-lanczos", "--csv", table, "--side-by-side", tmp_path / "strips",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "x6, x8, x1.5, x2x3: made from HR, bicubic" in result.output
    rows = [row for row in csv.DictReader(table.read_text().splitlines()) if row["image"] == "a"]
    assert [row["case"] for row in rows[::3]] == ["x6", "x8", "x1.5", "x2x3"]
    assert all(0 < float(row["psnr"]) < 60 and row["ssim"] for row in rows)
    assert len(list((tmp_path / "strips").rglob("*.png"))) == 8


def test_sr_names_the_image_that_is_too_small(benchmark):
    result = run("sr", benchmark, "--scale", "25", "--baseline", "pillow-lanczos")
    assert result.exit_code == 1
    (line,) = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert "a.png at x25: an image of 30x24 pixels is too small for x25" in line


def test_sr_keeps_to_the_sets_files_unless_told(benchmark):
    arguments = ("sr", benchmark, "--scale", "2,3", "--baseline", "pillow-bicubic")
    result = run(*arguments)
    expected = "degradation: bench/SetA: x2: the set's own files; x3: made from HR, bicubic"
    assert expected in result.output
    result = run(*arguments, "--make-inputs")
    assert "degradation: bench/SetA: x2, x3: made from HR, bicubic" in result.output


def test_sr_takes_perceptual_distances(benchmark, tmp_path):
    pytest.importorskip("flip_evaluator")
    out, table = tmp_path / "scores.json", tmp_path / "scores.csv"
    result = run(
        "sr", benchmark, "--scale", "2", "--baseline", "pillow-bicubic", "--perceptual", "flip",
        "--json", out, "--csv", table,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    record = json.loads(out.read_text())
    assert "less is better" in record["protocol"]["flip"]
    figures = [image["perceptual"]["flip"] for image in record["images"]]
    assert record["means"][0]["perceptual"]["flip"] == pytest.approx(sum(figures) / 2)
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [float(row["flip"]) for row in rows[:2]] == pytest.approx(figures, abs=1e-6)
    head, row = [
        line.split() for line in result.output.splitlines() if line.startswith(("set ", "bench"))
    ]
    assert (head[-1], row[-1]) == ("flip", f"{sum(figures) / 2:.4f}")
    plain = run(
        "sr",
        benchmark,
        "--scale",
        "2",
        "--baseline",
        "pillow-bicubic",
        "--json",
        out,
        "--overwrite",
    )
    assert plain.exit_code == 0
    assert "flip" not in plain.output
    assert "perceptual" not in json.loads(out.read_text())["images"][0]


def test_perceptual_measures_that_are_not_installed(benchmark, monkeypatch):
    monkeypatch.setattr(
        "lerf_training.evaluation.perceptual.importlib.util.find_spec", lambda name: None
    )
    result = run("sr", benchmark, "--perceptual", "st-lpips", "--baseline", "pillow-bicubic")
    assert result.exit_code == 1
    assert "Error: ST-LPIPS needs stlpips-pytorch: pip install 'lerf[perceptual]'" in result.output
    result = run("sr", benchmark, "--perceptual", "ssim")
    assert result.exit_code == 2
    assert "'ssim' is not one of 'flip', 'st-lpips'" in result.output


def test_the_command_offers_every_perceptual_measure():
    from lerf_training.evaluation.perceptual import PERCEPTUAL_MEASURES

    (option,) = [one for one in evaluate.commands["sr"].params if one.name == "perceptual"]
    assert tuple(option.type.choices) == PERCEPTUAL_MEASURES


def read(path):
    with Image.open(path) as image:
        return np.array(image)


def test_save_images(benchmark, tmp_path):
    folder = tmp_path / "out" / "results"
    arguments = ("sr", benchmark, "--scale", "2,1.5x2", "--baseline", "pillow-bicubic")
    arguments += ("--bank", "analytic", "--save-images", folder)
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*"))
    cases = [path for path in found if path.endswith(".png")]
    assert cases == [
        f"bench/SetA/{case}/{method}/{name}.png"
        for case in ("x1.5x2", "x2")
        for method in ("analytic", "pillow-bicubic")
        for name in ("a", "b")
    ]
    low = read(benchmark / "LR_bicubic" / "rrLR_X2.00_2.00" / "a.png")
    saved = read(folder / "bench" / "SetA" / "x2" / "analytic" / "a.png")
    expected = lerf_core.rescale(low, 2, bank="analytic", channel_axis=-1)
    np.testing.assert_array_equal(saved, expected)

    again = run(*arguments)
    assert again.exit_code == 2
    assert "x2/pillow-bicubic/a.png exists; give --overwrite" in again.output
    assert "method:" not in again.output
    assert run(*arguments, "--overwrite").exit_code == 0


def test_pictures_stay_in_their_folder(benchmark, tmp_path):
    copy = tmp_path / "copy.safetensors"
    lerf_core.load_bank("analytic").save(copy)
    folder = tmp_path / "results"
    result = run(
        "sr", benchmark, "--scale", "2", "--bank", "analytic", "--bank", copy,
        "--save-images", folder,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    inside = folder / "bench" / "SetA" / "x2"
    assert sorted(path.name for path in inside.iterdir()) == sorted(
        ["analytic", str(copy).replace("/", "_")]
    )


def test_side_by_side(benchmark, tmp_path):
    folder = tmp_path / "strips"
    arguments = ("sr", benchmark, "--scale", "2", "--baseline", "pillow-bicubic")
    arguments += ("--side-by-side", folder)
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in folder.rglob("*.png")) == ["a.png", "b.png"]
    picture = read(folder / "bench" / "SetA" / "x2" / "a.png")
    assert picture.ndim == 3
    for border in (picture[:8], picture[-8:], picture[:, :8], picture[:, -8:]):
        assert (border == 255).all()
    assert run(*arguments).exit_code == 2


def test_warps_side_by_side(warps, tmp_path):
    folder = tmp_path / "strips"
    arguments = ("warp", warps, "--baseline", "all", "--side-by-side", folder)
    result = run(*arguments, "--save-images", tmp_path / "results")
    assert result.exit_code == 0, result.output
    assert (folder / "warps" / "SetC" / "isc" / "a.png").is_file()
    saved = read(tmp_path / "results" / "warps" / "SetC" / "isc" / "pillow-bicubic" / "a.png")
    assert saved.shape == (24, 30, 3)


def test_an_input_is_never_replaced(warps):
    source = warps / "isc" / "a.png"
    before = source.read_bytes()
    above = warps.parents[1]
    result = run("warp", warps, "--side-by-side", above, "--overwrite")
    assert result.exit_code == 2, result.output
    assert "is an input" in result.output
    assert source.read_bytes() == before


def test_what_is_not_installed_is_named(benchmark, monkeypatch):
    monkeypatch.setattr(
        "lerf_training.evaluation.baselines._is_installed", lambda module: module != "cv2"
    )
    result = run("sr", benchmark, "--scale", "2", "--baseline", "all")
    assert "note: not installed and left out: opencv-cubic, opencv-lanczos4" in result.output
    result = run("sr", benchmark, "--scale", "2", "--baseline", "opencv-cubic")
    assert result.exit_code == 1
    assert "needs OpenCV: pip install 'lerf[evaluate]'" in result.output


def test_a_folder_that_cannot_be_written_is_one_line(benchmark, tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "bench").write_text("in the way")
    result = run("sr", benchmark, "--scale", "2", "--save-images", tmp_path / "results")
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    assert result.output.strip().splitlines()[-1].startswith("Error: ")


def test_every_baseline_runs_as_a_program(benchmark):
    pytest.importorskip("skimage")
    command = lerf_command("evaluate", "sr", benchmark, "--scale", 2)
    done = subprocess.run(
        [*command, "--baseline", "scikit-image-bicubic", "--bank", "analytic"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "scikit-image-bicubic" in done.stdout


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
        (["--scale", "0.5", "--baseline", "pillow-bicubic"], 1, "scales of 1 and more"),
        (["--scale", "99", "--baseline", "pillow-bicubic"], 1, "a.png at x99: an image of 30x24"),
        (["--save-images", "README.md"], 2, "is a file"),
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
    code = (
        "import sys, lerf_training.evaluation.running, lerf_training.evaluation.baselines; "
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_fronts_before_banks(benchmark, warps, tmp_path, monkeypatch):
    front = ConvolutionFront(2, colours=True)
    path = write_front(tmp_path, monkeypatch, front)
    for command, folder in (("sr", benchmark), ("warp", warps)):
        out = tmp_path / f"{command}.json"
        result = run(command, folder, "--front", path, "--bank", "lerf-g", "--json", out)
        assert result.exit_code == 0, result.output
        record = json.loads(out.read_text())
        assert {row["method"] for row in record["images"]} == {"lerf-g", "convolution + lerf-g"}
        assert f"behind the front x2 {path}" in json.dumps(record)
    low = np.asarray(Image.open(benchmark / "LR_bicubic/rrLR_X2.00_2.00/a.png"))
    saved = tmp_path / "pictures"
    result = run("sr", benchmark, "--front", path, "--scale", 2, "--save-images", saved)
    assert result.exit_code == 0, result.output
    (picture,) = (
        path for path in saved.rglob("*.png") if "convol" in str(path) and path.stem == "a"
    )
    expected = lerf_core.rescale(low, 2, front=front, channel_axis=-1)
    np.testing.assert_array_equal(np.asarray(Image.open(picture)), expected)
    result = run("sr", benchmark, "--front", "no-such-front")
    assert result.exit_code == 1
    assert "no front is called 'no-such-front'" in result.output
    result = run("sr", benchmark, "--front", path, "--front-device", "cuda:1")
    assert result.exit_code == 1
    assert "front 'convolution' runs on the CPU alone" in result.output
    result = run("warp", warps, "--front-device", "cuda")
    assert result.exit_code == 2
    assert "--front-device goes with --front" in result.output


def test_behind_fronts_their_own_default_bank_is_evaluated(benchmark, tmp_path, monkeypatch):
    path = write_front(tmp_path, monkeypatch, ConvolutionFront(2, colours=True))
    write_bank_behind_fronts(tmp_path / "banks", monkeypatch)
    out = tmp_path / "sr.json"
    result = run("sr", benchmark, "--front", path, "--json", out)
    assert result.exit_code == 0, result.output
    assert set(json.loads(out.read_text())["methods"]) == {"convolution + lerf-g"}
    result = run("sr", benchmark, "--scale", 2)
    assert "lerf-p" in result.output


def test_results_of_a_front_in_its_place(benchmark, tmp_path):
    out, folder = tmp_path / "sr.json", tmp_path / "enlarged"
    for path in benchmark.glob("LR_bicubic/*/*.png"):
        low = Image.open(path)
        target = folder / path.relative_to(benchmark)
        target.parent.mkdir(parents=True, exist_ok=True)
        low.resize((3 * low.width, 3 * low.height)).save(target)
    result = run("sr", benchmark, "--front", folder, "--bank", "lerf-g", "--json", out)
    assert result.exit_code == 0, result.output
    record = json.loads(out.read_text())
    assert {row["method"] for row in record["images"]} == {"lerf-g", "enlarged + lerf-g"}
    assert "behind the front x3" in json.dumps(record)
    result = run("sr", benchmark, "--front", folder, "--make-inputs")
    assert result.exit_code == 1
    assert "front 'enlarged' holds no enlargement of this image" in result.output
    result = run("sr", benchmark, "--front", tmp_path)
    assert result.exit_code == 1
    assert "holds neither tables of a cascade nor enlargements of the inputs" in result.output
