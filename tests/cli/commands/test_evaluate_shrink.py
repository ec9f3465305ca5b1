"""`lerf evaluate shrink` from parsing to the files it writes."""

import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner
from lerf_training.evaluation.shrinking import methods, round_trips
from PIL import Image

import lerf_core
from lerf_cli.commands.evaluate import evaluate
from lerf_core.choices import KERNEL_NAMES

PILLOW = ("--method", "pillow-lanczos")


def run(*arguments):
    return CliRunner().invoke(evaluate, ["shrink", *map(str, arguments)])


@pytest.fixture
def photos(tmp_path):
    """Two pictures with some detail; one in grey."""
    folder = tmp_path / "set" / "photos"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(5)
    for name, mode, size in (("a", "RGB", (71, 60)), ("b", "L", (66, 82))):
        noise = rng.integers(0, 256, (12, 14, 3)).astype(np.uint8)
        Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).convert(mode).save(
            folder / f"{name}.png"
        )
    return folder


def read(path):
    with Image.open(path) as image:
        return np.array(image)


def rows_of(output, start):
    return [line.split() for line in output.splitlines() if line.startswith(start)]


def test_protocol_and_tables_are_printed(photos):
    result = run(photos, "--factor", "2", *PILLOW, "--method", "pillow-box", "--no-flip")
    assert result.exit_code == 0, result.output
    for word in ("round trips:", "overshoot:", "aliasing:", "flicker:", "means:", "jpeg:"):
        assert word in result.output
    assert "FLIP" not in result.output
    trips = rows_of(result.output, "set/photos")
    assert [row[:5] for row in trips] == [
        ["set/photos", "by", "2", method, "2"] for method in ("pillow-lanczos", "pillow-box")
    ] * 2
    # PSNR and SSIM after three enlargers; then means, flicker and the size of the JPEG.
    assert [len(row) for row in trips] == [11, 11, 11, 11]
    assert float(trips[2][-1]) == 1.0
    drawn = rows_of(result.output, "by 2")
    assert [row[2] for row in drawn] == ["pillow-lanczos", "pillow-box"]
    assert 0.09 < float(drawn[0][3]) < 0.11
    assert float(drawn[1][3]) == 0


def test_lerf_shrinks_unless_told(photos, tmp_path):
    folder = tmp_path / "results"
    result = run(photos, "--factor", "1.5", "--no-flip", "--save-images", folder)
    assert result.exit_code == 0, result.output
    assert "method:" in result.output
    assert "lerf: lerf, no bank named" in result.output
    saved = read(folder / "set" / "photos" / "by 1.5" / "lerf" / "a.png")
    source = read(photos / "a.png")[:60, :69]
    np.testing.assert_array_equal(saved, lerf_core.resize(source, (40, 46), channel_axis=-1))


def test_banks_and_kernels_have_rows(photos, tmp_path):
    folder = tmp_path / "results"
    arguments = ("--bank", "lerf-l", "--kernel", "mitchell", "--kernel", "cubic:b=0,c=0.75")
    result = run(photos, "--factor", 2, "--no-flip", *arguments, "--save-images", folder)
    assert result.exit_code == 0, result.output
    names = [row[2:4] for row in rows_of(result.output, "by 2")]
    assert names == [["bank", "lerf-l"], ["kernel", "mitchell"], ["kernel", "cubic:b=0,c=0.75"]]
    source = read(photos / "a.png")[:60, :70]
    saved = read(folder / "set" / "photos" / "by 2" / "kernel mitchell" / "a.png")
    expected = lerf_core.resize(source, (30, 35), channel_axis=-1, kernel="mitchell")
    np.testing.assert_array_equal(saved, expected)


@pytest.mark.slow
@pytest.mark.long
def test_all_kernels_have_a_row_each(photos):
    result = run(photos, "--factor", 2, "--no-flip", "--kernel", "all", "--kernel", "area")
    assert result.exit_code == 0, result.output
    rows = [row[3] for row in rows_of(result.output, "by 2")]
    assert rows == list(KERNEL_NAMES)


def test_json_and_csv_hold_every_figure(photos, tmp_path):
    out, table = tmp_path / "scores.json", tmp_path / "scores.csv"
    arguments = (photos, "--factor", "2,1.05", *PILLOW, "--no-flip")
    result = run(*arguments, "--json", out, "--csv", table)
    assert result.exit_code == 0, result.output
    record = json.loads(out.read_text())
    assert set(record) == {"protocol", "methods", "means", "images", "drawn"}
    assert record["methods"]["pillow-lanczos"].endswith("LANCZOS")
    assert len(record["images"]) == 4
    assert len(record["means"]) == 2
    first, second = record["images"][:2]
    assert (first["case"], first["image"], second["image"]) == ("by 2", "a", "b")
    trip = record["means"][0]["round_trips"]["pillow-bicubic"]
    expected = [score["round_trips"]["pillow-bicubic"]["psnr"] for score in (first, second)]
    assert trip["psnr"] == pytest.approx(sum(expected) / 2)
    assert trip["flip"] is None
    by_two, by_little = record["drawn"]
    assert {entry["scene"] for entry in by_two["overshoots"]} == {
        "edge", "line 1", "line 2", "text"
    }  # fmt: skip
    curve = [e for e in by_two["gratings"] if e["angle"] == 0 and e["amplitude"] == 112]
    assert curve[0]["energy"] > 0.8 > 0.01 > min(entry["energy"] for entry in curve)
    # A source that holds nothing beyond has no aliasing to tell.
    assert by_little["zone_plate"]["beyond"] is None

    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert {row["case"] for row in rows} == {"by 2", "by 1.05"}
    psnrs = [
        float(row["value"])
        for row in rows
        if (row["case"], row["measure"], row["of"]) == ("by 2", "psnr", "pillow-bicubic")
    ]
    assert psnrs == pytest.approx([*expected, trip["psnr"]], rel=1e-6)
    gratings = [row for row in rows if row["measure"] == "grating" and row["case"] == "by 2"]
    assert len(gratings) == len(by_two["gratings"])
    assert {row["angle"] for row in gratings} >= {"0", "90", "45"}

    again = run(*arguments, "--json", out)
    assert again.exit_code == 2
    assert "exists; give --overwrite" in again.output


def test_equal_sizes_of_infinite_figures_are_text(tmp_path):
    """A flat photograph comes back exactly: JSON knows no infinity."""
    folder, out = tmp_path / "set" / "flat", tmp_path / "scores.json"
    folder.mkdir(parents=True)
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(folder / "a.png")
    result = run(folder, "--factor", 2, *PILLOW, "--no-flip", "--json", out)
    assert result.exit_code == 0, result.output
    score = json.loads(out.read_text())["means"][0]
    assert score["round_trips"]["pillow-bicubic"]["psnr"] == "inf"
    assert score["means"]["largest"] == 0
    assert score["flicker"]["flicker"] == 0


def test_flip_is_taken_where_it_is_installed(photos, monkeypatch):
    pytest.importorskip("flip_evaluator")
    result = run(photos, "--factor", 3, *PILLOW)
    assert result.exit_code == 0, result.output
    assert "FLIP" in result.output
    assert 0 < float(rows_of(result.output, "set/photos")[0][-1]) < 0.5

    monkeypatch.setattr(round_trips, "has_flip", lambda: False)
    result = run(photos, "--factor", 3, *PILLOW)
    assert result.exit_code == 0, result.output
    assert "note: flip-evaluator is not installed" in result.output
    result = run(photos, "--factor", 3, *PILLOW, "--flip")
    assert result.exit_code == 1
    assert "--flip needs flip-evaluator: pip install 'lerf[evaluate]'" in result.output


def test_side_by_side(photos, tmp_path):
    folder = tmp_path / "strips"
    arguments = (photos, "--factor", 2, *PILLOW, "--no-flip", "--side-by-side", folder)
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))
    assert found == ["set/photos/by 2/a.png", "set/photos/by 2/b.png"]
    assert run(*arguments).exit_code == 2
    assert run(*arguments, "--overwrite").exit_code == 0


def test_what_is_not_installed_is_named(photos, monkeypatch):
    monkeypatch.setattr(methods, "_is_installed", lambda name: name.startswith("pillow"))
    result = run(photos, "--factor", 2, "--no-flip", "--method", "all")
    assert result.exit_code == 0, result.output
    assert "note: not installed and left out: least-squares, lerf, libvips" in result.output
    result = run(photos, "--factor", 2, "--no-flip", "--method", "libvips")
    assert result.exit_code == 1
    assert "needs pyvips: pip install 'lerf[bench]'" in result.output


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--factor", "1"], 2, "--factor 1: factors are above 1, and 32 at most"),
        (["--factor", "2,0.5"], 2, "--factor 0.5: factors are above 1"),
        (["--factor", "33"], 2, "--factor 33"),
        (["--factor", "nan"], 2, "'nan' is not a list of finite numbers"),
        (["--factor", "two"], 2, "'two' is not a list of numbers"),
        (["--method", "magic"], 1, "no method 'magic'; there are lerf"),
        (["--kernel", "magic"], 1, "kernel must be one of"),
        (["--kernel", "absent.json"], 1, "absent.json cannot be read"),
        (["--bank", "no-such-bank"], 1, "no-such-bank"),
        (["--json", "absent/x.json"], 2, "absent is not a folder"),
        (["--save-images", "README.md"], 2, "is a file"),
    ],
)
def test_errors_are_one_line(photos, arguments, code, message):
    result = run(photos, "--no-flip", *arguments)
    assert result.exit_code == code, result.output
    assert message in result.output
    assert "Traceback" not in result.output


def test_small_photographs_are_named(photos):
    Image.new("RGB", (20, 20)).save(photos / "tiny.png")
    for factor, words in ((2, "20 pixels are fewer than a block of 32"), (30, "too few to shrink")):
        result = run(photos, "--factor", factor, *PILLOW, "--no-flip")
        assert result.exit_code == 1
        assert f"tiny.png by {factor}: " in result.output
        assert words in result.output
