"""What does Pascanu's regulariser do to the gradient by lag while a network learns?

Omega = sum over t of (||v_t||^2/||g_t||^2 - 1)^2 asks, in the form of the authors' code (see
gradlab.learning.omega), that g_t = dL/dh_t keeps its size on each step back, v_t = W^T diag(f') g_t
being what of it arrives. alpha times its immediate derivative is added to dL/dW before clipping.
Here it is watched at work: ||dL/dh_{T-lag}||/||dL/dh_T|| on fresh sequences, training after
training, below the edge, on it and above it, with alpha = 0 (none) and two others.
"""

import math

from gradlab.cli import script
from gradlab.plots import MUTED, RANGE, Panel, counted, medians, page, style
from gradlab.suite import (
    Claim,
    Experiment,
    every,
    largest,
    median,
    near,
    nearest,
    rows,
    swap,
)
from gradlab.suite.survival import cut_off, first_reached, log_rank, more_solved, times

SOLVED = 0.01  # of the fresh sequences wrong
BELOW, ABOVE = 0.6, 1.75  # radii of the figure: the gradient vanishes, it explodes
STRONG = 2.0  # alpha in the authors' code
UPDATES = [0, 50, *range(100, 2001, 100)]
LONG = [0, 200, *range(500, 6001, 500)]  # at 50 steps, which take longer to learn
LAGS = [0, 1, 2, 3, 5, 7, 10, 15, 20, 25, 30]
ABOUT = {
    "task": "temporal_order", "cell": "elman", "dtype": "float64",
    "activation": "tanh", "init": "gaussian",
    "hidden_size": 50, "optimizer": "sgd", "learning_rate": 0.1,
    "batch": 20, "clip_threshold": 1.0, "clip_style": "norm", "clip_per": "mean",
}  # fmt: skip


def trainings(frame):
    """One row a training: the first update at which less than 1 % was wrong."""
    return first_reached(frame, frame.error < SOLVED, ["omega", "spectral_radius", "seed"])


def no_sooner(frame):
    """p of the log-rank test between alpha = 2 and none; 1 where those without are solved first."""
    known = trainings(frame)
    middles = [times(rows(known, omega=alpha))[0].mean() for alpha in (STRONG, 0.0)]
    return log_rank({"omega": 0.0}, {"omega": STRONG})(known) if middles[0] < middles[1] else 1.0


def more_learn(frame):
    """Share solved with alpha = 2 less that without, low end of the 95 % interval."""
    return more_solved({"omega": STRONG}, {"omega": 0.0})(trainings(frame))


def apart(frame):
    """By how many decades the gradients of the alphas differ."""
    keys = ["sequence_length", "spectral_radius", "seed", "lag"]
    known = frame.groupby(keys).log10_gradient
    return (known.max() - known.min()).dropna()


def arrives(omega):
    """Decades of the gradient over all lags after 200 updates, from the radius below the edge."""
    return median(
        "log10_gradient", sequence_length=30, omega=omega, spectral_radius=BELOW, update=200, lag=30
    )


def alphas(values):
    """Grey without Omega, then warmer with alpha."""
    return dict(zip(values, [MUTED, *style.sns.color_palette("flare", len(values))], strict=False))


def way_back(radius, omega, length=min, **options):
    """The panel of the gradient by lag for one alpha and length, a line an update."""
    lines = medians(
        "lag", "log10_gradient", "update", chosen=(0, 50, 200, 500, 1000, 2000), palette="crest",
        level=0, decades=True, xlabel="lag (steps back)", ylabel="||dL/dh|| over that at lag 0",
        **options,
    )  # fmt: skip

    def draw(panel, frame):
        """Median gradient by lag, a line an update, on one scale for all alphas."""
        sizes = frame.groupby(["omega", "update", "lag"]).log10_gradient.median()
        sizes = sizes[sizes.abs() < math.inf]
        panel.set_ylim(sizes.min() - 0.3, sizes.max() + 0.3)
        lines(panel, rows(frame, omega=near(omega)))

    def title(frame):
        alpha = nearest(frame.omega, omega)
        said = f"alpha = {alpha:g}" if alpha else "without Omega"
        return f"T = {{sequence_length}}: starts at radius {{spectral_radius}}, {said}"

    return Panel(title, draw, {"sequence_length": length, "spectral_radius": near(radius)})


def counts(panel, frame):
    """Share of trainings solved by radius and alpha, with Wilson's intervals."""
    counted(
        "solved", ["spectral_radius", "omega"], "omega", palette=alphas,
        xlabel="share of trainings", ylabel="spectral radius at the start, alpha",
    )(panel, trainings(frame))  # fmt: skip


def solved(length):
    """The panel of the shares that are solved at a length."""
    title = "T = {sequence_length}: share solved within "
    return Panel(
        lambda frame: f"{title}{frame['update'].max()} updates", counts, {"sequence_length": length}
    )


def longer(lengths):
    """The largest of several lengths, if there are several."""
    return max(lengths) if len(set(lengths)) > 1 else None


LEGEND = {"title": "updates", "ncols": 2, "fontsize": 9}
LOW, HIGH = LEGEND | {"loc": "lower left"}, LEGEND | {"loc": "upper left"}
figure = page(
    "Omega opens the way back first, then more is learnt (rate {learning_rate}; 2,000 updates at "
    "T = 30, 6,000 at T = 50)",
    "task {task}, T = {sequence_length}, {network}, {hidden_size} units, minibatches of {batch}, "
    "{optimizer}, learning rate {learning_rate}, clipped to {clip_threshold}, {seeds}: medians, c: "
    "and ranges, f and i: 95 % Wilson intervals\n"
    "gradient by lag: ||dL/dh|| that many steps before the end over that at the end, 200 fresh "
    "sequences; solved: below 1 % of them wrong at one of the updates looked at; Omega in the "
    "normalisation of the authors' code",
    [
        [
            way_back(BELOW, 0.0, legend=LOW),
            way_back(BELOW, STRONG, legend=LOW),
            Panel(
                "T = {sequence_length}: what arrives, over {lag} steps",
                medians(
                    "update", "log10_gradient", "omega", palette=alphas, points=None, band=RANGE,
                    level=0, decades=True, legend="alpha (0: none)",
                    xlabel="updates", ylabel="||dL/dh|| over that at lag 0",
                ),
                {"sequence_length": min, "spectral_radius": near(BELOW), "lag": max},
            ),
        ],
        [
            way_back(ABOVE, 0.0, legend=HIGH, headroom=0.2),
            way_back(ABOVE, STRONG, legend=HIGH, headroom=0.2),
            solved(min),
        ],
        [
            way_back(BELOW, 0.0, longer, legend=LOW),
            way_back(BELOW, STRONG, longer, legend=LOW),
            solved(longer),
        ],
    ],
    size=(17, 15),
)  # fmt: skip
experiment = Experiment(
    question="What does Pascanu's regulariser do to the gradient by lag during training?",
    grid=[
        {
            "sequence_length": [length],
            "omega": [0.0, 0.5, STRONG],
            "spectral_radius": [BELOW, 1.2, ABOVE],
            "seed": range(10),
            "update": updates,
            "lag": lags,
        }
        for length, updates, lags in ((30, UPDATES, LAGS), (50, LONG, [*LAGS, 40, 50]))
    ],
    split=["sequence_length", "omega", "spectral_radius", "seed"],
    constants={
        "task": "temporal_order",
        "cell": "elman",
        "dtype": "float64",
        "activation": "tanh",
        "init": "gaussian",
        "hidden_size": 50,
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
            "one start",
            "largest difference between alphas before the first update, decades",
            source="the same draw and the same fresh sequences",
            measured=largest(apart, update=0),
            equals=0.0,
            within=0.0,
            why="the same bits",
            control=swap("update", 0, 50),
        ),
        Claim(
            "the gradient arrives",
            "from radius 0.6, T = 30, after 200 updates: decades of the gradient over 30 steps "
            "with alpha = 2 above those without",
            source="Pascanu, Mikolov, Bengio (ICML 2013), section 3.3: Omega keeps the norm",
            measured=arrives(STRONG) - arrives(0.0),
            at_least=4.5,
            why="half of the nine that are lost without",
            control=swap("omega", 0.0, STRONG),
            about=ABOUT | {"sequence_length": 30},
            seeds=10,
        ),
        Claim(
            "then it learns sooner",
            "rate 0.1, T = 30, within 2,000 updates and within 1,000: log-rank p that trainings "
            "with alpha = 2 are solved no sooner than without, all radii",
            source="Pascanu, Mikolov, Bengio (ICML 2013), Fig. 7 (up to 5 million updates there)",
            measured=no_sooner,
            at_most=0.02,
            why="30 trainings each",
            control=swap("omega", 0.0, STRONG),
            also=[cut_off(0.5)],
            about=ABOUT | {"sequence_length": 30, "update": every(UPDATES)},
            seeds=10,
        ),
        Claim(
            "it learns longer sequences",
            "rate 0.1, T = 50, within 6,000 updates and within 3,000: share solved with alpha = 2 "
            "less that without, all radii, low end of the 95 % interval",
            source="Pascanu, Mikolov, Bengio (ICML 2013), Fig. 7 (up to 5 million updates there)",
            measured=more_learn,
            at_least=0.15,
            why="30 of 30 trainings against 5, 17 against 4 within 3,000",
            control=swap("omega", 0.0, STRONG),
            also=[cut_off(0.5)],
            about=ABOUT | {"sequence_length": 50, "update": every(LONG)},
            seeds=10,
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
