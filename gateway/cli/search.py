"""`waypost search`: find models across every registry; `waypost similar`: those that are like a version."""

import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from federation.search.fields import facet_names
from gateway.characters import inert
from gateway.cli.asked import Gateway
from gateway.cli.client import connect, get, of_reference, require_address
from gateway.cli.completion import among
from gateway.cli.failure import UNREACHABLE, CommandError
from gateway.cli.invocation import URL, Invocation
from gateway.cli.models import Ref
from gateway.cli.screen import (
    STYLES,
    ago,
    as_json,
    counted,
    emit_line,
    emit_table,
    listed,
    say,
)

if TYPE_CHECKING:
    from rich.text import Text

COLUMNS = ("VERSION", "STAGE", "TEAM", "ALIASES", "FRAMEWORK", "UPDATED", "OTHERS")
SHOWN_FIELDS = ("description",)
"""Fields without a column of their own whose highlights stand under a hit."""
ORDERS, GROUPS = ("relevance", "updated", "created", "name"), ("model", "version")
EXCERPT = 100
MEANING = 80
WATCH_EVERY = 2.0
CLEAR = "\x1b[2J\x1b[H"


class SearchCommand(TyperCommand):
    """Takes what begins with one minus for a word to leave out, but for `-h` and the value of an option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments that are left over; see the base class. A blank before a minus makes it one of a word."""
        flags = {name for one in self.params if getattr(one, "is_flag", False) for name in one.opts}
        own = args[: args.index("--")] if "--" in args else args
        read: list[str] = []
        for before, word in zip(["", *own], own, strict=False):
            is_value = before.startswith("--") and before not in flags and "=" not in before
            is_word = word[:1] == "-" and word[1:2] != "-" and word != "-h" and not is_value
            read.append(f" {word}" if is_word else word)
        return super().parse_args(ctx, [*read, *args[len(own) :]])


def search(
    context: typer.Context,
    query: Annotated[
        list[str] | None,
        typer.Argument(help='words, "phrases", -not, OR, and qualifiers such as stage:production'),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="hits on a page")] = 20,
    cursor: Annotated[str, typer.Option(help="go on where a page ended")] = "",
    sort: Annotated[
        str,
        typer.Option(
            help="relevance, updated, created, name or metric.NAME; - before it turns it round",
            autocompletion=among(ORDERS),
        ),
    ] = "",
    facets: Annotated[str, typer.Option(help=f"count by {facet_names()}")] = "",
    group: Annotated[
        str, typer.Option(help="model: one hit a model; version: every version", autocompletion=among(GROUPS))
    ] = "model",
    explain: Annotated[bool, typer.Option("--explain", help="say why a hit is where it is")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="words are words and all of them must match: for scripts")
    ] = False,
    literal: Annotated[
        str, typer.Option(help="parts of QUERY, with commas between, that are words only")
    ] = "",
    watch: Annotated[bool, typer.Option("--watch", help="search again every two seconds")] = False,
    web: Annotated[bool, typer.Option("--web", help="open the search in a browser")] = False,
) -> None:
    """Find models and versions across every registry."""
    invocation: Invocation = context.obj
    text = " ".join(query or ()).strip()
    if group not in ("model", "version"):
        raise CommandError(f"--group is model or version, not {group}")
    asked = {
        "q": text, "limit": limit, "cursor": cursor, "sort": sort, "facets": facets, "group": group,
        "explain": explain or None, "strict": strict or None, "literal": literal,
    }  # fmt: skip
    if web:
        shown = ("q", "sort", "group", "limit", "cursor", "strict", "literal")
        _open(invocation, {name: asked[name] for name in shown})
        return
    with connect(invocation) as gateway:
        if watch:
            _watch(invocation, gateway, asked)
        else:
            print_answer(invocation, _ask(gateway, asked))


def similar(
    context: typer.Context,
    ref: Ref,
    limit: Annotated[int, typer.Option(min=1, max=200, help="at most so many")] = 10,
) -> None:
    """Other models that are like a version, by text, lineage, schema and metrics, and what they have in common."""
    found = get(context.obj, f"/versions/{of_reference(ref)}/similar", limit=limit)
    if as_json(context.obj, found):
        return
    rows = [
        (
            one["ref"],
            f"{one['score']:.2f}",
            one["stage"],
            one["team"],
            [_because(why) for why in one["because"]],
        )
        for one in found["similar"]
    ]
    emit_table(("VERSION", "LIKE IT", "STAGE", "TEAM", "BECAUSE"), rows)
    if not rows:
        say(f"nothing is like {inert(found['ref'])}, as far as the registries say")
    _tell_registries(found)


def _because(why: Mapping[str, Any]) -> str:
    shared = shortened(", ".join(why["shared"])) or "close in meaning"
    return f"{why['by']} {why['score']:.2f} ({shared})"


def _ask(gateway: Gateway, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    answer: Mapping[str, Any] = gateway.get("/search", **asked)
    return answer


def _watch(invocation: Invocation, gateway: Gateway, asked: Mapping[str, Any]) -> None:
    """Print the answer again and again until somebody interrupts. An outage is told once, and waited out."""
    began, away = False, False
    while True:
        try:
            answer = _ask(gateway, asked)
        except CommandError as error:
            if error.code != UNREACHABLE or not began:
                raise
            if not away:
                say(f"{error}: this is still the last answer, asking again every {WATCH_EVERY:.0f} s")
            away = True
        else:
            if sys.stdout.isatty():
                sys.stdout.write(CLEAR)
            print_answer(invocation, answer)
            sys.stdout.flush()  # a pipe would hold it back until there is more
            began, away = True, False
        time.sleep(WATCH_EVERY)


def _open(invocation: Invocation, asked: Mapping[str, Any]) -> None:
    import webbrowser
    from urllib.parse import urlencode

    if not invocation.url:
        raise CommandError(f"--web opens a running gateway: name it with --url or {URL}")
    require_address(invocation.url)
    address = f"{invocation.url}/?{urlencode({name: value for name, value in asked.items() if value})}"
    if webbrowser.open(address):
        say(f"opened {address}")
    else:
        say("there is no browser here: open this address in one")
        emit_line(address)


def print_answer(invocation: Invocation, answer: Mapping[str, Any]) -> None:
    """Show what a search found."""
    if as_json(invocation, answer):
        return
    for correction in answer.get("corrections", ()):
        say(f"little was found for {correction['word']}: showing results for {correction['instead']} as well")
    emit_table(COLUMNS, [_row(hit) for hit in answer["hits"]])
    _tell_understood(answer)
    for field, values in answer.get("facets", {}).items():
        counts = (f"{one['value'] or '(none)'} {one['count']}" for one in values)
        emit_line(f"{field}: {listed(counts)}")
    _explain(answer["hits"])
    _tell(answer)


def _tell_understood(answer: Mapping[str, Any]) -> None:
    """What the words were taken for and how that is taken back, what was left out, and what comes near."""
    for chip in answer.get("understood", ()):
        meant = chip.get("query") or f"sort by {chip['sort']}"
        say(
            f"understood {inert(chip['text'])} as {inert(shortened(meant))} (--literal {inert(repr(chip['text']))})"
        )
    if answer.get("relaxed"):
        say(f"left out: {inert(', '.join(answer['relaxed']))} (--strict: nothing)")
    for one in answer.get("unknown", ()):
        near = (
            f": the nearest {'is' if len(one['nearest']) == 1 else 'are'} {inert(', '.join(one['nearest']))}"
            if one["nearest"]
            else ""
        )
        say(f"nothing has {inert(one['qualifier'])}{near}")
    if answer.get("by_meaning"):
        say("what is close in meaning stands among what has some of the words")
    if answer.get("nothing_fits"):
        say("nothing fits" + (", these come near:" if answer.get("near") else ""))
        if answer.get("near"):
            emit_table(COLUMNS, [_row(hit) for hit in answer["near"]])


def _row(hit: Mapping[str, Any]) -> Sequence[object]:
    others = f"+{hit['others']}" if hit.get("others") else ""
    return (
        _reference(hit), hit["stage"] or "", hit["team"], hit.get("aliases", ()), hit.get("framework"),
        ago(hit["updated"]) if hit.get("updated") else "", others,
    )  # fmt: skip


def _reference(hit: Mapping[str, Any]) -> "Text":
    """The reference, with what was found in the model's name marked, and an excerpt of where else it was found."""
    from rich.text import Text

    reference = inert(hit["ref"])
    text = Text(
        reference,
        STYLES.get(hit["stage"] or "", "").replace("bold ", "") if hit["stage"] == "archived" else "",
    )
    for highlight in hit.get("highlights", ()):
        for start, end in highlight["ranges"]:
            word = inert(highlight["text"][start:end])
            place = reference.lower().find(word.lower())
            if highlight["field"] not in SHOWN_FIELDS and place >= 0:
                text.stylize("bold cyan", place, place + len(word))
        if highlight["field"] in SHOWN_FIELDS and sys.stdout.isatty() and highlight["ranges"]:
            text.append("\n")
            text.append(_excerpt(highlight))
    return text


def shortened(text: str) -> str:
    """A text as far as a line takes it."""
    return text if len(text) <= MEANING else f"{text[: MEANING - 1]}…"


def _excerpt(highlight: Mapping[str, Any]) -> "Text":
    from rich.text import Text

    whole, (start, end) = highlight["text"], highlight["ranges"][0]
    begin = max(0, start - EXCERPT // 3)
    before, word, after = whole[begin:start], whole[start:end], whole[end : begin + EXCERPT]
    dots = ("…" if begin else "", "…" if begin + EXCERPT < len(whole) else "")
    return Text.assemble(
        (f"  {dots[0]}{inert(before)}", "dim"), (inert(word), "cyan"), (f"{inert(after)}{dots[1]}", "dim")
    )


def _explain(hits: Sequence[Mapping[str, Any]]) -> None:
    for hit in hits:
        if hit.get("explanation"):
            emit_line(f"{hit['ref']}: score {hit['score']:.4f}: {listed(hit['explanation'])}")


def _tell(answer: Mapping[str, Any]) -> None:
    say(f"{counted(answer['versions'], 'version')} of {counted(answer['models'], 'model')}")
    _tell_registries(answer)
    if answer.get("next_cursor"):
        say(f"more: --cursor {answer['next_cursor']}")


def _tell_registries(answer: Mapping[str, Any]) -> None:
    """How fresh and how whole the answer is."""
    for registry in answer["registries"]:
        if registry["state"] not in ("ok", "detached"):
            say(f"{registry['name']} is {registry['state']}: last synchronised {ago(registry['synced_at'])}")
    if not answer["registries"]:
        say("no registry is known yet: `waypost init` configures one, `waypost sync` reads it")
    elif answer.get("partial"):
        say("this may not be everything: a registry could not be read whole, or the index is being built")
