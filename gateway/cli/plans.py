"""A plan on the terminal: what a change would do, before it is made."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.cli.failure import OK
from gateway.cli.invocation import Invocation
from gateway.cli.screen import as_json, emit_line, say

SHOWN = 20
"""References of a step that are printed."""


def show_plans(invocation: Invocation, plans: Sequence[Mapping[str, Any]], data: object) -> int:
    """Print plans; as JSON, `data`."""
    if as_json(invocation, data):
        return OK
    for plan in plans:
        for line in told(plan):
            emit_line(line)
        for note in notes(plan):
            say(note)
        say(f"to make exactly this: the same command with --plan {plan['token']} in place of --dry-run")
    if len(plans) > 1:
        say("each of these is a plan of its own, made from how things stand now")
    return OK


def told(plan: Mapping[str, Any], first: int = 1) -> Iterator[str]:
    """Its steps, numbered from `first`, with what each writes, then the stages, references and dependants it moves."""
    for number, step in enumerate(plan["steps"], first):
        yield f"{number}. {step['kind'].replace('_', ' ')} of {step['ref']}"
        for line in _written(step) or ["nothing: it is so already"]:
            yield f"   {line}"
    for one in plan["stages"]:
        yield f"{one['ref']}: {_stage(one, 'before')} -> {_stage(one, 'after')}"
    for one in plan["keeps"]:
        yield f"{one['ref']} stays {one['stage']} by {one['reason']}"
    for one in plan["meanings"]:
        yield f"{one['ref']} means {one['after'] or 'nothing'}, not {one['before'] or 'nothing'}"
    if plan["impact"]:
        counts = plan["impact"]["counts"]
        yield f"hit by it: {counts['breaking']} break, {counts['affected']} affected in all"
        for one in plan["impact"]["affected"]:
            yield f"   {'breaks  ' if one['breaks'] else ''}{one['ref']}: {one['reason']}"


def notes(plan: Mapping[str, Any]) -> list[str]:
    """What is not known of it, and what may come between."""
    return [note for note in (*plan["notes"], plan["impact_note"]) if note]


def _written(step: Mapping[str, Any]) -> list[str]:
    """What a step writes, makes and deletes, one line each."""
    lines = [
        f"{one['ref']}  {one['field']}: {_held(one['before'])} -> {_held(one['after'])}"
        for one in step["fields"]
    ]
    for what in ("made", "deleted"):
        lines += [f"{ref} is {what}" for ref in step[what][:SHOWN]]
        if len(step[what]) > SHOWN:
            lines.append(f"and {len(step[what]) - SHOWN} more are {what}")
    return lines


def _held(value: str | None) -> str:
    return "nothing" if value is None else value or "''"


def _stage(change: Mapping[str, Any], when_: str) -> str:
    stage, reason = change[when_], change[f"{when_}_reason"]
    return "not there" if stage is None else f"{stage} ({reason})" if reason else stage
