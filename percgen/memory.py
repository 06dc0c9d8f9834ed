"""Arrays that were made last, remembered within bounds."""

import collections
import threading
from collections.abc import Callable
from collections.abc import Hashable
from typing import Any

import numpy as np

Arrays = tuple[np.ndarray, ...]


class Memory:
    """Calls a function, unless its result is still remembered.

    Args:
        make: Makes arrays of a name, or None, which is not remembered. Threads
            may call it at once.
        most: Bytes of arrays to remember; what was used longest ago goes first.
    """

    def __init__(self, make: Callable[[Any], Arrays | None], most: int):
        self._make, self._most = make, most
        self._held: collections.OrderedDict[Hashable, Arrays]
        self._held = collections.OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __call__(self, name: Hashable) -> Arrays | None:
        with self._lock:
            if name in self._held:
                self._held.move_to_end(name)
                return self._held[name]
        made = self._make(name)
        with self._lock:
            if made is not None and name not in self._held:
                self._held[name] = made
                self._bytes += _bytes(made)
            while self._bytes > self._most:
                self._bytes -= _bytes(self._held.popitem(last=False)[1])
        return made


def _bytes(arrays: Arrays) -> int:
    return sum(array.nbytes for array in arrays)
