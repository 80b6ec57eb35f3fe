"""What a policy says, read strictly: which stage it guards, of what, and what it asks for. Its keys are those of the
configuration: what each means stands here.

A policy is a value. Its digest is that of its canonical JSON, where what was not written is left out: so a key that a
later release brings changes no digest.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime, time, timedelta
from functools import cached_property, lru_cache
from typing import Annotated, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from federation.errors import InvalidRequestError
from federation.references import ReferenceSyntaxError, is_registry_name, parse

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


Names = tuple[str, ...]


class Quorum(msgspec.Struct, frozen=True, rename={"among": "from"}):
    """People who must agree."""

    count: Annotated[int, Meta(ge=1, description="so many different people")] = 1
    among: Annotated[
        Names,
        Meta(min_length=1, description="out of these: role:NAME, group:NAME, subject:SUBJECT or token:NAME"),
    ] = ("role:approver",)


class RollbackTerms(msgspec.Struct, frozen=True, rename={"among": "from"}):
    """Who may roll back. Whoever asks must be among them."""

    approvals: Annotated[int, Meta(ge=0, description="how many must agree, beside whoever asks")] = 0
    among: Annotated[Names, Meta(min_length=1, description="who may ask and agree, as in approvals")] = (
        "role:approver",
    )


class LicenseTerms(msgspec.Struct, frozen=True, omit_defaults=True):
    """Licences that may not be."""

    deny: Annotated[
        Names,
        Meta(description="SPDX licences, or names as a registry says them, with wildcards: cc-by-nc-*"),
    ] = ()
    along: Annotated[
        Literal["", "lineage"],
        Meta(description="lineage: also of everything that the version was derived from"),
    ] = ""


class RolloutTerms(msgspec.Struct, frozen=True, omit_defaults=True):
    """How traffic comes to the version where endpoints hold it already."""

    steps: Annotated[
        tuple[int, ...],
        Meta(
            description="growing shares in percent, the last is 100: [1, 5, 25, 100]; none: traffic is left alone"
        ),
    ] = ()
    hold: Annotated[str, Meta(description="how long each share is held")] = "1h"
    gates: Annotated[
        Names,
        Meta(
            description="what must pass after each hold, else the former shares are put back: https://… answers 200; "
            "prometheus:QUERY < BOUND; command:PROGRAM ARGUMENTS ends with 0"
        ),
    ] = ()


class Policy(msgspec.Struct, frozen=True, omit_defaults=True, dict=True):
    """What must hold before a version comes to a stage. All that match hold together."""

    name: Annotated[str, Meta(min_length=1, max_length=100, description="its name")]
    on: Annotated[
        str, Meta(description="*, team:NAME, registry:NAME, a model (registry/model), or tag:KEY=VALUE")
    ]
    stage: Annotated[
        Literal["staging", "production", "archived"],
        Meta(description="the stage that it guards: only a promotion changes who holds it"),
    ] = "production"
    from_stage: Annotated[
        Literal["", "none", "staging", "production", "archived"],
        Meta(description="the stage that the version must have"),
    ] = ""
    soak: Annotated[str, Meta(description="how long it must have had from_stage: 90m, 24h or 7d")] = ""
    require: Annotated[
        Names,
        Meta(
            description="fields that must be there: owner, license, description, schema, commit, dataset, framework, "
            "artifact_digest, run, creator, tag.NAME, metric.NAME, param.NAME, and of the model card "
            "card.intended_use, card.limitations, card.data, card.evaluation, card.ethics"
        ),
    ] = ()
    metrics: Annotated[Names, Meta(description='bounds: "auc >= 0.8", "auc >= production.auc - 0.01"')] = ()
    approvals: tuple[Quorum, ...] = ()
    separate: Annotated[
        tuple[Literal["proposer", "creator"], ...],
        Meta(description="who does not count among those who agree"),
    ] = ("proposer",)
    expires: Annotated[str, Meta(description="how long a proposal waits to be approved")] = "72h"
    windows: Annotated[
        Names, Meta(description='when it may be carried out: "mon-thu 09:00-16:00 Europe/Berlin"')
    ] = ()
    schema: Annotated[
        Literal["", "backward"],
        Meta(
            description="backward: whoever calls what is in production now must be able to call the version"
        ),
    ] = ""
    semver: Annotated[bool, Meta(description="a schema that breaks wants a greater major version")] = False
    licenses: LicenseTerms = LicenseTerms()
    signed: Annotated[
        Literal["", "verified"],
        Meta(description="verified: a statement holds a signature of one of [[signers]] over the artifact"),
    ] = ""
    scanned: Annotated[
        str,
        Meta(
            description="clean: the newest scan of each scanner found nothing; clean 30d: and is not older than that"
        ),
    ] = ""
    impact: Annotated[
        Literal["", "none", "no-breaking", "acknowledged"],
        Meta(
            description="of what depends on it: none is affected, none breaks, or the owners of what breaks in "
            "production agree"
        ),
    ] = ""
    duplicates: Annotated[
        Literal["", "deny"], Meta(description="deny: no other model may have the same artifact")
    ] = ""
    require_checks: Annotated[
        Names, Meta(description="checks of outside systems that must say yes, such as ci/validation")
    ] = ()
    unknown: Annotated[
        Literal["refuse", "allow"], Meta(description="what a check means that cannot know")
    ] = "refuse"
    archive_previous: Annotated[
        bool, Meta(description="whoever else holds the stage is archived with the promotion")
    ] = False
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
        return may_be_on(self.on, registry, team)

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
    if policy.soak and not policy.from_stage:
        raise PolicyError("soak says how long it must have had from_stage, and there is none")
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
    from adapters import CARD_PARTS  # deferred: policies are read with every configuration

    for text in names:
        kind, dot, name = text.partition(".")
        is_named = dot and kind in NAMED and name and (kind != "card" or name in CARD_PARTS)
        if text not in FIELDS and not is_named:
            cards = ", ".join(f"card.{part}" for part in CARD_PARTS)
            known = f"{', '.join(FIELDS)}, tag.NAME, metric.NAME, param.NAME, {cards}"
            raise PolicyError(f"require: {text!a} is none of {known}")


def _check_agreement(policy: Policy) -> None:
    groups = [*(quorum.among for quorum in policy.approvals), policy.rollback.among]
    for who in (one for among in groups for one in among):
        kind, colon, name = who.partition(":")
        if kind not in GROUPS or not colon or not name:
            raise PolicyError(f"from: {who!a} is none of role:NAME, group:NAME, subject:SUBJECT, token:NAME")


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


def may_be_on(on: str, registry: str, team: str) -> bool:
    """Whether what is `on` something may be on something of a registry."""
    named, _, model = on.partition("/")
    return is_on(on, registry, team, model if named == registry else "", None)


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
