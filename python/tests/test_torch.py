"""Calls with PyTorch's tensors, and what PyTorch's compilers make of an operator."""

import os
import re
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")
numpy = pytest.importorskip("numpy")

from conftest import DECAY, TYPES, decay_by_hand  # noqa: E402

import plait  # noqa: E402


@pytest.fixture(scope="module")
def op():
    return plait.compile(DECAY, targets="cpu")


@pytest.fixture(scope="module")
def twice():
    return plait.compile("axis n : batch\noperator twice(x : f32[n], c : f32 = 2) -> (y : f32[n]) { y = x * c }\n", targets="cpu")


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 5, 8, generator=generator), torch.randn(8, generator=generator)


def expected(x, a, s0=None):
    return [torch.tensor(r, dtype=torch.float32) for r in decay_by_hand(numpy, x, a, s0)]


def same(result, wanted):
    return all(torch.allclose(r, w, rtol=1e-5, atol=1e-5) for r, w in zip(result, wanted))


def test_call(op, inputs):
    x, a = inputs
    result = op(x, a)
    assert same(result, expected(x, a)) and type(result.y) is torch.Tensor and result.s.dtype == torch.float32
    s0 = torch.ones(2, 8)
    assert same(op(a=a, s0=s0, x=x), expected(x, a, s0))
    y = torch.empty(2, 8, 5).transpose(1, 2)
    assert op(x, a, out={"y": y}).y is y and same([y], expected(x, a))


@pytest.mark.parametrize("fast", [True, False])
def test_outputs_are_as_torch_empty_makes_them(monkeypatch, inputs, fast):
    from plait import _arrays

    if not fast:  # a PyTorch without what its compiled code allocates by
        monkeypatch.setattr(_arrays, "_torch_fast", lambda device_type: None)
    op = plait.compile(DECAY.replace("decay", f"decay{int(fast)}"), targets="cpu")
    for b, t in ((2, 5), (1, 1), (0, 3), (2, 0)):
        r = op(torch.ones(b, t, 8), inputs[1])
        for given, like in zip(r, (torch.empty(b, t, 8), torch.empty(b, 8))):
            assert given.shape == like.shape and given.stride() == like.stride() and given.storage_offset() == 0
            assert given.untyped_storage().nbytes() == like.untyped_storage().nbytes() and not given.requires_grad
    with torch.inference_mode():
        assert op(*inputs).y.is_inference()
    assert not op(*inputs).y.is_inference() and same(op(*inputs), expected(*inputs))


def test_strided_views_are_read_in_place(op, inputs):
    x = torch.randn(6, 16, 11)
    view = x.transpose(1, 2)[::2, :, 3:11]
    assert same(op(view, inputs[1]), expected(view, inputs[1]))
    wide = torch.randn(1, 5, 8).expand(4, 5, 8)
    assert same(op(wide, inputs[1]), expected(wide, inputs[1]))


def test_element_types():
    op = plait.compile(TYPES, targets="cpu")
    of = torch.tensor
    r = op(of([True, False]), of([1, -2], dtype=torch.int32), of([1, 2.5]).half(), of([1, 2.5]).bfloat16(), of([1.0, 2]),
           of([1.0, 2]).double())
    assert [t.dtype for t in r] == [torch.int32, torch.float16, torch.bfloat16, torch.float32, torch.float64]
    assert [t.tolist() for t in r] == [[2, -1], [2, 5], [2, 5], [2, 0], [2, 4]]


@pytest.mark.parametrize("change, text", [
    (lambda x, a: (x, a[:7]), "decay: argument 2 `a`: axis `d` has 7 positions, but `x` has 8"),
    (lambda x, a: (x.double(), a), "decay: argument 1 `x`: has elements of type f64, but is declared f32"),
    (lambda x, a: (x, a.tolist()), "decay: argument `a` is a list, not an array"),
])
def test_what_is_refused(op, inputs, change, text):
    with pytest.raises(plait.ArgumentError, match=re.escape(text)):
        op(*change(*inputs))


def test_compile_in_one_graph(op, twice, inputs):
    x, a = inputs

    def model(x, a):
        y, s = op(x * 1, a)
        return twice(y.flatten()).sum() + op(x=x, a=a, s0=s).s

    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    assert torch.allclose(compiled(x, a), model(x, a))
    for t in (3, 4, 9):  # sizes of a run-time axis become symbols
        longer = torch.randn(2, t, 8)
        assert torch.allclose(compiled(longer, a), model(longer, a), rtol=1e-5)


def test_compile_by_inductor(op, inputs):
    compiled = torch.compile(lambda x, a: op(torch.sin(x), a).y + 1, fullgraph=True)
    assert torch.allclose(compiled(*inputs), op(torch.sin(inputs[0]), inputs[1]).y + 1, atol=1e-5)


def test_compile_again_for_another_operator(op, inputs):
    half = plait.compile(DECAY.replace("sigmoid(a) * s", "0.5 * s"), targets="cpu")
    chosen = [op]
    compiled = torch.compile(lambda x, a: chosen[0](x, a).y, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(*inputs), op(*inputs).y)
    chosen[0] = half
    assert torch.equal(compiled(*inputs), half(*inputs).y) and not torch.equal(half(*inputs).y, op(*inputs).y)


def test_compile_names_what_does_not_fit(op, inputs):
    with pytest.raises(Exception, match="axis `d` has 7 positions"):
        torch.compile(lambda x, a: op(x, a).y, fullgraph=True, backend="eager", dynamic=False)(inputs[0], inputs[1][:7])


def test_compiled_before_torch_was_imported():
    code = f"""
import plait
op = plait.compile({DECAY!r}, targets="cpu")
import torch
x, a = torch.ones(2, 5, 8), torch.zeros(8)
assert torch.equal(torch.compile(lambda x: op(x, a).y, fullgraph=True, backend="eager")(x), op(x, a).y)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


class Model(torch.nn.Module):
    def __init__(self, op):
        super().__init__()
        self.op = op
        self.a = torch.nn.Parameter(torch.linspace(-1, 1, 8))

    def forward(self, x):
        return self.op(x, self.a).y


def test_export(op, inputs, tmp_path):
    model, x = Model(op), inputs[0]
    program = torch.export.export(model, (x,), dynamic_shapes=({1: torch.export.Dim("t")},))
    assert f"plait.{op.torch_op.__name__}" in str(program.graph_module.code) or op.name in str(program.graph_module.code)
    assert torch.allclose(program.module()(x[:, :3]), model(x[:, :3]))
    path = tmp_path / "model.pt2"
    torch.export.save(program, path)
    code = f"""
import torch, plait
plait.compile({DECAY!r}, targets="cpu").torch_op
print(torch.export.load({str(path)!r}).module()(torch.ones(2, 4, 8)).sum().item())
"""
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True, env=dict(os.environ))
    assert abs(float(done.stdout) - model(torch.ones(2, 4, 8)).sum().item()) < 1e-3


def test_gradients_are_not_there_yet(op, inputs):
    model, x = Model(op), inputs[0]
    y = model(x)
    assert y.requires_grad and torch.allclose(y, op(x, model.a.detach()).y)
    with pytest.raises(plait.GradientError, match="decay: Plait has no gradients yet"):
        y.sum().backward()
    with torch.no_grad():
        assert not model(x).requires_grad
    with torch.inference_mode():
        assert torch.equal(model(x), y)
    with pytest.raises(Exception, match="Plait has no gradients yet"):
        torch.compile(model, fullgraph=True, backend="aot_eager")(x).sum().backward()
    with torch.no_grad():
        assert torch.equal(torch.compile(model, fullgraph=True, backend="aot_eager")(x), y)


def test_as_torch_library_wants_it(op, inputs):
    torch.library.opcheck(op.torch_op, (*inputs, None), test_utils=("test_schema", "test_faketensor", "test_aot_dispatch_dynamic"))
    torch.library.opcheck(op.torch_op, (*inputs, torch.ones(2, 8)), test_utils=("test_schema", "test_faketensor"))


def test_fake_tensors(op):
    assert op(torch.empty(2, 5, 8, device="meta"), torch.empty(8, device="meta")).y.is_meta
    with torch._subclasses.FakeTensorMode():
        r = op(torch.empty(2, 5, 8), torch.empty(8))
        assert r.y.shape == (2, 5, 8) and r.s.shape == (2, 8)


def test_subclasses_and_parameters(op, inputs):
    class Tagged(torch.Tensor):
        pass

    x, a = inputs
    assert torch.allclose(op(x.as_subclass(Tagged), a).y.as_subclass(torch.Tensor), op(x, a).y)
    assert torch.equal(op(x, torch.nn.Parameter(a, requires_grad=False)).y, op(x, a).y)
