"""What the training loop asks of every model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from torch import nn

from lerf_core.bank import Bank
from lerf_core.fronts.cascade import TableCascade
from lerf_core.fronts.network import NetworkFront
from lerf_training.data.patch_options import PATCH_MARGIN

__all__ = ["Trainable", "TrainedModel"]

#: What trainings begin with and end at.
Trainable: TypeAlias = Bank | TableCascade | NetworkFront


class TrainedModel(nn.Module):
    """A model that is trained on samples and saved as a bank, or as a front.

    ``model(low, first, offset)`` gives the values of a batch's points
    (`lerf_training.data.patches.Batch`) in the shape of their targets.

    Attributes
    ----------
    colours : bool
        Whether it is trained on patches of three planes, or of one.
    margin : float
        Pixels that points keep from a patch's border.
    block : int or None
        The scale, where all pixels of the enlargement inside the margin are points.
    """

    colours = False

    @property
    def margin(self) -> float:
        """See the class."""
        return PATCH_MARGIN

    @property
    def block(self) -> int | None:
        """See the class."""
        return None

    def prepare(self, batch: int, size: int, *, compiled: bool) -> None:
        """Make steps as fast as they can be on the model's device.

        Parameters
        ----------
        batch, size : int
            Patches of a step, and their rows and columns.
        compiled : bool
            Whether half a minute of compiling is worth it.
        """

    def bank(self, name: str, training: Mapping[str, Any]) -> Trainable:
        """The model as what it is saved as, with the record of its training."""
        raise NotImplementedError

    def clip_entries(self) -> None:
        """Bring entries back to what a table may hold, after a step."""

    def spread_gradients(self, share: float) -> None:
        """Let neighbouring entries move together; see `lerf_training.operations`."""

    def count_visits(self, steps: int) -> None:
        """Note which entries the last backward pass has used, on behalf of `steps` steps."""
