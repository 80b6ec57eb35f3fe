"""The typed events: one class for each thing that is told, the one source of everything that tells of changes.

An event is thin: it says what changed, never the state, which whoever is told reads. Each is derived from one entry of
the journal and from nothing else, so the same entry gives the same event for ever. Names of types are those of the
journal's actions.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, cast

import msgspec

from federation.journal.entry import Action, Entry


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something changed in a registry."""

    type: ClassVar[Action]
    changes: ClassVar[str] = ""
    """What `before` and `after` hold."""
    registry: str


class _OfState(Event, frozen=True, kw_only=True):
    before: str | None
    after: str | None


class _Renamed(Event, frozen=True, kw_only=True):
    former: str


class _Imported(Event, frozen=True, kw_only=True):
    records: int


class _OfEndpoint(Event, frozen=True, kw_only=True):
    endpoint: str


class _EndpointFields(_OfEndpoint, frozen=True, kw_only=True):
    fields: Sequence[str]


class _OfModel(Event, frozen=True, kw_only=True):
    ref: str


class _Fields(_OfModel, frozen=True, kw_only=True):
    fields: Sequence[str]


class _Until(_OfModel, frozen=True, kw_only=True):
    until: str


class _Staged(_OfModel, frozen=True, kw_only=True):
    stage: str | None


class _ModelChange(_OfModel, frozen=True, kw_only=True):
    before: str | None
    after: str | None


class _OfPromotion(_OfModel, frozen=True, kw_only=True):
    promotion: int
    to: str


def _type(action: Action, shape: type[Event], text: str = "", changes: str = "") -> type[Event]:
    """The class of one type of event. `text` says what it tells, where that is not what the journal says."""
    name = "".join(word.title() for word in action.name.split("_"))
    says = {"type": action, "changes": changes, "__doc__": text or action.meaning, "__module__": __name__}
    made = msgspec.defstruct(name, [], bases=(shape,), namespace=says, frozen=True, kw_only=True)
    return cast("type[Event]", made)


_ALL = (
    _type(Action.MODEL_CREATED, _OfModel),
    _type(
        Action.MODEL_CHANGED,
        _Fields,
        "A model's description, tags or other fields changed; `fields` names them.",
    ),
    _type(Action.MODEL_RENAMED, _ModelChange, "A model has a new name; the one it had is `before`.", "name"),
    _type(Action.MODEL_DELETED, _OfModel),
    _type(Action.MODEL_RESTORED, _OfModel, "A model that was gone is back."),
    _type(Action.MODEL_DEPRECATED, _Until, "Somebody said that a model is to go; it stays `until` that day."),
    _type(Action.MODEL_REINSTATED, _OfModel),
    _type(Action.VERSION_CREATED, _Staged, "A version appeared, with the stage that it has from the start."),
    _type(
        Action.VERSION_CHANGED,
        _Fields,
        "A version's tags, metrics or other fields changed; `fields` names them.",
    ),
    _type(Action.VERSION_DELETED, _OfModel),
    _type(
        Action.VERSION_RESTORED, _Staged, "A version that was gone is back, with the stage that it has now."
    ),
    _type(
        Action.STAGE_CHANGED,
        _ModelChange,
        "A version's stage, `none`, `staging`, `production` or `archived`, changed.",
        "stage",
    ),
    _type(Action.ALIAS_SET, _ModelChange, "An alias appeared: it names the version `after`.", "version"),
    _type(Action.ALIAS_MOVED, _ModelChange, "An alias names another version.", "version"),
    _type(Action.ALIAS_REMOVED, _ModelChange, "An alias is gone: it named the version `before`.", "version"),
    _type(Action.ENDPOINT_CREATED, _OfEndpoint),
    _type(
        Action.ENDPOINT_CHANGED,
        _EndpointFields,
        "What an endpoint serves, or its traffic, changed; `fields` says which of its fields.",
    ),
    _type(Action.ENDPOINT_DELETED, _OfEndpoint),
    _type(Action.ENDPOINT_RESTORED, _OfEndpoint, "An endpoint that was gone is back."),
    _type(Action.DEPENDENCY_DECLARED, _OfModel, "Somebody declared that `ref` depends on something else."),
    _type(Action.DEPENDENCY_REMOVED, _OfModel, "A dependency that was declared of `ref` was taken back."),
    _type(Action.PROMOTION_PROPOSED, _OfPromotion, "Somebody proposed to bring a version to a stage."),
    _type(Action.PROMOTION_APPROVED, _OfPromotion),
    _type(Action.PROMOTION_REJECTED, _OfPromotion),
    _type(Action.PROMOTION_CANCELLED, _OfPromotion),
    _type(Action.PROMOTION_EXPIRED, _OfPromotion),
    _type(
        Action.PROMOTION_VOID,
        _OfPromotion,
        "What a promotion was judged by is another now, so it is not made.",
    ),
    _type(Action.PROMOTION_STARTED, _OfPromotion, "A promotion is being made."),
    _type(Action.PROMOTION_ROLLED, _OfPromotion),
    _type(Action.PROMOTION_DONE, _OfPromotion),
    _type(Action.PROMOTION_FAILED, _OfPromotion),
    _type(
        Action.PROMOTION_STUCK,
        _OfPromotion,
        "A promotion was made in part, which cannot be undone now, or nobody knows whether it was.",
    ),
    _type(
        Action.CATALOGUE_IMPORTED,
        _Imported,
        "A first sync took in so many `records`; they are told of together.",
    ),
    _type(Action.REGISTRY_APPLIED, Event, "A registry was added to the configuration."),
    _type(Action.REGISTRY_RENAMED, _Renamed),
    _type(Action.REGISTRY_DETACHED, Event),
    _type(Action.REGISTRY_ATTACHED, Event),
    _type(
        Action.REGISTRY_STATE_CHANGED,
        _OfState,
        "The sync of a registry became ok, partial or failing.",
        "state",
    ),
    _type(
        Action.POLICY_BYPASSED,
        _ModelChange,
        "Who holds a guarded stage was changed on the backend itself, against a policy.",
        "stage",
    ),
)
TYPES: Mapping[str, type[Event]] = {kind.type.value: kind for kind in _ALL}
"""Every event by the name of its type."""
_READ: Mapping[str, Callable[[Entry], Any]] = {
    "registry": lambda entry: entry.registry or "",
    "ref": lambda entry: entry.ref or "",
    "fields": lambda entry: entry.details.get("fields", ()),
    "former": lambda entry: entry.details.get("former", ""),
    "promotion": lambda entry: entry.details.get("promotion", 0),
    "to": lambda entry: entry.details.get("to", ""),
    "until": lambda entry: entry.details.get("until", ""),
    "records": lambda entry: len(entry.details.get("records", ())),
    "stage": lambda entry: (entry.after or {}).get("stage"),
}
"""Where an entry says what a field of an event says."""


def derive(entry: Entry, endpoint: str | None = None) -> Event | None:
    """The event that an entry tells of; None where it tells of none. `endpoint` is the name of the one it is about."""
    kind = TYPES.get(entry.action)
    if kind is None:
        return None
    given: dict[str, Any] = {
        "before": (entry.before or {}).get(kind.changes),
        "after": (entry.after or {}).get(kind.changes),
        "endpoint": endpoint or "",
    }
    return kind(**{
        name: given[name] if name in given else _READ[name](entry) for name in kind.__struct_fields__
    })  # fmt: skip


def example(kind: type[Event]) -> Event:
    """What an event of a type is like, for the documentation."""
    of, _, verb = kind.type.partition(".")
    refs = {"model": "fraud/churn", "alias": "fraud/churn@champion"}
    changed = {"stage": ("staging", "production"), "version": ("2", "3"), "name": ("churn-old", "churn"),
               "state": ("ok", "failing"), "": (None, None)}  # fmt: skip
    before, after = changed[kind.changes]
    samples: dict[str, Any] = {
        "registry": "fraud",
        "ref": refs.get(of, "fraud/churn:3"),
        "fields": ["traffic"] if of == "endpoint" else ["description", "tags.env"],
        "former": "fraud-old",
        "until": "2027-03-31",
        "promotion": 1764403200000000,
        "to": "production",
        "records": 1000,
        "stage": "none",
        "endpoint": "churn-live",
        "before": None if verb == "set" else before,
        "after": None if verb == "removed" else after,
    }
    return kind(**{name: samples[name] for name in kind.__struct_fields__})
