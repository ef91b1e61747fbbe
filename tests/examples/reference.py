#!/usr/bin/env python3
"""Runs an example through `plait run` and compares it with the paper's formula in numpy (reference_formulas.py).

    reference.py --plait build/bin/plait --examples examples [NAME ...]
    reference.py --interpret build/bin/interpret [--optimised | --blocks] --examples examples [NAME ...]

This is what catches a wrong formula in an example, which the interpreter cannot, since it runs that formula. With --plait each
example is run as it stands (bf16 storage: the limit is 3e-3) and with every bf16 replaced by f32 (1e-5), the
error being RMS(err) / RMS(ref), for several sizes: a length of 1, odd lengths, odd and even head dimensions. With
--interpret (tests/examples/interpret.c) the front end and the interpreter alone are at work, in double precision (1e-11);
--optimised: after the passes on Stage IR; --blocks: after those for a GPU, which turn scans into folds over blocks of tokens.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

import reference_formulas

LIMITS = {"bf16": 3e-3, "f32": 1e-5, "f64": 1e-11}
# Run-time sizes and static ones (given with -D where the example has that axis) of each case.
CASES = [
    ("bf16", dict(b=2, t=37, s=37, h=3, i=2, g=2, r=3, c=40), {}),
    ("f32", dict(b=1, t=70, s=70, h=2, i=3, g=1, r=2, c=17), dict(d=24, e=33, n=7, p=21, c=19)),
    ("f32", dict(b=2, t=1, s=1, h=1, i=1, g=1, r=1, c=3), dict(d=2, e=1, n=1, p=1, c=3)),
]
# Beyond the longest window of each example.
LONG = {"sliding_window_alibi": 300, "residual_memory": 150}


def parse(source):
    """The static axes and the inputs (name, scalar, axes) of an example, in order of declaration."""
    text = re.sub(r"#.*", "", source)
    static = {name: int(size) for name, size in re.findall(r"^axis (\w+) = (\d+)\s*$", text, re.M)}
    signature = re.sub(r"=\s*[-\w.]+", "", text[text.index("operator"):text.index("->")])
    inputs = []
    for names, scalar, axes in re.findall(r"([\w\s,]+?):\s*(\w+)\[([\w\s,]*)\]", signature):
        for name in re.findall(r"\w+", names):
            inputs.append((name, scalar, re.findall(r"\w+", axes)))
    return static, inputs


def with_derived(source, sizes):
    """The sizes, with those of axes that are declared by the size of another, in order of declaration."""
    sizes = dict(sizes)
    for axis, size in re.findall(r"^axis (\w+) = (.*size\(.*)", re.sub(r"#.*", "", source), re.M):
        size = re.sub(r"size\((\w+)\)", lambda found: str(sizes[found[1]]), size)
        sizes[axis] = eval(size.replace("^", "**").replace("/", "//"))
    for axis, other in re.findall(r"^axis (\w+) : \w+ same (\w+)", source, re.M):
        sizes[axis] = sizes[other]
    return sizes


def to_bf16(x):
    """Rounded to the nearest bf16, ties to even, as float32."""
    bits = x.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


# Filters, and matrices that are multiplied by the output before, which may not make it chaotic.
SMALL = {"filter": 0.3, "slope": 0.3, "W": 0.3, "Rz": 0.1, "Ri": 0.1, "Rf": 0.1, "Ro": 0.1}
# Sums of weights, which something is divided by.
POSITIVE = ("n0", "den0", "zc0", "zs0", "zS0", "zU0")


def draw(random, name, scalar, shape):
    """One input; gates that must lie in (0, 1), filters and sums get ranges of their own."""
    if scalar == "bool":
        value = random.random(shape) < 0.7
        value[..., 0] = True  # a row of which nothing is visible has no defined softmax
        return value
    if scalar == "i32":
        return random.integers(0, 4, shape).astype(np.int32)
    if name in ("lower", "delta"):
        value = random.random(shape) * (0.9 if name == "lower" else 0.1)
    else:
        value = random.standard_normal(shape) * SMALL.get(name, 1)
    if name in POSITIVE:
        value = np.abs(value)
    if name == "H0":  # a sum of keys times themselves
        value = value @ value.swapaxes(-1, -2) / shape[-1]
    value = value.astype(np.float32)
    return to_bf16(value) if scalar == "bf16" else value


def error(actual, reference):
    if actual.shape != reference.shape:
        return float("inf")
    scale = np.sqrt(np.mean(reference**2)) if reference.size else 1
    return float(np.sqrt(np.mean((actual - reference) ** 2)) / scale) if reference.size else 0.0


def run_case(command, name, source, storage, sizes, defines, folder):
    """The error of each output; storage f64: arrays of doubles, for the interpreter."""
    static, inputs = parse(source)
    sizes = with_derived(source, {**sizes, **static, **{axis: n for axis, n in defines.items() if axis in static}})
    program = folder / f"{name}.plait"
    program.write_text(source if storage == "f64" else source.replace("bf16", storage))
    random = np.random.default_rng(7)
    values = [draw(random, n, storage if s == "bf16" else s, [sizes[a] for a in axes]) for n, s, axes in inputs]
    wide = [v if v.dtype == bool else v.astype(np.float64) for v in values]
    reference = getattr(reference_formulas, name)(*wide)
    command = [part.replace("PROGRAM", str(program)) for part in command]
    for axis, n in defines.items():
        if axis in static:
            command += ["-D", f"{axis}={n}"]
    for (n, _, _), value in zip(inputs, values):
        np.save(folder / f"{n}.npy", value.astype(np.float64) if storage == "f64" and value.dtype != bool else value)
        command += ["--in", f"{n}={folder / n}.npy"]
    for n in reference:
        command += ["--out", f"{n}={folder / n}.out.npy"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\nexit status {done.returncode}\n{done.stdout}{done.stderr}")
    return {n: error(np.load(folder / f"{n}.out.npy").astype(np.float64), r) for n, r in reference.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plait")
    parser.add_argument("--interpret")
    parser.add_argument("--optimised", action="store_true")
    parser.add_argument("--blocks", action="store_true")
    parser.add_argument("--examples", required=True, type=pathlib.Path)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    if arguments.interpret:
        command = [arguments.interpret, "PROGRAM"] + ["--optimised"] * arguments.optimised + ["--blocks"] * arguments.blocks
    else:
        command = [arguments.plait, "run", "PROGRAM"]
    failures = 0
    for name in arguments.names or sorted(p.name for p in arguments.examples.iterdir() if (p / f"{p.name}.plait").exists()):
        source = (arguments.examples / name / f"{name}.plait").read_text()
        for storage, sizes, defines in CASES:
            storage = "f64" if arguments.interpret else storage
            if sizes["t"] > 50:
                sizes = {**sizes, "t": LONG.get(name, sizes["t"])}
            with tempfile.TemporaryDirectory() as folder:
                errors = run_case(command, name, source, storage, sizes, defines, pathlib.Path(folder))
            for output, value in errors.items():
                good = value <= LIMITS[storage]  # false for NaN
                failures += not good
                print(f"{name:22} t={sizes['t']:<4} {storage:5} {output:3} {value:.2e} {'ok' if good else 'WRONG'}")
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
