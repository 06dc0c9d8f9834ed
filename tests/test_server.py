import base64
import json
import pathlib
import zlib

import grpc
import numpy as np
import pytest
import recorded_models
import small
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis import predict_pb2
from tensorflow_serving.apis import prediction_service_pb2_grpc
from tensorflow_serving.config import model_server_config_pb2

from serving import messages
from serving import server
from serving import standin

CASES = json.loads(
    pathlib.Path(__file__).with_name("serving_cases.json").read_text()
)["grpc_predict"]
DTYPES = {4: np.uint8}


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    """Returns a server's core with the recorded model."""
    home = tmp_path_factory.mktemp("models") / "sr"
    recorded_models.write_super_resolution(home / "1")
    stable = 'version_labels { key: "stable" value: 1 }'
    config = small.config_of(home, stable, name="sr")
    return server.load(config, early_labels=True)


@pytest.fixture(scope="module")
def channel(core):
    """Returns a channel to a server of it."""
    started, port = server.serve(core)
    with grpc.insecure_channel(f"localhost:{port}") as channel:
        yield channel
    started.stop(None).wait()


def ask(channel, request, **options):
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    return stub.Predict(request, **options)


def test_the_cases_are_those_recorded(shared):
    folder = pathlib.Path(__file__).parent
    files = (folder, shared / "contract")
    ours, recorded = (
        json.loads((file / "serving_cases.json").read_text()) for file in files
    )
    assert {**ours, "about": ""} == {**recorded, "about": ""}


@pytest.mark.parametrize("name", CASES)
def test_answers_as_recorded(channel, name):
    case = CASES[name]
    request = predict_pb2.PredictRequest.FromString(
        base64.b64decode(case["request_b64"])
    )
    if case["code"] != "OK":
        with pytest.raises(grpc.RpcError) as raised:
            ask(channel, request)
        assert raised.value.code().name == case["code"]
        expected, actual = (
            message.partition("\n\t [[")[0]
            for message in (case["message"], raised.value.details())
        )
        assert actual == expected
        return
    response = ask(channel, request)
    assert response.model_spec.name == case["model_spec"]["name"]
    assert response.model_spec.version.value == case["model_spec"]["version"]
    assert (
        response.model_spec.signature_name
        == case["model_spec"]["signature_name"]
    )
    assert set(response.outputs) == set(case["outputs"])
    for key, expected in case["outputs"].items():
        proto = response.outputs[key]
        values = getattr(proto, expected["field"])
        assert proto.dtype == expected["dtype"]
        assert [d.size for d in proto.tensor_shape.dim] == expected["shape"]
        if expected["field"] == "string_val":
            content = b"".join(values)
        else:
            content = np.array(values, DTYPES[proto.dtype]).tobytes()
        assert zlib.crc32(content) == expected["crc"]


def test_an_unknown_signature(channel):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "sr"
    request.model_spec.signature_name = "x"
    with pytest.raises(grpc.RpcError) as raised:
        ask(channel, request)
    assert raised.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert raised.value.details() == 'Serving signature key "x" not found.'


def test_a_deadline_ends_a_run(channel):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "sr"
    image = np.zeros([1, 2000, 2000, 3], np.uint8)
    request.inputs["image"].CopyFrom(tf.make_tensor_proto(image))
    with pytest.raises(grpc.RpcError) as raised:
        ask(channel, request, timeout=0.1)
    assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_the_core_ends_a_run_at_its_deadline(tmp_path):
    recorded_models.write_super_resolution(tmp_path / "1")
    servable = standin.Servable(tmp_path / "1", 1)
    request = predict_pb2.PredictRequest()
    image = np.zeros([1, 2000, 2000, 3], np.uint8)
    request.inputs["image"].CopyFrom(tf.make_tensor_proto(image))
    with pytest.raises(messages.StatusError, match="Timed out") as raised:
        servable.predict(request, seconds=0.01)
    assert raised.value.code == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]


def test_a_taken_port_raises():
    core = standin.Core({}, {})
    started, port = server.serve(core)
    with pytest.raises(OSError, match=f"port {port}"):
        server.serve(core, port)
    started.stop(None).wait()


def test_the_shipped_config_is_one():
    folder = pathlib.Path(server.__file__).parent
    parsed = text_format.Parse(
        (folder / "models.config").read_text(),
        model_server_config_pb2.ModelServerConfig(),
    )
    for model in parsed.model_config_list.config:
        assert model.base_path == f"/models/{model.name}"
        assert model.model_platform == "tensorflow"
