"""A SavedModel in the C++ session that TensorFlow Serving runs it in."""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2

# Session.run would cast types and check shapes in Python, as the real server
# does not; this private call does neither. Tests hold it to TensorFlow 2.21.
from tensorflow.python.client import pywrap_tf_session

from serving import messages

_UNKNOWN, _NOT_FOUND, _OUT_OF_RANGE = 2, 5, 11


class Session:
    """A loaded SavedModel.

    Args:
        path: Its folder.

    Raises:
        messages.StatusError: If it does not load.
    """

    def __init__(self, path: pathlib.Path):
        if not (path / "saved_model.pb").exists():
            raise messages.StatusError(
                _NOT_FOUND,
                "Specified file path does not appear to contain a SavedModel "
                "bundle (should have a file called `saved_model.pb`)\n"
                f"Specified file path: {path}",
            )
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        try:
            with self._session.graph.as_default():
                loaded = tf.compat.v1.saved_model.loader.load(
                    self._session, ["serve"], str(path)
                )
        except tf.errors.OpError as error:
            self.close()
            raise _status(error) from error
        except Exception as error:  # Whatever lies there, the server goes on.
            self.close()
            raise messages.StatusError(_UNKNOWN, str(error)) from error
        self.signatures = dict(loaded.signature_def)
        self._session._extend_graph()

    def run(
        self,
        feeds: Mapping[str, Any],
        fetches: list[str],
        seconds: float | None = None,
    ) -> list[np.ndarray]:
        """Runs the graph.

        Args:
            feeds: Values by names of tensors.
            fetches: Names of the tensors to return.
            seconds: Within which it has to end; by default any time.

        Raises:
            messages.StatusError: With the graph's own code and words.
        """
        milliseconds = 0 if seconds is None else max(1, int(seconds * 1000))
        options = config_pb2.RunOptions(timeout_in_ms=milliseconds)
        buffer = pywrap_tf_session.TF_NewBufferFromString(
            options.SerializeToString()
        )
        try:
            values = pywrap_tf_session.TF_SessionRun_wrapper(
                self._session._session,
                buffer,
                {self._output(name): value for name, value in feeds.items()},
                [self._output(name) for name in fetches],
                [],
                None,
            )
        except tf.errors.OpError as error:
            raise _status(error) from error
        finally:
            pywrap_tf_session.TF_DeleteBuffer(buffer)
        # One string alone comes as bytes, of which NumPy would cut the zeros.
        return [
            np.asarray(value, object if isinstance(value, bytes) else None)
            for value in values
        ]

    def _output(self, name: str) -> Any:
        node, _, index = name.partition(":")
        made = self._session.graph.get_operation_by_name(node)
        if int(index or 0) >= len(made.outputs):
            raise messages.StatusError(
                _OUT_OF_RANGE,
                f"Node '{node}' (type: '{made.type}', num of outputs: "
                f"{len(made.outputs)}) does not have output {index or 0}",
            )
        return made.outputs[int(index or 0)]._as_tf_output()

    def close(self) -> None:
        """Frees it; nobody may be running it."""
        self._session.close()


def _status(error: tf.errors.OpError) -> messages.StatusError:
    return messages.StatusError(error.error_code, error.message)
