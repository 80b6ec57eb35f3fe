"""A scan: groups, then packages, then endpoints.

A full scan reads every package. An incremental one reads those that `Search` says have changed, then the
cheap listing of all, which shows what is new, gone, or has another approval or lifecycle stage, and describes
only those. It builds on the memory of the scan that gave its watermark; without that (the process is new, the
last page got lost) it reads everything, and says so. Packages of several containers wait until all others
were read, since that is where their containers are found.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from adapters.contract import Page
from adapters.errors import (
    AuthError,
    BadRecordError,
    InvalidError,
    NotFoundError,
    TransientError,
    UnsupportedError,
)
from adapters.records import (
    NO_LINEAGE,
    Deleted,
    EndpointRecord,
    Key,
    Listing,
    ModelRecord,
    Record,
    VersionRecord,
)
from adapters.sagemaker import reading
from adapters.sagemaker.ahead import PAGE_LIMIT, Ahead, Fetched, Source, Via
from adapters.sagemaker.client import Client
from adapters.sagemaker.config import SageMakerConfig
from adapters.sagemaker.failures import ForbiddenError
from adapters.sagemaker.keys import Raw, arn_of, key_of, same_incarnation
from adapters.sagemaker.progress import (
    NOTHING,
    Index,
    Known,
    Memory,
    Phase,
    Position,
    Running,
    Step,
    dependencies,
    state_of,
)
from adapters.sagemaker.records import (
    endpoint_record,
    group_record,
    understood,
    unversioned_record,
    version_record,
)
from adapters.sagemaker.serving import LIVE, Serving

R = TypeVar("R", ModelRecord, VersionRecord, EndpointRecord)
T = TypeVar("T")

_FULL: tuple[Phase, ...] = ("groups", "packages", "composed", "endpoints")
_INCREMENTAL: tuple[Phase, ...] = ("groups", "changed", "listing", "gone", "composed", "endpoints")
_MOST_PAGES = 100_000
_MOST_EMPTY = 5
_MOST_SCANS = 4
"""So many scans of one registry may be under way; one more, and the oldest begins again."""
_MOST_GONE = 50
"""When more than this is missing at once, everything is listed and the caller decides what to believe."""


class Scanner:
    """The scans of one registry, one at a time."""

    def __init__(self, client: Client, config: SageMakerConfig) -> None:
        self._client, self._config = client, config
        self._memory: Memory | None = None
        self._scans: dict[str, Running] = {}
        self._served: dict[str, tuple[str, Serving]] = {}
        self.via: Via = "search"
        self._steps: dict[Phase, Callable[[Position, Running, int], Step]] = {
            "groups": self._groups,
            "packages": self._packages,
            "changed": self._packages,
            "listing": self._listing,
            "gone": self._gone,
            "composed": self._composed,
            "endpoints": self._endpoints,
        }

    def page(self, since: str | None, token: str | None, limit: int) -> Page:
        """One page, as `Adapter.scan` gives it."""
        _moment(since)
        position = self._resumed(Position.read(token)) if token else self._begin(since, limit)
        step = self._step(position, limit)
        while (
            step.following and not (step.records or step.bad) and step.following.phase in ("gone", "composed")
        ):
            # These phases ask the backend nothing, or next to nothing: an empty one is passed over at once.
            step = self._step(step.following, limit)
        running = self._scans[position.scan]
        if step.following:
            return step.page(Page(()))
        # What another process saw of the scan may be gone by now: the next one then reads everything.
        is_known = running.complete and not running.split
        self._memory = Memory(position.began, running.groups, running.packages) if is_known else None
        return step.page(Page((), watermark=position.began, listed=_listed(position, running)))

    def index(self) -> Index:
        """Packages by their model data; where no scan has seen them yet, they are read."""
        if self._memory is None:
            for _ in self._whole_scan():
                pass
        return Index(self._memory.packages if self._memory else {})

    def _whole_scan(self) -> Iterator[Page]:
        page = self.page(None, None, PAGE_LIMIT)
        while page.mark:
            yield page
            page = self.page(None, page.mark, PAGE_LIMIT)

    def _begin(self, since: str | None, limit: int) -> Position:
        memory = self._memory if self._memory and self._memory.watermark == since else NOTHING
        whole = since is not None and memory is NOTHING
        scan = secrets.token_hex(4)
        try:
            self.via, began = "search", self._start(scan, "search", memory, since, limit)
        except (ForbiddenError, UnsupportedError):
            self.via, began = "describe", self._start(scan, "describe", memory, since, limit)
        return Position(scan, began.isoformat(), "groups", self.via, since, whole)

    def _start(self, scan: str, via: Via, memory: Memory, since: str | None, limit: int) -> datetime:
        """Begin to read all that the scan will ask for."""
        running = self._new(scan, via, memory, since)
        incremental: tuple[Source, ...] = ("changed", "listing") if via == "search" else ("listing",)
        for source in ("groups", *(incremental if memory is not NOTHING else ("packages",)), "endpoints"):
            running.ahead.start(source, None, limit)
        return running.ahead.began(limit)

    def _new(self, scan: str, via: Via, memory: Memory, since: str | None) -> Running:
        for old in list(self._scans)[: 1 - _MOST_SCANS]:
            self._scans.pop(old).ahead.stop()
        if scan in self._scans:
            self._scans[scan].ahead.stop()
        overlap, mark = timedelta(seconds=self._config.overlap), _moment(since)
        filtered = mark - overlap if mark and memory is not NOTHING else None
        ahead = Ahead(self._client, via, filtered, with_lineage=self._config.lineage)
        ahead.reuse(self._served)
        self._scans[scan] = Running(scan, ahead, memory, packages=dict(memory.packages))
        return self._scans[scan]

    def _resumed(self, position: Position) -> Position:
        """Where to go on: there, or at the beginning if this process does not know enough of the scan."""
        if position.scan in self._scans:
            return position
        running = self._new(position.scan, position.via, NOTHING, position.since)
        if position.incremental:
            raise InvalidError("what this scan had seen is not known here: begin it again")
        running.split = True
        running.complete = (position.phase, position.token, position.after) == ("groups", None, None)
        return position

    def _step(self, position: Position, limit: int) -> Step:
        running = self._scans[position.scan]
        if running.rest and running.rest[0] == position:
            step = running.rest[1]
        else:
            step = self._steps[position.phase](position, running, limit)
            if position.after:
                step.records = _behind(step.records, position.after)
        running.rest = None
        if len(step.records) > limit:
            last = _key(step.records[limit - 1])
            here = replace(position, after=f"{last.kind} {last.native_id}")
            running.rest = (here, Step(step.records[limit:], step.following))
            return Step(step.records[:limit], here, step.bad)
        return step

    def _groups(self, position: Position, running: Running, limit: int) -> Step:
        fetched = running.ahead.take("groups", position.token, limit)
        step = Step([], None)
        for row in fetched.rows:
            record = _mapped(group_record, row, row.get("ModelPackageGroupArn"), step)
            if record:
                running.groups[record.name] = record.key
                before = running.before.groups.get(record.name)
                if before and before != record.key:
                    running.gone.append(before)
        step.following = self._onward(position, running, fetched)
        return step

    def _packages(self, position: Position, running: Running, limit: int) -> Step:
        source: Source = "changed" if position.phase == "changed" else "packages"
        fetched = running.ahead.take(source, position.token, limit)
        step = self._records(running, fetched)
        step.following = self._onward(position, running, fetched)
        return step

    def _listing(self, position: Position, running: Running, limit: int) -> Step:
        fetched = running.ahead.take("listing", position.token, limit)
        wanted = []
        for row in fetched.rows:
            arn, before = row["ModelPackageArn"], running.before.packages.get(row["ModelPackageArn"])
            running.listed.add(arn)
            if before and not same_incarnation(before.key, row["CreationTime"]):
                running.gone += before.keys
            known = running.packages.get(arn)
            if known is None or known.state != state_of(row):
                wanted.append(arn)
        rows = running.ahead.describe(wanted)
        step = self._records(running, replace(fetched, rows=rows, walked=running.ahead.walk(rows)))
        step.following = self._onward(position, running, fetched)
        return step

    def _gone(self, position: Position, running: Running, limit: int) -> Step:
        if position.token is None:
            lacking = [
                known.keys for arn, known in running.before.packages.items() if arn not in running.listed
            ]
            lacking += [(key,) for name, key in running.before.groups.items() if name not in running.groups]
            if len(lacking) > _MOST_GONE:
                self._new(position.scan, position.via, NOTHING, position.since)
                return Step([], replace(position, phase="groups", whole=True, token=None, after=None))
            found = self._client.each(self._proven, lacking)
            running.gone += [key for keys in reading.present(found) for key in keys]
            self._forget(running)
        first = int(position.token or 0)
        shown: list[Record | Deleted] = [Deleted(key) for key in running.gone[first : first + limit]]
        if first + limit < len(running.gone):
            return Step(shown, replace(position, token=str(first + limit)))
        return Step(shown, self._next_phase(position))

    def _forget(self, running: Running) -> None:
        """Drop the packages that are gone from what is known, and note what model data they held."""
        gone = set(running.gone)
        for known in running.before.packages.values():
            running.moved_uris.update(known.uris if known.key in gone else ())
        running.packages = {arn: known for arn, known in running.packages.items() if known.key not in gone}

    def _proven(self, keys: tuple[Key, ...]) -> tuple[Key, ...]:
        """Those of a package's or group's keys, if the backend says that it does not exist."""
        arn = arn_of(keys[0])
        try:
            if keys[0].kind == "model":
                self._client.call("DescribeModelPackageGroup", ModelPackageGroupName=arn.rpartition("/")[2])
            else:
                self._client.call("DescribeModelPackage", ModelPackageName=arn)
        except NotFoundError:
            return keys
        return ()

    def _composed(self, position: Position, running: Running, limit: int) -> Step:
        if not running.complete:
            # The packages that were read by another process may hold some that wait, or what others wait for.
            running.complete = True
            running.packages.clear()
            return Step([], replace(position, phase="packages", token=None))
        if position.token is None and running.moved_uris:
            self._affected(running)
        waiting = list(running.composed.values())
        first = int(position.token or 0)
        step = Step([], self._next_phase(position))
        if first + limit < len(waiting):
            step.following = replace(position, token=str(first + limit))
        index = running.index() if waiting else Index({})
        for row, walked in waiting[first : first + limit]:
            model = _model_key(running, row)
            if model:
                found = dependencies(row, index)
                make = partial(version_record, model=model, dependencies=found, walked=walked)
                _mapped(make, row, row.get("ModelPackageArn"), step)
        return step

    def _affected(self, running: Running) -> None:
        """Read again the packages of several containers whose containers are new or gone as packages."""
        arns = [
            arn
            for arn, known in running.before.packages.items()
            if len(known.uris) > 1
            and running.moved_uris.intersection(known.uris)
            and arn not in running.composed
        ]
        rows = running.ahead.describe(arns)
        walked = running.ahead.walk(rows)
        for row in rows:
            arn = row["ModelPackageArn"]
            running.composed[arn] = (row, walked.get(arn, NO_LINEAGE))

    def _endpoints(self, position: Position, running: Running, limit: int) -> Step:
        fetched = running.ahead.take("endpoints", position.token, limit)
        step = Step([], self._onward(position, running, fetched))
        index = running.index() if any(row.by_address for row in fetched.rows) else Index({})
        for row in fetched.rows:
            make = partial(self.endpoint, running=running, index=index)
            _mapped(make, row, row.endpoint.get("EndpointArn"), step)
        return step

    def endpoint(self, row: Serving, index: Index, running: Running | None = None) -> EndpointRecord:
        """An endpoint with the versions it serves."""
        shares: dict[Key, float] = {}
        unknown = list(row.unknown)
        for held, share in row.targets:
            keys = [
                self._package_key(name, row.endpoint["EndpointArn"], running, unknown)
                for name in held.packages
            ]
            for key in dict.fromkeys((*filter(None, keys), *index.loaded(held))):
                shares[key] = shares.get(key, 0.0) + share
        live = row.endpoint["EndpointStatus"] in LIVE
        shares = {key: min(share, 100.0) for key, share in shares.items()}
        return endpoint_record(row.endpoint, shares, live, unknown if live else ())

    def _package_key(self, name: str, beside: str, running: Running | None, unknown: list[str]) -> Key | None:
        """The key of a package of this account and region; one of another is not this registry's."""
        home = beside.partition(":endpoint/")[0]
        arn = name if name.startswith("arn:") else f"{home}:model-package/{name}"
        if not arn.startswith(f"{home}:"):
            return None
        if running and arn in running.packages:
            return running.packages[arn].key
        asked = running.keys if running else {}
        if arn not in asked:
            try:
                row = self._client.call("DescribeModelPackage", ModelPackageName=arn)
            except NotFoundError:
                asked[arn] = None
            except AuthError as error:
                unknown.append(str(error))
                return None
            else:
                asked[arn] = key_of("version", arn, row["CreationTime"])
        return asked[arn]

    def _records(self, running: Running, fetched: Fetched) -> Step:
        """The versions of these packages, after the models that were not known yet."""
        step = Step(list(self._new_groups(running, fetched.rows)), None)
        for row in fetched.rows:
            arn = row.get("ModelPackageArn", "")
            try:
                known = understood(Known.of, row, arn)
                model = understood(partial(_model_key, running), row, arn)
            except BadRecordError as error:
                step.bad.append(error)
                continue
            running.moved_uris.update(set(known.uris) ^ set(_uris(running, arn)))
            running.packages[arn] = known
            if known.model:
                _mapped(unversioned_record, row, arn, step)
            if model is None:
                continue
            walked = fetched.walked.get(arn, NO_LINEAGE)
            if len(known.uris) > 1:
                running.composed[arn] = (row, walked)
            else:
                _mapped(partial(version_record, model=model, dependencies=(), walked=walked), row, arn, step)
        return step

    def _new_groups(self, running: Running, rows: Iterable[Raw]) -> Iterable[ModelRecord]:
        """Groups made after groups were listed, or listed by another process; without those that are gone."""
        names = {row["ModelPackageGroupName"] for row in rows if "ModelPackageGroupName" in row}
        found = self._client.each(partial(reading.group, self._client), sorted(names - running.groups.keys()))
        for row in reading.present(found):
            record = group_record(row)
            running.groups[record.name] = record.key
            yield record

    def _onward(self, position: Position, running: Running, fetched: Fetched) -> Position | None:
        """The next page, or the next phase. A listing that promises more for ever is an error."""
        if fetched.token is None:
            return self._next_phase(position)
        pages, empty = position.pages + 1, 0 if fetched.rows else position.empty + 1
        if fetched.token == position.token or empty > _MOST_EMPTY or pages > _MOST_PAGES:
            raise TransientError(
                f"the listing of {position.phase} does not end: AWS gives pages without progress"
            )
        return replace(position, token=fetched.token, after=None, pages=pages, empty=empty)

    def _next_phase(self, position: Position) -> Position | None:
        phases = _INCREMENTAL if position.incremental else _FULL
        place = phases.index(position.phase) + 1
        if place < len(phases) and phases[place] == "changed" and position.via == "describe":
            place += 1
        if place == len(phases):
            return None
        return replace(position, phase=phases[place], token=None, after=None, empty=0)


def _moment(since: str | None) -> datetime | None:
    """The watermark as a time. Errors: InvalidError for one that is not ours."""
    try:
        return datetime.fromisoformat(since).astimezone(UTC) if since is not None else None
    except ValueError:
        raise InvalidError("this watermark is not of a SageMaker scan: begin a full scan") from None


def _mapped(make: Callable[[T], R], row: T, arn: Any, step: Step) -> R | None:
    """What `make` gives, added to the step; what cannot be understood becomes a bad record of the step."""
    try:
        record = understood(make, row, str(arn))
    except BadRecordError as error:
        step.bad.append(error)
        return None
    step.records.append(record)
    return record


def _uris(running: Running, arn: str) -> tuple[str, ...]:
    before = running.before.packages.get(arn)
    return before.uris if before else ()


def _model_key(running: Running, row: Raw) -> Key | None:
    if row.get("ModelPackageVersion"):
        return running.groups.get(row["ModelPackageGroupName"])
    return key_of("model", row["ModelPackageArn"], row["CreationTime"])


def _key(record: Record | Deleted) -> Key:
    return record.key


def _behind(records: list[Record | Deleted], after: str) -> list[Record | Deleted]:
    """The records behind the one named; all of them when it is not there."""
    for place, record in enumerate(records):
        if f"{record.key.kind} {record.key.native_id}" == after:
            return records[place + 1 :]
    return records


def _listed(position: Position, running: Running) -> tuple[Listing, ...]:
    endpoints = (Listing("endpoint"),) if running.ahead.sees_endpoints else ()
    if position.incremental:
        return endpoints
    return (Listing("model"), Listing("version"), *endpoints) if position.whole else ()
