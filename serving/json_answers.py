"""REST's JSON answers, as TensorFlow Serving writes them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from google.protobuf import json_format
from tensorflow_serving.apis import get_model_metadata_pb2

from serving import answers
from serving import json_tensors
from serving import json_text
from serving import messages


def predictions(outputs: Mapping[str, np.ndarray], in_rows: bool) -> str:
    """Returns the answer to a prediction.

    Args:
        outputs: Tensors by name.
        in_rows: Whether to write a list of rows, or a list per output.

    Raises:
        messages.StatusError: If a tensor cannot be written so.
    """
    several = len(outputs) > 1  # Only then are their names written.
    if not in_rows:
        columns = {
            name: _arrays(name, value[None], 2 if several else 1, False)[0]
            for name, value in outputs.items()
        }
        return json_text.dumps({"outputs": _unnamed(columns)})
    _check_rows(outputs)
    by_name = {
        name: _arrays(name, value, 3 if several else 2, True)
        for name, value in outputs.items()
    }
    items = [
        _unnamed(dict(zip(by_name, row, strict=True)))
        for row in zip(*by_name.values(), strict=True)
    ]
    return json_text.rows("predictions", items, on_lines=several)


def _arrays(
    name: str, batch: np.ndarray, level: int, one_line: bool
) -> list[json_text.Raw]:
    count, *shape = batch.shape
    texts = json_tensors.write(name, batch, level + len(shape))
    arrays = json_text.arrays(texts, count, shape, level, one_line)
    return [json_text.Raw(text) for text in arrays]


def _unnamed(values: dict[str, Any]) -> Any:
    return values if len(values) > 1 else next(iter(values.values()))


def _check_rows(outputs: Mapping[str, np.ndarray]) -> None:
    batch = None
    for name, value in outputs.items():
        if not value.ndim:
            raise messages.invalid(
                f"Tensor name: {name} has no shape information "
            )
        if batch is not None and len(value) != batch:
            raise messages.invalid(
                f"Tensor name: {name} has inconsistent batch size: "
                f"{len(value)} expecting: {batch}"
            )
        batch = len(value)


def status(response: Any) -> str:
    """Returns a `GetModelStatusResponse` in JSON."""
    return _printed(response)


def metadata(response: Any) -> str:
    """Returns a `GetModelMetadataResponse` in JSON."""
    signatures = get_model_metadata_pb2.SignatureDefMap()
    response.metadata[answers.SIGNATURES].Unpack(signatures)
    return (
        f'{{\n"model_spec":{_printed(response.model_spec)},\n'
        f'"metadata": {{"signature_def": {_printed(signatures)}}}\n}}\n'
    )


def _printed(message: Any) -> str:
    text = json_format.MessageToJson(
        message,
        indent=1,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
        ensure_ascii=False,
    )
    return f"{text}\n"
