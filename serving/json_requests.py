"""REST's JSON requests to inputs of a signature, as TensorFlow Serving does.

Its rules are kept, odd ones too: 300 for uint8 wraps, and every input has to be
there, one with a default too. The words of errors are the real server's.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from serving import json_tensors
from serving import json_text
from serving import messages

# Python's words for what is wrong with JSON, and RapidJSON's.
_WORDS = {
    "Expecting property name enclosed in double quotes": (
        "Missing a name for object member."
    ),
    "Expecting ':' delimiter": (
        "Missing a colon after a name of object member."
    ),
    "Expecting ',' delimiter": "Missing a comma or } after an object member.",
    "Extra data": "The document root must not be followed by other values.",
    "Unterminated string starting at": (
        "Missing a closing quotation mark in string."
    ),
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid \\uXXXX escape": (
        "Incorrect hex digit after \\u escape in string."
    ),
    "Invalid control character at": "Invalid encoding in string.",
}


def parse(body: bytes) -> dict[str, Any]:
    """Returns the object that a body is.

    Bytes that are no UTF-8 become surrogate escapes.

    Raises:
        messages.StatusError: If it is no JSON object, or is nested too deeply:
            that ends the real server.
    """
    text = body.decode("utf-8-sig", "surrogateescape")
    if not text:
        raise messages.invalid("JSON Parse error: The document is empty")
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        where = len(text[: error.pos].encode("utf-8", "surrogateescape"))
        words = _WORDS.get(error.msg, "Invalid value.")
        raise messages.invalid(
            f"JSON Parse error: {words} at offset: {where}"
        ) from error
    except ValueError as error:  # An integer of thousands of digits.
        raise messages.invalid(
            "JSON Parse error: Number too big to be stored in double."
        ) from error
    if not isinstance(document, dict):
        raise messages.invalid(
            f"JSON Value: {json_text.quote(document)} Is not object"
        )
    return document


def signature_name(document: Mapping[str, Any]) -> str:
    """Returns the signature that is asked for, or an empty name."""
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise messages.invalid(
            f"JSON Value: {json_text.quote(document)} not formatted correctly. "
            "'signature_name' key must be a string value."
        )
    return name


def fill(
    request: predict_pb2.PredictRequest,
    document: Mapping[str, Any],
    infos: Mapping[str, Any],
) -> bool:
    """Puts the tensors of a document into a request.

    Args:
        request: To fill.
        document: With `instances`, one item per row, or `inputs`.
        infos: `TensorInfo` messages of the signature's inputs, by name.

    Returns:
        Whether the document is in rows, and the answer has to be.

    Raises:
        messages.StatusError: If the document does not fit the signature.
    """
    in_rows = "instances" in document
    if in_rows and "inputs" in document:
        raise _format_error(
            document,
            "Not formatted correctly expecting only one of 'inputs' or "
            "'instances' keys to exist ",
        )
    if in_rows:
        instances = document["instances"]
        if not isinstance(instances, list):
            raise _format_error(
                document, "Expecting 'instances' to be an list/array"
            )
        if not instances:
            raise _format_error(document, "No values in 'instances' array")
        arrays = _rows(instances, infos)
    elif "inputs" in document:
        arrays = _columns(document["inputs"], infos)
    else:
        raise messages.invalid("Missing 'inputs' or 'instances' key")
    for name, array in arrays.items():
        request.inputs[name].CopyFrom(
            tf.make_tensor_proto(array, infos[name].dtype)
        )
    return in_rows


def _rows(
    instances: list[Any], infos: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    named = _is_named(instances[0])
    if not isinstance(instances[0], dict) and len(infos) > 1:
        raise messages.invalid(
            "instances is a plain list, but expecting list of objects as "
            "multiple input tensors required as per tensorinfo_map"
        )
    only = min(infos)
    rows: dict[str, list[np.ndarray]] = {}
    for number, item in enumerate(instances):
        if named != _is_named(item):
            raise messages.invalid(
                f"Expecting object but got list at item {number} of input list"
                if named
                else f"Expecting value/list but got object at item {number} of "
                "input list"
            )
        for name, value in item.items() if named else [(only, item)]:
            try:
                _add_row(rows.setdefault(name, []), name, value, infos)
            except messages.StatusError as error:
                key = f" key: {name}" if named else ""
                raise messages.invalid(
                    f"Failed to process element: {number}{key} of 'instances' "
                    f"list. Error: {messages.code_name(error.code)}: "
                    f"{error.message}"
                ) from error
        if named and set(item) != set(infos):
            raise messages.invalid(
                f"Failed to process element: {number} of 'instances' list. "
                f"JSON object: {json_text.quote(item)} keys must be equal to: "
                f"{','.join(sorted(infos))}"
            )
    return {name: np.stack(arrays) for name, arrays in rows.items()}


def _is_named(item: Any) -> bool:
    return isinstance(item, dict) and not json_tensors.is_base64(item)


def _add_row(
    rows: list[np.ndarray],
    name: str,
    value: Any,
    infos: Mapping[str, Any],
) -> None:
    if name not in infos:
        raise messages.invalid(
            f"JSON object: does not have named input: {name}"
        )
    row = json_tensors.read(value, tf.as_dtype(infos[name].dtype))
    first = rows[0] if rows else row
    if row.size != first.size:
        raise messages.invalid(
            f"Expecting tensor size: {first.size} but got: {row.size}"
        )
    if row.shape != first.shape:
        raise messages.invalid(
            f"Expecting shape {_shape(first)} but got: {_shape(row)}"
        )
    rows.append(row)


def _shape(array: np.ndarray) -> str:
    return f"[{','.join(map(str, array.shape))}]"


def _columns(inputs: Any, infos: Mapping[str, Any]) -> dict[str, np.ndarray]:
    if not _is_named(inputs):
        if len(infos) > 1:
            raise messages.invalid(
                "inputs is a plain value/list, but expecting an object as "
                "multiple input tensors required as per tensorinfo_map"
            )
        inputs = {min(infos): inputs}
    arrays = {}
    for name, info in infos.items():
        if name not in inputs:
            raise messages.invalid(
                f"Missing named input: {name} in 'inputs' object."
            )
        arrays[name] = json_tensors.read(inputs[name], tf.as_dtype(info.dtype))
    return arrays


def _format_error(
    document: Mapping[str, Any], words: str
) -> messages.StatusError:
    return messages.invalid(f"JSON Value: {json_text.quote(document)} {words}")
