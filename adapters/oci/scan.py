"""A scan: one repository after another, each with what its tags stand for, read ahead by several threads."""

import json
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from adapters.errors import AuthError, BadRecordError, InvalidError, NotFoundError
from adapters.oci.reads import Reader, TaggedRepository
from adapters.oci.records import to_model, to_versions
from adapters.records import Listing, Mark, Watermark
from adapters.scanning import Found, awaited

WATERMARK = "all"
"""Nothing tells what changed: every scan lists everything."""


class Scan:
    """A scan of what comes behind a repository. `asks`: the registry is asked what refers to each version."""

    def __init__(self, reader: Reader, behind: str, *, asks: bool) -> None:
        self.reader, self.behind, self.asks = reader, behind, asks
        self._denied: AuthError | None = None

    def found(self) -> Generator[Found, None, Watermark]:
        """What is there, one thing after another. Errors: any `AdapterError`."""
        most = self.reader.client.config.concurrency
        pool, read = ThreadPoolExecutor(most, thread_name_prefix="oci-scan"), 0
        try:
            names = yield from awaited(pool.submit(self.reader.repositories))
            for name, future in self._ahead(pool, [one for one in names if one > self.behind], 2 * most):
                try:
                    tags = yield from self._tags(future)
                    yield from self._one(TaggedRepository(name, tags), pool)
                    read += 1
                except NotFoundError:
                    continue  # emptied, or deleted meanwhile
                except AuthError as error:
                    self._denied = error
                    yield BadRecordError(f"repository {name}: {error}", native=name)
                yield Mark(json.dumps(["oci", name]))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        if self._denied is not None and not read and not self.behind:
            raise self._denied
        if self._denied is None:
            yield Listing("model")
        return WATERMARK

    def _ahead(
        self, pool: ThreadPoolExecutor, names: list[str], depth: int
    ) -> Iterator[tuple[str, Future[dict[str, Future[Any]]]]]:
        window: deque[tuple[str, Future[dict[str, Future[Any]]]]] = deque()
        for name in names:
            window.append((name, pool.submit(self.reader.begin, name, pool.submit)))
            if len(window) > depth:
                yield window.popleft()
        yield from window

    def _tags(self, future: Future[dict[str, Future[Any]]]) -> Generator[None, None, dict[str, Any]]:
        begun = yield from awaited(future)
        found: dict[str, Any] = {}
        for tag, each in begun.items():
            artifact = yield from awaited(each)
            found |= {} if artifact is None else {tag: artifact}
        return found

    def _one(self, found: TaggedRepository, pool: ThreadPoolExecutor) -> Iterator[Found]:
        config = self.reader.client.config
        yield from found.problems()
        model = to_model(config, found)
        yield model
        yield from to_versions(config, found)
        read, asks = self.reader.attached, self.asks and self.reader.tells_referrers
        signed = {one.digest: found.referrers(one.digest) for one in found.models.values()}
        for future in [
            pool.submit(read, found.name, digest, tags, ask=asks)
            for digest, tags in sorted(signed.items())
            if tags or asks
        ]:
            yield from (yield from awaited(future))
        yield Listing("version", of=model.key)


def begin(resume: Mark | None) -> str:
    """The repository behind which a scan begins. Errors: `InvalidError` for a foreign mark."""
    try:
        kind, name = json.loads(resume) if resume is not None else ("oci", "")
        if kind == "oci" and isinstance(name, str):
            return name
    except (ValueError, TypeError):
        pass
    raise InvalidError("this mark is not of the oci adapter: begin the scan again")
