"""What a statement says: each kind read as data, nothing of it run or followed."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from adapters import BadRecordError, parse_json
from federation.statements.signatures import (
    ArtifactSigner,
    StatementError,
    is_about,
    read_signature,
    signer_of,
)

Kind = Literal["signature", "scan", "evaluation", "check"]
Verdict = Literal["yes", "no", "unknown"]
SHOWN = 5
_PICKLESCAN = re.compile(
    rb"-{5,20} SCAN SUMMARY -{5,20}\r?\nScanned files: (\d{1,9})\r?\nInfected files: (\d{1,9})\r?\n"
    rb"(?:Suspicious globals: (\d{1,9})\r?\n)?Dangerous globals: (\d{1,9})\r?\n?"
    rb"(?:All globals found:\r?\n(?:  \* .*\n?)*)?"
)


@dataclass(frozen=True, slots=True)
class StatedVerdict:
    """What a statement says of the artifact, in one word and one line; `maker` is who or what made it."""

    verdict: Verdict
    summary: str
    maker: str


class StatedEvaluation(msgspec.Struct, forbid_unknown_fields=True):
    """Measurements of a version on data: `metrics` by name. `passed` is the verdict of whoever measured."""

    maker: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    dataset: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
    metrics: Annotated[dict[str, float], msgspec.Meta(min_length=1, max_length=1000)]
    passed: bool | None = None
    url: str = ""


class StatedCheck(msgspec.Struct, forbid_unknown_fields=True):
    """The verdict of an outside system."""

    maker: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    verdict: Verdict
    url: str = ""
    figures: dict[str, float] = {}


def say(
    kind: Kind, body: bytes, digest: str, signers: Sequence[ArtifactSigner], at: datetime
) -> StatedVerdict:
    """What a statement says of the artifact with a digest (empty: not known). Errors: `StatementError`."""
    match kind:
        case "signature":
            return _signature(body, digest, signers, at)
        case "scan":
            return _scan(body)
        case "evaluation":
            found = _decoded(StatedEvaluation, body, 'metrics {"maker", "dataset", "metrics", "passed"}')
            verdict: Verdict = "unknown" if found.passed is None else "yes" if found.passed else "no"
            named = ", ".join(f"{name} {value:g}" for name, value in list(found.metrics.items())[:SHOWN])
            return StatedVerdict(verdict, f"{named} on {found.dataset}", found.maker)
        case "check":
            check = _decoded(StatedCheck, body, 'a verdict {"maker", "name", "verdict", "url", "figures"}')
            return StatedVerdict(check.verdict, f"{check.name} {check.url}".strip(), check.maker)


def _signature(body: bytes, digest: str, signers: Sequence[ArtifactSigner], at: datetime) -> StatedVerdict:
    found = read_signature(body)
    who = signer_of(found, signers, at)
    if who is None:
        return StatedVerdict("no", "no key, root or identity of this gateway's signers fits it", "")
    if not digest:
        return StatedVerdict("unknown", f"{who} signed something; the artifact's digest is not known", who)
    if not is_about(found, digest):
        return StatedVerdict("no", f"{who} signed another artifact", who)
    return StatedVerdict("yes", f"{who} signed this artifact", who)


def _scan(body: bytes) -> StatedVerdict:
    """modelscan's JSON, SARIF, or what picklescan prints. Clean is only what says that something was scanned, and
    nothing failed or skipped.
    """
    if (printed := _PICKLESCAN.search(body)) is not None:
        return _picklescan(body, printed)
    try:
        found = parse_json(body, "the report")
        if isinstance(found, Mapping) and "runs" in found:
            return _sarif(found["runs"])
        return _modelscan(found["summary"], found.get("issues", ()), found.get("errors", ()))
    except (BadRecordError, KeyError, TypeError, AttributeError, ValueError, ArithmeticError):
        raise StatementError(
            "this is no report of a scan: hand in the JSON of modelscan, SARIF, or what picklescan printed"
        ) from None


def _picklescan(body: bytes, printed: re.Match[bytes]) -> StatedVerdict:
    """It has no other report than its text. Whatever it prints beside the summary, it was not all well."""
    maker = "picklescan"
    scanned, infected, suspicious, dangerous = (int(each or 0) for each in printed.groups())
    if infected or dangerous:
        return StatedVerdict(
            "no", f"{dangerous} dangerous globals, {infected} of {scanned} files infected", maker
        )
    if not scanned or suspicious or (body[: printed.start()] + body[printed.end() :]).strip():
        why = f"{scanned} files scanned, {suspicious} globals that it does not know"
        return StatedVerdict("unknown", f"not everything was scanned, or is known: {why}", maker)
    return StatedVerdict("yes", f"nothing found in {scanned} files", maker)


def _modelscan(summary: Mapping[str, Any], issues: Sequence[Any], errors: Sequence[Any]) -> StatedVerdict:
    scanned = int(summary["scanned"]["total_scanned"])
    skipped = int((summary.get("skipped") or {}).get("total_skipped", 0))
    maker = f"modelscan {summary.get('modelscan_version', '')}".strip()
    count = max(int(summary["total_issues"]), len(issues))
    if count:
        return StatedVerdict("no", f"{count} issues in {scanned} files", maker)
    if errors or not scanned or skipped:
        why = f"{len(errors)} errors, {scanned} files scanned, {skipped} skipped"
        return StatedVerdict("unknown", f"not everything was scanned: {why}", maker)
    return StatedVerdict("yes", f"nothing found in {scanned} files", maker)


def _sarif(runs: Sequence[Mapping[str, Any]]) -> StatedVerdict:
    makers = [str(run["tool"]["driver"]["name"]) for run in runs]
    results = [one for run in runs for one in run.get("results", ()) if _counts(one)]
    maker = ", ".join(dict.fromkeys(makers))
    if results:
        return StatedVerdict("no", f"{len(results)} results", maker)
    if not runs or not all(_is_whole(run) for run in runs):
        return StatedVerdict("unknown", "it does not say that everything was scanned, and what", maker)
    files = sum(len(run["artifacts"]) for run in runs)
    return StatedVerdict("yes", f"nothing found in {files} files", maker)


def _counts(result: Mapping[str, Any]) -> bool:
    return result.get("kind", "fail") == "fail" and result.get("level", "warning") not in ("none", "note")


def _is_whole(run: Mapping[str, Any]) -> bool:
    """Whether a run says that it ended well, and names what it looked at."""
    ended = list(_endings(run))
    return bool(ended) and all(ended) and bool(run.get("artifacts"))


def _endings(run: Mapping[str, Any]) -> Iterator[bool]:
    for one in run.get("invocations", ()):
        told = one.get("toolExecutionNotifications", ())
        yield bool(one["executionSuccessful"]) and not any(each.get("level") == "error" for each in told)


def _decoded(kind: Any, body: bytes, wanted: str) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise StatementError(f"{error}: state {wanted} as JSON") from None
