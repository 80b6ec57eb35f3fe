"""The suite against a backend that is really there: only what looks, nothing is written, nothing is provoked."""

import itertools
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import ClassVar

from pydantic import BaseModel, SecretStr

from adapters.conformance.harness import Fault, Harness
from adapters.conformance.run import Result
from adapters.conformance.trace import MOST_PAGES, Taken, sorted_out
from adapters.contract import Adapter
from adapters.errors import AdapterError, line_of

UNDERSTOOD = "versions_are_understood"
PROVES = "Not every version that the backend lists is rejected."


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


def understood(adapter: Adapter, taken: Taken) -> Result:
    """Whether what the backend lists becomes records that can be kept: an adapter that rejects every version passes all
    else. `taken` keeps one, or raises `BadRecordError`.
    """
    begin = time.perf_counter()
    versions, bad, reason = 0, 0, ""
    try:
        for page in itertools.islice(adapter.scan(since=None, limit=1000), MOST_PAGES):
            kept, refused = sorted_out(page.records, taken)
            versions += sum(one.key.kind == "version" for one in kept)
            bad += len(page.bad) + len(refused)
            reason = reason or next(map(str, (*page.bad, *refused)), "")
    except AdapterError:
        raise
    except Exception as error:
        return Result(
            UNDERSTOOD, PROVES, "failed", f"the scan {in_itself(error)}", time.perf_counter() - begin
        )
    failed = bad > 0 and not versions
    detail = "" if versions else "the backend lists no version, so this proves nothing: is it the right one?"
    if failed:
        detail = f"no version was understood, {bad} records were rejected: {reason}"
    seconds = time.perf_counter() - begin
    return Result(UNDERSTOOD, PROVES, "failed" if failed else "passed", detail[:300], seconds)


def in_itself(error: Exception) -> str:
    """That a call failed in the adapter's own code, and at which line. Errors: this one, where it is another's."""
    where = line_of(error)
    if not where:
        raise error
    return f"failed in the adapter itself ({type(error).__name__}, {where})"


def secrets_of(config: BaseModel) -> tuple[str, ...]:
    """The credentials in a configuration, in plain text."""
    values = (getattr(config, name) for name in type(config).model_fields)
    return tuple(value.get_secret_value() for value in values if isinstance(value, SecretStr))
