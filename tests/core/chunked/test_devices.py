"""dask arrays on devices: those of whoever computes a chunk, which plans may lack."""

from __future__ import annotations

import pickle
import threading
import time

import cloudpickle
import dask.array as da
import numpy as np
import pytest
from support.images import noise

import lerf_core
from lerf_core import Displacement, chunked
from lerf_core.backends import loading
from lerf_core.errors import InvalidArgumentError
from lerf_core.execution.plan import Plan
from lerf_core.geometry import rotation

IMAGE = noise((40, 52, 3), "uint8")
LAZY = da.from_array(IMAGE, chunks=(20, 26, 3))
STEPS = np.random.default_rng(2).uniform(-2, 2, (2, 40, 52))
FIELD = Displacement(da.from_array(STEPS, chunks=(2, 20, 26)))
CALLS = {
    "resize": lambda **how: chunked.resize(LAZY, (61, 70), channel_axis=-1, **how),
    "rescale": lambda **how: chunked.rescale(LAZY, 0.6, channel_axis=-1, **how),
    "kernel": lambda **how: chunked.rescale(LAZY, 2, kernel="cubic", channel_axis=-1, **how),
    "matrix": lambda **how: chunked.warp(LAZY, rotation(20, (40, 52)), channel_axis=-1, **how),
    "bounded": lambda **how: chunked.warp(
        LAZY, FIELD, max_displacement=2, channel_axis=-1, **how
    ),
    "field": lambda **how: chunked.warp(LAZY, FIELD, channel_axis=-1, **how),
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_chunks_are_the_same_on_a_device(call):
    pytest.importorskip("torch")
    ours = call(engine="torch", device="cpu")
    np.testing.assert_array_equal(ours.compute(scheduler="threads"), call().compute())


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_who_plans_needs_no_device(call, monkeypatch):
    """Nor torch: the worker has both."""

    def missing(device):
        raise InvalidArgumentError(f"no {device} here")

    with monkeypatch.context() as patch:
        patch.setattr(loading, "_torch_backend", missing)
        lazy = call(engine="torch", device="cuda:3")
        travelled = pickle.loads(cloudpickle.dumps(lazy))
        with pytest.raises(InvalidArgumentError, match="no cuda:3 here"):
            travelled.compute(scheduler="sync")
    devices = []

    def present(device):
        devices.append(device)
        return loading.get_backend("numba")

    monkeypatch.setattr(loading, "_torch_backend", present)
    loading.get_backend.cache_clear()
    try:
        result = travelled.compute(scheduler="sync")
    finally:
        loading.get_backend.cache_clear()
    assert devices == ["cuda:3"]
    np.testing.assert_array_equal(result, call().compute())


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"engine": "torch", "device": "toaster"}, "'toaster' is no device such as cpu, cuda"),
        ({"device": "cuda"}, "needs engine 'torch'"),
    ],
)
def test_names_are_checked_where_it_is_planned(how, message):
    with pytest.raises(InvalidArgumentError, match=message):
        chunked.rescale(LAZY, 2, channel_axis=-1, **how)


def test_whole_images_need_the_device_at_once():
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("it is there")
    labels = (IMAGE[..., 0] > 99).astype(np.int32)
    with pytest.raises(InvalidArgumentError, match="no device 'cuda' here"):
        lerf_core.resize(labels, labels.shape, engine="torch", device="cuda")


def test_few_chunks_are_on_a_device_at_once(monkeypatch):
    pytest.importorskip("torch")
    from lerf_core.backends.torch.backend import TorchBackend

    compute, lock, counts = Plan._result_of, threading.Lock(), {"now": 0, "most": 0}

    def counted(self, *words, **options):
        with lock:
            counts["now"] += 1
            counts["most"] = max(counts.values())
        time.sleep(0.02)
        try:
            return compute(self, *words, **options)
        finally:
            with lock:
                counts["now"] -= 1

    monkeypatch.setattr(Plan, "_result_of", counted)
    # As on a GPU: of the processor, dask's threads have no end.
    monkeypatch.setattr(TorchBackend, "turn", lambda backend: backend._turns)
    lazy = chunked.rescale(
        LAZY.rechunk((5, 13, 3)), 2, channel_axis=-1, engine="torch", device="cpu"
    )
    ours = lazy.compute(scheduler="threads", num_workers=8)
    assert counts["most"] == 2
    np.testing.assert_array_equal(ours, lerf_core.rescale(IMAGE, 2, channel_axis=-1))
