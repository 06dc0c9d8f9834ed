"""ModelService, health, and what PredictionService tells of models."""

import grpc
import ml_dtypes
import numpy as np
import pytest
import small
import tensorflow as tf
from google.protobuf import text_format
from grpc_health.v1 import health_pb2
from grpc_health.v1 import health_pb2_grpc
from tensorflow_serving.apis import get_model_metadata_pb2
from tensorflow_serving.apis import get_model_status_pb2
from tensorflow_serving.apis import model_management_pb2
from tensorflow_serving.apis import model_service_pb2_grpc
from tensorflow_serving.apis import prediction_service_pb2_grpc

from serving import server
from serving import standin


@pytest.fixture(scope="module")
def channel(versions):
    """Returns a channel to a server of version 3."""
    core = server.load(small.config_of(versions))
    started, port = server.serve(core, healthy=True)
    with grpc.insecure_channel(f"localhost:{port}") as channel:
        yield channel
    started.stop(None).wait()


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

    @pytest.mark.parametrize("version", ["", "version { value: 3 }"])
    def test_of_a_model(self, ask, version):
        (status,) = ask(
            f'model_spec {{ name: "m" {version} }}'
        ).model_version_status
        assert status.version == 3
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
                'model_spec { name: "m" version { value: 9 } }',
                "NOT_FOUND",
                "Could not find version 9 of model m",
            ),
        ],
    )
    def test_of_what_is_not_there(self, ask, text, code, message):
        with pytest.raises(grpc.RpcError) as raised:
            ask(text)
        assert raised.value.code().name == code
        assert raised.value.details() == message


class TestMetadata:
    @pytest.fixture
    def ask(self, channel):
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

        def ask(text):
            request = get_model_metadata_pb2.GetModelMetadataRequest()
            return stub.GetModelMetadata(text_format.Parse(text, request))

        return ask

    def test_has_the_signatures(self, ask):
        response = ask(
            'model_spec { name: "m" version { value: 3 } } '
            'metadata_field: "signature_def"'
        )
        assert response.model_spec.name == "m"
        assert response.model_spec.version.value == 3
        found = get_model_metadata_pb2.SignatureDefMap()
        assert response.metadata["signature_def"].Unpack(found)
        assert set(found.signature_def) == {
            "serving_default",
            "slowly",
            "types",
            "__saved_model_init_op",
        }
        assert found.signature_def["slowly"].inputs["rounds"].dtype == 3

    @pytest.mark.parametrize(
        ("text", "code", "message"),
        [
            ('metadata_field: "signature_def"', 3, "Missing ModelSpec"),
            (
                'model_spec { name: "m" }',
                3,
                "GetModelMetadataRequest must specify at least one "
                "metadata_field",
            ),
            (
                'model_spec { name: "m" } metadata_field: "x"',
                3,
                "Metadata field x is not supported",
            ),
            (
                'model_spec { name: "nope" } metadata_field: "signature_def"',
                5,
                "Servable not found for request: Latest(nope)",
            ),
        ],
    )
    def test_of_what_is_not_there(self, ask, text, code, message):
        with pytest.raises(grpc.RpcError) as raised:
            ask(text)
        assert raised.value.code().value[0] == code
        assert raised.value.details() == message


def test_a_reload_by_grpc(home):
    with small.following(home) as core:
        started, port = server.serve(core)
        with grpc.insecure_channel(f"localhost:{port}") as channel:
            stub = model_service_pb2_grpc.ModelServiceStub(channel)
            request = model_management_pb2.ReloadConfigRequest()
            with pytest.raises(grpc.RpcError, match="type not supported"):
                stub.HandleReloadConfigRequest(request)
            request.config.CopyFrom(small.config_of(home, name="n"))
            response = stub.HandleReloadConfigRequest(request)
            assert response.status.error_code == 0
            assert small.states(core, "n") == "1 AVAILABLE"
        started.stop(None).wait()


class TestOutputs:
    VALUES = np.float32([1.5, -2.0])

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("half", VALUES.astype(np.float16)),
            ("bfloat16", VALUES.astype(ml_dtypes.bfloat16)),
            ("double", VALUES.astype(np.float64)),
            ("bool", VALUES > 0),
            ("int64", np.int64([1, -2])),
            ("whole_bytes", np.array(b"1.500000-2.000000", object)),
        ],
    )
    def test_of_any_type(self, channel, name, expected):
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        request = small.request(signature="types", x=self.VALUES)
        found = tf.make_ndarray(stub.Predict(request).outputs[name])
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)

    def test_there_are_none_of_what_sets_a_model_up(self, channel):
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        request = small.request(signature="__saved_model_init_op")
        request.ClearField("inputs")
        with pytest.raises(grpc.RpcError) as raised:
            stub.Predict(request)
        assert raised.value.code() == grpc.StatusCode.OUT_OF_RANGE
        assert raised.value.details() == (
            "Node 'NoOp' (type: 'NoOp', num of outputs: 0) does not have "
            "output 0"
        )


# What the stand-in does not offer, by name: batching of several clients'
# requests (--enable_batching, and so the failures of shapes that differ, of
# batches too large and of queues too full), and the interfaces for tf.Example.
@pytest.mark.parametrize("method", ["Classify", "Regress", "MultiInference"])
def test_what_is_not_offered_says_so(channel, method):
    call = channel.unary_unary(
        f"/tensorflow.serving.PredictionService/{method}"
    )
    with pytest.raises(grpc.RpcError) as raised:
        call(b"")
    assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED


class TestHealth:
    @pytest.mark.parametrize(
        "service", ["", "ModelService", "PredictionService"]
    )
    def test_serves(self, channel, service):
        request = health_pb2.HealthCheckRequest(service=service)
        response = health_pb2_grpc.HealthStub(channel).Check(request)
        assert response.status == response.SERVING

    def test_of_an_unknown_service(self, channel):
        request = health_pb2.HealthCheckRequest(service="nope")
        with pytest.raises(grpc.RpcError) as raised:
            health_pb2_grpc.HealthStub(channel).Check(request)
        assert raised.value.code() == grpc.StatusCode.NOT_FOUND

    def test_is_off_by_default(self):
        started, port = server.serve(standin.Core({}, {}))
        with grpc.insecure_channel(f"localhost:{port}") as channel:
            request = health_pb2.HealthCheckRequest()
            with pytest.raises(grpc.RpcError) as raised:
                health_pb2_grpc.HealthStub(channel).Check(request)
        assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED
        started.stop(None).wait()


@pytest.mark.parametrize(
    "method",
    [
        "PredictionService/Predict",
        "PredictionService/GetModelMetadata",
        "ModelService/GetModelStatus",
        "ModelService/HandleReloadConfigRequest",
    ],
)
def test_bytes_that_are_no_message(channel, capfd, method):
    call = channel.unary_unary(f"/tensorflow.serving.{method}")
    with pytest.raises(grpc.RpcError) as raised:
        call(b"\xff" * 8)
    assert raised.value.code() == grpc.StatusCode.INTERNAL
    assert raised.value.details() == "The bytes are no message."
    assert "Traceback" not in capfd.readouterr().err
