"""Health for whoever runs the gateway: alive, ready, and its metrics."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
from litestar import Response, get
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import GaugeMetricFamily

from federation.access import EVERYTHING, LOCAL, Permission
from federation.database import DatabaseError, now
from federation.events.events import Webhook
from federation.health import Part
from federation.registries.registries import RegistryState
from gateway import ending
from gateway.api.requests import PUBLIC, READ, GivenPrincipal, GivenWaypost
from gateway.outlook import table
from gateway.waypost import Waypost

OK = "ok"


class LiveOut(msgspec.Struct):
    """The process answers."""

    status: str = "ok"


class PartOut(msgspec.Struct):
    """How one part of the gateway stands: `ok`, `failing` or `unknown`, why, and when it last did its work."""

    name: str
    state: str
    reason: str
    last_success_at: datetime | None


class ReadyOut(msgspec.Struct):
    """Whether requests can be answered; `problems` says in words what is missing for that.

    `checks` are the parts of the gateway by name, with `ok` or what is wrong: also what does not keep requests from
    being answered, such as `signing`. `parts` are the same with more of each.
    """

    status: str
    problems: list[str]
    checks: dict[str, str]
    parts: list[PartOut]


@get("/health/live", opt=PUBLIC, sync_to_thread=False)
def live() -> LiveOut:
    """The process answers."""
    return LiveOut()


@get("/health/ready", opt=PUBLIC, sync_to_thread=True)
def ready(waypost: GivenWaypost) -> Response[ReadyOut]:
    """Whether requests can be answered: 200, else 503 and why; and how each part of the gateway stands."""
    parts = table(waypost)
    problems = [part.people for part in parts if part.blocks]
    if ending.has_begun():
        problems.append("this gateway is about to stop: ask another one")
    found = ReadyOut(
        status="unready" if problems else OK,
        problems=problems,
        checks={part.name: OK if part.state == "ok" else part.people for part in parts},
        parts=[PartOut(part.name, part.state, part.people, part.last_success_at) for part in parts],
    )
    return Response(found, status_code=503 if problems else 200, headers={"Cache-Control": "no-store"})


METRICS = CONTENT_TYPE_LATEST.partition("; charset")[0]
"""The type of the metrics; the charset of a text is said by whoever sends it."""


@get("/metrics", opt=READ, sync_to_thread=True, include_in_schema=False)
def metrics(waypost: GivenWaypost, principal: GivenPrincipal) -> Response[bytes]:
    """Prometheus metrics: of this process's requests, and of every registry, for who may read everything."""
    principal.require(Permission.READ, None, "everything")
    body = generate_latest(waypost.metrics) + generate_latest(_Readiness(waypost))
    return Response(body, media_type=METRICS)


class _Readiness:
    """Collects how the parts of the gateway and the registries stand, at the time of asking."""

    def __init__(self, waypost: Waypost) -> None:
        self._waypost = waypost

    def collect(self) -> Iterator[Any]:
        yield from _parts(table(self._waypost))
        try:
            states = self._waypost.registries.list(EVERYTHING)
            reviews = self._waypost.promotions.to_review()
            webhooks = self._waypost.events.webhooks.list(LOCAL)
        except DatabaseError:
            return  # the part `database` says so
        yield from _registries(states)
        yield from _webhooks(webhooks)
        yield GaugeMetricFamily(
            "waypost_emergencies_to_review",
            "Promotions carried out in an emergency that nobody else has looked at",
            value=float(reviews),
        )


def _parts(parts: Sequence[Part]) -> Iterator[Any]:
    ok = GaugeMetricFamily(
        "waypost_part_ok", "1 while a part of the gateway does its work", labels=["part", "state"]
    )
    succeeded = GaugeMetricFamily(
        "waypost_part_last_success_timestamp_seconds", "When a part last did its work", labels=["part"]
    )
    for part in parts:
        ok.add_metric([part.name, part.state], float(part.state == OK))
        if part.last_success_at is not None:
            succeeded.add_metric([part.name], part.last_success_at.timestamp())
    yield from (ok, succeeded)
    signing = next(part.state for part in parts if part.name == "signing")
    yield GaugeMetricFamily(
        "waypost_signing_ok", "1 while checkpoints of the audit log are signed", value=float(signing == OK)
    )


def _registries(states: Sequence[RegistryState]) -> Iterator[Any]:
    for name, text in (
        ("models", "Models known"),
        ("versions", "Versions known"),
        ("endpoints", "Endpoints known"),
        ("held", "Deletes waiting for confirmation"),
        ("quarantined", "Records that could not be read"),
        ("unread", "Records of which something could not be read"),
        ("lag", "Seconds since the last successful sync began"),
    ):
        family = GaugeMetricFamily(f"waypost_registry_{name}", text, labels=["registry", "team", "kind"])
        for state in states:
            value = getattr(state, name)
            if value is not None:
                family.add_metric([state.name, state.team, state.kind], float(value))
        yield family
    family = GaugeMetricFamily(
        "waypost_registry_ok", "1 when the registry is ok", labels=["registry", "state"]
    )
    for state in states:
        family.add_metric([state.name, state.state], float(state.state == OK))
    yield family


def _webhooks(webhooks: Sequence[Webhook]) -> Iterator[Any]:
    at = now()
    for name, text, told in (
        ("waiting", "Events that wait to be sent to a webhook", lambda one: one.waiting),
        ("dead", "Events that a webhook was not sent and that were given up", lambda one: one.dead),
        (
            "lag_seconds",
            "Seconds since the oldest event happened that waits",
            lambda one: (at - (one.waiting_since or at)).total_seconds(),
        ),
    ):
        family = GaugeMetricFamily(f"waypost_webhook_{name}", text, labels=["webhook", "name"])
        for one in webhooks:
            family.add_metric([str(one.id), one.name], float(told(one)))
        yield family
