"""Blocks on their way to workers and back, a bounded number at a time."""

from itertools import islice
from queue import SimpleQueue

AHEAD = 1024  # blocks that wait or run at once, where an executor does not say
PER_THREAD = 16  # of those of our own threads: more would measure ahead of the disk, into memory


def in_flight(submit, parts, ahead, abandoned):
    """Yield (part, future) of each part as it ends, and submit others meanwhile.

    submit     part -> future, which is let go as soon as it is yielded: a cluster keeps the results
               of those that are held.
    ahead      () -> how many parts may wait or run at once.
    abandoned  what is called with each future that could not be cancelled any more, once it ends,
               if the caller stops early.
    """
    waiting, ended, under_way = iter(parts), SimpleQueue(), {}

    def send():
        for part in islice(waiting, max(0, ahead() - len(under_way))):
            future = submit(part)
            under_way[future] = part
            future.add_done_callback(ended.put)

    try:
        send()
        while under_way:
            future = ended.get()
            part = under_way.pop(future)
            send()  # before the caller writes: no worker waits for a disk
            yield part, future
            del future
    finally:  # one by one: not every executor knows shutdown(cancel_futures=)
        for future in under_way:
            if not future.cancel():
                future.add_done_callback(abandoned)


def ahead_of(executor, threads=None):
    """How `in_flight` asks an executor: it may say so itself, as a cluster does that grows."""
    if threads:
        return lambda: PER_THREAD * threads
    return getattr(executor, "ahead", lambda: AHEAD)
