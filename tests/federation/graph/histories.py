"""Random histories of registries, told to the real graph and to a slow, obvious one beside it."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import networkx

from adapters import Dataset, Lineage, ModelRecord, VersionRecord
from federation.access import EVERYTHING, View
from federation.errors import UnknownError
from federation.graph.graph import Question
from federation.graph.rows import DamagedError
from federation.references import Reference, parse
from tests.federation.graph.estate import Estate

REGISTRIES = ("ra", "rb", "rc")
MODELS = ("x", "y")
VERSIONS = ("1", "2")
ALIASES = ("live", "next")
STAGES = {"none": None, "staging": "Staging", "production": "Production"}
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(eq=False)
class ModelLife:
    """One incarnation."""

    registry: str
    record: ModelRecord
    died: datetime | None = None
    selectors: dict[str, "VersionLife | None"] = field(default_factory=dict)
    """Every selector it ever had, as the part of a reference after the name, and what it means now."""


def _owner(target: object) -> ModelLife:
    model = target[0] if isinstance(target, tuple) else target
    found = model.model if isinstance(model, VersionLife) else model
    assert isinstance(found, ModelLife)
    return found


@dataclass(eq=False)
class VersionLife:
    """One incarnation, with what it states: reference → (since when, what it was resolved to)."""

    model: ModelLife
    record: VersionRecord
    died: datetime | None = None
    known: bool = False
    needs: dict[str, tuple[datetime, object | None]] = field(default_factory=dict)

    @property
    def ref(self) -> str:
        return f"{self.model.registry}/{self.model.record.name}:{self.record.version}"


class History:
    """Does the same to an estate and to itself."""

    def __init__(self, folder: Path, rng: random.Random, estate: Estate | None = None) -> None:
        self.estate = estate or Estate(folder)
        self.rng = rng
        self.models: list[ModelLife] = []
        self.versions: list[VersionLife] = []
        self.joined: list[str] = []
        self.forgotten: list[str] = []
        self.join()

    # What happens

    def run(self, steps: int) -> None:
        doings = [
            self.join,
            self.add,
            self.add,
            self.add,
            self.edit,
            self.move,
            self.move,
            self.drop,
            self.settle,
        ]
        doings += [self.add, self.edit, self.drop_model, self.restage]
        for _ in range(steps):
            self.rng.choice(doings)()
            self._remember()
        self.settle()

    def _remember(self) -> None:
        """An answer that was remembered says what a new one says, however far the graph is behind."""
        view = self.rng.choice([EVERYTHING, View.of(self.estate.ids.values())])
        for version in self.rng.sample(self.versions, min(2, len(self.versions))):
            question = Question(parse(version.ref))
            try:
                new = msgspec.json.encode(self.estate.graph.impact(view, question, "delete"))
            except (UnknownError, DamagedError) as error:
                new = str(error).encode()
            for _ in range(2):
                try:
                    known = self.estate.graph.impact_json(view, question, "delete")
                except (UnknownError, DamagedError) as error:
                    known = str(error).encode()
                if known != new:
                    self.forgotten.append(f"remembered of {version.ref}: {known!r} instead of {new!r}")

    def join(self) -> None:
        if len(self.joined) < len(REGISTRIES):
            name = REGISTRIES[len(self.joined)]
            self.joined.append(name)
            self.estate.join(name, f"team-{name}")

    def _model(self) -> ModelLife:
        registry, name = self.rng.choice(self.joined), self.rng.choice(MODELS)
        for model in self.models:
            if model.died is None and (model.registry, model.record.name) == (registry, name):
                return model
        model = ModelLife(registry, self.estate.model(name))
        self.models.append(model)
        self.estate.put(registry, model.record)
        return model

    def _wanted(self) -> str:
        name = f"{self.rng.choice(REGISTRIES)}/{self.rng.choice(MODELS)}"
        kind = self.rng.choice("vvvas m".replace(" ", ""))
        if kind == "v":
            return f"{name}:{self.rng.choice(VERSIONS)}"
        if kind == "a":
            return f"{name}@{self.rng.choice(ALIASES)}"
        return name if kind == "m" else f"{name}@stage:{self.rng.choice(('staging', 'production'))}"

    def _tags(self) -> dict[str, str]:
        return {"depends_on": " ".join(self._wanted() for _ in range(self.rng.randrange(4)))}

    def add(self) -> None:
        model, name = self._model(), self.rng.choice(VERSIONS)
        if any(v.model is model and v.died is None and v.record.version == name for v in self.versions):
            return
        record = self.estate.version(
            model.record,
            name,
            tags=self._tags(),
            stage=STAGES[self.rng.choice(list(STAGES))],
            artifact_digest=self.rng.choice([None, None, "sha256:aa", "sha256:bb"]),
            lineage=Lineage(datasets=(Dataset("clicks"),) if self.rng.random() < 0.2 else ()),
        )
        self.versions.append(VersionLife(model, record))
        self.estate.put(model.registry, record)

    def _any(self) -> VersionLife | None:
        living = [version for version in self.versions if version.died is None]
        return self.rng.choice(living) if living else None

    def edit(self) -> None:
        if (version := self._any()) is not None:
            self._rewrite(version, replace(version.record, tags=self._tags()))

    def restage(self) -> None:
        if (version := self._any()) is not None:
            self._rewrite(version, replace(version.record, stage=STAGES[self.rng.choice(list(STAGES))]))

    def _rewrite(self, version: VersionLife, record: VersionRecord) -> None:
        version.record = record
        self.estate.put(version.model.registry, record)

    def move(self) -> None:
        model = self._model()
        aliases = {a: self.rng.choice(VERSIONS) for a in ALIASES if self.rng.random() < 0.7}
        model.record = replace(model.record, aliases=aliases)
        self.estate.put(model.registry, model.record)

    def drop(self) -> None:
        if (version := self._any()) is not None:
            version.died = datetime.now(UTC)
            self.estate.drop(version.model.registry, "version", version.record.key)

    def drop_model(self) -> None:
        living = [model for model in self.models if model.died is None]
        if living and self.rng.random() < 0.5:
            model = self.rng.choice(living)
            model.died = datetime.now(UTC)
            for version in self.versions:
                if version.model is model and version.died is None:
                    version.died = model.died
            self.estate.drop(model.registry, "model", model.record.key)

    # The slow, obvious graph

    def settle(self) -> None:
        self.estate.settle()
        time = datetime.now(UTC)
        for model in self.models:
            self._mean(model)
        for version in self.versions:
            made_at = time if version.known else (version.record.created_at or time)
            version.known = True
            stated = set(version.record.tags["depends_on"].split()) if version.died is None else set()
            version.needs = {ref: version.needs.get(ref, (made_at, None)) for ref in stated}
        for version in self.versions:
            for ref, (since, target) in version.needs.items():
                version.needs[ref] = (since, target or self._resolve(parse(ref), since))

    def _mean(self, model: ModelLife) -> None:
        living = [v for v in self.versions if v.model is model and v.died is None]
        living.sort(key=lambda v: v.record.created_at or LONG_AGO)
        model.selectors = dict.fromkeys(model.selectors) | {"": None}
        if model.died is None:
            by_name = {v.record.version: v for v in living}
            model.selectors |= {f"@{a}": by_name.get(name) for a, name in model.record.aliases.items()}
        for version in living:
            model.selectors[""] = version
            stage = next(word for word, native in STAGES.items() if native == version.record.stage)
            model.selectors[f"@stage:{stage}"] = version

    def _resolve(self, ref: Reference, since: datetime) -> object | None:
        """A version, or a selector as (model, text)."""
        found: list[tuple[datetime, datetime | None, object]] = []
        for model in self.models:
            if (model.registry, model.record.name) != (ref.registry, ref.model):
                continue
            if ref.version is None:
                text = str(ref).removeprefix(f"{ref.registry}/{ref.model}")
                if text in model.selectors:
                    found.append((model.record.created_at or LONG_AGO, model.died, (model, text)))
            found += [
                (v.record.created_at or LONG_AGO, v.died, v)
                for v in self.versions
                if v.model is model and v.record.version == ref.version
            ]
        found.sort(key=lambda one: one[0])
        born = [one for one in found if one[0] <= since]
        alive = [one for one in born if one[1] is None or one[1] > since]
        if alive or born:
            return (alive or born)[-1][2]
        return found[0][2] if found else None

    def textbook(self, view: frozenset[str]) -> networkx.DiGraph:
        """Consumer → provider, arriving at a connector for nothing, elsewhere for one hop."""
        graph = networkx.DiGraph()
        seen = [v for v in self.versions if v.model.registry in view]
        for version in seen:
            graph.add_node(version)
            if version.died is None and (digest := version.record.artifact_digest):
                self._link(graph, version, digest, "same")
                self._link(graph, digest, version, "same")
            for _, target in version.needs.values():
                if target is not None and _owner(target).registry in view:
                    self._link(graph, version, target, "depends")
        for model in self.models:
            for text, meant in model.selectors.items() if model.registry in view else ():
                if meant is not None:
                    self._link(graph, (model, text), meant, "means")
        return graph

    def _link(self, graph: networkx.DiGraph, source: object, target: object, kind: str) -> None:
        if source is not target:
            free_up, free_down = (0 if not isinstance(end, VersionLife) else 1 for end in (target, source))
            graph.add_edge(source, target, up=free_up, down=free_down, kind=kind)

    # Comparing

    def differences(self) -> Iterator[str]:
        """Where the two disagree, for a view of everything and one of some registries."""
        some = frozenset(self.rng.sample(self.joined, self.rng.randint(1, len(self.joined))))
        yield from self.forgotten
        for names, view in (
            (frozenset(self.joined), EVERYTHING),
            (some, View.of(self.estate.ids[name] for name in some)),
        ):
            graph = self.textbook(names)
            for version in self.versions:
                if version.died is None and version.model.registry in names:
                    yield from self._downstream(graph, version, view)
                    yield from self._upstream(graph, version, view)

    def _downstream(self, graph: networkx.DiGraph, version: VersionLife, view: View) -> Iterator[str]:
        reached = networkx.single_source_dijkstra_path_length(graph.reverse(), version, weight="down")
        wanted = {v.ref: d for v, d in reached.items() if isinstance(v, VersionLife) and v is not version}
        direct = set(graph.predecessors(version))
        follows = {node for node in direct if isinstance(node, tuple)}
        breaking = {
            source.ref
            for provider in (version, *follows)
            for source in graph.predecessors(provider)
            if isinstance(source, VersionLife) and graph.edges[source, provider]["kind"] == "depends"
            if provider is version or self._strands(provider)
        }
        found = self.estate.graph.impact(view, Question(parse(version.ref)), "delete", limit=100)
        got = {item.ref: item.distance for item in found.affected}
        if got != wanted or found.counts.affected != len(wanted):
            yield f"downstream of {version.ref}: {got} instead of {wanted}"
        breaks = {item.ref for item in found.affected if item.breaks}
        if breaks != breaking - {version.ref} or found.counts.breaking != len(breaks):
            yield f"breaking with {version.ref}: {breaks} instead of {breaking}"

    def _strands(self, selector: object) -> bool:
        """Without schemas only an alias, or a selector with nothing else to mean, breaks its followers."""
        assert isinstance(selector, tuple)
        model, text = selector
        meant = model.selectors[text]
        others = [v for v in self.versions if v.model is model and v.died is None and v is not meant]
        if text.startswith("@stage:"):
            others = [v for v in others if v.record.stage == meant.record.stage]
        return not others or (text.startswith("@") and not text.startswith("@stage:"))

    def _upstream(self, graph: networkx.DiGraph, version: VersionLife, view: View) -> Iterator[str]:
        reached = networkx.single_source_dijkstra_path_length(graph, version, weight="up")
        wanted = sorted(
            (v.ref, d) for v, d in reached.items() if isinstance(v, VersionLife) and v is not version
        )
        found = self.estate.graph.dependencies(view, parse(version.ref), limit=100)
        got = sorted((item.ref, item.distance) for item in found.dependencies if item.kind == "version")
        if got != wanted or found.counts.versions != len(wanted):
            yield f"upstream of {version.ref}: {got} instead of {wanted}"
