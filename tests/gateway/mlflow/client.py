"""MLflow's own client in a process of its own: one call a line, its answer or its error as JSON."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

PROGRAM = """
import json
import os
import sys
from collections.abc import Sequence

out, sys.stdout = sys.stdout, sys.stderr
import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException


def plain(value):
    if isinstance(value, (str, int, float, type(None))):
        return value
    if isinstance(value, Sequence):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in value.items()}
    if hasattr(value, "tolist"):
        return value.tolist()
    if not hasattr(value, "__iter__"):
        return str(value)
    try:
        return {name: plain(one) for name, one in dict(value).items()}
    except (TypeError, ValueError):
        return [plain(one) for one in value]


def answered(asked):
    os.environ.update(asked["environment"])
    mlflow.set_registry_uri(asked["registry"])
    mlflow.set_tracking_uri(asked["registry"])
    client = MlflowClient(asked["registry"], asked["registry"])
    call, args, named = asked["call"], asked["args"], asked["named"]
    if call == "predict":
        return mlflow.pyfunc.load_model(args[0]).predict(args[1])
    if call == "paste":
        pasted = {}
        exec(args[0], pasted)
        return pasted["model"].predict(args[1])
    if call == "execute":
        exec(args[0], {"__name__": "__main__", "given": args[1]})
        return None
    if call == "download":
        return mlflow.artifacts.download_artifacts(args[0])
    if call == "register_model":
        return mlflow.register_model(*args, **named)
    found = getattr(client, call)(*args, **named)
    token = getattr(found, "token", None)
    return {"rows": plain(found), "token": token} if call.startswith("search_") else found


for line in sys.stdin:
    asked = json.loads(line)
    try:
        told = {"answer": plain(answered(asked))}
    except MlflowException as error:
        told = {"code": error.error_code, "message": error.message}
    except Exception as error:
        told = {"code": type(error).__name__, "message": str(error)}
    print(json.dumps(told), file=out, flush=True)
"""
QUIET = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "4",
    "MLFLOW_ENABLE_DB_SDK": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}


class ClientError(Exception):
    """What the client raised: its error code and its message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass
class RunningClient:
    """A running client; `registry` is what `MLFLOW_REGISTRY_URI` would say."""

    process: "subprocess.Popen[str]"
    registry: str = ""
    environment: dict[str, str] | None = None

    def at(self, registry: str, **environment: str) -> "RunningClient":
        """The same process, with another registry and with these variables."""
        return RunningClient(self.process, registry, environment)

    def __call__(self, call: str, *args: Any, **named: Any) -> Any:
        """What a method of `MlflowClient` answers. Errors: `ClientError`."""
        asked = {
            "call": call, "args": args, "named": named, "registry": self.registry,
            "environment": {"MLFLOW_TRACKING_TOKEN": "", **(self.environment or {})},
        }  # fmt: skip
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None and stdout is not None
        _write(stdin, json.dumps(asked))
        told = json.loads(stdout.readline())
        if "answer" in told:
            return told["answer"]
        raise ClientError(told["code"], told["message"])


def _write(stream: IO[str], line: str) -> None:
    stream.write(line + "\n")
    stream.flush()


@contextmanager
def mlflow_client(folder: str, python: str = sys.executable) -> Iterator[RunningClient]:
    """A process with MLflow's client; `folder` is where it may leave what it likes."""
    with subprocess.Popen(
        [python, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": folder, **QUIET},
    ) as process:
        try:
            yield RunningClient(process)
        finally:
            process.kill()
