"""gRPC through nginx, in front of the stand-in with serving/models.config."""

import base64
import contextlib
import http.client
import json
import subprocess
import sys

import deployed
import grpc
import numpy as np
import proxies
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2
from grpc_health.v1 import health_pb2_grpc
from tensorflow_serving.apis import get_model_status_pb2
from tensorflow_serving.apis import model_management_pb2
from tensorflow_serving.apis import model_service_pb2_grpc
from tensorflow_serving.apis import predict_pb2
from tensorflow_serving.apis import prediction_service_pb2_grpc

proxies.need_tools()
SAME_FLAGS = (
    "allow_version_labels_for_unavailable_models",
    "enable_grpc_healthcheck_service",
)


class Inverter(tf.Module):
    """A model that takes pictures from a level."""

    def __init__(self, highest):
        super().__init__()
        self.highest = highest

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")]
    )
    def serve(self, image_bytes):
        return {"image_bytes": tf.map_fn(self.invert, image_bytes)}

    def invert(self, content):
        image = tf.io.decode_png(content, channels=3)
        return tf.io.encode_png(self.highest - image)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Returns models.config, with versions where it looks for them."""
    home = tmp_path_factory.mktemp("models")
    for version, highest in [("1", 255), ("2", 254)]:
        model = Inverter(highest)
        path = home / "paintings" / version
        tf.saved_model.save(model, path, model.serve)
    text = (deployed.FOLDER / "models.config").read_text()
    moved = home / "models.config"
    moved.write_text(text.replace("/models/", f"{home}/"))
    return moved


@pytest.fixture(scope="module")
def ports(config):
    """Returns the ports of gRPC and REST of a stand-in run as in Dockerfile."""
    grpc_port, rest_port = proxies.free_ports(2)
    flags = {
        "config": config,
        "port": grpc_port,
        "rest_api_port": rest_port,
        "monitoring_config_file": deployed.FOLDER / "monitoring.config",
        **{name: deployed.FLAGS[name] for name in SAME_FLAGS},
    }
    line = [f"--{name}={value}" for name, value in flags.items()]
    with subprocess.Popen(
        [sys.executable, "-m", "serving.server", *line],
        cwd=deployed.ROOT,
        stdout=subprocess.PIPE,
    ) as server:
        try:
            while not server.stdout.readline().startswith(b"For development"):
                assert server.poll() is None
            yield grpc_port, rest_port
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def proxy(tmp_path_factory, ports):
    folder = tmp_path_factory.mktemp("nginx")
    with proxies.Proxy(folder, *ports) as proxy:
        yield proxy


@pytest.fixture
def channel(proxy):
    """Returns a channel that sends the token."""
    with contextlib.closing(proxy.channel(proxy.token)) as channel:
        yield channel


@pytest.fixture(scope="module")
def picture():
    """Returns noise, whose PNG file of 1.5 MB is more than any buffer."""
    return np.random.default_rng(0).integers(0, 256, [700, 700, 3], np.uint8)


def ask(channel, content, model="paintings", label=None):
    """Returns the coded picture that comes back."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    if label:
        request.model_spec.version_label = label
    request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([content]))
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    (answer,) = (
        stub.Predict(request, timeout=30).outputs["image_bytes"].string_val
    )
    return answer


def refusal(channel, content=b"", **options):
    """Returns code and reason of an error."""
    with pytest.raises(grpc.RpcError) as raised:
        ask(channel, content, **options)
    return raised.value.code().name, raised.value.details()


@pytest.mark.parametrize(
    ("label", "highest"), [(None, 254), ("stable", 255), ("canary", 254)]
)
def test_a_picture_goes_through(channel, picture, label, highest):
    answer = ask(channel, tf.io.encode_png(picture).numpy(), label=label)
    np.testing.assert_array_equal(
        tf.io.decode_png(answer), np.uint8(highest) - picture
    )


@pytest.mark.parametrize("wrong", [None, "", "Bearer 0", "Basic me"])
def test_without_the_token(proxy, wrong):
    with contextlib.closing(proxy.channel(wrong)) as channel:
        assert refusal(channel) == (
            "UNAUTHENTICATED",
            "a token is needed: authorization: Bearer TOKEN",
        )


def test_too_large(channel):
    reason = "RESOURCE_EXHAUSTED", "request too large"
    assert refusal(channel, bytes(33 << 20)) == reason
    # Neither the connection nor the server has suffered.
    code, _ = refusal(channel, b"no picture")
    assert code == "INVALID_ARGUMENT"


def test_errors_of_the_server_come_as_they_are(channel):
    assert refusal(channel, model="nope") == (
        "NOT_FOUND",
        "Servable not found for request: Latest(nope)",
    )


def test_status_of_a_model_but_no_reload(channel):
    models = model_service_pb2_grpc.ModelServiceStub(channel)
    status = get_model_status_pb2.GetModelStatusRequest()
    status.model_spec.name = "paintings"
    versions = models.GetModelStatus(status).model_version_status
    assert [x.state for x in versions] == [versions[0].AVAILABLE] * 2
    with pytest.raises(grpc.RpcError) as raised:
        models.HandleReloadConfigRequest(
            model_management_pb2.ReloadConfigRequest()
        )
    assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert raised.value.details() == "no such method here"  # Says the proxy.


def test_a_token_is_needed_for_status_too(proxy):
    with contextlib.closing(proxy.channel()) as channel:
        models = model_service_pb2_grpc.ModelServiceStub(channel)
        with pytest.raises(grpc.RpcError) as raised:
            models.GetModelStatus(get_model_status_pb2.GetModelStatusRequest())
    assert raised.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_health(channel):
    checked = health_pb2_grpc.HealthStub(channel).Check(
        health_pb2.HealthCheckRequest()
    )
    assert checked.status == checked.SERVING


def test_rest_by_label(proxy, picture):
    content = tf.io.encode_png(picture).numpy()
    body = {"instances": [{"b64": base64.b64encode(content).decode()}]}
    status, _, answer = proxy.ask(
        "POST",
        "/v1/models/paintings/labels/stable:predict",
        json.dumps(body),
        Authorization=proxy.token,
    )
    assert status == 200
    (prediction,) = json.loads(answer)["predictions"]
    np.testing.assert_array_equal(
        tf.io.decode_png(base64.b64decode(prediction["b64"])), 255 - picture
    )


def test_metrics(proxy, channel):
    refusal(channel, b"no picture")
    connection = http.client.HTTPConnection("localhost", proxy.metrics_port)
    status, _, page = proxies.answer_of(connection, "GET", "/metrics")
    assert status == 200
    label = b'model_name="paintings",status="INVALID_ARGUMENT"'
    assert b":tensorflow:serving:request_count{%s} " % label in page


def test_the_probe_finds_the_models_ready(config, ports):
    deployed.run("bash", deployed.FOLDER / "ready.sh", config, ports[1])


def test_too_many_in_a_second(tmp_path):
    with (
        proxies.Proxy(tmp_path, *proxies.free_ports(2)) as proxy,
        contextlib.closing(proxy.channel(proxy.token)) as channel,
    ):
        reasons = [refusal(channel) for _ in range(200)]
    assert reasons[0] == ("UNAVAILABLE", "server unreachable; try again")
    assert reasons[-1] == ("UNAVAILABLE", "too many requests; try again")
