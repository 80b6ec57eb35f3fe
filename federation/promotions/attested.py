"""Checks of what was stated about a version's artifact: that it is signed, and that it was scanned and is clean."""

from collections.abc import Iterator

from sqlalchemy import Connection

from federation.catalogue.reader import Version
from federation.database import now
from federation.policies.policy import Policy, read_duration
from federation.promotions.checks import CheckResult, Verdict
from federation.statements.statements import ArtifactStatement, read_statements


def attested(connection: Connection, policy: Policy, version: Version) -> Iterator[CheckResult]:
    """What a policy asks of statements."""
    if not policy.signed and not policy.scanned:
        return
    digest = version.record.artifact_digest
    said = [one for one in read_statements(connection, version) if one.is_current]
    if policy.signed:
        yield _signed(policy, digest, [one for one in said if one.kind == "signature"])
    if policy.scanned:
        yield from _scanned(policy, digest, [one for one in said if one.kind == "scan"])


def _signed(policy: Policy, digest: str | None, said: list[ArtifactStatement]) -> CheckResult:
    good = next((one for one in said if one.verdict == "yes"), None)
    expected, source = "a signer of this gateway signed it", "the statements of the version"
    if good is not None:
        facts = [good.sha256, good.maker]
        return CheckResult("signed", "yes", expected, good.summary, source, policy.name, facts=facts)
    if not digest:
        seen = "its artifact's digest is not known"
        return CheckResult("signed", "unknown", expected, seen, source, policy.name)
    seen = said[0].summary if said else "nobody has signed it"
    return CheckResult("signed", "no", expected, seen, source, policy.name)


def _scanned(policy: Policy, digest: str | None, said: list[ArtifactStatement]) -> Iterator[CheckResult]:
    """The newest of each scanner: scanners do not agree, so all of them must."""
    newest = {one.maker.partition(" ")[0]: one for one in reversed(said)}
    expected, source = "every scanner found nothing", "the statements of the version"
    if not newest:
        verdict: Verdict = "no" if digest else "unknown"
        seen = "nobody has scanned it" if digest else "its artifact's digest is not known"
        yield CheckResult("scanned", verdict, expected, seen, source, policy.name)
        return
    verdicts = {one.verdict for one in newest.values()}
    verdict = "no" if "no" in verdicts else "unknown" if "unknown" in verdicts else "yes"
    seen = "; ".join(f"{one.maker}: {one.summary}" for one in newest.values())
    facts = sorted([one.sha256, one.verdict] for one in newest.values())
    yield CheckResult("scanned", verdict, expected, seen, source, policy.name, facts=facts)
    limit = policy.scanned.partition(" ")[2]
    if limit:
        oldest = min(one.at for one in newest.values())
        age = now() - oldest
        fresh: Verdict = "yes" if age <= read_duration(limit) else "no"
        seen = f"{age.total_seconds() / 3600:.1f} h ago"
        yield CheckResult("scanned.age", fresh, f"within {limit}", seen, source, policy.name, is_timed=True)
