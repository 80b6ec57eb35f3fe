"""Identity providers as they are: how a client shows its secret, and where groups are said; never a silent nothing."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from federation.identity.directory import CredentialError
from federation.identity.people import Person
from gateway.door import groups
from gateway.door.groups import MEMBERSHIPS, MOST_GROUPS, ProviderError
from gateway.door.oidc import Attempt, Provider, SignedIn
from gateway.settings import OidcSettings
from tests.servers.oidc import CLIENT, IdentityProvider, identity_provider, sent_back

BACK = "http://localhost/auth/callback"
SECRET = "s: cret/+%"
LEADS = ("risk-leads",)


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with identity_provider() as found:
        found.groups = LEADS
        yield found


def client(provider: IdentityProvider, secret: str = "", **settings: Any) -> Provider:
    return Provider(OidcSettings(issuer=provider.url, client_id=CLIENT, **settings), secret=secret)


def sign_in(known: Provider) -> SignedIn:
    attempt = Attempt.new()
    back = sent_back(known.sign_in_url(attempt, BACK))
    return known.redeem(parse_qs(urlsplit(back).query)["code"][0], attempt, BACK)


@pytest.mark.parametrize(
    "methods",
    [
        None,
        ("client_secret_basic",),
        ("client_secret_post",),
        ("client_secret_basic", "client_secret_post"),
        ("private_key_jwt", "client_secret_basic"),
    ],
    ids=str,
)
def test_the_secret_is_shown_as_the_provider_takes_it(
    provider: IdentityProvider, methods: tuple[str, ...] | None
) -> None:
    provider.secret, provider.methods = SECRET, methods
    assert sign_in(client(provider, SECRET)).groups == LEADS
    with pytest.raises(ProviderError) as raised:
        sign_in(client(provider, "another"))
    assert "client_secret" in raised.value.whole


def test_a_provider_that_takes_no_secret_is_told_as_that(provider: IdentityProvider) -> None:
    provider.secret, provider.methods = SECRET, ("private_key_jwt",)
    with pytest.raises(ProviderError) as raised:
        sign_in(client(provider, SECRET))
    assert "only: private_key_jwt" in raised.value.whole


def test_groups_that_userinfo_alone_has_are_used(provider: IdentityProvider) -> None:
    provider.more, provider.userinfo = {"groups": None}, {"groups": ["risk-leads", "staff"]}
    found = sign_in(client(provider))
    assert (found.groups, found.remark) == (("risk-leads", "staff"), "")


def test_userinfo_of_somebody_else_is_refused(provider: IdentityProvider) -> None:
    provider.more, provider.userinfo = {"groups": None}, {"sub": "43", "groups": ["risk-leads"]}
    with pytest.raises(CredentialError):
        sign_in(client(provider))


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("realm_access.roles", {"realm_access": {"roles": ["risk-leads"]}}),
        ("https://example.com/groups", {"https://example.com/groups": ["risk-leads"]}),
        ("a.b", {"a.b": ["risk-leads"], "a": {"b": ["other"]}}),
        ("role", {"role": "risk-leads"}),
    ],
    ids=str,
)
def test_a_claim_may_stand_inside_another(
    provider: IdentityProvider, path: str, more: dict[str, Any]
) -> None:
    provider.more = more
    found = sign_in(client(provider, groups_claim=path))
    assert (found.groups, found.remark) == (LEADS, "")


def test_what_backends_call_somebody_is_in_claims_of_choice(provider: IdentityProvider) -> None:
    provider.more = {"email": "ada@example.com", "preferred_username": "ada", "nickname": "bo"}
    asked = ("email", "preferred_username")
    assert sign_in(client(provider, names_claims=asked)).names == ("ada@example.com", "ada")
    assert sign_in(client(provider)).names == ()
    provider.more["email_verified"] = False
    assert sign_in(client(provider, names_claims=asked)).names == ("ada",)


def test_groups_beyond_five_hundred_are_kept(provider: IdentityProvider) -> None:
    provider.groups = (*(f"00000000-0000-0000-0000-{number:012}" for number in range(900)), "risk-leads")
    found = sign_in(client(provider))
    assert found.groups == provider.groups
    assert found.remark == ""


def test_more_groups_than_are_kept_are_said() -> None:
    found = groups.of_names([f"g{number}" for number in range(MOST_GROUPS + 1)], "userinfo")
    assert found.names is not None
    assert len(found.names) == MOST_GROUPS
    assert found.remark == "userinfo lists 10,001 groups, of which 10,000 are kept"


def overage(provider: IdentityProvider, address: str) -> dict[str, Any]:
    return {
        "groups": None,
        "_claim_names": {"groups": "src1"},
        "_claim_sources": {"src1": {"endpoint": address}},
    }


def test_a_reference_to_memberships_is_followed_with_the_access_token(provider: IdentityProvider) -> None:
    provider.more = overage(provider, f"{provider.url}/v1.0/users/42/getMemberObjects")
    provider.memberships = ["risk-leads", "g2"]
    found = sign_in(client(provider))
    assert (found.groups, found.remark) == (("risk-leads", "g2"), "")


def test_a_reference_that_may_not_be_followed_is_said(provider: IdentityProvider) -> None:
    provider.more = overage(provider, f"{provider.url}/v1.0/users/42/getMemberObjects")
    found = sign_in(client(provider))
    assert found.groups is None
    assert "User.Read" in found.remark


@pytest.mark.parametrize(
    "more",
    [
        {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://x.example/y"}}},
        {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": 7}}},
        {"_claim_names": {"groups": "src1"}},
        {"_claim_names": {"groups": ["src1"]}, "_claim_sources": {"src1": {}}},
        {"hasgroups": True},
        {"groups": {"no": "list"}},
    ],
    ids=str,
)
def test_groups_that_cannot_be_read_are_unknown_and_said(
    provider: IdentityProvider, more: dict[str, Any]
) -> None:
    provider.more = {"groups": None, **more}
    found = sign_in(client(provider))
    assert found.groups is None
    assert found.remark


def test_the_former_directory_service_is_asked_where_it_is_now() -> None:
    old = "https://graph.windows.net/t/users/u/getMemberObjects"
    assert groups.memberships(old) == MEMBERSHIPS
    assert groups.memberships("https://graph.microsoft.us/v1.0/me/getMemberObjects") is not None
    assert groups.memberships("https://graph.microsoft.com/v1.0/me/memberOf") is None


def test_a_provider_that_says_nothing_of_groups_is_told_as_that(provider: IdentityProvider) -> None:
    provider.more = {"groups": None}
    found = sign_in(client(provider))
    assert found.groups == ()
    assert "no claim" in found.remark or "has a claim" in found.remark


def bearer(provider: IdentityProvider, **claims: Any) -> Person:
    return client(provider).verify_bearer(provider.token(**claims))[0]


def test_a_bearer_token_without_groups_is_not_one_of_nobody(provider: IdentityProvider) -> None:
    provider.more, provider.userinfo = {"groups": None}, {"groups": ["risk-leads"]}
    found = bearer(provider)  # an ID token: userinfo does not take it
    assert found.groups is None
    assert found.remark
    token = provider.token()
    provider.issued[token] = "42"
    found = client(provider).verify_bearer(token)[0]
    assert (found.groups, found.remark) == (LEADS, "")


def test_an_access_token_for_our_api_may_have_been_asked_for_by_anybody(provider: IdentityProvider) -> None:
    known = client(provider, audience="api://waypost")
    token = provider.token(aud=["api://waypost", "account"], azp="ci-client")
    assert known.verify_bearer(token)[0].subject == "42"
