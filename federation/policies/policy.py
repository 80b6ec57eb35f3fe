"""What a policy says, read strictly: which stage it guards, of what, and what it asks for.

A policy is a value. Its digest is that of its canonical JSON, where what was not written is left out: so a key that a
later release brings changes no digest.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime, time, timedelta
from functools import cached_property, lru_cache
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from adapters import CARD_PARTS
from federation.errors import InvalidRequestError
from federation.references import ReferenceSyntaxError, is_registry_name, parse

STAGES = ("none", "staging", "production", "archived")
UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "y": timedelta(days=366)}
"""A year is never shorter than one of the calendar."""
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
FIELDS = (
    "owner", "license", "description", "schema", "commit", "dataset", "framework", "artifact_digest", "run", "creator",
)  # fmt: skip
"""What `require` can ask for, beside `tag.NAME`, `metric.NAME`, `param.NAME` and the parts of a model card."""
NAMED = ("tag", "metric", "param", "card")
GROUPS = ("role", "group", "subject", "token")
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_BOUND = re.compile(
    rf"(?P<name>[^\s<>=]+)\s*(?P<sign>>=|<=|==|>|<)\s*"
    rf"(?:(?P<number>{_NUMBER})|production\.(?P<other>[^\s<>=]+?)(?:\s+(?P<way>[+-])\s+(?P<by>{_NUMBER}))?)"
)
PROMETHEUS = re.compile(rf"(?P<query>.*\S)\s*(?P<sign>>=|<=|>|<)\s*(?P<bound>{_NUMBER})\s*", re.DOTALL)
"""A query of Prometheus, and what each of its values must be."""
_DURATION = re.compile(r"(\d{1,6})([mhdy])")
_WINDOW = re.compile(r"([a-z]{3})(?:-([a-z]{3}))? (\d\d:\d\d)-(\d\d:\d\d) (\S+)")


class PolicyError(InvalidRequestError):
    """A policy that cannot be used. One line that says what is wrong and what is possible."""

    code = "invalid-policy"


class Quorum(msgspec.Struct, frozen=True, rename={"among": "from"}):
    """So many different people out of these."""

    count: int = 1
    among: tuple[str, ...] = ("role:approver",)


class RollbackTerms(msgspec.Struct, frozen=True, rename={"among": "from"}):
    """Who may roll back, and how many must agree. Whoever asks must be among them."""

    approvals: int = 0
    among: tuple[str, ...] = ("role:approver",)


class LicenseTerms(msgspec.Struct, frozen=True, omit_defaults=True):
    """Licences that may not be: names with wildcards; `along` the lineage, or of the version alone."""

    deny: tuple[str, ...] = ()
    along: Literal["", "lineage"] = ""


class RolloutTerms(msgspec.Struct, frozen=True, omit_defaults=True):
    """How traffic comes to a version that endpoints hold already: shares in percent, how long each is held, and what
    must pass before the next (`https://…`, `prometheus:QUERY < BOUND`, `command:…`).
    """

    steps: tuple[int, ...] = ()
    hold: str = "1h"
    gates: tuple[str, ...] = ()


class Policy(msgspec.Struct, frozen=True, omit_defaults=True, dict=True):
    """One policy, as the configuration says it."""

    name: str
    on: str
    stage: str = "production"
    from_stage: str = ""
    soak: str = ""
    require: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    approvals: tuple[Quorum, ...] = ()
    separate: tuple[str, ...] = ("proposer",)
    expires: str = "72h"
    windows: tuple[str, ...] = ()
    schema: Literal["", "backward"] = ""
    semver: bool = False
    licenses: LicenseTerms = LicenseTerms()
    signed: Literal["", "verified"] = ""
    scanned: str = ""
    impact: Literal["", "none", "no-breaking", "acknowledged"] = ""
    duplicates: Literal["", "deny"] = ""
    require_checks: tuple[str, ...] = ()
    unknown: Literal["refuse", "allow"] = "refuse"
    archive_previous: bool = False
    rollback: RollbackTerms = RollbackTerms()
    rollout: RolloutTerms = RolloutTerms()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of its canonical JSON, in hexadecimal."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """Its canonical JSON."""
        return msgspec.json.encode(self, order="deterministic").decode()

    def may_be_on(self, registry: str, team: str) -> bool:
        """Whether it may be on something of a registry."""
        named, _, model = self.on.partition("/")
        return self.may_cover(registry, team, model if named == registry else "")

    def may_cover(self, registry: str, team: str, model: str) -> bool:
        """Whether it is on this model, or on some tag that a version of it could have."""
        return self.covers(registry, team, model, None)

    def covers(self, registry: str, team: str, model: str, tags: Mapping[str, str] | None) -> bool:
        """Whether it is on a version with these tags; None: whatever they are."""
        return is_on(self.on, registry, team, model, tags)

    def bounds(self) -> list["Bound"]:
        """What `metrics` asks for."""
        return [read_bound(text) for text in self.metrics]

    def is_open(self, at: datetime) -> bool:
        """Whether one of its windows is open, or it has none."""
        return not self.windows or any(read_window(text).is_open(at) for text in self.windows)


class Bound(NamedTuple):
    """A bound of a metric: a number, or the same or another metric of what is in production now, with an offset."""

    text: str
    metric: str
    sign: str
    number: float
    production: str | None

    def holds(self, value: float, other: float | None) -> bool:
        """Whether a value keeps it; `other` is the metric in production. What is not a number keeps no bound."""
        limit = self.number if self.production is None else self.number + (other or 0.0)
        return {
            ">=": value >= limit, "<=": value <= limit, "==": value == limit, ">": value > limit, "<": value < limit,
        }[self.sign]  # fmt: skip


class Window(NamedTuple):
    """Times of the week at which changes are made, by the clock of one place: what that clock shows counts, also
    where it is put forward or back. One that ends before it begins goes on into the next day.
    """

    days: frozenset[int]
    begin: time
    end: time
    zone: ZoneInfo

    def is_open(self, at: datetime) -> bool:
        """Whether it is open at a moment."""
        local = at.astimezone(self.zone)
        clock, day = local.time().replace(tzinfo=None), local.weekday()
        if self.begin < self.end:
            return day in self.days and self.begin <= clock < self.end
        return (day in self.days and clock >= self.begin) or ((day - 1) % 7 in self.days and clock < self.end)


def read_duration(text: str) -> timedelta:
    """A length of time: `90m`, `24h`, `30d` or `7y`. Errors: `PolicyError`."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise PolicyError(f"{text!a} is no length of time: write 90m, 24h, 30d or 7y")
    return int(found[1]) * UNITS[found[2]]


@lru_cache(256)
def read_bound(text: str) -> Bound:
    """A bound of a metric. Errors: `PolicyError`."""
    found = _BOUND.fullmatch(text.strip())
    if found is None:
        raise PolicyError(
            f"{text!a} is no bound of a metric: write auc >= 0.8, or auc >= production.auc - 0.01"
        )
    if found["other"] is None:
        return Bound(text, found["name"], found["sign"], float(found["number"]), None)
    by = float(found["by"] or 0.0)
    return Bound(text, found["name"], found["sign"], -by if found["way"] == "-" else by, found["other"])


@lru_cache(256)
def read_window(text: str) -> Window:
    """A window. Errors: `PolicyError`."""
    found = _WINDOW.fullmatch(text)
    wrong = PolicyError(f"{text!a} is no window: write mon-thu 09:00-16:00 Europe/Berlin")
    if found is None or found[1] not in DAYS or (found[2] or found[1]) not in DAYS:
        raise wrong
    first, last = DAYS.index(found[1]), DAYS.index(found[2] or found[1])
    days = frozenset((first + step) % 7 for step in range((last - first) % 7 + 1))
    try:
        return Window(days, time.fromisoformat(found[3]), time.fromisoformat(found[4]), ZoneInfo(found[5]))
    except ValueError:
        raise wrong from None
    except (ZoneInfoNotFoundError, OSError):
        raise PolicyError(f"{text!a}: no time zone {found[5]} is known here") from None


def check(policy: Policy) -> None:
    """Errors: `PolicyError` for what can be said of a policy without the database."""
    if policy.stage not in STAGES[1:]:
        raise PolicyError("stage is staging, production or archived")
    if policy.from_stage not in ("", *STAGES) or (policy.soak and not policy.from_stage):
        raise PolicyError(f"from_stage is one of {', '.join(STAGES)}, and soak goes with it")
    check_on(policy.on)
    _check_required(policy.require)
    _check_agreement(policy)
    word, _, age = policy.scanned.partition(" ")
    if word not in ("", "clean") or (word == "" and age):
        raise PolicyError('scanned is "clean", or "clean 30d" for how old the newest scan may be')
    for text in (policy.expires, *filter(None, [policy.soak, age])):
        read_duration(text)
    _check_rollout(policy.rollout)
    policy.bounds()
    for text in policy.windows:
        read_window(text)


def _check_rollout(terms: RolloutTerms) -> None:
    steps = list(terms.steps)
    if steps and (steps != sorted(set(steps)) or steps[0] < 1 or steps[-1] != 100):
        raise PolicyError("rollout: steps are growing percentages of which the last is 100: [1, 5, 25, 100]")
    read_duration(terms.hold)
    for gate in terms.gates:
        kind, _, rest = gate.partition(":")
        if kind not in ("http", "https", "prometheus", "command") or not rest.strip():
            raise PolicyError(
                f"rollout: the gate {gate[:80]!a} is no https://…, prometheus:QUERY < BOUND or command:…"
            )
        if kind == "prometheus" and PROMETHEUS.fullmatch(rest) is None:
            raise PolicyError(f"rollout: {gate[:80]!a} has no bound: write prometheus:error_rate < 0.01")


def _check_required(names: tuple[str, ...]) -> None:
    for text in names:
        kind, dot, name = text.partition(".")
        is_named = dot and kind in NAMED and name and (kind != "card" or name in CARD_PARTS)
        if text not in FIELDS and not is_named:
            cards = ", ".join(f"card.{part}" for part in CARD_PARTS)
            known = f"{', '.join(FIELDS)}, tag.NAME, metric.NAME, param.NAME, {cards}"
            raise PolicyError(f"require: {text!a} is none of {known}")


def _check_agreement(policy: Policy) -> None:
    for word in policy.separate:
        if word not in ("proposer", "creator"):
            raise PolicyError(f"separate: {word!a} is neither proposer nor creator")
    groups = [*(quorum.among for quorum in policy.approvals), policy.rollback.among]
    for who in (one for among in groups for one in among):
        kind, colon, name = who.partition(":")
        if kind not in GROUPS or not colon or not name:
            raise PolicyError(f"from: {who!a} is none of role:NAME, group:NAME, subject:SUBJECT, token:NAME")
    if any(not quorum.among or quorum.count < 1 for quorum in policy.approvals):
        raise PolicyError("approvals: each has a count of at least 1 and somebody it is from")
    if policy.rollback.approvals < 0 or not policy.rollback.among:
        raise PolicyError("rollback: approvals is 0 or more, and it is from somebody")


def is_on(on: str, registry: str, team: str, model: str, tags: Mapping[str, str] | None) -> bool:
    """Whether what is `on` something is on a version with these tags; None: whatever they are."""
    kind, _, value = on.partition(":")
    match kind:
        case "*":
            return True
        case "team":
            return value == team
        case "registry":
            return value == registry
        case "tag":
            key, _, expected = value.partition("=")
            return tags is None or tags.get(key) == expected
    named = parse(on)
    return (named.registry, named.model) == (registry, model)


def check_on(on: str) -> None:
    """Errors: `PolicyError` where it is on nothing."""
    kind, _, value = on.partition(":")
    if on == "*" or (kind == "team" and value) or (kind == "registry" and is_registry_name(value)):
        return
    if kind == "tag" and value.partition("=")[0] and "=" in value:
        return
    try:
        named = parse(on)
    except ReferenceSyntaxError:
        named = None
    if named is None or (named.version, named.alias, named.stage) != (None, None, None):
        raise PolicyError(f"on: {on!a} is none of *, team:NAME, registry:NAME, registry/model, tag:KEY=VALUE")
