"""What an adapter keeps in memory only to save requests: of what never changes, so much, and what was used last."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Kept(Generic[K, V]):
    """Values by key, of a bounded size in all: what was not used for longest is forgotten. Safe for several threads."""

    def __init__(self, most: int, size: Callable[[V], int] = lambda value: 1) -> None:
        """`size` is that of a value, in the unit of `most`; without it values are counted."""
        self._most, self._size, self._sum = most, size, 0
        self._values: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        """What was kept under a key."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def keep(self, key: K, value: V) -> V:
        """Keep this, in the place of what was kept under the key."""
        with self._lock:
            self._forget(key)
            self._values[key] = value
            self._sum += self._size(value)
            while self._sum > self._most and len(self._values) > 1:
                self._forget(next(iter(self._values)))
        return value

    def forget(self, key: K) -> None:
        """Keep nothing under a key."""
        with self._lock:
            self._forget(key)

    def _forget(self, key: K) -> None:
        if key in self._values:
            self._sum -= self._size(self._values.pop(key))
