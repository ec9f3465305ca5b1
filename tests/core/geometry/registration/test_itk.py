"""Transforms and fields of ITK, beside what SimpleITK does with them."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lerf_core
from lerf_core.errors import FileError, InvalidArgumentError
from lerf_core.geometry.registration import read_registration, read_registrations

with warnings.catch_warnings():  # of SWIG, in newer Pythons
    warnings.simplefilter("ignore")
    sitk = pytest.importorskip("SimpleITK")

PHOTOGRAPH = Path(__file__).resolve().parents[4] / "examples" / "photos" / "chelsea.png"
SHAPE = (30, 40)
# Of the input and of the output.
PLACES = {
    "pixel_size": (0.5, 0.7), "origin": (3.0, -2.0),
    "output_pixel_size": (0.6, 0.4), "output_origin": (-1.0, 2.0),
}  # fmt: skip
TURNED = (np.cos(0.2), -np.sin(0.2), np.sin(0.2), np.cos(0.2))


def image(shape, spacing=(1, 1), origin=(0, 0), direction=(1, 0, 0, 1)):
    made = sitk.Image(shape[1], shape[0], sitk.sitkFloat32)
    made.SetSpacing(spacing)
    made.SetOrigin(origin)
    made.SetDirection(direction)
    return made


def sides(places):
    """Return the input and the output as images of ITK."""
    return (
        image(SHAPE, places.get("pixel_size", (1, 1)), places.get("origin", (0, 0))),
        image(SHAPE, places.get("output_pixel_size", (1, 1)), places.get("output_origin", (0, 0))),
    )


def by_itk(transform, source, target):
    """Return where ITK places the pixels of an output, (2, rows, cols)."""
    cols, rows = target.GetSize()
    out = np.empty((2, rows, cols))
    for row in range(rows):
        for col in range(cols):
            place = transform.TransformPoint(target.TransformIndexToPhysicalPoint((col, row)))
            out[:, row, col] = source.TransformPhysicalPointToContinuousIndex(place)[::-1]
    return out


def affine():
    transform = sitk.AffineTransform(2)
    transform.SetMatrix((1, 0.1, -0.2, 1.1))
    transform.SetCenter((5, 6))
    transform.SetTranslation((1, 2))
    return transform


def euler():
    return sitk.Euler2DTransform((1, 2), 0.3, (4, 5))


def b_spline():
    domain = image(SHAPE, (0.5, 0.7), (2, 1))
    transform = sitk.BSplineTransformInitializer(domain, (5, 4))
    steps = np.random.default_rng(0).normal(0, 2, len(transform.GetParameters()))
    transform.SetParameters(steps.tolist())
    return transform


def field_image(dtype=np.float64, components=2):
    steps = np.random.default_rng(1).normal(0, 2, (9, 11, components)).astype(dtype)
    steps[..., 2:] = 0
    made = sitk.GetImageFromArray(steps, isVector=True)
    made.SetSpacing((2.5, 2))
    made.SetOrigin((1, 3))
    made.SetDirection(TURNED)
    return made


def field():
    return sitk.DisplacementFieldTransform(sitk.Image(sitk.Cast(field_image(), 12)))


TRANSFORMS = {
    "affine": affine,
    "euler": euler,
    "similarity": lambda: sitk.Similarity2DTransform(1.2, 0.3, (4, 5), (1, 2)),
    "translation": lambda: sitk.TranslationTransform(2, (3, 4.5)),
    "scale": lambda: sitk.ScaleTransform(2, (1.5, 0.75)),
    "identity": lambda: sitk.Transform(2, sitk.sitkIdentity),
    "composite": lambda: sitk.CompositeTransform([affine(), euler()]),
    "b-spline": b_spline,
    "field": lambda: sitk.DisplacementFieldTransform(sitk.Image(field_image())),
    "affine-of-field": lambda: sitk.CompositeTransform(
        [affine(), sitk.DisplacementFieldTransform(sitk.Image(field_image()))]
    ),
}


@pytest.mark.parametrize("places", [{}, PLACES], ids=["pixels", "physical"])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_places_are_itks(tmp_path, positions, name, places):
    transform = TRANSFORMS[name]()
    sitk.WriteTransform(transform, str(tmp_path / "t.tfm"))
    found, inverse_map = positions(tmp_path / "t.tfm", SHAPE, **places)
    np.testing.assert_allclose(found, by_itk(transform, *sides(places)), atol=1e-9)
    is_matrix = name not in {"b-spline", "field", "affine-of-field"}
    assert isinstance(inverse_map, np.ndarray) == is_matrix


@pytest.mark.parametrize("name", ["affine", "euler", "similarity", "translation"])
def test_matlab_files_of_ants(tmp_path, positions, name):
    transform = TRANSFORMS[name]()
    sitk.WriteTransform(transform, str(tmp_path / "t.mat"))
    found, _ = positions(tmp_path / "t.mat", SHAPE)
    np.testing.assert_allclose(found, by_itk(transform, *sides({})), atol=1e-9)


def test_splines_are_as_near_as_asked(tmp_path, positions):
    sitk.WriteTransform(b_spline(), str(tmp_path / "t.tfm"))
    exact, _ = positions(tmp_path / "t.tfm", SHAPE, **PLACES)
    near, _ = positions(tmp_path / "t.tfm", SHAPE, max_error=0.05, **PLACES)
    off = np.hypot(*(near - exact)).max()
    assert 0 < off <= 0.05


@pytest.mark.parametrize("name", ["f.mha", "f.mhd", "compressed.mha", "f.nii", "f.nii.gz"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fields_lie_where_itk_lays_them(tmp_path, positions, name, dtype):
    if ".nii" in name:
        pytest.importorskip("nibabel")
    steps = field_image(dtype)
    sitk.WriteImage(steps, str(tmp_path / name), name.startswith("compressed"))
    transform = sitk.DisplacementFieldTransform(sitk.Cast(steps, sitk.sitkVectorFloat64))
    places = {"pixel_size": (0.5, 0.7), "origin": (3.0, -2.0)}
    found, _ = positions(tmp_path / name, SHAPE, **places)
    target = image((9, 11), (2.5, 2), (1, 3), TURNED)
    # NIfTI's directions are float32.
    np.testing.assert_allclose(found, by_itk(transform, sides(places)[0], target), atol=2e-6)


@pytest.mark.parametrize("intent", [1006, 1007])
def test_signs_of_nifti_vectors_are_as_itk_reads_them(tmp_path, intent):
    pytest.importorskip("nibabel")
    path = tmp_path / "f.nii"
    sitk.WriteImage(field_image(components=3), str(path))
    data = bytearray(path.read_bytes())
    data[68:70] = intent.to_bytes(2, "little")
    path.write_bytes(data)
    read = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))[..., :2]
    np.testing.assert_array_equal(read_registration(path).transform.field, read)
    assert (np.sign(read[0, 0]) == np.sign(sitk.GetArrayFromImage(field_image())[0, 0])).all() == (
        intent == 1007
    )


def test_a_field_and_an_affine_map_of_ants(tmp_path):
    """In the order of antsApplyTransforms: the field lies in the output's space."""
    sitk.WriteImage(field_image(), str(tmp_path / "1Warp.mha"))
    sitk.WriteTransform(affine(), str(tmp_path / "0GenericAffine.mat"))
    names = ("1Warp.mha", "0GenericAffine.mat")
    both = read_registrations([(tmp_path / name, False) for name in names])
    inverse_map, shape = both.for_image(SHAPE, pixel_size=(0.5, 0.7))
    assert shape == (9, 11)
    expected = by_itk(
        TRANSFORMS["affine-of-field"](), image(SHAPE, (0.5, 0.7)),
        image((9, 11), (2.5, 2), (1, 3), TURNED),
    )  # fmt: skip
    np.testing.assert_allclose(inverse_map.locate(0, 9, shape).positions, expected, atol=1e-9)


def test_images_are_resampled_as_by_itk(tmp_path):
    """A photograph, by linear interpolation, within the rounding of ITK's float32."""
    with Image.open(PHOTOGRAPH) as photograph:
        grey = np.asarray(photograph.convert("L"))[:256, :256] / np.float32(255)
    moving = sitk.GetImageFromArray(grey)
    moving.SetSpacing((0.5, 0.5))
    transform = sitk.CompositeTransform([sitk.Euler2DTransform((60, 60), 0.3, (4, 5)), b_spline()])
    sitk.WriteTransform(transform, str(tmp_path / "t.tfm"))
    target = image((200, 220), (0.55, 0.6), (3, 2))
    expected = sitk.GetArrayFromImage(
        sitk.Resample(moving, target, transform, sitk.sitkLinear, np.nan)
    )
    inverse_map, shape = read_registration(tmp_path / "t.tfm").for_image(
        grey.shape, pixel_size=(0.5, 0.5), output_shape=(200, 220),
        output_pixel_size=(0.55, 0.6), output_origin=(3, 2), max_error=0,
    )  # fmt: skip
    result = lerf_core.warp(
        grey, inverse_map, output_shape=shape, kernel="linear", anti_aliasing=False, cval=np.nan
    )
    both = np.isfinite(expected) & np.isfinite(result)
    assert both.mean() > 0.5
    assert np.abs(result - expected)[both].max() < 1e-3


# -- refusals -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("transform", "words"),
    [
        (sitk.AffineTransform(3), "AffineTransform_double_3_3, of 3 dimensions"),
        (sitk.CompositeTransform([sitk.Euler3DTransform()]), "3_3, of 3 dimensions"),
        (sitk.BSplineTransform(2, 2), "not supported"),
    ],
)
def test_transforms_that_are_refused(tmp_path, transform, words):
    sitk.WriteTransform(transform, str(tmp_path / "t.tfm"))
    with pytest.raises(FileError, match=words):
        read_registration(tmp_path / "t.tfm")


def test_hdf5_is_refused_in_words(tmp_path):
    sitk.WriteTransform(affine(), str(tmp_path / "t.h5"))
    with pytest.raises(FileError, match=r"HDF5 file: save the transform as text"):
        read_registration(tmp_path / "t.h5")


def test_volumes_are_no_fields(tmp_path):
    volume = sitk.Image((4, 4, 3), sitk.sitkVectorFloat32, 3)
    for name in ("v.mha", "v.nii"):
        if name == "v.nii":
            pytest.importorskip("nibabel")
        sitk.WriteImage(volume, str(tmp_path / name))
        with pytest.raises(FileError, match=r"v\.\w+ is of 4 x 4 x 3"):
            read_registration(tmp_path / name)


def test_steps_along_z_are_no_field_of_a_plane(tmp_path):
    steps = sitk.GetImageFromArray(np.ones((4, 5, 3)), isVector=True)
    sitk.WriteImage(steps, str(tmp_path / "f.mha"))
    with pytest.raises(FileError, match="has steps along z"):
        read_registration(tmp_path / "f.mha")


def test_a_field_that_ends_early(tmp_path):
    for name, compressed in (("f.mha", False), ("g.mha", True)):
        sitk.WriteImage(field_image(), str(tmp_path / name), compressed)
        data = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(data[:-300])
        with pytest.raises(FileError, match=r"ends early|cannot be decompressed"):
            read_registration(tmp_path / name)


def test_a_field_is_not_inverted(tmp_path):
    sitk.WriteImage(field_image(), str(tmp_path / "f.mha"))
    with pytest.raises(InvalidArgumentError, match="it is no matrix, and not inverted"):
        read_registration(tmp_path / "f.mha", inverse=True)
