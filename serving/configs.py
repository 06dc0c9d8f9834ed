"""Configuration files in TensorFlow Serving's formats, which are text protos.

The package tensorflow-serving-api has the models' alone; the few fields of the
others are written out here.
"""

import functools
import pathlib
from typing import Any

from google.protobuf import descriptor_pb2
from google.protobuf import descriptor_pool
from google.protobuf import message_factory
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

_BOOL, _STRING, _MESSAGE = 8, 9, 11
# `{message: {field: (number, type)}}`
_FIELDS: dict[str, dict[str, tuple[int, int]]] = {
    "SSLConfig": {
        "server_key": (1, _STRING),
        "server_cert": (2, _STRING),
        "custom_ca": (3, _STRING),
        "client_verify": (4, _BOOL),
    },
    "PrometheusConfig": {"enable": (1, _BOOL), "path": (2, _STRING)},
    "MonitoringConfig": {"prometheus_config": (1, _MESSAGE)},
}


def models(path: str) -> Any:
    """Reads a file for `--config`, a `ModelServerConfig`.

    Raises:
        ValueError: If it is not one.
        OSError: If it cannot be read.
    """
    return _read(path, model_server_config_pb2.ModelServerConfig())


def monitoring(path: str) -> Any:
    """Reads a file for `--monitoring_config_file`, likewise."""
    return _read(path, _message("MonitoringConfig"))


def ssl(path: str) -> Any:
    """Reads a file for `--ssl_config_file`, likewise."""
    return _read(path, _message("SSLConfig"))


def _read(path: str, message: Any) -> Any:
    try:
        return text_format.Parse(pathlib.Path(path).read_text(), message)
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}") from error


def _message(name: str) -> Any:
    found = _pool().FindMessageTypeByName(f"tensorflow.serving.{name}")
    return message_factory.GetMessageClass(found)()


@functools.cache
def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(
        name="serving_configs.proto",
        package="tensorflow.serving",
        syntax="proto3",
    )
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            message.field.add(name=field, number=number, type=kind, label=1)
    monitoring = file.message_type[-1]
    monitoring.field[0].type_name = ".tensorflow.serving.PrometheusConfig"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool
