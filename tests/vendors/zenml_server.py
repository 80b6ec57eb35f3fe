"""A real ZenML server on SQLite, and the vendor's own client in a process of its own, driven line by line."""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from gateway.demo.servers import answers, reserved_port, server

USER, PASSWORD = "default", "a-zenml-passw0rd"


class ZenmlServer:
    """A running server. `key` is the API key of a service account."""

    def __init__(self, url: str, python: Path, folder: Path) -> None:
        self.url, self.python, self.folder = url, python, folder
        self.http = httpx.Client(base_url=f"{url}/api/v1", timeout=60.0, trust_env=False)
        form = {"username": USER, "password": PASSWORD}
        token = self.http.post("/login", data=form).raise_for_status().json()["access_token"]
        self.http.headers["Authorization"] = f"Bearer {token}"
        account = self.ask("POST", "/service_accounts", {"name": "waypost", "active": True})
        made = self.ask("POST", f"/service_accounts/{account['id']}/api_keys", {"name": "waypost"})
        self.key: str = made["body"]["key"]
        self.project: str = self.ask("GET", "/projects/default")["id"]

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.http.request(method, path, json=body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None

    @property
    def environment(self) -> Mapping[str, str]:
        """What the vendor's client is run with."""
        return {
            **_environment(self.folder / "client"),
            "ZENML_STORE_URL": self.url,
            "ZENML_STORE_API_KEY": self.key,
        }

    def run_file(self, program: Path) -> str:
        """What a Python program prints that uses the vendor's client."""
        return self._run([str(self.python), str(program)])

    def shell(self, code: str) -> str:
        """What a snippet for the shell prints."""
        return self._run(["sh", "-euc", code])

    def _run(self, command: list[str]) -> str:
        done = subprocess.run(
            command, env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout


@contextlib.contextmanager
def zenml_server(python: Path, folder: Path) -> Iterator[ZenmlServer]:
    """A server with its data below `folder`, until the end."""
    (folder / "client").mkdir(parents=True)
    (folder / "server").mkdir()
    environment = {
        **_environment(folder / "server"),
        "ZENML_SERVER": "true",
        "ZENML_SERVER_AUTO_ACTIVATE": "true",
        "ZENML_DEFAULT_USER_NAME": USER,
        "ZENML_DEFAULT_USER_PASSWORD": PASSWORD,
        "ZENML_STORE_URL": f"sqlite:///{folder / 'zenml.db'}",
    }
    with reserved_port() as port:
        url = f"http://127.0.0.1:{port}"
        command = [str(python), "-m", "uvicorn", "zenml.zen_server.zen_server_api:app", "--port", str(port)]
        with server(
            "ZenML",
            command,
            port=port,
            log=folder / "server.log",
            ready=lambda: answers(f"{url}/health"),
            environment=environment,
        ):
            running = ZenmlServer(url, python, folder)
            with contextlib.closing(running.http):
                yield running


def _environment(home: Path) -> dict[str, str]:
    """Nothing of this machine's own, nothing that calls home."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "ZENML_CONFIG_PATH": str(home),
        "ZENML_ANALYTICS_OPT_IN": "false",
        "ZENML_LOGGING_VERBOSITY": "ERROR",
        "AUTO_OPEN_DASHBOARD": "false",
    }


PROGRAM = """
import json, sys
from zenml.client import Client
client = Client()

def everything(list_page):
    page, found = 1, []
    while True:
        some = list_page(page=page, size=200, hydrate=True)
        found += some.items
        if page >= some.total_pages:
            return found
        page += 1

def truth():
    models = {str(m.id): m for m in everything(client.list_models)}
    found = [[m.name, None, m.description, None, sorted(t.name for t in m.tags)] for m in models.values()]
    for v in everything(client.list_model_versions):
        found.append([v.model.name, v.name, v.description, v.stage, sorted(t.name for t in v.tags)])
    return found

for line in sys.stdin:
    name, given = json.loads(line)
    try:
        if name == "truth":
            answer = truth()
        else:
            made = getattr(client, name)(**given)
            answer = {"id": str(getattr(made, "id", "")), "name": str(getattr(made, "name", ""))}
    except Exception as error:
        answer = f"{type(error).__name__}: {error}"
    print("> " + json.dumps(answer), flush=True)
"""


class ZenmlClient:
    """The vendor's client in a process of its own: each order is a line of JSON, and so is each answer."""

    def __init__(self, server: ZenmlServer) -> None:
        self.process = subprocess.Popen(
            [str(server.python), "-c", PROGRAM],
            env=server.environment,
            cwd=server.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, order: str, **given: Any) -> Any:
        """What one method of the client, or `truth`, answers. Errors: `AssertionError`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([order, given]) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("> "):
                answer = json.loads(line[2:])
                assert not isinstance(answer, str), f"{order}({given}): {answer}"
                return answer
        raise AssertionError(f"the client ended at {order}({given})")

    def close(self) -> None:
        with self.process:  # closes its pipes and waits for it
            pass
