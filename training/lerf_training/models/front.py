"""Networks of convolutions that are fronts, as a torch module; see `layered`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lerf_core.backends.torch.straight_through import quantise
from lerf_core.constants import NO_CHANGE
from lerf_core.fronts.network import NetworkFront
from lerf_training.models.layered import LayeredModel

__all__ = ["FrontModel"]


class FrontModel(LayeredModel):
    """The network of a front, with its weights as parameters.

    Parameters
    ----------
    start : NetworkFront
        Structure and starting weights.
    """

    template: NetworkFront
    middle = NO_CHANGE

    @property
    def margin(self) -> float:
        """Pixels that points keep from a patch's border."""
        return self.reach

    @property
    def block(self) -> int:
        """See `TrainedModel`."""
        return self.template.scale

    def forward(self, low: Tensor, *_points: Tensor) -> Tensor:
        """Enlarge low-resolution patches of three planes.

        Parameters
        ----------
        low : Tensor, (batch, 3, rows, cols)
            Whole grey levels in 0..255, of the model's dtype and on its device.
        *_points : Tensor
            Of no points: all pixels within the margin are wanted.

        Returns
        -------
        Tensor, (batch, 3, block * (rows - 2 * margin), block * (cols - 2 * margin))
            Grey levels, not rounded where sums of float32 are not.
        """
        scale, inner = self.template.scale, slice(self.reach, -self.reach)
        _, change = self.outputs(low)
        levels = low[:, :, inner, inner, None] + change.permute(0, 3, 1, 2, 4) - NO_CHANGE
        blocks = quantise(levels, whole=False).unflatten(-1, (scale, scale))
        return blocks.transpose(3, 4).flatten(4, 5).flatten(2, 3)

    def bank(self, name: str, training: Mapping[str, Any]) -> NetworkFront:
        """The model as a front: the whole weights that the forward pass takes."""
        start = self.template
        return NetworkFront(name, self.whole_layers(), training, zero=start.zero, leak=start.leak)
