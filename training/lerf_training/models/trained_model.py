"""What the training loop asks of every model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import nn

from lerf_training.data.patch_options import PATCH_MARGIN

if TYPE_CHECKING:
    from lerf_core.bank import Bank

__all__ = ["TrainedModel"]


class TrainedModel(nn.Module):
    """A model that is trained on samples and saved as a bank.

    ``model(low, first, offset)`` gives the values of a batch's points
    (`lerf_training.data.patches.Batch`) in the shape of their targets.

    Attributes
    ----------
    colours : bool
        Whether it is trained on patches of three planes, or of one.
    margin : float
        Pixels that points keep from a patch's border.
    """

    colours = False

    @property
    def margin(self) -> float:
        """See the class."""
        return PATCH_MARGIN

    def prepare(self, batch: int, size: int, *, compiled: bool) -> None:
        """Make steps as fast as they can be on the model's device.

        Parameters
        ----------
        batch, size : int
            Patches of a step, and their rows and columns.
        compiled : bool
            Whether half a minute of compiling is worth it.
        """

    def bank(self, name: str, training: Mapping[str, Any]) -> Bank:
        """The model as a bank, with the record of its training."""
        raise NotImplementedError

    def clip_entries(self) -> None:
        """Bring entries back to what a table may hold, after a step."""

    def spread_gradients(self, share: float) -> None:
        """Let neighbouring entries move together; see `lerf_training.operations`."""

    def count_visits(self, steps: int) -> None:
        """Note which entries the last backward pass has used, on behalf of `steps` steps."""
