"""Networks become tables, and what that costs is measured."""

import json

import numpy as np
import pytest

# ruff: noqa: E402 - torch may be missing, and with it what follows
torch = pytest.importorskip("torch")

from lerf_training.models.networks import NetworkModel
from lerf_training.models.starting_bank import starting_bank
from lerf_training.models.tables import TableModel
from lerf_training.models.transfer import measure, transfer

from lerf_core.backends import reference
from lerf_core.backends.torch.table_reads import stage_values
from lerf_core.bank import KINDS
from lerf_core.errors import BankError, InvalidArgumentError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=sorted(KINDS))
def model(request):
    """As after a training. In float64, so that an entry near a half rounds one way however many
    pixels are worked on at once.
    """
    start = starting_bank(request.param, interval=16)
    made = NetworkModel(start, width=8, blocks=2, seed=5).double()
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if name.endswith("last.weight"):
                parameter *= 100
    return made


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def transferred(model):
    return transfer(model, "mine", {"method": "test"})


def on_nodes(seed=0, shape=(2, 10, 12)):
    return (np.random.default_rng(seed).integers(0, 16, shape) * 16).astype(np.uint8)


def test_bank_equals_the_networks_on_nodes(model, transferred):
    bank, _ = transferred
    planes = on_nodes()
    low = torch.from_numpy(planes).double()
    feature, _ = model.stages(low)
    assert not torch.equal(feature, low)
    assert torch.equal(TableModel(bank).double().stages(low)[0], feature)
    for plane, expected in zip(planes, feature.numpy(), strict=True):
        assert np.array_equal(reference.read_stage(plane, bank, 0, 4)[0], expected)


def test_last_stage_equals_the_networks_on_nodes(model, transferred):
    bank, _ = transferred
    plane = on_nodes(1, (1, 10, 12))
    stage = bank.stages[1]
    total = model.read(1, torch.from_numpy(plane).double())
    expected = stage_values(total, stage)[0]
    assert expected.std() > 1
    found = reference.read_stage(plane[0], bank, 1, 4)
    assert np.array_equal(found, expected.numpy().transpose(2, 0, 1))


def test_bank_has_the_template_s_structure_and_the_given_record(model, transferred):
    bank, _ = transferred
    template = model.template
    assert (bank.kind, bank.interval, bank.stages) == (
        template.kind,
        template.interval,
        template.stages,
    )
    assert bank.name == "mine"
    assert bank.training == {"method": "test"}
    assert model.bank("mine", {"method": "test"}) == bank


def test_batches_change_nothing_and_progress_reaches_the_end(model, transferred):
    calls = []
    bank, _ = transfer(
        model, "mine", {"method": "test"}, batch=50_000, progress=lambda *call: calls.append(call)
    )
    assert bank == transferred[0]
    total = 9 * 17**4
    assert len(calls) == 9 * 2
    assert [done for done, _ in calls] == sorted({done for done, _ in calls})
    assert calls[-1] == (total, total)


def test_networks_are_left_as_they_are(model):
    before = [parameter.clone() for parameter in model.parameters()]
    transfer(model, "mine", {})
    assert all(map(torch.equal, before, model.parameters()))
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_report_says_what_rounding_changed(model, transferred):
    bank, report = transferred
    assert list(report.tables) == list(bank.tables)
    entries = dict(
        zip(
            (key for keys in model.names for key in keys),
            (table for stage in model.sample() for table in stage),
            strict=True,
        )
    )
    for key, rounding in report.tables.items():
        table = bank.tables[key].reshape(17**4, -1)
        change = table - entries[key].numpy()
        assert rounding.max == pytest.approx(np.abs(change).max())
        assert rounding.max <= 0.5
        assert rounding.rms == pytest.approx(np.sqrt((change**2).mean()))
        if rounding.saturated == 0:  # values are spread evenly between whole numbers
            assert rounding.rms == pytest.approx(12**-0.5, abs=0.01)
        assert rounding.saturated == pytest.approx((np.abs(table) == 127).mean())
    assert json.loads(json.dumps(report.as_dict()))["tables"]["stage1.s.0"]["max"] <= 0.5


def test_entries_at_the_ends_are_counted():
    model = NetworkModel(starting_bank("lerf-l"), width=8, blocks=0)
    model.networks[1][0].last.bias.fill_(9.0)
    _, report = transfer(model, "mine", {})
    assert report.tables["stage2.s.0"].saturated == 1
    assert report.tables["stage2.s.1"].saturated == 0


def test_interpolation_costs_nothing_on_nodes(model, transferred):
    cost = measure(model, transferred[0], on_nodes(2))
    feature = cost.values["stage1.feature"]
    assert feature.interpolation.max < 1e-9
    assert feature.total.max == 0
    # 12 reads over 3, each wrong by half an entry at most.
    assert 0 < feature.rounding.rms <= feature.rounding.max <= 2


def test_costs_between_nodes(model, transferred):
    planes = np.random.default_rng(3).integers(0, 256, (2, 10, 12)).astype(np.uint8)
    cost = measure(model, transferred[0], planes)
    kind = model.template.kind
    assert list(cost.values) == ["stage1.feature", *(f"stage2.{value}" for value in kind.values)]
    for value in cost.values.values():
        for deviation in (value.interpolation, value.rounding, value.total):
            assert 0 < deviation.rms <= deviation.max
        assert value.rounding.max <= 2
    low = torch.from_numpy(planes).double()
    pairs = zip(TableModel(transferred[0]).double().stages(low), model.stages(low), strict=True)
    feature, parameters = (bank - network for bank, network in pairs)
    total = cost.values["stage1.feature"].total
    assert total.max == feature.abs().max()
    assert total.rms == pytest.approx(feature.square().mean().sqrt().item())
    total = cost.values[f"stage2.{kind.values[-1]}"].total
    assert total.rms == pytest.approx(parameters[..., -1].square().mean().sqrt().item())
    assert json.loads(json.dumps(cost.as_dict()))["values"]["stage1.feature"]["total"]["max"] > 0


def test_the_start_costs_nothing_worth_naming():
    model = NetworkModel(starting_bank("lerf-l"), width=8, blocks=2)
    bank = model.bank("start", {})
    for key, table in starting_bank("lerf-l").tables.items():
        assert np.array_equal(bank.tables[key], table)
    planes = np.random.default_rng(4).integers(0, 256, (1, 8, 9)).astype(np.uint8)
    for value in measure(model, bank, planes).values.values():
        assert value.total.max == 0
        assert value.interpolation.max < 0.5


def test_wrong_arguments_are_refused(model, transferred):
    bank, _ = transferred
    with pytest.raises(InvalidArgumentError, match="at least 1 node"):
        transfer(model, "mine", {}, batch=0)
    with pytest.raises(BankError, match="not JSON"):
        transfer(model, "mine", {"when": object()})
    for planes in (np.zeros((4, 4), np.uint8), np.zeros((1, 4, 4)), np.zeros((0, 4, 4), np.uint8)):
        with pytest.raises(InvalidArgumentError, match="planes of uint8"):
            measure(model, bank, planes)
    other = starting_bank("lerf-l" if bank.kind.name == "lerf-g" else "lerf-g")
    with pytest.raises(InvalidArgumentError, match="its kind is"):
        measure(model, other, on_nodes())
