"""JSON as TensorFlow Serving writes it, space for space.

An object's members stand on a line each; so do an array's items, unless
`one_line` puts them on one.
"""

import json
import math
import re
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import numpy as np

# The largest part of a request that an error repeats, in characters.
_MOST_QUOTED = 64 << 10
_SPECIAL = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_LARGEST_FLOAT = float(np.finfo(np.float32).max)


class Raw(str):
    """A value that is JSON text already."""


def dumps(value: Any, one_line: bool = False) -> str:
    """Returns the JSON text of lists, dictionaries, strings and numbers."""
    return "".join(_pieces(value, 0, one_line))


def arrays(
    texts: list[str],
    count: int,
    shape: Sequence[int],
    level: int,
    one_line: bool,
) -> list[str]:
    """Returns the texts of arrays, of those of all their values.

    Args:
        texts: Of the values, array by array.
        count: Of the arrays.
        shape: Of each.
        level: How deep the arrays lie.
        one_line: Whether their items stand on one line.
    """
    for axis in reversed(range(len(shape))):
        size, margin = shape[axis], _margin(level + axis)
        inner = "" if one_line else _margin(level + axis + 1)
        between = ", " if one_line else f",{inner}"
        end = "]" if one_line else f"{margin}]"
        starts = range(0, count * math.prod(shape[: axis + 1]), size or 1)
        texts = [
            f"[{inner}{between.join(texts[start : start + size])}{end}"
            for start in starts
        ]
        if not size:
            texts = ["[]"] * (count * math.prod(shape[:axis]))
    return texts


def rows(key: str, items: Sequence[Any], on_lines: bool) -> str:
    """Returns the text of an object with one list, whose arrays are one line.

    Args:
        key: Of the list.
        items: Of the list.
        on_lines: Whether each item begins on a line of its own.
    """
    margin = _margin(2) if on_lines else ""
    between = f",{margin}" if on_lines else ", "
    texts = ("".join(_pieces(item, 2, one_line=True)) for item in items)
    start, end = (margin, _margin(1)) if items else ("", "")
    return f'{{{_margin(1)}"{key}": [{start}{between.join(texts)}{end}]\n}}'


def base64(text: str, level: int) -> str:
    """Returns the text of an object that stands for bytes."""
    return "".join(_pieces({"b64": text}, level, one_line=True))


def quote(value: Any) -> str:
    """Returns JSON text for an error, cut where it grows out of hand."""
    if isinstance(value, float):
        single = not math.isfinite(value) or abs(value) <= _LARGEST_FLOAT
        return decimal(value, np.float32 if single else np.float64)
    text = ""
    for piece in _pieces(value, 0, one_line=True):
        text += piece
        if len(text) > _MOST_QUOTED:
            return f"{text[:_MOST_QUOTED]}...TRUNCATED"
    return text


def error(message: str) -> str:
    """Returns the body of an answer that is an error."""
    return dumps({"error": message})


def decimal(value: float, kind: type[np.floating]) -> str:
    """Returns a number in six digits, or in as many as it takes."""
    (text,) = decimals(np.array([value], kind))
    return text


def decimals(values: np.ndarray) -> list[str]:
    """Returns numbers likewise, `[N]`."""
    digits = 9 if values.dtype == np.float32 else 17
    exact = values.tolist()
    texts = [f"{value:g}" for value in exact]
    read = np.array([float(text) for text in texts], values.dtype)
    for place in np.flatnonzero(read != values):
        texts[place] = f"{exact[place]:.{digits}g}"
    return [_SPECIAL.get(text) or _with_point(text) for text in texts]


def _with_point(text: str) -> str:
    return text if "." in text or "e" in text else f"{text}.0"


def _margin(level: int) -> str:
    return "\n" + "    " * level


def _pieces(value: Any, level: int, one_line: bool) -> Iterator[str]:
    """Yields the text bit by bit: all of it may be far more than is wanted."""
    margin, inner = _margin(level), _margin(level + 1)
    if isinstance(value, dict) and value:
        yield "{"
        for number, (key, member) in enumerate(value.items()):
            yield f"{',' if number else ''}{inner}{_scalar(key)}: "
            yield from _pieces(member, level + 1, one_line)
        yield f"{margin}}}"
    elif isinstance(value, list) and value:
        between = ", " if one_line else f",{inner}"
        yield "[" if one_line else f"[{inner}"
        if any(isinstance(item, dict | list) for item in value):
            for number, item in enumerate(value):
                yield between if number else ""
                yield from _pieces(item, level + 1, one_line)
        else:
            yield between.join(map(_scalar, value))
        yield "]" if one_line else f"{margin}]"
    else:
        yield _scalar(value)


def _scalar(value: Any) -> str:
    if type(value) is Raw:
        return value
    if type(value) is int:
        return str(value)
    text = json.dumps(value, ensure_ascii=False)
    if type(value) is float:  # 1e-07 is 1e-7.
        return re.sub(r"e\+?(-?)0*", r"e\1", text)
    return text
