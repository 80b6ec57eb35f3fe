"""How a scan walks an MLflow server, page by page, in a way that survives a restart between any two pages.

A full scan lists models, prompts, versions, versions of prompts. An incremental one lists models and prompts
(all: neither search can filter by time, and aliases and tags bump nothing), the versions newest first down to
the watermark, and the versions of each model that has bumped. Everything is ordered newest change first, so
the head of a listing tells whether anything is new.
"""

import hashlib
import json
import re
import secrets
from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from adapters.contract import Page
from adapters.errors import BadRecordError, InvalidError, NotFoundError, TransientError
from adapters.mlflow.client import (
    ONLY_PROMPTS,
    Listed,
    MlflowApi,
    batches,
    looping,
    quoted,
)
from adapters.mlflow.cursor import Cursor, Mark, Phase, Place, Top, drop_unchanged, place_of, with_top
from adapters.mlflow.hidden import Hidden, numbers_in, with_versions
from adapters.mlflow.keys import ModelId
from adapters.mlflow.lineage import OriginReader, Origins
from adapters.mlflow.records import Translator, model_identity, updated, version_identity
from adapters.mlflow.seams import Joined, Rows, mark_of, read_joined
from adapters.payloads import Raw, text
from adapters.records import Listing, ModelRecord, PageToken, Record, Watermark

HEAD = 100
"""Versions at the top of the listing whose digest tells whether anything is new. It covers all that a version
says, so that among these a tag is seen at once."""
MOST_BUMPED = 8000
"""Characters of names of models that have bumped: above, every version is listed instead. They stand in the
page token."""
BUMPED_PER_CALL = 50
MOST_NEAR = 300
"""Models of which the watermark keeps that they have been seen to. They stand in the page token, too."""
MOST_LATE = 50
"""Models read out of turn because a version changed after they were listed."""
REMEMBERED_SCANS = 4
MOST_MODELS = 1000
MOST_VERSIONS = 200_000
"""Rows that MLflow gives at once, at most."""
PLAIN_NAME = re.compile(r"^[A-Za-z0-9 ._-]+$")
"""A name that stands in a filter as it is; any other is asked for by a pattern and compared here."""


@dataclass(slots=True)
class Fetched:
    """One page of MLflow's: the rows that are given on, and what they come from."""

    rows: list[Any]
    next: str | None
    top: Top
    last: bool
    """Nothing of interest follows in this listing."""
    read: Rows = field(default_factory=dict)
    """All rows that were read, by their marks."""
    seam: tuple[str, ...] = ()
    """What the page that follows should begin with; nothing where it need not."""
    again: bool = False
    """It was read from further up, so page tokens come again."""
    origins: Origins = field(default_factory=Origins)
    bad: list[BadRecordError] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """Which rows these are."""
        return chain("", self.rows)


@dataclass(slots=True)
class Memory:
    """What one scan need not ask for again in the same process."""

    models: dict[str, int] | None = None
    """Creation by name, of every model and prompt; None until listed in this process."""
    late: dict[str, ModelRecord | None] = field(default_factory=dict)
    """Models read out of turn; None: gone."""
    prompts: dict[str, Raw] | None = None
    """Prompts by name, as this scan has listed them."""
    numbers: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """The versions of each prompt that this scan has listed."""
    unseen: set[str] | None = None
    """Models that have versions, of which this scan has listed none yet."""
    positions: dict[tuple[Phase, int, str | None], int] = field(default_factory=dict)
    """Which page of its listing each page token stood for."""
    place: Place | None = None
    fetched: Fetched | None = None
    """The page last fetched, and which it is."""
    ahead: dict[Place, Future[Fetched]] = field(default_factory=dict)
    """What is read before it is asked for: the page that follows, and prompts beside models."""

    def before(self, cursor: Cursor) -> Rows | None:
        """The rows of the page before the one that a cursor stands on, where that is the one last fetched."""
        here = self.place is not None and self.place[:2] == (cursor.phase, cursor.group)
        return self.fetched.read if self.fetched and here and self.fetched.next == cursor.page else None


class Scan:
    """Gives pages, of several scans in turn where somebody asks for that."""

    def __init__(self, api: MlflowApi, translate: Translator, origins: OriginReader) -> None:
        self._api = api
        self._origins = origins.read
        self._hidden = Hidden(api)
        self._translate = translate
        self._memories: OrderedDict[str, Memory] = OrderedDict()
        self._pool: ThreadPoolExecutor | None = None

    def page(self, since: Watermark | None, token: PageToken | None, limit: int) -> Page:
        """The next page: at most `limit` records, of one page of MLflow's."""
        if token is None:
            mark = Mark.load(since) if since is not None else None
            cursor = Cursor(secrets.token_hex(8), since=mark)
            self._memories[cursor.scan] = Memory(models={}, prompts={}, unseen=set())
            self._read_ahead(replace(cursor, phase="prompts"))
        else:
            cursor = Cursor.load(token)
        listed: list[Listing] = []
        while cursor.phase != "end":
            fetched = self._fetch(cursor)
            if cursor.done and cursor.rows != fetched.digest:
                cursor = replace(cursor, done=0, given=())
            records, bad, cursor = self._take(cursor, fetched, limit)
            if cursor.done < len(fetched.rows):
                cursor = replace(cursor, rows=fetched.digest)
                return Page(tuple(records), next=cursor.dump(), bad=tuple(bad), listed=tuple(listed))
            cursor = self._advance(cursor, fetched, listed)
            if (records or bad) and cursor.phase != "end":
                self._read_ahead(cursor)
                return Page(tuple(records), next=cursor.dump(), bad=tuple(bad), listed=tuple(listed))
            if cursor.phase == "end":
                mark = Mark(cursor.models, cursor.prompts, cursor.versions)
                return Page(tuple(records), watermark=mark.dump(), bad=tuple(bad), listed=tuple(listed))
        raise InvalidError("the scan is already at its end: begin another")

    # What is fetched

    def _fetch(self, cursor: Cursor) -> Fetched:
        memory, place = self._memory(cursor), place_of(cursor)
        if memory.fetched is None or memory.place != place:
            ahead = memory.ahead.pop(place, None)
            before, memory.fetched = memory.before(cursor), None
            memory.fetched = ahead.result() if ahead is not None else self._read(cursor, before)
            memory.place = place
            if not memory.fetched.last:
                self._check_progress(memory, cursor, memory.fetched)
                self._read_ahead(_following(cursor, memory.fetched), memory.fetched.read)
        return memory.fetched

    def _read_ahead(self, cursor: Cursor, before: Rows | None = None) -> None:
        """Let the server work on this page while another one is being used."""
        memory, place = self._memory(cursor), place_of(cursor)
        if place in memory.ahead or place == memory.place:
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(2, thread_name_prefix="mlflow-read-ahead")
        memory.ahead[place] = self._pool.submit(self._read, cursor, before)

    def close(self) -> None:
        """End reading ahead; a later scan begins it anew."""
        pool, self._pool = self._pool, None
        self._memories.clear()
        if pool is not None:
            pool.shutdown(cancel_futures=True)

    def _memory(self, cursor: Cursor) -> Memory:
        memory = self._memories.setdefault(cursor.scan, Memory())
        self._memories.move_to_end(cursor.scan)
        while len(self._memories) > REMEMBERED_SCANS:
            self._memories.popitem(last=False)
        return memory

    def _read(self, cursor: Cursor, before: Rows | None) -> Fetched:
        match cursor.phase:
            case "models" | "prompts":
                return self._read_models(cursor, before)
            case "bumped":
                return self._read_bumped(cursor, before)
            case _:
                return self._read_versions(cursor, before)

    def _read_models(self, cursor: Cursor, before: Rows | None) -> Fetched:
        size, prompts = self._api.config.model_page, cursor.phase == "prompts"

        def ask(token: str | None, size: int) -> Listed:
            return self._api.models(prompts=prompts, token=token, size=size)

        found = read_joined(ask, cursor.page, size, MOST_MODELS, cursor.seam, before)
        memory = self._memory(cursor)
        if prompts and memory.prompts is not None:
            memory.prompts.update(
                {text(row, "name") or "": row for row in found.rows if isinstance(row, dict)}
            )
        if not prompts and memory.unseen is not None:
            memory.unseen |= with_versions(found.rows)
        top: Top = getattr(cursor, cursor.phase)
        newest = top.newest or newest_of(found.rows)
        near = [row for row in found.rows if updated(row) >= newest - self._overlap]
        # What is older than the last scan is known: where a page lacks it, it is asked for.
        known: Top | None = getattr(cursor.since, cursor.phase) if cursor.since else None
        is_known = known is not None and bool(found.rows) and self._is_older(found.rows[-1], known)
        marks = (*top.near, *(mark_of(row) for row in near[: MOST_NEAR - len(top.near)]))
        top = Top(newest, chain(top.digest, near), marks)
        return self._fetched(found, found.rows, top, seam=() if is_known else found.seam)

    def _is_older(self, row: Any, top: Top) -> bool:
        return updated(row) < top.newest - self._overlap

    def _read_bumped(self, cursor: Cursor, before: Rows | None) -> Fetched:
        where, names = self._groups(cursor)[cursor.group]
        found = self._read_page(where, cursor, before, self._api.config.version_page)
        rows = [row for row in found.rows if text(row, "name") in names]
        bad: list[BadRecordError] = []
        unseen = {*names} if ONLY_PROMPTS in where else self._memory(cursor).unseen or set()
        listed = numbers_in(rows)
        unseen -= set() if ONLY_PROMPTS in where else listed.keys()
        if found.next is None:
            more, bad = self._hidden.behind(unseen & names, listed)
            rows = [*rows, *more]
        return self._fetched(found, rows, cursor.versions, bad=bad)

    def _read_page(self, where: str | None, cursor: Cursor, before: Rows | None, size: int) -> Joined:
        def ask(token: str | None, size: int) -> Listed:
            return self._api.versions(where=where, token=token, size=size)

        return read_joined(ask, cursor.page, size, MOST_VERSIONS, cursor.seam, before)

    def _read_versions(self, cursor: Cursor, before: Rows | None) -> Fetched:
        config = self._api.config
        prompts = cursor.phase == "prompt_versions"
        first_look = not cursor.full and cursor.page is None
        size = min(HEAD, config.version_page) if first_look else config.version_page
        found = self._read_page(ONLY_PROMPTS if prompts else None, cursor, before, size)
        top = cursor.versions
        if cursor.page is None and not prompts:
            head = found.rows[: min(HEAD, config.version_page)]
            top = Top(newest_of(head), whole(head))
        if cursor.full or cursor.since is None:
            more, bad = self._unlisted(cursor, found)
            return self._fetched(found, [*found.rows, *more], top, bad=bad)
        if first_look and top == cursor.since.versions:
            return Fetched([], None, top, last=True)
        down_to = cursor.since.versions.newest - self._overlap
        listed_whole = {name for _, name, _ in cursor.bumped}
        fresh = [row for row in found.rows if first_look or updated(row) >= down_to]
        rows = [row for row in fresh if text(row, "name") not in listed_whole]
        oldest = min(map(updated, found.read.values()), default=0)
        return self._fetched(found, rows, top, last=found.next is None or oldest < down_to)

    def _fetched(
        self,
        found: Joined,
        rows: list[Any],
        top: Top,
        *,
        last: bool | None = None,
        seam: tuple[str, ...] | None = None,
        bad: Sequence[BadRecordError] = (),
    ) -> Fetched:
        """A page with these of its rows, and where versions among them come from."""
        is_versions = any("version" in row for row in rows if isinstance(row, dict))
        return Fetched(
            rows,
            found.next,
            top,
            found.next is None if last is None else last,
            found.read,
            found.seam if seam is None else seam,
            found.again,
            self._origins(rows) if is_versions else Origins(),
            list(bad),
        )

    def _unlisted(self, cursor: Cursor, found: Joined) -> tuple[list[Raw], list[BadRecordError]]:
        """What the listings of versions lack, at the end of the last one."""
        memory, prompts = self._memory(cursor), cursor.phase == "prompt_versions"
        listed = numbers_in(found.rows)
        for name, numbers in listed.items() if prompts else ():
            memory.numbers[name] |= numbers
        if memory.unseen is None or memory.prompts is None:  # a scan that another process began
            return [], []
        if not prompts:
            memory.unseen -= listed.keys()
        if found.next is not None or (cursor.prompts.newest and not prompts):
            return [], []
        rows, bad = self._hidden.behind(memory.unseen, memory.numbers)
        for name, prompt in memory.prompts.items():
            more, left = self._hidden.rows(prompt, memory.numbers[name])
            rows, bad = [*rows, *more], [*bad, *left]
        return rows, bad

    def _groups(self, cursor: Cursor) -> list[tuple[str, frozenset[str]]]:
        """The bumped models as filters, each with the names it is meant to find."""
        plain = [name for _, name, prompt in cursor.bumped if not prompt and PLAIN_NAME.match(name)]
        groups = [
            (f"name IN ({quoted(batch)})", frozenset(batch)) for batch in batches(plain, BUMPED_PER_CALL)
        ]
        for _, name, prompt in cursor.bumped:
            if prompt or not PLAIN_NAME.match(name):
                pattern = f"name LIKE '{re.sub(r'[^A-Za-z0-9 .-]', '_', name)}'"
                groups.append((f"{pattern} AND {ONLY_PROMPTS}" if prompt else pattern, frozenset({name})))
        return groups

    def _check_progress(self, memory: Memory, cursor: Cursor, fetched: Fetched) -> None:
        """A page token that was met before, and not as the one that follows this page, leads in a circle."""
        here, following = place_of(cursor)[:3], (cursor.phase, cursor.group, fetched.next)
        if fetched.again:
            memory.positions.clear()
        if not fetched.again or (not fetched.rows and fetched.seam == cursor.seam):
            memory.positions.setdefault(here, cursor.number)
        if memory.positions.setdefault(following, cursor.number + 1) != cursor.number + 1:
            memory.fetched = None
            raise TransientError(looping(self._api.http.host, cursor.phase))

    # What is given

    def _take(
        self, cursor: Cursor, fetched: Fetched, limit: int
    ) -> tuple[list[Record], list[BadRecordError], Cursor]:
        """The records of the next rows, as many as fit, and the cursor behind them."""
        records: list[Record] = []
        bad = [] if cursor.done else list(fetched.bad)
        rows, done = fetched.rows[cursor.done :], cursor.done
        names = self._names(cursor) if rows else {}
        for row in rows:
            try:
                made = self._records(cursor, names, row, fetched.origins)
            except BadRecordError as error:
                bad.append(error)
                done += 1
                continue
            room = limit - len(records)
            records.extend(made[:room])
            if room and len(made) > 1 and isinstance(made[0], ModelRecord):
                cursor = replace(cursor, given=(*cursor.given, made[0].name))
            if len(made) > room:
                break
            done += 1
        return records, bad, replace(cursor, done=done)

    def _records(self, cursor: Cursor, names: dict[str, int], row: Any, origins: Origins) -> list[Record]:
        """A row as records: itself, behind its model where that has not been given in this scan."""
        if cursor.phase in ("models", "prompts"):
            model = self._translate.model(row)
            names[model.name] = model_identity(row).created
            return [model]
        name = text(row, "name")
        if name is None:
            raise BadRecordError(f"a version has no model name: {json.dumps(row, default=str)[:120]}")
        known = names.get(name)
        newest = max(cursor.models.newest, cursor.prompts.newest)
        # What changed since may have got another name, which is that of a model listed before.
        is_later = updated(row) > newest and len(self._memory(cursor).late) < MOST_LATE
        if known is not None and known <= newest and not is_later:
            identity = version_identity(row, ModelId(known, name))
            if identity.created <= newest:
                return [self._translate.version(row, identity, origins[row])]
        late = self._late(cursor, name)
        if late is None:
            return []
        created = int(late.key.native_id.split("/", 1)[0])
        version = self._translate.version(row, version_identity(row, ModelId(created, name)), origins[row])
        return [version] if name in cursor.given else [late, version]

    def _late(self, cursor: Cursor, name: str) -> ModelRecord | None:
        """The model of a version that the listing of models may have been before; None where it is gone."""
        late = self._memory(cursor).late
        if name not in late:
            try:
                late[name] = self._translate.model(self._api.model(name))
            except NotFoundError:
                late[name] = None
        return late[name]

    def _names(self, cursor: Cursor) -> dict[str, int]:
        memory = self._memory(cursor)
        if memory.models is None:
            memory.models = dict(self._list_names())
        return memory.models

    def _list_names(self) -> Iterator[tuple[str, int]]:
        """Every model's name and creation, for a scan that goes on in another process."""
        for prompts in (False, True):
            token: str | None = None
            seen: set[str | None] = set()
            while token not in seen:
                seen.add(token)
                found = self._api.models(prompts=prompts, token=token, size=self._api.config.model_page)
                for row in found.rows:
                    try:
                        identity = model_identity(row)
                    except BadRecordError:
                        continue
                    yield identity.name, identity.created
                if found.next is None:
                    break
                token = found.next

    # What comes next

    def _advance(self, cursor: Cursor, fetched: Fetched, listed: list[Listing]) -> Cursor:
        """The cursor of the page that follows."""
        if cursor.phase in ("models", "prompts"):
            cursor = self._note_bumped(with_top(cursor, fetched.top), fetched.rows)
        cursor = with_top(cursor, fetched.top)
        cursor = replace(cursor, done=0, given=() if fetched.last else cursor.given)
        if not fetched.last:
            return _following(cursor, fetched)
        return self._next_listing(replace(cursor, page=None, number=0, seam=()), listed)

    def _note_bumped(self, cursor: Cursor, rows: Sequence[Any]) -> Cursor:
        if cursor.since is None or cursor.everything:
            return cursor
        before: Top = getattr(cursor.since, cursor.phase)
        seen_to = frozenset(before.near)
        more = []
        for row in rows:
            try:
                identity = model_identity(row)
            except BadRecordError:
                continue
            if updated(row) >= before.newest - self._overlap and mark_of(row) not in seen_to:
                more.append((identity.created, identity.name, cursor.phase == "prompts"))
        bumped = (*cursor.bumped, *more)
        if sum(len(json.dumps(name)) + 24 for _, name, _ in bumped) > MOST_BUMPED:
            return replace(cursor, bumped=(), everything=True)
        return replace(cursor, bumped=bumped)

    def _next_listing(self, cursor: Cursor, listed: list[Listing]) -> Cursor:
        """The top of the versions is read before the models that have bumped: what changes meanwhile differs
        from it in the next scan.
        """
        match cursor.phase:
            case "models":
                return replace(cursor, phase="prompts")
            case "prompts":
                if cursor.since is not None:
                    listed.append(Listing("model"))
                    cursor = drop_unchanged(cursor, cursor.since)
                return replace(cursor, phase="versions")
            case "versions" if cursor.full and cursor.prompts.newest:
                return replace(cursor, phase="prompt_versions")
            case "versions" if cursor.bumped:
                return replace(cursor, phase="bumped")
            case "bumped":
                return self._next_group(cursor, listed)
            case _:
                if cursor.since is not None and cursor.everything:
                    listed.append(Listing("version"))
                return replace(cursor, phase="end")

    def _next_group(self, cursor: Cursor, listed: list[Listing]) -> Cursor:
        groups = self._groups(cursor)
        names = groups[cursor.group][1]
        whole = (ModelId(created, name) for created, name, _ in cursor.bumped if name in names)
        listed.extend(Listing("version", of=model.key) for model in whole)
        last = cursor.group + 1 == len(groups)
        return replace(cursor, phase="end") if last else replace(cursor, group=cursor.group + 1)

    @property
    def _overlap(self) -> int:
        return int(self._api.config.overlap * 1000)


def _following(cursor: Cursor, fetched: Fetched) -> Cursor:
    """The cursor of the page after this one of the same listing."""
    cursor = with_top(cursor, fetched.top)
    return replace(cursor, page=fetched.next, number=cursor.number + 1, seam=fetched.seam)


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
