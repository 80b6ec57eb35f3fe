"""The public models as registries hold them: one registry for each source, one version each."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from federation.search.document import Document
from tests.benchmarks.relevance.queries import Record, records
from tests.federation.search.world import described


def documents() -> Iterator[Document]:
    """A document for each record. What a registry has no field for is a tag."""
    registries: dict[str, int] = {}
    for number, record in enumerate(records(), 1):
        registry = re.sub(
            r"[^a-z0-9]+", "-", record["source"].partition(";")[0].partition(" ")[0].lower()
        ).strip("-")
        yield described(
            registry_id=registries.setdefault(registry, len(registries) + 1),
            model_id=number,
            version_id=number,
            registry=registry,
            team=registry,
            model=record["name"],
            version="1",
            framework=record["library"] or "",
            owner=record["publisher"] or "",
            license=record["license"] or "",
            tags=tags(record),
            metrics={
                name: float(value)
                for name, value in record["metrics"].items()
                if isinstance(value, int | float)
            },
            depends_on=tuple(f"{registry}/{base}" for base in record["base_models"]),
            created=released(record),
            updated=released(record),
        )


def tags(record: Record) -> dict[str, str]:
    """Task, tags, data sets and languages, as a registry's tags hold lists: separated by commas."""
    lists = {"task": [record["task"]] if record["task"] else [], "tags": record["tags"]}
    lists |= {"datasets": record["datasets"], "languages": record["languages"]}
    return {key: ", ".join(values) for key, values in lists.items() if values}


def released(record: Record) -> datetime | None:
    """When it came out; a month counts from its first day."""
    text = record["released"]
    return datetime.fromisoformat(f"{text}-01"[:10]).replace(tzinfo=UTC) if text else None


def text(record: Record) -> str:
    """Everything searchable but the name, as one text, for the baselines."""
    fields = (record["publisher"], record["library"], record["license"], *tags(record).values())
    return " ".join(field for field in fields if field)
