"""A policy in sentences, one for each thing that it asks for."""

from collections.abc import Iterator

from federation.policies.policy import Policy


def asks(policy: Policy) -> list[str]:
    """What it asks for, in words."""
    return list(_asks(policy))


def _asks(policy: Policy) -> Iterator[str]:
    yield from _of_the_version(policy)
    yield from _of_its_artifact(policy)
    yield from (f"the check {name} says yes" for name in policy.require_checks)
    yield from _of_people(policy)


def _of_the_version(policy: Policy) -> Iterator[str]:
    if policy.from_stage:
        yield f"the version is in {policy.from_stage}" + (f" for {policy.soak}" if policy.soak else "")
    yield from (f"its {_called(name)} is known" for name in policy.require)
    yield from (f"its metric {bound}" for bound in policy.metrics)
    if policy.schema:
        yield "whoever calls what is in production can call it"
    if policy.semver:
        yield "a schema that breaks comes with a greater major version"
    if policy.impact:
        yield {
            "none": "nothing that depends on it is affected",
            "no-breaking": "nothing that depends on it breaks",
            "acknowledged": "the owners of what breaks in production agree",
        }[policy.impact]


def _called(field: str) -> str:
    """A required field: license, tag.NAME, card.intended_use."""
    kind, _, name = field.partition(".")
    return f"card's {name.replace('_', ' ')}" if kind == "card" else f"{kind} {name}".rstrip()


def _of_its_artifact(policy: Policy) -> Iterator[str]:
    if policy.licenses.deny:
        whose = "neither it nor an ancestor has" if policy.licenses.along else "it does not have"
        yield f"{whose} a licence like {', '.join(policy.licenses.deny)}"
    if policy.signed:
        yield "a signer of this gateway signed its artifact"
    if policy.scanned:
        age = policy.scanned.partition(" ")[2]
        yield "every scanner found nothing in its artifact" + (f", {age} ago at most" if age else "")
    if policy.duplicates:
        yield "no other model has the same artifact"


def _of_people(policy: Policy) -> Iterator[str]:
    for quorum in policy.approvals:
        yield f"{quorum.count} of {', '.join(quorum.among)} {'agrees' if quorum.count == 1 else 'agree'}"
    if policy.approvals and policy.separate:
        yield f"who is its {' or '.join(policy.separate)} does not count among them"
    if policy.windows:
        yield f"it is carried out {' or '.join(policy.windows)}"
    if policy.archive_previous:
        yield "whoever else holds the stage is archived with it"
    if policy.rollout.steps:
        shares = ", ".join(f"{step} %" for step in policy.rollout.steps)
        gates = f"; then {' and '.join(policy.rollout.gates)} must pass" if policy.rollout.gates else ""
        yield f"traffic comes to it by {shares}, each held for {policy.rollout.hold}{gates}"
    more = f", if {policy.rollback.approvals} more agree" if policy.rollback.approvals else ""
    yield f"it may be rolled back by {', '.join(policy.rollback.among)}{more}"
