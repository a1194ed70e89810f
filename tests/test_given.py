"""What a user hands in, of any dtype and order: a kernel reads none of it unchecked."""

import numpy as np
import pytest
from networks import CELLS, as_h0, batch, network, start

from gradlab import given
from gradlab.errors import UserError
from gradlab.learning.gradient import Back
from gradlab.nets import bptt, many
from gradlab.nets.network import Network

SIZE = {"steps": 7, "lanes": 3, "hidden": 5, "inputs": 2, "outputs": 3, "seed": 8}
STACK = {"layers": 2, "bidirectional": True}


class Tensor:
    """What a torch tensor shows of itself: numbers, once it is detached and on the host."""

    def __init__(self, array):
        self.array, self.steps = np.asarray(array), []

    def detach(self):
        self.steps.append("detach")
        return self

    def cpu(self):
        self.steps.append("cpu")
        return self

    def __array__(self, dtype=None, copy=None):
        if self.steps != ["detach", "cpu"]:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        return self.array


def strided(array):
    """The same numbers, every other entry of a larger array."""
    wide = np.full((*array.shape[:-1], 2 * array.shape[-1]), 7, array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


def turned(array):
    """The same numbers read backwards: negative strides."""
    return np.ascontiguousarray(array[..., ::-1])[..., ::-1]


def frozen(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def shifted(array):
    """The same numbers, one byte beside where their type would stand."""
    room = np.frombuffer(bytearray(1) + array.tobytes(), np.uint8)[1:]
    found = room.view(array.dtype).reshape(array.shape)
    assert not found.flags.aligned or array.itemsize == 1
    return found


FORMS = {
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "longdouble": lambda a: a.astype(np.longdouble),
    "list": lambda a: a.tolist(),
    "tensor": Tensor,
    "strided": strided,
    "turned": turned,
    "transposed": lambda a: np.asfortranarray(a),
    "frozen": frozen,
    "shifted": shifted,
    "memmap": lambda a: a.view(np.memmap),
}


def call(cell="elman", dtype="float64", **options):
    """A network and its call, of numbers that float16 holds."""
    net = network(SIZE, cell=cell, dtype=dtype, **options)
    for array in net.weights.values():
        array[...] = np.round(array, 2).astype(np.float16)
    x, y, _, lengths = batch(SIZE)
    x, y = (np.round(values, 2).astype(np.float16).astype(dtype) for values in (x, y))
    return net, {"x": x, "y": y, "lengths": lengths}


def same(got, expected):
    """Whether two results are equal to the last bit."""
    assert got.loss == expected.loss and got.status.tolist() == expected.status.tolist()
    for name, array in expected.weights.items():
        assert got.weights[name].dtype == array.dtype
        np.testing.assert_array_equal(got.weights[name], array)
    np.testing.assert_array_equal(got.lag_log2, expected.lag_log2)


def other(net, weights):
    return Network(weights, net.cell, net.activation, net.feedback)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("cell", CELLS)
def test_every_form_of_an_array_gives_the_same_bits(cell, form):
    net, kept = call(cell)
    h0 = as_h0(net, start(net, SIZE))
    expected = net.gradients(**kept, h0=h0)
    made = FORMS[form]
    given_start = tuple(map(made, h0)) if isinstance(h0, tuple) else made(h0)
    formed = {name: made(array) for name, array in kept.items()}
    if form == "longdouble":
        formed["lengths"] = kept["lengths"]
    if form == "tensor":
        remade = other(net, {k: Tensor(v) for k, v in net.weights.items()})
    else:
        remade = other(net, {k: made(v) for k, v in net.weights.items()})
    same(remade.gradients(**formed, h0=given_start), expected)


@pytest.mark.parametrize("form", ["frozen", "strided", "shifted"])
def test_a_stack_takes_every_form(form):
    net, kept = call(**STACK)
    expected = net.gradients(**kept)
    formed = {k: FORMS[form](v) for k, v in kept.items()}
    same(
        other(net, {k: FORMS[form](v) for k, v in net.weights.items()}).gradients(**formed),
        expected,
    )


@pytest.mark.parametrize("kind", ["float32", ">f4"])
@pytest.mark.parametrize("names", ["V", "W", "U W b", "c", "U W b V", "W_l1"])
def test_weights_of_mixed_dtypes_compute_in_float64(names, kind):
    net, kept = call(layers=2)
    expected = net.gradients(**kept)
    for name in names.split():
        net.weights[name] = net.weights[name].astype(kind)
    same(net.gradients(**kept), expected)
    same(other(net, dict(net.weights)).gradients(**kept), expected)


@pytest.mark.parametrize("kind", ["float32", ">f4"])
def test_float32_is_kept_where_all_weights_are_float32(kind):
    net, kept = call(dtype="float32")
    expected = net.gradients(**kept)
    wide = {k: v.astype(np.float64) for k, v in kept.items() if k != "lengths"}
    assert expected.weights["W"].dtype == np.float32
    for name, array in net.weights.items():
        net.weights[name] = array.astype(kind)
    same(net.gradients(**wide, lengths=kept["lengths"]), expected)
    assert net.dtype == np.float32


@pytest.mark.parametrize("kind", ["int8", "int64", "uint16", "bool", "float16"])
def test_what_float64_holds_exactly_is_computed_in_float64(kind):
    net, kept = call()
    whole = {k: np.abs(np.round(v)).clip(0, 1) for k, v in net.weights.items()}
    expected = other(net, whole).gradients(**kept)
    same(other(net, {k: v.astype(kind) for k, v in whole.items()}).gradients(**kept), expected)
    x = np.abs(np.round(kept["x"])).clip(0, 1)
    expected = net.gradients(**kept | {"x": x})
    same(net.gradients(**kept | {"x": x.astype(kind)}), expected)


def test_an_integer_readout_has_its_loss():
    """.717 as given, not the 0.0 of a computation in integers."""
    weights = {"U": [[1]], "W": [[1]], "b": [0], "V": [[1]], "c": [0]}
    got = Network(weights).gradients([[[1]], [[1]]], [[0.0]], at="last")
    expected = np.tanh(1 + np.tanh(1)) ** 2
    np.testing.assert_allclose(got.loss, expected, rtol=1e-15)
    assert got.weights["W"].dtype == np.float64


def test_other_networks_and_their_training_see_the_same_weights():
    net, kept = call()
    mixed = other(
        net, {k: v.astype(np.float32 if k == "V" else np.float64) for k, v in net.weights.items()}
    )
    x, y = kept["x"], kept["y"]
    got, expected = (many.gradients_of([one, one], x, y) for one in (mixed, net))
    for name in net.weights:
        np.testing.assert_array_equal(got.weights[name], expected.weights[name])
    mixed.weights["W"] = mixed.weights["W"].astype(">f8")
    back = Back.of(mixed, (x.astype(">f8"), y.tolist()), "squared_error", "every")
    right = Back.of(net, (x, y), "squared_error", "every")
    for name, (array, exponent) in right.sums.items():
        np.testing.assert_array_equal(back.sums[name][0], array)
        assert back.sums[name][1] == exponent


WRONG = {
    "complex128": lambda a: a.astype(complex),
    "<U": lambda a: a.astype(str),
    "object": lambda a: a.astype(object),
    "datetime64": lambda a: np.zeros(a.shape, "M8[s]"),
    "longdouble": lambda a: a + np.longdouble(1) / 3,
    "int64": lambda a: np.full(a.shape, 2**53 + 1),
    "uint64": lambda a: np.full(a.shape, 2**64 - 1, np.uint64),
    "masked": lambda a: np.ma.masked_equal(a, a.flat[0]),
    "no array of numbers": lambda a: [[1.0], [1.0, 2.0]],
}


@pytest.mark.parametrize("what", ["W", "V", "x", "y", "h0"])
@pytest.mark.parametrize("kind", WRONG)
def test_what_no_float64_holds_is_refused_in_one_line(what, kind):
    if kind == "longdouble" and np.finfo(np.longdouble).nmant == 52:
        pytest.skip("longdouble is float64 here")
    net, kept = call()
    kept["h0"] = np.zeros((SIZE["lanes"], SIZE["hidden"]))
    where, name = (net.weights, f"weights['{what}']") if what in net.weights else (kept, what)
    where[what] = WRONG[kind](where[what])
    said = np.dtype(np.longdouble).name if kind == "longdouble" else kind
    for failing in (lambda: net.gradients(**kept), lambda: other(net, net.weights)):
        if failing.__code__.co_names[0] == "other" and what not in net.weights:
            continue
        with pytest.raises(UserError) as raised:
            failing()
        message = str(raised.value)
        assert message.startswith(name) and said in message and "\n" not in message


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("W", np.zeros((4, 4)), r"weights\['W'\] has shape \(4, 4\), not \(5, 5\)"),
        ("W", np.zeros(5), r"weights\['W'\] has shape \(5,\), not 2 axes with entries"),
        ("c", np.float64(0), r"weights\['c'\] has shape \(\), not 1 axes"),
        ("U", np.zeros((5, 0)), r"weights\['U'\] has shape \(5, 0\), not 2 axes"),
        ("V", [[1.0] * 4] * 3, r"weights\['U'\] has shape \(5, 2\), not \(4, 2\)"),
        ("M", np.zeros(3), "weights hold M: give U, W, b, V, c"),
    ],
)
def test_a_weight_that_was_replaced_is_checked_before_each_pass(name, value, message):
    net, kept = call()
    net.gradients(**kept)
    net.weights[name] = value
    for run in (lambda: net.gradients(**kept), lambda: net.forward(kept["x"]), net.prepared):
        with pytest.raises(UserError, match=message):
            run()


def test_a_weight_that_was_taken_away_is_missed():
    net, kept = call()
    del net.weights["b"]
    with pytest.raises(UserError, match="weights lack b: give U, W, b, V, c"):
        net.gradients(**kept)


def test_weights_may_be_changed_in_place_whatever_they_are():
    net, kept = call()
    for form in ("big-endian", "frozen", "strided"):
        weights = {k: FORMS[form](v) for k, v in net.weights.items()}
        own = other(net, {**net.weights})
        own.weights.update(weights)
        own.weights["V"] = held = own.weights["V"].astype(">f8")
        held *= 2
        expected = other(net, net.weights | {"V": 2 * net.weights["V"]})
        same(own.gradients(**kept), expected.gradients(**kept))
        assert own.weights["V"] is held and own.hidden == 5 and "float64" in repr(own)


def test_what_is_right_is_not_copied():
    net, _ = call()
    assert net.checked() is net and given.weights(net.weights) is net.weights
    x = np.zeros((3, 2))
    assert given.ready(given.floats("x", x), x.dtype) is x


def test_a_pass_of_mixed_dtypes_never_reaches_a_kernel():
    net, kept = call()
    x, start = kept["x"], np.zeros((SIZE["lanes"], SIZE["hidden"]))
    full, gain = np.full(SIZE["lanes"], SIZE["steps"]), np.ones(SIZE["lanes"])
    right = [net.prepared(), gain, x, start, full]
    bptt.forward(net.module, *right)
    for i, name in ((1, "gain"), (2, "x"), (3, "initial")):
        wrong = [*right]
        wrong[i] = wrong[i].astype(np.float32)
        with pytest.raises(ValueError, match=f"{name} float32"):
            bptt.forward(net.module, *wrong)


@pytest.mark.parametrize("pad", [-100, 3, 255])
def test_classes_after_a_lane_s_end_may_be_any(pad):
    net, _ = call("jordan")
    x, y, _, lengths = batch(SIZE, "cross_entropy")
    after = np.arange(len(x))[:, None] >= lengths
    padded = np.where(after, pad, y)
    expected = net.gradients(x, y, "cross_entropy", lengths=lengths, teacher=y)
    got = net.gradients(x, padded, "cross_entropy", lengths=lengths, teacher=padded)
    same(got, expected)
    assert after.any()


def test_a_class_that_there_is_not_is_named_by_step_and_lane():
    net, _ = call("jordan")
    x, y, *_ = batch(SIZE, "cross_entropy")
    lengths = np.array([7, 4, 6])
    y[3, 1] = -1
    with pytest.raises(UserError, match=r"^y holds class -1 at step 4 of lane 1, not 0 to 2$"):
        net.gradients(x, y, "cross_entropy", lengths=lengths)
    with pytest.raises(UserError, match=r"^teacher holds class -1 at step 4 of lane 1, not 0 to"):
        net.forward(x, lengths=lengths, teacher=y)
    with pytest.raises(UserError, match=r"^y holds class -1 at lane 1, not 0 to 2$"):
        net.gradients(x, y[3], "cross_entropy", "last", lengths=lengths)
    y[3, 1] = -100  # no class to feed back, though none to be learnt
    with pytest.raises(UserError, match=r"^teacher holds class -100 at step 4 of lane 1, not 0 to"):
        net.forward(x, lengths=lengths, teacher=y)
