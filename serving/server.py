"""Serves models on this machine as TensorFlow Serving would, for development.

Speaks gRPC's PredictionService and ModelService on loopback, with the same
answers and errors. For production use `serving/Dockerfile`.

Example:
    python -m serving.server --model_dir=models/starry
    python -m serving.server --config=models.config
"""

import dataclasses
import os
import pathlib
from collections.abc import Callable
from collections.abc import Mapping
from concurrent import futures
from typing import Any

from percgen import command

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # We say it ourselves.
command.import_tensorflow()

import grpc  # noqa: E402
from absl import flags  # noqa: E402
from google.protobuf import text_format  # noqa: E402
from tensorflow_serving.apis import get_model_status_pb2  # noqa: E402
from tensorflow_serving.apis import model_service_pb2_grpc  # noqa: E402
from tensorflow_serving.apis import prediction_service_pb2_grpc  # noqa: E402
from tensorflow_serving.config import model_server_config_pb2  # noqa: E402

from serving import messages  # noqa: E402
from serving import standin  # noqa: E402

_MODEL_DIR = flags.DEFINE_string(
    "model_dir",
    None,
    "Folder of one model's versions; its name names the model.",
)
_CONFIG = flags.DEFINE_string(
    "config", None, "TensorFlow Serving's models.config, for several models."
)
_PORT = flags.DEFINE_integer(
    "port", 8500, "Port on loopback; 0 takes a free one.", 0, 65535
)
_THREADS = flags.DEFINE_integer(
    "threads", 4, "Requests answered at a time.", lower_bound=1
)

_AVAILABLE = get_model_status_pb2.ModelVersionStatus.AVAILABLE
_LONGEST_MESSAGE = 1024
_LONGEST_RUN = 24 * 3600.0  # Seconds.
_CODES = {code.value[0]: code for code in grpc.StatusCode}


@dataclasses.dataclass(frozen=True)
class Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
    """PredictionService over a core; only Predict."""

    core: standin.Core

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:
        # gRPC gives centuries where the client set no deadline.
        seconds = min(context.time_remaining() or _LONGEST_RUN, _LONGEST_RUN)
        return _answer(context, lambda: self.core.predict(request, seconds))


@dataclasses.dataclass(frozen=True)
class Models(model_service_pb2_grpc.ModelServiceServicer):
    """ModelService over a core; only GetModelStatus."""

    core: standin.Core

    def GetModelStatus(
        self, request: Any, context: grpc.ServicerContext
    ) -> Any:
        return _answer(context, lambda: self._status(request))

    def _status(self, request: Any) -> Any:
        if not request.HasField("model_spec"):
            raise messages.StatusError(3, "Missing ModelSpec")
        spec = request.model_spec
        numbers = set(self.core.models.get(spec.name, {}))
        if not numbers:
            raise messages.StatusError(
                5, f"Could not find any versions of model {spec.name}"
            )
        if spec.HasField("version"):
            if spec.version.value not in numbers:
                raise messages.StatusError(
                    5,
                    f"Could not find version {spec.version.value} of model "
                    f"{spec.name}",
                )
            numbers = {spec.version.value}
        response = get_model_status_pb2.GetModelStatusResponse()
        for number in sorted(numbers, reverse=True):
            status = response.model_version_status.add()
            status.version, status.state = number, _AVAILABLE
        return response


def serve(
    core: standin.Core, port: int = 0, threads: int = 4
) -> tuple[Any, int]:
    """Starts a server on loopback; returns it and its port.

    Raises:
        OSError: If the port is taken.
    """
    server = grpc.server(
        futures.ThreadPoolExecutor(threads),
        options=[
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),  # Two servers on a port is a mistake.
        ],
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        Prediction(core), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(
        Models(core), server
    )
    try:
        bound = server.add_insecure_port(f"127.0.0.1:{port}")
    except RuntimeError as error:
        raise OSError(f"Cannot listen on port {port}: is it taken?") from error
    server.start()
    return server, bound


def load(config: Any) -> standin.Core:
    """Loads the models of a ModelServerConfig.

    Raises:
        ValueError: If a model has no version, or one does not load.
    """
    models, labels = {}, {}
    for model in config.model_config_list.config:
        if model.name in models:
            raise ValueError(f"Model {model.name} is listed twice.")
        home = pathlib.Path(model.base_path)
        numbers = _chosen(_versions(home), model.model_version_policy)
        if not numbers:
            raise ValueError(
                f"No versions of model {model.name} found under {home}. Did "
                "you forget to name its folder as a number?"
            )
        models[model.name] = {
            number: standin.Servable(folder, number)
            for number, folder in numbers.items()
        }
        labels[model.name] = dict(model.version_labels)
        missing = set(model.version_labels.values()) - set(numbers)
        if missing:
            raise ValueError(
                f"Model {model.name} has labels for versions that are not "
                f"served: {sorted(missing)}."
            )
    return standin.Core(models, labels)


def main() -> None:
    core = load(_config())
    server, port = serve(core, _PORT.value, _THREADS.value)
    for name, versions in core.models.items():
        numbers = ", ".join(map(str, sorted(versions)))
        print(
            f"Serving {name}, version {numbers}, on localhost:{port}",
            flush=True,
        )
    print("For development only; Ctrl-C stops.", flush=True)
    server.wait_for_termination()


def _config() -> Any:
    if bool(_MODEL_DIR.value) == bool(_CONFIG.value):
        raise ValueError("Give either --model_dir or --config.")
    config = model_server_config_pb2.ModelServerConfig()
    if _MODEL_DIR.value:
        home = pathlib.Path(_MODEL_DIR.value).absolute()
        config.model_config_list.config.add(name=home.name, base_path=str(home))
        return config
    text = pathlib.Path(_CONFIG.value).read_text()
    try:
        text_format.Parse(text, config)
    except text_format.ParseError as error:
        raise ValueError(f"{_CONFIG.value}: {error}") from error
    return config


def _versions(home: pathlib.Path) -> dict[int, pathlib.Path]:
    if not home.is_dir():
        return {}
    return {int(p.name): p for p in home.iterdir() if p.name.isdecimal()}


def _chosen(
    versions: Mapping[int, pathlib.Path], policy: Any
) -> dict[int, pathlib.Path]:
    """Returns the versions that a policy picks; by default the latest one."""
    choice = policy.WhichOneof("policy_choice")
    if choice == "all":
        numbers = sorted(versions)
    elif choice == "specific":
        numbers = [n for n in policy.specific.versions if n in versions]
    else:
        numbers = sorted(versions)[-(policy.latest.num_versions or 1) :]
    return {number: versions[number] for number in numbers}


def _answer(context: grpc.ServicerContext, compute: Callable[[], Any]) -> Any:
    try:
        return compute()
    except messages.StatusError as status:
        message = status.message
        if len(message) > _LONGEST_MESSAGE:
            message = f"{message[:_LONGEST_MESSAGE]}...TRUNCATED"
        return context.abort(_CODES[status.code], message)


if __name__ == "__main__":
    command.run(main)
