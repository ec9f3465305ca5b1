"""Banks by name, from files and from folders."""

import sys

import numpy as np
import pytest

from lerf_core import available_banks, load_bank, resize, user_bank_folder
from lerf_core.bank import KINDS, Kind, NetworkBank, analytic_bank
from lerf_core.bank.loading import DEFAULT_BANK
from lerf_core.errors import (
    BankError,
    BankNotFoundError,
    InvalidTypeError,
)


def test_a_changed_file_is_read_again(saved, make_random_bank):
    first = load_bank(saved)
    make_random_bank("lerf-l").save(saved)
    assert load_bank(saved) != first


def test_the_shipped_analytic_bank_is_the_computed_one():
    assert load_bank("analytic") == analytic_bank()
    assert load_bank().name == DEFAULT_BANK == "lerf-p"
    assert {"analytic", "lerf-n", "lerf-net", *KINDS} <= set(available_banks())


@pytest.mark.parametrize(
    ("name", "multiplications", "reach"), [("lerf-n", 19_872, 5), ("lerf-net", 177_600, 11)]
)
def test_the_shipped_networks(name, multiplications, reach):
    bank = load_bank(name)
    assert isinstance(bank, NetworkBank)
    assert (bank.name, bank.macs, bank.full_reach) == (name, multiplications, reach)
    validation = bank.training["validation"]
    assert validation["mean"] > load_bank("lerf-p").training["validation"]["mean"] + 0.15
    # The overshoot bounds hold: flat areas are as they were.
    flat = np.full((24, 24, 3), (250, 5, 130), np.uint8)
    enlarged = resize(flat, (60, 60, 3), bank=bank, channel_axis=-1)
    assert np.array_equal(enlarged, np.full((60, 60, 3), (250, 5, 130)))


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


def test_folders_whose_values_two_kinds_give(tmp_path, monkeypatch, make_random_bank):
    make_random_bank("lerf-l").export_folder(tmp_path)
    monkeypatch.setitem(KINDS, "lerf-m", Kind("lerf-m", ("beta",), "linear"))
    with pytest.raises(BankError, match="1 values a read may be those of lerf-l, lerf-m"):
        load_bank(tmp_path)
    monkeypatch.delitem(KINDS, "lerf-l")
    monkeypatch.delitem(KINDS, "lerf-m")
    with pytest.raises(BankError, match="no known kind gives 1 values a read"):
        load_bank(tmp_path)


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


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the XDG folders are Linux's")
def test_the_users_folder_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("LERF_BANKS", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert user_bank_folder() == tmp_path / "data" / "lerf" / "banks"
    monkeypatch.setenv("XDG_DATA_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_bank_folder() == tmp_path / ".local" / "share" / "lerf" / "banks"
    monkeypatch.setenv("LERF_BANKS", str(tmp_path / "mine"))
    assert user_bank_folder() == tmp_path / "mine"
    assert not any(tmp_path.iterdir())


def test_a_user_without_a_home_has_the_shipped_banks(monkeypatch):
    import platformdirs

    def nobody(*words, **options):
        raise RuntimeError("could not determine the home directory")

    monkeypatch.delenv("LERF_BANKS", raising=False)
    monkeypatch.setattr(platformdirs, "user_data_path", nobody)
    assert "lerf-p" in available_banks()
    assert load_bank().kind.name == "lerf-p"
    with pytest.raises(BankNotFoundError, match="LERF_BANKS names one"):
        user_bank_folder()
