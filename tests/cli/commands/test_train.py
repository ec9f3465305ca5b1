"""`lerf train` and `lerf finetune`: a bank from a folder, or one clear line."""

import csv
import importlib.util
import os
import signal
import subprocess
import time

import numpy as np
import pytest
from PIL import Image
from support.cli import lerf_command

from lerf_core import load_bank
from lerf_core.bank import KINDS
from lerf_core.fronts.loading import load_front

pytest.importorskip("torch")

from lerf_training.loop.checkpoints import is_checkpoint, read_checkpoint

pytestmark = pytest.mark.slow

TINY = ("--batch", 2, "--patch", 20, "--points", 64, "--threads", 1)


@pytest.fixture
def trained(run, photos, bank):
    run("train", photos, "-o", bank, "--kind", "lerf-l", "--steps", 2, *TINY)
    return bank


@pytest.mark.parametrize("kind", KINDS)
def test_a_bank_is_trained_and_used(run, tmp_path, photos, bank, checkpoint, kind):
    result = run("train", photos, "-o", bank, "--kind", kind, "--steps", 3, *TINY)
    assert "3 images to train on, 1 held out" in result.stderr
    assert f"{bank}: {kind}, 3 steps" in result.stdout
    assert "held-out PSNR-Y x2" in result.stdout
    made = load_bank(bank)
    assert (made.name, made.kind.name) == ("mine", kind)
    assert made.training["steps"] == 3
    assert is_checkpoint(checkpoint)
    large = tmp_path / "large.png"
    run("resize", photos / "0.png", "-o", large, "--scale", 2, "--bank", bank)
    with Image.open(large) as image:
        assert image.size == (216, 192)


@pytest.mark.parametrize("kind", ["lerf-p", "lerf-g"])
def test_tables_have_nodes_32_levels_apart_unless_told(run, photos, bank, kind):
    run("train", photos, "-o", bank, "--kind", kind, "--steps", 1, *TINY)
    assert load_bank(bank).interval == 32
    run("train", photos, "-o", bank, "--kind", kind, "--interval", 64, "--steps", 1, "--overwrite",
        *TINY)  # fmt: skip
    assert load_bank(bank).nodes == 5


def test_networks_are_trained_and_transferred(run, photos, bank, checkpoint):
    command = ("train", photos, "-o", bank, "--kind", "lerf-l", "--network", "--width", 8)
    run(*command, "--steps", 2, *TINY)
    assert load_bank(bank).training["method"] == "network"
    assert read_checkpoint(checkpoint).options["rate"] == 1e-3


def test_a_bank_is_tuned(run, tmp_path, trained, photos):
    tuned = tmp_path / "tuned.safetensors"
    run("finetune", trained, photos, "-o", tuned, "--name", "tuned", "--steps", 2, *TINY)
    made = load_bank(tuned)
    assert (made.name, made.kind.name) == ("tuned", "lerf-l")
    assert made.training["start"] == "mine"


def test_a_checkpoint_is_tuned(run, tmp_path, trained, photos, checkpoint):
    tuned = tmp_path / "tuned.safetensors"
    run("finetune", checkpoint, photos, "-o", tuned, "--steps", 1, *TINY)
    assert load_bank(tuned).kind.name == "lerf-l"


def test_the_curve_has_a_line_for_each_validation(run, tmp_path, photos, bank):
    curve = tmp_path / "curve.csv"
    command = ("train", photos, "-o", bank, "--kind", "lerf-l", "--steps", 5)
    run(*command, "--validate-every", 2, "--curve", curve, *TINY)
    with curve.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["2", "4", "5"]
    assert all(float(row["train"]) > 0 and float(row["mean"]) > 0 for row in rows)
    assert {"seconds", "x2", "x4"} <= set(rows[0])


def test_skipped_files_are_told_with_their_number(run, photos, bank):
    for number in range(7):
        (photos / f"broken{number}.png").write_bytes(b"broken")
    command = ("train", photos, "-o", bank, "--kind", "lerf-l", "--steps", 1, *TINY)
    result = run(*command)
    assert "7 files are skipped" in result.stderr
    assert "broken0.png" in result.stderr
    assert "and 2 more" in result.stderr
    assert load_bank(bank).training["data"]["skipped"] == 7


def test_quiet_is_quiet(run, photos, bank):
    (photos / "broken.png").write_bytes(b"broken")
    command = ("train", photos, "-o", bank, "--kind", "lerf-l", "--steps", 1, *TINY)
    result = run(*command, "--quiet")
    assert result.output == ""
    assert bank.exists()


# -- going on -----------------------------------------------------------------------


def test_an_interrupted_process_goes_on_where_it_stopped(run, tmp_path, photos, bank, checkpoint):
    command = lerf_command("train", photos, "--kind", "lerf-l", *TINY, "--held-out", 0)
    environment = {**os.environ, "LERF_BANKS": str(tmp_path / "banks")}
    process = subprocess.Popen(
        [*command, "-o", str(bank), "--steps", "100", "--validate-every", "5"],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    end = time.monotonic() + 120
    while not checkpoint.exists() and time.monotonic() < end and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, text = process.communicate(timeout=60)
    assert process.returncode == 130, text
    assert "interrupted at step" in text
    assert f"--resume {checkpoint}" in text
    assert "Traceback" not in text
    assert not bank.exists()
    step = read_checkpoint(checkpoint).progress["step"]
    assert 5 <= step < 100
    run("train", "--resume", checkpoint, "-o", bank, "--threads", 1)
    assert load_bank(bank).training["steps"] == 100


def test_a_resumed_training_makes_the_bank(run, tmp_path, photos, bank, checkpoint, monkeypatch):
    from lerf_training.loop.trainer import Trainer

    command = ("train", photos, "-o", bank, "--kind", "lerf-l", "--steps", 6, *TINY)
    train = Trainer._train

    def interrupted(self, batch):
        train(self, batch)
        if self.step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_train", interrupted)
        run(*command, code=130)
    assert not bank.exists()
    assert read_checkpoint(checkpoint).progress["step"] == 3
    run("train", "--resume", checkpoint, "-o", bank)
    straight = tmp_path / "straight.safetensors"
    run("train", photos, "-o", straight, "--kind", "lerf-l", "--steps", 6, *TINY)
    for key, table in load_bank(straight).tables.items():
        np.testing.assert_array_equal(load_bank(bank).tables[key], table)


@pytest.mark.parametrize(
    "option",
    [
        ("--steps", 5),
        ("--rate", 1),
        ("--kind", "lerf-g"),
        ("--interval", 32),
        ("--network",),
        ("--seed", 0),
    ],
)
def test_resume_takes_no_other_options(run, tmp_path, trained, checkpoint, option):
    other = tmp_path / "other.safetensors"
    result = run("train", "--resume", checkpoint, "-o", other, *option, code=2)
    assert f"{option[0]} cannot be changed with --resume" in result.stderr


def test_a_bank_is_no_checkpoint(run, tmp_path, trained):
    result = run("train", "--resume", trained, "-o", tmp_path / "other.safetensors", code=1)
    assert "is not a checkpoint of a training" in result.stderr


def test_other_photographs_are_refused(run, tmp_path, trained, photos, checkpoint):
    (photos / "0.png").unlink()
    result = run("train", "--resume", checkpoint, "-o", tmp_path / "o.safetensors", code=1)
    assert "other photographs" in result.stderr


# -- refusals -----------------------------------------------------------------------


@pytest.mark.parametrize("command", [("train",), ("finetune", "analytic")])
def test_missing_torch_is_told_with_the_cure(run, photos, bank, monkeypatch, command):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else find(name)
    )
    result = run(*command, photos, "-o", bank, code=1)
    assert "pip install 'lerf[train]'" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("-o", "{bank}"), "Missing argument 'FOLDER'"),
        (("{photos}",), "Missing option '-o'"),
        (("{photos}", "-o", "{bank}", "--steps", "3", "--minutes", "1"), "not both"),
        (("{photos}", "-o", "{bank}", "--steps", "0"), "--steps"),
        (("{photos}", "-o", "{bank}", "--minutes", "0"), "--minutes"),
        (("{photos}", "-o", "{bank}", "--scales", "0.5"), "scales must lie in 1..16"),
        (("{photos}", "-o", "{bank}", "--scale-range", "2"), "--scale-range"),
        (("{photos}", "-o", "{bank}", "--warps", "0.8", "--continuous", "0.8"), "0.8 and 0.8"),
        (("{photos}", "-o", "{bank}", "--kind", "lerf-x"), "lerf-x"),
        (("{photos}", "-o", "{bank}", "--device", "nowhere"), "--device nowhere"),
        (("{photos}", "-o", "{photos}/deeper/bank.safetensors"), "is not a folder"),
        (("{photos}", "-o", "{bank}", "--checkpoint", "{bank}"), "written twice"),
        (("--resume", "{bank}.nothing", "-o", "{bank}"), "does not exist"),
    ],
)
def test_wrong_usage_is_refused_before_anything_is_written(run, photos, bank, arguments, named):
    given = [one.format(photos=photos, bank=bank) for one in arguments]
    result = run("train", *given, code=2)
    assert named in result.stderr.replace("\n", " ")
    assert [path.name for path in bank.parent.iterdir()] == ["photos"]


def test_nothing_is_overwritten_unasked(run, photos, trained, checkpoint):
    before = trained.read_bytes()
    command = ("train", photos, "-o", trained, "--kind", "lerf-l", "--steps", 1, *TINY)
    assert "exists: give --overwrite" in run(*command, code=2).stderr
    trained.unlink()
    assert checkpoint.name in run(*command, code=2).stderr
    trained.write_bytes(before)
    run(*command, "--overwrite")
    assert load_bank(trained).training["steps"] == 1


def test_folders_without_photographs_are_told(run, tmp_path, bank):
    (tmp_path / "empty").mkdir()
    result = run("train", tmp_path / "empty", "-o", bank, "--steps", 1, code=1)
    assert "nothing to train on" in result.stderr
    result = run("train", tmp_path / "nowhere", "-o", bank, "--steps", 1, code=1)
    assert "nowhere is no folder" in result.stderr


def test_unknown_banks_are_told(run, photos, bank):
    assert "nobank" in run("finetune", "nobank", photos, "-o", bank, code=1).stderr


def test_help_needs_no_torch(monkeypatch, run):
    for command in ("train", "finetune"):
        text = run(command, "--help").output
        assert "Examples:" in text
        assert "--minutes" in text


def test_a_cascade_is_trained_tuned_and_evaluated(run, tmp_path, photos, bank, checkpoint):
    command = ("train", photos, "-o", bank, "--kind", "mulut", "--batch", 2, "--patch", 20)
    result = run(*command, "--scale", 2, "--interval", 64, "--steps", 2, "--threads", 1)
    assert f"{bank}: front x2, 2 steps" in result.stdout
    assert "held-out PSNR-Y x2" in result.stdout
    assert "x4" not in result.stdout
    made = load_front(bank)
    assert (made.name, made.scale, made.interval) == ("mine", 2, 64)
    assert made.training["options"]["patches"]["scales"] == [2.0]
    assert is_checkpoint(checkpoint)
    tuned = tmp_path / "tuned.safetensors"
    for start in (bank, checkpoint):
        run("finetune", start, photos, "-o", tuned, "--batch", 2, "--patch", 20, "--steps", 1,
            "--overwrite")  # fmt: skip
        assert load_front(tuned).training["start"] == "mine"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--kind", "mulut"], "mulut needs --scale: 2, 3 or 4"),
        (["--kind", "mulut", "--scale", 5], "'5' is not one of '2', '3', '4'"),
        (["--scale", 2], "--scale is an option of mulut"),
        (["--kind", "lerf-n", "--scale", 2], "--scale is an option of mulut"),
        (["--kind", "mulut", "--scale", 2, "--warps", 0.1], "--warps is an option of banks"),
        (["--kind", "mulut", "--scale", 2, "--points", 9], "--points is an option of banks"),
        (["--kind", "mulut", "--scale", 2, "--scale-range", "1,2"], "--scale-range is an option"),
        (["--kind", "mulut", "--scale", 2, "--network"], "--network is an option of banks"),
        (["--kind", "mulut", "--scale", 2, "--width", 8], "--width is an option of networks"),
    ],
)
def test_options_that_cascades_do_not_have(run, photos, bank, words, message):
    assert message in run("train", photos, "-o", bank, *words, code=2).stderr
    assert not bank.exists()
