"""Tables as a torch module: the reference's values, and a bank again."""

from dataclasses import replace

import numpy as np
import pytest

# ruff: noqa: E402 - torch may be missing, and with it what follows
torch = pytest.importorskip("torch")

from lerf_training.models.starting_bank import starting_bank
from lerf_training.models.tables import TableModel

from lerf_core.backends import reference
from lerf_core.bank import KINDS
from lerf_core.bank.compression import kept_entries
from lerf_core.errors import InvalidArgumentError
from lerf_core.sampling.taps import axis_taps, point_taps


def reference_stages(bank, plane):
    cell_bits = bank.interval.bit_length() - 1
    for number in range(len(bank.stages) - 1):
        plane = reference.read_stage(plane, bank, number, cell_bits)[0]
    return plane, reference.read_stage(plane, bank, len(bank.stages) - 1, cell_bits)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("prefilters", [0, 1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_stages_equal_the_reference_bit_for_bit(make_random_bank, kind, prefilters, compiled, rng):
    bank = make_random_bank(kind, prefilters=prefilters, seed=3)
    low = rng.integers(0, 256, (2, 13, 10)).astype(np.uint8)
    low[1, :5, :5] = 255
    low[1, 5:, 5:] = 0
    feature, parameters = TableModel(bank).stages(torch.from_numpy(low).float(), compiled=compiled)
    for index in range(2):
        wanted = reference_stages(bank, low[index].astype(np.int64))
        np.testing.assert_array_equal(feature[index].detach().numpy(), wanted[0])
        mine = parameters[index].detach().numpy().transpose(2, 0, 1)
        np.testing.assert_array_equal(mine, wanted[1])


@pytest.mark.parametrize("scale", [2, 2.5, 3])
def test_forward_equals_the_reference_on_a_grid(random_banks, scale, rng):
    for bank in random_banks:
        low = rng.choice([60, 100, 104, 200], (9, 12))
        feature, parameters = reference_stages(bank, low)
        rows, cols = (
            axis_taps(size, round(size * scale), scale, anti_aliasing=False) for size in low.shape
        )
        given = (feature, parameters, bank.kind.weighting, rows, cols)
        wanted, _ = reference.mean_on_grid(*given, bounds=limits_of(bank, low))
        row, col = (grid.ravel() for grid in np.mgrid[: rows.size, : cols.size])
        first = np.stack([rows.index[row, 0], cols.index[col, 0]], -1).astype(np.int32)
        offset = np.stack([rows.offset[row, 0], cols.offset[col, 0]], -1)
        mine = forward(bank, low, first, offset)
        np.testing.assert_allclose(mine, wanted.ravel(), atol=1e-3)


def test_forward_equals_the_reference_at_points(random_banks, rng):
    for bank in random_banks:
        low = rng.choice([60, 100, 104, 200], (9, 12))
        feature, parameters = reference_stages(bank, low)
        rows = point_taps(rng.uniform(-0.5, 8.5, 300), None)
        cols = point_taps(rng.uniform(-0.5, 11.5, 300), None)
        given = (feature, parameters, bank.kind.weighting, rows, cols)
        wanted, _ = reference.mean_at_points(*given, bounds=limits_of(bank, low))
        first = np.stack([rows.first, cols.first], -1).astype(np.int32)
        offset = np.stack([rows.offset(0), cols.offset(0)], -1)
        mine = forward(bank, low, first, offset)
        np.testing.assert_allclose(mine, wanted, atol=1e-3)


def limits_of(bank, low):
    return reference.overshoot_bounds(low) if bank.kind.has_local_planes else None


def forward(bank, low, first, offset):
    arrays = (low[None].astype(np.float32), first[None], offset[None])
    with torch.no_grad():
        return TableModel(bank)(*map(torch.from_numpy, arrays))[0].numpy()


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def test_entries_come_back_as_the_bank(random_banks):
    for bank in random_banks:
        again = TableModel(bank).bank("again", {"method": "none"})
        assert again.name == "again"
        assert again.training == {"method": "none"}
        assert again.tables.keys() == bank.tables.keys()
        for key, table in bank.tables.items():
            np.testing.assert_array_equal(again.tables[key], table)


def trained_everywhere(model):
    """As if every entry had been seen so often that none is smoothed when a bank is made."""
    for number in range(len(model.tables)):
        model.get_buffer(f"visits{number}").fill_(1e9)


def test_bank_holds_the_entries_that_the_model_reads(random_bank, rng):
    model = TableModel(random_bank)
    trained_everywhere(model)
    with torch.no_grad():
        for tables in model.tables:
            tables += torch.from_numpy(rng.integers(-3, 4, tables.shape)) + 0.2
    model.clip_entries()
    low = torch.from_numpy(rng.integers(0, 256, (1, 8, 9))).float()
    for mine, saved in zip(
        model.stages(low), TableModel(model.bank("saved", {})).stages(low), strict=True
    ):
        assert torch.equal(mine, saved)


@pytest.mark.parametrize("kind", KINDS)
def test_training_keeps_flat_areas_where_the_start_does(kind, rng):
    model = TableModel(starting_bank(kind))
    trained_everywhere(model)
    with torch.no_grad():
        for tables in model.tables:
            tables += torch.from_numpy(rng.normal(0, 20, tables.shape)).float()
    model.clip_entries()
    flat = torch.arange(256.0)[:, None, None].expand(256, 2, 2)
    bank = model.bank("flat", {})
    for one in (model, TableModel(bank)):
        assert torch.equal(one.stages(flat)[0], flat)


def test_entries_that_no_step_has_seen_stay_at_the_start(rng):
    start = starting_bank("lerf-l", interval=16)
    model = TableModel(start)
    low = torch.full((1, 6, 6), 100.0)
    _, parameters = model.stages(low)
    parameters.sum().backward()
    model.count_visits(10_000)
    with torch.no_grad():
        model.tables[1] -= 50
    table = model.bank("seen", {}).tables["stage2.s.0"].astype(int)[..., 0]
    change = table - start.tables["stage2.s.0"][..., 0]
    assert change[6, 6, 6, 6] == pytest.approx(-50, abs=8)
    assert abs(change[0, 0, 16, 16]) <= 1


def test_clipped_entries_are_what_a_bank_may_hold(random_bank):
    model = TableModel(random_bank)
    with torch.no_grad():
        model.tables[0][0, 0, 0] = 300.0
        model.tables[1][0, 0, 0] = -128.0
        inside = model.tables[1][0, 1:].clone()
    model.clip_entries()
    trained_everywhere(model)
    assert float(model.tables[0][0, 0, 0].detach()) == 127
    assert float(model.tables[1][0, 0, 0].detach()) == -127
    assert torch.equal(model.tables[1][0, 1:], inside)
    assert model.bank("clipped", {}).tables["stage1.s.0"].flat[0] == 127


@pytest.mark.parametrize("kind", KINDS)
def test_training_starts_from_an_identity_and_a_fixed_kernel(kind):
    bank = starting_bank(kind)
    assert bank.kind is KINDS[kind]
    low = np.random.default_rng(0).integers(0, 256, (6, 7))
    feature, parameters = reference_stages(bank, low)
    np.testing.assert_array_equal(feature, low)
    assert len(np.unique(parameters.reshape(len(parameters), -1), axis=1).T) == 1


def test_unknown_kinds_are_named():
    with pytest.raises(InvalidArgumentError, match="lerf-x"):
        starting_bank("lerf-x")


@pytest.mark.parametrize("interval", [16, 32, 64])
def test_tables_start_alike_at_every_interval(interval):
    bank = starting_bank("lerf-p", interval=interval)
    assert bank.nodes == 256 // interval + 1
    low = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 9, 8))).float()
    feature, parameters = TableModel(bank).stages(low)
    assert torch.equal(feature, low)
    assert torch.equal(parameters, TableModel(starting_bank("lerf-p")).stages(low)[1])


def test_an_interval_that_no_table_has_is_refused():
    with pytest.raises(InvalidArgumentError, match="got 20"):
        starting_bank("lerf-p", interval=20)


def test_compressed_tables_are_trained_by_what_is_kept(make_random_bank, rng):
    bank = make_random_bank("lerf-p", interval=32, seed=5).compressed()
    model = TableModel(bank)
    low = torch.from_numpy(rng.integers(0, 256, (2, 13, 10)).astype(np.float32))
    wanted = TableModel(replace(bank, diagonal=None)).stages(low)
    for mine, whole in zip(model.stages(low), wanted, strict=True):
        torch.testing.assert_close(mine, whole, rtol=0, atol=0)
    model.stages(low)[1].sum().backward()
    kept = torch.from_numpy(kept_entries(bank.nodes, bank.diagonal).kept.copy())
    for tables in model.tables:
        is_other = torch.ones(tables.shape[1], dtype=torch.bool)
        is_other[kept] = False
        assert not tables.grad[:, is_other].any()
        assert tables.grad[:, kept].any()
    with torch.no_grad():
        for tables in model.tables:
            tables -= 3 * tables.grad.sign()
    model.count_visits(1000)
    trained = model.bank("trained", {})  # raises unless the tables follow from what is kept
    assert trained.diagonal == bank.diagonal
    assert any(
        not np.array_equal(trained.tables[name], table) for name, table in bank.tables.items()
    )
