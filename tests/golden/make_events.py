"""Makes the event files in `events` beside it, as PyTorch and TensorFlow write them.

    python tests/golden/make_events.py   needs PyTorch and TensorBoard (made with 2.13 and 2.21)

events/torch   torch.utils.tensorboard.SummaryWriter: numbers as scalars, the loss every other step
events/keras   numbers as tensors of the plugin `scalars`, as tf.summary.scalar has them; no wall
               clock, no host
"""

import math
import shutil
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.plugins.scalar.summary import scalar_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from torch.utils.tensorboard import SummaryWriter

HERE = Path(__file__).with_name("events")
NORMS = [2.0, 1.5, math.nan, 1.25, math.inf, 1.0]


def torch(folder):
    with SummaryWriter(folder) as writer:
        for step, norm in enumerate(NORMS, 1):
            writer.add_scalar("train/grad_norm", norm, 10 * step, walltime=step)
            if step % 2:
                writer.add_scalar("train/loss", 1 / step, 10 * step, walltime=step)


def keras(folder):
    writer = EventFileWriter(str(folder))
    for step, norm in enumerate(NORMS, 1):
        writer.add_event(Event(summary=scalar_pb("grad_norm", norm), step=step, wall_time=step))
    writer.close()


for make in (torch, keras):
    folder = HERE / make.__name__
    shutil.rmtree(folder, ignore_errors=True)
    make(folder)
    (file,) = folder.iterdir()
    file.rename(folder / "events.out.tfevents.1.golden.1.0")
