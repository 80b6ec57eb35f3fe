"""Two gateways that hold the same as far as one caller may see, and whatever else beside it."""

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

from adapters import (
    Dataset,
    EndpointRecord,
    Key,
    Lineage,
    ModelRecord,
    Parent,
    ParentKind,
    Traffic,
    VersionRecord,
)
from federation import tables
from federation.access import LOCAL
from federation.catalogue import codec
from federation.catalogue.codec import Encoded
from federation.catalogue.origin import Origin
from federation.catalogue.writer import CatalogueWriter
from federation.database import writing
from federation.graph.graph import Going
from federation.hooks import mentions
from federation.references import Reference
from federation.stages import parse_rules
from tests.gateway.access.gate import Gate, gate

SEEN = (("alpha", "risk"), ("beta", "vision"))
HIDDEN = (("secret", "risk"), ("vault", "hidden"))
WORDS = ("fraud", "score", "image", "encoder", "click", "churn")
NAMES = (*WORDS, "secret/score", "vault/image", "beta/churn")
"""Models may be called as if a registry stood in front."""
THEN = datetime(2026, 5, 3, 12, tzinfo=UTC)
RULES = {"production": ["alias:champion"], "staging": ["alias:challenger"], "archived": ["tag:old=yes"]}
MAY_DIFFER = {"x-request-id", "date", "server-timing", "ratelimit", "content-length"}
"""What is another each time. The length is, where a page says "9 s ago" or "10 s ago"; what it is of is compared."""
OF_THE_MOMENT = re.compile(
    rb"p-[0-9a-f]{20}|urn:uuid:[0-9a-f-]{36}|(?!2026-05-03T12:00:00)20\d\d-\d\d-\d\d[T ][\d:.]+(?:Z|\+00:00| UTC)"
    rb"|\d+ (?:s|min|h) ago|(?<!\d)1[7-9]\d{14}(?!\d)|waypost-[0-9a-f]{16}|(?<![\w~])[A-Za-z0-9_~]{32}(?![\w~])"
)
"""What is another in every asking: the caller's own id, a bill's serial number, times of asking or taking in; and
between two gateways: the name of the log, ids of events, and ids that are moments.
"""


@dataclass(frozen=True)
class Draft:
    """What one registry is to hold, as plain values, so that it can be written twice."""

    registry: str
    records: tuple[Any, ...]


def draft(rng: random.Random, registry: str) -> Draft:
    """Random models whose names, tags, datasets and dependencies meet those of other registries."""
    records: list[Any] = []
    for number, name in enumerate(rng.sample(NAMES, rng.randint(2, 5))):
        model = Key("model", f"{registry}-{number}")
        versions = [str(version) for version in range(1, rng.randint(1, 3) + 1)]
        alias = rng.choice(("champion", "challenger", "best"))
        records.append(
            ModelRecord(
                key=model,
                name=name,
                description=" ".join(rng.choices(WORDS, k=3)),
                tags={"env": rng.choice(("prod", "test"))},
                aliases={alias: rng.choice(versions)},
                created_at=THEN,
            )
        )
        for version in versions:
            key = Key("version", f"{registry}-{number}-{version}")
            records.append(_version(rng, key, model, version))
            if rng.random() < 0.2:
                traffic = (Traffic(key, 100.0),)
                endpoint = Key("endpoint", f"e-{registry}-{number}-{version}")
                records.append(EndpointRecord(key=endpoint, name=f"serves-{number}", traffic=traffic))
    return Draft(registry, tuple(records))


def _version(rng: random.Random, key: Key, model: Key, version: str) -> VersionRecord:
    place = f"arn:aws:models/{rng.randint(1, 6)}"
    target = place if rng.random() < 0.2 else f"{rng.choice(WORDS)}:{rng.randint(1, 2)}"
    registry = "" if target == place else rng.choice(("alpha/", "beta/", "secret/", "vault/", ""))
    kind: ParentKind = rng.choice(("base", "copy"))
    parents = (Parent(f"{registry}{target}", kind),) if rng.random() < 0.3 else ()
    datasets = (Dataset(rng.choice(("clicks", "payments")), "d1"),) if rng.random() < 0.5 else ()
    return VersionRecord(
        key=key,
        model=model,
        version=version,
        description=rng.choice(WORDS),
        tags={"depends_on": f"{registry}{target}"}
        if rng.random() < 0.5
        else {"old": rng.choice(("yes", "no"))},
        metrics={"auc": round(rng.random(), 3)},
        framework=rng.choice(("sklearn", "torch", None)),
        license=rng.choice(("MIT", None)),
        addresses=(f"arn:aws:models/{rng.randint(1, 6)}",) if rng.random() < 0.5 else (),
        artifact_digest=rng.choice(("sha256:aa", "sha256:bb", None)),
        lineage=Lineage(commit=rng.choice(("c0ffee", None)), datasets=datasets, parents=parents),
        created_at=THEN,
    )


def write(gateway: Gate, made: Draft) -> None:
    """Take a draft into the catalogue."""
    with writing(gateway.waypost.engine) as connection:
        known = tables.registry.c
        row = connection.execute(select(known.id).where(known.name == made.registry)).scalar_one()
        writer = CatalogueWriter(connection, Origin(row, made.registry, parse_rules(RULES, {}), THEN))
        encoded: list[Encoded[Any]] = [codec.encode(record) for record in made.records]
        writer.write(encoded)
        writer.batch.append(connection)
        mentions.announce(connection, row, [record.key for record in made.records], THEN)


@dataclass(eq=False)
class Worlds:
    """The two gateways, and the token of the same caller at each."""

    gates: tuple[Gate, Gate]
    tokens: tuple[str, str]

    def both(self, path: str, params: Any = None, other: Any = None) -> tuple[httpx.Response, httpx.Response]:
        """The same request in both; where the second is to go on elsewhere, with `other` parameters."""
        first, second = (
            one.ask("GET", path, token=token, params=given)
            for one, token, given in zip(self.gates, self.tokens, (params, other or params), strict=True)
        )
        return first, second


def told(answer: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    """Everything a caller can tell apart."""
    headers = {name: value for name, value in answer.headers.items() if name not in MAY_DIFFER}
    return answer.status_code, headers, OF_THE_MOMENT.sub(b"", answer.content)


@contextmanager
def two_worlds(folder: Path, seed: int) -> Iterator[Worlds]:
    """Both hold the same for who sees `alpha` and `beta`; what else they hold, before and after, has nothing in common.

    The second may have no other registries at all.
    """
    rng = random.Random(seed)
    shared = [draft(rng, name) for name, _ in SEEN]
    folders = [folder / name for name in ("one", "two")]
    for each in folders:
        each.mkdir(parents=True)
    others: list[tuple[tuple[str, str], ...]] = [HIDDEN, rng.choice([(), HIDDEN])]
    with (
        gate(folders[0], teams=(*HIDDEN[:1], *SEEN, *HIDDEN[1:])) as one,
        gate(folders[1], teams=(*SEEN, *others[1])) as two,
    ):
        tokens = []
        for gateway, hidden in zip((one, two), others, strict=True):
            drafts = [*(draft(rng, name) for name, _ in hidden), *shared]
            if gateway is one:
                drafts.sort(key=lambda made: rng.random())
                drafts.sort(key=lambda made: made.registry == "beta")
            for made in sorted(drafts, key=lambda made: made.registry == "beta"):
                write(gateway, made)
            for made in shared:
                model = Reference(made.registry, made.records[0].name)
                going = Going(THEN.date(), Reference("secret", WORDS[0]), WORDS[1])
                gateway.waypost.graph.deprecate(LOCAL, [model], going)
            gateway.follow()
            tokens.append(
                gateway.token("caller", ("viewer", "registry:alpha"), ("contributor", "registry:beta"))
            )
            for on in ("team:risk", "team:vision"):
                gateway.ask("POST", "/api/v1/watches", token=tokens[-1], json={"on": on})
        yield Worlds((one, two), (tokens[0], tokens[1]))
