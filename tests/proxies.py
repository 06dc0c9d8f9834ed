"""nginx for real, by serving/nginx.conf.template, on free ports of loopback."""

import contextlib
import http.client
import shutil
import socket
import ssl
import subprocess
import time

import deployed
import grpc
import pytest


def need_tools():
    """Skips a whole module where this machine has no nginx."""
    for tool in ("nginx", "openssl", "bash"):
        if not shutil.which(tool):
            pytest.skip(f"no {tool} on this machine", allow_module_level=True)


def free_ports(number):
    with contextlib.ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            for _ in range(number)
        ]
        return [each.getsockname()[1] for each in sockets]


class Proxy:
    """nginx with a certificate and a token of its own.

    Args:
        folder: Where it may write.
        grpc_port: Of the server behind it.
        rest_port: Likewise.
    """

    def __init__(self, folder, grpc_port, rest_port):
        secrets = folder / "secrets"
        deployed.run("bash", deployed.FOLDER / "secrets.sh", secrets)
        self.token = (secrets / "tokens").read_text().split('"')[1]
        self.authority = secrets / "tls.crt"
        self.port, self.metrics_port = free_ports(2)
        config = folder / "nginx.conf"
        config.write_text(
            deployed.fill(
                {
                    "SERVER": "127.0.0.1",
                    "SERVER_GRPC": grpc_port,
                    "SERVER_REST": rest_port,
                    "PROXY_PORT": self.port,
                    "METRICS_PORT": self.metrics_port,
                    "SECRETS": secrets,
                    "WEB": deployed.FOLDER / "web",
                    "NGINX_LOCAL_RESOLVERS": "127.0.0.1",
                }
            )
        )
        self.log = folder / "log"
        # `user` is for root, whose workers could not read pytest's folders.
        line = ["nginx", "-p", folder, "-c", config, "-e", "stderr", "-g"]
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [*line, "daemon off; user root;"], stdout=log, stderr=log
            )

    def __enter__(self):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            time.sleep(0.02)
        self.__exit__()
        raise AssertionError(self.log.read_text())

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()

    def channel(self, token=None):
        """Returns a channel over TLS, which sends a token with every call."""
        credentials = grpc.ssl_channel_credentials(self.authority.read_bytes())
        channel = grpc.secure_channel(f"localhost:{self.port}", credentials)
        if token is None:
            return channel
        return grpc.intercept_channel(channel, _Adds(token))

    def ask(self, method, path, body=None, **headers):
        """Returns status, headers and body of an answer over TLS."""
        context = ssl.create_default_context(cafile=self.authority)
        connection = http.client.HTTPSConnection(
            "localhost", self.port, timeout=20, context=context
        )
        return answer_of(connection, method, path, body, headers)


def answer_of(connection, method, path, body=None, headers=None):
    """Returns status, headers and body, and closes the connection."""
    with contextlib.closing(connection):
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


class _Adds(grpc.UnaryUnaryClientInterceptor):
    def __init__(self, token):
        self._metadata = [("authorization", token)]

    def intercept_unary_unary(self, call, details, request):
        return call(details._replace(metadata=self._metadata), request)
