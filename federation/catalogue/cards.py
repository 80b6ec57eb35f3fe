"""The model card of a version: what it is for, its limits, data, evaluation and ethics, wherever somebody wrote that.

It is read each time from what is known: the backend's own card, tags, and the sections of a README that stands in the
description. What nobody wrote, or only a template holds, is not there.
"""

import re
from collections.abc import Iterator, Mapping

import msgspec

from adapters import CARD_PARTS, Discovered
from federation.catalogue.reader import Version

LONGEST = 4000
"""Characters of a part that are kept."""
HEADINGS: Mapping[str, re.Pattern[str]] = {
    "intended_use": re.compile(r"\b(intended uses?|direct use|purpose)\b|^uses?$"),
    "limitations": re.compile(r"\b(limitations?|caveats?|out-of-scope|misuse|risks?)\b"),
    "data": re.compile(r"\b(training data|data|datasets?|training details)\b"),
    "evaluation": re.compile(r"\b(evaluation|results|metrics|performance|benchmarks?)\b"),
    "ethics": re.compile(r"\b(ethics|ethical|bias|fairness)\b"),
}
"""What a heading says about its section, in lower case. One section may be about several parts."""
_HEADING = re.compile(r"(#{1,6})[ \t]+(.+?)[ \t#]*")
_FENCE = ("```", "~~~")
_EMPTY = re.compile(r"[\W_]*(more information needed|to ?do|tbd|n/?a|none|unknown|-)?[\W_]*", re.IGNORECASE)
"""What a template holds before somebody has filled it in."""


class CardPart(msgspec.Struct, frozen=True):
    """One part of a card, in the words of whoever wrote it, and where they stand."""

    text: str
    source: str


def card_of(version: Version, adapters: Discovered) -> dict[str, CardPart]:
    """The parts that are known, by their names in `CARD_PARTS`."""
    found: dict[str, CardPart] = {}
    for part, source, text in _said(version, adapters):
        if part not in found and not _EMPTY.fullmatch(text):
            found[part] = CardPart(text.strip()[:LONGEST], source)
    return {part: found[part] for part in CARD_PARTS if part in found}


def _said(version: Version, adapters: Discovered) -> Iterator[tuple[str, str, str]]:
    """Each thing that is said of a part, with where it stands: what goes before first."""
    record, model = version.record, version.model_record
    try:
        own = adapters.get(version.kind).card(record)
    except Exception:  # a plugin's mistake must not take the page with it
        own = {}
    yield from ((part, "the backend's card", str(text)) for part, text in own.items() if part in CARD_PARTS)
    for tags, whose in ((record.tags, "tag"), (model.tags, "tag of the model")):
        for part in CARD_PARTS:
            for name in (f"card.{part}", f"model_card.{part}", part):
                if name in tags:
                    yield part, f"{whose} {name}", tags[name]
    for text, whose in ((record.description, "description"), (model.description, "description of the model")):
        for heading, section in _sections(text or ""):
            for part in CARD_PARTS:
                if HEADINGS[part].search(heading.lower()):
                    yield part, f"{whose}, {heading}", section


def _sections(text: str) -> Iterator[tuple[str, str]]:
    """The headings of a Markdown text, each with what stands below it up to the next of its level."""
    lines, fenced = text.splitlines(), False
    heads: list[tuple[int, int, str]] = []
    for number, line in enumerate(lines):
        if line.lstrip().startswith(_FENCE):
            fenced = not fenced
        elif not fenced and line.startswith("#") and (found := _HEADING.fullmatch(line.rstrip())):
            heads.append((number, len(found[1]), found[2]))
    for place, (number, level, heading) in enumerate(heads):
        end = next((start for start, other, _ in heads[place + 1 :] if other <= level), len(lines))
        below = heads[place + 1][0] if place + 1 < len(heads) else len(lines)
        # A title over the whole text is about nothing of it; what stands right below it may be.
        yield heading, "\n".join(lines[number + 1 : below if level == 1 else end])
