"""Checkpoint files: whole, read again to the bit, refused in one line where damaged."""

import json
import pickle

import numpy as np
import pytest
from lerf_training.errors import CheckpointError
from lerf_training.loop.checkpoints import (
    CHECKPOINT_KEY,
    Checkpoint,
    is_checkpoint,
    read_checkpoint,
    write_checkpoint,
)

from lerf_core.bank import analytic_bank


@pytest.fixture
def checkpoint():
    rng = np.random.default_rng(0)
    return Checkpoint(
        method="tables",
        start=analytic_bank(),
        options={"steps": 5, "patches": {"scales": [2.0, 0.1]}},
        progress={
            "step": 3,
            "steps": None,
            "seconds": 1e-3,
            "psnr": 0.1 + 0.2,
            "history": [{"step": 2, "mean": 1 / 3}],
        },
        data={"fingerprint": "sha256:00", "folders": ["a", "b"]},
        tensors={
            "model/tables.0": rng.normal(size=(3, 4)).astype(np.float32),
            "model/tables.1": np.array([1e-38, -0.0, np.inf], np.float32),
            "exp_avg/0": np.zeros((2, 0), np.float32),
        },
    )


@pytest.fixture
def written(tmp_path, checkpoint):
    path = tmp_path / "a.checkpoint.safetensors"
    write_checkpoint(path, checkpoint)
    return path


def rewritten(path, change=None, tensors=None):
    """The file with another description or other tensors."""
    from safetensors import safe_open
    from safetensors.numpy import save_file

    with safe_open(path, framework="np") as file:
        data = json.loads(file.metadata()[CHECKPOINT_KEY])
        kept = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    if change:
        change(data)
    if tensors:
        tensors(kept)
    save_file(kept, path, metadata={CHECKPOINT_KEY: json.dumps(data)})
    return path


def refused(path):
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    assert len(text) < 500
    return text


def test_a_checkpoint_is_read_as_it_was_written(checkpoint, written):
    again = read_checkpoint(written)
    for name in ("method", "start", "options", "progress", "data"):
        assert getattr(again, name) == getattr(checkpoint, name)
    assert again.tensors.keys() == checkpoint.tensors.keys()
    for key, value in checkpoint.tensors.items():
        assert again.tensors[key].tobytes() == value.tobytes()
        assert again.tensors[key].dtype == np.float32
    assert [path.name for path in written.parent.iterdir()] == [written.name]


def test_groups_are_named_without_their_prefix(checkpoint):
    assert set(checkpoint.group("model")) == {"tables.0", "tables.1"}
    assert set(checkpoint.group("exp_avg")) == {"0"}
    assert checkpoint.group("average") == {}


def test_a_failed_write_leaves_the_file_before(written, checkpoint, monkeypatch):
    before = written.read_bytes()

    def fail(self, target):
        raise OSError("no room")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(OSError, match="no room"):
        write_checkpoint(written, checkpoint)
    assert written.read_bytes() == before
    assert len(list(written.parent.iterdir())) == 1


def test_what_a_checkpoint_is_can_be_told_from_its_header(tmp_path, written):
    assert is_checkpoint(written)
    assert not is_checkpoint(tmp_path)
    assert not is_checkpoint(tmp_path / "nothing")
    assert not is_checkpoint("analytic")
    analytic_bank().save(tmp_path / "bank.safetensors")
    assert not is_checkpoint(tmp_path / "bank.safetensors")
    (tmp_path / "text").write_text("text")
    assert not is_checkpoint(tmp_path / "text")


@pytest.mark.parametrize("length", [0, 5, 200, 5000, -1])
def test_truncated_files_are_refused(written, length):
    written.write_bytes(written.read_bytes()[:length])
    refused(written)


def test_files_of_other_kinds_are_refused(tmp_path):
    path = tmp_path / "file"
    assert "No such file" in refused(path)
    path.mkdir()
    refused(path)
    path.rmdir()
    analytic_bank().save(path)
    assert "not a checkpoint of a training" in refused(path)


def test_nothing_is_unpickled(tmp_path):
    path = tmp_path / "pickled.pt"

    class Bomb:
        def __reduce__(self):
            return (path.with_name("ran").touch, ())

    path.write_bytes(pickle.dumps({"model": Bomb()}))
    refused(path)
    assert not path.with_name("ran").exists()


def test_unknown_versions_are_refused(written):
    rewritten(written, lambda data: data.update(version=2))
    assert "version 2 is unknown" in refused(written)


@pytest.mark.parametrize("key", ["version", "method", "start", "options", "progress", "data"])
def test_incomplete_descriptions_are_refused(written, key):
    rewritten(written, lambda data: data.pop(key))
    refused(written)


def test_a_changed_start_is_refused(written):
    def change(tensors):
        tensors["start/stage1.s.0"][0, 0, 0, 0, 0] += 1

    rewritten(written, tensors=change)
    assert "checksum" in refused(written)


def test_a_missing_table_of_the_start_is_refused(written):
    rewritten(written, tensors=lambda tensors: tensors.pop("start/stage1.s.0"))
    assert "stage1.s.0" in refused(written)


def test_the_bank_of_a_checkpoint_needs_its_tensors(written):
    pytest.importorskip("torch")
    from lerf_training.loop.restoring import bank_of_checkpoint

    with pytest.raises(CheckpointError) as caught:
        bank_of_checkpoint(written)
    assert "\n" not in str(caught.value)
