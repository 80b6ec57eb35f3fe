"""Models as their tools push them, by bare HTTP: to the emulator, and to any real registry."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import httpx

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
MODELPACK = "application/vnd.cncf.model.config.v1+json"
KITOPS = "application/vnd.kitops.modelkit.config.v1+json"
DOCKER = "application/vnd.docker.ai.model.config.v0.1+json"
IMAGE = "application/vnd.docker.container.image.v1+json"
MADE = "2026-03-01T12:00:00Z"
Layer = tuple[str, bytes, Mapping[str, str]]
"""Type, content, annotations."""


class Pusher:
    """Pushes to one registry."""

    def __init__(self, url: str, token: str = "") -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=url, timeout=30.0, trust_env=False, headers=headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def call(self, method: str, path: str, **given: Any) -> httpx.Response:
        """Any answer."""
        return self._http.request(method, path, **given)

    def blob(self, repository: str, body: bytes) -> dict[str, Any]:
        """Upload a blob; answers digest and size."""
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        begun = self._http.post(f"/v2/{repository}/blobs/uploads/").raise_for_status()
        place = httpx.URL(begun.headers["Location"])
        target = self._http.base_url.join(place).copy_merge_params({"digest": digest})
        headers = {"Content-Type": "application/octet-stream"}
        self._http.put(target, content=body, headers=headers).raise_for_status()
        return {"digest": digest, "size": len(body)}

    def manifest(self, repository: str, tag: str | None, manifest: Mapping[str, Any]) -> str:
        """Put a manifest under a tag, or under its digest alone; answers the digest."""
        body = json.dumps(manifest).encode()
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        kind = {"Content-Type": str(manifest["mediaType"])}
        path = f"/v2/{repository}/manifests/{tag or digest}"
        self._http.put(path, content=body, headers=kind).raise_for_status()
        return digest

    def artifact(
        self, repository: str, tag: str | None, config: Mapping[str, Any] | bytes, kind: str,
        layers: Sequence[Layer] = (), **more: Any,
    ) -> str:  # fmt: skip
        """Push an artifact with its configuration and layers (type, bytes, annotations); answers the digest."""
        told = config if isinstance(config, bytes) else json.dumps(config).encode()
        made = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": kind, **self.blob(repository, told)},
            "layers": [
                {"mediaType": one, **self.blob(repository, body), "annotations": dict(notes)}
                for one, body, notes in layers
            ],
            **more,
        }
        return self.manifest(repository, tag, made)

    def modelpack(self, repository: str, tag: str | None, seed: str = "", **more: Any) -> str:
        """A model of the ModelPack specification; another `seed` has another digest."""
        weight = f"weights of {seed}".encode()
        hashed = f"sha256:{hashlib.sha256(weight).hexdigest()}"
        config = {
            "descriptor": {
                "createdAt": MADE,
                "authors": ["Ada", "Grace"],
                "family": "churn",
                "name": repository.rpartition("/")[2],
                "description": "Who leaves next month",
                "sourceURL": "https://git.example/risk/churn",
                "revision": "4f2b1c7",
                "licenses": ["Apache-2.0"],
                "datasetsURL": ["https://data.example/churn-2026"],
            },
            "config": {
                "architecture": "transformer",
                "format": "onnx",
                "paramSize": "8b",
                "precision": "fp16",
            },
            "modelfs": {"type": "layers", "diffIds": [hashed]},
        }
        layer = (
            "application/vnd.cncf.model.weight.v1.raw",
            weight,
            {"org.cncf.model.filepath": "model.onnx"},
        )
        more = {"artifactType": "application/vnd.cncf.model.manifest.v1+json", **more}
        return self.artifact(repository, tag, config, MODELPACK, [layer], **more)

    def kitops(self, repository: str, tag: str, **more: Any) -> str:
        """A ModelKit: its configuration is the Kitfile."""
        config = {
            "manifestVersion": "1.0.0",
            "package": {"name": "fraud", "description": "Fraud kit", "authors": ["Lin"], "license": "MIT"},
            "model": {
                "name": "fraud", "path": "hub.example/base/detector:2.0.0", "framework": "xgboost",
                "version": "1.2", "parameters": {"depth": 7},
            },
            "datasets": [{"name": "training", "path": "data/train.csv"}],
        }  # fmt: skip
        layer: Layer = ("application/vnd.kitops.modelkit.model.v1.tar", b"kit", {})
        return self.artifact(repository, tag, config, KITOPS, [layer], **more)

    def docker(self, repository: str, tag: str, **more: Any) -> str:
        """A model of Docker's model runner."""
        config = {
            "descriptor": {"createdAt": MADE},
            "config": {
                "format": "gguf", "size": "635992801",
                "gguf": {"architecture": "llama", "parameter_count": "1.10 B", "quantization": "Q4_0"},
            },
            "files": [],
        }  # fmt: skip
        return self.artifact(
            repository, tag, config, DOCKER, [("application/vnd.docker.ai.gguf.v3", b"gguf", {})], **more
        )

    def ollama(self, repository: str, tag: str, **more: Any) -> str:
        """A model of Ollama's: an image but for its layers."""
        config = {"model_format": "gguf", "model_family": "llama", "model_type": "8.0B", "file_type": "Q4_0"}
        layer: Layer = ("application/vnd.ollama.image.model", b"gguf", {})
        return self.artifact(repository, tag, config, IMAGE, [layer], **more)

    def image(self, repository: str, tag: str) -> str:
        """An ordinary image, which is no model."""
        layer: Layer = ("application/vnd.oci.image.layer.v1.tar+gzip", b"layer", {})
        return self.artifact(repository, tag, {"architecture": "amd64", "os": "linux"}, IMAGE, [layer])

    def attach(
        self, repository: str, digest: str, kind: str, body: bytes, *, suffix: str | None = None
    ) -> str:
        """Push a statement about a manifest: as one that refers to it, or (with `suffix`) under its tag."""
        tag = None if suffix is None else digest.replace(":", "-") + suffix
        subject = {"mediaType": MANIFEST, "digest": digest, "size": 1} if suffix is None else None
        more: dict[str, Any] = {"artifactType": kind, **({"subject": subject} if subject else {})}
        empty = "application/vnd.oci.empty.v1+json"
        return self.artifact(repository, tag, {}, empty, [(kind, body, {})], **more)

    def index(self, repository: str, tag: str, digests: Sequence[str], **more: Any) -> str:
        """An index of manifests that are there already."""
        listed = [{"mediaType": MANIFEST, "digest": one, "size": 1} for one in digests]
        made = {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed, **more}
        return self.manifest(repository, tag, made)

    def tag(self, repository: str, tag: str, digest: str) -> None:
        """Let a tag stand for what is there already."""
        accepted = {"Accept": f"{MANIFEST}, {INDEX}"}
        found = self._http.get(f"/v2/{repository}/manifests/{digest}", headers=accepted).raise_for_status()
        kind = {"Content-Type": found.headers["Content-Type"]}
        self._http.put(
            f"/v2/{repository}/manifests/{tag}", content=found.content, headers=kind
        ).raise_for_status()

    def delete(self, repository: str, digest: str) -> None:
        """Delete a manifest with all of its tags; what is gone already is no error."""
        answer = self._http.delete(f"/v2/{repository}/manifests/{digest}")
        if answer.status_code not in (202, 404):
            answer.raise_for_status()

    def tags(self, repository: str) -> dict[str, str]:
        """What each tag stands for."""
        answer = self._http.get(f"/v2/{repository}/tags/list")
        names = answer.json().get("tags") or () if answer.status_code == 200 else ()
        accepted = {"Accept": f"{MANIFEST}, {INDEX}"}
        found = {
            name: self._http.head(f"/v2/{repository}/manifests/{name}", headers=accepted) for name in names
        }
        return {
            name: one.headers["Docker-Content-Digest"]
            for name, one in found.items()
            if one.status_code == 200
        }
