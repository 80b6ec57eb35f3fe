"""A pricing team's registry for demonstrations, put into an emulator through the vendor's own clients.

Everything in it is made up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from google.cloud import aiplatform_v1 as v1

from adapters.emulators.vertex.client import endpoint_client, model_client

_TIMEOUT = 30.0
_BUCKET = "gs://shop-pricing-models"
_IMAGES = "us-docker.pkg.dev/vertex-ai/prediction"
_GARDEN = "publishers/google/models"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeededModel:
    """One model; `metrics` has one mapping for each version, `aliases` and `serves` name versions by number."""

    id: str
    title: str
    about: str
    image: str
    metrics: tuple[Mapping[str, float], ...]
    aliases: Mapping[str, int]
    labels: Mapping[str, str]
    base: str = ""
    serves: Mapping[int, int] = field(default_factory=dict)
    """Version → percent of the traffic of an endpoint named after the model."""


MODELS: tuple[SeededModel, ...] = (
    SeededModel(
        id="demand-forecast",
        title="Demand forecast, 28 days",
        about="Units sold a day for each article and warehouse, four weeks ahead.",
        image="xgboost-cpu.2-1",
        metrics=(
            {"mape": 0.214, "bias": 0.031},
            {"mape": 0.187, "bias": 0.012},
            {"mape": 0.171, "bias": -0.004},
        ),
        aliases={"production": 3, "default": 3},
        labels={"domain": "demand", "tier": "critical"},
        serves={3: 100},
    ),
    SeededModel(
        id="price-elasticity",
        title="Price elasticity by category",
        about="How demand answers to a change of price; reads the demand forecast.",
        image="sklearn-cpu.1-3",
        metrics=({"r2": 0.58}, {"r2": 0.63}),
        aliases={"production": 2},
        labels={"domain": "demand", "tier": "critical"},
    ),
    SeededModel(
        id="dynamic-pricing",
        title="Dynamic pricing policy",
        about="Proposes a price within the band that category managers allow.",
        image="tf2-cpu.2-15",
        metrics=({"uplift": 0.012}, {"uplift": 0.019}, {"uplift": 0.021}, {"uplift": 0.024}),
        aliases={"production": 3, "challenger": 4, "default": 3},
        labels={"domain": "pricing", "tier": "critical"},
        serves={3: 90, 4: 10},
    ),
    SeededModel(
        id="competitor-price-matcher",
        title="Competitor price matcher",
        about="Finds the same article in another shop's listing, from its text.",
        image="pytorch-gpu.2-2",
        metrics=({"precision": 0.91, "recall": 0.83}, {"precision": 0.94, "recall": 0.86}),
        aliases={"staging": 2, "production": 1},
        labels={"domain": "matching", "tier": "standard"},
        serves={1: 100},
    ),
    SeededModel(
        id="markdown-planner",
        title="End-of-season markdown planner",
        about="When to lower the price of what will not be sold at full price.",
        image="sklearn-cpu.1-3",
        metrics=({"margin_kept": 0.71},),
        aliases={},
        labels={"domain": "pricing", "tier": "experimental"},
    ),
    SeededModel(
        id="search-blend",
        title="Search result blender",
        about="Mixes ranked results, offers and editorial picks into one page; takes the ranking team's scores.",
        image="tf2-cpu.2-15",
        metrics=tuple({"ndcg": 0.61 + step / 100, "margin": 0.2 + step / 200} for step in range(7)),
        aliases={"production": 7, "default": 7},
        labels={"domain": "search", "tier": "critical"},
        serves={7: 100},
    ),
    SeededModel(
        id="offer-writer",
        title="Offer text writer",
        about="Writes the two lines under an offer; tuned from an open model.",
        image="pytorch-gpu.2-2",
        metrics=({"rouge_l": 0.41, "accepted": 0.62}, {"rouge_l": 0.44, "accepted": 0.70}),
        aliases={"production": 2, "default": 2},
        labels={"domain": "content", "tier": "standard"},
        base=f"{_GARDEN}/gemma2",
        serves={2: 100},
    ),
)


def seed(address: str, project: str = "demo", location: str = "us-central1") -> int:
    """Put the pricing team's models into an empty emulator; answers how many versions there are then."""
    parent = f"projects/{project}/locations/{location}"
    models, endpoints = model_client(address), endpoint_client(address)
    try:
        for each in MODELS:
            _seed_model(models, parent, each)
            if each.serves:
                _serve(endpoints, parent, each)
    finally:
        models.transport.close()
        endpoints.transport.close()
    return sum(len(each.metrics) for each in MODELS)


def _seed_model(models: Any, parent: str, each: SeededModel) -> None:
    name = f"{parent}/models/{each.id}"
    for version, metrics in enumerate(each.metrics, start=1):
        upload = v1.UploadModelRequest(parent=parent, model=_message(each, parent, version))
        if version == 1:
            upload.model_id = each.id
        else:
            upload.parent_model = name
        models.upload_model(upload, timeout=_TIMEOUT).result(timeout=_TIMEOUT)
        evaluation = v1.ModelEvaluation(
            display_name="holdout", metrics_schema_uri=f"{_BUCKET}/metrics.yaml", metrics=dict(metrics)
        )
        models.import_model_evaluation(
            parent=f"{name}@{version}", model_evaluation=evaluation, timeout=_TIMEOUT
        )
    for alias, version in each.aliases.items():
        models.merge_version_aliases(name=f"{name}@{version}", version_aliases=[alias], timeout=_TIMEOUT)


def _message(each: SeededModel, parent: str, version: int) -> Any:
    message = v1.Model(
        display_name=each.title,
        description=each.about,
        version_description=f"Trained on quarter {version} of 2026.",
        artifact_uri=f"{_BUCKET}/{each.id}/{version}",
        labels=each.labels if version == 1 else {"quarter": f"2026-q{version}"},
        container_spec={"image_uri": f"{_IMAGES}/{each.image}:latest"},
        pipeline_job=f"{parent}/pipelineJobs/{each.id}-{version}",
    )
    if each.base:
        message.base_model_source = {
            "model_garden_source": {"public_model_name": each.base, "version_id": "gemma-2-2b-it"}
        }
    return message


def _serve(endpoints: Any, parent: str, each: SeededModel) -> None:
    made = endpoints.create_endpoint(
        parent=parent, endpoint=v1.Endpoint(display_name=f"{each.id}-live"), timeout=_TIMEOUT
    ).result(timeout=_TIMEOUT)
    split: dict[str, int] = {}
    for version, percent in each.serves.items():
        shares = {key: share - percent for key, share in split.items()} | {"0": percent if split else 100}
        deployed = endpoints.deploy_model(
            endpoint=made.name,
            deployed_model=v1.DeployedModel(model=f"{parent}/models/{each.id}@{version}"),
            traffic_split=shares,
            timeout=_TIMEOUT,
        ).result(timeout=_TIMEOUT)
        shares[deployed.deployed_model.id] = shares.pop("0")
        split = shares
