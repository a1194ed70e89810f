"""Which columns of somebody's log are the update, the norm, the loss and the threshold."""

import re

from gradlab.errors import UserError, did_you_mean

# Names that loops and loggers give them, folded; the first that a log has is meant.
ALIASES = {
    "norm": (
        "norm", "grad_norm", "gradient_norm", "norm_before", "grad_norm_before_clip",
        "grad_norm_before_clipping", "total_norm", "total_grad_norm", "grad_norm_total",
        "grad_2_0_norm_total", "grad_total_norm", "global_norm", "global_grad_norm",
        "global_gradient_norm", "grads_norm", "gradients_norm", "gradnorm", "gnorm", "g_norm",
    ),
    "update": (
        "update", "updates", "step", "steps", "global_step", "iteration", "iterations", "iter",
        "it", "num_updates", "batch",
    ),
    "loss": ("loss", "train_loss", "training_loss", "mean_loss"),
    "threshold": (
        "clip_threshold", "threshold", "clip", "clip_norm", "clipnorm", "grad_clip", "max_norm",
        "max_grad_norm", "gradient_clip_val", "gradient_clip", "clip_grad_norm",
    ),
}  # fmt: skip
ROLES = tuple(ALIASES)
BEFORE = re.compile(r"^(train|training|trainer|optim|optimizer|metrics|stats|debug)_")
SPREAD = re.compile(r"__(min|max)$", re.IGNORECASE)  # beside each column of a wandb export


def chosen(names, asked, where):
    """{role: column} of norm, update, loss and threshold; a role that is not there is left out.

    asked   {role: column} that the user named; None: whichever has one of the ALIASES
    where   what the columns are of, for errors

    Raises UserError for a name that is not there, for two columns that are as good, and where
    there are no norms.
    """
    for role, column in asked.items():
        if column and column not in names:
            hint = did_you_mean(column, names) or f"; it has {', '.join(names)}"
            raise UserError(f"--{role} {column}: {where} has no such column{hint}")
    found = there(names, asked, where)
    if "norm" not in found:
        listed = ", ".join(names) or "none"
        raise UserError(f"{where} has no column of norms (columns: {listed}): --norm names one")
    return found


def there(names, asked, where):
    """The same of a row that may lack any of them, but for two columns that are as good."""
    named = {role: column for role, column in asked.items() if column}
    found = {role: column for role, column in named.items() if column in names}
    for role in ROLES:
        if role not in named and (column := _meant(role, names, where)) is not None:
            found[role] = column
    return found


def _meant(role, names, where):
    folds = [(name, folded(name)) for name in names if not SPREAD.search(name)]
    for alias in ALIASES[role]:
        for strip in (str, lambda fold: BEFORE.sub("", fold), _bare):
            same = [name for name, fold in folds if strip(fold) == alias]
            if len(same) > 1:
                raise UserError(f"{where} has {', '.join(same)}: --{role} names one of them")
            if same:
                return same[0]
    return None


def folded(name):
    """Letters and digits, _ between: "run 7 - train/Grad-Norm" is train_grad_norm."""
    last = str(name).rsplit(" - ", 1)[-1]
    return re.sub(r"[^a-z0-9]+", "_", last.lower()).strip("_")


def _bare(fold):
    """Without what is before or behind it: train_grad_norm_step is grad_norm."""
    return re.sub(r"_step$", "", BEFORE.sub("", fold))
