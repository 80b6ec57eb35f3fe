"""What people read of a failure names no host, file or software; operators read the rest, in the log and `doctor`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from federation.errors import WaypostError
from federation.health import said
from federation.journal.sealing import _publish
from federation.journal.witnesses import FolderWitness
from gateway.cli.failure import explain as explain_to_operators
from gateway.demo.servers import reserved_port
from gateway.door import oidc
from gateway.problems import explain
from gateway.witness import HttpWitness


def provider_is_away(folder: Path, address: str) -> object:
    return oidc._ask("GET", f"{address}/secret-path")


def witness_is_away(folder: Path, address: str) -> object:
    return HttpWitness(address).latest("log")


def witness_is_no_folder(folder: Path, address: str) -> object:
    (folder / "witness").write_text("a file")
    return FolderWitness("w", folder / "witness").latest("log")


def archive_cannot_be_written(folder: Path, address: str) -> None:
    _publish(folder / "missing.draft", folder / "archive.jsonl")


@pytest.mark.parametrize(
    "fail", [provider_is_away, witness_is_away, witness_is_no_folder, archive_cannot_be_written]
)
def test_strangers_read_no_host_and_no_path(fail: Callable[[Path, str], object], tmp_path: Path) -> None:
    with reserved_port() as port, pytest.raises(WaypostError) as raised:
        fail(tmp_path, f"http://127.0.0.1:{port}")
    hidden = ("127.0.0.1", str(port), str(tmp_path))
    for text in (str(raised.value), str(explain(raised.value))):
        assert not any(part in text for part in hidden)
    for text in (said(raised.value), explain_to_operators(raised.value)[0]):
        assert any(part in text for part in hidden)
