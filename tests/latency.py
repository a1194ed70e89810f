"""From a slider's move to the repainted plots: 100 moves in a real browser, in milliseconds.

    python tests/latency.py [LINK'S QUERY]      default: hidden_size=128&sequence_length=200

No test, for a machine that others use as well has no fixed pace. A move gives the radius's
slider a value; it ends with the first frame that the browser paints after the page has taken over
what was computed for it.
"""

import sys
import time

import browser
import numpy as np

QUERY = "hidden_size=128&sequence_length=200"
MOVES = """async (count) => {
    const slider = Bokeh.documents[0].get_model_by_name('spectral_radius');
    const frame = () => window.gradlabFrame;
    const painted = () => new Promise((done) => requestAnimationFrame(() => {
        const channel = new MessageChannel();  // after the frame's own work
        channel.port1.onmessage = done;
        channel.port2.postMessage(0);
    }));
    const took = [];
    for (let move = 0; move < count; move++) {
        const before = frame(), started = performance.now();
        slider.value = 0.5 + 0.01 * ((move * 7) % 150);
        while (frame() === before) { await new Promise((next) => setTimeout(next, 0)); }
        await painted();
        took.push(performance.now() - started);
        await new Promise((next) => setTimeout(next, 100));
    }
    return took;
}"""


def main():
    """Print the first page's seconds, and the median and 95th percentile of the moves."""
    query = sys.argv[1] if len(sys.argv) > 1 else QUERY
    if not browser.CHROMIUM:
        sys.exit("no Chromium: install Debian's chromium, or name one by GRADLAB_CHROMIUM")
    with browser.chromium() as chromium:
        page = chromium.new_page(viewport={"width": 1400, "height": 1000})
        measure(page, query)


def measure(page, query):
    """The browser is there, as a user's is; the command is not."""
    started = time.perf_counter()
    with browser.explorer("--port", "5310") as (_, address):
        page.goto(f"{address}?{query}")
        page.locator(".noUi-handle").first.wait_for()
        print(f"first page {time.perf_counter() - started:.1f} s after the command", end=", ")
        browser.painted(page, 1)
        print(f"first picture {time.perf_counter() - started:.1f} s")
        browser.settled(page)
        took = np.array(page.evaluate(MOVES, 100))
        print(f"{query}: median {np.median(took):.0f} ms, 95 % {np.percentile(took, 95):.0f} ms")


if __name__ == "__main__":
    main()
