"""What DVC notes and pushes is read as DVC means it, and the snippets get what it has."""

import json
import os
import subprocess
from pathlib import Path

from adapters import Dataset, Key, VersionRecord
from adapters.conformance.lab import ScanResult
from adapters.git import GitAdapter, GitConfig
from tests.vendors import environment

PIPELINE = """
stages:
  prepare:
    cmd: cp raw.csv clean.csv
    deps: [raw.csv]
    outs: [clean.csv]
  train:
    cmd: cat clean.csv > model.bin && echo '{"auc":0.75}' > metrics.json
    deps: [clean.csv, train.py]
    params: [lr]
    outs: [model.bin]
    metrics:
    - metrics.json:
        cache: false
artifacts:
  churn:
    path: model.bin
    type: model
    desc: Who leaves
    labels: [nightly]
"""


def test_what_dvc_pushes_is_read_and_got_back(tmp_path: Path) -> None:
    python = environment("dvc")
    work, hosted, storage = tmp_path / "work", tmp_path / "hosted.git", tmp_path / "storage"
    given = {
        **os.environ, "PATH": f"{python.parent}:{os.environ['PATH']}", "HOME": str(tmp_path), "DVC_NO_ANALYTICS": "1",
        "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.com",
        "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.com",
    }  # fmt: skip

    def run(*command: str, cwd: Path = work) -> str:
        done = subprocess.run(command, cwd=cwd, env=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    work.mkdir()
    run("git", "init", "--quiet", "--bare", "--initial-branch=main", str(hosted), cwd=tmp_path)
    run("git", "init", "--quiet", "--initial-branch=main")
    run("dvc", "init", "--quiet")
    run("dvc", "remote", "add", "--default", "store", str(storage))
    (work / "raw.csv").write_text("a,b\n1,2\n")
    (work / "train.py").write_text("pass\n")
    (work / "params.yaml").write_text("lr: 0.25\n")
    (work / "dvc.yaml").write_text(PIPELINE)
    run("dvc", "add", "--quiet", "raw.csv")
    run("dvc", "repro", "--quiet")
    run("dvc", "push", "--quiet")
    run("git", "add", "--all")
    run("git", "commit", "--quiet", "--message", "Trained")
    run("git", "tag", "--annotate", "--message", "First", "churn@v1.0.0")
    run("git", "push", "--quiet", str(hosted), "main", "--tags")

    adapter = GitAdapter(GitConfig(url=str(hosted)))
    version = ScanResult(list(adapter.scan(since=None, limit=100))).versions(Key("model", "churn"))["v1.0.0"]
    assert isinstance(version, VersionRecord)
    outs = json.loads(run("dvc", "ls", "--json", "--show-hash", str(hosted), "--rev", "churn@v1.0.0"))
    hashes = {row["path"]: row["md5"] for row in outs if row.get("md5")}
    assert version.artifact_digest == f"md5:{hashes['model.bin']}"
    assert version.lineage.datasets == (Dataset("clean.csv", digest=f"md5:{hashes['clean.csv']}"),)
    assert (version.params, version.metrics) == ({"lr": "0.25"}, {"auc": 0.75})
    assert (version.description, version.tags) == ("Who leaves", {"nightly": ""})

    clone, get, opened = adapter.snippets("churn", version)
    run("sh", "-euc", clone.code, cwd=tmp_path)
    assert (tmp_path / "model" / "dvc.lock").exists()
    run("sh", "-euc", get.code, cwd=tmp_path)
    assert (tmp_path / "model.bin").read_text() == "a,b\n1,2\n"
    said = run(str(python), "-c", f"{opened.code}\nprint(content.decode(), end='')", cwd=tmp_path)
    assert said == "a,b\n1,2\n"
    adapter.close()
