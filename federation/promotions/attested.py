"""Checks of what was stated about a version's artifact: that it is signed, and that it was scanned and is clean."""

from collections.abc import Iterator

from federation.policies.policy import read_duration
from federation.promotions.case import Case, CheckResult

SOURCE = "the statements of the version"
NO_DIGEST = "its artifact's digest is not known"


def signed(case: Case) -> Iterator[CheckResult]:
    """Whether somebody signed it whose signatures count."""
    if not case.policy.signed:
        return
    said = [one for one in case.statements if one.kind == "signature"]
    good = next((one for one in said if one.verdict == "yes"), None)
    holds: bool | None = True
    if good is not None:
        seen, facts = good.summary, [good.sha256, good.maker]
    else:
        holds, seen = _lacking(case, said[0].summary if said else "nobody has signed it")
        facts = None
    yield CheckResult.of("signed", holds, "a signer of this gateway signed it", seen, SOURCE, facts)


def scanned(case: Case) -> Iterator[CheckResult]:
    """The newest scan of each scanner: scanners do not agree, so all of them must."""
    word, _, limit = case.policy.scanned.partition(" ")
    if not word:
        return
    said = [one for one in case.statements if one.kind == "scan"]
    newest = {one.maker.partition(" ")[0]: one for one in reversed(said)}
    expected = "every scanner found nothing"
    if not newest:
        nobody, seen = _lacking(case, "nobody has scanned it")
        yield CheckResult.of("scanned", nobody, expected, seen, SOURCE)
        return
    verdicts = {one.verdict for one in newest.values()}
    holds = False if "no" in verdicts else None if "unknown" in verdicts else True
    seen = "; ".join(f"{one.maker}: {one.summary}" for one in newest.values())
    facts = sorted([one.sha256, one.verdict] for one in newest.values())
    yield CheckResult.of("scanned", holds, expected, seen, SOURCE, facts)
    if limit:
        age = case.at - min(one.at for one in newest.values())
        seen = f"{age.total_seconds() / 3600:.1f} h ago"
        fresh = age <= read_duration(limit)
        yield CheckResult.of("scanned.age", fresh, f"within {limit}", seen, SOURCE, is_timed=True)


def _lacking(case: Case, seen: str) -> tuple[bool | None, str]:
    """Nothing counts: where nobody knows the artifact, nothing can."""
    return (False, seen) if case.record.artifact_digest else (None, NO_DIGEST)
