"""Fixed kernels: their values by their authors' own formulas, and how they are named."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from lerf_core.choices import KERNEL_ALIASES, KERNEL_NAMES, LEARNED_KERNEL
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.sampling.kernels import KERNELS, Kernel, keys_kernel
from lerf_core.sampling.named_kernels import get_kernel

X = np.linspace(-5, 5, 4001)
SMOOTH = sorted(set(KERNELS) - {"nearest", "box", "area"})
SUM_UP_TO_1 = sorted(set(KERNELS) - {"lanczos2", "lanczos3", "lanczos4"})


def piecewise(x, *pieces):
    """Values of the first piece whose end |x| is below; 0 beyond the last."""
    x = np.abs(x)
    return np.select([x < end for end, _ in pieces], [value(x) for _, value in pieces], 0.0)


def keys(x, a):
    return piecewise(
        x,
        (1, lambda x: (a + 2) * x**3 - (a + 3) * x**2 + 1),
        (2, lambda x: a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a),
    )


def windowed_sinc(x, lobes):
    return np.where(np.abs(x) < lobes, np.sinc(x) * np.sinc(x / lobes), 0)


PUBLISHED = {
    "linear": lambda x: piecewise(x, (1, lambda x: 1 - x)),
    "hermite": lambda x: piecewise(x, (1, lambda x: 2 * x**3 - 3 * x**2 + 1)),
    "cubic": lambda x: keys(x, -0.5),
    "catmull-rom": lambda x: keys(x, -0.5),
    # Mitchell and Netravali's own figures for b = c = 1/3.
    "mitchell": lambda x: piecewise(
        x,
        (1, lambda x: (7 * x**3 - 12 * x**2 + 16 / 3) / 6),
        (2, lambda x: (-7 / 3 * x**3 + 12 * x**2 - 20 * x + 32 / 3) / 6),
    ),
    "lanczos2": lambda x: windowed_sinc(x, 2),
    "lanczos3": lambda x: windowed_sinc(x, 3),
    "lanczos4": lambda x: windowed_sinc(x, 4),
    # Costella's piecewise polynomials.
    "magic-kernel-sharp-2013": lambda x: piecewise(
        x,
        (0.5, lambda x: 17 / 16 - 7 / 4 * x**2),
        (1.5, lambda x: x**2 - 11 / 4 * x + 7 / 4),
        (2.5, lambda x: -((x - 5 / 2) ** 2) / 8),
    ),
    "magic-kernel-sharp-2021": lambda x: piecewise(
        x,
        (0.5, lambda x: 577 / 576 - 239 / 144 * x**2),
        (1.5, lambda x: (140 * x**2 - 379 * x + 239) / 144),
        (2.5, lambda x: -(24 * x**2 - 113 * x + 130) / 144),
        (3.5, lambda x: (4 * x**2 - 27 * x + 45) / 144),
        (4.5, lambda x: -((2 * x - 9) ** 2) / 1152),
    ),
}


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("filter_scale", [1.0, 2.5])
def test_kernels_have_the_published_values(name, filter_scale):
    weights = KERNELS[name].weights(X, filter_scale)
    assert weights.dtype == np.float64
    np.testing.assert_allclose(weights, PUBLISHED[name](X / filter_scale), atol=1e-14)


@pytest.mark.parametrize("name", SMOOTH)
def test_kernels_are_symmetric_and_end_at_their_radius(name):
    kernel = KERNELS[name]
    np.testing.assert_array_equal(kernel.weights(X, 1.0), kernel.weights(-X, 1.0))
    edge = kernel.radius + np.array([0.0, 1e-9, 1.0])
    np.testing.assert_allclose(kernel.weights(edge, 1.0), 0, atol=1e-15)
    assert abs(kernel.weights(np.array([kernel.radius - 0.1]), 1.0)[0]) > 1e-5
    assert kernel.support(3.0) == 3 * kernel.radius


@pytest.mark.parametrize("name", SUM_UP_TO_1)
def test_weights_of_a_row_of_pixels_sum_up_to_1(name):
    positions = np.linspace(0, 1, 33)[:, None] - np.arange(-6, 8)
    weights = KERNELS[name].weights(positions, 1.0)
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-14)


@pytest.mark.parametrize(
    "name", ["linear", "hermite", "cubic", "lanczos2", "lanczos3", "lanczos4", "box", "nearest"]
)
def test_kernels_that_interpolate_are_0_at_all_other_pixels_exactly(name):
    weights = KERNELS[name].weights(np.arange(-5.0, 6), 1.0)
    np.testing.assert_array_equal(weights, np.arange(-5, 6) == 0)


def test_the_box_takes_the_later_of_two_pixels_at_its_ends_and_nearest_the_first():
    ends = np.array([-0.5, 0.5])  # the pixel before the position, the pixel after
    assert KERNELS["box"].weights(ends, 1.0).tolist() == [0, 1]
    assert KERNELS["nearest"].weights(ends, 1.0).tolist() == [1, 0]
    assert KERNELS["box"].weights(np.array([-1.4, 1.6]), 3.0).tolist() == [1, 0]
    assert KERNELS["nearest"].weights(np.array([0.4, 0.6]), 3.0).tolist() == [1, 0]


@pytest.mark.parametrize("width", [0.3, 1.0, 1.7, 4.0])
def test_area_is_what_output_and_source_pixel_have_in_common(width):
    position = 2.37
    pixel = np.arange(-3, 9)
    low = np.maximum(position - width / 2, pixel - 0.5)
    high = np.minimum(position + width / 2, pixel + 0.5)
    weights = KERNELS["area"].weights(pixel - position, width)
    np.testing.assert_allclose(weights, np.maximum(high - low, 0), atol=1e-14)
    reach = np.abs(position - pixel)[weights > 0].max()
    assert reach < KERNELS["area"].support(width) == (width + 1) / 2


def test_the_filter_scale_of_an_axis_is_its_own():
    cubic, area = KERNELS["cubic"], KERNELS["area"]
    assert cubic.filter_scale(0.25, anti_aliasing=True) == 4
    assert cubic.filter_scale(0.25, anti_aliasing=False) == 1
    assert cubic.filter_scale(2.0, anti_aliasing=True) == 1
    assert area.filter_scale(0.25, anti_aliasing=True) == 4
    assert area.filter_scale(0.25, anti_aliasing=False) == 1
    assert area.filter_scale(4.0, anti_aliasing=True) == 0.25


def test_cubic_has_parameters():
    for b, c in [(0, 0.75), (1, 0), (0.2, 0.4)]:
        kernel = get_kernel(f"cubic:b={b},c={c}")
        assert kernel.parameters == (("b", b), ("c", c))
        np.testing.assert_allclose(kernel.weights(X, 1.0)[2000], (6 - 2 * b) / 6)
    assert get_kernel("cubic:c=0.75") == keys_kernel(-0.75)
    np.testing.assert_allclose(keys_kernel(-0.75).weights(X, 1.0), keys(X, -0.75), atol=1e-14)
    assert get_kernel("cubic:b=0.3333333333333333,c=0.3333333333333333").weights(
        X, 1.0
    ).tolist() == (KERNELS["mitchell"].weights(X, 1.0).tolist())


def test_names_and_aliases():
    assert (*KERNELS, LEARNED_KERNEL) == KERNEL_NAMES
    for alias, name in KERNEL_ALIASES.items():
        assert get_kernel(alias) is KERNELS[name]
    assert get_kernel(KERNELS["box"]) is KERNELS["box"]


@pytest.mark.parametrize(
    "name",
    ["", "sinc", "Cubic", "cubic:", "cubic:a=1", "cubic:b=x", "cubic:b", "cubic:b=nan",
     "cubic:b=inf", "mitchell:b=0.2", "lanczos3:", "lanczos5", "linear:b=0"],
)  # fmt: skip
def test_other_names_are_refused_with_the_name(name):
    with pytest.raises(InvalidArgumentError, match=f"got {name!r}"):
        get_kernel(name)


@pytest.mark.parametrize("value", [3, ("cubic",), b"cubic", True])
def test_other_types_are_refused(value):
    with pytest.raises(InvalidTypeError, match="kernel must be a name or a Kernel"):
        get_kernel(value)


@pytest.mark.parametrize("kernel", [*KERNELS.values(), keys_kernel(-0.75)], ids=str)
def test_kernels_pickle_and_have_a_token_of_their_own(kernel):
    tokenize = pytest.importorskip("dask.base").tokenize
    again = pickle.loads(pickle.dumps(kernel))
    assert again == kernel
    assert hash(again) == hash(kernel)
    assert get_kernel(str(kernel)) == kernel
    assert tokenize(again) == tokenize(kernel)
    others = [other for other in KERNELS.values() if other != kernel]
    assert tokenize(kernel) not in [tokenize(other) for other in others]


def tent(distance):
    return np.maximum(2 - np.abs(distance), 0)


def test_tokens_tell_functions_of_ones_own_apart():
    tokenize = pytest.importorskip("dask.base").tokenize
    kernels = [Kernel("own", 1.0, lambda x, p=power: np.abs(1 - x) ** p) for power in (1, 2)]
    assert tokenize(kernels[0]) != tokenize(kernels[1])


@pytest.mark.parametrize("radius", [0, -1, np.inf, np.nan])
def test_a_kernel_reaches_somewhere(radius):
    with pytest.raises(InvalidArgumentError, match="radius of a kernel must be positive"):
        Kernel("own", radius, tent)
    with pytest.raises(InvalidTypeError, match="must be callable, got 3"):
        Kernel("own", 1.0, 3)


def test_a_kernel_of_ones_own_is_a_function_and_a_radius():
    kernel = Kernel("tent", 2.0, tent)
    assert kernel.weights(np.array([0.0, 3.0]), 2.0).tolist() == [2, 0.5]
    assert pickle.loads(pickle.dumps(kernel)) == kernel
