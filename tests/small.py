"""Models that load at once, and what tests ask of a server of them."""

import contextlib
import pathlib
import shutil
import time

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis import get_model_status_pb2
from tensorflow_serving.apis import predict_pb2
from tensorflow_serving.apis import prediction_log_pb2
from tensorflow_serving.config import model_server_config_pb2

from serving import answers
from serving import manager
from serving import messages
from serving import server
from serving import standin

ALL = "model_version_policy { all {} }"


class Scale(tf.Module):
    """Multiplies by a factor; `slowly` counts `rounds` before."""

    def __init__(self, factor):
        super().__init__()
        self.factor = tf.constant(factor, tf.float32)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def scale(self, x):
        return {"y": x * self.factor}

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32, name="rounds")])
    def slowly(self, rounds):
        count = tf.while_loop(
            lambda i: i < rounds, lambda i: (i + 1,), (tf.constant(0),)
        )[0]
        return {"y": tf.cast(count, tf.float32)[None] * 0 + self.factor}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def types(self, x):
        return {
            "half": tf.cast(x, tf.float16),
            "bfloat16": tf.cast(x, tf.bfloat16),
            "double": tf.cast(x, tf.float64),
            "bool": x > 0,
            "int64": tf.cast(x, tf.int64),
            "whole_bytes": tf.strings.reduce_join(tf.strings.as_string(x)),
        }


def write_scale(path, factor=1.0):
    """Writes a version whose default signature is `y = factor * x`."""
    scale = Scale(factor)
    signatures = {
        "serving_default": scale.scale,
        "slowly": scale.slowly,
        "types": scale.types,
    }
    whole = pathlib.Path(path).with_name("whole")  # No number: not served.
    tf.saved_model.save(scale, str(whole), signatures=signatures)
    whole.rename(path)


def copy_version(source, path):
    """Copies a version so that it appears as a whole."""
    whole = pathlib.Path(path).with_name("whole")
    shutil.copytree(source, whole)
    whole.rename(path)


def write_warm_up(version, *logs):
    """Gives a version warm-up requests, as text or as bytes."""
    folder = version / "assets.extra"
    folder.mkdir()
    file = folder / "tf_serving_warmup_requests"
    with tf.io.TFRecordWriter(str(file)) as writer:
        for log in logs:
            writer.write(log if isinstance(log, bytes) else record(log))
    return file


def record(text):
    log = prediction_log_pb2.PredictionLog()
    text_format.Parse(text, log)
    return log.SerializeToString()


@contextlib.contextmanager
def serving(homes):
    """Yields where a server has version 1 of models, named as their folders."""
    models = {home.name: {1: standin.Servable(home / "1", 1)} for home in homes}
    started, port = server.serve(standin.Core(models, {}))
    try:
        yield f"localhost:{port}"
    finally:
        started.stop(None).wait()


def config(*models):
    """Returns a `ModelServerConfig`; models are TensorFlow's by default."""
    text = ""
    for model in models:
        if "model_platform" not in model:
            model += ' model_platform: "tensorflow"'
        text += f"config {{ {model} }}"
    return text_format.Parse(
        f"model_config_list {{ {text} }}",
        model_server_config_pb2.ModelServerConfig(),
    )


def config_of(home, rest="", name="m"):
    """Returns a `ModelServerConfig` of one model."""
    return config(entry(home, rest, name))


@contextlib.contextmanager
def following(home, rest="", poll_seconds=0.02, **options):
    """Yields a manager of one model, named m, that follows its folder."""
    core = manager.Manager(poll_seconds, **options)
    core.start(config_of(home, rest))
    try:
        yield core
    finally:
        core.stop()


def entry(home, rest="", name="m"):
    return f'name: "{name}" base_path: "{home}" {rest}'


def states(core, name="m"):
    """Returns the states of a model's versions as text, newest first."""
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = name
    states = answers.status(core, request).model_version_status
    return ", ".join(f"{v.version} {v.State.Name(v.state)}" for v in states)


def reaches(core, expected):
    """Waits until model m has these states."""
    until(lambda: states(core) == expected)


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it does not come to pass"
        time.sleep(0.01)


def request(label=None, version=None, signature="", **inputs):
    made = predict_pb2.PredictRequest()
    made.model_spec.name = "m"
    made.model_spec.signature_name = signature
    if label:
        made.model_spec.version_label = label
    if version:
        made.model_spec.version.value = version
    for name, value in (inputs or {"x": np.float32([1])}).items():
        made.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return made


def factor(core, **spec):
    return core.predict(request(**spec)).outputs["y"].float_val[0]


def refused(core, config):
    with pytest.raises(messages.StatusError) as raised:
        core.reload(config)
    return raised.value.code, raised.value.message
