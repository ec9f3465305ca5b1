"""Compressed tables: which entries are kept, what the others are, files, and refusals."""

import itertools
import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from support.banks import make_random_bank

import lerf_core
from lerf_core.bank.compression import compressed, expanded, kept_entries
from lerf_core.errors import BankError

# Of random entries, not all of which can be kept.
BANK = make_random_bank("lerf-p", interval=32)


@pytest.mark.parametrize(("nodes", "count"), [(17, 8163), (9, 1335), (5, 345)])
def test_numbers_of_kept_entries(nodes, count):
    assert len(kept_entries(nodes, 2).kept) == count


def test_kept_entries_are_near_the_diagonal_or_even():
    nodes, diagonal = 9, 1
    kept = set(kept_entries(nodes, diagonal).kept.tolist())
    for index, entry in enumerate(itertools.product(range(nodes), repeat=4)):
        is_near = max(abs(node - entry[0]) for node in entry) <= diagonal
        is_even = not any(node % 2 for node in entry)
        assert (index in kept) == (is_near or is_even)


def test_other_entries_are_what_coarse_tables_give():
    """By a read of a table of half as many nodes, half of the way between two of them."""
    rng = np.random.default_rng(0)
    table = rng.integers(-127, 128, (5, 5, 5, 5, 2), np.int8)
    out = expanded(compressed(table, 0), 5, 0)
    coarse = table[::2, ::2, ::2, ::2].astype(float)
    for entry in itertools.product(range(5), repeat=4):
        if len(set(entry)) == 1:  # on the diagonal
            assert np.array_equal(out[entry], table[entry])
            continue
        low, high = tuple(node // 2 for node in entry), tuple((node + 1) // 2 for node in entry)
        assert np.array_equal(out[entry], np.rint((coarse[low] + coarse[high]) / 2))


def test_a_wide_diagonal_keeps_everything():
    small = BANK.compressed(8)
    assert all(np.array_equal(small.tables[key], table) for key, table in BANK.tables.items())


def test_files_hold_what_is_kept(tmp_path):
    small = BANK.compressed()
    path = tmp_path / "small.safetensors"
    small.save(path)
    again = lerf_core.load_bank(path)
    assert again == small
    assert again.diagonal == 2
    assert all(np.array_equal(again.tables[key], table) for key, table in small.tables.items())
    assert small.nbytes == BANK.nbytes * 1335 // 6561
    assert path.stat().st_size < BANK.nbytes / 4
    assert "1335 of 6561" in small.describe()["compression"]


def test_whole_tables_are_written_as_before():
    assert BANK.metadata["version"] == 1
    assert "diagonal" not in BANK.metadata


def test_compressed_banks_travel():
    small = BANK.compressed()
    again = pickle.loads(pickle.dumps(small))
    assert again == small
    assert again.diagonal == 2


def test_results_are_those_of_the_expanded_tables():
    image = np.random.default_rng(1).integers(0, 256, (20, 24, 3), np.uint8)
    small = BANK.compressed()
    whole = replace(small, diagonal=None)
    assert whole != small
    results = [lerf_core.resize(image, (40, 48), bank=b, channel_axis=-1) for b in (small, whole)]
    assert np.array_equal(*results)
    assert not np.array_equal(
        results[0], lerf_core.resize(image, (40, 48), bank=BANK, channel_axis=-1)
    )


@pytest.mark.parametrize("diagonal", [-1, 9, 2.0, True, "2", None])
def test_unusable_diagonals_are_refused(diagonal):
    with pytest.raises(BankError, match=r"diagonal must be a whole number in 0\.\.8"):
        BANK.compressed(diagonal)


def test_compressed_banks_are_not_compressed_again():
    with pytest.raises(BankError, match="compressed already"):
        BANK.compressed().compressed()


def test_tables_that_do_not_follow_are_refused():
    with pytest.raises(BankError, match="not what its kept entries expand to"):
        replace(BANK, diagonal=2)


def test_wrong_sizes_are_refused():
    small = BANK.compressed()
    tensors = {key: entries[:-1] for key, entries in small.tensors.items()}
    text = json.dumps(small.metadata)
    with pytest.raises(BankError, match=r"must have 1335 rows of entries, got an array of \(1334"):
        lerf_core.bank.bank_from_metadata(text, tensors, origin="file")


@pytest.mark.parametrize("value", [3, "x", -1, None])
def test_damaged_descriptions_are_refused(value):
    small = BANK.compressed()
    text = json.dumps({**small.metadata, "diagonal": value})
    with pytest.raises(BankError, match="file"):
        lerf_core.bank.bank_from_metadata(text, small.tensors, origin="file")
