"""How a scan walks an MLflow server.

A full scan lists models, prompts, versions, versions of prompts. An incremental one lists models and prompts
(all: neither search can filter by time, and aliases and tags bump nothing), the versions newest first down to
the watermark, and the versions of each model that has bumped. Everything is ordered newest change first, so
the head of a listing tells whether anything is new.
"""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from typing import Any, Literal, NamedTuple

from adapters.errors import BadRecordError, InvalidError, NotFoundError, TransientError
from adapters.mlflow.client import ONLY_PROMPTS, Listed, MlflowClient, batches, looping, quoted
from adapters.mlflow.hidden import Hidden, numbers_in, with_versions
from adapters.mlflow.keys import ModelId
from adapters.mlflow.lineage import OriginReader, RunOrigins
from adapters.mlflow.marks import ListingMark, Top, Tops
from adapters.mlflow.pages import Joined, mark_of, pages
from adapters.mlflow.records import Translator, model_identity, updated, version_identity
from adapters.payloads import Raw, text
from adapters.records import Listing, Mark, ModelRecord, Record, Watermark
from adapters.scanning import Ahead, Found

HEAD = 100
"""Versions at the top of the listing whose digest tells whether anything is new. It covers all that a version
says, so that among these a tag is seen at once."""
MOST_BUMPED = 250
"""Models that have bumped: above, every version is listed instead."""
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
            for page in fetched:
                yield from self._of(page)
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
        if len(bumped) > MOST_BUMPED:
            yield from self._read_all_versions()
            yield Fetched((), listed=(Listing("version"),))
            return
        yield from self._read_changed(self._since, {each.name for each in bumped})
        for where, some in _groups(bumped):
            yield from self._read_bumped(where, some)

    def _pages_of_models(self, which: Models, known: Top | None = None) -> Iterator[Joined]:
        def ask(token: str | None, size: int) -> Listed:
            return self._api.models(prompts=which == "prompts", token=token, size=size)

        def overlaps(found: Joined) -> bool:
            # What is older than the last scan is known: where a page lacks it, it is asked for.
            return known is None or not found.rows or updated(found.rows[-1]) >= known.newest - self._overlap

        size = self._api.config.model_page
        return pages(ask, size, MOST_MODELS, self._stuck(which), overlaps=overlaps)

    def _pages_of_versions(
        self, where: str | None, *, first: int | None = None, place: ListingMark = START
    ) -> Iterator[Joined]:
        def ask(token: str | None, size: int) -> Listed:
            return self._api.versions(where=where, token=token, size=size)

        size, stuck = self._api.config.version_page, self._stuck("versions")
        return pages(ask, size, MOST_VERSIONS, stuck, first=first, place=(place.token, place.seam))

    def _stuck(self, what: str) -> Callable[[], TransientError]:
        return lambda: TransientError(looping(self._api.http.host, what))

    def _read_models(self, which: Models) -> Iterator[Fetched]:
        known: Top | None = getattr(self._since, which, None)
        top = Top()
        for found in self._pages_of_models(which, known):
            if which == "prompts":
                named = {text(row, "name") or "": row for row in found.rows if isinstance(row, dict)}
                self._prompts.update(named)
            else:
                self._unseen |= with_versions(found.rows)
            newest = top.newest or newest_of(found.rows)
            near = [row for row in found.rows if updated(row) >= newest - self._overlap]
            marks = (*top.near, *(mark_of(row) for row in near[: MOST_NEAR - len(top.near)]))
            top = Top(newest, chain(top.digest, near), marks)
            setattr(self._tops, which, top)
            if known is not None:
                self._bumped[which] += self._bumped_of(found.rows, known, prompt=which == "prompts")
            yield Fetched(found.rows)

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
            for number, found in enumerate(self._pages_of_versions(None, place=begin)):
                if number == 0 and begin.token is None:
                    self._tops.versions = self._top_of(found)
                self._unseen -= numbers_in(found.rows).keys()
                following = ListingMark(found.next is None, found.next, found.seam)
                yield self._versions(found.rows, mark=self._mark(following))
        if self._tops.prompts.newest:
            place = begin if begin.prompts else ListingMark(prompts=True)
            for found in self._pages_of_versions(ONLY_PROMPTS, place=place):
                for name, some in numbers_in(found.rows).items():
                    numbers[name] |= some
                following = ListingMark(True, found.next, found.seam)
                yield self._versions(found.rows, mark=self._mark(following) if found.next else None)
        if self._resumed is None:
            yield self._unlisted(numbers)

    def _mark(self, place: ListingMark) -> Mark | None:
        """Only a full scan takes so long that it is worth going on with."""
        return place.mark(self._tops) if self._since is None else None

    def _unlisted(self, numbers: defaultdict[str, set[str]]) -> Fetched:
        """What no listing of versions gave."""
        rows, bad = self._hidden.behind(self._unseen, numbers)
        for name, prompt in self._prompts.items():
            more, left = self._hidden.rows(prompt, numbers[name])
            rows, bad = [*rows, *more], [*bad, *left]
        return self._versions(rows, bad)

    def _read_changed(self, since: Tops, listed_whole: set[str]) -> Iterator[Fetched]:
        """The versions that changed since, without those of models that are listed whole."""
        down_to = since.versions.newest - self._overlap
        first = min(HEAD, self._api.config.version_page)
        for number, found in enumerate(self._pages_of_versions(None, first=first)):
            if number == 0:
                self._tops.versions = self._top_of(found)
                if self._tops.versions == since.versions:
                    return
            fresh = [row for row in found.rows if number == 0 or updated(row) >= down_to]
            yield self._versions([row for row in fresh if text(row, "name") not in listed_whole])
            if min(map(updated, found.read.values()), default=0) < down_to:
                return

    def _read_bumped(self, where: str, some: Sequence[Bumped]) -> Iterator[Fetched]:
        names, prompts = {each.name for each in some}, ONLY_PROMPTS in where
        numbers: defaultdict[str, set[str]] = defaultdict(set)
        for found in self._pages_of_versions(where):
            rows = [row for row in found.rows if text(row, "name") in names]
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

    def _top_of(self, found: Joined) -> Top:
        head = found.rows[: min(HEAD, self._api.config.version_page)]
        return Top(newest_of(head), whole(head))

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
            for found in self._pages_of_models(which):
                for row in found.rows:
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
    """A digest over everything these rows say."""
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()[:16] if rows else ""


def chain(before: str, rows: Sequence[Any]) -> str:
    """A digest over what came before and the identities and times of these rows."""
    seen = [
        [row.get(k) for k in ("name", "version", "creation_timestamp", "last_updated_timestamp")]
        for row in rows
        if isinstance(row, dict)
    ]
    return hashlib.sha256((before + json.dumps(seen)).encode()).hexdigest()[:16] if seen else before
