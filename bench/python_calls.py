"""What a call from Python costs beside the operator's own time: tiny arrays, the least of several repeats.

    python3 bench/python_calls.py          (the package plait, NumPy; PyTorch and JAX where they are there)
"""
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


def microseconds(call, number=20000):
    call()
    return min(timeit.repeat(call, number=number, repeat=7)) / number * 1e6


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
    if torch.cuda.is_available():
        x, a = x.cuda(), a.cuda()
        row("PyTorch on a GPU", lambda: op(x, a), 1000)


def jax_rows(op):
    import jax

    x, a = jax.numpy.ones((1, 2, 8)), jax.numpy.ones(8)
    run = jax.jit(lambda x, a: op(x, a).y)
    row("JAX, a call", lambda: op(x, a)[0].block_until_ready(), 2000)
    row("JAX, inside of jax.jit", lambda: run(x, a).block_until_ready(), 2000)
    add = jax.jit(lambda x: x + x)
    row("JAX: jax.jit of x + x", lambda: add(x).block_until_ready(), 2000)


os.environ.setdefault("PLAIT_NUM_THREADS", "1")
operator = plait.compile(OPERATOR)
print(f"{'import plait':56} {cold_import() * 1e3:8.2f} ms")
numpy_rows(operator)
for name, rows in (("torch", torch_rows), ("jax", jax_rows)):
    if importlib.util.find_spec(name):
        rows(operator)
