"""Workers on other machines: a scheduler of Dask's, as an executor.

Dask brings the workers, hands blocks to them, gives a block of a dead worker to another one, and
shows it all on its dashboard. Its protocol runs what it is sent: it trusts its network, unless the
address is tls:// and both sides have certificates.
"""

import asyncio
import contextvars
import logging
import operator
import pickle
import re
import secrets
import threading
import time
from concurrent.futures import CancelledError, Executor, Future, InvalidStateError
from contextlib import contextmanager, suppress
from functools import cache, partial

from gradlab.errors import UserError, told
from gradlab.suite.plan import GIB
from gradlab.suite.tell import say

INSTALL = "a cluster needs Dask: pip install 'gradlab[cluster]'"
ADDRESS = r"((tcp|tls|ws|wss|ucx)://)?[^\s/]+:\d{1,5}"
EXAMPLE = "such as tcp://127.0.0.1:8786"
ANSWER = 15.0  # seconds that a scheduler may take to answer
AGAIN = 2  # times that a block is sent again whose workers died: each time is four deaths
LOOK_EVERY = 5.0  # seconds between two looks at who works
SILENT = 30.0  # seconds without an answer, from which on it is said
DIED = (
    "{} workers died in this block, the last at {}, as where a block needs more memory than they "
    "have: their logs say why"
)
A_THREAD, MORE = 2, 16  # blocks in flight: for each thread of the workers, and besides
NO_ANSWER = (
    "the scheduler at {} has not answered for {:.0f} s: the run waits for it; Ctrl-C ends the run, "
    "what is stored stays"
)
NO_WORKER = "no worker at {0} for {1:.0f} s: `dask worker {0}` starts one; blocks wait for it"


@contextmanager
def connected(address):
    """For a `with` statement: the executor of the scheduler at that address.

    Raises UserError for what is no address, and where none answers.
    """
    if not re.fullmatch(ADDRESS, address):  # Dask waits half a minute before it says so
        raise UserError(f"cluster={address}: not the address of a scheduler, {EXAMPLE}")
    distributed = _distributed()
    # what they tell of a lost scheduler is told here in one line, of a cancelled block not at all
    for talker in ("distributed.client", "tornado.application"):
        logging.getLogger(talker).setLevel(logging.CRITICAL)
    try:
        asyncio.run(_answered(distributed, address))
        client = distributed.Client(address, timeout=ANSWER, set_as_default=False)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise UserError(
            f"cluster={address}: no scheduler answers there ({told(error)}); "
            f"`dask scheduler` starts one and says its address, {EXAMPLE}"
        ) from None
    with client, Cluster(client) as executor:
        executor.introduce()
        yield executor


async def _answered(distributed, address):
    """Wait for a scheduler's first words: Dask's client does for ever, if a port only listens."""
    from distributed.core import connect

    try:
        security = distributed.Security().get_connection_args("client")
        async with asyncio.timeout(ANSWER):
            (await connect(address, timeout=ANSWER, **security)).abort()
    except TimeoutError as error:
        raise TimeoutError(told(error) or f"nothing within {ANSWER:g} s") from None


def of(executor):
    """A Dask client as an executor of blocks; every other executor as it is."""
    is_client = type(executor).__module__.startswith("distributed.")
    return Cluster(executor) if is_client and hasattr(executor, "get_executor") else executor


class WorkersDied(RuntimeError):
    """So many workers died while they measured one block that it is given up."""


class Cluster(Executor):
    """Dask's own executor, which sends a block of dead workers again, and says how many fit.

    workers   the addresses of the workers that blocks go to; None: all, also those to come.
    """

    def __init__(self, client, workers=None):
        self._client, self._only = client, workers
        self._pool = client.get_executor(pure=False, workers=workers)
        self._threads, self._looked = 0, -LOOK_EVERY

    def introduce(self):
        """Say who works, and where one can watch."""
        address = self._client.scheduler.address
        workers = self._workers()
        threads = sum(worker["nthreads"] for worker in workers)
        say(
            f"cluster {address}: {len(workers)} worker{'s'[: len(workers) != 1]}, "
            f"{threads} thread{'s'[: threads != 1]}; "
            f"dashboard {self._client.dashboard_link}"
        )
        if not workers:
            say(f"no worker is there yet: `dask worker {address}` starts one; blocks wait for it")

    def submit(self, function, /, *arguments, **named):
        """The Future of function(*arguments), called on some worker."""
        import cloudpickle  # Dask's own

        future, call = Future(), cloudpickle.dumps(partial(function, *arguments, **named))
        self._send(future, AGAIN, call)
        return future

    def ahead(self):
        """How many blocks may be in flight: enough that no thread waits for the next one."""
        if time.monotonic() - self._looked > LOOK_EVERY:
            self._threads = sum(worker["nthreads"] for worker in self._workers())
            self._looked = time.monotonic()
        return A_THREAD * self._threads + MORE

    @contextmanager
    def watched(self, say):
        """For a `with` statement: say once that the scheduler does not answer, and when it does.

        say   what a line is given to.
        """
        ended = threading.Event()
        look = contextvars.copy_context().run  # in which somebody listens
        # daemon, and left alone at the end: it may wait for an answer
        threading.Thread(target=look, args=(self._watch, ended, say), daemon=True).start()
        try:
            yield
        finally:
            ended.set()

    def check(self, costs):
        """Raise UserError if the largest block fits into no worker's memory."""
        largest = max(size for _, size in costs)
        limits = [worker["memory_limit"] for worker in self._workers()]
        if limits and all(limits) and largest > max(limits):
            raise UserError(
                f"a block needs {largest / GIB:.2f} GiB and a worker has {max(limits) / GIB:.2f} "
                "GiB: make it smaller, by fewer values on the axes inside a block or a finer split"
            )

    def _workers(self):
        """What the scheduler tells of each worker; nothing while it does not answer."""
        with suppress(OSError, RuntimeError, TimeoutError):
            found = self._ask().result(ANSWER)["workers"]
            return [found[address] for address in self._only or found if address in found]
        return []

    def _ask(self):
        """The Future of what the scheduler tells. Raises RuntimeError of a closed client."""
        if self._client.scheduler is None:
            raise RuntimeError("the client is closed")
        told_all = self._client.scheduler.identity(n_workers=-1)
        return asyncio.run_coroutine_threadsafe(told_all, self._client.loop.asyncio_loop)

    def _watch(self, ended, say):
        before, seconds, said = "", 0.0, False
        with suppress(RuntimeError, CancelledError):  # the client was closed
            asked, address = self._ask(), self._client.scheduler.address
            while not ended.wait(LOOK_EVERY):
                trouble = _trouble(asked)
                asked = self._ask() if asked.done() else asked
                # in looks: a process that was stopped itself has heard nothing either
                seconds = seconds + LOOK_EVERY if trouble == before else LOOK_EVERY
                before = trouble
                if trouble and seconds >= SILENT > seconds - LOOK_EVERY:
                    say(trouble.format(address, seconds))
                    said = True
                elif said and not trouble:
                    say(f"the scheduler at {address} answers, and has workers")
                    said = False

    def _send(self, future, left, call):
        # bytes: the scheduler unpickles what it hands on, and need not know gradlab or the measure
        key = f"block-{secrets.token_hex(16)}"
        sent = self._pool.submit(_unpickled_and_called(), call, key=key)
        future.add_done_callback(lambda one: sent.cancel() if one.cancelled() else None)
        sent.add_done_callback(partial(self._receive, future, left, call))

    def _receive(self, future, left, call, sent):
        if sent.cancelled():
            future.cancel()  # by the scheduler's end, if not by the sweep
            future.set_running_or_notify_cancel()
            return
        error = sent.exception()
        if type(error).__name__ == "KilledWorker":
            if left:
                self._send(future, left - 1, call)
                return
            deaths = (AGAIN + 1) * (error.allowed_failures + 1)
            error = WorkersDied(DIED.format(deaths, error.last_worker.address))
        with suppress(InvalidStateError):  # cancelled meanwhile
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(sent.result())


def _trouble(asked):
    """What is wrong, as a line with places for the address and the seconds; nothing if all is well.

    asked   the Future of what the scheduler tells.
    """
    if not asked.done() or asked.exception():
        return NO_ANSWER
    return "" if asked.result()["workers"] else NO_WORKER


@cache
def _unpickled_and_called():
    from toolz import compose  # Dask's own

    return compose(operator.call, pickle.loads)


def _distributed():
    try:
        import distributed
    except ImportError:
        raise UserError(INSTALL) from None
    return distributed
