"""`gradlab explore` in a real browser: every control, the tour, the training, what is refused.

They need a Chromium; `.ci/run` installs Debian's, and says so by GRADLAB_CHROMIUM.
"""

import contextlib
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import browser
import numpy as np
import pytest

import gradlab
from gradlab.explorer import compute, views
from gradlab.explorer.fields import written
from gradlab.explorer.sentence import sentence
from gradlab.explorer.state import State

if not browser.CHROMIUM:
    reason = "no Chromium: install Debian's chromium, or name one by GRADLAB_CHROMIUM"
    pytestmark = pytest.mark.skip(reason=reason)
SMALL = "hidden_size=16&sequence_length=30&seeds=8"
NETWORKS = """(count) => Array.from(Bokeh.documents[0].get_model_by_name('view_spread')
    .renderers[0].data_source.data.top).reduce((sum, top) => sum + top, 0) === count"""
UPDATES = """(count) => Bokeh.documents[0].get_model_by_name('view_loss').renderers[0]
    .data_source.data.y.length > count"""
ROUND = """() => {
    const { x_range, y_range, inner_width, inner_height } =
        Bokeh.documents[0].get_model_by_name('view_spectra');
    const x = inner_width / (x_range.end - x_range.start);
    const y = inner_height / (y_range.end - y_range.start);
    return Math.abs(x / y - 1) < 1e-3;
}"""
COPIED = "(start) => document.querySelector('#copied pre').textContent.startsWith(start)"
NUMBERS = ("spectral_radius", "hidden_size", "sequence_length", "input_scale", "forget_bias",
           "clip_threshold", "seed", "seeds")  # fmt: skip


@pytest.fixture(scope="module")
def served():
    with browser.chromium() as chromium, browser.explorer("--port", "5210") as (_process, address):
        keeper = chromium.new_page()  # the server ends with its last tab
        keeper.goto(address)
        yield chromium, address


@pytest.fixture(scope="module")
def one(served):
    """A page that the tests share: whoever moves a control moves it back."""
    chromium, address = served
    page = chromium.new_page(viewport={"width": 1400, "height": 1600})
    complaints = browser.opened(page, f"{address}?{SMALL}")
    browser.settled(page)
    yield page
    assert not complaints


@pytest.fixture
def page(one):
    """The shared page, where it stood at first."""
    yield one
    back = {name: getattr(state(), name) for name in ("cell", "activation", "init", "task")}
    for name, value in back.items():
        move(one, name, value, wait=False)
    for name in NUMBERS:
        move(one, f"{name}_text", written(getattr(state(), name)), wait=False)
    browser.settled(one)
    shows(one, state())


def shows(page, state):
    """Wait for the sentence of a state, and hold it against the page's."""
    wanted = sentence(compute.look(state))
    with contextlib.suppress(Exception):  # the assertion says more than a timeout
        page.wait_for_function(
            "(wanted) => document.getElementById('sentence').textContent.trim() === wanted",
            arg=wanted, timeout=120_000,
        )  # fmt: skip
    assert said(page) == wanted
    browser.settled(page)


def waited(page, code, argument=None):
    """Until a function of the page is true: a cold compile may take its time."""
    page.wait_for_function(code, arg=argument, timeout=120_000)


def said(page):
    return page.locator("#sentence").inner_text().strip()


def state(**values):
    return State.of_query(SMALL).changed(**values)


def move(page, name, value, wait=True):
    """Let a widget have a value as its own handle would give it."""
    page.evaluate(
        "([name, value]) => { Bokeh.documents[0].get_model_by_name(name).value = value; }",
        [name, value],
    )
    if wait:
        page.wait_for_timeout(200)
        browser.settled(page)


def test_the_first_picture_is_what_is_computed(page):
    look = compute.look(state())
    shows(page, state())
    assert browser.data(page, "lag", "log10") is not None
    line = page.evaluate("""() => {
        const figure = Bokeh.documents[0].get_model_by_name('view_lag');
        const drawn = figure.renderers.map(one => Array.from(one.data_source.data.log10));
        return drawn[drawn.length - 1];
    }""")
    assert line == pytest.approx(look.log10.astype(np.float32).tolist(), abs=1e-4)
    values = np.concatenate([e for e, _ in look.spectra.values()])
    drawn = page.evaluate("""() => {
        const figure = Bokeh.documents[0].get_model_by_name('view_spectra');
        const own = figure.renderers.find(one => 'color' in one.data_source.data);
        return Array.from(own.data_source.data.x);
    }""")
    assert drawn == pytest.approx(values.real.tolist(), abs=1e-5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cell", "lstm"), ("cell", "gru"), ("cell", "jordan"), ("activation", "relu"),
        ("init", "orthogonal"), ("task", "adding"), ("spectral_radius", 1.6), ("hidden_size", 40),
        ("sequence_length", 80), ("input_scale", 1.5), ("seed", 5),
    ],
)  # fmt: skip
def test_every_control_moves_the_sentence_as_computed(page, name, value):
    move(page, name, value)
    shows(page, state(**{name: value}))


def test_doubling_the_radius_moves_the_line_up(page):
    lines = []
    move(page, "activation", "identity")
    for radius in (0.6, 1.2):
        move(page, "spectral_radius", radius)
        lines.append(
            page.evaluate("""() => {
            const figure = Bokeh.documents[0].get_model_by_name('view_lag');
            const own = figure.renderers[figure.renderers.length - 1].data_source.data.log10;
            return own[own.length - 1];
        }""")
        )
    assert lines[1] - lines[0] == pytest.approx(30 * np.log10(2), rel=0.05)


def test_the_forget_bias_the_threshold_and_the_seeds_move_their_views(page):
    move(page, "cell", "lstm")
    move(page, "forget_bias", 3.0)
    shows(page, state(cell="lstm", forget_bias=3.0))
    waited(page, NETWORKS, 8)
    move(page, "seeds", 20)
    waited(page, NETWORKS, 20)
    move(page, "clip_threshold", 1)  # the second of the marks: 0.003
    waited(
        page,
        "(place) => Math.abs(Bokeh.documents[0].get_model_by_name('view_spread').center"
        ".find(one => one.type == 'Span').location - place) < 1e-6",
        np.log10(0.003),
    )


def test_a_slider_moves_by_the_keyboard_alone(page):
    handle = page.locator(".noUi-handle").nth(0)
    handle.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)
    browser.settled(page)
    shows(page, state(spectral_radius=0.83))


def test_a_bad_value_typed_gets_one_line_beside_it_and_nothing_else_moves(page):
    before = said(page)
    page.evaluate("() => { Bokeh.documents[0].get_model_by_name('hidden_size_text').value = 'x'; }")
    page.wait_for_timeout(500)
    refused = page.get_by_text("hidden_size=x: must be a number from 1 to 512")
    assert refused.is_visible()
    assert said(page) == before
    page.evaluate(
        "() => { Bokeh.documents[0].get_model_by_name('hidden_size_text').value = '20'; }"
    )
    page.wait_for_timeout(500)
    browser.settled(page)
    assert not refused.is_visible()
    shows(page, state(hidden_size=20))


def test_a_click_on_the_map_goes_there(page):
    figure = page.locator("#card_regimes canvas").first
    box = figure.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.4)
    page.wait_for_timeout(500)
    browser.settled(page)
    radius, length = page.evaluate(
        "() => ['spectral_radius', 'sequence_length'].map("
        "name => Bokeh.documents[0].get_model_by_name(name).value)"
    )
    assert 1.5 < radius < 2.6 and 40 < length < 300
    assert said(page) == sentence(
        compute.look(state(spectral_radius=radius, sequence_length=length))
    )


def test_the_tour_the_link_and_the_experiment(page, served, tmp_path):
    page.get_by_role("button", name="Start the tour").click()
    for step in range(1, 7):
        page.get_by_text(f"{step} of 6: ").wait_for()
        if step < 6:
            page.get_by_role("button", name="Next").click()
    browser.settled(page)
    shows(page, State(cell="lstm", forget_bias=3.0))
    page.get_by_role("button", name="Copy link").click()
    waited(page, COPIED, "http")
    link = page.locator("#copied pre").inner_text()
    assert State.of_query(urlsplit(link).query) == State(cell="lstm", forget_bias=3.0)
    other = served[0].new_page()
    browser.opened(other, link)
    browser.settled(other)
    assert said(other) == said(page)
    other.close()
    move(page, "hidden_size", 8)
    move(page, "seeds", 2)
    page.get_by_role("button", name="Copy as experiment").click()
    waited(page, COPIED, '"""How')
    file = tmp_path / "copied.py"
    file.write_text(page.locator("#copied pre").inner_text())
    assert set(gradlab.run(file, results=tmp_path).cell) == {"lstm"}
    page.get_by_role("button", name="End the tour").click()


def test_training_starts_pauses_steps_and_resets(page):
    page.get_by_text("Training", exact=True).click()
    page.get_by_role("button", name="Start", exact=True).click()
    waited(page, UPDATES, 5)  # no fixed time: long curves are thinned
    page.get_by_role("button", name="Pause", exact=True).click()
    page.wait_for_timeout(600)
    losses = browser.data(page, "loss", "y")
    assert len(losses) > 5
    twin = gradlab.train(
        compute.drawn(state()).of_size(state()),
        "temporal_order",
        gradlab.Plan("temporal_order", 30, updates=5, batch=20, learning_rate=0.1, seed=0,
                     clip_threshold=1.0),
    )  # fmt: skip
    assert losses[:5] == pytest.approx(twin.losses, rel=1e-5)
    page.wait_for_timeout(500)
    still = len(browser.data(page, "loss", "y"))
    page.get_by_role("button", name="Step").click()
    page.wait_for_timeout(700)
    assert len(browser.data(page, "loss", "y")) == still + 1
    page.get_by_role("button", name="Reset").click()
    page.wait_for_timeout(700)
    assert len(browser.data(page, "loss", "y")) == 0
    page.get_by_text("Gradient", exact=True).click()


def test_a_view_that_is_hidden_is_not_computed(page):
    shown = list(range(len(views.ORDER)))
    shown.remove(views.ORDER.index("spread"))
    page.evaluate(
        "(shown) => { Bokeh.documents[0].get_model_by_name('shown').active = shown; }", shown
    )
    page.wait_for_timeout(300)
    assert not page.locator("#card_spread").is_visible()
    move(page, "seeds", 30)
    top = page.evaluate(
        "() => Array.from(Bokeh.documents[0].get_model_by_name('view_spread').renderers[0]"
        ".data_source.data.top)"
    )
    assert sum(top) == 8
    page.evaluate(
        "(shown) => { Bokeh.documents[0].get_model_by_name('shown').active = shown; }",
        list(range(len(views.ORDER))),
    )


@pytest.mark.parametrize("width", [1400, 420])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_window_and_text_can_be_read(served, width, scheme):
    chromium, address = served
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    complaints = browser.opened(page, f"{address}?{SMALL}")
    browser.settled(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ink, paper = page.evaluate("""() => {
        const style = getComputedStyle(document.querySelector('aside'));
        return [getComputedStyle(document.body).color, style.backgroundColor];
    }""")
    assert contrast(ink, paper) > 7
    assert not complaints
    context.close()


@pytest.mark.parametrize("width", [1400, 420])
def test_the_unit_circle_is_one_and_the_controls_stay_at_hand(served, width):
    chromium, address = served
    page = chromium.new_page(viewport={"width": width, "height": 900})
    complaints = browser.opened(page, f"{address}?{SMALL}&spectral_radius=1.4")
    browser.settled(page)
    for wide in (width, 600):
        page.set_viewport_size({"width": wide, "height": 900})
        waited(page, ROUND)
    page.mouse.move(wide / 2, 800)
    page.mouse.wheel(0, 700)
    page.wait_for_timeout(500)
    controls = page.locator("aside").bounding_box()
    assert 0 <= controls["y"] < 20 and controls["height"] < (400 if wide < 760 else 900)
    assert not complaints
    page.close()


def test_a_link_that_says_what_is_none_says_so_as_long_as_the_page_is_there(served):
    chromium, address = served
    page = chromium.new_page()
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    browser.opened(page, f"{address}?hidden_size=<img src=x onerror=alert(1)>")
    browser.settled(page)
    assert page.locator("#problem").inner_text() == (
        "this link: hidden_size=<img src=x onerror=alert(1)>: must be a number from 1 to 512"
    )
    assert said(page) == sentence(compute.look(State()))
    page.close()


def contrast(one, other):
    """WCAG's contrast of two rgb(...) colours."""

    def light(colour):
        channels = np.array([int(c) for c in colour[colour.index("(") + 1 : -1].split(",")[:3]])
        share = channels / 255
        linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    low, high = sorted([light(one), light(other)])
    return (high + 0.05) / (low + 0.05)


def test_a_wrong_token_and_a_foreign_origin_are_refused(served):
    _, address = served
    parts = urlsplit(address)
    for path in ("/", "/wrong", parts.path[:-1], f"{parts.path}x"):
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(f"http://{parts.netloc}{path}", timeout=10)
        assert error.value.code == 404
        assert parts.path[1:] not in error.value.read().decode()
    assert handshake(parts, f"http://{parts.netloc}").startswith("HTTP/1.1 101")
    assert handshake(parts, "http://evil.example").startswith("HTTP/1.1 403")


def handshake(parts, origin):
    """The first line that a websocket's handshake is answered with."""
    request = (
        f"GET {parts.path}/ws HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Sec-WebSocket-Version: 13\r\nOrigin: {origin}\r\n\r\n"
    )
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(request.encode())
        return connection.recv(200).split(b"\r\n")[0].decode()


def test_it_listens_on_this_machine_alone_and_a_busy_port_takes_the_next(served):
    _, address = served
    port = urlsplit(address).port
    with browser.explorer("--port", str(port)) as (process, other):
        assert urlsplit(other).port == port + 1
        assert urlsplit(other).hostname == "127.0.0.1"
        assert urlsplit(other).path != urlsplit(address).path
        listening = [
            line.split()
            for line in Path("/proc/net/tcp").read_text(encoding="utf-8").splitlines()[1:]
        ]
        own = [line[1] for line in listening if line[3] == "0A"]
        hosts = {entry.split(":")[0] for entry in own if int(entry.split(":")[1], 16) == port + 1}
        assert hosts == {"0100007F"}
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0


def test_it_ends_when_the_last_tab_closes(served):
    with browser.explorer("--port", "5290") as (process, address):
        page = served[0].new_page()
        browser.opened(page, f"{address}?hidden_size=128&sequence_length=200")
        page.reload()  # no end
        browser.painted(page, 1)
        assert process.poll() is None
        page.wait_for_timeout(300)
        page.close()  # while what is slow is computed: nobody is there to be told
        assert process.wait(timeout=30) == 0
        assert "Traceback" not in process.stderr.read()
