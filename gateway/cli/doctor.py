"""`waypost doctor`: everything that can be wrong with an installation, with a remedy."""

import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import typer

from gateway.cli.failure import NO, OK, explain
from gateway.cli.finding import Finding
from gateway.cli.invocation import Invocation, addressed
from gateway.cli.screen import ago, as_json, counted, emit_table, say
from gateway.door.guard import foreign_owners

if TYPE_CHECKING:
    from federation.health import Part
    from federation.replication import ServerReport
    from gateway.waypost import Waypost

LIBRARIES = (
    "litestar",
    "granian",
    "sqlalchemy",
    "tantivy",
    "httpx",
    "mlflow",
    "boto3",
    "google-cloud-aiplatform",
)
LEAST_PYTHON = (3, 11)
OF_A_GATEWAY = frozenset(
    {"supervisor", "worker", "intents", "sync", "disk", "clock", "index", "graph", "events", "redis"}
)
"""Parts that only a running gateway keeps well."""
MADE_BY = "`waypost sync` or `waypost serve`"
LATE = timedelta(minutes=5)
"""What waits for longer to be sent to a webhook is worth a look."""


def doctor(context: typer.Context) -> int:
    """Look at versions, database, index and every registry, or with --url at what a running gateway says of its own.

    Exit code 1 when something fails.
    """
    findings = list(examine(context.obj))
    if not as_json(context.obj, [asdict(finding) for finding in findings]):
        emit_table(
            ("", "WHAT", "FOUND", "REMEDY"),
            [(f.state, f.what, addressed(f.found), addressed(f.remedy)) for f in findings],
        )
    failed = sum(finding.state == "fail" for finding in findings)
    if failed:
        say(f"{failed} of {len(findings)} need attention")
    return NO if failed else OK


def examine(invocation: Invocation) -> Iterator[Finding]:
    """Every finding, one after the other; what cannot be looked at is itself a finding."""
    yield python()
    strangers = list(names())
    yield from strangers
    if any(finding.state == "fail" for finding in strangers):
        return  # importing more would run the stranger
    if invocation.url:
        from gateway.cli.afar import examined

        yield from examined(invocation.url)
        return
    from gateway.cli.local import configured

    yield Finding("libraries", "ok", ", ".join(_libraries()))
    yield sqlite()
    yield meanings()
    try:
        waypost = configured(invocation)
    except Exception as error:
        yield _failure("configuration", error)
        return
    count = len(waypost.settings.registries)
    yield Finding(
        "configuration", "ok" if count else "warn", f"{count} registries", "" if count else "`waypost init`"
    )
    try:
        for look in (
            parts,
            postgresql,
            secret_files,
            identity_provider,
            registries,
            hooks,
            webhooks,
            policies,
            plugins,
        ):
            yield from _guarded(look, waypost)
    finally:
        waypost.close()


def python() -> Finding:
    """Which Waypost and Python this is."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        waypost = version("waypost")
    except PackageNotFoundError:
        waypost = "not installed"
    found = (
        f"Waypost {waypost}, Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    )
    if sys.version_info < LEAST_PYTHON:
        return Finding("version", "fail", found, "Waypost needs Python 3.11 or newer")
    return Finding("version", "ok", found)


def names() -> Iterator[Finding]:
    """Whether somebody else owns our import names."""
    owners = foreign_owners()
    for name, owner in owners.items():
        remedy = "install Waypost in an environment of its own: it is an application, as pipx or uv tool install it"
        yield Finding("import names", "fail", f"the package {owner} also brings a module {name}", remedy)
    if not owners:
        yield Finding("import names", "ok", "adapters, federation and gateway are Waypost's")


def sqlite() -> Finding:
    """Which SQLite is used, and whether it has the WAL-reset bug."""
    from federation.database import WAL_BUG, sqlite_module

    module = sqlite_module()
    found = f"SQLite {module.sqlite_version} of {module.__name__.partition('.')[0]}"
    first, last = WAL_BUG
    if first <= tuple(int(part) for part in module.sqlite_version.split(".")) <= last:
        remedy = "it can corrupt a database after a crash: pip install 'pysqlite3>=0.6.1', or use PostgreSQL"
        return Finding("SQLite", "warn", found, remedy)
    return Finding("SQLite", "ok", found)


def meanings() -> Finding:
    """Whether search finds what is close in meaning."""
    from federation.search.tantivy.engine import knows_meanings

    if knows_meanings():
        return Finding(
            "search by meaning", "ok", "where words find too little, what is close in meaning is found"
        )
    return Finding(
        "search by meaning",
        "ok",
        "no word embeddings: only words are searched",
        "pip install 'waypost[hybrid]'",
    )


def parts(waypost: "Waypost") -> Iterator[Finding]:
    """How each part of the gateway stands, as `/health/ready` says, with the reasons that are for operators."""
    from federation.health import DOCTOR
    from gateway.board import read_boards
    from gateway.outlook import table

    known = _known(waypost)
    runs = bool(read_boards(waypost.settings.search.path))
    if not runs:
        yield Finding("gateway", "ok", "none runs on this machine: a command does its own work")
    if not runs and known.get("database", "").endswith("schema none"):
        embedded = known["database"].startswith("sqlite")
        made_by = f"{MADE_BY} makes it" if embedded else "`waypost migrate`"
        yield Finding("database", "warn", known["database"], made_by)
        return  # there is nothing yet that any other part could be about
    for part in table(waypost):
        if part.state == "ok":
            yield Finding(part.name, "ok", known.get(part.name) or _when(part))
        elif runs or part.name not in OF_A_GATEWAY:
            people = part.people.removesuffix(DOCTOR)
            said = people if part.reason == part.people else f"{people}: {part.reason}"
            yield Finding(part.name, "fail", f"{said} (last well {_when(part)})", part.remedy)
        elif part.state == "failing":
            yield Finding(part.name, "warn", known.get(part.name) or part.reason, MADE_BY)


def _when(part: "Part") -> str:
    return ago(part.last_success_at.isoformat() if part.last_success_at is not None else None)


def _known(waypost: "Waypost") -> dict[str, str]:
    """More of some parts, as far as it can be read."""
    from federation import schema

    found: dict[str, str] = {}
    with suppress(Exception):
        kind, version = waypost.engine.dialect.name, schema.found(waypost.engine)
        found["database"] = f"{kind}, schema {version or 'none'}"
        if version == schema.LATEST:
            found["signing"] = f"{waypost.journal.signed().size:,} entries are signed"
            found["index"] = waypost.positions.behind(waypost.served)
    return found


def postgresql(waypost: "Waypost") -> Iterator[Finding]:
    """What a failover of PostgreSQL may lose, and whether it has room for this gateway."""
    from federation.replication import look

    found = look(waypost.engine)
    if found is None:
        return
    yield replication(found)
    if waypost.standby is not None:
        yield standby(waypost)
    settings = waypost.settings
    most = (settings.server.workers + 2) * settings.database.connections
    said = f"this gateway may hold {most}, all of them together {found.connections}"
    if most > found.connections:
        yield Finding(
            "connections", "warn", said, "lower database.connections, or raise max_connections there"
        )
    else:
        yield Finding("connections", "ok", said)


def standby(waypost: "Waypost") -> Finding:
    """Whether the configured standby can be read."""
    from federation.standby import distance

    remedy = "until it does, everything is read from the server in database.url"
    try:
        behind = distance(waypost.engine, waypost.standby)
    except Exception as error:
        found, _, what = explain(error)[0].partition(": ")
        return Finding("standby", "fail", found, f"{what}; {remedy}" if what else remedy)
    said = (
        "up to date" if not behind else f"{behind:,} changes behind: reads that have to see them go elsewhere"
    )
    return Finding("standby", "ok", said)


def replication(found: "ServerReport") -> Finding:
    """What may be lost of what was acknowledged."""
    what, remedy = "replication", "see `synchronous_commit` and `synchronous_standby_names` of PostgreSQL"
    names = ", ".join(one.name for one in found.standbys if one.is_synchronous and one.name)
    if not found.is_durable:
        return Finding(
            what,
            "warn",
            "what was acknowledged may be lost when the server dies: synchronous_commit is off",
            remedy,
        )
    if found.loses_nothing and not found.standbys:
        return Finding(what, "fail", "no standby is attached: what is written waits for one", remedy)
    if found.loses_nothing:
        return Finding(
            what, "ok", f"a failover loses nothing that was acknowledged: {names or 'synchronous'}"
        )
    if not found.standbys:
        return Finding(
            what, "ok", "no standby is attached: when the server is lost, there is the last backup"
        )
    behind = max((one.behind or 0 for one in found.standbys), default=0)
    said = f"asynchronous: a failover may lose what was acknowledged last, {behind:,} bytes at present"
    return Finding(what, "warn", said, remedy)


def identity_provider(waypost: "Waypost") -> Iterator[Finding]:
    """Whether the identity provider answers, and of whom it did not say all that it should have."""
    from federation import schema
    from federation.database import now

    if waypost.provider is None:
        return
    try:
        lacks = waypost.provider.lacks()
    except Exception as error:
        yield _failure("identity provider", error)
        return
    state: Literal["ok", "warn"] = "warn" if lacks else "ok"
    found = "; ".join(lacks) or "it answers, and can be asked again about who is signed in"
    yield Finding("identity provider", state, found, "add to auth.oidc.scopes" if lacks else "")
    if schema.found(waypost.engine) != schema.LATEST:
        return
    unclear = waypost.identity.unclear(now() - timedelta(days=7))
    for remark in dict.fromkeys(row.remark for row in unclear):
        count = sum(row.remark == remark for row in unclear)
        who = "1 person" if count == 1 else f"{count} people"
        yield Finding(
            "groups", "warn", f"of {who} in a week: {remark}", "`waypost principals list` names them"
        )


def secret_files(waypost: "Waypost") -> Iterator[Finding]:
    """Whether others on this machine can read a key or a secret."""
    from gateway.exposed import exposed

    for path in exposed(waypost.settings):
        yield Finding("secrets", "warn", f"others on this machine can read {path}", f"chmod 600 {path}")


def registries(waypost: "Waypost") -> Iterator[Finding]:
    """Whether every configured backend answers, and what is missing there."""
    from gateway.cli.registries import probe_spec

    for settings in waypost.settings.registries:
        what, spec = f"registry {settings.name}", settings.spec()
        try:
            waypost.registries.check(spec)
            found = probe_spec(waypost, spec)
        except Exception as error:
            yield _failure(what, error)
            continue
        if found["error"]:
            yield Finding(what, "fail", found["error"], f"`waypost registries test {settings.name}`")
            continue
        answer = f"{spec.kind} {found['version'] or ''} answers in {found['answered in']}"
        if found["missing"]:
            yield Finding(
                what, "warn", f"{answer}; missing: {', '.join(found['missing'])}", "give its credential more"
            )
        else:
            yield Finding(what, "ok", answer)
    yield from _states(waypost)


def _states(waypost: "Waypost") -> Iterator[Finding]:
    from federation import schema
    from federation.access import EVERYTHING

    if schema.found(waypost.engine) != schema.LATEST:
        return
    for state in waypost.registries.list(EVERYTHING):
        for overlap in state.overlaps:
            remedy = (
                "leave one of the two out: `registries` of a `waypost` registry names those that are read"
            )
            yield Finding(
                f"registry {state.name}",
                "warn" if overlap.is_twice else "ok",
                overlap.line,
                remedy if overlap.is_twice else "",
            )
        if state.state in ("failing", "partial", "stale"):
            last = f"synchronised {ago(state.last_success_at.isoformat() if state.last_success_at else None)}"
            yield Finding(
                f"sync {state.name}", "warn", f"{state.state}, {last}", state.last_error or "`waypost sync`"
            )


def policies(waypost: "Waypost") -> Iterator[Finding]:
    """Policies that nobody can satisfy, or that the file says otherwise; emergencies that nobody has reviewed."""
    from federation import schema
    from federation.access import EVERYTHING
    from federation.promotions.promotions import ChosenPromotions

    if schema.found(waypost.engine) != schema.LATEST:
        return
    for line in waypost.promotions.unsatisfiable():
        remedy = (
            "give more people the role or group, or change the policy; groups are known once people sign in"
        )
        yield Finding("policy", "warn", line, remedy)
    late = waypost.policies.unapplied(waypost.settings.policies)
    if late:
        said = f"the file says something else of {', '.join(late)}"
        yield Finding("policy", "warn", said, "`waypost registries apply`")
    for one in waypost.promotions.list(EVERYTHING, ChosenPromotions(review="open"), 20):
        said = f"promotion {one.id} brought {one.ref} to {one.to} in an emergency"
        yield Finding("review", "warn", said, "somebody else looks at it: `waypost promotions review`")


def hooks(waypost: "Waypost") -> Iterator[Finding]:
    """Whether the backends that are to announce what changes do so."""
    from federation import schema
    from federation.access import EVERYTHING

    if schema.found(waypost.engine) != schema.LATEST:
        return
    known = {one.registry: one for one in waypost.hooks.list(EVERYTHING)}
    for spec in (one.spec() for one in waypost.settings.registries):
        if not waypost.registries.is_notified(spec):
            continue
        what, state = f"hook {spec.name}", known.get(spec.name)
        add = f"`waypost hooks add {spec.name}`; the gateway's log names what was refused"
        if state is None:
            yield Finding(what, "warn", "no notification has arrived yet: changes wait for the next run", add)
            continue
        found = f"last notification {ago(state.last_at.isoformat())}"
        if state.missed_since:
            changes = counted(state.missed_since, "change")
            since = f"{found}; since then runs found {changes} that nobody announced"
            yield Finding(what, "warn", since, f"where they should have been: {add}")
        else:
            yield Finding(what, "ok", found)


def webhooks(waypost: "Waypost") -> Iterator[Finding]:
    """Whether every address is sent what it is to be sent."""
    from federation import schema
    from federation.access import LOCAL
    from federation.database import now

    if schema.found(waypost.engine) != schema.LATEST:
        return
    for one in waypost.events.webhooks.list(LOCAL):
        what, since = f"webhook {one.name}", one.waiting_since
        why = f"`waypost webhooks deliveries {one.id}` says why"
        if one.dead:
            found = f"given up: {counted(one.dead, 'event')}"
            yield Finding(
                what, "warn", found, f"{why}; `waypost webhooks replay {one.id} --dead` sends them again"
            )
        elif since is not None and now() - since > LATE:
            found = f"waiting: {counted(one.waiting, 'event')}, the oldest of {ago(since.isoformat())}"
            yield Finding(what, "warn", found, why)
        else:
            yield Finding(what, "ok", f"waiting: {counted(one.waiting, 'event')}")


def plugins(waypost: "Waypost") -> Iterator[Finding]:
    """Whether every adapter can be loaded."""
    from adapters import BrokenPluginError

    for source, reason in sorted(waypost.adapters.refused.items()):
        yield Finding(f"plugin {source}", "fail", reason, "mend or remove the plugin")
    for kind in waypost.adapters.kinds:
        try:
            waypost.adapters.get(kind)
        except BrokenPluginError as error:
            yield Finding(f"adapter {kind}", "fail", str(error), "mend or remove the plugin")


def _guarded(look: "Callable[[Waypost], Iterator[Finding]]", waypost: "Waypost") -> Iterator[Finding]:
    try:
        yield from look(waypost)
    except Exception as error:
        yield _failure(look.__name__, error)


def _failure(what: str, error: Exception) -> Finding:
    found, _, remedy = explain(error)[0].partition(": ")
    return Finding(what, "fail", found, remedy)


def _libraries() -> Iterator[str]:
    from importlib.metadata import PackageNotFoundError, version

    for name in LIBRARIES:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            continue
