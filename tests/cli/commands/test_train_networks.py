"""`lerf train --kind lerf-n`, and what else the commands make of networks."""

import numpy as np
import pytest
from PIL import Image

from lerf_core import load_bank
from lerf_core.bank import NetworkBank

pytest.importorskip("torch")

from lerf_training.loop.checkpoints import read_checkpoint

pytestmark = pytest.mark.slow

TINY = ("--batch", 2, "--patch", 22, "--points", 64, "--threads", 1, "--scale-range", "1.2,2.5")
SMALL = ("--kind", "lerf-n", "--width", 4, "--layers", 1)


@pytest.fixture
def trained(run, photos, bank):
    run("train", photos, "-o", bank, *SMALL, "--steps", 2, *TINY)
    return bank


def test_a_network_is_trained_and_used(run, tmp_path, photos, bank, checkpoint):
    result = run("train", photos, "-o", bank, *SMALL, "--steps", 3, *TINY)
    assert f"{bank}: lerf-n, 3 steps" in result.stdout
    assert "held-out PSNR-Y x2" in result.stdout
    made = load_bank(bank)
    assert isinstance(made, NetworkBank)
    assert (made.name, made.width, len(made.layers)) == ("mine", 4, 3)
    assert made.training["method"] == "convolutional"
    assert read_checkpoint(checkpoint).progress["step"] == 3
    large = tmp_path / "large.png"
    run("resize", photos / "0.png", "-o", large, "--scale", 2, "--bank", bank)
    with Image.open(large) as image:
        assert image.size == (216, 192)


@pytest.mark.parametrize(
    ("kind", "shape", "given"),
    [
        ("lerf-n", (24, 5, 3, 5), {"batch": 16, "size": 44, "points": 2500}),
        ("lerf-net", (48, 10, 5, 11), {"batch": 8, "size": 66, "points": 4000}),
    ],
)
def test_kinds_have_their_layers_and_options(run, photos, bank, checkpoint, kind, shape, given):
    run("train", photos, "-o", bank, "--kind", kind, "--steps", 1, "--threads", 1,
        "--held-out", 0, "--scales", "1.3", "--scale-range", "1.2,1.3", "--points", 9)  # fmt: skip
    made = load_bank(bank)
    layers = made.layers
    assert (made.width, len(layers), layers[0].size, made.full_reach) == shape
    options = read_checkpoint(checkpoint).options
    assert options["method"] == "convolutional"
    wanted = {"rate": 2e-3, "spread": 0.0, "clip": 1.0, "average": 0.999, "width": shape[0]}
    assert {name: options[name] for name in wanted} == wanted
    assert options["patches"]["points"] == 9
    for name in ("batch", "size"):
        assert options["patches"][name] == given[name]


def test_defaults_are_those_of_the_help(run, photos, monkeypatch, bank):
    from lerf_training.loop import trainer

    seen = []

    class Stopped(trainer.Trainer):
        def __init__(self, start, folders, options, **more):
            seen.append(options)
            raise trainer.TrainingError("stopped")

    monkeypatch.setattr(trainer, "Trainer", Stopped)
    for kind in ("lerf-n", "lerf-net", "lerf-p"):
        run("train", photos, "-o", bank, "--kind", kind, code=1)
    small, large, tables = seen
    assert (small.patches.batch, small.patches.size, small.patches.points) == (16, 44, 2500)
    assert (large.patches.batch, large.patches.size, large.patches.points) == (8, 66, 4000)
    assert small.patches.scale_range == large.patches.scale_range == (1.2, 6.0)
    assert small.minutes == large.minutes == 180
    assert (tables.minutes, tables.method, tables.clip, tables.rate) == (10, "tables", 0, 1)


def test_a_training_that_ended_early_goes_on(run, tmp_path, photos, bank, checkpoint, monkeypatch):
    import os
    import signal

    from lerf_training.loop.trainer import Trainer

    train = Trainer._train

    def interrupted(self, batch):
        train(self, batch)
        if self.step == 1:
            os.kill(os.getpid(), signal.SIGINT)

    command = (*SMALL, "--steps", 5, *TINY)
    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_train", interrupted)
        run("train", photos, "-o", bank, *command, code=130)
    assert read_checkpoint(checkpoint).progress["step"] == 2
    run("train", "--resume", checkpoint, "-o", bank, "--threads", 1)
    straight = tmp_path / "straight.safetensors"
    run("train", photos, "-o", straight, *command)
    for name, tensor in load_bank(straight).tensors.items():
        np.testing.assert_array_equal(load_bank(bank).tensors[name], tensor)


def test_a_network_is_tuned(run, tmp_path, trained, photos, checkpoint):
    tuned = tmp_path / "tuned.safetensors"
    for source in (trained, checkpoint):
        run("finetune", source, photos, "-o", tuned, "--steps", 1, "--overwrite", *TINY)
        made = load_bank(tuned)
        assert (made.width, made.training["start"]) == (4, "mine")
        assert made.training["options"]["rate"] == 2e-4
        assert made.training["options"]["average"] == 0.999
    run(
        "finetune", trained, photos, "-o", tuned, "--steps", 1, "--overwrite", "--rate", 0.01, *TINY
    )
    assert load_bank(tuned).training["options"]["rate"] == 0.01


def test_a_checkpoint_of_a_network_has_nothing_to_transfer(run, tmp_path, trained, checkpoint):
    output = tmp_path / "tables.safetensors"
    result = run("transfer", checkpoint, "-o", output, code=1)
    assert "network that is a bank itself" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not output.exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--kind", "lerf-n", "--interval", "32"), "--interval is an option of tables"),
        (("--kind", "lerf-net", "--network"), "--network is an option of tables"),
        (("--kind", "lerf-n", "--spread", "0.2"), "--spread is an option of tables"),
        (("--kind", "lerf-p", "--layers", "3"), "--layers is an option of networks"),
        (("--grey", "0.3"), "--grey is an option of networks, and lerf-p is tables"),
        (("--kind", "lerf-g", "--permuted", "0.3"), "--permuted is an option of networks"),
        (("--kind", "lerf-g", "--width", "8"), "--width is an option of networks"),
        (("--kind", "lerf-n", "--width", "10"), "multiple of 4 in 4..64, got 10"),
        (("--kind", "lerf-n", "--width", "128"), "multiple of 4 in 4..64, got 128"),
        (("--kind", "lerf-n", "--layers", "17"), "--layers"),
        (("--kind", "lerf-n", "--clip", "-1"), "--clip"),
        (("--kind", "lerf-n", "--grey", "1.5"), "--grey"),
    ],
)
def test_options_that_say_nothing_are_refused(run, photos, bank, arguments, named):
    result = run("train", photos, "-o", bank, *arguments, code=2)
    assert named in " ".join(result.stderr.split())
    assert [path.name for path in bank.parent.iterdir()] == ["photos"]


def test_patches_must_hold_what_a_network_sees(run, photos, bank):
    result = run("train", photos, "-o", bank, "--kind", "lerf-n", "--patch", 18, code=1)
    assert "patches of 18 pixels are too small" in result.stderr
    assert "at least 20 pixels a side" in result.stderr
    assert [path.name for path in bank.parent.iterdir()] == ["photos"]


def test_options_of_others_are_refused_when_tuning(run, tmp_path, trained, photos):
    tuned = tmp_path / "tuned.safetensors"
    result = run("finetune", trained, photos, "-o", tuned, "--spread", 0.1, code=2)
    assert "--spread is an option of tables" in result.stderr
    result = run("finetune", "analytic", photos, "-o", tuned, "--grey", 0.1, code=2)
    assert "--grey is an option of networks" in result.stderr


@pytest.mark.parametrize("option", [("--width", 8), ("--layers", 2), ("--clip", 2), ("--grey", 0)])
def test_resume_takes_no_other_options(run, tmp_path, trained, checkpoint, option):
    other = tmp_path / "other.safetensors"
    result = run("train", "--resume", checkpoint, "-o", other, *option, code=2)
    assert f"{option[0]} cannot be changed with --resume" in result.stderr
