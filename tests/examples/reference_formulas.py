"""The papers' formulas of every example, in numpy and float64, one token after another.

Written from the papers, without looking at the .plait files: arrays by position, no named axes. Each formula takes
the inputs in the order that the example declares and returns a dict of outputs.
"""
import numpy as np

from reference_parts import (attention_rows, layer_norm, memory, only, relu, rms_norm, rotary, short_conv, sigmoid, silu,
                             softmax, softplus, unit)
from reference_vectors import (aaren, aft_simple, hgrn, longhorn, lru, mamba1, min_gru, min_lstm, qrnn, rg_lru, rwkv4, s4d,
                               slstm, sru)


def causal_attention(q, k, v):
    s = np.arange(q.shape[1])
    return {"o": attention_rows(q, k, v, lambda x, t, b, h: only(x, s <= t))}


def sliding_window_alibi(q, k, v, slope):
    batch, length, groups, repeat, _ = q.shape
    s = np.arange(length)
    out = np.zeros(q.shape[:4] + v.shape[3:])
    for r in range(repeat):
        def weights(x, t, b, g):
            return only(x - slope[g, r] * (t - s), (s <= t) & (s > t - 256))
        out[:, :, :, r] = attention_rows(q[:, :, :, r], k, v, weights)
    return {"o": out}


def sigmoid_attention(q, k, v):
    n = q.shape[1]
    s = np.arange(n)
    return {"o": attention_rows(q, k, v, lambda x, t, b, h: np.where(s <= t, sigmoid(x - np.log(n)), 0))}


def packed_attention(q, k, v, doc):
    s = np.arange(q.shape[1])
    rows = [attention_rows(q[b : b + 1], k[b : b + 1], v[b : b + 1],
                           lambda x, t, _, h, d=doc[b]: only(x, (s <= t) & (d == d[t]))) for b in range(q.shape[0])]
    return {"o": np.concatenate(rows)}


def forgetting_attention(q, k, v, f):
    log_gate = -softplus(-f)
    s = np.arange(q.shape[1])

    def weights(x, t, b, h):
        lost = np.array([log_gate[b, j + 1 : t + 1, h].sum() for j in s])
        return only(x + lost, s <= t)
    return {"o": attention_rows(q, k, v, weights)}


def triangle_attention(q, k, v, g, bias, mask):
    score = np.einsum("bijhd,bikhd->bihjk", q, k) / np.sqrt(q.shape[-1]) + bias[:, None]
    score = np.where(mask[:, :, None, None, :], score, -1e30)
    return {"y": sigmoid(g) * np.einsum("bihjk,bikhe->bijhe", softmax(score), v)}


def aft_full(q, k, v, w):
    y = np.zeros_like(v)
    for t in range(v.shape[1]):
        weight = np.exp(k[:, : t + 1] + w[t, : t + 1, None])
        y[:, t] = sigmoid(q[:, t]) * np.sum(weight * v[:, : t + 1], axis=1) / np.sum(weight, axis=1)
    return {"y": y}


def path_attention(q, k, w, v, beta):
    wn, rate = unit(w), 2 * sigmoid(beta)
    out = np.zeros(v.shape)
    for b, t, h in np.ndindex(*v.shape[:3]):
        scores, product = np.zeros(t + 1), np.eye(q.shape[3])   # the product of what stands after token j
        for j in range(t, -1, -1):
            scores[j] = k[b, j, h] @ product @ q[b, t, h] / np.sqrt(q.shape[3])
            product = (np.eye(q.shape[3]) - rate[b, j, h] * np.outer(wn[b, j, h], wn[b, j, h])) @ product
        out[b, t, h] = softmax(scores) @ v[b, : t + 1, h]
    return {"o": out}


def log_linear_attention(x, z, B, C, dt, level, A_log, dt_bias, D, wx, wB, wC, gamma):
    xc, Bc, Cc = silu(short_conv(x, wx)), silu(short_conv(B, wB)), silu(short_conv(C, wC))
    delta, lam = softplus(dt + dt_bias), softplus(level)
    log_decay = -np.exp(A_log) * delta
    o = np.zeros(x.shape)
    for b, t, h in np.ndindex(*x.shape[:3]):
        # The Fenwick tree's groups before token t: each bit of t, from the lowest, is a group of so many tokens.
        groups, end = [(0, t, t + 1)], t
        for bit in range(t.bit_length()):
            if t >> bit & 1:
                groups.append((bit + 1, end - (1 << bit), end))
                end -= 1 << bit
        for number, first, last in groups:
            for s in range(first, last):
                decay = np.exp(log_decay[b, s + 1 : t + 1, h].sum())
                o[b, t, h] += lam[b, t, h, number] * decay * (Cc[b, t] @ Bc[b, s]) * delta[b, s, h] * xc[b, s, h]
    return {"y": rms_norm((o + D[:, None] * xc) * silu(z)) * gamma}


def linear_attention(q, k, v, S0, z0):
    def feature(x):
        return np.where(x > 0, x + 1, np.exp(np.minimum(x, 0)))
    qf, kf = feature(q), feature(k)
    none, one = np.zeros_like(kf), np.ones_like(kf)
    o, S = memory(one, none, none, kf, v, qf, S0)
    z = z0[:, None] + np.cumsum(kf, axis=1)
    last = z[:, -1] if k.shape[1] else z0
    return {"o": o / (np.sum(qf * z, axis=-1, keepdims=True) + 1e-6), "S": S, "z": last}


def hedgehog(q, k, v, S0, U0, zS0, zU0):
    def features(x):
        return np.concatenate([softmax(x), softmax(-x)], axis=-1)
    qf, kf = features(q), features(k)
    S, z, o = np.concatenate([S0, U0], axis=2), np.concatenate([zS0, zU0], axis=2), np.zeros(v.shape)
    for t in range(v.shape[1]):
        S = S + np.einsum("bhf,bhe->bhfe", kf[:, t], v[:, t])
        z = z + kf[:, t]
        o[:, t] = np.einsum("bhf,bhfe->bhe", qf[:, t], S) / np.sum(qf[:, t] * z, axis=-1, keepdims=True)
    d = q.shape[3]
    return {"o": o, "S": S[:, :, :d], "U": S[:, :, d:], "zS": z[:, :, :d], "zU": z[:, :, d:]}


def cosformer(q, k, v, Sc0, Ss0, zc0, zs0):
    angle = np.pi / 2 * np.arange(q.shape[1]) / 4096
    qf, kf = relu(q), relu(k)
    # What the states before the first token add to the pairs of tokens.
    top = [np.einsum("bthd,bhde->bthe", qf * f(angle)[:, None, None], S) for f, S in ((np.cos, Sc0), (np.sin, Ss0))]
    low = [np.einsum("bthd,bhd->bth", qf * f(angle)[:, None, None], z) for f, z in ((np.cos, zc0), (np.sin, zs0))]
    weight = np.einsum("bthd,bshd->bhts", qf, kf) * np.tril(np.cos(angle[:, None] - angle))
    num = sum(top) + np.einsum("bhts,bshe->bthe", weight, v)
    den = sum(low) + np.einsum("bhts->bth", weight)
    out = {"o": num / np.maximum(den, 1e-6)[..., None]}
    for name, f, S, z in (("c", np.cos, Sc0, zc0), ("s", np.sin, Ss0, zs0)):
        turned = kf * f(angle)[:, None, None]
        out["S" + name], out["z" + name] = S + np.einsum("bshd,bshe->bhde", turned, v), z + turned.sum(axis=1)
    return out


def based(q, k, v, A0, na0, B0, nb0, C0, nc0):
    def pairs(x):
        return np.einsum("...i,...j->...ij", x, x).reshape(x.shape[:-1] + (-1,))
    qs, k2 = q / np.sqrt(q.shape[3]), pairs(k)
    score = np.einsum("bthd,bshd->bhts", qs, k)
    weight = np.tril(1 + score + score**2 / 2)
    num = A0[:, None] + np.einsum("bthd,bhde->bthe", qs, B0) + np.einsum("bthf,bhfe->bthe", pairs(qs), C0) / 2
    den = na0[:, None] + np.einsum("bthd,bhd->bth", qs, nb0) + np.einsum("bthf,bhf->bth", pairs(qs), nc0) / 2
    o = (num + np.einsum("bhts,bshe->bthe", weight, v)) / (den + np.einsum("bhts->bth", weight))[..., None]
    return {"o": o, "A": A0 + v.sum(axis=1), "na": na0 + v.shape[1],
            "B": B0 + np.einsum("bshd,bshe->bhde", k, v), "nb": nb0 + k.sum(axis=1),
            "C": C0 + np.einsum("bshf,bshe->bhfe", k2, v), "nc": nc0 + k2.sum(axis=1)}


def rebased(q, k, v, gamma_q, gamma_k, beta_q, beta_k, S0, z0):
    qn, kn = layer_norm(q) * gamma_q + beta_q, layer_norm(k) * gamma_k + beta_k
    batch, length, heads, d = q.shape
    S, z = S0.reshape(batch, heads, d, d, -1), z0.reshape(batch, heads, d, d)
    num, den = np.zeros(v.shape), np.zeros(q.shape[:3])
    for t in range(length):
        square = np.einsum("bhi,bhj->bhij", kn[:, t], kn[:, t])
        S, z = S + square[..., None] * v[:, t, :, None, None], z + square
        num[:, t] = np.einsum("bhi,bhj,bhije->bhe", qn[:, t], qn[:, t], S) / d
        den[:, t] = np.einsum("bhi,bhj,bhij->bh", qn[:, t], qn[:, t], z) / d
    return {"o": num / (den + 1e-6)[..., None], "S": S.reshape(S0.shape), "z": z.reshape(z0.shape)}


def retnet(q, k, v, z, S0):
    gamma = 1 - 2.0 ** (-5 - np.arange(q.shape[2]))
    none = np.zeros_like(k)
    o, S = memory(none + gamma[:, None], none, none, rotary(k), v, rotary(q) / np.sqrt(q.shape[3]), S0)
    return {"y": rms_norm(o) * silu(z), "S": S}


def lightning_attention(q, k, v, u, S0):
    heads = q.shape[2]
    decay = np.exp(-8 * np.arange(heads) / heads * (1 - 3 / 24))
    none = np.zeros_like(k)
    o, S = memory(none + decay[:, None], none, none, silu(k), v, silu(q), S0)
    return {"y": rms_norm(o) * u, "S": S}


def gla(q, k, g, v, z, gamma, S0):
    none = np.zeros_like(k)
    o, S = memory(sigmoid(g) ** (1 / 16), none, none, k, v, q / np.sqrt(q.shape[3]), S0)
    return {"y": rms_norm(o) * gamma * silu(z), "S": S}


def hgrn2(q, f, v, lower, gamma, S0):
    least = sigmoid(lower)
    gate = least + (1 - least) * sigmoid(f)
    none = np.zeros_like(gate)
    o, S = memory(gate, none, none, 1 - gate, v, silu(q), S0)
    return {"y": rms_norm(o) * gamma, "S": S}


def rwkv6(r, w, k, v, g, u, gamma, beta, S0):
    S, o = S0, np.zeros(v.shape)
    for t in range(v.shape[1]):
        written = np.einsum("bhd,bhe->bhde", k[:, t], v[:, t])
        o[:, t] = np.einsum("bhd,bhde->bhe", r[:, t], S + u[:, :, None] * written)
        S = np.exp(-np.exp(w[:, t]))[..., None] * S + written
    return {"y": (layer_norm(o, 64e-5) * gamma + beta) * silu(g), "S": S}


def gsa(q, k, v, f, gamma, K0, V0):
    alpha = sigmoid(f) ** (1 / 8)
    K, V, o = K0, V0, np.zeros(v.shape)
    for t in range(v.shape[1]):
        keep = alpha[:, t]
        K = K * keep[:, :, None, :] + np.einsum("bhd,bhm->bhdm", silu(k[:, t]), 1 - keep)
        V = keep[..., None] * V + np.einsum("bhm,bhe->bhme", 1 - keep, silu(v[:, t]))
        weight = softmax(np.einsum("bhdm,bhd->bhm", K, silu(q[:, t])) / np.sqrt(q.shape[3]))
        o[:, t] = np.einsum("bhme,bhm->bhe", V, weight)
    return {"y": rms_norm(silu(o)) * gamma, "K": K, "V": V}


def abc(q, k, v, weight, K0, V0, den0, top0):
    scale = np.exp(top0)
    K, V, den, top = K0 * scale[:, :, None], V0 * scale[..., None], den0 * scale, top0
    o = np.zeros(v.shape)
    for t in range(v.shape[1]):
        w = np.exp(weight[:, t])
        K = K + np.einsum("bhd,bhm->bhdm", k[:, t], w)
        V = V + np.einsum("bhm,bhe->bhme", w, v[:, t])
        den, top = den + w, np.maximum(top, weight[:, t])
        p = softmax(np.einsum("bhd,bhdm->bhm", q[:, t], K / den[:, :, None]) / np.sqrt(q.shape[3]))
        o[:, t] = np.einsum("bhm,bhme->bhe", p, V / den[..., None])
    scale = np.exp(-top)
    return {"o": o, "K": K * scale[:, :, None], "V": V * scale[..., None], "den": den * scale, "top": top}


def mlstm(q, k, v, x, z, i, f, gamma, skip, C0, n0, m0):
    # Without the stabiliser: C and n as the paper defines them, and m only to scale the state that is given back.
    C, n, m = C0 * np.exp(m0)[:, :, None, None], n0 * np.exp(m0)[:, :, None], m0
    out = np.zeros(v.shape)
    for t in range(v.shape[1]):
        key = k[:, t] / np.sqrt(k.shape[3])
        forget, write = sigmoid(f[:, t])[:, :, None], np.exp(i[:, t])[:, :, None]
        C = forget[..., None] * C + write[..., None] * key[:, :, :, None] * v[:, t, :, None, :]
        n = forget * n + write * key
        m = np.maximum(np.log(forget[..., 0]) + m, i[:, t])
        total = np.sum(q[:, t] * n, axis=-1, keepdims=True)
        out[:, t] = np.einsum("bhd,bhde->bhe", q[:, t], C) / np.maximum(np.abs(total), 1)
    y = (layer_norm(out) * gamma + skip * x) * silu(z)
    return {"y": y, "C": C * np.exp(-m)[:, :, None, None], "n": n * np.exp(-m)[:, :, None], "m": m}


def mamba2(x, z, B, C, dt, A_log, D, dt_bias, wx, wB, wC, gamma, S0):
    xc, Bc, Cc = silu(short_conv(x, wx)), silu(short_conv(B, wB)), silu(short_conv(C, wC))
    delta = softplus(dt + dt_bias)
    state, y = S0, np.zeros_like(x)
    for t in range(x.shape[1]):
        decay = np.exp(-np.exp(A_log) * delta[:, t])
        state = decay[:, :, None, None] * state + np.einsum("bh,bhp,bn->bhpn", delta[:, t], xc[:, t], Bc[:, t])
        y[:, t] = np.einsum("bhpn,bn->bhp", state, Cc[:, t])
    return {"y": rms_norm((y + D[:, None] * xc) * silu(z)) * gamma, "S": state}


def mamba3(x, z, B, C, dt, a, trap, theta, D, dt_bias, bias_B, bias_C, S0):
    delta, lam = softplus(dt + dt_bias), sigmoid(trap)
    alpha = np.exp(-softplus(a) * delta)
    angle = np.cumsum(np.tanh(theta) * np.pi * delta[..., None], axis=1)

    def turned(y, bias):
        y = rms_norm(y)[:, :, None] + bias
        pairs = (y[..., 0::2] + 1j * y[..., 1::2]) * np.exp(1j * angle)
        return np.stack([pairs.real, pairs.imag], axis=-1).reshape(y.shape)
    k, q = turned(B, bias_B), turned(C, bias_C)
    S, o, before = S0, np.zeros(x.shape), np.zeros(S0.shape)
    for t in range(x.shape[1]):
        written = x[:, t, :, :, None] * k[:, t, :, None, :]
        step, left, decay = (y[:, t, :, None, None] for y in (delta, lam, alpha))
        S = decay * S + (1 - left) * step * decay * before + left * step * written
        before = written
        o[:, t] = np.einsum("bhpn,bhn->bhp", S, q[:, t])
    return {"y": (o + D[:, None] * x) * silu(z), "S": S}


def deltanet(q, k, v, beta, wq, wk, wv, gamma, S0):
    qn, kn, vc = unit(silu(short_conv(q, wq))), unit(silu(short_conv(k, wk))), silu(short_conv(v, wv))
    rate = sigmoid(beta)[..., None]
    o, S = memory(np.ones_like(kn), -rate * kn, kn, rate * kn, vc, qn, S0)
    return {"y": rms_norm(o) * gamma, "S": S}


def gated_deltanet(q, k, v, z, a, beta, A_log, dt_bias, wq, wk, wv, gamma, S0):
    qn, kn, vc = unit(silu(short_conv(q, wq))), unit(silu(short_conv(k, wk))), silu(short_conv(v, wv))
    alpha = np.exp(-np.exp(A_log) * softplus(a + dt_bias))[..., None]
    rate = sigmoid(beta)[..., None]
    o, S = memory(alpha + np.zeros_like(kn), -rate * kn, alpha * kn, rate * kn, vc, qn, S0)
    return {"y": rms_norm(o) * gamma * silu(z), "S": S}


def kda(q, k, a, v, z, beta, A_log, dt_bias, wq, wk, wv, gamma, S0):
    qn, kn, vc = unit(silu(short_conv(q, wq))), unit(silu(short_conv(k, wk))), silu(short_conv(v, wv))
    alpha = np.exp(-np.exp(A_log)[:, None] * softplus(a + dt_bias))
    S, o = S0, np.zeros(v.shape)
    for t in range(v.shape[1]):
        for b, h in np.ndindex(*S.shape[:2]):
            key = kn[b, t, h]
            rate = sigmoid(beta[b, t, h])
            transition = (np.eye(len(key)) - rate * np.outer(key, key)) @ np.diag(alpha[b, t, h])
            S = S.copy()
            S[b, h] = transition @ S[b, h] + rate * np.outer(key, vc[b, t, h])
            o[b, t, h] = S[b, h].T @ qn[b, t, h]
    return {"y": sigmoid(z) * rms_norm(o) * gamma, "S": S}


def gated_deltanet2(q, k, a, erase, v, z, write, A_log, dt_bias, wq, wk, wv, gamma, S0):
    qn, kn, vc = unit(silu(short_conv(q, wq))), unit(silu(short_conv(k, wk))), silu(short_conv(v, wv))
    alpha = np.exp(-np.exp(A_log)[:, None] * softplus(a + dt_bias))
    S, o = S0.copy(), np.zeros(v.shape)
    for b, t, h in np.ndindex(*v.shape[:3]):
        key = kn[b, t, h]
        transition = (np.eye(len(key)) - np.outer(key, sigmoid(erase[b, t, h]) * key)) @ np.diag(alpha[b, t, h])
        S[b, h] = transition @ S[b, h] + np.outer(key, sigmoid(write[b, t, h]) * vc[b, t, h])
        o[b, t, h] = qn[b, t, h] @ S[b, h]
    return {"y": rms_norm(o) * gamma * silu(z), "S": S}


def comba(q, k, v, z, a, beta, A_log, dt_bias, feedback, correct, wq, wk, wv, gamma, S0):
    qn, kn, vc = unit(silu(short_conv(q, wq))), unit(silu(short_conv(k, wk))), silu(short_conv(v, wv))
    alpha, rate = np.exp(-np.exp(A_log) * softplus(a + dt_bias)), sigmoid(beta)
    S, o = S0.copy(), np.zeros(v.shape)
    for b, t, h in np.ndindex(*v.shape[:3]):
        key = kn[b, t, h]
        erased = sigmoid(feedback[h]) * rate[b, t, h]
        transition = alpha[b, t, h] * np.eye(len(key)) - erased * np.outer(key, key)
        S[b, h] = transition @ S[b, h] + rate[b, t, h] * np.outer(key, vc[b, t, h])
        o[b, t, h] = (qn[b, t, h] - correct[h] * key) @ S[b, h]
    return {"y": rms_norm(o) * gamma * silu(z), "S": S}


def rwkv7(r, w, k, a, v, g, k_k, k_a, r_k, gamma, beta, S0):
    decay = np.exp(-np.exp(-0.5) * sigmoid(w))
    rate, kappa = sigmoid(a), unit(k * k_k)
    key = k * (1 + (rate - 1) * k_a)
    o, S = memory(decay, kappa * rate, -kappa, key, v, r, S0)
    centred = o - o.mean(axis=-1, keepdims=True)
    normed = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 64e-5) * gamma + beta
    bonus = np.sum(r * key * r_k, axis=-1, keepdims=True) * v
    return {"y": (normed + bonus) * g, "S": S}


def deltaproduct(q, k1, k2, v1, v2, z, a, beta1, beta2, A_log, dt_bias, wq, wk1, wk2, wv1, wv2, gamma, S0):
    qn = unit(silu(short_conv(q, wq)))
    keys = [unit(silu(short_conv(k, w))) for k, w in ((k1, wk1), (k2, wk2))]
    values = [silu(short_conv(v, w)) for v, w in ((v1, wv1), (v2, wv2))]
    rates = [2 * sigmoid(beta) for beta in (beta1, beta2)]
    alpha = np.exp(-np.exp(A_log) * softplus(a + dt_bias))
    S, o = S0.copy(), np.zeros(v1.shape)
    for b, t, h in np.ndindex(*v1.shape[:3]):
        transition, written = alpha[b, t, h] * np.eye(q.shape[3]), np.zeros(S.shape[2:])
        for key, value, rate in zip(keys, values, rates):
            key, value, rate = key[b, t, h], value[b, t, h], rate[b, t, h]
            reflection = np.eye(len(key)) - rate * np.outer(key, key)
            transition = reflection @ transition
            written = reflection @ written + rate * np.outer(key, value)
        S[b, h] = transition @ S[b, h] + written
        o[b, t, h] = qn[b, t, h] @ S[b, h]
    return {"y": rms_norm(o) * gamma * silu(z), "S": S}


def titans(q, k, v, z, alpha, eta, theta, wq, wk, wv, gamma, M0, S0):
    qn, kn, vc = unit(silu(short_conv(q, wq))), unit(silu(short_conv(k, wk))), silu(short_conv(v, wv))
    M, S, o = M0.copy(), S0.copy(), np.zeros(v.shape)
    for b, t, h in np.ndindex(*v.shape[:3]):
        key, value = kn[b, t, h], vc[b, t, h]
        gradient = np.outer(key, key @ M[b, h] - value)
        S[b, h] = sigmoid(eta[b, t, h]) * S[b, h] - sigmoid(theta[b, t, h]) * gradient
        M[b, h] = sigmoid(-alpha[b, t, h]) * M[b, h] + S[b, h]
        o[b, t, h] = qn[b, t, h] @ M[b, h]
    return {"y": rms_norm(o) * gamma * silu(z), "M": M, "S": S}


def ttt_linear(q, k, v, rate, gamma, beta, W0, c0):
    # The primal form: inside a mini-batch every token has a model of its own, and all gradients are taken at its start.
    eta = sigmoid(rate) / q.shape[4]
    W, c, y = W0.copy(), c0.copy(), np.zeros(v.shape)
    for b, i, h in np.ndindex(v.shape[0], v.shape[1], v.shape[3]):
        W_begin, c_begin = W[b, h].copy(), c[b, h].copy()
        for t in range(v.shape[2]):
            key = k[b, i, t, h]
            out = key @ W_begin + c_begin
            deviation = np.sqrt(np.mean((out - out.mean()) ** 2) + 1e-6)
            normed = (out - out.mean()) / deviation
            error = key + normed * gamma[h] + beta[h] - v[b, i, t, h]
            n = len(normed)   # the Jacobian of the normalisation
            jacobian = (np.eye(n) - 1 / n - np.outer(normed, normed) / n) / deviation
            gradient = jacobian @ (gamma[h] * error)
            W[b, h] -= eta[b, i, t, h] * np.outer(key, gradient)
            c[b, h] -= eta[b, i, t, h] * gradient
            query = q[b, i, t, h]
            y[b, i, t, h] = query + layer_norm(query @ W[b, h] + c[b, h]) * gamma[h] + beta[h]
    return {"y": y, "W": W, "c": c}


def mesa_net(q, k, v, z, g, beta, wq, wk, lambda_, gamma, H0, S0):
    # The system is solved exactly, not by steps.
    qn, kn, forget, rate = unit(silu(short_conv(q, wq))), unit(silu(short_conv(k, wk))), sigmoid(g), sigmoid(beta)
    H, S, o = H0.copy(), S0.copy(), np.zeros(v.shape)
    for b, t, h in np.ndindex(*v.shape[:3]):
        key = kn[b, t, h]
        H[b, h] = forget[b, t, h] * H[b, h] + rate[b, t, h] * np.outer(key, key)
        S[b, h] = forget[b, t, h] * S[b, h] + rate[b, t, h] * np.outer(key, v[b, t, h])
        o[b, t, h] = np.linalg.solve(H[b, h] + np.diag(softplus(lambda_[h]) + 0.25), qn[b, t, h]) @ S[b, h]
    return {"y": rms_norm(o) * gamma * silu(z), "H": H, "S": S}


def hyena(x0, x1, v, w0, w1, wv, filter, delta, bias):
    length = x0.shape[1]
    response = filter * np.exp(-np.abs(delta)[:, None] * np.arange(length))
    u = short_conv(x1, w1) * short_conv(v, wv)
    long = np.zeros_like(u)
    for t in range(length):
        for s in range(t + 1):
            long[:, t] += response[:, t - s] * u[:, s]
    return {"y": short_conv(x0, w0) * (long + bias * u)}


def gmlp(u, v, W, bias, gamma, beta):
    centred = v - v.mean(axis=-1, keepdims=True)
    vn = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-6) * gamma + beta
    return {"y": u * (np.einsum("ts,bsc->btc", W, vn) + bias[:, None])}


def residual_memory(q, k, v, a, beta, mix, gamma, S0):
    s = np.arange(q.shape[1])
    root = np.sqrt(q.shape[3])
    qn, kn = unit(q), unit(k)
    near = attention_rows(qn, kn, v, lambda x, t, b, h: only(8 * root * x, (s <= t) & (s > t - 64)))
    guess = attention_rows(kn, kn, v, lambda x, t, b, h: only(8 * root * x, (s < t) & (s >= t - 64)))
    alpha, rate = sigmoid(a)[..., None], sigmoid(beta)[..., None]
    far, S = memory(alpha + np.zeros_like(kn), -rate * kn, alpha * kn, rate * kn, v - guess, qn, S0)
    return {"y": rms_norm(near + sigmoid(mix)[..., None] * far) * gamma, "S": S}
