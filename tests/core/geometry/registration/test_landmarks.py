"""Landmarks of every file, and what is fitted to them, beside scikit-image."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lerf_core.choices import LANDMARK_MODELS, THIN_PLATE
from lerf_core.errors import FileError, InvalidArgumentError
from lerf_core.geometry.estimation import MODELS
from lerf_core.geometry.registration import read_registration
from lerf_core.geometry.registration.thin_plate import ThinPlateSpline

SHAPE = (40, 60)


def pairs(count=8, seed=0):
    """Return moving and fixed points that no matrix relates."""
    rng = np.random.default_rng(seed)
    moving = rng.uniform(0, 50, (count, 2))
    fixed = moving @ [[1.1, 0.1], [-0.15, 0.9]] + [3, -2] + rng.normal(0, 1, (count, 2))
    return moving.round(3), fixed.round(3)


def big_warp(path, moving, fixed, z=None):
    lines = []
    for number, (first, second) in enumerate(zip(moving, fixed, strict=True)):
        points = [(*point, *([] if z is None else [z])) for point in (first, second)]
        words = [f"Pt-{number}", "true", *points[0], *points[1]]
        lines.append(",".join(f'"{word}"' for word in words))
    path.write_text("\n".join(lines))
    return path


def test_models_have_one_list():
    assert {*MODELS, THIN_PLATE} == set(LANDMARK_MODELS)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("similarity", "SimilarityTransform"),
        ("rigid", "EuclideanTransform"),
    ],
)
def test_matrices_take_moving_points_to_fixed_ones_by_least_squares(
    tmp_path, positions, model, name
):
    transform = pytest.importorskip("skimage.transform")
    moving, fixed = pairs()
    path = big_warp(tmp_path / "landmarks.csv", moving, fixed)
    expected = getattr(transform, name).from_estimate(moving, fixed)
    _, inverse_map = positions(path, SHAPE, model=model)
    np.testing.assert_allclose(inverse_map, np.linalg.inv(expected.params), atol=1e-9)


def test_affine_maps_are_the_least_squares(tmp_path, positions):
    moving, fixed = pairs()
    _, inverse_map = positions(big_warp(tmp_path / "landmarks.csv", moving, fixed), SHAPE)
    solution = np.linalg.lstsq(np.column_stack([moving, np.ones(8)]), fixed, rcond=None)[0]
    np.testing.assert_allclose(np.linalg.inv(inverse_map)[:2], solution.T, atol=1e-9)


def test_homographies_and_shifts(tmp_path, positions):
    transform = pytest.importorskip("skimage.transform")
    moving, fixed = pairs(4)
    path = big_warp(tmp_path / "landmarks.csv", moving, fixed)
    expected = transform.ProjectiveTransform.from_estimate(moving, fixed)
    _, inverse_map = positions(path, SHAPE, model="homography")
    inverse = np.linalg.inv(expected.params)
    np.testing.assert_allclose(inverse_map / inverse_map[2, 2], inverse / inverse[2, 2], atol=1e-7)
    _, inverse_map = positions(path, SHAPE, model="translation")
    np.testing.assert_allclose(inverse_map[:2, 2], (moving - fixed).mean(axis=0))


def test_thin_plate_splines_take_fixed_points_to_moving_ones(tmp_path, positions):
    """As SciPy's; scikit-image's equations are solved in float32, and agree to 1e-4."""
    interpolate = pytest.importorskip("scipy.interpolate")
    moving, fixed = pairs(12)
    path = big_warp(tmp_path / "landmarks.csv", moving, fixed)
    expected = interpolate.RBFInterpolator(fixed, moving, kernel="thin_plate_spline", degree=1)
    found, _ = positions(path, SHAPE, model=THIN_PLATE)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    points = expected(np.stack([x.ravel(), y.ravel()], axis=1))
    np.testing.assert_allclose(found, points.T[::-1].reshape(2, *SHAPE), atol=1e-9)


def test_thin_plate_splines_meet_their_points():
    source, target = pairs(30)
    spline = ThinPlateSpline.through(source * 1e4, target)
    np.testing.assert_allclose(np.stack(spline(*(source * 1e4).T), axis=1), target, atol=1e-9)


def test_physical_units(tmp_path, positions):
    """Landmarks in micrometres, of images with other pixels."""
    moving, fixed = pairs()
    in_pixels, _ = positions(big_warp(tmp_path / "pixels.csv", moving, fixed), SHAPE)
    path = big_warp(tmp_path / "units.csv", moving * 0.5 + 3, fixed * [2, 3])
    found, _ = positions(
        path, SHAPE, pixel_size=(0.5, 0.5), origin=(3, 3), output_pixel_size=(2, 3)
    )
    np.testing.assert_allclose(found, in_pixels, atol=1e-9)


def test_the_other_image(tmp_path, positions):
    moving, fixed = pairs()
    swapped, _ = positions(big_warp(tmp_path / "a.csv", moving, fixed), SHAPE, inverse=True)
    written, _ = positions(big_warp(tmp_path / "b.csv", fixed, moving), SHAPE)
    np.testing.assert_array_equal(swapped, written)


def test_notes_say_how_well_they_are_met(tmp_path):
    moving = np.array([(0, 0), (10, 0), (0, 10), (10, 10.0)])
    path = big_warp(tmp_path / "landmarks.csv", moving, moving + [(0, 0), (0, 0), (0, 0), (4, 0)])
    (note,) = read_registration(path).notes
    assert "4 landmarks, affine: off by 1 (root mean square), most at Pt-" in note
    (note,) = read_registration(path, model=THIN_PLATE).notes
    assert note.endswith("4 landmarks, met exactly")
    (note,) = read_registration(path, model="homography").notes  # four points fix one
    assert note.endswith("4 landmarks, homography: met exactly")


def test_a_landmark_alone(tmp_path):
    path = big_warp(tmp_path / "landmarks.csv", np.ones((1, 2)), np.zeros((1, 2)))
    (note,) = read_registration(path, model="translation").notes
    assert note.endswith("1 landmark, translation: met exactly")


# -- files --------------------------------------------------------------------------------


def test_every_file_says_the_same(tmp_path, positions):
    moving, fixed = pairs(6)
    wanted, _ = positions(big_warp(tmp_path / "2d.csv", moving, fixed), SHAPE)
    files = {"3d.csv": big_warp(tmp_path / "3d.csv", moving, fixed, z=0.0)}
    off = '"Pt-9","false","1.0","2.0","Infinity","Infinity"\n'
    files["off.csv"] = tmp_path / "off.csv"
    files["off.csv"].write_text(off + (tmp_path / "2d.csv").read_text())
    rows = np.hstack([moving, fixed]).tolist()
    files["bunwarpj.txt"] = tmp_path / "bunwarpj.txt"
    files["bunwarpj.txt"].write_text(
        "Index\txSource\tySource\txTarget\tyTarget\n"
        + "".join(f"{n}\t" + "\t".join(map(str, row)) + "\n" for n, row in enumerate(rows))
    )
    for name, separator in (("plain.txt", " "), ("plain.csv", ","), ("plain.tsv", "\t")):
        files[name] = tmp_path / name
        files[name].write_text("# x y x y\n" + "\n".join(separator.join(map(str, r)) for r in rows))
    files["landmarks.json"] = tmp_path / "landmarks.json"
    table = {
        "type": "BigWarpLandmarks", "numDimensions": 2,
        "movingPoints": [*moving.tolist(), [0, 0]], "fixedPoints": [*fixed.tolist(), [9, 9]],
        "active": [True] * 6 + [False], "names": [f"Pt-{n}" for n in range(7)],
    }  # fmt: skip
    files["landmarks.json"].write_text(json.dumps(table))
    files["project.json"] = tmp_path / "project.json"
    files["project.json"].write_text(json.dumps({"landmarks": table, "Sources": {}}))
    for path in files.values():
        found, _ = positions(path, SHAPE)
        np.testing.assert_allclose(found, wanted, atol=1e-9, err_msg=str(path))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('"Pt-0","true","1","2","3","x"', "is not 4 numbers"),
        ('"Pt-0","false","1","2","3","4"', "no landmarks that are switched on"),
        ('"Pt-0","true","1","2","3","Infinity"', "not finite"),
        ('"a","true","1","2","0","3","4","0"\n"b","true","1","3","5","3","4","0"', "three dimens"),
        ('"a","true","1","2","0","3"\n"b","true","1"', "line 2: 6 columns are landmarks"),
        ("mapX,mapY,sourceX,sourceY,enable\n1,2,3,4,1", "control points of QGIS"),
        ("1 2 3 4\n1 2 3", "is not 4 numbers"),
        ("1 2 3 4\n5 6 7 8", "affine needs at least 3 pairs"),
        ("1 1 1 1\n2 2 2 2\n3 3 3 3\n4 4 4 4", "they lie on a line"),
        ('{"movingPoints": [[1, 2]], "fixedPoints": []}', "do not pair up"),
        ('{"movingPoints": [[1, 2]], "fixedPoints": [[1]]}', "not two axes each"),
    ],
)
def test_files_that_are_refused(tmp_path, text, words):
    path = tmp_path / "landmarks"
    path.write_text(text)
    with pytest.raises(FileError, match=words) as caught:
        read_registration(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([(0, 0), (1, 1)], "at least 3 pairs"),
        ([(0, 0), (1, 1), (2, 2)], "on a line"),
        ([(0, 0), (0, 0), (2, 2), (3, 1)], "two points at one place"),
    ],
)
def test_points_that_fix_no_spline(points, words):
    with pytest.raises(InvalidArgumentError, match=words):
        ThinPlateSpline.through(points, points)
