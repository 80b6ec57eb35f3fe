"""The suite against a backend that is really there: only what looks, nothing is written, nothing is provoked."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import ClassVar

from pydantic import BaseModel, SecretStr

from adapters.conformance.harness import Fault, Harness
from adapters.contract import Adapter


class LiveHarness(Harness):
    """Checks that need no more than an adapter, on the backend it is configured for."""

    faults: ClassVar[frozenset[Fault]] = frozenset()

    def __init__(self, open_adapter: Callable[[], Adapter], config: BaseModel | None = None) -> None:
        self._open = open_adapter
        self.secrets = () if config is None else secrets_of(config)

    def adapter(self) -> Adapter:
        return self._open()

    def put(self, model: str) -> str:
        raise NotImplementedError("nothing is written to a live backend")

    def drop(self, model: str, version: str | None = None) -> None:
        raise NotImplementedError("nothing is written to a live backend")

    def fail_with(self, fault: Fault) -> AbstractContextManager[object]:
        raise NotImplementedError("a live backend is not made to fail")

    @classmethod
    def offers(cls) -> frozenset[str]:
        return frozenset({"secrets"})


def live(open_adapter: Callable[[], Adapter], config: BaseModel | None = None) -> LiveHarness:
    """A harness on a live backend. `open_adapter` gives a new, configured adapter; `config` names its credentials."""
    adapter = open_adapter()
    adapter.close()
    made = type("Live", (LiveHarness,), {"adapter_type": type(adapter)})(open_adapter, config)
    assert isinstance(made, LiveHarness)
    return made


def secrets_of(config: BaseModel) -> tuple[str, ...]:
    """The credentials in a configuration, in plain text."""
    values = (getattr(config, name) for name in type(config).model_fields)
    return tuple(value.get_secret_value() for value in values if isinstance(value, SecretStr))
