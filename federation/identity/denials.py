"""Journal entries for what was refused: sign-ins and requests.

The log only grows, so nobody may fill it: of each person, the first refusal of a kind in a minute is an entry at
once, and the same again is counted and told by one entry when the minute is over. Those who show no valid credentials
are counted by their address.
"""

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine

from federation.access import Principal
from federation.database import DatabaseError, writing
from federation.errors import DeniedError, TooManyError
from federation.journal.entry import SYSTEM, Action, Entry
from federation.journal.log import Batch
from federation.logs import Log

log = Log(__name__)
MINUTE = 60.0
MOST_SOURCES = 1000
"""So many sources are told apart in a minute; the others are counted together."""
MOST_KINDS = 10
"""So many kinds of refusals of one person are told apart in a minute; the others are counted together."""
MOST_SIGN_INS = 20
"""Of one person in a minute; each is an entry and a session."""
OTHERS = "others"


@dataclass(frozen=True, slots=True)
class _Repeated:
    """What is the same when it happens again within the minute."""

    action: Action
    actor: str
    what: tuple[tuple[str, str], ...] = ()
    registry: tuple[str, int] | None = None

    def entry(self, more: Mapping[str, Any], request: str | None = None) -> Entry:
        registry = None if self.registry is None else self.registry[0]
        details = {**dict(self.what), **more}
        return Entry(
            action=self.action, actor=self.actor, request=request, registry=registry, details=details
        )


class Denials:
    """The refusals of one process, and what else of one person may come too often for an entry each."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._sources: Counter[tuple[Action, str, str]] = Counter()
        self._again: dict[_Repeated, int] = {}
        self._kinds: Counter[str] = Counter()
        self._sign_ins: Counter[str] = Counter()
        self._minute = time.monotonic()

    def denied(self, principal: Principal, error: DeniedError, request: str) -> None:
        """A known principal was denied something. A database that cannot be written does not undo the denial."""
        what = (("permission", str(error.permission)), ("on", error.where[:300]))
        kind = _Repeated(Action.ACCESS_DENIED, principal.id, what)
        if self._is_first(kind):
            batch = Batch()
            batch.record(kind.entry({}, request))
            self._append(batch)

    def is_first_sync(self, principal: Principal, registry: str, registry_id: int) -> bool:
        """Whether this is the person's first request in this minute to synchronise a registry: an entry tells it.

        Any later one is counted here.
        """
        return self._is_first(
            _Repeated(Action.SYNC_REQUESTED, principal.id, registry=(registry, registry_id)), bounded=False
        )

    def admit_sign_in(self, principal_id: str) -> None:
        """Count a sign-in of somebody who is known. Errors: `TooManyError` for too many in a minute."""
        with self._lock:
            self._sign_ins[principal_id] += 1
            if self._sign_ins[principal_id] <= MOST_SIGN_INS:
                return
            kind = _Repeated(Action.SIGN_IN_FAILED, principal_id, (("reason", "too many sign-ins"),))
            self._again[kind] = self._again.get(kind, 0) + 1
        raise TooManyError(f"more than {MOST_SIGN_INS} sign-ins in a minute: wait {MINUTE:.0f} s")

    def refused(self, source: str) -> None:
        """Somebody at a source address showed no credentials that hold."""
        self._count(Action.ACCESS_DENIED_ANONYMOUS, source, "")

    def sign_in_refused(self, source: str, reason: str) -> None:
        """Somebody at a source address tried to sign in and was refused."""
        self._count(Action.SIGN_IN_FAILED, source, reason[:100])

    def flush(self, *, now: bool = False) -> None:
        """Write down the minute that is over, or with `now` what there is."""
        with self._lock:
            if not now and time.monotonic() - self._minute < MINUTE:
                return
            sources, again = self._sources, self._again
            self._sources, self._again = Counter(), {}
            self._kinds, self._sign_ins = Counter(), Counter()
            self._minute = time.monotonic()
        batch = Batch()
        for (action, source, reason), count in sources.items():
            commitments = batch.withhold({"address": source}, subject=source)
            details = {"count": count, **({"reason": reason} if reason else {})}
            batch.record(Entry(action=action, actor=SYSTEM, details=details, commitments=commitments))
        for kind, count in again.items():
            if count:
                registry_id = None if kind.registry is None else kind.registry[1]
                batch.record(kind.entry({"count": count}), registry_id)
        if batch.entries:
            self._append(batch)

    def _count(self, action: Action, source: str, reason: str) -> None:
        with self._lock:
            key = (action, source, reason)
            known = key in self._sources or len(self._sources) < MOST_SOURCES
            self._sources[key if known else (action, OTHERS, "")] += 1

    def _is_first(self, kind: _Repeated, *, bounded: bool = True) -> bool:
        """Whether a kind is new in this minute; else it is counted."""
        with self._lock:
            if kind not in self._again:
                if not bounded or self._kinds[kind.actor] < MOST_KINDS:
                    self._kinds[kind.actor] += bounded
                    self._again[kind] = 0
                    return True
                kind = _Repeated(kind.action, kind.actor, (("on", OTHERS),))
            self._again[kind] = self._again.get(kind, 0) + 1
            return False

    def _append(self, batch: Batch) -> None:
        try:
            with writing(self._engine) as connection:
                batch.append(connection)
        except DatabaseError as error:
            log.warning("a denial could not be journalled", error=str(error), entries=len(batch.entries))
