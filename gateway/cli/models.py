"""`waypost show`, `diff`, `timeline`: one model or version, two side by side, and what was when."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

import typer

from gateway.cli.asked import AnsweredProblemError
from gateway.cli.client import connect, get, is_model, of_reference
from gateway.cli.completion import references
from gateway.cli.failure import NO, CommandError
from gateway.cli.invocation import Invocation
from gateway.cli.screen import as_json, emit_fields, emit_json, emit_line, emit_table, say, when

Ref = Annotated[
    str,
    typer.Argument(
        help="registry/model, registry/model:version, …@alias or …@stage:production",
        autocompletion=references,
    ),
]
AsOf = Annotated[str, typer.Option(help="as it was then: 2026-05-03 or 2026-05-03T12:00:00Z")]
GONE = 410


def check_day(option: str, text: str) -> None:
    """See that what an option was given is a day, or nothing. Errors: `CommandError`."""
    try:
        if text:
            date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{option} is a day such as 2027-03-31, not {text}") from None


def show(
    context: typer.Context,
    ref: Ref,
    as_of: AsOf = "",
    incarnation: Annotated[
        int | None, typer.Option(help="one particular life of a name that was deleted and made again")
    ] = None,
    native: Annotated[bool, typer.Option("--native", help="also what the backend itself says")] = False,
    snippets: Annotated[bool, typer.Option("--snippets", help="only the lines that load it")] = False,
    card: Annotated[
        bool, typer.Option("--card", help="only its model card, wherever that is written")
    ] = False,
) -> int:
    """Everything known of a model or a version; a deleted one is shown as it was last known, with exit code 1."""
    invocation: Invocation = context.obj
    path = f"/{'models' if is_model(ref) else 'versions'}/{of_reference(ref)}"
    with connect(invocation) as gateway:
        if snippets:
            return _show_snippets(invocation, gateway.get(f"/snippets/{of_reference(ref)}"))
        if card:
            return _show_card(invocation, gateway.get(f"/cards/{of_reference(ref)}"))
        try:
            found = gateway.get(path, incarnation=incarnation, as_of=as_of)
        except AnsweredProblemError as error:
            found = error.body.get("known")
            if error.status != GONE or not found:
                raise
    if invocation.json:
        emit_json(found)
    elif "versions" in found:
        _show_model(found)
    else:
        _show_version(found)
    if native and not invocation.json:
        emit_json(found["native"])
    if found.get("registry_state") not in ("ok", "", None):
        say(
            f"{found['registry']} is {found['registry_state']}: `waypost registries list` says why and since when"
        )
    if found.get("deleted_at"):
        say(
            f"{found['ref']} was deleted, noticed {when(found['deleted_at'])}: this is what was known of it last"
        )
        return NO
    return 0


def diff(
    context: typer.Context,
    left: Ref,
    right: Ref,
    others: Annotated[
        list[str] | None, typer.Argument(help="up to six more", autocompletion=references)
    ] = None,
    sort: Annotated[
        str, typer.Option(help="of more than two: a metric, the least first; -NAME the greatest")
    ] = "",
) -> None:
    """Only what differs between two versions, also of different registries; of up to eight also all metrics."""
    invocation: Invocation = context.obj
    with connect(invocation) as gateway:
        if others:
            _beside(invocation, gateway.get("/comparison", ref=[left, right, *others], sort=sort))
            return
        found = gateway.get("/diff", left=left, right=right)
    if as_json(invocation, found):
        return
    rows = [
        (name, _in_words(name, pair["left"]), _in_words(name, pair["right"]))
        for name, pair in found["differences"].items()
    ]
    emit_table(("FIELD", found["left"], found["right"]), rows)
    if not rows:
        say(f"{found['left']} and {found['right']} do not differ")
    _contract(found["left"], found["right"], found["contract"])


def _beside(invocation: Invocation, found: Mapping[str, Any]) -> None:
    """Metrics with a line for each version, then what else is not alike with a column for each."""
    if as_json(invocation, found):
        return
    metrics, versions = found["metrics"], found["versions"]
    rows = [
        (one["ref"], one["stage"], *(one["metrics"].get(name, "") for name in metrics)) for one in versions
    ]
    emit_table(("VERSION", "STAGE", *metrics), rows)
    if found["fields"]:
        emit_line()
        emit_table(
            ("FIELD", *(one["ref"] for one in versions)),
            [(name, *(_in_words(name, one) for one in values)) for name, values in found["fields"].items()],
        )


def _in_words(name: str, value: Any) -> object:
    """The value of a field as `show` has it, where it is nested."""
    if value is None:
        return None
    if name == "schema":
        return "; ".join(f"{side} {', '.join(told)}" for side, told in _schema(value).items() if told)
    if name == "lineage.datasets":
        return list(map(_dataset, value))
    if name == "environment.images":
        return list(map(_image, value))
    return value


def _contract(left: str, right: str, contract: Mapping[str, Any]) -> None:
    """Whether consumers of one can be given the other."""
    emit_line(f"contract: {contract['verdict']}")
    for ours, theirs, way in ((left, right, "backward"), (right, left, "forward")):
        for one in contract[f"{way}_breaks"]:
            emit_line(
                f"  not {way}, for who uses {ours} and gets {theirs}: "
                f"{one['side']} {one['column']}: {one['problem']} ({one['detail']})"
            )


def timeline(context: typer.Context, ref: Ref, as_of: AsOf = "") -> None:
    """Which version held which stage and alias, since when, by whom; newest first, times in UTC."""
    found = get(context.obj, f"/timeline/{of_reference(ref)}", as_of=as_of)
    if as_json(context.obj, found):
        return
    rows = [
        (
            span["ref"], f"{span['kind']} {span['value']}", moment(span["began_after"], span["began_by"]),
            moment(span["ended_after"], span["ended_by"]) or "now", span["began_actor_name"], span["source"],
        )
        for span in found["spans"]
    ]  # fmt: skip
    emit_table(("VERSION", "HELD", "SINCE", "UNTIL", "BY", "SEEN IN"), rows)
    if not rows:
        say(f"nothing has held a stage or alias of {found['ref']}" + (" then" if as_of else ""))


def moment(after: str | None, by: str | None) -> str:
    """A change that was seen by a sync happened between two looks."""
    if not by:
        return ""
    return (
        when(by)
        if not after or when(after) == when(by)
        else f"{when(after)} – {when(by)[11:] if when(after)[:10] == when(by)[:10] else when(by)}"
    )


def _show_snippets(invocation: Invocation, found: Mapping[str, Any]) -> int:
    if invocation.json:
        emit_json(found)
    for one in [] if invocation.json else found["snippets"]:
        emit_line(f"# {one['title']}")
        for line in one["code"].split("\n"):
            emit_line(line)
        emit_line()
    if found["note"]:
        say(found["note"])
    return 0 if found["snippets"] else NO


def _show_card(invocation: Invocation, found: Mapping[str, Any]) -> int:
    if as_json(invocation, found):
        return 0 if found["card"] else NO
    for part, said in found["card"].items():
        emit_line(f"# {part.replace('_', ' ')} ({said['source']})")
        for line in said["text"].split("\n"):
            emit_line(line)
        emit_line()
    if not found["card"]:
        say("nobody wrote a card: no tag card.intended_use, no such section in the description")
    return 0 if found["card"] else NO


def _show_model(model: Mapping[str, Any]) -> None:
    emit_fields(
        {
            "model": model["ref"],
            "title": model["title"] if model["title"] != model["model"] else None,
            "type": model["type"],
            "team": f"{model['team']} ({model['kind']})",
            "owner": model["owner"],
            "licence": model["license"],
            "description": model["description"],
            "tags": model["tags"],
            "aliases": model["aliases"],
            "created": when(model["created_at"]),
            "updated": when(model["updated_at"]),
            "deleted": when(model["deleted_at"]),
            "url": model["url"],
        }
    )
    emit_line()
    rows = [
        (
            one["ref"],
            f"{one['stage']}, {one['state'].partition(':')[0]}" if one["state"] else one["stage"],
            one["aliases"],
            one["metrics"],
            when(one["created_at"]),
            when(one["deleted_at"]),
        )
        for one in model["versions"]
    ]
    emit_table(("VERSION", "STAGE", "ALIASES", "METRICS", "CREATED", "DELETED"), rows)


def _show_version(version: Mapping[str, Any]) -> None:
    stage, native = version["stage"], version["native_stage"]
    reason = f" ({version['stage_reason']})" if version["stage_reason"] else ""
    lineage = version["lineage"]
    emit_fields(
        {
            "version": version["ref"],
            "title": version["title"] if version["title"] != version["model"] else None,
            "stage": f"{stage}{reason}"
            + (f", there called {native}" if native and native.lower() != stage else ""),
            "state": version["state"],
            "approval": version["approval"],
            "lifecycle": version["lifecycle"],
            "aliases": version["aliases"],
            "team": f"{version['team']} ({version['kind']})",
            "owner": version["owner"],
            "creator": version["creator"],
            "framework": version["framework"],
            "licence": version["license"],
            "description": version["description"],
            "tags": version["tags"],
            "metrics": version["metrics"],
            "params": version["params"],
            **_schema(version["schema"]),
            "artifact": version["artifact"]["uri"],
            "digest": version["artifact"]["digest"],
            "run": lineage["run_id"],
            "run's page": lineage["run_url"],
            "code": _code(lineage),
            "pipeline": lineage["pipeline"],
            "data": [_dataset(one) for one in lineage["datasets"]],
            **_software(version["environment"]),
            "parents": [f"{one['reference']} ({one['kind']})" for one in lineage["parents"]],
            "declares": lineage["dependencies"],
            "served by": [_serving(one) for one in version["endpoints"]],
            "created": when(version["created_at"]),
            "updated": when(version["updated_at"]),
            "deleted": when(version["deleted_at"]),
            "url": version["url"],
            "unknown": _unknown(version["unread"]),
        }
    )


def _unknown(unread: Mapping[str, Any] | None) -> str | None:
    """Which fields could not be read, and why."""
    return None if unread is None else f"{', '.join(unread['fields'])}: {unread['reason']}"


def _schema(schema: Mapping[str, Any] | None) -> dict[str, list[str]]:
    sides = ("inputs", "outputs", "params")
    return {} if schema is None else {side: list(map(_column, schema[side])) for side in sides}


def _column(column: Mapping[str, Any]) -> str:
    shape = "" if column["shape"] is None else f"[{', '.join(str(size) for size in column['shape'])}]"
    if column["default"] is not None:
        return f"{column['name']}: {column['type']}{shape} = {column['default']}"
    return f"{column['name']}: {column['type']}{shape}" + ("" if column["required"] else " (optional)")


def _code(lineage: Mapping[str, Any]) -> str:
    commit, repository = lineage["commit"], lineage["repository"]
    return f"{repository} at {commit}" if repository and commit else repository or commit or ""


def _dataset(one: Mapping[str, Any]) -> str:
    digest = f"@{one['digest']}" if one["digest"] else ""
    where = f" ({one['uri']})" if one.get("uri") else ""
    role = f", {one['role']}" if one.get("role") else ""
    return f"{one['name']}{digest}{where}{role}"


def _software(environment: Mapping[str, Any]) -> dict[str, object]:
    """What the version needs or is served with."""
    images = list(map(_image, environment["images"]))
    libraries = [f"{name} {version}".strip() for name, version in environment["libraries"].items()]
    return {"images": images, "python": environment["python"], "libraries": libraries}


def _image(one: Mapping[str, Any]) -> str:
    return f"{one['address']}" + (f" ({one['digest']})" if one["digest"] else "")


def _serving(endpoint: Mapping[str, Any]) -> str:
    word = "live" if endpoint["live"] and endpoint["percent"] else endpoint["state"] or "not live"
    known = ", as last known" if endpoint["unread"] else ""
    return f"{endpoint['name']} ({word}, {endpoint['percent']:g} %{known})"
