"""The files of a version go through the artifact proxy of a real server, and come back as they were."""

import io

from adapters import Registration
from adapters.mlflow import MlflowAdapter
from adapters.mlflow.config import MlflowConfig
from federation.artifacts.stores import GivenFiles
from gateway.demo.servers import Server

FILES = {"MLmodel": b"flavors: {}\n", "data/ä model.bin": bytes(range(256)) * 40_000}
"""The second is longer than what is sent at once."""


def test_files_are_put_registered_and_read_back(mlflow_server: Server) -> None:
    adapter = MlflowAdapter(MlflowConfig(url=mlflow_server.url))
    room = adapter.room("scorer", "waypost-1")
    assert adapter.room("scorer", "waypost-1").source == room.source
    for path, content in FILES.items():
        room.put(path, io.BytesIO(content), len(content))
    made = adapter.register(
        Registration(model="scorer", source=room.source, run_id=room.run_id, token="waypost-1")
    )
    found: dict[str, bytes] = {}
    for one in GivenFiles(adapter, made).list():
        for read in (GivenFiles(adapter, made).read, room.read):
            with read(one.path) as pieces:
                found[one.path] = b"".join(pieces)
            assert one.size == len(found[one.path])
    assert found == FILES
    adapter.close()
