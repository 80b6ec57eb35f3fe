"""What the demo's teams keep without a model registry: a share with files, a git repository, and images of models where
`docker-registry` is installed.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from adapters.emulators.folder import Shelves, gguf, safetensors
from adapters.emulators.git import GitRepository
from adapters.emulators.oci.pushing import MODELPACK, Pusher
from gateway.demo.clouds import table
from gateway.demo.servers import docker_registry, docker_registry_program


@dataclass(frozen=True, slots=True)
class DemoStore:
    """One team's models. `open` fills a new folder with them for as long as the context stands, and gives the `config`
    of its table in `waypost.toml`.
    """

    name: str
    title: str
    team: str
    kind: str
    open: Callable[[Path], AbstractContextManager[str]]
    declared: tuple[Mapping[str, str], ...] = ()
    """What its models rest on and no place of theirs says."""

    def table(self, config: str, sync_every: int) -> str:
        """Its part of `waypost.toml`."""
        return table(self.name, self.kind, self.team, config, sync_every)


BASE, TOKENIZER = "library/multilingual-base:2", "lab/tokenizer:v1.1.0"
"""What the search team's encoder was made from, and what that needs."""


@contextmanager
def share(folder: Path) -> Iterator[str]:
    """A share with weights as they came, and what somebody wrote beside them."""
    shelves = Shelves(folder, "the library of the research team")
    told = {"format": "pt", "modelspec.architecture": "bert", "license": "apache-2.0"}
    for version, stage, shape in (("1", "archived", (256, 32)), ("2", "production", (384, 32))):
        files = {"model.safetensors": safetensors(told, shape), "vocabulary.txt": b"shop\nsearch\n"}
        shelves.put(
            "multilingual-base",
            version,
            files,
            stage=stage,
            description="A multilingual encoder, trained on the open web before anything of the shop was seen.",
            owner="library@research.example",
            tags={"task": "sentence-similarity", "language": "multilingual"},
            datasets=["s3://open-corpora/web-text-2025"],
            depends_on=[TOKENIZER] if version == "2" else [],
        )
    shelves.say("multilingual-base", None, aliases={"champion": "2"}, owner="library@research.example")
    writer: dict[str, str | int] = {
        "general.architecture": "llama",
        "general.license": "mit",
        "general.description": "Writes answers on a laptop, without a network.",
        "general.base_model.count": 1,
        "general.base_model.0.name": "Small Writer",
    }
    tags = {"task": "text-generation", "language": "en"}
    shelves.put(
        "laptop-writer", "q4", {"writer-q4.gguf": gguf(writer, (1024, 8))}, tags=tags, stage="staging"
    )
    yield f'path = "{folder}", settle = 0'


@contextmanager
def repository(folder: Path) -> Iterator[str]:
    """A repository whose tags register versions and say which of them is in production, as GTO writes them."""
    made = GitRepository(folder)
    artifacts = (
        "tokenizer: {type: tokenizer, path: tokenizer.json, description: Splits text of forty languages}"
    )
    made.commit(
        {"artifacts.yaml": artifacts, "tokenizer.json": "{}"}, tags={"tokenizer@v1.0.0": "Registering"}
    )
    tags = {"tokenizer@v1.1.0": "Registering", "tokenizer#prod#1": "Assigning"}
    made.commit({"tokenizer.json": '{"vocabulary": 64000}'}, tags=tags)
    yield f'url = "{folder}"'


@contextmanager
def images(folder: Path) -> Iterator[str]:
    """A registry of images with a model packed for phones."""
    with docker_registry(folder) as running:
        with Pusher(running.url) as pusher:
            made = [pack(pusher, version) for version in ("1.0.0", "1.1.0")]
            pusher.tag("encoder-mobile", "production", made[-1])
        yield f'url = "{running.url}"'


def pack(pusher: Pusher, version: str) -> str:
    """Push a version as ModelPack describes it; its digest."""
    weights = f"weights of {version}".encode()
    config = {
        "descriptor": {
            "name": "encoder-mobile",
            "version": version,
            "description": "The search team's small encoder, packed for the shop's app.",
            "authors": ["devices@shop.example"],
            "licenses": ["Apache-2.0"],
            "sourceURL": "https://git.devices.example/encoder-mobile",
            "revision": hashlib.sha1(weights, usedforsecurity=False).hexdigest(),
        },
        "config": {"architecture": "bert", "format": "onnx", "paramSize": "22m", "precision": "int8"},
        "modelfs": {"type": "layers", "diffIds": [f"sha256:{hashlib.sha256(weights).hexdigest()}"]},
    }
    file = {"org.cncf.model.filepath": "model.onnx"}
    layer = ("application/vnd.cncf.model.weight.v1.raw", weights, file)
    return pusher.artifact("encoder-mobile", version, config, MODELPACK, [layer])


PACKED = {
    "consumer": "edge/encoder-mobile:1.1.0",
    "provider": "search/encoder-small:2",
    "kind": "depends_on",
    "note": "the same weights, packed for phones",
}
IMAGES = DemoStore("edge", "a registry of images", "devices", "oci", images, (PACKED,))
RECIPES = DemoStore("lab", "a git repository", "research", "git", repository)
STORES = (
    DemoStore("library", "a share", "research", "folder", share),
    *((RECIPES,) if shutil.which("git") else ()),
    *((IMAGES,) if docker_registry_program() else ()),
)
"""What can be started here."""
