"""Where torch's operations work."""

import pytest


@pytest.fixture(params=("cpu", "cuda", "plain cuda"))
def device(request, monkeypatch):
    """Where torch's operations work; on the CPU, instead of the backend.

    "plain": without kernels of its own.
    """
    torch = pytest.importorskip("torch")
    from lerf_core.backends.torch import fused
    from lerf_plugins.filters.torch import execution

    if request.param == "cpu":
        monkeypatch.setattr(execution, "is_compiled", lambda *_: False)
    elif not torch.cuda.is_available():
        pytest.skip("no CUDA")
    if request.param.startswith("plain"):
        monkeypatch.setattr(fused, "triton_kernels", lambda: None)
    return request.param.removeprefix("plain ")
