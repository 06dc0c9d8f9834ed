"""Between a Predict request and a graph: what TensorFlow Serving checks.

The words are those recorded from the real server's core
(`tests/serving_cases.json`).
"""

import math
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import error_codes_pb2

DEFAULT_SIGNATURE = "serving_default"

_INVALID_ARGUMENT = 3
# A tensor that one value fills may claim any size; 256 MB is enough for us.
_MOST_FILLED_BYTES = 256 << 20
# Of an empty string: one object in Python and one in TensorFlow; a type's own
# size says 0.
_STRING_BYTES = 64
_FIELDS = {
    "float32": "float_val",
    "float64": "double_val",
    "int64": "int64_val",
    "bool": "bool_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
    "object": "string_val",
    "float16": "half_val",
    "bfloat16": "half_val",
}  # Every smaller integer goes into int_val.


class StatusError(Exception):
    """An answer that is an error: a gRPC code and a message."""

    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.code, self.message = code, message


def code_name(code: int) -> str:
    """Returns the name of a code, as `INVALID_ARGUMENT`."""
    return error_codes_pb2.Code.Name(code)


def signature_name(request: Any) -> str:
    """Returns the signature that a request is for."""
    return request.model_spec.signature_name or DEFAULT_SIGNATURE


def invalid(message: str) -> StatusError:
    """Returns the answer to a request that is wrong in itself."""
    return StatusError(_INVALID_ARGUMENT, message)


def feeds(inputs: Mapping[str, Any], signature: Any) -> dict[str, Any]:
    """Returns what to feed, by tensor name, checked as the server checks."""
    given, wanted = set(inputs), set(signature.inputs)
    few = len(given) < len(wanted) and not signature.defaults
    if few or len(given) > len(wanted):
        raise invalid(
            f"input size does not match signature: {len(given)}!={len(wanted)} "
            f"len({_braced(given)}) != len({_braced(wanted)}). Sent extra: "
            f"{_braced(given - wanted)}. Missing but required: "
            f"{_braced(wanted - given)}.",
        )
    values = {}
    for alias, info in signature.inputs.items():
        if alias in inputs:
            proto = inputs[alias]
        elif alias in signature.defaults:
            proto = signature.defaults[alias]
        else:
            defaults = ",".join(sorted(signature.defaults))
            raise invalid(
                f"Signature input alias: {alias}(feed name: {info.name}) not "
                "found in request and no default value provided. Inputs "
                f"expected to be in the request {_braced(given)}, or default "
                f"input alias set: {defaults}",
            )
        values[info.name] = _parse(alias, proto)
    if given - wanted:
        raise invalid(
            "Inputs contains invalid name. Used request inputs: "
            f"{','.join(sorted(given & wanted))}, request input: "
            f"{','.join(sorted(given))}",
        )
    return values


def _parse(alias: str, proto: Any) -> Any:
    try:
        _check_size(proto)
        return tf.make_ndarray(proto)
    except (TypeError, ValueError, OverflowError) as error:
        raise invalid(f"tensor parsing error: {alias}") from error


def _check_size(proto: Any) -> None:
    """Refuses a tensor that claims far more values than the message holds."""
    sizes = [dim.size for dim in proto.tensor_shape.dim]
    if (
        not proto.dtype
        or proto.tensor_shape.unknown_rank
        or min(sizes, default=0) < 0
    ):
        raise ValueError("no type, or no shape")
    each = tf.as_dtype(proto.dtype).size or _STRING_BYTES
    claimed = math.prod(sizes) * each
    if claimed > max(_MOST_FILLED_BYTES, each * proto.ByteSize()):
        raise ValueError("too large")


def output_names(wanted: Iterable[str], signature: Any) -> list[str]:
    """Returns the outputs that are asked for: by default all, by name."""
    names: list[str] = []
    for alias in wanted:
        if alias not in signature.outputs:
            raise invalid(
                f"output tensor alias not found in signature: {alias} Outputs "
                f"expected to be in the set {_braced(signature.outputs)}.",
            )
        if alias in names:
            raise invalid(f"duplicate output tensor alias: {alias}")
        names.append(alias)
    return names or sorted(signature.outputs)


def fill(proto: Any, value: np.ndarray) -> None:
    """Writes a tensor in the fields that TensorFlow Serving answers in."""
    kind = tf.string if value.dtype == object else tf.as_dtype(value.dtype)
    proto.dtype = kind.as_datatype_enum
    for size in value.shape:
        proto.tensor_shape.dim.add(size=size)
    name = _FIELDS.get(value.dtype.name, "int_val")
    if name == "half_val":
        value = value.view(np.uint16)
    getattr(proto, name).extend(value.ravel().tolist())


def _braced(names: Iterable[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"
