"""Tensors out of and into JSON values, as TensorFlow Serving converts them."""

import base64
import binascii
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from serving import json_text
from serving import messages

_UNIMPLEMENTED = 12
_MOST_AXES = 60  # NumPy's 64, with some left for a batch.
_INT32 = (-(2**31), 2**31 - 1)
_WHITE = str.maketrans("", "", " \t\r\n\f\v")
_KINDS = {
    type(None): "Null",
    dict: "Object",
    list: "Array",
    str: "String",
    int: "Number",
    float: "Number",
}
_NAMES = {"float32": "float", "float64": "double", "float16": "half"}


def _integer(lowest: int, largest: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and lowest <= value <= largest


def _decimal(kind: type, digits: int) -> Callable[[Any], bool]:
    largest = float(np.finfo(kind).max)

    def fits(value: Any) -> bool:
        if type(value) is int:  # A larger one would lose digits.
            return abs(value) < 2**digits
        return type(value) is float and (
            not math.isfinite(value) or abs(value) <= largest
        )

    return fits


# Of each type: whether a JSON value is one. 300 is a uint8, and wraps.
_FITS: dict[tf.DType, Callable[[Any], bool]] = {
    tf.uint8: _integer(*_INT32),
    tf.int8: _integer(*_INT32),
    tf.int16: _integer(*_INT32),
    tf.int32: _integer(*_INT32),
    tf.int64: _integer(-(2**63), 2**63 - 1),
    tf.uint32: _integer(0, 2**32 - 1),
    tf.uint64: _integer(0, 2**64 - 1),
    tf.bool: lambda value: type(value) is bool,
    tf.float32: _decimal(np.float32, 24),
    tf.float64: _decimal(np.float64, 53),
    tf.string: lambda value: type(value) is str,
}


def read(value: Any, dtype: tf.DType) -> np.ndarray:
    """Returns the tensor that a JSON value is.

    Args:
        value: A value, or lists of lists of them.
        dtype: Type of the tensor.

    Raises:
        messages.StatusError: If it is none of that type, or ragged.
    """
    shape, first = [], value
    while isinstance(first, list):
        shape.append(len(first))
        first = first[0] if first else None
    if len(shape) > _MOST_AXES:
        raise messages.invalid(
            f"Too many dimensions: {len(shape)}, of at most {_MOST_AXES}."
        )
    values = _numbers(value, shape, dtype)
    if values is None:
        values = []
        _collect(value, 0, shape, dtype, values)
    if dtype == tf.string:
        return _objects(values, shape)
    if dtype in (tf.uint8, tf.int8, tf.int16):
        wide = np.array(values, np.int32)
        return wide.astype(dtype.as_numpy_dtype).reshape(shape)
    return np.array(values, dtype.as_numpy_dtype).reshape(shape)


def _numbers(value: Any, shape: list[int], dtype: tf.DType) -> list[Any] | None:
    """Returns what `_collect` collects, fast, if all is numbers and as is."""
    values = [value]
    for size in shape:
        if not all(type(v) is list and len(v) == size for v in values):
            return None
        values = list(itertools.chain.from_iterable(values))
    fits = None if dtype == tf.string else _FITS.get(dtype)
    return values if fits and all(map(fits, values)) else None


def _collect(
    value: Any,
    level: int,
    shape: list[int],
    dtype: tf.DType,
    values: list[Any],
) -> None:
    rank = len(shape)
    if not isinstance(value, list):
        if level != rank:
            raise messages.invalid(
                f"JSON Value: {json_text.quote(value)} found at incorrect "
                f"level: {level + 1} in the JSON DOM. Expected at level: {rank}"
            )
        values.append(_checked(value, dtype))
        return
    if level >= rank:
        raise messages.invalid(
            f"Encountered list at unexpected level: {level} expected < {rank}"
        )
    if len(value) != shape[level]:
        raise messages.invalid(
            f"Encountered list at unexpected size: {len(value)} at level: "
            f"{level} expected size: {shape[level]}"
        )
    for item in value:
        _collect(item, level + 1, shape, dtype, values)


def _checked(value: Any, dtype: tf.DType) -> Any:
    if dtype == tf.string and isinstance(value, dict):
        return _decode(value)
    if dtype not in _FITS:
        raise messages.StatusError(
            _UNIMPLEMENTED,
            f"Conversion of JSON Value: {json_text.quote(value)} to type: "
            f"{_name(dtype)}",
        )
    if _FITS[dtype](value):
        return _bytes(value) if dtype == tf.string else value
    if dtype.is_floating and type(value) in (int, float):
        raise messages.invalid(
            f"Cannot convert JSON value: {json_text.quote(value)} to "
            f"{_name(dtype)} without loss of precision."
        )
    kind = _KINDS.get(type(value), str(value))  # Of true: True.
    raise messages.invalid(
        f"JSON Value: {json_text.quote(value)} Type: {kind} is not of "
        f"expected type: {_name(dtype)}"
    )


def _bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise messages.invalid(
            "JSON Parse error: The surrogate pair in string is invalid."
        ) from error


def is_base64(value: Any) -> bool:
    """Returns whether a value is `{"b64": "..."}`, which stands for bytes."""
    return (
        isinstance(value, dict)
        and list(value) == ["b64"]
        and isinstance(value["b64"], str)
    )


def _decode(value: dict[str, Any]) -> bytes:
    if not is_base64(value):
        raise messages.invalid(
            f"JSON Value: {json_text.quote(value)} not formatted correctly "
            "for base64 data"
        )
    text = value["b64"].translate(_WHITE).rstrip("=")
    try:
        padded = text + "=" * (-len(text) % 4)
        return base64.b64decode(padded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise messages.invalid("Unable to base64 decode") from error


def write(name: str, array: np.ndarray, level: int) -> list[str]:
    """Returns the JSON text of each value of a tensor.

    Bytes that are no UTF-8 become surrogate escapes.

    Args:
        name: Of the output; only strings of one that ends in `_bytes` are
            written as base64.
        array: The tensor.
        level: How deep the values lie.

    Raises:
        messages.StatusError: If the type has no JSON.
    """
    values = array.ravel()
    if array.dtype == object and name.endswith("_bytes"):
        texts = (base64.b64encode(value).decode() for value in values)
        return [json_text.base64(text, level) for text in texts]
    if array.dtype == object:
        decoded = (v.decode("utf-8", "surrogateescape") for v in values)
        return [json_text.dumps(text) for text in decoded]
    if array.dtype in (np.float32, np.float64):
        return json_text.decimals(values)
    if array.dtype == bool:
        return ["true" if value else "false" for value in values]
    if array.dtype.kind in "iu":
        return list(map(str, values.tolist()))
    raise messages.invalid(
        "Failed to write JSON value for tensor type: "
        f"{_name(tf.as_dtype(array.dtype))}"
    )


def _objects(values: list[Any], shape: Any) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = values
    return array.reshape(shape)


def _name(dtype: tf.DType) -> str:
    return _NAMES.get(dtype.name, dtype.name)
