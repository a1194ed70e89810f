"""Where did a long work begin?"""

from gradlab.suite import Experiment

experiment = Experiment(
    question="Where did a long work begin?",
    grid={"one": [1]},
    split=["one"],
    measure="toy_slow:count",
    figure=lambda frame: None,
    constants={"steps": 60, "pause": 0.05},
)
