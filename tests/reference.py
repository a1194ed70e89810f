"""The obvious NumPy twin of each kernel: one sequence, one step after the other, no care taken."""

import numpy as np

ACTIVATIONS = {
    "tanh": (np.tanh, lambda h: 1 - h**2),
    "relu": (lambda a: np.where(a.real > 0, a, 0), lambda h: (h > 0) * 1.0),
    "sigmoid": (lambda a: 1 / (1 + np.exp(-a)), lambda h: h * (1 - h)),
    "identity": (lambda a: a, np.ones_like),
}


def softmax(o):
    e = np.exp(o - o.real.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def loss_of_step(o, y, loss):
    """L_t of one output o (O,); y (O,) or a class number. Complex o is allowed."""
    if loss == "squared_error":
        return ((o - y) ** 2).sum()
    if loss == "cross_entropy":
        return -np.log(softmax(o)[y])
    s = 1 / (1 + np.exp(-o))
    return -(y * np.log(s) + (1 - y) * np.log(1 - s)).sum()


def slope_of_step(o, y, loss):
    """dL_t/do."""
    if loss == "squared_error":
        return 2 * (o - y)
    if loss == "cross_entropy":
        return softmax(o) - np.eye(len(o))[y]
    return 1 / (1 + np.exp(-o)) - y


def elman_states(weights, x, h0, activation):
    """h_0 ... h_T (T+1, N) of one sequence x (T, D)."""
    f, _ = ACTIVATIONS[activation]
    h = [h0]
    for x_t in x:
        h.append(f(weights["b"] + weights["W"] @ h[-1] + weights["U"] @ x_t))
    return np.array(h)


def elman_loss(weights, x, h0, activation, targets):
    """L = sum over the steps t in targets of L_t; targets = {t: y}, 1 <= t <= T, and the loss."""
    y, loss = targets
    h = elman_states(weights, x, h0, activation)
    return sum(loss_of_step(weights["c"] + weights["V"] @ h[t], y[t], loss) for t in y)


def elman_gradients(weights, x, h0, activation, targets):
    """dL/d(weights), dL/dh (T+1, N), and the terms of dL/dW (T, N, N)."""
    y, loss = targets
    _, slope = ACTIVATIONS[activation]
    h = elman_states(weights, x, h0, activation)
    gradient = {name: np.zeros_like(w) for name, w in weights.items()}
    states, terms = np.zeros_like(h), np.zeros((len(x), *weights["W"].shape))
    for t in range(len(x), 0, -1):
        if t in y:
            do = slope_of_step(weights["c"] + weights["V"] @ h[t], y[t], loss)
            gradient["V"] += np.outer(do, h[t])
            gradient["c"] += do
            states[t] += weights["V"].T @ do
        delta = states[t] * slope(h[t])
        terms[t - 1] = np.outer(delta, h[t - 1])
        gradient["U"] += np.outer(delta, x[t - 1])
        gradient["b"] += delta
        states[t - 1] = weights["W"].T @ delta
    gradient["W"] = terms.sum(0)
    return gradient, states, terms
