import pathlib
import re
import signal
import socket
import subprocess
import sys
import urllib.request

import grpc
import pytest
import small
from absl import flags as absl_flags
from absl.testing import flagsaver
from tensorflow_serving.apis import prediction_service_pb2_grpc

from percgen import command
from serving import server


def test_the_command_refuses_in_one_line(refused):
    line = refused("serving.server", "--config=LICENSE")
    assert 'LICENSE: 2:34 : Message type "tensorflow.serving.Model' in line


@pytest.fixture
def turned_away():
    """Returns a function: why the command, which must not start, does not."""

    def turned_away(**flags):
        with (
            flagsaver.flagsaver(**flags),
            pytest.raises((ValueError, OSError)) as raised,
        ):
            server.main()
        return str(raised.value)

    absl_flags.FLAGS.mark_as_parsed()
    yield turned_away
    absl_flags.FLAGS.unparse_flags()


LICENSE = str(pathlib.Path(server.__file__).parents[1] / "LICENSE")


class TestTheCommandRefuses:
    @pytest.mark.parametrize(
        ("flags", "reason"),
        [
            ({}, "Give either --model_dir or --config."),
            ({"model_dir": "a", "config": "b"}, "Give either --model_dir or"),
            ({"model_dir": "no/where"}, "No versions of servable where found"),
            ({"config": "gone.config"}, "gone.config"),
            ({"config": "/"}, "Is a directory"),
            ({"model_dir": "a", "ssl_config_file": "gone"}, "gone"),
            ({"model_dir": "a", "ssl_config_file": LICENSE}, "LICENSE: 2:34"),
            (
                {"model_dir": "a", "monitoring_config_file": LICENSE},
                "LICENSE: 2:34",
            ),
        ],
    )
    def test_flags(self, turned_away, flags, reason):
        assert reason in turned_away(**flags)

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"model_config_list { config { nme: 'a' } }", 'named "nme"'),
            (b"model_config_list {", "1:"),
            (b"\xff\xfe", "codec can't decode"),
            (b"", "ServerModelConfig type not supported"),
        ],
    )
    def test_a_configuration(self, turned_away, tmp_path, content, reason):
        file = tmp_path / "models.config"
        file.write_bytes(content)
        message = turned_away(config=str(file))
        assert str(file) in message
        assert reason in message

    def test_metrics_without_rest(self, turned_away, tmp_path):
        file = tmp_path / "monitoring.config"
        file.write_text("prometheus_config { enable: true }")
        assert "needs --rest_api_port" in turned_away(
            model_dir="a", monitoring_config_file=str(file)
        )

    def test_a_taken_port(self, turned_away, home):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            reason = f"Cannot listen on port {port}: is it taken?"
            model = {"model_dir": str(home), "port": 0}
            assert reason in turned_away(**{**model, "port": port})
            assert reason in turned_away(**model, rest_api_port=port)


def test_the_command_serves_both_until_it_is_told(home, tmp_path):
    file = tmp_path / "monitoring.config"
    file.write_text("prometheus_config { enable: true }")
    line = [sys.executable, "-m", "serving.server", f"--model_dir={home}"]
    line += ["--port=0", "--rest_api_port=0"]
    process = subprocess.Popen(
        [*line, f"--monitoring_config_file={file}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Where tests run in the background, it would be ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with process.stdout, process.stderr:
        said = [process.stdout.readline() for _ in range(3)]
        assert all(said), process.stderr.read()  # It has ended.
        by_grpc, by_rest = (
            int(re.search(r"localhost:(\d+)", line)[1]) for line in said[:2]
        )
        assert said[2] == "For development only; Ctrl-C stops.\n"
        (home / "2").mkdir()  # Half-copied: the poll warns of it.
        assert "2 does not load" in process.stderr.readline()
        with grpc.insecure_channel(f"localhost:{by_grpc}") as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            assert stub.Predict(small.request()).outputs["y"].float_val == [1]
        url = f"http://127.0.0.1:{by_rest}/monitoring/prometheus/metrics"
        with urllib.request.urlopen(url) as page:
            assert b'request_count{model_name="m",status="OK"} 1' in page.read()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == command.INTERRUPTED
        assert "Traceback" not in process.stderr.read()
