"""The REST API of the stand-in, over HTTP on loopback.

Differs from TensorFlow Serving where that one can be killed: the size of a
body and the depth of its JSON have limits.
"""

import asyncio
import dataclasses
import functools
import logging as std_logging
import re
import time
import zlib
from typing import Any

from absl import logging
from aiohttp import web

from serving import answers
from serving import gate
from serving import json_text
from serving import messages
from serving import rest_api
from serving import standin

_STATUSES = {
    0: 200,
    1: 499,
    3: 400,
    4: 504,
    5: 404,
    6: 409,
    7: 403,
    8: 429,
    9: 400,
    10: 409,
    11: 400,
    12: 501,
    14: 503,
    16: 401,
}  # Every other code is 500.
_NOT_FOUND = (
    b"<HTML><HEAD>\n<TITLE>404 Not Found</TITLE>\n</HEAD><BODY>\n"
    b"<H1>Not Found</H1>\n</BODY></HTML>\n"
)
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET",
    "Access-Control-Allow-Headers": "Content-Type",
}
_UNIMPLEMENTED = 12


class _HTTPError(Exception):
    """An answer that is an error of HTTP alone."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status, self.message = status, message


@dataclasses.dataclass(frozen=True)
class Options:
    """How REST is served.

    Args:
        max_bytes: Largest body, as it comes and as it is inflated.
        seconds: For a body to come, and again for a model to run.
        cors: Whether pages of any site may ask.
        metrics_path: Where Prometheus reads; by default nowhere.
    """

    max_bytes: int = 64 << 20
    seconds: float = 30.0
    cors: bool = False
    metrics_path: str = ""


class Handler:
    """Answers HTTP requests from a core."""

    def __init__(
        self, core: standin.Core, entrance: gate.Gate, options: Options
    ):
        self._core, self._entrance = core, entrance
        self._options = options

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        try:
            response = await self._respond(request)
        except Exception:  # A fault of ours.
            logging.exception("%s %s", request.method, request.raw_path)
            response = _json(500, json_text.error("Internal error"))
        if self._options.cors:
            response.headers.update(_CORS)
        return response

    async def _respond(self, request: web.BaseRequest) -> web.Response:
        # Bytes that are no UTF-8 come as surrogates.
        path = request.raw_path.encode("utf-8", "replace").decode()
        if path == self._options.metrics_path:
            page = self._core.metrics.text().encode()
            return web.Response(body=page, content_type="text/plain")
        if not path.lower().startswith("/v1/"):
            return web.Response(
                status=404, body=_NOT_FOUND, content_type="text/html"
            )
        if request.method == "OPTIONS":
            origin = request.headers.get("Origin", "")
            allowed = re.search("https?://", origin)
            return web.Response(status=200 if allowed else 400)
        try:
            return await self._answer(request, path)
        except _HTTPError as error:
            return _json(error.status, json_text.error(error.message))

    async def _answer(
        self, request: web.BaseRequest, path: str
    ) -> web.Response:
        start = time.monotonic()
        name, asked, code = "", "", 0
        try:
            spec, asked = rest_api.parse(request.method, path)
            name = spec.name
            if asked == "":
                text = rest_api.status(self._core, spec)
            elif asked == "metadata":
                text = rest_api.metadata(self._core, spec)
            elif asked == "predict":
                text = await self._predict(request, spec)
            else:
                raise messages.StatusError(
                    _UNIMPLEMENTED, f"The stand-in does not {asked}."
                )
        except messages.StatusError as error:
            code, text = error.code, json_text.error(error.message)
        api = "" if request.method == "GET" else asked.capitalize()
        self._core.answered(name, code, api, "REST", start)
        return _json(_STATUSES.get(code, 500), text)

    async def _predict(self, request: web.BaseRequest, spec: Any) -> str:
        try:
            async with asyncio.timeout(self._options.seconds):
                body = await _read(request, self._options.max_bytes)
        except TimeoutError:
            raise _HTTPError(408, "The request took too long.") from None
        is_gzip = "gzip" in request.headers.get("Content-Encoding", "")
        return await self._entrance.run(
            answers.predict,
            functools.partial(self._compute, body, is_gzip),
            spec,
            time.monotonic() + self._options.seconds,
        )

    def _compute(
        self, body: bytes, is_gzip: bool, spec: Any, seconds: float
    ) -> str:
        if is_gzip:
            body = _inflate(body, self._options.max_bytes)
        return rest_api.predict(self._core, spec, body, seconds)


async def _read(request: web.BaseRequest, limit: int) -> bytes:
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    body = bytearray()
    async for part in request.content.iter_any():
        body += part
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


def _inflate(body: bytes, limit: int) -> bytes:
    try:
        inflated = zlib.decompressobj(wbits=31).decompress(body, limit + 1)
    except zlib.error:
        return b""  # As the real server takes it.
    if len(inflated) > limit:
        raise _too_large(limit)
    return inflated


def _too_large(limit: int) -> _HTTPError:
    return _HTTPError(413, f"The request is larger than {limit} bytes.")


def _json(status: int, text: str) -> web.Response:
    return web.Response(
        status=status,
        body=text.encode("utf-8", "surrogateescape"),
        content_type="application/json",
    )


def serve(
    core: standin.Core,
    port: int = 0,
    entrance: gate.Gate | None = None,
    options: Options | None = None,
) -> tuple[gate.Running, int]:
    """Starts an HTTP server on loopback; returns it and its port.

    Args:
        core: Answers.
        port: To listen on; 0 takes a free one.
        entrance: Limits the requests; by default 4 run and 64 wait.
        options: How it is served.

    Raises:
        OSError: If the port is taken.
    """
    handler = Handler(core, entrance or gate.Gate(), options or Options())
    return gate.run(_start(handler, port))


async def _start(handler: Handler, port: int) -> tuple[gate.Running, int]:
    # Its own log would have a traceback of every client that speaks no HTTP.
    silent = std_logging.getLogger("aiohttp.server")
    silent.setLevel(std_logging.CRITICAL)
    server = web.Server(
        handler, auto_decompress=False, access_log=None, logger=silent
    )
    runner = web.ServerRunner(server, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
    except OSError as error:
        await runner.cleanup()
        raise gate.port_taken(port) from error

    async def stop(grace: float | None) -> None:
        await runner.cleanup()

    return gate.Running(stop), runner.addresses[0][1]
