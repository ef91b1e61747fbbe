"""What the papers' formulas have in common: activations, norms, short convolutions, a memory of outer products."""
import math

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def silu(x):
    return x * sigmoid(x)


def softplus(x):
    return np.logaddexp(0, x)


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def gelu(x):
    return 0.5 * x * (1 + np.vectorize(math.erf, otypes=[float])(x / np.sqrt(2)))


def relu(x):
    return np.maximum(x, 0)


def rms_norm(x, eps=1e-6):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps)


def layer_norm(x, eps=1e-6):
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps)


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


def memory(decay, erase, read_old, key, value, query, state):
    """S = decay S + erase (read_old^T S_before) + key value^T, o = query^T S; [b, t, h, .] each, S [b, h, d, e]."""
    out = np.zeros(value.shape)
    for t in range(value.shape[1]):
        old = np.einsum("bhd,bhde->bhe", read_old[:, t], state)
        state = (decay[:, t, :, :, None] * state + erase[:, t, :, :, None] * old[:, :, None, :]
                 + key[:, t, :, :, None] * value[:, t, :, None, :])
        out[:, t] = np.einsum("bhd,bhde->bhe", query[:, t], state)
    return out, state
