"""Pages of a scan as SageMaker gives them, read a little ahead: one is completed while the next is coming."""

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

from adapters.errors import TransientError, UnsupportedError
from adapters.portions import Portion
from adapters.records import NO_LINEAGE, Lineage
from adapters.sagemaker import lineage, reads, serving
from adapters.sagemaker.client import Answer, SageMakerClient
from adapters.sagemaker.failures import ForbiddenError
from adapters.sagemaker.keys import Raw
from adapters.sagemaker.serving import Components, ServedEndpoint
from adapters.scanning import Ahead, Steps

Source = Literal["groups", "packages", "changed", "listing", "endpoints"]
Via = Literal["search", "describe"]
PAGE_LIMIT = 100
"""The most rows one SageMaker page may have."""
_DEPTH = 3


@dataclass(frozen=True)
class FetchedPage:
    """One page: its rows, and when it was asked for by the backend's clock."""

    rows: list[Any]
    asked: datetime
    walked: Mapping[str, Lineage] = field(default_factory=dict)


class Listings:
    """The listings of one scan. `changed_since` is the filter of the source `changed`."""

    def __init__(
        self,
        client: SageMakerClient,
        via: Via,
        changed_since: datetime | None,
        served: dict[str, tuple[str, ServedEndpoint]],
        *,
        with_lineage: bool,
    ) -> None:
        """`served` are endpoints of earlier scans by ARN, with what shows that they changed; new ones are added."""
        self.via: Via = via
        self.sees_endpoints = True
        self._client, self._since, self._with_lineage = client, changed_since, with_lineage
        self._served = served
        self._portions: defaultdict[Source, Portion] = defaultdict(lambda: Portion(PAGE_LIMIT))
        self._artifacts: lineage.Artifacts | None = None
        self._artifacts_lock = threading.Lock()
        self._components: Components | None = None
        self._components_lock = threading.Lock()

    def walk(self, packages: list[Raw]) -> Mapping[str, Lineage]:
        """The lineage of the packages that have any."""
        if not self._with_lineage or not packages:
            return {}
        with self._artifacts_lock:
            if self._artifacts is None:
                self._artifacts = self._listed_artifacts()
        artifacts = self._artifacts
        known = [row["ModelPackageArn"] for row in packages if row["ModelPackageArn"] in artifacts.by_uri]
        found = self._client.each(partial(self._walked, artifacts), known)
        return dict(zip(known, reads.present(found), strict=False)) if known else {}

    def _listed_artifacts(self) -> lineage.Artifacts:
        """None where they may not be read: `get` of a version that had some says so, and a probe."""
        try:
            return lineage.listed(self._client)
        except ForbiddenError:
            return lineage.Artifacts()

    def _walked(self, artifacts: lineage.Artifacts, arn: str) -> Lineage:
        try:
            return lineage.walked(self._client, artifacts, arn)
        except ForbiddenError:
            return NO_LINEAGE

    def pages(self, source: Source, limit: int) -> Iterator[FetchedPage]:
        """The pages of a listing, each read while the one before it is completed. Errors: any `AdapterError`."""
        for asked, answer in Ahead(self._answers(source, limit), _DEPTH):
            rows = self._rows(source, answer)
            packages = rows if source in ("packages", "changed") else []
            yield FetchedPage(rows, reads.asked_at(answer, asked), self.walk(packages))

    def _answers(self, source: Source, limit: int) -> Iterator[tuple[datetime, Answer]]:
        steps = Steps(lambda: TransientError(f"the listing of {source} does not end: AWS gives no new pages"))
        token: str | None = None
        while True:
            asked = datetime.now(UTC)
            answer = self._ask(source, token, limit)
            yield asked, answer
            token = answer.get("NextToken") or None
            if token is None:
                return
            steps.take(token, is_empty=not any(isinstance(each, list) and each for each in answer.values()))

    def _ask(self, source: Source, token: str | None, limit: int) -> Answer:
        """A page of a listing, a smaller one where so much is too much at once."""
        return self._portions[source].read(min(limit, PAGE_LIMIT), partial(self._asked, source, token))

    def _asked(self, source: Source, token: str | None, size: int) -> Answer:
        wanted: dict[str, Any] = {"MaxResults": size} | ({"NextToken": token} if token else {})
        # By creation, oldest first: what is created meanwhile comes last, and what changes keeps its place.
        in_order = {"SortBy": "CreationTime", "SortOrder": "Ascending"}
        call = self._client.call
        if source == "endpoints":
            return self._endpoints(**wanted, **in_order)
        if source == "listing" or (source == "packages" and self.via == "describe"):
            return call("ListModelPackages", ModelPackageType="Both", **wanted, **in_order)
        if source == "groups" and self.via == "describe":
            return call("ListModelPackageGroups", **wanted, **in_order)
        resource = "ModelPackageGroup" if source == "groups" else "ModelPackage"
        only = _changed_since(self._since) if source == "changed" and self._since else {}
        return call("Search", Resource=resource, **wanted, **in_order, **only)

    def _endpoints(self, **wanted: Any) -> Answer:
        try:
            return self._client.call("ListEndpoints", **wanted)
        except (ForbiddenError, UnsupportedError):
            self.sees_endpoints = False
            return {}

    def _rows(self, source: Source, answer: Answer) -> list[Any]:
        if source == "endpoints":
            return reads.present(self._client.each(self._serving, answer.get("Endpoints", [])))
        if source == "listing":
            return list(answer.get("ModelPackageSummaryList", []))
        if self.via == "search":
            resource = "ModelPackageGroup" if source == "groups" else "ModelPackage"
            return [row[resource] for row in answer.get("Results", []) if resource in row]
        if source == "groups":
            names = [row["ModelPackageGroupName"] for row in answer.get("ModelPackageGroupSummaryList", [])]
            return reads.present(self._client.each(partial(reads.group, self._client), names))
        return self.describe([row["ModelPackageArn"] for row in answer.get("ModelPackageSummaryList", [])])

    def describe(self, arns: list[str]) -> list[Any]:
        """These packages one by one in the pool; what is gone meanwhile is left out."""
        one = partial(reads.package, self._client, tags=self.via == "search")
        return reads.present(self._client.each(one, arns))

    def _serving(self, summary: Raw) -> ServedEndpoint:
        with self._components_lock:
            if self._components is None:
                self._components = serving.components(self._client)
        arn, components = summary["EndpointArn"], self._components
        status = summary["EndpointStatus"]
        stamp = f"{summary['LastModifiedTime']} {status} {components.stamp(summary['EndpointName'])}"
        known = self._served.get(arn)
        if known and known[0] == stamp:
            return known[1]
        found = serving.read(self._client, summary, components)
        # What is being changed shows how far it is only when asked, and what is unknown may be known next time.
        if status == "InService" and not found.unknown:
            self._served[arn] = (stamp, found)
        return found


def _changed_since(since: datetime) -> dict[str, Any]:
    moment = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    names = ("LastModifiedTime", "CreationTime")
    filters = [{"Name": name, "Operator": "GreaterThanOrEqualTo", "Value": moment} for name in names]
    return {"SearchExpression": {"Operator": "Or", "Filters": filters}}
