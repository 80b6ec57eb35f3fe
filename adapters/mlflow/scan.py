"""How a scan walks an MLflow server.

A full scan lists models, prompts, versions, versions of prompts. An incremental one lists models and prompts
(all: neither search can filter by time, and aliases and tags bump nothing), the versions that changed down to the
watermark, and the versions of each model that has bumped. Each listing begins with its head, newest change first,
which tells whether anything is new. What the head does not hold and may be new is listed in an order in which no
change moves it (`pages`).
"""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Literal, NamedTuple

from pydantic_core import to_json

from adapters.errors import BadRecordError, InvalidError, NotFoundError, TransientError
from adapters.mlflow.client import (
    BY_CREATION,
    BY_NAME,
    ONLY_PROMPTS,
    Arrived,
    Listed,
    MlflowClient,
    batches,
    looping,
    quoted,
)
from adapters.mlflow.hidden import Hidden, numbers_in, with_versions
from adapters.mlflow.keys import ModelId
from adapters.mlflow.lineage import OriginReader, RunOrigins
from adapters.mlflow.marks import ListingMark, Top, Tops
from adapters.mlflow.pages import SEAM, Given, Spot, at_edge, following, mark_of, pages
from adapters.mlflow.records import Translator, model_identity, updated, version_identity
from adapters.payloads import Raw, text
from adapters.records import Listing, Mark, ModelRecord, Record, Watermark
from adapters.scanning import Ahead, Found

HEAD = 100
"""Versions at the top of the listing whose digest tells whether anything is new. It covers all that a version
says, so that among these a tag is seen at once."""
FEW = 500
"""Versions at the head of the listing with which a full scan begins, unless there are more models: many a server has
no more.
"""
MOST_BUMPED = 250
"""Models that have bumped: above, every version is listed instead."""
MANY = 10
"""Pages of versions that have changed: above, every version is listed instead."""
BUMPED_PER_CALL = 50
MOST_NEAR = 300
"""Models of which the watermark keeps that they have been seen to."""
MOST_LATE = 50
"""Models read out of turn because a version changed after they were listed."""
MOST_MODELS = 1000
MOST_VERSIONS = 200_000
"""Rows that MLflow gives at once, at most."""
PLAIN_NAME = re.compile(r"^[A-Za-z0-9 ._-]+$")
"""A name that stands in a filter as it is; any other is asked for by a pattern and compared here."""
Models = Literal["models", "prompts"]
WHICH: tuple[Models, ...] = ("models", "prompts")
START = ListingMark()


class Fetched(NamedTuple):
    """A page of MLflow's: the rows that are given on, where versions among them come from, and what comes with it."""

    rows: Sequence[Any]
    origins: RunOrigins | None = None
    """None: the rows are models."""
    bad: Sequence[BadRecordError] = ()
    listed: Sequence[Listing] = ()
    mark: Mark | None = None


class Bumped(NamedTuple):
    """A model or prompt that may have bumped."""

    created: int
    name: str
    prompt: bool


class Scan:
    """One scan. Pages are read in a thread of its own, one ahead of the one that is being given."""

    def __init__(
        self,
        api: MlflowClient,
        translate: Translator,
        origins: OriginReader,
        hidden: Hidden,
        since: Watermark | None,
        resume: Mark | None,
    ) -> None:
        """Errors: `InvalidError` for a watermark or mark of another adapter."""
        self._api, self._translate, self._origins, self._hidden = api, translate, origins.read, hidden
        self._since = None if since is None else Tops.load(since)
        self._resumed = None if resume is None else ListingMark.load(resume)
        if self._resumed and self._since:
            raise InvalidError("an incremental scan has no marks: begin it again")
        self._tops = Tops() if self._resumed is None else self._resumed[0]
        self._overlap = int(api.config.overlap * 1000)
        self._bumped: dict[Models, list[Bumped]] = {"models": [], "prompts": []}
        self._prompts: dict[str, Raw] = {}
        """Prompts by name, as they were listed."""
        self._unseen: set[str] = set()
        """Models that have versions, of which none was listed yet."""
        self._names: dict[str, int] = {}
        """Creation by name, of every model and prompt."""
        self._late: dict[str, ModelRecord | None] = {}
        """Models read out of turn; None: gone."""
        self._given: set[str] = set()
        """Those of them that were given."""

    def found(self) -> Generator[Found, None, Watermark]:
        """What is there, one thing after another. Errors: any `AdapterError`."""
        prompts = Ahead(self._read_models("prompts") if self._resumed is None else iter(()))
        fetched = Ahead(self._read(prompts))
        try:
            for page in fetched.awaited():
                yield from (None,) if page is None else self._of(page)
        finally:
            fetched.close()
            prompts.close()
        return self._tops.dump()

    # What is fetched

    def _read(self, prompts: Iterator[Fetched]) -> Iterator[Fetched]:
        """Page by page, all that this scan lists. The top of the versions is read before the models that have bumped:
        what changes meanwhile differs from it in the next scan.
        """
        if self._resumed is not None:
            self._names.update(self._listed_names())
        else:
            yield from self._read_models("models")
            yield from prompts
        if self._since is None:
            yield from self._read_all_versions()
            return
        yield Fetched((), listed=(Listing("model"),))
        bumped = self._all_bumped(self._since)
        changed = self._changed(self._since) if len(bumped) <= MOST_BUMPED else None
        if changed is None:
            yield from self._read_all_versions()
            yield Fetched((), listed=(Listing("version"),))
            return
        whole = {each.name for each in bumped}
        yield self._versions([row for row in changed if text(row, "name") not in whole])
        for where, some in _groups(bumped):
            yield from self._read_bumped(where, some)

    def _models_by_name(self, which: Models) -> Iterator[Given]:
        def ask(token: str | None, size: int, arrived: Arrived) -> Listed:
            prompts = which == "prompts"
            return self._api.models(prompts=prompts, token=token, size=size, order=BY_NAME, arrived=arrived)

        return pages(ask, self._api.config.model_page, MOST_MODELS, self._stuck(which), Spot())

    def _versions_by_creation(self, where: str | None, place: ListingMark = START) -> Iterator[Given]:
        def ask(token: str | None, size: int, arrived: Arrived) -> Listed:
            return self._api.versions(where=where, token=token, size=size, order=BY_CREATION, arrived=arrived)

        size, stuck = self._api.config.version_page, self._stuck("versions")
        return pages(ask, size, MOST_VERSIONS, stuck, Spot(place.token, place.behind))

    def _stuck(self, what: str) -> Callable[[], TransientError]:
        return lambda: TransientError(looping(self._api.http.host, what))

    def _read_models(self, which: Models) -> Iterator[Fetched]:
        known: Top | None = getattr(self._since, which, None)
        head = self._newest_models(which, None, self._api.config.model_page)
        newest = newest_of(head.rows)
        near = [row for row in head.rows if updated(row) >= newest - self._overlap]
        setattr(self._tops, which, Top(newest, chain(near), tuple(map(mark_of, near[:MOST_NEAR]))))
        for part in self._all_models(which, head, known):
            if which == "prompts":
                named = {text(row, "name") or "": row for row in part.rows if isinstance(row, dict)}
                self._prompts.update(named)
            else:
                self._unseen |= with_versions(part.rows)
            if known is not None:
                self._bumped[which] += self._bumped_of(part.rows, known, prompt=which == "prompts")
            yield Fetched(part.rows)

    def _newest_models(self, which: Models, token: str | None, size: int) -> Listed:
        return self._api.models(prompts=which == "prompts", token=token, size=size)

    def _all_models(self, which: Models, head: Listed, known: Top | None) -> Iterator[Given]:
        """Every model. Behind a head that reaches down to what is known everything is: what it lacks is asked for."""
        if head.next is None or (known is not None and self._reaches(head, known)):
            ask = partial(self._newest_models, which)
            return following(head, ask, self._api.config.model_page, self._stuck(which))
        return self._models_by_name(which)

    def _reaches(self, head: Listed, known: Top) -> bool:
        """Whether the head of a listing goes on behind what changed since. Its last rows may be torn."""
        return head.next is None or updated(at_edge(head.rows)) < known.newest - self._overlap

    def _bumped_of(self, rows: Sequence[Any], known: Top, *, prompt: bool) -> Iterator[Bumped]:
        seen_to = frozenset(known.near)
        for row in rows:
            try:
                identity = model_identity(row)
            except BadRecordError:
                continue
            if updated(row) >= known.newest - self._overlap and mark_of(row) not in seen_to:
                yield Bumped(identity.created, identity.name, prompt)

    def _all_bumped(self, since: Tops) -> list[Bumped]:
        """Those of listings whose top is as it was are the ones seen last time."""
        models = [] if self._tops.models == since.models else self._bumped["models"]
        return [*models, *([] if self._tops.prompts == since.prompts else self._bumped["prompts"])]

    def _read_all_versions(self) -> Iterator[Fetched]:
        begin = START if self._resumed is None else self._resumed[1]
        numbers: defaultdict[str, set[str]] = defaultdict(set)
        if not begin.prompts:
            for part in self._all_versions(begin):
                self._unseen -= numbers_in(part.rows).keys()
                yield self._versions(part.rows, mark=self._mark(part, prompts=part.next is None))
        if self._tops.prompts.newest:
            place = begin if begin.prompts else START
            for part in self._versions_by_creation(ONLY_PROMPTS, place):
                for name, some in numbers_in(part.rows).items():
                    numbers[name] |= some
                yield self._versions(part.rows, mark=self._mark(part, prompts=True) if part.next else None)
        if self._resumed is None:
            yield self._unlisted(numbers)

    def _all_versions(self, begin: ListingMark) -> Iterator[Given]:
        if begin.token is None:
            few = FEW if len(self._unseen) < FEW else HEAD
            head = self._newest_versions(min(few, self._api.config.version_page))
            if head.next is None:
                return iter([Given(head.rows, None)])
        return self._versions_by_creation(None, begin)

    def _newest_versions(self, size: int) -> Listed:
        """The head of the listing: what changes from now on differs from it in the next scan."""
        found = self._api.versions(where=None, token=None, size=size)
        top = found.rows[: min(HEAD, self._api.config.version_page)]
        self._tops.versions = Top(newest_of(top), whole(top))
        return found

    def _mark(self, part: Given, *, prompts: bool) -> Mark | None:
        """Only a full scan takes so long that it is worth going on with."""
        if self._since is not None or not part.is_final:
            return None
        token, behind = part.next or Spot()
        return ListingMark(prompts, token, behind[-SEAM:]).mark(self._tops)

    def _unlisted(self, numbers: defaultdict[str, set[str]]) -> Fetched:
        """What no listing of versions gave."""
        rows, bad = self._hidden.behind(self._unseen, numbers)
        for name, prompt in self._prompts.items():
            more, left = self._hidden.rows(prompt, numbers[name])
            rows, bad = [*rows, *more], [*bad, *left]
        return self._versions(rows, bad)

    def _changed(self, since: Tops) -> list[Any] | None:
        """The versions that changed since and those at the head; None where they are too many. They are read from the
        top in one page: whatever changes meanwhile stays in it.
        """
        page = self._api.config.version_page
        for size in (min(HEAD, page), page, min(MANY * page, MOST_VERSIONS)):
            found = self._newest_versions(size)
            if self._tops.versions == since.versions:
                return []
            if self._reaches(found, since.versions):
                down_to = since.versions.newest - self._overlap
                return [row for at, row in enumerate(found.rows) if at < HEAD or updated(row) >= down_to]
        return None

    def _read_bumped(self, where: str, some: Sequence[Bumped]) -> Iterator[Fetched]:
        names, prompts = {each.name for each in some}, ONLY_PROMPTS in where
        numbers: defaultdict[str, set[str]] = defaultdict(set)
        for part in self._versions_by_creation(where):
            rows = [row for row in part.rows if text(row, "name") in names]
            for name, more in numbers_in(rows).items():
                numbers[name] |= more
            yield self._versions(rows)
        unseen = names if prompts else (self._unseen & names) - numbers.keys()
        rows, bad = self._hidden.behind(unseen, numbers)
        listed = [Listing("version", of=ModelId(each.created, each.name).key) for each in some]
        yield self._versions(rows, bad, listed)

    def _versions(
        self,
        rows: Sequence[Any],
        bad: Sequence[BadRecordError] = (),
        listed: Sequence[Listing] = (),
        mark: Mark | None = None,
    ) -> Fetched:
        return Fetched(rows, self._origins(rows) if rows else RunOrigins(), bad, listed, mark)

    # What is given

    def _of(self, page: Fetched) -> Iterator[Found]:
        """What one page gives."""
        yield from page.bad
        for row in page.rows:
            try:
                yield from self._model(row) if page.origins is None else self._version(row, page.origins)
            except BadRecordError as error:
                yield error
        yield from page.listed
        if page.mark is not None:
            yield page.mark

    def _model(self, row: Any) -> list[Record]:
        model = self._translate.model(row)
        self._names[model.name] = model_identity(row).created
        return [model]

    def _version(self, row: Any, origins: RunOrigins) -> list[Record]:
        """A version, behind its model where that has not been given in this scan."""
        name = text(row, "name")
        if name is None:
            raise BadRecordError(f"a version has no model name: {json.dumps(row, default=str)[:120]}")
        known, newest = self._names.get(name), self._tops.newest
        # What changed since may have got another name, which is that of a model listed before.
        is_later = updated(row) > newest and len(self._late) < MOST_LATE
        if known is not None and known <= newest and not is_later:
            identity = version_identity(row, ModelId(known, name))
            if identity.created <= newest:
                return [self._translate.version(row, identity, origins[row])]
        late = self._model_of(name)
        if late is None:
            return []
        created = int(late.key.native_id.split("/", 1)[0])
        version = self._translate.version(row, version_identity(row, ModelId(created, name)), origins[row])
        if name in self._given:
            return [version]
        self._given.add(name)
        return [late, version]

    def _model_of(self, name: str) -> ModelRecord | None:
        """The model of a version that the listing of models may have been before; None where it is gone."""
        if name not in self._late:
            try:
                self._late[name] = self._translate.model(self._api.model(name))
            except NotFoundError:
                self._late[name] = None
        return self._late[name]

    def _listed_names(self) -> Iterator[tuple[str, int]]:
        """Every model's name and creation, for a scan that goes on."""
        for which in WHICH:
            for part in self._models_by_name(which):
                for row in part.rows:
                    with suppress(BadRecordError):
                        identity = model_identity(row)
                        yield identity.name, identity.created


def _groups(bumped: Sequence[Bumped]) -> Iterator[tuple[str, Sequence[Bumped]]]:
    """The bumped models as filters, each with those it is meant to find."""
    plain = [each for each in bumped if not each.prompt and PLAIN_NAME.match(each.name)]
    for batch in batches(plain, BUMPED_PER_CALL):
        yield f"name IN ({quoted([each.name for each in batch])})", batch
    for each in bumped:
        if each.prompt or not PLAIN_NAME.match(each.name):
            pattern = f"name LIKE '{re.sub(r'[^A-Za-z0-9 .-]', '_', each.name)}'"
            yield f"{pattern} AND {ONLY_PROMPTS}" if each.prompt else pattern, [each]


def newest_of(rows: Sequence[Any]) -> int:
    """The time of the first row of a listing that is ordered newest first."""
    return updated(rows[0]) if rows else 0


def whole(rows: Sequence[Any]) -> str:
    """A digest over everything these rows say, as they came."""
    return hashlib.sha256(to_json(rows)).hexdigest()[:16] if rows else ""


def chain(rows: Sequence[Any]) -> str:
    """A digest over the identities and times of these rows."""
    seen = [
        [row.get(k) for k in ("name", "version", "creation_timestamp", "last_updated_timestamp")]
        for row in rows
        if isinstance(row, dict)
    ]
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:16] if seen else ""
