"""Our readers of headers beside the vendors' libraries, and the lines that load a version, run as they are pasted."""

import json
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from adapters import VersionRecord
from adapters.emulators.folder import Shelves, safetensors
from adapters.folder import FolderAdapter, FolderConfig
from adapters.formats import Facts, Header, read_header
from tests.adapters.scans import scanned
from tests.vendors import environment

WRITE = """
import sys

import gguf
import numpy as np
import onnx
from onnx import TensorProto, helper
from safetensors.numpy import save_file

folder = sys.argv[1]
save_file(
    {"a": np.zeros((3, 4), np.float32), "b": np.zeros(7, np.float16), "c": np.zeros((), np.int64)},
    f"{folder}/model.safetensors", {"format": "np", "license": "mit"},
)
writer = gguf.GGUFWriter(f"{folder}/model.gguf", "llama")
writer.add_name("Chat"), writer.add_license("apache-2.0"), writer.add_description("Answers."), writer.add_author("A")
writer.add_base_model_count(1)
writer.add_base_model_name(0, "Base"), writer.add_base_model_repo_url(0, "https://models.example/base")
writer.add_context_length(4096), writer.add_tags(["a", "b"])
writer.add_token_list([f"word {n}" for n in range(1000)]), writer.add_token_scores([0.5] * 1000)
writer.add_tensor("x", np.zeros((8, 32), np.float32)), writer.add_tensor("y", np.zeros(64, np.float16))
writer.write_header_to_file(), writer.write_kv_data_to_file(), writer.write_tensors_to_file(), writer.close()
x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])
y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 4])
w = helper.make_tensor("w", TensorProto.FLOAT, [3, 4], bytes(48), raw=True)
graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [x], [y], [w], doc_string="inner")
model = helper.make_model(graph, producer_name="waypost", doc_string="Scores.")
helper.set_model_props(model, {"licence": "mit"})
onnx.save(model, f"{folder}/model.onnx")
"""
READ = """
import json
import sys

import gguf
import onnx
from safetensors import safe_open

folder = sys.argv[1]
with safe_open(f"{folder}/model.safetensors", "np") as file:
    count = sum(file.get_tensor(name).size for name in file.keys())
    told = {"safetensors": [file.metadata(), count]}
reader = gguf.GGUFReader(f"{folder}/model.gguf")
texts = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}
told["gguf"] = [
    {name: value for name, value in texts.items() if isinstance(value, str)},
    sum(int(each.n_elements) for each in reader.tensors),
]
model = onnx.load(f"{folder}/model.onnx")
kind = {1: "float32"}


def columns(values):
    return [
        [one.name, kind[one.type.tensor_type.elem_type],
         [d.dim_value if d.HasField("dim_value") else -1 for d in one.type.tensor_type.shape.dim]]
        for one in values
    ]


told["onnx"] = [columns(model.graph.input), columns(model.graph.output), model.producer_name, model.doc_string]
print(json.dumps(told))
"""


def python(*arguments: str) -> str:
    """What the vendors' Python prints."""
    done = subprocess.run([environment("formats"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def loads_there(file: str) -> bool:
    """Whether the vendor's own library takes a file of safetensors."""
    code = f"from safetensors.numpy import load_file\nload_file({file!r})"
    return not subprocess.run(
        [environment("formats"), "-c", code], capture_output=True, check=False
    ).returncode


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that the vendors' libraries wrote."""
    folder = tmp_path_factory.mktemp("written")
    python("-c", WRITE, str(folder))
    return folder


@pytest.fixture(scope="module")
def vendors(written: Path) -> Mapping[str, Any]:
    """What they say of them."""
    found: Mapping[str, Any] = json.loads(python("-c", READ, str(written)))
    return found


def header(file: Path) -> Header:
    """What we say of a file."""
    with file.open("rb") as body:
        found = read_header(file.name, body, file.stat().st_size)
    assert found is not None
    assert (found.problem, found.is_cut) == ("", False)
    return found


def test_safetensors_is_read_as_its_library_reads_it(written: Path, vendors: Mapping[str, Any]) -> None:
    found = header(written / "model.safetensors")
    assert [found.metadata, found.parameters] == vendors["safetensors"]


def test_gguf_is_read_as_its_library_reads_it(written: Path, vendors: Mapping[str, Any]) -> None:
    found = header(written / "model.gguf")
    texts, parameters = vendors["gguf"]
    assert texts.items() <= found.metadata.items()
    assert found.parameters == parameters
    assert found.metadata["llama.context_length"] == "4096"
    assert [each.reference for each in Facts([found]).base_models] == ["https://models.example/base"]


def test_onnx_is_read_as_its_library_reads_it(written: Path, vendors: Mapping[str, Any]) -> None:
    found = header(written / "model.onnx")
    ours = [[[c.name, c.type, list(c.shape or ())] for c in side] for side in (found.inputs, found.outputs)]
    assert [*ours, found.metadata["producer_name"], found.metadata["doc_string"]] == vendors["onnx"]
    assert (found.metadata["licence"], found.parameters) == ("mit", 12)


@pytest.mark.parametrize("cut", [1, 9, 40])
def test_what_we_call_incomplete_loads_nowhere(tmp_path: Path, cut: int) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(safetensors({"a": "b"}, (8, 8)))
    assert loads_there(str(file))
    (short := tmp_path / "short.safetensors").write_bytes(file.read_bytes()[:-cut])
    with short.open("rb") as body:
        found = read_header(short.name, body, short.stat().st_size)
    assert found is not None and found.is_cut
    assert not loads_there(str(short))


def test_what_is_pasted_loads_the_version(written: Path, tmp_path: Path) -> None:
    shelves = Shelves(tmp_path / "it's a share")
    for kind in ("safetensors", "gguf", "onnx"):
        shelves.put(f"the {kind}", files={f"model.{kind}": (written / f"model.{kind}").read_bytes()})
    adapter = FolderAdapter(FolderConfig(path=shelves.path, settle=0))
    shown = {"safetensors": "len(tensors)", "gguf": "len(model.tensors)", "onnx": "len(model.graph.node)"}
    printed, checked = {}, 0
    for record in scanned(adapter).records:
        if isinstance(record, VersionRecord):
            kind = str(record.framework).replace("numpy", "safetensors")
            load, copy, check = adapter.snippets(f"the {kind}", record)
            printed[kind] = python("-c", f"{load.code}\nprint({shown[kind]})").strip()
            said = [
                subprocess.run(
                    ["sh", "-euc", snippet.code], cwd=tmp_path, capture_output=True, text=True, check=True
                ).stdout
                for snippet in (copy, check)
            ]
            checked += said[1].count(": OK")
            assert (tmp_path / record.version).is_dir()
    assert printed == {"safetensors": "3", "gguf": "2", "onnx": "1"}
    assert checked == 3
