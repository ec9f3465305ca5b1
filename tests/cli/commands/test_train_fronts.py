"""`lerf train --kind front`, and what else the commands make of fronts that are networks."""

import numpy as np
import pytest
from PIL import Image

from lerf_core.fronts.loading import load_front
from lerf_core.fronts.network import NetworkFront

pytest.importorskip("torch")

from lerf_training.loop.checkpoints import read_checkpoint

pytestmark = pytest.mark.slow

TINY = ("--batch", 2, "--patch", 22, "--threads", 1)
SMALL = ("--kind", "front", "--width", 4, "--layers", 1)


def test_a_front_is_trained_and_used(run, tmp_path, photos, bank, checkpoint):
    result = run("train", photos, "-o", bank, *SMALL, "--scale", 3, "--steps", 3, *TINY)
    assert f"{bank}: front x3, 3 steps" in result.stdout
    assert "held-out PSNR-Y x3" in result.stdout
    made = load_front(bank)
    assert isinstance(made, NetworkFront)
    assert (made.name, made.scale, made.width, len(made.layers)) == ("mine", 3, 4, 3)
    assert made.training["options"]["patches"]["scales"] == [3.0]
    large = tmp_path / "large.png"
    run("resize", photos / "0.png", "-o", large, "--scale", 4.5, "--front", bank)
    with Image.open(large) as image:
        assert image.size == (108 * 9 // 2, 96 * 9 // 2)
    tuned = tmp_path / "tuned.safetensors"
    for source in (bank, checkpoint):
        run("finetune", source, photos, "-o", tuned, "--steps", 1, "--overwrite", *TINY)
        again = load_front(tuned)
        assert (again.scale, again.training["start"]) == (3, "mine")
        assert again.training["options"]["rate"] == 2e-4


def test_it_goes_on_from_its_checkpoint(run, tmp_path, photos, bank, checkpoint):
    command = (*SMALL, "--scale", 2, *TINY)
    run("train", photos, "-o", bank, *command, "--steps", 4)
    assert read_checkpoint(checkpoint).progress["step"] == 4
    again = tmp_path / "again.safetensors"
    run("train", "--resume", checkpoint, "-o", again, "--threads", 1)
    for name, tensor in load_front(bank).tensors.items():
        np.testing.assert_array_equal(load_front(again).tensors[name], tensor)


def test_its_structure_and_options(run, photos, bank, checkpoint):
    run("train", photos, "-o", bank, "--kind", "front", "--scale", 2, "--steps", 1, "--threads", 1,
        "--held-out", 0, "--patch", 30)  # fmt: skip
    made = load_front(bank)
    assert (made.width, len(made.layers), made.reach) == (32, 8, 8)
    options = read_checkpoint(checkpoint).options
    wanted = {
        "method": "convolutional", "rate": 2e-3, "spread": 0.0, "clip": 1.0, "average": 0.999,
        "width": 32,
    }  # fmt: skip
    assert {name: options[name] for name in wanted} == wanted
    assert (options["patches"]["batch"], options["patches"]["size"]) == (16, 30)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), "front needs --scale: 2, 3 or 4"),
        (("--scale", "5"), "--scale"),
        (("--scale", "2", "--scales", "2,3"), "--scales is an option of banks"),
        (("--scale", "2", "--warps", "0.1"), "--warps is an option of banks"),
        (("--scale", "2", "--points", "99"), "--points is an option of banks"),
        (("--scale", "2", "--interval", "32"), "--interval is an option of tables"),
        (("--scale", "2", "--width", "6"), "width must be a multiple of 4"),
    ],
)
def test_options_of_others_are_refused(run, photos, bank, arguments, named):
    result = run("train", photos, "-o", bank, "--kind", "front", *arguments, code=2)
    assert named in result.stderr
    assert not bank.exists()


def test_a_scale_is_an_option_of_fronts(run, photos, bank):
    result = run("train", photos, "-o", bank, "--kind", "lerf-n", "--scale", 2, code=2)
    assert "--scale is an option of mulut and front" in result.stderr


def test_a_checkpoint_of_a_front_has_nothing_to_transfer(run, tmp_path, photos, bank, checkpoint):
    run("train", photos, "-o", bank, *SMALL, "--scale", 2, "--steps", 1, *TINY)
    output = tmp_path / "tables.safetensors"
    result = run("transfer", checkpoint, "-o", output, code=1)
    assert "network that is a front itself" in result.stderr
    assert not output.exists()
