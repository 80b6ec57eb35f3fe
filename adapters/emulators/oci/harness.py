"""The oci adapter under test: a registry on a real socket, and hands on it past the adapter."""

import contextlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import ClassVar

from adapters.conformance.harness import RETRIED, Fault, Gap, Harness
from adapters.contract import Adapter
from adapters.emulators.oci.pushing import Pusher
from adapters.emulators.oci.server import OciRegistry, serve
from adapters.oci.adapter import OciAdapter
from adapters.oci.config import OciConfig

SECRET = "oci-s3cret-password"
NO_CREATION = "a repository has no creation, and a digest none: filled again it is the same one"
INCARNATIONS = {
    "a_new_incarnation_has_a_new_key": Gap("upstream", NO_CREATION),
    "a_new_incarnation_is_seen": Gap("upstream", NO_CREATION),
    "an_old_incarnation_stays_absent": Gap("upstream", NO_CREATION),
}


class PushingHarness(Harness):
    """Hands on any registry that can be pushed to without signing in."""

    adapter_type: ClassVar[type[Adapter]] = OciAdapter
    gaps: ClassVar[Mapping[str, Gap]] = INCARNATIONS
    faults: ClassVar[frozenset[Fault]] = frozenset()
    hostile_names: ClassVar[tuple[str, ...]] = (
        "team/nested/model",
        "x" * 200,
    )  # a-z, 0-9, and . _ - between them
    hostile_values: ClassVar[tuple[str, ...]] = ()  # annotations never change

    def __init__(self, url: str, token: str = "") -> None:
        self.url = url
        self.pusher = Pusher(url, token)
        self._numbers: dict[str, int] = {}

    def adapter(self) -> Adapter:
        return OciAdapter(OciConfig(url=self.url))

    def put(self, model: str) -> str:
        number = self._numbers[model] = self._numbers.get(model, 0) + 1
        version = f"1.0.{number}"
        self.pusher.modelpack(model, version, seed=secrets.token_hex(8))
        return version

    def drop(self, model: str, version: str | None = None) -> None:
        tags = self.pusher.tags(model)
        for digest in set(tags.values()) if version is None else {tags.get(version, "")} - {""}:
            self.pusher.delete(model, digest)

    def alias(self, model: str, alias: str, version: str | None) -> None:
        tags = self.pusher.tags(model)
        if version is not None:
            self.pusher.tag(model, alias, tags[version])
        elif alias in tags:
            self.pusher.delete(model, alias)

    def fail_with(self, fault: Fault) -> AbstractContextManager[object]:
        raise NotImplementedError

    def close(self) -> None:
        self.pusher.close()


class OciHarness(PushingHarness):
    """A registry of its own, which takes tags away, and wants its users to sign in for tokens."""

    faults: ClassVar[frozenset[Fault]] = frozenset(Fault)

    secrets: tuple[str, ...] = (SECRET,)

    def __init__(self) -> None:
        self.fault: Fault | None = None
        key = secrets.token_hex(8)
        self.registry = OciRegistry(password=SECRET, key=key, takes_tags_away=True, largest_page=2)
        self.server = serve(self.registry)
        super().__init__(f"http://127.0.0.1:{self.server.server_port}", key)

    def adapter(self) -> Adapter:
        timeout = 0.3 if self.fault is Fault.SILENT else 1.0 if self.fault in RETRIED else 30.0
        return OciAdapter(OciConfig(url=self.url, username="waypost", password=SECRET, timeout=timeout))

    def drop(self, model: str, version: str | None = None) -> None:
        super().drop(model, version)
        if version is None:
            self.registry.repositories.pop(
                model, None
            )  # else each check would read what the ones before it left

    @contextlib.contextmanager
    def fail_with(self, fault: Fault) -> Iterator[None]:
        self.fault, self.registry.fault = fault, fault.value
        try:
            yield
        finally:
            self.fault, self.registry.fault = None, ""

    def requests(self) -> int:
        return len(self.registry.asked)

    @contextlib.contextmanager
    def meanwhile(self, change: Callable[[], None]) -> Iterator[None]:
        self.registry.listed = change
        try:
            yield
        finally:
            self.registry.listed = lambda: None

    def close(self) -> None:
        super().close()
        self.server.shutdown()
        self.server.server_close()
