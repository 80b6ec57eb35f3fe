"""Artifacts, associations, and the walk over them: at most 50 vertices an answer, ten steps deep."""

from collections.abc import Iterable
from typing import Any

from adapters.emulators.sagemaker.account import Account, ApiCall, ServiceError, Value, page_of

MAX_RESULTS = 50
MAX_DEPTH = 10


def create_artifact(account: Account, call: ApiCall) -> Value:
    """`CreateArtifact`."""
    arn = account.arn("artifact", f"{next(account.serials):032x}")
    now, actor = account.tick(), account.actor(call.access_key)
    kept = {key: value for key, value in call.params.items() if key != "Tags"}
    account.artifacts[arn] = {
        **kept,
        "ArtifactArn": arn,
        "CreationTime": now,
        "CreatedBy": actor,
        "LastModifiedTime": now,
        "LastModifiedBy": actor,
    }
    return {"ArtifactArn": arn}


def describe_artifact(account: Account, call: ApiCall) -> Value:
    """`DescribeArtifact`."""
    return _artifact(account, call.params["ArtifactArn"])


def list_artifacts(account: Account, call: ApiCall) -> Value:
    """`ListArtifacts`, by source URI and type; newest first unless told otherwise."""
    uri, kind = call.params.get("SourceUri"), call.params.get("ArtifactType")
    rows = [
        row
        for row in account.artifacts.values()
        if uri in (None, row["Source"]["SourceUri"]) and kind in (None, row["ArtifactType"])
    ]
    reverse = call.params.get("SortOrder", "Descending") == "Descending"
    shown, rest = page_of(rows, call, lambda row: (row["CreationTime"], row["ArtifactArn"]), reverse)
    names = ("ArtifactArn", "ArtifactName", "Source", "ArtifactType", "CreationTime", "LastModifiedTime")
    return {
        "ArtifactSummaries": [{name: row[name] for name in names if name in row} for row in shown],
        **rest,
    }


def add_association(account: Account, call: ApiCall) -> Value:
    """`AddAssociation` between two artifacts."""
    source, destination = call.params["SourceArn"], call.params["DestinationArn"]
    _artifact(account, source)
    _artifact(account, destination)
    account.associations.append(
        {
            "SourceArn": source,
            "DestinationArn": destination,
            "AssociationType": call.params.get("AssociationType", "ContributedTo"),
        }
    )
    return {"SourceArn": source, "DestinationArn": destination}


def query_lineage(account: Account, call: ApiCall) -> Value:
    """`QueryLineage` from one artifact, breadth first."""
    starts = call.params.get("StartArns", [])
    for arn in starts:
        _artifact(account, arn)
    depth = call.params.get("MaxDepth", MAX_DEPTH)
    vertices, edges = _walk(account, starts, call.params.get("Direction", "Ascendants"), depth)
    rows: list[Value] = [{"place": place, "arn": arn} for place, arn in enumerate(vertices)]
    size = min(call.params.get("MaxResults", MAX_RESULTS), MAX_RESULTS)
    paged = ApiCall({**call.params, "MaxResults": size}, call.access_key)
    shown, rest = page_of(rows, paged, lambda row: (row["place"],), reverse=False)
    found: Value = {"Vertices": [_vertex(account, row["arn"]) for row in shown], **rest}
    if call.params.get("IncludeEdges", True):
        here = {row["arn"] for row in shown}
        found["Edges"] = [
            edge for edge in edges if edge["SourceArn"] in here or edge["DestinationArn"] in here
        ]
    return found


def _walk(
    account: Account, starts: Iterable[str], direction: str, depth: int
) -> tuple[list[str], list[Value]]:
    seen, edges = dict.fromkeys(starts), []
    frontier = set(seen)
    for _ in range(depth):
        reached: list[str] = []
        for edge in account.associations:
            up = direction in ("Ascendants", "Both") and edge["DestinationArn"] in frontier
            down = direction in ("Descendants", "Both") and edge["SourceArn"] in frontier
            if (up or down) and edge not in edges:
                edges.append(edge)
                reached.append(edge["SourceArn"] if up else edge["DestinationArn"])
        frontier = {arn for arn in reached if arn not in seen}
        seen |= dict.fromkeys(sorted(frontier))
        if not frontier:
            break
    return list(seen), edges


def _vertex(account: Account, arn: str) -> dict[str, Any]:
    return {"Arn": arn, "Type": account.artifacts[arn]["ArtifactType"][:40], "LineageType": "Artifact"}


def _artifact(account: Account, arn: str) -> Value:
    if arn not in account.artifacts:
        raise ServiceError("ResourceNotFound", f"Artifact '{arn}' does not exist.")
    return account.artifacts[arn]
