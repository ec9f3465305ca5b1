import copy
import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from lerf_core import LutBank, available_banks, load_bank
from lerf_core.bank import KINDS, Stage, analytic_bank
from lerf_core.bank.loading import DEFAULT_BANK
from lerf_core.errors import (
    BankError,
    BankNotFoundError,
    InvalidArgumentError,
    InvalidTypeError,
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


@pytest.fixture
def saved(tmp_path, random_bank):
    path = tmp_path / "bank.safetensors"
    random_bank.save(path)
    return path


def test_file_round_trip(saved, random_bank):
    loaded = load_bank(saved)
    assert loaded == random_bank
    assert loaded.metadata == random_bank.metadata
    assert load_bank(str(saved)) is loaded  # cached


def test_a_changed_file_is_read_again(saved, make_random_bank):
    first = load_bank(saved)
    make_random_bank("lerf-l").save(saved)
    assert load_bank(saved) != first


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


def test_the_shipped_analytic_bank_is_the_computed_one():
    assert load_bank("analytic") == analytic_bank()
    assert load_bank().name == DEFAULT_BANK == "lerf-p"
    assert {"analytic", *KINDS} <= set(available_banks())


def test_user_banks_shadow_shipped_ones(tmp_path, monkeypatch, random_bank):
    monkeypatch.setenv("LERF_BANKS", str(tmp_path))
    random_bank.save(tmp_path / "analytic.safetensors")
    assert load_bank("analytic") == random_bank


def test_names_go_before_folders_of_that_name(tmp_path, monkeypatch, random_bank):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "analytic").mkdir()
    assert load_bank("analytic") == analytic_bank()
    with pytest.raises(BankError, match="not a folder of tables"):
        load_bank("./analytic")
    monkeypatch.setenv("LERF_BANKS", str(tmp_path))
    random_bank.save(tmp_path / "my.v2.safetensors")
    assert load_bank("my.v2") == random_bank


def test_many_threads_may_save_at_once(tmp_path, random_bank):
    path = tmp_path / "bank.safetensors"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(random_bank.save, [path] * 24))
    assert load_bank(path) == random_bank
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("sigma", [-0.1, 1.0, np.nan])
def test_sigma_is_checked(sigma):
    with pytest.raises(InvalidArgumentError, match="sigma"):
        analytic_bank(sigma)


def test_banks_travel_to_other_processes(random_bank):
    for again in (pickle.loads(pickle.dumps(random_bank)), copy.deepcopy(random_bank)):
        assert again == random_bank
        assert not again.tables["stage1.s.0"].flags.writeable


def test_training_records_are_json(random_bank):
    with pytest.raises(BankError, match="not JSON"):
        replace(random_bank, training={"psnr": np.float32(3)})


def test_tables_cannot_be_changed(random_bank):
    with pytest.raises(ValueError, match="read-only"):
        random_bank.tables["stage1.s.0"][0] = 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version 2 is unknown"),
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


def test_names_and_paths_that_are_not_there(tmp_path):
    with pytest.raises(BankNotFoundError, match="no bank is called 'lerf-nothing'; there are"):
        load_bank("lerf-nothing")
    with pytest.raises(FileNotFoundError, match="no bank file or folder"):
        load_bank(tmp_path / "nothing.safetensors")
    with pytest.raises(BankError, match="not a folder of tables"):
        load_bank(tmp_path)
    for name in ("", "x" * 5000, "a\0b"):
        with pytest.raises(BankNotFoundError):
            load_bank(name)
    with pytest.raises(InvalidTypeError, match="got 3"):
        load_bank(3)


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


@pytest.mark.parametrize(
    "offsets",
    [
        ((0, 0), (0, 1), (1, 0)),
        ((0, 0), (0, 1), (1, 0), (0, 1)),
        ((1, 1), (0, 1), (1, 0), (0, 0)),
        ((0, 0), (0, 1), (1, 0), (0, 99)),
    ],
)
def test_patterns_are_checked(offsets):
    stage = Stage(("p",), ((0, 1, 2, 3),), KINDS["lerf-l"].values, divisor=4, bias=127)
    tables = {"stage1.p.0": np.zeros((17, 17, 17, 17, 1), np.int8)}
    with pytest.raises(BankError, match="'p'"):
        LutBank("x", KINDS["lerf-l"], 16, {"p": offsets}, (stage,), tables)


def test_equality_is_of_content(random_bank, make_random_bank):
    assert make_random_bank("lerf-g") == random_bank
    assert hash(make_random_bank("lerf-g")) == hash(random_bank)
    assert make_random_bank("lerf-g", seed=9) != random_bank
    assert random_bank.describe()["bytes"] == random_bank.nbytes == 83521 * (3 + 18)
