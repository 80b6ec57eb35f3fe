"""The Hub's own clients judge our fake of it, and what Waypost reads and writes there: `huggingface_hub` in Python,
`@huggingface/hub` in JavaScript where node is installed.
"""

import hashlib
import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from adapters import ModelRecord, VersionRecord
from adapters.emulators.huggingface import Hub, HubToken, serve
from adapters.huggingface import HuggingFaceAdapter, HuggingFaceConfig
from tests.adapters.scans import scanned
from tests.fidelity import follow, ref, watching
from tests.servers import blank
from tests.servers.certificates import certificate
from tests.soak import soak
from tests.vendors import ENVIRONMENTS, environment
from tests.vendors.driving import WITHIN, Driven, VendorError, driven

HERE = Path(__file__).parent / "huggingface"
TOKEN = "hf_vendors"


@dataclass
class Running:
    """A Hub that is served: its address, and the certificate that it shows over https."""

    hub: Hub
    url: str
    authority: Path | None = None

    def environment(self) -> dict[str, str]:
        """What clients need to reach it."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        trust = (
            {}
            if self.authority is None
            else {"SSL_CERT_FILE": str(self.authority), "NODE_EXTRA_CA_CERTS": str(self.authority)}
        )
        return {
            **kept,
            **trust,
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_TOKEN": TOKEN,
        }

    def adapter(self, **more: Any) -> HuggingFaceAdapter:
        """Ours, on the same Hub."""
        return HuggingFaceAdapter(HuggingFaceConfig(**self.config(), **more))

    def config(self) -> dict[str, Any]:
        """A registry's configuration."""
        return {"url": self.url, "token": TOKEN, "authors": ("acme",), "ca_file": self.authority}


@contextmanager
def running(folder: Path, scheme: str = "http") -> Iterator[Running]:
    """A Hub with one token, of a member of `acme`."""
    hub = Hub(tokens={TOKEN: HubToken("robot", ("acme",))})
    files = None
    if scheme == "https":
        files = (folder / "hub.crt", folder / "hub.key")
        files[1].write_bytes((pair := certificate("localhost"))[0])
        files[0].write_bytes(pair[1])
    server = serve(hub, certificate=files)
    host = "localhost" if files else "127.0.0.1"
    try:
        yield Running(hub, f"{scheme}://{host}:{server.server_port}", files[0] if files else None)
    finally:
        server.shutdown()
        server.server_close()


def client(on: Running, token: str = TOKEN) -> AbstractContextManager[Driven]:
    """`huggingface_hub` in its own environment."""
    return driven(environment("huggingface"), HERE / "driver.py", on.url, token, env=on.environment())


@pytest.fixture(params=["http", "https"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    """A Hub over http, and over https."""
    with running(tmp_path, request.param) as made:
        yield made


def told(record: ModelRecord | VersionRecord) -> object:
    """What is compared of a record."""
    if isinstance(record, VersionRecord):
        return record.lineage.commit, record.license
    return dict(record.aliases), record.tags.get("gated"), record.tags.get("private")


def truth(client: Driven) -> dict[str, object]:
    """The same, as the vendor's client reads it."""
    found: dict[str, object] = {}
    for name, model in client("everything", "acme").items():
        tags = sorted(model["tags"], key=lambda tag: int(tag[1:]))
        at = {model["sha"]: "main"} | {model["tags"][tag]: tag for tag in tags}
        heads = {branch: at[commit] for branch, commit in model["branches"].items() if commit in at}
        heads.pop("main", None)
        found[ref(name)] = (heads, model["gated"] or None, "true" if model["private"] else None)
        for version, commit in {**model["tags"], "main": model["sha"]}.items():
            found[ref(name, version)] = (commit, model["commits"][commit])
    return found


@pytest.mark.sample
def test_what_the_client_makes_is_what_we_read(tmp_path: Path) -> None:
    with running(tmp_path) as on, client(on) as vendor:
        vendor("create_repo", "acme/a")
        first = vendor("commit", "acme/a", {"README.md": "---\nlicense: mit\n---\n"})
        vendor("create_tag", "acme/a", tag="v1")
        vendor("create_branch", "acme/a", branch="production", revision="v1")
        vendor("commit", "acme/a", {"README.md": "---\nlicense: apache-2.0\n---\n"}, parent=first)
        with pytest.raises(VendorError, match="412"):
            vendor("commit", "acme/a", {"README.md": "late"}, parent=first)
        adapter = on.adapter()
        found = scanned(adapter)
        names = {one.key: one.name for one in found.records if isinstance(one, ModelRecord)}
        ours = {
            ref(one.name) if isinstance(one, ModelRecord) else ref(names[one.model], one.version): told(one)
            for one in found.records
            if isinstance(one, ModelRecord | VersionRecord)
        }
        assert ours == truth(vendor)
        [model] = found.models().values()
        adapter.set_alias(model.key, "production", "main")
        assert vendor("refs", "acme/a")["branches"]["production"] == vendor("model_info", "acme/a")["sha"]


def test_what_is_refused_is_what_the_client_understands(either: Running) -> None:
    hub = either.hub
    with client(either) as vendor, client(either, "") as nobody, client(either, "hf_expired") as expired:
        vendor("create_repo", "acme/a", private=True)
        vendor("create_repo", "acme/open")
        assert vendor("repo_exists", "acme/a") is True
        assert [one["sha"] for one in vendor("list_models", author="acme", expand=["sha"])]
        assert nobody("repo_exists", "acme/a") is vendor("repo_exists", "acme/none") is False
        for asked, error in (
            (lambda: vendor("model_info", "acme/none"), "RepositoryNotFoundError"),
            (lambda: vendor("model_info", "acme/a", revision="none"), "RevisionNotFoundError"),
            (lambda: vendor("delete_tag", "acme/a", tag="none"), "RevisionNotFoundError"),
            (lambda: nobody("model_info", "acme/none"), "RepositoryNotFoundError"),
            (lambda: expired("model_info", "acme/open"), "HfHubHTTPError"),
            (lambda: expired("whoami"), "HfHubHTTPError"),
            (lambda: vendor("create_tag", "acme/open", tag="v1", revision="none"), "RevisionNotFoundError"),
        ):
            _refused(asked, error)
        vendor("create_tag", "acme/open", tag="v1")
        _refused(lambda: vendor("create_tag", "acme/open", tag="v1"), "409")
        vendor("update_repo_settings", "acme/open", gated="manual", repo_type="model")
        assert vendor("model_info", "acme/open")["gated"] == "manual"
        vendor("update_repo_settings", "acme/open", private=True, repo_type="model")
        vendor("move_repo", "acme/open", "acme/closed")
        assert vendor("model_info", "acme/open")["id"] == "acme/closed"
        assert vendor("whoami")["name"] == "robot"
        hub.quota = hub.spent
        _refused(lambda: vendor("model_info", "acme/a"), "429")
        hub.quota = 1_000_000
        vendor("delete_repo", "acme/closed")
        assert vendor("repo_exists", "acme/closed") is False


def test_an_expired_token_is_no_deletion(either: Running) -> None:
    either.hub.create("acme/a")
    [model] = scanned(either.adapter()).models().values()
    either.hub.repositories.clear()
    _refused(
        lambda: HuggingFaceAdapter(HuggingFaceConfig(**{**either.config(), "token": "hf_expired"})).get(
            model.key
        ),
        "401",
    )


def test_webhooks_that_we_make_are_what_the_client_reads(either: Running) -> None:
    either.hub.users.add("someone")
    config = HuggingFaceConfig(
        **{**either.config(), "authors": ("acme", "someone"), "webhook_secret": "shared with it"}
    )
    HuggingFaceAdapter(config).subscribe("https://waypost.example/hooks/hub")
    with client(either) as vendor:
        [webhook] = vendor("list_webhooks")
        assert (webhook["url"], webhook["domains"], webhook["secret"], webhook["disabled"]) == (
            "https://waypost.example/hooks/hub", ["repo"], "shared with it", False,
        )  # fmt: skip
        vendor("disable_webhook", webhook["id"])
        HuggingFaceAdapter(config).subscribe("https://waypost.example/hooks/hub")
        assert vendor("get_webhook", webhook["id"])["disabled"] is False


def test_lines_to_load_a_version_load_it(either: Running, tmp_path: Path) -> None:
    either.hub.create("acme/it")
    either.hub.commit("acme/it", {"config.json": b'{"a": 1}', "sub/weights.bin": b"first"})
    either.hub.point("acme/it", "tags", "v1", "main")
    either.hub.commit("acme/it", {"sub/weights.bin": b"second"})
    adapter = either.adapter()
    found = scanned(adapter)
    [model] = found.models().values()
    python = environment("huggingface")
    for version, content in (("v1", "first"), ("main", "second")):
        record = found.versions(model.key)[version]
        load, download = adapter.snippets(model.name, record)
        home = {**either.environment(), "HF_HOME": str(tmp_path / version)}
        home["PATH"] = f"{python.parent}{os.pathsep}{home['PATH']}"
        show = "\nprint(open(folder + '/sub/weights.bin').read())"
        assert _run([str(python), "-c", load.code + show], home) == content
        folder = _run(["sh", "-euc", download.code + " --quiet"], home).splitlines()[-1].removeprefix("path=")
        assert (Path(folder.strip()) / "sub" / "weights.bin").read_text() == content


def test_the_javascript_client_reads_and_writes_the_same(either: Running) -> None:
    node = _node()
    said = json.loads(_run([*node, either.url, TOKEN, "acme"], either.environment(), cwd=node[-1]))
    found = scanned(either.adapter())
    [model] = found.models().values()
    main = found.versions(model.key)["main"]
    [listed] = said["models"]
    assert listed == {
        "id": model.native["_id"], "name": model.name, "sha": said["commit"], "license": "mit", "gated": False,
    }  # fmt: skip
    assert said["info"]["sha"] == said["at"]["sha"] == main.lineage.commit == said["commit"]
    assert said["commits"][0]["oid"] == said["commit"]
    assert (said["who"], said["missing"]) == ("robot", 401)
    _run([*node, either.url, TOKEN, "acme", "delete"], either.environment(), cwd=node[-1], check=False)


@dataclass
class HubUser:
    """Works on the Hub with the vendor's client. `quiet`: also by what moves no commit on `main` and no row."""

    client: Driven
    rng: random.Random
    quiet: bool
    gone: set[str] = field(default_factory=set)
    models: dict[str, set[str]] = field(default_factory=dict)
    """Names, each with the tags that it has."""
    made: int = 0

    def act(self) -> None:
        """One random thing."""
        if len(self.models) < 3 or self.rng.random() < 0.1:
            self._create()
            return
        name = self.rng.choice(sorted(self.models))
        loud: list[Callable[[str], None]] = [
            self._commit,
            self._commit,
            self._release,
            self._gate,
            self._hide,
            self._rename,
        ]
        quiet = [self._tag, self._untag, self._branch, self._branch, self._delete] if self.quiet else []
        self.rng.choice([*loud, *quiet])(name)

    def truth(self) -> Mapping[str, object]:
        """What the Hub has."""
        return truth(self.client)

    def _create(self) -> None:
        self.made += 1
        name = f"acme/m{self.made}"
        self.client("create_repo", name)
        self.models[name] = set()

    def _commit(self, name: str) -> None:
        self.made += 1
        card = f"---\nlicense: {self.rng.choice(['mit', 'apache-2.0'])}\n---\n{self.made}\n"
        self.client("commit", name, {"README.md": card})

    def _release(self, name: str) -> None:
        self._tag(name)
        self._commit(name)  # else a run in between leaves the tag to the next full one

    def _tag(self, name: str) -> None:
        self.made += 1
        self.client("create_tag", name, tag=f"v{self.made}")
        self.models[name].add(f"v{self.made}")

    def _untag(self, name: str) -> None:
        if self.models[name]:
            tag = self.rng.choice(sorted(self.models[name]))
            self.models[name].remove(tag)
            self.gone.add(ref(name, tag))
            self.client("delete_tag", name, tag=tag)

    def _branch(self, name: str) -> None:
        branch = self.rng.choice(["production", "staging"])
        if branch in self.client("refs", name)["branches"]:
            self.client("delete_branch", name, branch=branch)
        if self.rng.random() < 0.8:
            revision = self.rng.choice(["main", *sorted(self.models[name])])
            self.client("create_branch", name, branch=branch, revision=revision)

    def _gate(self, name: str) -> None:
        self.client(
            "update_repo_settings", name, gated=self.rng.choice(["auto", "manual", False]), repo_type="model"
        )

    def _hide(self, name: str) -> None:
        self.client("update_repo_settings", name, private=self.rng.random() < 0.5, repo_type="model")

    def _rename(self, name: str) -> None:
        self.made += 1
        to = f"acme/n{self.made}"
        self.gone.add(ref(name))
        tags = {one.rpartition(":")[2] for one in self.gone if one.startswith(f"{ref(name)}:")}
        # What went is told under the name that its model has when the next run finds it.
        self.gone |= {ref(to, tag) for tag in tags}
        self.models[to] = self.models.pop(name)
        self.client("move_repo", name, to)

    def _delete(self, name: str) -> None:
        if self.rng.random() < 0.5:
            self.gone.add(ref(name))
            del self.models[name]
            self.client("delete_repo", name)


@pytest.mark.sample
@soak(sample=8, full=800, batch=200)
def test_fidelity_of_a_hub(cases: int, seed: int, tmp_path: Path) -> list[str]:
    """Every change, also those that only a full scan shows: each run is one, as those of a small registry are."""
    return followed(cases, seed, tmp_path, quiet=True, sync_every=86_400)


@soak(sample=10, full=800, batch=200)
def test_fidelity_of_incremental_scans_of_a_hub(cases: int, seed: int, tmp_path: Path) -> list[str]:
    """Changes that an incremental scan shows, and few runs that list everything."""
    return followed(cases, seed, tmp_path, quiet=False, sync_every=0.001)


def followed(cases: int, seed: int, folder: Path, *, quiet: bool, **more: Any) -> list[str]:
    """A registry on a Hub that a user works on."""
    rng = random.Random(seed)
    folder = folder / str(seed)
    folder.mkdir()
    (folder / "token").write_text(TOKEN)
    with running(folder) as on, client(on) as vendor:
        config = {"url": on.url, "token": f"file:{folder / 'token'}", "authors": ["acme"], "settle": 0}
        with watching(blank.sqlite(folder / "waypost.db"), "huggingface", config, **more) as watch:
            return follow(watch, HubUser(vendor, rng, quiet), told, cases, rng)


def _refused(asked: Callable[[], object], how: str) -> None:
    with pytest.raises(Exception) as error:
        asked()
    assert how in str(error.value)


def _run(command: list[str], env: Mapping[str, str], cwd: str | None = None, *, check: bool = True) -> str:
    folder = None if cwd is None else Path(cwd).parent
    done = subprocess.run(
        command, env=env, cwd=folder, capture_output=True, text=True, timeout=WITHIN, check=False
    )
    assert not check or done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def _node() -> list[str]:
    """Node and the script, beside the packages that it imports, which are installed where they are missing."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed: the JavaScript client is not tried")
    lock = HERE / "package-lock.json"
    folder = ENVIRONMENTS / "huggingface-js"
    stamp, wanted = folder / "stamp", hashlib.sha256(lock.read_bytes()).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    if not stamp.exists() or stamp.read_text() != wanted:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder / name)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode:
            pytest.skip(f"the JavaScript client cannot be installed: {done.stderr.strip().splitlines()[-1:]}")
        stamp.write_text(wanted)
    shutil.copy(HERE / "client.mjs", folder / "client.mjs")
    return [node, str(folder / "client.mjs")]
