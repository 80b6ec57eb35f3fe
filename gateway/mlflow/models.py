"""`registered-models/`: reading models and finding them."""

from typing import Any

from federation.catalogue.catalogue import ListRequest
from gateway.mlflow.asked import CallFields
from gateway.mlflow.errors import invalid
from gateway.mlflow.facade import Facade
from gateway.mlflow.grammar import MODELS, Clause, model_holds, read_filter, read_order, read_token, token_of
from gateway.mlflow.names import STAGES, alias_of, meant_name
from gateway.mlflow.shapes import model_shape, stage_of, version_shape

DEFAULT_RESULTS, MOST_RESULTS = 100, 1_000


def get_model(facade: Facade, asked: CallFields) -> dict[str, Any]:
    """One model."""
    return {"registered_model": model_shape(facade.model(asked.text("name")), facade.base)}


def search_models(facade: Facade, asked: CallFields) -> dict[str, Any]:
    """Models, a page of them."""
    limit = asked.number("max_results", DEFAULT_RESULTS, MOST_RESULTS)
    text, order = asked.optional("filter") or "", asked.texts("order_by")
    clauses = read_filter(text, MODELS)
    whole = f"{text}\0{order}"
    request = ListRequest(
        registry_id=facade.known[0],
        order=read_order(order, MODELS),
        limit=limit,
        after=read_token(asked.optional("page_token"), whole),
        name=exact_name(clauses),
        naming=parts_of_name(clauses),
        mentioning=[
            f'"{one.key}"' for one in clauses if one.is_tag and is_plain(one.key) and _must_have(one)
        ],
        holds=model_holds(clauses),
    )
    if not limit:
        return {}
    page = facade.waypost.catalogue.models(facade.view, request)
    answer: dict[str, Any] = {}
    if page.rows:
        answer["registered_models"] = [model_shape(one, facade.base) for one in page.rows]
    if page.after:
        answer["next_page_token"] = token_of(page.after, whole)
    return answer


def get_latest_versions(facade: Facade, asked: CallFields) -> dict[str, Any]:
    """The newest version of each stage, of those that are asked for."""
    name, stages = asked.text("name"), asked.texts("stages")
    latest = facade.model(name).latest
    for stage in stages:  # what stands behind a `/` and is no number a client takes for a stage
        if stage.lower() not in STAGES and facade.named(name, stage):
            raise invalid(f"Version {stage} is no whole number: name it models:/{name}@{alias_of(stage)}.")
    stages = [canonical_stage(stage) for stage in stages]
    found = [version_shape(one, facade.base) for one in latest if not stages or stage_of(one) in stages]
    return {"model_versions": found} if found else {}


def get_by_alias(facade: Facade, asked: CallFields) -> dict[str, Any]:
    """The version that an alias names."""
    found = facade.by_alias(asked.text("name"), asked.text("alias"))
    return {"model_version": version_shape(found, facade.base)}


def exact_name(clauses: list[Clause]) -> str | None:
    """The one model that can be meant."""
    names = (one.value for one in clauses if one.key == "name" and not one.is_tag and one.comparator == "=")
    return next((meant_name(name) for name in names), None)


def parts_of_name(clauses: list[Clause]) -> list[str]:
    """Runs of letters and digits that a model's name must have, whatever their case."""
    patterns = [
        one.value
        for one in clauses
        if one.key == "name" and not one.is_tag and one.comparator in ("LIKE", "ILIKE")
    ]
    return [run for pattern in patterns for run in _runs(pattern)]


def is_plain(text: str) -> bool:
    """Whether a text stands in JSON, and in a query, as it is."""
    return text.isascii() and text.replace("_", "").replace("-", "").replace(".", "").isalnum()


def _runs(pattern: str) -> list[str]:
    plain = "".join(sign if sign.isascii() and (sign.isalnum() or sign == "-") else " " for sign in pattern)
    # What could be the code of a sign that MLflow's names must not have stands otherwise in the catalogue.
    return [run for run in plain.split() if not {"2f", "3a", "25"} & {run[:2].lower(), run.lower()}]


def _must_have(clause: Clause) -> bool:
    return clause.key != "mlflow.prompt.is_prompt"


def canonical_stage(stage: str) -> str:
    """A stage in MLflow's own spelling. Errors: 400."""
    found = STAGES.get(stage.lower())
    if found is None:
        raise invalid(
            f"Invalid Model Version stage: {stage[:200]}. Value must be one of {', '.join(STAGES.values())}."
        )
    return found
