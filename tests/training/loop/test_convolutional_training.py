"""Trainings of networks of convolutions: they learn, go on at the same bits, and make banks."""

import json
import os
import signal
from dataclasses import replace

import numpy as np
import pytest

# ruff: noqa: E402 - torch may be missing, and with it what follows
torch = pytest.importorskip("torch")

from lerf_training.data.patch_options import PatchOptions
from lerf_training.errors import CheckpointError, TrainingError
from lerf_training.loop import trainer as trainer_module
from lerf_training.loop.checkpoints import read_checkpoint, write_checkpoint
from lerf_training.loop.options import TrainingOptions
from lerf_training.loop.restoring import bank_of_checkpoint
from lerf_training.loop.trainer import Trainer
from lerf_training.loop.validation import Validation
from lerf_training.models.convolutional import ConvolutionalModel
from lerf_training.models.starting_bank import starting_bank
from lerf_training.models.starting_network import NetworkShape, starting_front, starting_network
from support.banks import make_random_network

from lerf_core import load_bank
from lerf_core.bank import NetworkBank
from lerf_core.errors import InvalidArgumentError
from lerf_core.fronts.network import NetworkFront

pytestmark = pytest.mark.slow

PATCHES = PatchOptions(batch=2, size=20, points=64, scale_range=(1.2, 2.5), scales=(2.0,))
SHAPE = NetworkShape(4, 1)


def options(**values):
    given = {
        "method": "convolutional", "steps": 6, "minutes": None, "validate_every": 4,
        "held_out": 0.25, "rate": 2e-3, "spread": 0.0, "clip": 1.0, "average": 0.9,
        "patches": PATCHES,
    }  # fmt: skip
    return TrainingOptions(**{**given, **values})


@pytest.fixture
def folder(make_photographs):
    return make_photographs(4)


def silent(_progress):
    pass


def stop_at(step):
    def report(progress):
        if progress.step == step:
            os.kill(os.getpid(), signal.SIGINT)

    return report


def same_layers(one, other):
    return all(
        np.array_equal(one.tensors[name], other.tensors[name])
        for name in {**one.tensors, **other.tensors}
    )


def state_of(trainer):
    tensors = trainer.checkpoint().tensors
    history = [
        {key: value for key, value in entry.items() if key != "seconds"}
        for entry in trainer.history
    ]
    return (
        {key: value.tobytes() for key, value in tensors.items()},
        trainer.step,
        trainer.psnr,
        history,
    )


def test_a_resumed_training_ends_at_the_same_bits(tmp_path, folder):
    straight = Trainer(starting_network(SHAPE), [folder], options())
    assert straight.run(silent)
    path = tmp_path / "c.safetensors"
    first = Trainer(starting_network(SHAPE), [folder], options())
    assert not first.run(stop_at(3), path)
    second = Trainer.resume(path)
    assert second.step == 3
    assert second.run(silent, path)
    assert state_of(second) == state_of(straight)
    assert same_layers(second.bank("mine"), straight.bank("mine"))
    assert {"exp_avg/0", "exp_avg_sq/5", "average/2", "model/weights.1"} <= set(state_of(second)[0])


def test_a_few_steps_reduce_the_error(folder):
    chosen = options(steps=60, rate=1e-2, validate_every=60, average=0.0, held_out=0.0)
    trainer = Trainer(starting_network(NetworkShape(8, 1)), [folder], chosen)
    batches = [trainer.source.batch(1000 + number) for number in range(6)]

    def error():
        with torch.no_grad():
            return sum(float(trainer._error(batch).mean()) for batch in batches)

    before = error()
    trainer.run(silent)
    assert error() < 0.97 * before


def test_what_was_validated_is_the_bank_that_is_saved(tmp_path, folder):
    trainer = Trainer(starting_network(SHAPE), [folder], options(rate=1e-2))
    trainer.run(silent)
    bank = trainer.bank("mine")
    assert isinstance(bank, NetworkBank)
    bank.save(tmp_path / "mine.safetensors")
    again = load_bank(tmp_path / "mine.safetensors")
    figures = Validation(trainer.held_out)(again)
    assert figures == {key: trainer.history[-1][key] for key in figures}
    assert again.training["validation"] == {key: round(value, 3) for key, value in figures.items()}
    # It is the average that is saved.
    assert not same_layers(bank, trainer.model.bank("now", {}))


def test_the_bank_of_a_checkpoint_is_the_one_of_the_training(tmp_path, folder):
    path = tmp_path / "c.safetensors"
    trainer = Trainer(starting_network(SHAPE), [folder], options())
    trainer.run(silent, path)
    assert same_layers(bank_of_checkpoint(path), trainer.bank("mine"))


def test_the_record_says_what_was_done(folder):
    trainer = Trainer(starting_network(SHAPE), [folder], options(steps=2))
    trainer.run(silent)
    record = dict(trainer.bank("mine").training)
    assert json.loads(json.dumps(record)) == record
    assert (record["method"], record["start"], record["steps"]) == ("convolutional", "start", 2)
    assert record["options"]["clip"] == 1.0
    assert record["options"]["patches"]["grey"] == 0.2
    assert TrainingOptions.from_json(record["options"]) == trainer.options
    assert str(folder) not in json.dumps(record)


def test_any_network_is_trained_further_from_the_weights_that_it_has(folder):
    start = make_random_network(8, 5, 1, 1, zero=70, leak=2)
    trainer = Trainer(start, [folder], options(steps=2, rate=1e-12, average=0.0))
    trainer.run(silent)
    tuned = trainer.bank("tuned")
    assert (tuned.zero, tuned.leak) == (70, 2)
    assert same_layers(tuned, ConvolutionalModel(start).bank("start", {}))
    assert trainer.checkpoint().start == start
    farther = Trainer(start, [folder], options(steps=4, rate=1e-2))
    farther.run(silent)
    assert not same_layers(farther.bank("tuned"), tuned)


def test_points_keep_as_far_from_the_border_as_the_network_sees(folder):
    trainer = Trainer(starting_network(NetworkShape(4, 3)), [folder], options(steps=1))
    batch = trainer.source.batch(0)
    assert batch.low.shape[1] == 3
    assert batch.first.min() >= trainer.start.full_reach == 5


def test_the_rate_rises_longer_than_that_of_tables(folder):
    trainer = Trainer(starting_network(SHAPE), [folder], options(steps=4000))
    trainer.validation = Validation([])
    trainer.step = 99
    trainer._train(trainer.source.batch(0))
    assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(2e-3 / 2)


def test_gradients_are_clipped_together(folder, monkeypatch):
    norms = []
    for clip in (0.0, 1e-3):
        trainer = Trainer(starting_network(SHAPE), [folder], options(steps=1, clip=clip))
        trainer.run(silent)
        squares = [float(value.grad.square().sum()) for value in trainer.model.parameters()]
        norms.append(sum(squares) ** 0.5)
    assert norms[1] == pytest.approx(1e-3, rel=1e-3)
    assert norms[0] > 2e-3


@pytest.mark.parametrize(
    ("length", "compiled"),
    [
        ({"steps": 1999}, False),
        ({"steps": 2000}, True),
        ({"steps": None, "minutes": 4.9}, False),
        ({"steps": None, "minutes": 5.0}, True),
    ],
)
def test_long_trainings_alone_are_compiled(folder, monkeypatch, length, compiled):
    asked = []
    monkeypatch.setattr(
        ConvolutionalModel, "prepare", lambda _self, *size, **how: asked.append((size, how))
    )
    trainer = Trainer(starting_network(SHAPE), [folder], options(**length))
    monkeypatch.setattr(trainer_module.Trainer, "validate", lambda _self: {})
    trainer.run(stop_at(1))
    assert asked == [((2, 20), {"compiled": compiled})]


def test_a_training_that_diverges_is_told(folder):
    trainer = Trainer(starting_network(SHAPE), [folder], options())
    with torch.no_grad():
        trainer.model.biases[0].fill_(float("nan"))
    with pytest.raises(TrainingError, match="diverged"):
        trainer.run(silent)


# -- fronts -----------------------------------------------------------------------


def front_options(**values):
    patches = PatchOptions(batch=2, size=20, scales=(2.0,), continuous=0.0, warps=0.0)
    return options(patches=patches, **values)


def test_a_resumed_training_of_a_front_ends_at_the_same_bits(tmp_path, folder):
    start = starting_front(SHAPE, 2)
    straight = Trainer(start, [folder], front_options())
    assert straight.run(silent)
    path = tmp_path / "c.safetensors"
    assert not Trainer(start, [folder], front_options()).run(stop_at(3), path)
    second = Trainer.resume(path)
    assert second.start == start
    assert second.run(silent, path)
    assert state_of(second) == state_of(straight)
    made = bank_of_checkpoint(path)
    assert isinstance(made, NetworkFront)
    assert same_layers(made, straight.bank("mine"))


def test_a_few_steps_of_a_front_reduce_the_error(folder):
    chosen = front_options(steps=60, rate=1e-2, validate_every=60, average=0.0, held_out=0.0)
    trainer = Trainer(starting_front(NetworkShape(8, 1), 2), [folder], chosen)
    batches = [trainer.source.batch(1000 + number) for number in range(6)]

    def error():
        with torch.no_grad():
            return sum(float(trainer._error(batch).mean()) for batch in batches)

    before = error()
    trainer.run(silent)
    assert error() < 0.9 * before


def test_a_front_is_validated_at_its_own_scale(folder):
    trainer = Trainer(starting_front(SHAPE, 3), [folder], front_options(steps=1))
    trainer.run(silent)
    front = trainer.bank("mine")
    assert front.training["validation"].keys() == {"x3", "mean"}
    figures = Validation(trainer.held_out, scales=(3.0,))(front)
    assert figures["x3"] == trainer.history[-1]["x3"]


# -- refusals -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "method", "named"),
    [
        (lambda: starting_bank("lerf-p"), "convolutional", "'convolutional' .* bank of tables"),
        (lambda: starting_network(SHAPE), "tables", "'tables' .* bank of a network"),
        (lambda: starting_network(SHAPE), "network", "'network' .* bank of a network"),
        (lambda: starting_front(SHAPE, 2), "tables", "'tables' .* front of a network"),
    ],
)
def test_a_method_for_other_banks_is_refused(folder, start, method, named):
    with pytest.raises(InvalidArgumentError, match=named):
        Trainer(start(), [folder], options(method=method))


def test_patches_that_a_network_sees_beyond_are_refused(folder):
    with pytest.raises(InvalidArgumentError, match="patches of 20 pixels are too small"):
        Trainer(starting_network(NetworkShape(4, 5)), [folder], options())


@pytest.mark.parametrize("clip", [-1.0, float("nan"), float("inf")])
def test_norms_that_cannot_be_are_refused(clip):
    with pytest.raises(InvalidArgumentError, match="clip must be at least 0"):
        options(clip=clip)


def test_a_damaged_start_is_refused(tmp_path, folder):
    path = tmp_path / "c.safetensors"
    Trainer(starting_network(SHAPE), [folder], options()).run(stop_at(1), path)
    checkpoint = read_checkpoint(path)
    weight = checkpoint.start.layers[0].weight.copy()
    weight[0, 0, 0, 0] ^= 1
    layers = (replace(checkpoint.start.layers[0], weight=weight), *checkpoint.start.layers[1:])
    other = NetworkBank("start", layers)
    write_checkpoint(path, replace(checkpoint, start=other))
    assert Trainer.resume(path).start == other
    lost = dict(checkpoint.tensors)
    lost.pop("model/weights.0")
    write_checkpoint(path, replace(checkpoint, tensors=lost))
    with pytest.raises(CheckpointError, match=r"weights\.0"):
        Trainer.resume(path)
