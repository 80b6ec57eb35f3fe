"""Files in an object store: put, listed and read back, over S3 as moto speaks it."""

import io

import pytest

from adapters import NotFoundError
from federation.artifacts.stores import StoredRoom
from gateway.demo.servers import Server

FILES = {"MLmodel": b"flavors: {}\n", "data/ä model.bin": bytes(range(256)) * 40_000}


def test_files_are_put_listed_and_read_back(moto: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    boto3 = pytest.importorskip("boto3")
    pytest.importorskip("obstore")
    for name, value in {
        "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1", "AWS_ALLOW_HTTP": "true",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": moto.url,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    boto3.client("s3", endpoint_url=moto.url).create_bucket(Bucket="models")
    room = StoredRoom("s3://models/scorer/waypost-1")
    for path, content in FILES.items():
        room.put(path, io.BytesIO(content), len(content))
    assert {one.path: one.size for one in room.list()} == {
        path: len(content) for path, content in FILES.items()
    }
    for path, content in FILES.items():
        with room.read(path) as pieces:
            assert b"".join(pieces) == content
    with pytest.raises(NotFoundError), room.read("nothing") as pieces:
        b"".join(pieces)
    room.rename("MLmodel", "set/aside")
    assert {one.path for one in room.list()} == {*FILES, "set/aside"} - {"MLmodel"}
    with pytest.raises(NotFoundError):
        room.rename("MLmodel", "elsewhere")
    room.remove(["nothing", "set/aside", "data/ä model.bin"])
    assert list(room.list()) == []
