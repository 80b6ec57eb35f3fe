"""What users do with the SDKs of their clouds is what Waypost reads: SageMaker's, Vertex AI's."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from adapters import VersionRecord
from adapters.emulators.sagemaker import Emulator
from adapters.emulators.vertex import VertexEmulator
from adapters.sagemaker import SageMakerAdapter
from adapters.vertex import VertexAdapter, VertexConfig
from tests.adapters.sagemaker import aws
from tests.adapters.scans import scanned
from tests.servers.certificates import certificate
from tests.vendors import environment
from tests.vendors.driving import WITHIN

HERE = Path(__file__).parent


def said(python: str, script: str, *args: str, **env: str) -> Any:
    """What a script prints last, as JSON."""
    command = [python, "-W", "ignore", str(HERE / script), *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, env={**os.environ, **env})
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_sagemakers_sdk_registers_and_approves_what_we_read() -> None:
    with Emulator() as emulator:
        keys = {"AWS_ACCESS_KEY_ID": "AKIDTEAM", "AWS_SECRET_ACCESS_KEY": "team-secret"}
        place = {"AWS_ENDPOINT_URL": emulator.url, "AWS_DEFAULT_REGION": aws.REGION, "AWS_REGION": aws.REGION}
        groups, versions = said(str(environment("sagemaker")), "sagemaker_user.py", **keys, **place)
        found = scanned(SageMakerAdapter(aws.config(emulator.url)))
    assert list(found.models()) == groups == ["churn"]
    [model] = found.models().values()
    records = found.versions(model.key)
    assert {number: one.approval for number, one in records.items()} == {
        number: row[1] for number, row in versions.items()
    }
    for number, (arn, _, metadata) in versions.items():
        record = records[number]
        assert arn in record.addresses
        assert record.artifact_uri == f"s3://models/{number}.tar.gz"
        assert metadata.items() <= record.tags.items()


def test_vertex_ais_sdk_uploads_and_promotes_what_we_read(tmp_path: Path) -> None:
    pair = certificate("localhost")
    (tmp_path / "authority.crt").write_bytes(pair[1])
    with VertexEmulator(tls=pair) as emulator:
        trusted = {"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(tmp_path / "authority.crt")}
        listed, versions = said(sys.executable, "aiplatform_user.py", emulator.secure_address, **trusted)
        place = {"project": "demo", "location": "us-central1", "endpoint": emulator.address}
        adapter = VertexAdapter(VertexConfig(**place))
        found = scanned(adapter)
        adapter.close()
    assert list(found.models()) == listed == ["churn"]
    [model] = found.models().values()
    told: dict[str, list[str]] = {}
    for alias, version in model.aliases.items():
        told.setdefault(version, []).append(alias)
    assert {version: sorted(aliases) for version, aliases in told.items()} == versions
    records = [one for one in found.records if isinstance(one, VersionRecord)]
    assert sorted((one.version, one.artifact_uri) for one in records) == [
        ("1", "gs://m/1"),
        ("2", "gs://m/2"),
    ]
    assert records[0].tags["team"] == "risk"
