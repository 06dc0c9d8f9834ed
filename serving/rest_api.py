"""What TensorFlow Serving's REST API answers, HTTP aside: text for text."""

import re
import urllib.parse
from typing import Any

from tensorflow_serving.apis import get_model_metadata_pb2
from tensorflow_serving.apis import get_model_status_pb2
from tensorflow_serving.apis import model_pb2
from tensorflow_serving.apis import predict_pb2

from serving import answers
from serving import json_answers
from serving import json_requests
from serving import messages
from serving import standin

_MODEL = r"(?:/versions/(\d+)|/labels/([^/:]+))?"
_PATHS = {
    "POST": re.compile(
        rf"(?i:/v1/models/([^/:]+){_MODEL}:)(classify|regress|predict)"
    ),
    "GET": re.compile(
        rf"(?i:/v1/models(?:/([^/:]+))?{_MODEL})(?:/(metadata))?"
    ),
}
_DIGITS = 18  # Of a version; every such number is an int64.


def parse(method: str, path: str) -> tuple[model_pb2.ModelSpec, str]:
    """Returns the model that a request means, and what it asks of it.

    Args:
        method: Of HTTP.
        path: With the query, as it came.

    Returns:
        The model; `predict`, `classify`, `regress`, `metadata` or, for its
        status, nothing.

    Raises:
        messages.StatusError: If there is no such request.
    """
    match = _PATHS[method].fullmatch(path) if method in _PATHS else None
    if not match:
        raise messages.invalid(f"Malformed request: {method} {path}")
    name, version, label, asked = match.groups()
    spec = model_pb2.ModelSpec(name=_decoded(name or ""))
    if version is not None:
        if len(version) > _DIGITS:
            raise messages.invalid(
                f"Failed to convert version: {version} to numeric."
            )
        spec.version.value = int(version)
    if label is not None:
        spec.version_label = _decoded(label)
    return spec, asked or ""


def _decoded(name: str) -> str:
    return urllib.parse.unquote(name, errors="replace")


def status(core: standin.Core, spec: model_pb2.ModelSpec) -> str:
    """Returns the state of a model's versions, or raises `StatusError`."""
    _check_name(spec)
    request = get_model_status_pb2.GetModelStatusRequest(model_spec=spec)
    return json_answers.status(answers.status(core, request))


def metadata(core: standin.Core, spec: model_pb2.ModelSpec) -> str:
    """Returns the signatures of a version, or raises `StatusError`."""
    _check_name(spec)
    request = get_model_metadata_pb2.GetModelMetadataRequest(
        model_spec=spec, metadata_field=[answers.SIGNATURES]
    )
    return json_answers.metadata(answers.metadata(core, request))


def _check_name(spec: model_pb2.ModelSpec) -> None:
    if not spec.name:
        raise messages.invalid("Missing model name in request.")


def predict(
    core: standin.Core,
    spec: model_pb2.ModelSpec,
    body: bytes,
    seconds: float,
) -> str:
    """Returns the answer of a model, or raises `StatusError`."""
    try:
        document = json_requests.parse(body)
        request = predict_pb2.PredictRequest(model_spec=spec)
        request.model_spec.signature_name = json_requests.signature_name(
            document
        )
        with core.borrow(spec) as servable:
            infos = _inputs(servable, messages.signature_name(request))
            in_rows = json_requests.fill(request, document, infos)
            outputs = servable.outputs(request, seconds)
        return json_answers.predictions(outputs, in_rows)
    except RecursionError:  # It would end the real server.
        raise messages.invalid("JSON Parse error: nested too deeply") from None


def _inputs(servable: standin.Servable, key: str) -> dict[str, Any]:
    if key not in servable.signatures:
        raise messages.invalid(
            f'Serving signature name: "{key}" not found in signature def'
        )
    inputs = servable.signatures[key].inputs
    if not inputs:
        raise messages.invalid(f"Failed to get input map for signature: {key}")
    return {name: inputs[name] for name in sorted(inputs)}
