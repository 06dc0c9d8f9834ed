"""The core of the stand-in server: models, their versions, and Predict.

Runs versions on the same C++ session as TensorFlow Serving, so errors of a
graph come out word for word; every other message follows the answers recorded
from the real server's core (`tests/serving_cases.json`).
"""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2

# Session.run would cast types and check shapes in Python, as the real server
# does not; this private call does neither. Tests hold it to TensorFlow 2.21.
from tensorflow.python.client import pywrap_tf_session
from tensorflow_serving.apis import predict_pb2
from tensorflow_serving.apis import prediction_log_pb2

from serving import messages

_NOT_FOUND, _FAILED_PRECONDITION = 5, 9
_WARMUP = "assets.extra/tf_serving_warmup_requests"


class Servable:
    """One loaded version of a model, warmed up.

    Args:
        path: Folder of the version.
        number: Of the version.

    Raises:
        ValueError: If it does not load, or a warm-up request fails.
    """

    def __init__(self, path: pathlib.Path, number: int):
        self.number = number
        graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=graph)
        try:
            with graph.as_default():
                loaded = tf.compat.v1.saved_model.loader.load(
                    self._session, ["serve"], str(path)
                )
            self.signatures = dict(loaded.signature_def)
            self._session._extend_graph()
            self._warm_up(path / _WARMUP)
        except (OSError, tf.errors.OpError, messages.StatusError) as error:
            raise ValueError(f"{path} does not load: {error}") from error

    def predict(
        self, request: predict_pb2.PredictRequest, seconds: float | None = None
    ) -> predict_pb2.PredictResponse:
        """Answers a request for this version, or raises `StatusError`."""
        key = request.model_spec.signature_name or "serving_default"
        if key not in self.signatures:
            raise messages.StatusError(
                _FAILED_PRECONDITION,
                f'Serving signature key "{key}" not found.',
            )
        signature = self.signatures[key]
        feeds = messages.feeds(request.inputs, signature)
        names = messages.output_names(request.output_filter, signature)
        values = self._run(
            feeds, [signature.outputs[name].name for name in names], seconds
        )
        response = predict_pb2.PredictResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.signature_name = key
        response.model_spec.version.value = self.number
        for name, value in zip(names, values, strict=True):
            messages.fill(response.outputs[name], np.asarray(value))
        return response

    def _run(
        self,
        feeds: Mapping[str, Any],
        fetches: list[str],
        seconds: float | None,
    ) -> list[Any]:
        milliseconds = 0 if seconds is None else max(1, int(seconds * 1000))
        options = config_pb2.RunOptions(timeout_in_ms=milliseconds)
        buffer = pywrap_tf_session.TF_NewBufferFromString(
            options.SerializeToString()
        )
        try:
            return pywrap_tf_session.TF_SessionRun_wrapper(
                self._session._session,
                buffer,
                {self._output(name): value for name, value in feeds.items()},
                [self._output(name) for name in fetches],
                [],
                None,
            )
        except tf.errors.OpError as error:
            raise messages.StatusError(
                error.error_code, error.message
            ) from error
        finally:
            pywrap_tf_session.TF_DeleteBuffer(buffer)

    def _output(self, name: str) -> Any:
        return self._session.graph.get_tensor_by_name(name)._as_tf_output()

    def _warm_up(self, file: pathlib.Path) -> None:
        if file.exists():
            for record in tf.data.TFRecordDataset(
                str(file)
            ).as_numpy_iterator():
                log = prediction_log_pb2.PredictionLog.FromString(record)
                self.predict(log.predict_log.request)


class Core:
    """The models that a server holds.

    Args:
        models: `{name: {number: servable}}`.
        labels: `{name: {label: number}}`.
    """

    def __init__(
        self,
        models: Mapping[str, Mapping[int, Servable]],
        labels: Mapping[str, Mapping[str, int]],
    ):
        self.models, self.labels = models, labels

    def predict(
        self, request: predict_pb2.PredictRequest, seconds: float | None = None
    ) -> predict_pb2.PredictResponse:
        """Answers a request, or raises `StatusError`."""
        if not request.HasField("model_spec"):
            raise messages.invalid("Missing ModelSpec")
        return self.find(request.model_spec).predict(request, seconds)

    def find(self, spec: Any) -> Servable:
        """Returns the version that is meant, or raises `StatusError`."""
        if not spec.name:
            raise messages.invalid("ModelSpec has no name specified.")
        versions = self.models.get(spec.name, {})
        choice = spec.WhichOneof("version_choice")
        if choice is None:
            if not versions:
                raise messages.StatusError(
                    _NOT_FOUND,
                    f"Servable not found for request: Latest({spec.name})",
                )
            return versions[max(versions)]
        if choice == "version_label":
            label, labels = spec.version_label, self.labels.get(spec.name, {})
            if label not in labels:
                raise messages.invalid(
                    f"Unrecognized servable version label: {label}",
                )
            number = labels[label]
        else:
            number = spec.version.value
        if number not in versions:
            raise messages.StatusError(
                _NOT_FOUND,
                "Servable not found for request: "
                f"Specific({spec.name}, {number})",
            )
        return versions[number]
