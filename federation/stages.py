"""The normalised stage: one of four words, decided by rules in order, because each team says "production"
differently.

A rule is `stage:X`, `approval:X`, `lifecycle:Stage/Status`, `alias:X`, `tag:KEY=VALUE` or `deployed`. Stages are
tried in the order production, staging, archived; within a stage its rules in the order given. No rule holds: `none`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from adapters import VersionRecord
from federation.errors import InvalidRequestError

TRIED = ("production", "staging", "archived")
NATIVE = ("stage", "approval", "lifecycle")
"""The fields of a version that hold a native notion of its stage."""
KINDS = (*NATIVE, "alias", "tag", "deployed")


class StageRuleError(InvalidRequestError):
    """A rule cannot be read. The message says which and what a rule looks like."""

    code = "invalid-stage-rule"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: `kind` and, but for `deployed`, the `value` it asks for."""

    kind: str
    value: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}" if self.value else self.kind

    def holds(self, record: VersionRecord, aliases: Iterable[str], deployed: bool) -> bool:
        """Whether a version satisfies the rule. `aliases` are those that name it."""
        match self.kind:
            case "alias":
                return self.value in aliases
            case "tag":
                key, _, expected = self.value.partition("=")
                return record.tags.get(key) == expected
            case "deployed":
                return deployed
            case _:
                return bool(getattr(record, self.kind) == self.value)


StageRules = Mapping[str, Sequence[Rule]]


def parse_rule(text: str) -> Rule:
    """Read one rule. Errors: `StageRuleError`."""
    kind, colon, value = text.partition(":")
    if kind not in KINDS or bool(colon) == (kind == "deployed") or (colon and not value):
        raise StageRuleError(
            f"{text!r} is no stage rule: use stage:X, approval:X, lifecycle:S/T, alias:X, tag:K=V or deployed"
        )
    if kind == "tag" and "=" not in value:
        raise StageRuleError(f"{text!r} is no stage rule: a tag rule is tag:KEY=VALUE")
    return Rule(kind, value)


def parse_rules(given: Mapping[str, Sequence[str]], defaults: Mapping[str, Sequence[str]]) -> StageRules:
    """The rules of a registry: its own where it gives them, its kind's defaults elsewhere. Errors:
    `StageRuleError`.
    """
    unknown = sorted(set(given) - set(TRIED))
    if unknown:
        raise StageRuleError(f"{unknown[0]!r} is no stage: rules are given for {', '.join(TRIED)}")
    return {
        stage: [parse_rule(rule) for rule in given.get(stage, defaults.get(stage, ()))] for stage in TRIED
    }


def decide(
    rules: StageRules, record: VersionRecord, aliases: Iterable[str], deployed: bool
) -> tuple[str, str]:
    """The normalised stage of a version, and the rule that decided it (empty for `none`)."""
    aliases = frozenset(aliases)
    for stage in TRIED:
        for rule in rules[stage]:
            if rule.holds(record, aliases, deployed):
                return stage, str(rule)
    return "none", ""
