#!/usr/bin/env python3
"""Times recurrences on a GPU beside flash-linear-attention's kernels (fla-core), in one run, and prints one table.

    python3 bench/scans.py prepare build/bin/plait FOLDER    builds the libraries (needs no GPU)
    python3 bench/scans.py run FOLDER [CASE ...]             needs a GPU, PyTorch, fla-core and einops; no compiler of Plait's
    python3 bench/scans.py run FOLDER --alone [CASE ...]     Plait alone: FLA's autotuning takes minutes for some cases

Inputs bf16, gates f32. A time is the median over runs, each between two CUDA events, the L2 cache flushed before each. The error is
RMS(difference) / RMS of Plait's output against the peer's. The floor reads each input once and writes the output once at 3.0 TB/s.
"""
import math
import pathlib
import subprocess
import sys
import time

from libraries import main, median_ms, operator_of, relative_error

ROOT = pathlib.Path(__file__).resolve().parent
TARGET = "sm_90a"
BYTES_PER_MS = 3.0e9

# operator: the inputs after q, k, v; hgrn and mamba1 have no keys, but channels
OPERATORS = {
    "retention": (), "simple_gla": ("g",), "gla": ("gd",), "delta_net": ("beta",), "gated_delta_net": ("g", "beta"),
    "kda": ("gd", "beta"), "rwkv6": ("gd", "u"), "rwkv7": ("x", "a", "c"), "hgrn": (),
    "mamba1": (),
}
CHANNELS = ("hgrn", "mamba1")
SIZES = {
    "": dict(b=2, t=16384, h=16, d=128),
    "_d64": dict(b=2, t=16384, h=32, d=64),
    "_d256": dict(b=2, t=16384, h=8, d=256),
    "_short": dict(b=1, t=2048, h=4, d=128),
}


def cases():
    for operator in OPERATORS:
        for suffix, sizes in SIZES.items():
            if operator in CHANNELS and not suffix:
                yield operator, operator, dict(b=2, t=16384, h=1, d=2048)
            elif operator not in CHANNELS:
                yield operator + suffix, operator, sizes


def prepare(plait, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for operator in OPERATORS:
        for d in sorted({sizes["d"] for _, name, sizes in cases() if name == operator}):
            begin = time.monotonic()
            defines = [] if operator in CHANNELS else ["-D", f"d={d}", "-D", f"e={d}"]
            subprocess.run([plait, "build", ROOT / "scans" / f"{operator}.plait", "-o", folder / f"lib{operator}_{d}.so", "--target", TARGET,
                            "--no-cache", *defines], check=True, stdout=subprocess.DEVNULL)
            print(f"{operator} d={d}: built in {time.monotonic() - begin:.2f} s")


def peer_of(operator, q, k, v, more):
    """A call of the peer's kernel, forward, without states."""
    if operator == "retention":
        from fla.ops.retention import chunk_retention
        return lambda: chunk_retention(q, k, v)[0]
    if operator == "simple_gla":
        from fla.ops.simple_gla import chunk_simple_gla
        return lambda: chunk_simple_gla(q, k, v, g=more["g"])[0]
    if operator == "gla":
        from fla.ops.gla import chunk_gla
        return lambda: chunk_gla(q, k, v, g=more["gd"])[0]
    if operator == "delta_net":
        from fla.ops.delta_rule import chunk_delta_rule
        return lambda: chunk_delta_rule(q, k, v, more["beta"])[0]
    if operator == "kda":
        from fla.ops.kda import chunk_kda
        return lambda: chunk_kda(q, k, v, more["gd"], more["beta"])[0]
    if operator == "rwkv6":
        from fla.ops.rwkv6 import chunk_rwkv6
        return lambda: chunk_rwkv6(q, k, v, more["gd"], more["u"])[0]
    if operator == "rwkv7":
        from fla.ops.rwkv7 import chunk_rwkv7
        w = -math.exp(-0.5) * more["x"].float().sigmoid()
        return lambda: chunk_rwkv7(q, w.bfloat16(), k, v, more["a"], more["c"])[0]
    if operator == "hgrn":
        from fla.ops.hgrn import chunk_hgrn
        return lambda: chunk_hgrn(q, k)[0]
    if operator == "mamba1":
        raise RuntimeError("fla-core has no selective scan")
    from fla.ops.gated_delta_rule import chunk_gated_delta_rule
    return lambda: chunk_gated_delta_rule(q, k, v, more["g"], more["beta"])[0]


def inputs(operator, sizes):
    import torch
    import torch.nn.functional as F
    b, t, h, d = (sizes[axis] for axis in "bthd")
    if operator == "hgrn":
        return torch.randn(b, t, d, device="cuda").bfloat16(), F.logsigmoid(torch.randn(b, t, d, device="cuda")).bfloat16(), None, {}
    if operator == "mamba1":
        x, dt, z = (torch.randn(b, t, d, device="cuda").bfloat16() for _ in range(3))
        B, C = (torch.randn(b, t, 16, device="cuda").bfloat16() for _ in range(2))
        A = -torch.arange(1, 17, device="cuda").float().repeat(d, 1)
        return x, dt, z, {"B": B, "C": C, "A": A, "D": torch.ones(d, device="cuda")}
    q, k, v = (torch.randn(b, t, h, d, device="cuda") for _ in range(3))
    k = F.normalize(k, dim=-1) if "delta" in operator or operator == "kda" else k * d ** -0.5
    kappa = F.normalize(torch.randn(b, t, h, d, device="cuda"), dim=-1)
    more = {"x": torch.randn(b, t, h, d, device="cuda").bfloat16(), "u": torch.randn(h, d, device="cuda").bfloat16(),
            "a": -kappa.bfloat16(), "c": (kappa * torch.rand(b, t, h, d, device="cuda")).bfloat16(), "g": F.logsigmoid(torch.randn(b, t, h, device="cuda")) / 4, "gd": F.logsigmoid(torch.randn(b, t, h, d, device="cuda")) / 16,
            "beta": torch.rand(b, t, h, device="cuda").bfloat16()}
    return q.bfloat16(), k.bfloat16(), v.bfloat16(), {name: more[name] for name in OPERATORS[operator]}


def run(folder, names):
    import torch
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}; bf16; medians, milliseconds")
    print(f"{'case':24} {'sizes':26} {'Plait':>9} {'FLA':>9} {'floor':>8}  {'error':>8}  Plait / FLA  Plait / floor")
    torch.manual_seed(1)
    alone, names = "--alone" in names, [name for name in names if name != "--alone"]
    for case, operator, sizes in cases():
        path = folder / f"lib{operator}_{sizes['d']}.so"
        if names and case not in names or not path.exists():
            continue
        q, k, v, more = inputs(operator, sizes)
        o = torch.empty_like(q if v is None else v)
        tensors = tuple(x for x in (q, k, v, *more.values(), o) if x is not None)
        ours = operator_of(path, operator, tensors)
        times, error = {"Plait": median_ms(ours)}, float("nan")
        try:
            if not alone:
                theirs = peer_of(operator, q, k, v, more)
                error = relative_error(o, theirs())
                times["FLA"] = median_ms(theirs)
        except Exception as problem:  # said, not hidden
            print(f"    FLA: {str(problem).splitlines()[:1]}", file=sys.stderr)
        floor = sum(x.numel() * x.element_size() for x in tensors) / BYTES_PER_MS
        shape = " ".join(f"{axis}{size}" for axis, size in sizes.items())
        ratio = f"{times['Plait'] / times['FLA']:.2f}" if "FLA" in times else "-"
        print(f"{case:24} {shape:26} {times['Plait']:9.3f} {times.get('FLA', float('nan')):9.3f} {floor:8.3f}  {error:8.1e}  {ratio:>11}  "
              f"{times['Plait'] / floor:13.2f}", flush=True)


if __name__ == "__main__":
    main(__doc__, prepare, run)
