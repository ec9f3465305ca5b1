"""`lerf train --front` and `lerf finetune --front`: banks for what comes behind a front."""

import json

import pytest
from support.fronts import make_random_front

from lerf_core import load_bank
from lerf_core.fronts.loading import load_front

pytest.importorskip("torch")

from lerf_training.loop.checkpoints import read_checkpoint

pytestmark = pytest.mark.slow

TINY = ("--batch", 2, "--patch", 20, "--points", 64, "--threads", 1, "--steps", 1)


@pytest.fixture
def front(tmp_path):
    path = tmp_path / "front.safetensors"
    make_random_front(2, middle=0).save(path)
    return path


@pytest.mark.parametrize(
    "kind", [("--kind", "lerf-l"), ("--kind", "lerf-n", "--width", 4, "--layers", 0)]
)
def test_a_bank_is_trained_behind_a_front(run, tmp_path, photos, bank, checkpoint, front, kind):
    result = run("train", photos, "-o", bank, *kind, "--front", front, *TINY)
    assert "held-out PSNR-Y x2.5" in result.stdout
    patches = read_checkpoint(checkpoint).options["patches"]
    assert patches["scales"] == [2.5, 3.0, 4.0, 6.0]
    assert patches["scale_range"] == [2.4, 8.0]
    assert load_bank(bank).training["front"]["checksum"] == load_front(front).checksum
    result = run("models", "info", bank, "--json")
    assert json.loads(result.stdout)["training front name"] == "random-front-0"
    # It is a bank like any other.
    run("resize", photos / "0.png", "-o", tmp_path / "big.png", "--scale", 3, "--bank", bank,
        "--front", front)  # fmt: skip


def test_scales_that_are_given_are_those_of_both_together(run, photos, bank, checkpoint, front):
    command = ("train", photos, "-o", bank, "--kind", "lerf-l", "--front", front, *TINY)
    run(*command, "--scales", "3,5", "--scale-range", "3,7")
    patches = read_checkpoint(checkpoint).options["patches"]
    assert (patches["scales"], patches["scale_range"]) == ([3.0, 5.0], [3.0, 7.0])
    result = run(*command, "--scales", "2,3", "--overwrite", code=1)
    assert "behind a front x2 banks are trained for scales of both together above 2, got 2" in (
        result.stderr
    )


def test_a_bank_is_tuned_behind_a_front_that_moves(run, tmp_path, photos, bank, checkpoint, front):
    run("finetune", "lerf-l", photos, "-o", bank, "--front", front, *TINY)
    assert load_bank(bank).training["front"]["scale"] == 2
    moved, again = tmp_path / "moved.safetensors", tmp_path / "again.safetensors"
    front.rename(moved)
    resume = ("train", "--resume", checkpoint, "-o", again, "--threads", 1)
    result = run(*resume, code=1)
    assert "was trained behind the front 'random-front-0': no front file" in result.stderr
    run(*resume, "--front", moved)
    assert again.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--kind", "mulut", "--scale", 2), "--front is an option of banks, and mulut is"),
        (("--kind", "front", "--scale", 2), "--front is an option of banks, and front is"),
    ],
)
def test_a_front_goes_before_no_front(run, photos, bank, front, words, message):
    result = run("train", photos, "-o", bank, *words, "--front", front, code=2)
    assert message in result.stderr


def test_unknown_fronts_are_told(run, photos, bank):
    result = run("train", photos, "-o", bank, "--front", "nothing", *TINY, code=1)
    assert "no front is called 'nothing'" in result.stderr
    assert not bank.exists()
