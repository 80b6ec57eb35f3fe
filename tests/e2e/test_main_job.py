"""The main job as a newcomer meets it: `waypost demo`, a search, and changes made with MLflow's own client."""

import io
import json
import os
import shlex
import subprocess
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.cli import run
from gateway.cli.failure import NO, OK
from gateway.demo.run import TRY
from gateway.demo.servers import docker_registry_program
from gateway.demo.stores import BASE, TOKENIZER
from tests.adapters.mlflow.harness import client as mlflow_client
from tests.patience import until
from tests.servers.demo import Demo, interrupt, launched

PATIENCE = 300.0
"""Seconds after which a command hangs, also on a machine that is busy with other things."""


def waypost(demo: Demo, *words: str) -> subprocess.CompletedProcess[str]:
    """One command, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "gateway", *words],
        env={**os.environ, "WAYPOST_URL": demo.url},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def asked(demo: Demo, *words: str) -> Any:
    """What a command prints with `--json`."""
    code, printed = asking(demo, *words)
    assert code == OK, printed
    return json.loads(printed)


def asking(demo: Demo, *words: str) -> tuple[int, str]:
    """What a command ends with and prints, without a process of its own."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        code = run([*words, "--json", "--url", demo.url])
    return code, printed.getvalue()


def eventually(demo: Demo, words: tuple[str, ...], *, holds: Any) -> Any:
    """What a command answers as soon as `holds(answer)`, which the next cycle brings about."""
    end = time.monotonic() + PATIENCE
    while True:
        code, printed = asking(demo, *words)
        if code in (OK, NO) and holds(found := json.loads(printed)):
            return found
        assert time.monotonic() < end, printed
        time.sleep(0.3)


@pytest.fixture
def mlflow(demo: Demo) -> Any:
    """MLflow's own client, at the server of the team `discovery`."""
    page = urlsplit(asked(demo, "show", "search/encoder:1")["url"])
    return mlflow_client(f"{page.scheme}://{page.netloc}")


def test_the_demo_prints_an_address_and_commands_that_work(demo: Demo) -> None:
    commands = [line.split("waypost ", 1)[1] for line in demo.text.splitlines() if " --url http" in line]
    assert len(commands) == len(TRY), demo.text
    for command in commands:
        done = waypost(demo, *shlex.split(command))
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip(), command


def test_one_search_finds_the_models_of_every_team(demo: Demo) -> None:
    found = asked(demo, "search", "stage:production", "--limit", "100")
    assert {"risk", "discovery", "ranking", "storefront", "research"} <= {
        hit["team"] for hit in found["hits"]
    }
    assert found["partial"] is False


def test_it_has_a_registry_of_each_kind_that_can_be_started_here(demo: Demo) -> None:
    found = asked(demo, "registries", "list")["registries"]
    assert [one["overlaps"] for one in found] == [[]] * len(found), "each is a backend of its own"
    assert {one["state"] for one in found} == {"ok"}
    expected = {
        "mlflow",
        "sagemaker",
        "vertex",
        "folder",
        "git",
        *(["oci"] if docker_registry_program() else []),
    }
    assert {one["kind"] for one in found} == expected


def test_one_chain_leads_from_vertex_over_sagemaker_mlflow_and_a_share_to_git(demo: Demo) -> None:
    def edges(answer: Any) -> dict[str, int]:
        return {one["ref"]: one["distance"] for one in answer["dependencies"] if one.get("ref")}

    words = ("deps", "storefront/search-blend:7")
    found = eventually(demo, words, holds=lambda answer: TOKENIZER in edges(answer))
    chain = {"ranking/ranker:5": 1, "search/encoder:3": 2, BASE: 3, TOKENIZER: 4}
    assert edges(found) | chain == edges(found)
    impact = asked(demo, "impact", "search/encoder:3", "--action", "archive", "--limit", "200")
    affected = {one["ref"]: one for one in impact["affected"]}
    assert affected["ranking/ranker:5"]["breaks"]
    assert not affected["storefront/search-blend:7"]["breaks"]
    assert affected["storefront/search-blend:7"]["endpoints"], "it is live"


def test_an_alias_moved_in_mlflow_is_seen(demo: Demo, mlflow: Any) -> None:
    mlflow.set_registered_model_alias("encoder", "canary", "2")
    eventually(demo, ("show", "search/encoder@canary"), holds=lambda v: v.get("version") == "2")
    mlflow.set_registered_model_alias("encoder", "canary", "3")
    eventually(demo, ("show", "search/encoder@canary"), holds=lambda v: v.get("version") == "3")
    query = ("search", "alias:canary", "--group", "version")
    eventually(demo, query, holds=lambda s: [hit["ref"] for hit in s["hits"]] == ["search/encoder:3"])
    entries = asked(demo, "audit", "list", "--ref", "search/encoder")["entries"]
    assert any("canary" in json.dumps(entry) for entry in entries)


@pytest.mark.filterwarnings("ignore:.*transition_model_version_stage:FutureWarning")
def test_a_stage_set_in_mlflow_is_seen(demo: Demo, mlflow: Any) -> None:
    mlflow.transition_model_version_stage("click-model", "1", "Staging")
    eventually(demo, ("show", "search/click-model:1"), holds=lambda v: v["stage"] == "staging")
    query = ("search", "model:click-model stage:staging", "--group", "version")
    found = eventually(demo, query, holds=lambda s: s["total"] > 0)
    assert "search/click-model:1" in {hit["ref"] for hit in found["hits"]}
    entries = asked(demo, "audit", "list", "--ref", "search/click-model:1")["entries"]
    assert any("stag" in json.dumps(entry).lower() for entry in entries)


def test_a_tag_set_in_mlflow_is_seen(demo: Demo, mlflow: Any) -> None:
    mlflow.set_model_version_tag("encoder-small", "1", "reviewed", "tuesday")
    eventually(
        demo, ("show", "search/encoder-small:1"), holds=lambda v: v["tags"].get("reviewed") == "tuesday"
    )
    found = eventually(demo, ("search", "tag.reviewed:tuesday"), holds=lambda s: s["total"] == 1)
    assert found["hits"][0]["ref"] == "search/encoder-small:1"
    entries = asked(demo, "audit", "list", "--ref", "search/encoder-small:1")["entries"]
    assert any("reviewed" in json.dumps(entry) for entry in entries)


def test_a_version_deleted_in_mlflow_is_seen_and_still_explained(demo: Demo, mlflow: Any) -> None:
    mlflow.delete_model_version("image-encoder", "1")
    gone = eventually(demo, ("show", "search/image-encoder:1"), holds=lambda v: v.get("deleted_at"))
    assert gone["ref"] == "search/image-encoder:1"
    query = ("search", "model:image-encoder", "--group", "version", "--limit", "50")
    found = eventually(
        demo, query, holds=lambda s: "search/image-encoder:1" not in {hit["ref"] for hit in s["hits"]}
    )
    assert found["total"] > 0
    entries = asked(demo, "audit", "list", "--ref", "search/image-encoder:1")["entries"]
    assert "version.deleted" in {entry["action"] for entry in entries}
    shown = waypost(demo, "show", "search/image-encoder:1")
    assert (shown.returncode, "was deleted" in shown.stderr) == (1, True)


def test_ctrl_c_while_the_demo_is_starting_leaves_nothing_running(tmp_path: Path) -> None:
    with launched(tmp_path) as starting:
        until(lambda: len(starting.left()) >= 3, "servers are started")
        assert interrupt(starting) == 130, starting.text
        until(lambda: not starting.left(), "whatever it had begun to start has ended too")
        assert "Traceback" not in starting.text
