#!/usr/bin/env python3
"""Times attention on a GPU beside PyTorch's kernels, in one run, and prints one table.

    python3 bench/attention.py prepare build/bin/plait FOLDER    builds the libraries (needs no GPU)
    python3 bench/attention.py run FOLDER [CASE ...]             needs a GPU and PyTorch; no compiler of Plait's

bf16. A time is the median over runs, each between two CUDA events, the L2 cache flushed before each. The error printed is
RMS(difference) / RMS of Plait's output against PyTorch's. TFLOP/s count two products over the pairs that the mask lets through.
"""
import ctypes
import pathlib
import subprocess
import sys

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


class DLTensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32),
                ("ndim", ctypes.c_int32), ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16),
                ("shape", ctypes.POINTER(ctypes.c_int64)), ("strides", ctypes.POINTER(ctypes.c_int64)), ("byte_offset", ctypes.c_uint64)]


def dl_tensor(x):
    shape, strides = (ctypes.c_int64 * x.dim())(*x.shape), (ctypes.c_int64 * x.dim())(*x.stride())
    return DLTensor(x.data_ptr(), 2, x.device.index or 0, x.dim(), 4, 16, 1, shape, strides, 0)


def operator(folder, case, name, tensors):
    import torch
    library = ctypes.CDLL(str(folder / f"lib{case}.so"))
    library.plait_error.restype = ctypes.c_char_p
    held = [dl_tensor(x) for x in tensors]
    arguments = [ctypes.byref(x) for x in held]

    def call():
        if getattr(library, name)(*arguments, ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)):
            raise RuntimeError(library.plait_error().decode())
    call.held = held
    return call


def median_ms(function, runs=30):
    import torch
    flush = torch.empty(64 << 20, dtype=torch.int32, device="cuda")
    for _ in range(3):
        function()
    times = []
    for _ in range(runs):
        flush.zero_()
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        function()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end))
    return sorted(times)[len(times) // 2]


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
        ours = operator(folder, case, name, (q, k, v, o))
        causal, heads_first = share < 1, [x.transpose(1, 2) for x in (q, k, v)]
        times, reference = {"Plait": median_ms(ours)}, None
        for peer, backend in (("cuDNN", SDPBackend.CUDNN_ATTENTION), ("Flash-2", SDPBackend.FLASH_ATTENTION)):
            try:
                with sdpa_kernel(backend):
                    reference = F.scaled_dot_product_attention(*heads_first, is_causal=causal).transpose(1, 2)
                    times[peer] = median_ms(lambda: F.scaled_dot_product_attention(*heads_first, is_causal=causal))
            except RuntimeError as problem:  # said, not hidden
                print(f"    {peer}: {str(problem).splitlines()[0]}", file=sys.stderr)
        error = ((o.float() - reference.float()).square().mean().sqrt() / reference.float().square().mean().sqrt()).item()
        work = 2.0 * b * h * t * t * (d + e) * share
        cells = [f"{times[p]:7.3f} ({work / times[p] / 1e9:4.0f})" if p in times else "-" for p in ("Plait", "cuDNN", "Flash-2")]
        best = min(ms for p, ms in times.items() if p != "Plait")
        shape = f"b{b} t{t} h{h} d{d}" + (f" e{e}" if e != d else "")
        print(f"{case:14} {shape:28} {cells[0]:>15} {cells[1]:>15} {cells[2]:>15}  {error:8.1e}  {times['Plait'] / best:.2f}", flush=True)


def main():
    words = sys.argv[1:]
    if len(words) == 3 and words[0] == "prepare":
        prepare(words[1], pathlib.Path(words[2]))
    elif len(words) >= 2 and words[0] == "run":
        run(pathlib.Path(words[1]), words[2:])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
