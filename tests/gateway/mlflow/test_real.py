"""The façade over a real MLflow server: the same calls of the same client as against the server itself."""

from collections.abc import Iterator
from html import unescape
from typing import Any

import httpx
import pytest

from gateway.cli import run
from gateway.demo.servers import Server
from gateway.loading import ON_THE_LINE, TITLE
from tests.gateway.lines import LineHandler, lines
from tests.gateway.mlflow.client import ClientError, RunningClient
from tests.gateway.served import Served, served
from tests.patience import until

CONFIG = """
[[registries]]
name = "real"
kind = "mlflow"
team = "t"
sync_every = 0
writable = true
config = {{ url = "{url}" }}
"""
LOG = """
import mlflow
from sklearn.linear_model import LinearRegression

class Doubling(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [2 * value for value in model_input]

# What they need is said: else MLflow loads each in a process of its own to find out.
said = {"pip_requirements": ["mlflow", "scikit-learn"]}
with mlflow.start_run():
    model = LinearRegression().fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
    mlflow.sklearn.log_model(model, name="line", registered_model_name="line", **said)
    mlflow.pyfunc.log_model(name="doubling", python_model=Doubling(), registered_model_name="doubling", **said)
"""


TOKEN = "wpt-shown-to-waypost-alone"


@pytest.fixture(scope="module")
def overheard() -> set[str]:
    """What the server was sent as credentials."""
    return set()


@pytest.fixture(scope="module")
def world(
    mlflow_process: Server,
    mlflow_process_of_ours: RunningClient,
    overheard: set[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Served, RunningClient]]:
    class Overhearing(LineHandler):
        def ask(self, path: str, body: bytes) -> tuple[int, bytes]:
            overheard.update(value for _, value in self.headers.items())
            return self.ask_now(path, body)

        do_PATCH = do_DELETE = LineHandler.do_GET  # noqa: N815

    folder = tmp_path_factory.mktemp("real")
    with lines(mlflow_process.url, ["none"], Overhearing) as between:
        config = CONFIG.format(url=f"http://127.0.0.1:{between['none'].port}")
        with served(folder, config=config) as gateway:
            yield gateway, mlflow_process_of_ours


def synced(gateway: Served) -> None:
    """The catalogue has what the server has."""
    run = gateway.client.post("/registries/real/sync", json={}).raise_for_status().json()["id"]
    until(lambda: ended(gateway, run), "the run ends")


def ended(gateway: Served, run: int) -> dict[str, Any]:
    """How a run ended, once it has and what it found is followed; empty until then."""
    found: dict[str, Any] = gateway.client.get(f"/syncs/{run}").json()
    return {} if found["finished_at"] is None else found


def story(client: RunningClient) -> Iterator[Any]:
    """A life of a model, with all that the client is told, but for times."""

    def told(call: str, *args: object, **named: object) -> Any:
        try:
            found = client(call, *args, **named)
        except ClientError as error:
            return error.code
        return plain(found)

    yield told("create_registered_model", "m", {"a": "1"}, "text")
    yield told("create_registered_model", "m")
    yield told("create_model_version", "m", "s3://b/1", run_id="run", tags={"k": "v"}, description="one")
    yield told("create_model_version", "m", "s3://b/2")
    yield told("create_model_version", "nothing", "s3://b/2")
    yield told("set_registered_model_alias", "m", "best", "1")
    yield told("set_registered_model_alias", "m", "best", "7")
    yield told("get_model_version_by_alias", "m", "best")
    yield told("get_model_version_by_alias", "m", "none")
    yield told("get_model_version_by_alias", "n", "best")
    for version, stage, alone in (
        ("1", "Production", False),
        ("2", "Production", False),
        ("2", "staging", True),
    ):
        yield told("transition_model_version_stage", "m", version, stage, archive_existing_versions=alone)
    yield told("transition_model_version_stage", "m", "1", "None")
    yield told("transition_model_version_stage", "m", "1", "Nowhere")
    yield told("get_latest_versions", "m", ["None", "Staging"])
    yield told("set_model_version_tag", "m", "1", "k", "w")
    yield told("delete_model_version_tag", "m", "1", "absent")
    yield told("update_model_version", "m", "1", "new")
    yield told("update_registered_model", "m", "newer")
    yield told("get_registered_model", "m")
    yield told("search_registered_models", "name LIKE 'm%' AND tags.a = '1'")
    yield told("search_registered_models", "what is")
    yield told("search_model_versions", "name = 'm'", order_by=["version_number ASC"])
    yield told("search_model_versions", "tags.k = 'w'")
    yield told("search_model_versions", "run_id = 'run' AND version_number <= 1")
    yield told("copy_model_version", "models:/m/1", "copy")
    yield told("rename_registered_model", "m", "copy")
    yield told("rename_registered_model", "m", "n")
    yield told("get_model_version", "n", "1")
    yield told("get_model_version", "m", "1")
    yield told("get_model_version", "n", "x")
    yield told("get_model_version_download_uri", "n", "2")
    yield told("delete_model_version", "n", "2")
    yield told("delete_model_version", "n", "2")
    yield told("delete_registered_model", "n")
    yield told("delete_registered_model", "n")
    yield told("delete_registered_model", "copy")


def plain(value: Any) -> Any:
    """Without what differs from one telling to the next, or is not told here."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {
            name: plain(one) for name, one in value.items() if "timestamp" not in name and name != "workspace"
        }
    return value


def test_a_life_is_told_as_the_server_itself_tells_it(
    mlflow_server: Server, world: tuple[Served, RunningClient]
) -> None:
    gateway, client = world
    synced(gateway)
    ours = list(story(client.at(f"{gateway.url}/mlflow/real", MLFLOW_TRACKING_TOKEN=TOKEN)))
    theirs = list(story(client.at(mlflow_server.url)))
    wrong = [f"{us}\n{them}" for us, them in zip(ours, theirs, strict=True) if us != them]
    assert not wrong, "\n\n".join(wrong)


def test_models_are_loaded_through_the_proxy_and_no_token_reaches_the_server(
    mlflow_server: Server,
    world: tuple[Served, RunningClient],
    overheard: set[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gateway, client = world
    client.at(mlflow_server.url)("execute", LOG, "")
    synced(gateway)
    here = client.at(f"{gateway.url}/mlflow/real", MLFLOW_TRACKING_TOKEN=TOKEN)
    uri = here("get_model_version_download_uri", "line", "1")
    assert uri == f"{gateway.url}/mlflow/real/api/2.0/mlflow-artifacts/artifacts/line/1"
    assert here("predict", "models:/line/1", [[3.0]]) == pytest.approx([7.0])
    assert here("predict", "models:/doubling/latest", [1, 2]) == [2, 4]
    here("copy_model_version", "models:/line/1", "copied")
    assert here("predict", "models:/copied/1", [[3.0]]) == pytest.approx([7.0])
    assert overheard
    assert not [value for value in overheard if TOKEN in value], "no token of Waypost reaches a backend"

    monkeypatch.setenv("WAYPOST_URL", gateway.url)
    assert run(["show", "real/line:1", "--snippets"]) == 0
    shown = capsys.readouterr().out.partition(f"# {TITLE}\n")[2].partition(f"\n# {ON_THE_LINE}")[0].strip()
    page = unescape(httpx.get(f"{gateway.url}/versions/real/line:1").raise_for_status().text)
    assert page.partition(TITLE)[2].partition("<code>")[2].partition("</code>")[0] == shown
    assert here("paste", shown, [[3.0]]) == pytest.approx([7.0])

    listed = httpx.get(uri.rpartition("/line/1")[0], params={"path": "line/1"}).json()["files"]
    names = {one["path"]: one for one in listed}
    assert names["MLmodel"]["file_size"] > 100 and not names["MLmodel"]["is_dir"]
    whole = httpx.get(f"{uri}/MLmodel")
    assert whole.headers["content-length"] == str(len(whole.content)) == str(names["MLmodel"]["file_size"])
    for path in ("line/1/../../../secret", "line/1/nothing", "line/2/MLmodel", "line", "~/x"):
        found = httpx.get(f"{uri.rpartition('/line/1')[0]}/{path}")
        assert (found.status_code, found.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST"), path
