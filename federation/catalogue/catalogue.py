"""The catalogue as the gateway asks it: versions, models, what differs, and what held which stage when.

Everything is read inside the view of whoever asks: hidden and absent are the same.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from adapters import Discovered
from federation import changes
from federation.access import View
from federation.catalogue import codec, past
from federation.catalogue.cards import CardPart, card_of
from federation.catalogue.contracts import Break, Comparison, compare
from federation.catalogue.diff import Difference, apart, diff
from federation.catalogue.listing import (
    ListedModel,
    ListedVersion,
    ListPage,
    ListRequest,
    Order,
    list_models,
    list_versions,
    read_latest,
)
from federation.catalogue.lookup import find_or_read_version, find_version
from federation.catalogue.models import Model, Summary, read_model
from federation.catalogue.naming import continued, namesakes, renamed
from federation.catalogue.past import HeldStage
from federation.catalogue.reader import (
    Serving,
    Version,
    latest_model,
    read_serving,
    read_version,
)
from federation.catalogue.requests import SampleRequest, Validation, validate
from federation.catalogue.timeline import Span, read_timeline
from federation.database import is_embedded
from federation.errors import UnknownError
from federation.references import Reference
from federation.registry_names import find_registry
from federation.standby import Reads

__all__ = [
    "Break",
    "CardPart",
    "Catalogue",
    "Compared",
    "Comparison",
    "Difference",
    "HeldStage",
    "LaidOut",
    "ListPage",
    "ListRequest",
    "ListedModel",
    "ListedVersion",
    "Model",
    "Order",
    "SampleRequest",
    "Serving",
    "Span",
    "Summary",
    "Validation",
    "Version",
    "check_record",
]


def check_record(record: Any) -> None:
    """See that what an adapter returned can be kept. Errors: `BadRecordError`, which says what is wrong with it."""
    codec.encode(record)


@dataclass(frozen=True, slots=True)
class Compared:
    """Two versions side by side: the fields that differ, by name, and whether one can stand in for the other."""

    left: Version
    right: Version
    differences: Mapping[str, Difference]
    contract: Comparison


@dataclass(frozen=True, slots=True)
class LaidOut:
    """Versions beside each other: `fields` has what is not alike in all of them, metrics aside, a value for each."""

    versions: Sequence[Version]
    fields: Mapping[str, Sequence[Any]]


class Catalogue:
    """Models, versions and endpoints, as the backends last showed them and as they were. Reads only; safe to share
    between threads.
    """

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self.is_quick = is_embedded(reads.engine)
        """Whether `find` takes some microseconds in a file of this machine: a tenth of what a thread would cost."""

    @staticmethod
    def card(version: Version, adapters: Discovered) -> Mapping[str, CardPart]:
        """The parts of a version's model card that somebody wrote."""
        return card_of(version, adapters)

    def find(self, view: View, reference: Reference) -> Version | None:
        """What nearly everybody asks for, by a statement or two: the living version with this name or alias that no
        endpoint holds. None where that does not tell all.
        """
        found = find_version(self._reads, view, reference)
        return None if found is None or found.placed else found

    def version(
        self,
        view: View,
        reference: Reference,
        *,
        incarnation: int | None = None,
        at: datetime | None = None,
    ) -> Version:
        """The version that a reference names, or named at a time, with the endpoints that hold it.

        Errors: `UnknownError`, `GoneError`.
        """
        is_plain = incarnation is None and at is None
        if is_plain and (known := self.find(view, reference)) is not None:
            return known
        with self._reads.reading() as connection:
            if is_plain:
                found = find_or_read_version(connection, view, reference)
            else:
                found = read_version(connection, view, reference, incarnation=incarnation, as_of=at)
            serving = read_serving(connection, view, found.id) if found.placed else []
        return replace(found, serving=tuple(serving))

    def model(
        self,
        view: View,
        reference: Reference,
        *,
        incarnation: int | None = None,
        at: datetime | None = None,
        newest: int | None = None,
    ) -> Model:
        """The model that a reference names, or with `at` named then; `newest` as in `read_model`.

        Errors: `UnknownError`, `GoneError`.
        """
        with self._reads.reading() as connection:
            if at is not None:
                return past.read_model_then(connection, view, reference, at)
            return read_model(connection, view, reference, incarnation=incarnation, newest=newest)

    def namesakes(self, view: View, wanted: Reference) -> list[Reference]:
        """What says the same of a model of the same name, in whichever registry of the view."""
        with self._reads.reading() as connection:
            return namesakes(connection, view, wanted)

    def renamed(self, view: View, wanted: Reference) -> list[Reference]:
        """What says the same of a living model that had this name in its registry, the latest first."""
        with self._reads.reading() as connection:
            return renamed(connection, view, wanted)

    def continued(self, view: View, typed: str) -> list[str]:
        """How a reference that is being typed may go on."""
        with self._reads.reading() as connection:
            return continued(connection, view, typed)

    def registry_id(self, view: View, name: str) -> int:
        """The id of a registry of a view, by its name or a former one. Errors: `UnknownError`."""
        with self._reads.reading() as connection:
            found = find_registry(connection, view, name)
        if found is None:
            raise UnknownError()
        return found

    def listed(self, view: View, reference: Reference) -> ListedModel:
        """A living model as lists have it. Errors: `UnknownError`."""
        with self._reads.reading() as connection:
            row = latest_model(connection, view, reference)
            if row.deleted_at is not None:
                raise UnknownError()
            latest = read_latest(connection, [row.id])
        return ListedModel(codec.decode_model(row.body), latest.get(row.id, ()))

    def models(self, view: View, request: ListRequest) -> ListPage:
        """Models of a registry, each a `ListedModel`. Errors: `InvalidRequestError`."""
        return self._list(view, request, list_models)

    def versions(self, view: View, request: ListRequest) -> ListPage:
        """Versions of a registry, each a `ListedVersion`. Errors: `InvalidRequestError`."""
        return self._list(view, request, list_versions)

    def _list(
        self, view: View, request: ListRequest, read: Callable[[Connection, ListRequest], ListPage]
    ) -> ListPage:
        if not view.sees(request.registry_id):
            raise UnknownError()
        with self._reads.reading() as connection:
            return read(connection, request)

    def newest(self) -> int:
        """The position of the newest change."""
        with self._reads.reading() as connection:
            return changes.newest(connection)

    def compare(self, view: View, left: Reference, right: Reference) -> Compared:
        """Two versions, also of different registries, side by side. Errors: `UnknownError`, `GoneError`."""
        with self._reads.reading() as connection:
            one, other = (find_or_read_version(connection, view, reference) for reference in (left, right))
        return Compared(one, other, diff(one, other), compare(one.schema, other.schema))

    def lay_out(self, view: View, references: Sequence[Reference]) -> LaidOut:
        """Versions beside each other, also of different registries. Errors: `UnknownError`, `GoneError`."""
        with self._reads.reading() as connection:
            found = [find_or_read_version(connection, view, reference) for reference in references]
        return LaidOut(found, apart(found))

    def validate(self, view: View, reference: Reference, sent: SampleRequest) -> Validation:
        """Whether a version would take a request. Errors: `UnknownError`, `GoneError`, `InvalidRequestError`."""
        found = self.version(view, reference)
        return validate(str(found.reference), found.schema, sent)

    def timeline(
        self, view: View, reference: Reference, *, at: datetime | None = None, most: int | None = None
    ) -> list[Span]:
        """Who held which stage and alias, newest first; with `at` only what held then. `most` as in `read_timeline`.

        Errors: `UnknownError`.
        """
        with self._reads.reading() as connection:
            spans = read_timeline(connection, view, reference, most=most)
        return [span for span in spans if at is None or span.holds_at(at)]

    def held(
        self,
        view: View,
        stage: str,
        at: datetime,
        *,
        registry: str | None = None,
        team: str | None = None,
        limit: int = 1000,
        skip: int = 0,
    ) -> list[HeldStage]:
        """What held a stage at a time, certainly or possibly, by registry and model."""
        with self._reads.reading() as connection:
            return past.read_held(
                connection, view, stage, at, registry=registry, team=team, limit=limit, skip=skip
            )

    def every_held(
        self,
        view: View,
        stage: str,
        at: datetime,
        *,
        registry: str | None = None,
        team: str | None = None,
    ) -> Iterator[HeldStage]:
        """The same without a limit."""
        return past.every_held(self._reads, view, stage, at, registry=registry, team=team)
