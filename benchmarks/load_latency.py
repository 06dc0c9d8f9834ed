"""Latency of the stand-in beside that of the model alone, in turns."""

import concurrent.futures
import itertools
import pathlib
import time
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tqdm
from tensorflow.core.protobuf import saved_model_pb2

from benchmarks import load_clients
from benchmarks import load_parts
from benchmarks import load_server
from benchmarks import report

_MOST = 1.15  # Times the bare call's median, for one client.
_THREADS = 4  # The server's.
_WARM_UP = 2
_PERCENTILES = (50, 95, 99)


class Bare:
    """A version's own signature, called in this process.

    Decodes, runs the network and encodes, all in TensorFlow.

    Args:
        version: Folder of the version.
    """

    def __init__(self, version: pathlib.Path):
        self._loaded = tf.saved_model.load(str(version))
        self._call = self._loaded.signatures["serving_default"]
        content = (version / "saved_model.pb").read_bytes()
        (graph,) = saved_model_pb2.SavedModel.FromString(content).meta_graphs
        defaults = graph.signature_def["serving_default"].defaults
        self._defaults = {
            name: tf.constant(tf.make_ndarray(proto))
            for name, proto in defaults.items()
        }

    def __call__(self, content: bytes) -> bytes:
        """Returns the file that comes of a file."""
        given = {**self._defaults, "image_bytes": tf.constant([content])}
        return self._call(**given)["image_bytes"].numpy()[0]


def measure(
    server: load_server.Server,
    version: pathlib.Path,
    clients: Sequence[int],
    count: int,
    side: int,
) -> load_parts.Part:
    """Times requests of several numbers of clients at a time.

    Args:
        server: To ask.
        version: It serves.
        clients: How many, one after the other.
        count: Requests for each number.
        side: Of the picture, in pixels.
    """
    bare = Bare(version)
    content = load_clients.encode(load_clients.photograph(side, side), "PNG")
    request = load_clients.request(server.name, content)
    with load_clients.client(server.port) as client:
        for _ in range(_WARM_UP):
            same = _answer(client, request) == bare(content)
    rows, ratio = [], None
    for number in clients:
        served, alone = _in_turns(
            server.port, request, lambda: bare(content), number, count
        )
        rows.append([number, *served.columns(), *alone.columns()])
        if number == 1:
            ratio = served.median / alone.median
    table = report.table(_HEADER, rows)
    return load_parts.Part(
        "Latency",
        f"A PNG of {side} x {side} by gRPC, and the version's signature called "
        "in the process of the clients (decode, network, encode), in turns. "
        "Milliseconds. The bare calls run on as many threads as there are "
        f"clients, at most {_THREADS}, as the server's.",
        [
            load_parts.Claim(
                "the same bytes come back either way",
                "yes" if same else "no",
                same,
            ),
            *_claim(ratio),
        ],
        [table],
    )


_HEADER = [
    "clients",
    *(f"gRPC p{share}" for share in _PERCENTILES),
    "a second",
    *(f"bare p{share}" for share in _PERCENTILES),
    "a second",
]


def _claim(ratio: float | None) -> list[load_parts.Claim]:
    if ratio is None:
        return []
    return [
        load_parts.Claim(
            f"one client's median at most {_MOST} times the bare call's",
            f"{ratio:.3f} times",
            ratio <= _MOST,
        )
    ]


class _Times:
    """Seconds of calls, and of the clock meanwhile."""

    def __init__(self) -> None:
        self.calls: list[float] = []
        self.clock = 0.0

    @property
    def median(self) -> float:
        return float(np.median(self.calls))

    def columns(self) -> list[str]:
        found = np.percentile(self.calls, _PERCENTILES) * 1e3
        rate = len(self.calls) / self.clock
        return [*(f"{value:.0f}" for value in found), f"{rate:.2f}"]

    def add(self, calls: Sequence[float], clock: float) -> None:
        self.calls += calls
        self.clock += clock


def _in_turns(
    port: int,
    request: Any,
    bare: Callable[[], object],
    clients: int,
    count: int,
) -> tuple[_Times, _Times]:
    """Returns the times of gRPC and of bare calls, which take turns."""
    block = 1 if clients == 1 else 2 * clients
    served, alone = _Times(), _Times()
    with tqdm.tqdm(desc=f"{clients} clients", leave=False) as progress:
        channels = [load_clients.Client(port) for _ in range(clients)]
        calls = [lambda c=client: _answer(c, request) for client in channels]
        while len(served.calls) < count:
            served.add(*_block(calls, block))
            alone.add(*_block([bare] * min(clients, _THREADS), block))
            progress.update(block)
        for client in channels:
            client.channel.close()
    return served, alone


def _block(
    calls: Sequence[Callable[[], object]], count: int
) -> tuple[list[float], float]:
    """Has each worker call its own until `count` are done."""
    numbers = itertools.count()

    def labour(call: Callable[[], object]) -> list[float]:
        found = []
        while next(numbers) < count:
            found.append(_seconds(call))
        return found

    start = time.perf_counter()
    if len(calls) == 1:
        found = labour(calls[0])
    else:
        with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
            found = sum(pool.map(labour, calls), [])
    return found, time.perf_counter() - start


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _answer(client: load_clients.Client, request: Any) -> bytes:
    (content,) = client.ask(request).outputs["image_bytes"].string_val
    return content
