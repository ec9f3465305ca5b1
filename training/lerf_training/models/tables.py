"""What is trained: tables, as a torch module made from a bank and turned back into one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lerf_core.bank import KINDS, LOCAL_PLANE, LutBank, analytic_bank, table_name, two_stages
from lerf_core.bank.patterns import QUARTER_TURNS
from lerf_core.constants import ENTRY_BIAS, LOCAL_PLANE_BIAS
from lerf_core.errors import InvalidArgumentError
from lerf_training.models.settling import settle
from lerf_training.operations.operations import (
    StageReads,
    limited,
    read_tables,
    rounded,
    spread,
    stage_values,
    weighted_mean,
)

__all__ = ["TableModel", "starting_bank"]

# The start of tables that are trained: narrower than the analytic bank that ships, which
# keeps ramps in place; training does that by itself. In 0..255.
_START = {
    "lerf-g": (127, 54, 54),
    "lerf-l": (242,),
    "lerf-p": (127, 54, 54, *[LOCAL_PLANE_BIAS] * len(LOCAL_PLANE)),
}
# By the published divisor, as many as the reads, a parameter reaches the ends of its range only
# where all reads lie at the clip: almost a third of rho's entries end there. A smaller one lets
# each read say more, in steps that are still below one of the parameter.
_DIVISOR = 6
# Of planes likewise: 3 does as well, 6 is 0.01 dB worse, 12 another 0.03 dB.
_PLANE_DIVISOR = 4


def starting_bank(kind: str, *, interval: int = 32) -> LutBank:
    """The bank that training begins with: an identity, then a fixed kernel.

    Parameters
    ----------
    kind : {'lerf-g', 'lerf-l', 'lerf-p'}
        LeRF-G starts as a Gaussian of sigma 0.21, LeRF-L as nearly a bilinear kernel, LeRF-P as
        LeRF-G with level planes.
    interval : {8, 16, 32, 64}, optional
        Grey levels between two nodes of a table. Tables of twice the interval have about a
        thirteenth of the bytes.

    Returns
    -------
    LutBank
        Of the published structure, but for the divisors of the last stage: half of the
        published one for weights, a third for planes.

    Raises
    ------
    InvalidArgumentError
        If the kind is not known.
    """
    if kind not in KINDS:
        raise InvalidArgumentError(f"no kind {kind!r}; there are {', '.join(KINDS)}")
    if interval not in (8, 16, 32, 64):
        raise InvalidArgumentError(f"interval must be 8, 16, 32 or 64, got {interval!r}")
    patterns, nodes = analytic_bank().patterns, 256 // interval + 1
    stages = two_stages(KINDS[kind], tuple(patterns))
    divisors = tuple(
        _PLANE_DIVISOR if value in LOCAL_PLANE else _DIVISOR for value in stages[-1].values
    )
    last = replace(stages[-1], divisor=divisors)
    start = np.array(_START[kind]) - last.bias
    entries = np.rint(start * np.array(last.divisor) / last.reads).astype(np.int8)
    # Four reads, one a turn, give a pattern's share of the level.
    level = (np.arange(nodes) * interval // len(QUARTER_TURNS)).astype(np.int8)
    tables = {
        table_name(number, pattern, group): np.broadcast_to(start, (nodes,) * 4 + start.shape[-1:])
        for number, stage, start in (
            (1, stages[0], level[:, None, None, None, None]),
            (2, last, entries),
        )
        for pattern in stage.patterns
        for group in range(len(stage.rotation_groups))
    }
    return LutBank("start", KINDS[kind], interval, patterns, (stages[0], last), tables)


class TableModel(nn.Module):
    """The tables of a bank as parameters, read the way `lerf_core.backends.reference` reads them.

    Parameters
    ----------
    bank : LutBank
        Structure and starting entries.

    Attributes
    ----------
    tables : nn.ParameterList
        For each stage (tables, nodes**4, values), float32 entries in -127..127.

    Notes
    -----
    Where the start leaves flat areas exactly as they are, so do the trained tables: the
    entries that flat areas read, those of four equal nodes, are held in the pre-filter and
    in the residuals (slopes cancel there by themselves). Entries that
    training visits seldom or never are treated by `lerf_training.models.settling` when a bank is made.
    """

    def __init__(self, bank: LutBank) -> None:
        super().__init__()
        self.template = bank
        self.reads = [StageReads.of(bank, number) for number in range(len(bank.stages))]
        self.keys = [
            list(dict.fromkeys(read.table for read in bank.reads(number)))
            for number in range(len(bank.stages))
        ]
        self.tables = nn.ParameterList(
            nn.Parameter(
                torch.from_numpy(
                    np.stack([bank.tables[key] for key in keys])
                    .reshape(len(keys), bank.nodes**4, -1)
                    .astype(np.float32)
                )
            )
            for keys in self.keys
        )
        for number, tables in enumerate(self.tables):
            self.register_buffer(f"start{number}", tables.detach().clone(), persistent=False)
            self.register_buffer(f"visits{number}", torch.zeros(tables.shape[:2]))
        # Stages with the columns of their tables that are held on flat areas.
        self._held = {
            number: [0] for number in range(len(bank.stages) - 1) if _keeps_constants(bank, number)
        }
        if bank.kind.has_local_planes and _has_level_residuals(bank):
            self._held[len(bank.stages) - 1] = [bank.kind.values.index("residual")]
        nodes = bank.nodes
        self._equal_nodes = torch.arange(nodes) * (nodes**3 + nodes**2 + nodes + 1)

    def forward(self, low: Tensor, first: Tensor, offset: Tensor, *, twin: bool = False) -> Tensor:
        """Values of points on low-resolution planes.

        Parameters
        ----------
        low : Tensor, (batch, rows, cols)
            Whole grey levels.
        first, offset : Tensor, (batch, points, 2)
            See `lerf_training.operations.operations.weighted_mean`.
        twin : bool, optional
            Use the plain torch operations.

        Returns
        -------
        Tensor, (batch, points)
            Grey levels; equal to the reference's up to float32 rounding of the mean.
        """
        feature, parameters = self.stages(low, twin=twin)
        kind = self.template.kind
        values = weighted_mean(kind.weighting, feature, parameters, first, offset, twin=twin)
        return limited(values, low, first, twin=twin) if kind.has_local_planes else values

    def stages(self, low: Tensor, *, twin: bool = False) -> tuple[Tensor, Tensor]:
        """Feature (batch, rows, cols) and parameters (batch, rows, cols, values), in 0..255."""
        plane = low
        for spec, tables, reads in zip(self.template.stages, self.tables, self.reads, strict=True):
            total = read_tables(plane, rounded(tables), reads, twin=twin)
            values = stage_values(total, spec)
            if spec is not self.template.stages[-1]:
                plane = values[..., 0]
        return plane, values

    def clip_entries(self) -> None:
        """Bring entries back into -127..127, and those of flat areas to where they are held."""
        with torch.no_grad():
            for tables in self.tables:
                tables.clamp_(-ENTRY_BIAS, ENTRY_BIAS)
            for number in self._held:
                self._hold(number, self.tables[number])

    def _hold(self, number: int, tables: Tensor) -> None:
        """Put the entries of flat areas back to where they started."""
        start = self.get_buffer(f"start{number}")
        for column in self._held[number]:
            tables[:, self._equal_nodes, column] = start[:, self._equal_nodes, column]

    def spread_gradients(self, share: float) -> None:
        """Let neighbouring entries move together; see `lerf_training.operations.operations.spread`."""
        for tables in self.tables:
            if tables.grad is not None:
                spread(tables.grad, self.template.nodes, share)

    def count_visits(self, steps: int) -> None:
        """Note which entries the last backward pass has used, on behalf of `steps` steps."""
        for number, tables in enumerate(self.tables):
            if tables.grad is not None:
                self.get_buffer(f"visits{number}").add_(tables.grad.any(-1), alpha=steps)

    def bank(self, name: str, training: Mapping[str, Any]) -> LutBank:
        """The tables, rounded, as a bank."""
        template = self.template
        arrays = {}
        shape = (template.nodes,) * 4
        for number, (keys, tables) in enumerate(zip(self.keys, self.tables, strict=True)):
            start, visits = self.get_buffer(f"start{number}"), self.get_buffer(f"visits{number}")
            change = (tables.detach() - start).unflatten(1, shape)
            settled = start + settle(change, visits.unflatten(1, shape)).flatten(1, 4)
            if number in self._held:
                self._hold(number, settled)
            entries = torch.round(settled).clamp(-ENTRY_BIAS, ENTRY_BIAS).to(torch.int8)
            for key, table in zip(keys, entries.cpu().numpy(), strict=True):
                arrays[key] = table.reshape(template.tables[key].shape)
        return LutBank(
            name,
            template.kind,
            template.interval,
            template.patterns,
            template.stages,
            arrays,
            training,
        )


def _keeps_constants(bank: LutBank, number: int) -> bool:
    """Whether a pre-filter stage gives every flat area its own level back."""
    nodes, spec = np.arange(bank.nodes), bank.stages[number]
    total = np.zeros(bank.nodes, np.int64)
    for read in bank.reads(number):
        total += bank.tables[read.table][nodes, nodes, nodes, nodes, 0]
    (divisor,), (bias,) = spec.divisor, spec.bias
    return bool((total + bias * divisor == nodes * bank.interval * divisor).all())


def _has_level_residuals(bank: LutBank) -> bool:
    """Whether the residual of every flat area is zero."""
    last, column = len(bank.stages) - 1, bank.kind.values.index("residual")
    nodes = np.arange(bank.nodes)
    return all(
        (bank.tables[read.table][nodes, nodes, nodes, nodes, column] == 0).all()
        for read in bank.reads(last)
    )
