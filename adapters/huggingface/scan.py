"""One scan: every repository is listed, and of those whose row has changed the tags and branches are read.

What a scan leaves for the next one are digests of the rows: so a rename, a new gate or a repository that was handed
over are noticed as well as a commit.
"""

from collections.abc import Generator, Iterator
from typing import NamedTuple

from adapters.digests import BUCKETS, UNKNOWN, BucketDigests, bucket, digest_of
from adapters.errors import AuthError, BadRecordError, InvalidError
from adapters.huggingface.client import sound
from adapters.huggingface.reads import Reader
from adapters.huggingface.records import Repository, to_model, to_versions
from adapters.payloads import Raw, moment
from adapters.records import Listing, Mark, Watermark
from adapters.scanning import Found, Readers, Steps, attempt, awaited, one_of_many


class _ToRead(NamedTuple):
    """A repository that has to be read; the last one of its bucket brings the bucket's new digest."""

    row: Raw
    bucket: int
    digest: str | None


class Scan:
    """A scan from where `digests` say that the last one stood."""

    def __init__(self, reader: Reader, digests: BucketDigests, *, is_full: bool) -> None:
        self._reader, self._api, self._digests, self._is_full = reader, reader.api, digests, is_full
        self._readers = Readers(self._api.config.concurrency, self._afford)
        self._again: set[int] = set()
        """Buckets of which the next scan reads everything again."""

    def found(self) -> Generator[Found, None, Watermark]:
        """What is there, one thing after another. Errors: any `AdapterError`."""
        with self._readers:
            buckets = yield from self._buckets()
            for due, future in self._readers.ahead(self._due(buckets), self._read):
                repository = yield from awaited(future)
                if repository is not None:
                    yield from self._given(repository)
                    self._again |= {due.bucket} if repository.is_partial else set()
                if due.digest is not None:
                    self._digests[due.bucket] = due.digest
                    yield Mark(str(self._digests))
            for place in self._again:
                self._digests[place] = UNKNOWN
            return str(self._digests)

    def _buckets(self) -> Generator[Found, None, list[list[Raw]]]:
        """The rows of all repositories, by bucket."""
        config, rows = self._api.config, dict[str, Raw]()
        for author in config.authors or (() if config.repositories else (None,)):
            steps, following = Steps(self._stuck), None
            while True:
                page, following = yield from awaited(self._readers.submit(self._api.page, author, following))
                for raw in page:
                    try:
                        row = sound(raw)
                        rows[row["_id"]] = row
                    except BadRecordError as bad:
                        yield bad
                if following is None:
                    break
                steps.take(following, is_empty=not page)
        for name, future in [(name, self._readers.submit(self._named, name)) for name in config.repositories]:
            found = yield from one_of_many(awaited(future), name)
            if isinstance(found, BadRecordError):
                yield found
            elif found is not None:
                rows.setdefault(found["_id"], found)
        buckets: list[list[Raw]] = [[] for _ in range(BUCKETS)]
        for ident in sorted(rows):
            buckets[bucket(ident)].append(rows[ident])
        return buckets

    def _named(self, name: str) -> Raw:
        """The row of a configured repository."""
        try:
            return self._api.row(name)
        except AuthError:
            if self._api.config.token is not None:
                self._api.prove()
            raise

    def _due(self, buckets: list[list[Raw]]) -> Iterator[_ToRead]:
        """What has to be read, bucket by bucket."""
        for place, rows in enumerate(buckets):
            digest = digest_of(rows)
            self._again |= {place} if any(map(self._is_young, rows)) else set()
            if digest == self._digests[place]:
                continue
            if not rows:
                self._digests[place] = digest
            yield from (_ToRead(row, place, digest if row is rows[-1] else None) for row in rows)

    def _read(self, due: _ToRead) -> Repository | None:
        return self._reader.repository(due.row, self._afford)

    def _is_young(self, row: Raw) -> bool:
        """Whether its last commit is so new that a tag may still follow, which moves nothing that is listed."""
        made = moment(row.get("lastModified"))
        return made is not None and self._api.now() - made.timestamp() < self._api.config.settle

    def _given(self, repository: Repository) -> Iterator[Found]:
        yield (model := attempt(to_model, repository))
        if isinstance(model, BadRecordError):
            return
        yield from to_versions(repository)
        if not self._is_full and repository.unread is None:
            yield Listing("version", of=model.key)

    def _afford(self) -> None:
        self._api.quota.wait(lambda: self._readers.is_closed)

    def _stuck(self) -> InvalidError:
        return InvalidError(
            f"{self._api.http.host}: its pages go round in a circle, or give nothing: check `url`"
        )
