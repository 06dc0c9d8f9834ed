"""Requests, bytes and pictures, drawn at random: what `load_fuzz` sends."""

import functools
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from tensorflow_serving.apis import predict_pb2

from benchmarks import load_clients

MODEL = "m"
Edit = tuple[str, float, int, int]  # What, where, a byte, and how many.

edits: st.SearchStrategy[list[Edit]] = st.lists(
    st.tuples(
        st.sampled_from(["set", "delete", "insert", "repeat", "cut", "flip"]),
        st.floats(0.0, 1.0),
        st.integers(0, 255),
        st.integers(1, 32),
    ),
    min_size=1,
    max_size=6,
)
_PNG = b"\x89PNG\r\n\x1a\n"
_LARGEST = 2**63 - 1


def edited(content: bytes, edits: Sequence[Edit]) -> bytes:
    """Returns bytes after some edits."""
    made = bytearray(content)
    for what, share, byte, count in edits:
        at = int(share * len(made))
        if what == "set":
            made[at : at + 1] = bytes([byte])
        elif what == "delete":
            del made[at : at + count]
        elif what == "insert":
            made[at:at] = bytes([byte]) * count
        elif what == "repeat":
            made[at:at] = made[at : at + count]
        elif what == "cut":
            del made[at:]
        else:
            made[at : at + 1] = bytes(
                b ^ 1 << byte % 8 for b in made[at : at + 1]
            )
    return bytes(made)


def with_sums(content: bytes) -> bytes:
    """Returns a PNG whose chunks have right sums, however they were edited."""
    if not content.startswith(_PNG):
        return content
    made, at = bytearray(_PNG), len(_PNG)
    while at + 12 <= len(content):
        end = at + 8 + int.from_bytes(content[at : at + 4])
        body = content[at + 4 : end]
        made += content[at : at + 4] + body
        made += zlib.crc32(body).to_bytes(4)
        at = end + 4
    return bytes(made)


@functools.cache
def pictures() -> list[bytes]:
    """Returns files of many kinds of PNG and JPEG, of real photographs."""
    color = load_clients.photograph(48, 40)
    gray = color[..., 1]
    alpha = np.concatenate([color, gray[..., None]], -1)
    deep = gray.astype(np.uint16) * 257
    encode = load_clients.encode
    return [
        encode(color, "PNG"),
        encode(gray, "PNG"),
        encode(alpha, "PNG"),
        encode(deep, "PNG"),
        encode(gray > 99, "PNG"),
        encode(color, "JPEG", quality=80),
        encode(gray, "JPEG"),
        encode(color, "JPEG", progressive=True),
        encode(color, "JPEG", subsampling=0, restart_marker_blocks=2),
        encode(color, "WEBP"),
        encode(color, "BMP"),
    ]


# Pictures: files with some bytes changed, and PNG so that its sums are right.
images: st.SearchStrategy[bytes] = st.builds(
    lambda content, edits, sums: (with_sums if sums else bytes)(
        edited(content, edits)
    ),
    st.deferred(lambda: st.sampled_from(pictures())),
    edits,
    st.booleans(),
)


def _serialized() -> list[bytes]:
    plain = load_clients.request(MODEL, pictures()[0], 90)
    pixels = predict_pb2.PredictRequest()
    pixels.model_spec.name = MODEL
    pixels.model_spec.signature_name = "pixels"
    tensor = pixels.inputs["images"]
    tensor.dtype = 4
    for size in (1, 16, 16, 3):
        tensor.tensor_shape.dim.add(size=size)
    tensor.tensor_content = bytes(range(256)) * 3
    made = [plain, pixels, load_clients.request(MODEL, pictures()[5])]
    return [one.SerializeToString() for one in made]


# Bytes for a request: of a right one with some changed, and any at all.
wire: st.SearchStrategy[bytes] = st.one_of(
    st.builds(
        edited, st.deferred(lambda: st.sampled_from(_serialized())), edits
    ),
    st.binary(max_size=64),
)


def _shape(tensor: Any, sizes: Sequence[int], unknown: bool) -> None:
    for size in sizes:
        tensor.tensor_shape.dim.add(size=size)
    tensor.tensor_shape.unknown_rank = unknown


@st.composite
def tensors(draw: st.DrawFn) -> Any:
    """Draws a `TensorProto`, near to a right one or far."""
    request = predict_pb2.PredictRequest()
    tensor = request.inputs["x"]
    tensor.dtype = draw(st.sampled_from([7, 3, 4]) | st.integers(0, 140))
    size = st.sampled_from([0, 1, 2, 3, 16]) | st.integers(-2, _LARGEST)
    sizes = draw(st.lists(size, max_size=5))
    _shape(tensor, sizes, draw(st.integers(0, 9)) == 0)
    fields: dict[str, st.SearchStrategy] = {
        "string_val": st.binary(max_size=40) | st.sampled_from(pictures()),
        "int_val": st.integers(-(2**31), 2**31 - 1),
        "float_val": st.floats(width=32),
        "double_val": st.floats(),
        "int64_val": st.integers(-_LARGEST, _LARGEST),
        "bool_val": st.booleans(),
        "half_val": st.integers(0, 70_000),
        "uint64_val": st.integers(0, _LARGEST),
    }
    for name in draw(st.lists(st.sampled_from(sorted(fields)), max_size=2)):
        values = draw(st.lists(fields[name], max_size=4))
        getattr(tensor, name).extend(values)
    if draw(st.integers(0, 4)) == 0:
        tensor.tensor_content = draw(st.binary(max_size=800))
    return tensor


def _right() -> dict[str, list[Any]]:
    """Returns tensors that are right, by the input that they are for."""
    found: dict[str, list[Any]] = {}
    for content in _serialized():
        request = predict_pb2.PredictRequest.FromString(content)
        for name, tensor in request.inputs.items():
            found.setdefault(name, []).append(tensor)
    return found


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Draws a `PredictRequest` field by field, as bytes."""
    request = predict_pb2.PredictRequest()
    mostly = st.integers(0, 9).map(bool)
    text = st.text(max_size=20)
    request.model_spec.name = MODEL if draw(mostly) else draw(text)
    if not draw(mostly):
        number = draw(st.integers(-_LARGEST, _LARGEST))
        request.model_spec.version.value = number
    if not draw(mostly):
        request.model_spec.version_label = draw(text)
    signatures = ["", "pixels", "serving_default", "__saved_model_init_op"]
    request.model_spec.signature_name = draw(
        st.sampled_from(signatures) if draw(mostly) else text
    )
    right = _right()
    names = st.sampled_from(sorted(right)) | text
    for name in draw(st.lists(names, max_size=3)):
        near = st.sampled_from(right[name]) if name in right else tensors()
        request.inputs[name].CopyFrom(draw(near | tensors()))
    if not draw(mostly):
        request.output_filter.extend(draw(st.lists(names, max_size=3)))
    return request.SerializeToString()
