"""Whether each of many answers is the right one, even of a killed server."""

import hashlib
import pathlib
import time
from typing import Any

import grpc
import tqdm

from benchmarks import load_clients
from benchmarks import load_latency
from benchmarks import load_parts
from benchmarks import load_server

_WAITING = 16  # So few that a crowd meets refusals.
FLAGS = (f"--max_waiting={_WAITING}",)
_RIGHT = "right"


def measure(
    network: str,
    server: load_server.Server,
    version: pathlib.Path,
    clients: int,
    count: int,
) -> load_parts.Part:
    """Compares each of many answers with that to the request alone.

    Args:
        network: What the version is, in words.
        server: Started with `FLAGS`.
        version: It serves.
        clients: That ask at a time.
        count: Of the requests.
    """
    requests = load_clients.requests(server.name)
    expected = _alone(server.port, requests)
    plain = requests[0].inputs["image_bytes"].string_val[0]
    bare = hashlib.sha256(load_latency.Bare(version)(plain)).hexdigest()
    agrees = bare == expected[0]
    with tqdm.tqdm(total=count, desc="integrity", leave=False) as progress:
        found, refusals = load_clients.crowd(
            server.port,
            clients,
            _Compare(requests, expected),
            iter(range(count)),
            progress,
        )
    kinds = len(set(expected))
    return load_parts.Part(
        f"Integrity: {network}",
        f"{clients} clients at a time, {count:,} requests of {len(requests)} "
        "kinds (pictures, sizes, PNG and JPEG in and out); SHA-256 of each "
        "answer beside that of the same request asked alone. The server lets "
        f"4 run and {_WAITING} wait; who is refused tries again, a little "
        f"later each time: {refusals:,} times.",
        [
            load_parts.Claim(
                "each kind has an answer of its own",
                f"{kinds} answers to {len(requests)} kinds",
                kinds == len(requests),
            ),
            load_parts.Claim(
                "alone, it is what the signature itself gives",
                "yes" if agrees else "no",
                agrees,
            ),
            all_right(found, count),
        ],
    )


def kill(
    server: load_server.Server, clients: int, kills: int, between: float
) -> load_parts.Part:
    """Kills a server again and again while patient clients ask.

    Args:
        server: To kill; it runs again in the end.
        clients: That ask at a time.
        kills: How often.
        between: Seconds of work before each kill, and after the last.
    """
    requests = load_clients.requests(server.name)
    found, refusals = load_clients.crowd_during(
        server.port,
        clients,
        _Compare(requests, _alone(server.port, requests)),
        lambda: _kill(server, kills, between),
        "kill",
    )
    return load_parts.Part(
        "Kill",
        f"{clients} clients ask while the server is killed (SIGKILL) and "
        f"started again on the same port, {kills} times. They try again where "
        f"it is not available: {refusals:,} times.",
        [all_right(found, len(found))],
    )


def all_right(found: list[str], count: int) -> load_parts.Claim:
    """Returns the claim that every request was answered rightly."""
    right = found.count(_RIGHT)
    others = sorted(set(found) - {_RIGHT})
    return load_parts.Claim(
        "none lost, none wrong",
        f"{right:,} of {count:,} right" + "".join(f"; {x}" for x in others),
        right == count > 0,
    )


class _Compare:
    """Asks, and says whether the answer is right; else why not.

    Args:
        requests: To ask in turn.
        expected: The digest of each answer.
    """

    def __init__(self, requests: list[Any], expected: list[str]):
        self._requests, self._expected = requests, expected

    def __call__(self, client: load_clients.Client, number: int) -> str:
        kind = number % len(self._requests)
        try:
            response = client.ask_patiently(self._requests[kind])
        except grpc.RpcError as error:
            return f"{error.code().name}: {error.details()}"
        right = load_clients.digest(response) == self._expected[kind]
        return _RIGHT if right else "wrong"


def _alone(port: int, requests: list[Any]) -> list[str]:
    with load_clients.client(port) as client:
        return [load_clients.digest(client.ask(one)) for one in requests]


def _kill(server: load_server.Server, kills: int, between: float) -> None:
    for _ in range(kills):
        time.sleep(between)
        server.restart()
    time.sleep(between)
