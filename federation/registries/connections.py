"""Connections: one open adapter for each registry of a process, how long its calls may take, and who answers there.

Runs, details, operations and snippets use the same one, so what a backend allows (connections, requests a minute) is
spent once. One whose configuration has changed makes way for a new one, and is closed when its last call is back.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Row

from adapters import Adapter, AdapterError, BackendInfo, Discovered, RejectedError, TransientError
from federation.registries.backend import is_another, refusal
from federation.registries.calls import Abandoned, call_each
from federation.registries.opening import open_adapter

T = TypeVar("T")
Asked = tuple[str, Callable[[Adapter], T]]
"""A call of an adapter: its name, and what makes it."""


class ReplacedError(RejectedError):
    """The backend at this address is another one than before."""

    def __init__(self, message: str, info: BackendInfo) -> None:
        super().__init__(message)
        self.info = info


@dataclass(slots=True, eq=False)
class OpenAdapter:
    """The adapter of one registry, open for as long as somebody uses it. Safe for several threads."""

    registry: str
    generation: int
    adapter: Adapter
    deadline: float
    """Seconds that a call may take, by the configuration."""
    abandoned: Abandoned
    _info: BackendInfo | None = None
    """Who answered when that was asked last; None since something failed."""
    _users: int = 0
    _is_retired: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def used(self) -> Iterator[None]:
        """It stays open while the block lasts."""
        with self._lock:
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
            self._close_unused()

    def retire(self) -> None:
        """Close it once nobody uses it any more."""
        self._is_retired = True
        self._close_unused()

    def call(
        self,
        what: str,
        function: Callable[[Adapter], T],
        stopping: Callable[[], bool] = bool,
        within: float | None = None,
    ) -> T:
        """What a function of the adapter returns, within the deadline, or so many seconds. Errors: `AdapterError`,
        `StoppedError`.
        """
        answer = self.call_each([(what, function)], stopping, within)[0]
        if isinstance(answer, AdapterError):
            raise answer
        return answer

    def call_each(
        self,
        wanted: Sequence[Asked[T]],
        stopping: Callable[[], bool] = bool,
        within: float | None = None,
    ) -> list[T | AdapterError]:
        """What each returned or raised, in turn, until one fails for now: then there are fewer answers.

        Errors: `StoppedError` as soon as `stopping` says so.
        """
        calls = [(f"{self.registry}: {what}", partial(self._make, function)) for what, function in wanted]
        deadline = self.deadline if within is None else within
        answers = call_each(calls, deadline=deadline, abandoned=self.abandoned, stopping=stopping)
        if answers and isinstance(answers[-1], TransientError):
            self.forget()
        return answers

    def identify(self, registry: Row[Any], *, anew: bool = False) -> BackendInfo:
        """Who answers: asked once until something fails, or `anew`. Errors: `ReplacedError`, `AdapterError`."""
        info = self._info
        if info is None or anew:
            self._info = info = self.call("probe", lambda adapter: adapter.probe())
        if is_another(registry, info):
            self.forget()
            raise ReplacedError(refusal(registry.name), info)
        return info

    def forget(self) -> None:
        """Something failed: it may be another backend that answers next."""
        self._info = None

    def _make(self, function: Callable[[Adapter], T]) -> T:
        with self.used():  # by the thread that makes the call, which may come back when nobody waits any more
            return function(self.adapter)

    def _close_unused(self) -> None:
        with self._lock:
            is_over = self._is_retired and not self._users
        if is_over:
            self.adapter.close()  # may be called twice


@dataclass(slots=True)
class Connections:
    """The connections of this process. Safe for several threads."""

    adapters: Discovered
    abandoned: Abandoned = field(default_factory=Abandoned)
    _open: dict[int, OpenAdapter] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def to(self, registry: Row[Any]) -> Iterator[OpenAdapter]:
        """The one to a registry, as its row configures it or a newer one does. Errors: `RegistryError`."""
        while True:
            connection = self._open.get(registry.id)
            if connection is None or connection.generation < registry.generation:
                self._replace(registry)
                continue
            with connection.used():
                if self._open.get(registry.id) is connection:  # else it may be closed already
                    yield connection
                    return

    def close(self) -> None:
        """Close all of them, each when its last call is back."""
        with self._lock:
            connections = list(self._open.values())
            self._open.clear()
        for one in connections:
            one.retire()

    def _replace(self, registry: Row[Any]) -> None:
        adapter, config = open_adapter(registry.name, registry.kind, registry.config, self.adapters)
        made = OpenAdapter(
            registry.name, registry.generation, adapter, config.call_timeout, self.abandoned
        )  # outside of the lock: a plugin may take its time
        with self._lock:
            known = self._open.get(registry.id)
            if known is None or known.generation < made.generation:
                self._open[registry.id] = made
            else:
                known = made
        if known is not None:
            known.retire()
