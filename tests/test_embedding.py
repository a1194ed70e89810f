"""Words by their numbers: forward, gradients, losses without some words, files, errors."""

import numpy as np
import pytest
import reference

import gradlab
from gradlab import Network
from gradlab.errors import UserError
from gradlab.nets.many import gradients_of

WORDS, WIDTH, OUTPUTS, LENGTHS = 7, 3, 5, [6, 3, 5]
NETS = {
    "elman": {},
    "lstm": {"layers": 2, "bidirectional": True},
    "gru": {"bidirectional": True},
    "jordan": {"hidden": 4},
}


def network(cell="elman", **options):
    options = {"inputs": WORDS, "embedding": WIDTH, "hidden": 4, "outputs": OUTPUTS} | options
    return Network.draw(cell, **options)


def dense(net):
    """The network without its embedding."""
    weights = {name: own for name, own in net.weights.items() if name != "embedding"}
    return Network(weights, net.cell, net.activation)


def sentences(ignored=True):
    """x and y (T, B): lanes of several lengths, whatever pads them, and words without a tag."""
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, WORDS, (6, 3)), rng.integers(0, OUTPUTS, (6, 3))
    if ignored:
        y[0, 0] = y[1, 2] = -100
    x[3:, 1], y[3:, 1] = -1, 99
    return x, y


def twin(net, x, y, table):
    """L of the obvious loop, sentence by sentence, for an embedding that may be complex."""
    total = 0
    for lane, length in enumerate(LENGTHS):
        rows = table[x[:length, lane]]
        if net.reads_out:
            s, _ = reference.states(net, rows, np.zeros(OUTPUTS))
            outputs = s[1:]
        else:
            size = len(net.state_parts) * net.hidden
            starts = {place.suffix: np.zeros(size) for place in net.places}
            _, outputs = reference.stack(net, rows, starts)
        for o, own in zip(outputs, y[:length, lane], strict=True):
            total += reference.loss_of_step(o, own, "cross_entropy") if own != -100 else 0
    return total / len(LENGTHS)


@pytest.mark.parametrize("cell", NETS)
def test_it_is_the_twin_and_its_derivative(cell):
    net, (x, y) = network(cell, **NETS[cell]), sentences()
    table = net.weights["embedding"]
    got = net.gradients(x, y, "cross_entropy", lengths=LENGTHS)
    assert got.loss == pytest.approx(twin(net, x, y, table), rel=1e-13)
    right = np.zeros_like(table)
    for place in np.ndindex(table.shape):
        moved = table.astype(complex)
        moved[place] += 1e-30j
        right[place] = twin(net, x, y, moved).imag / 1e-30
    np.testing.assert_allclose(got.weights["embedding"], right, atol=1e-14)
    rows, given = dense(net), table[np.where(x < 0, 0, x)]
    other = rows.gradients(given, y, "cross_entropy", lengths=LENGTHS)
    for name, own in other.weights.items():
        assert np.array_equal(own, got.weights[name])
    seen = net.forward(x, lengths=LENGTHS).outputs
    assert np.array_equal(seen, rows.forward(given, lengths=LENGTHS).outputs)


def test_float32_is_float32():
    net, (x, y) = network(dtype="float32"), sentences()
    got = net.gradients(x, y, "cross_entropy", lengths=LENGTHS).weights["embedding"]
    wide = Network({k: v.astype(float) for k, v in net.weights.items()})
    right = wide.gradients(x, y, "cross_entropy", lengths=LENGTHS).weights["embedding"]
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, right, atol=1e-6)


@pytest.mark.parametrize(
    ("cell", "cut"), [("elman", "window"), ("lstm", "chunk"), ("gru", "chunk")]
)
def test_truncated_it_is_what_U_gets(cell, cut):
    """Of one-hot rows dL/dU[:, i] is the sum of delta where word i stands: dL/dE = dL/dU^T U."""
    net, (x, y) = network(cell, embedding=WORDS, **NETS[cell]), sentences()
    net.weights["embedding"] = np.eye(WORDS)
    short, full = (
        net.gradients(x, y, "cross_entropy", lengths=LENGTHS, truncate=truncate).weights
        for truncate in ((cut, 2), None)
    )
    ways = [f"U{place.suffix}" for place in net.places if place.layer == 0]
    right = sum(short[name].T @ net.weights[name] for name in ways)
    np.testing.assert_allclose(short["embedding"], right, atol=1e-15)
    assert np.abs(short["embedding"] - full["embedding"]).max() > 1e-4


def test_many_lanes_fall_into_groups_and_give_the_same_bits_each_time():
    net, rng = network(hidden=32, inputs=50), np.random.default_rng(0)
    x, y = rng.integers(0, 50, (300, 40)), rng.integers(0, OUTPUTS, (300, 40))
    got = [net.gradients(x, y, "cross_entropy").weights["embedding"] for _ in range(2)]
    assert np.array_equal(*got)
    parts = [
        net.gradients(x[:, [i]], y[:, [i]], "cross_entropy").weights["embedding"] for i in range(40)
    ]
    np.testing.assert_allclose(got[0], np.mean(parts, axis=0), atol=1e-12)


@pytest.mark.parametrize("sign", [-1, 1])
def test_beyond_the_range_it_has_an_exponent(sign):
    """dL/dE = 2 (o - y) V U a step, with o = 0: word 0 stands at two steps, word 1 at one."""
    net = network(hidden=1, embedding=1, outputs=1, activation="identity")
    sizes = {"U": 2.0 ** (500 * sign), "W": 1, "V": 2.0 ** (700 * sign), "embedding": 0}
    for name, value in sizes.items():
        net.weights[name][:] = value
    got = net.gradients([[0], [1], [0]], [[-1]], at="last")
    assert got.log2_norms["embedding"] == 1200 * sign + 1 + np.log2(5) / 2
    assert got.weights["embedding"][2:].any() == 0 and got.exponents["embedding"] != 0


def test_the_mean_over_steps_is_pytorchs():
    net, (x, y) = network(), sentences()
    lanes, steps = (
        net.gradients(x, y, "cross_entropy", lengths=LENGTHS, mean=mean)
        for mean in ("lanes", "steps")
    )
    count = sum(LENGTHS) - 2
    assert steps.loss == pytest.approx(lanes.loss * 3 / count, rel=1e-14)
    for name, own in steps.weights.items():
        np.testing.assert_allclose(own, lanes.weights[name] * 3 / count, atol=1e-15)
    nothing = net.gradients(
        x, np.full_like(y, -100), "cross_entropy", lengths=LENGTHS, mean="steps"
    )
    assert nothing.loss == 0 and not any(own.any() for own in nothing.weights.values())
    last = net.gradients(x, [-100, 1, 2], "cross_entropy", "last", lengths=LENGTHS, mean="steps")
    alone = net.gradients(x[:, 1:], [1, 2], "cross_entropy", "last", lengths=LENGTHS[1:])
    assert last.loss == pytest.approx(alone.loss, rel=1e-14)
    assert not last.outputs[:, 0].any() and last.status.tolist()[1:] == ["ok", "ok"]


@pytest.mark.parametrize("cell", NETS)
def test_a_file_gives_it_back_to_the_bit(cell, tmp_path):
    net, (x, _) = network(cell, **NETS[cell]), sentences()
    net.save(tmp_path / "net.safetensors")
    again = Network.load(tmp_path / "net.safetensors")
    assert repr(again) == repr(net) and again.notes == ()
    assert all(np.array_equal(own, again.weights[name]) for name, own in net.weights.items())
    without = Network.load(tmp_path / "net.safetensors", embedding=False)
    assert "embedding" not in without.weights and without.weights["U"].shape[1] == WIDTH
    assert np.array_equal(
        net.forward(x, lengths=LENGTHS).outputs, again.forward(x, lengths=LENGTHS).outputs
    )


def test_a_state_dict_says_by_its_name_what_embeds():
    net = network("gru", embedding=4, hidden=4)
    named = {
        "word_embeddings.weight": net.weights["embedding"], "out.weight": net.weights["V"],
        "out.bias": net.weights["c"], "rnn.weight_ih_l0": net.weights["U"],
        "rnn.weight_hh_l0": net.weights["W"], "rnn.bias_ih_l0": net.weights["b"],
        "rnn.bias_hh_l0": net.weights["b_recurrent"],
    }  # fmt: skip
    found = Network.of(named)
    assert "embedding: word_embeddings, rows of 4 values" in found.notes
    assert np.array_equal(found.weights["embedding"], net.weights["embedding"])
    named["encoder.weight"] = named.pop("word_embeddings.weight")
    assert "embedding" not in Network.of(named, readout="out").weights
    assert "embedding" in Network.of(named, readout="out", embedding="encoder").weights
    with pytest.raises(UserError, match=r"embedding='coder': its tables are "):
        Network.of(named, readout="out", embedding="coder")


def test_inspect_shows_it_words():
    net = network(layers=1)
    seen = gradlab.inspect(net)
    assert "no inputs given: words drawn at random; yours (--inputs) may do otherwise" in seen.notes
    assert seen.inputs.x.shape == (100, 16) and seen.inputs.x.max() == WORDS - 1
    x, _ = sentences()
    given = gradlab.inspect(net, x[:3].T, batch_first=True)
    assert np.array_equal(given.inputs.x, x[:3]) and given.found.layers[0].reach > 0
    values = net.weights["embedding"][x[:3]]
    assert gradlab.inspect(net, values).found.layers[0].log10["h"] == pytest.approx(
        given.found.layers[0].log10["h"], rel=1e-12
    )
    with pytest.raises(
        UserError, match=r"^inputs holds 7 at step 1 of lane 0, not 0 to 6, the rows"
    ):
        gradlab.inspect(net, [7, 0])


WRONG = [
    ([[0.5]], r"^x must hold whole numbers from 0 to 6, rows of the embedding, not float64$"),
    ([[True]], r"^x must hold whole numbers from 0 to 6, rows of the embedding, not bool$"),
    ([[3], [7]], r"^x holds 7 at step 2 of lane 0, not 0 to 6, the rows of the embedding$"),
    ([[3, -1]], r"^x holds -1 at step 1 of lane 1, not 0 to 6, the rows of the embedding$"),
    ([3, 4], r"^x must have shape \(T, B\) for an embedding, not \(2,\)$"),
    (np.zeros((0, 2), int), r"^x must have shape \(T, B\) for an embedding, not \(0, 2\)$"),
]


@pytest.mark.parametrize(("x", "said"), WRONG)
def test_what_is_no_row_is_told(x, said):
    with pytest.raises(UserError, match=said):
        network().forward(x)


def test_wrong_weights_and_sizes_are_told():
    net = network()
    net.weights["embedding"] = np.zeros((9, 2))
    with pytest.raises(UserError, match=r"weights\['embedding'\] has shape \(9, 2\), not \(9, 3\)"):
        net.checked()
    for wrong in (0, 2.5, True):
        with pytest.raises(UserError, match=r"^embedding must be a whole number from 1, not"):
            network(embedding=wrong)
    with pytest.raises(UserError, match=r"^inputs=1000000, embedding=10000, .*at most 2 GiB"):
        network(inputs=10**6, embedding=10**4)
    with pytest.raises(UserError, match=r"^mean must be one of lanes, steps"):
        network().gradients([[1]], [[0]], "cross_entropy", mean="words")
    with pytest.raises(UserError, match=r"^many networks at once take no embedding"):
        gradients_of([network()], [[1]], [[0]], "cross_entropy")
