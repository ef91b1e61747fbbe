#!/usr/bin/env python3
"""Times attention on a GPU beside PyTorch's kernels, in one run, and prints one table.

    python3 bench/attention.py prepare build/bin/plait FOLDER    builds the libraries (needs no GPU)
    python3 bench/attention.py run FOLDER [CASE ...]             needs a GPU and PyTorch; no compiler of Plait's

bf16, forward. A time is the median over runs, each between two CUDA events, the L2 cache flushed before each. The error printed is
RMS(difference) / RMS of Plait's output against PyTorch's. TFLOP/s count two products over the pairs that the mask lets through.
All read the same tensors, [b, t, h, d] in memory: PyTorch's functions are given transposed views. Flex is FlexAttention under
torch.compile; compiling it, and making its block mask, is not in the time; where it fails its column is "-". No kernel of
PyTorch's does sigmoid attention: its error is against the formula in f32, its ratio is to Plait's own softmax (causal_d128).
"""
import contextlib
import math
import pathlib
import subprocess
import sys

from libraries import main, median_ms, operator_of, relative_error

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = "sm_90a"
WINDOW, CAP = 1024, 20  # as the operators in attentions/ have them

# name: operator (of FOLDER, attentions/ or examples/), -D sizes, run-time sizes: h heads of queries, g of keys and values if fewer
CASES = {
    "causal_d128": ("causal_attention", dict(d=128, e=128), dict(b=2, t=8192, h=16)),
    "causal_d64": ("causal_attention", dict(d=64, e=64), dict(b=2, t=8192, h=32)),
    "causal_d256": ("causal_attention", dict(d=256, e=256), dict(b=2, t=8192, h=8)),
    "full_d128": ("full_attention", dict(d=128, e=128), dict(b=2, t=8192, h=16)),
    "full_d64": ("full_attention", dict(d=64, e=64), dict(b=2, t=8192, h=32)),
    "causal_d96": ("causal_attention", dict(d=96, e=96), dict(b=2, t=8192, h=16)),
    "causal_d40": ("causal_attention", dict(d=40, e=40), dict(b=2, t=8192, h=32)),
    "short_d128": ("causal_attention", dict(d=128, e=128), dict(b=4, t=1024, h=16)),
    "grouped_d128": ("grouped_attention", dict(d=128, e=128), dict(b=2, t=8192, h=32, g=4)),
    "softcap_d128": ("softcap_attention", dict(d=128, e=128), dict(b=2, t=8192, h=16)),
    "softcap_d64": ("softcap_attention", dict(d=64, e=64), dict(b=2, t=8192, h=32)),
    "alibi_d128": ("alibi_attention", dict(d=128, e=128), dict(b=2, t=8192, h=16)),
    "alibi_d64": ("alibi_attention", dict(d=64, e=64), dict(b=2, t=8192, h=32)),
    "window_d128": ("window_attention", dict(d=128, e=128), dict(b=2, t=8192, h=16)),
    "document_d128": ("document_attention", dict(d=128, e=128), dict(b=2, t=8192, h=16)),
    "sigmoid_d128": ("sigmoid_attention", dict(d=128, e=128), dict(b=2, t=8192, h=16)),
}
# What scaled_dot_product_attention can say, and so cuDNN and FlashAttention-2 do; the others only FlexAttention can.
PLAIN = ("causal_attention", "full_attention", "grouped_attention")
PEERS = ("cuDNN", "Flash-2", "Flex")
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


def source_of(name, folder):
    places = (folder, ROOT / "bench" / "attentions", ROOT / "examples" / name)
    return next(place / f"{name}.plait" for place in places if (place / f"{name}.plait").exists())


def prepare(plait, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "full_attention.plait").write_text(FULL)
    for case, (name, sizes, _) in CASES.items():
        defines = [word for axis, size in sizes.items() for word in ("-D", f"{axis}={size}")]
        subprocess.run([plait, "build", source_of(name, folder), "-o", folder / f"lib{case}.so", "--target", TARGET, "--no-cache", *defines],
                       check=True)


def documents(b, t, device):
    """Each position's document, i32[b, t]: packed documents of random lengths from 256 to 2048, the last cut off."""
    import torch
    generator = torch.Generator().manual_seed(1)
    lengths = torch.randint(256, 2049, (b, t // 256 + 1), generator=generator)
    ends = lengths.cumsum(1)
    return torch.searchsorted(ends, torch.arange(t).repeat(b, 1), right=True).to(device=device, dtype=torch.int32)


def more_inputs(name, b, t, h, device):
    """The operator's inputs after q, k, v."""
    import torch
    if name == "alibi_attention":
        return (2.0 ** (-8.0 * torch.arange(1, h + 1, device=device) / h),)
    return (documents(b, t, device),) if name == "document_attention" else ()


def pairs_of(name, t, more):
    """How many pairs of positions the mask lets through: of one head of one sequence; of documents, the mean over the sequences."""
    if name == "full_attention":
        return t * t
    if name == "window_attention":
        return min(t, WINDOW) * (t - min(t, WINDOW) / 2)
    if name == "document_attention":
        return sum(row.bincount().double().square().sum().item() / 2 for row in more[0].long()) / len(more[0])
    return t * t / 2


def flex_forms(name, more):
    """FlexAttention's forms of the operator: its mask (None: all pairs), whether the mask depends on the sequence, the changes of the scores."""
    import torch

    def causal(b, h, q, k):
        return q >= k

    if name == "full_attention":
        return None, False, (None,)
    if name == "window_attention":
        return (lambda b, h, q, k: (q >= k) & (q - k < WINDOW)), False, (None,)
    if name == "document_attention":
        doc = more[0]
        return (lambda b, h, q, k: (q >= k) & (doc[b, q] == doc[b, k])), True, (None,)
    if name == "alibi_attention":
        slope = more[0]
        return causal, False, (lambda score, b, h, q, k: score + slope[h] * (k - q),)
    if name == "softcap_attention":  # tanh may be a slow call there: the faster of two forms counts
        return causal, False, (lambda score, b, h, q, k: CAP * torch.tanh(score / CAP),
                               lambda score, b, h, q, k: 2 * CAP * torch.sigmoid(score * (2 / CAP)) - CAP)
    return causal, False, (None,)


def flex_calls(name, q, k, v, more):
    """Calls of FlexAttention's kernels, compiled for this case alone. q, k, v: [b, h, t, d]."""
    import torch
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention
    torch.compiler.reset()  # else, after some cases, PyTorch compiles no more
    mask, of_sequence, scores = flex_forms(name, more)
    b, h, t, _ = q.shape
    block_mask = None
    if mask:
        make = torch.compile(create_block_mask, dynamic=False)
        block_mask = make(mask, b if of_sequence else None, None, t, t, device=q.device.type)
    compiled = torch.compile(flex_attention, dynamic=False, fullgraph=True)
    grouped = k.shape[1] < h
    return [lambda score=score: compiled(q, k, v, score_mod=score, block_mask=block_mask, enable_gqa=grouped) for score in scores]


def peer_calls(peer, name, q, k, v, more):
    """A context, and calls in it of the peer's kernels for the operator, the first of which is the reference. q, k, v: [b, h, t, d]."""
    import torch.nn.functional as F
    from torch.nn.attention import SDPBackend, sdpa_kernel
    if peer == "Flex":
        return contextlib.nullcontext(), flex_calls(name, q, k, v, more)
    backend = SDPBackend.CUDNN_ATTENTION if peer == "cuDNN" else SDPBackend.FLASH_ATTENTION
    causal, grouped = name != "full_attention", k.shape[1] < q.shape[1]
    return sdpa_kernel(backend), [lambda: F.scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=grouped)]


def sigmoid_reference(q, k, v):
    """Sigmoid attention in f32, head by head. q, k, v: [b, t, h, d]."""
    import torch
    o, (b, t, h, d) = torch.empty_like(v), q.shape
    for i in range(b):
        for j in range(h):
            scores = q[i, :, j].float() @ k[i, :, j].float().T / math.sqrt(d) - math.log(t)
            o[i, :, j] = (torch.sigmoid(scores).tril() @ v[i, :, j].float()).to(o.dtype)
    return o


def run(folder, names):
    import torch
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}; bf16; medians, milliseconds (TFLOP/s)")
    columns = ("Plait", *PEERS)
    print(f"{'case':14} {'sizes':28} " + " ".join(f"{column:>15}" for column in columns) + f"  {'error':>8}  Plait / best peer")
    torch.manual_seed(1)
    for case, (name, sizes, extents) in CASES.items():
        if names and case not in names or not (folder / f"lib{case}.so").exists():
            continue
        b, t, h, d, e = extents["b"], extents["t"], extents["h"], sizes["d"], sizes["e"]
        g = extents.get("g", h)
        q, k, v = (torch.randn(b, t, heads, n, device="cuda", dtype=torch.bfloat16) for heads, n in ((h, d), (g, d), (g, e)))
        o = torch.empty(b, t, h, e, device="cuda", dtype=torch.bfloat16)
        more = more_inputs(name, b, t, h, "cuda")
        ends = [x.unflatten(2, (g, h // g)) if g < h else x for x in (q, o)]  # query head i reads the keys of head i // (h / g)
        ours = operator_of(folder / f"lib{case}.so", name, (ends[0], k, v, *more, ends[1]))
        heads_first = [x.transpose(1, 2) for x in (q, k, v)]
        times, outputs = {"Plait": median_ms(ours)}, {}
        for peer in PEERS:
            if name == "sigmoid_attention" or name not in PLAIN and peer != "Flex":
                continue
            try:
                context, calls = peer_calls(peer, name, *heads_first, more)
                with context:
                    outputs[peer] = calls[0]().transpose(1, 2)
                    for theirs in calls:
                        times[peer] = min(median_ms(theirs), times.get(peer, math.inf))
            except Exception as problem:  # said, not hidden
                print(f"    {peer}: {type(problem).__name__}: {str(problem).strip()[:300]}", file=sys.stderr)
        best, note = min((ms for peer, ms in times.items() if peer != "Plait"), default=None), ""
        if name == "sigmoid_attention":
            outputs["formula"] = sigmoid_reference(q, k, v)
            softmax = folder / f"libcausal_d{d}.so"
            if softmax.exists():
                other = torch.empty_like(o)
                best, note = median_ms(operator_of(softmax, "causal_attention", (q, k, v, other))), " (Plait's softmax)"
        reference = next((outputs[peer] for peer in ("Flash-2", "cuDNN", "Flex", "formula") if peer in outputs), None)
        error = math.nan if reference is None else relative_error(o, reference)
        work = 2.0 * b * h * (d + e) * pairs_of(name, t, more)
        cells = [f"{times[p]:7.3f} ({work / times[p] / 1e9:4.0f})" if p in times else "-" for p in columns]
        shape = f"b{b} t{t} h{h}" + (f"/{g}" if g < h else "") + f" d{d}" + (f" e{e}" if e != d else "")
        ratio = f"{times['Plait'] / best:.2f}{note}" if best else "-"
        print(f"{case:14} {shape:28} " + " ".join(f"{cell:>15}" for cell in cells) + f"  {error:8.1e}  {ratio}", flush=True)


if __name__ == "__main__":
    main(__doc__, prepare, run)
