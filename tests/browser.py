"""A real browser for the tests of the page: a Chromium of the machine, driven by Playwright."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from processes import interruptible

ROOT = Path(__file__).parents[1]
NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = os.environ.get("GRADLAB_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--no-first-run",
]  # fmt: skip


@contextlib.contextmanager
def chromium():
    """A headless Chromium, by Playwright's synchronous face."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def explorer(*arguments):
    """(a process of `gradlab explore`, its address)."""
    command = [sys.executable, "-m", "gradlab", "explore", "--no-browser", *arguments]
    with interruptible():
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate(timeout=30)


def opened(page, address):
    """The page at an address, once its first picture is painted; what its console complains of."""
    complaints = []
    page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    painted(page, 1)
    return complaints


def painted(page, frame):
    """Wait for the picture of that number."""
    page.wait_for_function(f"(window.gradlabFrame ?? 0) >= {frame}", timeout=120_000)


def settled(page):
    """Wait until nothing is computed any more: no new picture for a while."""
    page.wait_for_function(
        """() => {
            const frame = window.gradlabFrame;
            const now = performance.now();
            if (window.lastFrame !== frame) { window.lastFrame = frame; window.since = now; }
            return frame !== undefined && now - window.since > 600;
        }""",
        timeout=120_000,
    )


def data(page, view, name):
    """A column of the source of a view's renderer that has it: (view, column) as a list."""
    return page.evaluate(
        """([view, name]) => {
            const figure = Bokeh.documents[0].get_model_by_name('view_' + view);
            for (const renderer of figure.renderers) {
                const own = renderer.data_source?.data;
                if (own && name in own) { return Array.from(own[name]); }
            }
        }""",
        [view, name],
    )
