"""REST and metrics through nginx, before a server that tells what it saw."""

import http.client
import http.server
import json
import threading
import time

import deployed
import grpc
import proxies
import pytest

proxies.need_tools()
LIMIT = 4  # Of requests at a time.


class Rest(http.server.BaseHTTPRequestHandler):
    """Tells what it was asked; at /v1/models/slow, when it is let."""

    let = threading.Event()
    held = threading.Semaphore(0)

    def do_GET(self):  # noqa: N802
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/v1/models/slow":
            self.held.release()
            self.let.wait(20)
        seen = {
            "path": self.path,
            "headers": [name.lower() for name in self.headers],
            "bytes": len(body),
        }
        content = json.dumps(seen).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Rest) as rest:
        thread = threading.Thread(target=rest.serve_forever, args=(0.01,))
        thread.start()
        folder = tmp_path_factory.mktemp("nginx")
        ports = (*proxies.free_ports(1), rest.server_port)
        with proxies.Proxy(folder, *ports) as proxy:
            yield proxy
        rest.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/paintings",
        "/v1/models/paintings/metadata",
        "/v1/models/paintings:predict",
        "/v1/models/paintings/versions/1:predict",
        "/v1/models/paintings/labels/canary:predict",
    ],
)
def test_goes_through_without_its_token(proxy, path):
    sent = bytes(1 << 20)
    status, _, body = proxy.ask("POST", path, sent, Authorization=proxy.token)
    assert status == 200
    seen = json.loads(body)
    assert (seen["path"], seen["bytes"]) == (path, len(sent))
    assert "authorization" not in seen["headers"]


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/v1/models/a:predict", bytes(21 << 20), {}, 413),
        ("/v1/models/a:predict", b"", {"Content-Encoding": "gzip"}, 415),
        ("/v1/models/a:classify", b"", {}, 404),
        ("/v1/models/a/../../monitoring/prometheus/metrics", b"", {}, 404),
        ("/monitoring/prometheus/metrics", b"", {}, 404),
        ("/", b"", {}, 404),
        ("/grpc-error/16", b"", {}, 404),
        ("/v1/models/a", b"", {"Authorization": ""}, 401),
        ("/v1/models/a", b"", {"Authorization": "Bearer 0"}, 401),
    ],
)
def test_refuses(proxy, path, body, headers, status):
    headers = {"Authorization": proxy.token, **headers}
    actual, told, answer = proxy.ask("POST", path, body, **headers)
    assert actual == status
    assert told["Content-Type"] == "application/json"
    assert set(json.loads(answer)) == {"error"}
    assert told["WWW-Authenticate"] == ("Bearer" if status == 401 else None)


@pytest.mark.parametrize(
    ("path", "file", "kind"),
    [
        ("/", "index.html", "html"),
        ("/index.html", "index.html", "html"),
        ("/page.css", "page.css", "css"),
        ("/page.js", "page.js", "javascript"),
    ],
)
def test_the_page_needs_no_token(proxy, path, file, kind):
    status, told, body = proxy.ask("GET", path)
    assert status == 200
    assert told["Content-Type"].split(";")[0] == f"text/{kind}"
    assert told["X-Content-Type-Options"] == "nosniff"
    assert body == (deployed.FOLDER / "web" / file).read_bytes()


def test_no_other_file_is_given_out(proxy):
    for path in ("/nginx.conf", "/page.py", "/../server.py", "/%2e%2e/tls.py"):
        assert proxy.ask("GET", path)[0] in (400, 404)


def test_no_header_is_no_token(proxy):
    status, _, _ = proxy.ask("GET", "/v1/models/a")
    assert status == 401


def test_no_server_behind_it(tmp_path):
    with proxies.Proxy(tmp_path, *proxies.free_ports(2)) as proxy:
        status, _, body = proxy.ask(
            "GET", "/v1/models/a", Authorization=proxy.token
        )
    assert status == 502
    assert json.loads(body) == {"error": "Server unreachable; try again"}


def test_a_few_at_a_time(proxy):
    slow = [
        threading.Thread(
            target=proxy.ask,
            args=("GET", "/v1/models/slow"),
            kwargs={"Authorization": proxy.token},
        )
        for _ in range(LIMIT)
    ]
    for each in slow:
        each.start()
    try:
        for _ in slow:
            assert Rest.held.acquire(timeout=10)
        status, _, _ = proxy.ask(
            "GET", "/v1/models/a", Authorization=proxy.token
        )
        assert status == 429
        with proxy.channel(proxy.token) as channel:
            check = channel.unary_unary("/grpc.health.v1.Health/Check")
            with pytest.raises(grpc.RpcError, match="too many") as raised:
                check(b"", timeout=10)
        assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
    finally:
        Rest.let.set()
        for each in slow:
            each.join()


def test_plain_http_is_refused(proxy):
    connection = http.client.HTTPConnection("localhost", proxy.port, timeout=9)
    assert proxies.answer_of(connection, "GET", "/v1/models/a")[0] == 400


@pytest.mark.parametrize(
    ("path", "status", "behind"),
    [
        ("/metrics", 200, "/monitoring/prometheus/metrics"),
        ("/health", 200, None),
        ("/v1/models/paintings", 404, None),
    ],
)
def test_the_port_inside_has_metrics_alone(proxy, path, status, behind):
    connection = http.client.HTTPConnection(
        "localhost", proxy.metrics_port, timeout=9
    )
    actual, _, body = proxies.answer_of(connection, "GET", path)
    assert actual == status
    if behind:
        assert json.loads(body)["path"] == behind


def test_the_log_names_clients_and_no_tokens(proxy):
    proxy.ask("GET", "/v1/models/logged", Authorization=proxy.token)
    deadline = time.monotonic() + 10
    # A request is logged once its answer is on its way.
    while '"GET /v1/models/logged"' not in (text := proxy.log.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert proxy.token.removeprefix("Bearer ") not in text
    lines = [json.loads(x) for x in text.splitlines() if x.startswith("{")]
    (line,) = [x for x in lines if x["request"] == "GET /v1/models/logged"]
    assert (line["client"], line["status"]) == ("me", "200")
