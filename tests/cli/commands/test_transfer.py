"""`lerf transfer`: networks to tables, with a report of what that costs."""

import json

import numpy as np
import pytest
from support.cli import write_photographs

from lerf_core import load_bank

pytest.importorskip("torch")

TINY = ("--batch", 1, "--patch", 20, "--points", 32, "--threads", 1, "--steps", 2)


@pytest.fixture
def photos(tmp_path):
    return write_photographs(tmp_path / "photos", 3)


@pytest.fixture
def networks(run, tmp_path, photos):
    bank = tmp_path / "nets.safetensors"
    run("train", photos, "-o", bank, "--kind", "lerf-l", "--network", "--width", 4, *TINY)
    return tmp_path / "nets.checkpoint.safetensors"


def test_transfer_gives_the_bank_of_the_training_and_its_costs(run, tmp_path, networks):
    out, report = tmp_path / "out.safetensors", tmp_path / "report.json"
    result = run("transfer", networks, "-o", out, "--name", "mine", "--json", report)
    bank, trained = load_bank(out), load_bank(tmp_path / "nets.safetensors")
    assert bank.name == "mine"
    assert bank.training["method"] == "network"
    for key, table in trained.tables.items():
        np.testing.assert_array_equal(bank.tables[key], table)
    record = json.loads(report.read_text())
    assert set(record["tables"]) == set(bank.tables)
    assert all(0 <= one["rms"] <= one["max"] <= 0.5 for one in record["tables"].values())
    assert set(record["costs"]["values"]) == {"stage1.feature", "stage2.alpha"}
    assert "stage2.alpha" in result.stdout
    assert "on 1 images" in result.stdout  # the one that was held out


def test_samples_may_be_given_and_are_asked_for_where_there_are_none(
    run, tmp_path, photos, networks
):
    given = run("transfer", networks, "-o", tmp_path / "a.safetensors", "--sample", photos)
    assert "on 3 images" in given.stdout
    photos.rename(tmp_path / "elsewhere")
    none = run("transfer", networks, "-o", tmp_path / "b.safetensors")
    assert "give --sample" in none.stdout
    a, b = load_bank(tmp_path / "a.safetensors"), load_bank(tmp_path / "b.safetensors")
    assert all((a.tables[key] == b.tables[key]).all() for key in a.tables)


def test_transferred_tables_are_trained_further(run, tmp_path, photos, networks):
    out = tmp_path / "tuned.safetensors"
    run("finetune", networks, photos, "-o", out, *TINY)
    assert load_bank(out).kind.name == "lerf-l"
    assert load_bank(out).training["method"] == "tables"


def test_what_cannot_be_transferred_is_one_line(run, tmp_path, photos):
    bank, out = tmp_path / "tables.safetensors", tmp_path / "out.safetensors"
    run("train", photos, "-o", bank, "--kind", "lerf-l", *TINY)
    tables = tmp_path / "tables.checkpoint.safetensors"
    assert "no training of networks" in run("transfer", tables, "-o", out, code=1).stderr
    assert "not a checkpoint" in run("transfer", bank, "-o", out, code=1).stderr
    assert not out.exists()
    out.write_bytes(b"mine")
    assert "--overwrite" in run("transfer", tables, "-o", out, code=2).stderr
    assert out.read_bytes() == b"mine"
