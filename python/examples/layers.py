"""Layers of PyTorch whose projections are nn.Linear and whose everything else is one operator of Plait.

    layer = GatedDeltaNet(width=256, heads=4)
    y = layer(x)                          # x : bf16 [batch, time, width], on a CPU or a GPU

Each compiles its operator for its own sizes when it is made (or finds it in the compiler's cache). Plait has no gradients
yet: call them under torch.no_grad(). plain.py has the same layers in plain PyTorch, with the same parameters.
"""

from __future__ import annotations

import torch
from torch import nn

import plait

def wide(*shape: int, low: float = -0.5, high: float = 0.5) -> nn.Parameter:
    """A parameter of what is between the projections, in f32."""
    return nn.Parameter(torch.empty(shape).uniform_(low, high))


def linear(inputs: int, outputs: int) -> nn.Linear:
    return nn.Linear(inputs, outputs, bias=False, dtype=torch.bfloat16)


class Attention(nn.Module):
    """Causal attention of several heads."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.d = heads, width // heads
        self.qkv = linear(width, 3 * width)
        self.out = linear(width, width)
        self.op = plait.compile(plait.example("causal_attention"), d=self.d, e=self.d)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, self.d)).unbind(-3)  # views: strides are taken as they are
        return self.out(self.op(q=q, k=k, v=v).flatten(-2))


class GatedDeltaNet(nn.Module):
    """Yang, Kautz, Hatamizadeh, 2024, arXiv 2412.06464: a matrix state with a decay and the delta rule."""

    def __init__(self, width: int, heads: int, taps: int = 4) -> None:
        super().__init__()
        self.heads, self.d = heads, width // heads
        self.qkvz = linear(width, 4 * width)
        self.gates = linear(width, 2 * heads)
        self.out = linear(width, width)
        self.A_log, self.dt_bias = wide(heads), wide(heads)
        self.wq, self.wk, self.wv = (nn.Parameter(wide(heads, self.d, taps).data.bfloat16()) for _ in range(3))
        self.gamma = wide(self.d, low=0.5, high=1.5)
        self.op = plait.compile(plait.example("gated_deltanet"), d=self.d, e=self.d, w=taps)

    def forward(self, x: torch.Tensor, state: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        q, k, v, z = self.qkvz(x).unflatten(-1, (4, self.heads, self.d)).unbind(-3)
        a, beta = self.gates(x).unflatten(-1, (2, self.heads)).unbind(-2)
        y, state = self.op(q=q, k=k, v=v, z=z, a=a, beta=beta, A_log=self.A_log, dt_bias=self.dt_bias, wq=self.wq,
                           wk=self.wk, wv=self.wv, gamma=self.gamma, S0=state)
        return self.out(y.flatten(-2)), state


class Mamba2(nn.Module):
    """Dao, Gu, 2024, arXiv 2405.21060: one number of decay a head and token; B and C shared by the heads."""

    def __init__(self, width: int, heads: int, states: int = 64, taps: int = 4) -> None:
        super().__init__()
        self.heads, self.p, self.n = heads, width // heads, states
        self.inputs = linear(width, 2 * width + 2 * states + heads)
        self.out = linear(width, width)
        self.A_log, self.D, self.dt_bias = wide(heads), wide(heads), wide(heads)
        self.wx, self.wB, self.wC = wide(heads, self.p, taps), wide(states, taps), wide(states, taps)
        self.gamma = wide(heads, self.p, low=0.5, high=1.5)
        self.op = plait.compile(plait.example("mamba2"), p=self.p, n=states, w=taps)

    def forward(self, x: torch.Tensor, state: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        width = self.heads * self.p
        x, z, B, C, dt = self.inputs(x).split((width, width, self.n, self.n, self.heads), -1)
        shape = (self.heads, self.p)
        y, state = self.op(x=x.unflatten(-1, shape), z=z.unflatten(-1, shape), B=B, C=C, dt=dt, A_log=self.A_log, D=self.D,
                           dt_bias=self.dt_bias, wx=self.wx, wB=self.wB, wC=self.wC, gamma=self.gamma, S0=state)
        return self.out(y.flatten(-2)), state


class Hyena(nn.Module):
    """Poli et al., 2023, arXiv 2302.10866, order 2: the filter is made by a small network from positions."""

    def __init__(self, width: int, taps: int = 3, features: int = 16) -> None:
        super().__init__()
        self.inputs = linear(width, 3 * width)
        self.out = linear(width, width)
        self.filter = nn.Sequential(nn.Linear(features, features), nn.GELU(), nn.Linear(features, width))
        self.w0, self.w1, self.wv = wide(width, taps), wide(width, taps), wide(width, taps)
        self.delta, self.bias = wide(width, low=0.01, high=0.1), wide(width)
        self.frequency = nn.Buffer(torch.arange(1, features // 2 + 1) * 0.1)
        self.op = plait.compile(plait.example("hyena"), c=width, w=taps)

    def taps_of(self, length: int) -> torch.Tensor:
        """The filter, [width, length]."""
        angle = torch.arange(length, device=self.frequency.device)[:, None] * self.frequency
        return self.filter(torch.cat([angle.sin(), angle.cos()], -1)).T  # a transposed view

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x0, x1, v = self.inputs(x).chunk(3, -1)
        return self.out(self.op(x0=x0, x1=x1, v=v, w0=self.w0, w1=self.w1, wv=self.wv, filter=self.taps_of(x.shape[1]),
                                delta=self.delta, bias=self.bias))
