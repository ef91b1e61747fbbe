"""The layers of layers.py in plain PyTorch, from the papers' formulas: functions of a layer and its input, in f32 between the
projections, one token after another where the paper has a recurrence."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from layers import Attention, GatedDeltaNet, Hyena, Mamba2


def short_conv(x: Tensor, w: Tensor) -> Tensor:
    """x [b, t, ...], w [..., taps]: causal, for each channel; the last tap is the token's own."""
    taps = w.shape[-1]
    padded = torch.cat([x.new_zeros(x.shape[0], taps - 1, *x.shape[2:]), x], 1)
    return sum(w[..., j].float() * padded[:, j : j + x.shape[1]] for j in range(taps))


def rms_norm(x: Tensor) -> Tensor:
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6)


def unit(x: Tensor) -> Tensor:
    return x * torch.rsqrt(x.square().sum(-1, keepdim=True) + 1e-6)


def attention(layer: Attention, x: Tensor) -> Tensor:
    q, k, v = layer.qkv(x).unflatten(-1, (3, layer.heads, layer.d)).float().permute(2, 0, 3, 1, 4)
    o = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    return layer.out(o.transpose(1, 2).flatten(-2).bfloat16())


def gated_deltanet(layer: GatedDeltaNet, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
    q, k, v, z = layer.qkvz(x).unflatten(-1, (4, layer.heads, layer.d)).float().unbind(-3)
    a, beta = layer.gates(x).unflatten(-1, (2, layer.heads)).float().unbind(-2)
    q, k, v = unit(F.silu(short_conv(q, layer.wq))), unit(F.silu(short_conv(k, layer.wk))), F.silu(short_conv(v, layer.wv))
    alpha = torch.exp(-layer.A_log.exp() * F.softplus(a + layer.dt_bias))
    S = x.new_zeros(x.shape[0], layer.heads, layer.d, layer.d, dtype=torch.float32) if state is None else state
    outputs = []
    for t in range(x.shape[1]):
        S = alpha[:, t, :, None, None] * S
        read = torch.einsum("bhd,bhde->bhe", k[:, t], S)
        S = S + torch.einsum("bh,bhd,bhe->bhde", beta[:, t].sigmoid(), k[:, t], v[:, t] - read)
        outputs.append(torch.einsum("bhd,bhde->bhe", q[:, t], S))
    y = rms_norm(torch.stack(outputs, 1)) * layer.gamma * F.silu(z)
    return layer.out(y.flatten(-2).bfloat16()), S


def mamba2(layer: Mamba2, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
    width, shape = layer.heads * layer.p, (layer.heads, layer.p)
    x, z, B, C, dt = layer.inputs(x).float().split((width, width, layer.n, layer.n, layer.heads), -1)
    x, z = F.silu(short_conv(x.unflatten(-1, shape), layer.wx)), z.unflatten(-1, shape)
    B, C = F.silu(short_conv(B, layer.wB)), F.silu(short_conv(C, layer.wC))
    delta = F.softplus(dt + layer.dt_bias)
    S = x.new_zeros(x.shape[0], *shape, layer.n) if state is None else state
    outputs = []
    for t in range(x.shape[1]):
        decay = torch.exp(-layer.A_log.exp() * delta[:, t])
        S = decay[..., None, None] * S + torch.einsum("bh,bhp,bn->bhpn", delta[:, t], x[:, t], B[:, t])
        outputs.append(torch.einsum("bhpn,bn->bhp", S, C[:, t]))
    y = rms_norm((torch.stack(outputs, 1) + layer.D[:, None] * x) * F.silu(z)) * layer.gamma
    return layer.out(y.flatten(-2).bfloat16()), S


def hyena(layer: Hyena, x: Tensor) -> Tensor:
    length = x.shape[1]
    x0, x1, v = layer.inputs(x).float().chunk(3, -1)
    u = short_conv(x1, layer.w1) * short_conv(v, layer.wv)
    window = torch.exp(-layer.delta.abs()[:, None] * torch.arange(length, device=x.device))
    spectrum = torch.fft.rfft(layer.taps_of(length) * window, 2 * length).T * torch.fft.rfft(u, 2 * length, dim=1)
    long = torch.fft.irfft(spectrum, 2 * length, dim=1)[:, :length]
    return layer.out((short_conv(x0, layer.w0) * (long + layer.bias * u)).bfloat16())
