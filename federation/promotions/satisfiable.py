"""Policies that nobody can satisfy: fewer people than they ask for, as far as people are known."""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, select

from federation import tables
from federation.policies.policy import Policy
from federation.promotions.agreement import assign
from federation.promotions.people import People


def lines(connection: Connection, policies: Sequence[Policy], people: People) -> list[str]:
    """A line for each policy and registry that it is on where too few people could agree. Groups are known from who
    has signed in; one that nobody is known to be in is named.
    """
    rows = connection.execute(
        select(tables.registry.c.name, tables.registry.c.team)
        .where(tables.registry.c.detached_at.is_(None))
        .order_by(tables.registry.c.name)
    ).all()
    found = []
    for policy in policies:
        of = [row for row in rows if policy.may_be_on(row.name, row.team)]
        said = {line: None for row in of for line in _lacking(policy, people, row.name, row.team)}
        found += [f"policy {policy.name}: {line}" for line in said]
    return found


def _lacking(policy: Policy, people: People, registry: str, team: str) -> Iterator[str]:
    """One person proposes, and does not count where the policy keeps that apart."""
    quorums = [(quorum.count, quorum.among) for quorum in policy.approvals]
    candidates = [people.eligible(among, registry, team) for _, among in quorums]
    placed = assign(candidates, [count for count, _ in quorums])
    for (count, among), could, got in zip(quorums, candidates, placed, strict=True):
        if len(got) < count:
            yield f"it asks for {count} of {', '.join(among)} on {registry}, and {len(could) or 'nobody'} could agree"
    if (
        "proposer" in policy.separate
        and quorums
        and all(len(got) >= c for (c, _), got in zip(quorums, placed, strict=True))
    ):
        for person in sorted(set().union(*candidates)):
            left = [one - {person} for one in candidates]
            again = assign(left, [count for count, _ in quorums])
            if any(len(got) < count for (count, _), got in zip(quorums, again, strict=True)):
                yield f"nobody is left to agree on {registry} when {person} proposes, who does not count then"
                return
    allowed = people.eligible(policy.rollback.among, registry, team)
    if not allowed:
        yield f"nobody on {registry} may roll back: it is for {', '.join(policy.rollback.among)}"
