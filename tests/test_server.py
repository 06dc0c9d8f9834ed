import base64
import json
import pathlib
import shutil
import zlib

import grpc
import numpy as np
import pytest
import recorded_models
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis import get_model_status_pb2
from tensorflow_serving.apis import model_service_pb2_grpc
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
def channel(tmp_path_factory):
    """Returns a channel to a server of the recorded model."""
    home = tmp_path_factory.mktemp("models") / "sr"
    recorded_models.write_super_resolution(home / "1")
    core = server.load(config(f'name: "sr" base_path: "{home}" {STABLE}'))
    started, port = server.serve(core)
    with grpc.insecure_channel(f"localhost:{port}") as channel:
        yield channel
    started.stop(None).wait()


STABLE = 'version_labels { key: "stable" value: 1 }'


def config(*models):
    text = " ".join(f"config {{ {model} }}" for model in models)
    return text_format.Parse(
        f"model_config_list {{ {text} }}",
        model_server_config_pb2.ModelServerConfig(),
    )


def ask(channel, request, **options):
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    return stub.Predict(request, **options)


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


class TestModelStatus:
    @pytest.fixture
    def ask(self, channel):
        stub = model_service_pb2_grpc.ModelServiceStub(channel)

        def ask(text):
            return stub.GetModelStatus(
                text_format.Parse(
                    text, get_model_status_pb2.GetModelStatusRequest()
                )
            )

        return ask

    @pytest.mark.parametrize("version", ["", "version { value: 1 }"])
    def test_of_a_model(self, ask, version):
        (status,) = ask(
            f'model_spec {{ name: "sr" {version} }}'
        ).model_version_status
        assert status.version == 1
        assert status.state == status.AVAILABLE
        assert status.status.error_code == 0

    @pytest.mark.parametrize(
        ("text", "code", "message"),
        [
            ("", "INVALID_ARGUMENT", "Missing ModelSpec"),
            (
                'model_spec { name: "nope" }',
                "NOT_FOUND",
                "Could not find any versions of model nope",
            ),
            (
                'model_spec { name: "sr" version { value: 9 } }',
                "NOT_FOUND",
                "Could not find version 9 of model sr",
            ),
        ],
    )
    def test_of_what_is_not_there(self, ask, text, code, message):
        with pytest.raises(grpc.RpcError) as raised:
            ask(text)
        assert raised.value.code().name == code
        assert raised.value.details() == message


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("models") / "sr"
    recorded_models.write_super_resolution(home / "1")
    for version in (2, 10):
        shutil.copytree(home / "1", home / str(version))
    (home / "tmp-3").mkdir()
    return home


class TestLoading:
    @pytest.mark.parametrize(
        ("policy", "expected"),
        [
            ("", {10}),
            ("model_version_policy { all {} }", {1, 2, 10}),
            ("model_version_policy { latest { num_versions: 2 } }", {2, 10}),
            ("model_version_policy { specific { versions: 1 } }", {1}),
        ],
    )
    def test_takes_the_versions_of_the_policy(self, home, policy, expected):
        core = server.load(config(f'name: "a" base_path: "{home}" {policy}'))
        assert set(core.models["a"]) == expected

    def test_a_label_for_a_version_not_served_raises(self, home):
        with pytest.raises(ValueError, match=r"not served: \[1\]"):
            server.load(config(f'name: "a" base_path: "{home}" {STABLE}'))

    def test_a_name_listed_twice_raises(self, home):
        model = f'name: "a" base_path: "{home}"'
        with pytest.raises(ValueError, match="listed twice"):
            server.load(config(model, model))

    def test_no_version_raises(self, home):
        with pytest.raises(ValueError, match="No versions of model a"):
            server.load(config(f'name: "a" base_path: "{home}/1"'))

    def test_a_half_copied_version_raises(self, home, tmp_path):
        (tmp_path / "1").mkdir()
        with pytest.raises(ValueError, match="does not load"):
            server.load(config(f'name: "a" base_path: "{tmp_path}"'))


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


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ([], "either --model_dir or --config"),
        (["--model_dir=nowhere/at_all"], "No versions of model at_all"),
        (["--config=nowhere.config"], "nowhere.config"),
        (["--config=LICENSE"], "LICENSE"),
        (["--port=many"], "port"),
    ],
)
def test_the_command_refuses(refused, flags, reason):
    assert reason in refused("serving.server", *flags)
