"""A front that is known by its results scores as the front itself."""

import numpy as np
import pytest
from lerf_training.data.benchmark_sets import find_scale_pairs, find_warp_pairs
from lerf_training.errors import DatasetError
from lerf_training.evaluation.methods import bank_method, load_evaluated_front, method_of_bank
from lerf_training.evaluation.running import evaluate_scale, evaluate_warp
from lerf_training.evaluation.stored_front import StoredFront
from PIL import Image
from support.fronts import ConvolutionFront

import lerf_core
from lerf_core.errors import FrontError

FRONT = ConvolutionFront(2, colours=True)


def images_of(folder):
    return {
        path.relative_to(folder): np.asarray(Image.open(path))
        for path in sorted(folder.rglob("*.png"))
        if "HR" not in path.parts
    }


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def store(folder, sets, front=FRONT):
    """Write the enlargements of the inputs of sets."""
    for place, pixels in images_of(sets).items():
        planes = np.ascontiguousarray(np.moveaxis(pixels, -1, 0))
        write(folder / place, np.moveaxis(front.enlarge(planes, 1), 0, -1))
    return folder


@pytest.fixture
def sets(tmp_path):
    """A folder of one set at x2, x3 and x1.5x2."""
    folder, rng = tmp_path / "bench", np.random.default_rng(7)
    sizes = {"HR": (36, 42), "LR_bicubic/rrLR_X2.00_2.00": (18, 21)}
    sizes |= {"LR_bicubic/rrLR_X3.00_3.00": (12, 14), "LR_bicubic/rrLR_X2.00_1.50": (18, 28)}
    for part, shape in sizes.items():
        for name in ("a", "b"):
            write(folder / "SetA" / part / f"{name}.png",
                  rng.integers(0, 256, (*shape, 3), np.uint8))  # fmt: skip
    return folder


@pytest.fixture
def warps(tmp_path):
    torch = pytest.importorskip("torch")
    folder, rng = tmp_path / "warps", np.random.default_rng(8)
    matrix = np.array([[2.1, 0.2, 3], [-0.1, 1.9, 2], [0.001, 0.002, 1]])
    write(folder / "SetC" / "HR" / "a.png", rng.integers(0, 256, (40, 50, 3), np.uint8))
    write(folder / "SetC" / "isc" / "a.png", rng.integers(0, 256, (20, 26, 3), np.uint8))
    torch.save(torch.from_numpy(matrix), folder / "SetC" / "isc" / "a.pth")
    return folder


@pytest.mark.parametrize("border", ["edge", "constant"])
@pytest.mark.parametrize("level", ["sets", "set"])
def test_enlargements_score_as_the_front_does(tmp_path, sets, border, level):
    folder, given = store(tmp_path / "by-front", sets), sets
    if level == "set":
        folder, given = folder / "SetA", sets / "SetA"
    bank = lerf_core.load_bank("lerf-g")
    stored = bank_method("lerf-g", front=str(folder), sets=[given], border=border)
    wanted = method_of_bank(bank, "", front=FRONT, border=border)
    scores = list(evaluate_scale(find_scale_pairs(sets), [stored, wanted]))
    assert len(scores) == 12
    for one, other in zip(scores[::2], scores[1::2], strict=True):
        assert (one.psnr, one.ssim) == (other.psnr, other.ssim)
    assert stored.name == "by-front + lerf-g"


def test_of_a_set_the_folder_of_all_may_be_given(tmp_path, sets):
    folder = store(tmp_path / "by-front", sets)
    for given in ([sets / "SetA"], [sets]):
        assert len(StoredFront.of(folder, given).files) == 6


def test_warps_compose_the_enlargement_into_the_matrix(tmp_path, warps):
    folder = store(tmp_path / "by-front", warps)
    bank = lerf_core.load_bank("lerf-g")
    stored = bank_method("lerf-g", front=str(folder), sets=[warps])
    wanted = method_of_bank(bank, "", front=FRONT)
    one, other = evaluate_warp(find_warp_pairs(warps), [stored, wanted])
    assert one.psnr == other.psnr


def test_images_that_are_not_there_are_named(tmp_path, sets):
    folder = store(tmp_path / "by-front", sets)
    for path in folder.rglob("b.png"):
        path.unlink()
    method = bank_method("lerf-g", front=str(folder), sets=[sets])
    message = r"b\.png at x2: front 'by-front' holds no enlargement of this image of 21x18 pixels"
    with pytest.raises(DatasetError, match=message):
        list(evaluate_scale(find_scale_pairs(sets, [(2.0, 2.0)]), [method]))
    continued = bank_method("lerf-g", front=str(folder), sets=[sets], border="wrap")
    with pytest.raises(DatasetError, match=r"a\.png at x3: .* those that a border mode continues"):
        list(evaluate_scale(find_scale_pairs(sets, [(3.0, 3.0)]), [continued]))
    with pytest.raises(FrontError, match="no enlargement of this image of 5x4 pixels"):
        lerf_core.rescale(
            np.zeros((4, 5, 3), np.uint8),
            3,
            channel_axis=-1,
            front=load_evaluated_front(str(folder), [sets]),
        )


def test_what_is_no_folder_of_enlargements(tmp_path, sets):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DatasetError, match="empty holds neither tables of a cascade nor enlarge"):
        load_evaluated_front(str(empty), [sets])
    with pytest.raises(DatasetError, match="enlargements of the inputs of"):
        load_evaluated_front(str(sets), [sets])  # the set itself
    folder = store(tmp_path / "by-front", sets)
    odd = folder / "SetA/LR_bicubic/rrLR_X3.00_3.00/a.png"
    write(odd, np.zeros((25, 28, 3), np.uint8))
    with pytest.raises(DatasetError, match="28x25 pixels are no enlargement of 14x12 by a whole"):
        load_evaluated_front(str(folder), [sets])
    write(odd, np.zeros((36, 42, 3), np.uint8))
    with pytest.raises(DatasetError, match=r"is enlarged by 2, and .* by 3"):
        load_evaluated_front(str(folder), [sets])


def test_fronts_are_equal_whose_results_are(tmp_path, sets):
    folder = store(tmp_path / "by-front", sets)
    assert StoredFront.of(folder, [sets]) == StoredFront.of(folder, [sets])
    other = store(tmp_path / "other", sets, ConvolutionFront(2, colours=True, seed=2))
    assert StoredFront.of(folder, [sets]) != StoredFront.of(other, [sets])
