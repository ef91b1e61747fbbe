#!/usr/bin/env python3
"""Runs examples in pieces, each with the state that the one before left, and compares with one run.

    carried.py --plait build/bin/plait --examples examples NAME ...

For each NAME of an operator that takes NAME0 and gives NAME. Pieces of every length, single tokens among them; f32, limit 1e-5 of
RMS(err) / RMS(ref). Not for operators that look back past their state (short convolutions) or count positions (rope).
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

from reference import draw, error, parse, with_derived

SIZES = dict(b=2, h=3, i=2, g=2, r=3, c=19)
LENGTH, CUTS = 71, (0, 1, 2, 34, 70, 71)
LIMIT = 1e-5


def outputs_of(source):
    """The names and axes of the outputs."""
    return parse("operator" + source[source.index("->") + 2:source.index("{", source.index("->"))] + "->")[1]


def run(plait, program, values, outputs, folder):
    command = [plait, "run", str(program)]
    for name, value in values.items():
        np.save(folder / f"{name}.npy", value)
        command += ["--in", f"{name}={folder / name}.npy"]
    for name, _, _ in outputs:
        command += ["--out", f"{name}={folder / name}.out.npy"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\nexit status {done.returncode}\n{done.stdout}{done.stderr}")
    return {name: np.load(folder / f"{name}.out.npy") for name, _, _ in outputs}


def piece(values, inputs, begin, end):
    axes = {name: found for name, _, found in inputs}
    return {name: np.ascontiguousarray(value.take(range(begin, end), axes[name].index("t"))) if "t" in axes[name] else value
            for name, value in values.items()}


def errors_of(plait, name, source, folder):
    static, inputs = parse(source)
    outputs = outputs_of(source)
    states = [output for output, _, _ in outputs if f"{output}0" in {name for name, _, _ in inputs}]
    if not states:
        sys.exit(f"{name}: no state that is taken and given")
    program = folder / f"{name}.plait"
    program.write_text(source.replace("bf16", "f32"))
    random, sizes = np.random.default_rng(3), with_derived(source, {**SIZES, "t": LENGTH, **static})
    values = {n: draw(random, n, "f32" if s == "bf16" else s, [sizes[a] for a in axes]) for n, s, axes in inputs}
    whole, parts = run(plait, program, values, outputs, folder), []
    for begin, end in zip(CUTS, CUTS[1:]):
        parts.append(run(plait, program, piece(values, inputs, begin, end), outputs, folder))
        values.update({f"{state}0": parts[-1][state] for state in states})
    joined = {n: np.concatenate([part[n] for part in parts], axes.index("t")) if "t" in axes else parts[-1][n]
              for n, _, axes in outputs}
    return {n: error(joined[n], whole[n]) for n in joined}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plait", required=True)
    parser.add_argument("--examples", required=True, type=pathlib.Path)
    parser.add_argument("names", nargs="+")
    arguments = parser.parse_args()
    failures = 0
    for name in arguments.names:
        source = (arguments.examples / name / f"{name}.plait").read_text()
        with tempfile.TemporaryDirectory() as folder:
            errors = errors_of(arguments.plait, name, source, pathlib.Path(folder))
        for output, value in errors.items():
            failures += not value <= LIMIT
            print(f"{name:22} {output:3} {value:.2e} {'ok' if value <= LIMIT else 'WRONG'}")
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
