"""The banks that trainings begin with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lerf_core.bank import (
    KINDS,
    LOCAL_PLANE,
    QUARTER_TURNS,
    LutBank,
    analytic_bank,
    table_name,
    two_stages,
)
from lerf_core.choices import SAMPLING_INTERVALS
from lerf_core.constants import LOCAL_PLANE_BIAS
from lerf_core.errors import InvalidArgumentError

__all__ = ["starting_bank"]

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
    if interval not in SAMPLING_INTERVALS:
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
