"""Clients that connect and dawdle, while another one asks."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import grpc
import numpy as np
import tqdm

from benchmarks import load_clients
from benchmarks import load_parts
from benchmarks import load_server

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SETTINGS = b"\0\0\0\4\0\0\0\0\0"
_HEAD = (
    b"POST /v1/models/m:predict HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Length: 1000000\r\n\r\n"
)
_BETWEEN_BYTES = 1.0  # Seconds.
_DEADLINE = 30.0  # Of the normal client, in seconds.
_LONGEST_CLOSE = 20.0  # Until the server has let go of sockets, in seconds.
_MORE_FILES = 4
# What each kind sends at once, what byte by byte, and whether it says that no
# more will come.
_KINDS = {
    "nothing": (b"", b"", False),
    "a byte a second": (b"", _HEAD, False),
    "a head, then a byte a second": (_HEAD, b"[" * 1000, False),
    "a head, then the end": (_HEAD, b"", True),
    "HTTP/2 a byte a second": (b"", _PREFACE + _SETTINGS, False),
    "HTTP/2, then nothing": (_PREFACE + _SETTINGS, b"", False),
    "HTTP/2, then the end": (_PREFACE + _SETTINGS, b"", True),
}


def measure(
    server: load_server.Server, sockets: int, seconds: float
) -> load_parts.Part:
    """Asks a server that others keep busy with waiting.

    Args:
        server: To ask.
        sockets: That dawdle at a time.
        seconds: For which they do.
    """
    before = _ask(server, seconds / 2)
    files = server.open_files()
    with dawdling(server, sockets):
        held = server.open_files() - files
        during = _ask(server, seconds)
    left = _files_left(server, files)
    after = _ask(server, 1.0)
    failed = [x for x in before + during + after if isinstance(x, str)]
    medians = [
        float(np.median([x for x in found if not isinstance(x, str)] or [0]))
        for found in (before, during)
    ]
    return load_parts.Part(
        "Slow clients",
        f"{sockets} sockets, at the ports of gRPC and of REST in turns, that "
        f"send {', or '.join(_KINDS)}. Meanwhile one client asks for "
        f"{seconds:.0f} s: {len(during)} answers, {medians[1] * 1e3:.0f} ms in "
        f"the median, {medians[0] * 1e3:.0f} ms before.",
        [
            load_parts.Claim(
                f"each answer comes, within {_DEADLINE:.0f} s",
                "; ".join(sorted(set(failed))) or "yes",
                not failed and len(during) > 0,
            ),
            load_parts.Claim(
                "the server lets go of their sockets",
                f"{held} more open files, {left} when they were gone",
                held > 0 and left <= _MORE_FILES,
            ),
        ],
    )


@contextlib.contextmanager
def dawdling(server: load_server.Server, count: int) -> Iterator[None]:
    """Keeps sockets open that send next to nothing."""
    over = threading.Event()
    kinds = list(_KINDS.values())
    held = []
    with contextlib.ExitStack() as stack:
        for number in range(count):
            at_once, slowly, ends = kinds[number // 2 % len(kinds)]
            port = server.rest_port if number % 2 else server.port
            made = socket.create_connection(("127.0.0.1", port), timeout=10)
            stack.enter_context(made)
            _send(made, at_once)
            if ends:
                made.shutdown(socket.SHUT_WR)
            held.append((made, slowly))
        trickle = threading.Thread(target=_trickle, args=(held, over))
        trickle.start()
        try:
            yield
        finally:
            over.set()
            trickle.join()


def _trickle(
    held: list[tuple[socket.socket, bytes]], over: threading.Event
) -> None:
    sent = 0
    while not over.wait(_BETWEEN_BYTES):
        for made, slowly in held:
            _send(made, slowly[sent : sent + 1])
        sent += 1


def _send(made: socket.socket, content: bytes) -> None:
    with contextlib.suppress(ConnectionError):  # The server may hang up.
        made.sendall(content)


def _ask(server: load_server.Server, seconds: float) -> list[float | str]:
    """Returns how long each answer took, or why it did not come."""
    found: list[float | str] = []
    request = load_clients.requests(server.name)[0]
    end = time.monotonic() + seconds
    with (
        load_clients.client(server.port, _DEADLINE) as client,
        tqdm.tqdm(desc="slow clients", leave=False) as progress,
    ):
        while time.monotonic() < end:
            start = time.monotonic()
            try:
                client.ask(request)
                found.append(time.monotonic() - start)
            except grpc.RpcError as error:
                found.append(f"{error.code().name}: {error.details()}")
            progress.update()
    return found


def _files_left(server: load_server.Server, before: int) -> int:
    """Returns how many more files are open, after some patience."""
    end = time.monotonic() + _LONGEST_CLOSE
    while server.open_files() > before and time.monotonic() < end:
        time.sleep(0.1)
    return server.open_files() - before
