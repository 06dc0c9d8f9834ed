"""Bodies for REST, drawn at random."""

import base64
import gzip
import json
from typing import Any

from hypothesis import strategies as st

from benchmarks import load_inputs

Sent = tuple[str, bytes, dict[str, str]]  # Path, body, headers.

_PATHS = [
    f"/v1/models/{load_inputs.MODEL}{x}:predict" for x in ("", "/versions/1")
]
GZIP = {"Content-Encoding": "gzip"}


def _b64(content: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(content).decode()}


_pictures = st.deferred(lambda: st.sampled_from(load_inputs.pictures()))
_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=40).map(_b64)
    | (_pictures | load_inputs.images).map(_b64)
)
_keys = st.sampled_from(
    ["image_bytes", "jpeg_quality", "images", "b64", "inputs", "instances"]
) | st.text(max_size=8)
_values: st.SearchStrategy[Any] = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(_keys, inner, max_size=3)
        | st.fixed_dictionaries({"image_bytes": inner})
    ),
    max_leaves=12,
)
_near = st.fixed_dictionaries(
    {"image_bytes": _pictures.map(_b64)},
    optional={"jpeg_quality": st.integers(-1, 101) | _scalars},
)
_documents = st.one_of(
    st.fixed_dictionaries(
        {"instances": st.lists(_near | _scalars, min_size=1, max_size=2)}
    ),
    st.fixed_dictionaries(
        {},
        optional={
            "instances": st.lists(_values, max_size=3) | _values,
            "inputs": _values,
            "signature_name": st.sampled_from(["pixels", "serving_default"])
            | _values,
        },
    ),
    st.fixed_dictionaries(
        {"instances": st.lists(st.lists(_scalars, max_size=3), max_size=3)}
    ),
    _values,
)
_texts = st.builds(
    lambda document, ascii: json.dumps(document, ensure_ascii=ascii).encode(
        "utf-8", "surrogatepass"
    ),
    _documents,
    st.booleans(),
)
_bodies = st.one_of(
    _texts,
    _texts,
    st.builds(load_inputs.edited, _texts, load_inputs.edits),
    st.binary(max_size=64),
)


@st.composite
def sent(draw: st.DrawFn) -> Sent:
    """Draws a path, mostly the right one, a body and its headers."""
    path = draw(st.sampled_from(_PATHS))
    if draw(st.integers(0, 9)) == 0:
        tail = draw(st.text(st.characters(codec="ascii"), max_size=20))
        path = f"/v1/{_quoted(tail)}"
    body = draw(_bodies)
    if draw(st.integers(0, 9)):
        return path, body, {}
    if draw(st.booleans()):
        body = gzip.compress(body)
    return path, body, GZIP


def _quoted(text: str) -> str:
    """Returns a path without what no client can send."""
    return "".join(c for c in text if "!" <= c <= "~")
