"""The typed events: one class for each thing that is told, the one source of everything that tells of changes.

An event is thin: it says what changed, never the state, which whoever is told reads. Each is derived from one entry of
the journal and from nothing else, so the same entry gives the same event for ever. Names of types are those of the
journal's actions.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from federation.journal.entry import Action, Entry


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something changed in a registry."""

    type: ClassVar[Action]
    changes: ClassVar[str] = ""
    """What `before` and `after` hold."""
    registry: str


class _OfModel(Event, frozen=True, kw_only=True):
    ref: str


class ModelCreated(_OfModel, frozen=True):
    """A model appeared."""

    type = Action.MODEL_CREATED


class ModelChanged(_OfModel, frozen=True, kw_only=True):
    """A model's description, tags or other fields changed; `fields` names them."""

    type = Action.MODEL_CHANGED
    fields: Sequence[str]


class ModelRenamed(_OfModel, frozen=True, kw_only=True):
    """A model has a new name; the one it had is `before`."""

    type = Action.MODEL_RENAMED
    changes = "name"
    before: str | None
    after: str | None


class ModelDeleted(_OfModel, frozen=True):
    """The backend confirmed that a model is gone."""

    type = Action.MODEL_DELETED


class ModelRestored(_OfModel, frozen=True):
    """A model that was gone is back."""

    type = Action.MODEL_RESTORED


class ModelDeprecated(_OfModel, frozen=True, kw_only=True):
    """Somebody said that a model is to go; it stays `until` that day."""

    type = Action.MODEL_DEPRECATED
    until: str


class ModelReinstated(_OfModel, frozen=True):
    """Somebody took back that a model is to go."""

    type = Action.MODEL_REINSTATED


class VersionCreated(_OfModel, frozen=True, kw_only=True):
    """A version appeared, with the stage that it has from the start."""

    type = Action.VERSION_CREATED
    stage: str | None


class VersionChanged(_OfModel, frozen=True, kw_only=True):
    """A version's tags, metrics or other fields changed; `fields` names them."""

    type = Action.VERSION_CHANGED
    fields: Sequence[str]


class VersionDeleted(_OfModel, frozen=True):
    """The backend confirmed that a version is gone."""

    type = Action.VERSION_DELETED


class VersionRestored(_OfModel, frozen=True, kw_only=True):
    """A version that was gone is back, with the stage that it has now."""

    type = Action.VERSION_RESTORED
    stage: str | None


class StageChanged(_OfModel, frozen=True, kw_only=True):
    """A version's stage, `none`, `staging`, `production` or `archived`, changed."""

    type = Action.STAGE_CHANGED
    changes = "stage"
    before: str | None
    after: str | None


class _OfAlias(_OfModel, frozen=True, kw_only=True):
    changes = "version"
    before: str | None
    after: str | None


class AliasSet(_OfAlias, frozen=True):
    """An alias appeared: it names the version `after`."""

    type = Action.ALIAS_SET


class AliasMoved(_OfAlias, frozen=True):
    """An alias names another version."""

    type = Action.ALIAS_MOVED


class AliasRemoved(_OfAlias, frozen=True):
    """An alias is gone: it named the version `before`."""

    type = Action.ALIAS_REMOVED


class _OfEndpoint(Event, frozen=True, kw_only=True):
    endpoint: str


class EndpointCreated(_OfEndpoint, frozen=True):
    """An endpoint appeared."""

    type = Action.ENDPOINT_CREATED


class EndpointChanged(_OfEndpoint, frozen=True, kw_only=True):
    """What an endpoint serves, or its traffic, changed; `fields` says which of its fields."""

    type = Action.ENDPOINT_CHANGED
    fields: Sequence[str]


class EndpointDeleted(_OfEndpoint, frozen=True):
    """The backend confirmed that an endpoint is gone."""

    type = Action.ENDPOINT_DELETED


class EndpointRestored(_OfEndpoint, frozen=True):
    """An endpoint that was gone is back."""

    type = Action.ENDPOINT_RESTORED


class DependencyDeclared(_OfModel, frozen=True):
    """Somebody declared that `ref` depends on something else."""

    type = Action.DEPENDENCY_DECLARED


class DependencyRemoved(_OfModel, frozen=True):
    """A dependency that was declared of `ref` was taken back."""

    type = Action.DEPENDENCY_REMOVED


class _OfPromotion(_OfModel, frozen=True, kw_only=True):
    promotion: int
    to: str


class PromotionProposed(_OfPromotion, frozen=True):
    """Somebody proposed to bring a version to a stage."""

    type = Action.PROMOTION_PROPOSED


class PromotionApproved(_OfPromotion, frozen=True):
    """Everything that the policies ask for is there."""

    type = Action.PROMOTION_APPROVED


class PromotionRejected(_OfPromotion, frozen=True):
    """Somebody who may approve a promotion rejected it."""

    type = Action.PROMOTION_REJECTED


class PromotionCancelled(_OfPromotion, frozen=True):
    """A promotion was taken back."""

    type = Action.PROMOTION_CANCELLED


class PromotionExpired(_OfPromotion, frozen=True):
    """A promotion was not approved in time."""

    type = Action.PROMOTION_EXPIRED


class PromotionVoid(_OfPromotion, frozen=True):
    """What a promotion was judged by is another now, so it is not made."""

    type = Action.PROMOTION_VOID


class PromotionStarted(_OfPromotion, frozen=True):
    """A promotion is being made."""

    type = Action.PROMOTION_STARTED


class PromotionDone(_OfPromotion, frozen=True):
    """A promotion was made, and read back from the backend."""

    type = Action.PROMOTION_DONE


class PromotionFailed(_OfPromotion, frozen=True):
    """A promotion was not made, and what was made of it was undone."""

    type = Action.PROMOTION_FAILED


class PromotionStuck(_OfPromotion, frozen=True):
    """A promotion was made in part, which cannot be undone now."""

    type = Action.PROMOTION_STUCK


class CatalogueImported(Event, frozen=True, kw_only=True):
    """A first sync took in so many `records`; they are told of together."""

    type = Action.CATALOGUE_IMPORTED
    records: int


class RegistryApplied(Event, frozen=True):
    """A registry was added to the configuration."""

    type = Action.REGISTRY_APPLIED


class RegistryRenamed(Event, frozen=True, kw_only=True):
    """A registry has a new name; references with the former one still work."""

    type = Action.REGISTRY_RENAMED
    former: str


class RegistryDetached(Event, frozen=True):
    """A registry is gone from the configuration; what it held is kept, stale."""

    type = Action.REGISTRY_DETACHED


class RegistryAttached(Event, frozen=True):
    """A detached registry came back into the configuration."""

    type = Action.REGISTRY_ATTACHED


class RegistryStateChanged(Event, frozen=True, kw_only=True):
    """The sync of a registry became ok, partial or failing."""

    type = Action.REGISTRY_STATE_CHANGED
    changes = "state"
    before: str | None
    after: str | None


class PolicyBypassed(_OfModel, frozen=True, kw_only=True):
    """Who holds a guarded stage was changed on the backend itself, against a policy."""

    type = Action.POLICY_BYPASSED
    changes = "stage"
    before: str | None
    after: str | None


def _leaves(kind: type[Event]) -> list[type[Event]]:
    below = [leaf for one in kind.__subclasses__() for leaf in _leaves(one)]
    return below or [kind]


TYPES: Mapping[str, type[Event]] = {kind.type.value: kind for kind in _leaves(Event)}
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
