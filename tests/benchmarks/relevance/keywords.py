"""Makes keyword requests from the facts of real public models: a person has one model in mind and types what they
remember of it. Seeded, so that everyone gets the same ones.

A request is kept only when what it says singles the model out well enough for "the one I mean" to make sense: by name,
at most three names hold all its parts; by description, no other record has all its facts.
"""

import random
import re
from collections.abc import Callable, Iterator

from tests.benchmarks.relevance.models import LANGUAGES, Record, facts, having, lower_names, records
from tests.benchmarks.relevance.request import JudgedRequest

SEED = 20261121
KINDS = ("exact name", "part of the name", "one typo", "description", "task + property", "abbreviation")

# Established in the field. The record holds the long form (as its task or a tag), the person types the short one.
ABBREVIATIONS = {
    "automatic-speech-recognition": "asr", "text-to-speech": "tts",
    "named-entity-recognition": "ner", "visual-question-answering": "vqa", "question-answering": "qa",
    "voice-activity-detection": "vad", "text-to-image": "t2i",
    "text-to-video": "t2v", "image-to-video": "i2v", "fill-mask": "mlm", "object-detection": "od",
    "multiple-object-tracking": "mot", "text-generation": "llm", "image-text-to-text": "vlm",
    "self-supervised": "ssl", "universal-dependencies": "ud", "vision-transformer": "vit",
}  # fmt: skip


Maker = Callable[[Record, random.Random], str | None]


def made(per_kind: int, seed: int = SEED) -> list[JudgedRequest]:
    """`per_kind` requests of each kind; every second one of a kind has an odd number."""
    found: list[JudgedRequest] = []
    for kind, make in MAKERS.items():
        found.extend(_of_kind(kind, make, random.Random(f"{seed}/{kind}"), per_kind))
    return found


def _of_kind(kind: str, make: Maker, chance: random.Random, count: int) -> Iterator[JudgedRequest]:
    numbers = iter(range(count))
    for record in chance.sample(records(), len(records())):
        text = make(record, chance)
        if text is not None:
            number = next(numbers, None)
            if number is None:
                return
            yield JudgedRequest(number, kind, text, frozenset({record["name"]}))


def _exact_name(record: Record, chance: random.Random) -> str | None:
    """As the publisher writes it, in half of the cases in lower case."""
    name: str = record["name"]
    return name.lower() if chance.random() < 0.5 else name


def _part_of_name(record: Record, chance: random.Random) -> str | None:
    """Two or three parts of the name in their order, not all of them, separated by spaces."""
    parts = _parts(record["name"])
    if len(parts) < 3:
        return None
    count = min(chance.choice((2, 3)), len(parts) - 1)
    kept = [parts[index] for index in sorted(chance.sample(range(len(parts)), count))]
    return " ".join(kept).lower() if _names_with(kept) <= 3 else None


def _one_typo(record: Record, chance: random.Random) -> str | None:
    """The last segment of the name with one slip in a part of at least five letters."""
    last: str = record["name"].rpartition("/")[2]
    words = list(re.finditer(r"[A-Za-z]{5,}", last))
    if not words or _names_with(_parts(last)) > 3:
        return None
    word = chance.choice(words)
    return (last[: word.start()] + _slip(word[0], chance) + last[word.end() :]).lower()


def _slip(word: str, chance: random.Random) -> str:
    """One letter is left out, doubled by a neighbour, replaced or swapped; the first letter is mostly right."""
    at = chance.randrange(1, len(word) - 1)
    letter = chance.choice("abcdefghijklmnopqrstuvwxyz")
    slips = (
        word[:at] + word[at + 1 :],
        word[:at] + letter + word[at:],
        word[:at] + letter + word[at + 1 :],
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
    )
    changed = [slip for slip in slips if slip.lower() != word.lower()]
    return chance.choice(changed)


def _description(record: Record, chance: random.Random) -> str | None:
    """Two to five facts (tags, library, publisher, data sets, languages) that no other record has together."""
    return _singled_out(record, chance, facts(record) - {f"task={record['task']}"}, [], 5)


def _task_and_property(record: Record, chance: random.Random) -> str | None:
    """The task and as few other facts as single the record out."""
    if not record["task"]:
        return None
    task = f"task={record['task']}"
    return _singled_out(record, chance, facts(record) - {task}, [task], 4)


def _abbreviation(record: Record, chance: random.Random) -> str | None:
    """A short form for what the record spells out, with other facts or a part of its name."""
    spelled = [fact for fact in sorted(facts(record)) if fact.partition("=")[2] in ABBREVIATIONS]
    if not spelled:
        return None
    fact = chance.choice(spelled)
    short = ABBREVIATIONS[fact.partition("=")[2]]
    part = chance.choice(_parts(record["name"]))
    holders = [other for other in records() if fact in facts(other) and part.lower() in other["name"].lower()]
    if len(holders) == 1 and len(part) > 2:
        return f"{short} {part.lower()}"
    rest = facts(record) - {fact}
    said = _singled_out(record, chance, rest, [fact], 4)
    return said and said.replace(_say(fact), short, 1)


def _singled_out(
    record: Record, chance: random.Random, known: set[str], start: list[str], most: int
) -> str | None:
    """Facts in random order until they hold for this record only; None when `most` are not enough."""
    chosen = list(start)
    left: set[int] = (
        set.intersection(*(having()[fact] for fact in start)) if start else set(range(len(records())))
    )
    for fact in chance.sample(sorted(known), len(known)):
        narrower = left & having()[fact]
        if len(narrower) == len(left):
            continue
        chosen.append(fact)
        left = narrower
        if len(left) == 1:
            return " ".join(_say(fact) for fact in chosen)
        if len(chosen) == most:
            return None
    return None


def _say(fact: str) -> str:
    kind, _, value = fact.partition("=")
    if kind == "language":
        return LANGUAGES[value]
    return re.sub(r"[-_]", " ", value).lower()


def _parts(name: str) -> list[str]:
    return [part for part in re.split(r"[^\w.+]+|_", name) if part]


def _names_with(parts: list[str]) -> int:
    wanted = [part.lower() for part in parts]
    return sum(all(part in name for part in wanted) for name in lower_names())


MAKERS: dict[str, Maker] = dict(
    zip(
        KINDS,
        (_exact_name, _part_of_name, _one_typo, _description, _task_and_property, _abbreviation),
        strict=True,
    )
)
