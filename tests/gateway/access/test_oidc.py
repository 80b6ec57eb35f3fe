"""An identity provider's tokens: the good ones let in with their groups' roles, every other kind is refused."""

import base64
import hmac
import json
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from federation.database import reading
from federation.identity.directory import CredentialError
from federation.journal.query import JournalFilter, read_journal
from gateway.door.groups import ProviderError
from gateway.door.oidc import COOLDOWN, MAX_AGE, Provider
from gateway.settings import SettingsError
from tests.gateway.access.gate import Gate, gate
from tests.servers.oidc import CLIENT, IdentityProvider, identity_provider

TEAMS = (("fraud", "risk"), ("images", "vision"))
CONFIG = """
[auth]
mode = "oidc"
[auth.oidc]
issuer = "{issuer}"
client_id = "waypost"
[[auth.grants]]
group = "ml"
role = "viewer"
on = "team:risk"
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[IdentityProvider]:
    with identity_provider() as found:
        yield found


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory, provider: IdentityProvider) -> Iterator[Gate]:
    with gate(
        tmp_path_factory.mktemp("gate"), config=CONFIG.format(issuer=provider.url), teams=TEAMS
    ) as found:
        yield found


def part(value: Any) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_a_good_token_brings_the_roles_of_its_groups(signed: Gate, provider: IdentityProvider) -> None:
    token = provider.token()
    found = signed.ask("GET", "/api/v1/registries", token=token).json()
    assert [one["name"] for one in found["registries"]] == ["fraud"]
    again = signed.ask("GET", "/api/v1/whoami", token=provider.token()).json()
    assert again["name"] == "Somebody Real"
    assert signed.ask("GET", "/api/v1/whoami", token=token).json()["id"] == again["id"]
    later = int(time.time()) + 1  # a token of the same second is not newer
    nobody = signed.ask("GET", "/api/v1/registries", token=provider.token(groups=[], iat=later))
    assert nobody.json()["registries"] == []


def test_the_journal_names_no_person(signed: Gate, provider: IdentityProvider) -> None:
    signed.ask("GET", "/api/v1/registries", token=provider.token())
    with reading(signed.waypost.engine) as connection:
        lines = read_journal(connection, JournalFilter(action="principal.created"))
    assert len(lines) == 1
    assert b"Somebody" not in lines[0].entry


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": 1},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "another"},
        {"aud": None},
        {"aud": []},
        {"aud": [CLIENT, "another"], "azp": "another"},
        {"aud": [CLIENT, "another"]},
        {"aud": CLIENT, "azp": "another"},
        {"aud": [CLIENT], "azp": "another"},
        {"nbf": 32503680000},
        {"sub": ""},
        {"sub": None},
        {"sub": 7},
        {"sub": "x" * 256},
    ],
    ids=str,
)
def test_claims_that_do_not_hold_are_refused(
    signed: Gate, provider: IdentityProvider, changed: dict[str, Any]
) -> None:
    answer = signed.ask("GET", "/api/v1/registries", token=provider.token(**changed))
    assert answer.status_code == 401, answer.text


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["exp"]},
        {"crit": ["b64"], "b64": False},
        {"jku": "https://evil.example/jwks"},
        {"x5u": "https://evil.example/cert"},
        {"kid": "unknown"},
        {"kid": 7},
        {"kid": "../../one"},
    ],
    ids=str,
)
def test_headers_that_ask_for_trust_are_refused(
    signed: Gate, provider: IdentityProvider, header: dict[str, Any]
) -> None:
    first, claims, signature = provider.token().split(".")
    kept = json.loads(base64.urlsafe_b64decode(first + "=="))
    forged = f"{part({**kept, **header})}.{claims}.{signature}"
    assert signed.ask("GET", "/api/v1/registries", token=forged).status_code == 401


def test_a_signed_token_that_brings_its_own_key_is_refused(signed: Gate, provider: IdentityProvider) -> None:
    mine = RSAKey.generate_key(2048)
    for kid in ("one", "mine"):
        header = {"alg": "RS256", "kid": kid, "jwk": mine.as_dict(private=False)}
        forged = jwt.encode(header, provider.claims(), mine, ["RS256"])
        assert signed.ask("GET", "/api/v1/registries", token=forged).status_code == 401


def test_no_signature_and_signatures_with_the_public_key_are_refused(
    signed: Gate, provider: IdentityProvider
) -> None:
    claims = part(provider.claims())
    public = provider.keys["one"].as_pem(private=False)
    forged = [f"{part({'alg': name, 'kid': 'one'})}.{claims}." for name in ("none", "None", "NONE", "")]
    start = f"{part({'alg': 'HS256', 'kid': 'one'})}.{claims}"
    forged.append(f"{start}.{part(hmac.new(public, start.encode(), sha256).digest())}")
    forged.append(provider.token()[:-6] + "AAAAAA")
    forged.append(provider.token(header={"alg": "RS256"}).rsplit(".", 1)[0] + ".")
    forged += ["a.b.c", "..", "e30.e30.e30", "[]", part([]) + ".e30.e30", "x" * 20_000]
    for token in forged:
        assert signed.ask("GET", "/api/v1/registries", token=token).status_code == 401, token[:60]


def test_only_configured_algorithms_are_accepted(tmp_path: Path, provider: IdentityProvider) -> None:
    config = CONFIG.format(issuer=provider.url).replace("client_id", 'algorithms = ["ES256"]\nclient_id')
    with gate(tmp_path, config=config, teams=TEAMS) as strict:
        assert strict.ask("GET", "/api/v1/registries", token=provider.token()).status_code == 401


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS1"])
def test_an_algorithm_that_proves_nothing_cannot_be_configured(tmp_path: Path, algorithm: str) -> None:
    config = CONFIG.format(issuer="https://idp.example").replace(
        "client_id", f'algorithms = ["{algorithm}"]\nclient_id'
    )
    with pytest.raises(SettingsError, match="cannot be used"):
        with gate(tmp_path, config=config):
            pass


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def keys_read(provider: IdentityProvider) -> int:
    return provider.asked.get("/jwks", 0)


def test_keys_are_cached_read_again_for_a_new_one_and_not_more_often_than_allowed(signed: Gate) -> None:
    with identity_provider() as provider:
        clock = Clock()
        settings = signed.waypost.settings.auth.oidc.model_copy(update={"issuer": provider.url})
        known = Provider(settings, clock=clock)
        for _ in range(5):
            assert known.verify_bearer(provider.token())[0].subject == "42"
        assert keys_read(provider) == 1
        provider.add_key("two", "EC")
        for _ in range(5):
            with pytest.raises(CredentialError):
                known.verify_bearer(provider.token("two"))
        assert keys_read(provider) == 1
        clock.now += COOLDOWN
        known.verify_bearer(provider.token("two"))
        assert keys_read(provider) == 2
        for _ in range(5):
            with pytest.raises(CredentialError):
                known.verify_bearer(provider.token(header={"kid": "never"}))
        assert keys_read(provider) == 2
        del provider.keys["one"]
        clock.now += MAX_AGE
        provider.add_key("three")
        with pytest.raises(CredentialError):
            provider.keys["one"] = RSAKey.generate_key(2048)
            old = provider.token("one")
            del provider.keys["one"]
            known.verify_bearer(old)


def test_while_the_provider_is_down_known_keys_go_on_until_they_are_too_old(signed: Gate) -> None:
    with identity_provider() as provider:
        clock = Clock()
        settings = signed.waypost.settings.auth.oidc.model_copy(update={"issuer": provider.url})
        known = Provider(settings, clock=clock)
        known.verify_bearer(provider.token())
        provider.broken = True
        clock.now += MAX_AGE - 1
        known.verify_bearer(provider.token())
        clock.now += 1
        for _ in range(3):
            with pytest.raises(ProviderError) as raised:
                known.verify_bearer(provider.token())
            assert "instead of what an OpenID provider" in raised.value.whole
        assert provider.asked["/.well-known/openid-configuration"] == 2


def test_a_provider_that_is_down_is_a_503_and_tokens_of_ours_go_on(tmp_path: Path) -> None:
    config = CONFIG.format(issuer="http://127.0.0.1:9")
    with gate(tmp_path, config=config, teams=TEAMS) as alone, identity_provider() as provider:
        answer = alone.ask("GET", "/api/v1/registries", token=provider.token())
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert alone.ask("GET", "/api/v1/registries", token=alone.token("ci")).status_code == 200
