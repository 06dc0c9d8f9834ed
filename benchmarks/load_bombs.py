"""Requests made to fell a server: each has to be refused."""

import base64
import gzip
import json
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from tensorflow_serving.apis import predict_pb2

from benchmarks import load_clients
from benchmarks import load_inputs
from benchmarks import load_json

HARMLESS = "PNG with 200 MB of rows too many"  # libpng leaves them off.

_HUGE = 20_000  # Side of a picture, in pixels.
_DEPTHS = (1_000, 100_000, 5_000_000)
PATH = f"/v1/models/{load_inputs.MODEL}:predict"
_UINT8, _FLOAT, _STRING = 4, 1, 7


def requests() -> Iterator[tuple[str, bytes]]:
    """Yields names, and requests for gRPC as bytes."""
    for name, content in pictures():
        request = load_clients.request(load_inputs.MODEL, content)
        yield name, request.SerializeToString()
    yield from shapes()
    yield "one value for 2^40", _claiming([2**20, 2**20])
    yield "one value for 2^62", _claiming([2**31, 2**31])
    yield "one value for more than 2^64", _claiming([2**40] * 4)
    for power in (23, 27, 40):
        yield f"one string for 2^{power}", _coded([b""], 2**power)
    yield "ten thousand axes", _claiming([1] * 10_000)
    yield "nine pictures", _coded(load_inputs.pictures()[:1] * 9)
    yield "a million empty pictures", _coded([b""] * 1_000_000)
    yield "64 MB of zeros", _coded([bytes(64 << 20)])


def shapes() -> Iterator[tuple[str, bytes]]:
    """Yields names, and requests whose pixels have a wrong shape."""
    for shape in _SHAPES:
        yield f"pixels {shape}", _pixels(shape)


def pictures() -> Iterator[tuple[str, bytes]]:
    """Yields names, and files that claim or hold far too large pictures."""
    bits = np.zeros([_HUGE, _HUGE], bool)
    yield "PNG of 400 megapixels", load_clients.encode(bits, "PNG")
    yield (
        "JPEG of 400 megapixels",
        load_clients.encode(bits.view(np.uint8), "JPEG", quality=1),
    )
    png = load_inputs.pictures()[0]
    for side in (0, 2**31 - 1, 2**32 - 1):
        sizes = struct.pack(">II", side, side)
        claims = load_inputs.with_sums(png[:16] + sizes + png[24:])
        yield f"PNG that claims {side} x {side}", claims
    zeros = zlib.compress(bytes(200 << 20), 9)
    chunk = struct.pack(">I", len(zeros)) + b"IDAT" + zeros + bytes(4)
    yield (
        HARMLESS,
        load_inputs.with_sums(png[:33] + chunk + png[33:]),
    )
    text = zlib.compress(bytes(200 << 20), 9)
    note = b"a\0\0" + text
    chunk = struct.pack(">I", len(note)) + b"zTXt" + note + bytes(4)
    yield (
        "PNG with a note of 200 MB",
        load_inputs.with_sums(png[:33] + chunk + png[33:])[:-30],
    )


_SHAPES: tuple[list[int], ...] = (
    [],
    [3],
    [16, 16],
    [16, 16, 3],
    [1, 16, 16, 1],
    [1, 16, 16, 4],
    [1, 16, 16, 3, 1],
    [0, 16, 16, 3],
    [1, 0, 16, 3],
    [1, 16, 0, 3],
    [1, 15, 16, 3],
    [9, 16, 16, 3],
    [1, 513, 512, 3],
)


def _pixels(shape: list[int]) -> bytes:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = load_inputs.MODEL
    request.model_spec.signature_name = "pixels"
    tensor = request.inputs["images"]
    tensor.dtype = _UINT8
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    tensor.tensor_content = bytes(int(np.prod(shape)))
    return request.SerializeToString()


def _claiming(shape: list[int]) -> bytes:
    request = predict_pb2.PredictRequest.FromString(_pixels([]))
    tensor = request.inputs["images"]
    tensor.ClearField("tensor_content")
    tensor.int_val.append(1)
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    return request.SerializeToString()


def _coded(contents: list[bytes], claimed: int = 0) -> bytes:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = load_inputs.MODEL
    tensor = request.inputs["image_bytes"]
    tensor.dtype = _STRING
    tensor.tensor_shape.dim.add(size=claimed or len(contents))
    tensor.string_val.extend(contents)
    return request.SerializeToString()


def bodies() -> Iterator[tuple[str, load_json.Sent]]:
    """Yields names, and requests for REST."""
    for depth in _DEPTHS:
        for name, text in nested(depth):
            yield name, (PATH, text, {})
            packed = gzip.compress(text)
            yield f"{name}, gzip", (PATH, packed, load_json.GZIP)
    for name, number in _NUMBERS.items():
        text = f'{{"instances": [{number}]}}'.encode()
        yield name, (PATH, text, {})
        text = f'{{"inputs": {{"image_bytes": {number}}}}}'.encode()
        yield f"{name}, in an object", (PATH, text, {})
    for megabytes in (60, 1000):
        zeros = gzip.compress(bytes(megabytes << 20))
        yield f"gzip of {megabytes} MB of zeros", (PATH, zeros, load_json.GZIP)
    spaces = gzip.compress(b" " * (60 << 20) + b"[]")
    yield "gzip of 60 MB of spaces", (PATH, spaces, load_json.GZIP)
    keys = ", ".join(f'"{n}": 0' for n in range(1_000_000))
    yield "a million keys", (PATH, f"{{{keys}}}".encode(), {})
    for name, content in pictures():
        coded = {"b64": base64.b64encode(content).decode()}
        text = json.dumps({"instances": [coded]}).encode()
        yield f"{name}, by REST", (PATH, text, {})


def nested(depth: int) -> Iterator[tuple[str, bytes]]:
    """Yields names, and JSON as deep."""
    lists = b"[" * depth + b"]" * depth
    yield f"{depth} lists", lists
    yield f"{depth} lists in instances", b'{"instances": ' + lists + b"}"
    yield f"{depth} lists without an end", b'{"inputs": ' + b"[" * depth
    yield f"{depth} objects", b'{"a":' * depth + b"1" + b"}" * depth


_NUMBERS = {
    "a number of a million digits": "1" * 1_000_000,
    "a fraction of a million digits": "0." + "1" * 1_000_000,
    "1e999999999": "1e999999999",
    "-1e-999999999": "-1e-999999999",
    "2^64": str(2**64),
    "NaN": "NaN",
}
