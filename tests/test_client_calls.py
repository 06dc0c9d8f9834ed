"""The client's calls, against a server that does as it is told.

Its messages are those of tensorflow-serving-api, not of our descriptors.
"""

import shutil
import subprocess
import time
from concurrent import futures

import grpc
import numpy as np
import pytest
from PIL import Image
from tensorflow_serving.apis import get_model_metadata_pb2
from tensorflow_serving.apis import get_model_status_pb2
from tensorflow_serving.apis import model_service_pb2_grpc
from tensorflow_serving.apis import predict_pb2
from tensorflow_serving.apis import prediction_service_pb2_grpc

from percgen import images
from serving import client
from serving import connection

PHOTO = images.to_png(Image.new("RGB", (20, 30), "red"))


class Told(
    prediction_service_pb2_grpc.PredictionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    """Fails as often as it is told, then gives back what was sent."""

    def __init__(self):
        self.failures, self.requests, self.metadata = [], [], []
        self.delay = 0.0

    def _note(self, request, context):
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        time.sleep(self.delay)
        if self.failures:
            context.abort(self.failures.pop(0), "as told")

    def Predict(self, request, context):
        self._note(request, context)
        if request.model_spec.signature_name == "about":
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "no signature")
        response = predict_pb2.PredictResponse()
        sent = request.inputs["image_bytes"]
        response.outputs["image_bytes"].CopyFrom(sent)
        return response

    def GetModelStatus(self, request, context):
        self._note(request, context)
        response = get_model_status_pb2.GetModelStatusResponse()
        for version, state in ((2, 20), (1, 30), (0, 50)):
            added = response.model_version_status.add()
            added.version, added.state = version, state
        response.model_version_status[2].status.error_message = "bad"
        return response

    def GetModelMetadata(self, request, context):
        self._note(request, context)
        assert list(request.metadata_field) == ["signature_def"]
        signatures = get_model_metadata_pb2.SignatureDefMap()
        signature = signatures.signature_def["serving_default"]
        info = signature.inputs["image_bytes"]
        info.dtype = 7
        info.tensor_shape.dim.add(size=-1)
        signature.inputs["jpeg_quality"].dtype = 3
        signature.inputs["jpeg_quality"].tensor_shape.unknown_rank = True
        signature.defaults["jpeg_quality"].dtype = 3
        signature.outputs["image_bytes"].CopyFrom(info)
        assert signatures.signature_def["__saved_model_init_op"] is not None
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.version.value = 3
        response.metadata["signature_def"].Pack(signatures)
        return response


def start(told, credentials=None, place="localhost:0"):
    server = grpc.server(futures.ThreadPoolExecutor(4))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        told, server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(told, server)
    if credentials:
        port = server.add_secure_port(place, credentials)
    else:
        port = server.add_insecure_port(place)
    server.start()
    return server, f"localhost:{port}"


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def place(told):
    server, place = start(told)
    yield place
    server.stop(None).wait()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(connection, "_FIRST_PAUSE", 0.02)


UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


class TestRetries:
    def test_until_the_server_is_there(self, told, place):
        told.failures = [UNAVAILABLE] * 3
        with client.Client(place, "m", retries=3) as model:
            assert model.generate(PHOTO).content == PHOTO
        assert len(told.requests) == 4

    def test_only_so_often(self, told, place):
        told.failures = [UNAVAILABLE] * 9
        with (
            client.Client(place, "m", retries=2) as model,
            pytest.raises(client.ServerError, match="UNAVAILABLE: as told"),
        ):
            model.generate(PHOTO)
        assert len(told.requests) == 3

    @pytest.mark.parametrize(
        "code", [x for x in grpc.StatusCode if x.value[0] not in (0, 14)]
    )
    def test_never_for_another_reason(self, told, place, code):
        told.failures = [code]
        with (
            client.Client(place, "m", retries=5) as model,
            pytest.raises(client.ServerError, match=code.name),
        ):
            model.generate(PHOTO)
        assert len(told.requests) == 1

    def test_within_the_time_of_the_request(self, told, place, monkeypatch):
        monkeypatch.setattr(connection, "_FIRST_PAUSE", 0.2)
        told.failures = [UNAVAILABLE] * 99
        start = time.monotonic()
        with (
            client.Client(place, "m", retries=99, timeout=1.0) as model,
            pytest.raises(client.ServerError, match="UNAVAILABLE"),
        ):
            model.generate(PHOTO)
        assert time.monotonic() - start < 1.5
        assert 2 <= len(told.requests) <= 6

    def test_after_longer_and_longer_pauses(self):
        one = connection.Connection("x:1", 1, connection.INSECURE, 12)
        pauses = list(one._pauses())
        other = list(one._pauses())
        one.close()
        assert pauses != other
        for number, pause in enumerate(pauses):
            most = min(0.02 * 2**number, 5.0)
            assert most / 2 <= pause <= most

    def test_of_a_server_that_comes_late(self, told):
        server, place = start(told)
        server.stop(None).wait()
        with (
            client.Client(place, "m", retries=20, timeout=20) as model,
            futures.ThreadPoolExecutor(1) as executor,
        ):
            answer = executor.submit(model.generate, PHOTO)
            time.sleep(0.3)
            again, _ = start(told, place=place)
            assert answer.result().content == PHOTO
        again.stop(None).wait()


def test_a_deadline_ends_a_request(told, place):
    told.delay = 2.0
    start = time.monotonic()
    with (
        client.Client(place, "m", timeout=0.2) as model,
        pytest.raises(client.ServerError, match="DEADLINE_EXCEEDED"),
    ):
        model.generate(PHOTO)
    assert time.monotonic() - start < 1.0


@pytest.mark.parametrize(
    ("chosen", "field"),
    [
        ({}, None),
        ({"version": 7}, "version"),
        ({"label": "stable"}, "version_label"),
    ],
)
def test_versions_and_labels_are_asked_for(told, place, chosen, field):
    with client.Client(place, "m", **chosen) as model:
        model.generate(PHOTO)
    spec = told.requests[0].model_spec
    assert spec.name == "m"
    assert spec.WhichOneof("version_choice") == field
    assert spec.version.value == chosen.get("version", 0)
    assert spec.version_label == chosen.get("label", "")


def test_wishes_are_sent_with_their_shapes(told, place):
    with client.Client(place, "m") as model:
        model.generate(
            PHOTO,
            kind="JPEG",
            jpeg_quality=80,
            style_weights=[0.25, 0.75],
            strength=0.5,
            preserve_color=False,
        )
    inputs = told.requests[0].inputs
    shapes = {
        name: [d.size for d in inputs[name].tensor_shape.dim] for name in inputs
    }
    assert shapes == {
        "image_bytes": [1],
        "jpeg_quality": [1],
        "style_weights": [1, 2],
        "strength": [1],
        "preserve_color": [1],
    }
    assert list(inputs["jpeg_quality"].int_val) == [80]
    assert list(inputs["style_weights"].float_val) == [0.25, 0.75]
    assert list(inputs["preserve_color"].bool_val) == [False]


def test_status(told, place):
    with client.Client(place, "m") as model:
        assert model.status() == [
            {"version": 2, "state": "LOADING", "error": ""},
            {"version": 1, "state": "AVAILABLE", "error": ""},
            {"version": 0, "state": "END", "error": "bad"},
        ]


def test_metadata(told, place):
    coded = {"dtype": "DT_STRING", "shape": [-1]}
    quality = {"dtype": "DT_INT32", "shape": None, "optional": True}
    with client.Client(place, "m") as model:
        assert model.metadata() == {
            "version": 3,
            "signatures": {
                "serving_default": {
                    "inputs": {"image_bytes": coded, "jpeg_quality": quality},
                    "outputs": {"image_bytes": coded},
                }
            },
        }


class TestSixteenBits:
    def test_are_rounded_for_a_model_that_does_not_tell(self, told, place):
        random = np.random.default_rng(0)
        deep = random.integers(0, 65536, [20, 30, 3]).astype(np.uint16)
        with client.Client(place, "m") as model:
            assert model.about() == {}
            painting = model.generate(deep)
            model.generate(deep)
        assert len(told.requests) == 3  # It was asked once what it takes.
        (sent,) = told.requests[1].inputs["image_bytes"].string_val
        expected = np.rint(deep / 257.0)
        np.testing.assert_array_equal(images.read(sent), expected)
        assert painting.pixels().dtype == np.uint8

    def test_pictures_of_eight_do_not_ask(self, told, place):
        with client.Client(place, "m") as model:
            model.generate(np.zeros([20, 20, 4], np.uint8))
        assert len(told.requests) == 1


def test_gray_may_get_colours(place):
    gray = images.to_png(Image.new("L", (20, 20), 100))
    with client.Client(place, "m") as model:
        assert model.generate(gray).pixels().shape == (20, 20, 1)
        assert model.generate(gray, keep_gray=False).content == gray


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Returns a folder of a key and the certificate of localhost."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes"),
            *("-days", "2"),
            *("-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", folder / "key.pem", "-out", folder / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )
    return folder


class TestSecurity:
    @pytest.fixture(params=[False, True], ids=["tls", "mutual"])
    def secure(self, request, told, authority):
        key, cert = (
            (authority / name).read_bytes() for name in ("key.pem", "cert.pem")
        )
        credentials = grpc.ssl_server_credentials(
            [(key, cert)], cert if request.param else None, request.param
        )
        server, place = start(told, credentials)
        yield place, request.param
        server.stop(None).wait()

    def test_encrypts_and_shows_who_it_is(self, told, secure, authority):
        place, mutual = secure
        own = (authority / "cert.pem", authority / "key.pem")
        security = connection.Security(
            False,
            authority / "cert.pem",
            *(own if mutual else (None, None)),
            token="secret",
        )
        with client.Client(place, "m", security=security) as model:
            assert model.generate(PHOTO).content == PHOTO
        assert told.metadata[0]["authorization"] == "Bearer secret"

    def test_an_unknown_server_is_not_trusted(self, told, secure):
        place, _ = secure
        with (
            client.Client(
                place, "m", retries=0, security=connection.Security(tls=True)
            ) as model,
            pytest.raises(client.ServerError, match="UNAVAILABLE"),
        ):
            model.generate(PHOTO)
        assert not told.requests

    def test_a_token_stays_on_this_machine_without_tls(self, told, place):
        security = connection.Security(token="secret")
        with client.Client(place, "m", security=security) as model:
            model.generate(PHOTO)
        assert told.metadata[0]["authorization"] == "Bearer secret"
        with pytest.raises(ValueError, match="for all to read: use TLS"):
            client.Client("example.org:8500", "m", security=security)

    def test_a_certificate_needs_its_key(self):
        with pytest.raises(ValueError, match="and its key together"):
            connection.Security(cert="cert.pem")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"model": ""}, "Which model"),
        ({"model": "m", "version": 1, "label": "x"}, "either a version"),
    ],
)
def test_a_client_that_cannot_be(arguments, reason):
    with pytest.raises(ValueError, match=reason):
        client.Client("localhost:1", **arguments)
