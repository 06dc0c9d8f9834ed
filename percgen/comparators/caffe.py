"""Reads Caffe's weights, `.caffemodel`, without Caffe.

What is declared here is all that is read of `caffe.proto`, of networks saved
before (`layers`) and after (`layer`) Caffe's layers got named types.
"""

import functools
import math
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2
from google.protobuf import descriptor_pool
from google.protobuf import message
from google.protobuf import message_factory

# {message: {field: (number, type)}}. Lists of numbers lie packed on the wire,
# as bytes do: declared as bytes they are read at once, not one by one.
_MESSAGES = {
    "Shape": {"dim": (1, "repeated int64")},
    "Blob": {
        "num": (1, "int32"),
        "channels": (2, "int32"),
        "height": (3, "int32"),
        "width": (4, "int32"),
        "data": (5, "bytes"),
        "shape": (7, "Shape"),
        "double_data": (8, "bytes"),
    },
    "OldLayer": {
        "name": (4, "string"),
        "type": (5, "int32"),
        "blobs": (6, "repeated Blob"),
    },
    "Layer": {
        "name": (1, "string"),
        "type": (2, "string"),
        "blobs": (7, "repeated Blob"),
    },
    "Net": {
        "layers": (2, "repeated OldLayer"),
        "layer": (100, "repeated Layer"),
    },
}
_OLD_TYPES = {4: "Convolution", 14: "InnerProduct", 15: "LRN", 17: "Pooling"}


def layer_types(path: pathlib.Path) -> list[str]:
    """Returns the type of each layer, in order, by its name in newer files.

    Of older files' types those that matter here: convolution, fully connected
    (`InnerProduct`), `LRN` and `Pooling`; the others' are numbers.

    Raises:
        ValueError: If the file holds no network.
        OSError: If it cannot be read.
    """
    return [_type(layer) for layer in _layers(path)]


def read(path: pathlib.Path) -> dict[str, dict[str, np.ndarray]]:
    """Reads the layers that have weights.

    Kernels come out as Keras has them, `[h, w, in, out]`. Those of fully
    connected layers are convolutions over all they look at, a square of the
    channels that the layer with weights before them gives.

    Returns:
        `{layer: {"kernel": ..., "bias": ...}}`, views of float32 numbers.

    Raises:
        ValueError: If the file holds no network, or a layer is damaged.
        OSError: If it cannot be read.
    """
    arrays = {}
    channels = 1
    for layer in _layers(path):
        if _type(layer) in ("Convolution", "InnerProduct") and layer.blobs:
            try:
                values = [_array(blob) for blob in layer.blobs]
                if _type(layer) == "InnerProduct":
                    values[0] = _as_convolution(values[0], channels)
                kernel = values[0].transpose(2, 3, 1, 0)
            except ValueError as error:
                raise ValueError(f"layer {layer.name}: {error}") from error
            channels = max(1, kernel.shape[-1])
            arrays[layer.name] = {"kernel": kernel}
            if len(values) > 1:
                arrays[layer.name]["bias"] = values[1].reshape(-1)
    return arrays


def _layers(path: pathlib.Path) -> Iterator[Any]:
    try:
        net = _net_class().FromString(path.read_bytes())
    except message.DecodeError as error:
        raise ValueError(f"no network of Caffe, or not all: {error}") from error
    if not (net.layer or net.layers):
        raise ValueError("no network of Caffe: it has no layer")
    yield from net.layer or net.layers


def _type(layer: Any) -> str:
    if isinstance(layer.type, str):
        return layer.type
    return _OLD_TYPES.get(layer.type, str(layer.type))


def _array(blob: Any) -> np.ndarray:
    if blob.double_data:
        values = np.frombuffer(blob.double_data, "<f8").astype(np.float32)
    else:
        values = np.frombuffer(blob.data, "<f4")
    shape = list(blob.shape.dim) or [
        blob.num,
        blob.channels,
        blob.height,
        blob.width,
    ]
    if math.prod(shape) != values.size:
        raise ValueError(f"{values.size} numbers for a shape of {shape}")
    return values.reshape(shape)


def _as_convolution(kernel: np.ndarray, channels: int) -> np.ndarray:
    """Returns `[out, in]` as `[out, channels, side, side]`.

    That is how Caffe flattens features: channels first.
    """
    filters, taken = kernel.shape[-2:]
    side = math.isqrt(taken // channels)
    if channels * side**2 != taken:
        raise ValueError(
            f"it takes {taken} numbers, no square of the {channels} channels "
            "of the layer before"
        )
    return kernel.reshape(filters, channels, side, side)


@functools.cache
def _net_class() -> Any:
    """Returns the class of the message that a file is.

    It has a pool of its own, lest it meets the `caffe.proto` of a Caffe.
    """
    file = descriptor_pb2.FileDescriptorProto(name="caffe", package="caffe")
    for name, fields in _MESSAGES.items():
        declared = file.message_type.add(name=name)
        for field, (number, text) in fields.items():
            label, _, kind = text.rpartition(" ")
            entry = declared.field.add(name=field, number=number)
            entry.label = (
                entry.LABEL_REPEATED if label else entry.LABEL_OPTIONAL
            )
            if kind in _MESSAGES:
                entry.type_name = f".caffe.{kind}"
            else:
                entry.type = getattr(entry, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName("caffe.Net")
    )
