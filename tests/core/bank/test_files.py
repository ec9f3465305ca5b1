"""Banks on disk: they come back as they were, and whatever else a file holds is refused."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from lerf_core import load_bank
from lerf_core.bank import KINDS
from lerf_core.errors import (
    BankError,
)


def rewrite(source, target, *, tensors=None, metadata=None, **changes):
    """Copy a bank file with parts of it replaced."""
    bank = load_bank(source)
    description = {**bank.metadata, **changes}
    arrays = {key: np.array(value) for key, value in bank.tables.items()}
    arrays.update(tensors or {})
    if metadata is None:
        metadata = {"lerf": json.dumps(description)}
    save_file({k: v for k, v in arrays.items() if v is not None}, target, metadata=metadata)
    return target


def test_file_round_trip(saved, random_bank):
    loaded = load_bank(saved)
    assert loaded == random_bank
    assert loaded.metadata == random_bank.metadata
    assert load_bank(str(saved)) is loaded  # cached


@pytest.mark.parametrize("kind", KINDS)
def test_published_layout_round_trip_is_lossless(tmp_path, make_random_bank, kind):
    bank = make_random_bank(kind)
    files = bank.export_folder(tmp_path / "out")
    assert len(files) == 9
    for path in files:
        array = np.load(path, allow_pickle=False)
        assert array.dtype == np.int8
        assert array.shape == (83521, len(bank.kind.values) if "_s2_" in path.name else 1)
    again = load_bank(tmp_path / "out")
    assert again.kind == bank.kind
    for key, table in bank.tables.items():
        np.testing.assert_array_equal(again.tables[key], table)


def test_published_files_come_back_byte_for_byte(shared_data, tmp_path):
    for name in ("lerf-g", "lerf-l"):
        source = shared_data / "upstream" / name
        for path in load_bank(source).export_folder(tmp_path / name):
            assert path.read_bytes() == (source / path.name).read_bytes()


def test_many_threads_may_save_at_once(tmp_path, random_bank):
    path = tmp_path / "bank.safetensors"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(random_bank.save, [path] * 24))
    assert load_bank(path) == random_bank
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 3}, "version 3 is unknown"),
        ({"format": "other"}, "format must be"),
        ({"kind": "lerf-z"}, "kind must be one of"),
        ({"interval": 17}, "interval must be"),
        ({"interval": 32}, "must have shape"),
        ({"checksum": "sha256:0"}, "is damaged"),
        ({"name": "other"}, "is damaged"),
        ({"stages": []}, "has no stages"),
        ({"stages": 3}, "description cannot be read"),
        ({"patterns": {}}, "not usable"),
        ({"training": None}, "description cannot be read"),
        ({"interval": float("inf")}, "description cannot be read"),
        ({"kind": []}, "description cannot be read"),
    ],
)
def test_descriptions_are_checked(saved, tmp_path, change, message):
    bad = rewrite(saved, tmp_path / "bad.safetensors", **change)
    with pytest.raises(BankError, match=message):
        load_bank(bad)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"stage1.s.0": None}, "is missing"),
        ({"stage9.s.0": np.zeros(3, np.int8)}, "no stage reads"),
        ({"stage1.s.0": np.zeros((17, 17, 17, 17, 1), np.int16)}, "must be int8, got int16"),
        ({"stage1.s.0": np.zeros((17, 17, 17, 17), np.int8)}, "must have shape"),
        ({"stage1.s.0": np.full((17, 17, 17, 17, 1), -128, np.int8)}, "-127..127, got -128"),
        ({"stage1.s.0": np.zeros((17, 17, 17, 17, 1), np.int8)}, "is damaged"),
    ],
)
def test_tables_are_checked(saved, tmp_path, tensors, message):
    bad = rewrite(saved, tmp_path / "bad.safetensors", tensors=tensors)
    with pytest.raises(BankError, match=message):
        load_bank(bad)


def test_files_that_are_no_banks(saved, tmp_path):
    for name, content in {
        "empty": b"",
        "text": b"not a bank",
        "cut": saved.read_bytes()[:100_000],
        "header": (2**62).to_bytes(8, "little") + b"{}",
    }.items():
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(content)
        with pytest.raises(BankError, match="is not a bank"):
            load_bank(path)
    plain = tmp_path / "plain.safetensors"
    save_file(load_file(saved), plain)
    with pytest.raises(BankError, match="without a bank's description"):
        load_bank(plain)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04abc", b"\x93NUMPY\x01\x00\x06\x00{((((\n", b"junk"]
)
def test_folders_of_damaged_files(tmp_path, random_bank, content):
    random_bank.export_folder(tmp_path)
    (tmp_path / "LUTft_s2_cr1.npy").write_bytes(content)
    with pytest.raises(BankError, match="LUTft_s2_cr1"):
        load_bank(tmp_path)


def test_folders_never_unpickle(tmp_path, random_bank):
    random_bank.export_folder(tmp_path)
    np.save(tmp_path / "LUTft_s1_sr0.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(BankError, match="cannot be read"):
        load_bank(tmp_path)


@pytest.mark.parametrize(
    "array", [np.zeros((83521, 1)), np.zeros(83521, np.int8), np.zeros((100, 1), np.int8)]
)
def test_folders_are_checked(tmp_path, random_bank, array):
    random_bank.export_folder(tmp_path)
    np.save(tmp_path / "LUTft_s1_sr0.npy", array)
    with pytest.raises(BankError, match="LUTft_s1_sr0"):
        load_bank(tmp_path)


def test_banks_that_the_published_layout_cannot_hold(tmp_path, make_random_bank):
    bank = make_random_bank("lerf-g", prefilters=2)
    with pytest.raises(BankError, match="published layout"):
        bank.export_folder(tmp_path)
    bank.save(tmp_path / "deep.safetensors")
    assert load_bank(tmp_path / "deep.safetensors") == bank
