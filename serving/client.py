r"""Sends a photograph to a served model and keeps the painting.

Example:
    python -m serving.client --server=localhost:8500 --model=starry \
        photo.jpg -o painting.png
    python -m serving.client --model=paintings --style_weights=0,1,1,0,0,0 \
        --strength=0.8 photo.jpg -o painting.png  # Two of six styles.

Needs no TensorFlow. The painting is PNG, or JPEG when OUT ends in .jpg.
"""

import functools
import os
import pathlib
import re
from collections.abc import Sequence
from typing import Any

import grpc
from absl import flags
from google.protobuf import descriptor_pb2
from google.protobuf import descriptor_pool
from google.protobuf import message_factory

from percgen import command
from percgen import images

_SERVER = flags.DEFINE_string(
    "server", "localhost:8500", "HOST:PORT of TensorFlow Serving's gRPC."
)
_MODEL = flags.DEFINE_string("model", None, "Name of the model.", required=True)
_OUT = flags.DEFINE_string(
    "out", None, "File to write, .png or .jpg.", short_name="o", required=True
)
_STYLE_WEIGHTS = flags.DEFINE_list(
    "style_weights",
    None,
    "How much of each style that the model has, as 0,1,1; they count by their "
    "sum. By default the first style.",
)
_STRENGTH = flags.DEFINE_float(
    "strength",
    None,
    "From 0, the photograph, to 1, the painting, which is the default.",
    lower_bound=0.0,
    upper_bound=1.0,
)
_PRESERVE_COLOR = flags.DEFINE_bool(
    "preserve_color", None, "Keep the photograph's colours; paint its light."
)
_TIMEOUT = flags.DEFINE_float(
    "timeout", 60.0, "Seconds to wait for the answer.", lower_bound=0.001
)
_MAX_MEGABYTES = flags.DEFINE_integer(
    "max_megabytes", 256, "Largest answer to take, in MB.", lower_bound=1
)

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
_JPEG_QUALITY = 95


class ServerError(OSError):
    """Raised when the server cannot be reached, or refuses."""


def connect(server: str, max_bytes: int = 256 << 20) -> grpc.Channel:
    """Returns a channel that takes answers larger than gRPC's 4 MB."""
    options = [
        ("grpc.max_receive_message_length", max_bytes),
        ("grpc.max_send_message_length", -1),
    ]
    return grpc.insecure_channel(server, options)


def generate(
    channel: grpc.Channel,
    model: str,
    content: bytes,
    jpeg_quality: int = 0,
    timeout: float = 60.0,
    style_weights: Sequence[float] | None = None,
    strength: float | None = None,
    preserve_color: bool | None = None,
) -> bytes:
    """Sends one PNG or JPEG file, and returns the one that comes back.

    Args:
        channel: To the server, see `connect`.
        model: Name of the model.
        content: Bytes of the file.
        jpeg_quality: 0 asks for PNG, 1 to 100 for JPEG.
        timeout: Seconds to wait.
        style_weights: How much of each style, for a model that paints.
        strength: From 0, the photograph, to 1, the painting; likewise.
        preserve_color: Whether chroma stays the photograph's; likewise.

    Raises:
        ServerError: With the reason, in one line.
    """
    request = _message("PredictRequest")()
    request.model_spec.name = model
    _fill(request.inputs["image_bytes"], bytes, [content])
    if jpeg_quality:
        _fill(request.inputs["jpeg_quality"], int, [jpeg_quality])
    if style_weights is not None:
        weights = request.inputs["style_weights"]
        weights.tensor_shape.dim.add(size=1)
        _fill(weights, float, style_weights)
    if strength is not None:
        _fill(request.inputs["strength"], float, [strength])
    if preserve_color is not None:
        _fill(request.inputs["preserve_color"], bool, [preserve_color])
    predict = channel.unary_unary(
        "/tensorflow.serving.PredictionService/Predict",
        request_serializer=_message("PredictRequest").SerializeToString,
        response_deserializer=_message("PredictResponse").FromString,
    )
    try:
        response = predict(request, timeout=timeout)
    except grpc.RpcError as error:
        raise ServerError(_reason(error)) from error
    return response.outputs["image_bytes"].string_val[0]


def _fill(tensor: Any, kind: type, values: Sequence[Any]) -> None:
    """Gives a tensor one more axis, with these values."""
    number, field = _TYPES[kind]
    tensor.dtype = number
    tensor.tensor_shape.dim.add(size=len(values))
    getattr(tensor, field).extend(values)


def file_to_send(path: str | os.PathLike) -> bytes:
    """Returns a file as the server takes it: PNG or JPEG, upright.

    A file that is already so goes as it is, undecoded: the server judges it.

    Raises:
        images.ImageError: If it is not a picture.
    """
    if images.is_plain(path):
        return pathlib.Path(path).read_bytes()
    return images.to_png(images.open_rgb(path))


def main(argv: Sequence[str]) -> None:
    if len(argv) != 1:
        raise ValueError(f"Expected one photograph. Received: {len(argv)}.")
    out = command.picture_to_write(_OUT)
    quality = 0 if out.suffix.lower() == ".png" else _JPEG_QUALITY
    weights = _weights()
    content = file_to_send(argv[0])
    with connect(_SERVER.value, _MAX_MEGABYTES.value << 20) as channel:
        try:
            painting = generate(
                channel,
                _MODEL.value,
                content,
                quality,
                _TIMEOUT.value,
                weights,
                _STRENGTH.value,
                _PRESERVE_COLOR.value,
            )
        except ServerError as error:
            raise ServerError(
                f"{argv[0]} to {_SERVER.value}: {error}"
            ) from error
    images.write_bytes(out, painting)
    print(f"Wrote {out}")


def _weights() -> list[float] | None:
    """Reads --style_weights.

    Raises:
        ValueError: If they are no numbers.
    """
    if _STYLE_WEIGHTS.value is None:
        return None
    try:
        return [float(weight) for weight in _STYLE_WEIGHTS.value]
    except ValueError:
        raise ValueError(
            "--style_weights should be numbers. "
            f"Received: {','.join(_STYLE_WEIGHTS.value)}."
        ) from None


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
def _message(name: str) -> Any:
    found = _pool().FindMessageTypeByName(f"tensorflow.serving.{name}")
    return message_factory.GetMessageClass(found)


def _reason(error: Any) -> str:
    """Returns what went wrong, without the names of graph nodes."""
    details = error.details().partition("\n\t [[")[0]
    asserted = re.fullmatch(
        r"assertion failed: \[([^\]]*)\].*", details, re.DOTALL
    )
    if asserted:
        details = asserted[1]
    return f"{error.code().name}: {details}"


if __name__ == "__main__":
    command.run(main, takes_arguments=True)
