"""What a call from Python costs beside the operator's own time: tiny arrays, the least of several repeats.

    python3 bench/python_calls.py          (the package plait, NumPy; PyTorch and JAX where they are there)
    python3 bench/python_calls.py gpu      (the rows of a GPU alone)

The parts of a call are measured one by one: the library's C function with descriptors made beforehand, what allocates
outputs and workspace, what asks for the stream. On a GPU the times are the host's; it waits between repeats, never in one.
"""
import ctypes
import importlib.util
import os
import subprocess
import sys
import timeit

import numpy as np

import plait

OPERATOR = """
axis b : batch
axis t : time
axis d = 8
operator decay(x : f32[b, t, d], a : f32[d], s0 : f32[b, d] = 0) -> (y : f32[b, t, d], s : f32[b, d])
{
    scan t carry s = s0 { s = sigmoid(a) * s + x
                          y = s }
}
"""


ONE_KERNEL = """
axis b : batch
axis t : time
axis d = 8
operator add(x : f32[b, t, d], a : f32[d]) -> (y : f32[b, t, d]) { y = x + a }
"""


def microseconds(call, number=20000, setup="pass", repeat=7):
    call()
    return min(timeit.repeat(call, setup=setup, number=number, repeat=repeat)) / number * 1e6


def row(what, call, number=20000):
    print(f"{what:56} {microseconds(call, number):8.2f} us")


def cold_import():
    code = "import time; t = time.perf_counter(); import plait; print(time.perf_counter() - t)"
    return min(float(subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True).stdout) for _ in range(7))


def numpy_rows(op):
    x, a = np.ones((1, 2, 8), "f"), np.ones(8, "f")
    out = np.empty((1, 2, 8), "f"), np.empty((1, 8), "f")
    row("NumPy, outputs allocated", lambda: op(x, a))
    row("NumPy, by name", lambda: op(x=x, a=a))
    row("NumPy, out=", lambda: op(x, a, out=out))
    row("NumPy: np.add(x, x)", lambda: np.add(x, x))


def torch_rows(op):
    import torch

    x, a = torch.ones(1, 2, 8), torch.ones(8)
    out = torch.empty(1, 2, 8), torch.empty(1, 8)
    row("PyTorch, outputs allocated", lambda: op(x, a))
    row("PyTorch, by name", lambda: op(x=x, a=a))
    row("PyTorch, out=", lambda: op(x, a, out=out))
    known = op.torch_op
    row("PyTorch, the operator of torch.library", lambda: known(x, a, None))

    @torch.library.custom_op("bench::around", mutates_args=())  # what a user would write
    def around(x: torch.Tensor, a: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return tuple(op(x, a))

    around.register_fake(lambda x, a: (x.new_empty(1, 2, 8), x.new_empty(1, 8)))
    row("PyTorch: a custom_op around the plain call", lambda: around(x, a))
    with torch.no_grad():
        compiled = torch.compile(lambda x, a: op(x, a).y, fullgraph=True, backend="aot_eager")
        wrapped = torch.compile(lambda x, a: around(x, a)[0], fullgraph=True, backend="aot_eager")
        row("PyTorch, through torch.compile", lambda: compiled(x, a), 5000)
        row("PyTorch: that custom_op through torch.compile", lambda: wrapped(x, a), 5000)
    row("PyTorch: x + x", lambda: x + x)
    part_rows(op, x, a, row)


# ---- the parts of a call ----


class Descriptor(ctypes.Structure):  # DLTensor of dlpack.h
    _fields_ = [("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device", ctypes.c_int32), ("rank", ctypes.c_int32),
                ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16),
                ("shape", ctypes.POINTER(ctypes.c_int64)), ("strides", ctypes.POINTER(ctypes.c_int64)), ("offset", ctypes.c_uint64)]


def describe(tensor):
    numbers = ctypes.c_int64 * tensor.dim()
    return Descriptor(tensor.data_ptr(), 2 if tensor.is_cuda else 1, tensor.device.index or 0, tensor.dim(), 2, 32, 1,
                      numbers(*tensor.shape), numbers(*tensor.stride()), 0)


def c_calls(op, tensors, stream):
    """The library's function with its own workspace, and with the caller's; and how much that is. No Python between but ctypes."""
    import torch

    library = ctypes.CDLL(str(op.library))
    kept = [None if t is None else describe(t) for t in tensors]
    pointers = (ctypes.POINTER(Descriptor) * len(kept))(*(None if d is None else ctypes.pointer(d) for d in kept))
    name, count, where, bytes_ = op.name.encode(), ctypes.c_uint32(len(kept)), ctypes.c_void_p(stream), ctypes.c_uint64()
    assert library.plait_workspace_bytes(name, pointers, count, ctypes.byref(bytes_)) == 0
    buffer = torch.empty(bytes_.value + 256, dtype=torch.uint8, device=tensors[0].device)
    memory, size = ctypes.c_void_p(buffer.data_ptr() + -buffer.data_ptr() % 256), ctypes.c_uint64(bytes_.value)

    def own(function=library.plait_call, kept=(kept, tensors)):
        assert function(name, pointers, count, where) == 0

    def given(function=library.plait_call_with_workspace, kept=(kept, tensors, buffer)):
        assert function(name, pointers, count, where, memory, size) == 0

    return own, given, bytes_.value


def part_rows(op, x, a, row):
    import torch

    place, one = "GPU" if x.is_cuda else "PyTorch", plait.compile(ONE_KERNEL)
    out = op(x, a)
    own, given, count = c_calls(op, (x, a, None, *out), torch.cuda.current_stream().cuda_stream if x.is_cuda else 0)
    row(f"{place}: the library's function alone, own workspace", own)
    row(f"{place}: the same, workspace of {count} bytes given", given)
    own, _, count = c_calls(one, (x, a, out[0]), torch.cuda.current_stream().cuda_stream if x.is_cuda else 0)
    row(f"{place}: the function of x + a, {count} bytes of workspace", own)
    status = ctypes.CDLL(str(op.library)).plait_status_text
    row(f"{place}: a function that does nothing, by ctypes", lambda: status(0))
    row(f"{place}: torch.empty", lambda: torch.empty((1, 2, 8), dtype=torch.float32, device=x.device))
    fast = getattr(torch._C._dynamo.guards, "_empty_strided_cuda" if x.is_cuda else "_empty_strided_cpu", None)
    if fast:
        row(f"{place}: an output, as the package allocates it", lambda: fast((1, 2, 8), (16, 8, 1), torch.float32))


def gpu_rows(op):
    import torch

    x, a = torch.ones(1, 2, 8, device="cuda"), torch.ones(8, device="cuda")
    out = op(x, a)
    one = plait.compile(ONE_KERNEL)

    def row(what, call):  # so few that the queue of launches never fills
        time = microseconds(call, 100, torch.cuda.synchronize, 40)
        torch.cuda.synchronize()
        print(f"{what:56} {time:8.2f} us")

    print(f"on a GPU: {torch.cuda.get_device_name()}, PyTorch {torch.__version__}; `{op.name}` launches "
          f"{launches(op)} kernels, `{one.name}` {launches(one)}")
    row("GPU, outputs allocated", lambda: op(x, a))
    row("GPU, out=", lambda: op(x, a, out=tuple(out)))
    row("GPU, x + a: one kernel, one output", lambda: one(x, a))
    known = op.torch_op
    row("GPU, the operator of torch.library", lambda: known(x, a, None))
    with torch.no_grad():
        compiled = torch.compile(lambda x, a: op(x, a).y, fullgraph=True, backend="aot_eager")
        row("GPU, through torch.compile", lambda: compiled(x, a))
    row("GPU: PyTorch's x + a", lambda: x + a)
    part_rows(op, x, a, row)
    row("GPU: torch.cuda.current_stream()", torch.cuda.current_stream)
    row("GPU: the stream, as PyTorch's own code asks for it", lambda: torch._C._cuda_getCurrentRawStream(0))
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        op(x, a)
    row("GPU: the replay of a CUDA graph of the call", graph.replay)


def launches(op):
    facts = op.explain().facts[0]
    return len(facts.get("gpu_kernels", facts["kernels"]))


def jax_rows(op):
    import jax

    x, a = jax.numpy.ones((1, 2, 8)), jax.numpy.ones(8)
    run = jax.jit(lambda x, a: op(x, a).y)
    row("JAX, a call", lambda: op(x, a)[0].block_until_ready(), 2000)
    row("JAX, inside of jax.jit", lambda: run(x, a).block_until_ready(), 2000)
    add = jax.jit(lambda x: x + x)
    row("JAX: jax.jit of x + x", lambda: add(x).block_until_ready(), 2000)


def main(only_gpu):
    op = plait.compile(OPERATOR)
    if not only_gpu:
        print(f"{'import plait':56} {cold_import() * 1e3:8.2f} ms")
        numpy_rows(op)
        for name, rows in (("torch", torch_rows), ("jax", jax_rows)):
            if importlib.util.find_spec(name):
                rows(op)
    if importlib.util.find_spec("torch"):
        import torch

        if torch.cuda.is_available():
            gpu_rows(op)


os.environ.setdefault("PLAIT_NUM_THREADS", "1")
main(sys.argv[1:] == ["gpu"])
