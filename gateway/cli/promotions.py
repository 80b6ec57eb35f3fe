"""`waypost plan`, `promote`, `approve`, `reject`, `rollback`, `emergency`, `promotions`, `policies`."""

import base64
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

import typer

from gateway.cli.asked import Gateway
from gateway.cli.client import ask, connect, get, of_reference
from gateway.cli.completion import models, references
from gateway.cli.failure import NO, OK, UNREACHABLE, CommandError
from gateway.cli.invocation import Invocation
from gateway.cli.operations import Stage, Wait, worked
from gateway.cli.screen import as_json, emit_line, emit_table, say, when

StatementKind = Literal["signature", "scan", "evaluation", "check"]
Verdict = Literal["yes", "no", "unknown"]
State = Literal[
    "open",
    "waiting",
    "approved",
    "executing",
    "stuck",
    "done",
    "failed",
    "void",
    "rejected",
    "expired",
    "cancelled",
]
LOOK_EVERY, WAITING_EVERY = 0.05, 1.0
AT_ONCE = 500
"""Versions of one answer."""
PATIENCE = 60.0
"""Seconds a command waits for what it began; that goes on without it."""
Ref = Annotated[
    str,
    typer.Argument(help="registry/model:version, …@alias or …@stage:staging", autocompletion=references),
]
To = Annotated[Stage, typer.Option("--to", help="the stage")]
Reason = Annotated[str, typer.Option(help="why, in words")]
Ident = Annotated[int, typer.Argument(help="the number of the promotion", min=1)]
Words = Annotated[str, typer.Option("--words", help="what is to be said")]

promotions = typer.Typer(help="What is proposed, and what became of it.", no_args_is_help=True)
rollouts = typer.Typer(help="Traffic that comes to a version by steps.", no_args_is_help=True)
policies = typer.Typer(help="The policies that hold, and what they ask for.", no_args_is_help=True)


def plan(
    context: typer.Context,
    to: To,
    ref: Annotated[
        str,
        typer.Argument(
            help="registry/model:version, …@alias or …@stage:staging; with --all a registry or model"
        ),
    ] = "",
    into: Annotated[
        str, typer.Option(help="another registry that it would be registered in", autocompletion=models)
    ] = "",
    whole: Annotated[
        bool, typer.Option("--all", help="of every version that a policy on the stage is on")
    ] = False,
) -> int:
    """Run every check of a promotion without proposing it. Exit code 1 when a check says no."""
    if whole:
        return _survey(context.obj, ref, to)
    if not ref:
        raise CommandError("say which version, or --all")
    return _plan(context.obj, "/promotions", {"ref": ref, "to": to, **({"into": into} if into else {})})


def _plan(invocation: Invocation, path: str, body: Mapping[str, Any]) -> int:
    """What would be done, and what of it is there."""
    found = ask(invocation, "POST", path, body={**body, "dry_run": True})
    if not as_json(invocation, found):
        _print_judgement(found)
    return NO if found["says_no"] else OK


def _survey(invocation: Invocation, under: str, to: str) -> int:
    """Every version that policies on a stage are on, with the checks that keep it back."""
    found: list[Any] = []
    with connect(invocation) as gateway:
        cursor: str | None = ""
        while cursor is not None:
            page = gateway.get("/plans", to=to, under=under, limit=AT_ONCE, cursor=cursor)
            found += page["versions"]
            cursor = page["next_cursor"]
    refused = [one for one in found if one["refused"]]
    if not as_json(invocation, found):
        rows = [
            (one["ref"], one["stage"], check["verdict"], check["name"], check["seen"], check["policy"])
            for one in refused
            for check in one["refused"]
        ]
        if rows:
            emit_table(("VERSION", "STAGE", "", "CHECK", "SEEN", "POLICY"), rows)
        say(f"{len(found)} versions under a policy on {to}, {len(refused)} of them kept back")
    return NO if refused else OK


def promote(
    context: typer.Context,
    ref: Ref,
    reason: Reason,
    to: Annotated[
        Stage | None, typer.Option("--to", help="the stage; with --into it may be left out")
    ] = None,
    into: Annotated[
        str, typer.Option(help="register it in another registry, or as a model there", autocompletion=models)
    ] = "",
    wait: Wait = True,
) -> int:
    """Propose to bring a version to a stage; it is carried out once everything is there that policies ask for. Exit
    code 1 when it ended otherwise.
    """
    if not (to or into):
        raise CommandError("say where: --to STAGE, or --into REGISTRY")
    body = {"ref": ref, "to": to or "none", "reason": reason, **({"into": into} if into else {})}
    return _begin(context.obj, "/promotions", body, wait)


def emergency(context: typer.Context, ref: Ref, to: To, reason: Reason, wait: Wait = True) -> int:
    """Bring a version to a stage at once, whatever policies ask; somebody else reviews it. Takes the role emergency."""
    body = {"ref": ref, "to": to, "reason": reason, "emergency": True}
    return _begin(context.obj, "/promotions", body, wait)


def rollback(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="registry/model", autocompletion=models)],
    reason: Annotated[str, typer.Option(help="why, in words")] = "",
    to: Annotated[str, typer.Option("--to", help="the version to go back to; else who held it before")] = "",
    stage: Annotated[Stage, typer.Option(help="the stage that is rolled back")] = "production",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="only show what would come back and change")
    ] = False,
    wait: Wait = True,
) -> int:
    """Bring back the version that was in production before. Exit code 1 when it is not."""
    body = {"model": model, "reason": reason, "stage": stage, **({"to": to} if to else {})}
    if dry_run:
        return _plan(context.obj, "/rollbacks", body)
    return _begin(context.obj, "/rollbacks", body, wait)


def approve(
    context: typer.Context,
    ident: Ident,
    words: Words = "",
    evidence: Annotated[
        str, typer.Option(help="only while the evidence is still the one that show printed")
    ] = "",
    wait: Wait = True,
) -> int:
    """Agree to a promotion, on the evidence as it is now."""
    body = {"words": words, **({"evidence": evidence} if evidence else {})}
    return _begin(context.obj, f"/promotions/{ident}/approve", body, wait)


def attest(
    context: typer.Context,
    ref: Ref,
    file: Annotated[Path, typer.Argument(help="what is stated; it is kept byte for byte")],
    kind: Annotated[
        StatementKind,
        typer.Option(
            help="signature (model-signing), scan (modelscan, picklescan, SARIF), evaluation or check"
        ),
    ] = "signature",
    digest: Annotated[str, typer.Option(help="the artifact that it is about")] = "",
) -> int:
    """State something about the artifact of a version. Exit code 1 when that says no."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from None
    body = {"kind": kind, "content": base64.b64encode(content).decode(), "digest": digest}
    found = ask(context.obj, "POST", f"/versions/{of_reference(ref)}/statements", body=body)
    if not as_json(context.obj, found):
        emit_line(f"{found['verdict']}: {found['summary']} ({found['maker'] or 'nobody known'})")
    return NO if found["verdict"] == "no" else OK


def reject(context: typer.Context, ident: Ident, reason: Reason) -> int:
    """End a promotion; whoever could approve it may."""
    return _say(context.obj, ident, "reject", reason)


@promotions.command("list")
def list_(
    context: typer.Context,
    state: Annotated[State | None, typer.Option(help="only those in this state; open: not ended yet")] = None,
    mine: Annotated[bool, typer.Option("--mine", help="only those that you could approve now")] = False,
    limit: Annotated[int, typer.Option(min=1, max=200, help="so many of the newest")] = 20,
) -> None:
    """Promotions, newest first."""
    found = get(context.obj, "/promotions", state=state, limit=limit, waiting_for="me" if mine else "")
    if as_json(context.obj, found):
        return
    rows = [
        (
            one["id"],
            one["ref"],
            one["to"],
            one["kind"],
            one["state"],
            when(one["proposed_at"]),
            one["proposer_name"],
        )
        for one in found["promotions"]
    ]  # fmt: skip
    emit_table(("PROMOTION", "OF", "TO", "KIND", "STATE", "PROPOSED", "BY"), rows)
    if not rows:
        say("there is no such promotion" if state or mine else "nothing was proposed yet")


@promotions.command()
def show(context: typer.Context, ident: Ident) -> int:
    """A promotion: every check, who said what, and what became of it."""
    return _report(context.obj, get(context.obj, f"/promotions/{ident}"))


@promotions.command()
def wait(
    context: typer.Context,
    ident: Ident,
    patience: Annotated[float, typer.Option(help="so many seconds at most", min=0)] = 3600.0,
) -> int:
    """Wait for the end of a promotion, also for people. Exit code 0: it is done; 1: it ended otherwise, or has not."""
    with connect(context.obj) as gateway, worked(gateway, wait=True):
        end, found = time.monotonic() + patience, gateway.get(f"/promotions/{ident}")
        while not found["finished_at"] and time.monotonic() < end:
            time.sleep(WAITING_EVERY)
            found = gateway.get(f"/promotions/{ident}")
        code = _report(context.obj, found)
    return code if found["finished_at"] else NO


@promotions.command()
def comment(context: typer.Context, ident: Ident, words: Words) -> int:
    """Say something about a promotion."""
    return _say(context.obj, ident, "comments", words)


@promotions.command()
def cancel(context: typer.Context, ident: Ident, words: Words = "") -> int:
    """Take a promotion back that has not begun."""
    return _say(context.obj, ident, "cancel", words)


@promotions.command()
def review(context: typer.Context, ident: Ident, words: Words) -> int:
    """Close the review of what somebody else did in an emergency."""
    return _say(context.obj, ident, "review", words)


@rollouts.command("list")
def list_rollouts(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=200, help="so many of the newest")] = 20,
) -> None:
    """Rollouts, newest first."""
    found = get(context.obj, "/rollouts", limit=limit)
    if as_json(context.obj, found):
        return
    rows = [(one["id"], one["ref"], one["state"], _rolled(one)) for one in found["promotions"]]
    emit_table(("PROMOTION", "OF", "STATE", "TRAFFIC"), rows)
    if not rows:
        say("no traffic comes to a version by steps")


@rollouts.command("show")
def show_rollout(context: typer.Context, ident: Ident) -> int:
    """A rollout, as `promotions show`."""
    return show(context, ident)


@rollouts.command()
def stop(context: typer.Context, ident: Ident, words: Words) -> int:
    """Put the former shares of traffic back, and end the promotion."""
    return _report(context.obj, ask(context.obj, "POST", f"/rollouts/{ident}/stop", body={"words": words}))


def _rolled(found: Mapping[str, Any]) -> str:
    """How far the traffic of a promotion has come, in words."""
    rollout = found["rollout"]
    where = ", ".join(rollout["names"].get(one, one) for one in rollout["former"])
    share = f"{rollout['terms']['steps'][rollout['done'] - 1]} %" if rollout["done"] else "not moved yet"
    if rollout["back"]:
        share = "the former shares" if rollout["done"] else "not yet the former shares"
    if found["state"] == "failed":
        share = f"taken back after {share}" if rollout["done"] else "not moved"
    elif found["undone"] or rollout["stopped"]:
        share = f"being taken back from {share}"
    return f"{share} at {where}" + (", stopped" if rollout["stopped"] else "")


def _print_rollout(found: Mapping[str, Any]) -> None:
    """How far it has come, what the version has now, and what can be done."""
    emit_line(f"  traffic: {_rolled(found)}")
    for endpoint, percent in found["shares"].items():
        emit_line(f"  now: {percent:g} % at {found['rollout']['names'].get(endpoint, endpoint)}")
    if found["state"] == "executing" and not found["undone"] and not found["rollout"]["stopped"]:
        say(f"`waypost rollouts stop {found['id']} --words …` puts the former shares back")
    elif found["state"] == "failed" and found["kind"] == "promotion":
        say(f"to try it again: `waypost promote {found['ref']} --to {found['to']} --reason …`")


@promotions.command()
def report(
    context: typer.Context,
    ident: Ident,
    name: Annotated[str, typer.Argument(help="the check, as the policy calls it: ci/validation")],
    verdict: Annotated[Verdict, typer.Option(help="how it ended")],
    address: Annotated[str, typer.Option("--address", help="where its result is to be read")] = "",
    figure: Annotated[list[str] | None, typer.Option(help="NAME=NUMBER")] = None,
    digest: Annotated[str, typer.Option(help="the artifact that was checked")] = "",
    wait: Wait = True,
) -> int:
    """Say how an outside check of a promotion ended."""
    figures = dict(map(_figure, figure or []))
    body = {"verdict": verdict, "url": address, "figures": figures, "digest": digest}
    path = f"/promotions/{ident}/checks/{quote(name, safe='/')}"
    return _begin(context.obj, path, body, wait, method="PUT")


@policies.command("list")
def list_policies(context: typer.Context) -> None:
    """The policies that hold."""
    found = get(context.obj, "/policies")
    if as_json(context.obj, found):
        return
    rows = [
        (one["name"], one["on"], one["stage"], one["digest"][:12], when(one["since"]))
        for one in found["policies"]
    ]
    emit_table(("POLICY", "ON", "STAGE", "DIGEST", "SINCE"), rows)
    if not rows:
        say("no policy holds: the role decides who sets a stage")


@policies.command()
def explain(context: typer.Context, name: Annotated[str, typer.Argument(help="the policy's name")]) -> None:
    """What a policy asks for, in words."""
    found = next((one for one in get(context.obj, "/policies")["policies"] if one["name"] == name), None)
    if found is None:
        raise CommandError(f"no policy {name} holds that you may see: `waypost policies list` names them")
    if as_json(context.obj, found):
        return
    emit_line(
        f"{found['name']} guards {found['stage']} of {found['on']}: only a promotion changes who holds it."
    )
    for line in found["asks"]:
        emit_line(f"  {line}")


@policies.command()
def check(context: typer.Context) -> int:
    """Which policies nobody can satisfy. Exit code 1 when there is one."""
    found = get(context.obj, "/policies")
    lacking = found["unsatisfiable"]
    if lacking is None:
        raise CommandError(
            "whether people can agree is for operators to see: ask with the role operator on *"
        )
    if not as_json(context.obj, lacking):
        for line in lacking:
            emit_line(line)
        if not lacking:
            say(f"{len(found['policies'])} policies: people can satisfy each")
    return NO if lacking else OK


def _begin(
    invocation: Invocation, path: str, body: Mapping[str, Any], wait: bool, method: str = "POST"
) -> int:
    """Ask for something, and wait while it is carried out."""
    with connect(invocation) as gateway, worked(gateway, wait=wait):
        found = gateway.ask(method, path, body=body)
        return _report(invocation, settled(gateway, found) if wait else found)


def settled(gateway: Gateway, found: Any) -> Any:
    """As it stands once it has ended, is stuck, or waits for somebody."""
    end = time.monotonic() + PATIENCE
    while not _rests(found) and time.monotonic() < end:
        time.sleep(LOOK_EVERY)
        found = gateway.get(f"/promotions/{found['id']}")
    return found


def _rests(found: Mapping[str, Any]) -> bool:
    judged = found["judgement"]
    return bool(found["finished_at"] or found["state"] == "stuck" or (judged and judged["waits_for"]))


def _say(invocation: Invocation, ident: int, word: str, words: str) -> int:
    found = ask(invocation, "POST", f"/promotions/{ident}/{word}", body={"words": words})
    if not as_json(invocation, found):
        _print_promotion(found)
    return OK


def _report(invocation: Invocation, found: Mapping[str, Any]) -> int:
    if not as_json(invocation, found):
        _print_promotion(found)
    if found["state"] == "stuck":
        return UNREACHABLE
    return NO if found["finished_at"] and found["state"] != "done" else OK


def _print_promotion(found: Mapping[str, Any]) -> None:
    emit_line(f"promotion {found['id']}: {found['ref']} to {found['to']}, {found['kind']}: {found['state']}")
    emit_line(f"  {found['proposer_name']} ({when(found['proposed_at'])}): {found['reason']}")
    if came := found["origin"]:
        emit_line(f"  promotion {came['promotion']} registered it here, from {came['ref']}")
    for one in found["said"]:
        emit_line(f"  {one['name']} ({when(one['at'])}): {one['kind']} {one['words']}".rstrip())
    if found["judgement"]:
        _print_judgement(found["judgement"])
    if found["rollout"]:
        _print_rollout(found)
    if found["crossing"]:
        _print_crossing(found["crossing"])
    if found["message"]:
        say(found["message"])
    if found["review"] == "open":
        say(f"somebody else reviews this: `waypost promotions review {found['id']} --words …`")


def _print_crossing(found: Mapping[str, Any]) -> None:
    emit_line(f"  into {found['made'] or found['into']}")
    if found["reference"]:
        say(f"only the address of its artifact is registered there: {found['reference']}")
    elif found["digest"]:
        emit_line(f"  {len(found['files'])} files were copied, {found['digest']} at both ends")
    if found["then"]:
        say(f"its stage there: `waypost promotions show {found['then']}`")


def _print_judgement(found: Mapping[str, Any]) -> None:
    if found["is_so_already"]:
        say(f"{found['ref']} is {found['to']} already")
    if not found["policies"]:
        say("no policy has a say: the role decides")
    rows = [
        (one["verdict"], one["name"], one["expected"], one["seen"], one["policy"]) for one in found["checks"]
    ]
    if rows:
        emit_table(("", "CHECK", "EXPECTED", "SEEN", "POLICY"), rows)
    for need in (one for one in found["needs"] if one["count"]):
        emit_line(
            f"{need['given']} of {need['count']} agreed, from {', '.join(need['from'])} ({need['policy']})"
        )
        if need["given"] < need["count"]:
            emit_line(f"  could: {', '.join(need['could']) or 'nobody who is known here'}")
    for one in found["stages"]:
        emit_line(f"{one['ref']}: {one['before']} -> {one['after']}")
    for line in found["waits_for"]:
        say(f"waits for {line}")
    say(f"evidence {found['evidence']}")


def _figure(text: str) -> tuple[str, float]:
    name, equals, value = text.partition("=")
    try:
        if name and equals:
            return name, float(value)
    except ValueError:
        pass
    raise CommandError(f"--figure is NAME=NUMBER, not {text}")
