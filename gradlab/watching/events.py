"""A log in TensorBoard's event files, read by the `tensorboard` package."""

import logging

import numpy as np

from gradlab.errors import UserError
from gradlab.watching.columns import ROLES, chosen, there
from gradlab.watching.rows import Rows

INSTALL = "event files need TensorBoard: pip install 'gradlab[tensorboard]'"


class Events:
    """A run's folder of event files, or one such file; a file that grew is read on."""

    def __init__(self, path, asked):
        self.path, self._asked, self._stamp = path, asked, None
        self._reader, self._accumulator = None, _accumulator()
        self.rows = Rows(path.name)

    def poll(self, last=False):
        """Read what is new; whether there was anything. Raises UserError for what is no run."""
        files = self._files()
        stamp = [(file, file.stat().st_size) for file in files]
        if not files and last:
            raise UserError(f"{self.path} holds no event files of TensorBoard's")
        if not files or stamp == self._stamp:
            return False
        if self._reader is None:
            place = files[0] if self.path.is_file() else files[0].parent
            self._reader = self._accumulator(str(place), {"scalars": 0, "tensors": 0})
        self._reader.Reload()
        tags = self._reader.Tags()
        names = [*tags["scalars"], *tags["tensors"]]
        self._stamp = stamp
        if last or "norm" in there(names, self._asked, self.path.name):
            self.rows = self._joined(chosen(names, self._asked, self.path.name))
        return True

    def _files(self):
        if self.path.is_file():
            return [self.path]
        files = sorted(file for file in self.path.rglob("*tfevents*") if file.is_file())
        folders = [*dict.fromkeys(file.parent for file in files)]
        if len(folders) > 1:
            few = ", ".join(str(folder) for folder in folders[:6])
            more = ", ..." if len(folders) > 6 else ""
            raise UserError(f"{self.path} holds {len(folders)} runs: give one of {few}{more}")
        return files

    def _joined(self, names):
        """A row for each norm, with what the other tags hold at its step; steps are the updates."""
        rows, known = (
            Rows(self.path.name),
            {role: self._scalars(tag) for role, tag in names.items()},
        )
        steps, norms = known.pop("norm")
        columns = {"norm": norms, "update": steps}
        for role, (own, values) in known.items():
            if role != "update" and len(own):
                place = np.minimum(np.searchsorted(own, steps), len(own) - 1)
                columns[role] = np.where(own[place] == steps, values[place], np.nan)
        rows.add(columns, {})
        rows.names = {role: name for role, name in names.items() if role in ROLES} | {
            "update": "step"
        }
        return rows

    def _scalars(self, tag):
        """(steps, values) of a tag, which PyTorch keeps as scalars and TensorFlow as tensors."""
        if tag in self._reader.Tags()["scalars"]:
            found = [(event.step, event.value) for event in self._reader.Scalars(tag)]
        else:
            found = [
                (event.step, _number(event.tensor_proto, tag))
                for event in self._reader.Tensors(tag)
            ]
        found = np.array(found, np.float64).reshape(-1, 2)
        return found[np.argsort(found[:, 0], kind="stable")].T


def _number(proto, tag):
    from tensorboard.util.tensor_util import make_ndarray

    array = make_ndarray(proto)
    if array.size != 1 or array.dtype.kind not in "iuf":
        raise UserError(f"{tag} holds arrays of shape {array.shape}, not a number a step")
    return float(array.reshape(()))


def _accumulator():
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError:
        raise UserError(INSTALL) from None
    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    return EventAccumulator
