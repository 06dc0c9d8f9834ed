"""What TensorFlow Serving asks of a list of models, and what it serves of it.

The words are those recorded from the real server's core.
"""

import pathlib
from collections.abc import Mapping
from typing import Any

from serving import messages

_TENSORFLOW = "tensorflow"
_MODEL_TYPES = {1: _TENSORFLOW}  # Deprecated; as numbers.
_MOST = 2**63  # A version is an int64.


def check(config: Any, served: Mapping[str, Any]) -> None:
    """Checks a `ModelServerConfig`.

    Args:
        config: To check.
        served: `ModelConfig` messages served now, by name.

    Raises:
        messages.StatusError: With the real server's words.
    """
    if config.WhichOneof("config") != "model_config_list":
        raise messages.invalid(
            "ServerModelConfig type not supported by HandleReloadConfigRequest."
            " Only ModelConfigList is currently supported"
        )
    models = config.model_config_list.config
    names = set()
    for model in models:
        if model.name in names:
            raise messages.invalid(
                f"Illegal to list model {model.name} multiple times in config "
                "list"
            )
        names.add(model.name)
    for model in models:
        if not pathlib.PurePath(model.base_path).is_absolute():
            raise messages.invalid(
                f"Expected model {model.name} to have an absolute path or URI; "
                f"got base_path()={model.base_path}"
            )
    for model in models:
        _check_platform(model, served)


def _check_platform(model: Any, served: Mapping[str, Any]) -> None:
    platform = _platform(model)
    if model.name in served and platform != _platform(served[model.name]):
        raise messages.invalid(
            "Illegal to change a model's platform. For model "
            f"{model.name} platform was {_platform(served[model.name])} and "
            f"new platform requested is {platform}"
        )
    if platform != _TENSORFLOW:
        raise messages.invalid(
            f"Model {model.name} requests unsupported platform {platform}"
        )


def _platform(model: Any) -> str:
    if model.model_type and model.model_platform:
        raise messages.invalid(
            "Illegal setting both ModelServerConfig::model_type (deprecated) "
            "and ModelServerConfig::model_platform."
        )
    platform = model.model_platform or _MODEL_TYPES.get(model.model_type, "")
    if not platform:
        raise messages.invalid(
            "Illegal setting neither ModelServerConfig::model_type "
            "(deprecated) nor ModelServerConfig::model_platform, model name is "
            f"{model.name}"
        )
    return platform


def versions(model: Any) -> dict[int, pathlib.Path]:
    """Returns the folders of the versions that a `ModelConfig` picks.

    Raises:
        OSError: If its base path cannot be read.
    """
    found = {
        int(path.name): path
        for path in pathlib.Path(model.base_path).iterdir()
        if path.name.isascii()
        and path.name.isdecimal()
        and int(path.name) < _MOST
    }
    policy = model.model_version_policy
    choice = policy.WhichOneof("policy_choice")
    if choice == "all":
        numbers = sorted(found)
    elif choice == "specific":
        numbers = [n for n in policy.specific.versions if n in found]
    else:
        numbers = sorted(found)[-(policy.latest.num_versions or 1) :]
    return {number: found[number] for number in numbers}
