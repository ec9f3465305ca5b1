"""`lerf evaluate compare` from parsing to the files it writes."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from lerf_training.data.patch_options import PatchOptions
from lerf_training.data.photographs import scan, split_share
from lerf_training.evaluation import held_out, unnatural
from PIL import Image
from support.banks import make_random_network
from support.files import smooth_rgb

import lerf_core
from lerf_cli.commands.evaluate import evaluate


def run(*arguments):
    return CliRunner().invoke(evaluate, ["compare", *map(str, arguments)])


@pytest.fixture
def photos(tmp_path):
    """Four photographs, of which one is held out."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(4)
    for number in range(4):
        coarse = Image.fromarray(rng.integers(0, 256, (24, 30, 3), dtype=np.uint8))
        coarse.resize((150, 130), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def marked(photos, tmp_path):
    """Return a function that saves a bank whose training held out some photographs."""

    def save(name, fingerprint):
        bank = lerf_core.load_bank("analytic")
        training = {**bank.training, "data": {"held out fingerprint": fingerprint}}
        path = tmp_path / f"{name}.safetensors"
        replace(bank, name=name, training=training).save(path)
        return path

    return save


def test_gains_to_the_first_bank(photos, tmp_path):
    out, table = tmp_path / "c.json", tmp_path / "c.csv"
    arguments = (photos, "--bank", "analytic", "--bank", "lerf-p", "--baseline", "pillow-bicubic")
    arguments += ("--task", "enlarge", "--task", "shrink", "--scale", "2,2x3", "--factor", "2")
    result = run(*arguments, "--json", out, "--csv", table)
    assert result.exit_code == 0, result.output
    assert "photographs:" in result.output
    assert "1 of 4, held out by their digests, a share of 0.08" in result.output
    record = json.loads(out.read_text())
    assert record["base"] == "analytic"
    rows = {(row["dataset"], row["case"], row["method"]): row for row in record["gains"]}
    assert list(rows) == [
        *(("enlarge", case, method) for case in ("x2", "x2x3", "mean")
          for method in ("pillow-bicubic", "analytic", "lerf-p")),
        *(("shrink", "by 2", method) for method in ("analytic", "lerf-p")),
    ]  # fmt: skip
    figures = {
        (entry["case"], entry["method"]): entry["psnr"]
        for entry in record["images"]
        if entry["dataset"] == "enlarge"
    }
    gain = rows["enlarge", "x2", "lerf-p"]["gain"]
    assert gain == pytest.approx(figures["x2", "lerf-p"] - figures["x2", "analytic"])
    assert gain > 0.5
    assert rows["enlarge", "x2", "lerf-p"]["better"] == 1
    assert "gain" not in rows["enlarge", "x2", "analytic"]
    (name,) = {entry["image"] for entry in record["images"]}
    wanted = split_share(scan([photos], PatchOptions().least).photographs, 0.08)[1][0]
    assert name == f"photos/{wanted.path.name}"
    assert (
        f"lerf-p beside analytic: enlarge {rows['enlarge', 'mean', 'lerf-p']['gain']:+.3f} dB"
        in (result.output)
    )
    written = list(csv.DictReader(table.read_text().splitlines()))
    values = {(row["task"], row["case"], row["method"], row["measure"]): row for row in written}
    assert float(values["enlarge", "mean", "lerf-p", "gain"]["value"]) == pytest.approx(
        rows["enlarge", "mean", "lerf-p"]["gain"], abs=1e-5
    )
    assert float(values["enlarge", "x2", "pillow-bicubic", "ssim"]["value"]) > 0.5

    again = run(*arguments, "--json", out)
    assert again.exit_code == 2
    assert "exists; give --overwrite" in again.output


@pytest.mark.slow
@pytest.mark.long
def test_all_tasks_by_default(photos, tmp_path):
    pytest.importorskip("numba")
    for path in photos.iterdir():
        Image.open(path).resize((420, 330)).save(path)
    out, table = tmp_path / "c.json", tmp_path / "c.csv"
    arguments = (photos, "--bank", "lerf-g", "--bank", "lerf-p", "--warps", "1")
    result = run(*arguments, "--json", out, "--csv", table)
    assert result.exit_code == 0, result.output
    record = json.loads(out.read_text())
    assert {row["dataset"] for row in record["gains"]} == {"enlarge", "warp", "shrink"}
    changes = record["unnatural"]["lerf-p"]
    worse = [change for change in changes if change["verdict"] == "worse"]
    assert 0 < len(worse) < len(changes)
    assert f"{len(worse)} of {len(changes)} figures worse" in result.output
    # Planes ring along hard staircases, and overshoot drawings less.
    assert any(change["figure"] == "ringing" for change in worse)
    assert not any(change["kind"].endswith(("RGB", "coloured")) for change in changes)
    assert not any(
        change["figure"] == "overshoot" and change["kind"] == "step, hard" for change in worse
    )
    assert any(row.startswith("unnatural,x2,lerf-p,") for row in table.read_text().splitlines())


def test_networks_are_banks_as_others(photos, tmp_path):
    path = tmp_path / "network.safetensors"
    make_random_network().save(path)
    result = run(
        photos, "--bank", "analytic", "--bank", path, "--task", "enlarge", "--task", "shrink",
        "--scale", "2,1.5x2", "--factor", "2",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    (verdict,) = [line for line in result.output.splitlines() if " beside analytic:" in line]
    assert "enlarge -" in verdict
    assert "shrink -" in verdict


def test_networks_are_asked_for_colours(photos, tmp_path, monkeypatch):
    path, out = tmp_path / "network.safetensors", tmp_path / "c.json"
    make_random_network(middle=0).save(path)
    some = [case for case in unnatural.unnatural_cases() if case.kind == "step, hard"][:4]
    monkeypatch.setattr(unnatural, "unnatural_cases", lambda: some)
    result = run(photos, "--bank", "analytic", "--bank", path, "--task", "unnatural", "--json", out)
    assert result.exit_code == 0, result.output
    (changes,) = json.loads(out.read_text())["unnatural"].values()
    tints = {change["kind"]: change for change in changes if change["figure"] == "tint"}
    assert tints["step, hard, RGB"]["base"]["worst"] == 0
    assert tints["step, hard, RGB"]["verdict"] == "equal"
    assert {"step, hard, RGB", "step, hard, coloured"} <= {change["kind"] for change in changes}
    assert "figures worse" in result.output


def test_one_bank_has_figures_and_no_gains(photos):
    result = run(photos, "--task", "enlarge", "--scale", "2")
    assert result.exit_code == 0, result.output
    (row,) = [line.split() for line in result.output.splitlines() if line.startswith("enlarge  x2")]
    assert row[2] == lerf_core.DEFAULT_BANK
    assert len(row) == 6
    assert "beside" not in result.output


def test_banks_of_one_name_are_told_apart(photos, tmp_path):
    copy = tmp_path / "copy.safetensors"
    lerf_core.load_bank("analytic").save(copy)
    result = run(photos, "--bank", "analytic", "--bank", copy, "--task", "shrink", "--factor", "2")
    assert result.exit_code == 0, result.output
    assert f"{copy} beside analytic: shrink +0.000 dB, 0% of 1 better, worst +0.00" in result.output


def test_who_held_out_what_is_told(photos, marked):
    every = scan([photos], PatchOptions().least).photographs
    fingerprint = held_out.HeldOut(split_share(every, 0.08)[1], 4, ()).fingerprint
    same, other = marked("same", fingerprint), marked("other", "sha256:0")
    result = run(
        photos, "--bank", same, "--bank", other, "--bank", "analytic", "--task", "enlarge",
        "--scale", "2",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    lines = dict(
        line.split(":", 1) for line in result.output.splitlines() if line.startswith("held out, ")
    )
    assert lines["held out, same"].strip().startswith("these photographs")
    assert "OTHERS (sha256:0)" in lines["held out, other"]
    assert "does not say" in lines["held out, analytic"]


def test_all_photographs(photos):
    result = run(photos, "--all", "--task", "shrink", "--factor", "2")
    assert result.exit_code == 0, result.output
    assert "4 of 4, all" in result.output


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--scale", "2.7182818"), 1, "no crop suits a scale of 2.71828"),
        (("--scale", "0.5"), 1, "x0.5 does not enlarge"),
        (("--factor", "1"), 1, "factors to shrink by are above 1"),
        (("--held-out", "0"), 2, "0.0 is not in the range"),
        (("--task", "guess"), 2, "'guess' is not one of"),
        (("--bank", "no such"), 1, "no such"),
    ],
)
def test_errors_are_one_line(photos, arguments, code, message):
    result = run(photos, *arguments)
    assert result.exit_code == code, result.output
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_folder_with_a_single_photograph(tmp_path):
    (tmp_path / "one").mkdir()
    Image.fromarray(smooth_rgb()).resize((90, 80)).save(tmp_path / "one" / "a.png")
    result = run(tmp_path / "one")
    assert result.exit_code == 1
    assert "none of 1 photographs are held out" in result.output
    (tmp_path / "one" / "b.jpg").write_text("no image")
    result = run(tmp_path / "one", "--all", "--task", "enlarge")
    assert result.exit_code == 0, result.output
    assert "note: skipped:" in result.output
    assert "b.jpg" in result.output
