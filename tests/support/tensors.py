"""What tests of differentiable functions of tensors share."""

import numpy as np
import torch

from lerf_core.backends.torch.table_reads import StageReads, stage_tables


def stage_of(bank, stage):
    """The stage's tables as (tables, nodes**4, values), not whole, and its reads."""
    tables = stage_tables(bank)[stage].float()
    noise = torch.rand(tables.shape, generator=torch.Generator().manual_seed(1)) - 0.5
    return tables + noise, StageReads.of(bank, stage)


def levels(shape, seed=0, choices=None):
    """Whole grey levels at random, of all or of some."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 256, shape) if choices is None else rng.choice(choices, shape)
    return torch.from_numpy(values.astype(np.float32))


def gradients(function, *inputs):
    """Value and the gradients of a fixed random projection of it."""
    inputs = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    value = function(*inputs)
    generator = torch.Generator().manual_seed(5)
    weight = torch.randn(value.shape, generator=generator).to(value)
    (value * weight).sum().backward()
    return [value.detach(), *[tensor.grad for tensor in inputs]]


def assert_near(mine, theirs, scale=2e-5):
    """Equal but for the rounding of float32 sums."""
    for left, right in zip(mine, theirs, strict=True):
        size = max(1.0, float(right.abs().max()))
        assert float((left.to(right) - right).abs().max()) <= scale * size


def sample_points(kind, *, batch=2, rows=5, cols=7, points=60, seed=0, offsets=None):
    """Feature, parameters, and points on all neighbours from -1 on."""
    rng = np.random.default_rng(seed)
    feature = rng.uniform(0, 255, (batch, rows, cols)).astype(np.float32)
    parameters = rng.uniform(0, 255, (batch, rows, cols, len(kind.values)))
    first = np.stack([rng.integers(-1, size, (batch, points)) for size in (rows, cols)], -1)
    if offsets is None:
        offset = rng.uniform(1e-6, 1, (batch, points, 2))
    else:
        offset = rng.choice(np.array(offsets, np.float32), (batch, points, 2))
    return (
        torch.from_numpy(feature),
        torch.from_numpy(parameters.astype(np.float32)),
        torch.from_numpy(first.astype(np.int32)),
        torch.from_numpy(offset.astype(np.float32)),
    )
