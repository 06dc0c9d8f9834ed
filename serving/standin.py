"""The core of the stand-in server: models, their versions, and Predict.

Runs versions on the same C++ session as TensorFlow Serving, so errors of a
graph come out word for word; every other message follows the answers recorded
from the real server's core (`tests/serving_cases.json`).
"""

import contextlib
import dataclasses
import pathlib
import threading
import time
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import numpy as np
from tensorflow_serving.apis import get_model_status_pb2
from tensorflow_serving.apis import predict_pb2

from serving import messages
from serving import monitoring
from serving import session
from serving import warmup

_NOT_FOUND, _FAILED_PRECONDITION, _UNIMPLEMENTED = 5, 9, 12
_AVAILABLE = get_model_status_pb2.ModelVersionStatus.AVAILABLE


class LoadError(ValueError):
    """Raised when a version does not load; says why, as its status does."""

    def __init__(self, path: pathlib.Path, code: int, message: str):
        super().__init__(f"{path} does not load: {message}")
        self.code, self.message = code, message


class Servable:
    """One loaded version of a model, warmed up.

    Args:
        path: Folder of the version.
        number: Of the version.
        metrics: Where its times are counted.

    Raises:
        LoadError: If it does not load, or a warm-up request fails.
    """

    def __init__(
        self,
        path: pathlib.Path,
        number: int,
        metrics: monitoring.Metrics | None = None,
    ):
        self.number, self.users = number, 0
        self._metrics = metrics or monitoring.Metrics()
        try:
            self._session = session.Session(path)
            self._warm_up(path)
        except messages.StatusError as error:
            raise LoadError(path, error.code, error.message) from error

    @property
    def signatures(self) -> dict[str, Any]:
        """Its `SignatureDef` messages, by name."""
        return self._session.signatures

    def predict(
        self, request: predict_pb2.PredictRequest, seconds: float | None = None
    ) -> predict_pb2.PredictResponse:
        """Answers a request for this version, or raises `StatusError`."""
        outputs = self.outputs(request, seconds)
        response = predict_pb2.PredictResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.signature_name = messages.signature_name(request)
        response.model_spec.version.value = self.number
        for name, value in outputs.items():
            messages.fill(response.outputs[name], value)
        return response

    def outputs(
        self, request: predict_pb2.PredictRequest, seconds: float | None = None
    ) -> dict[str, np.ndarray]:
        """Returns what a request asks for, by name, or raises `StatusError`."""
        key = messages.signature_name(request)
        if key not in self.signatures:
            raise messages.StatusError(
                _FAILED_PRECONDITION,
                f'Serving signature key "{key}" not found.',
            )
        signature = self.signatures[key]
        feeds = messages.feeds(request.inputs, signature)
        names = messages.output_names(request.output_filter, signature)
        fetches = [signature.outputs[name].name for name in names]
        start = time.monotonic()
        values = self._session.run(feeds, fetches, seconds)
        self._metrics.ran(request.model_spec.name, time.monotonic() - start)
        return dict(zip(names, values, strict=True))

    def _warm_up(self, path: pathlib.Path) -> None:
        start = time.monotonic()
        try:
            some = warmup.run(path, self.predict)
        except messages.StatusError:
            self.close()
            raise
        if some:
            self._metrics.warmed_up(str(path), time.monotonic() - start)

    def close(self) -> None:
        """Frees the version; nobody may be using it."""
        self._session.close()


@dataclasses.dataclass(frozen=True)
class State:
    """Where a version is in its life, and the error that ended it, if any."""

    state: int
    code: int = 0
    message: str = ""


class Core:
    """The models that a server holds.

    Args:
        models: `{name: {number: servable}}`.
        labels: `{name: {label: number}}`.
        metrics: Where requests are counted.
    """

    def __init__(
        self,
        models: Mapping[str, Mapping[int, Servable]],
        labels: Mapping[str, Mapping[str, int]],
        metrics: monitoring.Metrics | None = None,
    ):
        self.models = {name: dict(models[name]) for name in models}
        self.labels = dict(labels)
        self.metrics = metrics or monitoring.Metrics()
        self._states = {
            name: dict.fromkeys(versions, State(_AVAILABLE))
            for name, versions in self.models.items()
        }
        self._changed = threading.Condition()

    def predict(
        self, request: predict_pb2.PredictRequest, seconds: float | None = None
    ) -> predict_pb2.PredictResponse:
        """Answers a request, or raises `StatusError`."""
        if not request.HasField("model_spec"):
            raise messages.invalid("Missing ModelSpec")
        with self.borrow(request.model_spec) as servable:
            return servable.predict(request, seconds)

    @contextlib.contextmanager
    def borrow(self, spec: Any) -> Iterator[Servable]:
        """Yields the version that is meant, which stays loaded meanwhile."""
        with self._changed:
            servable = self.find(spec)
            servable.users += 1
        try:
            yield servable
        finally:
            with self._changed:
                servable.users -= 1
                self._changed.notify_all()

    def find(self, spec: Any) -> Servable:
        """Returns the version that is meant, or raises `StatusError`."""
        if not spec.name:
            raise messages.invalid("ModelSpec has no name specified.")
        with self._changed:
            versions = dict(self.models.get(spec.name, {}))
            labels = self.labels.get(spec.name, {})
        choice = spec.WhichOneof("version_choice")
        if choice is None:
            if not versions:
                raise messages.StatusError(
                    _NOT_FOUND,
                    f"Servable not found for request: Latest({spec.name})",
                )
            return versions[max(versions)]
        number = spec.version.value
        if choice == "version_label":
            if spec.version_label not in labels:
                raise messages.invalid(
                    "Unrecognized servable version label: "
                    f"{spec.version_label}",
                )
            number = labels[spec.version_label]
        if number not in versions:
            raise messages.StatusError(
                _NOT_FOUND,
                "Servable not found for request: "
                f"Specific({spec.name}, {number})",
            )
        return versions[number]

    def states(self, name: str) -> dict[int, State]:
        """Returns the state of each version of a model, past ones included."""
        with self._changed:
            return dict(self._states.get(name, {}))

    def answered(
        self, name: str, code: int, api: str, entrypoint: str, start: float
    ) -> None:
        """Counts a request.

        Args:
            name: Of the model; those that are not there count together, or
                strangers could fill the memory with names.
            code: It was answered with; 0 is success.
            api: As `Predict`.
            entrypoint: `GRPC` or `REST`.
            start: When it came, as `time.monotonic` counts.
        """
        known = name if self.states(name) else ""
        self.metrics.answered(known, messages.code_name(code))
        if code == 0:
            seconds = time.monotonic() - start
            self.metrics.took(known, api, entrypoint, seconds)

    def reload(self, config: Any) -> None:
        """Serves what a `ModelServerConfig` lists; see `manager.Manager`."""
        raise messages.StatusError(
            _UNIMPLEMENTED, "This server has no configuration to reload."
        )
