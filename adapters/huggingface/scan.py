"""One scan: every repository is listed, and of those whose row has changed the tags and branches are read.

What a scan leaves for the next one are digests of the rows: so a rename, a new gate or a repository that was handed
over are noticed as well as a commit.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from adapters.digests import BUCKETS, UNKNOWN, BucketDigests, bucket, digest_of
from adapters.errors import AuthError, BadRecordError, InvalidError, NotFoundError
from adapters.huggingface.client import sound
from adapters.huggingface.reads import Reader
from adapters.huggingface.records import Repository, to_model, to_versions
from adapters.payloads import Raw
from adapters.records import Listing, Mark, Watermark
from adapters.scanning import Found, Steps, attempt, awaited

T = TypeVar("T")


class _ReadAhead(NamedTuple):
    """A repository that is being read; the last one of its bucket brings the bucket's new digest."""

    future: Future[Repository | None]
    bucket: int
    digest: str | None


class Scan:
    """A scan from where `digests` say that the last one stood."""

    def __init__(self, reader: Reader, digests: BucketDigests, *, is_full: bool) -> None:
        self._reader, self._api, self._digests, self._is_full = reader, reader.api, digests, is_full
        self._pool = ThreadPoolExecutor(self._api.config.concurrency, thread_name_prefix="hub-scan")
        self._again: set[int] = set()
        """Buckets of which the next scan reads everything again."""
        self._is_closed = False

    def found(self) -> Generator[Found, None, Watermark]:
        """What is there, one thing after another. Errors: any `AdapterError`."""
        try:
            buckets = yield from self._buckets()
            ahead = deque[_ReadAhead]()
            for step in self._steps(buckets):
                ahead.append(step)
                if len(ahead) > 2 * self._api.config.concurrency:
                    yield from self._through(ahead.popleft())
            while ahead:
                yield from self._through(ahead.popleft())
            for place in self._again:
                self._digests[place] = UNKNOWN
            return str(self._digests)
        finally:
            self._is_closed = True
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _buckets(self) -> Generator[Found, None, list[list[Raw]]]:
        """The rows of all repositories, by bucket."""
        config, rows = self._api.config, dict[str, Raw]()
        for author in config.authors or (() if config.repositories else (None,)):
            steps, following = Steps(self._stuck), None
            while True:
                page, following = yield from awaited(self._submit(self._api.page, author, following))
                for raw in page:
                    try:
                        row = sound(raw)
                        rows[row["_id"]] = row
                    except BadRecordError as bad:
                        yield bad
                if following is None:
                    break
                steps.take(following, is_empty=not page)
        for future in [self._submit(self._named, name) for name in config.repositories]:
            found = yield from awaited(future)
            if isinstance(found, BadRecordError):
                yield found
            elif found is not None:
                rows.setdefault(found["_id"], found)
        buckets: list[list[Raw]] = [[] for _ in range(BUCKETS)]
        for ident in sorted(rows):
            buckets[bucket(ident)].append(rows[ident])
        return buckets

    def _named(self, name: str) -> Raw | BadRecordError | None:
        """The row of a configured repository; None where it is gone."""
        try:
            return self._api.row(name)
        except NotFoundError:
            return None
        except BadRecordError as bad:
            return bad
        except AuthError as error:
            if self._api.config.token is not None:
                self._api.prove()
            return BadRecordError(str(error), native=name)

    def _steps(self, buckets: list[list[Raw]]) -> Iterator[_ReadAhead]:
        """What has to be read, bucket by bucket."""
        for place, rows in enumerate(buckets):
            digest = digest_of(rows)
            self._again |= {place} if any(map(self._is_young, rows)) else set()
            if digest == self._digests[place]:
                continue
            if not rows:
                self._digests[place] = digest
            for row in rows:
                future = self._submit(self._reader.repository, row, self._afford)
                yield _ReadAhead(future, place, digest if row is rows[-1] else None)

    def _is_young(self, row: Raw) -> bool:
        """Whether its last commit is so new that a tag may still follow, which moves nothing that is listed."""
        with suppress(ValueError):
            made = datetime.fromisoformat(str(row.get("lastModified"))).timestamp()
            return self._api.now() - made < self._api.config.settle
        return False

    def _through(self, step: _ReadAhead) -> Iterator[Found]:
        repository = yield from awaited(step.future)
        if repository is not None:
            yield from self._given(repository)
            self._again |= {step.bucket} if repository.is_partial else set()
        if step.digest is not None:
            self._digests[step.bucket] = step.digest
            yield Mark(str(self._digests))

    def _given(self, repository: Repository) -> Iterator[Found]:
        yield (model := attempt(to_model, repository))
        if isinstance(model, BadRecordError):
            return
        yield from to_versions(repository)
        if not self._is_full and repository.unread is None:
            yield Listing("version", of=model.key)

    def _submit(self, function: Callable[..., T], *given: Any) -> Future[T]:
        def work() -> T:
            self._afford()
            return function(*given)

        return self._pool.submit(work)

    def _afford(self) -> None:
        self._api.quota.wait(lambda: self._is_closed)

    def _stuck(self) -> InvalidError:
        return InvalidError(
            f"{self._api.http.host}: its pages go round in a circle, or give nothing: check `url`"
        )
