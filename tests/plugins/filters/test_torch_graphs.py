"""The filters for torch where calls are recorded instead of run: right, or refused."""

import subprocess
import sys

import pytest

# ruff: noqa: E402 - torch may be missing, and with it what follows
torch = pytest.importorskip("torch")

from support.banks import make_random_bank, random_bank
from support.combinations import some_first

from lerf_core.errors import BankNotFoundError, InvalidArgumentError, InvalidTypeError
from lerf_plugins.filters.torch import (
    GridSample,
    Interpolate,
    grid_sample,
    interpolate,
    operators,
    warp_perspective,
)

# torch's own, of what it no longer recommends.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

functional = torch.nn.functional
TURN = torch.tensor([[[0.8, -0.5, 0.1], [0.6, 0.7, 0.2]]])
TILT = torch.tensor([[[0.9, 0.2, 1.0], [0.1, 1.2, -2.0], [0.01, 0.02, 1.0]]])


def noise(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def images(count=2, rows=8, cols=9, seed=0):
    return noise(count, 3, rows, cols, seed=seed)


def grid(count=2):
    return functional.affine_grid(TURN.expand(count, 2, 3), (count, 3, 5, 6), align_corners=False)


class Filter(torch.nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


class OfTwo(Filter):
    def forward(self, images, where):
        return self.function(images, where)


class OfOne(Filter):
    def forward(self, images):
        return self.function(images)


# Modules, inputs, and other inputs, of other sizes and numbers where these may change.
CALLS = {
    "Interpolate": (Interpolate(scale_factor=2), (images(),), (images(3, 11, 7, 1),)),
    "Interpolate shrinks": (Interpolate(scale_factor=0.5), (images(),), (images(3, 11, 7, 1),)),
    "Interpolate to a size": (
        Interpolate(size=(12, 7), bank="lerf-g", mode="wrap"), (images(),), (images(3, 11, 7, 1),),
    ),
    "Interpolate with corners": (
        Interpolate(scale_factor=(1.5, 2), align_corners=True, bank=random_bank("lerf-l")),
        (images(),), (images(3, 11, 7, 1),),
    ),
    "interpolate": (
        OfOne(lambda x: interpolate(x, scale_factor=1.5, bank="lerf-g", anti_aliasing=False)),
        (images(),), (images(3, 11, 7, 1),),
    ),
    "GridSample": (
        GridSample(padding_mode="border"), (images(), grid()), (images(3, 11, 7, 1), grid(3)),
    ),
    "grid_sample": (
        OfTwo(lambda x, g: grid_sample(x, g, align_corners=True, value_range=(0, 2))),
        (images(), grid()), (images(3, 11, 7, 1), grid(3)),
    ),
    "warp_perspective": (
        OfTwo(lambda x, m: warp_perspective(x, m, (7, 9))),
        (images(), TILT.repeat(2, 1, 1)), (images(3, 11, 7, 1), TILT.repeat(3, 1, 1)),
    ),
}  # fmt: skip

each_call = pytest.mark.parametrize(("module", "inputs", "others"), CALLS.values(), ids=CALLS)


def gradients(function, inputs):
    leaves = [each.clone().requires_grad_() for each in inputs]
    result = function(*leaves)
    weight = noise(*result.shape, seed=5)
    return torch.autograd.grad((result * weight).sum(), leaves)


def assert_same(first, second):
    for mine, theirs in zip(first, second, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-4)


# -- graphs -----------------------------------------------------------------------------


@each_call
def test_traces_answer_other_inputs(module, inputs, others, tmp_path):
    traced = torch.jit.trace(module, inputs)
    traced.save(tmp_path / "traced.pt")
    for graph in (traced, torch.jit.load(tmp_path / "traced.pt")):
        for given in (inputs, others):
            assert torch.equal(graph(*given), module(*given))
    assert_same(gradients(traced, others), gradients(module, others))


def test_traces_answer_any_dtype():
    module = Interpolate(scale_factor=2)
    traced = torch.jit.trace(module, images())
    for dtype in (torch.uint8, torch.float16, torch.bfloat16, torch.float64):
        given = (images(3, 11, 7) * 255).to(dtype) if dtype == torch.uint8 else images().to(dtype)
        result = traced(given)
        assert result.dtype == dtype
        assert torch.equal(result, module(given))


def test_a_trace_runs_in_another_process(tmp_path):
    torch.jit.trace(Interpolate(scale_factor=2), images()).save(tmp_path / "traced.pt")
    program = (
        "import sys, torch, lerf_plugins.filters.torch\n"
        "print(tuple(torch.jit.load(sys.argv[1])(torch.rand(1, 3, 5, 6)).shape))"
    )
    command = [sys.executable, "-W", "ignore", "-c", program, str(tmp_path / "traced.pt")]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "(1, 3, 10, 12)"


@pytest.mark.slow
@pytest.mark.parametrize("strict", some_first([False], [True]))
@each_call
def test_exports_have_open_sizes(module, inputs, others, strict, tmp_path):
    count = torch.export.Dim("count")
    # As by torch: no side of a result may become a single pixel.
    sides = {0: count, 2: torch.export.Dim("rows", min=4), 3: torch.export.Dim("cols", min=4)}
    dynamic = (sides, {0: count})[: len(inputs)]
    exported = torch.export.export(module, inputs, dynamic_shapes=dynamic, strict=strict)
    torch.export.save(exported, tmp_path / "exported.pt2")
    for program in (exported, torch.export.load(tmp_path / "exported.pt2")):
        for given in (inputs, others):
            assert torch.equal(program.module()(*given), module(*given))


def test_exports_take_sizes_from_shapes():
    module = OfOne(lambda x: interpolate(x, (x.shape[2] * 2, x.shape[3] + 1)))
    sides = {2: torch.export.Dim("rows"), 3: torch.export.Dim("cols")}
    exported = torch.export.export(module, (images(),), dynamic_shapes=(sides,))
    other = images(2, 11, 7)
    assert torch.equal(exported.module()(other), module(other))


COMPILED = ("Interpolate", "Interpolate with corners", "GridSample", "warp_perspective")


@pytest.mark.slow
@pytest.mark.parametrize("name", some_first(COMPILED, sorted({*CALLS} - {*COMPILED})))
def test_compiled_calls(name):
    module, inputs, others = CALLS[name]
    torch._dynamo.reset()
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True)
    for given in (inputs, others):
        assert torch.equal(compiled(*given), module(*given))
    assert_same(gradients(compiled, others), gradients(module, others))


@pytest.mark.slow
def test_a_compiled_network_learns_as_it_does_uncompiled():
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 3), Interpolate(scale_factor=2))
    torch._dynamo.reset()
    compiled = torch.compile(network, backend="aot_eager", fullgraph=True)
    found = []
    for model in (network, compiled):
        network.zero_grad()
        model(images()).square().mean().backward()
        found.append(network[0].weight.grad.clone())
    assert_same(found[:1], found[1:])


@pytest.mark.slow
def test_compiled_modules_follow_their_tables():
    module = Interpolate(scale_factor=2, bank=random_bank("lerf-g"))
    torch._dynamo.reset()
    compiled = torch.compile(module, backend="aot_eager")
    before = compiled(images())
    other = Interpolate(scale_factor=2, bank=make_random_bank("lerf-g", seed=9))
    module.load_state_dict(other.state_dict())
    assert torch.equal(compiled(images()), other(images()))
    assert not torch.equal(compiled(images()), before)


@pytest.mark.parametrize("scale", [2, 0.5])
def test_tables_that_change_are_seen(scale):
    module = Interpolate(scale_factor=scale, bank=random_bank("lerf-g"))
    other = Interpolate(scale_factor=scale, bank=make_random_bank("lerf-g", seed=9))
    before, after = module(images()), other(images())
    assert not torch.equal(before, after)
    traced = torch.jit.trace(module, images())
    assert torch.equal(traced(images()), before)
    tables = {name: table.clone() for name, table in other.named_buffers()}
    called = torch.func.functional_call(module, tables, (images(),))
    assert torch.equal(called, after)
    assert torch.equal(module(images()), before)
    for name, table in traced.named_buffers():
        table.copy_(tables[name])
    assert torch.equal(traced(images()), after)


@each_call
def test_graphs_of_operators(module, inputs, others):
    from torch.fx.experimental.proxy_tensor import make_fx

    assert torch.equal(make_fx(module)(*inputs)(*others), module(*others))


@pytest.mark.parametrize("bank", ["object", "path"])
def test_functions_name_their_bank(bank, tmp_path):
    own = random_bank("lerf-g")
    own.save(tmp_path / "own.safetensors")
    given = own if bank == "object" else tmp_path / "own.safetensors"

    def enlarge(x):
        return interpolate(x, scale_factor=2, bank=given)

    traced = torch.jit.trace(enlarge, images())
    other = images(3, 11, 7)
    assert torch.equal(traced(other), enlarge(other))


def test_a_bank_of_another_process_is_told(monkeypatch):
    own = random_bank("lerf-g")
    traced = torch.jit.trace(lambda x: interpolate(x, scale_factor=2, bank=own), images())
    monkeypatch.setattr(operators, "_GIVEN", {})
    with pytest.raises(
        (BankNotFoundError, RuntimeError), match="record a module, or name the bank"
    ):
        traced(images())


# -- tensors that stand for others ------------------------------------------------------


@each_call
def test_meta_and_fake_tensors(module, inputs, others):
    from torch._subclasses import FakeTensorMode

    expected = module(*inputs)
    on_meta = module(*(each.to("meta") for each in inputs))
    assert on_meta.shape == expected.shape
    assert (on_meta.device.type, on_meta.dtype) == ("meta", expected.dtype)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        fake = module(*(mode.from_tensor(each) for each in inputs))
    assert fake.shape == expected.shape
    assert fake.is_contiguous()
    del others


def test_modules_on_meta():
    module = Interpolate(scale_factor=2).to("meta")
    assert module(images().to("meta")).shape == (2, 3, 16, 18)


@each_call
def test_vmap_and_gradients_of_func(module, inputs, others):
    batch = [torch.stack([each, each * 0.9]) for each in inputs]
    alone = [module(*(each[n] for each in batch)) for n in range(2)]
    torch.testing.assert_close(torch.vmap(module)(*batch), torch.stack(alone))
    shared = (0,) + (None,) * (len(inputs) - 1)
    some = torch.vmap(module, in_dims=shared)(batch[0], *inputs[1:])
    torch.testing.assert_close(some[0], module(*inputs))

    weight = noise(*alone[0].shape, seed=5)

    def loss(*given):
        result = module(*given)
        return (result * weight).sum()

    places = tuple(range(len(inputs)))
    gradient = torch.func.grad(loss, argnums=places)
    assert_same(gradient(*inputs), gradients(module, inputs))
    assert_same([each[1] for each in torch.vmap(gradient)(*batch)],
                gradients(module, [each[1] for each in batch]))  # fmt: skip
    result, pull_back = torch.func.vjp(module, *inputs)
    assert_same(pull_back(weight), gradients(module, inputs))
    assert torch.equal(result, alone[0])
    del others


def test_vmap_over_other_axes():
    module, stack = Interpolate(scale_factor=2), noise(2, 4, 3, 5, 6)
    mapped = torch.vmap(module, in_dims=1, out_dims=1)(stack)
    for number in range(4):
        assert torch.equal(mapped[:, number], module(stack[:, number]))
    twice = torch.vmap(torch.vmap(module))(noise(2, 2, 1, 3, 4, 4))
    assert twice.shape == (2, 2, 1, 3, 8, 8)


def test_empty_batches():
    module = Interpolate(scale_factor=2)
    assert module(images(0)).shape == (0, 3, 16, 18)
    assert torch.jit.trace(module, images())(images(0)).shape == (0, 3, 16, 18)
    assert torch.vmap(module)(noise(2, 0, 3, 4, 4)).shape == (2, 0, 3, 8, 8)
    assert GridSample()(images(0), grid(2)[:0]).shape == (0, 3, 5, 6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_autocast_and_channels_last_change_nothing(dtype):
    module, given = Interpolate(scale_factor=2), images().to(dtype)
    expected = module(given)
    assert torch.equal(module(given.to(memory_format=torch.channels_last)), expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(module(given), expected)
        assert torch.equal(torch.jit.trace(module, given)(given), expected)
    with torch.inference_mode():
        assert torch.equal(module(given), expected)


def test_operators_are_well_made():
    shared = [[], "", None]
    torch.library.opcheck(
        torch.ops.lerf.interpolate.default,
        (
            images(2, 4, 5).requires_grad_(), *shared, None, [2.0, 2.0], "edge", 0.0, False,
            None, None, None, None,
        ),
    )  # fmt: skip
    torch.library.opcheck(
        torch.ops.lerf.grid_sample.default,
        (
            images(2, 4, 5).requires_grad_(), grid().requires_grad_(), *shared, "zeros", False,
            None, None, None,
        ),
    )  # fmt: skip


# -- refusals ---------------------------------------------------------------------------


def refused_calls():
    enlarge, given = Interpolate(scale_factor=2), images()

    def loss(x):
        return enlarge(x).square().sum()

    def dual():
        with torch.autograd.forward_ad.dual_level():
            enlarge(torch.autograd.forward_ad.make_dual(given, given))

    def sized(x):
        return interpolate(x, (x.shape[2] * 2, x.shape[3] * 2))

    by_tables = Interpolate(scale_factor=2, bank="lerf-g")
    tables = torch.stack([by_tables.stage1, by_tables.stage1])

    def with_tables(each):
        return torch.func.functional_call(by_tables, {"stage1": each}, (given,))

    return {
        "jvp": (lambda: torch.func.jvp(enlarge, (given,), (given,)), "no forward-mode"),
        "jacfwd": (lambda: torch.func.jacfwd(enlarge)(given), "no forward-mode"),
        "dual": (dual, "no forward-mode"),
        "hessian": (lambda: torch.func.hessian(loss)(given), "no forward-mode"),
        "twice": (
            lambda: torch.func.grad(lambda x: torch.func.grad(loss)(x).sum())(given),
            "differentiable once",
        ),
        "script": (lambda: torch.jit.script(enlarge), "cannot be scripted"),
        "script of a part": (
            lambda: torch.jit.script(torch.nn.Sequential(enlarge)), "cannot be scripted",
        ),
        "script of a function": (lambda: torch.jit.script(grid_sample), "cannot be scripted"),
        "size of a trace": (lambda: torch.jit.trace(sized, given), "cannot be traced"),
        "vmap of tables": (lambda: torch.vmap(with_tables)(tables), "no vmap over their tables"),
        "trace of three axes": (lambda: torch.jit.trace(enlarge, given[0]), r"\(3, 8, 9\)"),
        "meta of integers": (lambda: enlarge(given.int().to("meta")), "torch.int32"),
        "sparse": (lambda: enlarge(given.to_sparse()), "must be dense"),
        "fx": (lambda: torch.fx.symbolic_trace(enlarge), "got Proxy"),
        "both": (
            lambda: torch.jit.trace(lambda x: interpolate(x, 8, 2), given), "either size or",
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", refused_calls())
def test_what_cannot_be_is_refused(name):
    call, message = refused_calls()[name]
    with pytest.raises((InvalidArgumentError, InvalidTypeError), match=message) as error:
        call()
    assert "\n" not in str(error.value)


def test_second_derivatives_are_refused():
    for module in (Interpolate(scale_factor=2), Interpolate(scale_factor=0.5, bank="analytic")):
        for function in (module, torch.jit.trace(module, images())):
            leaf = images().requires_grad_()
            (first,) = torch.autograd.grad(function(leaf).square().sum(), leaf, create_graph=True)
            with pytest.raises((InvalidArgumentError, RuntimeError), match=r"once|twice"):
                first.sum().backward()
