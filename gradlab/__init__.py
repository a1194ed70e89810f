"""A laboratory for the gradients of recurrent neural networks.

run(name)       run an experiment and return its table
read(name)      the table of a former run
Network         a recurrent network with all its gradients
Sequences       one's own sentences, or a text in pieces, to train on
train           train one on a task, or on one's own arrays, by a Plan; returns a Training
clip            gradient clipping, in every meaning that users know
explore         the page of `gradlab explore`, in a notebook or a browser
inspect         where the gradient of somebody's model vanishes or explodes, and why
lyapunov        the Lyapunov exponents of a network, with standard errors
watch           what a log of gradient norms says, and what a threshold is there
"""

from importlib import import_module

_HOMES = {
    "Network": "gradlab.nets.network",
    "Plan": "gradlab.learning.plan",
    "Sequences": "gradlab.learning.sequences",
    "Training": "gradlab.learning.training",
    "clip": "gradlab.learning.clipping",
    "explore": "gradlab.explorer.opened",
    "inspect": "gradlab.inspecting.inspected",
    "lyapunov": "gradlab.nets.lyapunov",
    "read": "gradlab.runner",
    "run": "gradlab.runner",
    "train": "gradlab.learning.training",
    "watch": "gradlab.watching.watched",
}
__all__ = [
    "Network",
    "Plan",
    "Sequences",
    "Training",
    "clip",
    "explore",
    "inspect",
    "lyapunov",
    "read",
    "run",
    "train",
    "watch",
]


def __getattr__(name):
    if name == "__version__":
        return import_module("gradlab.version").version()
    if name not in _HOMES:
        raise AttributeError(f"module 'gradlab' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__():
    return sorted({*globals(), *_HOMES, "__version__"})
