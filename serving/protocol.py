"""TensorFlow Serving's messages, without TensorFlow.

Their types come from a file beside this one, made by `serving.descriptors`.
"""

import functools
import pathlib
import re
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import grpc
import numpy as np
from google.protobuf import descriptor_pb2
from google.protobuf import descriptor_pool
from google.protobuf import message_factory

_DESCRIPTORS = pathlib.Path(__file__).with_name(
    "tensorflow_serving.descriptors"
)
# Of each type: its number in a request, and the field that holds values.
_TYPES = {
    float: (1, "float_val"),
    int: (3, "int_val"),
    bytes: (7, "string_val"),
    bool: (10, "bool_val"),
}
_INT32 = 3


class ServerError(OSError):
    """Raised when the server cannot be reached, or refuses.

    Attributes:
        code: gRPC's, as `"UNAVAILABLE"`.
    """

    def __init__(self, code: str, reason: str):
        super().__init__(f"{code}: {reason}")
        self.code = code


@functools.cache
def _pool() -> descriptor_pool.DescriptorPool:
    """Our own, lest messages clash with TensorFlow's in one process."""
    pool = descriptor_pool.DescriptorPool()
    files = descriptor_pb2.FileDescriptorSet.FromString(
        _DESCRIPTORS.read_bytes()
    )
    for file in files.file:
        pool.Add(file)
    return pool


@functools.cache
def message(name: str) -> Any:
    """Returns the class of a message of TensorFlow Serving."""
    found = _pool().FindMessageTypeByName(f"tensorflow.serving.{name}")
    return message_factory.GetMessageClass(found)


def method(channel: grpc.Channel, service: str, name: str) -> Any:
    """Returns what calls a method: `Predict` of `PredictionService`, say."""
    sent, got = ("PredictRequest", "PredictResponse")
    if name != "Predict":
        sent, got = f"{name}Request", f"{name}Response"
    return channel.unary_unary(
        f"/tensorflow.serving.{service}/{name}",
        request_serializer=message(sent).SerializeToString,
        response_deserializer=message(got).FromString,
    )


def fill(
    tensor: Any, kind: type, values: Sequence[Any], rows: bool = False
) -> None:
    """Writes a tensor of one axis; of two, if it is to be one of `rows`."""
    number, field = _TYPES[kind]
    tensor.dtype = number
    if rows:
        tensor.tensor_shape.dim.add(size=1)
    tensor.tensor_shape.dim.add(size=len(values))
    getattr(tensor, field).extend(values)


def integers(tensor: Any) -> list[int]:
    """Returns the values of an int32 tensor, in whichever form they came.

    Raises:
        ServerError: If it is of another type.
    """
    if tensor.dtype != _INT32:
        raise ServerError("DATA_LOSS", "the answer holds no int32")
    if tensor.tensor_content:
        return np.frombuffer(tensor.tensor_content, "<i4").tolist()
    return list(tensor.int_val)


def file_of(response: Any) -> bytes:
    """Returns the one file of a PredictResponse.

    Raises:
        ServerError: If there is none.
    """
    values = response.outputs["image_bytes"].string_val
    if len(values) != 1:
        raise ServerError(
            "DATA_LOSS", "the answer has no image_bytes; is it percgen's model?"
        )
    return values[0]


def signatures(response: Any) -> dict[str, Any]:
    """Returns the signatures of a GetModelMetadataResponse, by name.

    Each is `{"inputs": ..., "outputs": ...}`, of `{"dtype": "DT_STRING",
    "shape": [-1]}` by name, and where it may be left out, `"optional": True`.
    """
    packed = response.metadata["signature_def"].value
    found = message("SignatureDefMap").FromString(packed).signature_def
    return {
        name: {
            "inputs": _tensors(found[name].inputs, found[name].defaults),
            "outputs": _tensors(found[name].outputs, {}),
        }
        for name in sorted(found)
        if not name.startswith("__")
    }


def _tensors(infos: Mapping[str, Any], defaults: Any) -> dict[str, Any]:
    types = _pool().FindEnumTypeByName("tensorflow.DataType").values_by_number
    tensors: dict[str, Any] = {}
    for name in sorted(infos):
        shape = infos[name].tensor_shape
        sizes = None if shape.unknown_rank else [d.size for d in shape.dim]
        tensors[name] = {"dtype": types[infos[name].dtype].name, "shape": sizes}
        if name in defaults:
            tensors[name]["optional"] = True
    return tensors


def reason(error: Any) -> ServerError:
    """Returns what went wrong in a call, without the names of graph nodes."""
    details = (error.details() or "").partition("\n\t [[")[0]
    asserted = re.fullmatch(
        r"assertion failed: \[([^\]]*)\].*", details, re.DOTALL
    )
    return ServerError(error.code().name, asserted[1] if asserted else details)
