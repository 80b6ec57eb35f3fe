"""What a rule of retention says, read strictly: when versions are archived and deleted, and what holds them.

A condition is words joined by `and`, each with `not` before it where that is meant:

| word | holds |
|---|---|
| `stage:NAME` | the version has that stage |
| `tag:KEY`, `tag:KEY=VALUE` | it, or its model, has the tag (with that value) |
| `age > 30d` | it has had its stage for longer |
| `created > 1y` | it was made longer ago |
| `promoted` | it has been in production, as far as the timeline goes back |
| `replaced`, `replaced > 30d` | it was in production and is there no more (for longer) |
| `stable`, `stable > 30d` | another version of its model is in production (for longer) |

Whether one holds may be unknown: a synchronisation sees an interval, not a moment. What is unknown archives nothing,
and holds what it could hold.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

import msgspec

from federation.catalogue.reader import Version
from federation.policies.policy import PolicyError, check_on, is_on, read_duration
from federation.references import STAGES

PRODUCTION = "production"
TIMED = ("age", "created", "replaced", "stable")
BARE = ("promoted", "replaced", "stable")
_WORD = re.compile(
    rf"(?P<not>not\s+)?(?:(?P<kind>stage|tag):(?P<value>\S.*)"
    rf"|(?P<timed>{'|'.join(TIMED)})\s*(?P<sign>[<>])\s*(?P<bound>\d+[mhdy])|(?P<bare>{'|'.join(BARE)}))"
)


class RetentionRule(msgspec.Struct, frozen=True):
    """What becomes of versions, as the configuration says it."""

    on: str
    archive: str = ""
    delete: str = ""
    hold: tuple[str, ...] = ()

    def covers(self, version: Version) -> bool:
        """Whether it is on a version."""
        return is_on(self.on, version.registry, version.team, version.model, _tags(version))


class StageSpan(NamedTuple):
    """A stretch of time in which a version had a stage, each end as an interval; `ended_by` None: it still has."""

    version_id: int
    stage: str
    began_after: datetime | None
    began_by: datetime
    ended_after: datetime | None
    ended_by: datetime | None


@dataclass(frozen=True, slots=True)
class Life:
    """A version at a moment: the stages that it had, and who of its model is in production beside it."""

    version: Version
    spans: Sequence[StageSpan]
    others: Sequence[StageSpan]
    at: datetime

    def span(self, word: str) -> tuple[timedelta, timedelta] | None:
        """How long something has been so, at least and at most; None: it is not so."""
        match word:
            case "age":
                return self._age()
            case "created":
                made = self.version.record.created_at
                return self._since(made, made or self.version.first_seen_at)
            case "replaced":
                was = [one for one in self.spans if one.stage == PRODUCTION]
                if not was or any(one.ended_by is None for one in was):
                    return None
                last = max(was, key=_end)
                return self._since(last.ended_after, _end(last))
            case _:
                if not self.others:
                    return None
                newest = max(self.others, key=lambda one: one.began_by)
                return self._since(newest.began_after, newest.began_by)

    def _age(self) -> tuple[timedelta, timedelta]:
        now_so = [one for one in self.spans if one.ended_by is None]
        if now_so:
            return self._since(now_so[0].began_after, now_so[0].began_by)
        if not self.spans:  # it never had a stage, as far as anybody looked
            return self._since(self.version.record.created_at, self.version.first_seen_at)
        last = max(self.spans, key=_end)
        return self._since(last.ended_after, _end(last))

    def _since(self, earliest: datetime | None, latest: datetime) -> tuple[timedelta, timedelta]:
        longest = timedelta.max if earliest is None else self.at - min(earliest, latest)
        return self.at - latest, longest


class RuleWord(NamedTuple):
    """One part of a condition."""

    text: str
    negated: bool
    kind: str
    """stage, tag, age, created, promoted, replaced or stable."""
    value: str
    """Of a stage or tag."""
    sign: str
    bound: timedelta | None

    def holds(self, life: Life) -> bool | None:
        """Whether it does; None: nobody knows."""
        found = self._holds(life)
        return found if found is None else found != self.negated

    def _holds(self, life: Life) -> bool | None:
        match self.kind:
            case "stage":
                return life.version.stage == self.value
            case "tag":
                return self._tagged(life.version)
            case "promoted":
                return any(one.stage == PRODUCTION for one in life.spans)
        span = life.span(self.kind)
        if span is None or self.bound is None:
            return span is not None
        at_least, at_most = span
        if self.sign == ">":
            return True if at_least > self.bound else False if at_most <= self.bound else None
        return True if at_most < self.bound else False if at_least >= self.bound else None

    def _tagged(self, version: Version) -> bool | None:
        key, equals, wanted = self.value.partition("=")
        found = _tags(version).get(key)
        if found is None:
            lack = version.record.unread
            return None if lack is not None and "tags" in lack.fields else False
        return not equals or found == wanted


class Condition(NamedTuple):
    """Words that hold together."""

    words: tuple[RuleWord, ...]

    def failing(self, life: Life) -> Iterator[tuple[RuleWord, bool | None]]:
        """The words that do not hold, or of which nobody knows it."""
        said = ((word, word.holds(life)) for word in self.words)
        return ((word, holds) for word, holds in said if not holds)

    def may_hold(self, life: Life) -> bool:
        """Whether it holds, or could."""
        return all(word.holds(life) is not False for word in self.words)


@lru_cache(256)
def read_condition(text: str) -> Condition:
    """A condition. Errors: `PolicyError`."""
    return Condition(tuple(_word(part.strip()) for part in re.split(r"\sand\s", text.strip())))


def check(rule: RetentionRule) -> None:
    """Errors: `PolicyError` for a rule that cannot be used."""
    check_on(rule.on)
    for text in filter(None, (rule.archive, rule.delete, *rule.hold)):
        read_condition(text)
    if not (rule.archive or rule.delete or rule.hold):
        raise PolicyError("it archives, deletes and holds nothing")
    for text in filter(None, (rule.archive, rule.delete)):
        if all(word.kind in ("stage", "tag") for word in read_condition(text).words):
            raise PolicyError(f"{text!a} says nothing of time: add for how long, such as age > 30d")


def _word(text: str) -> RuleWord:
    found = _WORD.fullmatch(text)
    if found is None or (found["kind"] == "stage" and found["value"] not in STAGES):
        raise PolicyError(
            f"{text[:80]!a} is no condition: write stage:NAME, tag:KEY=VALUE, promoted, or age, created, replaced or "
            "stable with > or < and 90m, 24h, 30d or 7y; joined by and, not before what must not hold"
        )
    bound = None if found["bound"] is None else read_duration(found["bound"])
    kind = found["kind"] or found["timed"] or found["bare"]
    return RuleWord(text, found["not"] is not None, kind, found["value"] or "", found["sign"] or "", bound)


def _end(span: StageSpan) -> datetime:
    assert span.ended_by is not None
    return span.ended_by


def _tags(version: Version) -> Mapping[str, str]:
    return {**version.model_record.tags, **version.record.tags}
