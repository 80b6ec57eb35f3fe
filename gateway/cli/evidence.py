"""The evidence for one model or version: entries, proofs, checkpoint, keys, the verifier, and a page for people."""

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from federation.journal import verify
from federation.journal.entry import SYSTEM, Recorded, decode
from federation.journal.query import summarise
from gateway.cli.failure import CommandError

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


def write_evidence(folder: Path, ref: str, pieces: Iterable[bytes]) -> list[str]:
    """Write the folder; returns the names of its files. Errors: `CommandError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        strange = sorted(one.name for one in folder.glob("*.jsonl") if one.name != "entries.jsonl")
        if strange:
            raise CommandError(
                f"{folder} holds {strange[0]}, which is not of this evidence: name another folder"
            )
        with (folder / "entries.jsonl").open("wb") as file:
            file.writelines(pieces)
        bundle = _read(folder / "entries.jsonl")
        (folder / "checkpoint.txt").write_text(bundle.note, encoding="utf-8")
        (folder / "keys.txt").write_text("".join(f"{key}\n" for key in bundle.keys), encoding="utf-8")
        (folder / "verify.py").write_bytes(Path(verify.__file__).read_bytes())
        (folder / "evidence.html").write_text(page(ref, bundle), encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{error.filename or folder} cannot be written: {error.strerror}") from None
    return ["evidence.html", "entries.jsonl", "checkpoint.txt", "keys.txt", "verify.py"]


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
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{CSS}</style></head><body>{body}</body></html>\n"
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
        elif kind == "entry" and len(bundle.entries) < MOST_SHOWN:
            values = {}
            bundle.entries.append((decode(base64.b64decode(line["bytes"])), values))
        elif kind == "entry":
            values = {}
            bundle.more += 1
        elif kind == "value":
            values[line["name"]] = line["value"]
    return bundle


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for text in file:
            yield json.loads(text)
