"""What measures share: many pictures, some at a time."""

from collections.abc import Callable
from typing import Any

import numpy as np

_AT_ONCE = 50


def apply(function: Callable[[np.ndarray], Any], values: np.ndarray) -> Any:
    """Returns what a function makes of many rows, given some at a time."""
    parts = np.array_split(values, -(-len(values) // _AT_ONCE))
    return np.concatenate([np.asarray(function(part)) for part in parts])


def norms(values: np.ndarray) -> np.ndarray:
    """Returns the Euclidean norm of each row of any shape."""
    return np.linalg.norm(values.reshape([len(values), -1]), axis=1)
