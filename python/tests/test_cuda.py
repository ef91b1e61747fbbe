"""Calls on a GPU: streams, graphs, and what a call costs. Skipped where PyTorch sees no GPU."""

import re
import time

import pytest

torch = pytest.importorskip("torch")
if not torch.cuda.is_available():
    pytest.skip("no GPU", allow_module_level=True)
numpy = pytest.importorskip("numpy")

from conftest import DECAY, decay_by_hand  # noqa: E402

import plait  # noqa: E402


@pytest.fixture(scope="module")
def op():
    return plait.compile(DECAY)


@pytest.fixture
def inputs():
    generator = torch.Generator("cuda").manual_seed(1)
    return torch.randn(2, 5, 8, generator=generator, device="cuda"), torch.randn(8, generator=generator, device="cuda")


def right(result, x, a):
    wanted = decay_by_hand(numpy, x.cpu(), a.cpu())
    return all(numpy.allclose(r.cpu(), w, rtol=1e-5, atol=1e-5) for r, w in zip(result, wanted))


def test_call(op, inputs):
    x, a = inputs
    result = op(x, a)
    assert result.y.device == x.device and right(result, x, a)
    view = torch.randn(8, 11, 2, device="cuda").permute(2, 1, 0)
    assert right(op(view, a), view, a)
    y = torch.empty_like(x)
    assert op(x, a, out={"y": y}).y is y and right([y], x, a)


def test_workspace_is_of_pytorch(op, inputs):
    """From its allocator, of the size that the sizes of the call need, also when those of other calls were kept."""
    x, a = inputs
    op(x, a)
    before = torch.cuda.memory_stats()["allocation.all.allocated"]
    result = op(x, a)
    assert torch.cuda.memory_stats()["allocation.all.allocated"] == before + 3 and right(result, x, a)
    for t in (*range(0, 2000, 150), 129, 5, 1):  # more choices of sizes than are kept
        longer = torch.randn(2, t, 8, device="cuda")
        assert right(op(longer, a), longer, a)


def test_another_device_than_the_current(op, inputs):
    if torch.cuda.device_count() < 2:
        pytest.skip("one GPU")
    x, a = (t.to("cuda:1") for t in inputs)
    result = op(x, a)
    assert result.y.device == x.device and right(result, x, a)
    with torch.cuda.device(1):
        assert right(op(x, a), x, a)


def test_the_current_stream(op, inputs):
    x, a = torch.randn(64, 4096, 8, device="cuda"), inputs[1]
    wanted = op(x, a).y
    stream, late = torch.cuda.Stream(), torch.empty_like(x)
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(100_000_000)  # what is not in this stream runs before it
        late.copy_(x)
        y = op(late, a).y
    stream.synchronize()
    assert torch.equal(y, wanted)


def test_graphs(op, inputs):
    x, a = inputs
    op(x, a)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y, s = op(x, a)
    x.copy_(torch.randn_like(x))
    graph.replay()
    assert right((y, s), x, a)


def test_graphs_of_sizes_not_seen_before(op, inputs):
    x, a = torch.randn(2, 300, 8, device="cuda"), inputs[1]
    op(*inputs)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        first = op(x, a)
        second = op(first.y, a)  # has the first one's workspace, maybe
    for _ in range(3):
        x.copy_(torch.randn_like(x))
        graph.replay()
        assert right(first, x, a) and right(second, first.y, a)


def test_compile_with_graphs(op, inputs):
    x, a = inputs
    run = torch.compile(lambda x, a: torch.relu(op(x * 2, a).y), fullgraph=True, mode="reduce-overhead")
    for _ in range(4):
        result = run(x, a).clone()
    assert torch.allclose(result, torch.relu(op(x * 2, a).y))


def test_devices_must_agree(op, inputs):
    with pytest.raises(plait.ArgumentError, match=re.escape("argument 2 `a`: is on cpu:0, but `x` is on cuda:0")):
        op(inputs[0], inputs[1].cpu())


def test_matrix_units():
    op = plait.compile(plait.example("gated_deltanet"))
    op.check({"b": 1, "h": 2, "t": 129})


def test_cupy(op, inputs):
    cupy = pytest.importorskip("cupy")
    x, a = (cupy.from_dlpack(t) for t in inputs)
    with cupy.cuda.Stream():
        result = op(x, a)
    cupy.cuda.Device().synchronize()
    assert isinstance(result.y, cupy.ndarray) and right([torch.from_dlpack(r) for r in result], *inputs)


def test_jax(op, inputs):
    jax = pytest.importorskip("jax")
    if jax.default_backend() != "gpu":
        pytest.skip("JAX has no GPU")
    x, a = (jax.numpy.asarray(t.cpu().numpy()) for t in inputs)
    result = jax.jit(lambda x, a: tuple(op(x, a)))(x, a)
    assert result[0].devices() == x.devices() and right([torch.from_dlpack(r) for r in result], *inputs)


def test_what_a_call_costs(op, inputs):
    """The host's time of a call, GPU idle in between: at most 15 us."""
    x, a = inputs
    times = []
    for _ in range(20):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(100):
            op(x, a)
        times.append((time.perf_counter() - start) / 100)
    print(f"a call: {min(times) * 1e6:.1f} us")
    assert min(times) <= 15e-6
