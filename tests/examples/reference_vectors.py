"""The formulas of recurrences with a vector state (or a few numbers for each channel); see reference_formulas.py."""
import numpy as np

from reference_parts import gelu, gelu_tanh, layer_norm, short_conv, sigmoid, silu, softmax, softplus


def mamba1(x, z, dt, B, C, A_log, D, dt_bias, filter, bias, h0):
    u = silu(short_conv(x, filter) + bias)
    delta = softplus(dt + dt_bias)
    h, y = h0, np.zeros_like(x)
    for t in range(x.shape[1]):
        step = delta[:, t, :, None]
        h = np.exp(step * -np.exp(A_log)) * h + step * u[:, t, :, None] * B[:, t, None, :]
        y[:, t] = np.einsum("bcn,bn->bc", h, C[:, t])
    return {"y": (y + D * u) * silu(z), "h": h}


def longhorn(x, z, beta, k, q, D, filter, bias, S0):
    u = silu(short_conv(x, filter) + bias)
    S, y = S0, np.zeros_like(x)
    for t in range(x.shape[1]):
        rate, key = sigmoid(beta[:, t]), k[:, t, None, :]
        eps = (rate / (1 + rate * np.sum(k[:, t] ** 2, axis=-1)[:, None]))[..., None]
        S = (1 - eps * key**2) * S + eps * u[:, t, :, None] * key
        y[:, t] = np.sum(S * q[:, t, None, :], axis=-1) + D * u[:, t]
    return {"y": y * silu(z), "S": S}


def s4d(u, log_dt, D, log_A_re, A_im, C_re, C_im, re0, im0):
    A = -np.exp(log_A_re) + 1j * A_im
    C = C_re + 1j * C_im
    step = np.exp(np.exp(log_dt)[:, None] * A)
    x, y = re0 + 1j * im0, np.zeros_like(u)
    for t in range(u.shape[1]):
        x = step * x + u[:, t, :, None]
        y[:, t] = 2 * np.real(np.sum(C * (step - 1) / A * x, axis=-1))
    return {"y": gelu(y + D * u), "re": x.real, "im": x.imag}


def lru(u_re, u_im, nu_log, theta_log, gamma_log, re0, im0):
    lam = np.exp(-np.exp(nu_log) + 1j * np.exp(theta_log))
    x, out = re0 + 1j * im0, np.zeros(u_re.shape, complex)
    for t in range(u_re.shape[1]):
        x = lam * x + np.exp(gamma_log) * (u_re[:, t] + 1j * u_im[:, t])
        out[:, t] = x
    return {"x_re": out.real, "x_im": out.imag, "re": x.real, "im": x.imag}


def rg_lru(x, r, i, z, filter, bias, lambda_, h0):
    u = short_conv(x, filter) + bias
    a = sigmoid(-lambda_) ** (8 * sigmoid(r))
    h, y = h0, np.zeros_like(x)
    for t in range(x.shape[1]):
        h = a[:, t] * h + np.sqrt(1 - a[:, t] ** 2) * sigmoid(i[:, t]) * u[:, t]
        y[:, t] = h
    return {"y": y * gelu_tanh(z), "h": h}


def hgrn(x_re, x_im, f, z, lower, theta, gamma, beta, re0, im0):
    least = sigmoid(lower)
    lam = least + (1 - least) * sigmoid(f)
    state, h = re0 + 1j * im0, np.zeros(z.shape)
    for t in range(f.shape[1]):
        state = lam[:, t] * np.exp(1j * theta) * state + (1 - lam[:, t]) * (silu(x_re[:, t]) + 1j * silu(x_im[:, t]))
        h[:, t, 0], h[:, t, 1] = state.real, state.imag
    joined = (sigmoid(z) * h).reshape(z.shape[0], z.shape[1], -1)
    return {"y": layer_norm(joined).reshape(z.shape) * gamma + beta, "re": state.real, "im": state.imag}


def min_gru(gate, x, h0):
    h, y = h0, np.zeros_like(x)
    candidate = np.where(x >= 0, x + 0.5, sigmoid(x))
    for t in range(x.shape[1]):
        z = sigmoid(gate[:, t])
        h = (1 - z) * h + z * candidate[:, t]
        y[:, t] = h
    return {"y": y, "h": h}


def min_lstm(f, i, x, h0):
    h, y = h0, np.zeros_like(x)
    candidate = np.where(x >= 0, x + 0.5, sigmoid(x))
    for t in range(x.shape[1]):
        forget, write = sigmoid(f[:, t]), sigmoid(i[:, t])
        h = (forget * h + write * candidate[:, t]) / (forget + write)
        y[:, t] = h
    return {"y": y, "h": h}


def slstm(zx, ix, fx, ox, Rz, Ri, Rf, Ro, gamma, y0, c0, n0, m0):
    y, c, n, m = y0, c0 * np.exp(m0), n0 * np.exp(m0), m0
    out = np.zeros(zx.shape)

    def gate(x, R, t):
        return x[:, t] + np.einsum("hij,bhj->bhi", R, y)
    for t in range(zx.shape[1]):
        z, o = np.tanh(gate(zx, Rz, t)), sigmoid(gate(ox, Ro, t))
        i, f = gate(ix, Ri, t), sigmoid(gate(fx, Rf, t))
        c = f * c + np.exp(i) * z
        n = f * n + np.exp(i)
        m = np.maximum(np.log(f) + m, i)
        y = o * c / n
        out[:, t] = y
    return {"out": layer_norm(out) * gamma, "y": y, "c": c * np.exp(-m), "n": n * np.exp(-m), "m": m}


def qrnn(z, f, o, cell0):
    cell, y = cell0, np.zeros_like(z)
    for t in range(z.shape[1]):
        cell = sigmoid(f[:, t]) * cell + sigmoid(-f[:, t]) * np.tanh(z[:, t])
        y[:, t] = sigmoid(o[:, t]) * cell
    return {"y": y, "cell": cell}


def sru(x, z, f, r, v_f, b_f, v_r, b_r, alpha, cell0):
    cell, y = cell0, np.zeros_like(x)
    for t in range(x.shape[1]):
        forget, reset = sigmoid(f[:, t] + v_f * cell + b_f), sigmoid(r[:, t] + v_r * cell + b_r)
        cell = forget * cell + (1 - forget) * z[:, t]
        y[:, t] = reset * cell + (1 - reset) * alpha * x[:, t]
    return {"y": y, "cell": cell}


def aft_simple(q, k, v, num0, den0, top0):
    num, den, top = num0 * np.exp(top0), den0 * np.exp(top0), top0
    y = np.zeros_like(v)
    for t in range(v.shape[1]):
        num = num + np.exp(k[:, t]) * v[:, t]
        den = den + np.exp(k[:, t])
        top = np.maximum(top, k[:, t])
        y[:, t] = sigmoid(q[:, t]) * num / den
    return {"y": y, "num": num * np.exp(-top), "den": den * np.exp(-top), "top": top}


def rwkv4(r, k, v, w, u, num0, den0, top0):
    # The sums of the paper themselves; the largest exponent only scales the state that is given back.
    decay = -np.exp(w)
    num, den, top = num0 * np.exp(top0), den0 * np.exp(top0), top0
    y = np.zeros_like(v)
    for t in range(v.shape[1]):
        own = np.exp(u + k[:, t])
        y[:, t] = sigmoid(r[:, t]) * (num + own * v[:, t]) / (den + own)
        num = np.exp(decay) * num + np.exp(k[:, t]) * v[:, t]
        den = np.exp(decay) * den + np.exp(k[:, t])
        top = np.maximum(top + decay, k[:, t])
    return {"y": y, "num": num * np.exp(-top), "den": den * np.exp(-top), "top": top}


def aaren(q, k, v):
    out = np.zeros(v.shape)
    for b, t, h in np.ndindex(*v.shape[:3]):
        out[b, t, h] = softmax(k[b, : t + 1, h] @ q[h] / np.sqrt(q.shape[1])) @ v[b, : t + 1, h]
    return {"o": out}
