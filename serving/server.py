"""Serves models on this machine as TensorFlow Serving would, for development.

Speaks gRPC and, if asked, REST on loopback, with the same answers and errors.
For production use `serving/Dockerfile`.

Example:
    python -m serving.server --model_dir=models/starry
    python -m serving.server --config=models.config --rest_api_port=8501
"""

import os
import pathlib
import threading
from typing import Any

from percgen import command

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # We say it ourselves.
command.import_tensorflow()

from absl import flags  # noqa: E402
from tensorflow_serving.config import model_server_config_pb2  # noqa: E402

from serving import configs  # noqa: E402
from serving import gate  # noqa: E402
from serving import manager  # noqa: E402
from serving import monitoring  # noqa: E402
from serving import rest  # noqa: E402
from serving import services  # noqa: E402
from serving import tls  # noqa: E402

_MODEL_DIR = flags.DEFINE_string(
    "model_dir",
    None,
    "Folder of one model's versions; its name names the model.",
)
_CONFIG = flags.DEFINE_string(
    "config", None, "TensorFlow Serving's models.config, for several models."
)
_PORT = flags.DEFINE_integer(
    "port", 8500, "Port of gRPC on loopback; 0 takes a free one.", 0, 65535
)
_REST_PORT = flags.DEFINE_integer(
    "rest_api_port",
    None,
    "Port of REST on loopback; 0 takes a free one. By default there is none.",
    0,
    65535,
)
_THREADS = flags.DEFINE_integer(
    "threads", 4, "Requests answered at a time.", lower_bound=1
)
_MAX_WAITING = flags.DEFINE_integer(
    "max_waiting",
    64,
    "Requests that may wait for a thread; more are refused at once.",
    lower_bound=0,
)
_POLL = flags.DEFINE_integer(
    "file_system_poll_wait_seconds",
    1,
    "Seconds between two looks for new versions; 0 looks once.",
    lower_bound=0,
)
_EARLY_LABELS = flags.DEFINE_bool(
    "allow_version_labels_for_unavailable_models",
    False,
    "Whether a new label may name a version that is not available yet, as every"
    " label does when the server starts.",
)
_HEALTH = flags.DEFINE_bool(
    "enable_grpc_healthcheck_service", False, "Whether to offer gRPC health."
)
_SSL = flags.DEFINE_string(
    "ssl_config_file", None, "SSLConfig as text, for TLS on the port of gRPC."
)
_MONITORING = flags.DEFINE_string(
    "monitoring_config_file",
    None,
    "MonitoringConfig as text, for Prometheus on the port of REST.",
)
_CORS = flags.DEFINE_bool(
    "rest_api_enable_cors_support", False, "Whether REST takes CORS requests."
)
_REST_TIMEOUT = flags.DEFINE_integer(
    "rest_api_timeout_in_ms",
    30_000,
    "For a request to come, and again for its answer.",
    lower_bound=1,
)
_REST_MEGABYTES = flags.DEFINE_integer(
    "rest_api_max_megabytes",
    64,
    "Largest body that REST takes, inflated, in MB; TensorFlow Serving has no "
    "limit.",
    lower_bound=1,
)

serve = services.serve


def load(
    config: Any, poll_seconds: float = 0.0, early_labels: bool = False
) -> manager.Manager:
    """Loads the models of a `ModelServerConfig`; see `manager.Manager`.

    Raises:
        ValueError: If the configuration is wrong, or a model has no version
            that loads.
    """
    core = manager.Manager(poll_seconds, early_labels)
    core.start(config)
    return core


def main() -> None:
    config, options = _config(), _rest_options()
    credentials = tls.credentials(_SSL.value) if _SSL.value else None
    try:
        core = load(config, _POLL.value, _EARLY_LABELS.value)
    except ValueError as error:
        raise ValueError(
            f"{_CONFIG.value or _MODEL_DIR.value}: {error}"
        ) from error
    entrance = gate.Gate(_THREADS.value, _MAX_WAITING.value)
    _, port = serve(core, _PORT.value, entrance, credentials, _HEALTH.value)
    for name, versions in list(core.models.items()):
        numbers = ", ".join(map(str, sorted(versions)))
        print(f"Serving {name}, version {numbers}, on localhost:{port}")
    if _REST_PORT.value is not None:
        _, port = rest.serve(core, _REST_PORT.value, entrance, options)
        print(f"REST on localhost:{port}")
    print("For development only; Ctrl-C stops.", flush=True)
    threading.Event().wait()


def _config() -> Any:
    if bool(_MODEL_DIR.value) == bool(_CONFIG.value):
        raise ValueError("Give either --model_dir or --config.")
    if _CONFIG.value:
        return configs.models(_CONFIG.value)
    home = pathlib.Path(_MODEL_DIR.value).absolute()
    config = model_server_config_pb2.ModelServerConfig()
    config.model_config_list.config.add(
        name=home.name, base_path=str(home), model_platform="tensorflow"
    )
    return config


def _rest_options() -> rest.Options:
    path = ""
    if _MONITORING.value:
        prometheus = configs.monitoring(_MONITORING.value).prometheus_config
        if _REST_PORT.value is None:
            raise ValueError("--monitoring_config_file needs --rest_api_port.")
        if prometheus.enable:
            path = prometheus.path or monitoring.PATH
    return rest.Options(
        max_bytes=_REST_MEGABYTES.value << 20,
        seconds=_REST_TIMEOUT.value / 1000,
        cors=_CORS.value,
        metrics_path=path,
    )


if __name__ == "__main__":
    command.run(main)
