"""lerf beside torch.nn.functional: interpolate, grid_sample, warp_perspective, and modules.

Tensors stay on their device. On the CPU, where no gradient is wanted, lerf_core's compiled backend
does the work; everywhere else torch operations do the same arithmetic, and results are equal: of
integers to the last bit, of floats to 1e-5 of the value range.

Convention
----------
Images are (N, C, H, W). Every channel is treated on its own, but for three that a network reads as
red, green and blue. None is alpha. Pixel centres are torch's: in pixels, the centre of the first is
0 and resizing keeps the image's outline in place (``align_corners=False``) or the centres of its
corner pixels (``align_corners=True``). Grids hold (x, y) positions in the source, normalised so
that -1 and 1 are the image's outline, or those centres. Matrices act on (x, y) in pixels.

Gradients
---------
Results are differentiable by images of floats, and by grids and matrices. Roundings inside the
method (of levels to the tables' units, of features, of parameters) are passed straight through;
tables are piecewise linear, and where a pixel lies on a border between two pieces the
gradient is that of one of them; networks are differentiated layer by layer. What is clipped passes
the gradients that lead back into the range; between a network's layers it passes none. Filter
scales and overshoot bounds count as constants. Images of integers have no gradient.
"""

from __future__ import annotations

from torch import Tensor

from lerf_core.backends.torch.levels import ValueRange
from lerf_plugins.filters.torch.operators import (
    GRID_SAMPLE,
    INTERPOLATE,
    WARP_PERSPECTIVE,
    bank_argument,
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
from lerf_plugins.filters.torch.warping import sample_by_grid, warp_by_matrices

__all__ = ["grid_sample", "interpolate", "warp_perspective"]


def interpolate(
    input: Tensor,  # noqa: A002 - torch's name
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
) -> Tensor:
    """Resize images, as `torch.nn.functional.interpolate` does.

    Parameters
    ----------
    input : Tensor, (N, C, H, W)
        uint8, uint16, float16, bfloat16, float32 or float64, on any device.
    size : int or (int, int), optional
        Rows and columns of the result.
    scale_factor : float or (float, float), optional
        Factors of rows and columns: the result has ``floor(size * factor)``. Give this or `size`.
    bank : Bank, str, path or None
        See `lerf_core.resize`: None is the default bank, and the learned function for shrinking
        along axes that shrink and are anti-aliased.
    kernel : Kernel, str or None
        A fixed kernel instead of the tables, as for `lerf_core.resize`, or "lerf-s". torch's
        bicubic is "cubic:c=0.75" with ``anti_aliasing=False``, its anti-aliased one "cubic".
    front : Front, str, path or None
        What enlarges images by a whole number first, as for `lerf_core.resize`: on the CPU,
        without gradients and graphs.
    mode : {"edge", "constant", "symmetric", "reflect", "wrap"}
        What lies beyond the border, by the names of `numpy.pad`. It is not the kernel, as
        torch's is.
    cval : float
        Value beyond the border for "constant", finite.
    align_corners : bool, optional
        False, or None: pixels are squares, and the image's outline stays in place. True: the
        centres of the corner pixels stay; not with "constant".
    recompute_scale_factor : bool, optional
        None or True: pixels lie where the sizes of source and result put them. False keeps
        `scale_factor` itself, which is refused where the two differ.
    anti_aliasing : bool, optional
        Stretch the support where an axis shrinks. None: yes.
    value_range : (float, float), optional
        Values at the tables' darkest and brightest level. None: those of integers, (0, 1) for
        floats. Values outside it are kept, not clipped.

    Returns
    -------
    Tensor, (N, C, *size)
        Of the input's dtype and device. float64 is computed to float32 precision, and so are the
        16-bit floats.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If an argument cannot be used.
    BankError, BankNotFoundError, FrontError
        If the bank or the front cannot be loaded.

    Notes
    -----
    Output pixel o of an axis lies at ``(o + 0.5) * size / new_size - 0.5`` in the source, or at
    ``o * (size - 1) / (new_size - 1)`` with `align_corners`. An axis that keeps its length is not
    resampled, except beside one that does not with `align_corners`. Pixels that are not
    finite do not count, and NaN comes out where they would have more than half of the weight.

    Examples
    --------
    >>> import torch
    >>> image = torch.rand(2, 3, 20, 30, requires_grad=True)
    >>> twice = interpolate(image, scale_factor=2)
    >>> twice.shape
    torch.Size([2, 3, 40, 60])
    >>> twice.mean().backward()
    >>> image.grad.shape
    torch.Size([2, 3, 20, 30])
    """
    check_tensors(input=input)
    if is_recorded(input):
        refuse_recorded_front(front)
        check_one_size(size, scale_factor)
        return INTERPOLATE(
            input, [], "", bank_argument(bank), size_argument(size), factor_argument(scale_factor),
            mode, cval, bool(align_corners), recompute_scale_factor, anti_aliasing, value_range,
            kernel_argument(kernel),
        )  # fmt: skip
    refuse_forward_mode(input)
    target = output_size(check_images(input), size, scale_factor, recompute_scale_factor)
    options = FilterOptions(bank, mode, cval, anti_aliasing, value_range, kernel, front=front)
    return resize(input, target, options, align_corners=bool(align_corners))


def grid_sample(
    input: Tensor,  # noqa: A002 - torch's name
    grid: Tensor,
    *,
    padding_mode: str = "zeros",
    align_corners: bool = False,
    bank: BankSource = None,
    kernel: FixedKernel = None,
    front: FrontSource | None = None,
    anti_aliasing: bool | None = None,
    value_range: ValueRange = None,
) -> Tensor:
    """Sample images where a grid says, as `torch.nn.functional.grid_sample` does.

    Parameters
    ----------
    input : Tensor, (N, C, H, W)
        As for `interpolate`.
    grid : Tensor, (N, rows, cols, 2)
        For each output pixel the (x, y) position in the source that it shows, as
        `torch.nn.functional.affine_grid` makes it; floats.
    padding_mode : {"zeros", "border", "reflection"}
        What lies beyond the border. "zeros" fades out over one output pixel, centred on the
        outline: with a grid that does not shrink, as torch's bilinear does. "reflection" is about
        the outline, or with `align_corners` about the centres of the outermost pixels.
    align_corners : bool
        Whether -1 and 1 are the centres of the corner pixels or the image's outline.
    bank : Bank, str, path or None
        None: the default bank.
    kernel : Kernel, str or None
        A fixed kernel instead of the tables, as for `lerf_core.warp`.
    front : Front, str, path or None
        As for `interpolate`.
    anti_aliasing : bool, optional
        Stretch the support where an output pixel spans more than a source pixel, by differences
        of the grid. None: yes, other than in torch.
    value_range : (float, float), optional
        As for `interpolate`.

    Returns
    -------
    Tensor, (N, C, rows, cols)
        Of the input's dtype. Differentiable by `input` and by `grid`.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If an argument cannot be used.

    Notes
    -----
    Positions that are not finite show nothing with "zeros"; else NaN counts as -1, as torch has
    it, and infinity as the border on its side.

    Examples
    --------
    >>> import torch
    >>> turn = torch.tensor([[[0.8, -0.6, 0], [0.6, 0.8, 0]]])
    >>> grid = torch.nn.functional.affine_grid(turn, (1, 3, 32, 32), align_corners=False)
    >>> grid_sample(torch.rand(1, 3, 32, 32), grid, padding_mode="border").shape
    torch.Size([1, 3, 32, 32])
    """
    check_tensors(input=input, grid=grid)
    if is_recorded(input, grid):
        refuse_recorded_front(front)
        return GRID_SAMPLE(
            input, grid, [], "", bank_argument(bank), padding_mode, align_corners, anti_aliasing,
            value_range, kernel_argument(kernel),
        )  # fmt: skip
    refuse_forward_mode(input, grid)
    mode = padding_border(padding_mode, align_corners=align_corners)
    options = FilterOptions(bank, mode, 0.0, anti_aliasing, value_range, kernel, front=front)
    return sample_by_grid(input, grid, options, align_corners=align_corners)


def warp_perspective(
    input: Tensor,  # noqa: A002 - as its neighbours
    matrix: Tensor,
    dsize: tuple[int, int],
    *,
    padding_mode: str = "zeros",
    bank: BankSource = None,
    kernel: FixedKernel = None,
    front: FrontSource | None = None,
    anti_aliasing: bool | None = None,
    value_range: ValueRange = None,
) -> Tensor:
    """Warp images by homographies, with the matrices of `kornia.geometry.warp_perspective`.

    Parameters
    ----------
    input : Tensor, (N, C, H, W)
        As for `interpolate`.
    matrix : Tensor, (N, 3, 3)
        *Forward*: maps (x, y, 1) in pixels of the source to the output, centres at integers.
    dsize : (int, int)
        Rows and columns of the result.
    padding_mode, bank, kernel, front, anti_aliasing, value_range
        As for `grid_sample`; "reflection" is about the outline.

    Returns
    -------
    Tensor, (N, C, *dsize)
        Differentiable by `input` and by `matrix`. What lies beyond the horizon is 0.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If an argument cannot be used; singular matrices, for one.

    Examples
    --------
    >>> import torch
    >>> shift = torch.tensor([[[1.0, 0, 4], [0, 1, 0], [0, 0, 1]]])
    >>> moved = warp_perspective(torch.ones(1, 1, 8, 8), shift, (8, 8))
    >>> [round(float(value), 3) for value in moved[0, 0, 3, 2:6]]
    [0.0, 0.0, 1.0, 1.0]
    """
    check_tensors(input=input, matrix=matrix)
    if is_recorded(input, matrix):
        refuse_recorded_front(front)
        return WARP_PERSPECTIVE(
            input, matrix, [], "", bank_argument(bank), size_argument(dsize), padding_mode,
            anti_aliasing, value_range, kernel_argument(kernel),
        )  # fmt: skip
    refuse_forward_mode(input, matrix)
    mode = padding_border(padding_mode)
    options = FilterOptions(bank, mode, 0.0, anti_aliasing, value_range, kernel, front=front)
    return warp_by_matrices(input, matrix, dsize, options)


for _function in (interpolate, grid_sample, warp_perspective):
    setattr(_function, "__prepare_scriptable__", refuse_scripting)  # noqa: B010 - no function has it
