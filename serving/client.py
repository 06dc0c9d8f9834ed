r"""Sends a photograph to a served model and keeps the painting.

Example:
    python -m serving.client --server=localhost:8500 --model=starry \
        photo.jpg -o painting.png

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
_TIMEOUT = flags.DEFINE_float(
    "timeout", 60.0, "Seconds to wait for the answer.", lower_bound=0.001
)
_MAX_MEGABYTES = flags.DEFINE_integer(
    "max_megabytes", 256, "Largest answer to take, in MB.", lower_bound=1
)

_DESCRIPTORS = pathlib.Path(__file__).with_name(
    "tensorflow_serving.descriptors"
)
_DT_INT32, _DT_STRING = 3, 7
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
) -> bytes:
    """Sends one PNG or JPEG file, and returns the one that comes back.

    Args:
        channel: To the server, see `connect`.
        model: Name of the model.
        content: Bytes of the file.
        jpeg_quality: 0 asks for PNG, 1 to 100 for JPEG.
        timeout: Seconds to wait.

    Raises:
        ServerError: With the reason, in one line.
    """
    request = _message("PredictRequest")()
    request.model_spec.name = model
    image = request.inputs["image_bytes"]
    image.dtype = _DT_STRING
    image.tensor_shape.dim.add(size=1)
    image.string_val.append(content)
    if jpeg_quality:
        quality = request.inputs["jpeg_quality"]
        quality.dtype = _DT_INT32
        quality.tensor_shape.dim.add(size=1)
        quality.int_val.append(jpeg_quality)
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
    content = file_to_send(argv[0])
    with connect(_SERVER.value, _MAX_MEGABYTES.value << 20) as channel:
        try:
            painting = generate(
                channel, _MODEL.value, content, quality, _TIMEOUT.value
            )
        except ServerError as error:
            raise ServerError(
                f"{argv[0]} to {_SERVER.value}: {error}"
            ) from error
    images.write_bytes(out, painting)
    print(f"Wrote {out}")


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
