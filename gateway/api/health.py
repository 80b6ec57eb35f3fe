"""Health for whoever runs the gateway: alive, ready, and its metrics."""

from typing import Any

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import GaugeMetricFamily

from federation import schema
from federation.access import EVERYTHING, Permission, Principal
from federation.catalogue.states import read_registries
from federation.database import DatabaseError, now, reading
from federation.journal.checkpoints import stopped
from gateway.api.requests import PUBLIC, needs
from gateway.waypost import Waypost

OK = "ok"
SIGNING_STOPPED = (
    "no checkpoint of the audit log is signed any more: `waypost doctor` says why and what to do"
)
"""Everybody may ask whether the gateway is ready, so it names no witness."""


class LiveOut(msgspec.Struct):
    """The process answers."""

    status: str = "ok"


class ReadyOut(msgspec.Struct):
    """Whether requests can be answered; `problems` says in words what is missing for that.

    `checks` are all things looked at, by name, with `ok` or what is wrong: also what does not keep requests from
    being answered, such as `signing`.
    """

    status: str
    problems: list[str]
    checks: dict[str, str]


@get("/health/live", opt=PUBLIC, sync_to_thread=False)
def live() -> LiveOut:
    """The process answers."""
    return LiveOut()


@get("/health/ready", opt=PUBLIC, sync_to_thread=True)
def ready(waypost: NamedDependency[Waypost]) -> Response[ReadyOut]:
    """The database answers and has the schema this Waypost needs: 200, else 503 and why."""
    checks = {"database": OK}
    try:
        with reading(waypost.engine) as connection:
            found = schema.current(connection)
            if found == schema.LATEST:
                checks["signing"] = SIGNING_STOPPED if stopped(connection) else OK
            else:
                checks["database"] = f"the database has schema {found}, this Waypost needs {schema.LATEST}"
        built = waypost.served >= 0
        checks["index"] = OK if built else "the search index and the graph are being built for the first time"
    except DatabaseError as error:
        checks["database"] = str(error)
    problems = [said for name, said in checks.items() if said != OK and name != "signing"]
    status_code = 503 if problems else 200
    return Response(ReadyOut("unready" if problems else "ok", problems, checks), status_code=status_code)


@get("/metrics", opt=needs(Permission.READ), sync_to_thread=True, include_in_schema=False)
def metrics(waypost: NamedDependency[Waypost], principal: NamedDependency[Principal]) -> Response[bytes]:
    """Prometheus metrics: of this process's requests, and of every registry, for who may read everything."""
    principal.require(Permission.READ, None, "everything")
    body = generate_latest(waypost.metrics) + generate_latest(_Registries(waypost))
    return Response(body, media_type=CONTENT_TYPE_LATEST)


class _Registries:
    """Collects how the registries stand, at the time of asking."""

    def __init__(self, waypost: Waypost) -> None:
        self._waypost = waypost

    def collect(self) -> Any:
        with reading(self._waypost.engine) as connection:
            states = read_registries(connection, EVERYTHING, now())
            signing = stopped(connection) is None
        yield GaugeMetricFamily(
            "waypost_signing_ok", "1 while checkpoints of the audit log are signed", value=float(signing)
        )
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
            family.add_metric([state.name, state.state], float(state.state == "ok"))
        yield family


HANDLERS = [live, ready, metrics]
