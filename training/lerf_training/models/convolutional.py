"""Networks of convolutions that predict local planes, as a torch module; see `layered`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lerf_core.bank import NetworkBank
from lerf_core.constants import LOCAL_PLANE_BIAS
from lerf_training.models.layered import LayeredModel
from lerf_training.operations.overshoot_bounds import clip_overshoot
from lerf_training.operations.weighted_mean import weighted_mean

__all__ = ["ConvolutionalModel"]

# Pixels that points keep from the outputs' border: one that lies on a pixel reads the one before.
_INSIDE = 1 / 64


class ConvolutionalModel(LayeredModel):
    """The network of a bank, with its weights as parameters.

    Parameters
    ----------
    start : NetworkBank
        Structure and starting weights.
    """

    template: NetworkBank
    middle = LOCAL_PLANE_BIAS

    @property
    def margin(self) -> float:
        """Pixels that points keep from a patch's border."""
        return self.reach + _INSIDE

    def forward(
        self, low: Tensor, first: Tensor, offset: Tensor, *, compiled: bool = True
    ) -> Tensor:
        """Values of points on low-resolution patches of three planes.

        Parameters
        ----------
        low : Tensor, (batch, 3, rows, cols)
            Whole grey levels in 0..255, of the model's dtype and on its device.
        first, offset : Tensor, (batch, points, 2)
            See `lerf_training.operations.weighted_mean`; points keep `margin` from the border.
        compiled : bool, optional
            Use the compiled kernels where they can.

        Returns
        -------
        Tensor, (batch, 3, points)
            Grey levels; with exact sums equal to the bank's up to float32 rounding of the mean.
        """
        rows, cols = (size - self.reach for size in low.shape[2:])
        parameters = self.local_planes(low).flatten(0, 1)
        planes = low.flatten(0, 1)
        feature = planes[:, self.reach : rows, self.reach : cols].contiguous()
        first, offset = first.repeat_interleave(3, 0), offset.repeat_interleave(3, 0)
        values = weighted_mean(
            self.template.kind.weighting, feature, parameters, first - self.reach, offset,
            compiled=compiled,
        )  # fmt: skip
        values = clip_overshoot(values, planes, first, compiled=compiled)
        return values.unflatten(0, (-1, 3))

    def local_planes(self, low: Tensor) -> Tensor:
        """Parameters (batch, 3, rows - 2 reach, cols - 2 reach, 6) of each channel, in 0..255.

        Parameters
        ----------
        low : Tensor, (batch, 3, rows, cols)
        """
        shared, own = self.outputs(low)
        own = own.permute(0, 3, 1, 2, 4)
        return torch.cat([shared[:, None].expand(*own.shape[:-1], -1), own], dim=-1).contiguous()

    def bank(self, name: str, training: Mapping[str, Any]) -> NetworkBank:
        """See `TrainedModel.bank`: the whole weights that the forward pass takes."""
        start = self.template
        return NetworkBank(name, self.whole_layers(), training, zero=start.zero, leak=start.leak)
