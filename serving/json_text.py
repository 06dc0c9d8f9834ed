"""JSON as TensorFlow Serving writes it, space for space.

An object's members stand on a line each; so do an array's items, unless
`one_line` puts them on one.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

# The largest part of a request that an error repeats, in characters.
_MOST_QUOTED = 64 << 10
_LARGEST_FLOAT = float(np.finfo(np.float32).max)


class Raw(str):
    """A value that is JSON text already."""


def dumps(value: Any, one_line: bool = False) -> str:
    """Returns the JSON text of lists, dictionaries, strings and numbers."""
    return "".join(_pieces(value, 0, one_line))


def rows(key: str, items: list[Any], on_lines: bool) -> str:
    """Returns the text of an object with one list, whose arrays are one line.

    Args:
        key: Of the list.
        items: Of the list.
        on_lines: Whether each item begins on a line of its own.
    """
    margin = "\n        " if on_lines else ""
    between = f",{margin}" if on_lines else ", "
    texts = ("".join(_pieces(item, 2, one_line=True)) for item in items)
    end = "\n    ]" if items else "]"
    return (
        f'{{\n    "{key}": [{margin if items else ""}'
        + between.join(texts)
        + end
        + "\n}"
    )


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
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    text = f"{value:g}"
    if kind(text) != kind(value):
        digits = 9 if kind is np.float32 else 17
        text = f"{kind(value):.{digits}g}"
    return text if "." in text or "e" in text else f"{text}.0"


def _pieces(value: Any, level: int, one_line: bool) -> Iterator[str]:
    """Yields the text bit by bit: all of it may be far more than is wanted."""
    margin, inner = "\n" + "    " * level, "\n" + "    " * (level + 1)
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
