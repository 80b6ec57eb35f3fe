"""The evidence for one model or version: entries, proofs, checkpoint, keys, the verifier, and a page for people."""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from html import escape, unescape
from pathlib import Path
from typing import Any

from federation.journal import verify
from federation.journal.journal import SYSTEM, Action, Recorded, decode, summarise
from gateway.cli.failure import CommandError

PAGE, ENTRIES = "evidence.html", "entries.jsonl"
GENERATOR = "waypost evidence 2"
"""Stands in the page. Another one when it is laid out anew: so an older page is not taken for a changed one."""
TITLE = re.compile(r"<title>Evidence: (.*?)</title>", re.DOTALL)
MOST_SHOWN = 2000
"""So many entries stand on the page; the file has all."""
CSS = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24 }
h1 { font-size: 1.6rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100%; font-size: .9rem }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid #d0d7de }
code, pre { font: .85rem/1.4 ui-monospace, monospace; overflow-wrap: anywhere; white-space: pre-wrap }
pre { background: #f6f8fa; padding: .8rem; border-radius: 6px }
@media (prefers-color-scheme: dark) {
  body { background: #0d1117; color: #e6edf3 } pre { background: #161b22 } th, td { border-color: #30363d }
}
"""


@dataclass(slots=True)
class _Bundle:
    """What of a bundle stands on the page."""

    origin: str = ""
    note: str = ""
    keys: list[str] = field(default_factory=list)
    entries: list[tuple[Recorded, dict[str, str]]] = field(default_factory=list)
    more: int = 0
    refs: set[str | None] = field(default_factory=set)
    """What the entries are about, but for those that announce keys."""

    def is_about(self, ref: str) -> bool:
        """Whether each entry is about this model or version, or a version or alias of this model."""
        return all(
            one is not None and (one == ref or one.startswith((f"{ref}:", f"{ref}@"))) for one in self.refs
        )


def write_evidence(folder: Path, ref: str, pieces: Iterable[bytes]) -> list[str]:
    """Write the folder; returns the names of its files. Errors: `CommandError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        strange = sorted(one.name for one in folder.glob("*.jsonl") if one.name != ENTRIES)
        if strange:
            raise CommandError(
                f"{folder} holds {strange[0]}, which is not of this evidence: name another folder"
            )
        with (folder / ENTRIES).open("wb") as file:
            file.writelines(pieces)
        bundle = _read(folder / ENTRIES)
        (folder / "checkpoint.txt").write_text(bundle.note, encoding="utf-8")
        (folder / "keys.txt").write_text("".join(f"{key}\n" for key in bundle.keys), encoding="utf-8")
        (folder / "verify.py").write_bytes(Path(verify.__file__).read_bytes())
        (folder / PAGE).write_text(page(ref, bundle), encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{error.filename or folder} cannot be written: {error.strerror}") from None
    return [PAGE, ENTRIES, "checkpoint.txt", "keys.txt", "verify.py"]


def compare_page(folder: Path, report: verify.Report) -> None:
    """Make the page of a folder again from its entries, which were found right, and compare the two.

    The report gets a problem where they differ; a page that another Waypost laid out stays among what is not checked.
    Errors: `CommandError`.
    """
    if not report.ok or PAGE not in report.unchecked or not (folder / ENTRIES).is_file():
        return
    try:
        found = (folder / PAGE).read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise CommandError(f"{error.filename} cannot be read: {error.strerror}") from None
    if f'content="{GENERATOR}"' not in found:
        return
    title = TITLE.search(found)
    ref, bundle = unescape(title[1]) if title else "", _read(folder / ENTRIES)
    report.unchecked.remove(PAGE)
    if bundle.is_about(ref) and page(ref, bundle) == found:
        report.notes.append(f"{PAGE} says what the entries say")
    else:
        report.problem = verify.ExportProblem(
            f"{PAGE} is not the page of these entries: it was changed", None
        )


def page(ref: str, bundle: _Bundle) -> str:
    """The page for people."""
    checkpoint = verify.parse_checkpoint(verify.parse_note(bundle.note.encode()).text)
    rows = "".join(_row(recorded, values) for recorded, values in bundle.entries)
    more = f"<p>{bundle.more:,} more entries stand in entries.jsonl.</p>" if bundle.more else ""
    nothing = "" if rows else "<p>The log has no entry about it.</p>"
    body = f"""<h1>What is recorded of {escape(ref)}</h1>
<p>From the audit log <code>{escape(bundle.origin)}</code>, which counted {checkpoint.size:,} entries when this was
written.</p>
<table><thead><tr><th>No.</th><th>Recorded</th><th>Happened</th><th>Who</th><th>What</th></tr></thead>
<tbody>{rows}</tbody></table>{more}{nothing}
<h2>What this proves</h2>
<ul>
<li>Each entry above is in the log, byte for byte, at this number; none was changed, added or put elsewhere since the
checkpoint below was signed.</li>
<li>The log was signed by the keys below. Where a witness countersigned, the log had this content no later than the
time in its countersignature, and cannot have been rewritten since without the witness noticing.</li>
<li>An entry <code>operation.…</code> proves that this change was asked for through Waypost, by whom, and how it
ended.</li>
<li>Values that name people, and reasons, stand beside the log. Where one is here, it is the one the entry was written
with.</li>
</ul>
<h2>What it does not prove</h2>
<ul>
<li>An observed change proves when Waypost saw it, not when it happened: it happened within the interval under
“Happened”. Who made it is what the backend said.</li>
<li>That nothing else happened. These are the entries about {escape(ref)}; a whole export
(<code>waypost audit export</code>) shows that none is missing.</li>
<li>That the keys below are the right ones: compare them with keys you got from elsewhere, such as a witness.</li>
<li>That this page is as it was written. <code>verify.py</code> compares entries.jsonl, checkpoint.txt and keys.txt, and
names what it does not check: this page and itself. <code>waypost audit verify</code>, run by a Waypost that you trust,
makes the page again from the entries and compares it.</li>
<li>A value that is not here may have been erased at a person's request. The entry stands all the same.</li>
</ul>
<h2>Check it yourself</h2>
<p>With Python 3.11 or newer, without the gateway and without a network:</p>
<pre>pip install cryptography
python verify.py .</pre>
<p>To trust only a key you got elsewhere: <code>python verify.py --key NAME+ID+KEY .</code> To hold it against a
checkpoint that a witness kept: <code>python verify.py --checkpoint FILE .</code></p>
<h2>Checkpoint</h2><pre>{escape(bundle.note)}</pre>
<h2>Keys</h2><pre>{escape(chr(10).join(bundle.keys))}</pre>"""
    title = f"Evidence: {escape(ref)}"
    head = f'<meta charset="utf-8"><meta name="generator" content="{GENERATOR}"><title>{title}</title>'
    return (
        f'<!doctype html><html lang="en"><head>{head}<style>{CSS}</style></head><body>{body}</body></html>\n'
    )


def _row(recorded: Recorded, values: dict[str, str]) -> str:
    entry = recorded.entry
    who = values.pop("backend_actor", None)
    said = f"{entry.actor}" if entry.actor != SYSTEM else "seen by Waypost"
    actor = f"{escape(said)}<br>the backend says: {escape(who)}" if who else escape(said)
    more = "".join(f"<br>{escape(name)}: {escape(value)}" for name, value in values.items())
    what = escape(summarise(entry)) + more
    return (
        f"<tr><td>{recorded.seq}</td><td>{_time(recorded.time)}</td>"
        f"<td>{_interval(entry.not_before, entry.not_after)}</td><td>{actor}</td><td>{what}</td></tr>\n"
    )


def _interval(after: datetime | None, by: datetime | None) -> str:
    if by is None:
        return "when it was recorded"
    return f"not later than {_time(by)}" if after is None else f"between {_time(after)} and {_time(by)}"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _read(path: Path) -> _Bundle:
    bundle = _Bundle()
    values: dict[str, str] = {}
    for line in _lines(path):
        kind = line["type"]
        if kind == "export":
            bundle.origin = line["origin"]
        elif kind == "key":
            bundle.keys.append(line["key"])
        elif kind == "checkpoint":
            bundle.note = line["note"]
        elif kind == "entry":
            values = {}
            recorded = decode(base64.b64decode(line["bytes"]))
            if recorded.entry.action != Action.KEY_ROTATED:
                bundle.refs.add(recorded.entry.ref)
            if len(bundle.entries) < MOST_SHOWN:
                bundle.entries.append((recorded, values))
            else:
                bundle.more += 1
        elif kind == "value":
            values[line["name"]] = line["value"]
    return bundle


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for text in file:
            yield json.loads(text)
