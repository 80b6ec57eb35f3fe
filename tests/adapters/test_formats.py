"""Headers of model files: what they say, and that odd ones are told instead of believed or run.

`tests/vendors/test_formats.py` compares the same readers with the vendors' own libraries.
"""

import io
import json
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.emulators.folder import gguf, safetensors
from adapters.formats import Facts, Header, read_header
from adapters.formats.header import MOST_TEXTS
from adapters.records import Column, Dataset, Parent


def header(name: str, body: bytes) -> Header:
    """What a file of this name says."""
    found = read_header(name, io.BytesIO(body), len(body))
    assert found is not None
    return found


def field(number: int, value: bytes | int) -> bytes:
    """A field of a protocol buffer."""
    if isinstance(value, int):
        return bytes([number << 3]) + varint(value)
    return bytes([number << 3 | 2]) + varint(len(value)) + value


def varint(value: int) -> bytes:
    """A number as protocol buffers write it."""
    found = b""
    while value > 127:
        found += bytes([value & 127 | 128])
        value >>= 7
    return found + bytes([value])


def column(name: str, of: int, *shape: int | str) -> bytes:
    """A `ValueInfoProto` of a tensor."""
    sizes = b"".join(
        field(1, field(1, size) if isinstance(size, int) else field(2, size.encode())) for size in shape
    )
    return field(1, name.encode()) + field(2, field(1, field(1, of) + field(2, sizes)))


def onnx(*, packed: bool = False) -> bytes:
    """A model with a weight that is also listed as an input, as old ones do."""
    dims = field(1, b"\x03\x04") if packed else field(1, 3) + field(1, 4)
    weight = dims + field(2, 1) + field(8, b"w") + field(9, bytes(48))
    graph = field(1, bytes(7)) + field(5, weight) + field(11, column("x", 1, "batch", 3))
    graph += field(11, column("w", 1, 3, 4)) + field(12, column("y", 7, "batch", 4))
    told = field(14, field(1, b"licence") + field(2, b"mit"))
    return field(1, 9) + field(2, b"pytorch") + field(6, b"Scores.") + field(7, graph) + told


def test_safetensors_says_metadata_and_parameters() -> None:
    found = header("a.safetensors", safetensors({"format": "pt", "license": "mit"}, (3, 4)))
    assert found == Header("safetensors", {"format": "pt", "license": "mit"}, 12)
    assert Facts([found]).framework == "pytorch"


def test_gguf_says_what_it_was_made_from() -> None:
    told: dict[str, str | int] = {
        "general.architecture": "llama",
        "general.license": "apache-2.0",
        "general.base_model.count": 1,
        "general.base_model.0.name": "Base",
        "general.base_model.0.repo_url": "https://models.example/base",
        "general.dataset.count": 1,
        "general.dataset.0.name": "corpus",
    }
    facts = Facts([header("a.gguf", gguf(told, (4, 8)))])
    assert facts.params == {"architecture": "llama", "parameters": "32"}
    assert (facts.license, facts.framework) == ("apache-2.0", "gguf")
    assert facts.base_models == (Parent("https://models.example/base", "base"),)
    assert facts.datasets == (Dataset("corpus", uri="corpus"),)


@pytest.mark.parametrize("packed", [False, True])
def test_onnx_says_inputs_and_outputs(packed: bool) -> None:
    found = header("a.onnx", onnx(packed=packed))
    assert found.parameters == 12
    assert found.inputs == (Column("x", "float32", shape=(-1, 3)),)
    assert found.outputs == (Column("y", "int64", shape=(-1, 4)),)
    assert found.metadata == {"producer_name": "pytorch", "doc_string": "Scores.", "licence": "mit"}


class Runs:
    """What must never be run."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        import os

        return os.system, ("exit 1",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_named_by_what_it_would_import(protocol: int) -> None:
    found = header("model.pkl", pickle.dumps([OrderedDict(a=PurePosixPath("a")), Runs()], protocol))
    assert {"collections.OrderedDict", "posix.system", "pathlib.PurePosixPath"} <= {*found.imports}
    assert (found.format, found.problem) == ("pickle", "")


def test_an_archive_of_pytorch_is_looked_into() -> None:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps(OrderedDict(), 2))
        archive.writestr("model/data/0", bytes(100))
    assert header("model.pt", body.getvalue()).imports == ("collections.OrderedDict",)


def test_pickles_one_behind_the_other_are_all_looked_at() -> None:
    body = pickle.dumps(1, 2) + pickle.dumps(OrderedDict(), 2)
    assert header("old.pth", body).imports == ("collections.OrderedDict",)


def test_a_name_that_is_put_together_elsewhere_is_told_as_unknown() -> None:
    hidden = b"\x80\x04\x8c\x05posix\x8c\x06systemN0\x93."
    assert "?" in header("model.pkl", hidden).imports


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("a.safetensors", safetensors({})[:-1]),
        ("a.safetensors", struct.pack("<Q", 100) + b"{}"),
        ("a.safetensors", b"\x08"),
        ("a.gguf", gguf({})[:50]),
        ("a.gguf", gguf({}, (8,))[:-32]),
        ("a.onnx", onnx()[:-40]),
    ],
)
def test_a_file_that_was_not_copied_to_its_end_is_told(name: str, body: bytes) -> None:
    assert header(name, body).is_cut


def tensors(text: str) -> bytes:
    """A file of safetensors with this header."""
    return struct.pack("<Q", len(text)) + text.encode() + bytes(64)


TWICE = '{"__metadata__": {"a": "1"}, "__metadata__": {"a": "2"}}'
TENSOR = '{"w": {"dtype": "F32", "shape": [%s], "data_offsets": [0, %s]}}'


@pytest.mark.parametrize(
    ("name", "body", "problem"),
    [
        ("a.safetensors", struct.pack("<Q", 2**62) + bytes(64), "bytes, more than"),
        ("a.safetensors", tensors(TWICE), "not JSON"),
        ("a.safetensors", tensors("[1]"), "no JSON object"),
        ("a.safetensors", tensors(TENSOR % (-1, 4)), "tensor w"),
        ("a.safetensors", tensors('{"w": 1}'), "tensor w"),
        ("a.gguf", b"GGUF" + struct.pack("<IQQ", 9, 0, 0), "version 9"),
        ("a.gguf", b"FUGG" + bytes(64), "does not begin"),
        ("a.gguf", b"GGUF" + struct.pack("<IQQ", 3, 2**40, 0), "parts, more than"),
        ("a.gguf", b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**21) + bytes(2**22), "bytes, more than"),
        ("a.gguf", b"GGUF" + struct.pack("<IQQQI", 3, 0, 1, 0, 99) + bytes(9), "type 99"),
        ("a.onnx", b"", "no graph"),
        ("a.onnx", b"\x0b" + bytes(40), "protocol buffer"),
        ("a.onnx", b"\xff" * 40, "protocol buffer"),
        ("a.pkl", b"x\x9c" + bytes(40), "compressed"),
        ("a.pkl", b"PK\x03\x04" + bytes(40), "archive"),
        ("a.pkl", b"\x80\x04\x95", "only a part"),
    ],
)
def test_an_odd_file_is_told_and_not_believed(name: str, body: bytes, problem: str) -> None:
    found = header(name, body)
    assert problem in found.problem
    assert (found.metadata, found.parameters, found.is_cut) == ({}, None, False)


def test_arrays_inside_of_arrays_end() -> None:
    nested = struct.pack("<IQ", 9, 1) * 8
    body = b"GGUF" + struct.pack("<IQQQI", 3, 0, 1, 0, 9) + nested + bytes(64)
    assert "type 9" in header("a.gguf", body).problem


def test_a_long_vocabulary_is_passed_by() -> None:
    words = struct.pack("<IQ", 8, 1000) + b"".join(struct.pack("<Q", 3) + b"abc" for _ in range(1000))
    body = b"GGUF" + struct.pack("<IQQ", 3, 0, 2)
    body += struct.pack("<Q", 1) + b"v" + struct.pack("<I", 9) + words
    body += struct.pack("<Q", 1) + b"n" + struct.pack("<II", 4, 7)
    assert header("a.gguf", body).metadata == {"n": "7"}


def test_the_other_byte_order_and_the_first_version_are_read() -> None:
    other = b"GGUF" + struct.pack(">IQQQ", 3, 0, 1, 1) + b"a" + struct.pack(">Ii", 5, -2)
    first = b"GGUF" + struct.pack("<IIII", 1, 0, 1, 1) + b"a" + struct.pack("<If", 6, 0.5)
    assert [header("a.gguf", body).metadata for body in (other, first)] == [{"a": "-2"}, {"a": "0.5"}]


def test_metadata_is_kept_in_bounds() -> None:
    told = {f"k{number:04}": "v\x00" * 3000 for number in range(MOST_TEXTS + 1)}
    found = header("a.safetensors", safetensors(told)).metadata
    assert len(found) == MOST_TEXTS
    assert {len(value) for value in found.values()} == {4096}
    assert "\x00" not in json.dumps(found["k0000"])


def test_files_of_other_formats_have_no_header_that_is_read() -> None:
    for name, body in (("README.md", b"# x"), ("config.json", b"{}"), ("weights.bin", b"\x00\x01\x02\x03")):
        assert read_header(name, io.BytesIO(body), len(body)) is None
    assert header("pytorch_model.bin", pickle.dumps(1)).format == "pickle"


BODIES = {"a.safetensors": safetensors({"a": "b"}), "a.gguf": gguf({"a": "b"}), "a.onnx": onnx(),
          "a.pkl": pickle.dumps(OrderedDict(a=1))}  # fmt: skip


@settings(max_examples=60, derandomize=True)
@given(
    st.sampled_from(sorted(BODIES)), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4)
)
def test_no_change_of_a_few_bytes_ends_in_anything_else(name: str, changes: list[tuple[int, int]]) -> None:
    body = bytearray(BODIES[name])
    for place, value in changes:
        body[place % len(body)] = value
    assert isinstance(header(name, bytes(body)), Header)
