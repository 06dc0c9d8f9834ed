"""Workers wait for one another before TensorFlow does.

TensorFlow's own waiting holds all of Python, may last for an hour and does not
say for whom.
"""

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from collections.abc import Sequence

_HELLO = b"percgen worker %d\n"
_PAUSE = 0.2


def meet(addresses: Sequence[str], index: int, seconds: float) -> None:
    """Returns when every worker has answered, and was answered by, this one.

    After that nobody needs this one's port any more, which TensorFlow takes.

    Args:
        addresses: HOST:PORT of each worker.
        index: Of this one.
        seconds: To wait at most.

    Raises:
        TimeoutError: With the addresses that did not answer.
        OSError: If this one's port cannot be had.
    """
    deadline = time.monotonic() + seconds
    others = set(range(len(addresses))) - {index}
    reached: set[int] = set()
    with _listening(addresses[index], index, deadline) as heard:
        while not others <= reached & heard:
            for other in others - reached:
                if _answers(addresses[other], index, other):
                    reached.add(other)
            if time.monotonic() > deadline:
                absent = sorted(others - (reached & heard))
                raise TimeoutError(
                    f"No answer within {seconds:g} s from "
                    f"{', '.join(addresses[x] for x in absent)} (TF_CONFIG)."
                )
            time.sleep(_PAUSE)


@contextlib.contextmanager
def _listening(address: str, index: int, deadline: float) -> Iterator[set[int]]:
    """Yields the set, which grows, of the workers that were heard of."""
    heard: set[int] = set()

    class Greet(socketserver.StreamRequestHandler):
        timeout = 2

        def handle(self) -> None:
            with contextlib.suppress(OSError):
                said = self.rfile.readline(64)
                self.wfile.write(_HELLO % index)
                with contextlib.suppress(ValueError):
                    heard.add(int(said.rpartition(b" ")[2]))

    server = _server(int(address.rpartition(":")[2]), Greet, deadline)
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield heard
        finally:
            server.shutdown()
            thread.join()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def _server(port: int, greet: type, deadline: float) -> _Server:
    while True:
        try:
            return _Server(("", port), greet)
        except OSError as error:
            # Of a worker before this one, which may be about to end.
            if time.monotonic() > deadline:
                raise OSError(f"Port {port}: {error.strerror}.") from error
            time.sleep(_PAUSE)


def _answers(address: str, index: int, other: int) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), 2) as met:
            met.settimeout(2)
            met.sendall(_HELLO % index)
            return met.makefile("rb").readline(64) == _HELLO % other
    except OSError:
        return False
