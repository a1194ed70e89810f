"""gradlab explore."""

from gradlab.commands import shared

TEXT = "open a page whose sliders recompute as they move (extra: explore)"


def arguments(explore):
    """Where the controls stand first, and how the page is opened."""
    explore.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="where a control stands first: spectral_radius=1.2, cell=lstm, task=series, file=F",
    )
    explore.add_argument(
        "--port", metavar="N", type=shared.positive, default=5007, help="default: 5007, or the next"
    )
    explore.add_argument(
        "--no-browser", action="store_true", help="print the address, and open nothing"
    )


def command(options):
    """Serve the page until its last tab closes, or Ctrl-C."""
    from gradlab.explorer import opened

    return opened.command(shared.values(options), options.port, not options.no_browser)
