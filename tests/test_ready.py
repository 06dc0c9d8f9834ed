"""serving/ready.sh, against REST statuses as TensorFlow Serving gives them."""

import contextlib
import http.server
import shutil
import socket
import subprocess
import threading

import pytest
from deployed import FOLDER

if not shutil.which("bash"):
    pytest.skip("no bash on this machine", allow_module_level=True)


def status(*states):
    """Returns the status of a model, of one version for each state."""
    versions = ",\n".join(
        f"""  {{
   "version": "{number}",
   "state": "{state}",
   "status": {{
    "error_code": "OK",
    "error_message": ""
   }}
  }}"""
        for number, state in enumerate(states, 1)
    )
    return f'{{\n "model_version_status": [\n{versions}\n ]\n}}\n'


@pytest.fixture
def ready(tmp_path):
    """Returns a function that runs the probe on a server with such models."""

    def ready(config, models):
        class Rest(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.removeprefix("/v1/models/")
                content = models.get(name, '{"error": "Could not find any"}')
                self.send_response(200 if name in models else 404)
                self.end_headers()
                self.wfile.write(content.encode())

            def log_message(self, *_):
                pass

        (tmp_path / "models.config").write_text(config)
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Rest) as rest:
            thread = threading.Thread(target=rest.serve_forever, args=(0.01,))
            thread.start()
            done = probe(tmp_path / "models.config", rest.server_port)
            rest.shutdown()
            thread.join()
        return done

    return ready


def probe(config, port):
    return subprocess.run(
        ["bash", FOLDER / "ready.sh", config, str(port)],
        capture_output=True,
        text=True,
        timeout=20,
    )


BOTH = """
model_config_list { # name: "none"
  config { name: "a" base_path: "/models/a" }
  config {
    name: "b"
    base_path: "/models/b"
  }
}
"""
AVAILABLE = status("AVAILABLE")


@pytest.mark.parametrize(
    "second",
    [
        AVAILABLE,
        status("AVAILABLE", "LOADING"),  # While a version comes,
        status("END", "AVAILABLE"),  # and when one has gone.
    ],
)
def test_ready(ready, second):
    done = ready(BOTH, {"a": AVAILABLE, "b": second})
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "models",
    [
        {"a": AVAILABLE, "b": status("LOADING")},  # A 200, and yet not ready.
        {"a": AVAILABLE, "b": status("END", "UNLOADING")},
        {"a": AVAILABLE},
    ],
)
def test_not_ready(ready, models):
    done = ready(BOTH, models)
    assert done.returncode == 1
    assert done.stderr == "b: no version is AVAILABLE\n"


def test_the_shipped_config_names_models(ready):
    config = (FOLDER / "models.config").read_text()
    assert ready(config, {"paintings": AVAILABLE}).returncode == 0
    assert "paintings: no version" in ready(config, {}).stderr


def test_no_models_are_not_ready(ready):
    assert "no models" in ready("model_config_list {}", {}).stderr


def test_no_server_is_not_ready(tmp_path):
    (tmp_path / "models.config").write_text(BOTH)
    assert probe(tmp_path / "models.config", 1).returncode == 1


def test_a_server_that_does_not_answer_is_not_ready(tmp_path):
    (tmp_path / "models.config").write_text(BOTH)
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as silent:
        port = silent.getsockname()[1]
        assert probe(tmp_path / "models.config", port).returncode == 1
