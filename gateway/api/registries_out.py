"""What the API takes and answers about registries and their runs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from federation.access import Principal
    from federation.registries.registries import RegistryDetail, RegistryState
    from federation.sync.sync import Run
    from gateway.waypost import Waypost


class OverlapOut(msgspec.Struct):
    """One backend that is reached twice, or this gateway through another one that reads it."""

    part: str
    """The registry, or one behind it where its backend is a gateway itself (`emea/fraud`)."""
    other: str | None
    """What reaches the same; null: it is this gateway itself."""
    identity: str
    says: str
    """The same in words."""
    over: Sequence[str] = ()
    """The gateways, by their identities, over which a gateway leads back to this one."""


class RegistryOut(msgspec.Struct):
    """A registry and how fresh what is known of it is."""

    name: str
    kind: str
    team: str
    state: str
    """ok, partial, stale, failing, never or detached."""
    writable: bool
    sync_every: float
    last_success_at: datetime | None
    last_attempt_at: datetime | None
    lag: float | None
    """Seconds since the last success began."""
    last_error: str | None
    models: int
    versions: int
    endpoints: int
    held: int
    """Deletes waiting for confirmation."""
    quarantined: int
    unread: int
    """Records of which something could not be read; what was known of it stays."""
    calls: int
    """Requests of the last run that ended."""
    throttled: int
    """How many of them the backend put off."""
    missing: Sequence[str]
    """What the credential or the backend's version does not allow."""
    backend_version: str | None
    offered_identity: str | None
    """Which backend answers instead of the known one, until somebody confirms that it is the same."""
    former_names: Sequence[str]
    identities: Sequence[str]
    """By what its backend is known, first by that which names it; empty while nobody knows."""
    overlaps: Sequence[OverlapOut]
    """Where else the same backend is reached, as far as you may see it."""
    chains: Sequence[Sequence[str]]
    """Where its backend is a gateway: those that it reads, by their identities, with those on the way in front."""


class SyncOut(msgspec.Struct):
    """One run of a synchronisation."""

    id: int
    registry: str
    state: str
    """queued, running, ok, partial or failed."""
    full: bool
    counts: Mapping[str, int]
    errors: Sequence[str]
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class SyncIn(msgspec.Struct, forbid_unknown_fields=True):
    """`full` asks for everything to be listed again."""

    full: bool = False


class ForgottenOut(msgspec.Struct):
    """What would be forgotten with a registry."""

    name: str
    models: int
    versions: int
    endpoints: int
    needed_by: Mapping[str, int]
    """Other registries that you may see, each with how many of its versions need something of this one."""


class RegistriesOut(msgspec.Struct):
    """The registries of the caller's view, by name."""

    registries: list[RegistryOut]
    gateway: str = ""
    """Who this gateway is, to another one that reads it: the name of its log."""


class QueuedOut(msgspec.Struct):
    """A run that was queued, or the waiting one that was joined."""

    id: int
    state: str = "queued"


class ConfirmedOut(msgspec.Struct):
    """How many held deletes were confirmed, and the run that will prove them."""

    confirmed: int
    sync: int


class IdentityIn(msgspec.Struct, forbid_unknown_fields=True):
    """The `offered_identity` that was looked at."""

    identity: str


class QuarantinedOut(msgspec.Struct):
    """A record that could not be understood."""

    native: str
    error: str
    first_seen_at: datetime
    last_seen_at: datetime


class HeldRecordOut(msgspec.Struct):
    """Something that is missing and waits for confirmation."""

    kind: str
    native: str
    since: datetime
    confirmed: bool


class RegistryDetailOut(RegistryOut):
    """A registry with what was set aside or held, at most 100 of each, and its last runs."""

    quarantine: list[QuarantinedOut]
    candidates: list[HeldRecordOut]
    syncs: list[SyncOut]


def registry_out(state: "RegistryState") -> RegistryOut:
    """A registry's state as JSON."""
    fields = {name: getattr(state, name) for name in RegistryOut.__struct_fields__}
    told = [OverlapOut(one.part, one.other, one.identity, one.line, one.over) for one in state.overlaps]
    return RegistryOut(**{**fields, "overlaps": told})


def forgotten_out(waypost: "Waypost", principal: "Principal", name: str) -> ForgottenOut:
    """What would be forgotten. Errors: `UnknownError`, `DeniedError`, `RegistryError`."""
    state = waypost.registries.forgettable(principal, name)
    needed = waypost.graph.needed_elsewhere(principal.view, state.id)
    return ForgottenOut(state.name, state.models, state.versions, state.endpoints, needed)


def registries_out(states: "Sequence[RegistryState]", gateway: str = "") -> RegistriesOut:
    """The registries as JSON, and who this `gateway` is."""
    return RegistriesOut([registry_out(state) for state in states], gateway)


def detail_out(detail: "RegistryDetail", runs: "Sequence[Run]") -> RegistryDetailOut:
    """A registry with its last runs as JSON."""
    out = registry_out(detail.state)
    return RegistryDetailOut(
        **{field: getattr(out, field) for field in RegistryOut.__struct_fields__},
        quarantine=[
            QuarantinedOut(one.native, one.error, one.first_seen_at, one.last_seen_at)
            for one in detail.quarantine
        ],
        candidates=[
            HeldRecordOut(one.kind, one.native, one.since, one.confirmed) for one in detail.candidates
        ],
        syncs=[sync_out(run) for run in runs],
    )


def sync_out(run: "Run") -> SyncOut:
    """A run as JSON."""
    return SyncOut(**{name: getattr(run, name) for name in SyncOut.__struct_fields__})
