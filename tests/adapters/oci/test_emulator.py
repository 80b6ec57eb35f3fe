"""The emulator answers as docker-registry 2.8.2 does: a recording says what that is, and the real one confirms it.

`python -m tests.adapters.oci.test_emulator` records it anew, where `docker-registry` is installed.
"""

import json
import re
import tempfile
from pathlib import Path
from typing import Any

from adapters.emulators.oci.pushing import INDEX, MANIFEST, MODELPACK, Pusher
from gateway.demo.servers import Server
from gateway.demo.servers import docker_registry as real_registry
from tests.adapters.oci.conftest import Site

RECORDED = Path(__file__).with_name("docker-registry-2.8.2.json")
ACCEPT = {"Accept": f"{MANIFEST}, {INDEX}"}
NOWHERE = "sha256:" + "00" * 32
HEADERS = ("docker-content-digest", "docker-distribution-api-version", "link", "content-type")
Exchange = tuple[str, str, dict[str, str], bytes]


def exchanges(pusher: Pusher, name: str) -> list[Exchange]:
    """What is asked of a registry in which a repository was filled with these."""
    model = pusher.modelpack(name, "1.0.0", seed="1")
    other = pusher.modelpack(name, "2.0.0", seed="2")
    pusher.tag(name, "production", model)
    pusher.index(name, "3.0.0", [model])
    at = f"/v2/{name}"
    config = {"schemaVersion": 2, "mediaType": MANIFEST, "layers": []}
    missing = {**config, "config": {"mediaType": MODELPACK, "digest": NOWHERE, "size": 2}}
    sent = {"Content-Type": MANIFEST}
    return [
        ("GET", "/v2/", {}, b""),
        ("GET", "/v2/_catalog?n=1", {}, b""),
        ("GET", "/v2/_catalog?n=0", {}, b""),
        ("GET", "/v2/_catalog?n=100000", {}, b""),
        ("GET", "/v2/_catalog?n=1000&last=zzz", {}, b""),
        ("GET", f"{at}/tags/list?n=1", {}, b""),
        ("GET", f"{at}-none/tags/list", {}, b""),
        ("HEAD", f"{at}/manifests/1.0.0", ACCEPT, b""),
        ("GET", f"{at}/manifests/1.0.0", ACCEPT, b""),
        ("GET", f"{at}/manifests/1.0.0", {"Accept": "application/json"}, b""),
        ("GET", f"{at}/manifests/3.0.0", ACCEPT, b""),
        ("GET", f"{at}/manifests/9.9.9", ACCEPT, b""),
        ("HEAD", f"{at}/manifests/9.9.9", ACCEPT, b""),
        ("GET", f"{at}-none/manifests/1.0.0", ACCEPT, b""),
        ("GET", f"{at}/manifests/{NOWHERE}", ACCEPT, b""),
        ("GET", f"{at}/manifests/{other}", ACCEPT, b""),
        ("GET", f"{at}/blobs/{NOWHERE}", {}, b""),
        ("GET", f"{at}/referrers/{model}", {}, b""),
        ("GET", "/v2/no/such/page", {}, b""),
        ("PUT", f"{at}/manifests/4.0.0", sent, b"no json"),
        ("PUT", f"{at}/manifests/4.0.0", sent, json.dumps(missing).encode()),
        ("DELETE", f"{at}/manifests/production", {}, b""),
        ("DELETE", f"{at}/manifests/{NOWHERE}", {}, b""),
        ("DELETE", f"{at}/manifests/{model}", {}, b""),
        ("GET", f"{at}/manifests/1.0.0", ACCEPT, b""),
        ("GET", f"{at}/tags/list", {}, b""),
    ]


def recorded(pusher: Pusher, name: str = "models/recorded") -> list[dict[str, Any]]:
    """What a registry answers, without what differs each time."""
    found = []
    for method, target, headers, body in exchanges(pusher, name):
        answer = pusher.call(method, target, headers=headers, content=body or None)
        codes = re.findall(r'"code":"([A-Z_]+)"', answer.text)
        told: Any = {"codes": codes} if codes else {"body": answer.text}
        if "tags/list" in target and not codes:
            told = {"body": {**answer.json(), "tags": sorted(answer.json()["tags"] or [])}}
        named = {one: answer.headers[one] for one in HEADERS if one in answer.headers}
        found.append(
            {
                "asked": f"{method} {target}",
                "accept": headers.get("Accept"),
                "status": answer.status_code,
                "headers": named,
                **told,
            }
        )
    return found


def test_the_emulator_answers_as_recorded(emulator: Site) -> None:
    assert recorded(emulator.pusher) == json.loads(RECORDED.read_text())


def test_the_real_registry_answers_as_recorded(tmp_path: Path, docker_registry: Server) -> None:
    with real_registry(tmp_path) as running, Pusher(running.url) as pusher:
        assert recorded(pusher) == json.loads(RECORDED.read_text())


if __name__ == "__main__":
    with (
        tempfile.TemporaryDirectory() as folder,
        real_registry(Path(folder)) as running,
        Pusher(running.url) as pusher,
    ):
        RECORDED.write_text(json.dumps(recorded(pusher), indent=1) + "\n")
