"""How `load_fuzz` sends what no client would, and what comes back."""

import contextlib
import http.client
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import grpc

from benchmarks import load_clients
from benchmarks import load_server

# What the server says of bytes that are no message.
NO_MESSAGE = "INTERNAL: no message"
Send = Callable[[Any], str]  # An input to the name of a status.

_PREDICT = "/tensorflow.serving.PredictionService/Predict"
_SECONDS = 60.0  # To wait for a status.


@contextlib.contextmanager
def senders(server: load_server.Server) -> Iterator[tuple[Send, Send]]:
    """Yields how to send the bytes of a request, and something by REST."""
    with load_clients.client(server.port) as client:
        predict = client.channel.unary_unary(_PREDICT)

        def by_grpc(content: bytes) -> str:
            try:
                predict(content, timeout=_SECONDS)
            except grpc.RpcError as error:
                return _status(error)
            return "OK"

        yield by_grpc, lambda sent: _by_rest(server.rest_port, *sent)


def _status(error: Any) -> str:
    status = error.code().name
    if status == "DEADLINE_EXCEEDED":
        return "no answer"
    if status == "INTERNAL" and error.details().endswith("no message."):
        return NO_MESSAGE
    return status


def _by_rest(port: int, path: str, body: bytes, headers: dict) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    with contextlib.closing(connection):
        try:
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException) as error:
            return f"no answer: {type(error).__name__}"
    return str(response.status)
