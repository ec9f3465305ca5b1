"""`lerf train-shrinking`: a function for shrinking from a folder, or one clear line."""

import importlib.util
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from support.cli import write_photographs

import lerf_core
from lerf_core.sampling.shrinking import load_shrinking_kernel

pytest.importorskip("torch")

QUICK = ("--batch", 2, "--weights", "0.7,0.3,0", "--threads", 1)


@pytest.fixture
def photos(tmp_path):
    return write_photographs(tmp_path / "photos", 4)


@pytest.fixture
def output(tmp_path):
    return tmp_path / "mine.json"


@pytest.mark.slow
def test_a_function_is_trained_and_used(run, tmp_path, photos, output):
    (photos / "broken.png").write_bytes(b"broken")
    result = run("train-shrinking", photos, "-o", output, "--steps", 3, "--seed", 4, *QUICK)
    assert "3 images to train on, 1 held out" in result.stderr
    assert "1 files are skipped" in result.stderr
    assert f"{output}: mine, 3 steps" in result.stdout
    for part in ("x2: pillow-bicubic", "x3: ", "x4: ", "lerf", "gratings", "overshoot 0.0"):
        assert part in result.stdout
    kernel = load_shrinking_kernel(output)
    assert kernel.name == "mine"
    assert kernel.training["options"]["seed"] == 4
    assert kernel.training["options"]["weights"] == [0.7, 0.3, 0.0]
    small = tmp_path / "small.png"
    run("resize", photos / "0.png", "-o", small, "--scale", 0.5, "--kernel", output)
    source = np.asarray(Image.open(photos / "0.png"))
    expected = lerf_core.rescale(source, 0.5, kernel=kernel, channel_axis=-1)
    np.testing.assert_array_equal(np.asarray(Image.open(small)), expected)


@pytest.mark.slow
def test_quiet_is_quiet_and_names_are_given(run, photos, output):
    output.write_text("before")
    command = ("train-shrinking", photos, "-o", output, "--steps", 1, "--name", "web", *QUICK)
    assert "exists: give --overwrite" in run(*command, code=2).stderr
    assert output.read_text() == "before"
    assert run(*command, "--overwrite", "--quiet").output == ""
    assert load_shrinking_kernel(output).name == "web"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_an_interrupt_ends_it_with_a_clear_message(photos, output):
    words = ("train-shrinking", photos, "-o", output, "--steps", 100_000, *QUICK)
    # A line after fewer steps than users want to see.
    code = (
        "from lerf_cli.commands import train_shrinking; train_shrinking._LINE_STEPS = 30; "
        "from lerf_cli.main import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)], stderr=subprocess.PIPE, text=True
    )
    lines = []
    for line in process.stderr:
        lines.append(line)
        if line.startswith("step 30/"):
            break
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    text = "".join(lines) + rest
    assert process.returncode == 130, text
    assert int(re.search(r"interrupted at step (\d+)", text)[1]) >= 30
    assert f"{output} is not written" in text
    assert "Traceback" not in text
    assert not output.exists()


def test_an_interrupt_while_scoring_ends_it_too(run, photos, output, monkeypatch):
    from lerf_training.shrinking.trainer import ShrinkingTrainer

    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(ShrinkingTrainer, "score", interrupted)
    command = ("train-shrinking", photos, "-o", output, "--steps", 1, *QUICK)
    assert "interrupted while scoring" in run(*command, code=130).stderr
    assert not output.exists()


# -- refusals -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("-o", "{output}"), "Missing argument 'FOLDER...'"),
        (("{photos}",), "Missing option '-o'"),
        (("{photos}", "-o", "{output}", "--steps", "3", "--minutes", "1"), "not both"),
        (("{photos}", "-o", "{output}", "--steps", "0"), "--steps"),
        (("{photos}", "-o", "{output}", "--minutes", "0"), "--minutes"),
        (("{photos}", "-o", "{output}", "--minutes", "nan"), "minutes must be positive"),
        (("{photos}", "-o", "{output}", "--seed", "-1"), "--seed"),
        (("{photos}", "-o", "{output}", "--weights", "1,1"), "--weights"),
        (("{photos}", "-o", "{output}", "--weights", "0,0,0"), "one of them above 0"),
        (("{photos}", "-o", "{output}", "--weights", "1,-1,0"), "weights must be at least 0"),
        (("{photos}", "-o", "{output}", "--aliasing", "inf"), "aliasing must be"),
        (("{photos}", "-o", "{output}", "--between", "2"), "--between"),
        (("{photos}", "-o", "{photos}/mine.safetensors"), "ends with .json"),
        (("{photos}", "-o", "{photos}/deeper/mine.json"), "is not a folder"),
    ],
)
def test_wrong_usage_is_refused_before_anything_is_written(run, photos, output, arguments, named):
    given = [one.format(photos=photos, output=output) for one in arguments]
    result = run("train-shrinking", *given, code=2)
    assert named in " ".join(result.stderr.split())
    assert [path.name for path in output.parent.iterdir()] == ["photos"]


def test_folders_without_photographs_are_told(run, tmp_path, output):
    (tmp_path / "empty").mkdir()
    result = run("train-shrinking", tmp_path / "empty", "-o", output, code=1)
    assert "nothing to train on" in result.stderr
    result = run("train-shrinking", tmp_path / "nowhere", "-o", output, code=1)
    assert "nowhere is no folder" in result.stderr
    Image.new("RGB", (95, 200)).save(tmp_path / "empty" / "small.png")
    result = run("train-shrinking", tmp_path / "empty", "-o", output, code=1)
    assert "at least 96x96 are needed" in result.stderr
    assert not output.exists()


def test_missing_torch_is_told_with_the_cure(run, photos, output, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else find(name)
    )
    result = run("train-shrinking", photos, "-o", output, code=1)
    assert "pip install 'lerf[train]'" in result.stderr


def test_help_tells_that_no_training_is_resumed(run):
    text = run("train-shrinking", "--help").output
    assert "none is resumed" in text
    assert "--minutes" in text
