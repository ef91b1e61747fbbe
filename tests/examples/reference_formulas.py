"""The papers' formulas of every example, in numpy and float64, one token after another.

Written from the papers, without looking at the .plait files: arrays by position, no named axes. Each formula takes
a dict of inputs in the order of axes that the example declares and returns a dict of outputs. `draw` makes the
inputs for lengths and sizes (a dict); what is not mentioned there is drawn from a normal distribution.
"""
import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def silu(x):
    return x * sigmoid(x)


def softplus(x):
    return np.logaddexp(0, x)


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def rms_norm(x, eps=1e-6):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps)


def unit(x, eps=1e-6):
    return x / np.sqrt(np.sum(x * x, axis=-1, keepdims=True) + eps)


def softmax(x):
    x = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return x / np.sum(x, axis=-1, keepdims=True)


def short_conv(x, w):
    """x [b, t, ...], w [..., taps]: causal, depthwise; the last tap multiplies the token itself."""
    taps = w.shape[-1]
    y = np.zeros_like(x)
    for j in range(taps):
        back = taps - 1 - j
        y[:, back:] += w[..., j] * x[:, : x.shape[1] - back]
    return y


def rotary(x):
    """x [b, t, h, d]: pairs (i, i + d/2) rotated by t / 10000^(2i/d)."""
    half = x.shape[-1] // 2
    angle = np.arange(x.shape[1])[:, None, None] * 10000.0 ** (-np.arange(half) / half)
    first, second = x[..., :half], x[..., half:]
    return np.concatenate([first * np.cos(angle) - second * np.sin(angle),
                           second * np.cos(angle) + first * np.sin(angle)], axis=-1)


def attention_rows(q, k, v, weights):
    """q, k, v [b, t, h, .]; weights(scores [s], t, b, h) gives the weight of every key s for query t."""
    out = np.zeros(q.shape[:3] + v.shape[3:])
    for b, t, h in np.ndindex(*q.shape[:3]):
        scores = k[b, :, h] @ q[b, t, h] / np.sqrt(q.shape[3])
        out[b, t, h] = weights(scores, t, b, h) @ v[b, :, h]
    return out


def only(scores, visible):
    """Softmax over the visible keys, 0 elsewhere."""
    weight = np.zeros_like(scores)
    if visible.any():
        weight[visible] = softmax(scores[visible])
    return weight


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


def memory(decay, erase, read_old, key, value, query, state):
    """S = decay S + erase (read_old^T S_before) + key value^T, o = query^T S; [b, t, h, .] each, S [b, h, d, e]."""
    out = np.zeros(value.shape)
    for t in range(value.shape[1]):
        old = np.einsum("bhd,bhde->bhe", read_old[:, t], state)
        state = (decay[:, t, :, :, None] * state + erase[:, t, :, :, None] * old[:, :, None, :]
                 + key[:, t, :, :, None] * value[:, t, :, None, :])
        out[:, t] = np.einsum("bhd,bhde->bhe", query[:, t], state)
    return out, state


def linear_attention(q, k, v, S0, z0):
    def feature(x):
        return np.where(x > 0, x + 1, np.exp(np.minimum(x, 0)))
    qf, kf = feature(q), feature(k)
    none, one = np.zeros_like(kf), np.ones_like(kf)
    o, S = memory(one, none, none, kf, v, qf, S0)
    z = z0[:, None] + np.cumsum(kf, axis=1)
    last = z[:, -1] if k.shape[1] else z0
    return {"o": o / (np.sum(qf * z, axis=-1, keepdims=True) + 1e-6), "S": S, "z": last}


def retnet(q, k, v, z, S0):
    gamma = 1 - 2.0 ** (-5 - np.arange(q.shape[2]))
    none = np.zeros_like(k)
    o, S = memory(none + gamma[:, None], none, none, rotary(k), v, rotary(q) / np.sqrt(q.shape[3]), S0)
    return {"y": rms_norm(o) * silu(z), "S": S}


def gla(q, k, g, v, z, gamma, S0):
    none = np.zeros_like(k)
    o, S = memory(sigmoid(g) ** (1 / 16), none, none, k, v, q / np.sqrt(q.shape[3]), S0)
    return {"y": rms_norm(o) * gamma * silu(z), "S": S}


def mamba1(x, z, dt, B, C, A_log, D, dt_bias, filter, bias, h0):
    u = silu(short_conv(x, filter) + bias)
    delta = softplus(dt + dt_bias)
    h, y = h0, np.zeros_like(x)
    for t in range(x.shape[1]):
        step = delta[:, t, :, None]
        h = np.exp(step * -np.exp(A_log)) * h + step * u[:, t, :, None] * B[:, t, None, :]
        y[:, t] = np.einsum("bcn,bn->bc", h, C[:, t])
    return {"y": (y + D * u) * silu(z), "h": h}


def mamba2(x, z, B, C, dt, A_log, D, dt_bias, wx, wB, wC, gamma, S0):
    xc, Bc, Cc = silu(short_conv(x, wx)), silu(short_conv(B, wB)), silu(short_conv(C, wC))
    delta = softplus(dt + dt_bias)
    state, y = S0, np.zeros_like(x)
    for t in range(x.shape[1]):
        decay = np.exp(-np.exp(A_log) * delta[:, t])
        state = decay[:, :, None, None] * state + np.einsum("bh,bhp,bn->bhpn", delta[:, t], xc[:, t], Bc[:, t])
        y[:, t] = np.einsum("bhpn,bn->bhp", state, Cc[:, t])
    return {"y": rms_norm((y + D[:, None] * xc) * silu(z)) * gamma, "S": state}


def gated_deltanet(q, k, v, z, a, beta, A_log, dt_bias, wq, wk, wv, gamma, S0):
    qn, kn, vc = unit(silu(short_conv(q, wq))), unit(silu(short_conv(k, wk))), silu(short_conv(v, wv))
    alpha = np.exp(-np.exp(A_log) * softplus(a + dt_bias))[..., None]
    rate = sigmoid(beta)[..., None]
    o, S = memory(alpha + np.zeros_like(kn), -rate * kn, alpha * kn, rate * kn, vc, qn, S0)
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


def hgrn2(q, f, v, lower, gamma, S0):
    least = sigmoid(lower)
    gate = least + (1 - least) * sigmoid(f)
    none = np.zeros_like(gate)
    o, S = memory(gate, none, none, 1 - gate, v, silu(q), S0)
    return {"y": rms_norm(o) * gamma, "S": S}


def rg_lru(x, r, i, z, filter, bias, lambda_, h0):
    u = short_conv(x, filter) + bias
    a = sigmoid(-lambda_) ** (8 * sigmoid(r))
    h, y = h0, np.zeros_like(x)
    for t in range(x.shape[1]):
        h = a[:, t] * h + np.sqrt(1 - a[:, t] ** 2) * sigmoid(i[:, t]) * u[:, t]
        y[:, t] = h
    return {"y": y * gelu_tanh(z), "h": h}


def min_gru(gate, x, h0):
    h, y = h0, np.zeros_like(x)
    candidate = np.where(x >= 0, x + 0.5, sigmoid(x))
    for t in range(x.shape[1]):
        z = sigmoid(gate[:, t])
        h = (1 - z) * h + z * candidate[:, t]
        y[:, t] = h
    return {"y": y, "h": h}


def aaren(q, k, v):
    out = np.zeros(v.shape)
    for b, t, h in np.ndindex(*v.shape[:3]):
        out[b, t, h] = softmax(k[b, : t + 1, h] @ q[h] / np.sqrt(q.shape[1])) @ v[b, : t + 1, h]
    return {"o": out}


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
