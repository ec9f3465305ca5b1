"""Table reads on tensors: the reference's sums, and the gradients of differences."""

import numpy as np
import pytest

# ruff: noqa: E402 - torch may be missing, and with it what follows
torch = pytest.importorskip("torch")

from support.tensors import gradients, levels, stage_of

from lerf_core.backends.reference import read_stage
from lerf_core.backends.torch.table_reads import read_tables, stage_values
from lerf_core.bank import KINDS


@pytest.mark.parametrize("units", [1, 512])
@pytest.mark.parametrize("stage", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_stages_are_those_of_the_reference(make_random_bank, kind, stage, units):
    bank = make_random_bank(kind, interval=32)
    tables, reads = stage_of(bank, stage)
    plane = levels((1, 9, 11)) * (1 if units == 1 else 0.99)
    whole = torch.round(plane * units)
    total = read_tables(whole / units, tables.round(), reads, units=units)
    mine = stage_values(total, bank.stages[stage], units=units)[0] * units
    cell_bits = (bank.interval * units).bit_length() - 1
    wanted = read_stage(whole[0].numpy().astype(np.int64), bank, stage, cell_bits)
    np.testing.assert_array_equal(mine.numpy().transpose(2, 0, 1), wanted)


def test_reads_pass_gradcheck_away_from_nodes_and_ties(make_random_bank):
    bank = make_random_bank("lerf-g", interval=64, patterns={"s": ((0, 0), (0, 1), (1, 0), (1, 1))})
    tables, reads = stage_of(bank, 1)
    rng = np.random.default_rng(2)
    # All fractions differ by more than the step of the differences; replication makes ties at
    # the border, so a loss of the middle alone.
    fractions = rng.permutation(np.arange(1, 26)).reshape(1, 5, 5) * 2.3
    plane = torch.from_numpy(fractions + 64 * rng.integers(0, 3, (1, 5, 5))).requires_grad_()
    middle = lambda p: read_tables(p, tables.double(), reads)[:, 1:-1, 1:-1]  # noqa: E731
    assert torch.autograd.gradcheck(middle, (plane,), eps=1e-4)
    fewer = tables[..., :1].double()
    used = torch.nonzero(
        gradients(lambda t: read_tables(plane.detach(), t, reads), fewer)[1].abs().sum(-1)
    )[:40]
    some = fewer[used[:, 0], used[:, 1]].requires_grad_()

    def by_entries(entries):
        filled = fewer.index_put((used[:, 0], used[:, 1]), entries)
        return read_tables(plane.detach(), filled, reads)

    assert torch.autograd.gradcheck(by_entries, (some,), eps=1e-3)
