"""What does Pascanu's regulariser do to the gradient by lag while a network learns?

Omega = sum over t of (||v_t||^2/||g_t||^2 - 1)^2 asks, in the form of the authors' code (see
gradlab.learning.omega), that g_t = dL/dh_t keeps its size on each step back, v_t = W^T diag(f') g_t
being what of it arrives. alpha times its immediate derivative is added to dL/dW before clipping.
Here it is watched at work: ||dL/dh_{T-lag}||/||dL/dh_T|| on fresh sequences, training after
training, below the edge, on it and above it, with alpha = 0 (none) and two others.
"""

import math

from gradlab.cli import script
from gradlab.plots import MUTED, style
from gradlab.suite import Claim, Experiment, NotMeasured, interval, nearest, rows, wilson

SOLVED = 0.01  # of the fresh sequences wrong
BELOW, ABOVE = 0.6, 1.75  # radii of the figure: the gradient vanishes, it explodes
STRONG = 2.0  # alpha in the authors' code
ABOUT = {
    "task": "temporal_order", "cell": "elman", "activation": "tanh", "init": "gaussian",
    "hidden_size": 50, "sequence_length": 30, "optimizer": "sgd", "learning_rate": 0.1,
    "batch": 20, "clip_threshold": 1.0, "clip_style": "norm", "clip_per": "mean",
}  # fmt: skip


def whole(frame):
    """The table, if its trainings went all the way and were looked at on it."""
    rows(frame, update=2000)
    if frame["update"].nunique() < 10:
        raise NotMeasured("needs 10 updates")
    return frame


def trainings(frame):
    """One row a training: solved is 1 if at one of the updates less than 1 % was wrong."""
    known = frame.groupby(["omega", "spectral_radius", "seed"]).error.min()
    return (known < SOLVED).astype(float).rename("solved").reset_index()


def lead(frame):
    """Share solved from the radius below the edge with Omega, any alpha, less that without."""
    known = rows(trainings(whole(frame)), spectral_radius=BELOW)
    return interval(known[known.omega > 0], "solved")[0] - interval(known, "solved", omega=0.0)[0]


def depth(omega, update):
    """Decades that are lost (median over seeds) over all lags, below the edge."""

    def measured(frame):
        known = rows(whole(frame), omega=omega, spectral_radius=BELOW, lag=frame.lag.max())
        return -rows(known, update=update).log10_gradient.median()

    return measured


def ratio(frame):
    """Decades lost with alpha = 2 over those lost without, after 200 updates."""
    return depth(STRONG, 200)(frame) / depth(0.0, 200)(frame)


def same_start(frame):
    """Largest difference by alpha before the first update."""
    known = rows(frame, update=0).groupby(["spectral_radius", "seed", "lag"]).log10_gradient
    return (known.max() - known.min()).max()


def shuffled(frame):
    """Rows of other trainings: alpha is mixed up."""
    frame["omega"] = frame.omega.sample(frac=1, random_state=0).to_numpy()
    return frame


def unregularised(frame):
    """The gradients without Omega pass for those with it."""
    without = frame[frame.omega == 0].log10_gradient.to_numpy()
    for omega in set(frame.omega):  # the rows of each alpha stand in the same order
        frame.loc[frame.omega == omega, "log10_gradient"] = without
    return frame


def later(frame):
    """What was measured after 50 updates passes for the start."""
    frame = frame[frame["update"] > 0].copy()
    frame["update"] = frame["update"].replace({50: 0})
    return frame


def figure(frame):
    """Gradients by lag without and with Omega, two radii; over updates; shares solved."""
    drawing, axes = style.panels(2, 3, size=(17, 10.5))
    alpha = nearest(frame.omega, STRONG)
    titles = []
    for line, wanted in zip(axes, (BELOW, ABOVE), strict=True):
        radius = nearest(frame.spectral_radius, wanted)
        known = rows(frame, spectral_radius=radius)
        for panel, omega in zip(line, (0.0, alpha), strict=False):
            by_lag(panel, rows(known, omega=omega), known.log10_gradient)
            said = f"alpha = {omega:g}" if omega else "without Omega"
            titles.append(f"starts at radius {radius:g}, {said}")
        titles.append("")
    end_over_updates(axes[0, 2], frame, nearest(frame.spectral_radius, BELOW))
    solved(axes[1, 2], frame)
    titles[2] = f"radius {nearest(frame.spectral_radius, BELOW):g}: what arrives, over all lags"
    titles[5] = f"share solved within {frame['update'].max():,} updates"
    style.titles(axes, titles)
    first = frame.iloc[0]
    style.headline(drawing, "Omega opens the way back before there is anything to learn from it")
    style.caption(
        drawing,
        f"task {first.task}, T = {first.sequence_length}, {first.activation} RNN, "
        f"{first.hidden_size} units, minibatches of {first.batch}, {first.optimizer}, learning "
        f"rate {first.learning_rate:g}, clipped to {first.clip_threshold:g}, "
        f"{frame.seed.nunique()} seeds: medians, c: and ranges, f: 95 % Wilson intervals\n"
        "gradient by lag: ||dL/dh|| that many steps before the end over that at the end, 200 fresh "
        "sequences; solved: below 1 % of them wrong at one of the updates shown in c; Omega in the "
        "normalisation of the authors' code",
    )
    return drawing


def by_lag(panel, frame, every):
    """log10 of the gradient over the lag, a line an update."""
    known = sorted(set(frame["update"]))
    shown = sorted({nearest(known, wanted) for wanted in (0, 50, 200, 500, 1000, known[-1])})
    inks = style.sns.color_palette("crest", len(shown))
    for update, colour in zip(shown, inks, strict=True):
        medians = frame[frame["update"] == update].groupby("lag").log10_gradient.median()
        panel.plot(medians, "o-", ms=4, color=colour, label=f"{update:,}")
    panel.axhline(0, ls="--", lw=1, color=MUTED)
    panel.set(xlabel="lag (steps back)", ylabel="||dL/dh|| over that at lag 0")
    every = every[every.abs() < math.inf]
    panel.set(ylim=(max(-12, every.quantile(0.002)) - 0.3, min(8, every.quantile(0.998)) + 0.3))
    style.powers_of_ten(panel.yaxis)
    panel.legend(title="updates", ncols=2, fontsize=9)


def end_over_updates(panel, frame, radius):
    """The gradient at the largest lag over updates, by alpha."""
    known = rows(frame, spectral_radius=radius, lag=frame.lag.max())
    for omega, colour in zip(sorted(set(known.omega)), inks(known), strict=True):
        groups = known[known.omega == omega].groupby("update").log10_gradient
        panel.plot(groups.median(), color=colour, label=f"{omega:g}" if omega else "0 (none)")
        panel.fill_between(groups.min().index, groups.min(), groups.max(), color=colour,
                           alpha=0.12, lw=0)  # fmt: skip
    panel.axhline(0, ls="--", lw=1, color=MUTED)
    panel.set(xlabel="updates", ylabel=f"||dL/dh|| at lag {known.lag.max()} over that at lag 0")
    style.powers_of_ten(panel.yaxis)
    panel.legend(title="alpha")


def solved(panel, frame):
    """Shares solved by radius and alpha, with intervals."""
    known = trainings(frame)
    alphas, radii = sorted(set(known.omega)), sorted(set(known.spectral_radius))
    for i, (omega, colour) in enumerate(zip(alphas, inks(known), strict=True)):
        for place, radius in enumerate(radii):
            hits = known[(known.omega == omega) & (known.spectral_radius == radius)].solved
            middle, low, high = wilson(hits.sum(), len(hits))
            at = place + 0.16 * (i - (len(alphas) - 1) / 2)
            label = (f"{omega:g}" if omega else "0 (none)") if place == 0 else None
            panel.plot([at, at], [low, high], lw=5, alpha=0.3, color=colour)
            panel.plot(at, middle, "o", ms=8, color=colour, label=label)
            panel.annotate(f"{hits.sum():.0f}/{len(hits)}", (at, high + 0.02), ha="center",
                           fontsize=9, color=colour)  # fmt: skip
    panel.set_xticks(range(len(radii)), [f"{radius:g}" for radius in radii])
    panel.set(xlabel="spectral radius at the start", ylabel="share of trainings", ylim=(0, 1.1))
    panel.legend(title="alpha", loc=(0.27, 0.02))


def inks(frame):
    """Grey without Omega, then warmer with alpha."""
    alphas = sorted(set(frame.omega))
    warm = style.sns.color_palette("flare", max(1, len(alphas) - 1))
    return [MUTED, *warm][: len(alphas)]


experiment = Experiment(
    question="What does Pascanu's regulariser do to the gradient by lag during training?",
    grid={
        "omega": [0.0, 0.5, STRONG],
        "spectral_radius": [BELOW, 1.2, ABOVE],
        "seed": range(5),
        "update": [0, 50, *range(100, 2001, 100)],
        "lag": [0, 1, 2, 3, 5, 7, 10, 15, 20, 25, 30],
    },
    split=["omega", "spectral_radius", "seed"],
    constants={
        "task": "temporal_order",
        "cell": "elman",
        "activation": "tanh",
        "init": "gaussian",
        "hidden_size": 50,
        "sequence_length": 30,
        "optimizer": "sgd",
        "learning_rate": 0.1,
        "batch": 20,
        "clip_threshold": 1.0,
        "clip_style": "norm",
        "clip_per": "mean",
    },
    quick={
        "omega": [0.0, STRONG],
        "spectral_radius": [BELOW, ABOVE],
        "seed": [0],
        "update": [0, 50, 200, 400],
    },
    measure="gradlab.measures.learning:lags",
    figure=figure,
    claims=[
        Claim(
            name="one start",
            statement="largest difference between alphas before the first update, decades",
            source="the same draw and the same fresh sequences",
            measured=same_start,
            equals=0.0,
            within=0.0,
            why="the same bits",
            control=later,
        ),
        Claim(
            name="the gradient arrives",
            about=ABOUT,
            seeds=5,
            statement="from radius 0.6, after 200 updates: decades lost over all lags with alpha = "
            "2 over those lost without",
            source="Pascanu, Mikolov, Bengio (ICML 2013), section 3.3: Omega keeps the norm",
            measured=ratio,
            at_most=0.5,
            why="half of the decades",
            control=unregularised,
        ),
        Claim(
            name="then it learns",
            about=ABOUT,
            seeds=5,
            statement="from radius 0.6: share solved with Omega less share solved without",
            source="Pascanu, Mikolov, Bengio (ICML 2013), Fig. 7 (up to 5 million updates there)",
            measured=lead,
            at_least=0.5,
            why="8 of 10 trainings (0.49 to 0.94) against 0 of 5 (0 to 0.43)",
            control=shuffled,
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
