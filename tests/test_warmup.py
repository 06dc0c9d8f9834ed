import gzip

import pytest
import small
from tensorflow_serving.apis import get_model_status_pb2

from serving import standin

STATE = get_model_status_pb2.ModelVersionStatus

GOOD = """predict_log { request { inputs { key: "x" value {
  dtype: DT_FLOAT tensor_shape { dim { size: 1 } } float_val: 1 } } } }"""
BAD_SIGNATURE = (
    'predict_log { request { model_spec { signature_name: "nope" } } }'
)


class TestWarmUp:
    @pytest.fixture
    def state(self, home, versions):
        """Returns a function: how version 2 fares with these records."""

        def state(*logs, content=None):
            version = home / "next"
            small.copy_version(versions / "2", version)
            file = small.write_warm_up(version, *logs)
            if content is not None:
                file.write_bytes(content(file.read_bytes()))
            version.rename(home / "2")
            with small.following(home, small.ALL) as core:
                assert small.factor(core, version=1) == 1
                return core.states("m")[2]

        return state

    @pytest.mark.parametrize("logs", [[], [GOOD], [GOOD] * 3])
    def test_that_succeeds(self, state, logs):
        assert state(*logs) == standin.State(STATE.AVAILABLE)

    @pytest.mark.parametrize(
        ("log", "code", "words"),
        [
            (BAD_SIGNATURE, 9, 'Serving signature key "nope" not found.'),
            ("predict_log { request {} }", 3, "input size does not match"),
            (b"\xff", 3, "Failed to parse warmup record"),
            ("", 12, "Unsupported log_type for warmup"),
        ],
    )
    def test_that_fails_keeps_it_out(self, state, log, code, words):
        found = state(GOOD, log)
        assert (found.state, found.code) == (STATE.END, code)
        assert found.message.startswith(words)

    @pytest.mark.parametrize("content", [gzip.compress, lambda _: b"text" * 9])
    def test_of_another_format_keeps_it_out(self, state, content):
        found = state(GOOD, content=content)
        assert (found.state, found.code) == (STATE.END, 15)
        assert "verify your warmup data is in TFRecord format" in found.message

    def test_of_too_many_keeps_it_out(self, state):
        found = state(*[GOOD] * 1001)
        assert (found.state, found.code) == (STATE.END, 3)
        assert "exceeds the maximum (1000)" in found.message
