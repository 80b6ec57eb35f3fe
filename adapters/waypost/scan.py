"""One scan: registry by registry, everything or what changed since the last one, as each says how far it was read."""

import json
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field

from pydantic import TypeAdapter

from adapters.errors import BadRecordError, NotFoundError
from adapters.records import Key, Mark, Stale, VersionRecord, Watermark
from adapters.scanning import Ahead, Found, attempt, read_state
from adapters.waypost.client import InnerRegistry, RecordPage
from adapters.waypost.reads import Reader
from adapters.waypost.records import InnerRecords

_WATERMARK = TypeAdapter(dict[str, str])
_MARK = TypeAdapter(tuple[dict[str, str], str, str])


@dataclass(slots=True)
class Scan:
    """`since`: where the last scan left each registry, None for everything; `resume`: a mark of this scan."""

    reads: Reader
    since: Watermark | None
    resume: Mark | None = None
    _left: dict[str, str] = field(default_factory=dict)
    """What asks each registry for what changes after this scan."""
    _models: set[Key] | None = field(default_factory=set)
    """The models that were listed; None where a scan goes on that others began."""

    def found(self) -> Generator[Found, None, Watermark]:
        """What there is. Errors: any `AdapterError`; `InvalidError` for a watermark or mark that is another one's."""
        before = {} if self.since is None else read_state(self.since, _WATERMARK)
        begun, cursor = "", None
        if self.resume is not None:
            self._left, begun, cursor = read_state(self.resume, _MARK)
            self._models = None
        for registry in self.reads.registries():
            if registry.name < begun:
                continue
            at = cursor if registry.name == begun else None
            known = before.get(registry.name) if at is None else None
            changed = None if known is None else self.reads.api.changed(registry.name, known)
            if changed is not None:
                yield from self._changes(registry, changed)
            else:
                yield from self._everything(registry, at)
            if registry.remark is not None:
                yield Stale(registry.remark)
        return json.dumps(self._left, sort_keys=True)

    def _everything(self, registry: InnerRegistry, cursor: str | None) -> Iterator[Found]:
        made = InnerRecords(registry)
        for page in Ahead(self.reads.api.every(registry.name, cursor)).awaited():
            if page is None:
                yield None
                continue
            # That of the first page: what changes meanwhile comes again.
            self._left.setdefault(registry.name, page.since)
            yield from self._records(made, page)
            if page.more and page.cursor is not None:
                yield Mark(json.dumps([self._left, registry.name, page.cursor]))

    def _changes(self, registry: InnerRegistry, pages: Iterable[RecordPage]) -> Iterator[Found]:
        made = InnerRecords(registry)
        for page in pages:
            yield from self._records(made, page)
            self._left[registry.name] = page.since

    def _records(self, made: InnerRecords, page: RecordPage) -> Iterator[Found]:
        for raw in page.models:
            model = attempt(made.model, raw)
            yield model
            key = Key("model", model.native) if isinstance(model, BadRecordError) else model.key
            if self._models is not None:
                self._models.add(key)
        for raw in page.versions:
            version = attempt(made.version, raw)
            if isinstance(version, VersionRecord) and self.since is None:
                yield from self._model_of(version)
            yield version
        for raw in page.endpoints:
            yield attempt(made.endpoint, raw)
        for raw in page.gone:
            yield attempt(made.deleted, raw)

    def _model_of(self, version: VersionRecord) -> Iterator[Found]:
        """The model of a version that was made after the models had been listed."""
        if self._models is None or version.model in self._models:
            return
        try:
            model = self.reads.record(version.model)
        except NotFoundError:
            return
        except BadRecordError as error:
            yield error
        else:
            self._models.add(model.key)
            yield model
