"""`waypost set`, `register`, `delete`, `operations`: change models on their backends and wait for the outcome."""

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal
from urllib.parse import quote

import typer

from federation.references import DEPENDS_ON, Reference, parse
from gateway.cli.asked import Gateway, strangers
from gateway.cli.client import connect, has_registry, of_reference, whole
from gateway.cli.completion import references, registries
from gateway.cli.consent import Yes, consent
from gateway.cli.failure import NO, OK, UNREACHABLE, CommandError
from gateway.cli.invocation import Invocation
from gateway.cli.plans import notes, show_plans, told
from gateway.cli.screen import as_json, emit_table, say, when

Stage = Literal["none", "staging", "production", "archived"]
State = Literal["queued", "running", "unknown", "ok", "partial", "failed"]
NOT_MADE = ("partial", "failed")
LOOK_EVERY = 0.05
PATIENCE = 60.0
"""Seconds a command waits for the outcome; the operation goes on without it."""
Ref = Annotated[
    str,
    typer.Argument(
        help="registry/model:version, …@alias, …@stage:production or registry/model",
        autocompletion=references,
    ),
]
Match = Annotated[str, typer.Option(help="only if its etag is still this one, as `show --json` gives it")]
Key = Annotated[str, typer.Option(help="makes a repetition the same request; else a new one for each call")]
Wait = Annotated[bool, typer.Option(help="wait for the outcome")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="change nothing: show what would change, and who is hit by it")
]
Plan = Annotated[str, typer.Option(help="only while the plan is still the one that --dry-run showed as this")]


Request = tuple[str, str, Any]
"""Method, path and body; a reference in the place of a body stands for the version that it means."""


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """On what terms changes are asked for."""

    if_match: str
    plan: str
    key: str
    dry_run: bool
    wait: bool
    yes: bool = False
    deletes: bool = False

    def headers(self, number: int | None) -> dict[str, str]:
        """Every command sends a key, so that one whose answer was lost can be sent again; `number` of several."""
        key = self.key if number is None or not self.key else f"{self.key}-{number}"
        found = {"Idempotency-Key": key or secrets.token_hex(16)}
        if self.if_match:
            found["If-Match"] = f'"{self.if_match}"'
        return found | ({"Waypost-Plan": self.plan} if self.plan else {})


def set_(
    context: typer.Context,
    ref: Ref,
    stage: Annotated[Stage | None, typer.Option(help="bring the version to this stage")] = None,
    alias: Annotated[list[str] | None, typer.Option(help="point this alias at the version")] = None,
    unalias: Annotated[list[str] | None, typer.Option(help="take this alias of the model away")] = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="KEY=VALUE, on the version or the model named")
    ] = None,
    untag: Annotated[list[str] | None, typer.Option(help="remove the tag with this key")] = None,
    if_match: Match = "",
    plan: Plan = "",
    dry_run: DryRun = False,
    key: Key = "",
    wait: Wait = True,
    yes: Yes = False,
) -> int:
    """Change stage, aliases or tags of a version on its backend. Exit code 1 when a change was not made."""
    reference = _whole(context.obj, ref)
    changes = [
        *_tag_changes(reference, tag or [], untag or []),
        *([("PUT", f"/versions/{of_reference(str(reference))}/stage", {"stage": stage})] if stage else []),
        *(_alias_change(reference, name) for name in alias or []),
        *(("DELETE", _alias_path(reference, name), None) for name in unalias or []),
    ]
    if not changes:
        raise CommandError("say what to change: --stage, --alias, --unalias, --tag or --untag")
    if (if_match or plan) and len(changes) > 1:
        raise CommandError(
            "--if-match and --plan go with one change: after the first, things are not as they were"
        )
    return _carry_out(
        context.obj, changes, WriteOptions(if_match, plan, key, dry_run, wait, yes), "operations"
    )


def register(
    context: typer.Context,
    registry: Annotated[str, typer.Argument(help="name of the registry", autocompletion=registries)],
    model: Annotated[str, typer.Argument(help="name of the model; it is created where there is none")],
    source: Annotated[str, typer.Option(help="where the version's files are: s3://…, runs:/…, models:/…")],
    run_id: Annotated[str, typer.Option(help="run it came from")] = "",
    description: Annotated[str, typer.Option(help="description of the version")] = "",
    tag: Annotated[list[str] | None, typer.Option(help="KEY=VALUE")] = None,
    plan: Plan = "",
    dry_run: DryRun = False,
    key: Key = "",
    wait: Wait = True,
) -> int:
    """Register a new version on a backend. Exit code 1 when it was refused."""
    given = {"run_id": run_id, "description": description}
    body = {
        "model": model, "source": source, "tags": dict(map(pair, tag or [])),
        **{name: value for name, value in given.items() if value},
    }  # fmt: skip
    path = f"/registries/{quote(registry, safe='')}/versions"
    return _carry_out(context.obj, [("POST", path, body)], WriteOptions("", plan, key, dry_run, wait))


def delete(
    context: typer.Context,
    ref: Ref,
    model: Annotated[bool, typer.Option("--model", help="the whole model with its versions")] = False,
    if_match: Match = "",
    plan: Plan = "",
    dry_run: DryRun = False,
    key: Key = "",
    wait: Wait = True,
    yes: Yes = False,
) -> int:
    """Delete a version (registry/model:version), or with --model a model, on its backend. Exit code 1 when refused."""
    reference = _whole(context.obj, ref)
    if (reference.version is None) != model:
        wanted = (
            "registry/model with --model" if model else "registry/model:version; a whole model takes --model"
        )
        raise CommandError(f"delete names what is to go: {wanted}")
    path = f"/{'models' if model else 'versions'}/{of_reference(str(reference))}"
    return _carry_out(
        context.obj, [("DELETE", path, None)], WriteOptions(if_match, plan, key, dry_run, wait, yes, True)
    )


def operations(
    context: typer.Context,
    registry: Annotated[str, typer.Option(help="only of this registry", autocompletion=registries)] = "",
    state: Annotated[State | None, typer.Option(help="only in this state")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="so many of the newest")] = 20,
) -> None:
    """What was asked of the backends, newest first, and what became of it."""
    with connect(context.obj) as gateway:
        found = gateway.get("/operations", registry=registry, state=state, limit=limit)
        unseen = [] if found["operations"] else list(strangers(gateway, registry=registry))
    if not as_json(context.obj, found):
        _print(found["operations"])
        if not found["operations"]:
            is_narrow = registry or state
            say(f"nothing was asked of {'that' if is_narrow else 'the backends yet'}", *unseen)


@contextmanager
def ready(gateway: Gateway, terms: WriteOptions) -> Iterator[None]:
    """What a plan or a change needs of this process where no gateway was named: the graph, or the worker's work."""
    if not terms.dry_run:
        with worked(gateway, wait=terms.wait):
            yield
        return
    if gateway.waypost is not None:
        from gateway.cli.local import catch_up

        catch_up(gateway.waypost, {"graph"})
    yield


@contextmanager
def worked(gateway: Gateway, *, wait: bool) -> Iterator[None]:
    """The worker's work in this process where no gateway was named and no other process does it."""
    if gateway.waypost is None:
        yield
        return
    if not wait:
        raise CommandError("--no-wait leaves the work to a running gateway: name it with --url")
    from gateway.cli.local import working

    with working(gateway.waypost) as mine:
        if not mine:
            say("another process is the worker: the job is queued there")
        yield


def _carry_out(
    invocation: Invocation, changes: Sequence[Request], terms: WriteOptions, together: str = ""
) -> int:
    """Ask for changes, or for their plans, one after another, up to the first that is not made. Printed as JSON they
    stand `together` under a name, or the only one alone.
    """
    found: list[Any] = []
    with connect(invocation) as gateway, _asked_first(gateway, changes, terms) as agreed:
        for number, (method, path, body) in enumerate(changes):
            if isinstance(body, Reference):
                body = {"version": _version_of(gateway, body)}
            headers = agreed[number].headers(number if len(changes) > 1 else None)
            query = {"dry_run": True} if terms.dry_run else {}
            answer = gateway.ask(method, path, query=query, body=body, headers=headers)
            if terms.dry_run:
                found.append(answer)
                continue
            found += outcomes(gateway, answer, terms.wait)
            if found[-1]["state"] in NOT_MADE:
                break
    if terms.dry_run:
        return show_plans(invocation, found, {"plans": found} if together else found[0])
    return _report(invocation, found, {together: found} if together else found[0])


def carried_out(
    invocation: Invocation, gateway: Gateway, asked: Sequence[Mapping[str, Any]], terms: WriteOptions
) -> int:
    """Wait for operations that were asked for, each by itself, and tell their outcomes."""
    found = [one for each in asked for one in outcomes(gateway, each, terms.wait)]
    return _report(invocation, found, {"operations": found})


def _whole(invocation: Invocation, ref: str) -> Reference:
    """A reference with its registry, for which a gateway is asked only where it has none."""
    if has_registry(ref):
        return parse(ref)
    with connect(invocation) as gateway:
        return whole(gateway, ref)


@contextmanager
def _asked_first(
    gateway: Gateway, changes: Sequence[Request], terms: WriteOptions
) -> Iterator[list[WriteOptions]]:
    """The terms of each change: what is asked about is answered before any work begins."""
    agreed = [_agreed(gateway, one, terms) for one in changes]
    with ready(gateway, terms):
        yield agreed


def _agreed(gateway: Gateway, change: Request, terms: WriteOptions) -> WriteOptions:
    """The terms of a change; of one that does harm, which is asked about, those of the plan that was shown.

    A plan that is named was shown before. Errors: `CommandError`.
    """
    method, path, body = change
    tags = body.get("tags", {}) if isinstance(body, Mapping) else {}
    gone = [key for key, value in tags.items() if value is None] if method == "PATCH" else []
    if terms.dry_run or terms.yes or terms.plan or not (terms.deletes or gone):
        return terms
    with ready(gateway, replace(terms, dry_run=True)):
        plan = gateway.ask(method, path, query={"dry_run": True}, body=body, headers=terms.headers(None))
    if gone and DEPENDS_ON not in gone and not plan["stages"]:
        return terms
    what = f"take {', '.join(gone)} from" if gone else "delete"

    def show() -> None:
        for line in (*told(plan), *notes(plan)):
            say(line)

    consent(f"{what} {plan['ref']}?", yes=False, show=show)
    return replace(terms, plan=plan["token"])


def outcomes(gateway: Gateway, asked: Mapping[str, Any], wait: bool) -> Iterator[Mapping[str, Any]]:
    """The operation and those that follow it in its plan: ended, or as they are when that takes too long."""
    end = time.monotonic() + PATIENCE
    current = asked
    while True:
        while wait and not current["finished_at"] and time.monotonic() < end:
            time.sleep(LOOK_EVERY)
            current = gateway.get(f"/operations/{current['id']}")
        yield current
        if not current["then"]:
            return
        current = gateway.get(f"/operations/{current['then']}")


def _report(invocation: Invocation, done: Sequence[Mapping[str, Any]], data: object) -> int:
    if not as_json(invocation, data):
        _print(done)
        for one in done:
            if one["error"]:
                say(one["error"])
    if any(one["state"] in NOT_MADE for one in done):
        return NO
    return UNREACHABLE if any(one["state"] == "unknown" for one in done) else OK


def _print(done: Sequence[Mapping[str, Any]]) -> None:
    rows = [
        (one["id"], one["ref"], one["kind"].replace("_", " "), _wanted(one["wanted"]), one["state"],
         when(one["finished_at"] or one["requested_at"]), one["actor_name"])
        for one in done
    ]  # fmt: skip
    emit_table(("OPERATION", "OF", "WHAT", "WANTED", "STATE", "WHEN", "BY"), rows)


def _wanted(wanted: Mapping[str, Any]) -> str:
    if "source" in wanted:
        return f"from {wanted['source']}"
    parts = wanted.get("tags", wanted)
    return ", ".join(f"{name}={'' if value is None else value}" for name, value in parts.items())


def _tag_changes(
    reference: Reference, tag: Sequence[str], untag: Sequence[str]
) -> list[tuple[str, str, Any]]:
    if not tag and not untag:
        return []
    values: dict[str, str | None] = {**dict(map(pair, tag)), **dict.fromkeys(untag)}
    area = "models" if _is_model(reference) else "versions"
    return [("PATCH", f"/{area}/{of_reference(str(reference))}/tags", {"tags": values})]


def _alias_change(reference: Reference, name: str) -> tuple[str, str, Any]:
    if _is_model(reference):
        raise CommandError("--alias needs a version to point at: registry/model:version")
    body = {"version": reference.version} if reference.version is not None else reference
    return "PUT", _alias_path(reference, name), body


def _version_of(gateway: Gateway, reference: Reference) -> str:
    """The version that an alias or stage names now."""
    return str(gateway.get(f"/versions/{of_reference(str(reference))}")["version"])


def _alias_path(reference: Reference, name: str) -> str:
    model = Reference(reference.registry, reference.model)
    return f"/models/{of_reference(str(model))}/aliases/{quote(name, safe='')}"


def _is_model(reference: Reference) -> bool:
    return reference.version is reference.alias is reference.stage is None


def pair(text: str) -> tuple[str, str]:
    """The key and value of `KEY=VALUE`. Errors: `CommandError`."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise CommandError(f"--tag is KEY=VALUE, not {text}")
    return key, value
