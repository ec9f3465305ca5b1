"""Networks that are fronts as torch modules: the reference's values, and back to a front."""

import numpy as np
import pytest

# ruff: noqa: E402 - torch may be missing, and with it what follows
torch = pytest.importorskip("torch")

from lerf_training.models.front import FrontModel
from lerf_training.models.starting_network import FRONT, NetworkShape, starting_front
from support.fronts import make_random_front

from lerf_core.errors import InvalidArgumentError


def image(rows, cols, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (3, rows, cols)).astype(np.uint8)


def model_values(model, planes):
    low = torch.from_numpy(planes.copy())[None].float()
    with torch.no_grad():
        return model(low)[0].numpy()


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_values_are_those_of_the_front(scale, grey):
    front = make_random_front(scale, seed=3)
    model = FrontModel(front)
    planes = image(19, 21)
    if grey:
        planes = np.repeat(planes[:1], 3, axis=0)
        planes[1, 9, 10] ^= 32
    far = front.reach
    wanted = front.enlarge(planes, 1)[:, scale * far : -scale * far, scale * far : -scale * far]
    np.testing.assert_array_equal(model_values(model, planes), wanted)
    assert (model.block, model.margin, model.colours) == (scale, far, True)


@pytest.mark.parametrize("structure", [(8, 3, 2, 3), (4, 5, 0, 1), (16, 1, 1, 5)])
def test_a_front_comes_back_as_it_was(structure):
    front = make_random_front(3, *structure, zero=70, leak=2)
    again = FrontModel(front).bank("again", {})
    assert again.renamed(front.name).layers[0].weight.dtype == np.int8
    assert (again.scale, again.zero, again.leak) == (3, 70, 2)
    planes = image(12, 12)
    np.testing.assert_array_equal(again.enlarge(planes, 1), front.enlarge(planes, 1))


def test_it_starts_near_the_source_repeated():
    front = starting_front(NetworkShape(8, 2), 2)
    planes = image(12, 12)
    repeated = planes.repeat(2, 1).repeat(2, 2).astype(int)
    assert np.abs(front.enlarge(planes, 1) - repeated).mean() < 3
    assert starting_front(NetworkShape(8, 2), 2, seed=1) != front


def test_the_structure_that_ships():
    front = starting_front(FRONT, 2)
    assert (front.scale, front.width, len(front.layers), front.reach) == (2, 32, 8, 8)


@pytest.mark.parametrize("scale", [0, 5, -2])
def test_scales_that_cannot_be_are_refused(scale):
    with pytest.raises(InvalidArgumentError, match="scale must be 1, 2, 3 or 4"):
        starting_front(FRONT, scale)


def test_gradients_reach_every_layer():
    model = FrontModel(make_random_front(2))
    low = torch.from_numpy(image(16, 16))[None].float()
    model(low).sum().backward()
    for weight in model.weights:
        assert weight.grad.abs().max() > 0


def test_gradients_do_not_lead_out_of_the_range():
    model = FrontModel(make_random_front(2))
    with torch.no_grad():
        model.biases[-1].fill_(8)
    low = torch.full((1, 3, 16, 16), 250.0)
    values = model(low)
    assert values.max() == 255
    # Brighter is impossible; darker is not.
    (-values).sum().backward()
    assert model.biases[-1].grad.abs().max() == 0
    model(low).sum().backward()
    assert model.biases[-1].grad[-4:].min() > 0
