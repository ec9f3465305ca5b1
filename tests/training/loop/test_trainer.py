"""The training loop: it learns, stops and goes on at the same bits, and says what it did."""

import json
import math
import os
import shutil
import signal

import numpy as np
import pytest

# ruff: noqa: E402 - torch may be missing, and with it what follows
torch = pytest.importorskip("torch")

from lerf_training.data.patch_options import PatchOptions
from lerf_training.data.photographs import scan, split
from lerf_training.errors import CheckpointError, DatasetError
from lerf_training.loop import trainer as trainer_module
from lerf_training.loop.checkpoints import (
    is_checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from lerf_training.loop.options import TrainingOptions
from lerf_training.loop.restoring import bank_of_checkpoint
from lerf_training.loop.trainer import Trainer
from lerf_training.loop.validation import Validation
from lerf_training.models.starting_bank import starting_bank
from support.cli import write_photographs

from lerf_core import load_bank
from lerf_core.bank import KINDS
from lerf_core.errors import InvalidArgumentError

pytestmark = pytest.mark.slow

PATCHES = PatchOptions(batch=2, size=20, points=64)


def options(**values):
    given = {"steps": 8, "minutes": None, "validate_every": 3, "held_out": 0.25}
    return TrainingOptions(**{"patches": PATCHES, **given, **values})


@pytest.fixture
def folder(make_photographs):
    return make_photographs(4)


def silent(_progress):
    pass


def stop_at(step, number=signal.SIGINT):
    """A report that sends the process a signal after so many steps."""

    def report(progress):
        if progress.step == step:
            os.kill(os.getpid(), number)

    return report


def state_of(one):
    """All that decides how a training goes on."""
    tensors = one.checkpoint().tensors
    history = [
        {key: value for key, value in entry.items() if key != "seconds"} for entry in one.history
    ]
    return {key: value.tobytes() for key, value in tensors.items()}, one.step, one.psnr, history


# -- stopping and going on ----------------------------------------------------------

MODELS = {
    "tables": {},
    "average": {"average": 0.9},
    "balance": {"balance": 4.0, "steps": 6},
    "network": {"method": "network", "width": 8, "rate": 1e-3, "steps": 5},
}


@pytest.mark.parametrize("model", MODELS)
def test_a_resumed_training_ends_at_the_same_bits(tmp_path, folder, model):
    kind = "lerf-g" if model == "tables" else "lerf-l"
    chosen = options(**MODELS[model])
    straight = Trainer(starting_bank(kind), [folder], chosen)
    assert straight.run(silent)
    path = tmp_path / "c.safetensors"
    first = Trainer(starting_bank(kind), [folder], chosen)
    assert not first.run(stop_at(4), path)
    assert first.step == 4
    second = Trainer.resume(path)
    assert second.step == 4
    assert second.run(silent, path)
    assert state_of(second) == state_of(straight)
    assert any(key.startswith("exp_avg_sq/") for key in state_of(second)[0])
    tables = second.bank("mine").tables
    for key, table in straight.bank("mine").tables.items():
        np.testing.assert_array_equal(tables[key], table)


def test_other_seeds_end_elsewhere(folder):
    ends = []
    for seed in (0, 1):
        one = Trainer(starting_bank("lerf-l"), [folder], options(seed=seed, steps=2))
        one.run(silent)
        ends.append(state_of(one)[0]["model/tables.1"])
    assert ends[0] != ends[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_training_after_its_step(tmp_path, folder, number):
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    one = Trainer(starting_bank("lerf-l"), [folder], options())
    path = tmp_path / "c.safetensors"
    seen = []

    def report(progress):
        seen.append(progress.step)
        stop_at(2, number)(progress)

    assert one.run(report, path) is False
    assert seen == [1, 2]
    assert read_checkpoint(path).progress["step"] == 2
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before
    assert one.run(report, path) is True
    assert seen == list(range(1, 9))


def test_a_second_signal_interrupts_at_once(folder):
    one = Trainer(starting_bank("lerf-l"), [folder], options())
    before = signal.getsignal(signal.SIGINT)

    def report(_progress):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(100):  # time for the handlers to run
            pass

    with pytest.raises(KeyboardInterrupt):
        one.run(report)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_failing_report_restores_the_handlers(folder):
    before = signal.getsignal(signal.SIGTERM)

    def fail(_progress):
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        Trainer(starting_bank("lerf-l"), [folder], options()).run(fail)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_finished_training_has_nothing_to_resume(tmp_path, folder):
    path = tmp_path / "c.safetensors"
    Trainer(starting_bank("lerf-l"), [folder], options(steps=2)).run(silent, path)
    again = Trainer.resume(path)
    seen = []
    assert again.run(seen.append) is True
    assert seen == []
    assert again.history[-1]["step"] == 2


def test_photographs_may_have_moved(tmp_path, folder):
    path = tmp_path / "c.safetensors"
    one = Trainer(starting_bank("lerf-l"), [folder], options())
    one.run(stop_at(2), path)
    moved = tmp_path / "moved"
    folder.rename(moved)
    with pytest.raises(DatasetError, match="is no folder"):
        Trainer.resume(path)
    again = Trainer.resume(path, [moved])
    again.run(silent)
    one.train, one.source = again.train, again.source
    one.run(silent)
    assert state_of(one)[0] == state_of(again)[0]


# -- what it learns -----------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_training_reduces_the_error(folder, kind):
    one = Trainer(starting_bank(kind), [folder], options(steps=40, rate=1.0, validate_every=40))
    batches = [one.source.batch(1000 + number) for number in range(6)]

    def error(model):
        total = 0.0
        for batch in batches:
            arrays = (batch.low.astype(np.float32), batch.first, batch.offset)
            with torch.no_grad():
                values = model(*map(torch.from_numpy, arrays)).numpy()
            total += float(((values - batch.target) ** 2).mean())
        return total

    before = error(one.model)
    one.run(silent)
    assert error(one.model) < 0.97 * before


def test_the_recorded_scores_are_those_of_the_saved_bank(tmp_path, folder):
    for extra in ({}, {"average": 0.9}):
        one = Trainer(starting_bank("lerf-g"), [folder], options(rate=2.0, steps=20, **extra))
        one.run(silent)
        bank = one.bank("mine")
        bank.save(tmp_path / "mine.safetensors")
        _, held = split(scan([folder], PATCHES.least).photographs, 1)
        figures = Validation(held)(load_bank(tmp_path / "mine.safetensors"))
        assert figures == {key: one.history[-1][key] for key in figures}
        assert bank.training["validation"] == {
            key: round(value, 3) for key, value in figures.items()
        }
        assert figures != Validation(held)(starting_bank("lerf-g"))


def test_the_average_follows_the_weights(folder):
    one = Trainer(starting_bank("lerf-l"), [folder], options(rate=2.0, steps=20, average=0.9))
    one.run(silent)
    start = starting_bank("lerf-l")
    changed = sum(
        np.count_nonzero(table != start.tables[key]) for key, table in one.bank("a").tables.items()
    )
    assert changed > 1000
    assert not torch.equal(one.average[1], next(reversed(list(one.model.parameters()))))


def test_the_bank_of_a_checkpoint_is_the_one_of_the_training(tmp_path, folder):
    path = tmp_path / "c.safetensors"
    for extra in ({}, {"average": 0.9}):
        one = Trainer(starting_bank("lerf-l"), [folder], options(**extra))
        one.run(silent, path)
        assert is_checkpoint(path)
        mine = bank_of_checkpoint(path)
        for key, table in one.bank("mine").tables.items():
            np.testing.assert_array_equal(mine.tables[key], table)


def test_without_held_out_photographs_nothing_is_scored(folder):
    one = Trainer(starting_bank("lerf-l"), [folder], options(held_out=0.0, steps=2))
    assert len(one.train) == 4
    reports = []
    assert one.run(reports.append)
    assert reports[-1].scores == {}
    assert one.bank("mine").training["validation"] == {}


def test_a_single_photograph_is_trained_on(make_photographs):
    folder = make_photographs(1)
    one = Trainer(starting_bank("lerf-l"), [folder], options(steps=2))
    assert (len(one.train), len(one.held_out)) == (1, 0)
    assert one.run(silent)


# -- the record ---------------------------------------------------------------------


def test_the_record_survives_the_file_and_says_what_was_done(tmp_path, folder):
    (folder / "broken.png").write_bytes(b"broken")
    one = Trainer(starting_bank("lerf-g"), [folder], options(seed=3, balance=math.inf))
    one.run(silent)
    bank = one.bank("mine")
    bank.save(tmp_path / "mine.safetensors")
    record = dict(load_bank(tmp_path / "mine.safetensors").training)
    assert record == dict(bank.training)
    assert json.loads(json.dumps(record)) == record
    assert record["method"] == "tables"
    assert record["steps"] == record["options"]["steps"] == 8
    assert record["options"]["seed"] == 3
    assert record["options"]["balance"] == "inf"
    assert record["data"]["fingerprint"] == scan([folder], PATCHES.least).fingerprint
    assert record["data"]["images"] == 3
    assert record["data"]["held out"] == 1
    assert record["data"]["skipped"] == 1
    assert {"lerf", "numpy", "numba", "torch", "python"} <= set(record["versions"])
    assert str(folder) not in json.dumps(record)
    # Its options begin the same training again.
    again = TrainingOptions.from_json(record["options"])
    assert again == one.options


# -- the clock ----------------------------------------------------------------------


def test_minutes_are_turned_into_steps_once_and_the_rate_falls_to_nothing(
    tmp_path, folder, monkeypatch
):
    monkeypatch.setattr(trainer_module, "WARM_UP", 6)
    monkeypatch.setattr(trainer_module, "_STEADY", 2)
    clock = [0.0]

    def tick():
        clock[0] += 0.5
        return clock[0]

    monkeypatch.setattr(trainer_module.time, "perf_counter", tick)
    one = Trainer(
        starting_bank("lerf-l"),
        [folder],
        options(steps=None, minutes=0.2, validate_every=1000, held_out=0.0),
    )
    seen, rates = [], []

    def report(progress):
        seen.append(progress.steps)
        rates.append(one.optimizer.param_groups[0]["lr"])

    assert one.run(report, tmp_path / "c.safetensors")
    assert seen[:5] == [None] * 5
    assert len(set(seen[5:])) == 1
    # Half a second a step, 12 seconds.
    assert seen[-1] == pytest.approx(24, abs=2)
    assert one.step == seen[-1]
    assert rates == pytest.approx(sorted(rates[:7]) + sorted(rates[7:], reverse=True))
    assert max(rates) <= one.options.rate
    assert rates[-1] < 0.03 * one.options.rate
    assert read_checkpoint(tmp_path / "c.safetensors").progress["steps"] == seen[-1]


@pytest.mark.parametrize("stop", [1, 4])
def test_a_time_limit_survives_an_interrupt_before_it_is_steps(tmp_path, folder, monkeypatch, stop):
    monkeypatch.setattr(trainer_module, "WARM_UP", 6)
    monkeypatch.setattr(trainer_module, "_STEADY", 2)
    clock = [0.0]

    def tick():
        clock[0] += 0.5
        return clock[0]

    monkeypatch.setattr(trainer_module.time, "perf_counter", tick)
    chosen = options(steps=None, minutes=0.2, validate_every=1000, held_out=0.0)
    path = tmp_path / "c.safetensors"
    assert not Trainer(starting_bank("lerf-l"), [folder], chosen).run(stop_at(stop), path)
    again = Trainer.resume(path)
    assert again.steps is None
    assert again.run(silent)
    assert again.step == again.steps == pytest.approx(24, abs=3)


# -- refusals -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"steps": 5, "minutes": 1.0}, "steps or minutes"),
        ({"steps": None, "minutes": None}, "steps or minutes"),
        ({"steps": 0}, "got 0"),
        ({"steps": None, "minutes": -1.0}, r"-1\.0"),
        ({"steps": None, "minutes": float("nan")}, "nan"),
        ({"rate": 0.0}, r"0\.0"),
        ({"rate": float("inf")}, "inf"),
        ({"held_out": 1.0}, r"1\.0"),
        ({"average": 1.0}, r"1\.0"),
        ({"balance": 0.0}, r"0\.0"),
        ({"balance": float("nan")}, "nan"),
        ({"validate_every": 0}, "validate_every .* got 0"),
        ({"width": 0}, "width .* got 0"),
        ({"memory": 0}, "memory .* got 0"),
        ({"seed": -1}, "seed .* -1"),
        ({"method": "magic"}, "magic"),
    ],
)
def test_options_that_cannot_be_are_refused_with_their_value(values, named):
    with pytest.raises(InvalidArgumentError, match=named):
        options(**values)


@pytest.fixture(scope="module")
def stopped_once(tmp_path_factory):
    """A checkpoint after a step, and the folder of its photographs."""
    folder = write_photographs(tmp_path_factory.mktemp("stopped") / "photos", 4)
    path = folder.parent / "c.safetensors"
    Trainer(starting_bank("lerf-l"), [folder], options()).run(stop_at(1), path)
    return path, folder


@pytest.fixture
def stopped(tmp_path, stopped_once):
    """A checkpoint that a test may change; its photographs are those of others too."""
    return shutil.copy(stopped_once[0], tmp_path / "c.safetensors")


def refused(path, folders=()):
    with pytest.raises(CheckpointError) as caught:
        Trainer.resume(path, folders)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_other_photographs_are_refused(stopped, stopped_once, make_photographs):
    assert "other photographs" in refused(stopped, [make_photographs(4, "others", start=50)])
    added = stopped_once[1] / "90.png"
    shutil.copy(make_photographs(1, "more", start=90) / "90.png", added)
    assert "other photographs" in refused(stopped)
    added.unlink()
    assert Trainer.resume(stopped).step == 1


def changed(path, **parts):
    """The checkpoint with parts replaced by what functions make of them."""
    from dataclasses import replace

    checkpoint = read_checkpoint(path)
    made = {}
    for name, change in parts.items():
        made[name] = dict(getattr(checkpoint, name))
        change(made[name])
    write_checkpoint(path, replace(checkpoint, **made))
    return path


@pytest.mark.parametrize("key", ["model/tables.0", "exp_avg/0", "exp_avg_sq/1"])
def test_missing_tensors_are_refused(stopped, key):
    refused(changed(stopped, tensors=lambda tensors: tensors.pop(key)))


def test_tensors_of_another_shape_are_refused(stopped):
    def cut(tensors):
        tensors["exp_avg/0"] = tensors["exp_avg/0"][:-1]

    refused(changed(stopped, tensors=cut))


def test_a_tensor_that_is_not_known_is_refused(stopped):
    def add(tensors):
        tensors["model/tables.7"] = np.zeros(3, np.float32)

    assert "tables.7" in refused(changed(stopped, tensors=add))


@pytest.mark.parametrize("key", ["patches", "balance"])
def test_missing_options_are_refused(stopped, key):
    refused(changed(stopped, options=lambda values: values.pop(key)))


def test_an_option_that_older_checkpoints_lack_is_its_default(stopped):
    changed(stopped, options=lambda values: values.update(rate=0.5))
    assert Trainer.resume(stopped).options == options(rate=0.5)
    changed(stopped, options=lambda values: values.pop("rate"))
    assert Trainer.resume(stopped).options == options(rate=TrainingOptions().rate)


def test_unknown_and_impossible_options_are_refused(stopped):
    assert "magic" in refused(changed(stopped, options=lambda values: values.update(magic=1)))
    changed(stopped, options=lambda values: values.pop("magic"))
    assert "-5" in refused(changed(stopped, options=lambda values: values.update(rate=-5)))


@pytest.mark.parametrize("key", ["step", "steps", "seconds", "psnr", "history"])
def test_missing_progress_is_refused(stopped, key):
    refused(changed(stopped, progress=lambda values: values.pop(key)))


@pytest.mark.parametrize("key", ["fingerprint", "folders"])
def test_missing_data_are_refused(stopped, key):
    refused(changed(stopped, data=lambda values: values.pop(key)))
