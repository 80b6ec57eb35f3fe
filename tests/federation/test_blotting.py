"""Whatever an adapter says, in whatever spelling, no secret of its registry is in what the federation takes from it."""

import base64
import html
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import Field, SecretStr

from adapters import (
    Adapter,
    AdapterConfig,
    AuthError,
    BackendInfo,
    BadRecordError,
    Key,
    Mark,
    ModelRecord,
    NotFoundError,
    Page,
    TransientError,
    UnderWayError,
    Unread,
)
from federation.blotting import LONGEST, Blots, guard

SECRET = "made/up+Crédential  0123456789"


class HouseConfig(AdapterConfig):
    """A registry with all kinds of secrets."""

    username: str = "svc"
    password: SecretStr = Field(default=SecretStr(SECRET), description="password")
    nested: dict[str, SecretStr] = Field(default_factory=dict, description="more of them")


class HouseError(AuthError):
    """A plugin's own error, with a text of its own."""

    def __str__(self) -> str:
        return f"login failed for svc/{SECRET}"


class HouseAdapter(Adapter):
    """An adapter that says its password."""

    kind, contract, config_type = "house", 1, HouseConfig

    def __init__(self, config: HouseConfig) -> None:
        self.token = ""

    def probe(self) -> BackendInfo:
        return BackendInfo("1", "house", missing=(f"no read: {SECRET} lacks it",))

    def scan(self, *, since: str | None, limit: int, resume: Mark | None = None) -> Iterator[Page]:
        bad = BadRecordError(f"{SECRET} is no name", native=f"x?sig={quote(SECRET)}")
        record = ModelRecord(key=Key("model", "m"), name="m", unread=Unread(("tags",), f"with {SECRET}: 403"))
        yield Page((record,), bad=(bad,))
        raise HouseError("no")

    def get(self, key: Key) -> ModelRecord:
        raise HouseError("no")

    def credentials(self) -> tuple[str, ...]:
        return (self.token,)


PAIR = base64.b64encode(f"svc:{SECRET}".encode()).decode()
SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "upper case": str.upper,
    "squeezed": lambda secret: " ".join(secret.split()),
    "percent-encoded": lambda secret: quote(secret, safe=""),
    "percent-encoded in part": lambda secret: quote(secret).lower(),
    "percent-encoded twice": lambda secret: quote(quote(secret, safe=""), safe=""),
    "json": lambda secret: json.dumps(secret),
    "json with slashes": lambda secret: json.dumps(secret).replace("/", "\\/"),
    "html": html.escape,
    "pair": lambda secret: PAIR,
    "pair in upper case": lambda secret: PAIR.upper(),
    "pair, percent-encoded": lambda secret: quote(PAIR, safe=""),
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 for addresses": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="),
    "base64 of more": lambda secret: base64.b64encode(f'{{"p": "{secret}"}}'.encode()).decode(),
    "hex": lambda secret: secret.encode().hex(),
}


def shown(text: str) -> list[str]:
    """What of the secret is to be seen."""
    plain = text.casefold()
    parts = (SECRET[:8], SECRET[-8:], PAIR[:10], PAIR[-10:], quote(SECRET, safe="")[:10])
    return [part for part in parts if part.casefold() in plain]


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS.keys())
@pytest.mark.parametrize("before", ["", "x" * 990, "x" * 15_980])
def test_no_spelling_of_a_secret_passes(spell: Callable[[str], str], before: str) -> None:
    said = Blots(HouseConfig()).clean(f"refused: {before} {spell(SECRET)} at house.example")
    assert shown(said) == []
    assert len(said) <= LONGEST
    if not before:
        assert said == "refused: *** at house.example" or spell(SECRET)[0] == '"'


@pytest.mark.parametrize("size", [6, 12, 20])
@pytest.mark.parametrize("spell", [str, lambda secret: f"Basic {PAIR}"], ids=["as it is", "pair"])
def test_the_beginning_of_a_secret_that_somebody_cut_is_hidden(
    spell: Callable[[str], str], size: int
) -> None:
    cut = spell(SECRET)[: size + len(spell(SECRET).partition(" ")[0]) * spell(SECRET).startswith("Basic")]
    assert SECRET[:6] not in Blots(HouseConfig()).clean(f"refused {cut}…")
    assert PAIR[:6] not in Blots(HouseConfig()).clean(f"refused {cut}")


@given(st.text(min_size=6, max_size=40), st.text(max_size=30), st.text(max_size=30))
def test_any_secret_is_taken_out_of_any_text(secret: str, before: str, after: str) -> None:
    assume(secret.strip() and len(secret.split()) == 1)
    blots = Blots(HouseConfig(password=SecretStr(secret)))
    packed = base64.b64encode(f"svc:{secret}".encode("utf-8", "replace")).decode()
    for spelled in (secret, quote(secret.encode("utf-8", "replace"), safe=""), packed):
        assume(spelled not in before + after)
        assert spelled not in blots.clean(f"{before} {spelled} {after}") or spelled == "***"


@given(st.text("abcdefgh ", max_size=200))
def test_what_holds_no_secret_is_left_as_it_is(text: str) -> None:
    assert Blots(HouseConfig()).clean(text) == " ".join(text.split())


@pytest.mark.parametrize(
    "text",
    [
        "authorization: Bearer abcdefghijk",
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln",
        "key AIzaSyA1234567890abcdefghijklmnopqrstu",
        "-----BEGIN PRIVATE KEY-----\nMIIabcdefghijk\n-----END PRIVATE KEY-----",
        '{"client_secret": "abcdefghijk"}',
    ],
)
def test_what_looks_like_a_credential_is_hidden(text: str) -> None:
    said = Blots(HouseConfig()).clean(f"refused: {text}")
    assert "***" in said
    assert "abcdefghijk" not in said
    assert "eyJ" not in said


def test_short_secrets_are_hidden_where_they_stand_alone() -> None:
    assert Blots(HouseConfig(password=SecretStr("cat"))).clean("cat is no catalogue") == "*** is no catalogue"


def test_secrets_inside_of_others_are_found() -> None:
    key = json.dumps({"private_key": "-- top secret --", "project_id": "shop"})
    config = HouseConfig(nested={"a": SecretStr("nested-secret"), "b": SecretStr(key)})
    assert Blots(config).clean("nested-secret of shop: -- top secret --") == "*** of shop: ***"


def test_everything_that_an_adapter_says_is_cleaned() -> None:
    config = HouseConfig()
    adapter = guard(HouseAdapter(config), config)
    pages: Any = adapter.scan(since=None, limit=1)
    page = next(pages)
    said = [adapter.probe().missing[0], str(page.bad[0]), page.bad[0].native, page.records[0].unread.reason]
    assert said == ["no read: *** lacks it", "*** is no name", "x?sig=***", "with ***: 403"]
    for call in (lambda: next(pages), lambda: adapter.get(Key("model", "m"))):
        with pytest.raises(AuthError, match=r"^login failed for svc/\*\*\*$") as raised:
            call()
        assert type(raised.value) is AuthError
        assert raised.value.__cause__ is None
        assert raised.value.__context__ is None


def test_what_an_adapter_was_given_at_run_time_is_hidden_too(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = HouseAdapter(config := HouseConfig())

    def refuse(*_: Any) -> None:
        raise TransientError(f"{adapter.token} is spent", retry_after=3.0)

    monkeypatch.setattr(adapter, "get", refuse)
    guard(adapter, config)
    adapter.token = "exchanged-token"
    with pytest.raises(TransientError, match=r"^\*\*\* is spent$") as raised:
        adapter.get(Key("model", "m"))
    assert raised.value.retry_after == 3.0


def test_an_error_stays_what_it_is() -> None:
    told = Blots(HouseConfig()).told(NotFoundError("gone"))
    assert (type(told), str(told)) == (NotFoundError, "gone")
    under_way = Blots(HouseConfig()).told(UnderWayError("still at it", retry_after=2.0))
    assert isinstance(under_way, UnderWayError)
    assert under_way.retry_after == 2.0
