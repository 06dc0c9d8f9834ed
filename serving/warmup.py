"""Warm-up requests that lie with a version, and run before it is served."""

import pathlib
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from google.protobuf import message
from tensorflow_serving.apis import prediction_log_pb2

from serving import messages

FILE = "assets.extra/tf_serving_warmup_requests"
MOST = 1000  # Records that TensorFlow Serving takes.

_DATA_LOSS, _UNIMPLEMENTED = 15, 12


def run(version: pathlib.Path, predict: Callable[[Any], Any]) -> bool:
    """Runs the requests of a version; any that fails keeps it out.

    Args:
        version: Folder of the version.
        predict: Answers a `PredictRequest`.

    Returns:
        Whether there were any.

    Raises:
        messages.StatusError: If one fails, or the file is not what it should.
    """
    file = version / FILE
    if not file.exists():
        return False
    number = 0
    try:
        records = tf.data.TFRecordDataset(str(file)).as_numpy_iterator()
        for number, record in enumerate(records, 1):
            if number > MOST:
                raise messages.invalid(
                    "Number of warmup records exceeds the maximum "
                    f"({MOST}) at {file}"
                )
            predict(_request(record, file))
    except tf.errors.DataLossError as error:
        raise messages.StatusError(
            _DATA_LOSS,
            f"{error.message}. Please verify your warmup data is in TFRecord "
            "format.",
        ) from error
    except tf.errors.OpError as error:
        raise messages.StatusError(error.error_code, error.message) from error
    return number > 0


def _request(record: bytes, file: pathlib.Path) -> Any:
    try:
        log = prediction_log_pb2.PredictionLog.FromString(record)
    except message.DecodeError as error:
        raise messages.invalid(
            f"Failed to parse warmup record: {record!r} from {file}"
        ) from error
    kind = log.WhichOneof("log_type")
    if kind != "predict_log":
        raise messages.StatusError(
            _UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}"
        )
    return log.predict_log.request
