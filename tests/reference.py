"""The obvious NumPy twin of each kernel: one sequence, one step after the other, no care taken."""

import numpy as np

ACTIVATIONS = {
    "tanh": (np.tanh, lambda h: 1 - h**2),
    "relu": (lambda a: np.where(a.real > 0, a, 0), lambda h: (h > 0) * 1.0),
    "sigmoid": (lambda a: sigmoid(a), lambda h: h * (1 - h)),
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
    return -(y * np.log(sigmoid(o)) + (1 - y) * np.log(sigmoid(-o))).sum()  # 1 - s loses digits


def slope_of_step(o, y, loss):
    """dL_t/do."""
    if loss == "squared_error":
        return 2 * (o - y)
    if loss == "cross_entropy":
        return softmax(o) - np.eye(len(o))[y]
    return sigmoid(o) - y


def sigmoid(a):
    with np.errstate(over="ignore"):  # exp(-a) = inf: the right 0
        return 1 / (1 + np.exp(-a))


class Elman:
    """h_t = f(b + W h_{t-1} + U x_t)."""

    @staticmethod
    def step(w, x, h, f):
        """The next state, and what the way back wants to know."""
        new = f(w["b"] + w["W"] @ h + w["U"] @ x)
        return new, new

    @staticmethod
    def back(w, x, h, new, dh, slope):
        """dL/d(state before), and what this step adds to the gradient of each weight."""
        delta = dh * slope(new)
        terms = {"W": np.outer(delta, h), "U": np.outer(delta, x), "b": delta}
        return w["W"].T @ delta, terms


class Lstm:
    """c_t = f c_{t-1} + i g, h_t = o tanh(c_t); the state is (h, c)."""

    @staticmethod
    def step(w, x, state, _):
        h, c = np.split(state, 2)
        i, f, g, o = np.split(w["b"] + w["W"] @ h + w["U"] @ x, 4)
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        new = f * c + i * g
        return np.concatenate([o * np.tanh(new), new]), (i, f, g, o, new)

    @staticmethod
    def back(w, x, state, kept, dstate, _):
        h, c = np.split(state, 2)
        i, f, g, o, new = kept
        dh, dc = np.split(dstate, 2)
        dc = dc + dh * o * (1 - np.tanh(new) ** 2)
        delta = np.concatenate(
            [dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g**2),
             dh * np.tanh(new) * o * (1 - o)]
        )  # fmt: skip
        terms = {"W": np.outer(delta, h), "U": np.outer(delta, x), "b": delta}
        return np.concatenate([w["W"].T @ delta, dc * f]), terms


class Gru:
    """h_t = (1 - z) n + z h_{t-1}, n = tanh(b + U x_t + r (b_recurrent + W h_{t-1}))."""

    @staticmethod
    def step(w, x, h, _):
        from_input = np.split(w["b"] + w["U"] @ x, 3)
        from_state = np.split(w["b_recurrent"] + w["W"] @ h, 3)
        r, z = (sigmoid(a + b) for a, b in zip(from_input[:2], from_state[:2], strict=True))
        n = np.tanh(from_input[2] + r * from_state[2])
        return (1 - z) * n + z * h, (r, z, n, from_state[2])

    @staticmethod
    def back(w, x, h, kept, dh, _):
        r, z, n, m = kept
        dn = dh * (1 - z) * (1 - n**2)
        dz, dr = dh * (h - n) * z * (1 - z), dn * m * r * (1 - r)
        entry, own = np.concatenate([dr, dz, dn]), np.concatenate([dr, dz, dn * r])
        terms = {"W": np.outer(own, h), "U": np.outer(entry, x), "b": entry, "b_recurrent": own}
        return w["W"].T @ own + z * dh, terms


class Jordan:
    """h_t = f(b + W o_{t-1} + U x_t), o_t = c + V h_t; the state is o."""

    READS_OUT = True

    @staticmethod
    def step(w, x, o, f):
        h = f(w["b"] + w["W"] @ o + w["U"] @ x)
        return w["c"] + w["V"] @ h, h

    @staticmethod
    def back(w, x, o, h, do, slope):
        delta = w["V"].T @ do * slope(h)
        terms = {"W": np.outer(delta, o), "U": np.outer(delta, x), "b": delta}
        return w["W"].T @ delta, terms | {"V": np.outer(do, h), "c": do}


def reads_out(net):
    """Whether the state is the output."""
    return getattr(CELLS[net.cell], "READS_OUT", False)


CELLS = {"elman": Elman, "gru": Gru, "jordan": Jordan, "lstm": Lstm}


def states(net, x, start, weights=None):
    """The states 0 to T (T+1, S) of one sequence x (T, D), and what each step keeps."""
    weights = weights or net.weights
    f, _ = ACTIVATIONS[net.activation]
    found, kept = [start], []
    for x_t in x:
        state, own = CELLS[net.cell].step(weights, x_t, found[-1], f)
        found.append(state)
        kept.append(own)
    return np.array(found), kept


def outputs(net, state, weights=None):
    """o of one state: c + V h, or the state itself where it is the output."""
    weights = weights or net.weights
    return state if reads_out(net) else weights["c"] + weights["V"] @ state[: net.hidden]


def loss(net, x, start, targets, weights=None):
    """L = sum over the steps t in targets of L_t; targets = {t: y}, 1 <= t <= T, and the loss."""
    y, name = targets
    s, _ = states(net, x, start, weights)
    return sum(loss_of_step(outputs(net, s[t], weights), y[t], name) for t in y)


def gradients(net, x, start, targets):
    """dL/d(weights), dL/d(state) (T+1, S), and the terms of dL/dW (T, ...)."""
    y, name = targets
    w, cell = net.weights, CELLS[net.cell]
    _, slope = ACTIVATIONS[net.activation]
    s, kept = states(net, x, start)
    gradient = {name: np.zeros_like(array) for name, array in w.items()}
    adjoint, parts = np.zeros_like(s), np.zeros((len(x), *w["W"].shape))
    for t in range(len(x), 0, -1):
        if t in y:
            do = slope_of_step(outputs(net, s[t]), y[t], name)
            if reads_out(net):
                adjoint[t] += do
            else:
                gradient["V"] += np.outer(do, s[t][: net.hidden])
                gradient["c"] += do
                adjoint[t][: net.hidden] += w["V"].T @ do
        adjoint[t - 1], terms = cell.back(w, x[t - 1], s[t - 1], kept[t - 1], adjoint[t], slope)
        for key, term in terms.items():
            gradient[key] += term
        parts[t - 1] = terms["W"]
    return gradient, adjoint, parts


def reached(t, truncate):
    """The first state that L_t's gradient reaches: it uses W at the steps after it, up to t."""
    kind, k = truncate
    return max(t - k, 0) if kind == "window" else (t - 1) // k * k


def truncated(net, x, start, targets, truncate):
    """dL/d(weights), dL/d(state) (T+1, S): each L_t by itself; the start belongs to step 1."""
    y, name = targets
    s, _ = states(net, x, start)
    total, adjoint = {key: np.zeros_like(w) for key, w in net.weights.items()}, np.zeros_like(s)
    for t in y:
        first = reached(t, truncate)
        own = ({t - first: y[t]}, name)
        gradient, back, _ = gradients(net, x[first:t], s[first], own)
        total = {key: total[key] + gradient[key] for key in total}
        adjoint[first + 1 : t + 1] += back[1:]
        if first == 0:
            adjoint[0] += back[0]
    return total, adjoint


def detached_loss(net, case, truncate, weights):
    """L where the state at the start of every L_t's reach is a given number.

    Its derivative is the truncated gradient. case = x, states (T+1, S), targets.
    """
    x, s, (y, name) = case
    total = 0
    for t in y:
        first = reached(t, truncate)
        total += loss(net, x[first:t], s[first], ({t - first: y[t]}, name), weights)
    return total


def stack(net, x, starts, weights=None):
    """(h of the top layer (T, N or 2N), o (T, O)) of one sequence; starts: {suffix: state (S,)}.

    Suffixes are those of the weights' names: "", "_l0_reverse", "_l1", ... in PyTorch's order.
    """
    weights = weights or net.weights
    names = [name for name in ("U", "W", "b", "b_recurrent") if name in weights]
    ways, suffixes = 2 if "_l0_reverse" in starts else 1, list(starts)
    for first in range(0, len(suffixes), ways):
        found = []
        for suffix in suffixes[first : first + ways]:
            own = {name: weights[name + suffix] for name in names}
            order = slice(None, None, -1 if suffix.endswith("_reverse") else 1)
            s, _ = states(net, x[order], starts[suffix], own)
            found.append(s[1:, : net.hidden][order])
        x = np.concatenate(found, axis=1)
    return x, x @ weights["V"].T + weights["c"]
