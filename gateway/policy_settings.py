"""The tables `[[policies]]` and `[[people]]` of the configuration."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from federation.policies.policy import Policy, PolicyError, check
from gateway.sections import Section, StructTable

if TYPE_CHECKING:
    from federation.retention.retention import RetentionRule
    from federation.statements.statements import ArtifactSigner


class RetentionSettings(Section):
    """When versions are archived and deleted by `waypost retention apply`."""

    on: str = Field(description="*, team:NAME, registry:NAME, a model (registry/model), or tag:KEY=VALUE")
    archive: str = Field(
        default="",
        description="when, in words joined by and, with not before what must not hold: stage:NAME, tag:KEY=VALUE, "
        "promoted, and with < or > and a time age (in its stage), created, replaced (in production), stable (another "
        "is in production): stage:staging and age > 30d and not promoted",
    )
    delete: str = Field(default="", description="when: stage:archived and age > 7y")
    hold: tuple[str, ...] = Field(
        default=(),
        description="what keeps a version whatever a rule says: tag:legal_hold=true, replaced < 30d",
    )

    def spec(self) -> "RetentionRule":
        """The same for the federation; checked by `mistakes`."""
        from federation.retention.retention import RetentionRule

        return RetentionRule(**self.model_dump())


class PromotionsSettings(Section):
    """What promotions need of the world around."""

    prometheus: str = Field(
        default="", description="address of the Prometheus that gates ask: http://prometheus:9090"
    )
    tags: tuple[str, ...] = Field(
        default=("*",),
        description="which tags go along to another registry, with wildcards; those of the backend itself and those "
        "that decide a stage there never do",
    )
    folder: Path = Field(default=Path(), description="where commands of gates are run; relative to this file")


class PeopleSettings(Section):
    """Whom names mean that backends report."""

    principal: str = Field(description="oidc:SUBJECT for who signs in, or token:NAME")
    names: tuple[str, ...] = Field(
        default=(),
        description="as a backend says them, or with the kind of registry in front: mlflow:USER, an ARN, an address",
    )

    @property
    def who(self) -> str:
        """The principal as grants name it."""
        kind, _, name = self.principal.partition(":")
        return f"subject:{name}" if kind == "oidc" else self.principal


class SignerSettings(Section):
    """Somebody whose signatures of artifacts count: by a key, or by a certificate under roots of yours."""

    name: str = Field(min_length=1, max_length=100, description="as checks and pages call it")
    key: Path | None = Field(default=None, description="file of a public key in PEM (EC or Ed25519)")
    roots: Path | None = Field(default=None, description="file of the certificates that a chain must lead to")
    identity: str = Field(default="", description="mail address or URI that the certificate must name")
    issuer: str = Field(
        default="", description="who vouched for that, where the certificate says so (OIDC issuer)"
    )

    def spec(self) -> "ArtifactSigner":
        """The same for the federation, with what the files hold. Errors: `OSError`, `UnicodeError`."""
        from federation.statements.statements import ArtifactSigner

        key, roots = ("" if one is None else one.read_text("ascii") for one in (self.key, self.roots))
        return ArtifactSigner(self.name, key, roots, self.identity, self.issuer)


class PromotingSettings(Section):
    """What of the configuration is about promotions."""

    promotions: PromotionsSettings = PromotionsSettings()
    policies: tuple[Annotated[Policy, StructTable()], ...] = ()
    people: tuple[PeopleSettings, ...] = ()
    signers: tuple[SignerSettings, ...] = ()
    retention: tuple[RetentionSettings, ...] = ()

    def known_names(self) -> dict[str, str]:
        """Names that backends report to principals."""
        return {name: one.who for one in self.people for name in one.names}


def mistakes(settings: PromotingSettings) -> Iterator[str]:
    """What is wrong with them, one line each."""
    policies, people, retention = settings.policies, settings.people, settings.retention
    for rule in retention:
        from federation.retention.retention import check as check_rule

        try:
            check_rule(rule.spec())
        except PolicyError as error:
            yield f"retention on {rule.on!a}: {error}"
    names = [policy.name for policy in policies]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        yield f"two policies are called {name!a}: give each a name of its own"
    for policy in policies:
        try:
            check(policy)
        except PolicyError as error:
            yield f"policy {policy.name!a}: {error}"
    for one in people:
        kind, _, name = one.principal.partition(":")
        if kind not in ("oidc", "subject", "token") or not name:
            yield f"people: principal is oidc:SUBJECT or token:NAME, not {one.principal[:60]!a}"
    said = [name for one in people for name in one.names]
    for name in dict.fromkeys(name for name in said if said.count(name) > 1):
        yield f"people: the name {name!a} stands for two principals"
