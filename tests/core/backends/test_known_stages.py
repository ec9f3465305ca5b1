"""Stages that are known without reading them."""

import numpy as np
import pytest

from lerf_core.backends import reference
from lerf_core.backends.known_stages import constant_values, is_identity
from lerf_core.bank import LutBank, analytic_bank
from lerf_core.bank.loading import load_bank


def changed(bank, name, entry):
    """The bank with one entry of a table raised by one."""
    tables = dict(bank.tables)
    tables[name] = tables[name].copy()
    tables[name][entry] += 1
    return LutBank("changed", bank.kind, bank.interval, bank.patterns, bank.stages, tables)


def test_the_analytic_bank_is_an_identity_and_constants():
    bank = analytic_bank()
    plane = np.random.default_rng(0).integers(0, 256, (12, 15))
    assert is_identity(bank, 0)
    np.testing.assert_array_equal(reference.read_stage(plane, bank, 0, 4)[0], plane)
    values = constant_values(bank, 1, 4)
    found = reference.read_stage(plane, bank, 1, 4)
    np.testing.assert_array_equal(found, np.broadcast_to(values[:, None, None], found.shape))
    assert not is_identity(bank, 1)
    assert constant_values(bank, 0, 4) is None


@pytest.mark.parametrize("entry", [(0, 0, 0, 0, 0), (3, 16, 2, 0, 0), (16, 16, 16, 16, 0)])
def test_one_other_entry_makes_them_tables_again(entry):
    bank = analytic_bank()
    for pattern in "scx":
        assert not is_identity(changed(bank, f"stage1.{pattern}.0", entry), 0)
        for group in range(2):
            other = changed(bank, f"stage2.{pattern}.{group}", entry)
            assert constant_values(other, 1, 4) is None


@pytest.mark.parametrize("name", ["lerf-g", "lerf-l", "lerf-p"])
def test_trained_banks_are_read(name):
    bank = load_bank(name)
    assert not is_identity(bank, 0)
    assert constant_values(bank, 1, 5) is None
