#!/usr/bin/env python3
"""Times attention on the CPU beside PyTorch's scaled_dot_product_attention, on the same cores, and prints one table.

    python3 bench/cpu_attention.py [--plait build/bin/plait]

B1 T2048 H8 D64, causal and full, f32 and bf16. Plait reads [b, t, h, d]; PyTorch gets contiguous [b, h, t, d], and the faster of one
thread and all counts. Fastest of some runs in milliseconds, and RMS(difference) / RMS(PyTorch's output). Needs PyTorch.
"""
import argparse
import pathlib
import subprocess
import tempfile

import torch

from cpu import ROOT, fastest_seconds, processor
from libraries import operator_of, relative_error

SIZES = (1, 2048, 8, 64)
SOURCE = """axis b : batch
axis h : head
axis t : time
axis d = 64
operator attention(q, k, v : {scalar}[b, t, h, d]) -> (o : {scalar}[b, t, h, d])
{{
    attend s along t {mask} {{
        o = sum[s](softmax[s](sum[d](q * k@s) / 8) * v@s)
    }}
}}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plait", default=str(ROOT / "build" / "bin" / "plait"))
    arguments = parser.parse_args()
    torch.manual_seed(1)
    torch.set_grad_enabled(False)
    threads = torch.get_num_threads()
    print(f"{processor()}, {threads} threads; PyTorch {torch.__version__}; B1 T2048 H8 D64; fastest run in milliseconds")
    print(f"{'case':14} {'Plait':>9} {'PyTorch':>9}  Plait / PyTorch  {'error':>8}")
    for scalar, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16)):
        for causal in (True, False):
            q, k, v = (torch.randn(SIZES).to(dtype) for _ in range(3))
            o = torch.empty_like(q)
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder) / "attention"
                path.with_suffix(".plait").write_text(SOURCE.format(scalar=scalar, mask="where s <= t" if causal else ""))
                subprocess.run([arguments.plait, "build", f"{path}.plait", "-o", f"{path}.so", "--target", "cpu"], check=True,
                               stdout=subprocess.DEVNULL)
                ours = fastest_seconds(operator_of(f"{path}.so", "attention", (q, k, v, o)))
            heads = [x.transpose(1, 2).contiguous() for x in (q, k, v)]

            def theirs():
                return torch.nn.functional.scaled_dot_product_attention(*heads, is_causal=causal)
            times = []
            for count in sorted({1, threads}):
                torch.set_num_threads(count)
                times.append(fastest_seconds(theirs))
            error = relative_error(o, theirs().transpose(1, 2))
            name = f"{'causal' if causal else 'full'} {scalar}"
            print(f"{name:14} {1e3 * ours:9.2f} {1e3 * min(times):9.2f}  {ours / min(times):15.2f}  {error:8.1e}", flush=True)


if __name__ == "__main__":
    main()
