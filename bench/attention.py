#!/usr/bin/env python3
"""Times attention on a GPU beside PyTorch's kernels, in one run, and prints one table.

    python3 bench/attention.py prepare build/bin/plait FOLDER    builds the libraries (needs no GPU)
    python3 bench/attention.py run FOLDER [CASE ...]             needs a GPU and PyTorch; no compiler of Plait's

bf16. A time is the median over runs, each between two CUDA events, the L2 cache flushed before each. The error printed is
RMS(difference) / RMS of Plait's output against PyTorch's. TFLOP/s count two products over the pairs that the mask lets through.
"""
import pathlib
import subprocess
import sys

from libraries import main, median_ms, operator_of, relative_error

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = "sm_90a"

# name: example, -D sizes, run-time sizes, fraction of pairs that the mask lets through
CASES = {
    "causal_d128": ("causal_attention", dict(d=128, e=128), dict(b=2, t=8192, h=16), 0.5),
    "causal_d64": ("causal_attention", dict(d=64, e=64), dict(b=2, t=8192, h=32), 0.5),
    "causal_d256": ("causal_attention", dict(d=256, e=256), dict(b=2, t=8192, h=8), 0.5),
    "full_d128": ("full_attention", dict(d=128, e=128), dict(b=2, t=8192, h=16), 1),
    "full_d64": ("full_attention", dict(d=64, e=64), dict(b=2, t=8192, h=32), 1),
    "causal_d96": ("causal_attention", dict(d=96, e=96), dict(b=2, t=8192, h=16), 0.5),
    "causal_d40": ("causal_attention", dict(d=40, e=40), dict(b=2, t=8192, h=32), 0.5),
    "short_d128": ("causal_attention", dict(d=128, e=128), dict(b=4, t=1024, h=16), 0.5),
}
FULL = """axis b : batch
axis h : head
axis t : time
axis d = 64
axis e = 64
operator full_attention(q, k : bf16[b, t, h, d], v : bf16[b, t, h, e]) -> (o : bf16[b, t, h, e])
{
    attend s { o = sum(softmax(sum[d](q * k@s) / sqrt(size(d))) * v@s) }
}
"""


def prepare(plait, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "full_attention.plait").write_text(FULL)
    for case, (name, sizes, _, _) in CASES.items():
        own = folder / f"{name}.plait"
        source = own if own.exists() else ROOT / "examples" / name / f"{name}.plait"
        defines = [word for axis, size in sizes.items() for word in ("-D", f"{axis}={size}")]
        subprocess.run([plait, "build", source, "-o", folder / f"lib{case}.so", "--target", TARGET, "--no-cache", *defines],
                       check=True)


def run(folder, names):
    import torch
    import torch.nn.functional as F
    from torch.nn.attention import SDPBackend, sdpa_kernel
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}; bf16; medians, milliseconds (TFLOP/s)")
    print(f"{'case':14} {'sizes':28} {'Plait':>15} {'cuDNN':>15} {'Flash-2':>15}  {'error':>8}  Plait / best peer")
    torch.manual_seed(1)
    for case, (name, sizes, extents, share) in CASES.items():
        if names and case not in names or not (folder / f"lib{case}.so").exists():
            continue
        b, t, h, d, e = extents["b"], extents["t"], extents["h"], sizes["d"], sizes["e"]
        q, k, v = (torch.randn(b, t, h, n, device="cuda", dtype=torch.bfloat16) for n in (d, d, e))
        o = torch.empty(b, t, h, e, device="cuda", dtype=torch.bfloat16)
        ours = operator_of(folder / f"lib{case}.so", name, (q, k, v, o))
        causal, heads_first = share < 1, [x.transpose(1, 2) for x in (q, k, v)]
        times, reference = {"Plait": median_ms(ours)}, None
        for peer, backend in (("cuDNN", SDPBackend.CUDNN_ATTENTION), ("Flash-2", SDPBackend.FLASH_ATTENTION)):
            try:
                with sdpa_kernel(backend):
                    reference = F.scaled_dot_product_attention(*heads_first, is_causal=causal).transpose(1, 2)
                    times[peer] = median_ms(lambda: F.scaled_dot_product_attention(*heads_first, is_causal=causal))
            except RuntimeError as problem:  # said, not hidden
                print(f"    {peer}: {str(problem).splitlines()[0]}", file=sys.stderr)
        error = relative_error(o, reference)
        work = 2.0 * b * h * t * t * (d + e) * share
        cells = [f"{times[p]:7.3f} ({work / times[p] / 1e9:4.0f})" if p in times else "-" for p in ("Plait", "cuDNN", "Flash-2")]
        best = min(ms for p, ms in times.items() if p != "Plait")
        shape = f"b{b} t{t} h{h} d{d}" + (f" e{e}" if e != d else "")
        print(f"{case:14} {shape:28} {cells[0]:>15} {cells[1]:>15} {cells[2]:>15}  {error:8.1e}  {times['Plait'] / best:.2f}", flush=True)


if __name__ == "__main__":
    main(__doc__, prepare, run)
