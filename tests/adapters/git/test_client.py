"""How the repository is spoken to: in how many requests, by which git, within which bounds, and what it never sees."""

import base64
import os
import random
import subprocess
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters import Adapter, InvalidError, Key, NotFoundError, TransientError, UnsupportedError
from adapters.conformance.harness import Fault
from adapters.conformance.lab import ScanResult
from adapters.emulators.git.repository import GitRepository
from adapters.emulators.git.server import GitServer
from adapters.git import GitConfig, client
from tests.adapters.git.conftest import Open
from tests.adapters.pasting import arguments
from tests.patience import until

TOKEN = "s3cret-token"


def scan(adapter: Adapter, since: str | None = None) -> ScanResult:
    return ScanResult(list(adapter.scan(since=since, limit=1000)))


def test_one_request_when_nothing_changed(repository: GitRepository, opened: Open, server: GitServer) -> None:
    for number in range(40):
        repository.commit(tags={f"churn@v{number}.0.0": "1"})
    adapter = opened(url=f"{server.url}/models.git")
    first = scan(adapter)
    assert len(first.records) == 41
    assert len(server.requests) == 3, "the list; git asks once what the server can do, and once for objects"
    for again in (adapter, opened(url=f"{server.url}/models.git")):
        server.requests.clear()
        assert scan(again, first.watermark).items == []
        assert server.requests == ["GET /models.git/info/refs?service=git-upload-pack"]
    server.requests.clear()
    assert len(scan(adapter).records) == 41
    assert adapter.get(Key("model", "churn")).key.native_id == "churn"
    assert len(server.requests) == 2


def test_a_login_page_is_no_empty_repository(
    repository: GitRepository, opened: Open, server: GitServer
) -> None:
    repository.commit(tags={"churn@v1.0.0": "1"})
    adapter = opened(url=f"{server.url}/models.git")
    mark = scan(adapter).watermark
    with server.fail_with(Fault.GARBAGE):
        for call in (lambda: scan(adapter, mark), lambda: adapter.get(Key("model", "churn")), adapter.probe):
            with pytest.raises(TransientError, match="not git's"):
                call()


def test_a_server_that_does_not_filter_is_not_asked_for_its_history(
    repository: GitRepository, opened: Open, server: GitServer
) -> None:
    repository.commit({"large.bin": "x" * 200_000}, tags={"churn@v1.0.0": "1"})
    repository.git("config", "uploadpack.allowFilter", "false")
    adapter = opened(url=f"{server.url}/models.git")
    assert scan(adapter).models().keys() == {"churn"}
    info = adapter.probe()
    assert info.identity is None
    assert "allowFilter" in info.missing[0]


def test_a_clone_that_has_become_large_is_begun_anew(
    repository: GitRepository, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MOST_PACKS", 2)
    adapter = opened()
    for number in range(5):
        repository.commit(tags={f"churn@v{number}.0.0": "1"})
        assert len(scan(adapter).records) == number + 2
    assert len(list(adapter._client._folder("objects").glob("objects/pack/*.pack"))) <= 3


def test_nothing_there_yet_is_nothing(repository: GitRepository, opened: Open, server: GitServer) -> None:
    for url in (str(repository.path), f"{server.url}/models.git"):
        adapter = opened(url=url)
        assert scan(adapter).records == []
        assert adapter.probe().identity is None
        with pytest.raises(NotFoundError):
            adapter.get(Key("model", "churn"))
    with pytest.raises(InvalidError, match="check the registry's `url`"):
        scan(opened(url=f"{repository.path}-gone"))
    with pytest.raises(InvalidError):
        scan(opened(url=f"{server.url}/gone.git"))


def test_neither_the_machine_nor_its_user_is_asked(
    repository: GitRepository,
    opened: Open,
    server: GitServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.token = TOKEN
    repository.commit(tags={"churn@v1.0.0": "1"})
    marker, hooks = tmp_path / "was-run", tmp_path / "hooks"
    hooks.mkdir()
    for name in ("pre-push", "reference-transaction", "helper"):
        (hooks / name).write_text(f"#!/bin/sh\necho {name} >> {marker}\n")
        (hooks / name).chmod(0o755)
    (tmp_path / ".gitconfig").write_text(
        f"[core]\n\thooksPath = {hooks}\n[credential]\n\thelper = {hooks}/helper\n"
        f'[url "{server.url}/gone.git"]\n\tinsteadOf = {server.url}/models.git\n'
    )
    for name, value in {
        "HOME": str(tmp_path), "GIT_CONFIG_GLOBAL": str(tmp_path / ".gitconfig"), "GIT_ASKPASS": f"{hooks}/helper",
        "GIT_TRACE_CURL": str(marker), "GIT_DIR": str(tmp_path), "http_proxy": "http://127.0.0.1:1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    started: list[Any] = []
    popen = subprocess.Popen

    def watched(command: Any, *given: Any, **more: Any) -> Any:
        started.append(command)
        return popen(command, *given, **more)

    monkeypatch.setattr(subprocess, "Popen", watched)
    adapter = opened(url=f"{server.url}/models.git", token=TOKEN)
    adapter.set_alias(Key("model", "churn"), "prod", "v1.0.0")
    assert not marker.exists()
    assert "churn#prod#1" in repository.tags()
    secret = base64.b64encode(f"git:{TOKEN}".encode()).decode()
    assert not [one for one in started if TOKEN in repr(one) or secret in repr(one)]
    assert any("push" in one for one in started)


def test_a_git_that_hangs_is_ended(
    repository: GitRepository, opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "git").write_text(
        '#!/bin/sh\n[ "$1" = version ] && echo git version 2.39.5 && exit\n'
        f"sleep 1000 & echo $! > {tmp_path}/child; wait\n"
    )
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(GitConfig, "call_timeout", 1.0)
    with pytest.raises(TransientError, match="raise `timeout`"):
        scan(opened())
    child = Path("/proc", (tmp_path / "child").read_text().strip(), "stat")
    until(lambda: not child.exists() or child.read_text().split()[2] in "ZX", "what git had started is ended")
    (folder / "git").write_text("#!/bin/sh\necho git version 2.20.1\n")
    with pytest.raises(UnsupportedError, match=r"2\.37"):
        scan(opened())


def test_what_is_fetched_is_bounded(repository: GitRepository, opened: Open) -> None:
    drawn = random.Random(7)
    large = {f"f{number}": drawn.randbytes(22_000).hex() for number in range(60)}
    repository.commit(large, tags={"churn@v1.0.0": "1"})
    assert scan(opened(max_file_kb=16)).models().keys() == {"churn"}
    with pytest.raises(InvalidError, match="max_repository_mb"):
        scan(opened(max_repository_mb=1))


def test_a_network_that_is_not_allowed_gets_nothing(
    opened: Open, server: GitServer, repository: GitRepository
) -> None:
    repository.commit(tags={"churn@v1.0.0": "1"})
    url = f"{server.url}/models.git"
    with pytest.raises(InvalidError, match="nothing was sent"):
        scan(opened(url=url, allowed_networks=("10.0.0.0/8",)))
    assert server.requests == []
    assert scan(opened(url=url, allowed_networks=("127.0.0.0/8",))).models().keys() == {"churn"}


def test_ssh_is_what_teams_have(
    repository: GitRepository, opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit(tags={"churn@v1.0.0": "1"})
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "ssh").write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\nfor last; do :; done\nexec sh -c "$last"\n'
    )
    (folder / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    adapter = opened(url=f"git@git.example.com:{repository.path}", ssh_key="/keys/way post")
    assert scan(adapter).models().keys() == {"churn"}
    assert adapter.probe().missing == ()
    adapter.set_alias(Key("model", "churn"), "prod", "v1.0.0")
    asked = (tmp_path / "asked").read_text()
    assert "-o BatchMode=yes -o IdentitiesOnly=yes -i /keys/way post git@git.example.com" in asked


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c touch% /tmp/x", "-oProxyCommand=x:y", "file:///srv/git", "https://user:pass@host/x", "a/path",
        "https://", "ssh://user:pass@host/x", "git://host/x",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        GitConfig(url=url)


@pytest.fixture
def pulled(repository: GitRepository, opened: Open, tmp_path: Path) -> tuple[Path, str]:
    """A folder, and the snippet that gets a version with git."""
    repository.commit({"a b/model.bin": "weights", "a b/dvc.yaml": "artifacts: {churn: {path: model.bin}}"})
    repository.tag("a-b=odd#one", repository.head or "")
    repository.tag("churn@v1.0.0", repository.commit({"artifacts.yaml": "churn: {path: 'a b/model.bin'}"}))
    adapter = opened()
    version = scan(adapter).versions(Key("model", "churn"))["v1.0.0"]
    git, get, python = adapter.snippets("churn", version)
    assert arguments("dvc", get.code) == [
        "get",
        "--rev",
        "churn@v1.0.0",
        str(repository.path),
        "a b/model.bin",
    ]
    compile(python.code, "snippet", "exec")
    return tmp_path, git.code


def test_the_snippet_gets_the_commit(pulled: tuple[Path, str]) -> None:
    folder, code = pulled
    subprocess.run(["sh", "-euc", code], cwd=folder, check=True, capture_output=True)
    assert (folder / "model" / "a b" / "model.bin").read_text() == "weights"


def test_records_are_read_while_a_scan_fetches(repository: GitRepository, opened: Open) -> None:
    repository.commit(tags={"churn@v1.0.0": "1"})
    adapter, wrong = opened(), list[Exception]()

    def read() -> None:
        try:
            for _ in range(5):
                adapter.get(Key("model", "churn"))
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(3):
        repository.commit(tags={f"churn@v2.{number}.0": "1"})
        scan(adapter)
    for thread in threads:
        thread.join()
    assert wrong == []


def test_what_is_read_ahead_is_what_would_have_been_read(repository: GitRepository) -> None:
    files = {f"f{number}": "x" * number for number in range(client.AT_ONCE + 10)} | {"large": "y" * 20_000}
    head = repository.commit(files)
    oids = [line.split()[2] for line in repository.git("ls-tree", head).splitlines()]
    asked = [*oids, head, "0" * 40, oids[0]]
    reading = client.GitClient(GitConfig(url=str(repository.path)))
    reading.fetch([head])
    with closing(reading), reading.objects() as objects, reading.objects() as others:
        objects.ahead(asked)
        for most in (100, 1 << 20):
            assert [objects.read(oid, most) for oid in asked] == [others.read(oid, most) for oid in asked]
