"""Descriptions of layers that Keras 2 wrote, as Keras 3 reads them.

Keras 3 reads most of them by itself. What is here, it refuses or warns about.
"""

from typing import Any

Description = dict[str, Any]

# Convolutions that never had groups, though they were saved with one.
_UNGROUPED = (
    *(f"Conv{rank}DTranspose" for rank in (1, 2, 3)),
    *(f"{kind}Conv{n}D" for kind in ("Depthwise", "Separable") for n in (1, 2)),
)
_MODELS = ("Functional", "Model", "Sequential")


def translate(node: Any) -> Any:
    """Returns a description, of a model or of any part of one, for Keras 3.

    Where a layer lies decides how Keras 3 reads it: in a model by its name
    alone, in a wrapper with the module that it comes from.
    """
    if isinstance(node, list):
        return [translate(value) for value in node]
    if not isinstance(node, dict):
        return node
    node = {key: translate(value) for key, value in node.items()}
    config = node.get("config")
    if "class_name" not in node or not isinstance(config, dict):
        return node
    if node["class_name"] == "Policy":  # Of mixed precision.
        return config["name"]
    config = _wrapper(_arguments(node["class_name"], config))
    if node["class_name"] in _MODELS:
        config = _model(config)
    return {**node, "config": config}


def registered_name(node: Description) -> str:
    """Returns the name of a layer's class, with its package if it has one.

    In wrappers and in nested models only `registered_name` has the package.
    """
    registered = node.get("registered_name")
    return registered if registered else node.get("class_name", "")


def _arguments(class_name: str, config: Description) -> Description:
    """Returns arguments without those that Keras 3 took away."""
    config = dict(config)
    if class_name == "LeakyReLU" and "alpha" in config:
        config["negative_slope"] = config.pop("alpha")
    if class_name == "Embedding":
        config.pop("input_length", None)
    if config.get("time_major") is False:
        del config["time_major"]
    if class_name in _UNGROUPED:
        config.pop("groups", None)
    return config


def _model(config: Description) -> Description:
    layers = [_in_model(layer) for layer in config["layers"]]
    for layer in layers[1:]:
        if layer["class_name"] != "InputLayer":
            layer["config"].pop("batch_input_shape", None)
    config = {**config, "layers": layers}
    if "output_layers" in config:
        _renumber(layers, config["output_layers"])
    for key in ("input_layers", "output_layers"):
        # One tensor was a list of one; Keras 3 would insist on the list.
        if len(config.get(key, ())) == 1:
            config[key] = config[key][0]
    return config


def _renumber(layers: list[Description], outputs: list[list[Any]]) -> None:
    """Counts the calls of a nested model from 0.

    Keras 2 counted from 1 if the model had an input. So does Keras 3 in the
    outputs of a model, if they come from a functional one, but nowhere else.
    """
    nested = {
        layer["name"]: layer["class_name"]
        for layer in layers
        if layer["class_name"] in _MODELS
        and registered_name(layer["config"]["layers"][0]) == "InputLayer"
    }
    calls = [call for layer in layers for call in layer["inbound_nodes"]]
    for tensor in (tensor for call in calls for tensor in call):
        tensor[1] -= tensor[0] in nested
    for tensor in outputs:
        tensor[1] -= nested.get(tensor[0]) == "Sequential"


def _in_model(layer: Description) -> Description:
    """Returns a layer as it lies in a model: by its name alone."""
    gone = ("module", "registered_name", "build_config")
    kept = {key: value for key, value in layer.items() if key not in gone}
    return {**kept, "class_name": registered_name(layer)}


def _wrapper(config: Description) -> Description:
    """Returns the arguments of a wrapper, or of any other layer."""
    wrapped = ("layer", "backward_layer")
    for key, value in config.items():
        if (
            key in wrapped
            and isinstance(value, dict)
            and registered_name(value)
        ):
            config = {**config, key: _in_wrapper(value)}
    return config


def _in_wrapper(layer: Description) -> Description:
    registered, config = registered_name(layer), dict(layer["config"])
    config.pop("batch_input_shape", None)
    module = "keras" if registered in _MODELS else "keras.layers"
    class_name = "Model" if registered == "Functional" else registered
    return {
        "module": module,
        "class_name": class_name,
        "config": config,
        "registered_name": class_name,
    }
