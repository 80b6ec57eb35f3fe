"""Credentials: who gets them, who does not, and what nobody may read."""

import time
from collections.abc import Callable
from functools import partial

import pytest
from pydantic import ValidationError

from adapters import AuthError, Capability, InvalidError, Key, ModelRecord, NotFoundError
from adapters.oci import OciConfig
from tests.adapters.oci.conftest import Emulate, Site
from tests.adapters.scans import scanned

PASSWORD = "a-s3cret-nobody-sees"
SIGNED = {"username": "waypost", "password": PASSWORD}


def filled(site: Site) -> Site:
    """With a model in two repositories."""
    for name in ("models/churn", "models/fraud"):
        site.pusher.modelpack(name, "1.0.0", seed=name)
    assert site.registry is not None
    site.registry.asked.clear()
    site.registry.credentials.clear()
    return site


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_who_is_asked_signs_in(emulate: Emulate, auth: str) -> None:
    site = filled(emulate(password=PASSWORD, auth=auth))
    adapter = site.adapter(repositories=(), **SIGNED)
    assert len(scanned(adapter).records) == 4
    assert site.registry is not None
    assert sum(one.startswith("GET /token") for one in site.registry.asked) == (3 if auth == "bearer" else 0)
    assert len(adapter.credentials()) == (3 if auth == "bearer" else 0)
    site.registry.asked.clear()
    assert len(scanned(adapter).records) == 4
    assert not any(one.startswith("GET /token") for one in site.registry.asked), (
        "a token serves many requests"
    )


def test_a_token_is_sent_for_its_own_scope_alone(emulate: Emulate) -> None:
    site = filled(emulate(password=PASSWORD, is_strict=True))
    adapter = site.adapter(repositories=(), **SIGNED)
    adapter.probe()
    assert len(scanned(adapter).records) == 4
    adapter.set_alias(Key("model", "models/churn"), "production", "1.0.0")


def test_a_token_that_is_over_is_renewed(emulate: Emulate, monkeypatch: pytest.MonkeyPatch) -> None:
    site = filled(emulate(password=PASSWORD))
    adapter = site.adapter(**SIGNED)
    adapter.probe()
    later = time.monotonic() + 3600
    monkeypatch.setattr("adapters.tokens.time.monotonic", lambda: later)
    assert site.registry is not None
    site.registry.tokens.clear()
    assert len(scanned(adapter).records) == 2
    site.registry.tokens.clear()  # taken back before its time
    assert len(scanned(adapter).records) == 2


@pytest.mark.parametrize("settings", [{}, {**SIGNED, "password": "wrong"}, {"token": "wrong"}])
@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_a_refused_credential_is_no_absence(emulate: Emulate, auth: str, settings: dict[str, str]) -> None:
    site = filled(emulate(password=PASSWORD, auth=auth))
    model, version = scanned(site.adapter(token=site.registry.key if site.registry else "")).records
    adapter = site.adapter(**settings)
    calls: list[Callable[[], object]] = [partial(adapter.get, one.key) for one in (model, version)]
    calls += [adapter.probe, partial(scanned, adapter)]
    for call in calls:
        with pytest.raises(AuthError) as caught:
            call()
        assert "wrong" not in str(caught.value).replace("missing, wrong or expired", "")


def test_a_password_goes_to_no_host_that_is_not_named(emulate: Emulate) -> None:
    elsewhere = emulate(password=PASSWORD)
    site = filled(emulate(password=PASSWORD, realm=f"{elsewhere.url}/token"))
    with pytest.raises(AuthError, match="nothing was sent there; add it to `token_hosts`"):
        scanned(site.adapter(**SIGNED))
    assert elsewhere.registry is not None
    assert elsewhere.registry.asked == []


@pytest.mark.parametrize(
    "realm",
    [
        "http://evil.example/token",
        "ftp://auth.example/token",
        "https://u@auth.example/token",
        "",
        "https://auth.example.evil.example/",
    ],
)
def test_odd_realms_are_not_asked(emulate: Emulate, realm: str) -> None:
    site = filled(emulate(password=PASSWORD, realm=realm or "nowhere"))
    with pytest.raises(AuthError, match="nothing was sent there"):
        site.adapter(token_hosts=("auth.example", "*.auth.example"), **SIGNED).probe()


def test_a_named_host_gives_tokens(emulate: Emulate) -> None:
    elsewhere = emulate(password=PASSWORD)
    site = filled(emulate(password=PASSWORD, realm=f"{elsewhere.url}/token"))
    assert site.registry is not None and elsewhere.registry is not None
    site.registry.tokens = elsewhere.registry.tokens
    assert len(scanned(site.adapter(token_hosts=("127.0.0.1",), **SIGNED)).records) == 2
    assert all(one.startswith("Bearer ") for one in site.registry.credentials), (
        "the password went to one host only"
    )


def test_blobs_elsewhere_are_fetched_without_credentials_and_only_where_allowed(emulate: Emulate) -> None:
    elsewhere = filled(emulate())
    site = filled(emulate(password=PASSWORD, blobs_at=elsewhere.url))
    assert elsewhere.registry is not None
    _, version = scanned(site.adapter(**SIGNED)).records
    assert version.unread is not None
    assert "add that to `blob_hosts`" in version.unread.reason
    assert elsewhere.registry.asked == []
    _, version = site.only(site.adapter(blob_hosts=("127.0.0.1",), **SIGNED))
    assert (version.unread, version.framework) == (None, "onnx")
    assert elsewhere.registry.credentials == []
    assert elsewhere.registry.asked


def test_a_repository_that_nobody_may_read_hides_no_other(emulate: Emulate) -> None:
    site = filled(emulate())
    assert site.registry is not None
    site.registry.denied = {"models/churn"}
    found = scanned(site.adapter(repositories=()))
    assert [one.name for one in found.records if isinstance(one, ModelRecord)] == ["models/fraud"]
    assert [one.native for one in found.bad] == ["models/churn"]
    assert "model" not in {one.kind for one in found.listed}
    site.registry.denied = {"models/churn", "models/fraud"}
    with pytest.raises(AuthError, match="DENIED"):
        scanned(site.adapter(repositories=()))


def test_probe_names_missing_rights(emulate: Emulate) -> None:
    site = filled(emulate())
    assert site.registry is not None
    assert site.adapter(repositories=()).probe().missing == ()
    site.registry.denied = {"_catalog", "models/churn"}
    with pytest.raises(AuthError, match="name `repositories`"):
        site.adapter(repositories=()).probe()
    told = site.adapter(repositories=("models/churn", "models/fraud", "models/none", "x/*")).probe().missing
    assert [one.partition(":")[0] for one in told] == [
        "the catalogue cannot be listed, so patterns find nothing",
        "repository models/churn cannot be read",
        "repository models/none cannot be read",
    ]


@pytest.mark.parametrize("repositories", [(), ("models/churn",)])
def test_probe_names_what_the_token_is_not_for(emulate: Emulate, repositories: tuple[str, ...]) -> None:
    site = filled(emulate(password=PASSWORD))
    assert site.registry is not None
    info = site.adapter(repositories=repositories, **SIGNED).probe()
    assert (info.missing, info.unavailable) == ((), frozenset())
    site.registry.grants = frozenset({"*", "pull", "push"})
    info = site.adapter(repositories=repositories, **SIGNED).probe()
    assert info.missing[0] == "repository models/churn: the token is not for delete"
    assert info.unavailable == {Capability.DELETE}
    site.registry.grants = frozenset({"*", "pull"})
    info = site.adapter(repositories=repositories, **SIGNED).probe()
    assert info.missing[0] == "repository models/churn: the token is not for delete and push"
    assert info.unavailable == {Capability.DELETE, Capability.SET_ALIAS}
    assert site.adapter(repositories=repositories, token=site.registry.key).probe().missing == ()


def test_a_404_without_the_registrys_word_proves_nothing(emulator: Site) -> None:
    site = filled(emulator)
    model = site.only()[0]
    with pytest.raises(InvalidError, match="not as a registry does") as caught:
        site.adapter(url=f"{site.url}/proxy").get(model.key)
    assert not isinstance(caught.value, NotFoundError)


@pytest.mark.parametrize(
    "settings",
    [
        {"username": "u"},
        {"password": "p"},
        {"username": "u", "password": "p", "token": "t"},
        {"url": "registry.example"},
        {"url": "https://u:p@registry.example"},
        {"page": "https://x/{tag}"},
        {"page": "javascript:alert(1)"},
    ],
)
def test_what_makes_no_sense_is_refused(settings: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        OciConfig(**{"url": "https://registry.example", **settings})
