import shutil
import subprocess

import grpc
import pytest
from google.protobuf import text_format
from grpc_health.v1 import health_pb2
from grpc_health.v1 import health_pb2_grpc

from serving import server
from serving import standin
from serving import tls


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Returns keys and certificates: of an authority, a server, a client."""
    if not shutil.which("openssl"):
        pytest.skip("needs openssl")
    folder = tmp_path_factory.mktemp("tls")
    _openssl(
        folder,
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 9 "
        "-subj /CN=authority",
    )
    (folder / "names").write_text("subjectAltName=DNS:localhost")
    for name in ("server", "client"):
        _openssl(
            folder,
            f"req -newkey rsa:2048 -nodes -keyout {name}.key "
            f"-out {name}.csr -subj /CN={name}",
        )
        _openssl(
            folder,
            f"x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key "
            f"-CAcreateserial -out {name}.crt -days 9 -extfile names",
        )
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _openssl(folder, arguments):
    subprocess.run(
        ["openssl", *arguments.split()],
        cwd=folder,
        check=True,
        capture_output=True,
    )


@pytest.fixture
def write(tmp_path, pairs):
    """Returns a function that writes an SSLConfig of such files."""

    def write(key="server.key", cert="server.crt", authority=None, rest=""):
        parts = {"server_key": key, "server_cert": cert}
        if authority:
            parts["custom_ca"] = authority
        text = rest
        for field, name in parts.items():
            content = text_format.text_encoding.CEscape(
                pairs.get(name, name.encode()), as_utf8=False
            )
            text += f'{field}: "{content}"\n'
        path = tmp_path / "ssl.config"
        path.write_text(text)
        return str(path)

    return write


def check(port, credentials):
    with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        return stub.Check(health_pb2.HealthCheckRequest(), timeout=10).status


@pytest.fixture
def serve():
    running = []

    def serve(path):
        started, port = server.serve(
            standin.Core({}, {}),
            credentials=tls.credentials(path),
            healthy=True,
        )
        running.append(started)
        return port

    yield serve
    for started in running:
        started.stop(None).wait()


def test_a_client_that_trusts_the_authority(serve, write, pairs):
    port = serve(write())
    credentials = grpc.ssl_channel_credentials(pairs["ca.crt"])
    assert check(port, credentials) == health_pb2.HealthCheckResponse.SERVING
    with grpc.insecure_channel(f"localhost:{port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        with pytest.raises(grpc.RpcError):
            stub.Check(health_pb2.HealthCheckRequest(), timeout=5)


def test_a_client_has_to_prove_itself(serve, write, pairs):
    port = serve(write(authority="ca.crt", rest="client_verify: true\n"))
    with pytest.raises(grpc.RpcError):
        check(port, grpc.ssl_channel_credentials(pairs["ca.crt"]))
    credentials = grpc.ssl_channel_credentials(
        pairs["ca.crt"], pairs["client.key"], pairs["client.crt"]
    )
    assert check(port, credentials) == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"cert": "client.crt"}, "key values mismatch"),
        ({"cert": "text"}, "server_cert and server_key:"),
        ({"key": "text"}, "server_cert and server_key:"),
        ({"key": "", "cert": ""}, "server_cert and server_key:"),
        ({"authority": "text"}, "custom_ca:"),
        ({"rest": "client_verify: true "}, "client_verify needs custom_ca"),
        ({"rest": "server_keys: '' "}, 'no field named "server_keys"'),
    ],
)
def test_what_does_not_fit_is_refused(write, parts, reason):
    path = write(**parts)
    with pytest.raises(ValueError, match="ssl.config") as raised:
        tls.credentials(path)
    assert reason in str(raised.value)
    assert "\n" not in str(raised.value)
