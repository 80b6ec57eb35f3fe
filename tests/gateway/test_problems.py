"""An error of ours: the answer names the request that the log has it under, where there is a log."""

import json
import logging
from typing import Any

import pytest
from litestar import Litestar, Request, get
from litestar.testing import TestClient

from gateway.logs import configure_logs
from gateway.problems import handle
from gateway.telling_settings import LogSettings


@get("/api/v1/broken")
async def broken(request: Request[Any, Any, Any]) -> None:
    request.scope["state"]["request_id"] = "r-17"
    raise LookupError("secret detail")


def answered() -> dict[str, Any]:
    with TestClient(
        Litestar([broken], exception_handlers={Exception: handle}, logging_config=None),
        raise_server_exceptions=False,
    ) as client:
        found: dict[str, Any] = client.get("/api/v1/broken").json()
    return found


@pytest.fixture(autouse=True)
def logs_as_before() -> Any:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_the_log_has_it_under_the_id_that_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogSettings(format="json"))
    assert answered()["detail"] == "an error inside Waypost: the log has it under request id r-17"
    [line] = [json.loads(line) for line in capsys.readouterr().err.splitlines() if "unhandled" in line]
    assert (line["request"], "secret detail" in line["exception"]) == ("r-17", True)


def test_without_a_log_no_id_is_told() -> None:
    logging.getLogger().setLevel(logging.CRITICAL + 1)
    assert answered()["detail"] == "an error inside Waypost"
