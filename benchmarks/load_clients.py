"""Clients of the stand-in: one that is patient, and crowds of them."""

import concurrent.futures
import contextlib
import hashlib
import io
import itertools
import random
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any
from typing import TypeVar

import grpc
import numpy as np
import tqdm
from PIL import Image
from skimage import data
from tensorflow_serving.apis import predict_pb2
from tensorflow_serving.apis import prediction_service_pb2_grpc

_Found = TypeVar("_Found")
_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),  # A connection of its own.
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]
_STRING, _INT32 = 7, 3  # DataType.
_FIRST_WAIT, _LONGEST_WAIT = 0.02, 1.0  # Seconds between two tries.


class Client:
    """Asks one server by gRPC.

    Args:
        port: Of the server, on loopback.
        seconds: To wait for an answer, all tries together.
    """

    def __init__(self, port: int, seconds: float = 300.0):
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", _OPTIONS)
        self._predict = prediction_service_pb2_grpc.PredictionServiceStub(
            self.channel
        ).Predict
        self._seconds = seconds
        self.refusals = 0

    def ask(self, request: Any) -> Any:
        """Returns the answer to one try, or raises `grpc.RpcError`."""
        return self._predict(request, timeout=self._seconds)

    def ask_patiently(self, request: Any) -> Any:
        """Returns the answer; tries again where the server is not available."""
        end = time.monotonic() + self._seconds
        wait = _FIRST_WAIT
        while True:
            left = max(0.001, end - time.monotonic())
            try:
                return self._predict(request, timeout=left)
            except grpc.RpcError as error:
                over = time.monotonic() + wait > end
                if error.code() != grpc.StatusCode.UNAVAILABLE or over:
                    raise
            self.refusals += 1
            time.sleep(wait * random.uniform(0.5, 1.0))
            wait = min(2 * wait, _LONGEST_WAIT)


@contextlib.contextmanager
def client(port: int, seconds: float = 300.0) -> Iterator[Client]:
    """Yields a client, whose connection is closed in the end."""
    made = Client(port, seconds)
    with made.channel:
        yield made


def crowd(
    port: int,
    clients: int,
    work: Callable[[Client, int], _Found],
    numbers: Iterator[int],
    progress: tqdm.tqdm,
) -> tuple[list[_Found], int]:
    """Has many clients work at a time.

    Args:
        port: Of the server.
        clients: How many.
        work: What a client does, given a number.
        numbers: Taken in turn until there are no more.
        progress: Told of each.

    Returns:
        What was found, in any order, and how often the server was not
        available.
    """
    turn = threading.Lock()
    found: list[_Found] = []

    def labour() -> int:
        with client(port) as one:
            while True:
                with turn:
                    number = next(numbers, None)
                if number is None:
                    return one.refusals
                result = work(one, number)
                with turn:
                    found.append(result)
                    progress.update()

    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        working = [pool.submit(labour) for _ in range(clients)]
        refusals = sum(done.result() for done in working)
    return found, refusals


def crowd_during(
    port: int,
    clients: int,
    work: Callable[[Client, int], _Found],
    event: Callable[[], None],
    name: str,
) -> tuple[list[_Found], int]:
    """Has many clients work until something that happens meanwhile is over.

    Args:
        port: Of the server.
        clients: How many.
        work: What a client does, given a number.
        event: What happens meanwhile.
        name: Of what is in progress.

    Returns:
        As `crowd`.
    """
    with (
        concurrent.futures.ThreadPoolExecutor(1) as pool,
        tqdm.tqdm(desc=name, leave=False) as progress,
    ):
        happens = pool.submit(event)
        numbers = itertools.takewhile(
            lambda _: not happens.done(), itertools.count()
        )
        result = crowd(port, clients, work, numbers, progress)
        happens.result()
    return result


def request(model: str, content: bytes, jpeg_quality: int = 0) -> Any:
    """Returns a request for one picture."""
    made = predict_pb2.PredictRequest()
    made.model_spec.name = model
    picture = made.inputs["image_bytes"]
    picture.dtype = _STRING
    picture.tensor_shape.dim.add(size=1)
    picture.string_val.append(content)
    if jpeg_quality:
        quality = made.inputs["jpeg_quality"]
        quality.dtype = _INT32
        quality.tensor_shape.dim.add(size=1)
        quality.int_val.append(jpeg_quality)
    return made


def digest(response: Any) -> str:
    """Returns the SHA-256 of the picture that came back."""
    (content,) = response.outputs["image_bytes"].string_val
    return hashlib.sha256(content).hexdigest()


def requests(model: str) -> list[Any]:
    """Returns sixteen requests that differ: in picture, size and formats."""
    made = []
    for number in range(16):
        picture = photograph(48 + number, 64 - number, offset=7 * number)
        coded = encode(picture, "JPEG" if number % 2 else "PNG")
        made.append(request(model, coded, 90 if number % 4 > 1 else 0))
    return made


def photograph(height: int, width: int, offset: int = 0) -> np.ndarray:
    """Returns a part of a real photograph, uint8 `[H, W, 3]`, up to 512."""
    whole = np.roll(data.astronaut(), -offset, (0, 1))
    return whole[:height, :width]


def encode(picture: np.ndarray, kind: str, **options: Any) -> bytes:
    """Returns a picture as a file of this kind."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, kind, **options)
    return stream.getvalue()
