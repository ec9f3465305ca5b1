"""The filters as modules: their banks move with them and are part of their state."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from lerf_core.backends.torch.levels import ValueRange
from lerf_core.bank.base import Bank
from lerf_core.errors import BankError
from lerf_core.fronts.base import Front
from lerf_plugins.filters.torch.bank_tensors import (
    bank_tensors,
    changed_bank,
    meaning_of,
    own_bank,
    structure_of,
)
from lerf_plugins.filters.torch.operators import (
    GRID_SAMPLE,
    INTERPOLATE,
    factor_argument,
    is_recorded,
    kernel_argument,
    refuse_forward_mode,
    refuse_recorded_front,
    refuse_scripting,
    size_argument,
)
from lerf_plugins.filters.torch.options import (
    BankSource,
    Factor,
    FilterOptions,
    FixedKernel,
    FrontSource,
    Size,
    check_images,
    check_one_size,
    check_tensors,
    output_size,
    padding_border,
)
from lerf_plugins.filters.torch.resizing import resize
from lerf_plugins.filters.torch.warping import sample_by_grid

__all__ = ["GridSample", "Interpolate"]


class _Filter(nn.Module):
    """A bank as buffers, and the options that go with it."""

    def __init__(self, options: FilterOptions) -> None:
        super().__init__()
        self.options = options
        self.bank = None if options.kernel is not None else options.own_bank
        self._structure, self._names = "", tuple[str, ...]()
        if self.bank is not None:
            tensors = bank_tensors(self.bank)
            for name, tensor in tensors.items():
                self.register_buffer(name, tensor)
            self._names = tuple(tensors)
            self._structure = structure_of(self.bank)
        self._checked: list[tuple[int, int]] = []
        self.register_load_state_dict_post_hook(_read_back)

    __prepare_scriptable__ = refuse_scripting

    @property
    def _own_arguments(self) -> tuple[list[Tensor], str, str | None]:
        """What operators take of the module: tensors, structure, and whether a bank is named."""
        if self.bank is None:
            return [], "", None
        name = None if self.options.bank is None else self.bank.name
        return self._tensors, self._structure, name

    @property
    def _tensors(self) -> list[Tensor]:
        """The buffers of the module's bank."""
        return [self.get_buffer(name) for name in self._names]

    @property
    def _with_bank(self) -> FilterOptions:
        """The options, with the bank's tensors where the module is."""
        tensors, _, name = self._own_arguments
        if self.bank is None:
            return self.options
        bank = self._bank_of(self.bank, tensors)
        named = None if name is None else bank
        return replace(self.options, bank=named, own=(bank, tuple(tensors)))

    def _bank_of(self, bank: Bank, tensors: list[Tensor]) -> Bank:
        """Return the module's bank, or that of tensors that stand in place of its own.

        `torch.func.functional_call` puts them there.
        """
        state = [
            (entries.data_ptr(), 0 if entries.is_inference() else entries._version)
            for entries in tensors
        ]
        if state != self._checked:
            pairs = zip(tensors, bank_tensors(bank).values(), strict=True)
            if not all(torch.equal(entries.cpu(), own) for entries, own in pairs):
                return own_bank(self._structure, tensors)
            self._checked = state
        return bank

    @property
    def _meaning(self) -> str:
        return f"kernel {self.options.kernel}" if self.bank is None else meaning_of(self.bank)

    @property
    def _means(self) -> str:
        """What the representation says of what averages."""
        front = self.options.front
        enlarged = f", front={front.name!r}" if isinstance(front, Front) else ""
        if self.bank is None:
            return f"kernel={str(self.options.kernel)!r}{enlarged}"
        return f"bank={self.bank.name!r}{enlarged}"

    def get_extra_state(self) -> str:
        """What the buffers mean, as text: a part of the state."""
        return self._meaning

    def set_extra_state(self, state: str) -> None:
        """Refuse buffers that mean something else.

        Raises
        ------
        BankError
            If the state is that of a bank of other structure.
        """
        if state != self._meaning:
            raise BankError(f"the state is of a bank of another structure: {state!r}")


def _read_back(module: Any, _: Any) -> None:
    """Make the bank anew of entries that were loaded."""
    if module.bank is not None:
        module.bank = changed_bank(module.bank, module._tensors)
        module._structure = structure_of(module.bank)


class Interpolate(_Filter):
    """`interpolate` as a module, beside `torch.nn.Upsample`.

    Parameters
    ----------
    size, scale_factor
        As for `interpolate`, and so are the options.

    Attributes
    ----------
    bank : Bank or None
        Its tables, or the weights of its network, are buffers: they move with the module and are
        part of its state; they are whole numbers, and have no gradients. None: a kernel averages.
        A front is no part of it: it stays where it was loaded, and takes tensors on the CPU.

    Raises
    ------
    InvalidArgumentError
        If an argument cannot be used.

    Examples
    --------
    >>> import torch
    >>> enlarge = Interpolate(scale_factor=2, bank="lerf-g")
    >>> enlarge
    Interpolate(scale_factor=2, bank='lerf-g', mode='edge')
    >>> enlarge(torch.rand(1, 3, 8, 9)).shape
    torch.Size([1, 3, 16, 18])
    """

    def __init__(
        self,
        size: Size = None,
        scale_factor: Factor = None,
        *,
        bank: BankSource = None,
        kernel: FixedKernel = None,
        front: FrontSource | None = None,
        mode: str = "edge",
        cval: float = 0.0,
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
        anti_aliasing: bool | None = None,
        value_range: ValueRange = None,
    ) -> None:
        super().__init__(
            FilterOptions(bank, mode, cval, anti_aliasing, value_range, kernel, front=front)
        )
        self.size, self.scale_factor = size, scale_factor
        self.align_corners = bool(align_corners)
        self.recompute_scale_factor = recompute_scale_factor
        check_one_size(size, scale_factor)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Resize images, (N, C, H, W)."""
        check_tensors(input=input)
        if is_recorded(input, *self.buffers()):
            options = self.options
            refuse_recorded_front(options.front)
            return INTERPOLATE(
                input, *self._own_arguments, size_argument(self.size),
                factor_argument(self.scale_factor), options.mode, options.cval, self.align_corners,
                self.recompute_scale_factor, options.anti_aliasing, options.value_range,
                kernel_argument(options.kernel),
            )  # fmt: skip
        refuse_forward_mode(input)
        size = output_size(
            check_images(input), self.size, self.scale_factor, self.recompute_scale_factor
        )
        return resize(input, size, self._with_bank, align_corners=self.align_corners)

    def extra_repr(self) -> str:
        """What the representation says."""
        target = f"size={self.size}" if self.size else f"scale_factor={self.scale_factor}"
        aligned = ", align_corners=True" if self.align_corners else ""
        return f"{target}, {self._means}, mode={self.options.mode!r}{aligned}"


class GridSample(_Filter):
    """`grid_sample` as a module.

    Parameters
    ----------
    padding_mode, align_corners, bank, kernel, front, anti_aliasing, value_range
        As for `grid_sample`.

    Attributes
    ----------
    bank : Bank or None
        As for `Interpolate`.

    Examples
    --------
    >>> import torch
    >>> sample = GridSample(padding_mode="border")
    >>> sample(torch.rand(1, 3, 8, 8), torch.zeros(1, 4, 5, 2)).shape
    torch.Size([1, 3, 4, 5])
    """

    def __init__(
        self,
        *,
        padding_mode: str = "zeros",
        align_corners: bool = False,
        bank: BankSource = None,
        kernel: FixedKernel = None,
        front: FrontSource | None = None,
        anti_aliasing: bool | None = None,
        value_range: ValueRange = None,
    ) -> None:
        mode = padding_border(padding_mode, align_corners=align_corners)
        super().__init__(
            FilterOptions(bank, mode, 0.0, anti_aliasing, value_range, kernel, front=front)
        )
        self.padding_mode, self.align_corners = padding_mode, align_corners

    def forward(self, input: Tensor, grid: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Sample images, (N, C, H, W), at a grid, (N, rows, cols, 2)."""
        check_tensors(input=input, grid=grid)
        if is_recorded(input, grid, *self.buffers()):
            options = self.options
            refuse_recorded_front(options.front)
            return GRID_SAMPLE(
                input, grid, *self._own_arguments, self.padding_mode, self.align_corners,
                options.anti_aliasing, options.value_range,
                kernel_argument(options.kernel),
            )  # fmt: skip
        refuse_forward_mode(input, grid)
        return sample_by_grid(input, grid, self._with_bank, align_corners=self.align_corners)

    def extra_repr(self) -> str:
        """What the representation says."""
        return (
            f"padding_mode={self.padding_mode!r}, align_corners={self.align_corners}, {self._means}"
        )
