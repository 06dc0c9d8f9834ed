"""One model of a server, and what may be asked of it: files in, files out."""

import dataclasses
import threading
from collections.abc import Sequence
from typing import Any
from typing import Self

from serving import connection
from serving import protocol

_ABOUT = ("scale", "halo", "context", "bits", "smallest", "max_pixels")
_STATES = {10: "START", 20: "LOADING", 30: "AVAILABLE", 40: "UNLOADING"}


@dataclasses.dataclass(frozen=True)
class Wishes:
    """What may be asked of a model that paints; None leaves it to the model.

    Args:
        style_weights: How much of each style; they count by their sum.
        strength: From 0, the photograph, to 1, the painting.
        preserve_color: Whether chroma stays the photograph's.
    """

    style_weights: Sequence[float] | None = None
    strength: float | None = None
    preserve_color: bool | None = None


NO_WISHES = Wishes()


class ServedModel:
    """A served model that makes pictures of pictures. Threads may share it.

    Args:
        server: HOST:PORT of TensorFlow Serving's gRPC.
        model: Name of the model.
        version: Number of a version; by default the one the server chooses.
        label: Or the label of a version.
        timeout: Seconds for each request, all tries together.
        retries: How often to try again where the server is not available.
        max_megabytes: Largest answer to take.
        security: TLS and token.

    Raises:
        ValueError: If an argument does not fit another.
    """

    def __init__(
        self,
        server: str = "localhost:8500",
        model: str = "",
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float = 60.0,
        retries: int = 3,
        max_megabytes: int = 256,
        security: connection.Security = connection.INSECURE,
    ):
        if not model:
            raise ValueError("Which model? It has no name.")
        if version is not None and label is not None:
            raise ValueError("Give either a version or a label, not both.")
        self.model, self.version, self.label = model, version, label
        self.timeout = timeout
        self._connection = connection.Connection(
            server, max_megabytes << 20, security, retries
        )
        self._lock = threading.Lock()
        self._about: dict[str, int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def send(
        self,
        content: bytes,
        jpeg_quality: int = 0,
        wishes: Wishes = NO_WISHES,
        context: bytes | None = None,
    ) -> bytes:
        """Sends a PNG or JPEG file as it is, and returns the answer's file.

        Args:
            content: Of the file.
            jpeg_quality: 0 asks for PNG, 1 to 100 for JPEG.
            wishes: Of a model that paints.
            context: What `content` is a part of, a file of the same size, for a
                model that takes it; the answer is PNG.

        Raises:
            protocol.ServerError: With the reason, in one line.
        """
        request = self._request("PredictRequest")
        inputs = request.inputs
        protocol.fill(inputs["image_bytes"], bytes, [content])
        if context is not None:
            request.model_spec.signature_name = "part"
            protocol.fill(inputs["context_bytes"], bytes, [context])
        elif jpeg_quality:
            protocol.fill(inputs["jpeg_quality"], int, [jpeg_quality])
        if wishes.style_weights is not None:
            weights = wishes.style_weights
            protocol.fill(inputs["style_weights"], float, weights, rows=True)
        if wishes.strength is not None:
            protocol.fill(inputs["strength"], float, [wishes.strength])
        if wishes.preserve_color is not None:
            wished = [wishes.preserve_color]
            protocol.fill(inputs["preserve_color"], bool, wished)
        return protocol.file_of(self._predict(request))

    def about(self) -> dict[str, int]:
        """Returns what the model tells of itself (`percgen.about`).

        By name `scale`, `halo`, `context`, `bits`, `smallest`, `max_pixels`;
        nothing of a model that was exported before it could tell.
        """
        with self._lock:
            if self._about is None:
                self._about = self._ask_about()
            return self._about

    def _ask_about(self) -> dict[str, int]:
        request = self._request("PredictRequest")
        request.model_spec.signature_name = "about"
        try:
            outputs = self._predict(request).outputs
        except protocol.ServerError as error:
            if error.code == "FAILED_PRECONDITION":  # No such signature.
                return {}
            raise
        return {name: protocol.integers(outputs[name])[0] for name in _ABOUT}

    def status(self) -> list[dict[str, Any]]:
        """Returns what the server says of each version, newest first.

        Each is `{"version", "state", "error"}`; a state is START, LOADING,
        AVAILABLE, UNLOADING or END.
        """
        request = self._request("GetModelStatusRequest")
        response = self._call("ModelService", "GetModelStatus", request)
        return [
            {
                "version": version.version,
                "state": _STATES.get(version.state, "END"),
                "error": version.status.error_message,
            }
            for version in response.model_version_status
        ]

    def metadata(self) -> dict[str, Any]:
        """Returns `{"version", "signatures"}`, see `protocol.signatures`."""
        request = self._request("GetModelMetadataRequest")
        request.metadata_field.append("signature_def")
        name = "GetModelMetadata"
        response = self._call("PredictionService", name, request)
        return {
            "version": response.model_spec.version.value,
            "signatures": protocol.signatures(response),
        }

    def _request(self, name: str) -> Any:
        request = protocol.message(name)()
        request.model_spec.name = self.model
        if self.version is not None:
            request.model_spec.version.value = self.version
        if self.label is not None:
            request.model_spec.version_label = self.label
        return request

    def _predict(self, request: Any) -> Any:
        return self._call("PredictionService", "Predict", request)

    def _call(self, service: str, name: str, request: Any) -> Any:
        return self._connection.call(service, name, request, self.timeout)
