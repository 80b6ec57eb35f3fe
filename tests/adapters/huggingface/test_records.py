"""What cards, tags and branches of a repository become, as a Hub tells them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from adapters import Dataset, ModelRecord, Parent, VersionRecord
from adapters.cards import metrics_of, own_results
from adapters.emulators.huggingface.harness import SECRET, HuggingFaceHarness
from adapters.emulators.huggingface.hub import Hub, HubToken
from adapters.huggingface import HuggingFaceAdapter
from tests.adapters.scans import scanned

CARD = """---
license: apache-2.0
library_name: transformers
pipeline_tag: text-classification
tags: [finance, "lang:de", "lang:fr"]
base_model: acme/base
base_model_relation: quantized
datasets: [acme/reviews, glue]
model-index:
- name: base
  results:
  - {task: {type: text-classification}, dataset: {type: imdb, name: IMDB}, metrics: [{type: accuracy, value: 0.5}]}
- name: Scorer
  results:
  - task: {type: text-classification}
    dataset: {type: glue, name: GLUE, config: sst2, split: validation, revision: abc}
    metrics: [{type: accuracy, value: 0.9}, {type: f1, value: 0.8}, {type: bleu, value: "20.0 ± 1.2"}]
  - task: {type: text-classification}
    dataset: {type: imdb, name: IMDB, split: test}
    metrics: [{type: accuracy, value: 0.7}, {type: loss, value: null}]
---
# A scorer
"""


def weights(**tensors: list[int]) -> bytes:
    """A safetensors file that holds nothing but its header."""
    header = {
        name: {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]} for name, shape in tensors.items()
    }
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text


@pytest.fixture
def harness() -> Iterator[HuggingFaceHarness]:
    made = HuggingFaceHarness()
    made.hub.tokens[SECRET] = HubToken("robot", ("acme",))
    made.hub.clock = lambda: 1_700_000_000.0
    yield made
    made.close()


@pytest.fixture
def hub(harness: HuggingFaceHarness) -> Hub:
    return harness.hub


def read(harness: HuggingFaceHarness, name: str) -> tuple[ModelRecord, dict[str, VersionRecord]]:
    """A repository as a scan gives it; `get` gives the same."""
    adapter = HuggingFaceAdapter(harness.config(authors=("acme",)))
    found = scanned(adapter)
    model = found.models()[name]
    versions = found.versions(model.key)
    records: list[ModelRecord | VersionRecord] = [model, *versions.values()]
    assert [adapter.get(record.key) for record in records] == records
    return model, versions


def test_a_card_says_where_a_version_comes_from(harness: HuggingFaceHarness, hub: Hub) -> None:
    hub.create("acme/base")
    hub.create("acme/scorer")
    files = {"README.md": CARD.encode(), "model.safetensors": weights(a=[2, 3], b=[4])}
    commit = hub.commit("acme/scorer", files)
    hub.point("acme/scorer", "tags", "v1", "main")
    url = f"http://127.0.0.1:{harness.server.server_port}"
    model, versions = read(harness, "acme/scorer")
    assert versions.keys() == {"main", "v1"}
    for name, version in versions.items():
        assert version.lineage.parents == (Parent("acme/base", "quantised"),)
        assert version.lineage.datasets == (
            Dataset("acme/reviews", uri=f"{url}/datasets/acme/reviews", role="training"),
            Dataset("glue", uri=f"{url}/datasets/glue", role="training"),
            Dataset("glue", "abc", role="evaluation"),
            Dataset("imdb", role="evaluation"),
        )
        assert (version.lineage.commit, version.lineage.repository) == (commit.id, f"{url}/acme/scorer")
        assert version.metrics == {"accuracy": 0.9, "f1": 0.8, "accuracy (imdb/test)": 0.7}
        assert version.params == {"parameters": "10", "parameters.F32": "10"}
        assert (version.license, version.framework) == ("apache-2.0", "transformers")
        assert version.tags["lang"] == "de, fr"
        assert {"finance", "pipeline_tag"} <= version.tags.keys()
        assert version.url == f"{url}/acme/scorer/tree/{name}"
        assert version.artifact_uri == f"{url}/acme/scorer@{commit.id}"
        assert version.updated_at == datetime.fromtimestamp(1_700_000_000, UTC)
    assert (model.owner, model.license, model.url) == ("acme", "apache-2.0", f"{url}/acme/scorer")


def test_a_base_model_that_is_read_elsewhere_is_told_by_its_address(
    harness: HuggingFaceHarness, hub: Hub
) -> None:
    hub.create("acme/scorer")
    hub.commit(
        "acme/scorer",
        {"README.md": b"---\nbase_model: [meta/llama, acme/scorer]\nbase_model_relation: merge\n---\n"},
    )
    address = f"http://127.0.0.1:{harness.server.server_port}/meta/llama"
    assert read(harness, "acme/scorer")[1]["main"].lineage.parents == (Parent(address, "base"),)
    hub.create("meta/llama")
    adapter = HuggingFaceAdapter(harness.config(authors=("meta",)))
    [main] = [one for one in scanned(adapter).records if isinstance(one, VersionRecord)]
    assert address in main.addresses


def test_branches_are_aliases_of_what_is_at_their_heads(harness: HuggingFaceHarness, hub: Hub) -> None:
    hub.create("acme/a")
    for tag in ("v2", "v10", "v9"):
        hub.point("acme/a", "tags", tag, "main")
    hub.point("acme/a", "heads", "production", "v2")
    hub.commit("acme/a", {"a": b"1"})
    hub.point("acme/a", "heads", "staging", "main")
    hub.point("acme/a", "heads", "own", "main")
    hub.commit("acme/a", {"a": b"2"}, "own")
    model, _ = read(harness, "acme/a")
    assert model.aliases == {"production": "v10", "staging": "main"}
    assert set(model.native["refs"]["branches"]) == {"main", "production", "staging", "own"}


@pytest.mark.parametrize(
    ("card", "found"),
    [
        ("license: other\nlicense_name: llama3", "llama3"),
        ("license: [mit, apache-2.0]", "mit, apache-2.0"),
        ("license: {}", None),
        ("- no mapping", None),
    ],
)
def test_licences_are_written_in_several_ways(
    harness: HuggingFaceHarness, hub: Hub, card: str, found: str | None
) -> None:
    hub.create("acme/a")
    hub.commit("acme/a", {"README.md": f"---\n{card}\n---\n".encode()})
    assert read(harness, "acme/a")[1]["main"].license == found


def test_a_card_of_nonsense_says_nothing() -> None:
    for card in ({}, {"model-index": 3}, {"model-index": [1, {"name": 2, "results": {}}]}):
        assert own_results(card, "acme/a") == []
    results = [
        {"metrics": [{"type": 1, "value": 1}, {"type": "a", "value": True}, {"type": "b", "value": 1e999}]}
    ]
    assert metrics_of(results) == {}
    alone = {"model-index": [{"results": [{"metrics": [{"type": "a", "value": 1}]}]}]}
    assert metrics_of(own_results(alone, "acme/a")) == {"a": 1.0}
