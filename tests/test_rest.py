import contextlib
import gzip
import http.client
import json
import pathlib

import pytest
import recorded_models
import small

from serving import rest
from serving import server
from serving import standin

CASES = json.loads(
    pathlib.Path(__file__).with_name("serving_cases.json").read_text()
)["rest"]


@contextlib.contextmanager
def asking(core, **options):
    """Yields a function that asks a REST server of a core."""
    started, port = rest.serve(core, options=rest.Options(**options))

    def ask(path, body=None, method=None, **headers):
        method = method or ("GET" if body is None else "POST")
        if isinstance(body, dict):
            body = json.dumps(body)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            response.text = response.read()
        return response

    yield ask
    started.stop(None).wait()


@pytest.fixture(scope="module")
def ask(tmp_path_factory, versions):
    home = tmp_path_factory.mktemp("models")
    recorded_models.write_super_resolution(home / "sr" / "1")
    recorded_models.write_two(home / "two" / "1")
    stable = 'version_labels { key: "stable" value: 1 }'
    config = small.config(
        small.entry(home / "sr", stable, "sr"),
        small.entry(home / "two", "", "two"),
        small.entry(versions),
    )
    with asking(server.load(config, early_labels=True)) as ask:
        yield ask


def lines_of(text):
    """Returns the lines in an order of their own: the real server's members
    come as they lie in a hash table."""
    return sorted(line.rstrip(",") for line in text.splitlines())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_answers_as_recorded(ask, case):
    response = ask(case["path"], case["request"], case["method"])
    assert response.status == case["http_status"]
    assert response.getheader("Content-Type") == case["content_type"]
    actual, expected = (
        text.partition("\\n\\t [[")[0]
        for text in (response.text.decode(), case["response"])
    )
    if "two_outputs" in case["case"]:
        assert json.loads(actual) == json.loads(expected)
        if "row" in case["case"]:  # Whole members are lines, or runs of them.
            assert lines_of(actual) == lines_of(expected)
    else:
        assert actual == expected


def error(response):
    (message,) = json.loads(response.text).values()
    return response.status, message


PREDICT = "/v1/models/m:predict"


class TestPaths:
    @pytest.mark.parametrize(
        "path",
        [
            "/V1/MODELS/m:predict",
            "/v1/models/m/versions/3:predict",
            "/v1/models/%6d:predict",
        ],
    )
    def test_that_lead_to_a_model(self, ask, path):
        response = ask(path, {"instances": [1.0]})
        assert json.loads(response.text) == {"predictions": [3.0]}

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("POST", "/v1/models/m:PREDICT"),
            ("POST", "/v1/models/m"),
            ("POST", "/v1/models/m:predict?x=1"),
            ("GET", "/v1/models/m/versions/x"),
            ("PUT", "/v1/models/m:predict"),
            ("DELETE", "/v1/models/m"),
        ],
    )
    def test_that_are_malformed(self, ask, method, path):
        assert error(ask(path, "", method)) == (
            400,
            f"Malformed request: {method} {path}",
        )

    @pytest.mark.parametrize(
        ("path", "status", "message"),
        [
            ("/v1/models", 400, "Missing model name in request."),
            (
                "/v1/models/m/versions/99999999999999999999",
                400,
                "Failed to convert version: 99999999999999999999 to numeric.",
            ),
            (
                "/v1/models/%ff%00",
                404,
                "Could not find any versions of model \ufffd\0",
            ),
        ],
    )
    def test_that_lead_nowhere(self, ask, path, status, message):
        assert error(ask(path)) == (status, message)

    def test_of_what_is_not_offered(self, ask):
        response = ask("/v1/models/m:classify", {"examples": [{}]})
        assert response.status == 501


def test_the_metadata(ask):
    response = ask("/v1/models/m/metadata")
    assert response.text.startswith(
        b'{\n"model_spec":{\n "name": "m",\n "version": "3",\n '
        b'"signature_name": ""\n}\n,\n"metadata": {"signature_def": {\n '
        b'"signature_def": {\n'
    )
    assert response.text.endswith(b"}\n}\n}\n")
    found = json.loads(response.text)["metadata"]["signature_def"]
    (dim,) = found["signature_def"]["serving_default"]["inputs"]["x"][
        "tensor_shape"
    ]["dim"]
    assert dim == {"size": "-1", "name": ""}


def test_the_status_lists_newest_first(versions):
    with (
        small.following(versions, small.ALL) as core,
        asking(core) as ask,
    ):
        found = json.loads(ask("/v1/models/m").text)["model_version_status"]
        assert [state["version"] for state in found] == ["3", "2", "1"]


class TestCors:
    def test_is_off_by_default(self, ask):
        response = ask("/v1/models/m", method="GET")
        assert response.getheader("Access-Control-Allow-Origin") is None

    @pytest.mark.parametrize(
        ("headers", "status"), [({}, 400), ({"Origin": "http://a.b"}, 200)]
    )
    def test_a_preflight(self, ask, headers, status):
        response = ask(PREDICT, method="OPTIONS", **headers)
        assert (response.status, response.text) == (status, b"")

    def test_on(self, versions):
        with asking(standin.Core({}, {}), cors=True) as ask:
            for path in ("/v1/models/m", PREDICT):
                response = ask(path)
                found = response.getheader("Access-Control-Allow-Origin")
                assert found == "*"


class TestBodies:
    def test_by_gzip(self, ask):
        body = gzip.compress(b'{"instances": [2.0]}')
        response = ask(PREDICT, body, **{"Content-Encoding": "gzip"})
        assert json.loads(response.text) == {"predictions": [6.0]}

    def test_of_broken_gzip_are_empty(self, ask):
        response = ask(PREDICT, b"text", **{"Content-Encoding": "gzip"})
        assert error(response) == (
            400,
            "JSON Parse error: The document is empty",
        )

    def test_have_a_limit(self, versions):
        with asking(standin.Core({}, {}), max_bytes=1000) as ask:
            for body, headers in [
                (b" " * 1001, {}),
                (iter([b" " * 900] * 2), {}),  # In chunks, of no said length.
                (
                    gzip.compress(b" " * 100_000),
                    {"Content-Encoding": "gzip"},
                ),
            ]:
                response = ask(PREDICT, body, **headers)
                assert error(response) == (
                    413,
                    "The request is larger than 1000 bytes.",
                )
            assert ask(PREDICT, b" " * 1000).status == 400

    @pytest.mark.parametrize("depth", [100, 1000, 50_000, 1_000_000])
    @pytest.mark.parametrize("brackets", ["[]", ['{"a":', "}"]])
    def test_nested_deeply_are_refused(self, ask, depth, brackets):
        start, end = brackets
        body = f'{{"instances": {start * depth}1{end * depth}}}'
        assert ask(PREDICT, body).status == 400

    def test_that_are_slow_time_out(self, versions):
        with asking(standin.Core({}, {}), seconds=0.2) as ask:
            response = ask(PREDICT, b"", **{"Content-Length": "9"})
            assert response.status == 408


def test_a_run_has_a_limit(versions):
    with small.following(versions) as core, asking(core, seconds=0.2) as ask:
        body = {"signature_name": "slowly", "inputs": 100_000_000}
        assert error(ask(PREDICT, body)) == (
            504,
            "Timed out waiting for notification",
        )
