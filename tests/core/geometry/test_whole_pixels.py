import numpy as np
import pytest

from lerf_core.geometry import Homography, as_inverse_map, moves_pixels
from lerf_core.geometry.whole_pixels import copied_pixels, pixel_tolerance

SHAPE = (30, 41)


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        (np.eye(3), True),
        (-7 * np.eye(3), True),
        ([[0, -1, 5], [1, 0, -3]], True),
        ([[-1, 0, 9], [0, 1, 0]], True),
        ([[0, 1, 0], [1, 0, 0]], True),
        ([[1, 1, 0], [0, 1, 0]], True),  # rows slide by whole pixels
        (np.eye(3) + 1e-9, True),
        ([[1, 0, 0.5], [0, 1, 0]], False),
        ([[1, 0, 1e-3], [0, 1, 0]], False),
        ([[1 + 1e-4, 0, 0], [0, 1, 0]], False),
        ([[2, 0, 0], [0, 1, 0]], False),
        ([[1, 1, 0], [-1, 1, 0]], False),
        ([[1, 0, 0], [0, 1, 0], [1, 0, 1]], False),
        ([[1, 0, 0], [0, 1, 0], [1e-5, 0, 1]], False),
        ([[1, 0, 3], [0, 1, 0], [1, 0, 0]], False),
    ],
)
def test_matrices_that_move_whole_pixels(matrix, expected):
    assert moves_pixels(matrix, SHAPE) is expected
    mapping = Homography.from_inverse(matrix, SHAPE)
    assert mapping.moves_pixels is expected
    positions, footprints, copied = mapping.locate(0, 4, (4, 9))
    assert (copied is not None) is expected
    if expected:
        assert copied.all()
        np.testing.assert_array_equal(positions, np.rint(positions))
        assert (footprints == 1).all()


def test_a_matrix_is_whole_to_what_float32_can_say():
    # A quarter turn about the centre, as float32 has it: its cosine is -4.4e-8.
    angle = np.float32(np.pi / 2)
    cos, sin = np.cos(angle), np.sin(angle)
    for side in (9, 301, 4097):
        centre = np.float32((side - 1) / 2)
        turn = np.array(
            [[cos, sin, centre - cos * centre - sin * centre],
             [-sin, cos, centre + sin * centre - cos * centre]], np.float32,
        )  # fmt: skip
        assert moves_pixels(turn, (side, side))
    # The same deviation counts where the output is large, and not where it is small.
    slow = np.diag([1 + 1e-6, 1, 1])
    assert moves_pixels(slow, (100, 100), (50, 40))
    assert not moves_pixels(slow, (100, 100), (50, 400))


def _copied(field):
    field = np.asarray(field, float)
    mask = copied_pixels(field, (0, 0), field.shape[1:], pixel_tolerance(SHAPE))
    return np.zeros(field.shape[1:], bool) if mask is None else mask


Y, X = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
RNG = np.random.default_rng(5)

WHOLE_FIELDS = {
    "identity": (Y, X),
    "nearly": (Y * (1 + 1e-9), X + 1e-6),
    "mirror": (SHAPE[0] - 1 - Y, X),
    "transpose": (X[:, :30], Y[:, :30]),
    "rolled": ((Y + 3) % SHAPE[0], (X - 7) % SHAPE[1]),
    "blocks": [Y, X] + RNG.integers(-9, 9, (2, 10, 14)).repeat(3, 1).repeat(3, 2)[..., :41],
    "rows slide": (Y, X + RNG.integers(-4, 5, (30, 1))),
    "columns slide": (Y + RNG.integers(-4, 5, (1, 41)), X),
    "odd rows slide": (Y, X + 2 * (Y % 2)),
    "repeated": (Y // 2, X // 3),
    "a point": (np.full((1, 1), 5.0), np.full((1, 1), 7.0)),
    "a row": (np.full((1, 9), 5.0), np.arange(9.0)[None]),
    "a column": (np.arange(9.0)[:, None], np.full((9, 1), 5.0)),
    "far outside": (Y - 1000, X + 5000),
}  # fmt: skip
OTHER_FIELDS = {
    "half a pixel": (Y, X + 0.5),
    "enlarged": (Y / 2, X / 2),
    "enlarged along rows": (Y, X / 3),
    "shrunk": (Y * 2, X * 2),
    "shrunk along rows": (Y, X * 2),
    "shrunk within a row": (np.full((1, 9), 5.0), np.arange(9.0)[None] * 2),
    "shrunk and turned": (Y + X, X - Y),
    "turned": (0.8 * Y + 0.6 * X, -0.6 * Y + 0.8 * X),
    "nowhere": (Y * np.nan, X),
    "moved by a thousandth": (Y + 1e-3, X),
}


@pytest.mark.parametrize("name", WHOLE_FIELDS)
def test_fields_that_go_from_pixel_to_pixel(name):
    assert _copied(np.stack(WHOLE_FIELDS[name])).all()


@pytest.mark.parametrize("name", OTHER_FIELDS)
def test_other_fields(name):
    assert not _copied(np.stack(OTHER_FIELDS[name])).any()


def test_a_field_may_move_whole_pixels_in_parts():
    step = np.where(X > 20, 0.3, 0)
    np.testing.assert_array_equal(_copied((Y + step, X)), X <= 20)
    holes = RNG.random(SHAPE) < 0.2
    np.testing.assert_array_equal(_copied((np.where(holes, np.nan, Y), X)), ~holes)
    # One pixel that lies on another, among others that do not.
    field = np.stack([Y, X]) + 0.25
    field[:, 5, 5] = 9
    assert not _copied(field).any()


def test_a_matrix_and_its_field_agree():
    for matrix in ([[0, 1, 2], [-1, 0, 40], [0, 0, 1]], [[1, 2, 0], [0, 1, 1], [0, 0, 1]]):
        mapping = Homography.from_inverse(matrix, SHAPE)
        exact = mapping.locate(0, 30, SHAPE)
        field, _ = as_inverse_map(exact.positions, SHAPE, None)
        for ours, theirs in zip(
            field.locate(3, 20, SHAPE), mapping.locate(3, 20, SHAPE), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
