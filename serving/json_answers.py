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
    if in_rows:
        _check_rows(outputs)
    written = {
        name: json_tensors.write(name, value) for name, value in outputs.items()
    }
    if not in_rows:
        return json_text.dumps({"outputs": _unnamed(written)})
    (count, *_) = (len(rows) for rows in written.values())
    return json_text.rows(
        "predictions",
        [
            _unnamed({name: rows[i] for name, rows in written.items()})
            for i in range(count)
        ],
        on_lines=len(written) > 1,
    )


def _unnamed(values: dict[str, Any]) -> Any:
    """A name is written only where there are several."""
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
