#!/usr/bin/env python3
"""Times the examples on the CPU beside PyTorch, on the same cores, and prints one table.

    python3 bench/cpu.py [--plait build/bin/plait] [--threads N] [--no-compile] [NAME ...]

NAME is a function of torch_forms.FORMS, and the folder of the same name in examples/; all of them when none is given. Both sides
work in f32 (the examples' bf16 is replaced) at the sizes SIZES: one sequence of 4096 tokens, 8 heads of 64 features, or 512
channels. For PyTorch the fastest of the forms in torch_forms.py counts, each also under torch.compile (not with --no-compile),
on one thread and on all. Both get the same arrays. Columns: milliseconds of each, PyTorch's time over Plait's, and RMS(difference)
/ RMS(PyTorch's output) of the first output. Needs PyTorch, and a C++ compiler for torch.compile; nothing else in the repository does.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import torch

import torch_forms
from libraries import operator_of, relative_error

ROOT = pathlib.Path(__file__).resolve().parent.parent
# By axis of the programs; an axis that is not here (taps, for one) has the size that its program declares.
SIZES = dict(b=1, t=4096, h=8, c=512, d=64, e=64, p=64, n=64)
OWN_SIZES = dict(mamba1=dict(n=16))  # what its paper uses


def signature(source):
    """Of a program with one operator: its inputs without a default as (name, axes), the number of those with one, its outputs.

    Inputs with a default come last in every example, so that a call passes NULL for that many."""
    text = re.sub(r"#.*", "", source)
    head = text[text.index("operator"):text.index("{")]
    inputs, outputs = head.split("->")
    optional = 0
    lists = []
    for part in (inputs, outputs):
        found = []
        for names, axes, default in re.findall(r"([\w\s,]+?):\s*\w+\[([\w\s,]*)\](\s*=)?", re.sub(r"=\s*[-\w.]+", "= ", part)):
            for name in re.findall(r"\w+", names):
                if default:
                    optional += 1
                else:
                    found.append((name, re.findall(r"\w+", axes)))
        lists.append(found)
    return lists[0], optional, lists[1]


def build(plait, name, folder):
    """Compiles the example with f32 storage: a function that calls it and returns its first output, and the inputs that it uses."""
    source = (ROOT / "examples" / name / f"{name}.plait").read_text().replace("bf16", "f32")
    (folder / f"{name}.plait").write_text(source)
    sizes = {**SIZES, **OWN_SIZES.get(name, {})}
    for axis, size in re.findall(r"^axis (\w+) = (\d+)", source, re.M):
        sizes.setdefault(axis, int(size))
    command = [plait, "build", str(folder / f"{name}.plait"), "-o", str(folder / f"lib{name}.so"), "--target", "cpu"]
    for axis in re.findall(r"^axis (\w+) = ", source, re.M):
        command += ["-D", f"{axis}={sizes[axis]}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    inputs, optional, outputs = signature(source)
    values = [torch.randn([sizes[a] for a in axes]) for _, axes in inputs]
    results = [torch.empty([sizes[a] for a in axes]) for _, axes in outputs]
    operator = operator_of(folder / f"lib{name}.so", name, (*values, *[None] * optional, *results))

    def call():
        operator()
        return results[0]
    return call, values


def fastest_seconds(function, budget=2.0):
    """Of as many runs as fit into the budget, at least 2, after one that is not counted: other work on the machine only ever adds time."""
    function()
    best, start = float("inf"), time.perf_counter()
    for run in range(50):
        before = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - before)
        if run > 0 and time.perf_counter() - start > budget:
            break
    return best


def torch_times(forms, values, threads, compile_too):
    """Seconds of each form, and one result to compare with. Small operations are often faster on one thread: both are tried."""
    seconds, result = {}, None
    for name, form in forms.items():
        variants = {name: form}
        if compile_too and name in torch_forms.COMPILED:
            variants[f"{name}, compiled"] = torch.compile(form)
        for label, function in variants.items():
            for count in sorted({1, threads}):
                torch.set_num_threads(count)
                try:
                    result = function(*values)
                    seconds[f"{label}, {count} thread{'s' * (count > 1)}"] = fastest_seconds(lambda: function(*values))
                except Exception as problem:  # said, not hidden: the table then lacks this form
                    print(f"    {label} failed: {str(problem).splitlines()[0]}", file=sys.stderr)
    return seconds, result


def processor():
    names = re.findall(r"^model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    return names[0] if names else "unknown processor"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plait", default=str(ROOT / "build" / "bin" / "plait"))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    known = [make.__name__ for make in torch_forms.FORMS]
    unknown = sorted(set(arguments.names) - set(known))
    if unknown:
        parser.error(f"no form of {', '.join(unknown)} in torch_forms.py; there are {', '.join(known)}")
    torch.manual_seed(1)
    os.environ["PLAIT_NUM_THREADS"] = str(arguments.threads)
    torch.set_grad_enabled(False)
    print(f"{processor()}, {arguments.threads} threads; PyTorch {torch.__version__}; B1 T4096 H8 D64, f32; fastest run in milliseconds")
    if os.getloadavg()[0] > 0.5:
        print(f"other work is running on this machine (load {os.getloadavg()[0]:.1f}): these figures are not to be quoted")
    print(f"{'operator':22} {'Plait':>9} {'PyTorch':>9} {'ratio':>7}  {'error':>8}  best form of PyTorch (others)")
    for make in torch_forms.FORMS:
        name = make.__name__
        if arguments.names and name not in arguments.names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            call, values = build(arguments.plait, name, pathlib.Path(folder))
            ours = fastest_seconds(call)
            seconds, reference = torch_times(make(), values, arguments.threads, not arguments.no_compile)
            error = relative_error(call(), reference)
        best = min(seconds, key=seconds.get)
        others = ", ".join(f"{n} {1e3 * s:.1f}" for n, s in seconds.items() if n != best)
        print(f"{name:22} {1e3 * ours:9.2f} {1e3 * seconds[best]:9.2f} {seconds[best] / ours:6.2f}x  {error:8.1e}  {best} ({others})", flush=True)


if __name__ == "__main__":
    main()
