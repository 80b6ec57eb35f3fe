"""A document as the engine takes it: whatever its texts hold."""

import json
from datetime import UTC, datetime
from typing import Any

import tantivy
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters import Schema
from federation.search.tantivy.encoding import encode, read_stored
from federation.search.tantivy.schema import LEAD, MODEL_SUM, schema
from tests.federation.search.world import document

TEXTS = st.text(
    st.sampled_from('aB9ßé漢½İ٣-_/ ."\\\n\t\x00\x1f,:{}[]\ud800') | st.characters(codec="utf-8"), max_size=12
)
NUMBERS = st.floats() | st.integers(-(2**60), 2**60)


@settings(max_examples=60)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "title": TEXTS,
                "owner": TEXTS,
                "framework": TEXTS,
                "description": TEXTS,
                "tags": st.dictionaries(TEXTS, TEXTS, max_size=3),
                "params": st.dictionaries(TEXTS, TEXTS, max_size=2),
                "metrics": st.dictionaries(TEXTS, NUMBERS, max_size=2),
                "aliases": st.lists(TEXTS, max_size=2).map(tuple),
                "schema": st.none() | st.just(Schema()),
                "updated": st.none() | st.just(datetime(2026, 1, 1, tzinfo=UTC)),
            }
        ),
        min_size=1,
        max_size=3,
    )
)
def test_any_text_and_any_number_stands_in_the_index_as_it_is_said(versions: list[dict[str, object]]) -> None:
    documents = [document("a-Model/x2", number, **fields) for number, fields in enumerate(versions)]
    texts = list(encode(documents))
    index = tantivy.Index(schema())
    writer = index.writer(15_000_000, 1)
    for text in texts:
        writer.add_json(text)
    writer.commit()
    index.reload()
    searcher = index.searcher()
    hits = searcher.search(tantivy.Query.all_query(), limit=10, order_by_field="tie").hits
    stored = {one.ref: one for one in (read_stored(searcher.doc(address)) for _, address in hits)}
    assert len(stored) == len(documents)
    for one in documents:
        shown = stored[f"fraud/a-Model/x2:{one.version}"]
        assert (shown.title, shown.owner, shown.tags) == (
            one.title,
            one.texts.get("owner", ("",))[0],
            one.entries.get("tag", {}),
        )
    assert sum(json.loads(text)[MODEL_SUM] for text in texts) == LEAD


WHOLE = (
    "facet_owner",
    "facet_framework",
    "facet_stage",
    "data",
    "stored",
    "version_order",
    "tie",
    "created",
    "updated",
)


@settings(max_examples=60)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "owner": st.sampled_from(["", "Ann", "bob"]),
                "stage": st.sampled_from(["none", "production"]),
                "tags": st.dictionaries(
                    st.sampled_from(["Task", "k.1", "run"]), st.sampled_from(["a", "B 2", "0b413f"])
                ),
                "params": st.dictionaries(
                    st.sampled_from(["lr", "depth"]), st.sampled_from(["0.1", "x", "7e"])
                ),
                "metrics": st.dictionaries(st.sampled_from(["auc", "f1"]), st.floats(0, 1)),
                "aliases": st.lists(st.sampled_from(["champion", "next"]), unique=True).map(tuple),
                "created": st.sampled_from([datetime(2026, 1, day, tzinfo=UTC) for day in (1, 1, 2)]),
            }
        ),
        min_size=2,
        max_size=5,
    )
)
def test_a_version_among_others_of_its_model_is_found_by_what_it_is_found_by_alone(
    versions: list[dict[str, Any]],
) -> None:
    # One creation for each: of several at one moment the newer ones are put a microsecond on.
    days = {number: one["created"].replace(hour=number) for number, one in enumerate(versions)}
    documents = [document("m", n, **{**fields, "created": days[n]}) for n, fields in enumerate(versions)]
    for together, one in zip(map(json.loads, encode(documents)), documents, strict=True):
        (alone,) = map(json.loads, encode([one]))
        for words in ("near", "all"):
            assert set(together[words].split()) == set(alone[words].split())
        for values in ("facts", "phrase"):
            of_one = [
                {text for text in held[values] if not text.startswith("name of ")}
                for held in (together, alone)
            ]
            assert of_one[0] == of_one[1]
        assert [together.get(name) for name in WHOLE] == [alone.get(name) for name in WHOLE]


def test_what_a_version_alone_says_is_in_no_other_version_of_its_model() -> None:
    documents = [
        document(
            "m", 1, tags={"task": "ranking"}, stage="production", framework="xgboost", aliases=("champion",)
        ),
        document(
            "m", 2, tags={"task": "embedding"}, stage="none", description="a new one", params={"lr": "0.1"}
        ),
    ]
    first, second = map(json.loads, encode(documents))
    assert set(first["near"].split()) - set(second["near"].split()) == {
        "1", "ranking", "production", "xgboost", "champion",
    }  # fmt: skip
    assert set(second["all"].split()) - set(second["near"].split()) == {"m", "a", "new", "one"}
    assert "param.lr\x1f0.1" in second["facts"]
    assert "name of tag\x1ftask" in first["facts"]
    assert second["data"] == {"tagT7461736b": "embedding", "paramN6c72": 0.1}
    assert (first["facet_stage"], first["facet_framework"]) == (["production"], ["xgboost"])
    assert "facet_framework" not in second
