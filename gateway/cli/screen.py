"""The terminal: data on standard output, messages on standard error, hostile text shown inert.

Names and descriptions come from backends that anybody may write to. Characters that steer a terminal or turn
the direction of text are shown as escapes, and nothing from outside is ever read as markup.
"""

import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

from gateway.characters import HIDDEN, inert
from gateway.cli.invocation import Invocation, addressed

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

WIDE = 1000
"""Columns where no terminal limits a line."""
GAP, FOLDED = 2, 10
"""Columns between two cells, and those that a cell has at least in which words may be broken."""
WHOLE, EXACT = 1e5, 1e15
"""From the one on a number is shown without a fraction, from the other on as a power of ten."""
STYLES = {
    **dict.fromkeys(("production", "ok"), "green"),
    **dict.fromkeys(("staging", "partial", "stale", "warn"), "yellow"),
    **dict.fromkeys(("failing", "failed", "fail", "breaks"), "bold red"),
    **dict.fromkeys(("archived", "none", "never", "detached"), "dim"),
    "live": "bold magenta",
}


def emit_json(data: object) -> None:
    """Print JSON; characters that could steer the terminal as JSON escapes, so it stays the same JSON."""
    text = json.dumps(data, ensure_ascii=False, indent=2)
    if not text.isascii():
        text = "".join(
            c if c == "\n" or unicodedata.category(c) not in HIDDEN else json.dumps(c)[1:-1] for c in text
        )
    sys.stdout.write(text + "\n")


def as_json(invocation: Invocation, found: object) -> bool:
    """Print what was found as JSON where that is wanted; whether it was."""
    if invocation.json:
        emit_json(found)
    return invocation.json


def emit_line(text: str = "") -> None:
    """Print one line of data."""
    sys.stdout.write(inert(text) + "\n")


def emit_text(text: str) -> None:
    """Print text as it is, or inert where it meets a terminal."""
    if sys.stdout.isatty():
        text = "\n".join(inert(line) for line in text.splitlines()) + "\n"
    sys.stdout.write(text)


def say(*messages: str) -> None:
    """Tell the person at the terminal something that is not data, each in a line."""
    for message in messages:
        sys.stderr.write(inert(addressed(message)) + "\n")


def ask(question: str, default: str) -> str:
    """A question to a person, on standard error, so that standard output holds data only. Errors: `typer.Abort`."""
    sys.stderr.write(f"{question} [{default}]: ")
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise typer.Abort
    return line.strip() or default


def confirmed(question: str) -> bool:
    """Whether a person says yes; no is what silence means."""
    return ask(f"{question} y/n", "n").lower() in ("y", "yes")


def console(*, stderr: bool = False) -> "Console":
    """A Rich console that reads no markup."""
    from rich.console import Console

    elsewhere = not (sys.stderr if stderr else sys.stdout).isatty()
    return Console(
        stderr=stderr, markup=False, highlight=False, emoji=False, width=WIDE if elsewhere else None
    )


def emit_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table: fitted to a terminal, or aligned in full where the output goes elsewhere. Nothing for no rows."""
    cells = [[_cell(value) for value in row] for row in rows]
    if not cells:
        return
    if sys.stdout.isatty():
        _draw(columns, cells)
    else:
        _align([columns, *([str(cell) for cell in row] for row in cells)])


def emit_fields(fields: Mapping[str, object]) -> None:
    """Names and values, one a line; absent values are left out."""
    shown = {name: value for name, value in fields.items() if value not in (None, "", [], {}, ())}
    width = max((len(name) for name in shown), default=0)
    for name, value in shown.items():
        emit_line(f"{name:<{width}}  {listed(value)}")


def _cell(value: object) -> "Text | str":
    from rich.text import Text

    return value if isinstance(value, Text) else inert(listed(value))


def listed(value: object) -> str:
    """A value in one line: lists with commas, mappings as `name=value`."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}" if WHOLE <= abs(value) < EXACT else f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={listed(one)}" for name, one in value.items())
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(listed(one) for one in value)
    return str(value)


def _draw(columns: Sequence[str], rows: Sequence[Sequence["Text | str"]]) -> None:
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    lines = [[str(cell).split("\n") for cell in column] for column in zip(*rows, strict=True)]
    widths = [
        max(cell_len(name), *(cell_len(line) for cell in column for line in cell))
        for name, column in zip(columns, lines, strict=True)
    ]
    whole = [any("/" in cell[0] and " " not in cell[0] for cell in column) for column in lines]
    least = [width if kept else min(width, FOLDED) for width, kept in zip(widths, whole, strict=True)]
    there = console().width
    if sum(least) + GAP * (len(columns) - 1) > there:
        _list(columns, rows, there)
        return
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold dim")
    for name, width, kept in zip(columns, widths, whole, strict=True):
        table.add_column(name, overflow="fold", no_wrap=kept, min_width=width if kept else None)
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell, STYLES.get(cell, "")) for cell in row))
    console().print(table)


def _list(columns: Sequence[str], rows: Sequence[Sequence["Text | str"]], width: int) -> None:
    """Rows below each other, where beside each other would break references: its first cell, then what it has."""
    import textwrap

    for row in rows:
        first, *rest = (str(cell) for cell in row)
        named = (
            f"{name.lower()} {cell}".strip() for name, cell in zip(columns[1:], rest, strict=True) if cell
        )
        sys.stdout.write(first + "\n")
        for line in textwrap.wrap(
            "; ".join(named), max(width - 2, 20), break_long_words=False, break_on_hyphens=False
        ):
            sys.stdout.write(f"  {line}\n")


def _align(rows: Sequence[Sequence[str]]) -> None:
    from rich.cells import cell_len

    widths = [max(cell_len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        parts = [cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)]
        sys.stdout.write("  ".join(parts).rstrip() + "\n")


def when(moment: Any) -> str:
    """An ISO time to the minute, in UTC; empty for none."""
    if not moment:
        return ""
    found = datetime.fromisoformat(str(moment)).astimezone(UTC)
    return found.strftime("%Y-%m-%d %H:%M")


def ago(moment: Any) -> str:
    """How long ago an ISO time was, roughly; `never` for none."""
    if not moment:
        return "never"
    seconds = max(
        0.0, (datetime.now(UTC) - datetime.fromisoformat(str(moment)).astimezone(UTC)).total_seconds()
    )
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 model`, `2,000 models`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {plural or noun + 's'}"
