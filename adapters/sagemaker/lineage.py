"""What SageMaker's lineage graph knows about packages: data sets, the models and the run they came from."""

from dataclasses import dataclass, field
from typing import Any

from adapters.errors import AdapterError, NotFoundError, UnsupportedError
from adapters.records import NO_LINEAGE, Dataset, Lineage, Parent
from adapters.sagemaker.client import SageMakerClient
from adapters.sagemaker.keys import Raw, is_package

MAX_DEPTH = 10
MAX_RESULTS = 50
_LISTED_PAGES = 50
_WALKED_PAGES = 4


@dataclass(frozen=True)
class Artifacts:
    """The account's lineage artifacts: by ARN, and the ARN of each that stands for something at a URI."""

    by_arn: dict[str, Raw] = field(default_factory=dict)
    by_uri: dict[str, str] = field(default_factory=dict)


def listed(client: SageMakerClient, uri: str | None = None) -> Artifacts:
    """The newest artifacts, at most 5,000, or those of one URI. Errors: ForbiddenError."""
    found = Artifacts()
    wanted: dict[str, Any] = {"MaxResults": 100} | ({"SourceUri": uri} if uri else {})
    for answer in client.pages("ListArtifacts", _LISTED_PAGES, "lineage", **wanted):
        for artifact in answer.get("ArtifactSummaries", []):
            source = artifact.get("Source", {}).get("SourceUri")
            found.by_arn[artifact["ArtifactArn"]] = artifact
            if source:
                found.by_uri.setdefault(source, artifact["ArtifactArn"])
    return found


def walked(client: SageMakerClient, artifacts: Artifacts, package_arn: str) -> Lineage:
    """The lineage of one package, up to ten steps back; empty where the graph does not know it. Errors: ForbiddenError.

    The walk stops at other packages: they are its parents, and what they were made from is theirs.
    """
    start = artifacts.by_uri.get(package_arn)
    if start is None:
        return NO_LINEAGE
    try:
        vertices, sources = _ancestors(client, start)
    except (UnsupportedError, NotFoundError):
        return NO_LINEAGE
    run, datasets, parents = None, dict[Dataset, None](), dict[Parent, None]()
    seen, waiting = {start}, [*sources.get(start, ())]
    while waiting:
        arn = waiting.pop(0)
        if arn in seen:
            continue
        seen.add(arn)
        vertex = vertices.get(arn, {})
        uri = _uri(client, artifacts, vertex)
        if is_package(uri):
            parents[Parent(uri)] = None
            continue
        if vertex.get("LineageType") == "TrialComponent":
            run = run or arn.rpartition("/")[2]
        elif vertex.get("Type") == "DataSet" and uri:
            datasets[Dataset.at(uri)] = None
        waiting += sources.get(arn, ())
    return Lineage(run_id=run, datasets=tuple(datasets), parents=tuple(parents))


def _ancestors(client: SageMakerClient, start: str) -> tuple[dict[str, Raw], dict[str, list[str]]]:
    """The vertices behind `start` by ARN, and for each the ARNs it was made from."""
    vertices: dict[str, Raw] = {}
    sources: dict[str, list[str]] = {}
    wanted: dict[str, Any] = {"StartArns": [start], "Direction": "Ascendants", "IncludeEdges": True}
    wanted |= {"MaxDepth": MAX_DEPTH, "MaxResults": MAX_RESULTS}
    for answer in client.pages("QueryLineage", _WALKED_PAGES, **wanted):
        vertices |= {vertex["Arn"]: vertex for vertex in answer.get("Vertices", [])}
        for edge in answer.get("Edges", []):
            sources.setdefault(edge["DestinationArn"], []).append(edge["SourceArn"])
    return vertices, sources


def _uri(client: SageMakerClient, artifacts: Artifacts, vertex: Raw) -> str:
    """What an artifact stands for; empty for anything else."""
    if vertex.get("LineageType") != "Artifact":
        return ""
    artifact: Raw = artifacts.by_arn.get(vertex["Arn"]) or {}
    if not artifact:
        try:
            artifact = client.call("DescribeArtifact", ArtifactArn=vertex["Arn"])
        except AdapterError:
            return ""
    return str(artifact.get("Source", {}).get("SourceUri", ""))
