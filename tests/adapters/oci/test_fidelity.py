"""People push, move tags and delete on a real docker-registry while Waypost synchronises it."""

import random
import re
import secrets
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from adapters import ModelRecord, VersionRecord
from adapters.emulators.oci.pushing import Pusher
from gateway.demo.servers import Server
from tests.fidelity import follow, ref, watching
from tests.soak import soak

REPOSITORIES = 4
WORDS = ("latest", "production", "candidate", "7B-Q4_0")
NUMBER = re.compile(r"\d+\.\d+\.\d+")


def told(record: ModelRecord | VersionRecord) -> object:
    """What the registry itself says of a model or version."""
    return dict(record.aliases) if isinstance(record, ModelRecord) else record.artifact_digest


@dataclass
class OciUser:
    """Works on repositories of its own by bare HTTP, each thing as a tool does it."""

    pusher: Pusher
    rng: random.Random
    repositories: tuple[str, ...]
    gone: set[str] = field(default_factory=set)
    models: set[str] = field(default_factory=set)
    """Digests of models: what else is pushed is none."""

    def act(self) -> None:
        repository = self.rng.choice(self.repositories)
        tags = self.pusher.tags(repository)
        before = self._of(repository, tags)
        kind = self.rng.choices(("push", "word", "again", "move", "image", "delete"), (5, 2, 1, 4, 1, 2))[0]
        if kind in ("move", "delete") and not tags:
            kind = "push"
        match kind:
            case "push" | "word" | "again":
                numbers = sorted(tag for tag in tags if NUMBER.fullmatch(tag)) or ["1.0.0"]
                fresh = f"{self.rng.randint(1, 3)}.{self.rng.randint(0, 9)}.{self.rng.randint(0, 99)}"
                tag = {"push": fresh, "word": self.rng.choice(WORDS), "again": self.rng.choice(numbers)}[kind]
                seed = str(self.rng.random())
                self.models.add(self.pusher.modelpack(repository, tag, seed=seed))
            case "move":
                self.pusher.tag(repository, self.rng.choice(WORDS), self.rng.choice(sorted(tags.values())))
            case "image":
                self.pusher.image(repository, self.rng.choice((*WORDS, "web")))
            case _:
                self.pusher.delete(repository, self.rng.choice(sorted(tags.values())))
        after = self._of(repository, self.pusher.tags(repository))
        # A tag that stands for another model now: who had its name is gone, whoever has it.
        self.gone |= {one for one in before if one not in after}
        self.gone |= {one for one, had in before.items() if isinstance(had, str) and after.get(one) != had}

    def truth(self) -> Mapping[str, object]:
        found: dict[str, object] = {}
        for repository in self.repositories:
            found |= self._of(repository, self.pusher.tags(repository))
        return found

    def _of(self, repository: str, tags: Mapping[str, str]) -> dict[str, object]:
        """What a repository has, by what its tags stand for."""
        models = {tag: one for tag, one in tags.items() if one in self.models}
        of: dict[str, list[str]] = defaultdict(list)
        for tag, digest in models.items():
            of[digest] += [tag] if NUMBER.fullmatch(tag) else []
        names = {digest: min(numbers, key=_numbers, default=_short(digest)) for digest, numbers in of.items()}
        found: dict[str, object] = {ref(repository, name): digest for digest, name in names.items()}
        if names:
            found[ref(repository)] = {tag: names[one] for tag, one in models.items() if names[one] != tag}
        return found


def _numbers(tag: str) -> list[int]:
    return [int(one) for one in tag.split(".")]


def _short(digest: str) -> str:
    return digest[:19].replace(":", "-")


@soak(sample=12, full=1000, batch=1000)
def test_the_catalogue_is_what_a_real_registry_has(
    cases: int, seed: int, database: str, docker_registry: Server
) -> list[str]:
    rng = random.Random(seed)
    names = tuple(f"soak-{secrets.token_hex(4)}/m{number}" for number in range(REPOSITORIES))
    with Pusher(docker_registry.url) as pusher:
        user = OciUser(pusher, rng, names)
        for _ in range(12):
            user.act()
        config = {"url": docker_registry.url, "repositories": list(names)}
        with watching(database, "oci", config) as watch:
            return follow(watch, user, told, cases, rng)
