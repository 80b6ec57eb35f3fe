"""The tables `[[policies]]` and `[[people]]` of the configuration."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from gateway.sections import Section

if TYPE_CHECKING:
    from federation.policies.policies import Policy
    from federation.retention.retention import RetentionRule
    from federation.statements.statements import ArtifactSigner


class QuorumSettings(Section):
    """People who must agree."""

    count: int = Field(default=1, ge=1, description="so many different people")
    among: tuple[str, ...] = Field(
        default=("role:approver",),
        alias="from",
        description="out of these: role:NAME, group:NAME, subject:SUBJECT or token:NAME",
    )


class RollbackSettings(Section):
    """Who may roll back."""

    approvals: int = Field(default=0, ge=0, description="how many must agree, beside whoever asks")
    among: tuple[str, ...] = Field(
        default=("role:approver",), alias="from", description="who may ask and agree, as in approvals"
    )


class LicenseSettings(Section):
    """Licences that may not be."""

    deny: tuple[str, ...] = Field(
        default=(), description="SPDX licences, or names as a registry says them, with wildcards: cc-by-nc-*"
    )
    along: Literal["", "lineage"] = Field(
        default="", description="lineage: also of everything that the version was derived from"
    )


class RolloutSettings(Section):
    """How traffic comes to the version where endpoints hold it already."""

    steps: tuple[int, ...] = Field(
        default=(),
        description="growing shares in percent, the last is 100: [1, 5, 25, 100]; none: traffic is left alone",
    )
    hold: str = Field(default="1h", description="how long each share is held")
    gates: tuple[str, ...] = Field(
        default=(),
        description="what must pass after each hold, else the former shares are put back: https://… answers 200; "
        "prometheus:QUERY < BOUND; command:PROGRAM ARGUMENTS ends with 0",
    )


class PolicySettings(Section):
    """What must hold before a version comes to a stage. All that match hold together."""

    name: str = Field(min_length=1, max_length=100, description="its name")
    on: str = Field(description="*, team:NAME, registry:NAME, a model (registry/model), or tag:KEY=VALUE")
    stage: Literal["staging", "production", "archived"] = Field(
        default="production", description="the stage that it guards: only a promotion changes who holds it"
    )
    from_stage: Literal["", "none", "staging", "production", "archived"] = Field(
        default="", description="the stage that the version must have"
    )
    soak: str = Field(default="", description="how long it must have had from_stage: 90m, 24h or 7d")
    require: tuple[str, ...] = Field(
        default=(),
        description="fields that must be there: owner, license, description, schema, commit, dataset, framework, "
        "artifact_digest, run, creator, tag.NAME, metric.NAME, param.NAME, and of the model card card.intended_use, "
        "card.limitations, card.data, card.evaluation, card.ethics",
    )
    metrics: tuple[str, ...] = Field(
        default=(), description='bounds: "auc >= 0.8", "auc >= production.auc - 0.01"'
    )
    schema_: Literal["", "backward"] = Field(
        default="",
        alias="schema",
        description="backward: whoever calls what is in production now must be able to call the version",
    )
    semver: bool = Field(default=False, description="a schema that breaks wants a greater major version")
    licenses: LicenseSettings = LicenseSettings()
    signed: Literal["", "verified"] = Field(
        default="",
        description="verified: a statement holds a signature of one of [[signers]] over the artifact",
    )
    scanned: str = Field(
        default="",
        description="clean: the newest scan of each scanner found nothing; clean 30d: and is not older than that",
    )
    impact: Literal["", "none", "no-breaking", "acknowledged"] = Field(
        default="",
        description="of what depends on it: none is affected, none breaks, or the owners of what breaks in production "
        "agree",
    )
    duplicates: Literal["", "deny"] = Field(
        default="", description="deny: no other model may have the same artifact"
    )
    require_checks: tuple[str, ...] = Field(
        default=(), description="checks of outside systems that must say yes, such as ci/validation"
    )
    approvals: tuple[QuorumSettings, ...] = ()
    separate: tuple[Literal["proposer", "creator"], ...] = Field(
        default=("proposer",), description="who does not count among those who agree"
    )
    expires: str = Field(default="72h", description="how long a proposal waits to be approved")
    windows: tuple[str, ...] = Field(
        default=(), description='when it may be carried out: "mon-thu 09:00-16:00 Europe/Berlin"'
    )
    unknown: Literal["refuse", "allow"] = Field(
        default="refuse", description="what a check means that cannot know"
    )
    archive_previous: bool = Field(
        default=False, description="whoever else holds the stage is archived with the promotion"
    )
    rollback: RollbackSettings = RollbackSettings()
    rollout: RolloutSettings = RolloutSettings()

    def spec(self) -> "Policy":
        """The same for the federation; checked by `_check`."""
        import msgspec

        from federation.policies.policies import Policy

        return msgspec.convert(self.model_dump(by_alias=True), Policy)


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
    policies: tuple[PolicySettings, ...] = ()
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
        from federation.policies.policies import PolicyError
        from federation.retention.retention import check as check_rule

        try:
            check_rule(rule.spec())
        except PolicyError as error:
            yield f"retention on {rule.on!a}: {error}"
    names = [policy.name for policy in policies]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        yield f"two policies are called {name!a}: give each a name of its own"
    for policy in policies:
        from federation.policies.policies import PolicyError, check

        try:
            check(policy.spec())
        except PolicyError as error:
            yield f"policy {policy.name!a}: {error}"
    for one in people:
        kind, _, name = one.principal.partition(":")
        if kind not in ("oidc", "subject", "token") or not name:
            yield f"people: principal is oidc:SUBJECT or token:NAME, not {one.principal[:60]!a}"
    said = [name for one in people for name in one.names]
    for name in dict.fromkeys(name for name in said if said.count(name) > 1):
        yield f"people: the name {name!a} stands for two principals"
