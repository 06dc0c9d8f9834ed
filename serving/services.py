"""The gRPC services of the stand-in: PredictionService and ModelService."""

import functools
import time
from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf import message
from grpc_health.v1 import health
from grpc_health.v1 import health_pb2
from grpc_health.v1 import health_pb2_grpc
from tensorflow_serving.apis import model_management_pb2
from tensorflow_serving.apis import model_service_pb2_grpc
from tensorflow_serving.apis import prediction_service_pb2_grpc

from serving import answers
from serving import gate
from serving import messages
from serving import standin

_CODES = {code.value[0]: code for code in grpc.StatusCode}
_INTERNAL = 13
_LONGEST_MESSAGE = 1024
_LONGEST_RUN = 24 * 3600.0  # Seconds.
_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),  # Two servers on a port is a mistake.
]
# Calls, those included whose message has yet to come.
_MOST_CALLS = 4096
_HEALTHY = ("", "ModelService", "PredictionService")


class Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
    """PredictionService: Predict and GetModelMetadata."""

    def __init__(self, core: standin.Core, entrance: gate.Gate):
        self._core, self._entrance = core, entrance

    async def Predict(self, request: Any, context: Any) -> Any:
        start = time.monotonic()
        left = context.time_remaining()
        end = start + (_LONGEST_RUN if left is None else left)
        count = functools.partial(
            self._core.answered,
            request.model_spec.name,
            api="Predict",
            entrypoint="GRPC",
            start=start,
        )
        try:
            response = await self._entrance.run(
                answers.predict, self._core.predict, request, end
            )
        except messages.StatusError as error:
            count(code=error.code)
            return _refuse(context, error)
        count(code=0)
        return response

    async def GetModelMetadata(self, request: Any, context: Any) -> Any:
        return await _answer(
            context, lambda: answers.metadata(self._core, request)
        )


class Models(model_service_pb2_grpc.ModelServiceServicer):
    """ModelService: GetModelStatus and HandleReloadConfigRequest."""

    def __init__(self, core: standin.Core):
        self._core = core
        self._reloads = gate.Gate(threads=1, waiting=8)

    async def GetModelStatus(self, request: Any, context: Any) -> Any:
        return await _answer(
            context, lambda: answers.status(self._core, request)
        )

    async def HandleReloadConfigRequest(
        self, request: Any, context: Any
    ) -> Any:
        try:
            await self._reloads.run(self._core.reload, request.config)
        except messages.StatusError as error:
            return _refuse(context, error)
        return model_management_pb2.ReloadConfigResponse(status={})


class _Messages(grpc.aio.ServerInterceptor):
    """Answers bytes that are no message with INTERNAL, as C++ servers do.

    gRPC's own answer is UNKNOWN, and a traceback in the log for each.
    """

    async def intercept_service(
        self, continuation: Callable[..., Any], details: Any
    ) -> Any:
        handler = await continuation(details)
        if handler is None or handler.unary_unary is None:
            return handler
        read, answer = handler.request_deserializer, handler.unary_unary

        async def behave(content: bytes, context: Any) -> Any:
            try:
                request = read(content)
            except message.DecodeError:
                wrong = messages.StatusError(
                    _INTERNAL, "The bytes are no message."
                )
                return _refuse(context, wrong)
            return await answer(request, context)

        return grpc.unary_unary_rpc_method_handler(
            behave, response_serializer=handler.response_serializer
        )


async def _answer(context: Any, compute: Callable[[], Any]) -> Any:
    try:
        return compute()
    except messages.StatusError as error:
        return _refuse(context, error)


def _refuse(context: Any, error: messages.StatusError) -> None:
    """Answers with an error.

    Not by `context.abort`: what it raises is kept by the context, and with it
    every frame and the request, until Python looks for rings of garbage.
    """
    words = error.message
    if len(words) > _LONGEST_MESSAGE:
        words = f"{words[:_LONGEST_MESSAGE]}...TRUNCATED"
    context.set_code(_CODES[error.code])
    context.set_details(words)


def serve(
    core: standin.Core,
    port: int = 0,
    entrance: gate.Gate | None = None,
    credentials: grpc.ServerCredentials | None = None,
    healthy: bool = False,
) -> tuple[gate.Running, int]:
    """Starts a gRPC server on loopback; returns it and its port.

    Args:
        core: Answers.
        port: To listen on; 0 takes a free one.
        entrance: Limits the requests; by default 4 run and 64 wait.
        credentials: For TLS.
        healthy: Whether to offer `grpc.health.v1`, which says SERVING from the
            start and nothing of one model, as TensorFlow Serving's.

    Raises:
        OSError: If the port is taken.
    """
    return gate.run(
        _start(core, port, entrance or gate.Gate(), credentials, healthy)
    )


async def _start(
    core: standin.Core,
    port: int,
    entrance: gate.Gate,
    credentials: grpc.ServerCredentials | None,
    healthy: bool,
) -> tuple[gate.Running, int]:
    server = grpc.aio.server(
        interceptors=[_Messages()],
        options=_OPTIONS,
        maximum_concurrent_rpcs=_MOST_CALLS,
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        Prediction(core, entrance), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(
        Models(core), server
    )
    if healthy:
        servicer = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
        for service in _HEALTHY:
            await servicer.set(service, health_pb2.HealthCheckResponse.SERVING)
    address = f"127.0.0.1:{port}"
    try:
        if credentials:
            port = server.add_secure_port(address, credentials)
        else:
            port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise gate.port_taken(port) from error
    await server.start()
    return gate.Running(server.stop), port
