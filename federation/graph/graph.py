"""The graph as the gateway asks it: one object per process over the database and this machine's files."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypedDict, Unpack

import msgspec
import numpy as np
from sqlalchemy import Connection, Engine

from federation import changes
from federation.access import Principal, View
from federation.database import is_embedded, reading, writing
from federation.errors import GoneError, SetupError, UnknownError
from federation.graph import declared, deprecations, drawing, paging
from federation.graph.answers import Affected, DependenciesAnswer, ImpactAnswer, Needed, PlannedGoing
from federation.graph.around import Surroundings, around
from federation.graph.blast import Blast, Effects, blast, of_closure
from federation.graph.declared import Declared, Kind
from federation.graph.dependencies import dependencies, listed, upstream
from federation.graph.deprecations import Deprecation, Going
from federation.graph.drawing import DrawingError, svg
from federation.graph.impact import AffectedPage, impact, impact_of_causes
from federation.graph.insights import INSIGHTS, InsightAnswer, InsightItem, explained, insights
from federation.graph.names import FRESH, Registry, RegistryNames, needed_elsewhere, registries
from federation.graph.rows import Array, DamagedError
from federation.graph.snapshot import Snapshot, SnapshotReader
from federation.graph.subject import (
    Action,
    Cause,
    Forecast,
    ImpactQuestionError,
    Subject,
    by_commit,
    by_dataset,
    by_reference,
)
from federation.graph.walk import Closure, LargeError, closure, visibility
from federation.graph.words import Spec
from federation.references import Reference, parse
from federation.whole import Suspicion

__all__ = [
    "INSIGHTS",
    "Action",
    "Affected",
    "DamagedError",
    "Declared",
    "DependenciesAnswer",
    "Deprecation",
    "DrawingError",
    "Going",
    "Graph",
    "ImpactAnswer",
    "ImpactQuestionError",
    "InsightAnswer",
    "InsightItem",
    "Kind",
    "LargeError",
    "Needed",
    "PlannedGoing",
    "Question",
    "Spec",
    "explained",
    "svg",
]
BATCH = 1000
"""Rows that an export reads at once."""
REMEMBERED = 16_000_000
"""Bytes of answers that each process remembers."""


class BillError(SetupError):
    """No bill of materials can be written here. One line with the remedy."""

    code = "no-bill"


@dataclass(frozen=True, slots=True)
class Question:
    """What an answer is about: exactly one of a reference, a dataset's name and a commit."""

    ref: Reference | None = None
    dataset: str | None = None
    commit: str | None = None

    def subject(self, connection: Connection, view: View, *, selector: bool = False) -> Subject:
        """The nodes. Errors: `UnknownError`, `ImpactQuestionError`."""
        if sum(part is not None for part in (self.ref, self.dataset, self.commit)) != 1:
            raise ImpactQuestionError("ask for one of: a reference, a dataset, a commit")
        if self.ref is not None:
            return by_reference(connection, view, self.ref, selector=selector)
        if self.dataset is not None:
            return by_dataset(connection, view, self.dataset)
        return by_commit(connection, view, self.commit or "")


class ImpactOptions(TypedDict, total=False):
    """How an impact is asked for, as `impact.impact` takes it."""

    to: str | None
    depth: int | None
    limit: int
    cursor: str | None
    everything: bool
    count_to: int | None
    large: bool


@dataclass(slots=True, weakref_slot=True, eq=False)
class _Answered:
    """What was answered while graph, registries and catalogue were these: as long as they are, it holds."""

    snapshot: Snapshot
    known: dict[int, Registry]
    position: int
    until: float = 0.0
    answers: dict[tuple[object, ...], bytes] = field(default_factory=dict)
    room: int = REMEMBERED

    def remember(self, key: tuple[object, ...], answer: bytes) -> None:
        if len(answer) > self.room:
            self.answers.clear()
            self.room = REMEMBERED
        self.answers[key] = answer
        self.room -= len(answer)


class Graph:
    """Safe to share between threads. What reads the files may raise `DamagedError` until the worker has built.

    `wrote` is called after each edge that is declared or taken back, for the worker to look.
    """

    def __init__(self, engine: Engine, folder: Path, wrote: Callable[[], None] = lambda: None) -> None:
        self._engine = engine
        self._tell = wrote
        self._reader = SnapshotReader(folder)
        self._suspicion = Suspicion(folder)
        self._board = RegistryNames()
        self._told: _Answered | None = None

    def position(self) -> int:
        """The change position that answers stand at."""
        return self._reader.snapshot().position

    def nodes(self) -> int:
        """How large the graph is. Errors: `DamagedError`."""
        return int(np.count_nonzero(self._reader.snapshot().nodes["kind"]))

    def impact(
        self, view: View, question: Question, action: Action = "change", **options: Unpack[ImpactOptions]
    ) -> ImpactAnswer:
        """What breaks and what is affected. `everything` needs the permission `impact.global`.

        Errors: `UnknownError`, `ImpactQuestionError`, `CursorError`, `DamagedError`, `DatabaseError`, and
        `LargeError` unless `large`: then it is a matter of a few milliseconds or an error.
        """
        with self._open() as (connection, snapshot):
            known = self._board.known(connection, snapshot.position)
            return _impact(connection, snapshot, known, view, question, action, options)

    def impact_of_causes(
        self, view: View, ref: str, causes: Sequence[Cause], *, limit: int = 50, everything: bool = False
    ) -> ImpactAnswer:
        """What breaks and what is affected by all that one write does. Errors: `DamagedError`, `DatabaseError`."""
        _check(None, limit)
        with self._open() as (connection, snapshot):
            known = self._board.known(connection, snapshot.position)
            return impact_of_causes(
                connection, snapshot, view, ref, causes, known, limit=limit, everything=everything
            )

    def impact_json(
        self, view: View, question: Question, action: Action = "change", **options: Unpack[ImpactOptions]
    ) -> bytes:
        """What `impact` answers, as JSON, remembered for as long as nothing changes. Errors: as `impact`."""
        key = (
            view,
            question,
            action,
            *sorted((name, asked) for name, asked in options.items() if name != "large"),
        )
        if (answer := self._lately_told(key)) is not None:
            return answer
        with self._open() as (connection, snapshot):
            known = self._board.known(connection, snapshot.position)
            # Read before all that the answer is made of: that is of this position, or of a later one.
            told = self._told_at(snapshot, known, changes.newest(connection))
            if (answer := told.answers.get(key)) is None:
                found = _impact(connection, snapshot, known, view, question, action, options)
                answer = msgspec.json.encode(found)
                told.remember(key, answer)
        return answer

    def _lately_told(self, key: tuple[object, ...]) -> bytes | None:
        """What was answered of a database that is shared with other machines: it is asked at most once a second whether
        the catalogue is as it was. What it has newer shows in the graph then.
        """
        told = self._told
        if told is not None and time.monotonic() < told.until and self._stands_at(told.snapshot):
            return told.answers.get(key)
        return None

    def _stands_at(self, snapshot: Snapshot) -> bool:
        try:
            return self._reader.snapshot() is snapshot
        except DamagedError:
            return False  # whoever opens it says so

    def _told_at(self, snapshot: Snapshot, known: dict[int, Registry], position: int) -> _Answered:
        told = self._told
        if (
            told is None
            or told.snapshot is not snapshot
            or told.known is not known
            or told.position != position
        ):
            told = self._told = _Answered(snapshot, known, position)
        if not is_embedded(self._engine):
            told.until = time.monotonic() + FRESH
        return told

    def dependencies(
        self,
        view: View,
        ref: Reference,
        *,
        depth: int | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> DependenciesAnswer:
        """Everything upstream. Errors as for `impact`."""
        _check(depth, limit)
        with self._open() as (connection, snapshot):
            subject = by_reference(connection, view, ref, selector=False)
            known = self._board.known(connection, snapshot.position)
            return dependencies(
                connection, snapshot, view, subject, known, depth=depth, limit=limit, cursor=cursor
            )

    def impact_rows(
        self,
        view: View,
        question: Question,
        action: Action = "change",
        *,
        to: str | None = None,
        depth: int | None = None,
    ) -> Iterator[list[Affected]]:
        """Everybody that is affected, in batches, as of one moment. Errors as for `impact`, before the first batch."""
        _check(depth, 1)
        with self._open() as (connection, snapshot):
            forecast = Forecast(connection, snapshot, view, registries(connection))
            found, effects = _blast(forecast, question, action, to, depth)

        def read() -> Iterator[list[Affected]]:
            for begin in range(0, len(found.items), BATCH):
                with reading(self._engine) as connection:
                    page = AffectedPage(connection, snapshot, view, registries(connection), found, effects)
                    yield page.between(begin, min(begin + BATCH, len(found.items)))

        return read()

    def dependency_rows(
        self, view: View, ref: Reference, *, depth: int | None = None
    ) -> Iterator[list[Needed]]:
        """Everything upstream, in batches, as of one moment. Errors as for `impact`, before the first batch."""
        found, items, _ = self._upstream(view, ref, depth)

        def read() -> Iterator[list[Needed]]:
            for begin in range(0, len(items), BATCH):
                with reading(self._engine) as connection:
                    some = items[begin : begin + BATCH]
                    yield listed(connection, view, found, some, registries(connection))

        return read()

    def _upstream(self, view: View, ref: Reference, depth: int | None) -> tuple[Closure, Array, Snapshot]:
        _check(depth, 1)
        with self._open() as (connection, snapshot):
            subject = by_reference(connection, view, ref, selector=False)
            visible = visibility(view.registry_ids, snapshot)
            found = closure(snapshot, np.array(subject.nodes), snapshot.up, visible, depth)
            return found, upstream(connection, snapshot, found), snapshot

    def insights(self, view: View, name: str, *, limit: int = 50, cursor: str | None = None) -> InsightAnswer:
        """One of the top lists. Errors: `UnknownInsightError`, `CursorError`, `DamagedError`, `DatabaseError`."""
        _check(None, limit)
        with self._open() as (connection, snapshot):
            return insights(connection, snapshot, view, name, limit, cursor)

    def basis(self) -> object:
        """What answers are made of now: the same object for as long as graph, registries and catalogue are as they
        were. Errors: `DamagedError`, `DatabaseError`.
        """
        with self._open() as (connection, snapshot):
            known = self._board.known(connection, snapshot.position)
            return self._told_at(snapshot, known, changes.newest(connection))

    def drawing(
        self,
        view: View,
        question: Question,
        action: Action = "change",
        *,
        to: str | None = None,
        depth: int | None = None,
        link: str | None = None,
    ) -> str:
        """The impact as DOT, at most 200 boxes; `drawing.svg` makes a picture of it. Errors as for `impact`."""
        _check(depth, 1)
        with self._open() as (connection, snapshot):
            known = registries(connection)
            found, _ = _blast(Forecast(connection, snapshot, view, known), question, action, to, depth)
            return drawing.dot(drawing.sketch(connection, snapshot, found, known), link)

    def dependencies_drawing(self, view: View, ref: Reference, *, depth: int | None = None) -> str:
        """Everything upstream as DOT, at most 200 boxes. Errors as for `impact`."""
        found, items, snapshot = self._upstream(view, ref, depth)
        with reading(self._engine) as connection:
            known = registries(connection)
            return drawing.dot(
                drawing.sketch(connection, snapshot, of_closure(snapshot, found, items), known)
            )

    def around(
        self, view: View, ref: Reference, *, opened: Collection[str] = (), whole: bool = False, page: str,
        opens: Callable[[str], str],
    ) -> Surroundings:  # fmt: skip
        """What a version needs and what needs it, node by node, as a drawing. Errors as for `impact`."""
        with self._open() as (connection, snapshot):
            subject = by_reference(connection, view, ref, selector=False)
            known = registries(connection)
            return around(
                connection, snapshot, view, subject, known, opened=opened, whole=whole, page=page, opens=opens
            )

    def bill(self, view: View, ref: Reference, *, depth: int | None = None, spec: Spec = "1.6") -> str:
        """What a version is made of, as CycloneDX JSON. Errors: `UnknownError`, `ImpactQuestionError`;
        `BillError` where the library for it is not installed.
        """
        try:
            from federation.graph import bom  # deferred: the library takes 0.2 s to import, and is an extra
        except ModuleNotFoundError as error:
            needed = str(error.name).partition(".")[0]
            raise BillError(f"a bill of materials needs {needed}: pip install 'waypost[bom]'") from None
        _check(depth, 1)
        with self._open() as (connection, snapshot):
            subject = by_reference(connection, view, ref, selector=False)
            if len(subject.versions) != 1:
                raise ImpactQuestionError(
                    "a bill of materials is of one version: name it, an alias or a stage"
                )
            try:
                return bom.bill(connection, snapshot, view, subject, depth, spec)
            except bom.BillTooLargeError as error:
                raise ImpactQuestionError(str(error)) from None

    def is_quick(self, ref: Reference) -> bool:
        """Whether what is found out before the walk takes some microseconds in a file of this machine, a fraction of
        what a thread would cost. A whole model may have any number of versions.
        """
        return ref.version is not None and is_embedded(self._engine)

    def declared(
        self, view: View, *, limit: int = 50, cursor: str | None = None
    ) -> tuple[list[Declared], str | None]:
        """The edges that people declared and that stand, oldest first, and the cursor of the next."""
        with reading(self._engine) as connection:
            return declared.listed(connection, view, limit=limit, cursor=cursor)

    def declare(
        self,
        actor: Principal,
        consumer: Reference,
        provider: Reference,
        kind: Kind = "depends_on",
        note: str = "",
    ) -> Declared:
        """Say that `consumer` needs `provider`; twice is once. Errors: as `declared.declare`."""
        with writing(self._engine) as connection:
            made = declared.declare(connection, actor, consumer, provider, kind, note)
        if made.position is not None:
            self._tell()
        return made

    def withdraw(self, actor: Principal, dependency_id: int) -> Declared:
        """Take a declared edge back. Errors: `UnknownError`, `DeniedError`."""
        with writing(self._engine) as connection:
            gone = declared.withdraw(connection, actor, dependency_id)
        self._tell()
        return gone

    def needed_elsewhere(self, view: View, registry_id: int) -> dict[str, int]:
        """How many versions of each other registry of the view need something of this one."""
        with reading(self._engine) as connection:
            return needed_elsewhere(connection, view, registry_id)

    def deprecations(self, view: View) -> list[Deprecation]:
        """Every model that is to go, the next one first."""
        with reading(self._engine) as connection:
            return deprecations.listed(connection, view)

    def deprecate(self, actor: Principal, refs: Sequence[Reference], going: Going) -> int:
        """Say that models are to go, of all or none; the last change's position. Errors: as `deprecations.allow`."""
        with writing(self._engine) as connection:
            position = max(deprecations.deprecate(connection, actor, ref, going) for ref in refs)
        self._tell()
        return position

    def plan_deprecations(
        self, actor: Principal, refs: Sequence[Reference], going: Going
    ) -> list[PlannedGoing]:
        """What that would be of each of several models, with who is hit once it has gone."""
        with reading(self._engine) as connection:
            names = [str(ref) for ref in refs]
            said = deprecations.deprecated(connection, actor.view, names)
            refused = deprecations.refusals(connection, actor, refs, going)
        found = [
            PlannedGoing(name, said.get(name), refusal) for name, refusal in zip(names, refused, strict=True)
        ]
        with suppress(DamagedError), self._open() as (connection, snapshot):
            known = self._board.known(connection, snapshot.position)

            def without(one: PlannedGoing) -> PlannedGoing:
                options = ImpactOptions(limit=1, everything=actor.judges_everything, large=False)
                with suppress(LargeError, UnknownError, GoneError):
                    about = Question(parse(one.ref))
                    found = _impact(connection, snapshot, known, actor.view, about, "delete", options)
                    return replace(one, impact=found)
                return one

            return [one if one.refusal else without(one) for one in found]
        return found

    def reinstate(self, actor: Principal, ref: Reference) -> int:
        """Take that back; the change's position. Errors: as `deprecations.reinstate`."""
        with writing(self._engine) as connection:
            position = deprecations.reinstate(connection, actor, ref)
        self._tell()
        return position

    @contextmanager
    def _open(self) -> Iterator[tuple[Connection, Snapshot]]:
        # Files before database: what the files name is in the database by then.
        try:
            snapshot = self._reader.snapshot()
            with reading(self._engine) as connection:
                yield connection, snapshot
        except DamagedError as error:
            self._suspicion.mark(str(error))
            raise
        except (IndexError, OverflowError) as error:  # numbers that lead out of the arrays
            self._suspicion.mark(type(error).__name__)
            raise DamagedError("the graph's files lead nowhere") from error


def _check(depth: int | None, limit: int) -> None:
    if depth is not None and depth < 0:
        raise ImpactQuestionError("depth counts hops: 0 or more")
    if not 1 <= limit <= paging.LIMIT:
        raise ImpactQuestionError(f"limit is between 1 and {paging.LIMIT}")


def _impact(
    connection: Connection,
    snapshot: Snapshot,
    known: dict[int, Registry],
    view: View,
    question: Question,
    action: Action,
    options: ImpactOptions,
) -> ImpactAnswer:
    _check(options.get("depth"), options.get("limit", 1))
    subject = question.subject(connection, view, selector=action == "move-alias")
    return impact(connection, snapshot, view, subject, action, known, **options)


def _blast(
    forecast: Forecast, question: Question, action: Action, to: str | None, depth: int | None
) -> tuple[Blast, Effects]:
    """Who is hit by what a question is about, and what becomes of each."""
    snapshot, view = forecast.snapshot, forecast.view
    subject = question.subject(forecast.connection, view, selector=action == "move-alias")
    effects = forecast.of(subject, action, to)
    return blast(snapshot, subject.nodes, effects, visibility(view.registry_ids, snapshot), depth), effects
