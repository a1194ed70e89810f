"""From a slider's move to the repainted plots: 100 moves in a real browser, in milliseconds.

    python tests/latency.py [LINK'S QUERY]      default: hidden_size=128&sequence_length=200

No test, for a machine that others use as well has no fixed pace. A move gives the radius's
slider a value. `first view` ends with the browser's frame that first paints a plot of what was
computed for it, `all views` with the frame that paints the last of them.
"""

import sys
import time

import browser
import numpy as np

QUERY = "hidden_size=128&sequence_length=200"
MOVES = """async (count) => {
    const slider = Bokeh.documents[0].get_model_by_name('spectral_radius');
    const pause = (duration) => new Promise((next) => setTimeout(next, duration));
    let before, painted;
    const plot = Bokeh.require('models/plots/plot_canvas').PlotView.prototype;
    const paint = plot._actual_paint;
    plot._actual_paint = function () {
        paint.call(this);
        if (window.gradlabFrame === before) { return; }  // of what was there
        const channel = new MessageChannel(), { name } = this.model;  // after the frame's own work
        channel.port1.onmessage = () => painted.set(name, performance.now());
        channel.port2.postMessage(0);
    };
    const moves = [];
    for (let move = 0; move < count; move++) {
        before = window.gradlabFrame, painted = new Map();
        const started = performance.now();
        slider.value = 0.5 + 0.01 * ((move * 7) % 150);
        while (!painted.size) { await pause(0); }
        await pause(100);
        const ended = [...painted.values()];
        moves.push([Math.min(...ended) - started, Math.max(...ended) - started, ended.length]);
    }
    plot._actual_paint = paint;
    return moves;
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
        first, every, views = np.array(page.evaluate(MOVES, 100)).T
        print(query)
        shown = "-".join(f"{count:.0f}" for count in sorted({views.min(), views.max()}))
        for name, took in (("first view", first), (f"all {shown} views", every)):
            print(f"{name}: median {np.median(took):.0f} ms, 95 % {np.percentile(took, 95):.0f} ms")


if __name__ == "__main__":
    main()
