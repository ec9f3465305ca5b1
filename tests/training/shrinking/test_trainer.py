"""Trainings of the function for shrinking, of few steps on small photographs."""

import dataclasses

import numpy as np
import pytest

# ruff: noqa: E402 - torch may be missing, and with it what follows
torch = pytest.importorskip("torch")

from lerf_training.data.photographs import fingerprint
from lerf_training.errors import DatasetError
from lerf_training.shrinking.model import ShrinkingModel
from lerf_training.shrinking.options import ShrinkingOptions
from lerf_training.shrinking.round_trips import RoundTrips
from lerf_training.shrinking.trainer import ShrinkingTrainer

from lerf_core.errors import InvalidArgumentError
from lerf_core.sampling.shrinking import ShrinkingKernel

QUICK = ShrinkingOptions(steps=30, batch=2, weights=(0.7, 0.3, 0), rate=1e-2)


def train(folder, options=QUICK):
    trainer = ShrinkingTrainer([folder], options)
    assert trainer.run(lambda progress: None)
    return trainer


def held_out_loss(model, trainer, factor=2):
    """Loss of the same patches, whatever was trained."""
    rng = np.random.default_rng(99)
    images = torch.cat([trainer.patches.draw(step, rng) for step in range(6)])
    size = images.shape[1] // factor
    with torch.no_grad():
        return RoundTrips((0.7, 0.3, 0)).loss(model(images, (size, size)), images).item()


def test_a_training_lowers_the_loss(make_photographs):
    folder = make_photographs(4)
    options = dataclasses.replace(QUICK, aliasing=0.0)
    trainer = ShrinkingTrainer([folder], options)
    before = held_out_loss(ShrinkingModel(), trainer)
    seen = []
    assert trainer.run(seen.append)
    assert [progress.step for progress in seen] == list(range(1, 31))
    after = ShrinkingTrainer([folder], options)
    assert held_out_loss(trainer.model, after) < before - 1e-3


def test_gratings_are_left_out_where_they_cost(make_photographs):
    from lerf_training.shrinking.gratings import draw_gratings

    folder = make_photographs(4)
    gratings = draw_gratings(32, 96, 48, np.random.default_rng(4)).images
    left = []
    for aliasing in (0.0, 5.0):
        trainer = train(folder, dataclasses.replace(QUICK, aliasing=aliasing))
        with torch.no_grad():
            left.append(((trainer.model(gratings, (48, 48)) - 128) ** 2).mean().item())
    assert left[1] < 0.8 * left[0]


def test_a_training_is_a_function_of_its_seed(make_photographs):
    folder = make_photographs(3)
    options = dataclasses.replace(QUICK, steps=5)
    kernels = [train(folder, options).kernel("x") for _ in range(2)]
    other = train(folder, dataclasses.replace(options, seed=1)).kernel("x")
    assert kernels[0].checksum == kernels[1].checksum != other.checksum


@pytest.mark.slow
def test_the_record_says_how_it_came_to_be(make_photographs):
    folder = make_photographs(4)
    (folder / "broken.png").write_bytes(b"broken")
    trainer = train(folder, dataclasses.replace(QUICK, steps=2, seed=5))
    kernel = trainer.kernel("mine", trainer.score())
    made = ShrinkingKernel.from_json(kernel.to_json(), "mine.json")
    assert made == kernel
    record = made.training
    assert record["steps"] == record["options"]["steps"] == 2
    assert record["options"]["seed"] == 5
    assert record["options"]["weights"] == [0.7, 0.3, 0]
    data = record["data"]
    assert (data["images"], data["held out"], data["skipped"]) == (3, 1, 1)
    assert data["fingerprint"] == trainer.folder.fingerprint
    assert data["held out fingerprint"] == fingerprint(trainer.held_out)
    assert set(record["validation"]) == {"x2", "x3", "x4"}
    for figures in record["validation"].values():
        assert set(figures["psnr"]) == {"pillow-bicubic", "pillow-lanczos", "lerf"}
        assert all(15 < value < 60 for value in figures["psnr"].values())
        assert 0 <= figures["overshoot"] <= 3 / 32 + 0.01
    assert {"lerf", "torch", "numpy", "python"} <= set(record["versions"])
    assert str(folder) not in kernel.to_json()


def test_minutes_become_steps(make_photographs):
    options = dataclasses.replace(QUICK, steps=None, minutes=0.02)
    trainer = train(make_photographs(2), options)
    assert trainer.steps == trainer.step > 50
    assert trainer.record()["options"]["steps"] == trainer.steps


def test_an_interrupt_ends_a_training_after_its_step(make_photographs):
    import signal

    trainer = ShrinkingTrainer([make_photographs(2)], QUICK)

    def report(progress):
        if progress.step == 3:
            signal.raise_signal(signal.SIGINT)

    assert not trainer.run(report)
    assert trainer.step == 3


@pytest.mark.slow
def test_nothing_held_out(make_photographs):
    trainer = train(make_photographs(2), dataclasses.replace(QUICK, steps=1, held_out=0.0))
    scores = trainer.score()
    assert all(entry.round_trips == entry.gains == {} for entry in scores)
    assert all(np.isfinite(entry.aliasing) for entry in scores)


def test_photographs_smaller_than_a_patch_are_skipped(make_photographs):
    folder = make_photographs(2)
    make_photographs(1, start=2, rows=95)
    assert len(ShrinkingTrainer([folder], QUICK).folder.skipped) == 1
    small = make_photographs(1, "small", rows=95)
    with pytest.raises(DatasetError, match="at least 96x96 are needed"):
        ShrinkingTrainer([small], QUICK)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"minutes": 1.0}, "not both"),
        ({"steps": None}, "not both"),
        ({"steps": 0}, "steps"),
        ({"steps": None, "minutes": -1.0}, "minutes"),
        ({"steps": None, "minutes": float("nan")}, "minutes"),
        ({"rate": 0.0}, "rate"),
        ({"seed": -1}, "seed"),
        ({"batch": 0}, "batch"),
        ({"patch": 84}, "patch"),
        ({"patch": 100}, "multiple of 12"),
        ({"between": 1.1}, "between"),
        ({"held_out": 1.0}, "held_out"),
        ({"weights": (0.0, 0.0, 0.0)}, "weights"),
        ({"weights": (1.0, -1.0, 0.0)}, "weights"),
        ({"weights": (1.0, float("nan"), 0.0)}, "weights"),
        ({"aliasing": float("inf")}, "aliasing"),
        ({"overshoot": -0.1}, "overshoot"),
        ({"smooth_radius": 2.1}, "smooth_radius"),
        ({"sharp_radius": 9.0}, "sharp_radius"),
    ],
)
def test_options_that_cannot_be_used_are_refused(changes, named):
    with pytest.raises(InvalidArgumentError, match=named):
        dataclasses.replace(QUICK, **changes)
