"""Very many documents are encoded in another process: the same as here, and whatever becomes of that one."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from federation.search.document import Document
from federation.search.tantivy import apart, encoding
from tests.federation.search.test_encoding import NUMBERS, TEXTS
from tests.federation.search.world import document


def documents(models: int, versions: int = 3) -> list[Document]:
    """Models with the same number of versions each."""
    return [
        document(
            f"model-{model}", version, model_id=model, tags={"n": str(model)}, metrics={"auc": version / 7}
        )
        for model in range(1, models + 1)
        for version in range(versions)
    ]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is few and many is so with hundreds of documents."""
    monkeypatch.setattr(apart, "MANY", 20)
    monkeypatch.setattr(apart, "AT_ONCE", 10)
    monkeypatch.setattr(apart, "_processors", lambda: 2)


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list["subprocess.Popen[bytes]"]:
    """The processes that were begun."""
    found: list[subprocess.Popen[bytes]] = []
    begin: Callable[..., Any] = subprocess.Popen

    def popen(*given: Any, **more: Any) -> Any:
        found.append(begin(*given, **more))
        return found[-1]

    monkeypatch.setattr(subprocess, "Popen", popen)
    return found


@pytest.fixture(scope="module")
def process() -> Iterator[apart.EncodingProcess]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apart, "_processors", lambda: 2)
        with apart.EncodingProcess() as made:
            yield made


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.fixed_dictionaries(
        {
            "title": TEXTS,
            "description": TEXTS,
            "owner": TEXTS,
            "tags": st.dictionaries(TEXTS, TEXTS, max_size=3),
            "metrics": st.dictionaries(TEXTS, NUMBERS | st.integers(), max_size=2),
        }
    )
)
def test_any_document_is_encoded_as_it_is_here(
    process: apart.EncodingProcess, said: dict[str, object]
) -> None:
    batch = [document("a-Model/x2", number, **said) for number in range(2)]
    assert list(process.take(batch, process.give(batch))) == list(encoding.encode(batch))


@pytest.mark.usefixtures("few")
def test_many_documents_come_in_their_order_each_once(begun: list["subprocess.Popen[bytes]"]) -> None:
    given = documents(200)
    assert list(apart.encode(iter(given))) == list(encoding.encode(given))
    (one,) = begun
    assert one.returncode is not None


@pytest.mark.usefixtures("few")
def test_a_process_that_is_killed_leaves_nothing_out(
    begun: list["subprocess.Popen[bytes]"], monkeypatch: pytest.MonkeyPatch
) -> None:
    given, found, warned = documents(200), list[str](), list[str]()
    monkeypatch.setattr(apart, "log", SimpleNamespace(warning=lambda line, **_: warned.append(line)))
    for text in apart.encode(iter(given)):
        found.append(text)
        if len(found) == 100:
            os.kill(begun[0].pid, signal.SIGKILL)
    assert found == list(encoding.encode(given))
    assert len(warned) == 1


@pytest.mark.usefixtures("few")
def test_a_process_that_cannot_be_begun_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **_more: object) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    given = documents(100)
    assert list(apart.encode(iter(given))) == list(encoding.encode(given))


@pytest.mark.usefixtures("few")
def test_whoever_stops_in_the_middle_leaves_no_process(begun: list["subprocess.Popen[bytes]"]) -> None:
    texts = apart.encode(iter(documents(200)))
    for _ in range(50):
        next(texts)
    assert begun[0].returncode is None
    texts.close()  # type: ignore[attr-defined]
    assert begun[0].returncode is not None


@pytest.mark.usefixtures("few")
def test_an_error_of_what_is_read_passes(begun: list["subprocess.Popen[bytes]"]) -> None:
    def broken() -> Iterator[Document]:
        yield from documents(60)
        raise RuntimeError("the database is gone")

    with pytest.raises(RuntimeError, match="gone"):
        list(apart.encode(broken()))
    assert begun[0].returncode is not None


def test_few_documents_begin_no_process(begun: list["subprocess.Popen[bytes]"]) -> None:
    given = documents(30)
    assert list(apart.encode(iter(given))) == list(encoding.encode(given))
    assert begun == []


@pytest.mark.usefixtures("few")
def test_one_processor_has_one_process(
    monkeypatch: pytest.MonkeyPatch, begun: list["subprocess.Popen[bytes]"]
) -> None:
    monkeypatch.setattr(apart, "_processors", lambda: 1)
    given = documents(100)
    assert list(apart.encode(iter(given))) == list(encoding.encode(given))
    assert begun == []


def test_the_process_ends_with_whoever_began_it() -> None:
    command = [sys.executable, "-m", "federation.search.tantivy.apart"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as alone:
        out, _ = alone.communicate(timeout=60)
    assert (alone.returncode, out) == (0, b"")
