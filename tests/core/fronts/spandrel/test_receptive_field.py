"""Receptive fields and grids, measured on networks whose own are known."""

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from lerf_core.fronts.spandrel.receptive_field import (  # noqa: E402
    measured_bytes_per_pixel,
    measured_field,
)

SIDE = 16


def field_of(network, scale=1):
    torch.manual_seed(0)
    with torch.inference_mode():
        return measured_field(network.eval(), 1, scale, breadth=SIDE)


def convolutions(count, size=3, fading=1.0):
    torch.manual_seed(1)
    layers = [nn.Conv2d(1, 1, size, padding=size // 2) for _ in range(count)]
    for layer in layers:
        nn.init.constant_(layer.bias, 0)
        layer.weight.data *= fading
        layer.weight.data[0, 0, size // 2, size // 2] = 1
    return nn.Sequential(*layers)


@pytest.mark.parametrize(("count", "size"), [(1, 1), (1, 3), (4, 3), (3, 7), (10, 5)])
def test_convolutions(count, size):
    field = field_of(convolutions(count, size))
    assert (field.grid, field.reach, field.is_exact) == (1, count * (size // 2), True)


def test_weights_of_zero_count():
    network = convolutions(3)
    for layer in network:
        layer.weight.data[...] = 0
    assert field_of(network).reach == 3


@pytest.mark.parametrize("size", [(1, 9), (9, 1)])
def test_the_longer_axis_counts(size):
    rows, cols = size
    network = nn.Conv2d(1, 1, size, padding=(rows // 2, cols // 2))
    assert field_of(network).reach == 4


def test_one_side_alone():
    class Shifted(nn.Module):
        def forward(self, image):
            return image + nn.functional.pad(image, (5, 0))[..., :-5]

    assert field_of(Shifted()).reach == 5


def test_enlargements_count_in_source_pixels():
    network = nn.Sequential(nn.Upsample(scale_factor=4), nn.Conv2d(1, 1, 3, padding=1))
    assert field_of(network, 4).reach == 1


def test_influence_that_fades():
    field = field_of(convolutions(60, fading=0.05))
    assert not field.is_exact
    assert 2 <= field.reach < 40


def test_influence_that_does_not_fade():
    class Mean(nn.Module):
        def forward(self, image):
            return image - image.mean(dim=(-2, -1), keepdim=True)

    assert field_of(Mean()).reach is None


def test_far_ends_are_no_influence_from_everywhere():
    class Mirrored(nn.Module):
        def forward(self, image):
            return image + image.flip(-1)

    assert field_of(Mirrored()).reach is None


@pytest.mark.parametrize("side", [2, 3, 8, 16])
def test_windows(side):
    class Windows(nn.Module):
        def forward(self, image):
            rows, cols = image.shape[-2:]
            # As networks do it, filled up to whole windows.
            image = nn.functional.pad(image, (0, -cols % side, 0, -rows % side), "replicate")
            means = nn.functional.avg_pool2d(image, side)
            return (image - means.repeat_interleave(side, -1).repeat_interleave(side, -2))[
                ..., :rows, :cols
            ]

    field = field_of(Windows())
    assert field.grid == side
    assert side - 1 <= field.reach < 2 * side


def test_what_is_filled_up_at_the_ends_is_part_of_the_grid():
    class Filled(nn.Module):
        def forward(self, image):
            rows, cols = image.shape[-2:]
            filled = nn.functional.pad(image, (0, -cols % 4, 0, -rows % 4), "replicate")
            return nn.functional.avg_pool2d(nn.functional.pad(filled, (1, 1, 1, 1)), 3, stride=1)[
                ..., :rows, :cols
            ]

    assert field_of(Filled()).grid == 4


def test_places_that_differ_everywhere():
    class Places(nn.Module):
        def forward(self, image):
            return image * torch.linspace(0, 1, image.shape[-1])

    assert field_of(Places()).reach is None


def test_bytes_are_those_alive_at_once():
    layers = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 1, 3, padding=1)
    )
    image = torch.zeros(1, 1, 40, 50)
    with torch.inference_mode():
        once = measured_bytes_per_pixel(lambda: layers(image), 2000)
        twice = measured_bytes_per_pixel(lambda: nn.Sequential(layers, layers)(image), 2000)
    # Eight channels in and out, and as much again in an operation's own layout.
    assert 2 * 2 * 8 * 4 <= once <= 2 * 2 * 8 * 4 + 100
    assert twice <= once + 8
