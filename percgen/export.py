"""A generator to a version that TensorFlow Serving can safely take.

A version is written beside the others under a name that is no number, proved
there, and appears by one rename: the server never sees half of it.
"""

import os
import pathlib
import shutil
import tempfile

import keras
import numpy as np
import tensorflow as tf

from percgen import proof
from percgen import served_graphs
from percgen import signatures

_WARMUP = "tf_serving_warmup_requests"
_TOLERANCE = 1  # Of 255 levels: rounding may fall either way.


class ExportError(ValueError):
    """Raised when a version would not serve, or not as the model does."""


def export(
    generator: keras.Model,
    model_dir: str | os.PathLike,
    version: int | None = None,
    limits: signatures.Limits = signatures.DEFAULT_LIMITS,
) -> tuple[pathlib.Path, int]:
    """Publishes a generator as a version of a served model.

    Args:
        generator: RGB in [0, 1], `[B, H, W, 3]`, to the same; or, with several
            `styles`, of these and of weights `[B, styles]`.
        model_dir: Folder of the model's versions.
        version: Number of the version; by default the next one.
        limits: What a request may ask for.

    Returns:
        The version's folder, and the largest difference, in levels of 255,
        between its answers and the generator's own.

    Raises:
        ExportError: If an op would not run on a stock server, or answers differ
            by more than one level.
        FileExistsError: If the version exists.
        ValueError: If the generator does not take pictures of any size.
    """
    proof.try_on(generator, limits)
    home = pathlib.Path(model_dir)
    number = _next_version(home) if version is None else version
    target = home / str(number)
    if target.exists():
        raise FileExistsError(
            f"Version {target} exists; versions never change."
        )
    fresh = not home.exists()
    home.mkdir(parents=True, exist_ok=True)
    draft = pathlib.Path(tempfile.mkdtemp(prefix="tmp-", dir=home))
    try:
        _write(generator, draft, limits)
        if bad := served_graphs.faults(draft):
            raise ExportError(f"Would not serve: {'; '.join(bad)}.")
        served_graphs.part_sums(draft)
        difference = proof.worst(generator, draft, limits)
        if difference > _TOLERANCE:
            raise ExportError(
                f"The exported version differs from the model by {difference} "
                "of 255 levels."
            )
        draft.chmod(0o755)  # mkdtemp's 0700 would shut the server's user out.
        os.rename(draft, target)
    except BaseException:
        shutil.rmtree(home if fresh else draft)
        raise
    return target, difference


def _next_version(home: pathlib.Path) -> int:
    entries = home.iterdir() if home.exists() else iter(())
    return (
        max((int(e.name) for e in entries if e.name.isdecimal()), default=0) + 1
    )


def _write(
    generator: keras.Model, draft: pathlib.Path, limits: signatures.Limits
) -> None:
    archive = keras.export.ExportArchive()
    archive.track(generator)
    made = signatures.make(generator, limits)
    for name, signature in made.items():
        archive.add_endpoint(name, signature.function, signature.inputs)
    archive.write_out(str(draft), verbose=False)
    extra = draft / "assets.extra"
    extra.mkdir()
    with tf.io.TFRecordWriter(str(extra / _WARMUP)) as writer:
        for request in proof.requests(made, limits):
            writer.write(_prediction_log(*request))


def _prediction_log(signature: str, inputs: dict[str, np.ndarray]) -> bytes:
    from tensorflow_serving.apis import predict_pb2
    from tensorflow_serving.apis import prediction_log_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.name = "warmup"  # The server does not look at it.
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    log = prediction_log_pb2.PredictLog(request=request)
    return prediction_log_pb2.PredictionLog(predict_log=log).SerializeToString()
