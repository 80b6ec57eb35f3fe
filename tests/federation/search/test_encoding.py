"""A document as the engine takes it: whatever its texts hold."""

import json
from datetime import UTC, datetime

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
