"""New versions that come while clients ask."""

import hashlib
import pathlib
import time
from typing import Any

import grpc
from tensorflow_serving.apis import get_model_status_pb2
from tensorflow_serving.apis import model_service_pb2_grpc

from benchmarks import load_clients
from benchmarks import load_latency
from benchmarks import load_parts
from benchmarks import load_server

_LONGEST_LOAD = 120.0  # Seconds.
_LOOK = 0.1  # Seconds between two looks.
_STATES = get_model_status_pb2.ModelVersionStatus


def measure(
    versions: tuple[pathlib.Path, pathlib.Path],
    home: pathlib.Path,
    clients: int,
    count: int,
) -> load_parts.Part:
    """Publishes version after version while clients ask.

    Args:
        versions: Two that answer differently; published in turns.
        home: Folder of the model's versions; empty.
        clients: That ask at a time.
        count: Of the swaps.

    Raises:
        ValueError: If a version does not come.
    """
    load_server.publish(versions[1], home, 1)
    with load_server.Server(home) as server:
        request = load_clients.requests(server.name)[0]
        (content,) = request.inputs["image_bytes"].string_val
        # Of even numbers, of odd ones.
        expected = [_digest(version, content) for version in versions]

        def work(client: load_clients.Client, _: int) -> tuple[str, float]:
            start = time.monotonic()
            verdict = _verdict(client, request, expected)
            return verdict, time.monotonic() - start

        found, refusals = load_clients.crowd_during(
            server.port,
            clients,
            work,
            lambda: _publish(server, versions, home, count),
            "swaps",
        )
    verdicts = [verdict for verdict, _ in found]
    numbers = {v for v in verdicts if v.isdecimal()}
    failed = sorted(set(verdicts) - numbers)
    longest = max(seconds for _, seconds in found)
    return load_parts.Part(
        "Hot swaps",
        f"{clients} clients ask while {count} versions come one by one, each by"
        " a rename, which the server finds by looking each second. Two networks"
        " take turns; an answer has to be that of the network whose version it "
        f"names. The server was not available {refusals:,} times; the longest "
        f"answer took {longest:.2f} s.",
        [
            load_parts.Claim(
                "no request fails, no answer is another version's",
                f"{len(verdicts):,} requests; " + ("; ".join(failed) or "none"),
                not failed and not refusals,
            ),
            load_parts.Claim(
                "every version answers",
                f"{len(numbers)} of {count + 1}",
                len(numbers) == count + 1,
            ),
        ],
    )


def _digest(version: pathlib.Path, content: bytes) -> str:
    return hashlib.sha256(load_latency.Bare(version)(content)).hexdigest()


def _verdict(
    client: load_clients.Client, request: Any, expected: list[str]
) -> str:
    """Returns the number of the version that answered, or what is wrong."""
    try:
        response = client.ask_patiently(request)
    except grpc.RpcError as error:
        return f"{error.code().name}: {error.details()}"
    number = response.model_spec.version.value
    right = load_clients.digest(response) == expected[number % 2]
    return str(number) if right else f"wrong answer of version {number}"


def _publish(
    server: load_server.Server,
    versions: tuple[pathlib.Path, pathlib.Path],
    home: pathlib.Path,
    count: int,
) -> None:
    with load_clients.client(server.port) as client:
        stub = model_service_pb2_grpc.ModelServiceStub(client.channel)
        for number in range(2, count + 2):
            load_server.publish(versions[number % 2], home, number)
            _await(stub, server.name, number)


def _await(stub: Any, model: str, number: int) -> None:
    """Waits until a version is served, and the one before is gone."""
    asked = get_model_status_pb2.GetModelStatusRequest()
    asked.model_spec.name = model
    end = time.monotonic() + _LONGEST_LOAD
    while time.monotonic() < end:
        answer = stub.GetModelStatus(asked, timeout=_LONGEST_LOAD)
        states = {v.version: v.state for v in answer.model_version_status}
        come = states.get(number) == _STATES.AVAILABLE
        if come and states[number - 1] == _STATES.END:
            return
        time.sleep(_LOOK)
    raise ValueError(f"Version {number} of {model} does not come.")
