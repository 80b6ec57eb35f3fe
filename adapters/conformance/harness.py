"""What an author supplies: hands on the backend, past the adapter.

A harness owns one running backend (a real server, an emulator, a fake in this process) for as long as the
suite runs; checks make a few records each, under names of their own, and take them away again. `adapter`,
`put`, `drop` and `fail_with` are required. Each optional method that is overridden switches on the checks
that need it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Literal

from adapters.contract import Adapter, StageField

SUITE_VERSION = 2
"""Raised when a check is added or made stricter; see the package's docstring for the policy."""

RETRY_AFTER = 7
"""Seconds that a backend asks for under `Fault.THROTTLED_UNTIL`."""

HOSTILE_NAMES: tuple[str, ...] = (
    "with space",
    "ümläut-名前-🦉",
    "team/nested/model",
    "per%2Fcent%",
    "at@sign",
    "colon:name",
    "question?and#hash&amp",
    "quote'\"`back\\slash",
    "rtl-\u202emark-\u05d0",
    "<b>bold</b>",
    "new\nline\ttab",
    "e\u0301-decomposed",
    "x" * 200,
)
"""Model names that break careless code. A harness lists those its backend accepts in `hostile_names`."""

HOSTILE_VALUES: tuple[str, ...] = (
    "",
    "ümläut 🦉",
    "a=b&c=d;e,f",
    "'; drop table models; --",
    "two\nlines",
    "<script>alert(1)</script>",
)
"""Tag values that break careless code. A harness lists those its backend accepts in `hostile_values`."""


class Fault(Enum):
    """A way in which every call to the backend fails while it lasts."""

    UNREACHABLE = "unreachable"
    """The connection is refused or reset before an answer."""
    SILENT = "silent"
    """No answer within the adapter's timeout (a fake may raise the timeout at once)."""
    BROKEN = "broken"
    """The backend answers with an error of its own (HTTP 500 or 503)."""
    THROTTLED = "throttled"
    """The backend says: too many requests, without saying when to come back."""
    THROTTLED_UNTIL = "throttled_until"
    """The same, with the wish to be asked again after `RETRY_AFTER` seconds."""
    UNAUTHORISED = "unauthorised"
    """The credential is not (or no longer) valid (HTTP 401)."""
    FORBIDDEN = "forbidden"
    """The credential is valid and may not do this (HTTP 403)."""
    GARBAGE = "garbage"
    """Success, with a body that is not the protocol: a proxy's HTML page."""
    TRUNCATED = "truncated"
    """The connection ends in the middle of the answer."""


RETRIED = frozenset({Fault.UNREACHABLE, Fault.SILENT, Fault.BROKEN, Fault.THROTTLED, Fault.TRUNCATED})
"""Faults that an adapter may wait out until its timeout: give adapters made meanwhile a short one."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A check that is known to fail. Strict: when it passes, the suite fails until the mark is removed.

    `whose`: `ours` (to be done), `upstream` (the backend would have to change), `never` (it cannot be).
    """

    whose: Literal["ours", "upstream", "never"]
    reason: str

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise ValueError("a gap needs a reason")


class Harness(ABC):
    """One backend under test. Made once per test class or run, closed at its end; not called concurrently.

    What is put must be visible to the adapter when the method returns: wait in the harness where the backend
    is slow.
    """

    adapter_type: ClassVar[type[Adapter]]
    suite: ClassVar[int] = SUITE_VERSION
    """The suite version the harness was written for: newer checks do not apply. Left out: always all of them.
    """
    gaps: ClassVar[Mapping[str, Gap]] = {}
    """Known gaps, by the name of the check."""
    faults: ClassVar[frozenset[Fault]] = frozenset(Fault)
    """The faults that `fail_with` can produce."""
    hostile_names: ClassVar[tuple[str, ...]] = HOSTILE_NAMES
    hostile_values: ClassVar[tuple[str, ...]] = HOSTILE_VALUES
    stages: ClassVar[Mapping[StageField, tuple[str, str]]] = {}
    """Two words of the backend for each field in `stage_fields`."""
    source: ClassVar[str] = "s3://waypost-check/model.tar.gz"
    """An artifact URI that the backend accepts when a version is registered."""
    prefix: ClassVar[str] = ""
    """What every name of a model begins with, where a backend keeps them in places (`main.default.`)."""
    recreates: ClassVar[bool] = True
    """Whether a model's name can be used again after it was deleted."""
    secrets: tuple[str, ...] = ()
    """The credentials that `adapter()` configures, in plain text: they must not be seen anywhere."""

    @abstractmethod
    def adapter(self) -> Adapter:
        """A new adapter on this backend with a working credential; a new instance at each call."""

    def paged(self) -> Adapter:
        """Optional: the same, asking the backend for very small pages, so that what changes meanwhile moves their
        edges. Left alone where the page size of the backend is the caller's `limit`, or cannot be chosen.
        """
        return self.adapter()

    @abstractmethod
    def put(self, model: str) -> str:
        """Create a version of this model (and the model, where it is new); return the version's name.

        `model` is the name as it will stand in `ModelRecord.name`. The backend gives the version's name.
        """

    @abstractmethod
    def drop(self, model: str, version: str | None = None) -> None:
        """Delete a version, or the model with all of them. What is gone already is no error."""

    @abstractmethod
    def fail_with(self, fault: Fault) -> AbstractContextManager[object]:
        """Let every call to the backend fail in this way until the context ends.

        Checks make new adapters meanwhile: `adapter()` may give those a short timeout, so that waiting is short.
        """

    def put_model(self, model: str) -> None:
        """Optional: create a model without versions."""
        raise NotImplementedError

    def tag(self, model: str, version: str | None, key: str, value: str) -> None:
        """Optional: set a tag of a version or (None) of the model, behind the adapter's back."""
        raise NotImplementedError

    def alias(self, model: str, alias: str, version: str | None) -> None:
        """Optional: point an alias at a version, or (None) take it away, behind the adapter's back."""
        raise NotImplementedError

    def stage(self, model: str, version: str, field: StageField, value: str) -> None:
        """Optional: set a native stage to one of `stages`, behind the adapter's back."""
        raise NotImplementedError

    def serve(self, endpoint: str, model: str, version: str) -> None:
        """Optional: create an endpoint that serves this version. It goes away with `drop` of the model."""
        raise NotImplementedError

    def spoil(self, model: str, version: str) -> None:
        """Optional: make this version's record one that cannot be understood (its name or number is missing)."""
        raise NotImplementedError

    def skew(self, seconds: float) -> AbstractContextManager[object]:
        """Optional: set the backend's clock apart from ours by so many seconds until the context ends."""
        raise NotImplementedError

    def requests(self) -> int:
        """Optional: how many requests the backend has seen so far."""
        raise NotImplementedError

    def meanwhile(self, change: Callable[[], None]) -> AbstractContextManager[object]:
        """Optional, for adapters that read further than they are asked for: until the context ends, call `change` each
        time the backend has put together a page of a listing, before the adapter gets it. `change` may use this
        harness. Left out: things change between the adapter's own pages.
        """
        raise NotImplementedError

    def torn(self) -> AbstractContextManager[object]:
        """Optional, for backends that fill one row of a listing by several statements or requests: until the context
        ends, listings come without what the later ones fill (tags, aliases), as when rows moved in between. What is
        read one by one is whole.
        """
        raise NotImplementedError

    def close(self) -> None:  # noqa: B027 - optional
        """Optional: stop the backend."""

    @classmethod
    def offers(cls) -> frozenset[str]:
        """What checks can ask for: required and overridden methods, faults, and the lists that are not empty."""
        optional = (
            "put_model",
            "tag",
            "alias",
            "stage",
            "serve",
            "spoil",
            "skew",
            "requests",
            "meanwhile",
            "torn",
        )
        offered = {name for name in optional if getattr(cls, name) is not getattr(Harness, name)}
        offered |= {f"fault {fault.value}" for fault in cls.faults} | {"put", "drop"}
        lists = {
            "fail_with": cls.faults,
            "hostile_names": cls.hostile_names,
            "hostile_values": cls.hostile_values,
            "recreates": cls.recreates,
            "secrets": cls.secrets,
        }
        return frozenset(offered | {name for name, value in lists.items() if value})
