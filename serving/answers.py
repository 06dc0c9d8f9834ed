"""Answers of models, and about them: whoever asks, by gRPC or by REST."""

import time
from collections.abc import Callable
from typing import Any

from tensorflow_serving.apis import get_model_metadata_pb2
from tensorflow_serving.apis import get_model_status_pb2

from serving import messages
from serving import standin

SIGNATURES = "signature_def"

_DEADLINE_EXCEEDED, _NOT_FOUND = 4, 5


def predict(
    compute: Callable[[Any, float], Any], request: Any, end: float
) -> Any:
    """Returns `compute(request, seconds)`, unless the time is over.

    Args:
        compute: Answers within some seconds.
        request: To answer, which may have waited.
        end: When the answer is due, as `time.monotonic` counts.

    Raises:
        messages.StatusError: DEADLINE_EXCEEDED, or what `compute` raises.
    """
    seconds = end - time.monotonic()
    if seconds <= 0:
        raise messages.StatusError(_DEADLINE_EXCEEDED, "Deadline Exceeded")
    return compute(request, seconds)


def status(core: standin.Core, request: Any) -> Any:
    """Returns a `GetModelStatusResponse`, newest version first.

    A label is ignored, as TensorFlow Serving ignores it.

    Raises:
        messages.StatusError: If there is no such model or version.
    """
    if not request.HasField("model_spec"):
        raise messages.invalid("Missing ModelSpec")
    spec = request.model_spec
    states = core.states(spec.name)
    if spec.HasField("version"):
        number = spec.version.value
        if number not in states:
            raise messages.StatusError(
                _NOT_FOUND,
                f"Could not find version {number} of model {spec.name}",
            )
        states = {number: states[number]}
    if not states:
        raise messages.StatusError(
            _NOT_FOUND, f"Could not find any versions of model {spec.name}"
        )
    response = get_model_status_pb2.GetModelStatusResponse()
    for number in sorted(states, reverse=True):
        state = states[number]
        version = response.model_version_status.add()
        version.version, version.state = number, state.state
        version.status.error_code = state.code
        version.status.error_message = state.message
    return response


def metadata(core: standin.Core, request: Any) -> Any:
    """Returns a `GetModelMetadataResponse` with the signatures of a version.

    Raises:
        messages.StatusError: If there is no such version, or another field is
            asked for.
    """
    if not request.HasField("model_spec"):
        raise messages.invalid("Missing ModelSpec")
    if not request.metadata_field:
        raise messages.invalid(
            "GetModelMetadataRequest must specify at least one metadata_field"
        )
    for field in request.metadata_field:
        if field != SIGNATURES:
            raise messages.invalid(f"Metadata field {field} is not supported")
    servable = core.find(request.model_spec)
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    response.model_spec.name = request.model_spec.name
    response.model_spec.version.value = servable.number
    signatures = get_model_metadata_pb2.SignatureDefMap()
    for name, signature in servable.signatures.items():
        signatures.signature_def[name].CopyFrom(signature)
    response.metadata[SIGNATURES].Pack(signatures)
    return response
