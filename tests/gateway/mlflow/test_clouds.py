"""A model of MLflow's in S3 (moto) or in a folder, behind SageMaker or Vertex AI, loaded by MLflow's own client."""

import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from adapters.emulators.sagemaker import Emulator
from adapters.emulators.vertex import VertexEmulator
from gateway.demo.servers import Server
from tests.adapters.sagemaker.aws import REGION, package
from tests.adapters.sagemaker.aws import client as aws
from tests.adapters.vertex.vendor import Vendor
from tests.gateway.mlflow.client import ClientError, RunningClient
from tests.gateway.mlflow.test_real import ended
from tests.gateway.served import Served, served
from tests.patience import until

SAVE = """
import mlflow
from sklearn.linear_model import LinearRegression

class Doubling(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [2 * value for value in model_input]

model = LinearRegression().fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
# What they need is said: else MLflow loads each in a process of its own to find out.
mlflow.sklearn.save_model(model, given + "/line", pip_requirements=["scikit-learn"])
mlflow.pyfunc.save_model(given + "/doubling", python_model=Doubling(), pip_requirements=["mlflow"])
"""
CONFIG = """
[[registries]]
name = "direct"
kind = "sagemaker"
team = "t"
sync_every = 0
[registries.config]
region = "{region}"
endpoint_url = "{sagemaker}"
access_key_id = "file:{key}"
secret_access_key = "file:{key}"
[[registries]]
name = "proxied"
kind = "sagemaker"
team = "t"
sync_every = 0
stages = {{ production = ["approval:Approved"] }}
[registries.config]
region = "{region}"
endpoint_url = "{sagemaker}"
access_key_id = "file:{key}"
secret_access_key = "file:{key}"
artifacts = ["s3://models"]
[[registries]]
name = "vertex"
kind = "vertex"
team = "t"
sync_every = 0
config = {{ project = "{project}", location = "{location}", endpoint = "{vertex}", artifacts = ["file://{bucket}"] }}
[[registries]]
name = "share"
kind = "folder"
team = "t"
sync_every = 0
config = {{ path = "{share}", settle = 0 }}
"""


@pytest.fixture(scope="module")
def bucket(mlflow_process_of_ours: RunningClient, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with real models, as their owner saved them."""
    folder = tmp_path_factory.mktemp("bucket")
    nowhere = mlflow_process_of_ours.at(f"file://{folder}/runs", MLFLOW_ALLOW_FILE_STORE="true")
    nowhere("execute", SAVE, str(folder))
    return folder


@pytest.fixture(scope="module")
def world(
    moto_server: Server,
    bucket: Path,
    mlflow_process_of_ours: RunningClient,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Served, RunningClient]]:
    folder, key = tmp_path_factory.mktemp("clouds"), tmp_path_factory.mktemp("key") / "key"
    key.write_text("waypost")
    s3 = aws(moto_server.url, "s3")
    s3.create_bucket(Bucket="models", CreateBucketConfiguration={"LocationConstraint": REGION})
    for file in (one for one in bucket.rglob("*") if one.is_file()):
        s3.upload_file(str(file), "models", str(file.relative_to(bucket)))
    archive = bucket.parent / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:  # as SageMaker wants it: MLmodel is at the top
        packed.add(bucket / "line", arcname=".")
    s3.upload_file(str(archive), "models", "packed/model.tar.gz")
    share = tmp_path_factory.mktemp("share")
    (share / ".waypost").write_text("share")
    shutil.copytree(bucket / "line", share / "line" / "v1.2.0")
    with VertexEmulator() as vertex, Emulator() as sagemaker:
        boto = aws(sagemaker.url)
        for group, address, approval in (
            ("line", "s3://models/line/", "Approved"),
            ("line", "s3://models/nothing/", "PendingManualApproval"),
            ("packed", "s3://models/packed/model.tar.gz", "Approved"),
        ):
            package(boto, group, address, ModelApprovalStatus=approval)
        vendor = Vendor(vertex.address, vertex.parent)
        vendor.upload("doubling", artifact_uri=f"file://{bucket}/doubling")
        vendor.close()
        config = CONFIG.format(
            region=REGION, sagemaker=sagemaker.url, key=key, bucket=bucket, share=share, vertex=vertex.address,
            project=vertex.project, location=vertex.location,
        )  # fmt: skip
        stores = {
            "AWS_ENDPOINT_URL": moto_server.url, "AWS_ALLOW_HTTP": "true", "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "waypost", "AWS_SECRET_ACCESS_KEY": "waypost",
        }  # fmt: skip
        with served(folder, config=config, environment=stores) as gateway:
            for name in ("direct", "proxied", "vertex", "share"):
                run = gateway.client.post(f"/registries/{name}/sync", json={}).raise_for_status().json()["id"]
                found = until(lambda run=run: ended(gateway, run), "the run ends")  # type: ignore[misc]
                assert found["state"] == "ok", found["errors"]
            yield gateway, mlflow_process_of_ours


def test_a_package_of_sagemaker_is_loaded_from_the_store_or_through_the_gateway(
    world: tuple[Served, RunningClient], moto_server: Server
) -> None:
    gateway, client = world
    store = {
        "MLFLOW_S3_ENDPOINT_URL": moto_server.url, "AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "mine",
        "AWS_DEFAULT_REGION": REGION,
    }  # fmt: skip
    direct = client.at(f"{gateway.url}/mlflow/direct", **store)
    assert direct("get_model_version_download_uri", "line", "1") == "s3://models/line/"
    assert direct("predict", "models:/line/1", [[3.0]]) == pytest.approx([7.0])
    nothing = dict.fromkeys(store, "")
    proxied = client.at(f"{gateway.url}/mlflow/proxied", **nothing)
    assert proxied("get_model_version_download_uri", "line", "1").startswith(
        f"{gateway.url}/mlflow/proxied/api/2.0/"
    )
    assert proxied("predict", "models:/line/1", [[3.0]]) == pytest.approx([7.0])


def test_production_and_champion_are_what_the_rules_of_a_registry_say(
    world: tuple[Served, RunningClient],
) -> None:
    gateway, client = world
    ruled = client.at(f"{gateway.url}/mlflow/proxied")
    assert [one["version"] for one in ruled("get_latest_versions", "line", ["Production"])] == ["1"]
    assert ruled("get_model_version_by_alias", "line", "champion")["version"] == "1"
    assert ruled("predict", "models:/line/Production", [[3.0]]) == pytest.approx([7.0])
    assert ruled("get_model_version_by_alias", "line", "latest")["version"] == "2"
    by_default = client.at(f"{gateway.url}/mlflow/direct")
    assert by_default("get_latest_versions", "line", ["Production"]) == []
    assert by_default("get_model_version_by_alias", "line", "challenger")["current_stage"] == "Staging"
    with pytest.raises(ClientError, match="alias champion not found"):
        by_default("get_model_version_by_alias", "line", "champion")


def test_an_archive_of_sagemaker_is_unpacked_on_its_way(world: tuple[Served, RunningClient]) -> None:
    gateway, client = world
    assert client.at(f"{gateway.url}/mlflow/proxied")(
        "predict", "models:/packed@production", [[3.0]]
    ) == pytest.approx([7.0])
    with pytest.raises(ClientError, match=r"one archive.*config\.artifacts"):
        client.at(f"{gateway.url}/mlflow/direct")("get_model_version_download_uri", "packed", "1")


def test_a_version_that_is_no_number_is_named_like_an_alias(world: tuple[Served, RunningClient]) -> None:
    gateway, client = world
    here = client.at(f"{gateway.url}/mlflow/share")
    listed = gateway.client.get("/snippets/share/line:v1.2.0").json()["snippets"]
    *_, ours = (one for one in listed if "/mlflow/share" in one["code"])
    assert "'models:/line@v1.2.0'" in ours["code"]
    assert here("paste", ours["code"], [[3.0]]) == pytest.approx([7.0])
    with pytest.raises(ClientError, match=r"name it models:/line@v1\.2\.0"):
        here("predict", "models:/line/v1.2.0", [[3.0]])
    with pytest.raises(ClientError, match=r"alias v1\.2\.1 not found"):
        here("predict", "models:/line@v1.2.1", [[3.0]])


def test_a_version_of_vertex_is_loaded_through_the_gateway(world: tuple[Served, RunningClient]) -> None:
    gateway, client = world
    here = client.at(f"{gateway.url}/mlflow/vertex")
    assert here("predict", "models:/doubling/1", [1, 2]) == [2, 4]


def test_a_part_of_a_file_is_handed_out(world: tuple[Served, RunningClient], bucket: Path) -> None:
    gateway, _ = world
    content = (bucket / "line" / "MLmodel").read_bytes()
    for registry, model in (("proxied", "line"), ("vertex", "doubling")):
        whole = (bucket / model / "MLmodel").read_bytes()
        address = f"{gateway.url}/mlflow/{registry}/api/2.0/mlflow-artifacts/artifacts/{model}/1/MLmodel"
        for asked, expected in (
            ("bytes=0-9", whole[:10]),
            ("bytes=10-", whole[10:]),
            ("bytes=5-99999999", whole[5:]),
        ):
            part = httpx.get(address, headers={"Range": asked})
            assert (part.status_code, part.content) == (206, expected), part.text
            first = whole.index(expected) if expected != whole[10:] else 10
            assert part.headers["content-range"] == f"bytes {first}-{first + len(expected) - 1}/{len(whole)}"
        assert httpx.get(address, headers={"Range": "bytes=0-1,4-5"}).content == whole
        assert httpx.get(address, headers={"Range": f"bytes={len(whole)}-"}).status_code in (400, 416)
        assert httpx.get(address, headers={"Range": "bytes=9-1"}).status_code == 416
    assert content
