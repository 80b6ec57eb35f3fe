"""What an endpoint serves: the models of its variants, its inference components, and what is being rolled out.

A share is the percentage of an endpoint's requests that may reach a target. Variants share them by weight. What is
called by name (an inference component, a model of a multi-model variant) takes all that name it, so shares may add
up to more than 100. A shadow variant gets copies whose answers nobody sees: it is shown with 0.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from adapters.errors import AuthError, NotFoundError
from adapters.sagemaker.client import Answer, SageMakerClient
from adapters.sagemaker.keys import Raw
from adapters.sagemaker.reads import plain
from adapters.sagemaker.records import artifact_of

LIVE = frozenset({"InService", "Updating", "SystemUpdating", "RollingBack", "UpdateRollbackFailed"})
"""The states of an endpoint that takes requests."""
COMPONENTS = "inference components"
"""What an older backend may not have."""
_LISTED_PAGES = 1_000
_TAKES_TRAFFIC = frozenset({"ActivatingTraffic", "Baking"})
"""What SageMaker says of a variant that is being rolled out once requests go to it."""


@dataclass(frozen=True)
class Held:
    """What a target loads: packages by ARN or name, else where its model data lies; `prefixes` hold any number.

    `made` is when it was created, in ISO 8601: of the packages with the same model data it tells which was meant.
    """

    packages: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    made: str | None = None
    variant: str = ""
    """The variant of the configuration in force that loads it; empty for what is called otherwise."""


@dataclass(frozen=True)
class ServedEndpoint:
    """An endpoint, with its components in its payload, what its targets hold, and their shares.

    `unknown` says, one line each, what could not be learned of what it serves.
    """

    endpoint: Raw
    targets: tuple[tuple[Held, float], ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def by_address(self) -> bool:
        """Whether something it serves is known by the address of its model data only."""
        return any(held.uris or held.prefixes for held, _ in self.targets)


@dataclass
class Components:
    """Inference components by the name of their endpoint; `refused` says why they may not be read."""

    by_endpoint: dict[str, list[Raw]] = field(default_factory=dict)
    refused: str = ""

    def stamp(self, endpoint: str) -> str:
        """Another text when a component of the endpoint is new, gone or changed."""
        rows = self.by_endpoint.get(endpoint, [])
        return (
            " ".join(
                f"{row['InferenceComponentName']} {row['LastModifiedTime']} {row.get('InferenceComponentStatus')}"
                for row in sorted(rows, key=lambda row: str(row["InferenceComponentName"]))
            )
            + self.refused
        )


def components(client: SageMakerClient, endpoint: str | None = None) -> Components:
    """All inference components, or those of one endpoint; none where the backend has no such thing."""
    found = Components()
    wanted: dict[str, Any] = {"MaxResults": 100} | ({"EndpointNameEquals": endpoint} if endpoint else {})
    try:
        for answer in client.pages("ListInferenceComponents", _LISTED_PAGES, COMPONENTS, **wanted):
            for row in answer.get("InferenceComponents", []):
                found.by_endpoint.setdefault(row["EndpointName"], []).append(row)
    except AuthError as error:
        return Components(refused=str(error))
    return found


def read(client: SageMakerClient, summary: Raw, known: Components) -> ServedEndpoint:
    """An endpoint, which a listing or `get` names by this summary, with what it serves. Errors: NotFoundError."""
    try:
        endpoint = plain(client.call("DescribeEndpoint", EndpointName=summary["EndpointName"]))
    except AuthError as error:
        if "EndpointArn" not in summary:
            raise
        return ServedEndpoint(summary, unknown=(str(error),))
    looking = _Looking(client)
    targets = [*looking.variants(endpoint), *looking.pending(endpoint)]
    if endpoint["EndpointStatus"] == "UpdateRollbackFailed" and "PendingDeploymentSummary" not in endpoint:
        looking.unknown.append("a rollback failed, and which other configuration it serves is not said")
    parts = [*looking.components(known.by_endpoint.get(endpoint["EndpointName"], []))]
    if known.refused and looking.bare:
        looking.unknown.append(known.refused)
    if parts:
        endpoint["InferenceComponents"] = [row for row, _, _ in parts]
    targets += [(held, share) for _, held, share in parts]
    unknown = looking.unknown if endpoint["EndpointStatus"] in LIVE else ()
    return ServedEndpoint(endpoint, tuple(targets), tuple(dict.fromkeys(unknown)))


class _Looking:
    """Looks behind one endpoint, and notes what could not be seen."""

    def __init__(self, client: SageMakerClient) -> None:
        self._client = client
        self.unknown: list[str] = []
        self.bare = False
        """Whether a variant names no model: then inference components do."""

    def variants(self, endpoint: Raw) -> Iterator[tuple[Held, float]]:
        """What the production variants serve, with their shares, and the shadow variants."""
        production = endpoint.get("ProductionVariants") or []
        shadows = endpoint.get("ShadowProductionVariants") or []
        if not production and not shadows:
            return
        rolled = _taking(endpoint)
        shares = _shares(production, beside=rolled)
        names = {variant["VariantName"] for variant in production}
        config = endpoint.get("EndpointConfigName")
        for name, held, share in self._served(config, (*production, *shadows), shares):
            yield replace(held, variant=name if name in names else ""), share

    def pending(self, endpoint: Raw) -> Iterator[tuple[Held, float]]:
        """What is being rolled out: with a share once it takes requests, else with 0."""
        summary = endpoint.get("PendingDeploymentSummary") or {}
        variants = summary.get("ProductionVariants") or []
        shadows = summary.get("ShadowProductionVariants") or []
        if not variants and not shadows:
            return
        current = endpoint.get("ProductionVariants") or []
        taking = _taking(endpoint) if current else variants
        shares = _shares(taking, beside=current)
        served = self._served(summary.get("EndpointConfigName"), (*variants, *shadows), shares)
        yield from ((held, share) for _, held, share in served)

    def components(self, rows: Iterable[Raw]) -> Iterator[tuple[Raw, Held, float]]:
        """Each inference component as SageMaker describes it, what it holds, and its share."""
        for row in rows:
            name = row["InferenceComponentName"]
            described = self._described("DescribeInferenceComponent", InferenceComponentName=name)
            if described is None:
                continue
            found = plain(described)
            share = 100.0 if _runs(found) else 0.0
            specifications = found.get("Specifications") or [found.get("Specification") or {}]
            held = [self._specified(one, found) for one in specifications]
            yield from ((found, one, share) for one in held if one is not None)

    def _specified(self, specification: Raw, component: Raw) -> Held | None:
        if specification.get("ModelName"):
            return self._model(specification["ModelName"])
        uri = (specification.get("Container") or {}).get("ArtifactUrl")
        return Held(uris=(uri,) if uri else (), made=component.get("CreationTime"))

    def _described(self, action: str, gone: str = "", **params: Any) -> Answer | None:
        """What SageMaker says; None where it is `gone` or may not be read, which is noted."""
        try:
            return self._client.call(action, **params)
        except (NotFoundError, AuthError) as error:
            why = gone if isinstance(error, NotFoundError) else str(error)
            self.unknown += [why] if why else []
            return None

    def _served(
        self, config: str | None, variants: Iterable[Raw], shares: Mapping[str, float]
    ) -> Iterator[tuple[str, Held, float]]:
        models = self._models(config)
        for name in (variant["VariantName"] for variant in variants):
            for held in self._held(models, name):
                yield name, held, shares.get(name, 0.0)

    def _models(self, config: str | None) -> Mapping[str, list[str]] | None:
        """The models by variant that a configuration names; None where it is not known."""
        if not config:
            self.unknown.append("SageMaker names no configuration of this endpoint")
            return None
        gone = f"its configuration {config} was deleted under it"
        found = self._described("DescribeEndpointConfig", gone, EndpointConfigName=config)
        if found is None:
            return None
        variants = [*(found.get("ProductionVariants") or []), *(found.get("ShadowProductionVariants") or [])]
        return {variant["VariantName"]: _named(variant) for variant in variants}

    def _held(self, models: Mapping[str, list[str]] | None, variant: str) -> Iterator[Held]:
        if models is None:
            return
        names = models.get(variant)
        if names is None:
            self.unknown.append(f"its configuration does not name its variant {variant}")
            return
        self.bare = self.bare or not names
        for name in names:
            held = self._model(name)
            if held is not None:
                yield held

    def _model(self, name: str) -> Held | None:
        model = self._described("DescribeModel", f"its model {name} was deleted under it", ModelName=name)
        if model is None:
            return None
        primary = model.get("PrimaryContainer")
        return _loaded([primary] if primary else model.get("Containers") or [], model.get("CreationTime"))


def _loaded(containers: Iterable[Raw], made: str | None) -> Held:
    packages: list[str] = []
    uris: list[str] = []
    prefixes: list[str] = []
    for container in containers:
        address = artifact_of(container)
        if container.get("ModelPackageName"):
            packages.append(container["ModelPackageName"])
        elif address and container.get("Mode") == "MultiModel":
            prefixes.append(address)
        elif address:
            uris.append(address)
        more = (
            artifact_of({"ModelDataSource": each})
            for each in container.get("AdditionalModelDataSources") or []
        )
        uris += [uri for uri in more if uri]
    return Held(tuple(packages), tuple(uris), tuple(prefixes), made)


def _named(variant: Raw) -> list[str]:
    """The models of a variant: its own, and those that single pools of instances have instead."""
    pools = [pool.get("ModelNameOverride") for pool in variant.get("InstancePools") or []]
    return list(dict.fromkeys(name for name in (variant.get("ModelName"), *pools) if name))


def _taking(endpoint: Raw) -> list[Raw]:
    """The variants of a new configuration to which requests go already."""
    variants = (endpoint.get("PendingDeploymentSummary") or {}).get("ProductionVariants") or []
    if endpoint.get("EndpointStatus") == "UpdateRollbackFailed":
        # In service with a mix of both configurations.
        return list(variants)
    return [
        variant
        for variant in variants
        if _TAKES_TRAFFIC.intersection(status["Status"] for status in variant.get("VariantStatus") or [])
    ]


def _shares(variants: Iterable[Raw], beside: Iterable[Raw]) -> dict[str, float]:
    """The percentage of each of these variants, where those `beside` them take some as well."""
    weights = {variant["VariantName"]: _weight(variant) for variant in variants}
    total = sum(weights.values()) + sum(map(_weight, beside))
    alone = len(weights) == 1 and not list(beside)
    return {name: 100 * weight / total if total else 100.0 * alone for name, weight in weights.items()}


def _weight(variant: Raw) -> float:
    weight = variant.get("CurrentWeight")
    # Where SageMaker names none, its own default holds.
    return 1.0 if weight is None else float(weight)


def _runs(component: Raw) -> bool:
    """Whether requests reach it: a failed change leaves the copies that were there."""
    status = component.get("InferenceComponentStatus")
    copies = (component.get("RuntimeConfig") or {}).get("CurrentCopyCount") or 0
    return status in ("InService", "Updating") or (status == "Failed" and copies > 0)
