"""What the tests share: programs, and a cache of builds of their own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

os.environ.setdefault("PLAIT_CACHE_DIR", tempfile.mkdtemp(prefix="plait-test-cache-"))

ROOT = Path(__file__).resolve().parents[2]

DECAY = """
axis b : batch
axis t : time
axis d = 8

operator decay(x : f32[b, t, d], a : f32[d], s0 : f32[b, d] = 0) -> (y : f32[b, t, d], s : f32[b, d])
{
    scan t carry s = s0 {
        s = sigmoid(a) * s + x
        y = s
    }
}
"""

# One of each element type, in and out.
TYPES = """
axis n : batch

operator types(
    m : bool[n], i : i32[n], h : f16[n], q : bf16[n], f : f32[n], g : f64[n], c : f32 = 2
) -> (n1 : i32[n], h1 : f16[n], q1 : bf16[n], f1 : f32[n], g1 : f64[n])
{
    n1 = i + 1
    h1 = h * c
    q1 = q * c
    f1 = f * c if m else 0
    g1 = g * c
}
"""


def decay_by_hand(numpy, x, a, s0=None):
    """The operator `decay`, step by step, in double precision."""
    x, a = numpy.asarray(x, "d"), numpy.asarray(a, "d")
    s = numpy.zeros((x.shape[0], x.shape[2])) if s0 is None else numpy.asarray(s0, "d")
    y = numpy.empty_like(x)
    for t in range(x.shape[1]):
        s = s / (1 + numpy.exp(-a)) + x[:, t]
        y[:, t] = s
    return y, s
