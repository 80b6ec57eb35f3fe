"""`waypost promote dev/scorer:1 --into prod` between real MLflow servers, files through their artifact proxies: killed
in the middle and asked for again, it is one version with the same files.
"""

import contextlib
import hashlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from federation.database import open_engine, reading
from federation.promotions.crossing import read_crossing
from federation.promotions.tables import promotion
from gateway.cli import run
from gateway.demo.servers import Server
from tests.adapters.mlflow.harness import client as mlflow_client
from tests.soak import soak

FILES = 4
PATIENCE = 120.0
CONFIG = """
[[registries]]
name = "dev"
kind = "mlflow"
team = "t"
config = {{ url = "{dev}" }}
[[registries]]
name = "prod"
kind = "mlflow"
team = "t"
writable = true
config = {{ url = "{prod}" }}
"""


@dataclass
class Crossing:
    """One version that crosses, and whoever asks for that."""

    folder: Path
    name: str
    dev: Any
    prod: Any
    contents: dict[str, bytes]

    @property
    def words(self) -> list[str]:
        """What is asked for."""
        into = ["--into", f"prod/{self.name}-there", "--reason", "better"]
        return [
            "--config",
            str(self.folder / "waypost.toml"),
            "--json",
            "promote",
            f"dev/{self.name}:1",
            *into,
        ]

    def make(self) -> None:
        """A version of a model with files, behind the artifact proxy of its server."""
        logged = self.dev.create_run("0")
        for path, content in self.contents.items():
            file = self.folder / "files" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        self.dev.log_artifacts(logged.info.run_id, str(self.folder / "files"), "model")
        self.dev.create_registered_model(self.name)
        source = f"{logged.info.artifact_uri}/model"
        self.dev.create_model_version(self.name, source, logged.info.run_id, await_creation_for=None)

    def is_at(self, point: int) -> bool:
        """Whether the promotion has come so far: it is there, so many files are, what it registers is settled."""
        engine = open_engine(f"sqlite:///{self.folder / 'waypost.db'}")
        try:
            with reading(engine) as connection:
                row = connection.execute(select(promotion)).one_or_none()
        finally:
            engine.dispose()
        crossing = None if row is None else read_crossing(row.crossing)
        if row is None or crossing is None:
            return False
        settled = bool(crossing.source) + (row.steps != "[]")
        return len(crossing.files) + settled >= point or row.finished_at is not None

    def killed_at(self, point: int) -> None:
        """Ask for it in a process that is killed as soon as it has come so far."""
        command = [sys.executable, "-m", "gateway", *self.words]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as process:
            end = time.monotonic() + PATIENCE
            while process.poll() is None and not self.is_at(point):
                assert time.monotonic() < end, f"it never came to {point}"
                time.sleep(0.005)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def wrong(self) -> list[str]:
        """What is not as it should be after it was asked for twice more."""
        first, again = asked(self.words), asked(self.words)
        name, crossing = f"{self.name}-there", first["crossing"]
        versions = self.prod.search_model_versions(f"name = '{name}'")
        if (first["state"], len(versions), again["id"]) != ("done", 1, first["id"]):
            return [f"{first['state']} {first['message']}, {len(versions)} versions, then {again['id']}"]
        made = versions[0]
        for path, content in self.contents.items():
            fetched = self.prod.download_artifacts(made.run_id, f"model/{path}", str(self.folder))
            if Path(fetched).read_bytes() != content:
                return [f"{path} is another one there"]
        lines = "".join(
            f"{hashlib.sha256(content).hexdigest()}  {path}\n"
            for path, content in sorted(self.contents.items())
        )
        digest = f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"
        told = (crossing["made"], crossing["digest"], made.tags.get("waypost.artifact"))
        if told != (f"prod/{name}:1", digest, digest) or made.tags["waypost.from"] != f"dev/{self.name}:1":
            return [f"it is told as {told}, and should be {digest}: {made.tags}"]
        return []


def asked(words: list[str]) -> Any:
    """What the command line prints."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = run(words)
    assert code == 0, said.getvalue()
    return json.loads(said.getvalue())


@soak(sample=1, full=60)
def test_crossings_between_two_servers(
    cases: int, seed: int, servers: list[Server], tmp_path: Path
) -> list[str]:
    rng, failures = random.Random(seed), []
    dev, prod = servers[0], servers[-1]
    for number in range(cases):
        folder = tmp_path / f"{seed}-{number}"
        folder.mkdir()
        (folder / "waypost.toml").write_text(CONFIG.format(dev=dev.url, prod=prod.url))
        contents = {f"part {at}/ä.bin": rng.randbytes(rng.choice((0, 10, 300_000))) for at in range(FILES)}
        case = Crossing(
            folder,
            f"scorer-{seed % 100_000}-{number}",
            mlflow_client(dev.url),
            mlflow_client(prod.url),
            contents,
        )
        case.make()
        asked(["--config", str(folder / "waypost.toml"), "--json", "sync"])
        point = rng.randrange(FILES + 3)
        case.killed_at(point)
        failures += [f"{case.name} killed at {point}: {line}" for line in case.wrong()]
    return failures
