"""How many requests the stand-in works on at a time, and the loop around it.

Connections live on one event loop, so that a slow client costs no thread;
work is done by a few threads behind a gate, and no queue is without end.
"""

import asyncio
import functools
import threading
from collections.abc import Callable
from collections.abc import Coroutine
from concurrent import futures
from typing import Any
from typing import ClassVar

from serving import messages

_UNAVAILABLE = 14


class Gate:
    """Lets a few calls run, a few more wait, and refuses the rest at once.

    Args:
        threads: Calls that run at a time.
        waiting: Calls that may wait for a thread.
    """

    def __init__(self, threads: int = 4, waiting: int = 64):
        self._refusal = (
            f"Too many requests: {threads} run and {waiting} wait; try later."
        )
        self._pool = futures.ThreadPoolExecutor(threads)
        self._places = threading.BoundedSemaphore(threads + waiting)

    async def run(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Returns what the call returns, from a thread.

        Raises:
            messages.StatusError: UNAVAILABLE, if there is no place.
        """
        if not self._places.acquire(blocking=False):
            raise messages.StatusError(_UNAVAILABLE, self._refusal)
        future = self._pool.submit(call, *arguments)
        future.add_done_callback(lambda _: self._places.release())
        try:
            return await asyncio.wrap_future(future)
        finally:
            # Its error holds this frame, and so the request: a ring that would
            # stay in memory until Python looks for such, which is seldom.
            del future


class Running:
    """A server that runs until it is stopped, whether it is held or not.

    Args:
        stop: Stops it, given the seconds that requests have to end.
    """

    _all: ClassVar[set["Running"]] = set()

    def __init__(self, stop: Callable[[float | None], Coroutine]):
        self._stop = stop
        self._all.add(self)

    def stop(self, grace: float | None = None) -> threading.Event:
        """Stops the server; returns, as `grpc.Server.stop`, an event.

        It is set: the server has stopped.
        """
        run(self._stop(grace))
        self._all.discard(self)
        stopped = threading.Event()
        stopped.set()
        return stopped


def port_taken(port: int) -> OSError:
    """Returns the error of a server that cannot listen."""
    return OSError(f"Cannot listen on port {port}: is it taken?")


def run(coroutine: Coroutine) -> Any:
    """Runs a coroutine on the loop of all servers, and returns its result."""
    return asyncio.run_coroutine_threadsafe(coroutine, _loop()).result()


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return loop
