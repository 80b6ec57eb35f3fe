"""How traffic comes to a version by steps, at the endpoints that hold it already.

The steps are operations of the promotion, as everything else that it writes. What is kept is how far it has come, and
the shares before the first step: they are put back when a gate fails or somebody stops it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection, select

from adapters import Capability, EndpointRecord
from federation import tables
from federation.catalogue.codec import decode_endpoint
from federation.catalogue.reader import Version
from federation.policies.policy import RolloutTerms
from federation.promotions.case import Case, CheckResult
from federation.promotions.tables import promotion

Shares = Mapping[str, float]
"""Percent of an endpoint's traffic, by the native ids of versions."""


class Rollout(msgspec.Struct, kw_only=True):
    """How far it has come. `done` steps were made, the last of them at `since` (None: it is being made)."""

    policy: str
    terms: RolloutTerms
    former: Mapping[str, Shares]
    """By endpoint, by native ids: the shares before it began."""
    names: Mapping[str, str] = {}
    """What the endpoints are called."""
    back: Mapping[str, Shares] = {}
    """By endpoint: the shares that a way back restores, those from before the rollout that is rolled back."""
    done: int = 0
    since: datetime | None = None
    stopped: str = ""
    """Why somebody stopped it."""

    @property
    def percent(self) -> int:
        """What the version has by now, or is being given."""
        return self.terms.steps[self.done - 1] if self.done else 0

    def shares(self, endpoint: str, version: str) -> Shares:
        """What an endpoint's traffic becomes by the step that is being made."""
        return self.back.get(endpoint) or shared(self.former[endpoint], version, self.percent)

    def to_json(self) -> str:
        """As it is stored."""
        return msgspec.json.encode(self).decode()


def read_rollout(text: str | None) -> Rollout | None:
    """What `to_json` wrote."""
    return None if text is None else msgspec.json.decode(text, type=Rollout)


def shared(former: Shares, version: str, percent: int) -> Shares:
    """The shares once a version has so many percent, and never less than before; the others keep their proportions, in
    whole percentages.
    """
    mine = max(float(percent), former.get(version, 0.0))
    others = {native: share for native, share in former.items() if native != version}
    total = sum(others.values())
    if not total:
        return {**dict.fromkeys(others, 0.0), version: 100.0}
    rest = 100.0 - mine
    exact = {native: rest * share / total for native, share in others.items()}
    whole = {native: float(int(share)) for native, share in exact.items()}
    left = round(rest - sum(whole.values()))
    for native in sorted(exact, key=lambda one: (whole[one] - exact[one], one))[:left]:
        whole[native] += 1
    return {**whole, version: 100.0 - sum(whole.values())}


def endpoints(connection: Connection, version: Version) -> Iterator[EndpointRecord]:
    """The endpoints that hold a version beside others, and where not all requests go to it."""
    shares, known = tables.traffic.c, tables.endpoint.c
    query = (
        select(known.body)
        .join(tables.traffic, shares.endpoint_id == known.id)
        .where(shares.version_id == version.id, known.deleted_at.is_(None))
        .order_by(known.native_id)
    )
    for body in connection.execute(query).scalars():
        record = decode_endpoint(body)
        mine = sum(one.percent for one in record.traffic if one.version == version.record.key)
        if record.live and record.unread is None and len(record.traffic) > 1 and mine < 100:
            yield record


def begin(connection: Connection, version: Version, policy: str, terms: RolloutTerms) -> Rollout | None:
    """The rollout of a version; None where no endpoint holds it beside others."""
    found = list(endpoints(connection, version))
    former = {
        one.key.native_id: {part.version.native_id: part.percent for part in one.traffic} for one in found
    }
    names = {one.key.native_id: one.name for one in found}
    return Rollout(policy=policy, terms=terms, former=former, names=names) if former else None


def begin_back(connection: Connection, registry_id: int, replaced: Sequence[int]) -> Rollout | None:
    """What gives traffic back that the last promotion of a version had moved to it: the former shares, at once, at the
    endpoints that still hold all those versions. None where none had.
    """
    one = promotion.c
    query = select(one.rollout).where(
        one.version_id.in_(replaced), one.state == "done", one.rollout.is_not(None), one.kind == "promotion"
    )
    moved = read_rollout(connection.execute(query.order_by(one.finished_at.desc()).limit(1)).scalar())
    if moved is None:
        return None
    known = tables.endpoint.c
    held = select(known.body).where(
        known.registry_id == registry_id,
        known.native_id.in_(sorted(moved.former)),
        known.deleted_at.is_(None),
    )
    now = {}
    for record in map(decode_endpoint, connection.execute(held).scalars()):
        shares = {part.version.native_id: part.percent for part in record.traffic}
        if record.unread is None and moved.former[record.key.native_id].keys() <= shares.keys():
            now[record.key.native_id] = shares
    terms = RolloutTerms((100,), "0m")
    back = {endpoint: moved.former[endpoint] for endpoint in now}
    names = {endpoint: moved.names[endpoint] for endpoint in now if endpoint in moved.names}
    return Rollout(policy=moved.policy, terms=terms, former=now, names=names, back=back) if now else None


def deployed(case: Case) -> Iterator[CheckResult]:
    """Whether an endpoint holds the version, so that traffic can come to it."""
    if not case.policy.rollout.steps:
        return
    expected, source = "an endpoint holds it, whose traffic can be moved", "the endpoints of the registry"
    if Capability.SET_TRAFFIC not in case.adapters.get(case.version.kind).capabilities:
        seen = f"{case.version.kind} moves no traffic from here"
        yield CheckResult.of("rollout", False, expected, seen, source)
        return
    found = [one.name for one in endpoints(case.connection, case.version)]
    if found:
        yield CheckResult.of("rollout", True, expected, ", ".join(found), source, found)
    else:
        seen = (
            "it has all traffic already"
            if case.version.deployed
            else "none does: deploy it beside what serves now"
        )
        yield CheckResult.of("rollout", case.version.deployed, expected, seen, source)
