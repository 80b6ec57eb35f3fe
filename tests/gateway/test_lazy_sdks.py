"""A gateway with registries of every vendor starts without any vendor's SDK: those come with the first sync."""

import subprocess
import sys
from pathlib import Path

CONFIGURATION = """
[auth]
mode = "local"

[[registries]]
name = "a"
kind = "mlflow"
team = "a"
sync_every = 0
config = { url = "http://127.0.0.1:9" }

[[registries]]
name = "b"
kind = "sagemaker"
team = "b"
sync_every = 0
config = { region = "eu-west-1", endpoint_url = "http://127.0.0.1:9" }

[[registries]]
name = "c"
kind = "vertex"
team = "c"
sync_every = 0
config = { project = "demo", location = "us-central1", endpoint = "127.0.0.1:9" }
"""
PROGRAM = """
import sys
from pathlib import Path

from federation import schema
from gateway.app import create_app
from gateway.settings import load_settings
from gateway.waypost import Waypost

waypost = Waypost(load_settings(Path("waypost.toml")))
schema.migrate(waypost.engine)
print(len(waypost.apply_registries()))
app = create_app(waypost)
SDKS = ("boto3", "botocore", "google.api_core", "google.auth", "google.cloud", "grpc", "mlflow")
SDKS += ("opentelemetry.sdk", "opentelemetry.exporter")
real = (name for name, module in sys.modules.items() if getattr(module, "__file__", None))  # no namespaces
print(*sorted(name for name in real if name.startswith(SDKS)))
waypost.close()
"""


def test_no_sdk_is_imported_before_the_first_sync(tmp_path: Path) -> None:
    (tmp_path / "waypost.toml").write_text(CONFIGURATION)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["3", ""]
