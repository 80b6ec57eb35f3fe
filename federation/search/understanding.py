"""What a request in people's words asks for: dates, sizes, bounds, licences, tasks, languages, what a model is made of.

`understand` is pure. It reads a stretch of words and says of some of them what they mean as a qualifier of the search
language. A reading widens what its words find and never narrows it: a version answers it by the words or by the
qualifier. The rules, in the order in which they are tried where a word begins:

- identifiers: a long hexadecimal word is the beginning of a commit, digest, run or image
- bounds: `recall above 0.9`; sizes: `7b`, `under 10M parameters`, `between 1b and 3b`
- order: `best auc`, `lowest wer`, `newest`
- dates: `released 2026`, `since march`, `before 2024-06`, `last year`
- origin: `based on X`, `fine-tuned from X`, `quantized X`; data: `trained on X`, `X dataset`; publisher: `by X`
- licence: `licensed under X`, `X license`
- the lexicon: tasks, languages, licences, frameworks; filler words, which nothing has to have, and vague ones, which
  are left out before others
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, TypeAlias

from federation.search.lexicon import CODE, Concept, Lexicon, Phrase
from federation.search.syntax import quoted
from federation.search.told import SCALE
from federation.search.words import chunks, fold, singular, spans

Meaning: TypeAlias = Literal[
    "identifier", "metric", "size", "sort", "date", "origin", "dataset", "publisher", "license", "task", "language",
    "framework", "guess", "vague", "filler",
]  # fmt: skip
COST: dict[Meaning, int] = {
    "identifier": 9, "publisher": 4, "task": 4, "origin": 4, "language": 3, "license": 3, "framework": 3, "dataset": 3,
    "date": 2, "size": 2, "metric": 2, "guess": 3, "vague": 1, "sort": 0, "filler": 0,
}  # fmt: skip
"""What leaving a part of a request out costs: the least is left out first."""
FRENCH = frozenset(
    {"modele", "modeles", "pour", "par", "les", "des", "un", "une", "du", "avec", "qui", "sur", "et"}
)
"""Among such words `de` is no German."""
GUESSES: frozenset[Meaning] = frozenset({"publisher", "dataset", "origin", "identifier"})
"""Worth telling only where something is found by them."""
LISTED: frozenset[Meaning] = frozenset({"task", "language", "framework"})
"""What the lexicon lists: words for it are words like others."""
BITS = {"4": ("fp4", "nf4", "nvfp4", "mxfp4", "w4a16"), "8": ("fp8", "w8a8", "w8a16"), "16": ("fp16", "bf16")}
"""What weights of so many bits are called besides `4bit`, `int4` and `q4`."""
OR_EQUAL = ("at ", "=", "up to", "≥", "≤", "mindestens", "höchstens", "au moins", "au plus")
MONTHS = tuple(zip(
    ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
     "december"),
    ("januar", "februar", "märz", "april", "mai", "juni", "juli", "august", "september", "oktober", "november",
     "dezember"),
    ("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre",
     "décembre"),
    strict=True,
))  # fmt: skip
"""What each month is called."""
SHORT = 3
"""Letters of a month's name that are enough."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A stretch of what was typed, from `start` to `end`, and what it means: a `query` in the search language, or an
    order to `sort` by. `words` are other words for it; where it `is_sure` nothing but the query answers it."""

    start: int
    end: int
    meaning: Meaning
    query: str = ""
    sort: str = ""
    words: tuple[Phrase, ...] = ()
    is_sure: bool = False


Found: TypeAlias = Iterable[Reading] | None
Rule: TypeAlias = tuple[re.Pattern[str], Callable[["_Context", re.Match[str]], Found]]


@dataclass(frozen=True, slots=True)
class _Context:
    lexicon: Lexicon
    today: date


def understand(
    text: str, lexicon: Lexicon, today: date, literal: frozenset[str] = frozenset()
) -> list[Reading]:
    """The readings of a stretch of words, in order, none over another. What is in `literal`, folded, is left alone."""
    context = _Context(lexicon, today)
    tokens = list(spans(text))
    words = [fold(token[0]) for token in tokens]
    found: list[Reading] = []
    at = 0
    while at < len(tokens):
        start = tokens[at].start()
        readings = [
            one
            for one in _at(context, text, tokens, words, at)
            if fold(text[one.start : one.end]) not in literal
        ]
        end = max((one.end for one in readings), default=start)
        found += readings
        at += 1
        while at < len(tokens) and tokens[at].start() < end:
            at += 1
    return found


def _at(
    context: _Context, text: str, tokens: list[re.Match[str]], words: list[str], at: int
) -> Iterable[Reading]:
    start = tokens[at].start()
    if start == 0 or text[start - 1].isspace() or text[start - 1] in "<>=~+#":
        for pattern, read in RULES:
            matched = pattern.match(text, start)
            readings = None if matched is None else read(context, matched)
            if readings is not None:
                return list(readings)
    return _of_lexicon(context.lexicon, text, tokens, words, at)


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether a stretch is no part of a longer name, as `mlx` is of `mlx-community`."""
    after = re.match(rf"(?!{_OF_LICENCE})[/_+-]|\.\w", text[end:], re.IGNORECASE)
    return not re.search(r"[\w/_.+-]\Z", text[:start]) and after is None


def _of_lexicon(
    lexicon: Lexicon, text: str, tokens: list[re.Match[str]], words: list[str], at: int
) -> Iterator[Reading]:
    taken, concepts = lexicon.meant(words, at)
    start, end = tokens[at].start(), tokens[at + taken - 1].end()
    is_filler = taken == 1 and (words[at] in lexicon.filler or (words[at] == "de" and FRENCH & set(words)))
    if is_filler or not _stands_alone(text, start, end):
        concepts = tuple(one for one in concepts if is_filler and one.kind == "license")
    if taken == 1 and len(words[at]) == CODE and not tokens[at][0].islower():
        concepts = tuple(one for one in concepts if one.kind != "language")
    if concepts:
        yield Reading(start, end, concepts[0].kind, _asked(concepts), words=_words(concepts))
    elif is_filler:
        yield Reading(start, end, "filler")
    elif singular(words[at]) in lexicon.vague and _stands_alone(text, *tokens[at].span()):
        yield Reading(*tokens[at].span(), "vague")


def guessed(concept: Concept) -> Reading:
    """What nobody said in words that are known, and a request seems to mean."""
    return Reading(0, 0, "guess", _asked([concept]))


def _asked(concepts: Iterable[Concept]) -> str:
    """`task:(text-to-speech OR tts)`, for each kind that there is."""
    values: dict[str, dict[str, None]] = {}
    for concept in concepts:
        values.setdefault(concept.kind, {}).update(dict.fromkeys(concept.values))
    return " OR ".join(_listed(kind, held) for kind, held in values.items())


def _listed(field: str, values: Iterable[str]) -> str:
    written = [_value(value) for value in values]
    return f"{field}:{written[0]}" if len(written) == 1 else f"{field}:({' OR '.join(written)})"


def _value(text: str) -> str:
    """As a value of the language, which keeps its `*` at the end where it needs no quotes."""
    stem = text.rstrip("*")
    written = quoted(stem)
    return f"{written}*" if written == stem != text else written


def _words(concepts: Iterable[Concept]) -> tuple[Phrase, ...]:
    return tuple(dict.fromkeys(words for concept in concepts for words in concept.words))


# --- rules: a pattern and what a match of it means; None where it means nothing after all --------------------

_NUMBER = r"(\d+(?:\.\d+)?)"
_MORE = (
    r"above|over|more than|greater than|larger than|bigger than|higher than|better than|at least|exceeding"
    r"|min(?:imum)?|>=?|≥|über|mehr als|größer als|mindestens|plus de|au moins|supérieure? à"
)
_LESS = (
    r"(?:no|not|nothing|none|never)\s+(?:bigger|larger|more|greater|higher)\s+than|below|under|less than|smaller than"
    r"|fewer than|lower than|at most|up to|max(?:imum)?|<=?|≤|unter|weniger als|kleiner als|höchstens|moins de|au plus"
    r"|inférieure? à"
)
_SCALED = r"\s*(k|m|b|bn|t|million|billion|thousand|trillion)"
_PARAMETERS = r"(?:[\s-]*(?:de\s+)?(?:param(?:eter|ètre)?[sn]?|weights))"
_ABOUT = r"(?:(?:around|about|roughly|approximately|circa|ca\.?)\s+|~\s*)?"
_SIZED = r"(?:(?:(?:total|model)\s+)?size\s+(?:of\s+)?)?"
_NAMED = r"([^\s,]+(?:\s+(?=[^\s]*\d)(?!\d+-?bits?\b)[\w./-]+){0,2})"
_END = r"(?=[\s,;?!)]|\.?$|\.\s)"
_ARTICLE = r"(?:(?:the|a|an)\s+)?"
_OF_LICENCE = r"-(?:lizenz|licen[sc]ed?)\b"


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text + _END, re.IGNORECASE)


def _identifier(context: _Context, found: re.Match[str]) -> Found:
    word = found[0].lower()
    if (word.isalpha() or word.isdigit()) and len(word) < 20:
        return None
    fields = " OR ".join(f"{name}:{word}" for name in ("commit", "digest", "run", "image"))
    return [Reading(*found.span(), "identifier", fields)]


def _size_bound(context: _Context, found: re.Match[str]) -> Found:
    count = float(found[3]) * SCALE[found[4][0].lower()]
    sign = ">=" if found[1] else "<="
    return [Reading(*found.span(), "size", f"parameters:{sign}{count:.0f}")]


def _size_between(context: _Context, found: re.Match[str]) -> Found:
    high = float(found[3]) * SCALE[found[4][0].lower()]
    low = float(found[1]) * (SCALE[found[2][0].lower()] if found[2] else SCALE[found[4][0].lower()])
    return [Reading(*found.span(), "size", f"parameters:{low:.0f}..{high:.0f}")]


def _size(context: _Context, found: re.Match[str]) -> Found:
    """About as many: what is called 7b has 6.3 to 7.9 billion parameters."""
    count = float(found[1]) * SCALE[found[2][0].lower()]
    own = tuple(chunks(f"{found[1]}{found[2][0]}"))
    return [Reading(*found.span(), "size", f"parameters:{count * 0.9:.0f}..{count * 1.13:.0f}", words=(own,))]


def _bits(context: _Context, found: re.Match[str]) -> Found:
    names = [f"{found[1]}bit", f"int{found[1]}", f"q{found[1]}", *BITS.get(found[1], ())]
    return [Reading(*found.span(), "size", " OR ".join(names))]


def _metric_bound(context: _Context, found: re.Match[str]) -> Found:
    value = float(found[4]) / (100 if found[5] else 1)
    name = _metric_name(
        context.lexicon, found[1], exact=not (found[5] or value <= 1 or found[2] in ("<", ">"))
    )
    if name is None:
        return None
    shift, metric = name
    sign = (">" if found[2] else "<") + "=" * any(word in found[0].lower() for word in OR_EQUAL)
    bounds = [f"metric.{_key(one)}:{sign}{value:g}" for one in _spelled(metric)]
    if found[5]:
        bounds += [f"metric.{_key(one)}:{sign}{value * 100:g}" for one in _spelled(metric)]
    return [Reading(found.start() + shift, found.end(), "metric", " OR ".join(bounds))]


def _metric_name(lexicon: Lexicon, text: str, *, exact: bool) -> tuple[int, str] | None:
    """The longest ending of a text that names a metric, and where it begins; else the text, where it is one word."""
    tokens = list(spans(text))
    for first in range(len(tokens)):
        if lexicon.metric([fold(token[0]) for token in tokens[first:]]) is not None:
            start = tokens[first].start()
            return start, text[start:].strip()
    if exact or len(text.split()) > 1 or set(chunks(text)) & lexicon.filler or text[:1].isdigit():
        return None
    return 0, text


def _spelled(metric: str) -> list[str]:
    forms = dict.fromkeys(
        [metric, "_".join(chunks(metric)), "-".join(chunks(metric)), " ".join(chunks(metric))]
    )
    return [f"{head}{form}" for form in forms for head in ("", "eval_", "test_", "val_", "validation_")]


def _key(name: str) -> str:
    return name if re.fullmatch(r"[\w@/-]+", name) else '"' + name.replace("\\", "").replace('"', "") + '"'


def _best(context: _Context, found: re.Match[str]) -> Found:
    words = chunks(found[2])
    for length in range(len(words), 0, -1):
        more = context.lexicon.metric(words[:length])
        if more is not None:
            end = found.start(2) + [token.end() for token in spans(found[2])][length - 1]
            metric = "_".join(words[:length])
            wants_least = found[1].lower() in ("lowest", "smallest", "least", "minimal")
            ascending = wants_least or (not more and found[1].lower() in ("best", "top"))
            sort = f"metric.{metric}{':asc' if ascending else ''}"
            return [Reading(found.start(), end, "sort", sort=sort)]
    return None


def _newest(context: _Context, found: re.Match[str]) -> Found:
    return [Reading(*found.span(), "sort", sort="created" if found[1] else "created:asc")]


def _date(context: _Context, found: re.Match[str]) -> Found:
    """A year, a month of a year, a day, or since when or until when."""
    how, month, year, rest = found[1], found[2], found[3], found[4]
    number = _month(month)
    if year is None and (number is None or how is None):
        return None
    when = year or str(context.today.year - (context.today.month < (number or 0)))
    text = f"{when}-{number:02d}" if number else f"{when}{rest or ''}"
    sign = _SINCE.get((how or "").lower().replace(" in", ""), "")
    words = () if sign else (tuple(chunks(text)),)
    return [Reading(*found.span(), "date", f"released:{sign}{text}", words=words)]


_SINCE = {"since": ">=", "after": ">", "newer than": ">", "later than": ">", "before": "<", "older than": "<",
          "until": "<=", "till": "<=", "starting": ">=", "from": "", "seit": ">=", "ab": ">=", "nach": ">", "vor": "<",
          "bis": "<=", "depuis": ">=", "après": ">", "avant": "<"}  # fmt: skip


def _month(text: str | None) -> int | None:
    name = (text or "").lower().rstrip(".")
    called = (index for index, names in enumerate(MONTHS, 1) for month in names if month.startswith(name))
    return next(called, None) if name else None


def _lately(context: _Context, found: re.Match[str]) -> Found:
    today, unit = context.today, found[2].lower()
    if unit == "year":
        text = str(today.year - (found[1].lower() == "last"))
    elif unit == "month":
        first = today.replace(day=1)
        text = f"{first if found[1].lower() == 'this' else first - timedelta(days=1):%Y-%m}"
    else:
        text = f">={today - timedelta(days=7):%Y-%m-%d}"
    return [Reading(*found.span(), "date", f"released:{text}")]


def _origin(context: _Context, found: re.Match[str]) -> Found:
    head, name = found[1], found[2]
    also = f" OR {_listed('dataset', _beginnings(name))}" if head.lower().split()[-1] == "on" else ""
    query = f"{_listed('parent', _beginnings(name))}{also}"
    return [Reading(*found.span(1), "filler"), Reading(*found.span(2), "origin", query)]


def _quantized(context: _Context, found: re.Match[str]) -> Found:
    return [Reading(*found.span(2), "origin", _listed("parent", _beginnings(found[2])))]


def _dataset(context: _Context, found: re.Match[str]) -> Found:
    readings = [Reading(*found.span(1), "filler"), _reading_of_data(found, 2)]
    return readings if fold(found[2]) not in context.lexicon.filler else None


def _data_of(context: _Context, found: re.Match[str]) -> Found:
    if fold(found[1]) in context.lexicon.filler or context.lexicon.meant(chunks(found[1]), 0)[1]:
        return None
    return [_reading_of_data(found, 1), Reading(*found.span(2), "filler")]


def _reading_of_data(found: re.Match[str], group: int) -> Reading:
    return Reading(*found.span(group), "dataset", _listed("dataset", _beginnings(found[group])))


def _beginnings(name: str) -> list[str]:
    """The name and what begins so, with each sign between its words."""
    plain = re.sub(r"\s+", " ", name.strip(".,;:?!"))
    return [f"{form}*" for form in dict.fromkeys([plain.replace(" ", "-"), plain.replace(" ", "_")])]


def _publisher(context: _Context, found: re.Match[str]) -> Found:
    name = found[2].rstrip(".,;:?!")
    words = chunks(name)
    if not words or words[0] in context.lexicon.filler or context.lexicon.meant(words, 0)[1]:
        return None
    query = f"model:{_value(f'{name}/*')} OR {_listed('owner', [name])}"
    place = (found.start(2), found.start(2) + len(name))
    is_sure = (
        found[1].lower() in ("by", "made by", "published by", "released by", "publisher")
        and name[0].isupper()
    )
    return [Reading(*found.span(1), "filler"), Reading(*place, "publisher", query, is_sure=is_sure)]


def _license(context: _Context, found: re.Match[str]) -> Found:
    head, name = found[1], found[2]
    words = chunks(name)
    before = chunks(found.string[: found.start()])[-1:]
    if before and any(one.kind == "license" for one in context.lexicon.meant(before, 0)[1]):
        return None
    if (
        name.isdigit()
        or not words
        or words[0] in context.lexicon.filler
        or context.lexicon.meant(words, 0)[1]
    ):
        return None
    query = _listed("license", _beginnings(name))
    beside = [Reading(*found.span(1), "filler"), Reading(*found.span(2), "license", query)]
    return sorted(beside, key=lambda one: one.start) if head else beside[1:]


def _licensed(context: _Context, found: re.Match[str]) -> Found:
    words = chunks(found[1])
    if not words or words[0] in context.lexicon.filler or context.lexicon.meant(words, 0)[1]:
        return None
    query = _listed("license", _beginnings(found[1]))
    return [Reading(*found.span(1), "license", query), Reading(*found.span(2), "filler")]


_YEAR = r"((?:19|20)\d\d)(-\d\d(?:-\d\d)?)?"
_MONTHS = {short for names in MONTHS for month in names for short in (month, month[:SHORT])} | {"sept"}
_MONTH = rf"({'|'.join(sorted(_MONTHS, key=len, reverse=True))})\.?"
_CAME = (
    r"(?:(?:released|published|created|made|launched|came out|new|veröffentlicht|erschienen|publiée?s?|sortie?s?)"
    r"\s+)?"
)
_HOW = rf"(?:({'|'.join([*_SINCE, 'in', 'of', 'im', 'en'])})(?:\s+(?:in|the))?\s+)?"
RULES: tuple[Rule, ...] = (
    (_pattern(r"[0-9a-f]{7,}"), _identifier),
    (_pattern(rf"between\s+{_NUMBER}{_SCALED}?\s+and\s+{_NUMBER}{_SCALED}{_PARAMETERS}?"), _size_between),
    (_pattern(rf"{_SIZED}(?:({_MORE})|({_LESS}))\s*{_NUMBER}{_SCALED}{_PARAMETERS}?"), _size_bound),
    (
        _pattern(
            rf"([a-z][\w@/-]*(?:\s+[\w@-]+){{0,2}}?)\s*(?:score\s+|value\s+)?(?:of\s+|is\s+)?(?:({_MORE})|({_LESS}))"
            rf"\s*{_NUMBER}\s*(%|percent)?"
        ),
        _metric_bound,
    ),
    (_pattern(rf"{_ABOUT}{_SIZED}{_NUMBER}\s?(k|m|b|bn|t|million|billion){_PARAMETERS}?"), _size),
    (_pattern(r"(\d{1,2})[\s-]?bits?"), _bits),
    (
        _pattern(
            r"(best|highest|top|lowest|smallest|least|minimal|maximal|fastest)\s+([\w@-]+(?:\s+[\w@-]+){0,3}?)"
        ),
        _best,
    ),
    (_pattern(r"(?:(newest|most recent|most recently released)|(oldest))"), _newest),
    (_pattern(rf"{_CAME}{_HOW}(?:{_MONTH}\s+)?{_YEAR}"), _date),
    (_pattern(rf"{_CAME}{_HOW}{_MONTH}()()"), _date),
    (
        _pattern(
            r"(?:released\s+|published\s+)?(?:in\s+|from\s+)?(?:the\s+)?(last|this)\s+(year|month|week)"
        ),
        _lately,
    ),
    (
        _pattern(
            r"((?:fine[\s-]?tun(?:ed?|ing)|finetunes?|derived|distilled|adapted|merged|quanti[sz]ed|converted)\s+"
            r"(?:versions?\s+|cop(?:y|ies)\s+|variants?\s+)?(?:from|on|of)|(?:based|built)\s+(?:up)?on|"
            r"(?:versions?|variants?|adapters?|derivatives?)\s+(?:of|for)|basier(?:t|end)\s+auf|basée?s?\s+sur|"
            rf"dérivée?s?\s+de)\s+{_ARTICLE}{_NAMED}"
        ),
        _origin,
    ),
    (_pattern(rf"(quanti[sz]ed)\s+(?=\S*[\d/])(?!\d-?bit){_NAMED}"), _quantized),
    (
        _pattern(
            r"((?:pre-?)?(?:trained|evaluated|tested|learn(?:ed|t)|benchmarked)\s+(?:on|with|from|using)(?:\s+the)?|saw|seen|"
            r"trainiert\s+(?:auf|mit)|entraînée?s?\s+(?:sur|avec))\s+"
            r"((?-i:[A-Z][\w./+-]*(?:\s+[A-Z][\w./+-]*)+)|[A-Za-z_./+-]+\s+(?=\S*\d)[\w.-]+|[\w./+-]+)"
        ),
        _dataset,
    ),
    (_pattern(r"([A-Za-z_.-]+\s+(?=\S*\d)[\w.-]+|[\w.-]+)\s+(data\s?sets?|corpus|benchmark)"), _data_of),
    (_pattern(rf"(licen[sc]ed\s+(?:under|as|with)|licen[sc]e(?:\s+is)?)\s+{_ARTICLE}([\w.+-]+)"), _license),
    (_pattern(r"([\w.+-]+)\s+(licen[sc]ed?)"), _licensed),
    (
        _pattern(rf"(by|from|made by|published by|released by|publisher|of)\s+{_ARTICLE}([A-Za-z][\w.-]+)"),
        _publisher,
    ),
    (_pattern(r"(von|vom|par|de|du)\s+((?-i:[A-Z])[\w.-]+)"), _publisher),
)
"""Where a word begins, the first that matches and means something counts."""
