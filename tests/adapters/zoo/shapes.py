"""Animals broken in their definition, before or at the first call."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import ConfigDict, Field, model_validator

from adapters import AdapterConfig, BackendInfo, Capability, InvalidError, Key, Page, Record, TransientError
from adapters.contract import Adapter
from tests.adapters.zoo.enclosure import Sound, ZooConfig, breaks


@breaks("kind_is_a_word")
class Shouting(Sound):
    kind: ClassVar[str] = "Zoo Animal!"


@breaks("contract_version_is_current")
class Old(Sound):
    contract: ClassVar[int] = 0


class LooseConfig(ZooConfig):
    model_config = ConfigDict(frozen=False)


@breaks("config_is_frozen_and_strict")
class Loose(Sound):
    config_type: ClassVar[type[AdapterConfig]] = LooseConfig


class ForgivingConfig(ZooConfig):
    @model_validator(mode="before")
    @classmethod
    def forget(cls, value: dict[str, Any]) -> dict[str, Any]:
        return {name: given for name, given in value.items() if name in cls.model_fields}


@breaks("config_refuses_an_unknown_key")
class Forgiving(Sound):
    config_type: ClassVar[type[AdapterConfig]] = ForgivingConfig


class OpenConfig(ZooConfig):
    api_key: str = Field(default="", description="credential in the open")


@breaks("config_keeps_secrets_secret")
class Open(Sound):
    config_type: ClassVar[type[AdapterConfig]] = OpenConfig


class MuteConfig(ZooConfig):
    depth: int = 3


@breaks("config_fields_are_described")
class Mute(Sound):
    config_type: ClassVar[type[AdapterConfig]] = MuteConfig


@breaks(
    "capabilities_match_methods",
    "undeclared_writes_refuse",
)
class Modest(Sound):
    """Deletes, and says afterwards that it cannot."""


Modest.capabilities = frozenset(Capability) - {Capability.DELETE}


@breaks("undeclared_writes_refuse")
class Evasive(Sound):
    capabilities: ClassVar[frozenset[Capability]] = frozenset(Capability) - {Capability.DELETE}
    delete = Adapter.delete

    def _cannot(self, capability: Capability) -> Any:
        return InvalidError("that was wrong: try something else")


@breaks("signatures_are_kept")
class Renamed(Sound):
    def get(self, native: Key) -> Record:
        return super().get(native)


@breaks("stage_rules_are_rules")
class Lawless(Sound):
    stage_rules: ClassVar[Mapping[str, tuple[str, ...]]] = {"prod": ("always",)}


@breaks("init_does_nothing")
class Eager(Sound):
    def __init__(self, config: Any) -> None:
        super().__init__(config)
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", 1), 0.01).close()


@breaks(
    "init_does_nothing",
    "init_needs_no_backend",
    "an_unreachable_backend_is_transient",
    "a_refused_credential_is_an_auth_error",
    "a_missing_permission_is_an_auth_error",
    "faults_heal",
    "error_messages_are_for_people",
    "writes_fail_with_adapter_errors",
    "no_secret_in_errors",
    "no_secret_in_logs",
)
class Impatient(Sound):
    def __init__(self, config: Any) -> None:
        super().__init__(config)
        try:
            self.backend.before("init")
        except TransientError as error:
            if "unreachable" in str(error):
                raise


@breaks("environment_is_left_alone")
class Littering(Sound):
    def probe(self) -> BackendInfo:
        os.environ["WAYPOST_ZOO_LITTER"] = str(time.monotonic_ns())
        return super().probe()


@breaks("any_thread_will_do")
class Loyal(Sound):
    thread = 0

    def probe(self) -> BackendInfo:
        self.thread = threading.get_ident()
        return super().probe()

    def scan(self, **place: Any) -> Iterator[Page]:
        if self.thread not in (0, threading.get_ident()):
            raise RuntimeError("this connection belongs to another thread")
        return super().scan(**place)


@breaks("records_are_read_beside_a_scan")
class Absorbed(Sound):
    scanning = False

    def scan(self, **place: Any) -> Iterator[Page]:
        self.scanning = True
        time.sleep(0.01)
        try:
            yield from super().scan(**place)
        finally:
            self.scanning = False

    def get(self, key: Key) -> Record:
        if self.scanning:
            raise RuntimeError("this connection is being read from")
        return super().get(key)


@breaks("close_may_come_twice")
class Mortal(Sound):
    closed = False

    def close(self) -> None:
        if self.closed:
            raise RuntimeError("already closed")
        self.closed = True


@breaks(
    "close_may_come_first",
    "nothing_is_left_open",
)
class Unborn(Sound):
    used = False

    def probe(self) -> BackendInfo:
        self.used = True
        return super().probe()

    def close(self) -> None:
        if not self.used:
            raise RuntimeError("nothing to close")


@breaks("close_ends_one_instance_only")
class Siamese(Sound):
    living: ClassVar[set[str]] = set()
    opened = False

    def probe(self) -> BackendInfo:
        self.living.add(self.name)
        self.opened = True
        return super().probe()

    def scan(self, **place: Any) -> Iterator[Page]:
        if self.opened and self.name not in self.living:
            raise RuntimeError("the shared connection is closed")
        return super().scan(**place)

    def close(self) -> None:
        self.living.discard(self.name)


@breaks("nothing_is_left_open")
class Leaking(Sound):
    def scan(self, **place: Any) -> Iterator[Page]:
        self.socket = socket.socket()
        return super().scan(**place)


@breaks("probe_says_who_it_is")
class Nameless(Sound):
    def probe(self) -> BackendInfo:
        return replace(super().probe(), version="")


@breaks("identity_is_stable")
class Multiple(Sound):
    def probe(self) -> BackendInfo:
        return replace(super().probe(), identity=f"instance {id(self)}")


@breaks("identity_survives_changes")
class Growing(Sound):
    def probe(self) -> BackendInfo:
        return replace(super().probe(), identity=f"backend of {self.backend.last} changes")


@breaks("probe_explains_what_is_missing")
class Curt(Sound):
    def probe(self) -> BackendInfo:
        return replace(super().probe(), unavailable=frozenset({Capability.DELETE}))


@breaks("details_answer")
class Vague(Sound):
    def schema(self, version: Any) -> Any:
        return {"inputs": []}


@breaks("snippets_are_snippets")
class Terse(Sound):
    def snippets(self, model: str, version: Any) -> Any:
        return ("load it",)
