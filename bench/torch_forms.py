"""PyTorch forms of the recurrent examples, as somebody who wants speed on a CPU would write them without a compiler.

For every example a dict of name -> function; each takes the example's inputs as tensors in declared order (without
initial states) and returns the first output. `loop` goes token by token; `chunks` is the chunked matrix form of
the literature; `cumulative` uses cumsum or logcumsumexp over the whole sequence; `doubling` is a parallel scan by doubling.
cpu.py runs all of them, also under torch.compile where that is possible, and takes the best.
"""
import torch
import torch.nn.functional as F


def rms(x, eps=1e-6):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)


def unit(x, eps=1e-6):
    return x * torch.rsqrt(x.square().sum(-1, keepdim=True) + eps)


def conv(x, w):
    """Causal depthwise convolution over axis 1 of x [b, t, ...] with w [..., taps]."""
    taps = w.shape[-1]
    flat = F.pad(x.flatten(2).transpose(1, 2), (taps - 1, 0))
    return F.conv1d(flat, w.reshape(-1, 1, taps).to(x.dtype), groups=flat.shape[1]).transpose(1, 2).reshape(x.shape)


def loop(a, b, c, k, v, q):
    """S = a S + b (c^T S) + k v^T, o = q^T S; [b, t, h, .]; a None: 1; b None: no such term; a may have 1 feature."""
    batch, length, heads, width = k.shape
    S = torch.zeros(batch, heads, width, v.shape[-1], dtype=torch.float32)
    out = torch.empty(v.shape, dtype=torch.float32)
    for t in range(length):
        new = S if a is None else S * a[:, t, :, :, None]
        if b is not None:
            new = new + b[:, t, :, :, None] * (c[:, t, :, None, :] @ S)
        S = new + k[:, t, :, :, None] * v[:, t, :, None, :]
        out[:, t] = (q[:, t, :, None, :] @ S).squeeze(2)
    return out


def chunked(log_a, b, c, k, v, q, size):
    """The same by chunks of `size` tokens (length a multiple): masked products inside a chunk, a state between chunks."""
    batch, length, heads, width = k.shape
    def split(x):
        return x.float().unflatten(1, (-1, size)).permute(1, 0, 3, 2, 4)  # [chunk, b, h, size, .]
    k, v, q = split(k), split(v), split(q)
    G = torch.zeros_like(k[..., :1]) if log_a is None else split(log_a).cumsum(-2)
    last = G[..., -1:, :]
    q_state, k_state = q * G.exp(), k * (last - G).exp()
    def products(x, y, from_decay, diagonal):
        """x_i . y_j decayed from j to i, for j <= i + diagonal. One decay for all features: by its differences, safe for any; else factored."""
        if G.shape[-1] == 1:
            difference = (from_decay - G.mT).masked_fill(torch.ones(size, size).triu(1 + diagonal).bool(), -torch.inf)
            return (x @ y.mT) * difference.exp()
        return ((x * from_decay.exp()) @ (y * (-G).exp()).mT).tril(diagonal)
    score = products(q, k, G, 0)
    if b is not None:
        b, c = split(b), split(c)
        before = G if log_a is None else G - split(log_a)
        b_state = b * (last - G).exp()
        system = torch.eye(size) - products(c, b, before, -1)
        right = torch.cat([c * before.exp(), products(c, k, before, -1) @ v], -1)
        right = torch.linalg.solve_triangular(system, right, upper=False, unitriangular=True)
        from_state, from_values = right[..., :width], right[..., width:]
        score_b = products(q, b, G, 0)
    S = torch.zeros(batch, heads, width, v.shape[-1])
    out = torch.empty_like(v)
    for i in range(v.shape[0]):
        out[i] = q_state[i] @ S + score[i] @ v[i]
        new = S * last[i].exp().mT + k_state[i].mT @ v[i]
        if b is not None:
            u = from_state[i] @ S + from_values[i]
            out[i] += score_b[i] @ u
            new = new + b_state[i].mT @ u
        S = new
    return out.permute(1, 0, 3, 2, 4).flatten(1, 2)


def vector_loop(a, x):
    """h = a h + x over axis 1."""
    h, out = torch.zeros_like(x[:, 0]), torch.empty_like(x)
    for t in range(x.shape[1]):
        h = torch.addcmul(x[:, t], a[:, t], h)
        out[:, t] = h
    return out


def doubling(a, x):
    """The same by Hillis and Steele's scan."""
    step = 1
    while step < x.shape[1]:
        x = torch.cat([x[:, :step], torch.addcmul(x[:, step:], a[:, step:], x[:, :-step])], 1)
        a = torch.cat([a[:, :step], a[:, step:] * a[:, :-step]], 1)
        step *= 2
    return x


def both(prepare, finish, size):
    """loop and chunks of an operator with a matrix state. prepare(*inputs) -> (log_a, b, c, k, v, q)."""
    def by_loop(*inputs):
        log_a, *rest = prepare(*inputs)
        return finish(loop(None if log_a is None else log_a.exp(), *rest), *inputs)

    def by_chunks(*inputs):
        return finish(chunked(*prepare(*inputs), size), *inputs)
    return {"loop": by_loop, "chunks": by_chunks}


def linear_attention():
    def prepare(q, k, v):
        return None, None, None, F.elu(k) + 1, v, F.elu(q) + 1

    def finish(o, q, k, v):
        return o / (((F.elu(q) + 1) * (F.elu(k) + 1).cumsum(1)).sum(-1, keepdim=True) + 1e-6)
    return both(prepare, finish, 64)


def retnet():
    def rotate(x):
        half = x.shape[-1] // 2
        angle = torch.arange(x.shape[1])[:, None, None] * 10000.0 ** (-torch.arange(half) / half)
        first, second = x[..., :half], x[..., half:]
        return torch.cat([first * angle.cos() - second * angle.sin(), second * angle.cos() + first * angle.sin()], -1)

    def prepare(q, k, v, z):
        gamma = torch.log(1 - 2.0 ** (-5 - torch.arange(q.shape[2])))
        return gamma[:, None].expand(*q.shape[:3], 1), None, None, rotate(k), v, rotate(q) * q.shape[-1] ** -0.5
    return both(prepare, lambda o, q, k, v, z: rms(o) * F.silu(z), 64)


def gla():
    def prepare(q, k, g, v, z, gamma):
        return F.logsigmoid(g) / 16, None, None, k, v, q * q.shape[-1] ** -0.5
    return both(prepare, lambda o, q, k, g, v, z, gamma: rms(o) * gamma * F.silu(z), 64)


def hgrn2():
    def prepare(q, f, v, lower, gamma):
        least = torch.sigmoid(lower)
        gate = least + (1 - least) * torch.sigmoid(f)
        return gate.log(), None, None, 1 - gate, v, F.silu(q)
    return both(prepare, lambda o, q, f, v, lower, gamma: rms(o) * gamma, 16)


def mamba2():
    def prepare(x, z, B, C, dt, A_log, D, dt_bias, wx, wB, wC, gamma):
        heads = x.shape[2]
        delta = F.softplus(dt + dt_bias)[..., None]
        Bc, Cc = (F.silu(conv(y, w))[:, :, None].expand(-1, -1, heads, -1) for y, w in ((B, wB), (C, wC)))
        return -delta * A_log.exp()[:, None], None, None, Bc, delta * F.silu(conv(x, wx)), Cc

    def finish(o, x, z, B, C, dt, A_log, D, dt_bias, wx, wB, wC, gamma):
        return rms((o + D[:, None] * F.silu(conv(x, wx))) * F.silu(z)) * gamma
    return both(prepare, finish, 64)


def gated_deltanet():
    def prepare(q, k, v, z, a, beta, A_log, dt_bias, wq, wk, wv, gamma):
        qn, kn, vc = unit(F.silu(conv(q, wq))), unit(F.silu(conv(k, wk))), F.silu(conv(v, wv))
        log_a = (-A_log.exp() * F.softplus(a + dt_bias))[..., None]
        write = torch.sigmoid(beta)[..., None] * kn
        return log_a, -write, log_a.exp() * kn, write, vc, qn
    return both(prepare, lambda o, q, k, v, z, a, beta, A_log, dt_bias, wq, wk, wv, gamma: rms(o) * gamma * F.silu(z), 64)


def rwkv7():
    def prepare(r, w, k, a, v, g, k_k, k_a, r_k, gamma, beta):
        rate, kappa = torch.sigmoid(a), unit(k * k_k)
        return -0.6065306597126334 * torch.sigmoid(w), kappa * rate, -kappa, k * (1 + (rate - 1) * k_a), v, r

    def finish(o, r, w, k, a, v, g, k_k, k_a, r_k, gamma, beta):
        key = k * (1 + (torch.sigmoid(a) - 1) * k_a)
        normed = F.layer_norm(o, o.shape[-1:], eps=64e-5) * gamma + beta
        return (normed + (r * key * r_k).sum(-1, keepdim=True) * v) * g
    return both(prepare, finish, 32)


def mamba1():
    def by(scan):
        def run(x, z, dt, B, C, A_log, D, dt_bias, filter, bias):
            u = F.silu(conv(x, filter) + bias)
            delta = F.softplus(dt + dt_bias)
            return (scan(delta, -A_log.exp(), u, B, C) + D * u) * F.silu(z)
        return run

    def token_loop(delta, A, u, B, C):
        h, out = torch.zeros(u.shape[0], *A.shape), torch.empty_like(u)
        for t in range(u.shape[1]):
            step = delta[:, t, :, None]
            h = torch.addcmul((delta[:, t] * u[:, t])[..., None] * B[:, t, None, :], (step * A).exp(), h)
            out[:, t] = (h @ C[:, t, :, None]).squeeze(-1)
        return out

    def by_chunks(delta, A, u, B, C, size=64):
        h, parts = torch.zeros(u.shape[0], *A.shape), []
        for i in range(0, u.shape[1], size):
            d, s = delta[:, i : i + size, :, None], slice(i, i + size)
            a, x = (d * A).exp(), (d * u[:, s, :, None]) * B[:, s, None, :]
            x[:, 0] += a[:, 0] * h
            states = doubling(a, x)
            h = states[:, -1]
            parts.append(torch.einsum("btcn,btn->btc", states, C[:, s]))
        return torch.cat(parts, 1)
    return {"loop": by(token_loop), "doubling": by(by_chunks)}


def rg_lru():
    def by(scan):
        def run(x, r, i, z, filter, bias, lambda_):
            log_a = -8 * F.softplus(lambda_) * torch.sigmoid(r)
            u = torch.sqrt(-torch.expm1(2 * log_a)) * torch.sigmoid(i) * (conv(x, filter) + bias)
            return scan(log_a.exp(), u) * F.gelu(z, approximate="tanh")
        return run
    return {"loop": by(vector_loop), "doubling": by(doubling)}


def min_gru():
    def by(scan):
        def run(gate, x):
            return scan(torch.sigmoid(-gate), torch.sigmoid(gate) * torch.where(x >= 0, x + 0.5, torch.sigmoid(x)))
        return run

    def cumulative(gate, x):
        log_value = torch.where(x >= 0, (F.relu(x) + 0.5).log(), F.logsigmoid(x)) + F.logsigmoid(gate)
        decay = F.logsigmoid(-gate).cumsum(1)
        return (decay + (log_value - decay).logcumsumexp(1)).exp()
    return {"loop": by(vector_loop), "doubling": by(doubling), "cumulative": cumulative}


def aaren():
    def cumulative(q, k, v):
        score = (k * q).sum(-1, keepdim=True) * q.shape[-1] ** -0.5
        weight = (score - score.amax(1, keepdim=True)).exp()
        return (weight * v).cumsum(1) / weight.cumsum(1)

    def token_loop(q, k, v):
        score = (k * q).sum(-1, keepdim=True) * q.shape[-1] ** -0.5
        m, u, w, out = torch.full_like(score[:, 0], -1e30), 0, 0, torch.empty_like(v)
        for t in range(v.shape[1]):
            top = torch.maximum(m, score[:, t])
            old, new = (m - top).exp(), (score[:, t] - top).exp()
            u, w, m = u * old + new, w * old + new * v[:, t], top
            out[:, t] = w / u
        return out
    return {"loop": token_loop, "cumulative": cumulative}


def causal_attention():
    def fused(q, k, v):
        return F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=True).transpose(1, 2)
    return {"scaled_dot_product_attention": fused}


FORMS = [linear_attention, retnet, gla, mamba1, mamba2, gated_deltanet, rwkv7, hgrn2, rg_lru, min_gru, aaren, causal_attention]
# Forms that torch.compile can take without unrolling thousands of tokens.
COMPILED = ("chunks", "cumulative", "doubling")
