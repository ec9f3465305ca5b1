"""From networks to tables: sampling at the nodes, rounding to 8 bits, and what both cost.

A table holds its network's entries at the nodes alone. Two things are lost: between nodes
the table interpolates, and its entries are whole numbers. Networks that are trained with
rounded entries know the second to some degree, and never the first; direct training from the
transferred bank on (`lerf_training.models.tables.TableModel`) makes up for both.

References
----------
.. [1] Jo and Kim, "Practical Single-Image Super-Resolution Using Look-Up Table", CVPR 2021.
.. [2] Li et al., "MuLUT: Cooperating Multiple Look-Up Tables for Efficient Image
   Super-Resolution", ECCV 2022: tables trained on after the transfer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lerf_core.backends.torch.table_reads import stage_tables, stage_values
from lerf_core.bank import LutBank
from lerf_core.constants import ENTRY_BIAS
from lerf_core.errors import InvalidArgumentError
from lerf_training.models.networks import NODE_BATCH, NetworkModel
from lerf_training.operations.table_reads import read_tables

__all__ = [
    "Deviation",
    "TableRounding",
    "TransferCost",
    "TransferReport",
    "ValueCost",
    "measure",
    "transfer",
]


@dataclass(frozen=True)
class TableRounding:
    """What rounding a table to 8 bits changes, in entries.

    Attributes
    ----------
    rms, max : float
        Root mean square and largest of the changes.
    saturated : float
        Share of the entries at -127 or 127, in 0..1.
    """

    rms: float
    max: float
    saturated: float


@dataclass(frozen=True)
class TransferReport:
    """What became of the networks' entries.

    Attributes
    ----------
    tables : mapping of str to TableRounding
        By the tables' names.
    """

    tables: Mapping[str, TableRounding]

    def as_dict(self) -> dict[str, Any]:
        """The report in JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class Deviation:
    """Differences of two planes: root mean square and largest, in grey levels or steps of 1/255."""

    rms: float
    max: float


@dataclass(frozen=True)
class ValueCost:
    """What the transfer changes of one value.

    Attributes
    ----------
    interpolation : Deviation
        Between the networks, unrounded, and their entries at the nodes, unrounded as well, with
        interpolation between; of the same input.
    rounding : Deviation
        Between these and the bank's 8-bit entries, of the same input.
    total : Deviation
        Between the networks as they were trained and the bank, whole numbers both, each stage
        fed by its own predecessor.
    """

    interpolation: Deviation
    rounding: Deviation
    total: Deviation


@dataclass(frozen=True)
class TransferCost:
    """How far a transferred bank lies from its networks on sample planes.

    Attributes
    ----------
    values : mapping of str to ValueCost
        By stage and value: ``stage1.feature`` in grey levels, ``stage2.rho`` and so on in steps
        of 1/255.
    """

    values: Mapping[str, ValueCost]

    def as_dict(self) -> dict[str, Any]:
        """The costs in JSON types."""
        return asdict(self)


# -- tables of networks -------------------------------------------------------------


def transfer(
    model: NetworkModel,
    name: str,
    training: Mapping[str, Any],
    *,
    batch: int = NODE_BATCH,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[LutBank, TransferReport]:
    """Evaluate networks at the nodes of their tables and round to 8 bits.

    Parameters
    ----------
    model : NetworkModel
        The networks; left as they are.
    name : str
        Of the bank.
    training : mapping
        The bank's record of how it came to be; any JSON.
    batch, progress : optional
        As for `NetworkModel.sample`.

    Returns
    -------
    bank : LutBank
        Equal to the networks wherever all pixels lie on nodes (but for entries so close to a
        half that the float arithmetic decides how they round).
    report : TransferReport
        What rounding changed.

    Raises
    ------
    InvalidArgumentError
        If the batch is not positive.
    BankError
        If the training record is not JSON.

    Examples
    --------
    >>> from lerf_training.models.starting_bank import starting_bank
    >>> bank, report = transfer(NetworkModel(starting_bank("lerf-l"), width=8), "mine", {})
    >>> bank, len(report.tables)
    (<LutBank 'mine': lerf-l, 0.1 MB>, 9)
    """
    entries = model.sample(batch=batch, progress=progress)
    rounding = {
        table: _rounding(values)
        for names, stage in zip(model.names, entries, strict=True)
        for table, values in zip(names, stage, strict=True)
    }
    return model.bank_of(entries, name, training), TransferReport(rounding)


def _rounding(entries: Tensor) -> TableRounding:
    """What rounding changes of a table's entries (nodes**4, values)."""
    whole = torch.round(entries)
    change = _Differences()
    change.add(whole - entries)
    saturated = (whole.abs() == ENTRY_BIAS).double().mean().item()
    return TableRounding(change.deviation.rms, change.deviation.max, saturated)


# -- what it costs ------------------------------------------------------------------


def measure(
    model: NetworkModel, bank: LutBank, planes: npt.NDArray[np.uint8], *, batch: int = NODE_BATCH
) -> TransferCost:
    """How far a transferred bank lies from its networks.

    Parameters
    ----------
    model : NetworkModel
        The networks.
    bank : LutBank
        What `transfer` made of them.
    planes : ndarray of uint8, (batch, rows, cols)
        Samples, held-out images say.
    batch : int, optional
        Nodes evaluated at once.

    Returns
    -------
    TransferCost

    Raises
    ------
    InvalidArgumentError
        If the planes are none, or the bank is not of the networks' structure.

    Examples
    --------
    >>> from lerf_training.models.starting_bank import starting_bank
    >>> model = NetworkModel(starting_bank("lerf-l"), width=8)
    >>> photograph = np.tile(np.arange(16, dtype=np.uint8), (1, 16, 1))
    >>> measure(model, model.bank("mine", {}), photograph).values["stage1.feature"].total.max
    0.0
    """
    if planes.dtype != np.uint8 or planes.ndim != 3 or planes.size == 0:
        raise InvalidArgumentError(
            f"expected planes of uint8 (batch, rows, cols), got {planes.dtype} {planes.shape}"
        )
    _check_structure(model.template, bank)
    like = next(model.parameters())
    sampled = model.sample(batch=batch)
    tables = [entries.to(like) for entries in stage_tables(bank)]
    costs = [
        [tuple(_Differences() for _ in fields(ValueCost)) for _ in stage.values]
        for stage in bank.stages
    ]
    with torch.no_grad():
        for plane in planes:
            _add_plane(model, sampled, tables, torch.from_numpy(plane[None]).to(like), costs)
    return TransferCost(
        {
            f"stage{number}.{value}": ValueCost(*(differences.deviation for differences in cost))
            for number, (stage, stage_costs) in enumerate(zip(bank.stages, costs, strict=True), 1)
            for value, cost in zip(stage.values, stage_costs, strict=True)
        }
    )


def _check_structure(template: LutBank, bank: LutBank) -> None:
    for attribute in ("kind", "interval", "patterns", "stages"):
        expected, got = getattr(template, attribute), getattr(bank, attribute)
        if expected != got:
            raise InvalidArgumentError(
                f"bank {bank.name!r} is not of these networks: its {attribute} is {got}, "
                f"not {expected}"
            )


def _add_plane(
    model: NetworkModel,
    sampled: list[Tensor],
    tables: list[Tensor],
    plane: Tensor,
    costs: Sequence[Sequence[tuple[_Differences, ...]]],
) -> None:
    """Add one plane's differences, stage by stage, in the order of `ValueCost`."""
    bank_plane = plane
    for number, spec in enumerate(model.template.stages):
        reads = model.reads[number]
        network = stage_values(model.read(number, plane, whole=False), spec, whole=False)
        interpolated = stage_values(read_tables(plane, sampled[number], reads), spec, whole=False)
        eight_bit = stage_values(read_tables(plane, tables[number], reads), spec, whole=False)
        trained = stage_values(model.read(number, plane), spec)
        transferred = stage_values(read_tables(bank_plane, tables[number], reads), spec)
        changes = (interpolated - network, eight_bit - interpolated, transferred - trained)
        for index, cost in enumerate(costs[number]):
            for differences, change in zip(cost, changes, strict=True):
                differences.add(change[..., index])
        plane, bank_plane = trained[..., 0], transferred[..., 0]


@dataclass
class _Differences:
    """Running sums of differences."""

    count: int = 0
    squares: float = 0.0
    largest: float = 0.0

    def add(self, differences: Tensor) -> None:
        self.count += differences.numel()
        self.squares += differences.double().square().sum().item()
        self.largest = max(self.largest, differences.abs().max().item())

    @property
    def deviation(self) -> Deviation:
        return Deviation((self.squares / self.count) ** 0.5, self.largest)
