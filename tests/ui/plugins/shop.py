"""A plugin whose registries hold the models of the demo, or what a hostile one would hold; a file takes it down.

Aliases and tags can be written: what was written stands in `written.json`.
"""

import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from adapters import (
    Adapter,
    AdapterConfig,
    BackendInfo,
    Capability,
    Column,
    Dataset,
    Key,
    Lineage,
    Mark,
    ModelRecord,
    NotFoundError,
    Page,
    Record,
    Schema,
    Snippet,
    TransientError,
    VersionRecord,
    Watermark,
)
from gateway.demo.models import REGISTRIES, DemoModel

BEGAN = datetime(2026, 5, 1, 9, tzinfo=UTC)
CARD = """# A card

<script>window.hacked = 1</script>
<svg onload="window.hacked = 2"></svg><img src="https://elsewhere.example/x.png" onerror="window.hacked = 3">

[press me](javascript:window.hacked=4) and ![picture](https://elsewhere.example/y.png)

| a | b |
|---|---|
| 1 | <iframe src="https://elsewhere.example"></iframe> |
"""
HOSTILE = {
    '<img src=x onerror="window.hacked=5">': CARD,
    "n" * 200: "Two hundred letters without a break.",
    "safe\u202egpj.exe": "A mark that turns the rest of the line around.",
    "\u05d0\u05d1\u05d2 model": "A name from right to left.",
    "{{ 7 * 7 }} 'quoted' \"twice\" & more": "A name for a template.",
}

LONGEST = "longest" * 9
"""The name of a registry in which all is as long as it may be, or as anybody would make it."""
LONG = "Unbroken" * 30
"""What no line can be broken in."""


class ShopConfig(AdapterConfig):
    """Which part of the shop, and where its files lie."""

    registry: str = Field(description="fraud, search, hostile, or what holds the longest names")
    folder: Path = Field(description="folder of `down`, `slow` and `written.json`")


class ShopAdapter(Adapter):
    """Lists everything each time."""

    kind: ClassVar[str] = "shop"
    contract: ClassVar[int] = 1
    config_type: ClassVar[type[AdapterConfig]] = ShopConfig
    stage_rules: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "production": ("stage:Production",),
        "staging": ("stage:Staging",),
        "archived": ("stage:Archived",),
    }
    capabilities: ClassVar[frozenset[Capability]] = frozenset({Capability.SET_ALIAS, Capability.SET_TAGS})

    def __init__(self, config: ShopConfig) -> None:
        self.config = config

    def probe(self) -> BackendInfo:
        self._answer()
        return BackendInfo(version="1", identity=self.config.registry)

    def scan(self, *, since: Watermark | None, limit: int, resume: Mark | None = None) -> Iterator[Page]:
        self._answer()
        found = self._records()
        if self._is_slow():
            yield Page(tuple(found[:3]))
        while self._is_slow():
            time.sleep(0.05)
        yield from (Page(tuple(found[at : at + limit])) for at in range(0, len(found), limit))

    def get(self, key: Key) -> Record:
        self._answer()
        for record in self._records():
            if record.key == key:
                return record
        raise NotFoundError(f"{key.kind} {key.native_id} is not in the shop")

    def snippets(self, model: str, version: VersionRecord) -> tuple[Snippet, ...]:
        return (
            Snippet("Load in Python", "python", f"model = shop.load({f'{model}:{version.version}'!r})"),
            Snippet("Read over REST", "curl", "curl --fail 'http://shop.example/'"),
        )

    def set_alias(self, key: Key, alias: str, version: str | None, *, etag: str | None = None) -> Record:
        self._write(f"alias {key.native_id} {alias}", version)
        return self.get(key)

    def set_tags(self, key: Key, tags: Mapping[str, str | None], *, etag: str | None = None) -> Record:
        for name, value in tags.items():
            self._write(f"tag {key.native_id} {name}", value)
        return self.get(key)

    def _answer(self) -> None:
        if (self.config.folder / "down").exists():
            raise TransientError("the shop does not answer: connection refused")

    def _is_slow(self) -> bool:
        return (self.config.folder / "slow").exists()

    def _write(self, what: str, value: str | None) -> None:
        self._answer()
        draft = self.config.folder / "draft.json"
        draft.write_text(json.dumps({**self._written(), what: value}))
        draft.replace(self.config.folder / "written.json")

    def _written(self) -> dict[str, str | None]:
        path = self.config.folder / "written.json"
        found: dict[str, str | None] = json.loads(path.read_text()) if path.exists() else {}
        return found

    def _records(self) -> list[Record]:
        if self.config.registry == "hostile":
            return hostile()
        if self.config.registry == LONGEST:
            return longest()
        written = self._written()
        (registry,) = (one for one in REGISTRIES if one.name == self.config.registry)
        models: list[Record] = []
        versions: list[Record] = []
        for place, model in enumerate(registry.models):
            key = Key("model", model.name)
            aliases = {alias: str(number) for alias, number in model.aliases.items()}
            models.append(
                ModelRecord(
                    key=key,
                    name=model.name,
                    description=model.about,
                    owner=model.owner,
                    license=model.license,
                    tags=changed(dict(model.tags), f"tag {model.name} ", written),
                    aliases=changed(aliases, f"alias {model.name} ", written),
                    created_at=BEGAN + timedelta(days=place),
                    url=f"https://shop.example/{model.name}",
                )
            )
            versions += [
                version(model, key, number, registry.repository, place, written)
                for number in range(1, 1 + len(model.stages))
            ]
        return models + versions


def changed(values: dict[str, str], before: str, written: Mapping[str, str | None]) -> dict[str, str]:
    """Values with what was written over them."""
    for what, value in written.items():
        if what.startswith(before):
            name = what.removeprefix(before)
            if value is None:
                values.pop(name, None)
            else:
                values[name] = value
    return values


def version(
    model: DemoModel, key: Key, number: int, repository: str, place: int, written: Mapping[str, str | None]
) -> VersionRecord:
    """One version of a model of the demo."""
    native = f"{model.name}:{number}"
    made: dict[str, Any] = {"depends_on": model.depends_on[number]} if number in model.depends_on else {}
    columns = [
        tuple(Column(name, of.split(":")[0]) for name, of in side.items())
        for side in (model.inputs, model.outputs)
    ]
    return VersionRecord(
        key=Key("version", native),
        model=key,
        version=str(number),
        description=model.notes.get(number),
        stage=model.stages[number - 1],
        tags=changed(made, f"tag {native} ", written),
        metrics={name: values[number - 1] for name, values in model.metrics.items()},
        params=dict(model.params),
        framework=model.framework,
        owner=model.owner,
        schema=Schema(*columns),
        artifact_uri=f"s3://shop/{native}",
        lineage=Lineage(
            run_id=f"run-{native}",
            commit=f"{place:04x}{number:04x}" * 5,
            repository=repository,
            datasets=tuple(Dataset(one.name, one.digest, one.uri) for one in model.datasets),
        ),
        created_at=BEGAN + timedelta(days=place, hours=number),
        native={"name": model.name, "version": number},
    )


def hostile() -> list[Record]:
    """What somebody puts into a registry who means harm."""
    models: list[Record] = []
    versions: list[Record] = []
    for place, (name, about) in enumerate(HOSTILE.items()):
        key = Key("model", str(place))
        url = "javascript:window.hacked=6"
        models.append(
            ModelRecord(
                key=key, name=name, description=about, owner="<b>x</b>@evil", url=url, tags={name[:50]: name}
            )
        )
        versions.append(
            VersionRecord(
                key=Key("version", f"{place}:1"),
                model=key,
                version="1",
                description=about,
                stage="Production",
                url=url,
                tags={"</style><script>window.hacked=7</script>": name},
                metrics={"</script><script>window.hacked=8</script>": 1.0},
                lineage=Lineage(run_id=name, run_url=url, commit=name[:60], repository=url),
            )
        )
    return models + versions


def longest() -> list[Record]:
    """A model and two versions whose every name, value and sentence is long; the second needs the first."""
    key = Key("model", "0")
    model = ModelRecord(
        key=key,
        name=LONG,
        description=f"{LONG} {'and so on ' * 60}",
        owner=f"{LONG}@shop.example",
        license=LONG,
        tags={f"{LONG}{place}": LONG for place in range(3)},
        aliases={f"{LONG}{place}": "2" * 90 for place in range(3)},
        url=f"https://shop.example/{LONG}",
    )
    columns = tuple(Column(f"{LONG}{place}", f"{LONG}[-1, 384]") for place in range(3))
    return [
        model,
        *(
            VersionRecord(
                key=Key("version", f"0:{number}"),
                model=key,
                version=number * 90,
                description=LONG,
                stage="Production",
                state=f"{LONG}: {LONG} {'because ' * 40}",
                tags={LONG: LONG, **({"depends_on": f"{LONG}:{'1' * 90}"} if number == "2" else {})},
                metrics={f"{LONG}{place}": 1234567890.123456789 * int(number) for place in range(3)},
                params={f"{LONG}{place}": LONG for place in range(3)},
                framework=LONG,
                owner=f"{LONG}@shop.example",
                creator=LONG,
                schema=Schema(columns, columns),
                artifact_uri=f"s3://{LONG}/{LONG}",
                artifact_digest=LONG,
                lineage=Lineage(
                    run_id=LONG,
                    commit=LONG,
                    repository=f"https://git.shop.example/{LONG}",
                    datasets=tuple(Dataset(f"{LONG}{place}", LONG, f"s3://{LONG}") for place in range(3)),
                ),
                created_at=BEGAN,
                native={LONG: LONG},
            )
            for number in ("1", "2")
        ),
    ]
