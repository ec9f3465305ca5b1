"""The analytic bank: what is known of resampling without any training."""

from __future__ import annotations

import numpy as np

from lerf_core.bank.files import table_name
from lerf_core.bank.model import LutBank
from lerf_core.bank.patterns import PATTERNS
from lerf_core.bank.stages import KINDS, two_stages
from lerf_core.constants import ENTRY_BIAS, LEVELS
from lerf_core.errors import InvalidArgumentError

__all__ = ["analytic_bank"]


def analytic_bank(sigma: float = 0.27) -> LutBank:
    """Compute the untrained LeRF-G bank: a fixed Gaussian interpolator.

    Stage 1 is the identity: the 12 reads of a quarter of the pixel's level, over 3. Stage
    2 is one constant: rho 0 (-1/255, the nearest value a table can say) and `sigma` in
    both directions.

    Parameters
    ----------
    sigma : float
        The sigma parameter in 0..1; a neighbour at distance d pixels weighs
        ``exp(-(10 * sigma * d)**2 / 2)``. The default scores best on photographs
        (0.255 to 0.27 are within 0.01 dB) among those that shift a ramp by less than 0.01
        source pixels at every scale: a narrower one gives neighbours one pixel away, of
        which the method takes only the first, too much weight.

    Raises
    ------
    InvalidArgumentError
        If sigma lies outside 0..0.99.

    Examples
    --------
    >>> analytic_bank().kind.name
    'lerf-g'
    """
    if not 0 <= sigma <= 0.99:
        raise InvalidArgumentError(f"sigma must lie in 0..0.99, got {sigma}")
    kind = KINDS["lerf-g"]
    stages = two_stages(kind, tuple(PATTERNS))
    nodes = 17
    quarter_of_level = np.arange(nodes, dtype=np.int8) * 4
    parameters = np.array([0, *[round(sigma * LEVELS) - ENTRY_BIAS] * 2], dtype=np.int8)
    entries = (quarter_of_level[:, None, None, None, None], parameters)
    tables = {
        table_name(number, pattern, group): np.broadcast_to(
            entry, (nodes,) * 4 + (len(stage.values),)
        )
        for number, (stage, entry) in enumerate(zip(stages, entries, strict=True), 1)
        for pattern in stage.patterns
        for group in range(len(stage.rotation_groups))
    }
    training = {"method": "analytic", "sigma": sigma}
    return LutBank("analytic", kind, 16, PATTERNS, stages, tables, training)
