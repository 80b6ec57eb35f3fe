"""The Hugging Face adapter under test: a Hub of one's own on a real socket.

Its models have no organisation, as the first ones of the Hub had none: so a check's names are theirs.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from adapters.conformance.harness import RETRIED, Fault, Gap, Harness
from adapters.contract import Adapter
from adapters.emulators.huggingface.hub import Hub, HubRefusalError, HubToken
from adapters.emulators.huggingface.server import serve
from adapters.huggingface.adapter import HuggingFaceAdapter
from adapters.huggingface.config import HuggingFaceConfig

SECRET = "hf_s3cretOfTheHub"


class HuggingFaceHarness(Harness):
    """A Hub on a socket of its own."""

    adapter_type: ClassVar[type[Adapter]] = HuggingFaceAdapter
    hostile_names = ()  # letters, digits, `-`, `_` and `.` are what the Hub takes
    secrets = (SECRET,)
    gaps: ClassVar[Mapping[str, Gap]] = {
        "a_full_scan_gives_everything": Gap(
            "never", "the head of main is a version beside those that are put"
        ),
        **{
            name: Gap("upstream", "a branch that moves without a commit on main moves nothing that is listed")
            for name in ("a_moved_alias_is_seen", "a_removed_alias_is_seen")
        },
    }

    def __init__(self) -> None:
        self.hub = Hub(tokens={SECRET: HubToken("robot")})
        self.server = serve(self.hub)
        self.fault: Fault | None = None
        self._made = 0

    def adapter(self) -> Adapter:
        timeout = 0.3 if self.fault is Fault.SILENT else 1.0 if self.fault in RETRIED else 30.0
        return HuggingFaceAdapter(self.config(timeout=timeout))

    def config(self, **more: Any) -> HuggingFaceConfig:
        """The configuration of a registry on this Hub."""
        url = f"http://127.0.0.1:{self.server.server_port}"
        return HuggingFaceConfig(**{"url": url, "token": SECRET, "settle": 0, **more})

    def put(self, model: str) -> str:
        if self.hub.named(model) is None:
            self.hub.create(model)
        self._made += 1
        self.hub.commit(model, {"weights.txt": str(self._made).encode()})
        number = 1 + len(self.hub.repository(model).git.tags)
        while f"v{number}" in self.hub.repository(model).git.tags:
            number += 1
        self.hub.point(model, "tags", f"v{number}", "main")
        return f"v{number}"

    def drop(self, model: str, version: str | None = None) -> None:
        with contextlib.suppress(HubRefusalError):
            if version is None:
                self.hub.delete(model)
            else:
                self.hub.point(model, "tags", version, None)

    @contextlib.contextmanager
    def fail_with(self, fault: Fault) -> Iterator[None]:
        self.fault, self.hub.fault = fault, fault.value
        try:
            yield
        finally:
            self.fault, self.hub.fault = None, ""

    def alias(self, model: str, alias: str, version: str | None) -> None:
        self.hub.point(model, "heads", alias, version)

    def spoil(self, model: str, version: str) -> None:
        found = self.hub.repository(model)
        found.spoilt |= {version}

    @contextlib.contextmanager
    def skew(self, seconds: float) -> Iterator[None]:
        self.hub.clock = lambda: time.time() + seconds
        try:
            yield
        finally:
            self.hub.clock = time.time

    def requests(self) -> int:
        return self.hub.requests

    def paged(self) -> Adapter:
        self.hub.page = 2
        return self.adapter()

    @contextlib.contextmanager
    def meanwhile(self, change: Callable[[], None]) -> Iterator[None]:
        self.hub.listed = change
        try:
            yield
        finally:
            self.hub.listed, self.hub.page = (lambda: None), 1000

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
