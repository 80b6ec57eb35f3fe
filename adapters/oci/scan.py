"""A scan: one repository after another, each with what its tags stand for, read ahead by several threads."""

import json
from collections.abc import Generator, Iterator
from concurrent.futures import Future
from typing import Literal

from pydantic import TypeAdapter

from adapters.errors import AuthError, BadRecordError
from adapters.oci.reads import Artifact, Reader, TaggedRepository
from adapters.oci.records import to_model, to_versions
from adapters.records import Listing, Mark, Watermark
from adapters.scanning import Found, Readers, awaited, one_of_many, read_state

WATERMARK = "all"
"""Nothing tells what changed: every scan lists everything."""
_MARK = TypeAdapter(tuple[Literal["oci"], str])


class Scan:
    """A scan of what comes behind a repository. `asks`: the registry is asked what refers to each version."""

    def __init__(self, reader: Reader, behind: str, *, asks: bool) -> None:
        self.reader, self.behind, self.asks = reader, behind, asks
        self._denied: AuthError | None = None

    def found(self) -> Generator[Found, None, Watermark]:
        """What is there, one thing after another. Errors: any `AdapterError`."""
        read = 0
        with Readers(self.reader.client.config.concurrency) as readers:
            listed = yield from awaited(readers.submit(self.reader.repositories))
            names = (name for name in listed if name > self.behind)
            for name, future in readers.ahead(names, lambda name: self.reader.begin(name, readers.submit)):
                repository = yield from one_of_many(self._whole(name, future), name)
                if repository is None:
                    continue  # emptied, or deleted meanwhile
                if isinstance(repository, BadRecordError):
                    yield repository
                else:
                    yield from self._given(repository, readers)
                    read += 1
                yield Mark(json.dumps(["oci", name]))
        if self._denied is not None and not read and not self.behind:
            raise self._denied
        if self._denied is None:
            yield Listing("model")
        return WATERMARK

    def _whole(
        self, name: str, future: Future[dict[str, Future[Artifact | None]]]
    ) -> Generator[None, None, TaggedRepository]:
        found: dict[str, Artifact] = {}
        try:
            for tag, each in (yield from awaited(future)).items():
                artifact = yield from awaited(each)
                found |= {} if artifact is None else {tag: artifact}
        except AuthError as error:
            self._denied = error
            raise
        return TaggedRepository(name, found)

    def _given(self, found: TaggedRepository, readers: Readers) -> Iterator[Found]:
        config = self.reader.client.config
        yield from found.problems()
        if not found.models:
            return
        model = to_model(config, found)
        yield model
        yield from to_versions(config, found)
        asks = self.asks and self.reader.tells_referrers
        known = {one.digest: found.referrers(one.digest).values() for one in found.models.values()}
        for future in [
            readers.submit(self.reader.attached, found.name, digest, others, asks)
            for digest, others in sorted(known.items())
            if others or asks
        ]:
            yield from (yield from awaited(future))
        yield Listing("version", of=model.key)


def begin(resume: Mark | None) -> str:
    """The repository behind which a scan begins. Errors: `InvalidError` for a foreign mark."""
    return "" if resume is None else read_state(resume, _MARK)[1]
