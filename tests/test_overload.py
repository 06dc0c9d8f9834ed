"""The server answers whoever behaves, whatever the others do."""

import asyncio
import concurrent.futures
import contextlib
import http.client
import json
import os
import socket
import threading
import time

import grpc
import numpy as np
import pytest
import small
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import predict_pb2
from tensorflow_serving.apis import prediction_service_pb2_grpc

from serving import answers
from serving import gate
from serving import manager
from serving import messages
from serving import rest
from serving import server

SIGNATURE = meta_graph_pb2.SignatureDef(inputs={"x": {"name": "x:0"}})
BODY = json.dumps({"instances": [2.0]})


class Held(manager.Manager):
    """Runs requests by gRPC while `free` is set."""

    def __init__(self):
        super().__init__(poll_seconds=0)
        self.entered, self.free = threading.Event(), threading.Event()
        self.free.set()

    def predict(self, request, seconds=None):
        self.entered.set()
        assert self.free.wait(20)
        return super().predict(request, seconds)


@contextlib.contextmanager
def running(versions, threads=4, waiting=64):
    """Yields a core, and the ports of gRPC and of REST, which share a gate."""
    core = Held()
    core.start(small.config_of(versions))
    entrance = gate.Gate(threads, waiting)
    by_grpc, port = server.serve(core, entrance=entrance)
    by_rest, rest_port = rest.serve(core, entrance=entrance)
    yield core, (port, rest_port)
    by_grpc.stop(None).wait()
    by_rest.stop().wait()


@pytest.fixture(scope="module")
def ports(versions):
    with running(versions) as (_, ports):
        yield ports


def by_grpc(port, request=None, timeout=30):
    with grpc.insecure_channel(
        f"localhost:{port}", [("grpc.use_local_subchannel_pool", 1)]
    ) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        response = stub.Predict(request or small.request(), timeout=timeout)
    return response.outputs["y"].float_val[0]


def by_rest(port, body=BODY):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        connection.request("POST", "/v1/models/m:predict", body)
        response = connection.getresponse()
        return response.status, response.read()


def is_well(ports):
    return by_grpc(ports[0]) == 3 and by_rest(ports[1])[0] == 200


def test_64_clients_at_once(ports):
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        begun = threading.active_count()
        found = list(
            pool.map(
                lambda n: by_grpc(ports[0]) if n % 2 else by_rest(ports[1])[0],
                range(64),
            )
        )
    assert found == [200, 3.0] * 32
    assert threading.active_count() < begun + 64 + 20


@contextlib.contextmanager
def busy(core, ports):
    """Has one request run meanwhile."""
    core.free.clear()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        held = pool.submit(by_grpc, ports[0])
        assert core.entered.wait(20)
        yield
        core.free.set()
        assert held.result() == 3


def test_what_has_no_place_is_refused_at_once(versions):
    words = "Too many requests: 1 run and 0 wait; try later."
    with running(versions, threads=1, waiting=0) as (core, ports):
        with busy(core, ports):
            with pytest.raises(grpc.RpcError) as raised:
                by_grpc(ports[0])
            assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
            assert raised.value.details() == words
            status, content = by_rest(ports[1])
            assert status == 503
            assert json.loads(content) == {"error": words}
        assert is_well(ports)


def test_as_many_wait_as_may():
    free = threading.Event()
    entrance = gate.Gate(threads=2, waiting=3)

    async def crowd():
        calls = [entrance.run(free.wait) for _ in range(9)]
        tasks = [asyncio.ensure_future(call) for call in calls]
        await asyncio.sleep(0)
        free.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    found = asyncio.run(crowd())
    assert found[:5] == [True] * 5
    assert [error.code for error in found[5:]] == [14] * 4


def test_what_waited_too_long_does_not_run():
    ran = []
    with pytest.raises(messages.StatusError) as raised:
        answers.predict(ran.append, "request", time.monotonic() - 0.01)
    assert raised.value.code == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]
    assert not ran


def test_a_client_that_left_frees_its_place(versions):
    def leaves():
        with pytest.raises(grpc.RpcError) as raised:
            by_grpc(ports[0], timeout=0.1)
        return raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED

    with running(versions, threads=1, waiting=1) as (core, ports):
        with busy(core, ports):
            for _ in range(3):
                small.until(leaves)  # And is not refused, as it would be.
        assert is_well(ports)


def test_clients_that_send_no_message_block_nobody(ports):
    over = threading.Event()

    def never():
        over.wait()
        yield small.request()

    with grpc.insecure_channel(f"localhost:{ports[0]}") as channel:
        predict = channel.stream_unary(
            "/tensorflow.serving.PredictionService/Predict",
            request_serializer=predict_pb2.PredictRequest.SerializeToString,
        )
        calls = [predict.future(never()) for _ in range(100)]
        time.sleep(0.2)
        assert is_well(ports)
        over.set()
        for call in calls:
            call.cancel()


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /v1/models/m:predict HTTP/1.1\r\nContent-Length: 99\r\n\r\n{",
        b"POST /v1/models/m:predict HTTP/1.1\r\nContent-",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_clients_that_stop_half_way_block_nobody(ports, sent):
    with contextlib.ExitStack() as stack:
        before = threading.active_count()
        for port in ports:
            for _ in range(100):
                client = socket.create_connection(("127.0.0.1", port))
                stack.enter_context(client).sendall(sent)
        assert is_well(ports)
        assert threading.active_count() <= before + 20


@pytest.mark.parametrize("size", [1, 100, 100_000])
def test_garbage(ports, size):
    for seed in range(10):
        noise = np.random.default_rng(seed).bytes(size)
        for port in ports:
            with (
                contextlib.suppress(OSError),  # It may hang up on us.
                socket.create_connection(("127.0.0.1", port)) as client,
            ):
                client.sendall(noise)
                client.shutdown(socket.SHUT_WR)
    assert is_well(ports)


def test_messages_that_are_none(ports):
    with grpc.insecure_channel(f"localhost:{ports[0]}") as channel:
        call = channel.unary_unary(
            "/tensorflow.serving.PredictionService/Predict"
        )
        for content in (b"\xff", os.urandom(1000)):
            with pytest.raises(grpc.RpcError):
                call(content)
    assert is_well(ports)


@pytest.mark.parametrize("sizes", [[2**20, 2**20], [-1], [2**62, 4], [2**40]])
@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [(tf.float32, "float_val", 1), (tf.string, "string_val", b"x")],
)
def test_tensors_that_claim_too_much(ports, sizes, kind, field, value):
    request = small.request()
    tensor = request.inputs["x"]
    tensor.Clear()
    tensor.dtype = kind.as_datatype_enum
    getattr(tensor, field).append(value)
    for size in sizes:
        tensor.tensor_shape.dim.add(size=size)
    with pytest.raises(grpc.RpcError) as raised:
        by_grpc(ports[0], request)
    assert raised.value.details() == "tensor parsing error: x"
    assert is_well(ports)


@pytest.mark.parametrize("value", [-1, 256])
def test_a_value_that_its_type_does_not_hold(ports, value):
    request = small.request(x=np.uint8([1]))
    request.inputs["x"].ClearField("tensor_content")
    request.inputs["x"].int_val[:] = [value]
    with pytest.raises(grpc.RpcError) as raised:
        by_grpc(ports[0], request)
    assert raised.value.details() == "tensor parsing error: x"


def test_strings_that_one_fills():
    tensor = small.request(x=[b"a"] * 3).inputs["x"]
    assert messages.feeds({"x": tensor}, SIGNATURE)
    tensor.tensor_shape.dim[0].size = 2**23
    with pytest.raises(messages.StatusError, match="tensor parsing error"):
        messages.feeds({"x": tensor}, SIGNATURE)
