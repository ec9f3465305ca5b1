"""Cascades as a torch module: the reference's enlargement, trained, and a cascade again."""

import numpy as np
import pytest

# ruff: noqa: E402 - torch may be missing, and with it what follows
torch = pytest.importorskip("torch")

from lerf_training.data.patch_options import PatchOptions
from lerf_training.data.patch_sampler import PatchSampler
from lerf_training.loop.options import TrainingOptions
from lerf_training.loop.restoring import new_model
from lerf_training.loop.trainer import Trainer
from lerf_training.models.cascades import CascadeModel, starting_cascade
from support.fronts import random_cascade

from lerf_core.backends import get_backend
from lerf_core.errors import InvalidArgumentError

NONE = torch.empty((2, 0, 2))
PATCHES = PatchOptions(batch=2, size=20, continuous=0, warps=0)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def options(**values):
    given = {"steps": 8, "minutes": None, "validate_every": 3, "held_out": 0.25}
    return TrainingOptions(**{"patches": PATCHES, **given, **values})


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("scale", [2, 3])
def test_the_enlargement_is_the_reference_s(scale, compiled, rng):
    cascade = random_cascade(scale, groups=((0, 2), (1, 3)))
    low = rng.integers(0, 256, (2, 13, 11)).astype(np.uint8)
    model = CascadeModel(cascade)
    assert (model.block, model.margin) == (scale, 4)
    result = model(torch.from_numpy(low).float(), NONE, NONE, compiled=compiled)
    whole = cascade.enlarged_by(get_backend("reference"), low, 1)
    inner = whole[:, 4 * scale : -4 * scale, 4 * scale : -4 * scale]
    # Rounding is left to what is saved.
    np.testing.assert_array_equal(torch.round(result).detach().numpy(), inner)


def test_a_cascade_comes_back_as_it_was():
    cascade = random_cascade(2)
    model = CascadeModel(cascade)
    for number in range(2):
        model.get_buffer(f"visits{number}").fill_(1e9)
    again = model.bank("again", {"method": "none"})
    for name, table in cascade.tables.items():
        np.testing.assert_array_equal(again.tables[name], table)
    assert (again.scale, again.stages, again.training["method"]) == (2, cascade.stages, "none")


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("interval", [16, 64])
def test_the_start_repeats_pixels(scale, interval, rng):
    start = starting_cascade(scale, interval=interval)
    planes = rng.integers(0, 256, (1, 9, 8)).astype(np.uint8)
    expected = planes.repeat(scale, axis=1).repeat(scale, axis=2)
    np.testing.assert_array_equal(start.enlarge(planes, 1), expected)


@pytest.mark.parametrize(("scale", "interval"), [(1, 32), (5, 32), (2, 17)])
def test_no_such_start(scale, interval):
    with pytest.raises(InvalidArgumentError, match=r"(scale|interval) must be"):
        starting_cascade(scale, interval=interval)


def test_flat_areas_stay_flat_whatever_is_learned(rng):
    model = CascadeModel(starting_cascade(2, interval=64))
    with torch.no_grad():
        for number, tables in enumerate(model.tables):
            tables += torch.from_numpy(rng.normal(0, 20, tables.shape)).float()
            model.get_buffer(f"visits{number}").fill_(1e9)
    model.clip_entries()
    made = model.bank("made", {})
    levels = np.arange(256, dtype=np.uint8)
    for level in levels[::5]:
        result = made.enlarge(np.full((1, 5, 5), level), 1)
        np.testing.assert_array_equal(result, level)
    noise = rng.integers(0, 256, (1, 9, 9)).astype(np.uint8)
    assert (made.enlarge(noise, 1) != noise.repeat(2, 1).repeat(2, 2)).mean() > 0.5


def test_gradients_by_entries_are_those_of_finite_differences(rng):
    model = CascadeModel(random_cascade(2, interval=64, noise=5)).double()
    low = torch.from_numpy(rng.integers(60, 200, (2, 12, 12))).double()
    loss = (model(low, NONE, NONE, compiled=False) ** 2).mean()
    loss.backward()
    last = model.tables[1]
    index = tuple(int(i) for i in np.argwhere(last.grad.numpy() != 0)[7])
    found = []
    with torch.no_grad():
        for step in (-1, 1):
            last[index] += step
            found.append(float((model(low, NONE, NONE, compiled=False) ** 2).mean()))
            last[index] -= step
    assert float(last.grad[index]) == pytest.approx((found[1] - found[0]) / 2, rel=1e-6)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_patches_have_their_enlargement_for_a_target(scale):
    # A ramp by bicubic means is a ramp: pixels of the target lie on it.
    rows, cols = np.mgrid[:120, :130]
    plane = (rows + cols).astype(np.uint8)
    image = [np.stack([plane] * 4)]
    options = PatchOptions(batch=2, size=20, continuous=0, warps=0, graphics=0, reduced=0)
    sampler = PatchSampler(options, margin=4, block=scale)
    sample = sampler.draw([image], np.ones(1), np.random.default_rng(3))
    assert sample.low.shape == (20, 20)
    assert sample.target.shape == (12 * scale, 12 * scale)
    assert sample.target.dtype == np.float32
    assert sample.first.shape == sample.offset.shape == (0, 2)
    means = sample.target.reshape(12, scale, 12, scale).mean((1, 3))
    np.testing.assert_allclose(means, sample.low[4:-4, 4:-4], atol=0.51)
    steps = np.abs(np.diff(sample.target, axis=1))
    np.testing.assert_array_equal(steps, 1)


@pytest.mark.parametrize("method", ["network", "convolutional"])
def test_other_methods_do_not_train_cascades(method):
    with pytest.raises(InvalidArgumentError, match="does not train 'start', a cascade of tables"):
        new_model(starting_cascade(2), options(method=method))


@pytest.mark.slow
def test_a_resumed_training_ends_at_the_same_bits(tmp_path, make_photographs):
    folder = make_photographs(4)
    straight = Trainer(starting_cascade(2, interval=64), [folder], options())
    assert straight.run(lambda progress: None)
    path = tmp_path / "c.safetensors"
    first = Trainer(starting_cascade(2, interval=64), [folder], options())

    def stop(progress):
        if progress.step == 4:
            first.interruption.requested = True

    assert not first.run(stop, path)
    second = Trainer.resume(path)
    assert second.step == 4
    assert second.run(lambda progress: None, path)
    ends = [trainer.bank("mine") for trainer in (straight, second)]
    for name, table in ends[0].tables.items():
        np.testing.assert_array_equal(ends[1].tables[name], table)
    # Held-out photographs are scored at its own scale alone.
    assert set(second.history[-1]) == {"step", "seconds", "train", "x2", "mean"}


@pytest.mark.slow
def test_training_learns(make_photographs):
    trainer = Trainer(starting_cascade(2), [make_photographs(6)], options(steps=40))
    before = trainer.validate()["x2"]
    assert trainer.run(lambda progress: None)
    assert trainer.history[-1]["x2"] > before + 1


@pytest.mark.slow
def test_compressed_cascades_are_trained_as_such(make_photographs):
    start = starting_cascade(2, interval=64).compressed()
    trainer = Trainer(start, [make_photographs(4)], options(steps=3))
    assert trainer.run(lambda progress: None)
    made = trainer.bank("made")
    assert made.diagonal == 2
    assert made.nbytes == start.nbytes < starting_cascade(2, interval=64).nbytes
