"""A connection to a server: TLS, tokens, deadlines, and when to try again."""

import dataclasses
import os
import pathlib
import random
import time
from collections.abc import Iterator
from typing import Any

import grpc

from serving import protocol

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]", "unix")
_FIRST_PAUSE = 0.2  # Seconds; then twice as long each time,
_LONGEST_PAUSE = 5.0  # at most this.


@dataclasses.dataclass(frozen=True)
class Security:
    """How a server is trusted, and how it trusts us.

    Args:
        tls: Whether to use TLS; any of the files below asks for it, too.
        ca: File of the certificates to trust, PEM; by default gRPC's own.
        cert: File of our certificate, where the server wants one.
        key: File of its key.
        token: Sent with every request as `authorization: Bearer TOKEN`.

    Raises:
        ValueError: If a certificate lacks its key, or a key its certificate.
    """

    tls: bool = False
    ca: str | os.PathLike | None = None
    cert: str | os.PathLike | None = None
    key: str | os.PathLike | None = None
    token: str | None = None

    def __post_init__(self) -> None:
        if (self.cert is None) != (self.key is None):
            raise ValueError("TLS takes a certificate and its key together.")

    def credentials(self) -> grpc.ChannelCredentials | None:
        """Returns what gRPC needs for TLS; None without.

        Raises:
            OSError: If a file cannot be read.
        """
        if not (self.tls or self.ca or self.cert):
            return None
        contents = (
            None if file is None else pathlib.Path(file).read_bytes()
            for file in (self.ca, self.key, self.cert)
        )
        return grpc.ssl_channel_credentials(*contents)


INSECURE = Security()


class Connection:
    """Calls of one server, from any number of threads.

    Args:
        server: HOST:PORT.
        max_bytes: Largest answer to take; gRPC's own is 4 MB.
        security: TLS and token.
        retries: How often to try again where the server is not available, and
            for no other reason. The pauses double, and are random, lest many
            clients come back at once.

    Raises:
        ValueError: If a token would travel unencrypted to another machine.
    """

    def __init__(
        self, server: str, max_bytes: int, security: Security, retries: int
    ):
        self._retries = retries
        credentials = security.credentials()
        near = server.rpartition(":")[0] in _LOOPBACK
        if security.token and credentials is None and not near:
            raise ValueError(
                f"The token would travel to {server} for all to read: use TLS."
            )
        options = [
            ("grpc.max_receive_message_length", max_bytes),
            ("grpc.max_send_message_length", -1),
            # Ready again as soon as we try again.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
        ]
        self._metadata = (
            [("authorization", f"Bearer {security.token}")]
            if security.token
            else None
        )
        self._channel = (
            grpc.insecure_channel(server, options)
            if credentials is None
            else grpc.secure_channel(server, credentials, options)
        )

    def call(
        self, service: str, name: str, request: Any, seconds: float
    ) -> Any:
        """Calls a method; all tries together have these seconds.

        Raises:
            protocol.ServerError: With the reason, in one line.
        """
        method = protocol.method(self._channel, service, name)
        deadline = time.monotonic() + seconds

        def attempt() -> Any:
            left = max(deadline - time.monotonic(), 0.0)
            try:
                return method(request, timeout=left, metadata=self._metadata)
            except grpc.RpcError as error:
                raise protocol.reason(error) from error

        # Not by gRPC's own policy, which stops at five attempts.
        for pause in self._pauses():
            try:
                return attempt()
            except protocol.ServerError as error:
                late = time.monotonic() + pause >= deadline
                if error.code != "UNAVAILABLE" or late:
                    raise
            time.sleep(pause)
        return attempt()

    def _pauses(self) -> Iterator[float]:
        """Gives how long to wait after each attempt but the last."""
        for number in range(self._retries):
            longest = min(_FIRST_PAUSE * 2**number, _LONGEST_PAUSE)
            yield random.uniform(longest / 2, longest)

    def close(self) -> None:
        """Closes it."""
        self._channel.close()
