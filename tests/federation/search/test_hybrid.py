"""Close in meaning: what no word says is found, in the view alone, page by page, and as the index changes."""

import sys
from pathlib import Path

import numpy as np
import pytest

from federation.access import EVERYTHING, View
from federation.search.answer import SearchAnswer, SearchRequest
from federation.search.tantivy import folder
from federation.search.tantivy.engine import Search
from federation.search.tantivy.follower import IndexFollower
from federation.search.vectors import embedding, store
from federation.search.vectors.embedding import Embedding
from federation.search.vectors.store import Vectors, VectorWriter
from federation.search.words import chunks
from tests.federation.search.world import SearchWorld, document

DESCRIBED = {
    "bark": "writes down what somebody says: speech into text, dictation",
    "payguard": "finds payments of thieves: fraud on credit cards",
    "snapsort": "tells cats from dogs on photos: image classification",
    "verdi": "composes songs: music and melodies",
}
REQUEST = "transcription of recorded voices"


def found(search: Search, q: str, view: View = EVERYTHING, **more: object) -> SearchAnswer:
    return search.query(view, SearchRequest(q=q, **more))  # type: ignore[arg-type]


def near(answer: SearchAnswer) -> list[str]:
    return [hit.model for hit in (*answer.hits, *answer.near)]


@pytest.fixture
def world() -> SearchWorld:
    made = SearchWorld()
    made.put(*(document(name, description=text) for name, text in DESCRIBED.items()))
    return made


def test_what_no_word_says_is_found_set_apart_and_told(world: SearchWorld, tmp_path: Path) -> None:
    answer = found(world.search(tmp_path), REQUEST, explain=True)
    assert near(answer)[0] == "bark"
    assert (answer.nothing_fits, answer.by_meaning, answer.total) == (True, True, 0)
    assert answer.near[0].explanation is not None
    assert answer.near[0].explanation["matched"] == "close in meaning"
    assert not found(world.search(tmp_path), REQUEST, strict=True).near
    assert not found(world.search(tmp_path), "payguard").by_meaning


def test_qualifiers_and_what_is_excluded_hold_for_what_is_close(world: SearchWorld, tmp_path: Path) -> None:
    world.put(document("murmur", description="speech recognition of recordings", stage="production"))
    search = world.search(tmp_path)
    assert near(found(search, f"{REQUEST} stage:production")) == ["murmur"]
    assert "murmur" not in near(found(search, f"{REQUEST} -stage:production"))


def test_hidden_models_move_nothing(world: SearchWorld, tmp_path: Path) -> None:
    view = View.of([1])
    before = found(world.search(tmp_path / "one"), REQUEST, view)
    hidden = [
        document(f"whisper-{number}", registry="secret", registry_id=2, description=REQUEST)
        for number in range(50)
    ]
    world.put(*hidden)
    search = world.search(tmp_path / "two")
    assert found(search, REQUEST, view) == before
    assert near(found(search, REQUEST))[0].startswith("whisper")


def test_a_task_that_no_known_word_names_is_guessed_by_meaning(world: SearchWorld, tmp_path: Path) -> None:
    tags = {"pipeline_tag": "automatic-speech-recognition"}
    world.put(document("x1", tags=tags), document("x2", registry="secret", registry_id=2, tags=tags))
    answer = found(world.search(tmp_path), "typing up talks", View.of([1]))
    assert near(answer)[:1] == ["x1"]
    assert (answer.nothing_fits, answer.understood) == (True, ())
    assert set(answer.relaxed) <= {"typing", "up", "talks"}


def test_what_is_like_a_model_is_told_by_meaning_too(world: SearchWorld, tmp_path: Path) -> None:
    murmur = document("murmur", description=REQUEST)
    world.put(murmur, document("hidden", registry="secret", registry_id=2, description=REQUEST))
    [first, *_] = world.search(tmp_path).similar(View.of([1]), murmur, 10).similar
    assert (first.model, first.because[0].by, first.because[0].shared) == ("bark", "text", ())


def test_pages_have_each_model_once(world: SearchWorld, tmp_path: Path) -> None:
    world.put(*(document(f"talk-{number}", description=f"granite falcon {number}") for number in range(9)))
    world.put(*(document(f"day-{number}", description="falcon, granite") for number in range(9)))
    search = world.search(tmp_path)
    asked = "granite falcon turbine"
    whole = found(search, asked, limit=50)
    assert whole.hits, "two of three words fit"
    pages, cursor = [], None
    while True:
        page = found(search, asked, limit=4, cursor=cursor)
        pages += [hit.model for hit in page.hits]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert pages == [hit.model for hit in whole.hits]
    assert len(set(pages)) == len(pages) == whole.models


def test_vectors_follow_changes_deletions_and_forgotten_registries(
    world: SearchWorld, tmp_path: Path
) -> None:
    follower = IndexFollower(tmp_path, world)
    search = world.search(tmp_path)

    def follow() -> list[str]:
        while follower.step():
            pass
        search.reload()
        return near(found(search, REQUEST))

    world.put(document("snapsort", description="speech recognition: recordings of talks into text"))
    assert follow()[0] == "snapsort"
    world.drop(document("snapsort").model_id)
    assert "snapsort" not in follow()
    world.put(document("ears", registry="other", registry_id=7, description="speech recognition of voices"))
    assert "ears" in follow()
    world.forget(7)
    assert "ears" not in follow()


def test_an_index_from_before_the_extra_is_given_vectors_and_none_are_needed(
    world: SearchWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as without:
        without.setattr(embedding, "PACKAGE", "a_package_that_nobody_has")
        embedding.embedding.cache_clear()
        search = world.search(tmp_path)
        assert near(found(search, REQUEST)) == []
        assert near(found(search, "thieves")) == ["payguard"]
        assert not embedding.is_installed()
    embedding.embedding.cache_clear()
    generation = folder.current(tmp_path)
    assert near(found(world.search(tmp_path), REQUEST))[0] == "bark"
    assert folder.current(tmp_path) == generation, "the index itself is not built anew"


@pytest.fixture(scope="module")
def words() -> Embedding:
    made = embedding.embedding()
    assert made is not None
    return made


def test_lost_and_cut_files_are_filled_again(world: SearchWorld, tmp_path: Path) -> None:
    world.search(tmp_path)
    generation = tmp_path / (folder.current(tmp_path) or "")
    for harm in (
        lambda: (generation / "vectors.values").unlink(),
        lambda: (generation / "vectors.signs").write_bytes(b"cut"),
        lambda: (generation / "vectors.json").write_text("{}"),
    ):
        harm()
        assert near(found(world.search(tmp_path), REQUEST))[0] == "bark"


def test_files_that_are_cut_off_while_they_are_mapped_end_nobody(world: SearchWorld, tmp_path: Path) -> None:
    follower, search = IndexFollower(tmp_path, world), world.search(tmp_path)
    follower.step()
    assert near(found(search, "music of composers"))[0] == "verdi"  # which maps them
    for file in tmp_path.glob("generation-*/vectors.*"):
        file.write_bytes(b"cut")
    assert near(found(search, REQUEST)) == []
    world.put(document("other", description="nothing of the kind"))
    with pytest.raises(OSError, match="cut off"):
        follower.step()
    while follower.step():
        pass
    search.reload()
    assert near(found(search, REQUEST))[0] == "bark"


def test_many_models_are_told_apart_by_signs_first(
    words: Embedding, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "CANDIDATES", 16)
    chance = np.random.default_rng(7)
    noise = chance.integers(-40, 40, (3_000, embedding.DIMENSIONS), np.int8)
    wanted = words.vectors(["speech into text", "music"])
    writer = VectorWriter(tmp_path)
    writer.put(range(1, 3_001), [number % 3 + 1 for number in range(3_000)], noise)
    writer.put([5_000, 5_001], [2, 3], wanted)
    writer.complete()
    vectors = Vectors.open(tmp_path)
    [first] = vectors.nearest(wanted[0], EVERYTHING, 1, 0.5)
    assert (first.model, round(first.similarity, 1)) == (5_000, 1.0)
    assert vectors.nearest(wanted[1], View.of([3]), 1, 0.5)[0].model == 5_001
    writer.drop([5_000])
    assert vectors.nearest(wanted[0], EVERYTHING, 1, 0.5) == []


def test_words_have_the_pieces_that_the_embeddings_were_trained_with(words: Embedding) -> None:
    folder = embedding.package_folder()
    assert folder is not None
    theirs = pytest.importorskip("tokenizers").Tokenizer.from_file(str(folder / embedding.TOKENIZER))
    said = "transcription of churn qwen3moe übersetzung 日本語 ￿ a aaaaaaa 2026 donaudampfschifffahrt"
    for word in chunks(said):
        assert list(words.pieces.of(word)) == theirs.encode(word, add_special_tokens=False).ids, word


def test_numbers_of_half_precision_are_what_numpy_makes_of_them() -> None:
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    finite = every[np.isfinite(every)]
    ours, theirs = embedding.single(finite.view(np.int16)), finite.astype(np.float32)
    assert ours.tobytes() == theirs.tobytes()


def test_texts_without_words_have_no_vector(words: Embedding, tmp_path: Path) -> None:
    assert not words.vectors(["", "fraud"])[0].any()
    writer = VectorWriter(tmp_path)
    writer.put([1], [1], words.vectors(["fraud"]))
    writer.complete()
    vectors = Vectors.open(tmp_path)
    assert vectors.nearest(words.vectors([""])[0], EVERYTHING, 5, -1) == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a file is given its room as it is written")
def test_its_files_have_their_room_so_that_nobody_is_ended_who_reads_them_on_a_full_disk(
    tmp_path: Path,
) -> None:
    writer = VectorWriter(tmp_path)
    rows = len(writer.columns["models"]) + 1
    writer.put(range(1, rows + 1), [1] * rows, np.ones((rows, embedding.DIMENSIONS), np.int8))
    sizes = {file.name: file.stat() for file in tmp_path.iterdir()}
    assert len(sizes) == len(store.COLUMNS)
    assert [name for name, found in sizes.items() if found.st_blocks * 512 < found.st_size] == []
