"""Banks that are trained behind a front: resumed, recorded and scored with it."""

import json
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

# ruff: noqa: E402 - torch may be missing, and with it what follows
torch = pytest.importorskip("torch")

from lerf_training.data.patch_options import PatchOptions, scale_range_behind, scales_behind
from lerf_training.data.photographs import scan
from lerf_training.errors import CheckpointError
from lerf_training.loop.checkpoints import read_checkpoint
from lerf_training.loop.options import TrainingOptions
from lerf_training.loop.trainer import Trainer
from lerf_training.loop.validation import Validation
from lerf_training.models.cascades import starting_cascade
from lerf_training.models.starting_bank import starting_bank
from lerf_training.models.starting_network import NetworkShape, starting_network
from support.fronts import ConvolutionFront, make_random_front, random_cascade

import lerf_core
from lerf_core.errors import FrontNotFoundError, InvalidArgumentError
from lerf_core.metrics import luma, psnr

pytestmark = pytest.mark.slow

PATCHES = PatchOptions(
    batch=2, size=20, points=64, scales=scales_behind(2), scale_range=scale_range_behind(2)
)


def options(**values):
    given = {"steps": 5, "minutes": None, "validate_every": 3, "held_out": 0.25}
    return TrainingOptions(**{"patches": PATCHES, **given, **values})


@pytest.fixture
def folder(make_photographs):
    return make_photographs(4, rows=130, cols=140)


@pytest.fixture
def front(tmp_path):
    """A file of a front that reads colours together."""
    path = tmp_path / "front.safetensors"
    make_random_front(2, middle=1).save(path)
    return path


def silent(_progress):
    pass


def stop_at(one, step):
    """A report that ends a training after so many steps."""

    def report(progress):
        one.interruption.requested = progress.step == step

    return report


MODELS = {
    "tables": (starting_bank("lerf-l"), {}),
    "network": (
        starting_network(NetworkShape(8, 1)),
        {"method": "convolutional", "rate": 1e-3, "spread": 0.0, "average": 0.9},
    ),
}


@pytest.mark.parametrize("model", MODELS)
def test_a_resumed_training_ends_at_the_same_bits(tmp_path, folder, front, model):
    start, values = MODELS[model]
    straight = Trainer(start, [folder], options(**values), front=front)
    assert straight.run(silent)
    path = tmp_path / "c.safetensors"
    first = Trainer(start, [folder], options(**values), front=front)
    assert not first.run(stop_at(first, 3), path)
    second = Trainer.resume(path)
    assert (second.step, second.front) == (3, first.front)
    assert second.run(silent, path)
    made, wanted = (one.bank("mine").tensors for one in (second, straight))
    assert made.keys() == wanted.keys()
    for key, tensor in wanted.items():
        np.testing.assert_array_equal(made[key], tensor)
    alone = Trainer(start, [folder], options(**values))
    alone.run(silent)
    assert any(np.any(alone.bank("mine").tensors[key] != wanted[key]) for key in wanted)


def test_a_bank_says_behind_which_front_it_was_trained(tmp_path, folder, front):
    path = tmp_path / "c.safetensors"
    one = Trainer(starting_bank("lerf-l"), [folder], options(steps=1), front=front)
    one.run(silent, path)
    record = one.bank("mine").training
    facts = {"name": one.front.name, "scale": 2, "checksum": one.front.checksum}
    assert record["front"] == facts
    assert str(tmp_path) not in json.dumps(dict(record))
    assert read_checkpoint(path).front == {"source": str(front), **facts}


def test_banks_of_no_front_name_none(tmp_path, folder, front):
    path = tmp_path / "c.safetensors"
    one = Trainer(starting_bank("lerf-l"), [folder], options(steps=1))
    one.run(silent, path)
    assert "front" not in one.bank("mine").training
    with pytest.raises(CheckpointError, match="was not trained behind a front"):
        Trainer.resume(path, front=front)


def test_a_resumed_training_wants_the_same_front(tmp_path, folder, front):
    path = tmp_path / "c.safetensors"
    one = Trainer(starting_bank("lerf-l"), [folder], options(steps=1), front=front)
    one.run(silent, path)
    moved = tmp_path / "moved.safetensors"
    front.rename(moved)
    with pytest.raises(CheckpointError, match="trained behind the front 'random-front-0': no"):
        Trainer.resume(path)
    assert Trainer.resume(path, front=moved).front == one.front
    make_random_front(2, middle=1, seed=1).save(front)
    with pytest.raises(CheckpointError, match="trained behind another front: its checksum is"):
        Trainer.resume(path)


def test_a_front_without_a_file_is_given_again(tmp_path, folder):
    path, front = tmp_path / "c.safetensors", random_cascade(2)
    one = Trainer(starting_bank("lerf-l"), [folder], options(steps=1), front=front)
    one.run(silent, path)
    with pytest.raises(CheckpointError, match="behind a front, 'random-x2': give it"):
        Trainer.resume(path)
    assert Trainer.resume(path, front=front).front == front


def test_what_was_validated_is_the_bank_behind_the_front(folder, front):
    one = Trainer(starting_bank("lerf-l"), [folder], options(rate=5.0), front=front)
    one.run(silent)
    bank, figures = one.bank("mine"), one.history[-1]
    assert {"x2.5", "x3", "x4", "x6"} < set(figures)
    (photograph,) = one.held_out
    # A crop of 120x120 pixels, in the middle.
    high = pixels_of(photograph.path)[5:125, 10:130]
    low = shrunk(high, 40)
    big = lerf_core.rescale(low, 3, bank=bank, front=front, channel_axis=-1)
    assert figures["x3"] == pytest.approx(psnr(luma(high), luma(big), shave=3))
    assert Validation(one.held_out)(bank) != {key: figures[key] for key in figures}


def pixels_of(path):
    from lerf_training.data.image_files import read_rgb

    return read_rgb(path)


def shrunk(image, size):
    from lerf_training.data.degradation import degrade_patch

    box = (0, 0, image.shape[1], image.shape[0])
    return np.stack([degrade_patch(image[..., c], box, (size, size)) for c in range(3)], -1)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_crops_suit_the_scales_behind_a_front(make_photographs, factor):
    photographs = scan([make_photographs(1, rows=250, cols=250)], 60).photographs
    validation = Validation(photographs, front=ConvolutionFront(factor))
    for case in validation._cases:
        sizes = np.array(case.high.shape[:2]) / case.low.shape[:2]
        assert (sizes == case.scale).all()


def test_what_cannot_be_trained_behind_a_front(folder, front, tmp_path):
    with pytest.raises(InvalidArgumentError, match="'start' is a front: none goes before it"):
        Trainer(starting_cascade(2, interval=64), [folder], options(), front=front)
    usual = options(patches=PatchOptions(batch=2, size=20, points=64))
    with pytest.raises(InvalidArgumentError, match=r"above 2, got 1\.3"):
        Trainer(starting_bank("lerf-l"), [folder], usual, front=front)
    with pytest.raises(FrontNotFoundError):
        Trainer(starting_bank("lerf-l"), [folder], options(), front=tmp_path / "none.safetensors")


def test_photographs_are_large_enough_for_what_the_front_reads(make_photographs, front):
    """A front of far reach wants more around a patch."""
    small = make_photographs(1, "small", rows=48, cols=48)
    large = make_photographs(1, "large", start=1, rows=130, cols=130)
    far = make_random_front(2, middle=3)
    one = Trainer(starting_bank("lerf-l"), [small, large], options(held_out=0.0), front=front)
    other = Trainer(starting_bank("lerf-l"), [small, large], options(held_out=0.0), front=far)
    assert len(one.train) > len(other.train) == 1


@pytest.mark.parametrize("name", ["compact", "windows", "restoration", "whole"])
def test_networks_that_people_have_go_before(make_photographs, name):
    if find_spec("spandrel") is None:
        pytest.skip("spandrel is not installed")
    from support.networks import front_of

    network = front_of(name)
    usual = {"scales": (2.0, 3.0), "scale_range": (1.3, 4.0)}
    scales = {} if network.scale == 2 else usual
    patches = replace(PATCHES, **scales)
    folder = make_photographs(1, rows=190, cols=190)
    start, threads = starting_bank("lerf-l"), torch.get_num_threads()
    one = Trainer(start, [folder], options(steps=2, patches=patches), front=network)
    assert one.run(silent)
    assert torch.get_num_threads() == threads
    assert one.bank("mine").training["front"]["checksum"] == network.checksum
