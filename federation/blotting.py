"""What an adapter says is shown to people, so no secret of its registry may stand in it, however it is spelled.

Backends say back what they were sent, and plugins what they know. Here, where it enters the federation, and nowhere
else, every secret is blotted out: as it is, in any case, with other white space, percent-encoded, escaped as JSON or
HTML, in base64 (alone, or as the pair of HTTP Basic) or in hex; and only then is a text squeezed and cut.
"""

import base64
import html
import json
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, wraps
from itertools import product
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus

from pydantic import BaseModel, SecretStr

from adapters import Adapter, AdapterError, BackendInfo, Page

T = TypeVar("T")
BLOT = "***"
LONGEST = 1000
"""Characters of a text that are kept."""
LOOKED_AT = 16_000
"""Characters of a text that are looked at; what lies behind them is dropped."""
SHORT = 6
"""A secret of fewer characters is blotted only where it stands alone; no shorter beginning of one is, at a cut."""
CORE = 8
"""Characters of base64 that no neighbour has a share in, from which on they are recognised inside of others."""
_LOOKS_LIKE_ONE = re.compile(
    r"ya29\.[\w.-]+|eyJ[\w-]{10,}(?:\.[\w-]*){0,2}|AIza[\w-]{20,}|-----BEGIN[\s\S]*?(?:-----END[^-]*-----|\Z)"
    r"|(?i:bearer\s+[\w.~+/=-]{8,}|basic\s+[\w.~+/=-]{20,})|(?i:private_key|client_secret|refresh_token|password)[\"']?\s*[:=]\s*\S+"
)
"""Credentials that no configuration holds, because a library got them by itself."""
_IN_BASE64 = re.compile(r"[A-Za-z0-9+/_=-]|%2[bf]|%3d", re.IGNORECASE)
_BLANKS = r"(?:\s|\+|%(?:25)*(?:20|0[9a-d])|\\+[tnrfv]|\\+u00(?:20|0[9a-d]))+"
"""White space, however much of it is left."""
_SECRET_NAME = re.compile(r"key|secret|token|password", re.IGNORECASE)


class Blots:
    """The secrets of one registry, ready to be blotted out. `more` gives those that came up while it was used."""

    def __init__(self, config: BaseModel, more: Callable[[], Iterable[str]] = tuple) -> None:
        self._config, self._more = config, more
        self._known: dict[str, _Spelled] = {}

    def clean(self, text: str) -> str:
        """One line without any secret, of at most `LONGEST` characters."""
        text = text[:LOOKED_AT]
        spans = [found.span() for found in _LOOKS_LIKE_ONE.finditer(text)]
        for secret in {*self._configured, *filter(None, self._more())}:
            spelled = self._spelled(secret)
            spans += (found.span() for found in spelled.whole.finditer(text))
            spans += (_packed(text, found) for found in spelled.inside.finditer(text))
            spans += _cut_off(text, spelled.forms)
        line = " ".join(_blotted(text, spans).split())
        return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"

    def told(self, error: AdapterError) -> AdapterError:
        """The same in the contract's own class, fit to be shown, with nothing behind it."""
        kind = next(one for one in type(error).__mro__ if one.__module__ == AdapterError.__module__)
        made: AdapterError = kind(self.clean(str(error)))
        for name in vars(made):
            value = getattr(error, name)
            setattr(made, name, self.clean(value) if isinstance(value, str) else value)
        return made

    def answer(self, answer: T) -> T:
        """What an adapter returned, its remarks fit to be shown: bad records, what is missing or unread."""
        if isinstance(answer, Page):
            records = answer.records
            if any(getattr(one, "unread", None) for one in records):
                records = tuple(map(self.answer, records))
            stale = tuple(map(self.clean, answer.stale))
            bad = tuple(map(self.told, answer.bad))
            return replace(answer, bad=bad, records=records, stale=stale)  # type: ignore[arg-type]
        if isinstance(answer, Iterator):
            return self._each(answer)  # type: ignore[return-value]
        if isinstance(answer, BackendInfo):
            return replace(answer, missing=tuple(map(self.clean, answer.missing)))
        if unread := getattr(answer, "unread", None):
            return replace(answer, unread=replace(unread, reason=self.clean(unread.reason)))  # type: ignore[type-var]
        return answer

    def _each(self, pages: Iterator[T]) -> Iterator[T]:
        """The pages of a scan, one after the other; it is closed with this one."""
        told: AdapterError | None = None
        try:
            while (page := next(pages, None)) is not None:
                yield self.answer(page)
        except AdapterError as error:
            told = self.told(error)
        finally:
            if isinstance(pages, Generator):
                pages.close()
        if told is not None:
            raise told

    @cached_property
    def _configured(self) -> frozenset[str]:
        """Every secret value; of one that is JSON (a key file) also the secret parts."""
        found: set[str] = set()
        for value in _values(self._config):
            if isinstance(value, SecretStr):
                secret = value.get_secret_value()
                found |= {secret, *_parts(secret)}
        return frozenset(one for one in found if one.strip())

    @cached_property
    def _names(self) -> tuple[str, ...]:
        """What may stand before a secret in a pair of HTTP Basic."""
        return tuple(one for one in _values(self._config) if isinstance(one, str) and len(one) < 200)

    def _spelled(self, secret: str) -> "_Spelled":
        if secret not in self._known:
            pairs = [f"{name}:{secret}" for name in (*self._names, *self._configured)]
            packed = tuple(form for one in (secret, *pairs) for form in _base64(one))
            self._known[secret] = _Spelled(
                _any_of([_anyhow(secret), *map(_anyhow, packed), secret.encode("utf-8", "replace").hex()]),
                _any_of(list(_cores(secret))),
                (secret, " ".join(secret.split()), quote(secret, safe=""), quote_plus(secret), *packed),
            )
        return self._known[secret]


@dataclass(frozen=True, slots=True)
class _Spelled:
    """How a secret may be spelled: `whole`, or `inside` of other base64. A beginning of `forms` may stand at a cut."""

    whole: re.Pattern[str]
    inside: re.Pattern[str]
    forms: tuple[str, ...]


def guard(adapter: Adapter, config: BaseModel) -> Adapter:
    """The adapter, whose words hold no secret any more: what it returns and raises goes through here."""
    blots = Blots(config, adapter.credentials)
    for name, method in vars(Adapter).items():
        if callable(method) and not name.startswith("_") and name not in ("credentials", "close", "observe"):
            setattr(adapter, name, _guarded(adapter, name, blots))
    return adapter


def _guarded(adapter: Adapter, name: str, blots: Blots) -> Callable[..., Any]:
    own = vars(adapter).get(name)

    @wraps(getattr(adapter, name))
    def guarded(*args: Any, **kwargs: Any) -> Any:
        method = own or getattr(type(adapter), name).__get__(adapter)
        try:
            return blots.answer(method(*args, **kwargs))
        except AdapterError as error:
            told = blots.told(error)
        raise told

    return guarded


def _values(config: Any) -> Iterator[Any]:
    """Every value of a configuration, those inside of others too."""
    if isinstance(config, BaseModel):
        config = dict(config)
    if isinstance(config, Mapping):
        config = list(config.values())
    if isinstance(config, list | tuple | set | frozenset):
        for one in config:
            yield from _values(one)
    else:
        yield config


def _parts(secret: str) -> Iterator[str]:
    """The secret parts of one that is a JSON object."""
    try:
        found = json.loads(secret) if secret.lstrip().startswith("{") else None
    except (ValueError, RecursionError):
        return
    if isinstance(found, dict):
        yield from (v for k, v in found.items() if isinstance(v, str) and _SECRET_NAME.search(k) and v)


def _anyhow(text: str) -> str:
    """A pattern for a text of which every character may be escaped in some way."""
    spelled = "".join(_BLANKS if sign == " " else _character(sign) for sign in " ".join(text.split()))
    return spelled if len(text) >= SHORT else rf"(?<!\w){spelled}(?!\w)"


def _character(sign: str) -> str:
    forms = [re.escape(sign), "".join(f"%(?:25)*{byte:02x}" for byte in sign.encode("utf-8", "replace"))]
    if sign in "\"\\/'":
        forms.append(r"\\+" + re.escape(sign))
    if html.escape(sign) != sign:
        forms.append(re.escape(html.escape(sign)))
    if ord(sign) < 1 << 16:
        forms.append(rf"\\+u{ord(sign):04x}")
    return f"(?:{'|'.join(forms)})"


def _any_of(patterns: list[str]) -> re.Pattern[str]:
    return re.compile("|".join(dict.fromkeys(patterns)) or r"(?!)", re.IGNORECASE)


def _base64(text: str) -> list[str]:
    plain = base64.b64encode(text.encode("utf-8", "replace")).decode()
    return list(dict.fromkeys((plain, plain.translate(str.maketrans("+/", "-_")))))


def _cores(secret: str) -> Iterator[str]:
    """Patterns for the base64 of any text that holds the secret, wherever in it that begins."""
    raw = secret.encode("utf-8", "replace")
    for before, alphabet in product(range(3), ("+/", "-_")):
        packed = base64.b64encode(bytes(before) + raw, alphabet.encode()).decode()
        core = packed[(before * 8 + 5) // 6 : (before + len(raw)) * 8 // 6]
        if len(core) >= CORE:
            yield _anyhow(core)


def _packed(text: str, found: re.Match[str]) -> tuple[int, int]:
    """Where the base64 lies that a match is a part of."""
    begin, end = found.span()
    while begin and _IN_BASE64.match(text, begin - 1):
        begin -= 1
    while after := _IN_BASE64.match(text, end):
        end = after.end()
    return begin, end


def _cut_off(text: str, forms: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Where a text ends with the beginning of a secret, because somebody has cut it."""
    plain = text.casefold().rstrip(" .…")
    if len(text.casefold()) != len(text):
        return
    for form in forms:
        form = form.casefold()
        for size in range(min(len(form), len(plain)), SHORT - 1, -1):
            if plain.endswith(form[:size]):
                yield len(plain) - size, len(plain)
                break


def _blotted(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """The text with each of the spans blotted out, those that touch as one."""
    found: list[str] = []
    at = 0
    for begin, end in sorted(spans):
        if begin > at or not found:
            found += [text[at:begin], BLOT]
        at = max(at, end)
    return "".join([*found, text[at:]])
