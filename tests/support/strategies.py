"""What tests draw by hypothesis: shapes, scales, images, maps, and what the backends' steps take.

Arrays are made of drawn seeds, which hypothesis shrinks faster than arrays.
"""

import numpy as np
from hypothesis import strategies as st

from lerf_core.bank import KINDS
from lerf_core.choices import BORDER_MODES

__all__ = [
    "BORDER_MODES",
    "DTYPES",
    "KINDS",
    "SCALES",
    "SEEDS",
    "SHAPES",
    "holed",
    "homographies",
    "images",
    "levels",
    "packed_levels",
    "positions",
    "validities",
    "wild_fields",
]

DTYPES = ("uint8", "uint16", "float16", "float32", "float64")
SEEDS = st.integers(0, 9999)
SIDES = st.integers(1, 24)
SHAPES = st.tuples(SIDES, SIDES)
SCALES = st.one_of(st.sampled_from([1.0, 2.0, 3.0, 4.0, 5.0, 0.5]), st.floats(0.2, 5.0))
ENTRIES = st.floats(-2, 2)
TILTS = st.floats(-0.05, 0.05)


def _values(rng, shape, content):
    """Return values of 0..1: noise, few extreme levels, a ramp, or one value."""
    if content == "noise":
        return rng.random(shape)
    if content == "extremes":
        return rng.choice([0, 1 / 255, 128 / 255, 254 / 255, 1], shape)
    if content == "ramp":
        return np.broadcast_to(
            np.linspace(0, 1, shape[1])[(None, ...) + (None,) * len(shape[2:])], shape
        )
    return np.full(shape, rng.random())


@st.composite
def images(draw, dtype, *, channels=None, shapes=SHAPES):
    """Images of a dtype over its whole value range, floats also a little beyond 0..1."""
    shape = draw(shapes)
    if channels is not None:
        shape = (*shape, draw(channels) if isinstance(channels, st.SearchStrategy) else channels)
    content = draw(st.sampled_from(["noise", "noise", "extremes", "ramp", "constant"]))
    values = _values(np.random.default_rng(draw(SEEDS)), shape, content)
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return (values * 1.4 - 0.2).astype(dtype)
    return (values * np.iinfo(dtype).max).round().astype(dtype)


def holed(image, seed):
    """Return a float image with some values missing; others as they are."""
    if image.dtype.kind != "f":
        return image
    rng = np.random.default_rng(seed)
    holes = rng.random(image.shape) < 0.1
    return np.where(holes, rng.choice([np.nan, np.inf]), image).astype(image.dtype)


@st.composite
def homographies(draw):
    """Inverse matrices that enlarge, shrink, turn, mirror and tilt."""
    a, b, c, d = (draw(ENTRIES) for _ in range(4))
    matrix = np.array([[1 + a, b, 3.3], [c, 1 + d, -2.1], [draw(TILTS), draw(TILTS), 1]])
    return np.eye(3) if abs(np.linalg.det(matrix)) < 1e-3 else matrix


@st.composite
def wild_fields(draw, shapes):
    """Fields of source positions or displacements, some of them not finite or far away."""
    shape = draw(shapes)
    rng = np.random.default_rng(draw(SEEDS))
    field = rng.normal(0, draw(st.sampled_from([0.1, 1.0, 6.0, 1e3])), (2, *shape))
    wild = rng.random(field.shape) < 0.02
    field[wild] = rng.choice([np.nan, np.inf, -np.inf, 1e300, 1e30, -1e20, -0.5], wild.sum())
    return field


@st.composite
def whole_fields(draw, shapes):
    """Fields of source positions that are whole in blocks, and some of them not quite."""
    shape = draw(shapes)
    rng = np.random.default_rng(draw(SEEDS))
    side = draw(st.integers(1, 9))
    blocks = rng.integers(-3, 4, (2, *(-(-length // side) for length in shape)))
    steps = blocks.repeat(side, axis=1).repeat(side, axis=2)[:, : shape[0], : shape[1]]
    field = np.mgrid[: shape[0], : shape[1]] * draw(st.sampled_from([1, 1, -1, 2, 0])) + steps
    field = field + rng.choice([0, 0, 0, 1e-9, 1e-6, 0.2], (2, 1, shape[1]))
    if draw(st.booleans()):
        field = field[::-1]
    field[:, rng.random(shape) < draw(st.sampled_from([0, 0.1]))] = np.nan
    return field


# -- what the backends' steps take ------------------------------------------------------


def levels(rng, shape, dtype, *, extreme=False):
    """Return grey levels as uint8 or float32: of 0..255, or few extreme ones."""
    if extreme:
        return rng.choice([0, 1, 128, 254, 255], shape).astype(dtype)
    values = rng.uniform(0, 255, shape)
    return np.rint(values).astype(np.uint8) if dtype == np.uint8 else values.astype(np.float32)


def packed_levels(rng, kind, shape, dtype, *, extreme=False):
    """Return packed parameters of a bank kind, (*shape, slots); slots left over hold anything."""
    slots = {"lerf-l": 2, "lerf-g": 4, "lerf-p": 8}[kind]
    packed = levels(rng, (*shape, slots), dtype, extreme=extreme)
    if kind == "lerf-p":  # slopes and residuals are never below 1
        packed[..., 4:7] = np.maximum(packed[..., 4:7], 1)
    return packed


def validities(rng, shape):
    """Return validities with many zeros and ones."""
    return rng.choice([0, 0, 0.3, 1], shape).astype(np.float32)


def positions(rng, shape, out_shape):
    """Return (row, col): inside, on pixels, a hair beside them, at the border, and far outside."""
    result = []
    for size in shape:
        position = rng.uniform(-1.5, size + 0.5, out_shape)
        choice = rng.random(out_shape)
        on_pixels = choice < 0.2
        position[on_pixels] = np.round(position[on_pixels])
        beside = (choice > 0.2) & (choice < 0.3)
        position[beside] = np.round(position[beside]) + rng.normal(0, 2e-7, beside.sum())
        far = choice > 0.98
        position[far] = rng.normal(0, 1e6, far.sum())
        if rng.random() < 0.5:  # whole segments inside
            half = slice(len(position) // 2, None)
            position[half] = np.clip(position[half], min(0.1, size / 2), max(size - 1.1, 0))
        result.append(position)
    return result
