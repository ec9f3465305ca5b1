"""Banks in memory: checked, immutable, and equal by content."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest

from lerf_core import LutBank
from lerf_core.bank import KINDS, Stage, analytic_bank
from lerf_core.errors import (
    BankError,
    InvalidArgumentError,
)


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
